//! What events and missions are made of, as the staff sends it.

use chrono_tz::Tz;
use domain::id::{Counter, MissionId, ProductId};
use domain::live_event::{
    Eligibility, EventKind, Leaderboard, LiveEventTerms, Requirement, Segment, Tier,
};
use domain::mission::{Cadence, Prerequisite};
use domain::money::Quantity;
use domain::reward::{RewardItem, Rewards};
use domain::schedule::Recurrence;
use serde_json::Value;

use super::object::{Object, list};
use super::values::{self, Wrong};

/// What can be counted, at most.
const MOST_COUNTED: u64 = 1_000_000_000_000;
/// Experience of one reward, at most.
const MOST_XP: u64 = 1_000_000;
/// Benefits of one reward, at most.
const MOST_BENEFITS: usize = 20;
/// How deep prerequisites go, and how many stand beside each other.
const DEEPEST: usize = 4;
const MOST_PREREQUISITES: usize = 50;
/// Tiers of a leaderboard, at most.
const MOST_TIERS: usize = 100;

/// A counter's name.
///
/// # Errors
/// Anything else.
pub fn counter(value: &Value) -> Result<Counter, Wrong> {
    let wrong = || {
        let msg = "expected small letters, digits and _, such as play_count";
        Wrong::new("string_pattern_mismatch", msg)
    };
    value.as_str().and_then(|text| text.parse().ok()).ok_or_else(wrong)
}

/// How much of something.
///
/// # Errors
/// Anything but 1 to 10¹².
pub fn amount(value: &Value) -> Result<u64, Wrong> {
    values::integer(value, 1, MOST_COUNTED)
}

/// What is paid: `{"gold": 500, "vip_points": 5, "xp": 50, "items": [{"product_id": 2001}]}`.
///
/// # Errors
/// Anything else.
pub fn rewards(value: &Value) -> Result<Rewards, Wrong> {
    let rewards = Object::parse(value, |object| {
        Ok(Rewards {
            gold: object.optional("gold", values::gold)?.unwrap_or_default(),
            vip_points: object.optional("vip_points", values::points)?.unwrap_or_default(),
            xp: object
                .optional("xp", |value| values::integer(value, 0, MOST_XP))?
                .unwrap_or_default(),
            items: object.optional("items", list(MOST_BENEFITS, reward_item))?.unwrap_or_default(),
        })
    })?;
    if rewards.item_count() > Rewards::MOST_ITEMS {
        let msg = format!("expected at most {} items, all in all", Rewards::MOST_ITEMS);
        return Err(Wrong::new("too_long", msg));
    }
    Ok(rewards)
}

/// The same, and worth something.
///
/// # Errors
/// If it is nothing.
pub fn some_rewards(value: &Value) -> Result<Rewards, Wrong> {
    let rewards = rewards(value)?;
    if rewards.is_nothing() {
        return Err(Wrong::new("value_error", "expected gold, vip_points, xp or items"));
    }
    Ok(rewards)
}

fn reward_item(value: &Value) -> Result<RewardItem, Wrong> {
    Object::parse(value, |object| {
        let product_id = ProductId(object.required("product_id", values::positive)?);
        let quantity = object.optional("quantity", values::quantity)?.unwrap_or(Quantity::ONE);
        Ok(RewardItem { product_id, quantity })
    })
}

/// What an event takes: `[{"counter": "play_count", "target": 10}]`.
///
/// # Errors
/// Anything else.
pub fn requirements(value: &Value) -> Result<Vec<Requirement>, Wrong> {
    list(LiveEventTerms::MOST_REQUIREMENTS, |value| {
        Object::parse(value, |object| {
            let counter = object.required("counter", counter)?;
            Ok(Requirement { counter, target: object.required("target", amount)? })
        })
    })(value)
}

/// Who may join: `{"min_rank": "VIP", "segment": "newcomers"}`.
///
/// # Errors
/// Anything else.
pub fn eligibility(value: &Value) -> Result<Eligibility, Wrong> {
    let segments = Segment::ALL.map(|segment| (segment.name(), segment));
    Object::parse(value, |object| {
        Ok(Eligibility {
            min_rank: object.optional("min_rank", values::rank)?.unwrap_or_default(),
            segment: object.optional("segment", values::one_of(&segments))?.unwrap_or_default(),
        })
    })
}

/// Of which kind players are told that an event is.
///
/// # Errors
/// Anything else.
pub fn event_kind(value: &Value) -> Result<EventKind, Wrong> {
    values::one_of(&EventKind::ALL.map(|kind| (kind.name(), kind)))(value)
}

/// When something comes again: `{"daily": "20:00"}`, `{"weekly": ["fri", "sat"], "at": "20:00"}` or
/// `{"cron": "0 20 * * 5"}`, each with `time_zone` (`Asia/Seoul`, if left out) and `minutes` (until
/// it comes again, if left out).
///
/// # Errors
/// Anything else.
pub fn recurrence(value: &Value) -> Result<Recurrence, Wrong> {
    Object::parse(value, |object| {
        let daily = object.optional("daily", time_of_day)?;
        let weekly = object.optional("weekly", list(7, weekday))?;
        let at = object.optional("at", time_of_day)?;
        let cron = object.optional("cron", values::line(1, 100))?;
        let zone = object.optional("time_zone", time_zone)?.unwrap_or(Tz::Asia__Seoul);
        let minutes = object.optional("minutes", values::count(60 * 24 * 366))?;
        let pattern = match (daily, weekly, at, cron) {
            (Some(TimeOfDay(at)), None, None, None) => format!("{at} * * *"),
            (None, Some(days), at, None) if !days.is_empty() => {
                let TimeOfDay(at) = at.unwrap_or_default();
                format!("{at} * * {}", days.join(","))
            }
            (None, None, None, Some(cron)) => cron,
            _ => {
                let msg = "expected one of daily, weekly (with at) and cron";
                return Err(Wrong::new("value_error", msg));
            }
        };
        let invalid =
            |error: domain::schedule::InvalidPattern| Wrong::new("value_error", error.to_string());
        Recurrence::new(&pattern, zone, minutes).map_err(invalid)
    })
}

/// Minute and hour, as a pattern begins.
struct TimeOfDay(String);

impl Default for TimeOfDay {
    fn default() -> Self {
        Self("0 0".to_owned())
    }
}

fn time_of_day(value: &Value) -> Result<TimeOfDay, Wrong> {
    let wrong = || Wrong::new("time_type", "expected a time such as 20:00");
    let (hour, minute) = value.as_str().and_then(|text| text.split_once(':')).ok_or_else(wrong)?;
    let number = |text: &str, most: u8| {
        let is_number = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|number: &u8| is_number && *number <= most)
    };
    let (hour, minute) = number(hour, 23).zip(number(minute, 59)).ok_or_else(wrong)?;
    Ok(TimeOfDay(format!("{minute} {hour}")))
}

fn weekday(value: &Value) -> Result<&'static str, Wrong> {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    values::one_of(&days.map(|day| (day, day)))(value)
}

fn time_zone(value: &Value) -> Result<Tz, Wrong> {
    let wrong = || Wrong::new("value_error", "expected a time zone such as Asia/Seoul");
    value.as_str().and_then(|text| text.parse().ok()).ok_or_else(wrong)
}

/// A contest: `{"counter": "win_count", "tiers": [{"last_place": 1, "rewards": {…}}, …]}`.
///
/// # Errors
/// Anything else.
pub fn leaderboard(value: &Value) -> Result<Leaderboard, Wrong> {
    Object::parse(value, |object| {
        let counter = object.required("counter", counter)?;
        let tiers = object.optional("tiers", list(MOST_TIERS, tier))?.unwrap_or_default();
        Ok(Leaderboard { counter, tiers })
    })
}

fn tier(value: &Value) -> Result<Tier, Wrong> {
    Object::parse(value, |object| {
        let last_place = object.required("last_place", values::count(Leaderboard::MOST_PLACES))?;
        Ok(Tier { last_place, rewards: object.required("rewards", some_rewards)? })
    })
}

/// How often a mission begins anew.
///
/// # Errors
/// Anything else.
pub fn cadence(value: &Value) -> Result<Cadence, Wrong> {
    let cadences = [Cadence::Daily, Cadence::Weekly, Cadence::Once];
    values::one_of(&cadences.map(|cadence| (cadence.name(), cadence)))(value)
}

/// Missions that must come first: `3`, `{"all": [1, 2]}` or `{"any": [1, {"all": [2, 3]}]}`.
///
/// # Errors
/// Anything else.
pub fn prerequisite(value: &Value) -> Result<Prerequisite, Wrong> {
    nested(value, 0)
}

fn nested(value: &Value, depth: usize) -> Result<Prerequisite, Wrong> {
    if value.is_number() {
        return values::positive(value).map(|id| Prerequisite::Mission(MissionId(id)));
    }
    if depth >= DEEPEST {
        return Err(Wrong::new("value_error", format!("expected at most {DEEPEST} levels")));
    }
    let parts = list(MOST_PREREQUISITES, |part| nested(part, depth + 1));
    Object::parse(value, |object| {
        let all = object.optional("all", &parts)?;
        let any = object.optional("any", &parts)?;
        match (all, any) {
            (Some(parts), None) if !parts.is_empty() => Ok(Prerequisite::All(parts)),
            (None, Some(parts)) if !parts.is_empty() => Ok(Prerequisite::Any(parts)),
            _ => Err(Wrong::new("value_error", "expected a mission's number, all or any")),
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schedule_is_daily_weekly_or_a_pattern() {
        let parsed = |value: Value| recurrence(&value).map(|it| it.cron().to_owned());
        assert_eq!(parsed(json!({"daily": "20:05"})).unwrap(), "5 20 * * *");
        let weekly = json!({"weekly": ["fri", "sat"], "at": "00:00", "minutes": 2880});
        assert_eq!(parsed(weekly).unwrap(), "0 0 * * fri,sat");
        assert_eq!(parsed(json!({"weekly": ["mon"]})).unwrap(), "0 0 * * mon");
        assert_eq!(parsed(json!({"cron": "0 20 * * 5"})).unwrap(), "0 20 * * 5");
        let zone = recurrence(&json!({"daily": "00:00"})).unwrap().zone();
        assert_eq!(zone, Tz::Asia__Seoul);
        for bad in [
            json!({}),
            json!({"daily": "24:00"}),
            json!({"daily": "8:00"}),
            json!({"daily": "20:00", "cron": "0 20 * * *"}),
            json!({"weekly": []}),
            json!({"weekly": ["friday"]}),
            json!({"cron": "* * * * *"}),
            json!({"daily": "20:00", "time_zone": "Mars/Olympus"}),
            json!({"daily": "20:00", "until": "21:00"}),
        ] {
            assert!(recurrence(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rewards_are_amounts_and_benefits() {
        let good = json!({"gold": 500, "xp": 50, "items": [{"product_id": 2001, "quantity": 2}]});
        let parsed = rewards(&good).unwrap();
        assert_eq!((parsed.gold.amount(), parsed.xp, parsed.item_count()), (500, 50, 2));
        assert!(rewards(&json!({})).unwrap().is_nothing() && some_rewards(&json!({})).is_err());
        for bad in [
            json!([]),
            json!({"gold": -1}),
            json!({"gold": 1.5}),
            json!({"silver": 1}),
            json!({"items": [{"quantity": 1}]}),
            json!({"items": [{"product_id": 1, "quantity": 60}, {"product_id": 2, "quantity": 60}]}),
        ] {
            assert!(rewards(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn prerequisites_have_an_end() {
        assert!(prerequisite(&json!({"any": [1, {"all": [2, 3]}]})).is_ok());
        let deep = (0..5).fold(json!(1), |inner, _| json!({ "all": [inner] }));
        for bad in [json!({"all": []}), json!({"all": [1], "any": [2]}), json!("1"), deep] {
            assert!(prerequisite(&bad).is_err(), "{bad}");
        }
    }
}
