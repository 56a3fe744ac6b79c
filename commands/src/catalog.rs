//! What is asked of the catalogue: products, limited packages and promotions.

use domain::aggregate::Aggregate;
use domain::id::{PackageCode, ProductId, PromoCode};
use domain::package::{Package, PackageCommand, PackageRefusal, PackageTerms};
use domain::product::{Product, ProductCommand, ProductEvent, ProductRefusal, Terms};
use domain::promo::{Promo, PromoCommand, PromoRefusal, PromoTerms};
use domain::stored::{Recorded, decode_id};

use crate::Commands;
use crate::bus::{Answer, Committed, Failure, Request, Unavailable};
use crate::context::{Caller, Fingerprint};
use crate::world::{Decline, World};

/// A product's terms after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisedTerms {
    /// Their number.
    pub version: u32,
    /// What it is and costs.
    pub terms: Terms,
}

/// A product that is new in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProduct {
    /// Its number.
    pub product: ProductId,
    /// What it is and costs.
    pub terms: RevisedTerms,
}

/// A package at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageNow {
    /// What it is and costs.
    pub terms: PackageTerms,
    /// How many are held for purchases under way.
    pub reserved: u64,
    /// How many are sold. Where there is any number, nobody counts here.
    pub sold: u64,
}

impl PackageNow {
    fn of(package: &Package) -> Option<Self> {
        let (reserved, sold) = (package.stock().on_hold(), package.stock().used());
        Some(Self { terms: package.terms()?.clone(), reserved, sold })
    }
}

/// Numbers that are tried for a new product: as many others may define one at the same time.
const NUMBERS_TRIED: usize = 64;

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

    /// Puts a new product into the catalogue, under the first free number from `first` on. The
    /// number is no part of what is asked, so a repeat finds the product of the first time.
    ///
    /// # Errors
    /// `AlreadyDefined` if very many numbers are taken.
    pub async fn add_product(
        &self,
        caller: &Caller,
        first: ProductId,
        terms: Terms,
    ) -> Result<Answer<NewProduct>, Failure<ProductRefusal>> {
        let fingerprint = self.fingerprints.fingerprint("add_product", &terms);
        let request = Request::new(caller, None).keyed(fingerprint);
        let define = ProductCommand::Define { at: self.clock.now(), terms };
        let decide = move |world: &mut World<'_>| {
            for number in (first.0..).take(NUMBERS_TRIED) {
                let product = ProductId(number);
                if world.read::<Product>(product)?.terms().is_none() {
                    return world.decide::<Product>(product, &define);
                }
            }
            Err(Decline::Refused(ProductRefusal::AlreadyDefined))
        };
        let added = self.bus.execute(request, decide).await?;
        added.answer_at(|recorded: &Recorded, event: &ProductEvent| {
            let product = decode_id(&recorded.event.aggregate_id).ok()?;
            let (version, terms) = event.terms();
            Some(NewProduct { product, terms: RevisedTerms { version, terms } })
        })
    }

    /// Replaces a product's terms; purchases under way keep theirs. The answer is that of the event,
    /// so a repeat tells what it told the first time, whatever has been revised since. `versions`,
    /// if given, are those that the caller has seen: any other is left alone.
    ///
    /// # Errors
    /// If there is no such product, it is of the other kind, or at another version.
    pub async fn revise_product(
        &self,
        caller: &Caller,
        product: ProductId,
        terms: Terms,
        versions: Option<Vec<u32>>,
    ) -> Result<Answer<RevisedTerms>, Failure<ProductRefusal>> {
        let fingerprint = self.fingerprints.fingerprint("revise_product", &(product, &terms));
        let request = Request::new(caller, None).keyed(fingerprint);
        let command = ProductCommand::Revise { at: self.clock.now(), terms };
        let decide = move |world: &mut World<'_>| {
            let present = world.read::<Product>(product)?.terms().map(|(version, _)| version);
            match (present, &versions) {
                (Some(version), Some(versions)) if !versions.contains(&version) => {
                    Err(Decline::Refused(ProductRefusal::OtherVersion { version }))
                }
                _ => world.decide::<Product>(product, &command),
            }
        };
        let revised = self.bus.execute(request, decide).await?;
        self.changed_product(product, revised).await
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
        let changed = self.ask::<Product>(caller, product, command, fingerprint).await?;
        self.changed_product(product, changed).await
    }

    /// The answer to what was asked of a product: the terms that were written, or the present ones.
    ///
    /// # Errors
    /// If there is no such product.
    pub async fn changed_product(
        &self,
        product: ProductId,
        revised: Committed,
    ) -> Result<Answer<RevisedTerms>, Failure<ProductRefusal>> {
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

    /// A package from the node's own state, if there is one.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn package(&self, package: PackageCode) -> Result<Option<PackageNow>, Unavailable> {
        let (now, _) = self.bus.look::<Package, _>(package, PackageNow::of).await?;
        Ok(now)
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
