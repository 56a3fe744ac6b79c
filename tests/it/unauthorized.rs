//! Every route without the rights that it wants. `public_routes.txt` lists those that want none;
//! that list only shrinks: whoever makes it longer explains why.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::query_scalar;

use crate::app::{Answer, App};
use crate::openapi::{operations, permission, route_table};
use crate::provider::wait_for;

/// Lines of the list when it was made, and: two more lists of what is on sale, the provider's signed
/// messages, the clock of tests, the page where a coin is tossed, what game servers sign, the keys by which
/// old receipts are verified, and what is done by a link in a mail (its token is the right): two pages, an
/// address, a password, the way out of campaigns; and asking for such a link.
const LONGEST_LIST: usize = 33;

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
        ("{note}", "1"),
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

type Route = (Method, String);

/// What the description says of the routes that want a token.
struct Protected {
    document: Value,
    routes: Vec<Route>,
}

impl Protected {
    async fn of(app: &App) -> Self {
        let document: Value = app.get("/openapi.json", None).await.body;
        let public = public();
        let mut routes = Vec::new();
        for (method, path, wants_token) in operations(&document) {
            let route = (method, path);
            assert_eq!(wants_token, !public.contains(&route), "{route:?}");
            if wants_token {
                routes.push(route);
            }
        }
        assert!(routes.len() > 60, "only {} routes want a token", routes.len());
        Self { document, routes }
    }

    fn permission(&self, (method, path): &Route) -> Option<String> {
        permission(&self.document, method, path)
    }
}

/// These end the session that asks, and have tests of their own.
fn ends_the_session((_, path): &Route) -> bool {
    path.starts_with("/api/auth/logout")
}

#[tokio::test]
async fn every_route_is_public_by_the_list_or_refuses_whoever_is_not_signed_in() {
    let app = App::start().await;
    let protected = Protected::of(&app).await;
    let player = app.player().await;
    let before = app.database.events().await;
    let (head, tail) = player.split_at(player.len() - 8);
    let forged = format!("Bearer {head}{}", tail.chars().rev().collect::<String>());
    let none = "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIiwicm9sZSI6ImFkbWluIn0.";
    let garbage = ["Bearer", "Bearer garbage", &forged, none, "Basic YWRtaW46YWRtaW4xMjM="];
    for route in &protected.routes {
        for token in std::iter::once(None).chain(garbage.iter().copied().map(Some)) {
            let answer = ask(&app, route, token).await;
            assert_eq!(answer.status, 401, "{route:?} with {token:?}: {}", answer.text);
            answer.is_problem(401, "UNAUTHENTICATED");
        }
    }
    let described = operations(&protected.document);
    let paths: BTreeSet<&str> = described.iter().map(|(_, path, _)| path.as_str()).collect();
    let public = public();
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
async fn every_route_of_the_staff_is_for_the_roles_that_have_its_permission() {
    let app = App::start().await;
    let protected = Protected::of(&app).await;
    let admin = app.admin().await;
    let roles = app.get("/api/admin/roles", Some(&admin)).await.body;
    let people = [
        ("player", "minjun", "1234"),
        ("support", "support", "support123"),
        ("operator", "operator", "operator123"),
        ("auditor", "auditor", "auditor123"),
        ("admin", "admin2", "admin123"),
    ];
    let mut refused = 0;
    for (role, name, password) in people {
        let token = format!("Bearer {}", app.sign_in("/api/auth/login", (name, password)).await);
        let of_role = roles.as_array().unwrap().iter().find(|it| it["code"] == role).unwrap();
        let permissions = of_role["permissions"].as_array().unwrap();
        for route in protected.routes.iter().filter(|route| !ends_the_session(route)) {
            let answer = ask(&app, route, Some(&token)).await;
            let may = match protected.permission(route).as_deref() {
                None => !route.1.starts_with("/api/admin/"),
                Some("staff") => !permissions.is_empty(),
                Some(wanted) => permissions.iter().any(|has| has == wanted),
            };
            if may {
                assert_ne!(answer.status, 401, "{route:?} for {role}: {}", answer.text);
                assert_ne!(answer.body["code"], "FORBIDDEN", "{route:?} for {role}");
            } else {
                assert_eq!(answer.status, 403, "{route:?} for {role}: {}", answer.text);
                answer.is_problem(403, "FORBIDDEN");
                refused += u64::from(route.0 != Method::GET);
            }
        }
    }
    // What was refused stands in the log, and nothing else came of it.
    let select = "select count(*) from events where event_type = 'attempt_refused'
                     and payload->>'code' = 'FORBIDDEN'";
    let noted: i64 =
        query_scalar(select).fetch_one(&mut app.database.superuser().await).await.unwrap();
    assert_eq!(u64::try_from(noted).unwrap(), refused);
}

#[tokio::test]
async fn no_route_answers_whoever_is_banned_or_whose_token_has_expired() {
    let app = App::start().await;
    let protected = Protected::of(&app).await;
    let (banned, late) =
        (app.player().await, app.sign_in("/api/auth/login", ("minjun", "1234")).await);
    let admin = app.admin().await;
    let ban = app.post("/api/admin/users/23/ban", Some(&admin), json!({"reason": "a test"})).await;
    assert_eq!(ban.status, 200, "{}", ban.text);
    app.until_refused(&banned).await;
    let banned = format!("Bearer {banned}");
    for route in &protected.routes {
        ask(&app, route, Some(&banned)).await.is_problem(403, "BANNED");
    }
    wait_for(&app, 16 * 60).await;
    let late = format!("Bearer {late}");
    for route in &protected.routes {
        ask(&app, route, Some(&late)).await.is_problem(401, "UNAUTHENTICATED");
    }
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
