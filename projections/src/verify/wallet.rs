//! Whether a wallet follows from the one before it.

use domain::account::{AccountEvent, CounterAccount, LedgerEntry};
use domain::id::PlayerId;
use domain::money::{Direction, Movement, Wallet};

use super::{Check, Verdict};

/// Looks at the wallet that an event carries, and the one that the event before it left.
pub(super) fn follows(
    player: PlayerId,
    (before, carried): (Wallet, Wallet),
    event: &AccountEvent,
    ledger: Option<&LedgerEntry>,
) -> Verdict {
    let wrong = |message| Err((Check::Balance, message));
    let Some(expected) = expected(before, event, ledger) else {
        let before = told(before);
        return wrong(format!("player {player} had {before}, and this cannot have happened to it"));
    };
    if expected != carried {
        return wrong(format!(
            "player {player} is said to have {}, but {} follows from the event before",
            told(carried),
            told(expected)
        ));
    }
    if carried.debt > 0 && carried.gold() > 0 {
        return wrong(format!("player {player} has {}: gold and a debt at once", told(carried)));
    }
    match ledger {
        // Points that came with the gold are in its movement's balance, and right by now.
        Some(entry) => {
            let before = Wallet { vip_points: carried.vip_points, ..before };
            lawful(player, before, entry).or_else(wrong)
        }
        None => Ok(()),
    }
}

/// The wallet that follows from the one before by the amounts that moved, if any does.
fn expected(before: Wallet, event: &AccountEvent, ledger: Option<&LedgerEntry>) -> Option<Wallet> {
    let before = with_points(before, event)?;
    match ledger {
        Some(LedgerEntry { direction, movement, .. }) => before.after(*direction, movement),
        None => Some(before),
    }
}

/// The wallet with the vip points that an event adds.
fn with_points(before: Wallet, event: &AccountEvent) -> Option<Wallet> {
    let more = match event {
        AccountEvent::VipPointsGranted { vip_points, .. }
        | AccountEvent::VipClaimed { vip_points, .. } => *vip_points,
        AccountEvent::EventClaimed { reward, .. }
        | AccountEvent::MissionClaimed { reward, .. }
        | AccountEvent::PlaceRewarded { reward, .. }
        | AccountEvent::RewardGifted { reward, .. } => reward.vip_points,
        // These move gold, or leave the wallet alone.
        AccountEvent::SignUpBonusGranted { .. }
        | AccountEvent::GoldGranted { .. }
        | AccountEvent::GoldSpent { .. }
        | AccountEvent::PurchaseCompleted { .. }
        | AccountEvent::PurchaseRefunded { .. }
        | AccountEvent::PurchaseChargedBack { .. }
        | AccountEvent::BenefitPurchased { .. }
        | AccountEvent::ItemRefunded { .. }
        | AccountEvent::AccountOpened { .. }
        | AccountEvent::PurchaseRequested { .. }
        | AccountEvent::PurchaseFailed { .. }
        | AccountEvent::PurchaseVoided { .. }
        | AccountEvent::LateCaptureRefunded { .. }
        | AccountEvent::RefundRequested { .. }
        | AccountEvent::RefundFailed { .. }
        | AccountEvent::PurchasesBlocked { .. }
        | AccountEvent::ItemUsed { .. }
        | AccountEvent::ItemExpired { .. }
        | AccountEvent::SpendLimitSet { .. }
        | AccountEvent::CoolingOffStarted { .. }
        | AccountEvent::AccountClosed { .. }
        | AccountEvent::SelfExcluded { .. }
        | AccountEvent::StreakClaimed { .. }
        | AccountEvent::EventJoined { .. }
        | AccountEvent::GrantTakenBack { .. } => 0,
    };
    Some(Wallet { vip_points: before.vip_points.checked_add(more)?, ..before })
}

/// Whether the amounts are split into gold and debt as they must be.
fn lawful(player: PlayerId, before: Wallet, entry: &LedgerEntry) -> Result<(), String> {
    let Movement { gold, debt, .. } = entry.movement;
    let moved = gold.plus(debt);
    match entry.direction {
        Direction::Credit => match before.credit(moved) {
            Some(movement) if movement == entry.movement => Ok(()),
            Some(Movement { debt: due, .. }) => Err(format!(
                "player {player} owed {} gold: of what came in, {} paid and {} free gold repay that, \
                 not {} and {}",
                before.debt, due.paid, due.free, debt.paid, debt.free
            )),
            None => Err(format!("player {player} has more gold than anybody may have")),
        },
        Direction::Debit if entry.counter_account == CounterAccount::Refund => {
            let amount = domain::money::Gold::new(moved.total());
            match amount.and_then(|amount| before.take_back(amount)) {
                Some(movement) if movement == entry.movement => Ok(()),
                _ => Err(format!(
                    "{} paid and {} free gold are taken back from player {player}, who had {}, and \
                     {} are owed: bought gold goes first, then given gold, and only the rest is owed",
                    gold.paid,
                    gold.free,
                    told(before),
                    debt.total()
                )),
            }
        }
        Direction::Debit if before.debt > 0 || debt.total() > 0 => {
            Err(format!("player {player} spends gold on credit, with {}", told(before)))
        }
        Direction::Debit if entry.counter_account == CounterAccount::Issuance && gold.paid > 0 => {
            Err(format!("{} bought gold is taken back from player {player} as given", gold.paid))
        }
        Direction::Debit => Ok(()),
    }
}

fn told(wallet: Wallet) -> String {
    let Wallet { paid, free, debt, vip_points } = wallet;
    format!("{paid} paid and {free} free gold, {debt} debt, {vip_points} vip points")
}
