//! The live feed with everything against it: wires that break at any moment, screens that do not
//! read, nodes that are killed, and screens that go from one node to the other. What a screen shows at
//! a mark is what the log comes to there; nothing is lost, and nothing is told twice.

mod slow;
mod topic;
mod trial;
mod typescript;
mod wire;
mod witness;

use std::sync::atomic::Ordering;
use std::time::Instant;

use trial::Trial;

use super::nodes::Setting;

/// Marks come often, so that there is much to compare.
const SETTINGS: [Setting; 3] =
    [("CLUB_LIMITS", "off"), ("CLUB_MARK_INTERVAL_MS", "100"), ("CLUB_CHECKOUT_GRACE_MS", "300")];
const PLAYERS: usize = 8;
const SCREENS: usize = 48;
const CUTS: usize = 5_000;
const KILLS: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_cuts_lose_nothing_and_nothing_comes_twice() {
    let trial = Trial::begin(&SETTINGS, PLAYERS, SCREENS).await;
    let began = Instant::now();
    trial.go_on(CUTS, KILLS).await;
    println!("{CUTS} cuts in {:?}", began.elapsed());
    let (cuts, weather) = (trial.cuts.clone(), trial.weather.clone());
    let verdict = trial.judge().await;
    println!("{verdict:?}, {cuts:?}, {} stalls", weather.stalls());
    assert!(verdict.wrong.is_empty(), "{:#?}", verdict.wrong);
    for stage in [&cuts.connecting, &cuts.subscribing, &cuts.receiving] {
        assert!(stage.load(Ordering::Relaxed) > CUTS / 30, "hardly cut there: {cuts:?}");
    }
    assert!(weather.stalls() > CUTS / 50, "hardly anybody was slow: {}", weather.stalls());
    assert!(verdict.recoveries > 500, "hardly anybody resumed: {verdict:?}");
    assert!(verdict.overlaps > 0, "no cut was in the middle of an event: {verdict:?}");
    assert!(verdict.notes > 1_000 && verdict.told > 1_000, "not much of a test: {verdict:?}");
}

/// The same witnesses, where the club loses what falls between state and stream.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_message_that_is_skipped_at_the_join_is_found() {
    let settings = [&SETTINGS[..], &[("CLUB_FAULT", "live/skips_at_the_join")]].concat();
    let trial = Trial::begin(&settings, PLAYERS / 2, SCREENS).await;
    trial.go_on(CUTS / 5, 0).await;
    let verdict = trial.judge().await;
    println!("{verdict:?}");
    assert!(verdict.wrong.iter().any(|it| it.ends_with("was lost")), "{verdict:?}");
    assert!(!verdict.wrong.iter().any(|it| it.ends_with("twice")), "{verdict:?}");
}
