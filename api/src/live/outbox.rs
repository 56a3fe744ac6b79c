//! What waits to be sent to one connection: bounded, and never silently thinned. Of several whole balances
//! only the newest waits; whoever still does not keep up is told so and disconnected.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::messages::{Close, Frame};

/// Messages that may wait for a slow client; one more, and it is disconnected.
pub const QUEUE: usize = 256;

/// A subscription of one connection; a later one to the same channel has another number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscriptionId(pub u32);

/// See the module.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<(SubscriptionId, Frame)>,
    /// Why the connection ends. What waits is not sent any more: the client comes back for it.
    ending: Option<Close>,
}

impl Outbox {
    /// Adds a message. `false`, and the end of the connection, if there is no room for it.
    pub fn push(&self, subscription: SubscriptionId, frame: Frame) -> bool {
        let mut waiting = self.waiting();
        if waiting.ending.is_some() {
            return false;
        }
        if frame.replaces_older {
            waiting.frames.retain(|(to, older)| *to != subscription || !older.replaces_older);
        }
        let has_room = waiting.frames.len() < QUEUE;
        if has_room {
            waiting.frames.push_back((subscription, frame));
        } else {
            waiting.end(Close::TooSlow);
        }
        drop(waiting);
        self.changed.notify_one();
        has_room
    }

    /// Ends the connection; the first reason counts.
    pub fn end(&self, close: Close) {
        self.waiting().end(close);
        self.changed.notify_one();
    }

    /// Forgets what waits for a subscription.
    pub fn forget(&self, subscription: SubscriptionId) {
        self.waiting().frames.retain(|(to, _)| *to != subscription);
    }

    /// Whether nothing waits for a subscription.
    pub fn is_empty_for(&self, subscription: SubscriptionId) -> bool {
        self.waiting().frames.iter().all(|(to, _)| *to != subscription)
    }

    /// The next message, or the end. May be dropped at any time without losing one.
    pub async fn next(&self) -> Result<(SubscriptionId, Frame), Close> {
        loop {
            let changed = self.changed.notified();
            if let Some(next) = self.waiting().next() {
                return next;
            }
            changed.await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn end(&mut self, close: Close) {
        self.ending.get_or_insert(close);
        self.frames = VecDeque::new();
    }

    fn next(&mut self) -> Option<Result<(SubscriptionId, Frame), Close>> {
        if let Some(close) = self.ending {
            return Some(Err(close));
        }
        let next = self.frames.pop_front();
        if self.frames.is_empty() {
            // An idle connection keeps no buffer.
            self.frames = VecDeque::new();
        }
        next.map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: SubscriptionId = SubscriptionId(1);
    const TWO: SubscriptionId = SubscriptionId(2);

    fn frame(position: u64, replaces_older: bool) -> Frame {
        Frame { position, text: position.to_string().into(), replaces_older }
    }

    fn all(outbox: &Outbox) -> Vec<u64> {
        let mut waiting = outbox.waiting();
        std::iter::from_fn(|| waiting.next()?.ok()).map(|(_, frame)| frame.position).collect()
    }

    #[test]
    fn messages_leave_in_the_order_in_which_they_came() {
        let outbox = Outbox::default();
        for position in 1..=5 {
            assert!(outbox.push(ONE, frame(position, false)));
        }
        assert_eq!(all(&outbox), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_newer_balance_takes_the_place_of_one_that_still_waits_for_the_same_subscription() {
        let outbox = Outbox::default();
        outbox.push(ONE, frame(1, true));
        outbox.push(TWO, frame(2, true));
        outbox.push(ONE, frame(3, false));
        outbox.push(ONE, frame(4, true));
        assert_eq!(all(&outbox), [2, 3, 4]);
    }

    #[test]
    fn balances_never_make_a_client_too_slow() {
        let outbox = Outbox::default();
        for position in 0..10_000 {
            assert!(outbox.push(ONE, frame(position, true)));
        }
        assert_eq!(all(&outbox), [9_999]);
    }

    #[tokio::test]
    async fn one_message_too_many_ends_it_and_frees_what_waits() {
        let outbox = Outbox::default();
        let room = u64::try_from(QUEUE).unwrap();
        assert!((0..room).all(|position| outbox.push(ONE, frame(position, false))));
        assert!(!outbox.push(ONE, frame(room, false)));
        assert_eq!(outbox.next().await.unwrap_err(), Close::TooSlow);
        outbox.end(Close::Restart);
        assert_eq!(outbox.next().await.unwrap_err(), Close::TooSlow, "the first reason counts");
    }

    #[test]
    fn what_waits_for_an_ended_subscription_is_forgotten() {
        let outbox = Outbox::default();
        outbox.push(ONE, frame(1, false));
        outbox.push(TWO, frame(2, false));
        outbox.forget(ONE);
        assert!(outbox.is_empty_for(ONE) && !outbox.is_empty_for(TWO));
        assert_eq!(all(&outbox), [2]);
    }
}
