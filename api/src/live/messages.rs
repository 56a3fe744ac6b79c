//! What is said on the live feed, in both directions. JSON, told apart by `type`.

mod always;
mod play;
mod profile;
mod purchase;
mod schema;
mod showcase;
mod staff;
mod streak;
mod system;

use axum::extract::ws::Utf8Bytes;
use domain::account::{Account, AccountEvent};
use domain::activity::Activity;
use domain::aggregate::Aggregate;
use domain::event::ClubEvent;
use domain::id::PlayerId;
use domain::identity::Identity;
use domain::money::{Movement, Wallet};
use domain::stored::{Cursor, Place};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use self::play::{EventData, MissionData, RewardData};
use self::profile::ProfileData;
use self::purchase::PurchaseData;
pub use self::schema::document;
pub use self::showcase::{CatalogData, LiveEventData, is_seen, live_event, package, product};
pub use self::staff::{is_for_staff, log_event};
use self::streak::StreakData;
pub use self::system::{SystemData, announcement, announcement_over, online};
use super::channel::Channel;

/// The families of streams that [`Channel::Me`] tells of; each has a stream a player.
pub const FAMILIES: [&str; 3] = [Account::TYPE, Activity::TYPE, Identity::TYPE];

/// Whether events of a family may change a leaderboard.
#[must_use]
pub fn may_score(family: &str) -> bool {
    family == Activity::TYPE
}

/// Why a feed ends, as websockets say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// The client said something that is no message.
    BadMessage,
    /// The ticket opens nothing.
    Unauthenticated,
    /// Banned.
    Forbidden,
    /// The client does not keep up: it may come back and go on where it was.
    TooSlow,
    /// The same player has opened too many others since.
    Replaced,
    /// The client says too much, or there are too many of them.
    TooMany,
    /// The service restarts: the client may come back after a moment of its own choosing.
    Restart,
}

impl Close {
    /// Close code and reason.
    #[must_use]
    pub fn told(self) -> (u16, &'static str) {
        match self {
            Self::BadMessage => (4400, "bad message"),
            Self::Unauthenticated => (4401, "unauthenticated: take a new ticket"),
            Self::Forbidden => (4403, "forbidden: this account is banned"),
            Self::TooSlow => (4408, "too slow: resume with the last cursor"),
            Self::Replaced => (4409, "replaced: you are connected too often"),
            Self::TooMany => (4429, "too many: come back later, and say less"),
            Self::Restart => (1012, "restart: reconnect with jitter"),
        }
    }
}

/// What a client says. What else is in a message is passed over.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromClient {
    /// It wants a channel: everything after the cursor, or the present state.
    Subscribe {
        /// Which.
        channel: String,
        /// The last cursor that was told of this channel.
        #[serde(default, deserialize_with = "cursor")]
        #[schema(value_type = Option<String>)]
        since: Option<Cursor>,
    },
    /// It does not want a channel any more.
    Unsubscribe {
        /// Which.
        channel: String,
    },
    /// It wants to know whether we are there.
    Ping,
    /// It is there.
    Pong,
}

fn cursor<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cursor>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
}

impl FromClient {
    /// Reads a message; `None` if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // Serde would take a list of a message's values, too.
        let message: Map<String, Value> = serde_json::from_str(text).ok()?;
        serde_json::from_value(message.into()).ok()
    }
}

/// A message about an event, ready to be sent to any number of screens.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The event's number.
    pub position: u64,
    /// The message.
    pub text: Utf8Bytes,
    /// Whether it makes older ones of its kind needless: a whole balance.
    pub replaces_older: bool,
}

/// What messages of one type say.
pub trait Says {
    /// The type's name.
    const TYPE: &'static str;
}

/// What happened on a channel.
#[derive(Serialize, ToSchema)]
struct Event<'a, D> {
    r#type: &'static str,
    #[schema(value_type = String)]
    channel: Channel,
    /// The number in the log of the event that it is about.
    position: u64,
    /// Where to go on: opaque.
    cursor: &'a str,
    data: D,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data {
    Balance(WalletData),
    Profile(ProfileData),
    Purchase(Box<PurchaseData>),
    Streak(StreakData),
    Mission(MissionData),
    Event(EventData),
    Reward(Box<RewardData>),
}

impl Data {
    /// What a message that says it is called.
    fn kind(&self) -> &'static str {
        match self {
            Self::Balance(_) => WalletData::TYPE,
            Self::Profile(_) => ProfileData::TYPE,
            Self::Purchase(_) => PurchaseData::TYPE,
            Self::Streak(_) => StreakData::TYPE,
            Self::Mission(_) => MissionData::TYPE,
            Self::Event(_) => EventData::TYPE,
            Self::Reward(_) => RewardData::TYPE,
        }
    }
}

/// A whole balance: clients replace what they show, they never add.
#[derive(Debug, Serialize, ToSchema)]
pub struct WalletData {
    #[schema(value_type = i64)]
    user_id: PlayerId,
    gold: u64,
    gold_paid: u64,
    gold_free: u64,
    vip_points: u64,
    debt: u64,
    /// What changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    kind: Option<&'static str>,
}

impl Says for WalletData {
    const TYPE: &'static str = "balance_update";
}

impl WalletData {
    /// Of a player.
    #[must_use]
    pub fn of(user_id: PlayerId, wallet: &Wallet) -> Self {
        let Wallet { paid, free, debt, vip_points } = *wallet;
        let gold = wallet.gold();
        Self { user_id, gold, gold_paid: paid, gold_free: free, vip_points, debt, kind: None }
    }
}

/// All that moved, of a debt too.
fn moved(movement: &Movement) -> u64 {
    movement.gold.plus(movement.debt).total()
}

/// The messages about an event, and whom it concerns; `None` if it concerns nobody who listens to
/// [`Channel::Me`]. `before` is a place in front of the event: the cursor of every message but the last, or a
/// client that resumes between two of them would miss the second.
#[must_use]
pub fn about(place: &Place, before: &Cursor, event: &ClubEvent) -> Vec<Frame> {
    let told = match event {
        ClubEvent::Account(player, event) => about_account(*player, event),
        ClubEvent::Activity(player, event) => play::about(*player, event),
        ClubEvent::Identity(player, event) => profile::about(*player, event),
        ClubEvent::Product(..)
        | ClubEvent::Package(..)
        | ClubEvent::Promo(..)
        | ClubEvent::Role(..)
        | ClubEvent::Audit(..)
        | ClubEvent::Mission(..)
        | ClubEvent::LiveEvent(..)
        | ClubEvent::Approval(..)
        | ClubEvent::Job(..)
        | ClubEvent::Invite(..)
        | ClubEvent::Campaign(..)
        | ClubEvent::Announcement(..) => vec![],
    };
    let last = told.len().saturating_sub(1);
    let frame = |(index, data): (usize, Data)| {
        let cursor = if index == last { place.cursor() } else { *before }.to_string();
        let (position, replaces_older) = (place.position, matches!(data, Data::Balance(_)));
        let (r#type, channel) = (data.kind(), Channel::Me);
        let event = Event { r#type, channel, position, cursor: &cursor, data };
        Frame { position, text: text(&event), replaces_older }
    };
    told.into_iter().enumerate().map(frame).collect()
}

fn about_account(player: PlayerId, event: &AccountEvent) -> Vec<Data> {
    let purchase = PurchaseData::of(event).map(|data| Data::Purchase(Box::new(data)));
    let streak = StreakData::of(player, event).map(Data::Streak);
    let balance = event.wallet_after().map(|wallet| {
        let kind = event.ledger_entry().map(|entry| entry.kind);
        Data::Balance(WalletData { kind, ..WalletData::of(player, &wallet) })
    });
    let play = play::about_account(player, event);
    purchase.into_iter().chain(streak).chain(play).chain(balance).collect()
}

/// A message of a channel that many listen to: channel, type and position, how far the client is with it,
/// and what it says, as JSON.
#[must_use]
pub fn told(said: (Channel, &'static str, u64), cursor: &Cursor, data: &str) -> Frame {
    let (channel, kind, position) = said;
    let cursor = cursor.to_string();
    let event = Event { r#type: kind, channel, position, cursor: &cursor, data: raw(data) };
    Frame { position, text: text(&event), replaces_older: false }
}

/// The state of a channel that many listen to.
#[derive(Serialize, ToSchema)]
struct Items<D> {
    items: Vec<D>,
}

/// All entries of a channel.
#[must_use]
pub fn items<'a>(items: impl Iterator<Item = &'a str>) -> Utf8Bytes {
    text(&Items { items: items.map(raw).collect() })
}

/// JSON as it is.
fn raw(json: &str) -> Option<&RawValue> {
    serde_json::from_str(json).ok()
}

/// What is said about a feed or a channel, not about an event.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Said<'a> {
    /// The first message of all.
    Hello {
        /// Where the log is.
        head: u64,
        /// What this connection is called in the service's logs.
        session: &'a str,
    },
    /// The channel is open: everything after the cursor follows.
    Subscribed {
        #[schema(value_type = String)]
        channel: Channel,
        /// Whether it goes on where the client was; if not, the state is all that counts.
        recovered: bool,
        position: u64,
        /// Where to go on: opaque.
        cursor: String,
        /// Everything as it is at the position.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<Object>)]
        state: Option<&'a RawValue>,
    },
    /// The channel is closed.
    Unsubscribed {
        #[schema(value_type = String)]
        channel: Channel,
    },
    /// Nothing more has happened on the channel up to here.
    Mark {
        #[schema(value_type = String)]
        channel: Channel,
        position: u64,
        /// Where to go on: opaque.
        cursor: String,
    },
    /// The channel cannot be had; the feed stays open.
    Error {
        /// As the client named it.
        channel: &'a str,
        /// Stable, for programs.
        code: &'a str,
        detail: &'a str,
    },
    /// Answered by a pong, or the client counts as gone after a while.
    Ping,
    /// The answer to a ping.
    Pong,
}

/// The first message: where the log is, and what this feed is called in logs.
#[must_use]
pub fn hello(head: u64, session: &str) -> Utf8Bytes {
    text(&Said::Hello { head, session })
}

/// A channel is open: everything after this cursor follows. With a state, as JSON, where the client begins
/// anew; without, where it goes on.
#[must_use]
pub fn subscribed(channel: Channel, cursor: &Cursor, state: Option<&str>) -> Utf8Bytes {
    let (position, recovered) = (cursor.position, state.is_none());
    let (cursor, state) = (cursor.to_string(), state.and_then(raw));
    text(&Said::Subscribed { channel, recovered, position, cursor, state })
}

/// A channel is closed.
#[must_use]
pub fn unsubscribed(channel: Channel) -> Utf8Bytes {
    text(&Said::Unsubscribed { channel })
}

/// Nothing more has happened on the channel up to here.
#[must_use]
pub fn mark(channel: Channel, place: &Place) -> Utf8Bytes {
    let (position, cursor) = (place.position, place.cursor().to_string());
    text(&Said::Mark { channel, position, cursor })
}

/// Something that cannot be done; the feed stays open.
#[must_use]
pub fn error(channel: &str, code: &str, detail: &str) -> Utf8Bytes {
    text(&Said::Error { channel, code, detail })
}

/// The answer to a ping.
#[must_use]
pub fn pong() -> Utf8Bytes {
    text(&Said::Pong)
}

/// Asks whether the client is there.
#[must_use]
pub fn ping() -> Utf8Bytes {
    text(&Said::Ping)
}

/// A message, or a part of one.
pub fn text(message: &impl Serialize) -> Utf8Bytes {
    // These messages always have a JSON form.
    serde_json::to_string(message).unwrap_or_default().into()
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use domain::account::{FailureReason, VoidReason};
    use domain::id::{ItemId, ProductId, ReceiptCode};
    use domain::money::{Cents, Gold, GoldParts, Quantity};
    use domain::offer::{BenefitOffer, Rank};
    use domain::stored::Hash;
    use domain::testing::at;

    use super::*;

    fn place(position: u64) -> Place {
        Place { position, hash: Hash::genesis(&position.to_be_bytes()) }
    }

    fn told(event: &AccountEvent) -> Vec<Value> {
        let event = ClubEvent::Account(PlayerId(23), event.clone());
        let frames = about(&place(7), &place(6).cursor(), &event);
        frames.iter().map(|frame| serde_json::from_str(frame.text.as_str()).unwrap()).collect()
    }

    #[test]
    fn of_two_messages_about_one_event_only_the_last_says_that_it_is_through() {
        let wallet = Wallet { free: 1_000, ..Wallet::default() };
        let told = told(&AccountEvent::PurchaseCompleted {
            at: at(0),
            receipt_code: ReceiptCode::from_bits(1),
            movement: wallet.credit(GoldParts { paid: 100, free: 0 }).unwrap(),
        });
        assert_eq!(told[0]["type"], "purchase_update");
        assert_eq!(told[0]["cursor"], place(6).cursor().to_string());
        assert_eq!(told[1]["type"], "balance_update");
        assert_eq!(told[1]["cursor"], place(7).cursor().to_string());
        assert_eq!(told[1]["data"]["gold"], 1_100);
        assert_eq!(told[1]["data"]["kind"], "purchase");
        assert!(told.iter().all(|message| message["position"] == 7));
    }

    #[test]
    fn a_claimed_day_is_told_with_the_one_to_come_and_the_balance() {
        let wallet = Wallet { free: 1_000, ..Wallet::default() };
        let told = told(&AccountEvent::StreakClaimed {
            at: at(0),
            day: at(0).date_naive(),
            streak_count: 2,
            grace_days: 0,
            xp: 75,
            xp_after: 125,
            movement: wallet.credit(GoldParts { paid: 0, free: 1_200 }).unwrap(),
        });
        let data = &told[0]["data"];
        assert_eq!((&told[0]["type"], &data["streak_count"]), (&"streak_update".into(), &2.into()));
        assert_eq!((&data["awarded_gold"], &data["next"]["gold"]), (&1_200.into(), &1_400.into()));
        assert_eq!(told[1]["type"], "balance_update");
        assert_eq!(
            (&told[1]["data"]["gold"], &told[1]["data"]["kind"]),
            (&2_200.into(), &"streak".into())
        );
    }

    #[test]
    fn a_failed_purchase_says_why() {
        let told = told(&AccountEvent::PurchaseFailed {
            at: at(0),
            receipt_code: ReceiptCode::from_bits(1),
            reason: FailureReason::PaymentDeclined,
        });
        assert_eq!(told[0]["data"]["status"], "failed");
        assert_eq!(told[0]["data"]["reason_code"], "PAYMENT_DECLINED");
        assert_eq!(told[0]["cursor"], place(7).cursor().to_string());
    }

    #[test]
    fn what_is_given_back_is_told_with_the_debt_that_it_leaves() {
        let wallet = Wallet { free: 30, ..Wallet::default() };
        let told = told(&AccountEvent::PurchaseRefunded {
            at: at(0),
            receipt_code: ReceiptCode::from_bits(1),
            amount_cents: Cents(100),
            refunded_cents: Cents(299),
            left_cents: Cents(0),
            movement: wallet.take_back(Gold::new(100).unwrap()).unwrap(),
        });
        let data = &told[0]["data"];
        assert_eq!((&data["status"], &data["refunded_cents"]), (&"refunded".into(), &299.into()));
        assert_eq!((&data["kind"], &data["gold_reversed"]), (&"gold".into(), &100.into()));
        assert_eq!(told[1]["data"]["debt"], 70);
        assert_eq!(told[1]["data"]["kind"], "refund");
    }

    #[test]
    fn a_benefit_is_told_with_its_items_and_each_of_them_later() {
        let receipt_code = ReceiptCode::from_bits(1);
        let wallet = Wallet { free: 1_000, ..Wallet::default() };
        let bought = told(&AccountEvent::BenefitPurchased {
            at: at(0),
            receipt_code,
            offer: BenefitOffer {
                product_id: ProductId(2001),
                product_version: 1,
                sku: "anti_bankruptcy".into(),
                quantity: Quantity::new(2).unwrap(),
                price: Gold::new(400).unwrap(),
                min_rank: Rank::Standard,
                user_limit: None,
                expires_at: None,
            },
            movement: wallet.debit(Gold::new(400).unwrap(), Default::default()).unwrap(),
        });
        let data = &bought[0]["data"];
        assert_eq!((&data["status"], &data["gold_spent"]), (&"completed".into(), &400.into()));
        assert_eq!(data["items"][1]["item_id"], "000000000001-2");
        assert_eq!(
            (&bought[1]["type"], &bought[1]["data"]["gold"]),
            (&"balance_update".into(), &600.into())
        );
        let item_id = ItemId { receipt_code, number: 2 };
        let used = told(&AccountEvent::ItemUsed { at: at(1), item_id });
        assert_eq!(used.len(), 1);
        assert_eq!(used[0]["data"]["receipt_code"], "000000000001");
        assert_eq!(used[0]["data"]["items"][0]["status"], "used");
        assert!(used[0]["data"].get("status").is_none());
    }

    #[test]
    fn a_purchase_that_is_given_up_says_why() {
        let told = told(&AccountEvent::PurchaseVoided {
            at: at(0),
            receipt_code: ReceiptCode::from_bits(1),
            reason: VoidReason::TimedOut,
        });
        assert_eq!(told[0]["data"]["status"], "voided");
        assert_eq!(told[0]["data"]["reason_code"], "TIMED_OUT");
    }

    #[test]
    fn messages_of_clients_are_read_or_refused_whole() {
        let parse = FromClient::parse;
        assert_eq!(parse(r#"{"type":"ping"}"#), Some(FromClient::Ping));
        let cursor = place(7).cursor();
        let text = format!(r#"{{"type":"subscribe","channel":"me","since":"{cursor}"}}"#);
        let subscribe = FromClient::Subscribe { channel: "me".into(), since: Some(cursor) };
        assert_eq!(parse(&text), Some(subscribe));
        for bad in [
            "",
            "x",
            "[]",
            r#"["ping"]"#,
            r#"{"type":"dance"}"#,
            r#"{"type":"subscribe"}"#,
            r#"{"type":"subscribe","channel":"me","since":"yesterday"}"#,
            r#"{"type":"subscribe","channel":"me","since":7}"#,
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
