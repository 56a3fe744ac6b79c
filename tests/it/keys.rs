//! `club keys`, and the keys that sign access tokens: one after another, on all nodes, and nobody notices.

use std::collections::BTreeSet;
use std::time::Duration;

use jsonwebtoken::decode_header;
use serde_json::{Value, json};
use sqlx::query_scalar;
use tokio::time::Instant;

use crate::app::{Answer, App, PLAYER, demo_database, program};
use crate::database::Database;
use crate::provider::wait_for;

/// Nodes look at the keys every two seconds; machines are slow.
const FOLLOWED: Duration = Duration::from_secs(10);
const DAY: u32 = 86_400;

async fn club(database: &Database, arguments: &[&str], settings: &[(&str, &str)]) -> (i32, String) {
    let mut club = program("club", &database.url());
    let output = club.arg("keys").args(arguments).envs(settings.iter().copied()).output();
    let output = output.await.unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), said)
}

/// Does something, and answers all keys as they are then.
async fn keys(database: &Database, arguments: &[&str]) -> Vec<Value> {
    let (code, said) = club(database, &[arguments, &["--format", "json"]].concat(), &[]).await;
    assert_eq!(code, 0, "{said}");
    serde_json::from_str(&said).unwrap()
}

fn states(keys: &[Value]) -> Vec<&str> {
    keys.iter().map(|key| key["state"].as_str().unwrap()).collect()
}

/// The ids that a node publishes.
async fn published(app: &App, path: &str) -> BTreeSet<String> {
    let answer = app.get(path, None).await;
    assert_eq!(answer.headers["cache-control"], "public, max-age=300");
    let keys = answer.body["keys"].as_array().unwrap().clone();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Waits until nodes publish these keys.
async fn until_published(nodes: &[&App], kids: &[&Value]) {
    let kids: BTreeSet<String> = kids.iter().map(|kid| kid.as_str().unwrap().to_owned()).collect();
    let latest = Instant::now() + FOLLOWED;
    for node in nodes {
        while published(node, "/.well-known/jwks.json").await != kids {
            assert!(Instant::now() < latest, "{} does not follow", node.url);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn kid(token: &str) -> Value {
    json!(decode_header(token).unwrap().kid)
}

async fn two_nodes(settings: &[(&str, &str)]) -> (App, App) {
    let database = demo_database().await;
    (App::start_on(database.clone(), settings).await, App::start_on(database, settings).await)
}

async fn me(app: &App, token: &str) -> Answer {
    app.get("/api/auth/me", Some(token)).await
}

#[tokio::test]
async fn a_new_key_is_published_then_signs_and_tokens_of_the_old_one_go_on_until_they_expire() {
    let (app, other) = two_nodes(&[]).await;
    let database = app.database.clone();
    let first = keys(&database, &["list"]).await;
    assert_eq!(states(&first), ["signs"], "two nodes that start make one key");
    let rotated = keys(&database, &["rotate"]).await;
    assert_eq!(states(&rotated), ["signs", "next"]);
    let (old, new) = (&rotated[0]["kid"], &rotated[1]["kid"]);
    assert_eq!(
        keys(&database, &["rotate"]).await,
        rotated,
        "one that is on its way is not made twice"
    );
    until_published(&[&app, &other], &[old, new]).await;

    let early = app.player().await;
    assert_eq!(&kid(&early), old, "it does not sign before all can know it");
    for node in [&app, &other] {
        wait_for(node, 361).await;
    }
    let late = app.player().await;
    assert_eq!(&kid(&late), new);
    for node in [&app, &other] {
        for token in [&early, &late] {
            assert_eq!(me(node, token).await.status, 200);
        }
    }
    until_published(&[&app, &other], &[old, new]).await;

    // The last token of the old key was signed a moment before the new one did.
    for node in [&app, &other] {
        wait_for(node, 540).await;
        me(node, &early).await.is_problem(401, "UNAUTHENTICATED");
        assert_eq!(me(node, &late).await.status, 200);
        wait_for(node, 420).await;
    }
    until_published(&[&app, &other], &[new]).await;
    let receipts = published(&app, "/.well-known/receipt-keys.json").await;
    assert!(receipts.len() == 2, "old receipts are verified for ever");
}

#[tokio::test]
async fn what_a_leaked_key_has_signed_is_refused_everywhere_within_seconds() {
    let (app, other) = two_nodes(&[]).await;
    let signed_in = json!({"site_id": PLAYER.0, "password": PLAYER.1});
    let signed_in = app.post("/api/auth/login", None, signed_in).await.body;
    let token = signed_in["access_token"].as_str().unwrap();
    assert_eq!(me(&other, token).await.status, 200, "it is remembered there, too");
    let rotated = keys(&app.database, &["rotate", "--now"]).await;
    assert_eq!(states(&rotated), ["retired", "signs"]);
    let (old, new) = (&rotated[0]["kid"], &rotated[1]["kid"]);
    assert_eq!(&kid(token), old);
    until_published(&[&app, &other], &[new]).await;
    for node in [&app, &other] {
        me(node, token).await.is_problem(401, "UNAUTHENTICATED");
        let receipts = published(node, "/.well-known/receipt-keys.json").await;
        assert_eq!(receipts.len(), 1, "whoever has it could make receipts, too");
    }
    let refresh = json!({"refresh_token": signed_in["refresh_token"]});
    let refreshed = other.post("/api/auth/refresh", None, refresh).await.body;
    let token = refreshed["access_token"].as_str().unwrap();
    assert_eq!(&kid(token), new);
    assert_eq!(me(&app, token).await.status, 200);
}

#[tokio::test]
async fn a_node_that_has_not_looked_yet_looks_when_it_meets_an_unknown_key() {
    let (app, other) = two_nodes(&[]).await;
    for _ in 0..4 {
        let rotated = keys(&app.database, &["rotate", "--now"]).await;
        until_published(&[&app], &[&rotated.last().unwrap()["kid"]]).await;
        // The other node has looked at another moment: sometimes it does not know this key yet.
        let token = app.player().await;
        assert_eq!(me(&other, &token).await.status, 200, "at the first try");
        let (head, signature) = token.rsplit_once('.').unwrap();
        let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
        me(&other, &forged).await.is_problem(401, "UNAUTHENTICATED");
    }
}

#[tokio::test]
async fn keys_that_nobody_has_do_not_make_a_node_look_each_time() {
    let app = App::without_limits().await;
    let header = json!({"typ": "JWT", "alg": "EdDSA", "kid": "nobodys"}).to_string();
    let looks = || async {
        let select = "select sum(seq_scan + coalesce(idx_scan, 0))::bigint from pg_stat_user_tables
                       where relname = 'signing_keys'";
        let mut superuser = app.database.superuser().await;
        query_scalar::<_, i64>(select).fetch_one(&mut superuser).await.unwrap()
    };
    let before = looks().await;
    let token = {
        use base64::Engine;
        let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", encode(&header), encode("{}"), encode("no signature"))
    };
    let started = Instant::now();
    let all = (0..300).map(|_| me(&app, &token));
    for answer in futures::future::join_all(all).await {
        answer.is_problem(401, "UNAUTHENTICATED");
    }
    // The server's figures are behind by as much.
    tokio::time::sleep(Duration::from_secs(11)).await;
    let seconds = i64::try_from(started.elapsed().as_secs()).unwrap();
    let most = 4 + 2 * seconds;
    assert!(looks().await - before <= most, "{} looks in {seconds} s", looks().await - before);
}

#[tokio::test]
async fn a_retired_key_is_believed_no_more_and_the_only_one_cannot_be_retired() {
    let app = App::start().await;
    let database = app.database.clone();
    let token = app.player().await;
    let only = kid(&token).as_str().unwrap().to_owned();
    let (code, said) = club(&database, &["retire", &only], &[]).await;
    assert!(code == 1 && said.contains("rotate --now"), "{said}");
    assert_eq!(club(&database, &["retire", "nobodys"], &[]).await.0, 1);
    assert_eq!(me(&app, &token).await.status, 200);

    let rotated = keys(&database, &["rotate"]).await;
    let next = rotated[1]["kid"].as_str().unwrap();
    let retired = keys(&database, &["retire", &only]).await;
    assert_eq!(states(&retired), ["retired", "signs"], "the next one signs now");
    assert_eq!(keys(&database, &["retire", &only]).await, retired, "again does nothing");
    until_published(&[&app], &[&json!(next)]).await;
    me(&app, &token).await.is_problem(401, "UNAUTHENTICATED");
    assert_eq!(me(&app, &app.player().await).await.status, 200);

    // One that is on its way may be taken back.
    let rotated = keys(&database, &["rotate"]).await;
    let coming = rotated[2]["kid"].as_str().unwrap();
    let retired = keys(&database, &["retire", coming]).await;
    assert_eq!(states(&retired), ["retired", "signs", "retired"]);
}

#[tokio::test]
async fn an_id_of_an_earlier_version_stays_and_may_begin_with_a_dash() {
    const OLD: &str = "-2v0hIRZ5Wzh";
    let app = App::start().await;
    let mut superuser = app.database.superuser().await;
    let rename = "update identity.signing_keys set kid = $1";
    sqlx::query(rename).bind(OLD).execute(&mut superuser).await.unwrap();
    until_published(&[&app], &[&json!(OLD)]).await;
    let token = app.player().await;
    assert_eq!(kid(&token), OLD);
    let new = &keys(&app.database, &["rotate"]).await[1]["kid"];
    let retire = ["--format", "json", "retire", "--", OLD];
    let (code, said) = club(&app.database, &retire, &[]).await;
    assert_eq!(code, 0, "{said}");
    until_published(&[&app], &[new]).await;
    me(&app, &token).await.is_problem(401, "UNAUTHENTICATED");
}

#[tokio::test]
async fn many_rotations_at_once_make_one_key() {
    let database = demo_database().await;
    let app = App::start_on(database.clone(), &[]).await;
    let all = (0..6).map(|_| club(&database, &["rotate"], &[]));
    for (code, said) in futures::future::join_all(all).await {
        assert_eq!(code, 0, "{said}");
    }
    assert_eq!(states(&keys(&database, &["list"]).await), ["signs", "next"]);
    drop(app);
}

#[tokio::test]
async fn keys_change_by_themselves_and_two_nodes_make_one() {
    let settings = [("CLUB_SIGNING_KEY_DAYS", "7")];
    let (app, other) = two_nodes(&settings).await;
    let never = App::start_on(app.database.clone(), &[("CLUB_SIGNING_KEY_DAYS", "0")]).await;
    let old = kid(&app.player().await);
    wait_for(&never, 8 * DAY).await;
    for node in [&app, &other] {
        wait_for(node, 7 * DAY - 60).await;
    }
    // Longer than two looks: nothing is due.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(keys(&app.database, &["list"]).await.len(), 1);
    for node in [&app, &other] {
        wait_for(node, 120).await;
    }
    let latest = Instant::now() + FOLLOWED;
    while keys(&app.database, &["list"]).await.len() < 2 {
        assert!(Instant::now() < latest, "no key was made");
    }
    let all = keys(&app.database, &["list"]).await;
    let new = &all[1]["kid"];
    until_published(&[&app, &other], &[&old, new]).await;
    assert_eq!(kid(&app.player().await), old);
    for node in [&app, &other] {
        wait_for(node, 361).await;
        assert_eq!(&kid(&node.player().await), new);
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(keys(&app.database, &["list"]).await.len(), 2, "two nodes, one key");
}

#[tokio::test]
async fn whoever_is_killed_while_rotating_leaves_one_key_that_signs() {
    let database = demo_database().await;
    let app = App::start_on(database.clone(), &[]).await;
    let token = app.player().await;
    for milliseconds in [5, 15, 25, 35, 45, 60, 80, 120] {
        let mut club = program("club", &database.url());
        let mut rotating = club.args(["keys", "rotate", "--now"]).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        rotating.kill().await.unwrap();
        let all = keys(&database, &["list"]).await;
        let signing = states(&all).iter().filter(|state| **state == "signs").count();
        assert_eq!(signing, 1, "after {milliseconds} ms: {all:?}");
    }
    let all = keys(&database, &["list"]).await;
    let signs = all.iter().find(|key| key["state"] == "signs").unwrap();
    until_published(&[&app], &[&signs["kid"]]).await;
    let is_still_believed = me(&app, &token).await.status == 200;
    assert_eq!(is_still_believed, all.len() == 1);
    assert_eq!(me(&app, &app.player().await).await.status, 200);
}

#[tokio::test]
async fn another_setting_takes_over_by_a_rotation_and_never_by_accident() {
    let database = demo_database().await;
    let app = App::start_on(database.clone(), &[]).await;
    let another = [("CLUB_SIGNING_KEY", "another")];
    let mut stranger = program("club", &database.url());
    let refused = stranger.arg("serve").envs(another).output().await.unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8(refused.stderr).unwrap().contains("CLUB_SIGNING_KEY is another one"));

    let (code, said) = club(&database, &["rotate", "--format", "json"], &another).await;
    assert_eq!(code, 0, "{said}");
    let old = app.player().await;
    wait_for(&app, 361).await;
    let newcomer = App::start_on(database, &another).await;
    let new = newcomer.player().await;
    // The node with the old setting verifies what it cannot sign, and signs on with what it has.
    assert_ne!(kid(&old), kid(&new));
    assert_eq!(kid(&old), kid(&app.player().await));
    for node in [&app, &newcomer] {
        for token in [&old, &new] {
            assert_eq!(me(node, token).await.status, 200);
        }
    }
}

#[tokio::test]
async fn no_private_key_is_stored_shown_or_logged() {
    let app = App::start_on(demo_database().await, &[("RUST_LOG", "debug")]).await;
    keys(&app.database, &["rotate", "--now"]).await;
    let (_, text) = club(&app.database, &["list"], &[]).await;
    assert!(
        text.starts_with("KEY") && text.contains("retired") && text.contains("signs"),
        "{text}"
    );
    let jwks = app.get("/.well-known/jwks.json", None).await;
    assert!(jwks.body["keys"].as_array().unwrap().iter().all(|key| key.get("d").is_none()));
    // What is stored makes no key without the setting.
    let select = "select string_agg(it::text, ' ') from identity.signing_keys it";
    let mut superuser = app.database.superuser().await;
    let stored: String = query_scalar(select).fetch_one(&mut superuser).await.unwrap();
    assert!(!stored.contains("PRIVATE"));
    let (code, said) =
        club(&app.database, &["list", "--format", "json"], &[("CLUB_SIGNING_KEY", "x")]).await;
    let all: Vec<Value> = serde_json::from_str(&said).unwrap();
    assert!(code == 0 && all.iter().all(|key| key["is_of_this_setting"] == false), "{said}");
    let production = [("ENVIRONMENT", "production")];
    let (code, said) = club(&app.database, &["rotate"], &production).await;
    assert!(code == 2 && said.contains("CLUB_SIGNING_KEY is not set"), "{said}");
    let (code, help) = club(&app.database, &["--help"], &[]).await;
    assert!(code == 0 && help.contains("Examples:") && help.contains("Exit codes:"), "{help}");
}
