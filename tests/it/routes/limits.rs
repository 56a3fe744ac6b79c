//! How fast anybody may ask, on all addresses.

use reqwest::Response;
use serde_json::{Value, json};

use crate::app::{ADMIN, Answer, App, PLAYER, demo_database};
use crate::newcomers::{is_in, sign_up, wish};
use crate::provider::wait_for;

async fn app(settings: &[(&str, &str)]) -> App {
    App::start_on(demo_database().await, settings).await
}

async fn spend(app: &App, token: &str) -> Answer {
    app.post("/test/spend", Some(token), json!({"gold": 1})).await
}

/// A header of an answer, as text.
fn told<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn what_a_player_does_is_counted_and_told_and_comes_back_with_time() {
    let app = app(&[("CLUB_RATE_COMMANDS", "3/60")]).await;
    let player = app.player().await;
    for left in [2, 1, 0] {
        let answer = spend(&app, &player).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(told(&answer, "ratelimit-policy"), "\"commands\";q=3;w=60");
        let expected = format!("\"commands\";r={left};t=");
        assert!(told(&answer, "ratelimit").starts_with(&expected), "{:?}", answer.headers);
    }
    let refused = spend(&app, &player).await;
    refused.is_problem(429, "RATE_LIMIT");
    let wait: u32 = told(&refused, "retry-after").parse().unwrap();
    assert!((15..=20).contains(&wait), "{wait}");
    assert!(told(&refused, "ratelimit").starts_with("\"commands\";r=0;t="));
    assert_eq!(refused.body["limit"], "commands");
    assert_eq!(refused.body["setting"], "CLUB_RATE_COMMANDS");
    assert!(refused.body["ends_at"].is_string(), "{}", refused.text);

    // What is looked at has a quota of its own, and so have others.
    let balance = app.get("/api/users/balance", Some(&player)).await;
    assert_eq!((balance.status.as_u16(), &balance.body["gold"]), (200, &json!(997)));
    assert_eq!(told(&balance, "ratelimit-policy"), "\"reads\";q=3000;w=60");
    let another = app.sign_in("/api/auth/login", ("minjun", "1234")).await;
    assert_eq!(spend(&app, &another).await.status, 200);
    wait_for(&app, wait).await;
    assert_eq!(spend(&app, &player).await.status, 200);
    spend(&app, &player).await.is_problem(429, "RATE_LIMIT");
}

#[tokio::test]
async fn each_class_has_its_own_quota_and_whoever_looks_after_the_service_has_none() {
    let one = "1/3600";
    let app = app(&[
        ("CLUB_RATE_READS", one),
        ("CLUB_RATE_STAFF", one),
        ("CLUB_RATE_PUBLIC", one),
        ("CLUB_RATE_SERVICES", one),
    ])
    .await;
    let (player, admin) = (app.player().await, app.admin().await);
    let asked = [
        ("reads", "/api/users/balance", Some(&player)),
        ("staff", "/api/admin/invites", Some(&admin)),
        ("public", "/api/shop/catalog", None),
    ];
    for (class, path, token) in asked {
        let answer = app.get(path, token.map(String::as_str)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let answer = app.get(path, token.map(String::as_str)).await;
        answer.is_problem(429, "RATE_LIMIT");
        assert_eq!(answer.body["limit"], class);
    }
    // A forged token is nobody's, and what is not there counts as well.
    app.get("/api/users/balance", Some("forged")).await.is_problem(429, "RATE_LIMIT");
    app.get("/nothing", None).await.is_problem(429, "RATE_LIMIT");
    app.post("/api/actions", None, json!({})).await.is_problem(401, "SERVICE_CREDENTIAL_REQUIRED");
    app.post("/api/actions", None, json!({})).await.is_problem(429, "RATE_LIMIT");
    for path in ["/health", "/api/health", "/ready", "/metrics", "/health/"] {
        for _ in 0..3 {
            let answer = app.get(path, None).await;
            assert_eq!((answer.status.as_u16(), told(&answer, "ratelimit")), (200, ""), "{path}");
        }
    }
}

/// Signs in as if from an address.
async fn sign_in_from(app: &App, address: &str) -> u16 {
    let body = json!({"site_id": PLAYER.0, "password": PLAYER.1});
    let request = app.http.post(format!("{}/api/auth/login", app.url)).json(&body);
    let answer: Response = request.header("x-forwarded-for", address).send().await.unwrap();
    answer.status().as_u16()
}

#[tokio::test]
async fn the_entrance_is_counted_by_address_and_only_proxies_of_ours_say_which() {
    let rate = ("CLUB_RATE_ENTRANCE", "2/3600");
    let app = app(&[rate]).await;
    let asked = ["1.1.1.1", "2.2.2.2", "3.3.3.3"];
    let mut statuses = vec![];
    for address in asked {
        statuses.push(sign_in_from(&app, address).await);
    }
    assert_eq!(statuses, [200, 200, 429], "anybody can write such a header");
    sign_up(&app, &wish(1, "5858")).await.is_problem(429, "RATE_LIMIT");

    let trusting = [rate, ("CLUB_TRUSTED_PROXIES", "127.0.0.0/8, ::1")];
    let app = App::start_on(app.database.clone(), &trusting).await;
    let mut statuses = vec![];
    for address in ["1.1.1.1", "1.1.1.1", "1.1.1.1", "2.2.2.2", "2.2.2.2, 1.1.1.1"] {
        statuses.push(sign_in_from(&app, address).await);
    }
    assert_eq!(statuses, [200, 200, 429, 200, 429], "the last one counts");
    is_in(&sign_up(&app, &wish(1, "5858")).await);
}

#[tokio::test]
async fn without_limits_nothing_is_counted_and_nothing_told() {
    let app = app(&[("CLUB_LIMITS", "off"), ("CLUB_RATE_COMMANDS", "1/3600")]).await;
    let player = app.player().await;
    for _ in 0..5 {
        let answer = spend(&app, &player).await;
        assert_eq!((answer.status.as_u16(), told(&answer, "ratelimit-policy")), (200, ""));
    }
    let wrong = json!({"site_id": PLAYER.0, "password": "wrong"});
    for _ in 0..12 {
        let answer = app.post("/api/auth/login", None, wrong.clone()).await;
        answer.is_problem(401, "INVALID_CREDENTIALS");
    }
    app.player().await;
}

/// Signs in with a wrong password so many times; what was answered.
async fn guess(app: &App, name: &str, times: usize) -> Vec<u16> {
    let mut statuses = vec![];
    for number in 0..times {
        let body = json!({"site_id": name, "password": format!("guess {number}")});
        let answer = app.post("/api/auth/login", None, body).await;
        statuses.push(answer.status.as_u16());
    }
    statuses
}

async fn login(app: &App, (site_id, password): (&str, &str)) -> Answer {
    app.post("/api/auth/login", None, json!({"site_id": site_id, "password": password})).await
}

#[tokio::test]
async fn after_five_wrong_passwords_nobody_signs_in_under_the_name_for_a_while() {
    let app = App::start().await;
    let five = vec![401; 5];
    assert_eq!(guess(&app, PLAYER.0, 5).await, five);
    let locked = login(&app, PLAYER).await;
    locked.is_problem(429, "RATE_LIMIT");
    let wait: u32 = told(&locked, "retry-after").parse().unwrap();
    assert!((590..=600).contains(&wait), "{wait}");
    assert_eq!(locked.body["limit"], "sign_in_failures");
    // The other name of the same person is no second chance, and the console's door none either.
    login(&app, ("테스트유저", PLAYER.1)).await.is_problem(429, "RATE_LIMIT");
    let staffs = json!({"site_id": PLAYER.0, "password": PLAYER.1});
    app.post("/api/auth/admin/login", None, staffs).await.is_problem(429, "RATE_LIMIT");
    assert_eq!(login(&app, ("minjun", "1234")).await.status, 200, "others come in");

    // A name that nobody has is told the same.
    assert_eq!(guess(&app, "nobody-here", 5).await, five);
    let unknown = login(&app, ("NOBODY-here", "1234")).await;
    unknown.is_problem(429, "RATE_LIMIT");
    let alike = |answer: &Answer| {
        let mut body = answer.body.clone();
        for name in ["request_id", "ends_at"] {
            body[name] = Value::Null;
        }
        body
    };
    assert_eq!(alike(&unknown), alike(&locked), "who exists is not told");

    // Neither another node nor a restart forgets.
    let database = app.kill().await;
    let app = App::start_on(database, &[]).await;
    login(&app, PLAYER).await.is_problem(429, "RATE_LIMIT");
    wait_for(&app, 601).await;
    assert_eq!(login(&app, PLAYER).await.status, 200);
    assert_eq!(guess(&app, PLAYER.0, 5).await, five, "they are counted anew");
    login(&app, PLAYER).await.is_problem(429, "RATE_LIMIT");
}

#[tokio::test]
async fn wrong_passwords_are_forgotten_with_the_right_one_and_with_time() {
    let app = app(&[("CLUB_LIMIT_SIGN_IN_FAILURES", "3/60")]).await;
    for _ in 0..3 {
        assert_eq!(guess(&app, ADMIN.0, 2).await, [401, 401]);
        app.admin().await;
    }
    assert_eq!(guess(&app, ADMIN.0, 2).await, [401, 401]);
    wait_for(&app, 61).await;
    assert_eq!(guess(&app, ADMIN.0, 2).await, [401, 401]);
    app.admin().await;
    // Many at once learn no more than one after another.
    let guesses = (0..12).map(|number| {
        let app = &app;
        async move { login(app, (ADMIN.0, &format!("guess {number}"))).await.status.as_u16() }
    });
    let statuses = futures::future::join_all(guesses).await;
    let told_wrong = statuses.iter().filter(|status| **status == 401).count();
    assert_eq!(told_wrong, 3, "{statuses:?}");
    assert!(statuses.iter().all(|status| [401, 429].contains(status)), "{statuses:?}");
}
