//! `club services`: who runs the club lets programs in, changes their secrets and takes them out.

mod requests;

use serde_json::{Value, json};

use crate::app::{demo_database, program};
use crate::database::Database;

/// How it ended.
#[derive(Debug)]
struct Done {
    code: Option<i32>,
    printed: String,
    said: String,
}

async fn club(database: &Database, arguments: &[&str], settings: &[(&str, &str)]) -> Done {
    let mut command = program("club", &database.url());
    let output = command.args(arguments).envs(settings.iter().copied()).output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Done { code: output.status.code(), printed: text(output.stdout), said: text(output.stderr) }
}

async fn services(database: &Database, arguments: &[&str]) -> Done {
    club(database, &[&["services"], arguments].concat(), &[]).await
}

/// The secret in a file of settings.
fn handed_out(done: &Done) -> String {
    assert_eq!(done.code, Some(0), "{done:?}");
    let is_file = |line: &str| line.starts_with('#') || line.starts_with("CLUB_SERVICE_");
    assert!(done.printed.lines().all(is_file), "{}", done.printed);
    let mut lines = done.printed.lines();
    let secret = lines.find_map(|line| line.strip_prefix("CLUB_SERVICE_SECRET="));
    secret.unwrap().to_owned()
}

async fn secret(database: &Database, name: &str) -> String {
    let done = services(database, &["secret", name]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    done.printed.strip_suffix('\n').unwrap().to_owned()
}

async fn listed(database: &Database, name: &str) -> Value {
    let done = services(database, &["list", "--format", "json"]).await;
    let all: Value = serde_json::from_str(&done.printed).unwrap();
    let mut all = all.as_array().unwrap().iter();
    all.find(|one| one["id"] == name).cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_service_is_let_in_and_its_secret_can_be_had_again() {
    let database = demo_database().await;
    let scopes = ["--scope", "actions:play_count", "--scope", "actions:login"];
    let added = services(&database, &[&["add", "slots-1"], &scopes[..]].concat()).await;
    assert!(added.printed.contains("\nCLUB_SERVICE_ID=slots-1\n"), "{added:?}");
    assert!(added.printed.starts_with("# slots-1 may do actions:play_count, actions:login."));
    let first = handed_out(&added);
    assert_eq!(first.len(), 64);
    assert_eq!(secret(&database, "slots-1").await, first);

    let one = listed(&database, "slots-1").await;
    assert_eq!(one["scopes"], json!(["actions:play_count", "actions:login"]));
    let rest = (&one["version"], &one["rotated_at"], &one["previous_until"], &one["revoked_at"]);
    assert_eq!(rest, (&json!(1), &Value::Null, &Value::Null, &Value::Null));

    let allowed = services(&database, &["allow", "slots-1", "--scope", "actions:*"]).await;
    assert_eq!(allowed.printed, "slots-1 may do actions:*, and nothing else\n");
    assert_eq!(listed(&database, "slots-1").await["scopes"], json!(["actions:*"]));
    assert_eq!(secret(&database, "slots-1").await, first);
}

#[tokio::test]
async fn the_secret_before_counts_for_a_day_unless_it_has_leaked() {
    let database = demo_database().await;
    let first = secret(&database, "demo-game").await;
    let rotated = services(&database, &["rotate", "demo-game"]).await;
    let second = handed_out(&rotated);
    assert!(rotated.printed.starts_with("# demo-game has another secret. The one before counts"));
    assert_eq!(secret(&database, "demo-game").await, second);
    let one = listed(&database, "demo-game").await;
    assert_eq!(one["version"], 2);
    let moment = |name: &str| -> chrono::DateTime<chrono::Utc> {
        one[name].as_str().unwrap().parse().unwrap()
    };
    assert_eq!((moment("previous_until") - moment("rotated_at")).num_hours(), 24);

    let third = handed_out(&services(&database, &["rotate", "demo-game", "--at-once"]).await);
    assert_eq!(listed(&database, "demo-game").await["previous_until"], Value::Null);
    assert!(first != second && second != third && first != third);
}

#[tokio::test]
async fn who_was_revoked_comes_back_with_another_secret() {
    let database = demo_database().await;
    let first = secret(&database, "demo-game").await;
    let revoked = services(&database, &["revoke", "demo-game"]).await;
    assert!(revoked.printed.starts_with("demo-game is revoked since "), "{revoked:?}");
    assert_eq!(services(&database, &["revoke", "demo-game"]).await.printed, revoked.printed);
    for deed in [&["rotate", "demo-game"][..], &["secret", "demo-game"]] {
        let refused = services(&database, deed).await;
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.said.contains("the service demo-game is revoked: 'club services add'"));
        assert_eq!(refused.printed, "");
    }
    // Demo data that comes in again does not let it in again.
    assert_eq!(club(&database, &["seed"], &[]).await.code, Some(0));
    assert!(listed(&database, "demo-game").await["revoked_at"].is_string());

    let added = services(&database, &["add", "demo-game", "--scope", "actions:login"]).await;
    assert_ne!(handed_out(&added), first);
    let one = listed(&database, "demo-game").await;
    let back = (&one["version"], &one["revoked_at"], &one["scopes"]);
    assert_eq!(back, (&json!(2), &Value::Null, &json!(["actions:login"])));
}

#[tokio::test]
async fn what_cannot_be_done_says_why_and_by_its_exit_code() {
    let database = demo_database().await;
    let any = ["--scope", "actions:*"];
    let taken = services(&database, &[&["add", "demo-game"], &any[..]].concat()).await;
    assert_eq!(taken.code, Some(1), "{taken:?}");
    assert!(taken.said.contains("there is a service demo-game already"), "{taken:?}");
    for deed in ["rotate", "revoke", "secret"] {
        let unknown = services(&database, &[deed, "nobody"]).await;
        assert_eq!(unknown.code, Some(1), "{unknown:?}");
        assert!(unknown.said.contains("there is no service nobody: 'club services list'"));
    }
    let unusable = [
        (&["add", "Game", "--scope", "actions:*"][..], "small letters, digits and -"),
        (&["add", "game", "--scope", "gold:*"], "such as actions:play_count"),
        (&["add", "game"], "--scope"),
    ];
    for (arguments, told) in unusable {
        let refused = services(&database, arguments).await;
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.said.contains(told), "{refused:?}");
    }
    let nowhere = [("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing")];
    assert_eq!(club(&database, &["services", "list"], &nowhere).await.code, Some(2));
    assert_eq!(listed(&database, "game").await, Value::Null);
}

#[tokio::test]
async fn the_list_is_a_table_for_people() {
    let database = demo_database().await;
    services(&database, &["add", "game-eu", "--scope", "actions:*"]).await;
    services(&database, &["revoke", "game-eu"]).await;
    let table = services(&database, &["list"]).await.printed;
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("SERVICE    STATE"), "{table}");
    assert!(lines[1].starts_with("demo-game  active"), "{table}");
    assert!(lines[1].ends_with("actions:play_count, actions:win_count"), "{table}");
    assert!(lines[2].starts_with("game-eu    revoked 2"), "{table}");
}

#[tokio::test]
async fn no_secret_is_stored_and_all_are_made_of_the_key() {
    let database = demo_database().await;
    let printed = secret(&database, "demo-game").await;
    let row = "select row_to_json(services)::text from identity.services";
    let row: String =
        sqlx::query_scalar(row).fetch_one(&mut database.superuser().await).await.unwrap();
    assert!(!row.contains(&printed), "{row}");
    // As api/src/auth/services/signature.rs makes it of the development key.
    assert_eq!(printed, "159971830b88f3df3a2e2512f48d55d59193cdb7712099535418474310923239");
    let key = [("CLUB_SERVICE_KEY", "another")];
    let other = club(&database, &["services", "secret", "demo-game"], &key).await;
    assert_ne!(other.printed.trim(), printed);
}

#[tokio::test]
async fn production_has_a_key_of_its_own_and_no_demo_service() {
    let database = demo_database().await;
    let production = [
        ("ENVIRONMENT", "production"),
        ("CLUB_FINGERPRINT_KEY", "secret"),
        ("CLUB_TOTP_KEY", "secret"),
    ];
    let signing_key = [("CLUB_SIGNING_KEY", "00".repeat(32))];
    let signing_key = signing_key.each_ref().map(|(name, key)| (*name, key.as_str()));
    let without_key = [&production[..], &signing_key].concat();
    for arguments in [&["serve"][..], &["services", "secret", "demo-game"]] {
        let refused = club(&database, arguments, &without_key).await;
        assert!(refused.said.contains("CLUB_SERVICE_KEY is not set"), "{refused:?}");
        assert_eq!(refused.printed, "");
    }
    let settings = [&without_key[..], &[("CLUB_SERVICE_KEY", "secret")]].concat();
    let refused = club(&database, &["serve"], &settings).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let told = "the database holds the demo's service demo-game";
    assert!(refused.said.contains(told), "{refused:?}");
    let revoked = club(&database, &["services", "revoke", "demo-game"], &settings).await;
    assert_eq!(revoked.code, Some(0), "{revoked:?}");
    let refused = club(&database, &["serve"], &settings).await;
    assert!(!refused.said.contains(told) && refused.said.contains("demo accounts"), "{refused:?}");
}
