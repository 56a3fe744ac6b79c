//! How the payment provider's books and the log differ: a function of both, and of the time.

use std::collections::{HashMap, HashSet};

use commands::payments::{ChargeState, ProviderRecord};
use domain::id::{ChargeId, PlayerId, ReceiptCode};
use domain::money::{Cents, Currency};
use projections::purchases_in_log::{LoggedEnd, LoggedPurchase};
use serde::Serialize;

/// What kind of difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The provider has a charge of which the log knows nothing.
    UnknownToLog,
    /// The log has a completed purchase of which the provider knows nothing.
    UnknownToProvider,
    /// It has ended differently, or at the provider only.
    State,
    /// Another amount or currency.
    Amount,
    /// Another amount was given back.
    Refunded,
    /// The bank took it back, by one of the two only.
    ChargedBack,
    /// The provider has the money of a purchase that ended without, and has not given it back.
    TakenAndNotGivenBack,
}

impl Kind {
    /// As tables show it.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownToLog => "unknown to the log",
            Self::UnknownToProvider => "unknown to the provider",
            Self::State => "state",
            Self::Amount => "amount",
            Self::Refunded => "refunded",
            Self::ChargedBack => "charged back",
            Self::TakenAndNotGivenBack => "taken and not given back",
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What kind.
    pub kind: Kind,
    /// The charge.
    pub charge_id: String,
    /// The purchase, if it is known.
    pub receipt_code: Option<String>,
    /// Whose, if the log knows.
    pub user_id: Option<PlayerId>,
    /// The event that requested it.
    pub position: Option<u64>,
    /// What the log says.
    pub log: String,
    /// What the provider says.
    pub provider: String,
}

impl Difference {
    fn of(kind: Kind, purchase: &LoggedPurchase, log: String, provider: String) -> Self {
        Self {
            kind,
            charge_id: purchase.charge_id.to_string(),
            receipt_code: Some(purchase.receipt_code.to_string()),
            user_id: Some(purchase.player),
            position: Some(purchase.requested_position),
            log,
            provider,
        }
    }

    /// Whether both are about the same, whatever they say of it.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.kind, &self.charge_id) == (other.kind, &other.charge_id)
    }

    /// The purchase, if the log knows it.
    pub fn purchase(&self) -> Option<(PlayerId, ReceiptCode, u64)> {
        Some((self.user_id?, self.receipt_code.as_ref()?.parse().ok()?, self.position?))
    }
}

/// All differences, ordered by purchase. `is_wanted` are purchases to look at; `is_late` those that
/// must have ended.
pub fn differences(
    records: &[ProviderRecord],
    by_charge: &HashMap<ChargeId, LoggedPurchase>,
    is_wanted: impl Fn(&LoggedPurchase) -> bool,
    is_late: impl Fn(&LoggedPurchase) -> bool,
) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for record in records {
        match by_charge.get(&record.charge_id) {
            None => found.push(unknown_to_log(record)),
            Some(purchase) => {
                seen.insert(purchase.charge_id);
                if is_wanted(purchase) {
                    compare(purchase, record, is_late(purchase), &mut found);
                }
            }
        }
    }
    let unseen = by_charge.values().filter(|purchase| !seen.contains(&purchase.charge_id));
    for purchase in unseen.filter(|purchase| is_wanted(purchase)) {
        let kind = match purchase.end {
            Some(LoggedEnd::Completed) => Kind::UnknownToProvider,
            None if is_late(purchase) => Kind::State,
            // It never reached the provider, or may still.
            Some(LoggedEnd::Failed | LoggedEnd::Voided) | None => continue,
        };
        found.push(Difference::of(kind, purchase, ended(purchase).into(), "unknown".into()));
    }
    found.sort_by_key(|difference| (difference.position, difference.kind));
    found
}

fn unknown_to_log(record: &ProviderRecord) -> Difference {
    Difference {
        kind: Kind::UnknownToLog,
        charge_id: record.charge_id.to_string(),
        receipt_code: record.receipt_code.map(|receipt| receipt.to_string()),
        user_id: None,
        position: None,
        log: "unknown".into(),
        provider: format!("{}, {}", stands(record.state), money(record.amount, record.currency)),
    }
}

fn compare(
    purchase: &LoggedPurchase,
    record: &ProviderRecord,
    is_late: bool,
    found: &mut Vec<Difference>,
) {
    let mut differs = |kind, log: String, provider: String| {
        found.push(Difference::of(kind, purchase, log, provider));
    };
    let (log, provider) = (ended(purchase).to_owned(), stands(record.state).to_owned());
    // What was given up before it began may have no amount.
    let is_void = record.state == ChargeState::Voided;
    if !is_void && (purchase.amount, purchase.currency) != (record.amount, record.currency) {
        let log = money(purchase.amount, purchase.currency);
        differs(Kind::Amount, log, money(record.amount, record.currency));
    }
    match (purchase.end, record.state) {
        (None, _) if is_late => differs(Kind::State, log, provider),
        // Under way: it has its time.
        (None, _) => {}
        (Some(LoggedEnd::Completed), ChargeState::Captured { refunded, charged_back }) => {
            if refunded != purchase.refunded {
                let told = |cents| money(cents, purchase.currency);
                differs(Kind::Refunded, told(purchase.refunded), told(refunded));
            }
            // Of what was given back, there is nothing left that a bank could take.
            let is_something_left = purchase.refunded < purchase.amount;
            if charged_back != purchase.is_charged_back && is_something_left {
                let told = |is: bool| if is { "charged back" } else { "not charged back" };
                let (log, provider) = (told(purchase.is_charged_back), told(charged_back));
                differs(Kind::ChargedBack, log.into(), provider.into());
            }
        }
        (Some(LoggedEnd::Completed), _) => differs(Kind::State, log, provider),
        (
            Some(LoggedEnd::Failed | LoggedEnd::Voided),
            ChargeState::Captured { refunded, charged_back },
        ) => {
            if !charged_back && refunded < record.amount {
                let left = money(record.amount.minus(refunded), record.currency);
                differs(Kind::TakenAndNotGivenBack, log, format!("captured, {left} of it kept"));
            } else if !purchase.late_capture {
                differs(Kind::State, log, "captured and given back".into());
            }
        }
        (Some(LoggedEnd::Failed | LoggedEnd::Voided), ChargeState::Pending) => {
            differs(Kind::State, log, provider);
        }
        // No money was taken: why does not matter here.
        (
            Some(LoggedEnd::Failed | LoggedEnd::Voided),
            ChargeState::Declined(_) | ChargeState::Voided | ChargeState::Unknown,
        ) => {}
    }
}

fn ended(purchase: &LoggedPurchase) -> &'static str {
    match purchase.end {
        None => "pending",
        Some(LoggedEnd::Completed) => "completed",
        Some(LoggedEnd::Failed) => "failed",
        Some(LoggedEnd::Voided) => "voided",
    }
}

fn stands(state: ChargeState) -> &'static str {
    match state {
        ChargeState::Unknown => "unknown",
        ChargeState::Pending => "pending",
        ChargeState::Captured { .. } => "captured",
        ChargeState::Declined(_) => "declined",
        ChargeState::Voided => "voided",
    }
}

fn money(cents: Cents, currency: Currency) -> String {
    let Cents(cents) = cents;
    format!("{}.{:02} {}", cents / 100, cents % 100, String::from(currency))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use domain::account::FailureReason;

    use super::*;

    const TOTAL: Cents = Cents(1_299);

    fn logged(end: Option<LoggedEnd>) -> LoggedPurchase {
        LoggedPurchase {
            player: PlayerId(23),
            receipt_code: ReceiptCode::from_bits(1),
            charge_id: ChargeId::from_bits(1),
            requested_at: DateTime::UNIX_EPOCH,
            requested_position: 7,
            amount: TOTAL,
            currency: Currency::USD,
            holds_stock: false,
            end,
            refunded: Cents(0),
            is_charged_back: false,
            late_capture: false,
        }
    }

    fn record(state: ChargeState) -> ProviderRecord {
        ProviderRecord {
            charge_id: ChargeId::from_bits(1),
            receipt_code: Some(ReceiptCode::from_bits(1)),
            state,
            amount: TOTAL,
            currency: Currency::USD,
            cursor: "1".to_owned(),
        }
    }

    fn captured(refunded: u64, charged_back: bool) -> ChargeState {
        ChargeState::Captured { refunded: Cents(refunded), charged_back }
    }

    fn found(
        records: &[ProviderRecord],
        logged: &[LoggedPurchase],
        is_late: bool,
    ) -> Vec<(Kind, String, String)> {
        let by_charge = logged.iter().map(|purchase| (purchase.charge_id, *purchase)).collect();
        let all = differences(records, &by_charge, |_| true, |_| is_late);
        all.into_iter().map(|one| (one.kind, one.log, one.provider)).collect()
    }

    fn kinds(state: ChargeState, purchase: LoggedPurchase) -> Vec<Kind> {
        found(&[record(state)], &[purchase], true).into_iter().map(|(kind, ..)| kind).collect()
    }

    #[test]
    fn what_ended_the_same_is_no_difference() {
        let declined = ChargeState::Declined(FailureReason::PaymentDeclined);
        assert_eq!(kinds(captured(0, false), logged(Some(LoggedEnd::Completed))), []);
        assert_eq!(kinds(declined, logged(Some(LoggedEnd::Failed))), []);
        assert_eq!(kinds(ChargeState::Voided, logged(Some(LoggedEnd::Voided))), []);
        let given_back = LoggedPurchase { late_capture: true, ..logged(Some(LoggedEnd::Voided)) };
        assert_eq!(kinds(captured(TOTAL.0, false), given_back), []);
    }

    #[test]
    fn what_one_side_does_not_know_is_told() {
        let unknown = found(&[record(ChargeState::CAPTURED)], &[], false);
        let expected = (Kind::UnknownToLog, "unknown".into(), "captured, 12.99 USD".into());
        assert_eq!(unknown, [expected]);
        let completed = found(&[], &[logged(Some(LoggedEnd::Completed))], false);
        assert_eq!(completed[0].0, Kind::UnknownToProvider);
        assert_eq!(found(&[], &[logged(Some(LoggedEnd::Voided))], true), []);
    }

    #[test]
    fn what_is_under_way_has_its_time() {
        for records in [vec![], vec![record(ChargeState::Pending)]] {
            assert_eq!(found(&records, &[logged(None)], false), []);
            assert_eq!(found(&records, &[logged(None)], true)[0].0, Kind::State);
        }
    }

    #[test]
    fn money_is_compared_to_the_cent() {
        let completed = logged(Some(LoggedEnd::Completed));
        let dearer = ProviderRecord { amount: Cents(1_300), ..record(captured(0, false)) };
        let told = found(&[dearer], &[completed], true);
        assert_eq!(told, [(Kind::Amount, "12.99 USD".into(), "13.00 USD".into())]);
        assert_eq!(kinds(captured(1, false), completed), [Kind::Refunded]);
        assert_eq!(kinds(captured(0, true), completed), [Kind::ChargedBack]);
        assert_eq!(kinds(ChargeState::Voided, completed), [Kind::State]);
    }

    #[test]
    fn money_that_was_taken_after_another_end_goes_back() {
        let voided = logged(Some(LoggedEnd::Voided));
        assert_eq!(kinds(captured(0, false), voided), [Kind::TakenAndNotGivenBack]);
        assert_eq!(kinds(captured(TOTAL.0, false), voided), [Kind::State]);
        assert_eq!(kinds(ChargeState::Pending, voided), [Kind::State]);
    }
}
