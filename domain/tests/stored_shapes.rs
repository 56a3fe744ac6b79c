//! Whatever was ever stored can still be read, and whatever is written has a fixture.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say so where it stands")]

use std::collections::BTreeSet;

use domain::account::{AccountEvent, MOVEMENTS};
use domain::activity::ActivityEvent;
use domain::aggregate::Event;
use domain::announcement::AnnouncementEvent;
use domain::approval::ApprovalEvent;
use domain::audit::AuditEvent;
use domain::campaign::CampaignEvent;
use domain::encoding::encode;
use domain::identity::IdentityEvent;
use domain::invite::InviteEvent;
use domain::job::JobEvent;
use domain::live_event::LiveEventEvent;
use domain::mission::MissionEvent;
use domain::package::PackageEvent;
use domain::product::ProductEvent;
use domain::promo::PromoEvent;
use domain::role::RoleEvent;
use domain::stored::decode;
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    event_type: String,
    event_version: String,
    payload: serde_json::Value,
}

fn fixtures(lines: &str) -> Vec<Fixture> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Every line decodes; a line of the current version encodes back to itself, byte for byte in
/// value, so that an unnoticed rename cannot pass.
fn hold<E: Event>(lines: &str, written: &[&str]) {
    let fixtures = fixtures(lines);
    for fixture in &fixtures {
        let Fixture { event_type, event_version, payload } = fixture;
        let event: E = decode(event_type, event_version, &payload.to_string()).unwrap();
        assert_eq!(event.event_type(), event_type);
        if event_version == E::current_version(event_type) {
            let written: serde_json::Value =
                serde_json::from_str(&encode(&event).unwrap()).unwrap();
            assert_eq!(&written, payload);
        }
    }
    for event_type in written {
        let current = E::current_version(event_type);
        let found =
            fixtures.iter().any(|f| f.event_type == *event_type && f.event_version == current);
        assert!(found, "add a line for {event_type} version {current} to domain/fixtures");
    }
}

/// The names that a family can write, read from its source: the strings of `event_type`.
fn names(source: &'static str) -> Vec<&'static str> {
    let (_, body) = source.split_once("fn event_type(&self)").unwrap();
    let (body, _) = body.split_once("fn current_version").unwrap();
    body.split('"').skip(1).step_by(2).collect()
}

/// A test for each family: its source and its fixtures.
macro_rules! families {
    ($($test:ident: $event:ty, $source:literal, $fixtures:literal;)*) => {$(
        #[test]
        fn $test() {
            let written = names(include_str!($source));
            assert!(!written.is_empty());
            hold::<$event>(include_str!($fixtures), &written);
        }
    )*};
}

families! {
    account_events_keep_their_shape:
        AccountEvent, "../src/account/event.rs", "../fixtures/account.jsonl";
    product_events_keep_their_shape:
        ProductEvent, "../src/product.rs", "../fixtures/product.jsonl";
    package_events_keep_their_shape:
        PackageEvent, "../src/package.rs", "../fixtures/package.jsonl";
    promo_events_keep_their_shape:
        PromoEvent, "../src/promo.rs", "../fixtures/promo.jsonl";
    identity_events_keep_their_shape:
        IdentityEvent, "../src/identity.rs", "../fixtures/identity.jsonl";
    role_events_keep_their_shape:
        RoleEvent, "../src/role.rs", "../fixtures/role.jsonl";
    audit_events_keep_their_shape:
        AuditEvent, "../src/audit.rs", "../fixtures/audit.jsonl";
    activity_events_keep_their_shape:
        ActivityEvent, "../src/activity.rs", "../fixtures/activity.jsonl";
    mission_events_keep_their_shape:
        MissionEvent, "../src/mission.rs", "../fixtures/mission.jsonl";
    live_event_events_keep_their_shape:
        LiveEventEvent, "../src/live_event.rs", "../fixtures/live_event.jsonl";
    invite_events_keep_their_shape:
        InviteEvent, "../src/invite.rs", "../fixtures/invite.jsonl";
    approval_events_keep_their_shape:
        ApprovalEvent, "../src/approval.rs", "../fixtures/approval.jsonl";
    job_events_keep_their_shape:
        JobEvent, "../src/job/event.rs", "../fixtures/job.jsonl";
    campaign_events_keep_their_shape:
        CampaignEvent, "../src/campaign.rs", "../fixtures/campaign.jsonl";
    announcement_events_keep_their_shape:
        AnnouncementEvent, "../src/announcement.rs", "../fixtures/announcement.jsonl";
}

/// A statement looks for these events in an account's stream: none may be missing, and none too many.
#[test]
fn every_movement_of_gold_is_in_the_list_of_them() {
    let fixtures = fixtures(include_str!("../fixtures/account.jsonl"));
    let movement = |fixture: Fixture| {
        let Fixture { event_type, event_version, payload } = fixture;
        let event: AccountEvent =
            decode(&event_type, &event_version, &payload.to_string()).unwrap();
        event.ledger_entry().map(|entry| (entry.kind.to_owned(), event_type))
    };
    let moved: BTreeSet<_> = fixtures.into_iter().filter_map(movement).collect();
    let listed = MOVEMENTS.iter().map(|(kind, event)| ((*kind).to_owned(), (*event).to_owned()));
    assert_eq!(moved, listed.collect());
}
