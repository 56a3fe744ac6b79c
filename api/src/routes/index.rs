//! The first page: where to go from here.

use axum::extract::State;
use axum::response::Html;

use crate::app::App;

const PAGE: &str = include_str!("../pages/index.html");
const DEMO: &str = include_str!("../pages/demo.html");

/// Links to everything.
pub async fn page(State(app): State<App>) -> Html<String> {
    let environment = app.config.environment;
    let demo = if environment.is_production() { "" } else { DEMO };
    Html(PAGE.replace("{{environment}}", environment.name()).replace("{{demo}}", demo))
}
