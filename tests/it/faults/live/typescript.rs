//! The TypeScript client of the live feed, in Node.js, with the same against it: its screens are held
//! against the log by the same witnesses.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tests::live::{Change, State, Update};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::SETTINGS;
use super::topic::Me;
use super::trial::Trial;
use super::wire::ferry;
use super::witness::{Cuts, Testimony};
use crate::contract;

const PLAYERS: usize = 6;
const SCREENS: usize = 24;
const CUTS: usize = 1_000;
const KILLS: usize = 4;
/// The longest that compiling may take, installation included.
const BUILT: Duration = Duration::from_secs(180);
/// How long the program may take to end: it says goodbye to its connections.
const ENDED: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_typescript_client_loses_nothing_and_tells_nothing_twice() {
    let program = built().await;
    let mut trial = Trial::begin(&SETTINGS, PLAYERS, 0).await;
    let screens = Screens::open(&program, &mut trial).await;
    trial.go_on(CUTS, KILLS).await;
    let cuts = trial.cuts.clone();
    let verdict = trial.judge().await;
    screens.end().await;
    println!("{verdict:?}, {cuts:?}");
    assert!(verdict.wrong.is_empty(), "{:#?}", verdict.wrong);
    for stage in [&cuts.connecting, &cuts.subscribing, &cuts.receiving] {
        assert!(stage.load(Ordering::Relaxed) > CUTS / 50, "hardly cut there: {cuts:?}");
    }
    assert!(verdict.recoveries > 200, "hardly anybody resumed: {verdict:?}");
    assert!(verdict.notes > 100 && verdict.told > 1_000, "not much of a test: {verdict:?}");
}

#[tokio::test]
async fn it_is_as_its_own_tests_say() {
    let tested = ops_frontend("test").await;
    assert!(tested.contains("# fail 0") && !tested.contains("# pass 0"), "{tested}");
}

/// What `ops/frontend` says about doing this.
async fn ops_frontend(what: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut command = Command::new(root.join("ops/frontend"));
    command.arg(what).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(BUILT, command.output()).await.expect("it ends in time").unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{said}");
    said
}

async fn built() -> PathBuf {
    ops_frontend("build").await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join(".local/frontend/out/test/live.screens.js")
}

/// One thing that one of the screens says.
#[derive(Deserialize)]
struct Line {
    screen: usize,
    kind: String,
    position: Option<u64>,
    state: Option<Value>,
    message: Option<Value>,
}

/// A program with many screens.
struct Screens {
    program: Child,
    input: ChildStdin,
    reading: JoinHandle<()>,
}

impl Screens {
    /// Opens some, dealt out to the players of a trial, which hears what they witness.
    async fn open(program: &Path, trial: &mut Trial) -> Self {
        let (mut wishes, mut lines) = (Vec::new(), Vec::new());
        for (number, player) in (0..SCREENS).zip(trial.players.iter().cycle()) {
            let origin = ferry(trial.nodes.clone(), trial.weather.clone(), number).await;
            wishes.push(json!({"origin": origin, "token": player.token}));
            let (line, heard) = unbounded_channel();
            lines.push(line);
            let (id, cuts, goal) = (player.id, trial.cuts.clone(), trial.goal.subscribe());
            trial.witnesses.spawn(async move { (id, testify(heard, cuts, goal).await) });
        }
        let mut command = Command::new("node");
        command.arg(program).arg(json!(wishes).to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut program = command.spawn().unwrap();
        let (input, output) = (program.stdin.take().unwrap(), program.stdout.take().unwrap());
        Self { program, input, reading: tokio::spawn(deal_out(output, lines)) }
    }

    /// Told to end, it leaves nothing behind that would keep it alive.
    async fn end(mut self) {
        drop(self.input);
        let ended = timeout(ENDED, self.program.wait()).await.expect("it ends by itself");
        assert!(ended.unwrap().success());
        self.reading.await.unwrap();
    }
}

/// Gives each screen's witness what the screen says; once a witness has heard enough, nobody.
async fn deal_out(output: ChildStdout, screens: Vec<UnboundedSender<Line>>) {
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        let line: Line = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
        let _ = screens[line.screen].send(line);
    }
}

/// Listens until there was a mark at the goal, once there is one.
async fn testify(
    mut lines: UnboundedReceiver<Line>,
    cuts: Arc<Cuts>,
    goal: watch::Receiver<Option<u64>>,
) -> Testimony<Me> {
    let mut testimony = Testimony::default();
    let mut stage = &cuts.connecting;
    loop {
        let line = lines.recv().await.expect("the program goes on");
        match line.kind.as_str() {
            "connected" => stage = &cuts.subscribing,
            "state" | "resumed" => stage = &cuts.receiving,
            "cut" => {
                stage.fetch_add(1, Ordering::Relaxed);
                stage = &cuts.connecting;
            }
            "connecting" | "told" | "mark" => {}
            other => panic!("{other}: {:?}", line.message),
        }
        testimony.counts.recoveries += u64::from(line.kind == "resumed");
        let until = *goal.borrow();
        let is_through = line.kind == "mark" && until.is_some_and(|it| line.position >= Some(it));
        if let Some(change) = change(line) {
            testimony.hear(&change);
        }
        if is_through {
            return testimony;
        }
    }
}

/// What a line says of the channel.
fn change(line: Line) -> Option<Change> {
    let Line { kind, position, state, message, .. } = line;
    let channel = "me".to_owned();
    Some(match kind.as_str() {
        "state" => {
            let state = State::Me(serde_json::from_value(state?).unwrap());
            Change::State { channel, position: position?, state }
        }
        "told" => {
            let message = message?;
            contract::witness(&message.to_string());
            let data = message["data"].clone();
            let update = match message["type"].as_str()? {
                "balance_update" => Update::Balance(serde_json::from_value(data).unwrap()),
                "purchase_update" => Update::Purchase(serde_json::from_value(data).unwrap()),
                kind => Update::Other { kind: kind.to_owned(), data },
            };
            Change::Told { channel, position: position?, update }
        }
        "mark" => Change::Mark { channel, position: position? },
        _ => return None,
    })
}
