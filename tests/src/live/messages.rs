//! What the server says, typed. Fields that are not known here are left out, types that are not known
//! come as they are: a newer server does not break an older client.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// A whole balance: it replaces the one before.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the protocol")]
pub struct Wallet {
    pub user_id: i64,
    pub gold: u64,
    pub gold_paid: u64,
    pub gold_free: u64,
    pub vip_points: u64,
    pub debt: u64,
    /// What changed it, if an event did.
    pub kind: Option<String>,
}

/// What an event says about a purchase; what is not there, it does not say.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the protocol")]
pub struct Purchase {
    pub receipt_code: String,
    pub kind: Option<String>,
    pub charge_id: Option<String>,
    /// A product's number, or a package's code.
    pub product_id: Option<Value>,
    pub quantity: Option<u32>,
    pub status: Option<String>,
    pub reason_code: Option<String>,
    pub amount_cents: Option<u64>,
    pub gold_granted: Option<u64>,
    pub gold_spent: Option<u64>,
    pub refund_pending_cents: Option<u64>,
    pub refunded_cents: Option<u64>,
    pub charged_back_cents: Option<u64>,
    pub late_capture_cents: Option<u64>,
    pub gold_reversed: Option<u64>,
    #[serde(default)]
    pub items: Vec<Item>,
}

/// An item of a purchase, and what has become of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the protocol")]
pub struct Item {
    pub item_id: String,
    pub status: String,
}

/// How far a mission is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the protocol")]
pub struct MissionProgress {
    pub mission_id: i64,
    pub period: String,
    pub progress: Option<u64>,
    pub target: Option<u64>,
    pub completed: bool,
    pub claimed: bool,
}

/// How a player stands in an event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the protocol")]
pub struct EventProgress {
    pub event_id: i64,
    pub occurrence_at: String,
    pub joined: bool,
    pub requirement: Option<u8>,
    pub progress: Option<u64>,
    pub target: Option<u64>,
    pub score: Option<u64>,
    pub claimed: Option<bool>,
}

/// A reward that was paid.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the protocol")]
pub struct Reward {
    pub kind: String,
    pub id: Option<i64>,
    pub receipt_code: String,
    pub gold: u64,
    pub vip_points: u64,
    pub xp: u64,
    pub xp_after: u64,
    pub level: u64,
    pub items: Vec<RewardItem>,
}

/// An item of a reward.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the protocol")]
pub struct RewardItem {
    pub item_id: String,
    pub product_id: i64,
}

/// A day of the streak that was claimed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the protocol")]
pub struct Streak {
    pub streak_count: u32,
    pub claimed_today: bool,
    pub awarded_gold: u64,
    pub awarded_xp: u64,
    pub xp: u64,
    pub level: u64,
    pub claimed_at: String,
}

/// One message about an event.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "each is named as its type in the protocol")]
pub enum Update {
    Balance(Wallet),
    Purchase(Box<Purchase>),
    Reward(Box<Reward>),
    Event(EventProgress),
    Mission(MissionProgress),
    Streak(Streak),
    /// Of a type that this client has no form for.
    Other {
        kind: String,
        data: Value,
    },
}

impl Update {
    /// Its type, as the protocol names it.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::Balance(_) => "balance_update",
            Self::Purchase(_) => "purchase_update",
            Self::Reward(_) => "reward_granted",
            Self::Event(_) => "event_progress",
            Self::Mission(_) => "mission_progress",
            Self::Streak(_) => "streak_update",
            Self::Other { kind, .. } => kind,
        }
    }

    fn read(kind: &str, data: &str) -> serde_json::Result<Self> {
        Ok(match kind {
            "balance_update" => Self::Balance(serde_json::from_str(data)?),
            "purchase_update" => Self::Purchase(serde_json::from_str(data)?),
            "reward_granted" => Self::Reward(serde_json::from_str(data)?),
            "event_progress" => Self::Event(serde_json::from_str(data)?),
            "mission_progress" => Self::Mission(serde_json::from_str(data)?),
            "streak_update" => Self::Streak(serde_json::from_str(data)?),
            _ => Self::Other { kind: kind.to_owned(), data: serde_json::from_str(data)? },
        })
    }
}

/// The state of a channel at a position.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Of `me`.
    Me(Wallet),
    /// Of a channel that this client has no form for.
    Other(Value),
}

impl State {
    fn read(channel: &str, state: &str) -> serde_json::Result<Self> {
        Ok(match channel {
            "me" => Self::Me(serde_json::from_str(state)?),
            _ => Self::Other(serde_json::from_str(state)?),
        })
    }
}

/// Everything that a server may say.
#[derive(Debug)]
pub(super) enum FromServer<'a> {
    Hello {
        session: Cow<'a, str>,
    },
    Subscribed {
        channel: Cow<'a, str>,
        at: At<'a>,
        recovered: bool,
        state: Option<State>,
    },
    Told {
        channel: Cow<'a, str>,
        at: At<'a>,
        update: Update,
    },
    Mark {
        channel: Cow<'a, str>,
        at: At<'a>,
    },
    Refused {
        channel: Cow<'a, str>,
        code: Cow<'a, str>,
    },
    Ping,
    /// A pong, or something of a newer server that belongs to no channel.
    Nothing,
}

/// A place, as a client knows it: it can be compared, and it can be handed back.
#[derive(Debug)]
pub(super) struct At<'a> {
    pub position: u64,
    pub cursor: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    channel: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    cursor: Option<Cow<'a, str>>,
    position: Option<u64>,
    recovered: Option<bool>,
    #[serde(borrow, default)]
    session: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    code: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    state: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

/// Reads one message; nothing, if it is none.
pub(super) fn read(text: &str) -> Option<FromServer<'_>> {
    let Envelope { r#type, channel, cursor, position, recovered, session, code, state, data } =
        serde_json::from_str(text).ok()?;
    let at = position.zip(cursor).map(|(position, cursor)| At { position, cursor });
    Some(match &*r#type {
        "hello" => FromServer::Hello { session: session? },
        "subscribed" => {
            let channel = channel?;
            let state = state.map(|state| State::read(&channel, state.get())).transpose().ok()?;
            FromServer::Subscribed { channel, at: at?, recovered: recovered?, state }
        }
        "mark" => FromServer::Mark { channel: channel?, at: at? },
        "error" => FromServer::Refused { channel: channel?, code: code? },
        "ping" => FromServer::Ping,
        kind => match (channel, at, data) {
            (Some(channel), Some(at), Some(data)) => {
                let update = Update::read(kind, data.get()).ok()?;
                FromServer::Told { channel, at, update }
            }
            _ => FromServer::Nothing,
        },
    })
}
