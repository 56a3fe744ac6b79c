//! The catalogue, as the node's own state shows it: which products there are is read from the log,
//! what they are from the write side.

use domain::aggregate::Aggregate;
use domain::id::ProductId;
use domain::product::{Product, Terms};

use crate::app::App;
use crate::body::values::ProductName;
use crate::error::{ApiError, Reason};

/// A product with its present terms.
#[derive(Debug, Clone)]
pub struct CatalogRow {
    /// Its number.
    pub id: ProductId,
    /// Which version of its terms.
    pub version: u32,
    /// What it is and costs.
    pub terms: Terms,
}

/// Every product, on sale or not, by number.
///
/// # Errors
/// If the log cannot be read.
pub async fn list(app: &App) -> Result<Vec<CatalogRow>, ApiError> {
    let mut ids: Vec<i64> = sqlx::query_scalar(
        "select distinct aggregate_id::bigint from events where aggregate_type = $1",
    )
    .bind(Product::TYPE)
    .fetch_all(&app.pool)
    .await?;
    ids.sort_unstable();
    let mut rows = Vec::with_capacity(ids.len());
    for id in ids {
        rows.extend(of(app, ProductId(id)).await?);
    }
    Ok(rows)
}

/// One product, if it is in the catalogue.
///
/// # Errors
/// If the log cannot be read.
pub async fn of(app: &App, id: ProductId) -> Result<Option<CatalogRow>, ApiError> {
    let terms = |product: &Product| product.terms().map(|(version, terms)| (version, terms.clone()));
    let (found, _) = app.commands.bus.look::<Product, _>(id, terms).await?;
    Ok(found.map(|(version, terms)| CatalogRow { id, version, terms }))
}

/// The number of a product that a client has named.
///
/// # Errors
/// If no product has that catalogue name.
pub async fn id_of(app: &App, name: ProductName) -> Result<ProductId, ApiError> {
    let sku = match name {
        ProductName::Id(id) => return Ok(id),
        ProductName::Sku(sku) => sku,
    };
    let found = list(app).await?.into_iter().find(|row| row.terms.sku == sku);
    let not_found = || ApiError::new(Reason::NotFound, "there is no such product: see the catalog");
    found.map(|row| row.id).ok_or_else(not_found)
}
