//! All keys, and what each does at a moment. It follows from their times alone: nothing has to happen for a
//! key to sign or to go, so nothing can be left half done.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{AHEAD, Key, Rotation, VERIFIES_AFTER};

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Ring {
    /// In the order in which they sign.
    keys: Vec<Key>,
}

/// What a key does at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It is published, and signs from then on.
    Next(DateTime<Utc>),
    /// It signs.
    Signs,
    /// It verifies until then.
    Verifies(DateTime<Utc>),
    /// All that it has signed had expired by then.
    Over(DateTime<Utc>),
    /// Nothing that it has signed is believed since then.
    Revoked(DateTime<Utc>),
}

/// What a rotation comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// There is no need.
    Nothing,
    /// Another key, which signs from then on.
    Add(DateTime<Utc>),
    /// The same, and nothing of the others is believed any more.
    AddAndRevokeOthers(DateTime<Utc>),
}

impl Ring {
    /// Of these keys.
    #[must_use]
    pub fn new(mut keys: Vec<Key>) -> Self {
        keys.sort_by(|a, b| (a.signs_from, &a.kid).cmp(&(b.signs_from, &b.kid)));
        Self { keys }
    }

    /// Whether there has never been a key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Every key with what it does, in the order in which they sign.
    pub fn phases(&self, now: DateTime<Utc>) -> impl Iterator<Item = (&Key, Phase)> {
        self.keys.iter().map(move |key| (key, self.phase(key, now)))
    }

    fn phase(&self, key: &Key, now: DateTime<Utc>) -> Phase {
        if let Some(at) = key.revoked_at {
            return Phase::Revoked(at);
        }
        if key.signs_from > now {
            return Phase::Next(key.signs_from);
        }
        let successor =
            self.valid().find(|next| (next.signs_from, &next.kid) > (key.signs_from, &key.kid));
        match successor.map(|next| next.signs_from) {
            Some(from) if from <= now && from + VERIFIES_AFTER <= now => {
                Phase::Over(from + VERIFIES_AFTER)
            }
            Some(from) if from <= now => Phase::Verifies(from + VERIFIES_AFTER),
            _ => Phase::Signs,
        }
    }

    fn valid(&self) -> impl DoubleEndedIterator<Item = &Key> {
        self.keys.iter().filter(|key| key.revoked_at.is_none())
    }

    /// The key that signs: the last whose time has come, of those that this node can sign with. A clock
    /// that is behind all of them takes the first.
    #[must_use]
    pub fn signing(&self, now: DateTime<Utc>) -> Option<&Key> {
        let ours = || self.valid().filter(|key| key.private.is_some());
        ours().rev().find(|key| key.signs_from <= now).or_else(|| ours().next())
    }

    /// The key of this id, if what it has signed is believed.
    #[must_use]
    pub fn verifying(&self, kid: &str, now: DateTime<Utc>) -> Option<&Key> {
        let key = self.by_kid(kid)?;
        (!matches!(self.phase(key, now), Phase::Over(_) | Phase::Revoked(_))).then_some(key)
    }

    /// The key of this id, whatever it does.
    #[must_use]
    pub fn by_kid(&self, kid: &str) -> Option<&Key> {
        self.keys.iter().find(|key| *key.kid == *kid)
    }

    /// Whether there is a key of this id.
    #[must_use]
    pub fn knows(&self, kid: &str) -> bool {
        self.by_kid(kid).is_some()
    }

    /// The key of this id.
    #[must_use]
    pub fn find(&self, kid: &str, now: DateTime<Utc>) -> Option<(&Key, Phase)> {
        self.phases(now).find(|(key, _)| *key.kid == *kid)
    }

    /// The keys by which access tokens are verified, and the next.
    #[must_use]
    pub fn jwks(&self, now: DateTime<Utc>) -> Value {
        let is_over = |phase| matches!(phase, Phase::Over(_) | Phase::Revoked(_));
        let keys = self.phases(now).filter(|(_, phase)| !is_over(*phase));
        json!({ "keys": keys.map(|(key, _)| key.jwk()).collect::<Vec<_>>() })
    }

    /// The keys by which receipts are verified: those, too, whose time is over.
    #[must_use]
    pub fn jwks_of_receipts(&self) -> Value {
        json!({ "keys": self.valid().map(Key::jwk).collect::<Vec<_>>() })
    }

    /// What a rotation comes to. One that is on its way is not made twice.
    #[must_use]
    pub fn plan(&self, rotation: Rotation, now: DateTime<Utc>) -> Plan {
        let Some(last) = self.valid().next_back() else { return Plan::Add(now) };
        match rotation {
            Rotation::First => Plan::Nothing,
            Rotation::AtOnce => Plan::AddAndRevokeOthers(now),
            _ if last.signs_from > now => Plan::Nothing,
            Rotation::IfOlderThan(age) if last.signs_from + age > now => Plan::Nothing,
            Rotation::InTime | Rotation::IfOlderThan(_) => Plan::Add(now + AHEAD),
        }
    }

    /// Whether the last key has signed for so long.
    #[must_use]
    pub fn is_due(&self, age: TimeDelta, now: DateTime<Utc>) -> bool {
        self.plan(Rotation::IfOlderThan(age), now) != Plan::Nothing
    }
}

#[cfg(test)]
impl Ring {
    /// Keys made of these settings, all of which verify at a moment; the last signs.
    pub fn of(settings: &[&str], now: i64) -> Self {
        let key = |(seconds, setting): (i64, &&str)| {
            let setting = crate::config::Secret::from((*setting).to_owned());
            let at = DateTime::UNIX_EPOCH + TimeDelta::seconds(now - seconds);
            Key::make(&setting, b"nonce", at, at).unwrap()
        };
        Self::new((0..).zip(settings.iter().rev()).map(key).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    const MINUTE: i64 = 60;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn key(setting: &str, signs_from: i64) -> Key {
        let setting = Secret::from(setting.to_owned());
        Key::make(&setting, b"nonce", at(signs_from) - AHEAD, at(signs_from)).unwrap()
    }

    fn ring() -> (Ring, [Key; 2]) {
        let keys = [key("old", 0), key("new", 100 * MINUTE)];
        // However they are stored.
        (Ring::new(vec![keys[1].clone(), keys[0].clone()]), keys)
    }

    #[test]
    fn a_key_is_published_then_signs_then_verifies_until_its_last_token_has_expired() {
        let (ring, [old, new]) = ring();
        let after = |minute: i64, second: i64| {
            let now = at(minute * MINUTE + second);
            let believed = [&old, &new].map(|key| ring.verifying(&key.kid, now).is_some());
            assert_eq!(
                ring.jwks(now)["keys"].as_array().unwrap().len(),
                believed.iter().filter(|it| **it).count()
            );
            (ring.signing(now).unwrap().kid == new.kid, believed)
        };
        assert_eq!(after(50, 0), (false, [true, true]));
        assert_eq!(after(99, 59), (false, [true, true]));
        assert_eq!(after(100, 0), (true, [true, true]));
        // A token lives for 15 minutes, and clocks may differ by one.
        assert_eq!(after(115, 59), (true, [true, true]));
        assert_eq!(after(116, 0), (true, [false, true]));
        assert_eq!(ring.jwks_of_receipts()["keys"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn what_was_revoked_neither_signs_nor_verifies() {
        let (ring, [old, new]) = ring();
        let revoked = Key { revoked_at: Some(at(7)), ..new.clone() };
        let ring = Ring::new(ring.keys.into_iter().take(1).chain([revoked]).collect());
        for minute in [50, 100, 500] {
            let now = at(minute * MINUTE);
            assert_eq!(ring.signing(now).unwrap().kid, old.kid, "the one before signs on");
            assert!(ring.verifying(&new.kid, now).is_none());
            assert!(ring.verifying(&old.kid, now).is_some());
        }
        assert!(ring.knows(&new.kid) && !ring.knows("another"));
        assert_eq!(ring.jwks_of_receipts()["keys"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn a_node_signs_with_keys_of_its_own_setting_only() {
        let (_, [old, new]) = ring();
        let theirs = Key { private: None, ..new.clone() };
        let ring = Ring::new(vec![old.clone(), theirs.clone()]);
        assert_eq!(ring.signing(at(101 * MINUTE)).unwrap().kid, old.kid);
        assert!(ring.verifying(&new.kid, at(101 * MINUTE)).is_some());
        assert!(Ring::new(vec![theirs]).signing(at(101 * MINUTE)).is_none());
    }

    #[test]
    fn a_clock_that_is_behind_all_keys_signs_with_the_first() {
        let (ring, [old, _]) = ring();
        assert_eq!(ring.signing(at(-5)).unwrap().kid, old.kid);
        assert!(ring.verifying(&old.kid, at(-5)).is_some());
    }

    #[test]
    fn rotation_is_planned_once() {
        let (ring, _) = ring();
        let day = TimeDelta::days(1);
        let plan = |rotation, minute: i64| ring.plan(rotation, at(minute * MINUTE));
        let add = |minute: i64| Plan::Add(at(minute * MINUTE) + AHEAD);
        assert_eq!(Ring::default().plan(Rotation::First, at(0)), Plan::Add(at(0)));
        assert_eq!(plan(Rotation::First, 500), Plan::Nothing);
        assert_eq!(plan(Rotation::InTime, 99), Plan::Nothing, "one is on its way");
        assert_eq!(plan(Rotation::InTime, 100), add(100));
        assert_eq!(plan(Rotation::AtOnce, 99), Plan::AddAndRevokeOthers(at(99 * MINUTE)));
        assert_eq!(plan(Rotation::IfOlderThan(day), 99), Plan::Nothing);
        assert_eq!(plan(Rotation::IfOlderThan(day), 24 * 60 + 99), Plan::Nothing);
        assert_eq!(plan(Rotation::IfOlderThan(day), 24 * 60 + 100), add(24 * 60 + 100));
        assert!(ring.is_due(day, at((24 * 60 + 100) * MINUTE)));
    }
}
