//! The client: connected or on its way back, and what it hands out.

use std::time::Duration;

use futures::Stream;
use serde_json::json;
use tokio::time::{Instant, sleep_until, timeout};

use super::channel::{Channel, Counts, Told};
use super::connection::Connection;
use super::door::Door;
use super::ending::{After, Cut, End, Failed};
use super::messages::{FromServer, State, Update, read};
use super::pause::Pause;

/// How patient a client is.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The longest pause after a first failure; it doubles with each further one.
    pub first_pause: Duration,
    /// The longest pause of all.
    pub longest_pause: Duration,
    /// How long connecting may take, from ticket to `hello`.
    pub connecting: Duration,
    /// How long the server may be silent until it is asked whether it is there; and then once more
    /// until the connection is given up.
    pub silence: Duration,
    /// Is shown every message, as it came.
    pub witness: fn(&str),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(20),
            connecting: Duration::from_secs(15),
            silence: Duration::from_secs(45),
            witness: |_| (),
        }
    }
}

/// What an application is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// There is a connection; its name stands in the server's logs.
    Connected {
        /// The name.
        session: String,
    },
    /// This is the channel now, whatever was known of it before.
    State {
        /// Which.
        channel: String,
        /// Where in the log.
        position: u64,
        /// Everything up to there.
        state: State,
    },
    /// The channel goes on where it was: nothing is missing.
    Resumed {
        /// Which.
        channel: String,
        /// Where.
        position: u64,
    },
    /// Something has happened on a channel.
    Told {
        /// Which.
        channel: String,
        /// Where in the log.
        position: u64,
        /// What.
        update: Update,
    },
    /// Everything on the channel up to here has been told.
    Mark {
        /// Which.
        channel: String,
        /// Up to where.
        position: u64,
    },
    /// The server does not give this channel; the others go on.
    Refused {
        /// Which.
        channel: String,
        /// Why, as a stable code.
        code: String,
    },
    /// The connection is gone; the client comes back by itself.
    Cut(Cut),
    /// The client does not come back.
    Ended(End),
}

/// See the module.
#[derive(Debug)]
pub struct Client<D: Door> {
    door: D,
    options: Options,
    channels: Vec<Channel>,
    connection: Option<Connection<D::Wire>>,
    attempts: u64,
    not_before: Instant,
    pause: Pause,
    /// Whether the last connection got as far as `hello`.
    has_been_in: bool,
    /// Whether the server was asked if it is there.
    has_asked: bool,
    counts: Counts,
    end: Option<End>,
}

impl<D: Door> Client<D> {
    /// One that will subscribe to these channels. Nothing happens before it is asked.
    pub fn new<'a>(door: D, options: Options, channels: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            door,
            options,
            channels: channels.into_iter().map(Channel::new).collect(),
            connection: None,
            attempts: 0,
            not_before: Instant::now(),
            pause: Pause::new(options.first_pause, options.longest_pause),
            has_been_in: false,
            has_asked: false,
            counts: Counts::default(),
            end: None,
        }
    }

    /// What has happened to it.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Its door.
    pub fn door(&self) -> &D {
        &self.door
    }

    /// What comes next; for ever [`Change::Ended`], once that has come. A call that is given up loses
    /// nothing: at worst, connecting begins anew.
    pub async fn next(&mut self) -> Change {
        loop {
            if let Some(end) = &self.end {
                return Change::Ended(end.clone());
            }
            if self.connection.is_none() {
                return self.come_back().await;
            }
            match self.hear().await {
                Ok(None) => {}
                Ok(Some(change)) => return change,
                Err(cut) => return self.cut(cut),
            }
        }
    }

    /// The same as a stream, which ends after [`Change::Ended`].
    pub fn into_stream(self) -> impl Stream<Item = Change> {
        futures::stream::unfold(Some(self), |client| async {
            let mut client = client?;
            let change = client.next().await;
            let is_over = matches!(change, Change::Ended(_));
            Some((change, (!is_over).then_some(client)))
        })
    }

    /// Says goodbye, if there is a connection.
    pub async fn leave(mut self) {
        if let Some(connection) = &mut self.connection {
            connection.close().await;
        }
    }

    /// Throws the connection away, as if it had broken.
    pub fn drop_connection(&mut self) -> Change {
        self.cut(Cut::Broken("dropped by this client".to_owned()))
    }

    async fn come_back(&mut self) -> Change {
        sleep_until(self.not_before).await;
        let attempt = self.attempts;
        self.attempts += 1;
        self.has_asked = false;
        // Large and rare: a client that is connected does not carry it along.
        let trying = Box::pin(enter(&self.door, attempt, (&self.channels, self.options.witness)));
        match timeout(self.options.connecting, trying).await {
            Ok(Ok((connection, session))) => {
                self.connection = Some(connection);
                self.counts.connections += 1;
                self.has_been_in = true;
                Change::Connected { session }
            }
            Ok(Err(Failed::Cut(cut))) => self.cut(cut),
            Ok(Err(Failed::End(end))) => self.give_up(end),
            Err(_) => self.cut(Cut::Silent),
        }
    }

    fn cut(&mut self, cut: Cut) -> Change {
        self.connection = None;
        self.counts.cuts += 1;
        let pause = match cut.after(std::mem::take(&mut self.has_been_in)) {
            After::AtOnce => Duration::ZERO,
            After::Pause => self.pause.next(),
            After::Spread => self.pause.spread(),
            After::Nothing(end) => return self.give_up(end),
        };
        self.not_before = Instant::now() + pause;
        Change::Cut(cut)
    }

    fn give_up(&mut self, end: End) -> Change {
        self.connection = None;
        self.end = Some(end.clone());
        Change::Ended(end)
    }

    /// The next message, and what it comes to.
    async fn hear(&mut self) -> Result<Option<Change>, Cut> {
        let Some(connection) = &mut self.connection else { return Ok(None) };
        let Ok(text) = timeout(self.options.silence, connection.text()).await else {
            if std::mem::replace(&mut self.has_asked, true) {
                return Err(Cut::Silent);
            }
            connection.say(r#"{"type":"ping"}"#).await?;
            return Ok(None);
        };
        let text = text?;
        (self.options.witness)(&text);
        self.has_asked = false;
        match read(&text) {
            Some(FromServer::Ping) => {
                connection.say(r#"{"type":"pong"}"#).await?;
                Ok(None)
            }
            Some(message) => self.take(message),
            None => Err(Cut::Nonsense(text.as_str().to_owned())),
        }
    }

    fn take(&mut self, message: FromServer<'_>) -> Result<Option<Change>, Cut> {
        let name = match &message {
            FromServer::Hello { .. } | FromServer::Ping | FromServer::Nothing => return Ok(None),
            FromServer::Subscribed { channel, .. }
            | FromServer::Told { channel, .. }
            | FromServer::Mark { channel, .. }
            | FromServer::Refused { channel, .. } => channel,
        };
        // What nobody has asked for is nobody's business.
        let Some(place) = self.channels.iter().position(|channel| channel.name == **name) else {
            return Ok(None);
        };
        self.about(place, message)
    }

    fn about(&mut self, place: usize, message: FromServer<'_>) -> Result<Option<Change>, Cut> {
        let (known, counts) = (&mut self.channels[place], &mut self.counts);
        let channel = known.name.clone();
        Ok(match message {
            FromServer::Subscribed { at, recovered, state, .. } => {
                self.pause.reset();
                let position = at.position;
                match (recovered, state) {
                    (true, _) if known.cursor.is_some() => {
                        counts.recoveries += 1;
                        known.resume();
                        Some(Change::Resumed { channel, position })
                    }
                    (false, Some(state)) => {
                        counts.gaps += u64::from(known.cursor.is_some());
                        known.begin(at);
                        Some(Change::State { channel, position, state })
                    }
                    _ => return Err(Cut::Nonsense("neither resumed nor a state".to_owned())),
                }
            }
            FromServer::Told { at, update, .. } => match known.hear(&at) {
                Told::New => {
                    counts.told += 1;
                    Some(Change::Told { channel, position: at.position, update })
                }
                Told::Overlap => {
                    counts.overlaps += 1;
                    None
                }
                Told::Repeat => {
                    counts.repeats += 1;
                    None
                }
            },
            FromServer::Mark { at, .. } => match known.mark(&at) {
                Told::New => {
                    counts.marks += 1;
                    Some(Change::Mark { channel, position: at.position })
                }
                Told::Overlap | Told::Repeat => {
                    counts.repeats += 1;
                    None
                }
            },
            FromServer::Refused { code, .. } => {
                self.channels.remove(place);
                Some(Change::Refused { channel, code: code.into_owned() })
            }
            FromServer::Hello { .. } | FromServer::Ping | FromServer::Nothing => None,
        })
    }
}

/// From the ticket to the subscriptions; the connection, and what the server calls it.
async fn enter<D: Door>(
    door: &D,
    attempt: u64,
    (channels, witness): (&[Channel], fn(&str)),
) -> Result<(Connection<D::Wire>, String), Failed> {
    let address = door.address(attempt);
    let host = address.strip_prefix("http://").unwrap_or(&address);
    let host = host.trim_end_matches('/');
    let ticket = door.ticket(&address).await?;
    let broken = |error: std::io::Error| Cut::Broken(error.to_string());
    let wire = door.connect(host).await.map_err(broken)?;
    let mut connection = Connection::open(wire, host, &ticket).await?;
    let first = connection.text().await?;
    witness(&first);
    let Some(FromServer::Hello { session }) = read(&first) else {
        return Err(Cut::Nonsense(first.as_str().to_owned()).into());
    };
    let session = session.into_owned();
    for channel in channels {
        let mut wish = json!({"type": "subscribe", "channel": channel.name});
        if let Some(cursor) = &channel.cursor {
            wish["since"] = cursor.as_str().into();
        }
        connection.say(wish.to_string()).await?;
    }
    Ok((connection, session))
}
