//! The sandbox's books: its own tables, its own transactions. Whoever comes first decides what a
//! charge is; everybody learns what was decided.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::id::ReceiptCode;
use domain::money::{Cents, Currency};
use sqlx::{FromRow, PgConnection, PgExecutor, PgPool};

use super::card::{Card, Deed, State, reason};
use super::webhooks::{self, Letter};
use crate::payments::{
    Charge, ChargeState, Notice, ProviderError, ProviderRecord, Refund, RefundState,
};

/// Records on one page.
const PAGE: i64 = 500;
/// What [`Row`] reads.
const COLUMNS: &str = "charge_id, state, reason, card, amount_cents, refunded_cents, charged_back";

/// A charge to be recorded, unless it is there.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub charge: Charge,
    pub state: State,
    /// The token of a card that does something unusual.
    pub card: Option<&'static str>,
}

impl Entry {
    /// As this card makes it begin.
    pub(super) fn of(charge: &Charge, card: Card) -> Self {
        Self { charge: charge.clone(), state: card.state(), card: card.token() }
    }

    /// Given up before it began.
    pub(super) fn voided(charge: &Charge) -> Self {
        Self { charge: charge.clone(), state: State::Voided, card: None }
    }
}

#[derive(Debug, FromRow)]
struct Row {
    charge_id: String,
    state: String,
    reason: Option<String>,
    card: Option<String>,
    amount_cents: i64,
    refunded_cents: i64,
    charged_back: bool,
}

impl Row {
    fn state(&self) -> ChargeState {
        match &*self.state {
            "captured" => ChargeState::Captured {
                refunded: cents(self.refunded_cents),
                charged_back: self.charged_back,
            },
            "declined" => ChargeState::Declined(reason(self.reason.as_deref())),
            "voided" => ChargeState::Voided,
            _ => ChargeState::Pending,
        }
    }
}

fn cents(stored: i64) -> Cents {
    Cents(u64::try_from(stored).unwrap_or_default())
}

fn stored(cents: Cents) -> i64 {
    i64::try_from(cents.0).unwrap_or(i64::MAX)
}

/// What many callers want at once.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    /// Charges to be recorded, unless they are there.
    pub entries: Vec<Entry>,
    /// Charges to be decided, if they are still pending.
    pub decisions: Vec<(String, State)>,
    /// Charges that somebody asks about.
    pub asked: Vec<String>,
}

/// Does it all in a statement of each kind. Returns how each charge stands now, by charge id; those
/// that nobody has heard of are missing.
pub(super) async fn fulfil(
    pool: &PgPool,
    wishes: &Wishes,
    now: DateTime<Utc>,
) -> sqlx::Result<HashMap<String, ChargeState>> {
    let Wishes { entries, decisions, asked } = wishes;
    let mut known = match &entries[..] {
        [] => HashMap::new(),
        entries => insert(pool, entries, now).await?,
    };
    decide_all(pool, decisions).await?;
    let recorded = entries.iter().map(|entry| entry.charge.charge_id.to_string());
    // Some were there before.
    let there: Vec<String> = recorded.filter(|id| !known.contains_key(id)).collect();
    let decided = decisions.iter().map(|(id, _)| id.clone());
    let open: Vec<String> = there.into_iter().chain(decided).chain(asked.iter().cloned()).collect();
    if !open.is_empty() {
        let query = format!("select {COLUMNS} from sandbox.charges where charge_id = any($1)");
        let rows: Vec<Row> = sqlx::query_as(&query).bind(&open).fetch_all(pool).await?;
        known.extend(rows.into_iter().map(|row| (row.charge_id.clone(), row.state())));
    }
    Ok(known)
}

/// Decides charges that are still pending.
async fn decide_all(pool: &PgPool, decisions: &[(String, State)]) -> sqlx::Result<()> {
    if decisions.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = decisions.iter().map(|(id, _)| id.as_str()).collect();
    let states: Vec<&str> = decisions.iter().map(|(_, state)| state.name()).collect();
    let reasons: Vec<_> = decisions.iter().map(|(_, state)| state.reason()).collect();
    sqlx::query(
        "update sandbox.charges charge set state = decision.state, reason = decision.reason \
           from (select distinct on (id) id, state, reason \
                   from unnest($1::text[], $2::text[], $3::text[]) with ordinality \
                        as said (id, state, reason, n) order by id, n) as decision \
          where charge.charge_id = decision.id and charge.state = 'pending'",
    )
    .bind(ids)
    .bind(states)
    .bind(reasons)
    .execute(pool)
    .await
    .map(drop)
}

/// Inserts those that are not there, and returns them.
async fn insert(
    executor: impl PgExecutor<'_>,
    entries: &[Entry],
    now: DateTime<Utc>,
) -> sqlx::Result<HashMap<String, ChargeState>> {
    let charges = || entries.iter().map(|entry| &entry.charge);
    let states: Vec<&str> = entries.iter().map(|entry| entry.state.name()).collect();
    let reasons: Vec<_> = entries.iter().map(|entry| entry.state.reason()).collect();
    let cards: Vec<_> = entries.iter().map(|entry| entry.card).collect();
    let query = format!(
        "insert into sandbox.charges \
             (charge_id, receipt_code, state, reason, card, amount_cents, currency, created_at) \
         select distinct on (id) id, receipt, state, reason, card, cents, currency, $8 \
           from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], \
                       $6::bigint[], $7::text[]) with ordinality \
                as charge (id, receipt, state, reason, card, cents, currency, n) \
          order by id, n \
         on conflict (charge_id) do nothing returning {COLUMNS}"
    );
    let rows: Vec<Row> = sqlx::query_as(&query)
        .bind(charges().map(|charge| charge.charge_id.to_string()).collect::<Vec<_>>())
        .bind(charges().map(|charge| charge.receipt_code.to_string()).collect::<Vec<_>>())
        .bind(&states)
        .bind(&reasons)
        .bind(&cards)
        .bind(charges().map(|charge| stored(charge.amount)).collect::<Vec<_>>())
        .bind(charges().map(|charge| charge.currency.into()).collect::<Vec<String>>())
        .bind(now)
        .fetch_all(executor)
        .await?;
    Ok(rows.into_iter().map(|row| (row.charge_id.clone(), row.state())).collect())
}

/// Records a charge whose card does something later. The letter is for the caller to send, and
/// waits until it is due in case the caller does not.
pub(super) async fn record_with_consequences(
    pool: &PgPool,
    entry: &Entry,
    deed: Option<(Deed, DateTime<Utc>)>,
    letter: Option<&Letter>,
    now: DateTime<Utc>,
) -> sqlx::Result<(ChargeState, bool)> {
    let mut transaction = pool.begin().await?;
    let inserted = insert(&mut *transaction, std::slice::from_ref(entry), now).await?;
    if inserted.is_empty() {
        let row = find(&mut transaction, &entry.charge).await?;
        return Ok((row.map_or(ChargeState::Unknown, |row| row.state()), false));
    }
    if let Some((deed, due_at)) = deed {
        put_on_agenda(&mut transaction, &entry.charge, deed, due_at).await?;
    }
    if let Some(letter) = letter {
        webhooks::post(&mut transaction, letter).await?;
    }
    transaction.commit().await?;
    let state = inserted.into_values().next().unwrap_or(ChargeState::Unknown);
    Ok((state, true))
}

async fn put_on_agenda(
    connection: &mut PgConnection,
    charge: &Charge,
    deed: Deed,
    due_at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query("insert into sandbox.agenda (charge_id, deed, due_at) values ($1, $2, $3)")
        .bind(charge.charge_id.to_string())
        .bind(deed.name())
        .bind(due_at)
        .execute(connection)
        .await
        .map(drop)
}

/// The charge, which stays as it is until the transaction ends.
async fn find(connection: &mut PgConnection, charge: &Charge) -> sqlx::Result<Option<Row>> {
    let query = format!("select {COLUMNS} from sandbox.charges where charge_id = $1 for update");
    sqlx::query_as(&query).bind(charge.charge_id.to_string()).fetch_optional(connection).await
}

/// How a charge stands.
pub(super) async fn status(pool: &PgPool, charge: &Charge) -> sqlx::Result<ChargeState> {
    let query = format!("select {COLUMNS} from sandbox.charges where charge_id = $1");
    let id = charge.charge_id.to_string();
    let row: Option<Row> = sqlx::query_as(&query).bind(id).fetch_optional(pool).await?;
    Ok(row.map_or(ChargeState::Unknown, |row| row.state()))
}

/// Takes the money of a pending charge.
pub(super) async fn capture(pool: &PgPool, charge: &Charge) -> sqlx::Result<ChargeState> {
    decide(pool, charge, State::Captured).await?;
    status(pool, charge).await
}

/// Gives a charge up, heard of or not, unless it was decided otherwise. A card that captures all
/// the same is put on the agenda for then.
pub(super) async fn void(
    pool: &PgPool,
    charge: &Charge,
    now: DateTime<Utc>,
    later: DateTime<Utc>,
) -> sqlx::Result<ChargeState> {
    let mut transaction = pool.begin().await?;
    insert(&mut *transaction, &[Entry::voided(charge)], now).await?;
    let Some(row) = find(&mut transaction, charge).await? else { return Ok(ChargeState::Unknown) };
    if row.state() != ChargeState::Pending {
        transaction.commit().await?;
        return Ok(row.state());
    }
    decide(&mut *transaction, charge, State::Voided).await?;
    if row.card.as_deref() == Card::CaptureAfterVoid.token() {
        put_on_agenda(&mut transaction, charge, Deed::Capture, later).await?;
    }
    transaction.commit().await?;
    Ok(ChargeState::Voided)
}

/// Decides a charge that is still pending.
async fn decide(executor: impl PgExecutor<'_>, charge: &Charge, state: State) -> sqlx::Result<()> {
    sqlx::query(
        "update sandbox.charges set state = $2, reason = $3 \
          where charge_id = $1 and state = 'pending'",
    )
    .bind(charge.charge_id.to_string())
    .bind(state.name())
    .bind(state.reason())
    .execute(executor)
    .await
    .map(drop)
}

/// Gives money back: each refund once, and never more than was taken.
pub(super) async fn refund(
    pool: &PgPool,
    charge: &Charge,
    refund: &Refund,
    now: DateTime<Utc>,
) -> sqlx::Result<RefundState> {
    let mut transaction = pool.begin().await?;
    let Some(row) = find(&mut transaction, charge).await? else { return Ok(RefundState::Refused) };
    let known = "select exists (select from sandbox.refunds where refund_id = $1)";
    let done: bool =
        sqlx::query_scalar(known).bind(&refund.id).fetch_one(&mut *transaction).await?;
    if done {
        return Ok(RefundState::Done { refunded: cents(row.refunded_cents) });
    }
    let left = if row.state == "captured" && !row.charged_back {
        cents(row.amount_cents - row.refunded_cents)
    } else {
        Cents(0)
    };
    let refuses = row.card.as_deref() == Card::RefundRefused.token();
    if refuses || refund.amount > left || refund.amount == Cents(0) {
        return Ok(RefundState::Refused);
    }
    sqlx::query(
        "insert into sandbox.refunds (refund_id, charge_id, amount_cents, created_at) \
         values ($1, $2, $3, $4)",
    )
    .bind(&refund.id)
    .bind(&row.charge_id)
    .bind(stored(refund.amount))
    .bind(now)
    .execute(&mut *transaction)
    .await?;
    let add = "update sandbox.charges set refunded_cents = refunded_cents + $2 \
                where charge_id = $1 returning refunded_cents";
    let refunded: i64 = sqlx::query_scalar(add)
        .bind(&row.charge_id)
        .bind(stored(refund.amount))
        .fetch_one(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(RefundState::Done { refunded: cents(refunded) })
}

/// What a message decides about a charge that is still pending, if it is about that.
pub(super) fn decision(notice: &Notice) -> Option<State> {
    match &*notice.status {
        "succeeded" => Some(State::Captured),
        "failed" => Some(State::Declined(reason(notice.reason.as_deref()))),
        _ => None,
    }
}

/// What a message says of a charge that is captured.
pub(super) async fn take_note(pool: &PgPool, charge: &Charge, notice: &Notice) -> sqlx::Result<()> {
    let deed = match &*notice.status {
        "refunded" => Deed::Refund,
        "charged_back" => Deed::ChargeBack,
        _ => return Ok(()),
    };
    do_deed(pool, &charge.charge_id.to_string(), deed).await.map(drop)
}

/// Does what was on the agenda, if it still can be done: then there is something to tell.
pub(super) async fn do_deed(
    executor: impl PgExecutor<'_>,
    charge_id: &str,
    deed: Deed,
) -> sqlx::Result<Option<Letter>> {
    let (change, status) = match deed {
        Deed::Capture => (
            "state = 'captured' where charge_id = $1 and \
             (state = 'pending' or state = 'voided' and card = 'tok_capture_after_void')",
            "succeeded",
        ),
        Deed::Decline => (
            "state = 'declined', reason = 'PAYMENT_DECLINED' \
             where charge_id = $1 and state = 'pending'",
            "failed",
        ),
        Deed::Refund => (
            "refunded_cents = amount_cents where charge_id = $1 \
             and state = 'captured' and not charged_back and refunded_cents < amount_cents",
            "refunded",
        ),
        Deed::ChargeBack => (
            "charged_back = true where charge_id = $1 \
             and state = 'captured' and not charged_back and refunded_cents < amount_cents",
            "charged_back",
        ),
    };
    let query = format!("update sandbox.charges set {change} returning receipt_code, reason");
    let row: Option<(Option<String>, Option<String>)> =
        sqlx::query_as(&query).bind(charge_id).fetch_optional(executor).await?;
    let Some((Some(receipt_code), reason_code)) = row else { return Ok(None) };
    Ok(Some(Letter::new(receipt_code, status, reason_code)))
}

#[derive(FromRow)]
struct Listed {
    receipt_code: Option<String>,
    currency: String,
    #[sqlx(flatten)]
    row: Row,
}

/// A page of all charges, in the order of their ids: the one order that costs no index.
pub(super) async fn records(
    pool: &PgPool,
    after: Option<&ProviderRecord>,
) -> Result<Vec<ProviderRecord>, ProviderError> {
    let query = format!(
        "select receipt_code, currency, {COLUMNS} from sandbox.charges \
          where charge_id > $1 order by charge_id limit $2"
    );
    let page: Vec<Listed> = sqlx::query_as(&query)
        .bind(after.map_or("", |record| &record.cursor))
        .bind(PAGE)
        .fetch_all(pool)
        .await
        .map_err(ProviderError::new)?;
    page.iter().map(listed).collect()
}

fn listed(listed: &Listed) -> Result<ProviderRecord, ProviderError> {
    let receipt = |text: &String| text.parse::<ReceiptCode>().map_err(ProviderError::new);
    Ok(ProviderRecord {
        charge_id: listed.row.charge_id.parse().map_err(ProviderError::new)?,
        receipt_code: listed.receipt_code.as_ref().map(receipt).transpose()?,
        state: listed.row.state(),
        amount: cents(listed.row.amount_cents),
        currency: Currency::new(&listed.currency)
            .ok_or_else(|| ProviderError::new("a currency cannot be read"))?,
        cursor: listed.row.charge_id.clone(),
    })
}
