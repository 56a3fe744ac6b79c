//! The first page: where to go from here.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::response::Html;

use crate::app::App;

const PAGE: &str = include_str!("../pages/index.html");
const DEMO: &str = include_str!("../pages/demo.html");

/// Links to everything.
pub async fn page(State(app): State<App>, headers: HeaderMap) -> Html<String> {
    let http = &app.config.http;
    let demo = if app.config.environment.is_production() { "" } else { DEMO };
    let frontend = http.allowed_origins.first().map_or("/", String::as_str);
    let here = headers.get(HOST).and_then(|host| host.to_str().ok()).map(own_address);
    let api = http.public_origin.clone().or(here).unwrap_or_default();
    let page = PAGE
        .replace("{{demo}}", demo)
        .replace("{{environment}}", app.config.environment.name())
        .replace("{{frontend}}", frontend)
        .replace("{{api}}", &api);
    Html(page)
}

/// The address under which the page was asked for. Nothing in it may be taken for HTML.
fn own_address(host: &str) -> String {
    let is_plain = host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
    if is_plain { format!("http://{host}") } else { String::new() }
}
