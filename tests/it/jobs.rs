//! Jobs, as the staff sees them.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::app::{Answer, App};

/// Where they are.
pub const JOBS: &str = "/api/admin/jobs";
/// How long one may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks for a job by a file of comma-separated values.
pub async fn ask_by_file(app: &App, token: &str, key: &str, query: &str, file: String) -> Answer {
    let request = app.http.post(format!("{}{JOBS}{query}", app.url)).bearer_auth(token);
    let request = request.header("Idempotency-Key", key).header(CONTENT_TYPE, "text/csv");
    Answer::read(request.body(file).send().await.unwrap()).await
}

/// The id of a job that was asked for.
pub fn id_of(asked: &Answer) -> String {
    assert_eq!(asked.status, 202, "{}", asked.text);
    asked.body["job_id"].as_str().unwrap().to_owned()
}

/// Does something with a job: `approve`, `stop`, `resume`, `undo`.
pub async fn steer(app: &App, token: &str, id: &str, what: &str) -> Answer {
    app.post(&format!("{JOBS}/{id}/{what}"), Some(token), serde_json::json!({})).await
}

/// A job.
pub async fn job(app: &App, token: &str, id: &str) -> Value {
    let shown = app.get(&format!("{JOBS}/{id}"), Some(token)).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    shown.body
}

/// Waits until a job has a status; the job.
pub async fn until(app: &App, token: &str, id: &str, status: &str) -> Value {
    let latest = Instant::now() + PATIENCE;
    loop {
        let shown = job(app, token, id).await;
        if shown["status"] == status {
            return shown;
        }
        assert!(Instant::now() < latest, "never {status}: {shown}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// All lines of a job that a query asks for, page by page.
pub async fn lines(app: &App, token: &str, id: &str, query: &str) -> Vec<Value> {
    let (mut lines, mut cursor) = (Vec::new(), "0".to_owned());
    loop {
        let path = format!("{JOBS}/{id}/lines?limit=200&cursor={cursor}{query}");
        let page = app.get(&path, Some(token)).await;
        assert_eq!(page.status, 200, "{}", page.text);
        lines.extend(page.body["items"].as_array().unwrap().iter().cloned());
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return lines,
        }
    }
}
