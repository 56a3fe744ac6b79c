//! `/api/admin/jobs`.

use serde_json::{Value, json};
use sqlx::query_scalar;

use crate::app::{ADMIN, App, PLAYER_ID, demo_database, replay};
use crate::jobs::{JOBS, ask_by_file, id_of, job, lines, steer, until};
use crate::provider::wait_for;

const A_DAY: u32 = 86_400;

fn wish(lines: &[(i64, u64)]) -> Value {
    let line = |(user, gold): &(i64, u64)| json!({"user_id": user, "gold": gold});
    let lines: Vec<Value> = lines.iter().map(line).collect();
    json!({"kind": "bulk_grant", "reason": "a warm-hearted gift", "lines": lines})
}

fn by_segment(segment: Value, gold: u64) -> Value {
    json!({"kind": "bulk_grant", "reason": "for some", "segment": segment, "gold": gold})
}

async fn second_admin(app: &App) -> String {
    app.sign_in("/api/auth/admin/login", ("admin2", ADMIN.1)).await
}

async fn gold_of(app: &App, token: &str, user: i64) -> u64 {
    let head = u64::try_from(app.database.head().await).unwrap();
    let shown = app.get_at(&format!("/api/admin/users/{user}"), token, head).await;
    shown.body["gold"].as_u64().unwrap()
}

async fn is_clean(app: &App) {
    let (code, said) = replay(&app.database, &["verify"]).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn gold_for_a_list_is_paid_and_what_is_left_of_it_is_taken_back() {
    let app = App::start().await;
    let (admin, player) = (app.admin().await, app.player().await);
    let body = wish(&[(6, 500), (4711, 500), (PLAYER_ID, 500), (7, 999_999)]);
    let too_much = wish(&[(6, 500), (7, 1_000_000_000_000_000)]);
    app.post_keyed(JOBS, &admin, "j-0", &too_much).await.is_problem(422, "VALIDATION_FAILED");
    let body = json!({"kind": body["kind"], "reason": body["reason"],
        "lines": &body["lines"].as_array().unwrap()[..3]});

    let dry = app.post_keyed(&format!("{JOBS}?dry_run=true"), &admin, "j-1", &body).await;
    assert_eq!(dry.body["dry_run"], true, "{}", dry.text);
    assert_eq!(dry.body["events"][0]["data"]["gold"], 1_500, "{}", dry.text);
    let besides = ["lines", "unknown_count", "unknown_users"].map(|name| dry.body[name].clone());
    assert_eq!(besides, [json!(3), json!(1), json!([4711])]);

    let asked = app.post_keyed(JOBS, &admin, "j-1", &body).await;
    let id = id_of(&asked);
    assert_eq!((&asked.body["status"], &asked.body["gold"]), (&json!("running"), &json!(1_500)));
    let again = app.post_keyed(JOBS, &admin, "j-1", &body).await;
    assert_eq!((again.status.as_u16(), &again.body), (202, &asked.body));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let other = wish(&[(6, 1)]);
    app.post_keyed(JOBS, &admin, "j-1", &other).await.is_problem(422, "IDEMPOTENCY_KEY_REUSED");
    let without = app.post(JOBS, Some(&admin), body.clone()).await;
    without.is_problem(400, "IDEMPOTENCY_KEY_REQUIRED");

    let finished = until(&app, &admin, &id, "finished").await;
    let expected = json!({"pending": 0, "paid": 2, "refused": 1, "paid_gold": 1_000, "undone": 0,
        "taken_back": 0, "rest": 0});
    assert_eq!(finished["progress"], expected);
    assert_eq!((&finished["maker"], &finished["checker"]), (&json!(1), &Value::Null));
    assert_eq!(finished["reason"], "a warm-hearted gift");
    let told = lines(&app, &admin, &id, "").await;
    let column = |name: &str| told.iter().map(|line| line[name].clone()).collect::<Vec<_>>();
    assert_eq!(column("line"), [1, 2, 3]);
    assert_eq!(column("user_id"), [6, 4711, PLAYER_ID]);
    assert_eq!(column("status"), ["paid", "refused", "paid"]);
    assert_eq!(column("code"), [Value::Null, json!("UNKNOWN_USER"), Value::Null]);
    assert_eq!(lines(&app, &admin, &id, "&status=refused").await, [told[1].clone()]);
    assert_eq!(lines(&app, &admin, &id, "&status=pending").await, Vec::<Value>::new());

    let spent = app.post("/test/spend", Some(&player), json!({"gold": 1_200})).await;
    assert_eq!(spent.status, 200, "{}", spent.text);
    assert_eq!(steer(&app, &admin, &id, "undo").await.body["status"], "undoing");
    let undone = until(&app, &admin, &id, "undone").await;
    let expected = json!({"pending": 0, "paid": 2, "refused": 1, "paid_gold": 1_000, "undone": 2,
        "taken_back": 800, "rest": 200});
    assert_eq!(undone["progress"], expected);
    let rest = lines(&app, &admin, &id, "&rest=true").await;
    assert_eq!(rest.len(), 1);
    assert_eq!((&rest[0]["user_id"], &rest[0]["rest"]), (&json!(PLAYER_ID), &json!(200)));
    assert_eq!(gold_of(&app, &admin, 6).await, 1_000);
    assert_eq!(gold_of(&app, &admin, PLAYER_ID).await, 0);

    let statement = app.get("/api/users/statement", Some(&player)).await;
    let newest = &statement.body["items"][0];
    assert_eq!((&newest["kind"], &newest["gold"]), (&json!("grant_undo"), &json!(-300)));
    assert_eq!(newest["reference"], rest[0]["receipt_code"], "{newest}");
    assert_eq!(statement.body["items"][2]["reference"], newest["reference"], "the grant itself");
    let receipts = [0, 2].map(|line: usize| told[line]["receipt_code"].as_str().unwrap());
    the_file_says_the_same(&app, &admin, &id, receipts).await;
    is_clean(&app).await;
}

async fn the_file_says_the_same(app: &App, admin: &str, id: &str, receipts: [&str; 2]) {
    let file = app.get(&format!("{JOBS}/{id}/lines.csv"), Some(admin)).await;
    assert_eq!(file.headers["content-type"], "text/csv; charset=utf-8");
    let expected = format!(
        "line,user_id,gold,status,code,receipt_code,taken_back,rest\r\n\
         1,6,500,undone,,{},500,0\r\n2,4711,500,refused,UNKNOWN_USER,,,\r\n\
         3,23,500,undone,,{},300,200\r\n",
        receipts[0], receipts[1]
    );
    assert_eq!(file.text, expected);
}

#[tokio::test]
async fn the_audit_log_shows_who_asked_once_and_the_log_no_reason() {
    let app = App::start().await;
    let admin = app.admin().await;
    let id = id_of(&app.post_keyed(JOBS, &admin, "j-1", &wish(&[(6, 5), (7, 5)])).await);
    until(&app, &admin, &id, "finished").await;
    assert_eq!(steer(&app, &admin, &id, "undo").await.status, 200);
    until(&app, &admin, &id, "undone").await;
    let logs = app.get(&format!("/api/admin/audit/logs?target={id}"), Some(&admin)).await.body;
    let told = logs["items"].as_array().unwrap().iter();
    let told: Vec<_> = told.map(|it| (it["action"].as_str().unwrap(), &it["reason"])).collect();
    let reason = json!("a warm-hearted gift");
    assert_eq!(told, [("job_undo_requested", &Value::Null), ("job_requested", &reason)]);
    let mut superuser = app.database.superuser().await;
    let told = "select count(*) from events where concat(payload, metadata) like '%hearted%'";
    assert_eq!(query_scalar::<_, i64>(told).fetch_one(&mut superuser).await.unwrap(), 0);
    let causes = "select count(*) from events where metadata->>'cause' like 'job/' || $1 || '/%'
                     and metadata->>'actor_id' = 'jobs' and metadata->>'player' = aggregate_id";
    let caused: i64 = query_scalar(causes).bind(&id).fetch_one(&mut superuser).await.unwrap();
    assert_eq!(caused, 4, "each line's gold says whose it is and where it comes from");
}

#[tokio::test]
async fn a_file_of_lines_is_read_and_told_by_its_lines() {
    let app = App::start().await;
    let admin = app.admin().await;
    let good = "user_id,gold\r\n6,5\r\n7,6\r\n".to_owned();
    let asked = ask_by_file(&app, &admin, "f-1", "?reason=a%20file", good.clone()).await;
    let id = id_of(&asked);
    assert_eq!((&asked.body["lines"], &asked.body["gold"]), (&json!(2), &json!(11)));
    until(&app, &admin, &id, "finished").await;
    assert_eq!(job(&app, &admin, &id).await["reason"], "a file");
    let before = app.database.events().await;
    let dry = ask_by_file(&app, &admin, "f-2", "?reason=a+file&dry_run=true", good.clone()).await;
    assert_eq!(dry.body["dry_run"], true, "{}", dry.text);
    for (query, file, word) in [
        ("", good.clone(), "reason"),
        ("?reason=x", good, "at least 2"),
        ("?reason=a+file", String::new(), "line 1"),
        ("?reason=a+file", "user_id,gold\n".to_owned(), "for nobody"),
        ("?reason=a+file", "user_id,gold\n6,5\n6,5\n".to_owned(), "line 3: user 6 is on line 2"),
        ("?reason=a+file", "user_id,gold\n6,0\n".to_owned(), "line 2: gold"),
        ("?reason=a+file", "user_id,gold\n6,5,\"\n".to_owned(), "line 2"),
        ("?reason=a+file", "{\"lines\": []}".to_owned(), "line 1"),
    ] {
        let refused = ask_by_file(&app, &admin, "f-3", query, file).await;
        refused.is_problem(422, "VALIDATION_FAILED");
        assert!(refused.text.contains(word), "{word:?} is not in {}", refused.text);
    }
    let long = format!("user_id,gold\n{}", "6,5\n".repeat(1_100_000));
    let refused = ask_by_file(&app, &admin, "f-3", "?reason=a+file", long).await;
    refused.is_problem(413, "BODY_TOO_LARGE");
    for twice in [wish(&[(6, 5), (7, 5), (6, 5)]), wish(&[])] {
        let refused = app.post_keyed(JOBS, &admin, "f-4", &twice).await;
        refused.is_problem(422, "VALIDATION_FAILED");
        assert_eq!(refused.body["errors"][0]["loc"], json!(["body", "lines"]));
    }
    assert_eq!(app.database.events().await, before, "nothing was written");
}

#[tokio::test]
async fn the_longest_list_is_taken_and_can_be_stopped_and_undone() {
    let app = App::start().await;
    let admin = app.admin().await;
    let lines = (1..=50_000).map(|line| format!("{},1\n", 1_000_000 + line));
    let file = |more: &str| -> String {
        let head = std::iter::once("user_id,gold\n".to_owned());
        head.chain(lines.clone()).chain([more.to_owned()]).collect()
    };
    let one_more = ask_by_file(&app, &admin, "l-1", "?reason=all", file("6,1\n")).await;
    one_more.is_problem(422, "VALIDATION_FAILED");
    let asked = ask_by_file(&app, &admin, "l-1", "?reason=all", file("")).await;
    let id = id_of(&asked);
    assert_eq!(asked.body["lines"], 50_000, "{}", asked.text);
    assert_eq!(steer(&app, &admin, &id, "stop").await.status, 200);
    let shown = until(&app, &admin, &id, "stopped").await;
    assert_eq!(shown["progress"]["paid"], 0, "nobody has these numbers: {shown}");
    let last = app.get(&format!("{JOBS}/{id}/lines?cursor=49999"), Some(&admin)).await;
    let told = (&last.body["items"][0]["user_id"], &last.body["next_cursor"]);
    assert_eq!(told, (&json!(1_050_000), &Value::Null), "{}", last.text);
    assert_eq!(steer(&app, &admin, &id, "undo").await.status, 200);
    let undone = until(&app, &admin, &id, "undone").await;
    assert_eq!(
        (&undone["progress"]["undone"], &undone["progress"]["rest"]),
        (&json!(0), &json!(0))
    );
    is_clean(&app).await;
}

#[tokio::test]
async fn a_segment_is_looked_up_once_where_it_is_asked_for() {
    let app = App::start().await;
    let admin = app.admin().await;
    for user in [6, 9] {
        let path = format!("/api/admin/users/{user}/rank");
        let rank = json!({"rank": "VIP"});
        assert_eq!(
            app.call(reqwest::Method::PUT, &path, Some(&admin), Some(rank)).await.status,
            200
        );
    }
    let points = json!({"vip_points": 70, "reason": "points"});
    app.post_keyed("/api/admin/users/9/grant", &admin, "p-1", &points).await;
    let who = |lines: &[Value]| -> Vec<i64> {
        lines.iter().map(|line| line["user_id"].as_i64().unwrap()).collect()
    };
    for (number, (segment, expected)) in [
        (json!({"rank": "VIP"}), vec![6, 9]),
        (json!({"rank": "VIP", "min_vip_points": 50}), vec![9]),
        (json!({"min_level": 1, "max_level": 1, "rank": "VIP"}), vec![6, 9]),
        // Players only: the demo's other five are of the staff.
        (json!("all"), (6..=24).collect()),
    ]
    .into_iter()
    .enumerate()
    {
        let (key, body) = (format!("s-{number}"), by_segment(segment, 5));
        let asked = app.post_keyed(JOBS, &admin, &key, &body).await;
        let id = id_of(&asked);
        assert_eq!(asked.body["lines"], expected.len(), "{}", asked.text);
        let position = asked.body["resolved_position"].as_u64().unwrap();
        assert!(position < asked.body["position"].as_u64().unwrap());
        until(&app, &admin, &id, "finished").await;
        assert_eq!(who(&lines(&app, &admin, &id, "&status=paid").await), expected);
        // Whoever comes later is not in it, and a repeat is the same wish.
        let rank = json!({"rank": "VIP"});
        let path = "/api/admin/users/10/rank";
        app.call(reqwest::Method::PUT, path, Some(&admin), Some(rank)).await;
        assert_eq!(app.post_keyed(JOBS, &admin, &key, &body).await.body, asked.body);
        let back = json!({"rank": "STANDARD"});
        app.call(reqwest::Method::PUT, path, Some(&admin), Some(back)).await;
        assert_eq!(job(&app, &admin, &id).await["resolved_position"], position);
    }
    let nobody = by_segment(json!({"min_level": 900}), 5);
    let refused = app.post_keyed(JOBS, &admin, "s-9", &nobody).await;
    refused.is_problem(422, "VALIDATION_FAILED");
    assert!(refused.text.contains("for nobody"), "{}", refused.text);
    is_clean(&app).await;
}

#[tokio::test]
async fn so_much_gold_in_all_waits_until_somebody_else_agrees() {
    let app = App::start().await;
    let (maker, checker) = (app.admin().await, second_admin(&app).await);
    let body = wish(&[(6, 50_000), (7, 50_000)]);
    let asked = app.post_keyed(JOBS, &maker, "j-1", &body).await;
    let id = id_of(&asked);
    assert_eq!(asked.body["status"], "awaiting_approval", "{}", asked.text);
    assert!(asked.body["expires_at"].is_string(), "{}", asked.text);
    for early in ["stop", "resume", "undo"] {
        steer(&app, &maker, &id, early).await.is_problem(409, "JOB_STATUS");
    }
    steer(&app, &maker, &id, "approve").await.is_problem(403, "MAKER_IS_CHECKER");
    let support = app.sign_in("/api/auth/admin/login", ("support", "support123")).await;
    assert_eq!(job(&app, &support, &id).await["status"], "awaiting_approval");
    steer(&app, &support, &id, "approve").await.is_problem(403, "FORBIDDEN");
    assert_eq!(gold_of(&app, &maker, 6).await, 1_000, "nothing has moved");
    let waiting = app.get("/api/admin/approvals?status=open", Some(&checker)).await.body;
    let expected = json!({"kind": "bulk_grant", "id": id, "href": format!("{JOBS}/{id}"),
        "status": "open", "maker": 1, "user_id": null, "lines": 2, "gold": 100_000});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&waiting["items"][0][name], value, "{name} of {waiting}");
    }

    let approved = steer(&app, &checker, &id, "approve").await;
    assert_eq!((approved.status.as_u16(), &approved.body["status"]), (200, &json!("running")));
    let finished = until(&app, &maker, &id, "finished").await;
    assert_eq!((&finished["maker"], &finished["checker"]), (&json!(1), &json!(2)));
    assert_eq!(steer(&app, &checker, &id, "approve").await.status, 200, "agreed to once more");
    assert_eq!(gold_of(&app, &maker, 6).await, 51_000);

    let less = wish(&[(6, 50_000), (7, 49_999)]);
    let asked = app.post_keyed(JOBS, &maker, "j-2", &less).await;
    assert_eq!(asked.body["status"], "running", "{}", asked.text);

    let rejected = id_of(&app.post_keyed(JOBS, &maker, "j-3", &body).await);
    let path = format!("{JOBS}/{rejected}/reject");
    let said = app.post(&path, Some(&checker), json!({"reason": "not again"})).await;
    assert_eq!((said.status.as_u16(), &said.body["status"]), (200, &json!("rejected")));
    steer(&app, &checker, &rejected, "approve").await.is_problem(409, "JOB_STATUS");
    assert_eq!(job(&app, &maker, &rejected).await["rejection"], "not again");

    let late = id_of(&app.post_keyed(JOBS, &maker, "j-4", &body).await);
    wait_for(&app, A_DAY).await;
    let (maker, checker) = (app.admin().await, second_admin(&app).await);
    steer(&app, &checker, &late, "approve").await.is_problem(409, "APPROVAL_EXPIRED");
    for (status, expected) in [("expired", &late), ("rejected", &rejected)] {
        let page = app.get(&format!("{JOBS}?status={status}"), Some(&maker)).await.body;
        assert_eq!(page["items"].as_array().map(Vec::len), Some(1), "{page}");
        assert_eq!(&page["items"][0]["id"], expected);
    }
    let page = app.get(&format!("{JOBS}?limit=1"), Some(&maker)).await.body;
    assert_eq!(&page["items"][0]["id"], &late);
    let cursor = page["next_cursor"].as_str().unwrap();
    let page = app.get(&format!("{JOBS}?limit=1&cursor={cursor}"), Some(&maker)).await.body;
    assert_eq!(&page["items"][0]["id"], &rejected);
    is_clean(&app).await;
}

#[tokio::test]
async fn a_job_counts_as_one_grant_and_its_lines_as_none() {
    let settings = [("CLUB_LIMIT_GRANTS", "2/60")];
    let app = App::start_on(demo_database().await, &settings).await;
    let (admin, player) = (app.admin().await, app.player().await);
    let all: Vec<(i64, u64)> = (6..=24).map(|user| (user, 1)).collect();
    for key in ["j-1", "j-1", "j-2"] {
        let id = id_of(&app.post_keyed(JOBS, &admin, key, &wish(&all)).await);
        let finished = until(&app, &admin, &id, "finished").await;
        assert_eq!(finished["progress"]["paid"], 19, "{finished}");
    }
    app.post_keyed(JOBS, &admin, "j-3", &wish(&all)).await.is_problem(429, "RATE_LIMIT");
    app.post_keyed(JOBS, &player, "j-4", &wish(&all)).await.is_problem(403, "FORBIDDEN");
    for nothing in ["23", "00c0ffee0001", "x"] {
        for path in ["", "/lines", "/lines.csv"] {
            let path = format!("{JOBS}/{nothing}{path}");
            app.get(&path, Some(&admin)).await.is_problem(404, "NOT_FOUND");
        }
        steer(&app, &admin, nothing, "undo").await.is_problem(404, "NOT_FOUND");
    }
}
