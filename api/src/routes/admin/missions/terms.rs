//! A mission's terms, as the staff sends and sees them.

use domain::mission::{MissionTerms, Prerequisite};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::super::play::RewardsView;
use super::super::packages::ends_after;
use crate::auth::sign_in::rfc3339;
use crate::body::values;
use crate::body::{Fields, play};
use crate::error::ApiError;

/// What a mission is and pays: what is left out is set to its default.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body")]
pub struct MissionWish {
    /// Korean name.
    name: String,
    /// English name.
    name_en: String,
    /// What is counted, such as `play_count`, `win_count`, `spend_gold`, `purchase_count`, `login`.
    counter: String,
    /// How much of it.
    target: u64,
    /// `daily`, `weekly` or `once`; `daily`, if left out.
    period: Option<String>,
    /// The first moment at which something counts for it; always, if left out.
    starts_at: Option<chrono::DateTime<chrono::Utc>>,
    /// The first moment at which nothing does any more; never, if left out.
    ends_at: Option<chrono::DateTime<chrono::Utc>>,
    /// `{"gold": 500, "vip_points": 5, "xp": 50, "items": [{"product_id": 2001, "quantity": 1}]}`.
    rewards: serde_json::Value,
    /// Older missions that must be complete before it can be claimed: `1`, `{"all": [1, 2]}` or
    /// `{"any": [1, {"all": [2, 3]}]}`.
    requires: Option<serde_json::Value>,
    /// Higher ones are shown first; 0, if left out.
    priority: Option<i32>,
    /// Whether it is on the board; true, if left out.
    is_active: Option<bool>,
    /// When a mission is made: what was done after this position of the log counts for it, too; 0
    /// is from the very beginning. What was done before does not count, if left out.
    counts_after: Option<u64>,
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

/// The terms of a body, and what came with them.
#[derive(Debug)]
pub(super) struct SentTerms {
    pub(super) terms: MissionTerms,
    pub(super) counts_after: Option<u64>,
    pub(super) idempotency_key: Option<String>,
}

impl SentTerms {
    pub(super) fn parse(mut fields: Fields) -> Result<Self, ApiError> {
        let idempotency_key = fields.nullable("idempotency_key", values::secret(0, 10_000));
        let counts_after = fields.nullable("counts_after", values::position);
        let terms = terms(&mut fields);
        fields.finish(|| Some(Self { terms: terms?, counts_after, idempotency_key }))
    }
}

fn terms(fields: &mut Fields) -> Option<MissionTerms> {
    let name = fields.required("name", values::line(1, 100));
    let name_en = fields.required("name_en", values::line(1, 100));
    let counter = fields.required("counter", play::counter);
    let target = fields.required("target", play::amount);
    let cadence = fields.nullable("period", play::cadence);
    let starts_at = fields.nullable("starts_at", values::moment);
    let ends_at = fields.nullable("ends_at", values::moment);
    let rewards = fields.required("rewards", play::some_rewards);
    let requires = fields.nullable("requires", play::prerequisite);
    let priority = fields.nullable("priority", values::priority);
    let is_active = fields.nullable("is_active", values::boolean);
    ends_after(fields, starts_at, ends_at);
    Some(MissionTerms {
        name: name?,
        name_en: name_en?,
        counter: counter?,
        target: target?,
        cadence: cadence.unwrap_or(domain::mission::Cadence::Daily),
        starts_at,
        ends_at,
        rewards: rewards?,
        requires,
        priority: priority.unwrap_or(0),
        is_active: is_active.unwrap_or(true),
    })
}

/// A mission as the staff sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct MissionAdminView {
    pub(super) id: i64,
    name: String,
    name_en: String,
    counter: String,
    target: u64,
    /// `daily`, `weekly` or `once`.
    period: &'static str,
    starts_at: Option<String>,
    ends_at: Option<String>,
    rewards: RewardsView,
    #[schema(value_type = Option<Object>)]
    requires: Option<Prerequisite>,
    priority: i32,
    is_active: bool,
    /// What was done after this position is still being counted for it.
    counts_after: Option<u64>,
    pub(super) version: u64,
}

impl MissionAdminView {
    /// Of terms.
    pub(super) fn new(
        id: i64,
        (version, terms): (u64, &MissionTerms),
        counts_after: Option<u64>,
    ) -> Self {
        Self {
            id,
            name: terms.name.clone(),
            name_en: terms.name_en.clone(),
            counter: terms.counter.to_string(),
            target: terms.target,
            period: terms.cadence.name(),
            starts_at: terms.starts_at.map(rfc3339),
            ends_at: terms.ends_at.map(rfc3339),
            rewards: RewardsView::from(&terms.rewards),
            requires: terms.requires.clone(),
            priority: terms.priority,
            is_active: terms.is_active,
            counts_after,
            version,
        }
    }
}
