//! How refusals and failures of the inner layers are told to clients.

use commands::Failure;
use commands::approvals::ApprovalNeeded;
use commands::bus::Unavailable;
use commands::grants::GrantRefusal;
use commands::invites::OpeningRefusal;
use commands::jobs::BulkRefusal;
use commands::play::PlayRefusal;
use commands::shop::ShopRefusal;
use commands::standing::StandingRefusal;
use domain::account::{AccountRefusal, FraudRule, SpendLock};
use domain::announcement::AnnouncementRefusal;
use domain::approval::ApprovalRefusal;
use domain::audit::AuditRefusal;
use domain::campaign::CampaignRefusal;
use domain::identity::IdentityRefusal;
use domain::invite::InviteRefusal;
use domain::job::JobRefusal;
use domain::live_event::LiveEventRefusal;
use domain::mission::MissionRefusal;
use domain::package::PackageRefusal;
use domain::product::ProductRefusal;
use domain::promo::PromoRefusal;
use domain::role::RoleRefusal;

use super::{ApiError, FieldError, Reason};
use crate::auth::sign_in::rfc3339;

impl From<AccountRefusal> for ApiError {
    fn from(refusal: AccountRefusal) -> Self {
        let told = |reason| Self::new(reason, refusal.to_string());
        match refusal {
            AccountRefusal::NoSuchAccount | AccountRefusal::NoSuchItem => told(Reason::NotFound),
            AccountRefusal::InDebt { debt } => told(Reason::InDebt).with("debt", debt),
            AccountRefusal::MoneyUnderWay => told(Reason::MoneyUnderWay),
            AccountRefusal::NothingToMove => told(Reason::ValidationFailed),
            AccountRefusal::BalanceTooLarge => told(Reason::BalanceTooLarge),
            AccountRefusal::InsufficientGold { has, needs } => {
                told(Reason::InsufficientGold).with("gold", has).with("needed", needs)
            }
            AccountRefusal::RankRequired { .. } => told(Reason::RankRequired),
            AccountRefusal::SpendLocked { lock } => spend_locked(told(Reason::SpendLocked), lock),
            AccountRefusal::NothingToRefund => told(Reason::NothingToRefund),
            AccountRefusal::RefundTooLarge { left_cents } => {
                told(Reason::RefundTooLarge).with("left_cents", left_cents)
            }
            AccountRefusal::RefundUnderWay => told(Reason::RefundUnderWay),
            AccountRefusal::PurchaseNotOpen => told(Reason::Conflict),
            AccountRefusal::ItemTooLate { at } => {
                told(Reason::ItemExpired).with("expired_at", rfc3339(at))
            }
            AccountRefusal::PauseCannotBeShortened => told(Reason::PauseCannotBeShortened),
            AccountRefusal::NotEligible { .. } => told(Reason::NotEligible),
            AccountRefusal::NotJoined => told(Reason::NotJoined),
            AccountRefusal::NotCompleted => told(Reason::NotCompleted),
            AccountRefusal::MissionLocked => told(Reason::MissionLocked),
            AccountRefusal::AlreadyClaimed => told(Reason::AlreadyClaimed),
            AccountRefusal::ClaimTooLate { until } => {
                told(Reason::ClaimTooLate).with("ended_at", rfc3339(until))
            }
            // Codes are unique by construction: a defect, and nothing that a client can mend.
            AccountRefusal::ReceiptInUse => Self::internal(refusal),
            AccountRefusal::UserLimitReached { .. }
            | AccountRefusal::PromoUserLimitReached { .. }
            | AccountRefusal::SpendLimitReached { .. }
            | AccountRefusal::TooFast { .. }
            | AccountRefusal::PurchasesBlocked { .. } => by_limit(&refusal),
        }
    }
}

/// Refused by a limit: which one, when it ends, and which setting lifts it.
fn by_limit(refusal: &AccountRefusal) -> ApiError {
    let told = |reason| ApiError::new(reason, refusal.to_string());
    match *refusal {
        AccountRefusal::UserLimitReached { limit, had, until } => {
            let error = told(Reason::UserLimit).by_limit("per_user", until, None);
            error.with("most", limit.count).with("had", had)
        }
        AccountRefusal::PromoUserLimitReached { most } => {
            told(Reason::UserLimit).by_limit("promo_per_user", None, None).with("most", most)
        }
        AccountRefusal::SpendLimitReached { limit_cents, left_cents, until } => {
            let error = told(Reason::UserLimit).by_limit("monthly_spend", Some(until), None);
            error.with("limit_cents", limit_cents).with("left_cents", left_cents)
        }
        AccountRefusal::PurchasesBlocked { rule, until } => {
            let (limit, setting) = match rule {
                FraudRule::TooManyPurchases => ("purchases", "CLUB_LIMIT_PURCHASES"),
                FraudRule::TooManyCards => ("cards", "CLUB_LIMIT_CARDS"),
            };
            told(Reason::FraudBlock).by_limit(limit, Some(until), Some(setting))
        }
        AccountRefusal::TooFast { until } => {
            let setting = "CLUB_LIMIT_LIMITED_PURCHASES";
            told(Reason::RateLimit).by_limit("limited_purchases", Some(until), Some(setting))
        }
        ref other => ApiError::internal(other.clone()),
    }
}

fn spend_locked(error: ApiError, lock: SpendLock) -> ApiError {
    let error = error.with("lock", lock.name());
    match (lock, lock.until()) {
        (SpendLock::Debt(debt), _) => error.with("debt", debt),
        (_, Some(until)) => error.with("ends_at", rfc3339(until)),
        (_, None) => error,
    }
}

impl From<ProductRefusal> for ApiError {
    fn from(refusal: ProductRefusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            ProductRefusal::NotFound | ProductRefusal::BoughtOtherwise { .. } => {
                Self::new(Reason::NotFound, detail)
            }
            ProductRefusal::AlreadyDefined | ProductRefusal::OtherKind => {
                Self::new(Reason::Conflict, detail)
            }
            ProductRefusal::OtherVersion { version } => {
                Self::new(Reason::PreconditionFailed, detail).with("version", version)
            }
            ProductRefusal::TotalTooLarge => Self::new(Reason::BalanceTooLarge, detail),
        }
    }
}

impl From<PackageRefusal> for ApiError {
    fn from(refusal: PackageRefusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            PackageRefusal::NotFound => Self::new(Reason::NotFound, detail),
            PackageRefusal::AlreadyDefined => Self::new(Reason::Conflict, detail),
            PackageRefusal::WindowClosed { starts_at, ends_at } => {
                let error = Self::new(Reason::WindowClosed, detail);
                error.with("starts_at", rfc3339(starts_at)).with("ends_at", rfc3339(ends_at))
            }
            PackageRefusal::Disabled => Self::new(Reason::WindowClosed, detail),
            PackageRefusal::TooMany { most } => {
                let loc = vec!["body".to_owned(), "quantity".to_owned()];
                let msg = format!("expected {most} or less").into();
                Self::fields(vec![FieldError { kind: "less_than_equal", loc, msg }])
            }
            PackageRefusal::OutOfStock { left } => {
                Self::new(Reason::OutOfStock, detail).with("remaining_stock", left)
            }
            PackageRefusal::TotalTooLarge => Self::new(Reason::BalanceTooLarge, detail),
        }
    }
}

impl From<PromoRefusal> for ApiError {
    fn from(refusal: PromoRefusal) -> Self {
        let detail = refusal.to_string();
        let reason = match refusal {
            PromoRefusal::NotFound => Reason::NotFound,
            PromoRefusal::AlreadyDefined => Reason::Conflict,
            PromoRefusal::WindowClosed => Reason::WindowClosed,
            PromoRefusal::Exhausted => Reason::PromoExhausted,
        };
        Self::new(reason, detail)
    }
}

impl From<InviteRefusal> for ApiError {
    fn from(refusal: InviteRefusal) -> Self {
        let told = |reason| Self::new(reason, refusal.to_string());
        match refusal {
            InviteRefusal::NotFound => told(Reason::NotFound),
            InviteRefusal::AlreadyCreated => told(Reason::Conflict),
            InviteRefusal::OverAlready => wrong_field("expires_at", refusal.to_string()),
            InviteRefusal::Deactivated | InviteRefusal::Expired | InviteRefusal::Lapsed => {
                told(Reason::InvalidInviteCode)
            }
            InviteRefusal::Exhausted => told(Reason::InviteExhausted),
        }
    }
}

impl From<OpeningRefusal> for ApiError {
    fn from(refusal: OpeningRefusal) -> Self {
        match refusal {
            // Whoever signs up is not told whether a code was ever there.
            OpeningRefusal::Invite(InviteRefusal::NotFound) => InviteRefusal::Deactivated.into(),
            OpeningRefusal::Invite(refusal) => refusal.into(),
            OpeningRefusal::Account(refusal) => refusal.into(),
        }
    }
}

impl From<LiveEventRefusal> for ApiError {
    fn from(refusal: LiveEventRefusal) -> Self {
        let told = |reason| Self::new(reason, refusal.to_string());
        match refusal {
            LiveEventRefusal::NotFound => told(Reason::NotFound),
            LiveEventRefusal::NotOpen { opens_at } => {
                told(Reason::EventNotOpen).with("opens_at", rfc3339(opens_at))
            }
            LiveEventRefusal::Closed => told(Reason::EventClosed),
            LiveEventRefusal::Paused => told(Reason::EventPaused),
            LiveEventRefusal::Full { capacity } => {
                told(Reason::EventFull).with("capacity", capacity)
            }
            LiveEventRefusal::OtherVersion { version } => {
                told(Reason::PreconditionFailed).with("version", version)
            }
            LiveEventRefusal::AlreadyDefined
            | LiveEventRefusal::Ended
            | LiveEventRefusal::NoLeaderboard => told(Reason::Conflict),
        }
    }
}

impl From<AnnouncementRefusal> for ApiError {
    fn from(refusal: AnnouncementRefusal) -> Self {
        match refusal {
            AnnouncementRefusal::NotFound => Self::new(Reason::NotFound, refusal.to_string()),
            AnnouncementRefusal::EndsBeforeItBegins => wrong_field("ends_at", refusal.to_string()),
            AnnouncementRefusal::TooMany => Self::new(Reason::Conflict, refusal.to_string()),
        }
    }
}

impl From<CampaignRefusal> for ApiError {
    fn from(refusal: CampaignRefusal) -> Self {
        let told = |reason| Self::new(reason, refusal.to_string());
        match refusal {
            CampaignRefusal::NotFound => told(Reason::NotFound),
            CampaignRefusal::AlreadyDrawnUp
            | CampaignRefusal::NotStarted
            | CampaignRefusal::AlreadyStarted
            | CampaignRefusal::Finished => told(Reason::Conflict),
        }
    }
}

impl From<MissionRefusal> for ApiError {
    fn from(refusal: MissionRefusal) -> Self {
        let told = |reason| Self::new(reason, refusal.to_string());
        match refusal {
            MissionRefusal::NotFound => told(Reason::NotFound),
            MissionRefusal::MeasureIsFixed | MissionRefusal::StillCounting => {
                told(Reason::Conflict)
            }
            MissionRefusal::RequiresUnknown => wrong_field("requires", refusal.to_string()),
            MissionRefusal::OtherVersion { version } => {
                told(Reason::PreconditionFailed).with("version", version)
            }
        }
    }
}

impl From<PlayRefusal> for ApiError {
    fn from(refusal: PlayRefusal) -> Self {
        match refusal {
            PlayRefusal::Account(refusal) => refusal.into(),
            PlayRefusal::Event(refusal) => refusal.into(),
            PlayRefusal::Mission(refusal) => refusal.into(),
            PlayRefusal::NoBenefit(wrong) => wrong_field("rewards", wrong.to_string()),
            PlayRefusal::ApprovalNeeded(needed) => needed.into(),
        }
    }
}

impl From<ApprovalNeeded> for ApiError {
    fn from(needed: ApprovalNeeded) -> Self {
        let threshold = needed.threshold.amount();
        let detail = format!(
            "{threshold} gold or more take two of the staff: ask for them by POST \
             /api/admin/users/{{id}}/grant, and somebody else can approve it"
        );
        Self::new(Reason::ApprovalNeeded, detail).with("threshold", threshold)
    }
}

impl From<ApprovalRefusal> for ApiError {
    fn from(refusal: ApprovalRefusal) -> Self {
        let told = |reason| Self::new(reason, refusal.to_string());
        match refusal {
            ApprovalRefusal::NotFound => told(Reason::NotFound),
            // Codes are unique by construction: a defect, and nothing that a client can mend.
            ApprovalRefusal::IdInUse => Self::internal(refusal),
            ApprovalRefusal::MakerIsChecker => told(Reason::MakerIsChecker),
            ApprovalRefusal::PlayerIsChecker => told(Reason::PlayerIsChecker),
            ApprovalRefusal::Expired { expires_at } => {
                told(Reason::ApprovalExpired).with("expired_at", rfc3339(expires_at))
            }
            ApprovalRefusal::Ended { ending } => {
                told(Reason::ApprovalEnded).with("approval_status", ending.name())
            }
        }
    }
}

impl From<GrantRefusal> for ApiError {
    fn from(refusal: GrantRefusal) -> Self {
        match refusal {
            GrantRefusal::Account(refusal) => refusal.into(),
            GrantRefusal::Approval(refusal) => refusal.into(),
            GrantRefusal::ApprovalNeeded(needed) => needed.into(),
            GrantRefusal::StaffOnly => Self::new(Reason::Forbidden, refusal.to_string()),
        }
    }
}

impl From<JobRefusal> for ApiError {
    fn from(refusal: JobRefusal) -> Self {
        let told = |reason| Self::new(reason, refusal.to_string());
        match refusal {
            JobRefusal::NotFound => told(Reason::NotFound),
            JobRefusal::NoLines
            | JobRefusal::TooManyLines
            | JobRefusal::PlayerTwice { .. }
            | JobRefusal::NothingToGive { .. }
            | JobRefusal::TotalTooLarge { .. } => wrong_field("lines", refusal.to_string()),
            JobRefusal::MakerIsChecker => told(Reason::MakerIsChecker),
            JobRefusal::PlayerIsChecker => told(Reason::PlayerIsChecker),
            JobRefusal::Expired { expires_at } => {
                told(Reason::ApprovalExpired).with("expired_at", rfc3339(expires_at))
            }
            JobRefusal::Elsewhere { status } => {
                told(Reason::JobElsewhere).with("job_status", status.name())
            }
            JobRefusal::MovedOn => told(Reason::Conflict),
            // Codes are unique by construction: a defect, and nothing that a client can mend.
            JobRefusal::IdInUse => Self::internal(refusal),
        }
    }
}

impl From<BulkRefusal> for ApiError {
    fn from(refusal: BulkRefusal) -> Self {
        match refusal {
            BulkRefusal::Job(refusal) => refusal.into(),
            BulkRefusal::Account(refusal) => refusal.into(),
            BulkRefusal::StaffOnly => Self::new(Reason::Forbidden, refusal.to_string()),
        }
    }
}

fn wrong_field(name: &str, msg: String) -> ApiError {
    let loc = vec!["body".to_owned(), name.to_owned()];
    ApiError::fields(vec![FieldError { kind: "value_error", loc, msg: msg.into() }])
}

impl From<AuditRefusal> for ApiError {
    fn from(refusal: AuditRefusal) -> Self {
        match refusal {}
    }
}

impl From<IdentityRefusal> for ApiError {
    fn from(refusal: IdentityRefusal) -> Self {
        match refusal {
            IdentityRefusal::EndsBeforeNow => wrong_field("until", refusal.to_string()),
            IdentityRefusal::AlreadyEnrolled => Self::new(Reason::Conflict, refusal.to_string()),
            IdentityRefusal::TooManyNotes => Self::new(Reason::UserLimit, refusal.to_string()),
            IdentityRefusal::OfTheStaff => Self::new(Reason::OfTheStaff, refusal.to_string()),
            IdentityRefusal::Erased | IdentityRefusal::NoSuchNote => {
                Self::new(Reason::NotFound, refusal.to_string())
            }
        }
    }
}

impl From<StandingRefusal> for ApiError {
    fn from(refusal: StandingRefusal) -> Self {
        let told = |reason| Self::new(reason, refusal.to_string());
        match refusal {
            StandingRefusal::Account(refusal) => refusal.into(),
            StandingRefusal::Nobody | StandingRefusal::Role(RoleRefusal::NoSuchRole) => {
                told(Reason::NotFound)
            }
            StandingRefusal::Identity(refusal) => refusal.into(),
            StandingRefusal::Role(RoleRefusal::Lacking(permission)) => {
                told(Reason::Forbidden).with("permission", permission.name())
            }
            StandingRefusal::Role(RoleRefusal::OwnRole)
            | StandingRefusal::OwnTotp
            | StandingRefusal::Oneself => told(Reason::Forbidden),
            StandingRefusal::Role(RoleRefusal::OtherVersion { version }) => {
                told(Reason::PreconditionFailed).with("version", version)
            }
            StandingRefusal::Role(RoleRefusal::BuiltIn) => told(Reason::Conflict),
        }
    }
}

impl From<ShopRefusal> for ApiError {
    fn from(refusal: ShopRefusal) -> Self {
        match refusal {
            ShopRefusal::Product(refusal) => refusal.into(),
            ShopRefusal::Package(refusal) => refusal.into(),
            ShopRefusal::Promo(refusal) => refusal.into(),
            ShopRefusal::Account(refusal) => refusal.into(),
            ShopRefusal::NotCompleted => {
                let detail = "the purchase was not completed: nothing can be given back";
                Self::new(Reason::PurchaseNotCompleted, detail)
            }
            ShopRefusal::ProviderSilent => {
                let detail = "the payment provider does not answer: ask again shortly";
                Self::new(Reason::PaymentsUnavailable, detail)
            }
        }
    }
}

impl<R: Into<Self>> From<Failure<R>> for ApiError {
    fn from(failure: Failure<R>) -> Self {
        match failure {
            Failure::Refused { refusal, place } => refusal.into().with("position", place.position),
            Failure::KeyReused => Self::new(
                Reason::IdempotencyKeyReused,
                "the idempotency key was already used for another request: take a new one",
            ),
            Failure::Overloaded { retry_after } => {
                let detail = "too many commands are waiting and nothing was done: try again";
                Self::new(Reason::Overloaded, detail).retry_after(retry_after)
            }
            Failure::DryRun(dry_run) => Self::dry_run(&dry_run),
            Failure::Unavailable => Self::new(
                Reason::LogUnavailable,
                "whether it was done is not known: repeat it with the same idempotency key",
            ),
        }
    }
}

impl From<Unavailable> for ApiError {
    fn from(_: Unavailable) -> Self {
        Self::new(Reason::LogUnavailable, "the log cannot be read: try again")
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::WorkerCrashed => {
                let detail = "the database does not answer: try again";
                Self::new(Reason::DatabaseUnavailable, detail).because(error)
            }
            error => Self::internal(error),
        }
    }
}
