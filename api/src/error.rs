//! What clients are told when something was not done: the one file with status codes.
//!
//! Every refusal has a stable code and an outward message; what went wrong inside is its cause,
//! which is logged once (by [`crate::edge`]) and never told. Answers are problem+json (RFC 9457).

mod dry_run;
mod refusals;

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use commands::dry_run::DryRun;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::auth::sign_in::rfc3339;

/// Why a request was not done. Its name in SCREAMING_SNAKE_CASE is the code that clients rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The body is not JSON.
    MalformedJson,
    /// The request cannot be understood.
    BadRequest,
    /// The idempotency key cannot be one.
    InvalidIdempotencyKey,
    /// Several idempotency keys that differ.
    ConflictingIdempotencyKeys,
    /// A command that must be repeatable came without a key.
    IdempotencyKeyRequired,
    /// Nobody is signed in.
    Unauthenticated,
    /// Wrong name or password.
    InvalidCredentials,
    /// The refresh token is unknown, used or expired.
    InvalidRefreshToken,
    /// The provider declined.
    PaymentDeclined,
    /// Signed in, but not allowed.
    Forbidden,
    /// Kept out by the staff.
    Banned,
    /// The invite code opens nothing.
    InvalidInviteCode,
    /// Nobody comes in with the invite code any more.
    InviteExhausted,
    /// A request in somebody else's name.
    UserMismatch,
    /// The product is for a higher rank.
    RankRequired,
    /// A browser page that is not ours.
    OriginRefused,
    /// There is no such thing.
    NotFound,
    /// The address does not know this method.
    MethodNotAllowed,
    /// The body did not come in time.
    BodyTimeout,
    /// Somebody has this site id.
    SiteIdTaken,
    /// Somebody has this nickname.
    NicknameTaken,
    /// Somebody has this phone number.
    PhoneNumberTaken,
    /// Not enough gold.
    InsufficientGold,
    /// The balance would be larger than any may be.
    BalanceTooLarge,
    /// The purchase was given up.
    PurchaseAbandoned,
    /// Nothing is left of it.
    OutOfStock,
    /// One player may not have more.
    UserLimit,
    /// Not sold now.
    WindowClosed,
    /// The promotion is used up.
    PromoExhausted,
    /// Spending is locked by a debt or by the player.
    SpendLocked,
    /// Too fast.
    RateLimit,
    /// Buying is stopped for a while.
    FraudBlock,
    /// The item's time is over.
    ItemExpired,
    /// Nothing is left to be given back.
    NothingToRefund,
    /// More than is left to be given back.
    RefundTooLarge,
    /// Another refund is under way.
    RefundUnderWay,
    /// The purchase was never paid.
    PurchaseNotCompleted,
    /// A protection cannot be weakened.
    PauseCannotBeShortened,
    /// The event's time has not come.
    EventNotOpen,
    /// The event's time is over.
    EventClosed,
    /// The event rests.
    EventPaused,
    /// All seats of the event are taken.
    EventFull,
    /// The event is for other players.
    NotEligible,
    /// Who does not take part has nothing to claim.
    NotJoined,
    /// Not all is done that it takes.
    NotCompleted,
    /// Other missions come first.
    MissionLocked,
    /// It was claimed before.
    AlreadyClaimed,
    /// It could be claimed until a moment that is past.
    ClaimTooLate,
    /// So much takes two of the staff.
    ApprovalNeeded,
    /// Whoever asks does not agree to it, too.
    MakerIsChecker,
    /// Nobody agreed in time.
    ApprovalExpired,
    /// Somebody has decided the other way.
    ApprovalEnded,
    /// A message was signed at another time than now.
    WebhookStale,
    /// A message is not signed by whom it should be.
    WebhookSignature,
    /// A program that is known and signs has to ask.
    ServiceCredentialRequired,
    /// Whoever is signed in is none of those whose word counts here.
    TrustedSourcesOnly,
    /// The program is not known, or did not sign this.
    ServiceSignature,
    /// A request was signed at another time than now.
    ServiceRequestStale,
    /// The program may not do this.
    ScopeMissing,
    /// It has moved on meanwhile.
    Conflict,
    /// It is at another version than the caller has seen.
    PreconditionFailed,
    /// The body is too long.
    BodyTooLarge,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// Some fields cannot be used.
    ValidationFailed,
    /// The key belongs to another request.
    IdempotencyKeyReused,
    /// This address wants a websocket.
    UpgradeRequired,
    /// Too many wait already.
    Overloaded,
    /// The log cannot be reached: whether it was done is not known.
    LogUnavailable,
    /// This node has not heard of the log for too long.
    LogUnconfirmed,
    /// What was asked for has not been projected yet.
    ReadModelBehind,
    /// The database does not answer.
    DatabaseUnavailable,
    /// Nobody takes payments.
    PaymentsUnavailable,
    /// A defect.
    InternalError,
}

impl Reason {
    /// Status, code and title.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a table: each reason, and how it is told")]
    pub const fn told(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::MalformedJson => (400, "MALFORMED_JSON", "The body is not JSON"),
            Self::BadRequest => (400, "BAD_REQUEST", "The request cannot be understood"),
            Self::InvalidIdempotencyKey => {
                (400, "INVALID_IDEMPOTENCY_KEY", "The idempotency key cannot be used")
            }
            Self::ConflictingIdempotencyKeys => {
                (400, "CONFLICTING_IDEMPOTENCY_KEYS", "There are several idempotency keys")
            }
            Self::IdempotencyKeyRequired => {
                (400, "IDEMPOTENCY_KEY_REQUIRED", "An idempotency key is required")
            }
            Self::Unauthenticated => (401, "UNAUTHENTICATED", "Sign in first"),
            Self::InvalidCredentials => (401, "INVALID_CREDENTIALS", "Wrong name or password"),
            Self::InvalidRefreshToken => (401, "INVALID_REFRESH_TOKEN", "Sign in again"),
            Self::PaymentDeclined => (402, "PAYMENT_DECLINED", "The payment was declined"),
            Self::Forbidden => (403, "FORBIDDEN", "Not allowed"),
            Self::Banned => (403, "BANNED", "Banned"),
            Self::InvalidInviteCode => (403, "INVALID_INVITE_CODE", "The invite code is not valid"),
            Self::InviteExhausted => (403, "INVITE_EXHAUSTED", "The invite code is used up"),
            Self::UserMismatch => (403, "USER_MISMATCH", "This is somebody else's account"),
            Self::RankRequired => (403, "RANK_REQUIRED", "A higher rank is required"),
            Self::OriginRefused => (403, "ORIGIN_REFUSED", "This page may not connect"),
            Self::NotFound => (404, "NOT_FOUND", "Not found"),
            Self::MethodNotAllowed => (405, "METHOD_NOT_ALLOWED", "Method not allowed"),
            Self::BodyTimeout => (408, "BODY_TIMEOUT", "The body did not come in time"),
            Self::SiteIdTaken => (409, "SITE_ID_TAKEN", "The site id is taken"),
            Self::NicknameTaken => (409, "NICKNAME_TAKEN", "The nickname is taken"),
            Self::PhoneNumberTaken => (409, "PHONE_NUMBER_TAKEN", "The phone number is taken"),
            Self::InsufficientGold => (409, "INSUFFICIENT_GOLD", "Not enough gold"),
            Self::BalanceTooLarge => (409, "BALANCE_TOO_LARGE", "The balance would be too large"),
            Self::PurchaseAbandoned => (409, "PURCHASE_ABANDONED", "The purchase was given up"),
            Self::OutOfStock => (409, "OUT_OF_STOCK", "Sold out"),
            Self::UserLimit => (409, "USER_LIMIT", "One player may not have more"),
            Self::WindowClosed => (409, "WINDOW_CLOSED", "Not sold now"),
            Self::PromoExhausted => (409, "PROMO_EXHAUSTED", "The promotion is used up"),
            Self::SpendLocked => (403, "SPEND_LOCKED", "Spending is locked"),
            Self::RateLimit => (429, "RATE_LIMIT", "Too fast"),
            Self::FraudBlock => (429, "FRAUD_BLOCK", "Buying is stopped for a while"),
            Self::ItemExpired => (409, "ITEM_EXPIRED", "The item has expired"),
            Self::NothingToRefund => (409, "NOTHING_TO_REFUND", "Nothing is left to give back"),
            Self::RefundTooLarge => (409, "REFUND_TOO_LARGE", "Less is left to give back"),
            Self::RefundUnderWay => (409, "REFUND_UNDER_WAY", "A refund is under way"),
            Self::PurchaseNotCompleted => {
                (409, "PURCHASE_NOT_COMPLETED", "The purchase was not completed")
            }
            Self::PauseCannotBeShortened => {
                (409, "PAUSE_CANNOT_BE_SHORTENED", "A pause is never made shorter")
            }
            Self::EventNotOpen => (409, "EVENT_NOT_OPEN", "The event is not open yet"),
            Self::EventClosed => (409, "EVENT_CLOSED", "The event is over"),
            Self::EventPaused => (409, "EVENT_PAUSED", "The event is paused"),
            Self::EventFull => (409, "EVENT_FULL", "All seats are taken"),
            Self::NotEligible => (403, "NOT_ELIGIBLE", "The event is for other players"),
            Self::NotJoined => (409, "NOT_JOINED", "Join the event first"),
            Self::NotCompleted => (409, "NOT_COMPLETED", "Not complete yet"),
            Self::MissionLocked => (409, "MISSION_LOCKED", "Other missions come first"),
            Self::AlreadyClaimed => (409, "ALREADY_CLAIMED", "Claimed already"),
            Self::ClaimTooLate => (409, "CLAIM_TOO_LATE", "It is too late to claim it"),
            Self::ApprovalNeeded => (409, "APPROVAL_NEEDED", "It takes two of the staff"),
            Self::MakerIsChecker => (403, "MAKER_IS_CHECKER", "Somebody else has to approve it"),
            Self::ApprovalExpired => (409, "APPROVAL_EXPIRED", "It was not approved in time"),
            Self::ApprovalEnded => (409, "APPROVAL_ENDED", "It was decided the other way"),
            Self::WebhookStale => (400, "WEBHOOK_STALE", "Signed at another time"),
            Self::WebhookSignature => (401, "WEBHOOK_SIGNATURE", "Not signed by the provider"),
            Self::ServiceCredentialRequired => {
                (401, "SERVICE_CREDENTIAL_REQUIRED", "Only for services")
            }
            Self::TrustedSourcesOnly => (403, "TRUSTED_SOURCES_ONLY", "Only for trusted sources"),
            Self::ServiceSignature => (401, "SERVICE_SIGNATURE", "Not signed by a known service"),
            Self::ServiceRequestStale => (401, "SERVICE_REQUEST_STALE", "Signed at another time"),
            Self::ScopeMissing => (403, "SCOPE_MISSING", "The service may not do this"),
            Self::Conflict => (409, "CONFLICT", "It has changed meanwhile"),
            Self::PreconditionFailed => (412, "PRECONDITION_FAILED", "It is at another version"),
            Self::BodyTooLarge => (413, "BODY_TOO_LARGE", "The body is too long"),
            Self::UnsupportedMediaType => (415, "UNSUPPORTED_MEDIA_TYPE", "Send JSON"),
            Self::ValidationFailed => (422, "VALIDATION_FAILED", "Some fields cannot be used"),
            Self::IdempotencyKeyReused => {
                (422, "IDEMPOTENCY_KEY_REUSED", "The key was used for another request")
            }
            Self::UpgradeRequired => (426, "UPGRADE_REQUIRED", "Connect with a websocket"),
            Self::Overloaded => (503, "OVERLOADED", "Too busy"),
            Self::LogUnavailable => (503, "LOG_UNAVAILABLE", "The log cannot be reached"),
            Self::LogUnconfirmed => (503, "LOG_UNCONFIRMED", "The log cannot be reached"),
            Self::ReadModelBehind => (503, "READ_MODEL_BEHIND", "Not there yet"),
            Self::DatabaseUnavailable => (503, "DATABASE_UNAVAILABLE", "The database is away"),
            Self::PaymentsUnavailable => (503, "PAYMENTS_UNAVAILABLE", "Nothing can be bought now"),
            Self::InternalError => (500, "INTERNAL_ERROR", "Something went wrong"),
        }
    }

    /// Whether asking again shortly may help.
    const fn is_passing(self) -> bool {
        self.told().0 == 503
    }
}

/// One field that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// What kind of error: `missing`, `extra_forbidden`, `int_type` and the like.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Where: `body` and the field's name.
    pub loc: Vec<String>,
    /// What is expected.
    pub msg: Cow<'static, str>,
}

/// A request that was not done.
#[derive(Debug)]
pub struct ApiError(Box<Problem>);

/// What is known about it.
#[derive(Debug)]
pub struct Problem {
    /// Why.
    pub reason: Reason,
    detail: Cow<'static, str>,
    fields: Vec<FieldError>,
    members: Vec<(&'static str, Value)>,
    /// The setting that lifts what refused, told outside production.
    setting: Option<&'static str>,
    /// When what refused ends.
    ends_at: Option<DateTime<Utc>>,
    retry_after: Option<Duration>,
    /// What went wrong inside, for the log only.
    pub cause: Option<anyhow::Error>,
    /// Nothing went wrong: it was a dry run, and this is its answer.
    dry_run: Option<Value>,
}

impl ApiError {
    /// With a message for whoever asked: what is wrong and what to do next.
    pub fn new(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        let retry_after = reason.is_passing().then(|| Duration::from_secs(1));
        Self(Box::new(Problem {
            reason,
            detail: detail.into(),
            fields: vec![],
            members: vec![],
            setting: None,
            ends_at: None,
            retry_after,
            cause: None,
            dry_run: None,
        }))
    }

    /// A defect: all that is told is the request's id.
    pub fn internal(cause: impl Into<anyhow::Error>) -> Self {
        let detail = "the club could not do this: report it with the request id";
        Self::new(Reason::InternalError, detail).because(cause)
    }

    /// Fields that cannot be used; the missing ones first.
    #[must_use]
    pub fn fields(mut errors: Vec<FieldError>) -> Self {
        errors.sort_by_key(|error| error.kind != "missing");
        let count = errors.len();
        let plural = if count == 1 { "field" } else { "fields" };
        let detail = format!("{count} {plural} cannot be used: see errors");
        let mut error = Self::new(Reason::ValidationFailed, detail);
        error.0.fields = errors;
        error
    }

    /// The answer to a dry run. It ends a handler as a refusal does, before anything else of it is done.
    #[must_use]
    pub fn dry_run(dry_run: &DryRun) -> Self {
        let mut error = Self::new(Reason::Conflict, "it was a dry run");
        error.0.dry_run = Some(dry_run::told(dry_run));
        error
    }

    /// With one more member in the answer.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.members.push((name, value.into()));
        self
    }

    /// Refused by a limit: which one, when it ends, and which setting lifts it.
    #[must_use]
    pub fn by_limit(
        mut self,
        limit: &'static str,
        ends_at: Option<DateTime<Utc>>,
        setting: Option<&'static str>,
    ) -> Self {
        self.0.setting = setting;
        self.0.ends_at = ends_at;
        let error = self.with("limit", limit);
        match ends_at {
            Some(end) => error.with("ends_at", rfc3339(end)),
            None => error,
        }
    }

    /// With its inner cause, for the log.
    #[must_use]
    pub fn because(mut self, cause: impl Into<anyhow::Error>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// With the time after which asking again makes sense.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// As the answer to a purchase: `success: false`, and the code again as `reason_code`.
    #[must_use]
    pub fn of_purchase(self) -> Self {
        let code = self.0.reason.told().1;
        self.with("success", false).with("reason_code", code)
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        self.0.reason
    }
}

impl Problem {
    /// The status code.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.reason.told().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The body of the answer.
    #[must_use]
    pub fn body<'a>(&'a self, request_id: &'a str, instance: &'a str) -> Body<'a> {
        Body { problem: self, request_id, instance, setting: self.setting }
    }

    /// Whole seconds until asking again makes sense, rounded up.
    #[must_use]
    pub fn retry_after_seconds(&self, now: DateTime<Utc>) -> Option<u64> {
        let until_end = self.ends_at.and_then(|end| (end - now).to_std().ok());
        let wait = self.retry_after.or(until_end)?;
        Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
    }
}

/// A problem as it is told, its members in the order in which people read them.
#[derive(Debug)]
pub struct Body<'a> {
    problem: &'a Problem,
    request_id: &'a str,
    instance: &'a str,
    setting: Option<&'static str>,
}

impl Body<'_> {
    /// As players in production see it: they cannot change settings.
    #[must_use]
    pub fn for_production(self) -> Self {
        Self { setting: None, ..self }
    }
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (status, code, title) = self.problem.reason.told();
        let mut body = serializer.serialize_map(None)?;
        let kind = format!("urn:casino-club:problem:{}", code.to_ascii_lowercase());
        body.serialize_entry("type", &kind)?;
        body.serialize_entry("title", title)?;
        body.serialize_entry("status", &status)?;
        body.serialize_entry("detail", &self.problem.detail)?;
        body.serialize_entry("code", code)?;
        body.serialize_entry("request_id", self.request_id)?;
        body.serialize_entry("instance", self.instance)?;
        for (name, value) in &self.problem.members {
            body.serialize_entry(name, value)?;
        }
        if let Some(setting) = self.setting {
            body.serialize_entry("setting", setting)?;
        }
        let fields = &self.problem.fields;
        if !fields.is_empty() {
            body.serialize_entry("errors", fields)?;
            // The same list, where old clients look.
            body.serialize_entry("error", &Details { details: fields })?;
        }
        body.end()
    }
}

#[derive(Serialize)]
struct Details<'a> {
    details: &'a [FieldError],
}

impl IntoResponse for ApiError {
    /// Leaves the body to [`crate::edge`], which knows the request's id.
    fn into_response(mut self) -> Response {
        if let Some(dry_run) = self.0.dry_run.take() {
            return Json(dry_run).into_response();
        }
        let mut response = self.0.status().into_response();
        response.extensions_mut().insert(std::sync::Arc::new(*self.0));
        response
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(error: &ApiError) -> Value {
        serde_json::to_value(error.0.body("r1", "/api/shop/buy")).unwrap()
    }

    fn field(kind: &'static str, name: &str) -> FieldError {
        FieldError { kind, loc: vec!["body".into(), name.into()], msg: "no".into() }
    }

    #[test]
    fn missing_fields_come_first_and_old_clients_find_the_list_too() {
        let error = ApiError::fields(vec![
            field("extra_forbidden", "package_id"),
            field("missing", "product_id"),
        ]);
        let body = told(&error);
        assert_eq!(body["status"], 422);
        assert_eq!(body["errors"][0]["type"], "missing");
        assert_eq!(body["errors"][0]["loc"], json!(["body", "product_id"]));
        assert_eq!(body["error"]["details"], body["errors"]);
        assert_eq!(body["request_id"], "r1");
    }

    #[test]
    fn a_refused_purchase_says_so_twice() {
        let error = ApiError::new(Reason::PaymentDeclined, "the card was declined").of_purchase();
        let body = told(&error);
        assert_eq!(body["success"], false);
        assert_eq!((&body["code"], &body["reason_code"]), (&body["reason_code"], &body["code"]));
    }

    #[test]
    fn the_cause_is_never_told() {
        let error = ApiError::internal(anyhow::anyhow!("password=hunter2"));
        assert!(!told(&error).to_string().contains("hunter2"));
    }

    #[test]
    fn waits_are_told_in_whole_seconds_rounded_up() {
        let error = ApiError::new(Reason::Overloaded, "busy");
        let seconds = |wait| {
            let error = ApiError::new(Reason::Overloaded, "busy").retry_after(wait);
            error.0.retry_after_seconds(DateTime::UNIX_EPOCH)
        };
        assert_eq!(error.0.retry_after_seconds(DateTime::UNIX_EPOCH), Some(1));
        assert_eq!(seconds(Duration::from_millis(1)), Some(1));
        assert_eq!(seconds(Duration::from_millis(2_001)), Some(3));
    }
}
