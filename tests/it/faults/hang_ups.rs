//! Clients that hang up: in the middle of a request, right behind it, or while the answer comes.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::load::{Load, What};
use crate::app::{App, demo_database};

const CLIENTS: usize = 12;
const HANG_UPS: usize = 60;
/// Purchases are finished by whoever accepted them: nothing may be left for the reaction.
const SETTINGS: [(&str, &str); 2] = [("CLUB_LIMITS", "off"), ("CLUB_CHECKOUT_GRACE_MS", "600000")];
/// A command that nothing is in the way of.
const AT_ONCE: Duration = Duration::from_secs(2);

/// One request as it goes over the wire.
fn written(load: &Load, number: usize) -> Vec<u8> {
    let (path, token, key, body) = load.request(number);
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nhost: club\r\nauthorization: Bearer {token}\r\n\
         idempotency-key: {key}\r\nx-request-id: load-{number}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Sends all or a part of a request and closes: now, or a moment later; politely, or with a reset.
async fn hang_up(load: &Load, address: &str, number: usize) {
    let request = written(load, number);
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.set_nodelay(true).unwrap();
    let whole = rand::random_ratio(3, 4);
    let length = if whole { request.len() } else { rand::random_range(0..request.len()) };
    // The service may be the first to close.
    let _ = connection.write_all(&request[..length]).await;
    sleep(Duration::from_micros(rand::random_range(0..15_000))).await;
    if rand::random() {
        #[expect(deprecated, reason = "a linger of zero never blocks: it is how one resets")]
        connection.set_linger(Some(Duration::ZERO)).unwrap();
    }
}

async fn keep_hanging_up(load: Arc<Load>, address: String, client: usize) {
    for count in 0..HANG_UPS {
        let what = [What::Purchase, What::Grant, What::Declined, What::Purchase][count % 4];
        let number = load.note(what, (client + count) % load.players().len());
        hang_up(&load, &address, number).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_hang_up_leave_nothing_locked_doubled_or_unfinished() {
    let app = App::start_on(demo_database().await, &SETTINGS).await;
    let load = Load::sign_in(&app).await;
    let address = app.url.trim_start_matches("http://").to_owned();
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(keep_hanging_up(load.clone(), address.clone(), client));
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    // Every account takes the next command at once.
    for player in 0..load.players().len() {
        for what in [What::Grant, What::Purchase] {
            let (number, asked_at) = (load.note(what, player), Instant::now());
            assert!(load.ask(&app.url, number).await, "{what:?} for player {player}");
            assert!(asked_at.elapsed() < AT_ONCE, "{what:?} took {:?}", asked_at.elapsed());
        }
    }
    let account = load.account_for(&app.database).await;
    println!("{account:?}");
    assert!(account.purchases > 50, "not much of a test: {account:?}");
    assert_eq!(account.voided, 0, "a purchase was given up because its caller left");
    // Whoever comes back learns what became of a request, or has it done now.
    for number in (0..account.asked).step_by(10) {
        assert!(load.ask(&app.url, number).await);
    }
    load.account_for(&app.database).await;
    assert!(app.stop().await.success());
}
