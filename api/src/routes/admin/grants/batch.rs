//! Giving gold to many.

use axum::Json;
use axum::extract::State;
use commands::context::Fingerprint;
use commands::grants::{Executed, GrantLine, LineOutcome};
use commands::{Caller, IdempotencyKey};
use domain::id::ReceiptCode;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::super::docs::Problem;
use super::keep_pace;
use crate::app::App;
use crate::auth::{May, need};
use crate::body::Fields;
use crate::body::object::{Object, list};
use crate::body::values::{self, Wrong};
use crate::error::{ApiError, Reason};
use crate::request::Asked;

/// Grants in one request, at most.
const MOST_LINES: usize = 1_000;

/// A grant of gold among many.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body")]
pub struct GrantLineWish {
    /// Its own idempotency key: 1 to 255 visible ASCII characters. A UUID of version 7 is best: others
    /// must be looked up in the database first.
    key: String,
    user_id: i64,
    /// Gold, of the free kind; less than takes two of the staff.
    gold: u64,
}

/// A wish to give gold to many.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body")]
pub struct GrantsWish {
    /// Why: 2 to 120 characters. Kept with each line beside the log, where it can be erased.
    reason: String,
    /// Up to 1,000.
    lines: Vec<GrantLineWish>,
}

/// What became of many grants.
#[derive(Debug, Serialize, ToSchema)]
pub struct GrantsDone {
    /// Of each line, in order.
    results: Vec<GrantLineDone>,
    position: u64,
}

/// What became of one line.
#[derive(Debug, Serialize, ToSchema)]
pub struct GrantLineDone {
    key: String,
    /// `granted`, `duplicate` (given before, under this key: told as it was then) or `refused`.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_gold_balance: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    receipt_code: Option<ReceiptCode>,
    /// Why it was refused: `UNKNOWN_USER`, `BALANCE_TOO_LARGE`, `APPROVAL_NEEDED` or
    /// `IDEMPOTENCY_KEY_REUSED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
}

impl GrantLineDone {
    fn new(key: &IdempotencyKey, outcome: LineOutcome) -> Self {
        let key = key.as_str().to_owned();
        match outcome {
            LineOutcome::Granted(executed) => Self::given(key, "granted", &executed),
            LineOutcome::Duplicate(executed) => Self::given(key, "duplicate", &executed),
            LineOutcome::Refused(refusal) => match ApiError::from(refusal).reason() {
                // The only thing that a line looks for.
                Reason::NotFound => Self::refused(key, "UNKNOWN_USER"),
                reason => Self::refused(key, reason.told().1),
            },
            LineOutcome::KeyReused => Self::refused(key, Reason::IdempotencyKeyReused.told().1),
        }
    }

    fn given(key: String, status: &'static str, executed: &Executed) -> Self {
        let Executed { receipt_code, wallet, .. } = *executed;
        let new_gold_balance = Some(wallet.gold());
        Self { key, status, new_gold_balance, receipt_code: Some(receipt_code), code: None }
    }

    fn refused(key: String, code: &'static str) -> Self {
        let code = Some(code);
        Self { key, status: "refused", new_gold_balance: None, receipt_code: None, code }
    }
}

/// Gives gold to many, for one reason: each line once for ever by its own key, all of them together. A
/// line that is refused stops no other. Repeat the whole request if no answer comes.
#[utoipa::path(post, path = "/api/admin/grants", tag = "administration",
    security(("token" = ["grant"])),
    request_body = GrantsWish,
    responses(
        (status = 200, description = "what became of each line", body = GrantsDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 422, description = "fields that cannot be used: nothing was given", body = Problem),
        (status = 429, description = "RATE_LIMIT: too many grants of gold; says until when", body = Problem),
        (status = 503, description = "whether it was given is not known: repeat it as it is", body = Problem)))]
pub async fn grant_all(
    State(app): State<App>,
    admin: May<need::Grant>,
    asked: Asked,
    fields: Fields,
) -> Result<Json<GrantsDone>, ApiError> {
    let (reason, lines) = parse(fields)?;
    let caller = asked.caller(admin.actor()).without_key();
    let keys: Vec<IdempotencyKey> = lines.iter().map(|line| line.key.clone()).collect();
    keep_pace(&app, *admin, &Caller { key: name_of(&app, &keys), ..caller.clone() })?;
    let given = app.commands.grant_all(&caller, lines, reason).await?;
    app.positions.acknowledge(admin.id(), given.position);
    let results = keys.iter().zip(given.outcomes);
    let results = results.map(|(key, outcome)| GrantLineDone::new(key, outcome)).collect();
    Ok(Json(GrantsDone { results, position: given.position }))
}

/// A batch counts as one grant, and its repeat as the same one: it is known by the keys of its lines.
fn name_of(app: &App, keys: &[IdempotencyKey]) -> Option<IdempotencyKey> {
    let keys: Vec<&str> = keys.iter().map(IdempotencyKey::as_str).collect();
    let Fingerprint(name) = app.commands.fingerprints.fingerprint("grants", &keys);
    IdempotencyKey::parse(&format!("{:032x}", u128::from_be_bytes(name))).ok()
}

fn parse(mut fields: Fields) -> Result<(String, Vec<GrantLine>), ApiError> {
    let reason = fields.required("reason", values::line(2, 120));
    let lines = fields.required("lines", list(MOST_LINES, line));
    if lines.as_ref().is_some_and(Vec::is_empty) {
        fields.wrong("lines", Wrong::new("too_short", "expected at least one line"));
    }
    fields.finish(|| Some((reason?, lines?)))
}

fn line(value: &Value) -> Result<GrantLine, Wrong> {
    Object::parse(value, |object| {
        let key = object.required("key", values::key)?;
        let player = object.required("user_id", values::user_id)?;
        let gold = object.required("gold", values::gold)?;
        Ok(GrantLine { key, player, gold })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(body: Value) -> Result<usize, Reason> {
        let parsed = parse(Fields::of(body).unwrap()).map_err(|error| error.reason())?;
        Ok(parsed.1.len())
    }

    #[test]
    fn a_reason_and_up_to_a_thousand_lines_are_read() {
        let line = json!({"key": "k", "user_id": 23, "gold": 1});
        let body = |lines: Value| json!({"reason": "thanks", "lines": lines});
        assert_eq!(parsed(body(json!([line]))), Ok(1));
        assert_eq!(parsed(body(json!(vec![&line; 1_000]))), Ok(1_000));
        for bad in [
            json!([]),
            json!(vec![&line; 1_001]),
            json!([{"key": "k k", "user_id": 23, "gold": 1}]),
            json!([{"key": "k", "user_id": 0, "gold": 1}]),
            json!([{"key": "k", "user_id": 23, "gold": 0}]),
            json!([{"key": "k", "user_id": 23}]),
            json!([{"key": "k", "user_id": 23, "gold": 1, "vip_points": 1}]),
        ] {
            assert_eq!(parsed(body(bad.clone())), Err(Reason::ValidationFailed), "{bad}");
        }
        assert_eq!(parsed(json!({"lines": [line]})), Err(Reason::ValidationFailed));
    }
}
