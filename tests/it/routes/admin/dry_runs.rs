//! `?dry_run=true` on every command of the administration: it tells what the command then writes, and
//! writes nothing.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Row;

use crate::app::{Answer, App};
use crate::jobs::{JOBS, id_of, until};
use crate::mailbox;
use crate::phone::Phone;

/// A command: its address in the description, with what to put there, and a body.
struct Command {
    method: &'static str,
    route: &'static str,
    path: String,
    body: Value,
}

fn command(method: &'static str, route: &'static str, names: &[&str], body: Value) -> Command {
    let mut path = route.to_owned();
    for name in names {
        let (from, to) = (path.find('{').unwrap(), path.find('}').unwrap());
        path.replace_range(from..=to, name);
    }
    Command { method, route, path, body }
}

/// Every command of the administration, in an order in which each makes sense.
#[expect(clippy::too_many_lines, reason = "a table: every command of the administration")]
fn commands(
    receipts: [&str; 2],
    approvals: [&str; 2],
    jobs: [&str; 3],
    (mail, session): (&str, &str),
) -> Vec<Command> {
    let why = || json!({"reason": "a dry run"});
    let pack = json!({"sku": "DRY", "name": "팩", "name_en": "Pack", "price_cents": 1, "gold": 1});
    let event = json!({"name": "시험", "name_en": "Test", "type": "special",
        "starts_at": "2026-01-01T00:00:00Z", "ends_at": "2036-01-01T00:00:00Z",
        "rewards": {"gold": 5}});
    let mission = json!({"name": "시험", "name_en": "Test", "counter": "play_count", "target": 9,
        "period": "daily", "rewards": {"gold": 5}});
    let package = json!({"code": "DRY_PACKAGE", "name": "꾸러미", "price_cents": 99, "gold": 9,
        "starts_at": "2026-01-01T00:00:00Z", "ends_at": "2036-01-01T00:00:00Z"});
    let (products, packages) = ("/api/admin/shop/products", "/api/admin/limited-packages");
    let (mut dearer, mut longer, mut richer) = (pack.clone(), mission.clone(), event.clone());
    richer["rewards"]["gold"] = json!(6);
    dearer["sku"] = json!("GOLD_PACK_SMALL");
    (dearer["price_cents"], longer["target"]) = (json!(2), json!(10));
    vec![
        command(
            "POST",
            "/api/admin/users/{id}/grant",
            &["23"],
            json!({"gold": 7, "reason": "a gift"}),
        ),
        command(
            "POST",
            "/api/admin/users/{id}/grant",
            &["23"],
            json!({"vip_points": 7, "reason": "a gift"}),
        ),
        command(
            "POST",
            "/api/admin/users/{id}/grant",
            &["23"],
            json!({"gold": 100_000, "reason": "a prize"}),
        ),
        command(
            "POST",
            "/api/admin/grants",
            &[],
            json!({"reason": "gifts", "lines": [
            {"key": "a", "user_id": 6, "gold": 1}, {"key": "b", "user_id": 7, "gold": 2},
            {"key": "c", "user_id": 6, "gold": 3}]}),
        ),
        command("POST", "/api/admin/approvals/{id}/approve", &[approvals[0]], json!({})),
        command("POST", "/api/admin/approvals/{id}/reject", &[approvals[1]], why()),
        command(
            "POST",
            "/api/admin/rewards",
            &[],
            json!({"user_id": 23, "reason": "a gift",
            "rewards": {"gold": 5, "xp": 5}}),
        ),
        command("PUT", "/api/admin/users/{id}/rank", &["23"], json!({"rank": "VIP"})),
        command(
            "PUT",
            "/api/admin/roles/{code}",
            &["dry"],
            json!({"permissions": ["see_players"]}),
        ),
        command("PUT", "/api/admin/users/{id}/role", &["8"], json!({"role": "dry"})),
        command("POST", "/api/admin/users/{id}/logout-all", &["9"], why()),
        command("DELETE", "/api/admin/users/{id}/totp", &["10"], why()),
        command("POST", "/api/admin/users/{id}/ban", &["9"], why()),
        command("POST", "/api/admin/users/{id}/unban", &["9"], why()),
        command("POST", "/api/admin/mails/{id}/resend", &[mail], json!({})),
        command(
            "POST",
            "/api/admin/mails/suppressions",
            &[],
            json!({"user_id": 10, "reason": "a dry run"}),
        ),
        command("DELETE", "/api/admin/mails/suppressions/{id}", &["10"], json!({})),
        command(
            "POST",
            "/api/admin/campaigns",
            &[],
            json!({"subject": "소식", "subject_en": "News", "body": "본문", "body_en": "Text",
            "audience": {"list": [23, 23, 24]}}),
        ),
        command("POST", "/api/admin/campaigns/{id}/test", &["1"], json!({})),
        command(
            "POST",
            "/api/admin/campaigns/{id}/start",
            &["1"],
            json!({"starts_at": "2036-01-01T00:00:00Z"}),
        ),
        command("POST", "/api/admin/campaigns/{id}/stop", &["1"], json!({})),
        command("POST", "/api/admin/campaigns/{id}/resume", &["1"], json!({})),
        command("DELETE", "/api/admin/sessions/{id}", &[session], json!({})),
        command("PUT", "/api/admin/users/{id}", &["9"], json!({"nickname": "Dry Run"})),
        command(
            "POST",
            "/api/admin/users",
            &[],
            json!({"site_id": "dry-run", "nickname": "Dry Walk", "phone_number": "01099990001",
                "password": "pass phrase", "role": "support"}),
        ),
        command("POST", "/api/admin/users/{id}/notes", &["9"], json!({"text": "plays at night"})),
        command("DELETE", "/api/admin/users/{id}/notes/{note}", &["9", "1"], json!({})),
        command("POST", "/api/admin/users/{id}/erase", &["10"], why()),
        command(
            "POST",
            "/api/admin/announcements",
            &[],
            json!({"about": "news", "text": "소식", "text_en": "News"}),
        ),
        command("POST", "/api/admin/announcements/{id}/withdraw", &["1"], json!({})),
        command("POST", "/api/admin/invites", &[], json!({"code": "DRYRUN", "max_uses": 1})),
        command("POST", "/api/admin/invites/{code}/deactivate", &["DRYRUN"], json!({})),
        command("POST", products, &[], pack),
        command("PUT", "/api/admin/shop/products/{id}", &["1001"], dearer),
        command("POST", "/api/admin/shop/products/{id}/deactivate", &["1001"], json!({})),
        command("POST", "/api/admin/shop/products/{id}/activate", &["1001"], json!({})),
        command("POST", packages, &[], package),
        command("POST", "/api/admin/limited-packages/{code}/disable", &["DRY_PACKAGE"], json!({})),
        command("POST", "/api/admin/limited-packages/{code}/enable", &["DRY_PACKAGE"], json!({})),
        command("POST", "/api/admin/promo-codes", &[], json!({"code": "DRY", "percent": 10})),
        command("POST", "/api/admin/missions", &[], mission),
        command("PUT", "/api/admin/missions/{id}", &["5"], longer),
        command("POST", "/api/admin/events", &[], event),
        command("PUT", "/api/admin/events/{id}", &["4"], richer),
        command("POST", "/api/admin/events/{id}/publish", &["4"], json!({})),
        command("POST", "/api/admin/events/{id}/payout/stop", &["4"], json!({})),
        command("POST", "/api/admin/events/{id}/payout/resume", &["4"], json!({})),
        // The player has joined this one, and not played.
        command("POST", "/api/admin/events/{id}/force-claim/{user_id}", &["2", "23"], why()),
        command("POST", "/api/admin/events/{id}/pause", &["4"], json!({})),
        command("POST", "/api/admin/events/{id}/end", &["4"], json!({})),
        command("POST", "/api/admin/transactions/{receipt}/refund", &[receipts[0]], why()),
        command(
            "POST",
            "/api/admin/transactions/{receipt}/force-settle",
            &[receipts[1]],
            json!({"outcome": "failed", "reason": "a dry run"}),
        ),
        // Last of all: what is paid by and by would come between the others.
        command("POST", "/api/admin/jobs/{id}/reject", &[jobs[0]], why()),
        command("POST", "/api/admin/jobs/{id}/undo", &[jobs[1]], json!({})),
        command("POST", "/api/admin/jobs/{id}/approve", &[jobs[2]], json!({})),
        command(
            "POST",
            "/api/admin/jobs",
            &[],
            json!({"kind": "bulk_grant", "reason": "gifts",
                "lines": [{"user_id": 6, "gold": 1}, {"user_id": 7, "gold": 2}]}),
        ),
    ]
}

async fn ask(app: &App, token: &str, command: &Command, query: &str, key: &str) -> Answer {
    let url = format!("{}{}{query}", app.url, command.path);
    let method: Method = command.method.parse().unwrap();
    let request = app.http.request(method, url).bearer_auth(token).json(&command.body);
    let request = request.header("If-Match", "*");
    Answer::read(request.header("Idempotency-Key", key).send().await.unwrap()).await
}

/// Events behind a position, as a dry run tells them; the club's own reactions are left out.
async fn written(app: &App, behind: i64) -> Vec<Value> {
    let select = "select aggregate_type, aggregate_id, event_type, payload::text from events
                   where position > $1 and metadata->>'actor_kind' = 'admin' order by position";
    let mut superuser = app.database.superuser().await;
    let rows = sqlx::query(select).bind(behind).fetch_all(&mut superuser).await.unwrap();
    let event = |row: &sqlx::postgres::PgRow| {
        let data: Value = serde_json::from_str(row.get(3)).unwrap();
        let texts: [String; 3] = [row.get(0), row.get(1), row.get(2)];
        json!({"family": texts[0], "stream": texts[1], "type": texts[2], "data": data})
    };
    rows.iter().map(event).collect()
}

/// Without what no two commands have in common: moments, codes that are drawn, numbers of what is new.
fn lasting(command: &Command, mut event: Value) -> Value {
    let is_new = ["approval", "job"].iter().any(|family| event["family"] == *family);
    if is_new || command.route == "/api/admin/users" {
        event["stream"] = Value::Null;
    }
    if let Some(data) = event["data"].as_object_mut() {
        for name in ["at", "receipt_code", "expires_at", "until"] {
            data.remove(name);
        }
    }
    event
}

async fn gold(app: &App, token: &str, user: &Value) -> Value {
    let head = u64::try_from(app.database.head().await).unwrap();
    let path = format!("/api/admin/users/{user}");
    app.get_at(&path, token, head).await.body["gold"].clone()
}

/// A session of somebody's who is signed in.
async fn session_of(app: &App, admin: &str, name: &str) -> String {
    app.sign_in("/api/auth/login", (name, "1234")).await;
    let sessions = app.get("/api/admin/sessions?limit=1", Some(admin)).await.body;
    sessions["items"][0]["id"].as_str().unwrap().to_owned()
}

/// Two jobs that wait for somebody to agree, and between them one that is done.
async fn jobs(app: &App, maker: &str) -> Vec<String> {
    let mut jobs = vec![];
    for (key, gold) in [("j1", 100_000), ("j2", 1), ("j3", 100_000)] {
        let wish = json!({"kind": "bulk_grant", "reason": "gifts",
            "lines": [{"user_id": 8, "gold": gold}]});
        jobs.push(id_of(&app.post_keyed(JOBS, maker, key, &wish).await));
    }
    until(app, maker, &jobs[1], "finished").await;
    jobs
}

/// Tries a command, and then does it: the one tells what the other writes.
async fn is_told_and_done(app: &App, admin: &str, (number, command): (usize, &Command)) {
    let (name, key) = (format!("{} {}", command.method, command.path), format!("dry-{number}"));
    let before = app.database.head().await;
    let dry = ask(app, admin, command, "?dry_run=true", &key).await;
    assert_eq!(
        (dry.status.as_u16(), &dry.body["dry_run"]),
        (200, &json!(true)),
        "{name}: {}",
        dry.text
    );
    assert_eq!(written(app, before).await, Vec::<Value>::new(), "{name} wrote when dry");
    let lasting = |event| lasting(command, event);
    let told: Vec<_> =
        dry.body["events"].as_array().unwrap().iter().cloned().map(lasting).collect();
    assert!(!told.is_empty(), "{name} would write nothing: {}", dry.text);

    let done = ask(app, admin, command, "", &key).await;
    assert!(done.status.is_success(), "{name}: {}", done.text);
    let wrote: Vec<_> = written(app, before).await.into_iter().map(lasting).collect();
    // What follows at the provider is another command's.
    let first = wrote.get(..told.len()).unwrap_or_default();
    assert_eq!(first, told, "{name}");
    let goes_on = command.path.contains("/transactions/");
    assert!(goes_on || wrote.len() == told.len(), "{name} wrote more: {wrote:?}");
    // Whoever is new has another number than the one that was tried.
    let is_known = command.route != "/api/admin/users";
    for change in dry.body["balances"].as_array().unwrap().iter().filter(|_| is_known) {
        let has = gold(app, admin, &change["user_id"]).await;
        assert_eq!(has, change["after"]["gold"], "{name}: {change}");
    }
}

/// What is asked of a job while it is under way: tried apart, so that its work does not come between the
/// other commands.
const OF_A_JOB_UNDER_WAY: [&str; 2] = ["/api/admin/jobs/{id}/stop", "/api/admin/jobs/{id}/resume"];

#[tokio::test]
async fn a_dry_run_of_each_command_tells_what_the_command_then_writes() {
    let app = App::start().await;
    let (admin, player) = (app.admin().await, app.player().await);
    let maker = app.sign_in("/api/auth/admin/login", ("admin2", "admin123")).await;
    let haeun = app.sign_in("/api/auth/login", ("haeun", "1234")).await;
    Phone::enrol(&app, &haeun, "1234").await;
    let mut approvals = vec![];
    for key in ["one", "two"] {
        let wish = json!({"gold": 100_000, "reason": "a prize"});
        let asked = app.post_keyed("/api/admin/users/23/grant", &maker, key, &wish).await;
        approvals.push(asked.body["approval_id"].as_str().unwrap().to_owned());
    }
    let jobs = jobs(&app, &maker).await;
    let bought = app.post("/api/shop/buy", Some(&player), json!({"product_id": 1001})).await;
    let pending = json!({"product_id": 1001, "card_token": "tok_pending"});
    let pending = app.post("/api/shop/buy", Some(&player), pending).await;
    let joined = app.post("/api/events/join", Some(&player), json!({"event_id": 2})).await;
    assert_eq!(joined.status, 200, "{}", joined.text);
    let receipts = [&bought, &pending].map(|it| it.body["receipt_code"].as_str().unwrap());
    let mail =
        mailbox::until(&app, &admin, 23, ("receipt", "not_configured")).await["id"].to_string();
    let session = session_of(&app, &admin, "minjun").await;
    let (approvals, jobs) = ([&*approvals[0], &approvals[1]], [&*jobs[0], &jobs[1], &jobs[2]]);
    let commands = commands(receipts, approvals, jobs, (&mail, &session));

    for (number, command) in commands.iter().enumerate() {
        is_told_and_done(&app, &admin, (number, command)).await;
    }

    let tried: BTreeSet<(String, &str)> =
        commands.iter().map(|it| (it.method.to_lowercase(), it.route)).collect();
    let document = app.get("/openapi.json", None).await.body;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let is_command = |method: &&String| *method != "get" && path.starts_with("/api/admin/");
        for method in methods.as_object().unwrap().keys().filter(is_command) {
            let is_tried = tried.contains(&(method.clone(), path.as_str()));
            let is_apart = OF_A_JOB_UNDER_WAY.contains(&path.as_str());
            assert!(is_tried != is_apart, "{method} {path} is tried by no dry run");
        }
    }
}

/// So long a list that it is still under way when it is stopped. Nobody is on it whom there is.
#[tokio::test]
async fn a_job_under_way_is_stopped_and_goes_on_as_the_dry_runs_tell() {
    let app = App::start().await;
    let admin = app.admin().await;
    let lines: Vec<Value> =
        (1_000_000..1_050_000).map(|player| json!({"user_id": player, "gold": 1})).collect();
    let wish = json!({"kind": "bulk_grant", "reason": "a long list", "lines": lines});
    let job = id_of(&app.post_keyed(JOBS, &admin, "long", &wish).await);
    for (number, route) in OF_A_JOB_UNDER_WAY.into_iter().enumerate() {
        let command = command("POST", route, &[&job], json!({}));
        is_told_and_done(&app, &admin, (number, &command)).await;
    }
}

#[tokio::test]
async fn what_is_refused_is_refused_when_dry_and_only_the_staff_tries() {
    let app = App::start().await;
    let (admin, player) = (app.admin().await, app.player().await);
    let grant = command(
        "POST",
        "/api/admin/users/{id}/grant",
        &["4711"],
        json!({"gold": 1, "reason": "a gift"}),
    );
    ask(&app, &admin, &grant, "?dry_run=true", "k").await.is_problem(404, "NOT_FOUND");
    ask(&app, &player, &grant, "?dry_run=true", "k").await.is_problem(403, "FORBIDDEN");
    let before = app.database.last_of_accounts().await;
    let good = command("POST", "/api/admin/users/{id}/grant", &["23"], grant.body.clone());
    for query in ["?dry_run=perhaps", "?dry_run", "?dry_run=1", "?DRY_RUN=TRUE"] {
        ask(&app, &admin, &good, query, "k").await.is_problem(400, "BAD_REQUEST");
    }
    for query in ["?dry%5Frun=true", "?x=1&dry_run=true", "?Dry_Run=true"] {
        assert_eq!(ask(&app, &admin, &good, query, "k").await.body["dry_run"], true, "{query}");
    }
    assert_eq!(app.database.last_of_accounts().await, before);
    let spend =
        app.post("/api/shop/buy?dry_run=true", Some(&player), json!({"product_id": 1001})).await;
    spend.is_problem(400, "BAD_REQUEST");
}
