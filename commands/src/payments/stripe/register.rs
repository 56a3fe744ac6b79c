//! Our own list of which PaymentIntent stands for which charge. An intent is given a card only
//! after it has been written here, so what is not here can never take money.

use chrono::{DateTime, Utc};
use domain::id::ReceiptCode;
use sqlx::{FromRow, PgPool};

use crate::payments::{Charge, ProviderError};

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Register(pub PgPool);

/// What is to be written, if nothing is there.
#[derive(Debug, Clone, Copy)]
pub(super) enum Entry<'a> {
    /// The intent with this name.
    Intent(&'a str),
    /// It never gets an intent: given up.
    Voided,
    /// It never gets an intent: there is no card.
    Declined,
}

/// What stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Stripe knows more of it.
    Intent(String),
    /// Given up before there was an intent.
    Voided,
    /// The card is none that Stripe can charge.
    Declined,
}

#[derive(FromRow)]
struct Row {
    intent_id: Option<String>,
    declined: bool,
}

impl From<Row> for Standing {
    fn from(row: Row) -> Self {
        match row {
            Row { declined: true, .. } => Self::Declined,
            Row { intent_id: Some(intent), .. } => Self::Intent(intent),
            Row { intent_id: None, .. } => Self::Voided,
        }
    }
}

impl Register {
    /// What stands there for a charge.
    pub(super) async fn find(&self, charge: &Charge) -> Result<Option<Standing>, ProviderError> {
        let query = "select intent_id, declined from payments.stripe_intents where charge_id = $1";
        let row: Option<Row> = sqlx::query_as(query)
            .bind(charge.charge_id.to_string())
            .fetch_optional(&self.0)
            .await
            .map_err(ProviderError::new)?;
        Ok(row.map(Standing::from))
    }

    /// Writes an entry. Whoever comes first decides; everybody learns what stands there.
    pub(super) async fn write(
        &self,
        charge: &Charge,
        entry: Entry<'_>,
        now: DateTime<Utc>,
    ) -> Result<Standing, ProviderError> {
        let intent = match entry {
            Entry::Intent(intent) => Some(intent),
            Entry::Voided | Entry::Declined => None,
        };
        sqlx::query(
            "insert into payments.stripe_intents \
                 (charge_id, receipt_code, intent_id, declined, created_at) \
             values ($1, $2, $3, $4, $5) on conflict (charge_id) do nothing",
        )
        .bind(charge.charge_id.to_string())
        .bind(charge.receipt_code.to_string())
        .bind(intent)
        .bind(matches!(entry, Entry::Declined))
        .bind(now)
        .execute(&self.0)
        .await
        .map_err(ProviderError::new)?;
        let standing = self.find(charge).await?;
        standing.ok_or_else(|| ProviderError::new("the intent was not written"))
    }

    /// The card turned out to be none that Stripe can charge.
    pub(super) async fn decline(&self, charge: &Charge) -> Result<(), ProviderError> {
        sqlx::query("update payments.stripe_intents set declined = true where charge_id = $1")
            .bind(charge.charge_id.to_string())
            .execute(&self.0)
            .await
            .map(drop)
            .map_err(ProviderError::new)
    }

    /// The purchase behind an intent.
    pub(super) async fn receipt_of(
        &self,
        intent: &str,
    ) -> Result<Option<ReceiptCode>, ProviderError> {
        let query = "select receipt_code from payments.stripe_intents where intent_id = $1";
        let receipt: Option<String> = sqlx::query_scalar(query)
            .bind(intent)
            .fetch_optional(&self.0)
            .await
            .map_err(ProviderError::new)?;
        receipt.map(|text| text.parse().map_err(ProviderError::new)).transpose()
    }
}
