//! What is sent to the shop.

use domain::id::{PackageCode, PlayerId, PromoCode};
use domain::money::{Currency, Quantity};
use domain::package::MOST_PACKAGES;
use utoipa::ToSchema;

use crate::body::Fields;
use crate::body::values::{self, ProductName, Wrong};
use crate::error::ApiError;

/// What is bought: gold for real money, or an item for gold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Kind {
    /// Gold.
    #[default]
    Gold,
    /// An item.
    Item,
}

/// A wish to buy.
#[derive(Debug, Clone, ToSchema)]
pub struct BuyWish {
    /// The product's number, that number as text, or its catalogue name (sku).
    #[schema(value_type = serde_json::Value, example = 1001)]
    pub product_id: ProductName,
    /// 1 to 99.
    #[schema(value_type = Option<u8>, minimum = 1, maximum = 99, default = 1)]
    pub quantity: Quantity,
    /// `gold` or `item`.
    #[schema(value_type = Option<Kind>)]
    pub kind: Kind,
    /// How the player pays, in the player's own words.
    pub payment_method: Option<String>,
    /// Stands for the card at the payment provider.
    pub card_token: Option<String>,
    /// ISO 4217; prices are in USD.
    #[schema(value_type = Option<String>)]
    pub currency: Option<Currency>,
    /// The caller's own number, if at all.
    #[schema(value_type = Option<i64>)]
    pub user_id: Option<PlayerId>,
    /// Instead of the header Idempotency-Key.
    pub idempotency_key: Option<String>,
}

impl BuyWish {
    /// From a body.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(mut fields: Fields) -> Result<Self, ApiError> {
        let kinds = [("gold", Kind::Gold), ("item", Kind::Item)];
        let product_id = fields.required("product_id", values::product_name);
        let quantity = fields.nullable("quantity", values::quantity);
        let kind = fields.nullable("kind", values::one_of(&kinds));
        let payment_method = fields.nullable("payment_method", values::payment_method);
        let card_token = fields.nullable("card_token", values::secret(1, 255));
        let currency = fields.nullable("currency", values::currency);
        let user_id = fields.nullable("user_id", values::user_id);
        let idempotency_key = fields.nullable("idempotency_key", values::secret(0, 10_000));
        fields.finish(|| {
            Some(Self {
                product_id: product_id?,
                quantity: quantity.unwrap_or(Quantity::ONE),
                kind: kind.unwrap_or_default(),
                payment_method,
                card_token,
                currency,
                user_id,
                idempotency_key,
            })
        })
    }
}

/// A wish to buy a limited package.
#[derive(Debug, Clone, ToSchema)]
pub struct BuyLimitedWish {
    /// The package's code.
    #[schema(value_type = String, example = "WEEKEND_STARTER")]
    pub package_id: PackageCode,
    /// 1 to 10.
    #[schema(value_type = Option<u8>, minimum = 1, maximum = 10, default = 1)]
    pub quantity: Quantity,
    /// A promotion that shall count.
    #[schema(value_type = Option<String>)]
    pub promo_code: Option<PromoCode>,
    /// How the player pays, in the player's own words.
    pub payment_method: Option<String>,
    /// Stands for the card at the payment provider.
    pub card_token: Option<String>,
    /// ISO 4217; prices are in USD.
    #[schema(value_type = Option<String>)]
    pub currency: Option<Currency>,
    /// The caller's own number, if at all.
    #[schema(value_type = Option<i64>)]
    pub user_id: Option<PlayerId>,
    /// Instead of the header Idempotency-Key.
    pub idempotency_key: Option<String>,
}

impl BuyLimitedWish {
    /// From a body.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(mut fields: Fields) -> Result<Self, ApiError> {
        let package_id = fields.required("package_id", values::package_code);
        let quantity = fields.nullable("quantity", values::quantity);
        if quantity.is_some_and(|quantity| u8::from(quantity) > MOST_PACKAGES) {
            let msg = format!("expected {MOST_PACKAGES} or less");
            fields.wrong("quantity", Wrong::new("less_than_equal", msg));
        }
        let promo_code = fields.nullable("promo_code", values::promo_code);
        let payment_method = fields.nullable("payment_method", values::payment_method);
        let card_token = fields.nullable("card_token", values::secret(1, 255));
        let currency = fields.nullable("currency", values::currency);
        let user_id = fields.nullable("user_id", values::user_id);
        let idempotency_key = fields.nullable("idempotency_key", values::secret(0, 10_000));
        fields.finish(|| {
            Some(Self {
                package_id: package_id?,
                quantity: quantity.unwrap_or(Quantity::ONE),
                promo_code,
                payment_method,
                card_token,
                currency,
                user_id,
                idempotency_key,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use domain::id::ProductId;
    use serde_json::json;

    use super::*;

    fn parse(body: serde_json::Value) -> Result<BuyWish, ApiError> {
        BuyWish::parse(Fields::of(body)?)
    }

    #[test]
    fn a_product_is_enough() {
        let wish = parse(json!({"product_id": 1001})).unwrap();
        assert_eq!(wish.product_id, ProductName::Id(ProductId(1001)));
        assert_eq!((wish.quantity, wish.kind), (Quantity::ONE, Kind::Gold));
    }

    #[test]
    fn no_amount_can_be_sent() {
        for field in ["gold", "amount", "price_cents", "total_cents"] {
            assert!(parse(json!({"product_id": 1001, field: 1})).is_err(), "{field}");
        }
    }

    #[test]
    fn a_quantity_is_one_to_ninety_nine() {
        for quantity in [json!(0), json!(100), json!(-1), json!(1.0), json!("1"), json!(256)] {
            assert!(parse(json!({"product_id": 1001, "quantity": quantity})).is_err());
        }
    }
}
