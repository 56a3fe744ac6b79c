//! How fast anybody may ask: so many requests of a class within so long, for each player or address.
//! One table of classes ([`Class`]); what is counted stands in memory, each node for itself.
//!
//! The counting is governor's (GCRA): the whole quota may be used at once, and comes back evenly.

mod address;
mod class;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use chrono::TimeDelta;
use commands::clock::MovedClock;
use domain::id::PlayerId;
use domain::limit::Rate;
use governor::clock::Clock;
use governor::middleware::{StateInformationMiddleware, StateSnapshot};
use governor::state::keyed::DashMapStateStore;
use governor::{NotUntil, Quota, RateLimiter};

pub use address::Network;
pub use class::Class;

use crate::app::App;
use crate::auth;
use crate::config::RateConfig;
use crate::error::{ApiError, Reason};

/// What is left of the quota; the fields of draft-ietf-httpapi-ratelimit-headers.
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// What the quota is.
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// Between two looks for those who have not asked for so long that nothing is counted against them.
const SWEEP: Duration = Duration::from_secs(10);

/// Whose requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whose {
    /// Somebody's who is signed in.
    Player(PlayerId),
    /// Those from an address, or from a network of one customer.
    Address(IpAddr),
}

/// RateLimits of all classes.
#[derive(Debug)]
pub struct RateLimits {
    /// In the order of [`Class::ALL`]; empty if there are no limits.
    classes: Vec<OfClass>,
    trusted_proxies: Vec<Network>,
}

type Limiter = RateLimiter<Whose, DashMapStateStore<Whose>, Monotonic, StateInformationMiddleware>;

#[derive(Debug)]
struct OfClass {
    class: Class,
    rate: Rate,
    limiter: Limiter,
    policy: HeaderValue,
}

/// Time that never goes back, moved on by tests.
#[derive(Debug, Clone)]
struct Monotonic {
    started: Instant,
    moved: Option<Arc<MovedClock>>,
}

impl Clock for Monotonic {
    type Instant = Duration;

    fn now(&self) -> Duration {
        let moved = self.moved.as_ref().and_then(|clock| clock.ahead().to_std().ok());
        self.started.elapsed() + moved.unwrap_or_default()
    }
}

/// What a request is told about its limit.
#[derive(Debug, Default)]
pub struct Told(Option<(HeaderValue, HeaderValue)>);

impl Told {
    /// Says it in an answer.
    pub fn write(self, headers: &mut HeaderMap) {
        if let Some((policy, left)) = self.0 {
            headers.insert(RATE_LIMIT_POLICY, policy);
            headers.insert(RATE_LIMIT, left);
        }
    }
}

impl RateLimits {
    /// As they are set; `moved` is the clock, where tests may move it.
    #[must_use]
    pub fn new(config: &RateConfig, moved: Option<&Arc<MovedClock>>) -> Self {
        let clock = Monotonic { started: Instant::now(), moved: moved.cloned() };
        let of_class = |class: &Class| {
            let rate = config.rate(*class)?;
            OfClass::new(*class, rate, clock.clone())
        };
        Self {
            classes: Class::ALL.iter().filter_map(of_class).collect(),
            trusted_proxies: config.trusted_proxies.clone(),
        }
    }

    /// Counts a request: whether it may go on, and what its answer tells about the limit.
    pub fn count(&self, app: &App, request: &Request) -> (Result<(), ApiError>, Told) {
        let nothing = (Ok(()), Told::default());
        if self.classes.is_empty() {
            return nothing;
        }
        let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
        let session = auth::session_of(request.headers(), app);
        let may = session.map(|it| app.standings.role(it.key.player).1);
        let Some(class) = Class::of(request.method(), route, may) else {
            return nothing;
        };
        let address = || Whose::Address(address::of(request, &self.trusted_proxies));
        let player =
            session.filter(|_| class.is_by_player()).map(|it| Whose::Player(it.key.player));
        let whose = player.unwrap_or_else(address);
        match self.classes.iter().find(|limit| limit.class == class) {
            Some(limit) => limit.count(app, whose),
            None => nothing,
        }
    }

    /// Forgets those against whom nothing is counted any more, for as long as the process runs.
    pub async fn keep_small(&self) {
        loop {
            tokio::time::sleep(SWEEP).await;
            for OfClass { limiter, .. } in &self.classes {
                limiter.retain_recent();
                limiter.shrink_to_fit();
            }
        }
    }
}

impl OfClass {
    fn new(class: Class, rate: Rate, clock: Monotonic) -> Option<Self> {
        let quota = quota(rate)?;
        let policy =
            format!("\"{}\";q={};w={}", class.name(), rate.most, rate.within.num_seconds());
        let policy = HeaderValue::try_from(policy).ok()?;
        let limiter = RateLimiter::dashmap_with_clock(quota, clock).with_middleware();
        Some(Self { class, rate, limiter, policy })
    }

    fn count(&self, app: &App, whose: Whose) -> (Result<(), ApiError>, Told) {
        match self.limiter.check_key(&whose) {
            Ok(state) => (Ok(()), self.left(&state)),
            Err(until) => {
                let wait = self.wait(&until);
                (Err(self.refusal(app, wait)), self.told(0, seconds(wait)))
            }
        }
    }

    fn left(&self, state: &StateSnapshot) -> Told {
        let left = state.remaining_burst_capacity();
        let used = self.rate.most.saturating_sub(left);
        let each = self.rate.within.to_std().unwrap_or_default() / self.rate.most;
        self.told(left, seconds(each * used))
    }

    /// So many are left, and in so many seconds there is more: all of it, or one if none is left.
    fn told(&self, left: u32, seconds: u64) -> Told {
        let left = format!("\"{}\";r={left};t={seconds}", self.class.name());
        Told(HeaderValue::try_from(left).ok().map(|left| (self.policy.clone(), left)))
    }

    fn wait(&self, until: &NotUntil<Duration>) -> Duration {
        until.wait_time_from(self.limiter.clock().now())
    }

    fn refusal(&self, app: &App, wait: Duration) -> ApiError {
        let class = self.class;
        let detail = format!(
            "more than {} requests within {} s: wait as long as Retry-After says",
            self.rate.most,
            self.rate.within.num_seconds()
        );
        let wait = TimeDelta::from_std(wait).unwrap_or(self.rate.within);
        let until = app.commands.clock.now() + wait;
        let error = ApiError::new(Reason::RateLimit, detail);
        error.by_limit(class.name(), Some(until), Some(class.setting()))
    }
}

fn quota(rate: Rate) -> Option<Quota> {
    let most = std::num::NonZeroU32::new(rate.most)?;
    let each = rate.within.to_std().ok()?.checked_div(rate.most)?;
    Some(Quota::with_period(each)?.allow_burst(most))
}

/// Whole seconds, rounded up.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_class(most: u32) -> (OfClass, Arc<MovedClock>) {
        let moved = Arc::<MovedClock>::default();
        let clock = Monotonic { started: Instant::now(), moved: Some(moved.clone()) };
        let rate = Rate { most, within: TimeDelta::hours(most.into()) };
        (OfClass::new(Class::Reads, rate, clock).unwrap(), moved)
    }

    #[test]
    fn the_whole_quota_may_be_used_at_once_and_comes_back_evenly() {
        let (limit, clock) = of_class(3);
        let ask = |player| limit.limiter.check_key(&Whose::Player(PlayerId(player))).is_ok();
        assert_eq!([ask(1), ask(1), ask(1), ask(1)], [true, true, true, false]);
        assert!(ask(2), "everybody has their own");
        clock.advance(Duration::from_secs(3_600));
        assert_eq!([ask(1), ask(1)], [true, false]);
    }

    #[test]
    fn whoever_has_waited_long_enough_is_forgotten() {
        let (limit, clock) = of_class(3);
        for player in 0..1_000 {
            assert!(limit.limiter.check_key(&Whose::Player(PlayerId(player))).is_ok());
        }
        assert_eq!(limit.limiter.len(), 1_000);
        clock.advance(Duration::from_secs(3 * 3_600));
        limit.limiter.retain_recent();
        assert_eq!(limit.limiter.len(), 0);
    }

    #[test]
    fn what_is_left_is_told_as_the_draft_standard_says() {
        let (limit, _) = of_class(3);
        let state = limit.limiter.check_key(&Whose::Player(PlayerId(1))).unwrap();
        let mut headers = HeaderMap::new();
        limit.left(&state).write(&mut headers);
        assert_eq!(headers[RATE_LIMIT_POLICY], "\"reads\";q=3;w=10800");
        assert_eq!(headers[RATE_LIMIT], "\"reads\";r=2;t=3600");
    }
}
