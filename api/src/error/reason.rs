//! Every reason for which a request is not done, and how it is told: the one file with status codes.

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
    /// The password is right, and a code is missing.
    TotpRequired,
    /// The password is right, and the code is not.
    TotpWrong,
    /// The refresh token is unknown, used or expired.
    InvalidRefreshToken,
    /// The provider declined.
    PaymentDeclined,
    /// Signed in, but not allowed.
    Forbidden,
    /// Money moves by it, and whoever asks has shown no second factor.
    TotpEnrolmentRequired,
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
    /// Somebody has confirmed this address.
    EmailTaken,
    /// A mailed link works no more.
    LinkExpired,
    /// Something is owed that has to be repaid first.
    InDebt,
    /// A purchase or a refund has to end first.
    MoneyUnderWay,
    /// Somebody of the staff; the role has to be taken away first.
    OfTheStaff,
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
    /// Nobody agrees to gold of their own.
    PlayerIsChecker,
    /// Nobody agreed in time.
    ApprovalExpired,
    /// Somebody has decided the other way.
    ApprovalEnded,
    /// The job is not where it would have to be.
    JobElsewhere,
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
    /// An edit that does not say which version the caller has seen.
    PreconditionRequired,
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
    /// The client speaks another websocket protocol.
    ProtocolUnsupported,
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
    /// There is nothing that could be asked for figures.
    AnalyticsOff,
    /// What is asked for figures does not answer.
    AnalyticsUnavailable,
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
            Self::TotpRequired => (401, "TOTP_REQUIRED", "A code is required"),
            Self::TotpWrong => (401, "TOTP_WRONG", "Wrong code"),
            Self::InvalidRefreshToken => (401, "INVALID_REFRESH_TOKEN", "Sign in again"),
            Self::PaymentDeclined => (402, "PAYMENT_DECLINED", "The payment was declined"),
            Self::Forbidden => (403, "FORBIDDEN", "Not allowed"),
            Self::TotpEnrolmentRequired => {
                (403, "TOTP_ENROLMENT_REQUIRED", "A second factor is required")
            }
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
            Self::EmailTaken => (409, "EMAIL_TAKEN", "The address is taken"),
            Self::LinkExpired => (410, "LINK_EXPIRED", "The link works no more"),
            Self::InDebt => (409, "IN_DEBT", "Something is owed"),
            Self::MoneyUnderWay => (409, "MONEY_UNDER_WAY", "A purchase or refund is under way"),
            Self::OfTheStaff => (409, "OF_THE_STAFF", "Somebody of the staff"),
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
            Self::PlayerIsChecker => (403, "PLAYER_IS_CHECKER", "Somebody else has to approve it"),
            Self::ApprovalExpired => (409, "APPROVAL_EXPIRED", "It was not approved in time"),
            Self::ApprovalEnded => (409, "APPROVAL_ENDED", "It was decided the other way"),
            Self::JobElsewhere => (409, "JOB_STATUS", "The job is not where it would have to be"),
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
            Self::PreconditionRequired => (428, "PRECONDITION_REQUIRED", "Say what you have seen"),
            Self::BodyTooLarge => (413, "BODY_TOO_LARGE", "The body is too long"),
            Self::UnsupportedMediaType => (415, "UNSUPPORTED_MEDIA_TYPE", "Send JSON"),
            Self::ValidationFailed => (422, "VALIDATION_FAILED", "Some fields cannot be used"),
            Self::IdempotencyKeyReused => {
                (422, "IDEMPOTENCY_KEY_REUSED", "The key was used for another request")
            }
            Self::ProtocolUnsupported => {
                (400, "PROTOCOL_UNSUPPORTED", "Speak another websocket protocol")
            }
            Self::UpgradeRequired => (426, "UPGRADE_REQUIRED", "Connect with a websocket"),
            Self::Overloaded => (503, "OVERLOADED", "Too busy"),
            Self::LogUnavailable => (503, "LOG_UNAVAILABLE", "The log cannot be reached"),
            Self::LogUnconfirmed => (503, "LOG_UNCONFIRMED", "The log cannot be reached"),
            Self::ReadModelBehind => (503, "READ_MODEL_BEHIND", "Not there yet"),
            Self::DatabaseUnavailable => (503, "DATABASE_UNAVAILABLE", "The database is away"),
            Self::PaymentsUnavailable => (503, "PAYMENTS_UNAVAILABLE", "Nothing can be bought now"),
            Self::AnalyticsOff => (503, "ANALYTICS_OFF", "There are no analytics here"),
            Self::AnalyticsUnavailable => (503, "ANALYTICS_UNAVAILABLE", "Analytics are away"),
            Self::InternalError => (500, "INTERNAL_ERROR", "Something went wrong"),
        }
    }

    /// Whether asking again shortly may help.
    pub(super) const fn is_passing(self) -> bool {
        self.told().0 == 503
    }
}
