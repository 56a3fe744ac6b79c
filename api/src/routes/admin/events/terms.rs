//! An event's terms, as the staff sends and sees them.

use domain::live_event::{LiveEventTerms, UnusableTerms};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::super::answers::rank_name;
use super::super::super::play::{
    LeaderboardTermsView, RecurrenceView, RequirementView, RewardsView,
};
use crate::auth::sign_in::rfc3339;
use crate::body::values::{self, Wrong};
use crate::body::{Fields, play};
use crate::error::ApiError;

/// For so many hours after its end an event can be claimed, unless it says otherwise.
const CLAIM_HOURS: u32 = 7 * 24;

/// What an event is, takes and pays: what is left out is set to its default.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body")]
pub struct EventWish {
    /// Korean name.
    name: String,
    /// English name.
    name_en: String,
    /// `daily`, `weekly`, `special` or `limited`; `special`, if left out.
    r#type: Option<String>,
    /// The first moment at which it can be on; now, if left out.
    starts_at: Option<chrono::DateTime<chrono::Utc>>,
    /// The first moment at which it no longer can. It may be left out of what comes again.
    ends_at: Option<chrono::DateTime<chrono::Utc>>,
    /// `{"daily": "20:00"}`, `{"weekly": ["fri"], "at": "20:00"}` or `{"cron": "0 20 * * 5"}`, each
    /// with `time_zone` (`Asia/Seoul`, if left out) and `minutes` (until it comes again, if left
    /// out). Without it the event is on once, all the time.
    recurrence: Option<serde_json::Value>,
    /// `{"min_rank": "VIP", "segment": "newcomers"}`: segments are `everybody`, `newcomers`,
    /// `payers` and `non_payers`.
    eligibility: Option<serde_json::Value>,
    /// How many may take part each time; any number, if left out.
    capacity: Option<u32>,
    /// `[{"counter": "play_count", "target": 10}]`; joining completes it, if left out.
    requirements: Option<serde_json::Value>,
    /// `{"gold": 500, "vip_points": 5, "xp": 50, "items": [{"product_id": 2001, "quantity": 1}]}`.
    rewards: serde_json::Value,
    /// Whether it is claimed as soon as it is complete; false, if left out.
    auto_claim: Option<bool>,
    /// Higher ones are shown first; 0, if left out.
    priority: Option<i32>,
    /// For so many hours after its end what is complete can be claimed; 168, if left out.
    claim_hours: Option<u32>,
    /// `{"counter": "win_count", "tiers": [{"last_place": 1, "rewards": {…}}]}`.
    leaderboard: Option<serde_json::Value>,
    /// When an event is made: whether it is published at once; false, if left out.
    publish: Option<bool>,
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

/// The terms of a body, and what came with them.
#[derive(Debug)]
pub(super) struct SentTerms {
    pub(super) terms: LiveEventTerms,
    pub(super) publish: bool,
    pub(super) idempotency_key: Option<String>,
}

impl SentTerms {
    /// From a body; what has no beginning begins now.
    pub(super) fn parse(
        mut fields: Fields,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Result<Self, ApiError> {
        let idempotency_key = fields.nullable("idempotency_key", values::secret(0, 10_000));
        let publish = fields.nullable("publish", values::boolean);
        let terms = terms(&mut fields, now);
        if let Some(Err(unusable)) = terms.as_ref().map(LiveEventTerms::check) {
            let (name, kind) = field_of(unusable);
            fields.wrong(name, Wrong::new(kind, unusable.to_string()));
        }
        let publish = publish.unwrap_or(false);
        fields.finish(|| Some(Self { terms: terms?, publish, idempotency_key }))
    }
}

fn terms(fields: &mut Fields, now: chrono::DateTime<chrono::Utc>) -> Option<LiveEventTerms> {
    let name = fields.required("name", values::line(1, 100));
    let name_en = fields.required("name_en", values::line(1, 100));
    let kind = fields.nullable("type", play::event_kind);
    let starts_at = fields.nullable("starts_at", values::moment);
    let ends_at = fields.nullable("ends_at", values::moment);
    let recurrence = fields.nullable("recurrence", play::recurrence);
    let eligibility = fields.nullable("eligibility", play::eligibility);
    let capacity = fields.nullable("capacity", values::count(1_000_000));
    let requirements = fields.nullable("requirements", play::requirements);
    let rewards = fields.required("rewards", play::rewards);
    let auto_claim = fields.nullable("auto_claim", values::boolean);
    let priority = fields.nullable("priority", values::priority);
    let claim_hours = fields.nullable("claim_hours", values::hours);
    let leaderboard = fields.nullable("leaderboard", play::leaderboard);
    Some(LiveEventTerms {
        name: name?,
        name_en: name_en?,
        kind: kind.unwrap_or(domain::live_event::EventKind::Special),
        starts_at: starts_at.unwrap_or(now),
        ends_at,
        recurrence,
        eligibility: eligibility.unwrap_or_default(),
        capacity,
        requirements: requirements.unwrap_or_default(),
        rewards: rewards?,
        auto_claim: auto_claim.unwrap_or(false),
        priority: priority.unwrap_or(0),
        claim_hours: claim_hours.unwrap_or(CLAIM_HOURS),
        leaderboard,
    })
}

fn field_of(unusable: UnusableTerms) -> (&'static str, &'static str) {
    match unusable {
        UnusableTerms::NoEnd => ("ends_at", "missing"),
        UnusableTerms::EndsTooSoon => ("ends_at", "value_error"),
        UnusableTerms::TooManyRequirements => ("requirements", "too_long"),
        UnusableTerms::TiersDoNotRise | UnusableTerms::TooManyPlaces => {
            ("leaderboard", "value_error")
        }
        UnusableTerms::TooManyItems => ("rewards", "too_long"),
    }
}

/// An event as the staff sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventAdminView {
    pub(super) id: i64,
    name: String,
    name_en: String,
    r#type: &'static str,
    /// `draft`, `published`, `paused` or `ended`.
    pub(super) status: &'static str,
    starts_at: String,
    ends_at: Option<String>,
    recurrence: Option<RecurrenceView>,
    min_rank: &'static str,
    segment: &'static str,
    capacity: Option<u32>,
    requirements: Vec<RequirementView>,
    rewards: RewardsView,
    auto_claim: bool,
    priority: i32,
    claim_hours: u32,
    leaderboard: Option<LeaderboardTermsView>,
    /// Whether the rewarding of places was stopped.
    payout_stopped: bool,
    pub(super) version: u64,
}

impl EventAdminView {
    /// Of terms and where the event stands.
    pub(super) fn new(
        id: i64,
        (version, terms): (u64, &LiveEventTerms),
        status: &'static str,
        payout_stopped: bool,
    ) -> Self {
        Self {
            id,
            name: terms.name.clone(),
            name_en: terms.name_en.clone(),
            r#type: terms.kind.name(),
            status,
            starts_at: rfc3339(terms.starts_at),
            ends_at: terms.ends_at.map(rfc3339),
            recurrence: terms.recurrence.as_ref().map(RecurrenceView::from),
            min_rank: rank_name(terms.eligibility.min_rank),
            segment: terms.eligibility.segment.name(),
            capacity: terms.capacity,
            requirements: terms.requirements.iter().map(RequirementView::from).collect(),
            rewards: RewardsView::from(&terms.rewards),
            auto_claim: terms.auto_claim,
            priority: terms.priority,
            claim_hours: terms.claim_hours,
            leaderboard: LeaderboardTermsView::of(terms),
            payout_stopped,
            version,
        }
    }
}
