//! Small cases, counted on fingers.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::account::{AccountEvent, CounterAccount, FailureReason};
use domain::activity::ActivityEvent;
use domain::aggregate::Event;
use domain::event::{Actor, Metadata};
use domain::id::{ChargeId, PlayerId, ProductId, ReceiptCode};
use domain::money::{Cents, Currency, Gold, GoldParts, Movement, Percent, Quantity, Wallet};
use domain::offer::{Offer, Rank, Ware};
use domain::stored::StoredEvent;
use domain::testing::at;
use serde::Deserialize;
use tokio::sync::watch;

use super::super::ClickHouse;
use super::super::reports::{self, PaymentFailures, PlayerFunnel, PurchaseFunnel};
use crate::engine::Engine;
use crate::feed::Feed;
use crate::testing::{Writer, database};

/// Who writes a log by hand: days from the first one, minutes in it.
#[derive(Default)]
struct Story {
    events: Vec<StoredEvent>,
    sequences: std::collections::BTreeMap<(&'static str, i64), u64>,
    codes: u64,
}

fn day(number: i64) -> NaiveDate {
    (at(0) + TimeDelta::days(number)).date_naive()
}

fn when(number: i64, minute: i64) -> DateTime<Utc> {
    day(number).and_hms_opt(0, 0, 0).unwrap().and_utc() + TimeDelta::minutes(minute)
}

impl Story {
    fn tell(&mut self, family: &'static str, player: i64, actor: Actor, event: &impl Event) {
        let sequence = self.sequences.entry((family, player)).or_default();
        *sequence += 1;
        let metadata = Metadata {
            actor,
            player: Some(PlayerId(player)),
            request: None,
            cause: None,
            trace: None,
        };
        self.events.push(StoredEvent {
            aggregate_type: family.into(),
            aggregate_id: player.to_string().into(),
            sequence: *sequence,
            event_type: event.event_type().into(),
            event_version: "1".into(),
            payload: domain::encoding::encode(event).unwrap().into(),
            metadata: metadata.to_json().into(),
        });
    }

    fn account(&mut self, player: i64, event: &AccountEvent) {
        self.tell("account", player, Actor::Player(PlayerId(player)), event);
    }

    fn opens(&mut self, player: i64, at: DateTime<Utc>) {
        self.account(player, &AccountEvent::AccountOpened { at });
    }

    /// As a game server sees it.
    fn plays(&mut self, player: i64, at: DateTime<Utc>) {
        let event = ActivityEvent::ActionRecorded {
            at,
            action_id: String::new(),
            action: "play_count".parse().unwrap(),
            amount: 1,
            deed: None,
            advanced: Vec::new(),
        };
        self.tell("activity", player, Actor::Service("game".to_owned()), &event);
    }

    fn asks_for(&mut self, player: i64, at: DateTime<Utc>, cents: u64) -> ReceiptCode {
        self.codes += 1;
        let receipt_code = ReceiptCode::from_bits(self.codes);
        let offer = offer(Cents(cents));
        self.account(
            player,
            &AccountEvent::PurchaseRequested {
                at,
                receipt_code,
                charge_id: ChargeId::from_bits(self.codes.into()),
                payment_method: None,
                card: None,
                offer,
            },
        );
        receipt_code
    }

    fn buys(&mut self, player: i64, at: DateTime<Utc>, cents: u64) -> ReceiptCode {
        let receipt_code = self.asks_for(player, at, cents);
        let movement = gold(100);
        self.account(player, &AccountEvent::PurchaseCompleted { at, receipt_code, movement });
        receipt_code
    }

    /// The staff's doing, which is not the player's.
    fn is_given(&mut self, player: i64, at: DateTime<Utc>, amount: u64) {
        self.codes += 1;
        let receipt_code = ReceiptCode::from_bits(self.codes);
        let event = AccountEvent::GoldGranted { at, receipt_code, movement: gold(amount) };
        self.tell("account", player, Actor::Admin(PlayerId(9)), &event);
    }

    /// In ClickHouse.
    async fn told(self) -> ClickHouse {
        let clickhouse = super::clickhouse();
        let pool = database().await;
        let mut writer = Writer::new(&pool, 1).await;
        writer.append(self.events).await;
        let (_stop, shutdown) = watch::channel(false);
        let mut engine = Engine::new(Feed::polling(pool), shutdown);
        let follower = engine.clickhouse(clickhouse.clone());
        let soon = std::time::Duration::from_secs(60);
        assert!(follower.wait_for(writer.head.position, soon).await);
        clickhouse
    }
}

fn offer(total_cents: Cents) -> Offer {
    Offer {
        ware: Ware::Product(ProductId(1001)),
        product_version: 1,
        sku: "GOLD_PACK_SMALL".to_owned(),
        quantity: Quantity::new(1).unwrap(),
        discount_percent: Percent::default(),
        total_cents,
        currency: Currency::USD,
        gold: Gold::new(100).unwrap(),
        min_rank: Rank::Standard,
        user_limit: None,
        holds_stock: false,
        promo: None,
    }
}

fn gold(amount: u64) -> Movement {
    let gold = GoldParts { paid: 0, free: amount };
    Movement { gold, debt: GoldParts::default(), balance: Wallet::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn cohorts_are_who_comes_back() {
    let mut story = Story::default();
    // Three on the first day: one plays on that day and the next, one on the third, one never again.
    for player in 1..=3 {
        story.opens(player, when(0, 10));
    }
    story.plays(1, when(0, 20));
    story.plays(1, when(1, 0));
    story.plays(1, when(1, 5));
    story.plays(2, when(2, 1_439));
    story.is_given(3, when(1, 0), 5);
    // One on the second day, who plays on the fourth.
    story.opens(4, when(1, 1));
    story.plays(4, when(3, 0));
    let clickhouse = story.told().await;
    let cohorts = reports::cohorts(&clickhouse, (day(0), day(9))).await.unwrap();
    let told: Vec<_> = cohorts.iter().map(|it| (it.day, it.players, it.active.clone())).collect();
    // Whoever signs up does something on that day.
    assert_eq!(told, [(day(0), 3, vec![3, 1, 1]), (day(1), 1, vec![1, 0, 1])]);
    let active = reports::active_players(&clickhouse, (day(1), day(2))).await.unwrap();
    assert_eq!(active, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn funnels_say_how_far_it_went() {
    let mut story = Story::default();
    // The seventh does nothing after that; the sixth comes later.
    for player in [1, 2, 3, 4, 5, 7] {
        story.opens(player, when(0, 0));
    }
    story.opens(6, when(5, 0));
    story.plays(1, when(0, 1));
    for player in [2, 3, 4, 6] {
        story.buys(player, when(1, 0), 299);
    }
    let again = story.buys(4, when(2, 0), 1_000);
    let back = AccountEvent::PurchaseRefunded {
        at: when(3, 0),
        receipt_code: again,
        amount_cents: Cents(400),
        refunded_cents: Cents(400),
        left_cents: Cents(600),
        movement: gold(0),
    };
    story.account(4, &back);
    let declined = story.asks_for(5, when(1, 0), 299);
    let reason = FailureReason::InsufficientFunds;
    let failed = AccountEvent::PurchaseFailed { at: when(1, 1), receipt_code: declined, reason };
    story.account(5, &failed);
    story.asks_for(5, when(2, 0), 299);
    let clickhouse = story.told().await;

    let players = reports::player_funnel(&clickhouse, (day(0), day(4))).await.unwrap();
    let expected =
        PlayerFunnel { signed_up: 6, active: 5, requested: 4, bought: 3, bought_again: 1 };
    assert_eq!(players, expected);
    let purchases = reports::purchase_funnel(&clickhouse, (day(1), day(1))).await.unwrap();
    let expected =
        PurchaseFunnel { requested: 5, completed: 4, failed: 1, ..PurchaseFunnel::default() };
    assert_eq!(purchases, expected);
    let purchases = reports::purchase_funnel(&clickhouse, (day(0), day(9))).await.unwrap();
    let expected = PurchaseFunnel {
        requested: 7,
        completed: 5,
        failed: 1,
        pending: 1,
        refunded: 1,
        ..expected
    };
    assert_eq!(purchases, expected);
    let failures = reports::payment_failures(&clickhouse, (day(0), day(9))).await.unwrap();
    let (outcome, reason) = ("failed".to_owned(), "INSUFFICIENT_FUNDS".to_owned());
    assert_eq!(failures, [PaymentFailures { outcome, reason, purchases: 1 }]);
    let whales = reports::whales(&clickhouse, 2).await.unwrap();
    let told: Vec<_> = whales
        .iter()
        .map(|it| (it.player, it.purchases, it.sold_cents, it.given_back_cents))
        .collect();
    assert_eq!(told, [(4, 2, 1_299, 400), (2, 1, 299, 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_in_which_much_gold_comes_in_raises_the_alarm() {
    let mut story = Story::default();
    story.is_given(1, when(0, 0), 10_000);
    story.is_given(1, when(8, 0), 1_000);
    story.is_given(1, when(10, 0), 500);
    story.is_given(1, when(12, 0), 1);
    let clickhouse = story.told().await;
    let calm = reports::injection(&clickhouse, day(11)).await.unwrap();
    assert_eq!((calm.gold_before, calm.gold_in, calm.share), (10_000, 1_500, Some(1_500)));
    assert!(!calm.is_above(15));
    let wild = reports::injection(&clickhouse, day(12)).await.unwrap();
    assert_eq!((wild.from, wild.gold_in), (day(6), 1_501));
    assert!(wild.is_above(15));
    let first = reports::injection(&clickhouse, day(0)).await.unwrap();
    assert_eq!((first.gold_before, first.share), (0, None));
    let flows = reports::gold_flows(&clickhouse, (day(0), day(9))).await.unwrap();
    assert_eq!((flows.len(), flows[0].free_in), (1, 11_000));
    assert_eq!(flows[0].counter_account, CounterAccount::Issuance.name());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_activity_without_a_long_pause() {
    #[derive(clickhouse::Row, Deserialize)]
    struct Session {
        player: i64,
        events: u64,
        minutes: i64,
    }
    let mut story = Story::default();
    for (player, minute) in [(1, 0), (2, 0), (1, 30), (1, 60), (1, 91), (2, 5), (1, 92)] {
        story.plays(player, when(0, minute));
    }
    let clickhouse = story.told().await;
    let sql = "select player, events, dateDiff('minute', began_at, ended_at) as minutes
                 from sessions order by player, began_at";
    let sessions: Vec<Session> = clickhouse.ask(sql).rows().await.unwrap();
    let told: Vec<_> = sessions.iter().map(|it| (it.player, it.events, it.minutes)).collect();
    assert_eq!(told, [(1, 3, 60), (1, 2, 1), (2, 2, 5)]);
}
