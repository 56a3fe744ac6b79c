//! What is asked of products: defining and revising their terms.

use domain::id::ProductId;
use domain::product::{Product, ProductCommand, ProductEvent, ProductRefusal, Terms};

use crate::Commands;
use crate::bus::{Answer, Committed, Failure, Request};
use crate::context::Caller;
use crate::world::World;

/// A product's terms after a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisedTerms {
    /// Their number.
    pub version: u32,
    /// What it is and costs.
    pub terms: Terms,
}

impl Commands {
    /// Puts a product into the catalogue. Asking again with the same terms does nothing.
    ///
    /// # Errors
    /// If it is there with other terms.
    pub async fn define_product(
        &self,
        caller: &Caller,
        product: ProductId,
        terms: Terms,
    ) -> Result<Committed, Failure<ProductRefusal>> {
        let fingerprint = self.fingerprints.fingerprint("define_product", &(product, &terms));
        let command = ProductCommand::Define { at: self.clock.now(), terms };
        let request = Request::new(caller, None).keyed(fingerprint);
        self.bus.execute(request, move |world| world.decide::<Product>(product, &command)).await
    }

    /// Replaces a product's terms; purchases under way keep theirs. The answer is that of the event,
    /// so a repeat tells what it told the first time, whatever has been revised since.
    ///
    /// # Errors
    /// If there is no such product.
    pub async fn revise_product(
        &self,
        caller: &Caller,
        product: ProductId,
        terms: Terms,
    ) -> Result<Answer<RevisedTerms>, Failure<ProductRefusal>> {
        let fingerprint = self.fingerprints.fingerprint("revise_product", &(product, &terms));
        let command = ProductCommand::Revise { at: self.clock.now(), terms };
        let request = Request::new(caller, None).keyed(fingerprint);
        let decide = move |world: &mut World<'_>| world.decide::<Product>(product, &command);
        let revised = self.bus.execute(request, decide).await?;
        if revised.events.is_empty() {
            return self.present_terms(product, revised).await;
        }
        revised.answer(|event: &ProductEvent| match event {
            ProductEvent::ProductRevised { version, terms, .. } => {
                Some(RevisedTerms { version: *version, terms: terms.clone() })
            }
            ProductEvent::ProductDefined { .. } => None,
        })
    }

    /// The answer if the terms were those already: nothing was written to answer from.
    async fn present_terms(
        &self,
        product: ProductId,
        Committed { place, replayed, .. }: Committed,
    ) -> Result<Answer<RevisedTerms>, Failure<ProductRefusal>> {
        let present = |state: &Product| {
            state.terms().map(|(version, terms)| RevisedTerms { version, terms: terms.clone() })
        };
        let (present, _) = self.bus.look::<Product, _>(product, present).await?;
        let refusal = ProductRefusal::NotFound;
        let body = present.ok_or(Failure::Refused { refusal, place })?;
        Ok(Answer { body, position: place.position, replayed })
    }
}
