//! The service ends in the middle of signing up, at each step of it; and many sign up at once under the
//! same names, or with the last use of an invite, on two nodes.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::app::{Answer, App, demo_database, program};
use crate::database::Database;
use crate::newcomers::{PASSWORD, all_is_well, invite, is_in, sign_in, sign_up, uses, wish};
use crate::provider::wait_for;

/// Where a sign-up ends, and what is there then.
const STEPS: [(&str, Left); 4] = [
    ("sign_up/checked", Left::Nothing),
    ("sign_up/reserved", Left::Names),
    ("sign_up/opened", Left::Account),
    ("sign_up/active", Left::Account),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    Names,
    Account,
}

const CODE: &str = "HALL";
/// Longer than names are kept for a sign-up that was cut off.
const LATER: u32 = 301;
const ANOTHERS_PASSWORD: &str = "another's pass phrase";

/// A node that crashes at this point.
async fn doomed(database: &Database, fault: &str) -> App {
    App::start_on(database.clone(), &[("CLUB_FAULT", fault)]).await
}

/// Signs up at a node that crashes meanwhile.
async fn cut_off(mut app: App, wish: &Value) {
    let sent = app.http.post(format!("{}/api/auth/signup", app.url)).json(wish).send().await;
    assert!(sent.is_err(), "there is no answer: {sent:?}");
    assert!(!app.ended().await.success());
}

/// The same names, wanted by somebody else.
fn anothers(number: u32) -> Value {
    let mut wish = wish(number, CODE);
    wish["password"] = json!(ANOTHERS_PASSWORD);
    wish
}

async fn with_invite() -> Database {
    let app = App::start_on(demo_database().await, &[]).await;
    invite(&app, CODE, 20).await;
    let database = app.database.clone();
    assert!(app.stop().await.success());
    database
}

#[tokio::test]
async fn whoever_was_cut_off_signs_in_and_has_exactly_a_thousand_gold() {
    let database = with_invite().await;
    for ((step, left), number) in STEPS.iter().zip(1..) {
        cut_off(doomed(&database, step).await, &wish(number, CODE)).await;
        // The demo data comes in at every start, and is no way past the invite.
        let seeded = program("club", &database.url()).arg("seed").status().await;
        assert!(seeded.unwrap().success());
        let app = App::start_on(database.clone(), &[]).await;
        // Who comes back from three devices at once comes back once.
        let back = join_all((0..3).map(|_| sign_in(&app, number, PASSWORD))).await;
        match left {
            Left::Nothing => {
                back.iter().for_each(|answer| answer.is_problem(401, "INVALID_CREDENTIALS"));
                is_in(&sign_up(&app, &wish(number, CODE)).await);
            }
            Left::Names | Left::Account => back.iter().for_each(is_in),
        }
        is_in(&sign_in(&app, number, PASSWORD).await);
        assert_eq!(uses(&app, CODE).await, number, "{step}");
        all_is_well(&database).await;
        assert!(app.stop().await.success());
    }
}

#[tokio::test]
async fn names_of_whoever_was_cut_off_are_neither_lost_nor_given_twice() {
    let database = with_invite().await;
    for ((step, left), number) in STEPS.iter().zip(1..) {
        cut_off(doomed(&database, step).await, &wish(number, CODE)).await;
        let app = App::start_on(database.clone(), &[]).await;
        if *left == Left::Names {
            sign_up(&app, &anothers(number)).await.is_problem(409, "SITE_ID_TAKEN");
        }
        wait_for(&app, LATER).await;
        let another = sign_up(&app, &anothers(number)).await;
        let (owners, others) = match left {
            Left::Nothing | Left::Names => {
                is_in(&another);
                (ANOTHERS_PASSWORD, PASSWORD)
            }
            Left::Account => {
                another.is_problem(409, "SITE_ID_TAKEN");
                (PASSWORD, ANOTHERS_PASSWORD)
            }
        };
        sign_in(&app, number, others).await.is_problem(401, "INVALID_CREDENTIALS");
        is_in(&sign_in(&app, number, owners).await);
        assert_eq!(uses(&app, CODE).await, number, "{step}");
        all_is_well(&database).await;
        assert!(app.stop().await.success());
    }
}

#[tokio::test]
async fn cut_off_while_names_change_hands_they_are_the_next_ones() {
    let database = with_invite().await;
    for (step, number) in [("sign_up/lapsed", 1), ("sign_up/released", 2)] {
        // Two of each: one whose first owner comes back, and one who does not.
        for (number, comes_back) in [(number, true), (number + 10, false)] {
            let first = doomed(&database, "sign_up/reserved").await;
            cut_off(first, &wish(number, CODE)).await;
            let second = doomed(&database, step).await;
            wait_for(&second, LATER).await;
            cut_off(second, &anothers(number)).await;
            let app = App::start_on(database.clone(), &[]).await;
            if comes_back {
                let back = sign_in(&app, number, PASSWORD).await;
                let expected = match step {
                    "sign_up/lapsed" => (403, "INVALID_INVITE_CODE"),
                    _ => (401, "INVALID_CREDENTIALS"),
                };
                back.is_problem(expected.0, expected.1);
            } else {
                wait_for(&app, LATER).await;
            }
            is_in(&sign_up(&app, &anothers(number)).await);
            sign_in(&app, number, PASSWORD).await.is_problem(401, "INVALID_CREDENTIALS");
            all_is_well(&database).await;
            assert!(app.stop().await.success());
        }
    }
}

#[tokio::test]
async fn a_use_that_is_gone_when_whoever_was_cut_off_comes_back_frees_the_names() {
    let app = App::start().await;
    invite(&app, "ONCE", 1).await;
    let database = app.database.clone();
    cut_off(doomed(&database, "sign_up/reserved").await, &wish(1, "ONCE")).await;
    is_in(&sign_up(&app, &wish(2, "ONCE")).await);
    sign_in(&app, 1, PASSWORD).await.is_problem(403, "INVITE_EXHAUSTED");
    sign_in(&app, 1, PASSWORD).await.is_problem(401, "INVALID_CREDENTIALS");
    is_in(&sign_up(&app, &wish(1, "5858")).await);
    assert_eq!(uses(&app, "ONCE").await, 1);
    all_is_well(&database).await;
}

/// The same wishes at once, turn by turn on two nodes.
async fn at_once(nodes: &[App], wishes: &[Value]) -> Vec<Answer> {
    join_all(wishes.iter().zip(nodes.iter().cycle()).map(|(wish, app)| sign_up(app, wish))).await
}

async fn two_nodes() -> Vec<App> {
    let first = App::start().await;
    let second = App::start_on(first.database.clone(), &[]).await;
    vec![first, second]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_want_the_same_names_on_two_nodes_one_gets_them() {
    let nodes = two_nodes().await;
    let (database, stale) = (nodes[0].database.clone(), 2);
    invite(&nodes[0], CODE, 20).await;
    // Names that nobody has, and names of somebody who was cut off long ago.
    cut_off(doomed(&database, "sign_up/reserved").await, &wish(stale, CODE)).await;
    join_all(nodes.iter().map(|app| wait_for(app, LATER))).await;
    for number in [1, stale] {
        let wishes: Vec<Value> = (0..8).map(|_| anothers(number)).collect();
        let answers = at_once(&nodes, &wishes).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
        assert_eq!(won.len(), 1, "{answers:?}");
        is_in(won[0]);
        lost.iter().for_each(|answer| answer.is_problem(409, "SITE_ID_TAKEN"));
        assert_eq!(uses(&nodes[0], CODE).await, number);
    }
    all_is_well(&database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_come_with_the_last_use_one_gets_it_and_the_others_keep_their_names_for_later()
{
    let nodes = two_nodes().await;
    invite(&nodes[0], "LAST", 1).await;
    let wishes: Vec<Value> = (1..=8).map(|number| wish(number, "LAST")).collect();
    let answers = at_once(&nodes, &wishes).await;
    let won = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(won, 1, "{answers:?}");
    assert_eq!(uses(&nodes[1], "LAST").await, 1);
    for (answer, number) in answers.iter().zip(1..) {
        if answer.status == 201 {
            is_in(answer);
            continue;
        }
        answer.is_problem(403, "INVITE_EXHAUSTED");
        is_in(&sign_up(&nodes[0], &wish(number, "5858")).await);
    }
    all_is_well(&nodes[0].database).await;
}
