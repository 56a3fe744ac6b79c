//! An event as its player sees it.

use chrono::{DateTime, Utc};
use domain::id::{LiveEventId, PlayerId};
use domain::live_event::EventStatus;
use domain::schedule::{FOR_GOOD, Occurrence};
use projections::read_models::live_events::LiveEventRow;
use projections::read_models::participations::{self, EventOfPlayer, ParticipationRow};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::answers::rank_name;
use super::super::play::{LeaderboardTermsView, RecurrenceView, RequirementView, RewardsView};
use crate::app::App;
use crate::auth::sign_in::rfc3339;
use crate::error::ApiError;

/// An event that players join.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventView {
    id: i64,
    name: String,
    name_en: String,
    /// `daily`, `weekly`, `special` or `limited`.
    r#type: &'static str,
    /// `open`, `upcoming`, `paused` or `over`.
    status: &'static str,
    /// When the present occurrence began; the next one begins, if it is not open.
    starts_at: String,
    /// When that is over; never, if `null`.
    ends_at: Option<String>,
    /// When it comes again, if it does.
    recurrence: Option<RecurrenceView>,
    /// How many may take part each time; any number, if `null`.
    capacity: Option<u32>,
    /// Seats that can be had in the present occurrence; any number, if `null`.
    remaining: Option<u64>,
    min_rank: &'static str,
    /// `everybody`, `newcomers`, `payers` or `non_payers`.
    segment: &'static str,
    /// What it takes; nothing but joining, if empty.
    requirements: Vec<RequirementView>,
    rewards: RewardsView,
    /// Whether it is claimed as soon as it is complete.
    auto_claim: bool,
    priority: i32,
    leaderboard: Option<LeaderboardTermsView>,
    participation: ParticipationView,
}

/// How the player takes part: in the present occurrence, or in an earlier one that can still be
/// claimed.
#[derive(Debug, Serialize, ToSchema)]
pub struct ParticipationView {
    joined: bool,
    /// How far each requirement is.
    progress: Vec<ProgressView>,
    completed: bool,
    claimed: bool,
    joined_at: Option<String>,
    /// When the occurrence that was joined began.
    occurrence_at: Option<String>,
    /// Until when it can be claimed.
    claims_end_at: Option<String>,
    /// On the leaderboard, if there is one.
    score: Option<u64>,
    /// What it has paid, if it was claimed.
    receipt_code: Option<String>,
}

/// How far a requirement is.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProgressView {
    /// What is counted.
    counter: String,
    /// How much there is; not more than the target.
    progress: u64,
    target: u64,
}

/// All events that can be seen, those shown first in front.
pub(super) async fn all(app: &App, player: PlayerId) -> Result<Vec<EventView>, ApiError> {
    let now = app.commands.clock.now();
    let events = participations::events_of(&app.pool, Some(player)).await?;
    Ok(events.rows.iter().map(|shown| EventView::new(shown, now)).collect())
}

impl EventView {
    /// Whether it is the event with this number.
    pub(super) fn is(&self, event: LiveEventId) -> bool {
        self.id == event.0
    }

    fn new(EventOfPlayer { event, participation }: &EventOfPlayer, now: DateTime<Utc>) -> Self {
        let terms = &event.terms;
        let (status, occurrence) = standing(event, now);
        let has_ended = |end: &DateTime<Utc>| *end < FOR_GOOD;
        let present = event.occurrence_at(now).map(|present| present.starts_at);
        Self {
            id: event.event_id.0,
            name: terms.name.clone(),
            name_en: terms.name_en.clone(),
            r#type: terms.kind.name(),
            status,
            starts_at: rfc3339(occurrence.starts_at),
            ends_at: Some(occurrence.ends_at).filter(has_ended).map(rfc3339),
            recurrence: terms.recurrence.as_ref().map(RecurrenceView::from),
            capacity: terms.capacity,
            remaining: present.map_or(terms.capacity.map(u64::from), |at| event.seats_left(at)),
            min_rank: rank_name(terms.eligibility.min_rank),
            segment: terms.eligibility.segment.name(),
            requirements: terms.requirements.iter().map(RequirementView::from).collect(),
            rewards: RewardsView::from(&terms.rewards),
            auto_claim: terms.auto_claim,
            priority: terms.priority,
            leaderboard: LeaderboardTermsView::of(terms),
            participation: ParticipationView::new(participation.as_ref(), (present, now)),
        }
    }
}

/// Where an event stands for players, and the occurrence that matters to them.
fn standing(event: &LiveEventRow, now: DateTime<Utc>) -> (&'static str, Occurrence) {
    let terms = &event.terms;
    let present = event.occurrence_at(now);
    let next = terms.next_after(now).filter(|_| event.ended_at.is_none());
    let all = Occurrence {
        starts_at: terms.starts_at,
        ends_at: event.ended_at.or(terms.ends_at).unwrap_or(FOR_GOOD),
    };
    match (event.status, present, next) {
        (EventStatus::Paused, present, next) => ("paused", present.or(next).unwrap_or(all)),
        (EventStatus::Published, Some(present), _) => ("open", present),
        (EventStatus::Published, None, Some(next)) => ("upcoming", next),
        _ => ("over", all),
    }
}

impl ParticipationView {
    /// What was joined in the present occurrence, or before it and can still be claimed.
    fn new(
        row: Option<&ParticipationRow>,
        (present, now): (Option<DateTime<Utc>>, DateTime<Utc>),
    ) -> Self {
        let matters = |row: &&ParticipationRow| {
            let is_open = row.claimed_at.is_none() && row.completed_at.is_some();
            present.is_none_or(|present| row.occurrence.starts_at == present)
                || (is_open && now < row.entry.claims_end_at)
        };
        row.filter(matters).map_or_else(Self::none, Self::of)
    }

    fn none() -> Self {
        Self {
            joined: false,
            progress: vec![],
            completed: false,
            claimed: false,
            joined_at: None,
            occurrence_at: None,
            claims_end_at: None,
            score: None,
            receipt_code: None,
        }
    }

    /// How somebody takes part.
    pub fn of(row: &ParticipationRow) -> Self {
        let needs = row.entry.requirements.iter().zip(&row.progress);
        let progress = needs.map(|(needs, progress)| ProgressView {
            counter: needs.counter.to_string(),
            progress: *progress,
            target: needs.target,
        });
        Self {
            joined: true,
            progress: progress.collect(),
            completed: row.completed_at.is_some() || row.claimed_at.is_some(),
            claimed: row.claimed_at.is_some(),
            joined_at: Some(rfc3339(row.joined_at)),
            occurrence_at: Some(rfc3339(row.occurrence.starts_at)),
            claims_end_at: Some(rfc3339(row.entry.claims_end_at)),
            score: row.entry.scored.map(|_| row.score),
            receipt_code: row.receipt_code.map(|code| code.to_string()),
        }
    }
}
