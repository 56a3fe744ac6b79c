//! Every route without the rights that it wants. `public_routes.txt` lists those that want none;
//! that list only shrinks: whoever makes it longer explains why.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

use crate::app::{Answer, App};
use crate::openapi::{operations, route_table};

/// Lines of the list when it was made, and: two more lists of what is on sale, the provider's signed
/// messages, the clock of tests, the page where a coin is tossed, what game servers sign.
const LONGEST_LIST: usize = 25;

fn public() -> Vec<(Method, String)> {
    let lines = include_str!("public_routes.txt").lines();
    let pair = |line: &str| {
        let (method, path) = line.split_once(' ').unwrap();
        (method.parse().unwrap(), path.to_owned())
    };
    lines.map(pair).collect()
}

fn concrete(path: &str) -> String {
    let names = [
        ("{id}", "23"),
        ("{*file}", "index.html"),
        ("{receipt}", "00c0ffee0001"),
        ("{code}", "WEEKEND_STARTER"),
        ("{item_id}", "00c0ffee0001-1"),
        ("{user_id}", "23"),
    ];
    names.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value))
}

/// A request without a usable body: rights are looked at before anything else.
async fn ask(app: &App, (method, path): &(Method, String), token: Option<&str>) -> Answer {
    let url = format!("{}{}", app.url, concrete(path));
    let mut request = app.http.request(method.clone(), url).body("not even JSON");
    if let Some(token) = token {
        request = request.header("authorization", token);
    }
    Answer::read(request.send().await.unwrap()).await
}

#[test]
fn the_list_of_public_routes_only_shrinks() {
    let lines: Vec<&str> = include_str!("public_routes.txt").lines().collect();
    assert!(lines.len() <= LONGEST_LIST, "a new public route: is it meant to be?");
    assert!(lines.is_sorted(), "keep it sorted");
    assert_eq!(lines.iter().collect::<BTreeSet<_>>().len(), lines.len(), "nothing twice");
}

#[tokio::test]
async fn every_route_is_public_by_the_list_or_refuses_whoever_is_not_signed_in() {
    let app = App::start().await;
    let document: Value = app.get("/openapi.json", None).await.body;
    let public = public();
    let described = operations(&document);
    let player = app.player().await;
    // These want no body: once the day is claimed, they write nothing.
    for claim in ["/api/streak/claim", "/api/vip/claim"] {
        assert_eq!(app.post(claim, Some(&player), Value::Null).await.status, 200);
    }
    let before = app.database.events().await;
    let shown = format!("Bearer {player}");
    let (head, tail) = player.split_at(player.len() - 8);
    let forged = format!("Bearer {head}{}", tail.chars().rev().collect::<String>());
    let none = "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIiwicm9sZSI6ImFkbWluIn0.";
    let garbage = ["Bearer", "Bearer garbage", &forged, none, "Basic YWRtaW46YWRtaW4xMjM="];

    let mut protected = 0;
    for (method, path, wants_token) in &described {
        let route = (method.clone(), path.clone());
        assert_eq!(*wants_token, !public.contains(&route), "{method} {path}");
        if !wants_token {
            continue;
        }
        protected += 1;
        for token in std::iter::once(None).chain(garbage.iter().copied().map(Some)) {
            let answer = ask(&app, &route, token).await;
            assert_eq!(answer.status, 401, "{method} {path} with {token:?}: {}", answer.text);
            answer.is_problem(401, "UNAUTHENTICATED");
        }
        let answer = ask(&app, &route, Some(&shown)).await;
        let is_staffs = path.starts_with("/api/admin/");
        let expected = if is_staffs { answer.status == 403 } else { answer.status != 401 };
        assert!(expected, "{method} {path} for a player: {}", answer.text);
    }
    assert!(protected >= 8, "only {protected} routes want a token");

    let paths: BTreeSet<&str> = described.iter().map(|(_, path, _)| path.as_str()).collect();
    for path in route_table() {
        let is_listed = public.iter().any(|(_, listed)| *listed == path);
        assert!(
            is_listed || paths.contains(path.as_str()),
            "{path} is neither described nor public"
        );
    }
    assert_eq!(app.database.events().await, before, "nothing was written");
}

#[tokio::test]
async fn every_route_of_the_list_really_is_public() {
    let app = App::start().await;
    let table = route_table();
    // Whoever calls these shows a signature instead of a token.
    let signed = ["/api/shop/webhook/payment", "/api/actions"];
    for route in public().into_iter().filter(|route| !signed.contains(&route.1.as_str())) {
        assert!(table.contains(&route.1), "{} is no more: take it off the list", route.1);
        for token in [None, Some("Bearer garbage")] {
            let answer = ask(&app, &route, token).await;
            let status = answer.status.as_u16();
            assert!(![401, 403, 404, 405].contains(&status), "{route:?}: {}", answer.text);
        }
    }
}
