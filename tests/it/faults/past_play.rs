//! Missions that count what was done before they were there, while game servers go on reporting and
//! the service is killed in the middle of counting.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::nodes::{self, Nodes, Written, count, in_log, is_clean, slow_down, until_there_are};
use super::reporters::{Action, Reporters, check_once_and_in_order};
use crate::app::{App, demo_database};
use crate::provider::now;
use crate::service::Service;

/// Players who have done something before; game servers go on to report of some of them.
const PLAYERS: usize = 400;
/// What each of them has done, on this day and those before it.
const ACTIONS: usize = 6;
const MOST_ACTIONS: usize = 500;
const REPORTERS: usize = 2;
/// What the database takes over the share of each player.
const EACH: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(30);
/// So long before midnight a day is over before the test is.
const LATE: i64 = 90;

/// A mission that counts past play.
#[derive(Debug)]
struct Late {
    id: i64,
    counter: &'static str,
    target: u64,
    period: &'static str,
    after: u64,
}

/// A day that goes on for long enough: the service's own clock cannot be moved, since it goes back
/// whenever the service is started again.
async fn long_day(app: &App) -> DateTime<Utc> {
    let latest = Instant::now() + Duration::from_secs(LATE.unsigned_abs() + 5);
    loop {
        let moment = DateTime::from_timestamp(now(app).await, 0).unwrap();
        let tomorrow = moment + chrono::TimeDelta::seconds(LATE);
        if tomorrow.date_naive() == moment.date_naive() {
            return moment;
        }
        assert!(Instant::now() < latest, "it stays late");
        sleep(Duration::from_secs(1)).await;
    }
}

/// What everybody did before: the actions, and where in the log half of them had been told.
async fn past(
    nodes: &Nodes,
    service: &Service,
    (players, moments): (&[i64], &[DateTime<Utc>]),
) -> (Vec<Action>, u64) {
    let each = players.iter().flat_map(|player| std::iter::repeat_n([*player], ACTIONS));
    let mut actions: Vec<_> = each.map(|player| Action::random(&player, moments)).collect();
    // Nobody's actions come one after another.
    actions.sort_by(|one, other| one.id.cmp(&other.id));
    let mut middle = 0;
    for (number, batch) in actions.chunks(MOST_ACTIONS).enumerate() {
        let reports: Vec<Value> = batch.iter().map(Action::report).collect();
        let (status, body) = nodes.report(0, service, &reports).await.unwrap();
        assert_eq!((status, &body["accepted"]), (200, &json!(batch.len())), "{body}");
        if number * 2 * MOST_ACTIONS < actions.len() {
            middle = body["position"].as_u64().unwrap();
        }
    }
    (actions, middle)
}

/// Puts the mission on the board and kills the service in the middle of counting, so many times; for
/// how many players it had counted each time.
async fn add_and_kill(nodes: &Nodes, admin: &str, late: &mut Late, kills: u64) -> Vec<u64> {
    let mut connection = nodes.database.superuser().await;
    let before = count(&mut connection, "past_play_counted").await;
    let wish = json!({"name": "시험", "name_en": "Test", "counter": late.counter,
        "target": late.target, "period": late.period, "rewards": {"xp": 1},
        "counts_after": late.after});
    let (status, body) = nodes.post(0, "/api/admin/missions", admin, &wish).await;
    assert_eq!((status, &body["counts_after"]), (201, &json!(late.after)), "{body}");
    late.id = body["id"].as_i64().unwrap();
    let mut counted = Vec::new();
    for _ in 0..kills {
        let so_far = count(&mut connection, "past_play_counted").await;
        until_there_are(&mut connection, "past_play_counted", so_far + 1).await;
        nodes.kill(0).await;
        counted.push(count(&mut connection, "past_play_counted").await - before);
        nodes.revive(0).await;
    }
    counted
}

/// Waits until the staff sees that all of it is counted.
async fn until_counted(nodes: &Nodes, admin: &str, late: &Late) {
    let latest = Instant::now() + PATIENCE;
    loop {
        let path = format!("/api/admin/missions/{}", late.id);
        let (status, shown) = nodes.get(0, &path, admin).await;
        assert_eq!(status, 200, "{shown}");
        if shown["counts_after"].is_null() {
            return;
        }
        assert!(Instant::now() < latest, "past play stays uncounted: {shown}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_counts_past_play_it_counts_everybodys_share_once() {
    let database = demo_database().await;
    nodes::seed_players(&database, PLAYERS).await;
    let app = nodes::start(database).await;
    let today = long_day(&app).await;
    let (service, admin) = (Service::demo(&app).await, app.admin().await);
    let nodes = Nodes::of(vec![app]).await;
    // The numbers of players for load tests follow on those of the demo.
    let players: Vec<i64> = (25..).take(PLAYERS).collect();
    let moments = [today - Days::new(2), today - Days::new(1), today];
    let (past, middle) = past(&nodes, &service, (&players, &moments)).await;

    let reporters = Reporters::start(&nodes, &service, REPORTERS, (&players[..100], &moments));
    let late = |counter, target, period, after| Late { id: 0, counter, target, period, after };
    let mut missions = [
        late("play_count", 1_000_000, "once", 0),
        late("play_count", 1_000_000, "daily", 0),
        late("win_count", 3, "once", middle),
    ];
    slow_down(&mut nodes.database.superuser().await, "past_play_counted", EACH).await;
    let mut killed_at = Vec::new();
    for (mission, kills) in missions.iter_mut().zip([2, 1, 1]) {
        killed_at.push(add_and_kill(&nodes, &admin, mission, kills).await);
        until_counted(&nodes, &admin, mission).await;
    }
    let mut reported = reporters.stop().await;
    reported.push(past);
    let apps = nodes.into_apps().await;
    nodes::caught_up(&apps[0]).await;

    let log = in_log(&apps[0].database, &KINDS).await;
    let actions = check_once_and_in_order(&log, &reported);
    for (mission, killed_at) in missions.iter().zip(killed_at) {
        let counted = Counted::of(mission, &log, &actions, today.date_naive());
        let players = counted.before.len() as u64;
        println!("{mission:?}: killed after {killed_at:?} of {players} players");
        assert!(killed_at.iter().all(|count| *count < players), "it was not in the middle");
        counted.check_shares(mission, &log);
        counted.check_progress(mission, &apps[0]).await;
    }
    is_clean(&apps[0].database).await;
}

const KINDS: [&str; 4] =
    ["action_recorded", "mission_defined", "past_play_counted", "past_play_added"];

/// What was done for a mission, added up by hand, by player.
struct Counted {
    /// Before it was there.
    before: HashMap<i64, u64>,
    /// All in all.
    whole: HashMap<i64, u64>,
    day: NaiveDate,
}

impl Counted {
    fn of(
        mission: &Late,
        log: &[Written],
        actions: &HashMap<&str, &Action>,
        day: NaiveDate,
    ) -> Self {
        let defined = log
            .iter()
            .find(|it| it.kind == "mission_defined" && it.payload["mission_id"] == mission.id);
        let defined_at = defined.unwrap().position;
        let (mut before, mut whole) = (HashMap::new(), HashMap::new());
        for written in log.iter().filter(|it| it.kind == "action_recorded") {
            let Some(action) = actions.get(written.payload["action_id"].as_str().unwrap()) else {
                continue;
            };
            let at = action.at.unwrap_or_else(|| written.at());
            let is_now = mission.period == "once" || at.date_naive() == day;
            if action.kind == mission.counter && is_now && written.position > mission.after {
                *whole.entry(action.player).or_default() += action.amount;
                if written.position < defined_at {
                    *before.entry(action.player).or_default() += action.amount;
                }
            }
        }
        Self { before, whole, day }
    }

    /// What was done before counts once, whole, for everybody to whom it made a difference.
    fn check_shares(&self, mission: &Late, log: &[Written]) {
        let goal = format!("mission/{}/", mission.id);
        let mut shares: HashMap<i64, u64> = HashMap::new();
        for written in log.iter().filter(|it| it.kind == "past_play_counted") {
            if written.payload["advanced"]["goal"].as_str().unwrap().starts_with(&goal) {
                let amount = written.payload["amount"].as_u64().unwrap();
                let again = shares.insert(written.player(), amount);
                assert_eq!(again, None, "the share of {} counts twice", written.of);
                assert_eq!(amount, self.before[&written.player()], "{written:?}");
            }
        }
        // Whoever is done already needs no share.
        let needs = |player: &i64| self.whole[player] - self.before[player] < mission.target;
        assert!(self.before.keys().filter(|it| needs(it)).all(|it| shares.contains_key(it)));
        let added: Vec<_> = log
            .iter()
            .filter(|it| it.kind == "past_play_added" && it.payload["mission_id"] == mission.id)
            .collect();
        assert_eq!(added.len(), 1, "{added:?}");
    }

    async fn check_progress(&self, mission: &Late, app: &App) {
        let rows = "select player_id, progress from read.mission_progress
                     where mission_id = $1 and (period is null or period = $2)";
        let mut connection = app.database.superuser().await;
        let rows = sqlx::query_as(rows).bind(mission.id).bind(self.day);
        let rows: Vec<(i64, i64)> = rows.fetch_all(&mut connection).await.unwrap();
        let shown: HashMap<i64, u64> =
            rows.into_iter().map(|(player, n)| (player, u64::try_from(n).unwrap())).collect();
        let expected = self.whole.iter().map(|(player, n)| (*player, mission.target.min(*n)));
        assert_eq!(shown, expected.collect::<HashMap<_, _>>(), "{mission:?}");
    }
}
