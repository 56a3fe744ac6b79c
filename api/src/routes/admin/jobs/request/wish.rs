//! A wish for a job, as it comes: JSON or comma-separated values.

mod table;

use axum::extract::Request;
use axum::http::{HeaderMap, header};
use domain::job::{JobKind, JobLine, MOST_LINES, Segment};
use domain::money::Gold;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::SegmentView;
use crate::body::object::Object;
use crate::body::values::{self, Wrong};
use crate::body::{self, Fields};
use crate::error::{ApiError, FieldError};

/// The longest body: fifty thousand lines of JSON, and some room.
const BODY_LIMIT: usize = 4 * 1024 * 1024;
/// No level is higher.
const HIGHEST_LEVEL: u32 = 1_000_000;

/// Gold for one player.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body")]
pub struct JobLineWish {
    user_id: i64,
    /// Gold, of the free kind.
    gold: u64,
}

/// A wish for gold for many: `lines`, or `segment` with `gold`.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body")]
pub struct JobWishBody {
    /// `bulk_grant`.
    kind: String,
    /// Why: 2 to 120 characters. Kept beside the log, where it can be erased.
    reason: String,
    /// Up to 50,000, nobody twice.
    lines: Option<Vec<JobLineWish>>,
    /// Those players for whom all holds that is told: `{"rank": "VIP", "min_level": 2}`; or `"all"`.
    segment: Option<SegmentView>,
    /// How much each player of the segment gets.
    gold: Option<u64>,
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

/// Who shall have how much.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ForWhom {
    Lines(Vec<JobLine>),
    Segment { segment: Segment, gold: Gold },
}

impl ForWhom {
    /// Whether the read models have to say who that is.
    pub(super) fn is_looked_up(&self) -> bool {
        matches!(self, Self::Segment { .. })
    }
}

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct JobWish {
    pub(super) for_whom: ForWhom,
    pub(super) reason: String,
    pub(super) idempotency_key: Option<String>,
}

impl JobWish {
    /// Reads a request whose address says `reason`.
    pub(super) async fn read(request: Request, reason: Option<String>) -> Result<Self, ApiError> {
        let (head, body) = request.into_parts();
        let body = body::whole_within(body, BODY_LIMIT).await?;
        if is_csv(&head.headers) {
            return Self::of_csv(reason, &body);
        }
        Self::of_fields(Fields::read(&head.headers, &body)?)
    }

    fn of_csv(reason: Option<String>, body: &[u8]) -> Result<Self, ApiError> {
        let parsed = values::line(2, 120)(&reason.map_or(Value::Null, Value::String));
        let reason = parsed.map_err(|Wrong { kind, msg }| {
            let loc = vec!["query".to_owned(), "reason".to_owned()];
            ApiError::fields(vec![FieldError { kind, loc, msg }])
        })?;
        let for_whom = ForWhom::Lines(table::lines(body)?);
        Ok(Self { for_whom, reason, idempotency_key: None })
    }

    fn of_fields(mut fields: Fields) -> Result<Self, ApiError> {
        let kinds = [(JobKind::BulkGrant.name(), JobKind::BulkGrant)];
        let kind = fields.required("kind", values::one_of(&kinds));
        let reason = fields.required("reason", values::line(2, 120));
        let lines = fields.nullable("lines", lines);
        let segment = fields.nullable("segment", segment);
        let gold = fields.nullable("gold", values::gold);
        let idempotency_key = fields.nullable("idempotency_key", values::secret(0, 10_000));
        let for_whom = match (lines, segment, gold) {
            (Some(lines), None, None) => Some(ForWhom::Lines(lines)),
            (None, Some(segment), Some(gold)) => Some(ForWhom::Segment { segment, gold }),
            _ if !fields.are_good() => None,
            (None, Some(_), None) => {
                fields.wrong("gold", Wrong::new("missing", "say how much each of them gets"));
                None
            }
            (None, None, _) => {
                fields.wrong("lines", Wrong::new("missing", "give lines, or a segment and gold"));
                None
            }
            (Some(_), _, _) => {
                let msg = "give lines, or a segment and gold, not both at once";
                fields.wrong("lines", Wrong::new("value_error", msg));
                None
            }
        };
        fields.finish(|| {
            let JobKind::BulkGrant = kind?;
            Some(Self { for_whom: for_whom?, reason: reason?, idempotency_key })
        })
    }
}

fn is_csv(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("text/csv")
}

/// Lines are counted from 1, here and everywhere else.
fn lines(value: &Value) -> Result<Vec<JobLine>, Wrong> {
    let items = value.as_array().ok_or_else(|| Wrong::new("list_type", "expected a list"))?;
    if items.len() > MOST_LINES {
        return Err(Wrong::new("too_long", format!("expected at most {MOST_LINES} lines")));
    }
    let of_line = |(number, item): (usize, &Value)| {
        let wrong = |wrong: Wrong| Wrong::new(wrong.kind, format!("line {number}: {}", wrong.msg));
        line(item).map_err(wrong)
    };
    (1..).zip(items).map(of_line).collect()
}

fn line(value: &Value) -> Result<JobLine, Wrong> {
    Object::parse(value, |object| {
        let player = object.required("user_id", values::user_id)?;
        let gold = object.required("gold", values::gold)?;
        Ok(JobLine { player, gold })
    })
}

/// `"all"`, or an object that says something: nobody gives to everybody by leaving a field out.
fn segment(value: &Value) -> Result<Segment, Wrong> {
    if value == "all" {
        return Ok(Segment::default());
    }
    let segment = Object::parse(value, |object| {
        let level = values::count(HIGHEST_LEVEL);
        Ok(Segment {
            rank: object.optional("rank", values::rank)?,
            min_level: object.optional("min_level", &level)?,
            max_level: object.optional("max_level", &level)?,
            min_vip_points: object.optional("min_vip_points", values::points)?,
        })
    })?;
    match segment == Segment::default() {
        true => Err(Wrong::new("value_error", "say which players, or \"all\"")),
        false => Ok(segment),
    }
}

#[cfg(test)]
mod tests {
    use domain::id::PlayerId;
    use domain::offer::Rank;
    use serde_json::json;

    use super::*;
    use crate::error::Reason;

    fn parsed(body: Value) -> Result<ForWhom, Reason> {
        let fields = Fields::of(body).unwrap();
        JobWish::of_fields(fields).map(|wish| wish.for_whom).map_err(|error| error.reason())
    }

    fn with(more: Value) -> Value {
        let mut body = json!({"kind": "bulk_grant", "reason": "thanks"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    }

    #[test]
    fn a_wish_is_lines_or_a_segment_and_gold() {
        let gold = Gold::new(5).unwrap();
        let lines = vec![JobLine { player: PlayerId(23), gold }];
        let line = json!({"user_id": 23, "gold": 5});
        assert_eq!(parsed(with(json!({"lines": [line]}))), Ok(ForWhom::Lines(lines)));
        let vips = Segment { rank: Some(Rank::Vip), min_level: Some(2), ..Segment::default() };
        for (segment, expected) in [
            (json!("all"), Segment::default()),
            (json!({"rank": "VIP", "min_level": 2, "max_level": null}), vips),
        ] {
            let body = with(json!({"segment": segment, "gold": 5}));
            assert_eq!(parsed(body), Ok(ForWhom::Segment { segment: expected, gold }));
        }
        for bad in [
            json!({}),
            json!({"gold": 5}),
            json!({"segment": "all"}),
            json!({"segment": "some", "gold": 5}),
            json!({"segment": {}, "gold": 5}),
            json!({"segment": {"rank": null}, "gold": 5}),
            json!({"segment": {"min_level": 0}, "gold": 5}),
            json!({"segment": {"name": "x"}, "gold": 5}),
            json!({"lines": [line], "gold": 5}),
            json!({"lines": [line], "segment": "all", "gold": 5}),
            json!({"lines": {"user_id": 23, "gold": 5}}),
            json!({"lines": [{"user_id": 23}]}),
            json!({"lines": [{"user_id": 0, "gold": 5}]}),
            json!({"lines": [{"user_id": 23, "gold": 0}]}),
            json!({"lines": [{"user_id": 23, "gold": -5}]}),
            json!({"lines": [{"user_id": 23, "gold": 5, "key": "k"}]}),
            json!({"lines": vec![&line; MOST_LINES + 1]}),
            json!({"lines": [line], "kind": "mail"}),
            json!({"lines": [line], "reason": "x"}),
        ] {
            assert_eq!(parsed(with(bad.clone())), Err(Reason::ValidationFailed), "{bad}");
        }
    }
}
