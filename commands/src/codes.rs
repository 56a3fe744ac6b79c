//! Receipt codes and charge ids: unique by construction, and not to be guessed from each other.
//!
//! Numbers come from a sequence in blocks; a permutation of all 48-bit numbers, keyed by the log's
//! own id, turns each into a receipt code, and, with 32 random bits in front, one of all 72-bit
//! numbers into a charge id.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use domain::id::{ApprovalId, ChargeId, JobId, ReceiptCode};
use sha2::{Digest, Sha256};

use crate::bus::Unavailable;
use crate::log::Log;

/// Makes codes.
#[derive(Clone)]
pub struct Codes {
    log: Arc<dyn Log>,
    key: [u8; 32],
    block: Arc<Mutex<Range<u64>>>,
    refill: Arc<tokio::sync::Mutex<()>>,
}

/// The codes of one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// For the player.
    pub receipt_code: ReceiptCode,
    /// For the payment provider.
    pub charge_id: ChargeId,
}

impl Codes {
    /// Codes of a log. The permutation must be the same for the life of the log, on every node.
    #[must_use]
    pub fn new(log: Arc<dyn Log>) -> Self {
        let key = log.genesis().0;
        Self { log, key, block: Arc::default(), refill: Arc::default() }
    }

    /// The next pair.
    ///
    /// # Errors
    /// If a new block of numbers is due and the log cannot be reached.
    pub async fn next(&self) -> Result<Pair, Unavailable> {
        Ok(self.pair(self.next_number().await?))
    }

    /// So many receipt codes.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn receipts(&self, count: usize) -> Result<Vec<ReceiptCode>, Unavailable> {
        let mut receipts = Vec::with_capacity(count);
        for _ in 0..count {
            receipts.push(self.receipt(self.next_number().await?));
        }
        Ok(receipts)
    }

    /// The name of a request for approval.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn next_approval(&self) -> Result<ApprovalId, Unavailable> {
        let number = u128::from(self.next_number().await?);
        let id = self.permute(number, ApprovalId::BITS, b"approval");
        Ok(ApprovalId::from_bits(u64::try_from(id).unwrap_or_default()))
    }

    /// The name of a job.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn next_job(&self) -> Result<JobId, Unavailable> {
        let number = u128::from(self.next_number().await?);
        let id = self.permute(number, JobId::BITS, b"job");
        Ok(JobId::from_bits(u64::try_from(id).unwrap_or_default()))
    }

    async fn next_number(&self) -> Result<u64, Unavailable> {
        loop {
            if let Some(number) = self.take() {
                return Ok(number);
            }
            let _one_at_a_time = self.refill.lock().await;
            if self.is_empty() {
                let block = self.log.reserve_numbers().await?;
                *self.block.lock().unwrap_or_else(PoisonError::into_inner) = block;
            }
        }
    }

    fn take(&self) -> Option<u64> {
        self.block.lock().unwrap_or_else(PoisonError::into_inner).next()
    }

    fn is_empty(&self) -> bool {
        self.block.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn pair(&self, number: u64) -> Pair {
        // The number alone would do, but for a database that is restored to an earlier moment: it
        // gives numbers out again, under which the provider knows charges that the log has lost.
        let salted = u128::from(rand::random::<u32>()) << NUMBER_BITS | u128::from(number);
        let charge = self.permute(salted, ChargeId::BITS, b"charge");
        Pair { receipt_code: self.receipt(number), charge_id: ChargeId::from_bits(charge) }
    }

    fn receipt(&self, number: u64) -> ReceiptCode {
        let receipt = self.permute(u128::from(number), ReceiptCode::BITS, b"receipt");
        ReceiptCode::from_bits(u64::try_from(receipt).unwrap_or_default())
    }

    /// A balanced Feistel network: a permutation whatever its round function is.
    fn permute(&self, number: u128, bits: u32, label: &[u8]) -> u128 {
        let half = bits / 2;
        let mask = (1u128 << half) - 1;
        let (mut left, mut right) = ((number >> half) & mask, number & mask);
        for round in 0..ROUNDS {
            let mixed = self.round(round, right, label) & mask;
            (left, right) = (right, left ^ mixed);
        }
        (left << half) | right
    }

    fn round(&self, round: u8, half: u128, label: &[u8]) -> u128 {
        let mut hasher = Sha256::new();
        hasher.update(self.key);
        hasher.update(label);
        hasher.update([round]);
        hasher.update(half.to_be_bytes());
        let hash: [u8; 32] = hasher.finalize().into();
        hash[..16].iter().fold(0, |number, byte| (number << 8) | u128::from(*byte))
    }
}

/// Bits of a charge id that are its number's; the others are random.
const NUMBER_BITS: u32 = 40;

/// Four rounds make a strong pseudo-random permutation (Luby and Rackoff, 1988).
const ROUNDS: u8 = 4;
