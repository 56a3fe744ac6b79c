//! Every reward that was paid: by events, missions, leaderboards, the staff, and by the day.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use domain::account::{AccountEvent, RewardPaid};
use domain::event::ClubEvent;
use domain::id::{PlayerId, ReceiptCode};
use domain::money::Movement;
use domain::reward::{GivenItem, Reward};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::balances::amount;
use super::{At, Entry, ReadError, ReadModel, named, number, optional_json, read_at};
use super::{table, to_json};
use crate::copy::CopyRows;
use crate::follower::FollowerError;
use crate::position::bound_to_sql;

/// The view that readers use, and the beginning of its tables' names.
pub const NAME: &str = "rewards";
/// Raise it with any change of what this file makes of an event.
pub const VERSION: i32 = 1;

const COLUMNS: &str = "(
    position     bigint not null,
    player_id    bigint not null,
    at           timestamptz not null,
    kind         text   not null,
    reference    text   not null,
    receipt_code text,
    gold         bigint not null,
    vip_points   bigint not null,
    xp           bigint not null,
    items        text,
    actor        text   not null
)";

/// What a reward is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RewardKind {
    /// Taking part in an event.
    Event,
    /// A mission.
    Mission,
    /// A place on an event's leaderboard.
    Leaderboard,
    /// The staff's own choice.
    Gift,
    /// A day of a streak.
    Streak,
    /// A day's vip points.
    Vip,
}

impl RewardKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Event, Self::Mission, Self::Leaderboard, Self::Gift, Self::Streak, Self::Vip];

    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Mission => "mission",
            Self::Leaderboard => "leaderboard",
            Self::Gift => "gift",
            Self::Streak => "streak",
            Self::Vip => "vip",
        }
    }
}

/// A reward that was paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RewardRow {
    /// The event's number: the cursor of pages.
    pub position: u64,
    /// To whom.
    pub user_id: PlayerId,
    /// When.
    pub at: DateTime<Utc>,
    /// For what.
    pub kind: RewardKind,
    /// Which one: `2/2026-11-25T00:00:00Z` for an event's occurrence and its leaderboard,
    /// `3/2026-11-25` or `4/once` for a mission's period, a day for what is paid by the day, a
    /// gift's receipt.
    pub reference: String,
    /// Its id; what is paid by the day has none.
    pub receipt_code: Option<ReceiptCode>,
    /// How much gold, what repaid a debt included.
    pub gold: u64,
    /// How many vip points.
    pub vip_points: u64,
    /// How much experience.
    pub xp: u64,
    /// Which items.
    pub items: Vec<GivenItem>,
    /// Who gave or claimed it, as `kind:id`.
    pub actor: String,
}

/// Rewards, newest first: of one player (of all, if `None`), of one kind (all, if `None`), before the
/// position `before` (all, if `None`), `limit` at most. The next page is before the last one's
/// position.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn page(
    pool: &PgPool,
    player: Option<PlayerId>,
    kind: Option<RewardKind>,
    before: Option<u64>,
    limit: u32,
) -> Result<At<Vec<RewardRow>>, ReadError> {
    // What is not asked for falls away when the statement is planned, which is done each time.
    let rows = "select * from read.rewards
                 where position < $1 and ($2::bigint is null or player_id = $2)
                   and ($3::text is null or kind = $3)
                 order by position desc limit $4";
    let (before, limit) = (bound_to_sql(before), i64::from(limit));
    let (player, kind) = (player.map(|player| player.0), kind.map(RewardKind::name));
    read_at(
        pool,
        rows,
        |query| query.persistent(false).bind(before).bind(player).bind(kind).bind(limit),
        reward,
    )
    .await
}

fn reward(row: &PgRow) -> Result<RewardRow, ReadError> {
    let has_receipt = row.try_get::<Option<&str>, _>("receipt_code")?.is_some();
    let receipt_code = if has_receipt { Some(named(row, "receipt_code")?) } else { None };
    Ok(RewardRow {
        position: number(row, "position")?,
        user_id: PlayerId(row.try_get("player_id")?),
        at: row.try_get("at")?,
        kind: named(row, "kind")?,
        reference: row.try_get("reference")?,
        receipt_code,
        gold: number(row, "gold")?,
        vip_points: number(row, "vip_points")?,
        xp: number(row, "xp")?,
        items: optional_json(row, "items")?.unwrap_or_default(),
        actor: row.try_get("actor")?,
    })
}

/// A reward as an event tells it.
struct Paid<'a> {
    at: DateTime<Utc>,
    kind: RewardKind,
    reference: String,
    receipt_code: Option<ReceiptCode>,
    gold: u64,
    vip_points: u64,
    xp: u64,
    items: &'a [GivenItem],
}

impl<'a> Paid<'a> {
    fn of(event: &'a AccountEvent) -> Option<Self> {
        let (kind, reference) = match event {
            AccountEvent::EventClaimed { event_id, occurrence_at, .. } => {
                (RewardKind::Event, format!("{event_id}/{}", moment(occurrence_at)))
            }
            AccountEvent::PlaceRewarded { event_id, occurrence_at, .. } => {
                (RewardKind::Leaderboard, format!("{event_id}/{}", moment(occurrence_at)))
            }
            AccountEvent::MissionClaimed { mission_id, period, .. } => {
                (RewardKind::Mission, format!("{mission_id}/{period}"))
            }
            AccountEvent::RewardGifted { receipt_code, .. } => {
                (RewardKind::Gift, receipt_code.to_string())
            }
            AccountEvent::StreakClaimed { at, day, xp, movement, .. } => {
                let paid = Self::by_day(RewardKind::Streak, *at, *day);
                return Some(Self { gold: gold(movement), xp: *xp, ..paid });
            }
            AccountEvent::VipClaimed { at, day, vip_points, .. } => {
                let paid = Self::by_day(RewardKind::Vip, *at, *day);
                return Some(Self { vip_points: *vip_points, ..paid });
            }
            AccountEvent::AccountOpened { .. }
            | AccountEvent::SignUpBonusGranted { .. }
            | AccountEvent::GoldGranted { .. }
            | AccountEvent::VipPointsGranted { .. }
            | AccountEvent::GoldSpent { .. }
            | AccountEvent::PurchaseRequested { .. }
            | AccountEvent::PurchaseCompleted { .. }
            | AccountEvent::PurchaseFailed { .. }
            | AccountEvent::PurchaseVoided { .. }
            | AccountEvent::LateCaptureRefunded { .. }
            | AccountEvent::RefundRequested { .. }
            | AccountEvent::PurchaseRefunded { .. }
            | AccountEvent::RefundFailed { .. }
            | AccountEvent::PurchaseChargedBack { .. }
            | AccountEvent::PurchasesBlocked { .. }
            | AccountEvent::BenefitPurchased { .. }
            | AccountEvent::ItemUsed { .. }
            | AccountEvent::ItemExpired { .. }
            | AccountEvent::ItemRefunded { .. }
            | AccountEvent::SpendLimitSet { .. }
            | AccountEvent::CoolingOffStarted { .. }
            | AccountEvent::AccountClosed { .. }
            | AccountEvent::SelfExcluded { .. }
            | AccountEvent::EventJoined { .. }
            | AccountEvent::GrantTakenBack { .. } => return None,
        };
        let RewardPaid { at, receipt_code, reward, .. } = event.reward()?;
        Some(Self::under(receipt_code, kind, reference, (at, reward)))
    }

    fn under(
        receipt_code: ReceiptCode,
        kind: RewardKind,
        reference: String,
        (at, reward): (DateTime<Utc>, &'a Reward),
    ) -> Self {
        let Reward { vip_points, xp, items, .. } = reward;
        let (gold, vip_points, xp) = (reward.gold(), *vip_points, *xp);
        let receipt_code = Some(receipt_code);
        Self { at, kind, reference, receipt_code, gold, vip_points, xp, items }
    }

    fn by_day(kind: RewardKind, at: DateTime<Utc>, day: NaiveDate) -> Self {
        let reference = day.to_string();
        let (gold, vip_points, xp) = (0, 0, 0);
        Self { at, kind, reference, receipt_code: None, gold, vip_points, xp, items: &[] }
    }
}

fn gold(movement: &Movement) -> u64 {
    movement.gold.plus(movement.debt).total()
}

fn moment(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// Rewards in the form in which they are copied into the table: nothing about them changes later.
#[derive(Debug, Default)]
pub(crate) struct RewardsPaid(CopyRows);

impl ReadModel for RewardsPaid {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> i32 {
        VERSION
    }

    fn columns(&self) -> &'static str {
        COLUMNS
    }

    fn indexes(&self, table: &str) -> Vec<String> {
        vec![
            format!("alter table {table} add primary key (position)"),
            format!("create index on {table} (player_id, position)"),
        ]
    }

    fn fold(&mut self, entry: &Entry<'_>) {
        let ClubEvent::Account(player, event) = &entry.event else { return };
        let Some(paid) = Paid::of(event) else { return };
        let items = (!paid.items.is_empty()).then(|| to_json(&paid.items));
        self.0
            .row(11)
            .int(entry.position)
            .int(player.0)
            .time(paid.at)
            .text(paid.kind.name())
            .text(&paid.reference)
            .optional_text(paid.receipt_code.map(|code| code.to_string()).as_deref())
            .int(amount(paid.gold))
            .int(amount(paid.vip_points))
            .int(amount(paid.xp))
            .optional_text(items.as_deref())
            .text(entry.actor());
    }

    fn upsert<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        generation: i32,
    ) -> BoxFuture<'a, Result<(), FollowerError>> {
        Box::pin(async move { Ok(self.0.copy_into(connection, &table(NAME, generation)).await?) })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        rows.append(&mut self.0);
    }

    fn only_grows(&self) -> bool {
        true
    }
}
