//! A circuit breaker: who failed too often in a row is left alone for a while, then tried once.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row after which it rests.
const PATIENCE: u32 = 5;
/// How long it rests.
const REST: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    rests_until: Option<Instant>,
    /// A trial call is under way.
    trying: bool,
}

/// The right to make one call.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    breaker: &'a Breaker,
    /// Whether it decides if the others may follow.
    pub(super) is_trial: bool,
    ended: bool,
}

impl Breaker {
    /// The right to make a call; `None` while it rests or is being tried.
    pub(super) fn admit(&self) -> Option<Permit<'_>> {
        let mut state = self.state();
        let is_trial = state.rests_until.is_some();
        if state.trying || state.rests_until.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        state.trying = is_trial;
        Some(Permit { breaker: self, is_trial, ended: false })
    }

    /// How much longer it rests; `None` if it does not.
    pub(super) fn rest(&self) -> Option<Duration> {
        let until = self.state().rests_until?;
        until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, is_trial: bool) {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        if is_trial {
            state.trying = false;
        }
        // Calls from before the rest do not make it longer.
        if is_trial || (state.rests_until.is_none() && state.failures >= PATIENCE) {
            state.rests_until = Some(Instant::now() + REST);
        }
    }
}

impl Permit<'_> {
    /// Tells how the call ended.
    pub(super) fn end(mut self, succeeded: bool) {
        self.ended = true;
        if succeeded {
            *self.breaker.state() = State::default();
        } else {
            self.breaker.fail(self.is_trial);
        }
    }
}

impl Drop for Permit<'_> {
    /// A trial that was given up proved nothing.
    fn drop(&mut self) {
        if self.is_trial && !self.ended {
            self.breaker.fail(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(breaker: &Breaker, succeeds: bool) {
        breaker.admit().unwrap().end(succeeds);
    }

    #[tokio::test(start_paused = true)]
    async fn five_failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let breaker = Breaker::default();
        for succeeds in [false, false, false, false, true, false, false, false, false] {
            call(&breaker, succeeds);
        }
        assert_eq!(breaker.rest(), None);
        call(&breaker, false);
        assert_eq!(breaker.rest(), Some(REST));
        assert!(breaker.admit().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn after_its_rest_one_call_tries_it_and_decides() {
        let breaker = Breaker::default();
        let late = breaker.admit().unwrap();
        (0..PATIENCE).for_each(|_| call(&breaker, false));
        tokio::time::advance(REST / 2).await;
        late.end(false);
        assert_eq!(breaker.rest(), Some(REST / 2), "an old failure does not make it longer");
        for succeeds in [false, true] {
            tokio::time::advance(REST).await;
            assert_eq!(breaker.rest(), None);
            let trial = breaker.admit().unwrap();
            assert!(breaker.admit().is_none(), "one trial at a time");
            trial.end(succeeds);
        }
        assert!(breaker.admit().is_some() && breaker.admit().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_that_is_given_up_counts_as_failed() {
        let breaker = Breaker::default();
        (0..PATIENCE).for_each(|_| call(&breaker, false));
        tokio::time::advance(REST).await;
        drop(breaker.admit());
        assert!(breaker.admit().is_none());
        tokio::time::advance(REST).await;
        assert!(breaker.admit().is_some());
    }
}
