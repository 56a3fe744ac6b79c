//! Nodes on one database, and clients that repeat what was not answered: under the same key, on the
//! next node.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use crate::app::{App, PLAYER_ID, program, replay};
use crate::database::Database;
use crate::log::entries;
use crate::provider::now;
use crate::service::Service;

const SETTINGS: [Setting; 1] = [("CLUB_LIMITS", "off")];
/// What every player of the demo signs in with, but one.
const PASSWORD: &str = "1234";
/// Players of the demo, in the order of their numbers.
const PLAYERS: [&str; 19] = [
    "minjun",
    "seoyeon",
    "dohyun",
    "jiwoo",
    "haeun",
    "junseo",
    "yerin",
    "taeyang",
    "subin",
    "hyunwoo",
    "nari",
    "gaon",
    "boram",
    "sangho",
    "eunji",
    "kyungmin",
    "lucky7",
    "testuser20250926012525",
    "dahye",
];
/// The number of the first of them.
const FIRST_PLAYER: i64 = 6;
/// Who signs in at once: each costs a processor some time.
const SIGN_INS: usize = 8;
/// Between two tries of a client.
const PAUSE: Duration = Duration::from_millis(10);
/// How long anything may take that comes by itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest that anybody may wait for any answer: a command may take ten seconds to read what is not
/// in memory, and then as long in the queue, before it is given up.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A setting of a node.
pub type Setting = (&'static str, &'static str);

/// Status and body of an answer.
pub type Told = (u16, Value);

/// Somebody who has signed in.
#[derive(Debug, Clone)]
pub struct Player {
    pub id: i64,
    pub token: String,
}

/// See the module.
pub struct Nodes {
    pub database: Database,
    http: reqwest::Client,
    urls: RwLock<Vec<String>>,
    apps: Mutex<Vec<Option<App>>>,
    answers: AtomicUsize,
    /// What a node that was killed is started with again.
    settings: Vec<Setting>,
    /// What the club took for now, and when that was.
    began: (i64, Instant),
}

/// Starts a node without limits.
pub async fn start(database: Database) -> App {
    App::start_on(database, &SETTINGS).await
}

/// Starts two.
pub async fn start_two(database: Database) -> Vec<App> {
    vec![start(database.clone()).await, start(database).await]
}

/// Brings so many players for load tests in, who are numbered after those of the demo.
pub async fn seed_players(database: &Database, players: usize) {
    let mut seed = program("club", &database.url());
    let seeded = seed.args(["seed", "--players", &players.to_string()]).status().await;
    assert!(seeded.unwrap().success());
}

/// Signs the first so many players for load tests in.
pub async fn bench_players(app: &App, players: usize) -> Vec<Player> {
    let names = (1..=players).map(|number| (format!("bench{number:04}"), "bench-password"));
    sign_in(app, names.collect()).await
}

/// Signs the players of the demo in.
pub async fn demo_players(app: &App) -> Vec<Player> {
    let players = sign_in(app, PLAYERS.map(|name| (name.to_owned(), PASSWORD)).to_vec()).await;
    assert!(players.iter().zip(FIRST_PLAYER..).all(|(player, id)| player.id == id));
    assert!(players.iter().any(|player| player.id == PLAYER_ID));
    players
}

async fn sign_in(app: &App, people: Vec<(String, &'static str)>) -> Vec<Player> {
    let each = people.into_iter().map(|(site_id, password)| async move {
        let body = json!({"site_id": site_id, "password": password});
        let answer = app.post("/api/auth/login", None, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let token = answer.body["access_token"].as_str().unwrap().to_owned();
        Player { id: answer.body["user"]["id"].as_i64().unwrap(), token }
    });
    futures::stream::iter(each).buffered(SIGN_INS).collect().await
}

/// Puts a mission on the board, or publishes an event; its number.
pub async fn make(app: &App, path: &str, terms: Value) -> i64 {
    let mut wish = json!({"name": "시험", "name_en": "Test"});
    wish.as_object_mut().unwrap().extend(terms.as_object().unwrap().clone());
    let made = app.post(path, Some(&app.admin().await), wish).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.body["id"].as_i64().unwrap()
}

/// How much gold a player has.
pub async fn gold(app: &App, token: &str) -> u64 {
    app.get("/api/users/balance", Some(token)).await.body["gold"].as_u64().unwrap()
}

/// Everything in the log is as it must be, and the read models show it.
pub async fn is_clean(database: &Database) {
    let (code, said) = replay(database, &["verify"]).await;
    assert_eq!(code, Some(0), "{said}");
}

/// An event as the log tells it.
#[derive(Debug)]
pub struct Written {
    pub position: u64,
    /// Whose stream it is in.
    pub of: String,
    pub kind: String,
    pub payload: Value,
}

impl Written {
    /// Whose it is.
    pub fn player(&self) -> i64 {
        self.of.parse().unwrap()
    }

    /// When, by its own account.
    pub fn at(&self) -> DateTime<Utc> {
        self.payload["at"].as_str().unwrap().parse().unwrap()
    }
}

/// All events of these types, in order.
pub async fn in_log(database: &Database, kinds: &[&str]) -> Vec<Written> {
    let all = entries(database).await.into_iter().map(|entry| entry.recorded);
    let asked = all.filter(|recorded| kinds.contains(&&*recorded.event.event_type));
    let tell = |recorded: domain::stored::Recorded| Written {
        position: recorded.place.position,
        of: recorded.event.aggregate_id.to_string(),
        kind: recorded.event.event_type.to_string(),
        payload: serde_json::from_str(&recorded.event.payload).unwrap(),
    };
    asked.map(tell).collect()
}

/// How many events of a type the log has.
pub async fn count(database: &mut sqlx::PgConnection, kind: &str) -> u64 {
    let count = "select count(*) from events where event_type = $1";
    let count: i64 = sqlx::query_scalar(count).bind(kind).fetch_one(database).await.unwrap();
    u64::try_from(count).unwrap()
}

/// Makes the database take so long over each event of a type: so there is a middle to be killed in,
/// however fast the machine is.
pub async fn slow_down(database: &mut sqlx::PgConnection, kind: &str, each: Duration) {
    let seconds = each.as_secs_f64();
    let trigger = format!(
        "create function public.take_time() returns trigger language plpgsql as
           'begin perform pg_sleep({seconds}); return new; end';
         create trigger take_time before insert on events for each row
           when (new.event_type = '{kind}') execute function public.take_time()"
    );
    sqlx::raw_sql(&trigger).execute(database).await.unwrap();
}

/// Waits until at least so many events of a type are in the log.
pub async fn until_there_are(connection: &mut sqlx::PgConnection, kind: &str, least: u64) {
    let latest = Instant::now() + PATIENCE;
    while count(connection, kind).await < least {
        assert!(Instant::now() < latest, "never {least} times {kind}");
        sleep(Duration::from_millis(1)).await;
    }
}

/// Waits until every follower has seen all there is, and nothing came of it any more.
pub async fn caught_up(app: &App) {
    let latest = Instant::now() + PATIENCE;
    loop {
        let ready = app.get("/ready", None).await;
        let followers = ready.body["followers"].as_array().unwrap();
        if ready.status == 200 && followers.iter().all(|follower| follower["lag_events"] == 0) {
            return;
        }
        assert!(Instant::now() < latest, "followers stay behind: {}", ready.text);
        sleep(PAUSE).await;
    }
}

impl Nodes {
    /// These, which run on one database.
    pub async fn of(apps: Vec<App>) -> Arc<Self> {
        Self::with(apps, SETTINGS.to_vec()).await
    }

    /// Starts two with settings of their own.
    pub async fn start(database: Database, settings: &[Setting]) -> Arc<Self> {
        let first = App::start_on(database.clone(), settings).await;
        let second = App::start_on(database, settings).await;
        Self::with(vec![first, second], settings.to_vec()).await
    }

    async fn with(apps: Vec<App>, settings: Vec<Setting>) -> Arc<Self> {
        let database = apps[0].database.clone();
        let urls = RwLock::new(apps.iter().map(|app| app.url.clone()).collect());
        let began = (now(&apps[0]).await, Instant::now());
        let apps = Mutex::new(apps.into_iter().map(Some).collect());
        let (http, answers) = (reqwest::Client::new(), AtomicUsize::new(0));
        Arc::new(Self { database, http, urls, apps, answers, settings, began })
    }

    /// Hands the nodes back, when nobody is at work any more.
    pub async fn into_apps(self: Arc<Self>) -> Vec<App> {
        let nodes = Arc::into_inner(self).expect("nobody is at work");
        nodes.apps.into_inner().into_iter().map(Option::unwrap).collect()
    }

    /// Kills a node.
    pub async fn kill(&self, node: usize) {
        let app = self.apps.lock().await[node].take().unwrap();
        app.kill().await;
    }

    /// Starts a node that was killed.
    pub async fn revive(&self, node: usize) {
        let again = App::start_on(self.database.clone(), &self.settings).await;
        self.urls.write().unwrap()[node].clone_from(&again.url);
        self.apps.lock().await[node] = Some(again);
    }

    /// How many answers there are so far.
    pub fn answers(&self) -> usize {
        self.answers.load(Ordering::Relaxed)
    }

    /// Where a node is now; numbers go round.
    pub fn url(&self, node: usize) -> String {
        let urls = self.urls.read().unwrap();
        urls[node % urls.len()].clone()
    }

    /// `POST` under a key of its own, at this node first, until there is an answer that says what
    /// became of it.
    pub async fn post(&self, mut node: usize, path: &str, token: &str, body: &Value) -> Told {
        let key = uuid::Uuid::now_v7().to_string();
        loop {
            let request = self.http.post(format!("{}{path}", self.url(node))).bearer_auth(token);
            let request = request.header("Idempotency-Key", &key).json(body);
            if let Some(told) = self.told(request).await {
                return told;
            }
            sleep(PAUSE).await;
            node += 1;
        }
    }

    /// `GET`, until there is an answer.
    pub async fn get(&self, node: usize, path: &str, token: &str) -> Told {
        loop {
            let request = self.http.get(format!("{}{path}", self.url(node))).bearer_auth(token);
            if let Some(told) = self.told(request).await {
                return told;
            }
            sleep(PAUSE).await;
        }
    }

    /// Reports actions to a node once; nothing, if what became of it is not known.
    pub async fn report(&self, node: usize, service: &Service, actions: &[Value]) -> Option<Told> {
        const PATH: &str = "/api/actions";
        let (then, since) = self.began;
        let timestamp = (then + i64::try_from(since.elapsed().as_secs()).unwrap()).to_string();
        let body = json!({ "actions": actions }).to_string();
        let signature = service.signature(&timestamp, "POST", PATH, &body);
        let request = self.http.post(format!("{}{PATH}", self.url(node))).body(body);
        let request = request.header("content-type", "application/json");
        let request = request.header("x-service-id", &service.id);
        let request = request.header("x-timestamp", timestamp).header("x-signature", signature);
        self.told(request).await
    }

    /// The answer to a request; nothing, if what became of it is not known.
    async fn told(&self, request: reqwest::RequestBuilder) -> Option<Told> {
        let answered = async {
            let response = request.send().await?;
            let status = response.status().as_u16();
            Ok::<_, reqwest::Error>((status, response.json().await?))
        };
        match timeout(LONGEST_WAIT, answered).await.expect("nobody waits for ever") {
            Ok((503, _)) | Err(_) => None,
            Ok(told) => {
                self.answers.fetch_add(1, Ordering::Relaxed);
                Some(told)
            }
        }
    }
}
