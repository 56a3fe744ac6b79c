//! The log cannot be changed by those who write it, and whoever changes it all the same is found.

use sqlx::{Connection, Executor, PgConnection};

use crate::app::{App, PLAYER_ID, replay};
use crate::database::Database;

/// A database with a few purchases, whose service has ended in order.
async fn with_purchases() -> Database {
    let app = App::start().await;
    let (player, admin) = (app.player().await, app.admin().await);
    let grant = format!("/api/admin/users/{PLAYER_ID}/grant");
    for number in 0..3 {
        let body = serde_json::json!({"gold": 10, "reason": "faults"});
        let granted = app.post_keyed(&grant, &admin, &format!("grant-{number}"), &body).await;
        assert_eq!(granted.status, 200, "{}", granted.text);
        let body = serde_json::json!({"product_id": 1001});
        let bought = app.post("/api/shop/buy", Some(&player), body).await;
        assert_eq!(bought.status, 200, "{}", bought.text);
        let statement = app.get("/api/users/statement", Some(&player)).await;
        assert_eq!(statement.status, 200, "{}", statement.text);
    }
    let database = app.database.clone();
    assert!(app.stop().await.success());
    database
}

/// Tries a statement, which must fail for this reason, and leaves nothing of it.
async fn refused(connection: &mut PgConnection, statement: &str, reason: &str) {
    let mut attempt = connection.begin().await.unwrap();
    match attempt.execute(statement).await {
        Ok(_) => panic!("{statement} was carried out"),
        Err(error) => assert!(error.to_string().contains(reason), "{statement}: {error}"),
    }
}

/// What `replay verify` finds after these statements of a superuser, whom no trigger stops.
async fn found(database: &Database, statements: &[&str]) -> String {
    let mut superuser = database.superuser().await;
    superuser.execute("set session_replication_role = replica").await.unwrap();
    for statement in statements {
        let done = superuser.execute(*statement).await.unwrap();
        assert!(done.rows_affected() > 0, "{statement} did nothing");
    }
    let (code, said) = replay(database, &["verify"]).await;
    assert_eq!(code, Some(1), "{statements:?}: {said}");
    said
}

#[tokio::test]
async fn nobody_who_works_for_the_club_can_change_the_log() {
    let database = Database::empty().await;
    let mut superuser = database.superuser().await;
    let changes = [
        "update events set payload = '{}'",
        "delete from events",
        "truncate events",
        "insert into events select * from events",
        "update log_head set log_id = gen_random_uuid()",
        "alter table events disable trigger all",
        "drop table events",
    ];
    superuser.execute("set role club_service").await.unwrap();
    for change in changes {
        let denied = if change.contains("table") { "must be owner" } else { "permission denied" };
        refused(&mut superuser, change, denied).await;
    }
}

#[tokio::test]
async fn even_the_owner_is_stopped_by_the_log_itself() {
    let database = with_purchases().await;
    let mut owner = database.superuser().await;
    for change in ["update events set payload = '{}'", "delete from events", "truncate events"] {
        refused(&mut owner, change, "the log is append-only").await;
    }
    let (code, said) = replay(&database, &["verify"]).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn whatever_a_superuser_changes_is_found_and_its_position_is_named() {
    let database = with_purchases().await;
    let mut superuser = database.superuser().await;
    let granted = "select max(position) from events where event_type = 'gold_granted'";
    let at: i64 = sqlx::query_scalar(granted).fetch_one(&mut superuser).await.unwrap();
    let keep = format!("create table kept as select * from events where position >= {at}");
    superuser.execute(&*keep).await.unwrap();

    // A larger gift, as if it had always been so.
    let change = "payload = replace(payload::text, '10', '90')::json";
    let alter = format!("update events set {change} where position = {at}");
    let said = found(&database, &[&alter]).await;
    assert!(said.contains(&format!("position {at}: chain")), "{said}");

    // Somebody else's: neither payload nor hash tell, but the digest does.
    let delete = format!("delete from events where position = {at}");
    let back = format!("insert into events select * from kept where position = {at}");
    let other = format!("update events set metadata = '{{}}' where position = {at}");
    let said = found(&database, &[&delete, &back, &other]).await;
    assert!(said.contains(&format!("position {at}: chain")), "{said}");

    // Gone from the middle.
    let said = found(&database, &[&delete]).await;
    assert!(said.contains(&format!("position {at}: gapless")), "{said}");

    // Gone from the end: what is left is whole, but others remember.
    let end = format!("delete from events where position >= {at}");
    let said = found(&database, &[&end]).await;
    assert!(said.contains(": place:"), "{said}");

    // All is as it was: nothing to find.
    superuser.execute("set session_replication_role = replica").await.unwrap();
    superuser.execute("insert into events select * from kept").await.unwrap();
    let (code, said) = replay(&database, &["verify"]).await;
    assert_eq!(code, Some(0), "{said}");

    // A read model that shows more than there is.
    let balance = format!(
        "update read.balances set gold_free = gold_free + 1 \
                           where player_id = {PLAYER_ID}"
    );
    let said = found(&database, &[&balance]).await;
    assert!(said.contains("read_model") && said.contains("balances"), "{said}");
}
