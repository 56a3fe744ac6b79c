//! The published description of the service, and what holds for every address in it.

use reqwest::{Method, redirect};
use serde_json::Value;

use crate::app::{Answer, App};

/// Every method and path of the description, with whether it wants a token.
pub fn operations(document: &Value) -> Vec<(Method, String, bool)> {
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let method = method.to_uppercase().parse().unwrap();
            found.push((method, path.clone(), operation.get("security").is_some()));
        }
    }
    assert!(found.len() > 10, "the description describes nothing");
    found
}

/// The permission that an operation wants, if it is the staff's: `staff` if any will do.
pub fn permission(document: &Value, method: &Method, path: &str) -> Option<String> {
    let operation = &document["paths"][path][method.as_str().to_lowercase()];
    let scope = operation["security"][0]["token"][0].as_str();
    scope.map(str::to_owned)
}

/// Every path of the route table, which is one screen of source.
pub fn route_table() -> Vec<String> {
    let source = include_str!("../../api/src/routes.rs");
    let paths = source.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let paths: Vec<String> = paths.map(str::to_owned).collect();
    assert!(paths.len() > 20, "the route table is not where it was");
    paths
}

#[tokio::test]
async fn the_description_is_the_one_in_the_repository() {
    let app = App::start().await;
    let answer = app.get("/openapi.json", None).await;
    assert_eq!(answer.headers["content-type"], "application/json");
    let committed = include_str!("../../api/openapi.json");
    assert!(
        answer.text.trim() == committed.trim(),
        "api/openapi.json is out of date: run 'club openapi > api/openapi.json'"
    );
}

async fn ask(client: &reqwest::Client, method: Method, url: String) -> Answer {
    let answer = client.request(method, &url).header("content-type", "application/json");
    let answer = Answer::read(answer.body("{}").send().await.unwrap()).await;
    assert!(!answer.status.is_redirection(), "{url}: {}", answer.status);
    answer
}

/// An answer without what differs from one request to the next.
fn lasting(answer: &Answer) -> (u16, Value) {
    let mut body = answer.body.clone();
    if let Value::Object(members) = &mut body {
        for name in ["request_id", "instance", "followers", "position", "now", "ahead_seconds"] {
            members.remove(name);
        }
    }
    (answer.status.as_u16(), body)
}

#[tokio::test]
async fn every_path_answers_with_and_without_a_final_slash_and_never_redirects() {
    let app = App::start().await;
    let client = reqwest::Client::builder().redirect(redirect::Policy::none()).build().unwrap();
    let document = app.get("/openapi.json", None).await.body;
    let described = operations(&document).into_iter().map(|(method, path, _)| (method, path));
    let others = route_table().into_iter().filter(|path| document["paths"][path].is_null());
    let others = others.filter(|path| !path.contains('*')).map(|path| (Method::GET, path));
    for (method, path) in described.chain(others) {
        let url = format!("{}{}", app.url, path.replace("{id}", "23"));
        let without = ask(&client, method.clone(), url.clone()).await;
        assert!(![404, 405].contains(&without.status.as_u16()), "{method} {path}");
        let with = ask(&client, method.clone(), format!("{url}/")).await;
        assert_eq!(lasting(&with), lasting(&without), "{method} {path}");
        let with = ask(&client, method.clone(), format!("{url}/?x=/")).await;
        assert!(![404, 405].contains(&with.status.as_u16()), "{method} {path}/?x=/");
    }
    assert_eq!(ask(&client, Method::GET, format!("{}/docs/index.html", app.url)).await.status, 200);
}

#[tokio::test]
async fn an_unknown_path_and_an_unknown_method_are_told_as_problems() {
    let app = App::start().await;
    let client = reqwest::Client::builder().redirect(redirect::Policy::none()).build().unwrap();
    for path in ["/nothing", "/api", "/api/shop", "/api/shop/nothing/", "/api/shop/buy/x"] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            ask(&client, method, format!("{}{path}", app.url)).await.is_problem(404, "NOT_FOUND");
        }
    }
    for path in route_table().into_iter().filter(|path| !path.contains('*')) {
        let url = format!("{}{}", app.url, path.replace("{id}", "23"));
        for method in [Method::PATCH, Method::TRACE, "BREW".parse().unwrap()] {
            let answer = ask(&client, method, url.clone()).await;
            answer.is_problem(405, "METHOD_NOT_ALLOWED");
            assert!(answer.headers.contains_key("allow"), "{path} says what it knows");
            assert_eq!(answer.headers["x-request-id"], answer.body["request_id"].as_str().unwrap());
        }
    }
}
