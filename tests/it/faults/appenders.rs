//! Two nodes that append to one log, with everything that can come between: missed heads all the
//! time, keys that come twice and at once, server processes that die during COMMIT.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use commands::{Caller, Commands, Failure, IdempotencyKey, grants};
use domain::event::Actor;
use domain::id::PlayerId;
use domain::money::Gold;
use sqlx::{Executor, PgPool};
use tokio::time::{Instant, sleep, timeout};

use crate::database::Database;
use crate::log::{self, entries};
use crate::node;

const WRITERS: usize = 64;
const PLAYERS: i64 = 20;
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// One request, and every position that an answer to it named.
struct Asked {
    request: String,
    positions: Vec<u64>,
}

fn keyed(actor: Actor, request: &str, key: &str) -> Caller {
    let key = Some(IdempotencyKey::parse(key).unwrap());
    Caller { actor, request: Some(request.to_owned()), key, ..Caller::system("test") }
}

/// Grants 1 gold; the position, or none if the fate is unknown.
async fn grant(commands: &Commands, caller: &Caller, player: i64) -> Option<u64> {
    let what = grants::Granted::Gold(Gold::new(1).unwrap());
    let grant = grants::Grant { player: PlayerId(player), what, reason: "faults".into() };
    let answer = timeout(LONGEST_WAIT, commands.grant(caller, grant)).await;
    match answer.expect("nobody waits for ever") {
        Ok(answer) => Some(answer.position),
        Err(Failure::Unavailable | Failure::Overloaded { .. }) => None,
        Err(other) => panic!("{other:?}"),
    }
}

/// Asks until told to stop; one time in four the same key at once on both nodes, one time in four
/// once more, later, on the other one.
async fn write(writer: usize, nodes: [Commands; 2], stop: Arc<AtomicBool>) -> Vec<Asked> {
    let mut asked = Vec::new();
    for count in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let request = format!("w{writer}-{count}");
        // Half of the keys are time-ordered, the others could be from any time.
        let key = if count % 2 == 0 { uuid::Uuid::now_v7() } else { uuid::Uuid::new_v4() };
        let caller = keyed(Actor::System("faults"), &request, &key.to_string());
        let player = i64::try_from(writer + count).unwrap() % PLAYERS + 1;
        let mine = &nodes[writer % 2];
        let other = &nodes[(writer + 1) % 2];
        let mut positions = Vec::new();
        match count % 4 {
            0 => {
                let both =
                    tokio::join!(grant(mine, &caller, player), grant(other, &caller, player));
                positions.extend(both.0.into_iter().chain(both.1));
            }
            1 => {
                positions.extend(grant(mine, &caller, player).await);
                positions.extend(grant(other, &caller, player).await);
            }
            _ => positions.extend(grant(mine, &caller, player).await),
        }
        asked.push(Asked { request, positions });
    }
    asked
}

/// Ends server processes of appenders at random moments, COMMIT among them.
async fn kill_backends(database: &Database, stop: &AtomicBool) -> u64 {
    let mut superuser = database.superuser().await;
    let mut kills = 0;
    while !stop.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(rand::random_range(20..200))).await;
        let kill = "select pg_terminate_backend(pid) from pg_stat_activity \
                    where application_name = 'club appender' and datname = current_database() \
                    order by random() limit 1";
        kills += superuser.execute(kill).await.unwrap().rows_affected();
    }
    kills
}

/// Reads by position like any subscriber, and remembers what came.
async fn subscribe(pool: PgPool, stop: Arc<AtomicBool>) -> Vec<i64> {
    let mut seen: Vec<i64> = Vec::new();
    loop {
        let ended = stop.load(Ordering::Relaxed);
        let after = seen.last().copied().unwrap_or(0);
        let next = "select position from events where position > $1 order by position limit 500";
        let page = sqlx::query_scalar(next).bind(after).fetch_all(&pool).await.unwrap();
        if ended && page.is_empty() {
            return seen;
        }
        seen.extend::<Vec<i64>>(page);
    }
}

/// What a node hands to its own followers, as long as they keep up.
async fn follow(commands: Commands) -> Vec<u64> {
    let mut batches = commands.bus.subscribe();
    let mut seen = Vec::new();
    while let Ok(batch) = batches.recv().await {
        seen.extend(batch.iter().map(|recorded| recorded.place.position));
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_under_fire_do_each_command_once() {
    let database = Database::empty().await;
    let nodes = [node::start(&database).await, node::start(&database).await];
    for player in 1..=PLAYERS {
        nodes[0].open_account(&Caller::system("test"), PlayerId(player)).await.unwrap();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let followers = nodes.clone().map(|commands| tokio::spawn(follow(commands)));
    // Writers finish what they are at: a subscriber has seen all only when they are done.
    let all_written = Arc::new(AtomicBool::new(false));
    let subscriber = tokio::spawn(subscribe(database.service_pool(1).await, all_written.clone()));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(write(writer, nodes.clone(), stop.clone())))
        .collect();
    let end = async {
        sleep(Duration::from_secs(6)).await;
        stop.store(true, Ordering::Relaxed);
    };
    let (kills, ()) = tokio::join!(kill_backends(&database, &stop), end);
    let mut asked = Vec::new();
    for writer in writers {
        asked.extend(writer.await.unwrap());
    }
    // "Old" keys: nodes that were started later, and remember nothing, still know them.
    repeat_everything(&database, &asked).await;
    for commands in &nodes {
        timeout(LONGEST_WAIT, commands.bus.close()).await.expect("closing ends");
    }
    drop(nodes);
    all_written.store(true, Ordering::Relaxed);

    let events = entries(&database).await;
    log::check(&database, &events).await;
    let mut written: HashMap<&str, Vec<u64>> = HashMap::new();
    for event in &events {
        if let Some(request) = &event.request {
            written.entry(request).or_default().push(event.recorded.place.position);
        }
    }
    let mut acknowledged = 0;
    for Asked { request, positions } in &asked {
        let there = written.remove(request.as_str()).unwrap_or_default();
        assert!(there.len() <= 1, "{request} is in the log at {there:?}");
        acknowledged += positions.len();
        let equal = positions.iter().all(|position| there == [*position]);
        assert!(equal, "{request} was acknowledged at {positions:?} and is at {there:?}");
    }
    println!("{} requests, {acknowledged} answers, {kills} kills", asked.len());
    assert!(kills > 10 && acknowledged > 1_000, "not much of a test");

    let all: Vec<i64> = (1..=i64::try_from(events.len()).unwrap()).collect();
    assert_eq!(subscriber.await.unwrap(), all, "a subscriber by position");
    for follower in followers {
        let seen = timeout(Duration::from_secs(1), follower).await;
        // The bus lives on in this test's hands only if a task still holds it.
        if let Ok(seen) = seen {
            let seen = seen.unwrap();
            assert!(
                seen.windows(2).all(|pair| pair[1] == pair[0] + 1),
                "a follower in the process"
            );
        }
    }
}

async fn repeat_everything(database: &Database, asked: &[Asked]) {
    let commands = node::start(database).await;
    let started = Instant::now();
    let pool = database.service_pool(1).await;
    let sample = asked.iter().filter(|asked| !asked.positions.is_empty()).step_by(50);
    for asked in sample {
        let find = "select command_key, aggregate_id::bigint from events where position = $1";
        let position = i64::try_from(asked.positions[0]).unwrap();
        let (key, player): (String, i64) =
            sqlx::query_as(find).bind(position).fetch_one(&pool).await.unwrap();
        let caller = keyed(Actor::System("faults"), "a repeat", &key);
        let repeated = grant(&commands, &caller, player).await;
        assert_eq!(repeated, asked.positions.first().copied(), "{}", asked.request);
    }
    println!("repeats took {:?}", started.elapsed());
    commands.bus.close().await;
}
