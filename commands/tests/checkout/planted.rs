//! Defects that checkout must not have, built from public pieces, to show that they would be seen.

use chrono::Utc;
use commands::Commands;
use commands::bus::Request;
use commands::context::Caller;
use commands::shop::{ShopRefusal, UnderWay};
use commands::world::{Decline, World};
use domain::account::{Account, AccountCommand, VoidReason};
use domain::offer::Ware;
use domain::package::{Package, PackageCommand};
use domain::promo::{Promo, PromoCommand};

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// A message about a purchase completes it, whatever the bank says when asked.
    CreditOnMessage,
    /// The same, with gold that does not belong to the purchase.
    GrantOnMessage,
    /// Stock and promotion are given back before the bank has answered to the void.
    ReturnBeforeVoid,
    /// Money that was taken after a void is kept.
    KeepLateMoney,
}

impl Planted {
    pub const ALL: [Self; 4] =
        [Self::CreditOnMessage, Self::GrantOnMessage, Self::ReturnBeforeVoid, Self::KeepLateMoney];
}

/// Completes a purchase because somebody said so.
pub async fn complete(commands: &Commands, purchase: &UnderWay) {
    let (at, receipt_code) = (commands.clock.now(), purchase.receipt_code);
    end(commands, purchase, AccountCommand::CompletePurchase { at, receipt_code }, true).await;
}

/// Gives the gold of a purchase that is still under way.
pub async fn grant(commands: &Commands, purchase: &UnderWay) {
    let caller = Caller::system("planted");
    let (player, receipt_code) = (purchase.player, purchase.receipt_code);
    let (at, gold) = (commands.clock.now(), purchase.offer.gold);
    let command = AccountCommand::GrantGold { at, receipt_code, gold };
    let request = Request::new(&caller, Some(player));
    let decide = move |world: &mut World<'_>| world.decide::<Account>(player, &command);
    let _ = commands.bus.execute(request, decide).await;
}

/// Gives a purchase up, and asks the bank afterwards.
pub async fn void(commands: &Commands, purchase: &UnderWay) {
    let (at, receipt_code) = (commands.clock.now(), purchase.receipt_code);
    let reason = VoidReason::TimedOut;
    let void = AccountCommand::VoidPurchase { at, receipt_code, reason };
    end(commands, purchase, void, false).await;
    let _ = commands.provider.void(&purchase.charge()).await;
}

async fn end(commands: &Commands, purchase: &UnderWay, command: AccountCommand, is_paid: bool) {
    let (at, purchase) = (commands.clock.now(), purchase.clone());
    let request = Request::new(&Caller::system("planted"), Some(purchase.player));
    let decide = move |world: &mut World<'_>| {
        world.decide::<Account>(purchase.player, &command).map_err(Decline::widen)?;
        give_up_or_keep(world, &purchase, at, is_paid)
    };
    let _ = commands.bus.execute::<ShopRefusal, _>(request, decide).await;
}

fn give_up_or_keep(
    world: &mut World<'_>,
    purchase: &UnderWay,
    at: chrono::DateTime<Utc>,
    is_paid: bool,
) -> Result<(), Decline<ShopRefusal>> {
    let receipt_code = purchase.receipt_code;
    if let (true, Ware::Package(code)) = (purchase.offer.holds_stock, purchase.offer.ware) {
        let command = match is_paid {
            true => PackageCommand::Confirm { at, receipt_code },
            false => PackageCommand::Return { at, receipt_code },
        };
        world.decide::<Package>(code, &command).map_err(Decline::widen)?;
    }
    if let Some(promo) = purchase.offer.promo {
        let command = match is_paid {
            true => PromoCommand::Use { at, receipt_code },
            false => PromoCommand::Return { at, receipt_code },
        };
        world.decide::<Promo>(promo.code, &command).map_err(Decline::widen)?;
    }
    Ok(())
}
