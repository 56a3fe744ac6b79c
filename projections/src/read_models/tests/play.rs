//! Missions, events, participations and rewards: what the models show is what the events say, one
//! after the other.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use domain::account::AccountEvent;
use domain::activity::{ActivityEvent, Goal, MissionPeriod};
use domain::event::ClubEvent;
use domain::id::{ItemId, LiveEventId, MissionId, PlayerId};
use domain::live_event::{EventStatus, LiveEventEvent};
use domain::mission::MissionEvent;
use domain::reward::Reward;
use sqlx::PgPool;

use super::{MANY, followed};
use crate::feed;
use crate::read_models::items::{self, ItemSource};
use crate::read_models::live_events::{self, LiveEventRow};
use crate::read_models::mission_progress::{self, MissionProgressRow};
use crate::read_models::missions::{self, MissionRow};
use crate::read_models::participations::{self, EventOfPlayer, ParticipationRow};
use crate::read_models::rewards::{self, RewardKind, RewardRow};

/// The whole log, in order.
pub(super) async fn told(pool: &PgPool) -> Vec<(u64, ClubEvent)> {
    let mut connection = pool.acquire().await.unwrap();
    let start = feed::genesis(&mut connection).await.unwrap();
    let all = feed::page(&mut connection, &start, 100_000).await.unwrap();
    let read = |it: &domain::stored::Recorded| (it.place.position, ClubEvent::decode(it).unwrap());
    all.iter().map(read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn missions_are_as_the_board_has_them() {
    let (pool, history) = followed(30, 4_000).await;
    let shown = missions::all(&pool).await.unwrap().rows;
    let mut past_players = BTreeMap::new();
    let mut defined = BTreeMap::new();
    for (position, event) in told(&pool).await {
        match event {
            ClubEvent::Mission(MissionEvent::PastPlayAdded { mission_id, players, .. }) => {
                past_players.insert(mission_id, players);
            }
            ClubEvent::Mission(MissionEvent::MissionDefined { mission_id, .. }) => {
                defined.insert(mission_id, position);
            }
            _ => {}
        }
    }
    assert_eq!(shown.len(), history.board().missions().count());
    for (row, (id, mission)) in shown.iter().zip(history.board().missions()) {
        assert_eq!((row.mission_id, row.version), (id, mission.version.into()));
        assert_eq!((&row.terms, row.counts_after), (&mission.terms, mission.counts_after));
        assert_eq!(row.past_players, past_players.get(&id).copied());
        assert_eq!(row.defined_position, defined[&id]);
        let one = missions::by_id(&pool, id).await.unwrap().rows;
        assert_eq!(one.as_ref(), Some(row));
    }
    assert!(shown.iter().any(|row| row.version > 1));
    assert!(past_players.values().any(|players| *players > 0), "{past_players:?}");
    assert_eq!(missions::by_id(&pool, MissionId(99)).await.unwrap().rows, None);
}

type Progress = BTreeMap<(PlayerId, MissionId), MissionProgressRow>;

/// The row of a player and mission, a new one if it is of an earlier period.
fn latest(
    rows: &mut Progress,
    user_id: PlayerId,
    mission_id: MissionId,
    period: MissionPeriod,
) -> &mut MissionProgressRow {
    let (progress, target, completed_at) = (0, 0, None);
    let new = MissionProgressRow { user_id, mission_id, period, progress, target, completed_at };
    let row = rows.entry((user_id, mission_id)).or_insert(new);
    assert!(row.period <= period, "the domain lets nothing count for what is over");
    if row.period < period {
        *row = new;
    }
    row
}

fn progress_told(told: &[(u64, ClubEvent)]) -> Progress {
    let mut rows = Progress::new();
    for (_, event) in told {
        let ClubEvent::Activity(player, event) = event else { continue };
        for advance in event.advanced() {
            let Goal::Mission { mission, period } = advance.goal else { continue };
            let row = latest(&mut rows, *player, mission, period);
            (row.progress, row.target) = (advance.progress, advance.target.unwrap());
            if advance.is_complete() {
                assert_eq!(row.completed_at.replace(event.at()), None);
            }
        }
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_that_of_the_latest_period() {
    let (pool, history) = followed(31, 4_000).await;
    let expected = progress_told(&told(&pool).await);
    let missions = missions::all(&pool).await.unwrap().rows;
    let mut seen = 0;
    for (player, activity) in history.activities() {
        let board = mission_progress::board_of(&pool, player).await.unwrap().rows;
        let order =
            |(mission, _): &(MissionRow, _)| (Reverse(mission.terms.priority), mission.mission_id);
        assert!(board.is_sorted_by_key(order));
        assert_eq!(board.len(), missions.len());
        for (mission, progress) in board {
            assert!(missions.contains(&mission));
            assert_eq!(progress.as_ref(), expected.get(&(player, mission.mission_id)));
            let Some(row) = progress else { continue };
            assert_eq!(activity.mission(mission.mission_id, row.period).0, row.progress);
            seen += 1;
        }
    }
    assert_eq!(seen, expected.len());
    assert!(expected.values().any(|row| row.completed_at.is_some()));
    assert!(expected.values().any(|row| row.completed_at.is_none()));
    let nobody = mission_progress::board_of(&pool, PlayerId(9_999)).await.unwrap().rows;
    assert!(nobody.len() == missions.len() && nobody.iter().all(|(_, has)| has.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_as_their_streams_have_them() {
    let (pool, history) = followed(32, 6_000).await;
    let told = told(&pool).await;
    let shown = live_events::all(&pool).await.unwrap().rows;
    assert_eq!(shown.len(), history.live_events().count());
    let (mut seats, mut frozen) = (0, 0);
    for (row, (id, event)) in shown.iter().zip(history.live_events()) {
        let (version, terms) = event.terms().unwrap();
        assert_eq!((row.event_id, row.version, &row.terms), (id, version.into(), terms));
        assert_eq!((row.status, row.payout_stopped), (event.status(), event.payout_is_stopped()));
        assert_eq!(row.ended_at.is_some(), row.status == EventStatus::Ended);
        assert_eq!(row.occurrence_at(history.now()), event.occurrence_at(history.now()));
        if let Some(taken) = row.seats {
            let left = event.seats_left(taken.occurrence_at).map(u64::from);
            assert_eq!(row.seats_left(taken.occurrence_at), left);
            seats += taken.taken;
        }
        let of_event = told.iter().filter_map(|(_, told)| match told {
            ClubEvent::LiveEvent(of, told) if *of == id => Some(told),
            _ => None,
        });
        let mut board = None;
        for told in of_event {
            match told {
                LiveEventEvent::LeaderboardFrozen { occurrence_at, tiers, .. } => {
                    board = Some((*occurrence_at, tiers.clone(), None));
                    frozen += 1;
                }
                LiveEventEvent::PlacesRewarded { places, .. } => {
                    board.as_mut().unwrap().2 = Some(u64::from(*places));
                }
                _ => {}
            }
        }
        let has = row.frozen.clone();
        assert_eq!(has.map(|it| (it.occurrence_at, it.tiers, it.places_rewarded)), board);
        assert_eq!(live_events::by_id(&pool, id).await.unwrap().rows.as_ref(), Some(row));
    }
    assert!(seats > 0 && frozen > 1);
    let is_due = |row: &&LiveEventRow| {
        let open = row.frozen.as_ref().is_some_and(|board| board.places_rewarded.is_none());
        open && !row.payout_stopped
    };
    let due: Vec<_> = shown.iter().filter(is_due).cloned().collect();
    assert_eq!(live_events::due_payouts(&pool).await.unwrap().rows, due);
}

type Participations = BTreeMap<(LiveEventId, DateTime<Utc>, PlayerId), ParticipationRow>;

fn participations_told(told: &[(u64, ClubEvent)]) -> Participations {
    let mut rows = Participations::new();
    for (position, event) in told {
        match event {
            ClubEvent::Account(player, event) => account_told(&mut rows, *position, *player, event),
            ClubEvent::Activity(player, event) => {
                activity_told(&mut rows, *position, *player, event);
            }
            _ => {}
        }
    }
    rows
}

fn account_told(rows: &mut Participations, position: u64, player: PlayerId, event: &AccountEvent) {
    match event {
        AccountEvent::EventJoined { at, event_id, occurrence, entry } => {
            let row = ParticipationRow {
                event_id: *event_id,
                user_id: player,
                occurrence: *occurrence,
                joined_at: *at,
                entry: entry.clone(),
                progress: vec![0; entry.requirements.len()],
                completed_at: entry.requirements.is_empty().then_some(*at),
                claimed_at: None,
                forced: false,
                receipt_code: None,
                score: 0,
                scored_position: None,
                place: None,
                place_receipt_code: None,
                joined_position: position,
            };
            assert!(rows.insert((*event_id, occurrence.starts_at, player), row).is_none());
        }
        AccountEvent::EventClaimed {
            at, receipt_code, event_id, occurrence_at, forced, ..
        } => {
            let row = rows.get_mut(&(*event_id, *occurrence_at, player)).unwrap();
            row.claimed_at = Some(*at);
            (row.receipt_code, row.forced) = (Some(*receipt_code), *forced);
        }
        AccountEvent::PlaceRewarded { receipt_code, event_id, occurrence_at, place, .. } => {
            let row = rows.get_mut(&(*event_id, *occurrence_at, player)).unwrap();
            row.place = Some(u64::from(*place));
            row.place_receipt_code = Some(*receipt_code);
        }
        _ => {}
    }
}

fn activity_told(
    rows: &mut Participations,
    position: u64,
    player: PlayerId,
    event: &ActivityEvent,
) {
    for advance in event.advanced() {
        match advance.goal {
            Goal::Requirement { event: id, occurrence, number } => {
                let row = rows.get_mut(&(id, occurrence, player)).unwrap();
                row.progress[usize::from(number)] = advance.progress;
                let needs = row.progress.iter().zip(&row.entry.requirements);
                if needs.into_iter().all(|(has, needs)| *has >= needs.target) {
                    row.completed_at.get_or_insert(event.at());
                }
            }
            Goal::Score { event: id, occurrence } => {
                let row = rows.get_mut(&(id, occurrence, player)).unwrap();
                (row.score, row.scored_position) = (advance.progress, Some(position));
            }
            Goal::Mission { .. } => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn participations_are_what_was_joined_done_and_claimed() {
    let (pool, history) = followed(33, 9_000).await;
    let expected = participations_told(&told(&pool).await);
    let mut all = Vec::new();
    for (event, _) in history.live_events() {
        let page = participations::page(&pool, event, None, None, MANY).await.unwrap().rows;
        assert!(page.is_sorted_by(|a, b| a.joined_position > b.joined_position));
        let mut paged: Vec<ParticipationRow> = Vec::new();
        while paged.len() < page.len() {
            let before = paged.last().map(|row| row.joined_position);
            paged.extend(participations::page(&pool, event, None, before, 7).await.unwrap().rows);
        }
        assert_eq!(paged, page);
        let Some(occurrence) = page.first().map(|row| row.occurrence.starts_at) else { continue };
        let one = participations::page(&pool, event, Some(occurrence), None, MANY).await.unwrap();
        let same = |row: &&ParticipationRow| row.occurrence.starts_at == occurrence;
        assert_eq!(one.rows, page.iter().filter(same).cloned().collect::<Vec<_>>());
        all.extend(page);
    }
    assert_eq!(all.len(), expected.len());
    for row in &all {
        let key = (row.event_id, row.occurrence.starts_at, row.user_id);
        assert_eq!(Some(row), expected.get(&key));
    }
    for (what, is_there) in [
        ("forced", all.iter().any(|row| row.forced)),
        ("claimed", all.iter().any(|row| row.claimed_at.is_some() && !row.progress.is_empty())),
        ("half done", all.iter().any(|row| row.progress.len() > 1 && row.completed_at.is_none())),
        ("both done", all.iter().any(|row| row.progress.len() > 1 && row.completed_at.is_some())),
        ("rewarded", all.iter().any(|row| row.place == Some(2))),
    ] {
        assert!(is_there, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn players_see_all_events_and_their_latest_occurrence_of_each() {
    let (pool, history) = followed(34, 4_000).await;
    let expected = participations_told(&told(&pool).await);
    let events = live_events::all(&pool).await.unwrap().rows;
    for (player, account) in history.accounts() {
        let player = PlayerId(player);
        let own = participations::of_player(&pool, player).await.unwrap().rows;
        let joined: Vec<_> = account
            .participations()
            .map(|(event, joined)| (event, joined.occurrence, joined.joined_at, joined.claimed))
            .collect();
        let shown =
            own.iter().map(|row| (row.event_id, row.occurrence, row.joined_at, row.receipt_code));
        assert_eq!(shown.collect::<Vec<_>>(), joined);
        let seen = participations::events_of(&pool, Some(player)).await.unwrap().rows;
        assert_eq!(seen.len(), events.len(), "there are no drafts");
        for shown in &seen {
            assert!(events.contains(&shown.event));
            let mine = own.iter().find(|row| row.event_id == shown.event.event_id);
            assert_eq!(shown.participation.as_ref(), mine);
        }
        let order =
            |shown: &EventOfPlayer| (Reverse(shown.event.terms.priority), shown.event.event_id);
        assert!(seen.is_sorted_by_key(order));
        for row in own {
            let key = (row.event_id, row.occurrence.starts_at, row.user_id);
            assert_eq!(Some(&row), expected.get(&key));
        }
    }
    let nobody = participations::events_of(&pool, None).await.unwrap().rows;
    assert!(nobody.len() == events.len() && nobody.iter().all(|it| it.participation.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reward_is_a_line_and_its_items_are_in_the_inventory() {
    let (pool, history) = followed(35, 14_000).await;
    let told = told(&pool).await;
    let all = rewards::page(&pool, None, None, None, MANY).await.unwrap().rows;
    let mut expected = Vec::new();
    for (position, event) in &told {
        let ClubEvent::Account(player, event) = event else { continue };
        let paid = match event {
            AccountEvent::StreakClaimed { xp, .. } => (event.ledger_entry(), 0, *xp, vec![]),
            AccountEvent::VipClaimed { vip_points, .. } => (None, *vip_points, 0, vec![]),
            _ => match event.reward() {
                Some(paid) => {
                    let Reward { vip_points, xp, items, .. } = paid.reward.clone();
                    (event.ledger_entry(), vip_points, xp, items)
                }
                None => continue,
            },
        };
        let (ledger, vip_points, xp, items) = paid;
        let gold = ledger.map_or(0, |it| it.movement.gold.plus(it.movement.debt).total());
        expected.push((*position, *player, gold, vip_points, xp, items));
    }
    let shown = all.iter().rev().map(|row| {
        let RewardRow { position, user_id, gold, vip_points, xp, ref items, .. } = *row;
        (position, user_id, gold, vip_points, xp, items.clone())
    });
    assert_eq!(shown.collect::<Vec<_>>(), expected);
    for kind in RewardKind::ALL {
        let of_kind = rewards::page(&pool, None, Some(kind), None, MANY).await.unwrap().rows;
        let same: Vec<_> = all.iter().filter(|row| row.kind == kind).cloned().collect();
        assert!(of_kind == same && !same.is_empty(), "{kind:?}");
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        let before = Some(same[0].position);
        let next = rewards::page(&pool, Some(same[0].user_id), Some(kind), before, 1).await;
        let mine = same.iter().skip(1).find(|row| row.user_id == same[0].user_id);
        assert_eq!(next.unwrap().rows.first(), mine);
    }
    let mut given = BTreeSet::new();
    for row in all.iter().filter(|row| !row.items.is_empty()) {
        let receipt = row.receipt_code.unwrap();
        let items = items::of_receipt(&pool, receipt).await.unwrap().rows;
        let count: u8 = row.items.iter().map(|item| u8::from(item.quantity)).sum();
        let ids: Vec<_> =
            (1..=count).map(|number| ItemId { receipt_code: receipt, number }).collect();
        assert_eq!(items.iter().map(|item| item.item_id).collect::<Vec<_>>(), ids);
        for item in items {
            assert_eq!((item.source, item.price_gold), (ItemSource::Reward, 0));
            assert_eq!((item.user_id, item.expires_at), (row.user_id, row.items[0].expires_at));
            assert_eq!((item.sku.as_str(), item.bought_at), (row.items[0].sku.as_str(), row.at));
            given.insert(item.status.name());
        }
    }
    assert!(given.is_superset(&BTreeSet::from(["purchased", "used", "expired"])), "{given:?}");
    for (player, _) in history.accounts() {
        let items = items::page(&pool, PlayerId(player), None, None, MANY).await.unwrap().rows;
        let bought = items.iter().filter(|item| item.source == ItemSource::Bought);
        assert!(bought.into_iter().all(|item| item.price_gold > 0));
    }
}
