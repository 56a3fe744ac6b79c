//! The service is killed under load, again and again, on one database.

use std::time::Duration;

use tokio::time::sleep;

use super::load::Load;
use crate::app::{App, demo_database};

const CRASHES: usize = 20;
const CLIENTS: usize = 12;
/// Answers between one crash and the next, at least.
const ANSWERS: usize = 12;
/// Short, so that what a crash leaves is taken up soon.
const SETTINGS: [(&str, &str); 2] = [("CLUB_LIMITS", "off"), ("CLUB_CHECKOUT_GRACE_MS", "300")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_twenty_times_under_load_it_loses_nothing_and_leaves_nothing_open() {
    let mut app = App::start_on(demo_database().await, &SETTINGS).await;
    let load = Load::sign_in(&app).await;
    for _ in 0..CRASHES {
        let clients = load.on(&app.url, CLIENTS);
        // However slow the machine is, it is killed while it works.
        let enough = load.answers() + ANSWERS;
        while load.answers() < enough {
            sleep(Duration::from_millis(5)).await;
        }
        sleep(Duration::from_millis(rand::random_range(0..100))).await;
        let database = app.kill().await;
        clients.stop().await;
        app = App::start_on(database, &SETTINGS).await;
    }
    let database = app.database.clone();
    let account = load.account_for(&database).await;
    println!("{account:?}");
    assert!(account.answers >= CRASHES * ANSWERS, "not much of a test: {account:?}");
    assert!(account.voided > 0, "no crash was in the middle of a purchase: {account:?}");
    assert!(app.stop().await.success());
}
