//! Somebody whose every personal field has a mark in it, and who has lived through everything; and a look
//! through all of the database for such marks.

use serde_json::{Value, json};
use sqlx::{PgConnection, Row};

use crate::app::{Answer, App, demo_database};
use crate::clickhouse;
use crate::database::Database;
use crate::jobs;
use crate::kafka;
use crate::mailbox::{Mailbox, change, settle, smtp_url};
use crate::phone::Phone;
use crate::provider::{self, SECRET, now, send, signed};
use crate::service::Service;

/// What all marks have in common, in any case, and nothing else in the club has.
pub const MARK: &str = "qmarkq";
/// Digits that are a mark, too.
pub const PHONE: &str = "01077413131";
pub const OTHER_PHONE: &str = "01077413132";
pub const SITE_ID: &str = "qmarkq-site";
pub const PASSWORD: &str = "qmarkq-password";
/// Nicknames, before and after an edit.
pub const NICKNAME: &str = "Qmarkq Before";
pub const RENAMED: &str = "Qmarkq After";

/// A text with a mark.
pub fn marked(what: &str) -> String {
    format!("{MARK} {what}")
}

/// See the module.
pub struct Marked {
    pub id: i64,
    pub access: String,
    pub refresh: String,
}

/// What signing up under the marked names takes.
pub fn wish() -> Value {
    json!({"site_id": SITE_ID, "nickname": NICKNAME, "phone_number": PHONE, "password": PASSWORD,
        "invite_code": "5858"})
}

/// A club for such a life: it knows what the provider signs with, and sends mail.
pub async fn club(more: &[(&str, &str)]) -> App {
    club_on(demo_database().await, more).await
}

/// The same on this database.
pub async fn club_on(database: Database, more: &[(&str, &str)]) -> App {
    let url = smtp_url();
    provider::club_on(database, &[&[("MAIL_SMTP_URL", url.as_str())], more].concat()).await
}

/// Where events go besides the database.
pub struct Outside {
    brokers: String,
    topic: String,
    clickhouse: String,
}

impl Outside {
    /// Kafka and ClickHouse, and nothing in them yet.
    pub fn new() -> Self {
        let (brokers, topic) = (kafka::shared_brokers(), kafka::new_topic());
        Self { brokers, topic, clickhouse: clickhouse::shared_url() }
    }

    /// What makes a club feed both.
    pub fn settings<'a>(&'a self, database: &'a Database) -> [(&'static str, &'a str); 4] {
        [
            ("KAFKA_BROKERS", &self.brokers),
            ("KAFKA_TOPIC", &self.topic),
            ("CLICKHOUSE_URL", &self.clickhouse),
            ("CLICKHOUSE_DATABASE", &database.name),
        ]
    }

    /// Insists that nothing there has a mark, although everything about this player is there.
    pub async fn names_nobody(&self, app: &App, id: i64) {
        kafka::published_all(&app.url, &app.database).await;
        let records = kafka::committed(&self.brokers, &self.topic).await;
        assert!(records.iter().any(|record| record.key == id.to_string()));
        let told = records.iter().map(|record| format!("{record:?}").to_lowercase());
        let named: Vec<String> = told.filter(|record| is_marked(record)).collect();
        assert!(named.is_empty(), "{named:#?}");

        clickhouse::caught_up(&app.database, &self.clickhouse).await;
        let tables = self.ask(app, "show tables").await;
        assert!(tables.lines().count() > 10, "{tables}");
        for table in tables.lines() {
            for mark in [MARK, PHONE, OTHER_PHONE] {
                let found = self.rows_with(app, table, mark).await;
                assert_eq!(found, "0", "{mark} is in {table}");
            }
        }
        assert_ne!(self.rows_with(app, "events", &format!("\"{id}\"")).await, "0");
    }

    async fn rows_with(&self, app: &App, table: &str, text: &str) -> String {
        let rows = format!("select toJSONString(tuple(*)) as line from {table}");
        let count = format!("select count() from ({rows}) where line ilike '%{text}%'");
        self.ask(app, &count).await
    }

    async fn ask(&self, app: &App, sql: &str) -> String {
        let here = format!("{}/?database={}", self.clickhouse, app.database.name);
        clickhouse::ask(&here, sql).await.unwrap()
    }
}

fn is_marked(text: &str) -> bool {
    [MARK, PHONE, OTHER_PHONE].iter().any(|mark| text.contains(mark))
}

/// Signs up and lives: see the module. The app must be such a [`club`].
pub async fn live(app: &App) -> Marked {
    let person = sign_up(app).await;
    misspell(app).await;
    write_and_be_written_to(app, &person).await;
    let receipts = buy(app, &person).await;
    play(app, &person).await;
    be_looked_after(app, &person, &receipts).await;
    let access = app.sign_in("/api/auth/login", (SITE_ID, PASSWORD)).await;
    Marked { access, ..person }
}

fn done(answer: &Answer) -> Value {
    assert!(answer.status.is_success(), "{}", answer.text);
    answer.body.clone()
}

async fn sign_up(app: &App) -> Marked {
    let request = app.http.post(format!("{}/api/auth/signup", app.url)).json(&wish());
    let request = request.header("user-agent", marked("agent"));
    let body = done(&Answer::read(request.send().await.unwrap()).await);
    Marked {
        id: body["user"]["id"].as_i64().unwrap(),
        access: body["access_token"].as_str().unwrap().to_owned(),
        refresh: body["refresh_token"].as_str().unwrap().to_owned(),
    }
}

/// Wrong passwords, under both names; one that is a secret of somebody's.
async fn misspell(app: &App) {
    for name in [SITE_ID, NICKNAME] {
        let wrong = json!({"site_id": name, "password": marked("wrong")});
        app.post("/api/auth/login", None, wrong).await.is_problem(401, "INVALID_CREDENTIALS");
    }
}

/// Has a letter box, wants another, has forgotten the password, and had a phone.
async fn write_and_be_written_to(app: &App, person: &Marked) {
    let (mailbox, other) = (Mailbox::new(MARK), Mailbox::new(MARK));
    settle(app, (&person.access, PASSWORD), &mailbox, "ko").await;
    let wish = json!({"email": other.address, "current_password": PASSWORD});
    done(&change(app, &person.access, wish).await);
    done(&app.post("/api/auth/password/forgot", None, json!({"site_id": SITE_ID})).await);
    mailbox.until(2).await;
    Phone::enrol(app, &person.access, PASSWORD).await;
}

/// Buys, also what is declined and what stays undecided; the provider says something about it.
async fn buy(app: &App, person: &Marked) -> [Value; 2] {
    let buy = |wish: Value| app.post("/api/shop/buy", Some(&person.access), wish);
    let card = marked("card").replace(' ', "_");
    let bought = done(&buy(json!({"product_id": 1001, "card_token": card})).await);
    let word = json!({"product_id": 1001, "payment_method": marked("method")});
    buy(word).await.is_problem(422, "VALIDATION_FAILED");
    let declined = json!({"product_id": 1001, "card_token": "tok_decline"});
    buy(declined).await.is_problem(402, "PAYMENT_DECLINED");
    let pending = done(&buy(json!({"product_id": 1001, "card_token": "tok_pending"})).await);
    let receipt = bought["receipt_code"].clone();
    let said = json!({"event_id": "evt-marked", "receipt_code": receipt, "status": "captured",
        "reason_code": marked("said")});
    let message = signed(SECRET, now(app).await, "evt-marked", &said.to_string());
    done(&send(app, &message).await);
    [receipt, pending["receipt_code"].clone()]
}

async fn play(app: &App, person: &Marked) {
    let post = |path: &'static str, body: Value| app.post(path, Some(&person.access), body);
    done(&post("/api/streak/claim", json!({})).await);
    done(&post("/api/vip/claim", json!({})).await);
    done(&post("/api/events/join", json!({"event_id": 1})).await);
    done(&post("/api/events/join", json!({"event_id": 2})).await);
    done(&post("/test/spend", json!({"gold": 10})).await);
    done(&post("/api/realtime/ticket", json!({})).await);
    let action =
        json!({"action_id": "marked-1", "user_id": person.id, "action_type": "play_count"});
    done(&Service::demo(app).await.post(app, "/api/actions", &action).await);
    let limit = json!({"monthly_spend_cents": 100_000});
    let limits =
        app.call(reqwest::Method::PUT, "/api/shop/limits", Some(&person.access), Some(limit));
    done(&limits.await);
}

/// Everything that the staff says of somebody: notes and reasons.
async fn be_looked_after(app: &App, person: &Marked, [receipt, pending]: &[Value; 2]) {
    let admin = app.admin().await;
    let checker = app.sign_in("/api/auth/admin/login", ("admin2", "admin123")).await;
    let user = format!("/api/admin/users/{}", person.id);
    let post = |path: String, body: Value| {
        let (app, admin) = (app, admin.clone());
        async move {
            let key = uuid::Uuid::now_v7().to_string();
            done(&app.post_keyed(&path, &admin, &key, &body).await)
        }
    };
    let why = |what: &str| json!({"reason": marked(what)});
    for note in ["note one", "note two"] {
        post(format!("{user}/notes"), json!({"text": marked(note)})).await;
    }
    let first = format!("{user}/notes/1");
    done(&app.call(reqwest::Method::DELETE, &first, Some(&admin), None).await);
    post(format!("{user}/grant"), json!({"gold": 70, "reason": marked("grant")})).await;
    let lines = json!([{"key": "a", "user_id": person.id, "gold": 1}]);
    post("/api/admin/grants".into(), json!({"reason": marked("batch"), "lines": lines})).await;
    let lines = json!([{"user_id": person.id, "gold": 2}]);
    let job = json!({"kind": "bulk_grant", "reason": "for a list", "lines": lines});
    let job = post("/api/admin/jobs".into(), job).await;
    jobs::until(app, &admin, job["job_id"].as_str().unwrap(), "finished").await;
    let quiet = json!({"user_id": person.id, "reason": marked("suppressed")});
    post("/api/admin/mails/suppressions".into(), quiet).await;
    let (phone, lost) = (format!("{user}/totp"), Some(why("phone")));
    done(&app.call(reqwest::Method::DELETE, &phone, Some(&admin), lost).await);
    let reward = json!({"user_id": person.id, "reason": marked("reward"), "rewards": {"gold": 5}});
    post("/api/admin/rewards".into(), reward).await;
    let force = format!("/api/admin/events/2/force-claim/{}", person.id);
    post(force, why("claim")).await;
    let large = json!({"gold": 100_000, "reason": marked("request")});
    let asked = post(format!("{user}/grant"), large.clone()).await;
    let reject = format!("/api/admin/approvals/{}/reject", asked["approval_id"].as_str().unwrap());
    done(&app.post(&reject, Some(&checker), why("rejection")).await);
    // And one that nobody has decided on.
    post(format!("{user}/grant"), large).await;
    let forced = json!({"outcome": "failed", "reason": marked("forced")});
    post(format!("/api/admin/transactions/{}/force-settle", pending.as_str().unwrap()), forced)
        .await;
    let refund = json!({"amount_cents": 100, "reason": marked("refund")});
    post(format!("/api/admin/transactions/{}/refund", receipt.as_str().unwrap()), refund).await;
    let rank = json!({"rank": "VIP", "reason": marked("rank")});
    put(app, &admin, &format!("{user}/rank"), None, rank).await;
    post(format!("{user}/logout-all"), why("logout")).await;
    post(format!("{user}/ban"), why("ban")).await;
    post(format!("{user}/unban"), why("unban")).await;
    let seen = app.get(&user, Some(&admin)).await;
    let tag = seen.headers["etag"].to_str().unwrap().to_owned();
    let edit = json!({"nickname": RENAMED, "phone_number": OTHER_PHONE, "language": "en"});
    put(app, &admin, &user, Some(&tag), edit).await;
    done(&app.get(&format!("{user}/personal"), Some(&admin)).await);
    mistype(app, &admin).await;
}

/// Somebody of the staff types a name where a number should be.
async fn mistype(app: &App, admin: &str) {
    for path in [format!("/api/admin/users/{SITE_ID}/ban"), format!("/api/admin/{MARK}")] {
        let answer = app.post(&path, Some(admin), json!({"reason": "a mistake"})).await;
        answer.is_problem(404, "NOT_FOUND");
    }
    let found = app.get(&format!("/api/admin/users?search={MARK}"), Some(admin)).await;
    assert_eq!(found.body["users"], 1, "{}", found.text);
    app.get(&format!("/api/nothing/{MARK}"), None).await.is_problem(404, "NOT_FOUND");
}

/// `PUT`, of what was seen at a version.
pub async fn put(app: &App, token: &str, path: &str, tag: Option<&str>, body: Value) -> Answer {
    let request = app.http.put(format!("{}{path}", app.url)).bearer_auth(token).json(&body);
    let request = match tag {
        Some(tag) => request.header("if-match", tag),
        None => request,
    };
    let answer = Answer::read(request.send().await.unwrap()).await;
    done(&answer);
    answer
}

/// Where a mark stands: `schema.table`, each once. Every table there is is looked through, whatever it is
/// called and whoever made it, with all of its columns as text; bytes also as the text that they are.
pub async fn places(database: &Database) -> Vec<String> {
    let mut superuser = database.superuser().await;
    let tables = sqlx::query(
        "select format('%I.%I', nspname, relname) as name,
                string_agg(case when atttypid = 'bytea'::regtype
                    then format('coalesce(encode(%1$I, ''escape'') || encode(%1$I, ''base64''), '''')',
                                attname)
                    else format('coalesce(%I::text, '''')', attname) end, ' || '' '' || ') as texts
           from pg_class join pg_namespace on pg_namespace.oid = relnamespace
           join pg_attribute on attrelid = pg_class.oid and attnum > 0 and not attisdropped
          where relkind in ('r', 'm', 'p')
            and nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
          group by 1",
    )
    .fetch_all(&mut superuser)
    .await
    .unwrap();
    assert!(tables.len() > 30, "only {} tables", tables.len());
    let mut found = Vec::new();
    for table in tables {
        let (name, texts): (String, String) = (table.get("name"), table.get("texts"));
        if count(&mut superuser, &name, &texts).await > 0 {
            found.push(name);
        }
    }
    found.sort();
    found
}

async fn count(superuser: &mut PgConnection, table: &str, texts: &str) -> i64 {
    let pattern = format!("{MARK}|{PHONE}|{OTHER_PHONE}");
    let sql = format!("select count(*) from {table} where ({texts}) ~* $1");
    sqlx::query_scalar(&sql).bind(pattern).fetch_one(superuser).await.unwrap()
}

/// Asserts that what nodes have said names nobody.
pub fn is_unnamed(app: &App) {
    let said = app.said().to_lowercase();
    assert!(said.contains("/api/"), "it has said something");
    let lines: Vec<&str> = said.lines().filter(|line| is_marked(line)).collect();
    assert!(lines.is_empty(), "{lines:#?}");
}
