//! A hundred packages and ten thousand buyers: exactly a hundred are sold, whatever happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::app::{App, demo_database, program, replay};
use crate::database::Database;

const STOCK: u32 = 100;
const BUYERS: u64 = 10_000;
const IN_FLIGHT: usize = 100;
const CODE: &str = "HUNDRED";
const SETTINGS: [(&str, &str); 2] = [("CLUB_LIMITS", "off"), ("CLUB_CHECKOUT_GRACE_MS", "300")];

/// A club with so many players for load tests, all signed in, and the package on sale.
struct Rush {
    tokens: Arc<Vec<String>>,
    next: Arc<AtomicU64>,
    sold: Arc<AtomicUsize>,
}

async fn database() -> Database {
    let database = demo_database().await;
    let seeded = program("club", &database.url()).args(["seed", "--players", "200"]).status().await;
    assert!(seeded.unwrap().success());
    database
}

impl Rush {
    async fn on(app: &App) -> Self {
        let admin = app.admin().await;
        let terms = json!({
            "code": CODE, "name": "백", "name_en": "Hundred", "price_cents": 499, "gold": 600,
            "stock_total": STOCK, "starts_at": "2026-01-01T00:00:00Z",
            "ends_at": "2036-01-01T00:00:00Z", "is_active": true,
        });
        let offered = app.post("/api/admin/limited-packages", Some(&admin), terms).await;
        assert!(offered.status.is_success(), "{}", offered.text);
        let mut tokens = Vec::new();
        for n in 1..=40 {
            let name = format!("bench{n:04}");
            tokens.push(app.sign_in("/api/auth/login", (&name, "bench-password")).await);
        }
        Self { tokens: tokens.into(), next: Arc::default(), sold: Arc::default() }
    }

    /// Buyers at these nodes, a hundred at once, until everybody has had a try.
    fn begin(&self, urls: &[String]) -> JoinSet<()> {
        let http = reqwest::Client::new();
        let mut buyers = JoinSet::new();
        for _ in 0..IN_FLIGHT {
            let (tokens, next, sold) = (self.tokens.clone(), self.next.clone(), self.sold.clone());
            let (http, urls) = (http.clone(), urls.to_vec());
            buyers.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= BUYERS {
                        return;
                    }
                    let turn = usize::try_from(number).unwrap();
                    let (token, url) = (&tokens[turn % tokens.len()], &urls[turn % urls.len()]);
                    // Some cards are declined, some leave the provider undecided.
                    let card =
                        ["tok_approve", "tok_decline", "tok_approve", "tok_timeout"][turn % 4];
                    let wish = json!({"package_id": CODE, "card_token": card});
                    let request = http.post(format!("{url}/api/shop/buy-limited")).json(&wish);
                    let request = request
                        .bearer_auth(token)
                        .header("Idempotency-Key", format!("rush-{number}"));
                    let answered = timeout(Duration::from_secs(30), request.send()).await;
                    let Ok(Ok(response)) = answered else { continue };
                    match response.status().as_u16() {
                        200 => drop(sold.fetch_add(1, Ordering::Relaxed)),
                        202 | 402 | 409 | 503 => {}
                        other => panic!("{other}: {}", response.text().await.unwrap()),
                    }
                }
            });
        }
        buyers
    }

    async fn finish(&self, mut buyers: JoinSet<()>) {
        while let Some(done) = buyers.join_next().await {
            done.unwrap();
        }
    }
}

/// Exactly the stock was sold, paid and credited; nothing is held.
async fn account(database: &Database) {
    let mut connection = database.superuser().await;
    let latest = Instant::now() + Duration::from_secs(60);
    let open = "select count(*) from events r where r.event_type = 'purchase_requested' and not exists (
                  select from events e where e.aggregate_id = r.aggregate_id and e.sequence > r.sequence
                     and e.event_type in ('purchase_completed', 'purchase_failed', 'purchase_voided')
                     and e.payload->>'receipt_code' = r.payload->>'receipt_code')";
    loop {
        let left: i64 = sqlx::query_scalar(open).fetch_one(&mut connection).await.unwrap();
        if left == 0 {
            break;
        }
        assert!(Instant::now() < latest, "{left} purchases are still open");
        sleep(Duration::from_millis(50)).await;
    }
    let count = async |sql: &str, connection: &mut sqlx::PgConnection| -> i64 {
        sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
    };
    let of_type = |name: &str| format!("select count(*) from events where event_type = '{name}'");
    let reserved = count(&of_type("stock_reserved"), &mut connection).await;
    let confirmed = count(&of_type("stock_confirmed"), &mut connection).await;
    let returned = count(&of_type("stock_returned"), &mut connection).await;
    println!("{reserved} reserved, {confirmed} sold, {returned} returned");
    assert_eq!(confirmed, i64::from(STOCK), "exactly the stock is sold");
    assert_eq!(reserved, confirmed + returned, "no reservation is left");
    let gold = "select coalesce(sum((payload->'movement'->'gold'->>'paid')::bigint), 0)::bigint
                  from events where event_type = 'purchase_completed'";
    assert_eq!(count(gold, &mut connection).await, i64::from(STOCK) * 600);
    let money = "select coalesce(sum(amount_cents), 0)::bigint from sandbox.charges where state = 'captured'";
    assert_eq!(count(money, &mut connection).await, i64::from(STOCK) * 499);
    let (code, said) = replay(database, &["verify"]).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_buyers_on_two_nodes_get_exactly_a_hundred() {
    let one = App::start_on(database().await, &SETTINGS).await;
    let two = App::start_on(one.database.clone(), &SETTINGS).await;
    let rush = Rush::on(&one).await;
    let buyers = rush.begin(&[one.url.clone(), two.url.clone()]);
    rush.finish(buyers).await;
    account(&one.database).await;
    assert!(rush.sold.load(Ordering::Relaxed) <= STOCK as usize);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_of_the_rush_it_sells_exactly_a_hundred() {
    let mut app = App::start_on(database().await, &SETTINGS).await;
    let rush = Rush::on(&app).await;
    for kill_after in [15, 40, 70] {
        let mut buyers = rush.begin(&[app.url.clone()]);
        let latest = Instant::now() + Duration::from_secs(30);
        while rush.sold.load(Ordering::Relaxed) < kill_after && Instant::now() < latest {
            sleep(Duration::from_millis(1)).await;
        }
        let database = app.kill().await;
        buyers.abort_all();
        while buyers.join_next().await.is_some() {}
        app = App::start_on(database, &SETTINGS).await;
    }
    let buyers = rush.begin(&[app.url.clone()]);
    rush.finish(buyers).await;
    // Whoever comes after everything has settled gets what voids have given back.
    let latest = Instant::now() + Duration::from_secs(60);
    loop {
        let wish = json!({"package_id": CODE});
        let answer = app.post("/api/shop/buy-limited", Some(&rush.tokens[0]), wish).await;
        if answer.status == 409 {
            let mut connection = app.database.superuser().await;
            let held: i64 = sqlx::query_scalar(
                "select (select count(*) from events where event_type = 'stock_reserved')
                      - (select count(*) from events where event_type in ('stock_confirmed', 'stock_returned'))",
            )
            .fetch_one(&mut connection)
            .await
            .unwrap();
            if held == 0 {
                break;
            }
        }
        assert!(Instant::now() < latest, "stock is held for ever: {}", answer.text);
        sleep(Duration::from_millis(20)).await;
    }
    account(&app.database).await;
}
