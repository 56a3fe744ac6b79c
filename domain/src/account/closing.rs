//! The end of an account: its player is erased. All that is in it leaves the game, so that no gold is
//! counted that nobody can spend.

use chrono::{DateTime, Utc};

use super::command::{AccountCommand, AccountRefusal};
use super::event::AccountEvent;
use super::{Account, Decision};
use crate::money::{GoldParts, Movement, Wallet};

/// What goes on after the end: the world outside tells what became of money, and time goes by.
pub(super) fn is_told_to_closed_accounts(command: &AccountCommand) -> bool {
    use AccountCommand as Ask;
    match command {
        Ask::Open { .. }
        | Ask::Close { .. }
        | Ask::RecordLateCapture { .. }
        | Ask::RecordRefund { .. }
        | Ask::FailRefund { .. }
        | Ask::RecordChargeback { .. }
        | Ask::ExpireItem { .. } => true,
        Ask::GrantGold { .. }
        | Ask::TakeBackGrant { .. }
        | Ask::GrantVipPoints { .. }
        | Ask::Spend { .. }
        | Ask::RequestPurchase { .. }
        | Ask::CompletePurchase { .. }
        | Ask::FailPurchase { .. }
        | Ask::VoidPurchase { .. }
        | Ask::RequestRefund { .. }
        | Ask::BlockPurchases { .. }
        | Ask::BuyBenefit { .. }
        | Ask::UseItem { .. }
        | Ask::RefundItems { .. }
        | Ask::SetSpendLimit { .. }
        | Ask::CoolOff { .. }
        | Ask::ExcludeSelf { .. }
        | Ask::ClaimStreak { .. }
        | Ask::ClaimVip { .. }
        | Ask::JoinEvent { .. }
        | Ask::ClaimEvent { .. }
        | Ask::ClaimMission { .. }
        | Ask::RewardPlace { .. }
        | Ask::GiftReward { .. } => false,
    }
}

impl Account {
    /// Debts are settled first, and nothing may be under way at the provider.
    pub(super) fn close(&self, at: DateTime<Utc>) -> Decision {
        if self.closed {
            return Ok(vec![]);
        }
        if self.wallet.debt > 0 {
            return Err(AccountRefusal::InDebt { debt: self.wallet.debt });
        }
        let is_refunding = self.refunds.values().any(|refunds| refunds.pending.is_some());
        if !self.open_purchases.is_empty() || is_refunding {
            return Err(AccountRefusal::MoneyUnderWay);
        }
        let gold = GoldParts { paid: self.wallet.paid, free: self.wallet.free };
        let balance = Wallet { paid: 0, free: 0, ..self.wallet };
        let movement = Movement { gold, debt: GoldParts::default(), balance };
        Ok(vec![AccountEvent::AccountClosed { at, movement }])
    }
}
