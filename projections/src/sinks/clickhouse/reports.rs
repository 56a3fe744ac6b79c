//! What analysts ask for: sums over days in UTC, read from ClickHouse's views. Whole numbers only; shares are in
//! hundredths of a percent.

use chrono::{Days, NaiveDate};
use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::{ClickHouse, ClickHouseError, DayRange};

/// Shares are counted in these: 10,000 are all.
const WHOLE: i64 = 10_000;
/// The days of a week's injection.
const WEEK: u64 = 7;

/// The last event that is in the table `events`.
///
/// # Errors
/// If ClickHouse does not answer.
pub async fn position(clickhouse: &ClickHouse) -> Result<u64, ClickHouseError> {
    clickhouse.ask("select max(position) from events").row().await
}

/// Real money of one currency.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Revenue {
    /// Which.
    pub currency: String,
    /// What completed purchases brought.
    pub sold_cents: u64,
    /// How many purchases were completed.
    pub purchases: u64,
    /// What was given back.
    pub refunded_cents: u64,
    /// What banks took back.
    pub charged_back_cents: u64,
}

/// Gold by where it came from or went to.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct GoldFlow {
    /// The kind of movement.
    pub movement: String,
    /// The other side's account.
    pub counter_account: String,
    /// Bought gold into wallets, debts that it repaid included.
    pub paid_in: u64,
    /// Given gold into wallets, debts that it repaid included.
    pub free_in: u64,
    /// Bought gold out of wallets, what is owed since then included.
    pub paid_out: u64,
    /// Given gold out of wallets.
    pub free_out: u64,
}

/// What players have and owe at the end of a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Circulation {
    /// Bought gold.
    pub paid: i64,
    /// Given gold.
    pub free: i64,
    /// What is owed.
    pub debt: i64,
}

impl Circulation {
    /// Spendable gold of both kinds.
    #[must_use]
    pub fn gold(&self) -> i64 {
        self.paid.saturating_add(self.free)
    }
}

/// Money by currency.
///
/// # Errors
/// If ClickHouse does not answer.
pub async fn revenue(
    clickhouse: &ClickHouse,
    days: DayRange,
) -> Result<Vec<Revenue>, ClickHouseError> {
    let sql = "select r.currency as currency, toUInt64(sum(r.sold_cents)) as sold_cents,
                      toUInt64(sum(r.purchases)) as purchases,
                      toUInt64(sum(r.refunded_cents)) as refunded_cents,
                      toUInt64(sum(r.charged_back_cents)) as charged_back_cents
                 from daily_revenue as r where r.day between toDate(?) and toDate(?)
                group by currency order by currency";
    between(clickhouse, sql, days).await
}

/// Sources and sinks by type.
///
/// # Errors
/// If ClickHouse does not answer.
pub async fn gold_flows(
    clickhouse: &ClickHouse,
    days: DayRange,
) -> Result<Vec<GoldFlow>, ClickHouseError> {
    let sql =
        "select toString(g.movement) as movement, toString(g.counter_account) as counter_account,
                      sum(g.paid_in) as paid_in, sum(g.free_in) as free_in,
                      sum(g.paid_out) as paid_out, sum(g.free_out) as free_out
                 from daily_gold as g where g.day between toDate(?) and toDate(?)
                group by movement, counter_account order by counter_account, movement";
    between(clickhouse, sql, days).await
}

/// What players have and owe at the end of a day.
///
/// # Errors
/// If ClickHouse does not answer.
pub async fn circulation(
    clickhouse: &ClickHouse,
    until: NaiveDate,
) -> Result<Circulation, ClickHouseError> {
    let sql = "select sum(c.paid) as paid, sum(c.free) as free, sum(c.debt) as debt
                 from daily_circulation as c where c.day <= toDate(?)";
    clickhouse.ask(sql).bind(until.to_string()).row().await
}

/// Players who did anything.
///
/// # Errors
/// If ClickHouse does not answer.
pub async fn active_players(
    clickhouse: &ClickHouse,
    days: DayRange,
) -> Result<u64, ClickHouseError> {
    let sql =
        "select uniqExact(player) from activity where toDate(at) between toDate(?) and toDate(?)";
    let (from, to) = days;
    clickhouse.ask(sql).bind(from.to_string()).bind(to.to_string()).row().await
}

/// One day of a series.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Day {
    /// Which.
    #[serde(with = "clickhouse::serde::chrono::date")]
    pub day: NaiveDate,
    /// Players who signed up.
    pub sign_ups: u64,
    /// Players who did anything.
    pub active_players: u64,
    /// Completed purchases.
    pub purchases: u64,
    /// What they brought, all currencies together: the club sells in one.
    pub sold_cents: u64,
    /// What was given back or taken back by banks.
    pub given_back_cents: u64,
    /// Gold into wallets from promotions and grants.
    pub gold_given: u64,
    /// Gold into wallets that was bought.
    pub gold_sold: u64,
    /// Gold that was spent, less what was returned for items taken back.
    pub gold_sunk: i64,
}

/// Day by day; a day on which nothing happened is in it too.
///
/// # Errors
/// If ClickHouse does not answer.
pub async fn series(clickhouse: &ClickHouse, days: DayRange) -> Result<Vec<Day>, ClickHouseError> {
    let sql = "select d.day as day, sum(d.sign_ups) as sign_ups, sum(d.active) as active_players,
                      sum(d.purchases) as purchases, sum(d.sold) as sold_cents, sum(d.back) as given_back_cents,
                      sum(d.given) as gold_given, sum(d.bought) as gold_sold, sum(d.sunk) as gold_sunk
                 from (select day, toUInt64(players) as sign_ups, toUInt64(0) as active, toUInt64(0) as purchases,
                              toUInt64(0) as sold, toUInt64(0) as back, toUInt64(0) as given,
                              toUInt64(0) as bought, toInt64(0) as sunk from daily_sign_ups
                        union all
                       select day, 0, toUInt64(players), 0, 0, 0, 0, 0, 0 from daily_active_players
                        union all
                       select day, 0, 0, toUInt64(purchases), toUInt64(sold_cents),
                              toUInt64(refunded_cents + charged_back_cents), 0, 0, 0 from daily_revenue
                        union all
                       select day, 0, 0, 0, 0, 0,
                              if(counter_account in ('promotion', 'issuance'), paid_in + free_in, 0),
                              if(counter_account = 'sales', paid_in + free_in, 0),
                              if(counter_account = 'sink', toInt64(paid_out + free_out) - toInt64(paid_in + free_in), 0)
                         from daily_gold) as d
                where d.day between toDate(?) and toDate(?)
                group by day order by day with fill from toDate(?) to toDate(?) + 1";
    let (from, to) = days;
    let asked = clickhouse.ask(sql).bind(from.to_string()).bind(to.to_string());
    asked.bind(from.to_string()).bind(to.to_string()).rows().await
}

/// What became of the purchases that were requested on these days.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct PurchaseFunnel {
    /// All.
    pub requested: u64,
    /// Paid and credited.
    pub completed: u64,
    /// Declined.
    pub failed: u64,
    /// Given up.
    pub voided: u64,
    /// Neither yet.
    pub pending: u64,
    /// Given back, in whole or in part.
    pub refunded: u64,
    /// Taken back by banks.
    pub charged_back: u64,
}

/// How far the players have come who signed up on these days.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct PlayerFunnel {
    /// All.
    pub signed_up: u64,
    /// Who did something themselves since.
    pub active: u64,
    /// Who wanted to buy gold.
    pub requested: u64,
    /// Who bought gold.
    pub bought: u64,
    /// Who bought it more than once.
    pub bought_again: u64,
}

/// Purchases by outcome.
///
/// # Errors
/// If ClickHouse does not answer.
pub async fn purchase_funnel(
    clickhouse: &ClickHouse,
    (from, to): DayRange,
) -> Result<PurchaseFunnel, ClickHouseError> {
    let sql =
        "select toUInt64(sum(f.requested)) as requested, toUInt64(sum(f.completed)) as completed,
                      toUInt64(sum(f.failed)) as failed, toUInt64(sum(f.voided)) as voided,
                      toUInt64(sum(f.pending)) as pending, toUInt64(sum(f.refunded)) as refunded,
                      toUInt64(sum(f.charged_back)) as charged_back
                 from purchase_funnel as f where f.day between toDate(?) and toDate(?)";
    clickhouse.ask(sql).bind(from.to_string()).bind(to.to_string()).row().await
}

/// Players by how far they have come.
///
/// # Errors
/// If ClickHouse does not answer.
pub async fn player_funnel(
    clickhouse: &ClickHouse,
    (from, to): DayRange,
) -> Result<PlayerFunnel, ClickHouseError> {
    let sql = "with came as (select distinct player from sign_ups where toDate(at) between toDate(?) and toDate(?)),
                    bought as (select player, count() as requested, countIf(is_completed) as completed
                                 from purchase_outcomes where player in came group by player)
               select assumeNotNull((select count() from came)) as signed_up,
                      assumeNotNull((select uniqExact(player) from activity where player in came
                          and type not in ('account_opened', 'sign_up_bonus_granted'))) as active,
                      assumeNotNull((select count() from bought)) as requested,
                      assumeNotNull((select countIf(completed > 0) from bought)) as bought,
                      assumeNotNull((select countIf(completed > 1) from bought)) as bought_again";
    clickhouse.ask(sql).bind(from.to_string()).bind(to.to_string()).row().await
}

/// Why money was not paid.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct PaymentFailures {
    /// `failed` or `voided`.
    pub outcome: String,
    /// The reason's stored name.
    pub reason: String,
    /// How many purchases ended so.
    pub purchases: u64,
}

/// Purchases that came to nothing, by reason.
///
/// # Errors
/// If ClickHouse does not answer.
pub async fn payment_failures(
    clickhouse: &ClickHouse,
    days: DayRange,
) -> Result<Vec<PaymentFailures>, ClickHouseError> {
    let sql = "select toString(f.outcome) as outcome, toString(f.reason) as reason,
                      toUInt64(sum(f.purchases)) as purchases
                 from payment_failures as f where f.day between toDate(?) and toDate(?)
                group by outcome, reason order by outcome, reason";
    between(clickhouse, sql, days).await
}

/// Those who signed up on one day, and who of them did anything so many days later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cohort {
    /// The day of signing up.
    pub day: NaiveDate,
    /// How many signed up.
    pub players: u64,
    /// How many were active on the day itself, on the next one, and so on, as far as anybody was.
    pub active: Vec<u64>,
}

/// Cohorts of these days. Activity of as many days is counted as there are.
///
/// # Errors
/// If ClickHouse does not answer.
pub async fn cohorts(
    clickhouse: &ClickHouse,
    days: DayRange,
) -> Result<Vec<Cohort>, ClickHouseError> {
    #[derive(Row, Deserialize)]
    struct SignUps {
        #[serde(with = "clickhouse::serde::chrono::date")]
        day: NaiveDate,
        players: u64,
    }
    #[derive(Row, Deserialize)]
    struct Active {
        #[serde(with = "clickhouse::serde::chrono::date")]
        cohort: NaiveDate,
        day_number: u32,
        players: u64,
    }
    let sql = "select day, players from daily_sign_ups where day between toDate(?) and toDate(?) order by day";
    let sign_ups: Vec<SignUps> = between(clickhouse, sql, days).await?;
    let sql = "select cohort, day_number, players from retention where cohort between toDate(?) and toDate(?)";
    let active: Vec<Active> = between(clickhouse, sql, days).await?;
    let cohort = |SignUps { day, players }| {
        let of_day = || active.iter().filter(move |it| it.cohort == day);
        let last = of_day().map(|it| it.day_number + 1).max().unwrap_or(0);
        let on = |number| of_day().find(|it| it.day_number == number).map_or(0, |it| it.players);
        Cohort { day, players, active: (0..last).map(on).collect() }
    };
    Ok(sign_ups.into_iter().map(cohort).collect())
}

/// One who has spent much.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Whale {
    /// Whose id.
    pub player: i64,
    /// In which currency.
    pub currency: String,
    /// Completed purchases.
    pub purchases: u64,
    /// What they cost.
    pub sold_cents: u64,
    /// What was given back or taken back of that.
    pub given_back_cents: u64,
}

/// Those who have paid most, all time, less what they got back.
///
/// # Errors
/// If ClickHouse does not answer.
pub async fn whales(clickhouse: &ClickHouse, count: u32) -> Result<Vec<Whale>, ClickHouseError> {
    let sql = "select player, toString(currency) as currency, purchases, sold_cents, given_back_cents from whales
                order by toInt64(sold_cents) - toInt64(given_back_cents) desc, player limit ?";
    clickhouse.ask(sql).bind(count).rows().await
}

/// Whether gold comes in faster than the game bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Injection {
    /// The first day of the week that is looked at; the last one is the day asked for.
    pub from: NaiveDate,
    /// Gold in circulation when it began.
    pub gold_before: i64,
    /// Gold that came into wallets in it.
    pub gold_in: u64,
    /// Gold that went out of them.
    pub gold_out: u64,
    /// What came in, in hundredths of a percent of what there was; unknown where there was none.
    pub share: Option<i64>,
}

impl Injection {
    /// Whether more came in than so many percent of what there was.
    #[must_use]
    pub fn is_above(&self, percent: u32) -> bool {
        self.share.is_some_and(|share| share > i64::from(percent).saturating_mul(WHOLE / 100))
    }
}

/// The week that ends with a day.
///
/// # Errors
/// If ClickHouse does not answer.
pub async fn injection(
    clickhouse: &ClickHouse,
    until: NaiveDate,
) -> Result<Injection, ClickHouseError> {
    let before = until.checked_sub_days(Days::new(WEEK)).unwrap_or(NaiveDate::MIN);
    let from = before.succ_opt().unwrap_or(until);
    let gold_before = circulation(clickhouse, before).await?.gold();
    let sql = "select sum(paid_in + free_in), sum(paid_out + free_out) from daily_gold
                where day between toDate(?) and toDate(?)";
    let asked = clickhouse.ask(sql).bind(from.to_string()).bind(until.to_string());
    let (gold_in, gold_out): (u64, u64) = asked.row().await?;
    let share = share(gold_in, gold_before);
    Ok(Injection { from, gold_before, gold_in, gold_out, share })
}

fn share(part: u64, whole: i64) -> Option<i64> {
    if whole <= 0 {
        return None;
    }
    let share = i128::from(part) * i128::from(WHOLE) / i128::from(whole);
    Some(i64::try_from(share).unwrap_or(i64::MAX))
}

async fn between<T: clickhouse::RowOwned + clickhouse::RowRead>(
    clickhouse: &ClickHouse,
    sql: &str,
    (from, to): DayRange,
) -> Result<Vec<T>, ClickHouseError> {
    clickhouse.ask(sql).bind(from.to_string()).bind(to.to_string()).rows().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_above_the_share_and_not_at_it() {
        let injection = |gold_in| Injection {
            from: NaiveDate::default(),
            gold_before: 20_000,
            gold_in,
            gold_out: 0,
            share: share(gold_in, 20_000),
        };
        assert!(!injection(3_000).is_above(15));
        assert!(injection(3_002).is_above(15));
        assert!(!Injection { share: share(5, 0), ..injection(5) }.is_above(15));
    }
}
