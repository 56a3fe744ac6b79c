//! `/api/streak`.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Answer, App, PLAYER_ID, demo_database, replay};
use crate::provider::{now, wait_for};
use crate::socket::Socket;

/// Moves a node's clock on to this moment, unless it is there.
pub async fn move_to(app: &App, at: DateTime<Utc>) {
    let ahead = at.timestamp() - now(app).await;
    if ahead > 0 {
        wait_for(app, u32::try_from(ahead).unwrap()).await;
    }
}

/// So long after the beginning of a day.
pub fn in_day(day: NaiveDate, seconds: i64) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc() + TimeDelta::seconds(seconds)
}

/// The day that the club takes for today.
pub async fn today(app: &App) -> NaiveDate {
    DateTime::from_timestamp(now(app).await, 0).unwrap().date_naive()
}

/// Claims on a day, a few seconds after midnight, with a token of that day.
async fn claim_on(app: &App, day: NaiveDate) -> Answer {
    move_to(app, in_day(day, 5)).await;
    let token = app.player().await;
    claim(app, &token).await
}

async fn claim(app: &App, token: &str) -> Answer {
    let claimed = app.post("/api/streak/claim", Some(token), json!({})).await;
    assert_eq!((claimed.status.as_u16(), &claimed.body["success"]), (200, &json!(true)));
    claimed
}

fn paid(claimed: &Answer) -> [u64; 3] {
    ["streak_count", "awarded_gold", "awarded_xp"].map(|name| claimed.body[name].as_u64().unwrap())
}

async fn is_clean(app: &App) {
    let (code, said) = replay(&app.database, &["verify"]).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn a_day_is_claimed_once_and_a_second_claim_is_answered_from_the_first() {
    let app = App::start().await;
    let day = today(&app).await + Days::new(1);
    move_to(&app, in_day(day, 60)).await;
    let token = app.player().await;
    let status = app.get("/api/streak/status", Some(&token)).await.body;
    assert_eq!((&status["streak_count"], &status["claimed_today"]), (&json!(1), &json!(false)));
    assert_eq!(status["today"], json!({"gold": 1000, "xp": 50}));
    assert_eq!(status["next"], json!({"gold": 1200, "xp": 75}));
    assert_eq!((&status["last_claimed_at"], &status["level"]), (&Value::Null, &json!(1)));

    let first = app.post_keyed("/api/streak/claim", &token, "day-1", &json!({})).await;
    assert_eq!(paid(&first), [1, 1_000, 50]);
    assert_eq!(first.body["new_gold_balance"], 2_000);
    assert_eq!(first.body["idempotent"], false);
    // The same request again is answered word for word; another one is told that it is late.
    let repeat = app.post_keyed("/api/streak/claim", &token, "day-1", &json!({})).await;
    assert_eq!(repeat.text, first.text);
    assert_eq!(repeat.headers["idempotency-replayed"], "true");
    let events = app.database.events().await;
    let spent = app.post("/test/spend", Some(&token), json!({"gold": 300})).await;
    assert_eq!(spent.body["new_gold_balance"], 1_700);
    let mut expected = first.body.clone();
    expected["idempotent"] = json!(true);
    let second = claim(&app, &token).await;
    assert_eq!(second.body, expected, "with the balance at the first one's position");
    // A key under which nothing was written answers the same as often as it comes.
    for _ in 0..3 {
        let late = app.post_keyed("/api/streak/claim", &token, "late", &json!({})).await;
        assert_eq!((late.status.as_u16(), &late.body), (200, &expected));
    }
    assert_eq!(app.database.events().await, events + 1, "nothing but the spending was written");
    let status = app.get("/api/streak/status", Some(&token)).await.body;
    assert_eq!((&status["streak_count"], &status["claimed_today"]), (&json!(1), &json!(true)));
    assert_eq!(status["last_claimed_at"], first.body["claimed_at"]);

    let lines = app.get("/api/users/statement?kind=streak", Some(&token)).await.body;
    let line = &lines["items"][0];
    assert_eq!((&line["gold"], &line["gold_free"]), (&json!(1_000), &json!(1_000)));
    assert_eq!((&line["reference"], &line["counter_account"]), (&json!(day), &json!("promotion")));
    // Another node, after a restart, says the same.
    let again = App::start_on(app.kill().await, &[]).await;
    move_to(&again, in_day(day, 120)).await;
    let token = again.player().await;
    assert_eq!(claim(&again, &token).await.body, expected);
    is_clean(&again).await;
}

#[tokio::test]
async fn a_streak_grows_over_midnight_month_and_year_and_a_missed_day_ends_it() {
    let app = App::start().await;
    let year = today(&app).await.year();
    let day = |month, day| NaiveDate::from_ymd_opt(year + 1, month, day).unwrap();
    assert_eq!(paid(&claim_on(&app, day(11, 29)).await), [1, 1_000, 50]);
    // The last minute of a day, and the first seconds of the next.
    move_to(&app, in_day(day(11, 30), 86_340)).await;
    let token = app.player().await;
    assert_eq!(paid(&claim(&app, &token).await), [2, 1_200, 75]);
    assert_eq!(paid(&claim_on(&app, day(12, 1)).await), [3, 1_400, 100]);
    // The second is missed.
    move_to(&app, in_day(day(12, 3), 5)).await;
    let token = app.player().await;
    let status = app.get("/api/streak/status", Some(&token)).await.body;
    assert_eq!((&status["streak_count"], &status["claimed_today"]), (&json!(1), &json!(false)));
    for (missed, day) in (1..).zip(day(12, 25).iter_days().take(12)) {
        let StreakPaid { count, gold, xp } = StreakPaid::of(missed);
        assert_eq!(paid(&claim_on(&app, day).await), [count, gold, xp], "{day}");
    }

    let token = app.player().await;
    let history = |month: String| {
        let path = format!("/api/streak/history?{month}");
        let (app, token) = (&app, &token);
        async move { app.get(&path, Some(token)).await.body }
    };
    let days = |history: &Value| -> Vec<(String, u64)> {
        let days = history["days"].as_array().unwrap().iter();
        let told = |day: &Value| {
            (day["day"].as_str().unwrap().to_owned(), day["streak_count"].as_u64().unwrap())
        };
        days.map(told).collect()
    };
    let told = |day: NaiveDate, count| (day.to_string(), count);
    let november = history(format!("year={}&month=11", year + 1)).await;
    assert_eq!(days(&november), [told(day(11, 29), 1), told(day(11, 30), 2)]);
    assert_eq!((&november["gold"], &november["xp"]), (&json!(2_200), &json!(125)));
    let december = history(format!("year={}&month=12", year + 1)).await;
    assert_eq!(days(&december)[..2], [told(day(12, 1), 3), told(day(12, 25), 1)]);
    assert_eq!(days(&december).last(), Some(&told(day(12, 31), 7)));
    // Without a month: this one, which is January by now.
    let january = history(String::new()).await;
    assert_eq!((&january["year"], &january["month"]), (&json!(year + 2), &json!(1)));
    assert_eq!(days(&january).len(), 5);
    assert_eq!(days(&history(format!("year={year}&month=1")).await), []);
    for wrong in ["month=0", "month=13", "year=0", "month=x", "page=2", "year=-5"] {
        let answer = app.get(&format!("/api/streak/history?{wrong}"), Some(&token)).await;
        answer.is_problem(400, "BAD_REQUEST");
    }
    is_clean(&app).await;
}

/// What the price list says of a day.
struct StreakPaid {
    count: u64,
    gold: u64,
    xp: u64,
}

impl StreakPaid {
    fn of(count: u64) -> Self {
        Self { count, gold: (800 + 200 * count).min(2_800), xp: (25 + 25 * count).min(275) }
    }
}

#[tokio::test]
async fn the_leap_day_is_a_day_and_days_of_grace_may_be_missed() {
    let settings = [("CLUB_STREAK_GRACE_DAYS", "1")];
    let app = App::start_on(demo_database().await, &settings).await;
    let year = today(&app).await.year() + 1;
    let leap = (year..).find_map(|year| NaiveDate::from_ymd_opt(year, 2, 29)).unwrap();
    assert_eq!(paid(&claim_on(&app, leap.pred_opt().unwrap()).await), [1, 1_000, 50]);
    assert_eq!(paid(&claim_on(&app, leap).await), [2, 1_200, 75]);
    assert_eq!(paid(&claim_on(&app, leap + Days::new(1)).await), [3, 1_400, 100]);
    assert_eq!(paid(&claim_on(&app, leap + Days::new(3)).await), [4, 1_600, 125], "one missed");
    assert_eq!(paid(&claim_on(&app, leap + Days::new(6)).await), [1, 1_000, 50], "two missed");
    is_clean(&app).await;
}

#[tokio::test]
async fn the_preview_keeps_its_word_and_experience_makes_levels() {
    let app = App::start().await;
    let first = today(&app).await + Days::new(1);
    move_to(&app, in_day(first, 5)).await;
    let token = app.player().await;
    let preview = app.get("/api/streak/preview", Some(&token)).await.body;
    let promised = preview["days"].as_array().unwrap().clone();
    assert_eq!((promised.len(), &preview["streak_count"]), (10, &json!(1)));
    let mut xp = 0;
    for (day, promise) in first.iter_days().zip(&promised) {
        assert_eq!((&promise["day"], &promise["claimed"]), (&json!(day), &json!(false)));
        let claimed = claim_on(&app, day).await;
        let named = ["streak_count", "gold", "xp"].map(|name| promise[name].as_u64().unwrap());
        assert_eq!(paid(&claimed), named);
        xp += claimed.body["awarded_xp"].as_u64().unwrap();
        let token = app.player().await;
        let me = app.get("/api/auth/me", Some(&token)).await.body;
        assert_eq!((&me["xp"], &me["level"]), (&json!(xp), &json!(1 + xp / 500)));
        assert_eq!(me["gold"], claimed.body["new_gold_balance"]);
    }
    assert_eq!(xp, 50 + 75 + 100 + 125 + 150 + 175 + 200 + 225 + 250 + 275);
    let token = app.player().await;
    let preview = app.get("/api/streak/preview", Some(&token)).await.body;
    assert_eq!(
        (&preview["days"][0]["claimed"], &preview["streak_count"]),
        (&json!(true), &json!(10))
    );
    assert_eq!(preview["next"], json!({"gold": 2800, "xp": 275}));
}

#[tokio::test]
async fn screens_are_told() {
    let app = App::start().await;
    let token = app.player().await;
    let (mut feed, _) = Socket::me(&app, &token, None).await;
    let claimed = claim(&app, &token).await;
    let told = feed.named("streak_update").await;
    assert_eq!(told["position"], claimed.body["position"]);
    let data = &told["data"];
    assert_eq!((&data["streak_count"], &data["claimed_today"]), (&json!(1), &json!(true)));
    assert_eq!((&data["awarded_gold"], &data["awarded_xp"]), (&json!(1_000), &json!(50)));
    assert_eq!(data["next"], json!({"gold": 1200, "xp": 75}));
    let balance = feed.named("balance_update").await;
    assert_eq!(
        (&balance["data"]["gold"], &balance["data"]["kind"]),
        (&json!(2_000), &json!("streak"))
    );
    let claimed = app.post("/api/vip/claim", Some(&token), json!({})).await;
    let balance = feed.named("balance_update").await;
    assert_eq!(balance["position"], claimed.body["position"]);
    assert_eq!(balance["data"]["vip_points"], 50);
}

const CLIENTS: usize = 64;
const ROUNDS: u64 = 4;

/// One grant among these answers, and all of them tell of it.
fn one_grant(answers: &[&Answer], round: u64) {
    let mut told = BTreeSet::new();
    let mut first_times = 0;
    for answer in answers {
        assert_eq!(answer.status, 200, "{}", answer.text);
        let mut body = answer.body.clone();
        let is_repeat = body.as_object_mut().unwrap().remove("idempotent").unwrap();
        first_times += usize::from(is_repeat == json!(false));
        told.insert(body.to_string());
    }
    assert_eq!((first_times, told.len()), (1, 1), "round {round}: {told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_clients_on_two_nodes_get_one_grant_a_day() {
    let one = App::start().await;
    let two = App::start_on(one.database.clone(), &[]).await;
    let first = today(&one).await;
    let token = one.player().await;
    let had = one.get("/api/users/balance", Some(&token)).await.body["gold"].as_u64().unwrap();
    let mut gold = had;
    for round in 1..=ROUNDS {
        let day = first + Days::new(round);
        for node in [&one, &two] {
            move_to(node, in_day(day, 60)).await;
        }
        let token = one.player().await;
        let claims = (0..CLIENTS * 2).map(|client| {
            let node = [&one, &two][client / 2 % 2];
            let path = ["/api/streak/claim", "/api/vip/claim"][client % 2];
            node.call(Method::POST, path, Some(&token), Some(json!({})))
        });
        let answers = futures::future::join_all(claims).await;
        let of = |kind| answers.iter().skip(kind).step_by(2).collect::<Vec<_>>();
        one_grant(&of(0), round);
        one_grant(&of(1), round);
        let StreakPaid { count, gold: due, xp } = StreakPaid::of(round);
        assert_eq!(paid(&answers[0]), [count, due, xp]);
        gold += due;
        let position = answers.iter().filter_map(|answer| answer.body["position"].as_u64()).max();
        for node in [&one, &two] {
            let balance = node.get_at("/api/users/balance", &token, position.unwrap()).await.body;
            assert_eq!(
                (&balance["gold"], &balance["vip_points"]),
                (&json!(gold), &json!(round * 50))
            );
        }
    }
    let count = "select count(*) from events where aggregate_id = $1 and event_type = any($2)";
    let written: i64 = sqlx::query_scalar(count)
        .bind(PLAYER_ID.to_string())
        .bind(["streak_claimed", "vip_claimed"])
        .fetch_one(&mut one.database.superuser().await)
        .await
        .unwrap();
    assert_eq!(written.unsigned_abs(), 2 * ROUNDS);
    is_clean(&one).await;
}
