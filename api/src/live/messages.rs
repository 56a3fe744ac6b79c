//! What is said on the live feed, in both directions. JSON, told apart by `type`.

use axum::extract::ws::Utf8Bytes;
use domain::account::{AccountEvent, FailureReason, VoidReason};
use domain::id::{ChargeId, PlayerId, ReceiptCode};
use domain::money::{Quantity, Wallet};
use domain::offer::Ware;
use domain::stored::{Cursor, Place};
use serde::Serialize;
use serde_json::Value;

/// The channel of a player's own account.
pub const ME: &str = "me";

/// Why a feed ends, as websockets say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// The client said something that is no message.
    BadMessage,
    /// The ticket opens nothing.
    Unauthenticated,
    /// The client does not keep up: it may come back and go on where it was.
    TooSlow,
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
            Self::TooSlow => (4408, "too slow: resume with the last cursor"),
            Self::Restart => (1012, "restart: reconnect with jitter"),
        }
    }
}

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromClient {
    /// It wants a channel: everything after the cursor, or the present state.
    Subscribe {
        /// Which.
        channel: String,
        /// What it has seen.
        since: Option<Cursor>,
    },
    /// It wants to know whether we are there.
    Ping,
    /// It is there.
    Pong,
}

impl FromClient {
    /// Reads a message; `None` if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let message: Value = serde_json::from_str(text).ok()?;
        match message.get("type")?.as_str()? {
            "ping" => Some(Self::Ping),
            "pong" => Some(Self::Pong),
            "subscribe" => {
                let channel = message.get("channel")?.as_str()?.to_owned();
                let since = match message.get("since") {
                    None | Some(Value::Null) => None,
                    Some(cursor) => Some(cursor.as_str()?.parse().ok()?),
                };
                Some(Self::Subscribe { channel, since })
            }
            _ => None,
        }
    }
}

/// A message about an event, ready to be sent to any number of screens.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The event's number.
    pub position: u64,
    /// The message.
    pub text: Utf8Bytes,
}

#[derive(Serialize)]
struct Event<'a> {
    r#type: &'static str,
    channel: &'static str,
    position: u64,
    cursor: &'a str,
    data: Data,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data {
    Balance(WalletData),
    Purchase(PurchaseData),
}

/// A whole balance: clients replace what they show, they never add.
#[derive(Debug, Serialize)]
pub struct WalletData {
    user_id: PlayerId,
    gold: u64,
    gold_paid: u64,
    gold_free: u64,
    vip_points: u64,
    debt: u64,
    /// What changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
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

/// Where a purchase stands.
#[derive(Serialize)]
struct PurchaseData {
    receipt_code: ReceiptCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    charge_id: Option<ChargeId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    product_id: Option<Ware>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantity: Option<Quantity>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_code: Option<Reason>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Reason {
    Failure(FailureReason),
    Void(VoidReason),
}

impl PurchaseData {
    /// What an event says about a purchase, if it is about one.
    fn of(event: &AccountEvent) -> Option<Self> {
        let ended = |receipt_code, status, reason_code| Self {
            receipt_code,
            charge_id: None,
            product_id: None,
            quantity: None,
            status,
            reason_code,
        };
        Some(match event {
            AccountEvent::PurchaseRequested { receipt_code, charge_id, offer, .. } => Self {
                charge_id: Some(*charge_id),
                product_id: Some(offer.ware),
                quantity: Some(offer.quantity),
                ..ended(*receipt_code, "pending", None)
            },
            AccountEvent::PurchaseCompleted { receipt_code, .. } => {
                ended(*receipt_code, "completed", None)
            }
            AccountEvent::PurchaseFailed { receipt_code, reason, .. } => {
                ended(*receipt_code, "failed", Some(Reason::Failure(*reason)))
            }
            AccountEvent::PurchaseVoided { receipt_code, reason, .. } => {
                ended(*receipt_code, "voided", Some(Reason::Void(*reason)))
            }
            AccountEvent::AccountOpened { .. }
            | AccountEvent::SignUpBonusGranted { .. }
            | AccountEvent::GoldGranted { .. }
            | AccountEvent::VipPointsGranted { .. }
            | AccountEvent::GoldSpent { .. } => return None,
            _ => return None,
        })
    }
}

/// The messages about an account's event. `before` is a place in front of the event: the cursor of
/// every message but the last, or a client that resumes between two of them would miss the second.
#[must_use]
pub fn about(player: PlayerId, place: &Place, before: &Cursor, event: &AccountEvent) -> Vec<Frame> {
    let purchase = PurchaseData::of(event).map(|data| ("purchase_update", Data::Purchase(data)));
    let balance = event.wallet_after().map(|wallet| {
        let kind = event.ledger_entry().map(|entry| entry.kind);
        let data = WalletData { kind, ..WalletData::of(player, &wallet) };
        ("balance_update", Data::Balance(data))
    });
    let told: Vec<_> = purchase.into_iter().chain(balance).collect();
    let last = told.len().saturating_sub(1);
    let frame = |(index, (kind, data))| {
        let cursor = if index == last { place.cursor() } else { *before }.to_string();
        let position = place.position;
        let event = Event { r#type: kind, channel: ME, position, cursor: &cursor, data };
        Frame { position, text: text(&event) }
    };
    told.into_iter().enumerate().map(frame).collect()
}

/// What is said about a feed or a channel, not about an event.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Said<'a> {
    Hello {
        head: u64,
        session: &'a str,
    },
    Subscribed {
        channel: &'static str,
        recovered: bool,
        position: u64,
        cursor: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        state: Option<WalletData>,
    },
    Mark {
        channel: &'static str,
        position: u64,
        cursor: String,
    },
    Error {
        channel: &'a str,
        code: &'a str,
        detail: &'a str,
    },
}

/// The first message: where the log is, and what this feed is called in logs.
#[must_use]
pub fn hello(head: u64, session: &str) -> Utf8Bytes {
    text(&Said::Hello { head, session })
}

/// A channel is open: everything after this cursor follows.
#[must_use]
pub fn subscribed(recovered: bool, cursor: &Cursor, state: Option<WalletData>) -> Utf8Bytes {
    let (position, cursor) = (cursor.position, cursor.to_string());
    text(&Said::Subscribed { channel: ME, recovered, position, cursor, state })
}

/// Nothing more has happened on the channel up to here.
#[must_use]
pub fn mark(place: &Place) -> Utf8Bytes {
    let (position, cursor) = (place.position, place.cursor().to_string());
    text(&Said::Mark { channel: ME, position, cursor })
}

/// Something that cannot be done; the feed stays open.
#[must_use]
pub fn error(channel: &str, code: &str, detail: &str) -> Utf8Bytes {
    text(&Said::Error { channel, code, detail })
}

/// The answer to a ping.
#[must_use]
pub fn pong() -> Utf8Bytes {
    Utf8Bytes::from_static(r#"{"type":"pong"}"#)
}

/// Asks whether the client is there.
#[must_use]
pub fn ping() -> Utf8Bytes {
    Utf8Bytes::from_static(r#"{"type":"ping"}"#)
}

fn text(message: &impl Serialize) -> Utf8Bytes {
    // These messages always have a JSON form.
    serde_json::to_string(message).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use domain::money::{GoldParts, Movement};
    use domain::stored::Hash;
    use domain::testing::at;

    use super::*;

    fn place(position: u64) -> Place {
        Place { position, hash: Hash::genesis(&position.to_be_bytes()) }
    }

    fn told(event: &AccountEvent) -> Vec<Value> {
        let frames = about(PlayerId(23), &place(7), &place(6).cursor(), event);
        frames.iter().map(|frame| serde_json::from_str(frame.text.as_str()).unwrap()).collect()
    }

    #[test]
    fn of_two_messages_about_one_event_only_the_last_says_that_it_is_through() {
        let balance = Wallet { paid: 100, free: 1_000, ..Wallet::default() };
        let told = told(&AccountEvent::PurchaseCompleted {
            at: at(0),
            receipt_code: ReceiptCode::from_bits(1),
            movement: Movement {
                gold: GoldParts { paid: 100, free: 0 },
                debt: GoldParts::default(),
                balance,
            },
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
            r#"{"type":"dance"}"#,
            r#"{"type":"subscribe"}"#,
            r#"{"type":"subscribe","channel":"me","since":"yesterday"}"#,
            r#"{"type":"subscribe","channel":"me","since":7}"#,
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
