//! `/api/users/export`, `/api/users/erase`, and the same by the staff: `/api/admin/users/{id}/export`,
//! `/api/admin/users/{id}/erase`.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::query_scalar;
use tokio::time::{Instant, sleep};

use crate::app::{App, demo_database, program, replay};
use crate::marked::{self, MARK, Marked, Outside, PASSWORD, PHONE, SITE_ID, marked as mark};
use crate::newcomers::is_in;
use crate::phone::Phone;
use crate::socket::Socket;

/// How long an erasure may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// So that everything is logged that ever is.
const CHATTY: [(&str, &str); 2] = [("RUST_LOG", "trace"), ("CLUB_LIMITS", "off")];

pub async fn erase(app: &App, token: &str) -> Value {
    let answer = app.post("/api/users/erase", Some(token), json!({"password": PASSWORD})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body
}

/// Waits until the staff is shown that all is gone; what it is shown.
pub async fn until_gone(app: &App, id: i64) -> Value {
    let (admin, latest) = (app.admin().await, Instant::now() + PATIENCE);
    loop {
        let shown = app.get(&format!("/api/admin/users/{id}"), Some(&admin)).await;
        if shown.body["erasure"]["completed_at"].is_string() {
            return shown.body;
        }
        assert!(Instant::now() < latest, "not gone: {}", shown.text);
        sleep(Duration::from_millis(20)).await;
    }
}

/// Asserts that the books balance: the log's, and the provider's.
pub async fn all_balances(app: &App) {
    let (code, said) = replay(&app.database, &["verify"]).await;
    assert_eq!(code, Some(0), "{said}");
    let reconciled = program("club", &app.database.url()).arg("reconcile").output().await.unwrap();
    let said = String::from_utf8([reconciled.stdout, reconciled.stderr].concat()).unwrap();
    assert_eq!(reconciled.status.code(), Some(0), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_an_erased_player_nothing_is_left_anywhere_and_the_books_balance() {
    let (database, outside) = (demo_database().await, Outside::new());
    let settings = [&CHATTY[..], &outside.settings(&database)].concat();
    let app = marked::club_on(database.clone(), &settings).await;
    let other = App::start_on(app.database.clone(), &CHATTY).await;
    let person = marked::live(&app).await;
    let before = marked::places(&app.database).await;
    for place in [
        "identity.mail_tokens",
        "identity.sessions",
        "identity.users",
        "payments.webhooks",
        "public.event_texts",
    ] {
        assert!(before.contains(&place.to_owned()), "{place} is not in {before:?}");
    }
    let (mut screen, _) = Socket::me(&other, &person.access, None).await;

    let wrong = json!({"password": mark("guess")});
    let refused = app.post("/api/users/erase", Some(&person.access), wrong).await;
    refused.is_problem(401, "INVALID_CREDENTIALS");
    let erased = erase(&app, &person.access).await;
    assert!(erased["erasure"]["requested_at"].is_string(), "{erased}");
    for node in [&other, &app] {
        node.until_refused(&person.access).await.is_problem(401, "UNAUTHENTICATED");
    }
    assert_eq!(screen.close_code().await, 4401);
    let refresh = json!({"refresh_token": person.refresh});
    other.post("/api/auth/refresh", None, refresh).await.is_problem(401, "INVALID_REFRESH_TOKEN");

    let shown = until_gone(&app, person.id).await;
    let unknown = json!({"site_id": "nobody-has-this", "password": PASSWORD});
    let unknown = app.post("/api/auth/login", None, unknown).await;
    let gone = json!({"site_id": SITE_ID, "password": PASSWORD});
    let gone = other.post("/api/auth/login", None, gone).await;
    assert_eq!((gone.status, &gone.body["detail"]), (unknown.status, &unknown.body["detail"]));
    assert_eq!(gone.body["code"], unknown.body["code"]);
    is_a_number_only(&app, person.id, &shown).await;

    assert_eq!(marked::places(&app.database).await, Vec::<String>::new());
    outside.names_nobody(&app, person.id).await;
    [&app, &other].into_iter().for_each(marked::is_unnamed);
    all_balances(&app).await;

    // Nothing comes back with the read models, and whoever wants the names can have them.
    let (code, said) = replay(&app.database, &["rebuild"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(marked::places(&app.database).await, Vec::<String>::new());
    let anew = app.post("/api/auth/signup", None, marked::wish()).await;
    is_in(&anew);
    assert_ne!(anew.body["user"]["id"], person.id);
    all_balances(&app).await;
}

/// The staff still sees the number, and what happened to it; nobody finds it by a name.
async fn is_a_number_only(app: &App, id: i64, shown: &Value) {
    assert_eq!(shown["id"], id);
    for name in ["site_id", "nickname", "created_at", "version"] {
        assert!(shown[name].is_null(), "{name}: {shown}");
    }
    assert_eq!((&shown["is_active"], &shown["gold"]), (&json!(false), &json!(0)));
    assert_eq!((&shown["notes"], &shown["sessions"]), (&json!([]), &json!([])));
    let admin = app.admin().await;
    let listed = app.get("/api/admin/users?limit=100", Some(&admin)).await;
    assert_eq!(listed.body["users"], 24, "{}", listed.text);
    for name in [MARK, PHONE] {
        let found = app.get(&format!("/api/admin/users?search={name}"), Some(&admin)).await;
        assert_eq!(found.body["users"], 0, "{}", found.text);
    }
    let acts = app.get(&format!("/api/admin/audit/logs?target={id}"), Some(&admin)).await;
    let acts = acts.body["items"].as_array().unwrap();
    assert!(acts.len() > 10 && acts.iter().all(|line| line["reason"].is_null()), "{acts:?}");
    let grant = json!({"gold": 1, "reason": "for nobody"});
    for what in ["grant", "ban", "notes"] {
        let body = if what == "notes" { json!({"text": "of nobody"}) } else { grant.clone() };
        let body = if what == "ban" { json!({"reason": "for nobody"}) } else { body };
        let path = format!("/api/admin/users/{id}/{what}");
        let refused = app.post_keyed(&path, &admin, &format!("no-{what}"), &body).await;
        refused.is_problem(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn everything_that_is_held_is_read_out_but_secrets() {
    let app = marked::club(&CHATTY).await;
    let person = marked::live(&app).await;
    let own = app.get("/api/users/export", Some(&person.access)).await;
    assert_eq!(own.status, 200, "{}", own.text);
    let disposition = own.headers["content-disposition"].to_str().unwrap();
    assert!(disposition.starts_with("attachment; filename="), "{disposition}");
    let head = u64::try_from(app.database.head().await).unwrap();
    assert!(own.body["position"].as_u64().unwrap() <= head && own.body["user_id"] == person.id);
    for what in [
        "agent",
        "said",
        "note two",
        "grant",
        "batch",
        "reward",
        "claim",
        "request",
        "rejection",
        "forced",
        "refund",
        "rank",
        "logout",
        "ban",
        "unban",
        "suppressed",
        "phone",
    ] {
        assert!(own.text.contains(&mark(what)), "{what} is not in {}", own.text);
    }
    for name in [SITE_ID, marked::RENAMED, marked::OTHER_PHONE] {
        assert!(own.text.contains(name), "{name}");
    }
    assert!(!own.text.contains(&mark("note one")), "a note that was taken away is gone");
    let held = &own.body["held"];
    has_rows(held);
    keeps_secrets(&app, &own.text, person.id).await;

    let admin = app.admin().await;
    let staffs = app.get(&format!("/api/admin/users/{}/export", person.id), Some(&admin)).await;
    assert_eq!(staffs.body["held"]["public.events"], held["public.events"]);
    let looks = "select count(*) from events where event_type = 'personal_data_seen'
                    and payload->>'player' = $1";
    let looks = query_scalar(looks).bind(person.id.to_string());
    let looks: i64 = looks.fetch_one(&mut app.database.superuser().await).await.unwrap();
    assert_eq!(looks, 2, "the export, and the look in the marked life");
    let support = app.sign_in("/api/auth/admin/login", ("operator", "operator123")).await;
    let path = format!("/api/admin/users/{}/export", person.id);
    app.get(&path, Some(&support)).await.is_problem(403, "FORBIDDEN");
    app.get("/api/admin/users/4711/export", Some(&admin)).await.is_problem(404, "NOT_FOUND");

    // Somebody else's is somebody else's.
    let stranger = app.player().await;
    let others = app.get("/api/users/export", Some(&stranger)).await;
    assert!(!others.text.to_lowercase().contains(MARK), "{}", others.text);
}

/// A row or more of each place in which the marked life has left something.
fn has_rows(held: &Value) {
    for (place, least) in [
        ("identity.users", 1),
        ("identity.sessions", 1),
        ("identity.sign_in_failures", 0),
        ("identity.mail_tokens", 2),
        ("mail.outbox", 3),
        ("payments.webhooks", 1),
        ("sandbox.charges", 3),
        ("sandbox.refunds", 1),
        ("public.event_texts", 14),
        ("public.events", 30),
        ("read.purchases", 3),
        ("read.participations", 2),
        ("read.streaks", 1),
        ("read.balances", 1),
        ("read.standings", 1),
        ("read.approvals", 2),
        ("read.job_lines", 1),
        ("read.rewards", 3),
        ("read.notes", 2),
        ("read.levels", 1),
        ("read.mission_progress", 1),
        ("read.items", 0),
        ("read.audit", 10),
    ] {
        let rows = held[place].as_array().unwrap_or_else(|| panic!("{place}: {held}"));
        assert!(rows.len() >= least, "{place} has {}", rows.len());
    }
}

/// Hashes and keys are not in it, in any form; what was kept back is told.
async fn keeps_secrets(app: &App, text: &str, id: i64) {
    let secrets = "select password_hash from identity.users where id = $1
         union all select encode(successor_key, 'hex') from identity.sessions where user_id = $1
         union all select encode(token_hash, 'hex') from identity.mail_tokens where user_id = $1
         union all select token_id from identity.mail_tokens where user_id = $1
         union all select encode(token_hash, 'hex') from identity.refresh_tokens
                     join identity.sessions on id = session_id where user_id = $1
         union all select encode(ticket_hash, 'hex') from identity.realtime_tickets where user_id = $1";
    let secrets: Vec<String> = query_scalar(secrets)
        .bind(id)
        .fetch_all(&mut app.database.superuser().await)
        .await
        .unwrap();
    assert!(secrets.len() > 3);
    assert!(secrets.iter().all(|secret| !text.contains(secret)));
    for kept in
        ["identity.users.password_hash", "identity.refresh_tokens", "identity.realtime_tickets"]
    {
        assert!(text.contains(&format!("\"what\":\"{kept}\"")), "{kept}");
    }
}

#[tokio::test]
async fn who_owes_something_or_waits_for_the_provider_is_not_erased_yet() {
    let app = App::start_on(crate::app::demo_database().await, &[("CLUB_LIMITS", "off")]).await;
    let (player, admin) = (app.player().await, app.admin().await);
    let leave = || app.post("/api/users/erase", Some(&player), json!({"password": "1234"}));
    let buy = |card: &str| {
        app.post("/api/shop/buy", Some(&player), json!({"product_id": 1001, "card_token": card}))
    };
    let pending = buy("tok_pending").await.body;
    leave().await.is_problem(409, "MONEY_UNDER_WAY");
    let settle = format!(
        "/api/admin/transactions/{}/force-settle",
        pending["receipt_code"].as_str().unwrap()
    );
    let failed = json!({"outcome": "failed", "reason": "a test"});
    let settled = app.post_keyed(&settle, &admin, "settle", &failed).await;
    assert_eq!(settled.status, 200, "{}", settled.text);

    let bought = buy("tok_approve").await.body;
    app.post("/test/spend", Some(&player), json!({"gold": 1_100})).await;
    let receipt = bought["receipt_code"].as_str().unwrap();
    let refund = format!("/api/admin/transactions/{receipt}/refund");
    let refunded = app.post_keyed(&refund, &admin, "refund", &json!({"reason": "a test"})).await;
    assert_eq!(refunded.status, 200, "{}", refunded.text);
    let owing = leave().await;
    owing.is_problem(409, "IN_DEBT");
    assert_eq!(owing.body["debt"], 100);
    let by_staff = json!({"reason": "a test"});
    let by_staff = app.post("/api/admin/users/23/erase", Some(&admin), by_staff).await;
    by_staff.is_problem(409, "IN_DEBT");
    let grant = json!({"gold": 150, "reason": "a test"});
    let granted = app.post_keyed("/api/admin/users/23/grant", &admin, "grant", &grant).await;
    assert_eq!(granted.status, 200, "{}", granted.text);
    assert_eq!(leave().await.status, 200);
    until_gone(&app, 23).await;
    // What was left has left the game.
    let closed: String =
        query_scalar("select payload::text from events where event_type = 'account_closed'")
            .fetch_one(&mut app.database.superuser().await)
            .await
            .unwrap();
    assert!(closed.contains("\"gold\":{\"paid\":0,\"free\":50}"), "{closed}");
    all_balances(&app).await;
    // The demo data comes in at every start, and brings nobody back.
    let seeded = program("club", &app.database.url()).arg("seed").status().await;
    assert!(seeded.unwrap().success());
    assert!(until_gone(&app, 23).await["site_id"].is_null());
}

#[tokio::test]
async fn whoever_asks_twice_or_at_once_is_erased_once() {
    let app = App::start().await;
    let other = App::start_on(app.database.clone(), &[]).await;
    let admin = app.admin().await;
    let erase = |node: usize| {
        let (app, admin) = ([&app, &other][node % 2], admin.clone());
        async move {
            let wish = json!({"reason": "they have asked for it"});
            app.post("/api/admin/users/23/erase", Some(&admin), wish).await
        }
    };
    let answers = futures::future::join_all((0..6).map(erase)).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    until_gone(&other, 23).await;
    let again = erase(1).await;
    assert_eq!(again.status, 200, "{}", again.text);
    assert!(again.body["erasure"]["completed_at"].is_string(), "{}", again.text);
    let told: Vec<(String, i64)> = sqlx::query_as(
        "select event_type, count(*) from events where aggregate_id = '23' and event_type in
            ('erased', 'erasure_completed', 'account_closed') group by 1 order by 1",
    )
    .fetch_all(&mut app.database.superuser().await)
    .await
    .unwrap();
    let once = ["account_closed", "erased", "erasure_completed"].map(|name| (name.to_owned(), 1));
    assert_eq!(told, once);
}

#[tokio::test]
async fn the_staff_is_not_erased_nor_does_anybody_of_it_erase_themselves() {
    let app = App::start().await;
    let admin = app.admin().await;
    let erase = |id: i64| {
        let wish = json!({"reason": "a test"});
        let (app, admin) = (&app, admin.clone());
        async move { app.post(&format!("/api/admin/users/{id}/erase"), Some(&admin), wish).await }
    };
    erase(3).await.is_problem(409, "OF_THE_STAFF");
    erase(1).await.is_problem(403, "FORBIDDEN");
    erase(4711).await.is_problem(404, "NOT_FOUND");
    let support = app.sign_in("/api/auth/login", ("support", "support123")).await;
    let own = json!({"password": "support123"});
    let own = app.post("/api/users/erase", Some(&support), own).await;
    own.is_problem(409, "OF_THE_STAFF");
    let role = json!({"role": "player"});
    marked::put(&app, &admin, "/api/admin/users/3/role", None, role).await;
    assert_eq!(erase(3).await.status, 200);
    until_gone(&app, 3).await;
}

#[tokio::test]
async fn who_is_banned_can_be_erased_and_does_not_erase_themselves() {
    let app = App::start().await;
    let (player, admin) = (app.player().await, app.admin().await);
    let why = || json!({"reason": "a test"});
    assert_eq!(app.post("/api/admin/users/23/ban", Some(&admin), why()).await.status, 200);
    app.until_refused(&player).await;
    let own = app.post("/api/users/erase", Some(&player), json!({"password": "1234"})).await;
    own.is_problem(403, "BANNED");
    assert_eq!(app.post("/api/admin/users/23/erase", Some(&admin), why()).await.status, 200);
    until_gone(&app, 23).await;
}

/// Whoever has a second factor shows it, and it goes with them.
#[tokio::test]
async fn who_has_a_second_factor_goes_by_it_and_it_goes_with_them() {
    let app = App::start().await;
    let player = app.player().await;
    let (_, recovery) = Phone::enrol(&app, &player, "1234").await;
    let leave = async |code: Option<&str>| {
        let wish = json!({"password": "1234", "totp": code});
        app.post("/api/users/erase", Some(&player), wish).await
    };
    leave(None).await.is_problem(401, "TOTP_REQUIRED");
    leave(Some("000000")).await.is_problem(401, "TOTP_WRONG");
    assert_eq!(leave(Some(&recovery[0])).await.status, 200);
    until_gone(&app, 23).await;
    let left = "select (select count(*) from identity.totp)
                     + (select count(*) from identity.recovery_codes)";
    let mut superuser = app.database.superuser().await;
    assert_eq!(query_scalar::<_, i64>(left).fetch_one(&mut superuser).await.unwrap(), 0);
}

/// A bank may take its money back long after; the account takes nothing else.
#[tokio::test]
async fn a_bank_takes_money_back_from_somebody_who_is_gone() {
    let app = App::start().await;
    let player = app.player().await;
    let wish = json!({"product_id": 1001, "card_token": "tok_chargeback"});
    let bought = app.post("/api/shop/buy", Some(&player), wish).await;
    assert_eq!(bought.status, 200, "{}", bought.text);
    let left = app.post("/api/users/erase", Some(&player), json!({"password": "1234"})).await;
    assert_eq!(left.status, 200, "{}", left.text);
    until_gone(&app, 23).await;
    crate::provider::wait_for(&app, 3_600).await;
    let latest = Instant::now() + PATIENCE;
    let told = "select count(*) from events where event_type = 'purchase_charged_back'";
    let mut superuser = app.database.superuser().await;
    while query_scalar::<_, i64>(told).fetch_one(&mut superuser).await.unwrap() == 0 {
        assert!(Instant::now() < latest, "the bank is not heard");
        sleep(Duration::from_millis(20)).await;
    }
    all_balances(&app).await;
}

/// What a backup of the tables beside the log brings back goes again.
#[tokio::test]
async fn what_is_restored_beside_the_log_is_gone_again_after_a_start() {
    let app = marked::club(&CHATTY).await;
    let Marked { id, access, .. } = marked::live(&app).await;
    let kept =
        "create table kept_users as select * from identity.users where site_id = 'qmarkq-site';
                create table kept_texts as select * from event_texts";
    let mut superuser = app.database.superuser().await;
    sqlx::raw_sql(kept).execute(&mut superuser).await.unwrap();
    erase(&app, &access).await;
    until_gone(&app, id).await;
    let database = app.kill().await;
    let restored = "insert into identity.users select * from kept_users;
                    insert into event_texts select * from kept_texts on conflict do nothing;
                    drop table kept_users, kept_texts";
    sqlx::raw_sql(restored).execute(&mut superuser).await.unwrap();
    assert!(!marked::places(&database).await.is_empty());
    let app = App::start_on(database, &CHATTY).await;
    let login = json!({"site_id": SITE_ID, "password": PASSWORD});
    app.post("/api/auth/login", None, login).await.is_problem(401, "INVALID_CREDENTIALS");
    let latest = Instant::now() + PATIENCE;
    while !marked::places(&app.database).await.is_empty() {
        assert!(Instant::now() < latest, "{:?}", marked::places(&app.database).await);
        sleep(Duration::from_millis(50)).await;
    }
}
