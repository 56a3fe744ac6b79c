//! How fast an account buys.

use super::*;

/// A request for a pack or package at a moment with a card.
fn fast(n: u64, second: i64, card: u64, package: bool) -> AccountCommand {
    let rate = |most, seconds| Some(Rate { most, within: TimeDelta::seconds(seconds) });
    let rules =
        PurchaseRules { limited: rate(2, 10), purchases: rate(4, 300), cards: rate(3, 300) };
    let ware = if package {
        Ware::Package("WEEKEND".parse().unwrap())
    } else {
        Ware::Product(ProductId(1001))
    };
    AccountCommand::RequestPurchase {
        at: at(second),
        receipt_code: code(n),
        charge_id: ChargeId::from_bits(n.into()),
        payment_method: None,
        card: Some(CardPrint::from_bits(card)),
        offer: Offer { ware, ..offer() },
        rank: Rank::Standard,
        rules,
    }
}

#[test]
fn limited_packages_are_not_bought_faster_than_the_rate() {
    let mut history = opened();
    decide(&mut history, &fast(1, 1, 1, true));
    decide(&mut history, &fast(2, 2, 1, true));
    let refusal = AccountRefusal::TooFast { until: at(11) };
    given::<Account>(&history).when(&fast(3, 3, 1, true)).then_refused(&refusal);
    assert_eq!(decide(&mut history, &fast(3, 11, 1, true)).len(), 1);
}

#[test]
fn too_many_purchases_or_cards_break_a_rule_and_the_block_ends() {
    let broken = |history: &[AccountEvent], command: &AccountCommand| {
        let AccountCommand::RequestPurchase { at, card, rules, .. } = command else {
            unreachable!()
        };
        given::<Account>(history).state().broken_rule(rules, *card, *at)
    };
    let mut history = opened();
    for n in 1..=3 {
        let next = fast(n, 1, n, false);
        assert_eq!(broken(&history, &next), None);
        decide(&mut history, &next);
    }
    // A fourth card is one too many; a card that is known is not.
    let (rule, until) = broken(&history, &fast(4, 2, 4, false)).unwrap();
    assert_eq!((rule, until), (FraudRule::TooManyCards, at(302)));
    let fourth = fast(4, 2, 3, false);
    assert_eq!(broken(&history, &fourth), None);
    decide(&mut history, &fourth);
    let (rule, _) = broken(&history, &fast(5, 3, 3, false)).unwrap();
    assert_eq!(rule, FraudRule::TooManyPurchases);
    // Who may not spend at all is told so, and nothing is written.
    let mut paused = history.clone();
    decide(&mut paused, &AccountCommand::CoolOff { at: at(3), until: at(50) });
    assert_eq!(broken(&paused, &fast(5, 3, 3, false)), None);

    decide(&mut history, &AccountCommand::BlockPurchases { at: at(3), rule, until: at(303) });
    let refusal = AccountRefusal::PurchasesBlocked { rule, until: at(303) };
    given::<Account>(&history).when(&fast(5, 302, 3, false)).then_refused(&refusal);
    assert_eq!(decide(&mut history, &fast(5, 303, 3, false)).len(), 1);
}
