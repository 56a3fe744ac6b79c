//! Every money figure is what a fold of the log by hand says, on random histories.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use domain::account::{AccountEvent, CounterAccount};
use domain::event::ClubEvent;
use domain::id::ReceiptCode;
use domain::money::Direction;
use domain::offer::Offer;
use domain::stored::Recorded;
use sqlx::PgPool;
use tokio::sync::watch;

use super::super::reports::{self, Circulation, GoldFlow, PurchaseFunnel, Revenue};
use super::super::{ClickHouse, DayRange, completeness};
use crate::engine::Engine;
use crate::feed::Feed;
use crate::testing::history::History;
use crate::testing::{Writer, database};

const SOON: Duration = Duration::from_secs(60);

/// A log of this many events, followed while it was written.
pub(super) async fn followed(
    clickhouse: &ClickHouse,
    seed: u64,
    events: usize,
) -> (PgPool, History, Vec<Recorded>) {
    let pool = database().await;
    let mut writer = Writer::new(&pool, seed).await;
    let mut log = Vec::new();
    let (stop, shutdown) = watch::channel(false);
    let mut engine = Engine::new(Feed::polling(pool.clone()), shutdown);
    let follower = engine.clickhouse(clickhouse.clone());
    while log.len() < events {
        log.extend(writer.write(700).await);
        assert!(follower.wait_for(writer.head.position, SOON).await, "{:?}", follower.status(0, 0));
    }
    stop.send_replace(true);
    engine.stopped().await;
    (pool, writer.history, log)
}

/// What the log says by a fold that knows nothing of rows.
#[derive(Default)]
struct Folded {
    offers: BTreeMap<ReceiptCode, (NaiveDate, Offer)>,
    ends: BTreeMap<ReceiptCode, &'static str>,
    back: BTreeMap<ReceiptCode, BTreeSet<&'static str>>,
    /// By day: sold, purchases, refunded, charged back.
    revenue: BTreeMap<NaiveDate, [u64; 4]>,
    flows: BTreeMap<(NaiveDate, &'static str, CounterAccount), [u64; 4]>,
    circulation: BTreeMap<NaiveDate, Circulation>,
    active: BTreeMap<NaiveDate, BTreeSet<i64>>,
    last: NaiveDate,
}

impl Folded {
    fn of(log: &[Recorded]) -> Self {
        let mut folded = Self::default();
        for recorded in log {
            folded.activity(recorded);
            if let ClubEvent::Account(_, event) = ClubEvent::decode(recorded).unwrap() {
                folded.purchase(&event);
                folded.movement(&event);
            }
        }
        folded
    }

    fn activity(&mut self, recorded: &Recorded) {
        let json = |text| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let (payload, said) = (json(&recorded.event.payload), json(&recorded.event.metadata));
        // Lists of lines name no moment.
        let at = payload["at"].as_str().map(|at| at.parse::<DateTime<Utc>>().unwrap());
        let at = at.unwrap_or(recorded.recorded_at);
        self.last = self.last.max(at.date_naive());
        // What a game reports of a player is the player's doing, whoever reports it.
        let is_reported = recorded.event.event_type == "action_recorded";
        if is_reported || said["actor_kind"] == "player" {
            let stream = &*recorded.event.aggregate_id;
            let player = said["player"].as_str().unwrap_or(stream).parse().unwrap();
            self.active.entry(at.date_naive()).or_default().insert(player);
        }
    }

    fn purchase(&mut self, event: &AccountEvent) {
        let day = at(event).date_naive();
        let revenue = self.revenue.entry(day).or_default();
        match event {
            AccountEvent::PurchaseRequested { receipt_code, offer, .. } => {
                self.offers.insert(*receipt_code, (day, offer.clone()));
            }
            AccountEvent::PurchaseCompleted { receipt_code, .. } => {
                revenue[0] += self.offers[receipt_code].1.total_cents.0;
                revenue[1] += 1;
                self.ends.insert(*receipt_code, "completed");
            }
            AccountEvent::PurchaseFailed { receipt_code, .. } => {
                self.ends.insert(*receipt_code, "failed");
            }
            AccountEvent::PurchaseVoided { receipt_code, .. } => {
                self.ends.insert(*receipt_code, "voided");
            }
            AccountEvent::PurchaseRefunded { receipt_code, amount_cents, .. } => {
                revenue[2] += amount_cents.0;
                self.back.entry(*receipt_code).or_default().insert("refunded");
            }
            AccountEvent::PurchaseChargedBack { receipt_code, amount_cents, .. } => {
                revenue[3] += amount_cents.0;
                self.back.entry(*receipt_code).or_default().insert("charged_back");
            }
            _ => {}
        }
    }

    fn movement(&mut self, event: &AccountEvent) {
        let Some(entry) = event.ledger_entry() else { return };
        let (gold, debt) = (entry.movement.gold, entry.movement.debt);
        let moved = gold.plus(debt);
        let key = (entry.at.date_naive(), entry.kind, entry.counter_account);
        let flow = self.flows.entry(key).or_default();
        let change = self.circulation.entry(entry.at.date_naive()).or_default();
        let signed = |amount: u64| i64::try_from(amount).unwrap();
        let sign = match entry.direction {
            Direction::Credit => {
                (flow[0], flow[1]) = (flow[0] + moved.paid, flow[1] + moved.free);
                1
            }
            Direction::Debit => {
                (flow[2], flow[3]) = (flow[2] + moved.paid, flow[3] + moved.free);
                -1
            }
        };
        change.paid += sign * signed(gold.paid);
        change.free += sign * signed(gold.free);
        change.debt -= sign * signed(debt.total());
    }

    fn revenue(&self, days: DayRange) -> [u64; 4] {
        let within = self.revenue.range(days.0..=days.1);
        within.fold([0; 4], |sum, (_, day)| std::array::from_fn(|n| sum[n] + day[n]))
    }

    fn flows(&self, days: DayRange) -> Vec<GoldFlow> {
        let mut flows: BTreeMap<_, [u64; 4]> = BTreeMap::new();
        for ((day, kind, account), flow) in &self.flows {
            if (days.0..=days.1).contains(day) {
                let sum = flows.entry((account.name(), *kind)).or_default();
                *sum = std::array::from_fn(|n| sum[n] + flow[n]);
            }
        }
        let told = |((account, kind), sum): ((&str, &str), [u64; 4])| GoldFlow {
            movement: kind.to_owned(),
            counter_account: account.to_owned(),
            paid_in: sum[0],
            free_in: sum[1],
            paid_out: sum[2],
            free_out: sum[3],
        };
        flows.into_iter().map(told).collect()
    }

    fn circulation(&self, until: NaiveDate) -> Circulation {
        self.circulation.range(..=until).fold(Circulation::default(), |sum, (_, day)| Circulation {
            paid: sum.paid + day.paid,
            free: sum.free + day.free,
            debt: sum.debt + day.debt,
        })
    }

    fn funnel(&self, days: DayRange) -> PurchaseFunnel {
        let mut funnel = PurchaseFunnel::default();
        let asked = self.offers.iter().filter(|(_, (day, _))| (days.0..=days.1).contains(day));
        for (receipt, _) in asked {
            funnel.requested += 1;
            match self.ends.get(receipt) {
                Some(&"completed") => funnel.completed += 1,
                Some(&"failed") => funnel.failed += 1,
                Some(_) => funnel.voided += 1,
                None => funnel.pending += 1,
            }
            let back = self.back.get(receipt).cloned().unwrap_or_default();
            funnel.refunded += u64::from(back.contains("refunded"));
            funnel.charged_back += u64::from(back.contains("charged_back"));
        }
        funnel
    }

    fn active(&self, days: DayRange) -> u64 {
        let players: BTreeSet<_> =
            self.active.range(days.0..=days.1).flat_map(|(_, on)| on).collect();
        players.len() as u64
    }
}

fn at(event: &AccountEvent) -> DateTime<Utc> {
    let payload = serde_json::to_value(event).unwrap();
    let (_, fields) = payload.as_object().unwrap().iter().next().unwrap();
    fields["at"].as_str().unwrap().parse().unwrap()
}

async fn figures_are_the_logs(seed: u64) {
    let clickhouse = super::clickhouse();
    let (pool, history, log) = followed(&clickhouse, seed, 9_000).await;
    let folded = Folded::of(&log);
    let first = *folded.circulation.keys().next().unwrap();
    let middle = *folded.circulation.keys().nth(folded.circulation.len() / 2).unwrap();
    for days in [(first, folded.last), (first, middle), (middle, folded.last), (middle, middle)] {
        let [sold_cents, purchases, refunded_cents, charged_back_cents] = folded.revenue(days);
        let revenue = reports::revenue(&clickhouse, days).await.unwrap();
        let expected = Revenue {
            currency: "USD".to_owned(),
            sold_cents,
            purchases,
            refunded_cents,
            charged_back_cents,
        };
        assert_eq!(revenue, [expected], "{days:?}");
        assert_eq!(reports::gold_flows(&clickhouse, days).await.unwrap(), folded.flows(days));
        assert_eq!(
            reports::circulation(&clickhouse, days.1).await.unwrap(),
            folded.circulation(days.1)
        );
        assert_eq!(reports::purchase_funnel(&clickhouse, days).await.unwrap(), folded.funnel(days));
        let active = reports::active_players(&clickhouse, days).await.unwrap();
        assert_eq!(active, folded.active(days), "{days:?}");
        let series = reports::series(&clickhouse, days).await.unwrap();
        assert_eq!(series.iter().map(|day| day.sold_cents).sum::<u64>(), sold_cents);
        for day in &series {
            let [sold, purchases, refunded, back] = folded.revenue((day.day, day.day));
            let told = (day.sold_cents, day.purchases, day.given_back_cents, day.active_players);
            let active = folded.active((day.day, day.day));
            assert_eq!(told, (sold, purchases, refunded + back, active), "{}", day.day);
        }
    }
    // The wallets themselves, as the aggregates have them.
    let circulation = reports::circulation(&clickhouse, folded.last).await.unwrap();
    let wallets = history.accounts().map(|(_, account)| account.wallet());
    let (gold, debt) = wallets.fold((0, 0), |(gold, debt), w| (gold + w.gold(), debt + w.debt));
    assert_eq!((circulation.gold(), circulation.debt), (gold.cast_signed(), debt.cast_signed()));
    let owed = folded.circulation.values().any(|day| day.debt != 0);
    assert!(owed, "in this history nobody is ever in debt: take another seed");
    let complete = completeness(&clickhouse, &pool).await.unwrap();
    assert!(complete.is_complete() && complete.rows == log.len() as u64, "{complete:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_what_a_fold_of_the_log_says() {
    figures_are_the_logs(81).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_what_a_fold_of_another_log_says() {
    figures_are_the_logs(82).await;
}
