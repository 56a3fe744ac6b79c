//! The client of the live feed against a server that follows a script: what it does about each kind
//! of end, and which messages it leaves out.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tests::live::{Change, Client, Cut, Door, End, NoTicket, Options, State, Update};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_async};

use crate::contract;

const PATIENCE: Duration = Duration::from_secs(10);

/// Leads to a script, with a ticket that says how often there was one.
struct Scripted {
    wires: UnboundedSender<DuplexStream>,
    tickets: AtomicUsize,
    refuses: bool,
}

impl Door for Scripted {
    type Wire = DuplexStream;

    fn address(&self, _: u64) -> String {
        "http://club".to_owned()
    }

    async fn ticket(&self, _: &str) -> Result<String, NoTicket> {
        if self.refuses {
            return Err(NoTicket::Refused("401: signed out".to_owned()));
        }
        Ok(self.tickets.fetch_add(1, Ordering::Relaxed).to_string())
    }

    async fn connect(&self, _: &str) -> io::Result<DuplexStream> {
        let (near, far) = duplex(64 * 1_024);
        self.wires.send(far).map_err(io::Error::other)?;
        Ok(near)
    }
}

/// The server's side.
struct Script(UnboundedReceiver<DuplexStream>);

/// One connection, as the server has it.
struct Line(WebSocketStream<DuplexStream>);

impl Script {
    /// The next connection, up to its wish for the channel; and that wish.
    async fn line(&mut self) -> (Line, Value) {
        let wire = timeout(PATIENCE, self.0.recv()).await.expect("it comes back").unwrap();
        let mut line = Line(accept_async(wire).await.unwrap());
        line.say(json!({"type": "hello", "head": 1, "session": "s"})).await;
        let wish = line.0.next().await.unwrap().unwrap();
        let wish = serde_json::from_str(wish.to_text().unwrap()).unwrap();
        (line, wish)
    }
}

impl Line {
    async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn state(&mut self, position: u64, gold: u64) {
        self.say(json!({"type": "subscribed", "channel": "me", "recovered": false,
            "position": position, "cursor": format!("c{position}"), "state": wallet(gold)}))
            .await;
    }

    async fn resumed(&mut self, position: u64) {
        self.say(json!({"type": "subscribed", "channel": "me", "recovered": true,
            "position": position, "cursor": format!("c{position}")}))
            .await;
    }

    async fn balance(&mut self, position: u64, gold: u64) {
        self.say(json!({"type": "balance_update", "channel": "me", "position": position,
            "cursor": format!("c{position}"), "data": wallet(gold)}))
            .await;
    }

    /// The first message about an event: its cursor is in front of it.
    async fn purchase(&mut self, position: u64) {
        self.say(json!({"type": "purchase_update", "channel": "me", "position": position,
            "cursor": format!("c{}", position - 1),
            "data": {"receipt_code": "0123456789ab", "status": "completed"}}))
            .await;
    }

    async fn mark(&mut self, position: u64) {
        self.say(json!({"type": "mark", "channel": "me", "position": position,
            "cursor": format!("c{position}")}))
            .await;
    }

    async fn close(mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: "so".into() };
        self.0.send(Message::Close(Some(frame))).await.unwrap();
    }
}

fn wallet(gold: u64) -> Value {
    json!({"user_id": 23, "gold": gold, "gold_paid": 0, "gold_free": gold, "vip_points": 0,
        "debt": 0})
}

/// A client whose pauses are so long.
fn begin(pause: Duration, refuses: bool) -> (Client<Scripted>, Script) {
    let (wires, lines) = unbounded_channel();
    let door = Scripted { wires, tickets: AtomicUsize::new(0), refuses };
    let options = Options {
        first_pause: pause,
        longest_pause: pause,
        witness: contract::witness,
        ..Options::default()
    };
    (Client::new(door, options, ["me"]), Script(lines))
}

async fn next(client: &mut Client<Scripted>) -> Change {
    timeout(PATIENCE, client.next()).await.expect("something happens")
}

/// The gold of the next change, which is a state or a balance.
async fn gold(client: &mut Client<Scripted>) -> (u64, u64) {
    match next(client).await {
        Change::State { position, state: State::Me(wallet), .. }
        | Change::Told { position, update: Update::Balance(wallet), .. } => (position, wallet.gold),
        other => panic!("{other:?}"),
    }
}

async fn connected(client: &mut Client<Scripted>) {
    let change = next(client).await;
    assert!(matches!(change, Change::Connected { .. }), "{change:?}");
}

#[tokio::test]
async fn what_came_before_a_cut_in_the_middle_of_an_event_is_left_out_after_it() {
    let (mut client, mut script) = begin(Duration::ZERO, false);
    let server = tokio::spawn(async move {
        let (mut line, wish) = script.line().await;
        assert_eq!(wish, json!({"type": "subscribe", "channel": "me"}));
        line.state(10, 1_000).await;
        line.purchase(12).await;
        drop(line);
        let (mut line, wish) = script.line().await;
        assert_eq!(wish["since"], "c11", "the cursor of the last message");
        line.resumed(11).await;
        line.purchase(12).await;
        line.balance(12, 1_100).await;
        line.mark(15).await;
        // Neither has any right to come.
        line.balance(12, 1_100).await;
        line.balance(15, 7).await;
        line.mark(14).await;
        line.balance(16, 1_200).await;
        (script, line)
    });
    connected(&mut client).await;
    assert_eq!(gold(&mut client).await, (10, 1_000));
    let told = next(&mut client).await;
    assert!(matches!(told, Change::Told { update: Update::Purchase(_), .. }), "{told:?}");
    assert!(matches!(next(&mut client).await, Change::Cut(Cut::Broken(_))));
    connected(&mut client).await;
    assert!(matches!(next(&mut client).await, Change::Resumed { position: 11, .. }));
    assert_eq!(gold(&mut client).await, (12, 1_100), "the purchase is not told again");
    assert!(matches!(next(&mut client).await, Change::Mark { position: 15, .. }));
    assert_eq!(gold(&mut client).await, (16, 1_200), "what came again is left out");
    let counts = client.counts();
    assert_eq!((counts.overlaps, counts.repeats, counts.recoveries), (1, 3, 1));
    assert_eq!((counts.cuts, counts.connections, counts.gaps), (1, 2, 0));
    server.await.unwrap();
}

#[tokio::test]
async fn a_state_that_comes_instead_of_what_was_missed_replaces_all() {
    let (mut client, mut script) = begin(Duration::ZERO, false);
    let server = tokio::spawn(async move {
        let (mut line, _) = script.line().await;
        line.state(10, 1_000).await;
        line.close(1012).await;
        let (mut line, wish) = script.line().await;
        assert_eq!(wish["since"], "c10");
        // The database was restored: the log is shorter than it was.
        line.state(5, 900).await;
        line.balance(6, 950).await;
        line
    });
    connected(&mut client).await;
    assert_eq!(gold(&mut client).await, (10, 1_000));
    let cut = next(&mut client).await;
    assert!(matches!(cut, Change::Cut(Cut::Closed { code: 1012, .. })), "{cut:?}");
    connected(&mut client).await;
    assert_eq!(gold(&mut client).await, (5, 900));
    assert_eq!(gold(&mut client).await, (6, 950));
    assert_eq!((client.counts().gaps, client.counts().repeats), (1, 0));
    server.await.unwrap();
}

#[tokio::test]
async fn too_slow_and_an_old_ticket_are_no_reason_to_wait() {
    let (mut client, mut script) = begin(Duration::from_secs(3_600), false);
    let server = tokio::spawn(async move {
        for code in [4408, 4401] {
            script.line().await.0.close(code).await;
        }
        let (mut line, _) = script.line().await;
        line.state(10, 1_000).await;
        line
    });
    for expected in [4408, 4401] {
        connected(&mut client).await;
        let cut = next(&mut client).await;
        assert!(
            matches!(cut, Change::Cut(Cut::Closed { code, .. }) if code == expected),
            "{cut:?}"
        );
    }
    connected(&mut client).await;
    assert_eq!(gold(&mut client).await, (10, 1_000));
    assert_eq!(client.door().tickets.load(Ordering::Relaxed), 3, "each time a new ticket");
    server.await.unwrap();
}

#[tokio::test]
async fn where_coming_back_would_change_nothing_it_stops_and_says_so() {
    let so = || "so".to_owned();
    let ends = [
        (4400, End::NotUnderstood(so())),
        (4403, End::Forbidden(so())),
        (4409, End::Replaced(so())),
    ];
    for (code, end) in ends {
        let (mut client, mut script) = begin(Duration::ZERO, false);
        let server = tokio::spawn(async move { script.line().await.0.close(code).await });
        connected(&mut client).await;
        assert_eq!(next(&mut client).await, Change::Ended(end.clone()));
        server.await.unwrap();
        assert_eq!(next(&mut client).await, Change::Ended(end), "for ever");
        assert_eq!(client.into_stream().count().await, 1);
    }
    let (mut client, _script) = begin(Duration::ZERO, true);
    assert!(matches!(next(&mut client).await, Change::Ended(End::NotLetIn(_))));
}
