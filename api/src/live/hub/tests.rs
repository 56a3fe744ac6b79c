use super::super::outbox::QUEUE;
use super::super::testing::{place, spent};
use super::*;
use futures::FutureExt;

const ONE: PlayerId = PlayerId(1);
const TWO: PlayerId = PlayerId(2);

fn hub_at(position: u64) -> Hub {
    let hub = Hub::new(100, true);
    hub.state().begin(place(position), Showcase::default(), vec![]);
    hub
}

fn connected(hub: &Hub, player: PlayerId) -> Connection {
    let mut connection = hub.connect(player).unwrap();
    connection.join_me(None).unwrap();
    connection
}

fn positions(connection: &Connection) -> Vec<u64> {
    let next = || connection.next().now_or_never()?.ok();
    std::iter::from_fn(next).map(|(_, frame)| frame.position).collect()
}

#[test]
fn nobody_is_connected_before_the_hub_has_a_place() {
    assert_eq!(Hub::new(100, true).connect(ONE).unwrap_err(), Close::Restart);
}

#[test]
fn each_connection_gets_the_events_of_its_player_only() {
    let hub = hub_at(10);
    let (mine, others) = (connected(&hub, ONE), connected(&hub, TWO));
    hub.state().give_out(&[spent(1, 11), spent(2, 12)]);
    assert_eq!((positions(&mine), positions(&others)), (vec![11], vec![12]));
    assert_eq!(hub.place(), Some(place(12)));
}

#[test]
fn a_connection_that_leaves_is_forgotten() {
    let hub = hub_at(0);
    drop(connected(&hub, ONE));
    assert!(hub.players().is_empty());
}

#[test]
fn another_history_makes_every_connection_begin_anew() {
    let hub = hub_at(5);
    let connection = connected(&hub, ONE);
    hub.state().begin(place(3), Showcase::default(), vec![]);
    assert_eq!(connection.next().now_or_never().unwrap().unwrap_err(), Close::Restart);
}

#[test]
fn whoever_opens_too_many_loses_the_oldest() {
    let hub = hub_at(0);
    let all: Vec<_> = (0..=CONNECTIONS_OF_PLAYER).map(|_| connected(&hub, ONE)).collect();
    let other = connected(&hub, TWO);
    let ends = all.iter().map(|connection| connection.next().now_or_never());
    let ends: Vec<bool> = ends.map(|end| matches!(end, Some(Err(Close::Replaced)))).collect();
    assert_eq!(ends.iter().filter(|ended| **ended).count(), 1);
    assert!(ends[0] && other.next().now_or_never().is_none());
}

#[test]
fn a_full_node_takes_nobody_in() {
    let hub = Hub::new(1, true);
    hub.state().begin(place(0), Showcase::default(), vec![]);
    let first = connected(&hub, ONE);
    assert_eq!(hub.connect(TWO).unwrap_err(), Close::TooMany);
    drop(first);
    assert!(hub.connect(TWO).is_ok());
}

#[test]
fn a_slow_client_has_the_newest_balance_waiting_and_never_more_than_there_is_room_for() {
    let hub = hub_at(0);
    let slow = connected(&hub, ONE);
    let many = u64::try_from(QUEUE).unwrap() * 10;
    let events: Vec<_> = (1..=many).map(|position| spent(1, position)).collect();
    hub.state().give_out(&events);
    assert_eq!(positions(&slow), [many]);
}

#[test]
fn whoever_comes_back_soon_gets_what_was_missed_from_memory() {
    let hub = hub_at(0);
    hub.state().give_out(&[spent(1, 1), spent(2, 2), spent(1, 3)]);
    let mut connection = hub.connect(ONE).unwrap();
    let joined = connection.join_me(Some(&place(1).cursor())).unwrap();
    let missed = joined.missed.unwrap();
    let missed: Vec<u64> = missed.iter().map(|event| event.place.position).collect();
    assert_eq!(missed, [3]);
}
