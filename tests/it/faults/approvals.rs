//! Several agree to one grant at once, on two nodes: the gold is given once, and all are told the same.

use futures::future::join_all;
use serde_json::{Value, json};

use super::nodes::{self, Nodes, gold, in_log, is_clean};
use crate::app::{ADMIN, App, PLAYER_ID, demo_database};

const ROUNDS: u64 = 20;
/// Who agrees at once, half of them on each node.
const CLIENTS: usize = 32;
const GOLD: u64 = 100_000;

/// Two who may agree, on any node.
async fn checkers(app: &App) -> [String; 2] {
    let operator = ("operator", "operator123");
    let second = app.sign_in("/api/auth/admin/login", ("admin2", ADMIN.1)).await;
    [second, app.made_admin(4, operator).await]
}

/// Asks for gold on one node; the address at which the request is approved.
async fn ask(nodes: &Nodes, round: u64, maker: &str) -> String {
    let path = format!("/api/admin/users/{PLAYER_ID}/grant");
    let wish = json!({"gold": GOLD, "reason": "a race"});
    let node = usize::try_from(round).unwrap();
    let (status, asked) = nodes.post(node, &path, maker, &wish).await;
    assert_eq!((status, &asked["status"]), (200, &json!("awaiting_approval")), "{asked}");
    format!("/api/admin/approvals/{}/approve", asked["approval_id"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_many_agree_to_at_once_is_given_once() {
    let apps = nodes::start_two(demo_database().await).await;
    let (maker, checkers) = (apps[0].admin().await, checkers(&apps[0]).await);
    let nodes = Nodes::of(apps).await;
    let nothing = json!({});
    for round in 0..ROUNDS {
        let path = ask(&nodes, round, &maker).await;
        let agreed = (0..CLIENTS).map(|client| {
            // Each of the two asks both nodes.
            let checker = &checkers[client / 2 % 2];
            nodes.post(client, &path, checker, &nothing)
        });
        let answers = join_all(agreed).await;
        let (status, first) = &answers[0];
        assert_eq!((*status, &first["granted"]), (200, &json!(GOLD)), "{first}");
        assert!(answers.iter().all(|told| *told == answers[0]), "{answers:?}");
    }
    let log = in_log(&nodes.database, &["grant_approved", "gold_granted"]).await;
    let kinds: Vec<&str> = log.iter().map(|it| it.kind.as_str()).collect();
    let pairs = usize::try_from(ROUNDS).unwrap();
    assert_eq!(kinds, ["grant_approved", "gold_granted"].repeat(pairs));
    let receipts: std::collections::BTreeSet<_> =
        log.iter().filter_map(|it| it.payload["receipt_code"].as_str()).collect();
    assert_eq!(receipts.len(), pairs);
    let apps = nodes.into_apps().await;
    let player = apps[1].player().await;
    assert_eq!(gold(&apps[1], &player).await, 1_000 + ROUNDS * GOLD);
    is_clean(&apps[0].database).await;
    let shown = apps[1].get("/api/admin/approvals?status=approved", Some(&maker)).await.body;
    assert_eq!(shown["items"].as_array().map(Vec::len), Some(pairs), "{shown}");
    assert!(shown["items"].as_array().unwrap().iter().all(|it| it["checker"] != Value::Null));
}
