//! What game servers report: play, by signed requests, in batches.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use commands::IdempotencyKey;
use commands::play::{Action, Recording};
use domain::account::PURCHASE_COUNT;
use domain::activity::LOGIN;
use domain::id::{Counter, PlayerId};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::docs::Problem;
use crate::app::App;
use crate::auth::services::Service;
use crate::body::Fields;
use crate::body::object::{Object, list};
use crate::body::play;
use crate::body::values::{self, Wrong};
use crate::error::ApiError;
use crate::request::Asked;

/// Actions in one request, at most.
const MOST_ACTIONS: usize = 500;
/// How far a game server's clock may be ahead.
const AHEAD: Duration = Duration::from_secs(60);

/// Something that a player did.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body")]
pub struct ActionReport {
    /// The game's own name for it, which makes a repeat harmless: up to 255 visible ASCII
    /// characters. A UUID of version 7 is best: others must be looked up in the database first.
    action_id: String,
    user_id: i64,
    /// What was done and is counted, such as `play_count` or `win_count`. `login` and
    /// `purchase_count` are counted by the club itself.
    action_type: String,
    /// How often, or how much; 1, if left out.
    amount: Option<u64>,
    /// When it was done; now, if left out.
    at: Option<DateTime<Utc>>,
}

/// Several actions, in the order in which they were done; or one of them, as the body itself.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body")]
pub struct ActionReports {
    /// Up to 500.
    actions: Vec<ActionReport>,
}

/// What became of the actions.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActionsDone {
    /// How many were written.
    accepted: usize,
    /// How many had been written before.
    duplicates: usize,
    /// Those that can never be written; the others are.
    rejected: Vec<RejectedAction>,
    position: u64,
}

/// An action that was not written.
#[derive(Debug, Serialize, ToSchema)]
pub struct RejectedAction {
    action_id: String,
    /// `UNKNOWN_USER` or `ACTION_ID_REUSED`.
    code: &'static str,
    /// For people.
    detail: &'static str,
}

/// Takes actions of players: each is written once by its `action_id`, those of a player in the order
/// given, and each with the progress that it makes. Repeat the whole request if no answer comes.
#[utoipa::path(post, path = "/api/actions", tag = "game servers",
    params(
        ("X-Service-Id" = String, Header, description = "the game server's name"),
        ("X-Timestamp" = String, Header, description = "seconds since 1970, within 300 s of now"),
        ("X-Signature" = String, Header, description = "hex HMAC-SHA256 of timestamp, method, path and body, a line each")),
    request_body = ActionReports,
    responses(
        (status = 200, description = "taken", body = ActionsDone),
        (status = 401, description = "SERVICE_CREDENTIAL_REQUIRED, SERVICE_SIGNATURE or SERVICE_REQUEST_STALE", body = Problem),
        (status = 403, description = "TRUSTED_SOURCES_ONLY: a player's token; or SCOPE_MISSING", body = Problem),
        (status = 422, description = "fields that cannot be used: nothing was taken", body = Problem),
        (status = 503, description = "whether it was taken is not known: repeat it as it is", body = Problem)))]
pub async fn report(
    State(app): State<App>,
    asked: Asked,
    Service { program, fields }: Service,
) -> Result<Json<ActionsDone>, ApiError> {
    let actions = parse(fields, app.commands.clock.now())?;
    for action in &actions {
        program.insist_on_action(action.action.as_str())?;
    }
    let ids: Vec<_> = actions.iter().map(|action| action.action_id.clone()).collect();
    let caller = asked.caller(program.actor()).without_key();
    let recorded = app.commands.record_actions(&caller, actions).await?;
    let count = |what| recorded.recordings.iter().filter(|recording| **recording == what).count();
    let rejected = ids.iter().zip(&recorded.recordings).filter_map(|(id, it)| rejection(id, *it));
    Ok(Json(ActionsDone {
        accepted: count(Recording::Accepted),
        duplicates: count(Recording::Duplicate),
        rejected: rejected.collect(),
        position: recorded.position,
    }))
}

fn rejection(id: &IdempotencyKey, recording: Recording) -> Option<RejectedAction> {
    let (code, detail) = match recording {
        Recording::Accepted | Recording::Duplicate => return None,
        Recording::UnknownPlayer => ("UNKNOWN_USER", "there is no such user"),
        Recording::IdReused => {
            ("ACTION_ID_REUSED", "this action_id was used for another action: take a new one")
        }
    };
    Some(RejectedAction { action_id: id.to_string(), code, detail })
}

fn parse(mut fields: Fields, now: DateTime<Utc>) -> Result<Vec<Action>, ApiError> {
    if fields.has("actions") {
        let several = list(MOST_ACTIONS, |value| one(value, now));
        let actions = fields.required("actions", several);
        if actions.as_ref().is_some_and(Vec::is_empty) {
            fields.wrong("actions", Wrong::new("too_short", "expected at least one action"));
        }
        return fields.finish(|| actions);
    }
    let action_id = fields.required("action_id", values::key);
    let player = fields.required("user_id", values::user_id);
    let action = fields.required("action_type", reported);
    let amount = fields.nullable("amount", play::amount);
    let at = fields.nullable("at", past(now));
    fields.finish(|| Some(vec![made(action_id?, player?, action?, (amount, at))]))
}

fn one(value: &Value, now: DateTime<Utc>) -> Result<Action, Wrong> {
    Object::parse(value, |object| {
        let action_id = object.required("action_id", values::key)?;
        let player = object.required("user_id", values::user_id)?;
        let action = object.required("action_type", reported)?;
        let amount = object.optional("amount", play::amount)?;
        let at = object.optional("at", past(now))?;
        Ok(made(action_id, player, action, (amount, at)))
    })
}

fn made(
    action_id: IdempotencyKey,
    player: PlayerId,
    action: Counter,
    (amount, at): (Option<u64>, Option<DateTime<Utc>>),
) -> Action {
    Action { action_id, player, action, amount: amount.unwrap_or(1), at }
}

/// What a game server may report: some things only the club itself sees.
fn reported(value: &Value) -> Result<Counter, Wrong> {
    let action = play::counter(value)?;
    if [LOGIN, PURCHASE_COUNT].contains(&action.as_str()) {
        return Err(Wrong::new("value_error", "this is counted by the club itself"));
    }
    Ok(action)
}

/// A moment that has been; clocks may differ a little.
fn past(now: DateTime<Utc>) -> impl Fn(&Value) -> Result<DateTime<Utc>, Wrong> {
    let latest = now + TimeDelta::from_std(AHEAD).unwrap_or_default();
    move |value| {
        let at = values::moment(value)?;
        if at <= latest {
            return Ok(at);
        }
        Err(Wrong::new("value_error", "expected a time that is past: is your clock ahead?"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::Reason;

    fn parsed(body: Value) -> Result<Vec<Action>, Reason> {
        let now = "2026-11-25T12:00:00Z".parse().unwrap();
        parse(Fields::of(body).unwrap(), now).map_err(|error| error.reason())
    }

    #[test]
    fn one_action_or_several_are_read() {
        let action = json!({"action_id": "a-1", "user_id": 23, "action_type": "play_count"});
        let one = parsed(action.clone()).unwrap();
        assert_eq!((one.len(), one[0].amount), (1, 1));
        let more = json!({"actions": [action, {"action_id": "a-2", "user_id": 23,
            "action_type": "win_count", "amount": 3, "at": "2026-11-25T12:01:00Z"}]});
        assert_eq!(parsed(more).unwrap()[1].amount, 3);
    }

    #[test]
    fn what_cannot_be_is_refused_whole() {
        let action = |name: &str, value: Value| {
            let mut action =
                json!({"action_id": "a-1", "user_id": 23, "action_type": "play_count"});
            action[name] = value;
            json!({ "actions": [action] })
        };
        for bad in [
            json!({}),
            json!({"actions": []}),
            json!({"actions": vec![json!({}); 501]}),
            action("action_id", json!("a b")),
            action("user_id", json!(0)),
            action("action_type", json!("Play")),
            action("action_type", json!("login")),
            action("amount", json!(0)),
            action("amount", json!(-5)),
            action("at", json!("2026-11-25T12:01:01Z")),
            action("progress", json!(5)),
        ] {
            assert!(matches!(parsed(bad.clone()), Err(Reason::ValidationFailed)), "{bad}");
        }
    }
}
