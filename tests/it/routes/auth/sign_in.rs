//! `/api/auth/login`, `/api/auth/admin/login`, `/api/auth/me`, `/api/auth/refresh` and the keys
//! behind the tokens.

use std::collections::BTreeSet;

use argon2::password_hash::{PasswordHasher, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::app::{ADMIN, Answer, App, PLAYER, PLAYER_ID};

fn names(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

async fn login(app: &App, path: &str, site_id: &str, password: &str) -> Answer {
    app.post(path, None, json!({"site_id": site_id, "password": password})).await
}

#[tokio::test]
async fn signing_in_answers_with_exactly_these_names_and_moves_no_gold() {
    let app = App::start().await;
    let before = app.database.events().await;
    let answer = login(&app, "/api/auth/login", PLAYER.0, PLAYER.1).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let expected =
        ["access_token", "token_type", "expires_in", "refresh_token", "is_admin", "user"];
    assert_eq!(names(&answer.body), BTreeSet::from(expected));
    assert_eq!(answer.body["token_type"], "bearer");
    assert_eq!(
        (&answer.body["expires_in"], &answer.body["is_admin"]),
        (&json!(900), &json!(false))
    );
    let user = &answer.body["user"];
    let expected = [
        "id",
        "site_id",
        "nickname",
        "rank",
        "is_active",
        "is_admin",
        "role",
        "permissions",
        "gold",
        "vip_points",
        "level",
        "xp",
        "created_at",
    ];
    assert_eq!(names(user), BTreeSet::from(expected));
    assert_eq!((&user["id"], &user["gold"]), (&json!(PLAYER_ID), &json!(1000)));

    let token = answer.body["access_token"].as_str().unwrap();
    let me = app.get("/api/auth/me", Some(token)).await;
    assert_eq!(&me.body, user, "me is the user of the sign-in");
    assert_eq!(app.database.events().await, before, "signing in moves no gold");

    let jwks = app.get("/.well-known/jwks.json", None).await;
    let key = &jwks.body["keys"][0];
    assert_eq!((&key["kty"], &key["crv"]), (&json!("OKP"), &json!("Ed25519")));
    assert!(key["d"].is_null(), "the private half stays at home");
    let head = head_of(token);
    assert_eq!((&head["kid"], &head["alg"]), (&key["kid"], &json!("EdDSA")));
}

/// The first part of a token, which says how it was signed.
fn head_of(token: &str) -> Value {
    let head = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice(&head).unwrap()
}

/// How many passwords this node has hashed.
async fn hashes(app: &App) -> u64 {
    let metrics = app.get("/metrics", None).await.text;
    let line = metrics.lines().find_map(|it| it.strip_prefix("club_password_hashes_total "));
    line.unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_name_that_nobody_has_costs_as_many_hashes_as_any_other() {
    let app = App::start().await;
    let people =
        [("nobody", "1234"), ("nobody", "1234"), (PLAYER.0, "12345"), PLAYER, ("' or 1=1", "1234")];
    for (name, password) in people {
        let before = hashes(&app).await;
        login(&app, "/api/auth/login", name, password).await;
        assert_eq!(hashes(&app).await - before, 1, "{name} with {password}");
    }
}

#[tokio::test]
async fn a_hash_of_old_parameters_is_made_anew_when_its_owner_signs_in() {
    let app = App::start().await;
    let params = Params::new(8_192, 1, 1, None).unwrap();
    let salt = SaltString::encode_b64(b"0123456789abcdef").unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let old = argon2.hash_password(PLAYER.1.as_bytes(), &salt).unwrap().to_string();
    let mut superuser = app.database.superuser().await;
    let update = "update identity.users set password_hash = $1 where id = 23";
    sqlx::query(update).bind(&old).execute(&mut superuser).await.unwrap();
    let stored = "select password_hash from identity.users where id = 23";
    for (password, status) in [("12345", 401), ("1234", 200), ("1234", 200)] {
        let answer = login(&app, "/api/auth/login", PLAYER.0, password).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        let now: String = sqlx::query_scalar(stored).fetch_one(&mut superuser).await.unwrap();
        assert_eq!(now == old, status == 401, "{now}");
        assert!(now == old || now.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{now}");
    }
}

#[tokio::test]
async fn a_nickname_opens_in_any_case_a_wrong_password_never_and_staff_have_their_own_door() {
    let app = App::start().await;
    let newcomer = json!({
        "site_id": "casey", "nickname": "CaseY", "phone_number": "01099990003",
        "password": "pass phrase", "invite_code": "5858",
    });
    assert_eq!(app.post("/api/auth/signup", None, newcomer).await.status, 201);
    for name in ["casey", "CaseY", "CASEY", "cAsEy"] {
        let answer = login(&app, "/api/auth/login", name, "pass phrase").await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text);
        assert_eq!(answer.body["user"]["id"], 25, "{name}");
    }
    for (name, password) in
        [("casey", "Pass phrase"), ("casey", "pass phrase "), ("nobody", "1234"), ("' or 1=1", "x")]
    {
        let answer = login(&app, "/api/auth/login", name, password).await;
        answer.is_problem(401, "INVALID_CREDENTIALS");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    let unknown = login(&app, "/api/auth/login", "nobody", "1234").await;
    let wrong = login(&app, "/api/auth/login", "casey", "1234").await;
    assert_eq!(unknown.body["detail"], wrong.body["detail"], "who exists is not told");

    let staff = "/api/auth/admin/login";
    login(&app, staff, PLAYER.0, PLAYER.1).await.is_problem(403, "FORBIDDEN");
    login(&app, staff, ADMIN.0, "wrong").await.is_problem(401, "INVALID_CREDENTIALS");
    let admin = login(&app, staff, ADMIN.0, ADMIN.1).await;
    assert_eq!((admin.status.as_u16(), &admin.body["is_admin"]), (200, &json!(true)));
    assert!(admin.body["access_token"].as_str().unwrap().starts_with("eyJ"));
}
