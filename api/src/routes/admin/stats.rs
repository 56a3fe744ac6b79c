//! What was sold, and what the club owes for it.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use chrono::{DateTime, NaiveDate, Utc};
use projections::read_models::books::{self, Kinds, Prepaid};
use projections::read_models::catalog::{self, CatalogEntry};
use projections::read_models::packages;
use projections::read_models::purchases::{self, DaySums};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::docs::Problem;
use super::super::paging::query;
use crate::app::App;
use crate::auth::sign_in::rfc3339;
use crate::auth::{May, need};
use crate::error::ApiError;
use crate::reads;
use crate::request::MinPosition;

/// Which sales.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct StatsQuery {
    /// Requested at this moment or later.
    from: Option<DateTime<Utc>>,
    /// Requested before this moment.
    until: Option<DateTime<Utc>>,
}

/// What was sold, and what has become of all gold.
#[derive(Debug, Serialize, ToSchema)]
pub struct Stats {
    from: Option<String>,
    until: Option<String>,
    /// By day, kind, product and currency. A purchase belongs to the day (UTC) of its request, and
    /// so does what is given back of it.
    sales: Vec<Sales>,
    /// The same over all days and products, by kind and currency.
    totals: Vec<Totals>,
    /// The books of all time, whatever `from` and `until` say.
    prepaid: PrepaidView,
    /// The position that the sales show.
    position: u64,
}

/// What was sold of one product or package on one day.
#[derive(Debug, Serialize, ToSchema)]
pub struct Sales {
    #[schema(value_type = String, format = Date)]
    day: NaiveDate,
    product_id: Option<i64>,
    package_id: Option<String>,
    sku: String,
    #[serde(flatten)]
    sums: Totals,
}

/// Sums of purchases.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct Totals {
    /// `gold`: gold for money; `item`: benefits for gold.
    kind: &'static str,
    /// Of the money; `null` for benefits.
    currency: Option<String>,
    /// Purchases requested, however they ended.
    requested: u64,
    /// Purchases paid, whatever was given back since. All that follows is of these.
    completed: u64,
    /// Money charged.
    amount_cents: u64,
    /// Money given back by the provider.
    refunded_cents: u64,
    /// Money taken back by banks.
    charged_back_cents: u64,
    /// What is left of the money; below zero only if more was taken back than charged.
    net_cents: i64,
    /// Gold sold.
    gold: u64,
    /// Gold spent on benefits.
    gold_spent: u64,
    /// Gold that went the other way: taken back with refunds and chargebacks, or returned for
    /// benefits taken back.
    gold_reversed: u64,
}

/// Gold that was sold or given before it is spent. Of each kind,
/// `outstanding - owed = sold + given - spent - refunded`.
#[derive(Debug, Serialize, ToSchema)]
pub struct PrepaidView {
    /// Gold that players have. Its `paid` part was paid for and is still to be served.
    outstanding: KindsView,
    /// Gold that players owe after refunds of what they had spent: only both kinds together mean
    /// something.
    owed: KindsView,
    /// Gold sold for real money.
    sold: KindsView,
    /// Gold given.
    given: KindsView,
    /// Gold spent, less what was returned for items taken back.
    spent: KindsView,
    /// Gold taken back with refunds and chargebacks, what became a debt included.
    refunded: KindsView,
    /// The position that this part shows.
    position: u64,
}

/// Gold by origin.
#[derive(Debug, Serialize, ToSchema)]
pub struct KindsView {
    /// Bought with real money.
    paid: i64,
    /// Given.
    free: i64,
}

impl From<Kinds> for KindsView {
    fn from(Kinds { paid, free }: Kinds) -> Self {
        Self { paid, free }
    }
}

impl PrepaidView {
    fn of(prepaid: Prepaid, position: u64) -> Self {
        Self {
            outstanding: prepaid.outstanding.into(),
            owed: prepaid.owed.into(),
            sold: prepaid.sold.into(),
            given: prepaid.given.into(),
            spent: prepaid.spent.into(),
            refunded: prepaid.refunded.into(),
            position,
        }
    }
}

impl From<DaySums> for Sales {
    fn from(day: DaySums) -> Self {
        let mut sums = Totals {
            kind: day.kind.name(),
            currency: day.currency,
            requested: day.requested,
            completed: day.completed,
            amount_cents: day.amount_cents,
            refunded_cents: day.refunded_cents,
            charged_back_cents: day.charged_back_cents,
            net_cents: 0,
            gold: day.gold,
            gold_spent: day.gold_spent,
            gold_reversed: day.gold_reversed,
        };
        sums.net();
        let (product_id, package_id, sku) = (day.product_id, day.package_code, day.sku);
        Self { day: day.day, product_id, package_id, sku, sums }
    }
}

impl Totals {
    fn net(&mut self) {
        let back = self.refunded_cents.saturating_add(self.charged_back_cents);
        let cents = i128::from(self.amount_cents) - i128::from(back);
        self.net_cents = i64::try_from(cents).unwrap_or(i64::MAX);
    }

    fn add(&mut self, other: &Self) {
        let sums = [
            (&mut self.requested, other.requested),
            (&mut self.completed, other.completed),
            (&mut self.amount_cents, other.amount_cents),
            (&mut self.refunded_cents, other.refunded_cents),
            (&mut self.charged_back_cents, other.charged_back_cents),
            (&mut self.gold, other.gold),
            (&mut self.gold_spent, other.gold_spent),
            (&mut self.gold_reversed, other.gold_reversed),
        ];
        for (sum, more) in sums {
            *sum = sum.saturating_add(more);
        }
        self.net();
    }

    fn of_all(sales: &[Sales]) -> Vec<Self> {
        let mut totals: Vec<Self> = vec![];
        for Sales { sums, .. } in sales {
            let is_same = |t: &&mut Self| t.kind == sums.kind && t.currency == sums.currency;
            match totals.iter_mut().find(is_same) {
                Some(total) => total.add(sums),
                None => totals.push(sums.clone()),
            }
        }
        totals
    }
}

/// Sales by product and day, and the prepaid gold that players have not spent.
#[utoipa::path(get, path = "/api/admin/shop/stats", tag = "administration",
    security(("token" = ["see_players"])),
    params(StatsQuery,
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "sums", body = Stats),
        (status = 403, description = "not allowed", body = Problem)))]
pub async fn stats(
    State(app): State<App>,
    staff: May<need::SeePlayers>,
    min: MinPosition,
    asked: Result<Query<StatsQuery>, QueryRejection>,
) -> Result<Json<Stats>, ApiError> {
    let StatsQuery { from, until } = query(asked)?;
    reads::caught_up(&app, Some(staff.id()), min).await?;
    let sums = purchases::sums(&app.pool, from, until).await?;
    let prepaid = books::prepaid(&app.pool).await?;
    let sales: Vec<Sales> = sums.rows.into_iter().map(Sales::from).collect();
    Ok(Json(Stats {
        from: from.map(rfc3339),
        until: until.map(rfc3339),
        totals: Totals::of_all(&sales),
        sales,
        prepaid: PrepaidView::of(prepaid.rows, prepaid.position),
        position: sums.position,
    }))
}

/// One shelf of the shop.
#[derive(Debug, Serialize, ToSchema)]
pub struct Category {
    /// `packs`, `benefits` or `packages`.
    id: &'static str,
    name: &'static str,
    name_en: &'static str,
    /// How many there are.
    count: usize,
    /// How many of them can be bought now.
    on_sale: usize,
}

/// The shelves of the shop, and how much is on each.
#[utoipa::path(get, path = "/api/admin/shop/categories", tag = "administration",
    security(("token" = ["see_players"])),
    params(("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "packs, benefits, packages", body = Vec<Category>),
        (status = 403, description = "not allowed", body = Problem)))]
pub async fn categories(
    State(app): State<App>,
    staff: May<need::SeePlayers>,
    min: MinPosition,
) -> Result<Json<Vec<Category>>, ApiError> {
    reads::caught_up(&app, Some(staff.id()), min).await?;
    let now = app.commands.clock.now();
    let (mut packs, mut benefits) = (vec![], vec![]);
    for entry in catalog::all(&app.pool).await?.rows {
        match entry {
            CatalogEntry::Pack(pack) => packs.push(pack.on_sale),
            CatalogEntry::Benefit(benefit) => benefits.push(benefit.on_sale),
        }
    }
    let packages = packages::list(&app.pool).await?.rows;
    let packages = packages.iter().map(|package| package.is_sold_at(now)).collect();
    let category = |id, name, name_en, on_sale: Vec<bool>| Category {
        id,
        name,
        name_en,
        count: on_sale.len(),
        on_sale: on_sale.iter().filter(|on_sale| **on_sale).count(),
    };
    Ok(Json(vec![
        category("packs", "골드 팩", "Gold packs", packs),
        category("benefits", "혜택", "Benefits", benefits),
        category("packages", "한정 패키지", "Limited packages", packages),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_by_kind_and_currency() {
        let sales = |kind, currency: Option<&str>, amount_cents| {
            let currency = currency.map(str::to_owned);
            let mut sums = Totals { kind, currency, amount_cents, ..Totals::default() };
            sums.refunded_cents = amount_cents / 2;
            sums.net();
            let (day, sku) = (NaiveDate::default(), String::new());
            Sales { day, product_id: None, package_id: None, sku, sums }
        };
        let usd = Some("USD");
        let all = [sales("gold", usd, 4), sales("item", None, 0), sales("gold", usd, 6)];
        let totals = Totals::of_all(&all);
        let told: Vec<_> = totals.iter().map(|t| (t.kind, t.amount_cents, t.net_cents)).collect();
        assert_eq!(told, [("gold", 10, 5), ("item", 0, 0)]);
    }
}
