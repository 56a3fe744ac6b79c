//! Receipt codes and charge ids. (placeholder)
use crate::bus::Unavailable;
use domain::id::{ChargeId, ReceiptCode};
/// Makes codes.
#[derive(Clone)]
pub struct Codes;
/// One number's codes.
#[derive(Debug, Clone, Copy)]
pub struct Pair {
    /// Receipt.
    pub receipt_code: ReceiptCode,
    /// Charge.
    pub charge_id: ChargeId,
}
impl Codes {
    /// The next pair.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn next(&self) -> Result<Pair, Unavailable> {
        todo!()
    }
}
