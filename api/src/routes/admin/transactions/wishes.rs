//! What the staff sends about purchases.

use commands::shop::Forced;
use domain::money::Cents;
use utoipa::ToSchema;

use crate::body::Fields;
use crate::body::values;
use crate::error::ApiError;

/// A wish to make a purchase end.
#[derive(Debug, ToSchema)]
pub struct ForceWish {
    /// `success`: the provider is made to take the money; `failed`: to give it up.
    #[schema(value_type = String)]
    pub(super) outcome: Forced,
    /// Why: 2 to 120 characters. Kept beside the log, where it can be erased.
    pub(super) reason: String,
    /// Instead of the header Idempotency-Key.
    pub(super) idempotency_key: Option<String>,
}

impl ForceWish {
    pub(super) fn parse(mut fields: Fields) -> Result<Self, ApiError> {
        let outcomes = values::one_of(&[("success", Forced::Success), ("failed", Forced::Failed)]);
        let outcome = fields.required("outcome", outcomes);
        let reason = fields.required("reason", values::line(2, 120));
        let idempotency_key = fields.nullable("idempotency_key", values::secret(0, 10_000));
        fields.finish(|| Some(Self { outcome: outcome?, reason: reason?, idempotency_key }))
    }
}

/// A wish to give back.
#[derive(Debug, ToSchema)]
pub struct RefundWish {
    /// How much; all that is left, if left out. A part takes a part of the gold.
    #[schema(value_type = Option<u64>)]
    pub(super) amount_cents: Option<Cents>,
    /// Whether unused items that were bought with its gold are taken back for what is owed; false,
    /// if left out.
    #[schema(value_type = Option<bool>)]
    pub(super) take_back_items: bool,
    /// Why: 2 to 120 characters. Kept beside the log, where it can be erased.
    pub(super) reason: String,
    /// Instead of the header Idempotency-Key.
    pub(super) idempotency_key: Option<String>,
}

impl RefundWish {
    pub(super) fn parse(mut fields: Fields) -> Result<Self, ApiError> {
        let cents = |value: &_| values::points(value).map(Cents);
        let amount_cents = fields.nullable("amount_cents", cents);
        let take_back_items = fields.nullable("take_back_items", values::boolean);
        let reason = fields.required("reason", values::line(2, 120));
        let idempotency_key = fields.nullable("idempotency_key", values::secret(0, 10_000));
        fields.finish(|| {
            let take_back_items = take_back_items.unwrap_or(false);
            Some(Self { amount_cents, take_back_items, reason: reason?, idempotency_key })
        })
    }
}
