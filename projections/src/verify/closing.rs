//! Whether an account that was closed is empty, and nothing more is done with it: after its end only the
//! world outside tells what became of money, and time ends what was left.

use domain::account::AccountEvent;
use domain::id::PlayerId;
use domain::money::Wallet;

use super::{Check, Verdict};

/// Looks at an event, and at the wallet after it.
pub(super) fn follows(
    player: PlayerId,
    is_closed: &mut bool,
    after: Wallet,
    event: &AccountEvent,
) -> Verdict {
    let wrong = |message| Err((Check::Closed, message));
    if let AccountEvent::AccountClosed { .. } = event {
        if std::mem::replace(is_closed, true) {
            return wrong(format!("the account of player {player} is closed a second time"));
        }
        if after.gold() > 0 || after.debt > 0 {
            return wrong(format!("the account of player {player} is closed, and not empty"));
        }
    } else if *is_closed && !is_told_to_closed_accounts(event) {
        return wrong(format!("the account of player {player} was closed before this"));
    }
    Ok(())
}

fn is_told_to_closed_accounts(event: &AccountEvent) -> bool {
    matches!(
        event,
        AccountEvent::LateCaptureRefunded { .. }
            | AccountEvent::PurchaseRefunded { .. }
            | AccountEvent::RefundFailed { .. }
            | AccountEvent::PurchaseChargedBack { .. }
            | AccountEvent::ItemExpired { .. }
    )
}
