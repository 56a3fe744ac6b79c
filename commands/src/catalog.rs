//! What is asked of the catalogue: products, limited packages and promotions.

use domain::aggregate::Aggregate;
use domain::id::{PackageCode, ProductId, PromoCode};
use domain::package::{Package, PackageCommand, PackageRefusal, PackageTerms};
use domain::product::{Product, ProductCommand, ProductEvent, ProductRefusal, Terms};
use domain::promo::{Promo, PromoCommand, PromoRefusal, PromoTerms};

use crate::Commands;
use crate::bus::{Answer, Committed, Failure, Request};
use crate::context::{Caller, Fingerprint};
use crate::world::World;

/// A product's terms after a change.
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
        self.ask::<Product>(caller, product, command, fingerprint).await
    }

    /// Replaces a product's terms; purchases under way keep theirs. The answer is that of the event,
    /// so a repeat tells what it told the first time, whatever has been revised since.
    ///
    /// # Errors
    /// If there is no such product, or it is of the other kind.
    pub async fn revise_product(
        &self,
        caller: &Caller,
        product: ProductId,
        terms: Terms,
    ) -> Result<Answer<RevisedTerms>, Failure<ProductRefusal>> {
        let fingerprint = self.fingerprints.fingerprint("revise_product", &(product, &terms));
        let command = ProductCommand::Revise { at: self.clock.now(), terms };
        self.change_product(caller, product, command, fingerprint).await
    }

    /// Puts a product on sale, or takes it off.
    ///
    /// # Errors
    /// If there is no such product.
    pub async fn put_product_on_sale(
        &self,
        caller: &Caller,
        product: ProductId,
        on_sale: bool,
    ) -> Result<Answer<RevisedTerms>, Failure<ProductRefusal>> {
        let fingerprint = self.fingerprints.fingerprint("put_product_on_sale", &(product, on_sale));
        let command = ProductCommand::PutOnSale { at: self.clock.now(), on_sale };
        self.change_product(caller, product, command, fingerprint).await
    }

    async fn change_product(
        &self,
        caller: &Caller,
        product: ProductId,
        command: ProductCommand,
        fingerprint: Fingerprint,
    ) -> Result<Answer<RevisedTerms>, Failure<ProductRefusal>> {
        let revised = self.ask::<Product>(caller, product, command, fingerprint).await?;
        if revised.events.is_empty() {
            return self.present_terms(product, revised).await;
        }
        revised.answer(|event: &ProductEvent| {
            let (version, terms) = event.terms();
            Some(RevisedTerms { version, terms })
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

    /// Offers a limited package. Asking again with the same terms does nothing.
    ///
    /// # Errors
    /// If it is there with other terms.
    pub async fn define_package(
        &self,
        caller: &Caller,
        package: PackageCode,
        terms: PackageTerms,
    ) -> Result<Committed, Failure<PackageRefusal>> {
        let fingerprint = self.fingerprints.fingerprint("define_package", &(package, &terms));
        let command = PackageCommand::Define { at: self.clock.now(), terms };
        self.ask::<Package>(caller, package, command, fingerprint).await
    }

    /// Lets a package be bought within its window, or no longer.
    ///
    /// # Errors
    /// If there is no such package.
    pub async fn put_package_on_sale(
        &self,
        caller: &Caller,
        package: PackageCode,
        on_sale: bool,
    ) -> Result<Committed, Failure<PackageRefusal>> {
        let fingerprint = self.fingerprints.fingerprint("put_package_on_sale", &(package, on_sale));
        let command = PackageCommand::PutOnSale { at: self.clock.now(), on_sale };
        self.ask::<Package>(caller, package, command, fingerprint).await
    }

    /// Makes a promotion. Asking again with the same terms does nothing.
    ///
    /// # Errors
    /// If it is there with other terms.
    pub async fn define_promo(
        &self,
        caller: &Caller,
        promo: PromoCode,
        terms: PromoTerms,
    ) -> Result<Committed, Failure<PromoRefusal>> {
        let fingerprint = self.fingerprints.fingerprint("define_promo", &(promo, &terms));
        let command = PromoCommand::Define { at: self.clock.now(), terms };
        self.ask::<Promo>(caller, promo, command, fingerprint).await
    }

    /// One command on one stream that is nobody's account.
    async fn ask<A: Aggregate<Refusal: 'static, Command: 'static, Id: 'static>>(
        &self,
        caller: &Caller,
        id: A::Id,
        command: A::Command,
        fingerprint: Fingerprint,
    ) -> Result<Committed, Failure<A::Refusal>> {
        let request = Request::new(caller, None).keyed(fingerprint);
        let decide = move |world: &mut World<'_>| world.decide::<A>(id, &command);
        self.bus.execute(request, decide).await
    }
}
