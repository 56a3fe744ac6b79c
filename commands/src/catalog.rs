//! What is asked of products: defining and revising their terms.

use domain::id::ProductId;
use domain::product::{Product, ProductCommand, ProductRefusal, Terms};

use crate::Commands;
use crate::bus::{Committed, Failure, Request};
use crate::context::Caller;

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

    /// Replaces a product's terms; purchases under way keep theirs.
    ///
    /// # Errors
    /// If there is no such product.
    pub async fn revise_product(
        &self,
        caller: &Caller,
        product: ProductId,
        terms: Terms,
    ) -> Result<Committed, Failure<ProductRefusal>> {
        let fingerprint = self.fingerprints.fingerprint("revise_product", &(product, &terms));
        let command = ProductCommand::Revise { at: self.clock.now(), terms };
        let request = Request::new(caller, None).keyed(fingerprint);
        self.bus.execute(request, move |world| world.decide::<Product>(product, &command)).await
    }
}
