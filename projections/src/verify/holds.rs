//! Whether what is limited is never held and used beyond its limit, and whether each hold ends as the
//! purchase does that it is for: stock of packages, uses of promotions.
//!
//! A purchase and its holds are written together, in whatever order: whether they agree is asked when
//! the whole log was read.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;

use domain::id::ReceiptCode;

use super::purchases::{End, Purchases};
use super::{Check, Findings, Verdict};

/// The holds of one kind of things, by the things' codes.
pub(super) struct Holds<C> {
    check: Check,
    /// What is held, as in `2 of the stock of`.
    what: &'static str,
    quotas: HashMap<C, Quota>,
    holds: HashMap<ReceiptCode, Hold<C>>,
}

#[derive(Default)]
struct Quota {
    most: Option<u64>,
    held: u64,
    used: u64,
}

/// What is held for one purchase.
struct Hold<C> {
    wanted: Option<Part<C>>,
    held: Option<Part<C>>,
    end: Option<Ended>,
}

/// So many of something.
#[derive(Clone, Copy)]
struct Part<C> {
    code: C,
    count: u32,
    /// Where that was said.
    position: u64,
}

#[derive(Clone, Copy)]
struct Ended {
    position: u64,
    /// Used up, not given back.
    is_used: bool,
}

impl<C> Default for Hold<C> {
    fn default() -> Self {
        Self { wanted: None, held: None, end: None }
    }
}

impl<C: Copy + Eq + Hash + Display> Holds<C> {
    pub(super) fn new(check: Check, what: &'static str) -> Self {
        Self { check, what, quotas: HashMap::new(), holds: HashMap::new() }
    }

    /// There is something new, of which at most so many may be held and used.
    pub(super) fn define(&mut self, code: C, most: Option<u32>) {
        self.quotas.entry(code).or_default().most = most.map(u64::from);
    }

    /// A purchase began that needs so many held.
    pub(super) fn want(&mut self, position: u64, receipt: ReceiptCode, code: C, count: u32) {
        self.holds.entry(receipt).or_default().wanted = Some(Part { code, count, position });
    }

    /// So many are held.
    pub(super) fn hold(
        &mut self,
        position: u64,
        receipt: ReceiptCode,
        code: C,
        count: u32,
    ) -> Verdict {
        let (check, what) = (self.check, self.what);
        let wrong = |message| Err((check, message));
        let held = Some(Part { code, count, position });
        let before = std::mem::replace(&mut self.holds.entry(receipt).or_default().held, held);
        let Some(quota) = self.quotas.get_mut(&code) else {
            return wrong(format!("{count} of the {what} {code} are held, which nobody defined"));
        };
        quota.held += u64::from(count);
        if let Some(Part { position, .. }) = before {
            return wrong(format!(
                "{receipt} holds {what} {code} since position {position} already"
            ));
        }
        let (held, used) = (quota.held, quota.used);
        match quota.most {
            Some(most) if held + used > most => wrong(format!(
                "of the {what} {code} {held} are held and {used} used, where there are {most}"
            )),
            _ => Ok(()),
        }
    }

    /// What was held is used up, or can be had again.
    pub(super) fn end(
        &mut self,
        position: u64,
        receipt: ReceiptCode,
        code: C,
        is_used: bool,
    ) -> Verdict {
        let (check, what) = (self.check, self.what);
        let wrong = |message| Err((check, message));
        let hold = self.holds.entry(receipt).or_default();
        let Some(Part { count, .. }) = hold.held.filter(|held| held.code == code) else {
            return wrong(format!("{receipt} never held any of the {what} {code}"));
        };
        if let Some(Ended { position, .. }) = hold.end {
            return wrong(format!(
                "what {receipt} held of the {what} {code} was used or returned at position \
                 {position} already"
            ));
        }
        hold.end = Some(Ended { position, is_used });
        let quota = self.quotas.entry(code).or_default();
        quota.held = quota.held.saturating_sub(count.into());
        if is_used {
            quota.used += u64::from(count);
        }
        Ok(())
    }

    /// Whether all holds agree with the purchases that they are for.
    pub(super) fn compare(&self, purchases: &Purchases, findings: &mut Findings) {
        for (receipt, hold) in &self.holds {
            let end = purchases.end(*receipt);
            if let Some((position, message)) = self.disagreement(*receipt, hold, end) {
                findings.add(position, self.check, message);
            }
        }
    }

    fn disagreement(
        &self,
        receipt: ReceiptCode,
        hold: &Hold<C>,
        end: Option<End>,
    ) -> Option<(u64, String)> {
        let what = self.what;
        let (wanted, held) = match (&hold.wanted, &hold.held) {
            (Some(wanted), Some(held)) => (wanted, held),
            (Some(Part { code, count, position }), None) => {
                let message =
                    format!("{receipt} needs {count} of the {what} {code}, and holds nothing");
                return Some((*position, message));
            }
            (None, Some(Part { code, count, position })) => {
                let message = format!("{receipt} holds {count} of the {what} {code} for nothing");
                return Some((*position, message));
            }
            // Its end was a finding already.
            (None, None) => return None,
        };
        let Part { code, count, position } = held;
        if (wanted.code, wanted.count) != (*code, *count) {
            let message = format!(
                "{receipt} needs {} of the {what} {} and holds {count} of {code}",
                wanted.count, wanted.code
            );
            return Some((*position, message));
        }
        match (end, hold.end) {
            (None, None) => None,
            (Some(End { position, .. }), None) => {
                let message =
                    format!("{receipt} ends, and still holds {count} of the {what} {code}");
                Some((position, message))
            }
            (None, Some(Ended { position, .. })) => {
                let message =
                    format!("{receipt} holds nothing of the {what} {code} before it has ended");
                Some((position, message))
            }
            (Some(End { is_completed, .. }), Some(Ended { position, is_used })) => {
                let (purchase, hold) = match (is_completed, is_used) {
                    (true, false) => ("was completed", "returned"),
                    (false, true) => ("was not completed", "used up"),
                    (true, true) | (false, false) => return None,
                };
                let message = format!(
                    "{receipt} {purchase}, and what it held of the {what} {code} was {hold}"
                );
                Some((position, message))
            }
        }
    }
}
