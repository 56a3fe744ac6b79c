//! Stripe: a charge is a PaymentIntent.
//!
//! | the port | Stripe |
//! |---|---|
//! | charge | create without a card → write it down → confirm with the card → capture |
//! | status | retrieve; what the bank has authorised is captured |
//! | void | cancel; a charge that has no intent never gets one |
//! | refund | look through the refunds for this one → refund |
//! | records | list, the newest first |
//!
//! [`register`] holds which intent stands for which charge. Whatever was lost in a crash, only the
//! intent written there can get a card, so one charge takes money once: without trusting Stripe's
//! memory of idempotency keys, which ends after 24 hours. See docs/decisions/0008-payments.md.

mod api;
mod event;
mod intent;
mod register;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::account::FailureReason;
use domain::id::ReceiptCode;
use domain::money::Cents;
use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::PgPool;

use self::api::{Api, Field, NoAnswer};
use self::intent::{Dispute, GivenBack, Intent, Page, Stage};
use self::register::{Entry, Register, Standing};
use super::{
    CardToken, Charge, ChargeState, Delivery, Notice, PaymentProvider, ProviderError,
    ProviderRecord, Refund, RefundState, Untrusted,
};
use crate::clock::Clock;
use crate::secret::Secret;

/// Where Stripe is.
pub const STRIPE_URL: &str = "https://api.stripe.com";

const INTENTS: &str = "/v1/payment_intents";
/// What Stripe is to tell of an intent besides itself.
const WHOLE: Field<'_> = ("expand[]", "latest_charge");
/// Stripe's longest page.
const PAGE: Field<'_> = ("limit", "100");

/// An account at Stripe.
#[derive(Debug, Clone)]
pub struct StripeSettings {
    /// The secret key.
    pub api_key: Secret,
    /// What Stripe signs its messages with.
    pub webhook_secrets: Vec<Secret>,
    /// Usually [`STRIPE_URL`].
    pub api_url: String,
}

/// See the module.
#[derive(Clone)]
pub struct Stripe {
    api: Api,
    register: Register,
    clock: Arc<dyn Clock>,
    webhook_secrets: Vec<Secret>,
}

impl Stripe {
    /// Speaks to Stripe, and writes down what it must not forget.
    ///
    /// # Errors
    /// If nothing can be sent from this machine.
    pub fn new(
        pool: PgPool,
        clock: Arc<dyn Clock>,
        settings: StripeSettings,
    ) -> Result<Self, ProviderError> {
        let api = Api::new(&settings.api_url, settings.api_key)?;
        let webhook_secrets = settings.webhook_secrets;
        Ok(Self { api, register: Register(pool), clock, webhook_secrets })
    }

    async fn take(&self, charge: &Charge, card: &CardToken) -> Result<ChargeState, ProviderError> {
        let standing = match self.register.find(charge).await? {
            Some(standing) => standing,
            None => self.begin(charge, card).await?,
        };
        let Standing::Intent(id) = standing else { return Ok(without_intent(&standing)) };
        let intent = self.retrieve(&id).await?;
        match (intent.stage(), card.reveal()) {
            (Stage::Untried, Some(card)) => self.try_card(charge, &intent, card).await,
            _ => self.finish(intent).await,
        }
    }

    /// Makes an intent and writes it down, unless there is one or never will be. Without a card, so
    /// that one which is not written down is harmless.
    async fn begin(&self, charge: &Charge, card: &CardToken) -> Result<Standing, ProviderError> {
        let now = self.clock.now();
        if card.reveal().is_none() {
            return self.register.write(charge, Entry::Declined, now).await;
        }
        let (charge_id, receipt_code) =
            (charge.charge_id.to_string(), charge.receipt_code.to_string());
        let currency = String::from(charge.currency).to_ascii_lowercase();
        let form = [
            ("amount", &*charge.amount.0.to_string()),
            ("currency", &*currency),
            ("capture_method", "manual"),
            ("payment_method_types[]", "card"),
            ("metadata[charge_id]", &*charge_id),
            ("metadata[receipt_code]", &*receipt_code),
            ("metadata[player]", &*charge.player.to_string()),
        ];
        let intent: Intent = self.api.post(INTENTS, &form, Some(&charge_id)).await?;
        self.register.write(charge, Entry::Intent(&intent.id), now).await
    }

    /// Confirms with the card, and takes the money if the bank says yes.
    async fn try_card(
        &self,
        charge: &Charge,
        intent: &Intent,
        card: &str,
    ) -> Result<ChargeState, ProviderError> {
        // The key keeps a second caller, who saw the same, from trying a declined card once more.
        let key = format!("{}-confirm", charge.charge_id);
        let path = format!("{INTENTS}/{}/confirm", intent.id);
        let form = [("payment_method", card), WHOLE];
        let intent = match self.api.post::<Intent>(&path, &form, Some(&key)).await {
            Ok(intent) => intent,
            Err(NoAnswer::Refused { .. }) => self.retrieve(&intent.id).await?,
            Err(NoAnswer::Unknown(error)) => return Err(error),
        };
        if intent.stage() == Stage::Untried {
            return self.refuse_card(charge, &intent).await;
        }
        self.finish(intent).await
    }

    /// Stripe cannot even try the card: there is none of that name, for example.
    async fn refuse_card(
        &self,
        charge: &Charge,
        intent: &Intent,
    ) -> Result<ChargeState, ProviderError> {
        let state = self.cancel(intent).await?;
        if state != ChargeState::Voided {
            return Ok(state);
        }
        self.register.decline(charge).await?;
        Ok(without_intent(&Standing::Declined))
    }

    /// Captures what is authorised, and tells how it stands then.
    async fn finish(&self, intent: Intent) -> Result<ChargeState, ProviderError> {
        if intent.stage() != Stage::Authorised {
            return self.state(&intent).await;
        }
        let intent = self.act(&intent, "capture").await?;
        self.state(&intent).await
    }

    async fn cancel(&self, intent: &Intent) -> Result<ChargeState, ProviderError> {
        let intent = self.act(intent, "cancel").await?;
        self.state(&intent).await
    }

    /// Captures or cancels, if that still can be done, and tells what is.
    async fn act(&self, intent: &Intent, what: &str) -> Result<Intent, ProviderError> {
        let path = format!("{INTENTS}/{}/{what}", intent.id);
        match self.api.post(&path, &[WHOLE], None).await {
            Ok(intent) => Ok(intent),
            Err(NoAnswer::Refused { .. }) => self.retrieve(&intent.id).await,
            Err(NoAnswer::Unknown(error)) => Err(error),
        }
    }

    async fn retrieve(&self, id: &str) -> Result<Intent, ProviderError> {
        Ok(self.api.get(&format!("{INTENTS}/{id}"), &[WHOLE]).await?)
    }

    /// How a charge stands, with what its disputes say.
    async fn state(&self, intent: &Intent) -> Result<ChargeState, ProviderError> {
        match intent.state() {
            ChargeState::Captured { refunded, .. } if intent.is_disputed() => {
                let query = [("payment_intent", &*intent.id), PAGE];
                let disputes: Page<Dispute> = self.api.get("/v1/disputes", &query).await?;
                let charged_back = disputes.data.iter().any(Dispute::holds_the_money);
                Ok(ChargeState::Captured { refunded, charged_back })
            }
            state => Ok(state),
        }
    }

    async fn look(&self, charge: &Charge) -> Result<ChargeState, ProviderError> {
        match self.register.find(charge).await? {
            None => Ok(ChargeState::Unknown),
            Some(Standing::Intent(id)) => self.finish(self.retrieve(&id).await?).await,
            Some(standing) => Ok(without_intent(&standing)),
        }
    }

    async fn give_up(&self, charge: &Charge) -> Result<ChargeState, ProviderError> {
        let standing = match self.register.find(charge).await? {
            Some(standing) => standing,
            None => self.register.write(charge, Entry::Voided, self.clock.now()).await?,
        };
        let Standing::Intent(id) = standing else { return Ok(without_intent(&standing)) };
        let intent = self.retrieve(&id).await?;
        match intent.stage() {
            Stage::Untried | Stage::UnderWay | Stage::Authorised => self.cancel(&intent).await,
            Stage::Ended(_) => self.state(&intent).await,
        }
    }

    async fn give_back(
        &self,
        charge: &Charge,
        refund: &Refund,
    ) -> Result<RefundState, ProviderError> {
        let Some(Standing::Intent(id)) = self.register.find(charge).await? else {
            return Ok(RefundState::Refused);
        };
        let state = self.state(&self.retrieve(&id).await?).await?;
        let ChargeState::Captured { refunded, charged_back } = state else {
            return Ok(RefundState::Refused);
        };
        // Stripe forgets the key after 24 hours; the refund itself carries it for good.
        if self.has_given_back(&id, refund).await? {
            // Maybe only just now, by other hands: the sum that was read before may be without it.
            return Ok(RefundState::Done { refunded: self.retrieve(&id).await?.refunded() });
        }
        let left = charge.amount.minus(refunded);
        if charged_back || refund.amount == Cents(0) || refund.amount > left {
            return Ok(RefundState::Refused);
        }
        let amount = refund.amount.0.to_string();
        let form =
            [("payment_intent", &*id), ("amount", &*amount), ("metadata[refund_id]", &*refund.id)];
        match self.api.post::<GivenBack>("/v1/refunds", &form, Some(&refund.id)).await {
            Ok(given) if given.counts() => {
                Ok(RefundState::Done { refunded: self.retrieve(&id).await?.refunded() })
            }
            Ok(_) | Err(NoAnswer::Refused { .. }) => Ok(RefundState::Refused),
            Err(NoAnswer::Unknown(error)) => Err(error),
        }
    }

    async fn has_given_back(&self, id: &str, refund: &Refund) -> Result<bool, ProviderError> {
        let query = [("payment_intent", id), PAGE];
        let given: Page<GivenBack> = self.api.get("/v1/refunds", &query).await?;
        let is_it = |given: &GivenBack| {
            given.counts() && given.metadata.get("refund_id") == Some(&refund.id)
        };
        Ok(given.data.iter().any(is_it))
    }

    /// The next page that has a charge of ours.
    async fn list(
        &self,
        after: Option<&ProviderRecord>,
    ) -> Result<Vec<ProviderRecord>, ProviderError> {
        let mut cursor = after.map(|record| record.cursor.clone());
        loop {
            let mut query = vec![PAGE, ("expand[]", "data.latest_charge")];
            query.extend(cursor.as_deref().map(|cursor| ("starting_after", cursor)));
            let page: Page<Intent> = self.api.get(INTENTS, &query).await?;
            let mut records = vec![];
            for intent in &page.data {
                records.extend(intent.record(self.state(intent).await?));
            }
            cursor = page.data.last().map(|intent| intent.id.clone());
            if !records.is_empty() || !page.has_more || cursor.is_none() {
                return Ok(records);
            }
        }
    }

    async fn whose(&self, notice: &Notice) -> Result<Option<ReceiptCode>, ProviderError> {
        match (notice.receipt_code, &notice.payment) {
            (None, Some(intent)) => self.register.receipt_of(intent).await,
            (receipt_code, _) => Ok(receipt_code),
        }
    }
}

/// How a charge stands of which Stripe need not be asked.
fn without_intent(standing: &Standing) -> ChargeState {
    match standing {
        Standing::Intent(_) => ChargeState::Pending,
        Standing::Voided => ChargeState::Voided,
        Standing::Declined => ChargeState::Declined(FailureReason::PaymentDeclined),
    }
}

impl PaymentProvider for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn charge<'a>(
        &'a self,
        charge: &'a Charge,
        card: &'a CardToken,
    ) -> BoxFuture<'a, Result<ChargeState, ProviderError>> {
        self.take(charge, card).boxed()
    }

    fn status<'a>(
        &'a self,
        charge: &'a Charge,
    ) -> BoxFuture<'a, Result<ChargeState, ProviderError>> {
        self.look(charge).boxed()
    }

    /// What the bank has authorised is captured whenever it is looked at; more cannot be done.
    fn capture<'a>(
        &'a self,
        charge: &'a Charge,
    ) -> BoxFuture<'a, Result<ChargeState, ProviderError>> {
        self.look(charge).boxed()
    }

    fn void<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Result<ChargeState, ProviderError>> {
        self.give_up(charge).boxed()
    }

    fn refund<'a>(
        &'a self,
        charge: &'a Charge,
        refund: &'a Refund,
    ) -> BoxFuture<'a, Result<RefundState, ProviderError>> {
        self.give_back(charge, refund).boxed()
    }

    fn verify(&self, delivery: &Delivery<'_>, now: DateTime<Utc>) -> Result<Notice, Untrusted> {
        event::verify(&self.webhook_secrets, delivery, now)
    }

    fn receipt_of<'a>(
        &'a self,
        notice: &'a Notice,
    ) -> BoxFuture<'a, Result<Option<ReceiptCode>, ProviderError>> {
        self.whose(notice).boxed()
    }

    fn records<'a>(
        &'a self,
        after: Option<&'a ProviderRecord>,
    ) -> BoxFuture<'a, Result<Vec<ProviderRecord>, ProviderError>> {
        self.list(after).boxed()
    }
}
