//! What a mail tells of the event that it is about, in the form in which people read it.

use chrono::{DateTime, FixedOffset, Utc};
use domain::account::AccountEvent;
use domain::campaign::CampaignTerms;
use domain::event::ClubEvent;
use domain::id::ReceiptCode;
use domain::identity::IdentityEvent;
use domain::money::Movement;
use projections::read_models::ReadError;
use projections::read_models::purchases::{self, Purchase};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::auth::users::Language;

/// Who writes.
pub(super) const CLUB: &str = "Casino Club";
/// Korea's distance from UTC.
const KOREA_SECONDS: i32 = 9 * 3_600;

/// Where figures come from, and for whom.
pub(super) struct Figures<'a> {
    pub(super) pool: &'a PgPool,
    pub(super) language: Language,
}

impl Figures<'_> {
    /// Of an event; `None` if the purchase that it is about is not projected yet.
    pub(super) async fn of(&self, event: &ClubEvent) -> anyhow::Result<Option<Value>> {
        match event {
            ClubEvent::Account(_, event) => self.of_account(event).await,
            ClubEvent::Identity(_, IdentityEvent::Banned { at, until }) => Ok(Some(json!({
                "at": moment(*at, self.language),
                "until": until.map(|until| moment(until, self.language)),
            }))),
            _ => Ok(Some(json!({}))),
        }
    }

    async fn of_account(&self, event: &AccountEvent) -> anyhow::Result<Option<Value>> {
        match event {
            AccountEvent::PurchaseCompleted { at, receipt_code, movement } => {
                let Some(bought) = self.purchase(*receipt_code).await? else { return Ok(None) };
                let amount = self.money(bought.amount_cents, bought.currency.as_deref());
                Ok(Some(json!({
                    "at": moment(*at, self.language),
                    "receipt_code": receipt_code.to_string(),
                    "sku": bought.sku,
                    "quantity": bought.quantity,
                    "amount": amount,
                    "gold": grouped(movement.gold.plus(movement.debt).total()),
                    "balance": grouped(movement.balance.gold()),
                })))
            }
            AccountEvent::PurchaseRefunded {
                at,
                receipt_code,
                amount_cents,
                left_cents,
                movement,
                ..
            } => {
                let (money, left) = (amount_cents.0, left_cents.0);
                self.refund((*at, *receipt_code), (money, left), Some(movement)).await
            }
            AccountEvent::LateCaptureRefunded { at, receipt_code, amount_cents } => {
                self.refund((*at, *receipt_code), (amount_cents.0, 0), None).await
            }
            _ => Ok(Some(json!({}))),
        }
    }

    async fn refund(
        &self,
        (at, receipt_code): (DateTime<Utc>, ReceiptCode),
        (cents, left_cents): (u64, u64),
        movement: Option<&Movement>,
    ) -> anyhow::Result<Option<Value>> {
        let Some(bought) = self.purchase(receipt_code).await? else { return Ok(None) };
        let money = |cents| self.money(cents, bought.currency.as_deref());
        let taken = movement.map_or(0, |movement| movement.gold.plus(movement.debt).total());
        Ok(Some(json!({
            "at": moment(at, self.language),
            "receipt_code": receipt_code.to_string(),
            "amount": money(cents),
            "left": (left_cents > 0).then(|| money(left_cents)),
            "gold_taken": (taken > 0).then(|| grouped(taken)),
            "debt": movement.map(|it| it.balance.debt).filter(|debt| *debt > 0).map(grouped),
        })))
    }

    async fn purchase(&self, receipt: ReceiptCode) -> anyhow::Result<Option<Purchase>> {
        match purchases::by_receipt(self.pool, receipt).await {
            Ok(found) => Ok(found.rows),
            Err(ReadError::NotBuilt) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn money(&self, cents: u64, currency: Option<&str>) -> String {
        money(cents, currency.unwrap_or("USD"), self.language)
    }
}

/// What a campaign says.
pub(super) fn campaign(terms: &CampaignTerms, language: Language) -> Value {
    let (title, body) = match language {
        Language::Korean => (&terms.subject, &terms.body),
        Language::English => (&terms.subject_en, &terms.body_en),
    };
    let paragraph = |text: &str| {
        let is_link = text.starts_with("https://") && !text.contains(char::is_whitespace);
        json!({ "link": is_link.then_some(text), "text": text })
    };
    let parts = body.split("\n\n").map(str::trim).filter(|part| !part.is_empty());
    json!({ "title": title, "paragraphs": parts.map(paragraph).collect::<Vec<_>>() })
}

/// An amount as people write it. Every amount of the club is in hundredths of its currency's unit.
fn money(cents: u64, currency: &str, language: Language) -> String {
    let amount = format!("{}.{:02}", grouped(cents / 100), cents % 100);
    match (currency, language) {
        ("USD", Language::Korean) => format!("US${amount}"),
        ("USD", Language::English) => format!("${amount}"),
        (other, _) => format!("{amount} {other}"),
    }
}

/// A number with a comma before each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A moment as people read it: in Korea's time for whoever reads Korean, in UTC for others.
pub(super) fn moment(at: DateTime<Utc>, language: Language) -> String {
    match (language, FixedOffset::east_opt(KOREA_SECONDS)) {
        (Language::Korean, Some(korea)) => {
            at.with_timezone(&korea).format("%Y년 %-m월 %-d일 %H:%M (한국 시간)").to_string()
        }
        _ => at.format("%-d %B %Y, %H:%M UTC").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_people_write_them() {
        assert_eq!(money(299, "USD", Language::Korean), "US$2.99");
        assert_eq!(money(504_815, "USD", Language::English), "$5,048.15");
        assert_eq!(money(5, "EUR", Language::English), "0.05 EUR");
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn moments_are_told_with_their_time_zone() {
        let at: DateTime<Utc> = "2026-11-26T20:05:00Z".parse().unwrap();
        assert_eq!(moment(at, Language::Korean), "2026년 11월 27일 05:05 (한국 시간)");
        assert_eq!(moment(at, Language::English), "26 November 2026, 20:05 UTC");
    }
}
