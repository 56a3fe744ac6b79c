//! `/health`, `/api/health`, `/ready`.

use serde_json::json;

use crate::app::App;

#[tokio::test]
async fn health_answers_word_for_word_with_and_without_a_final_slash() {
    let app = App::start().await;
    for path in ["/health", "/api/health", "/health/", "/api/health/"] {
        let answer = app.get(path, None).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.text, r#"{"status":"ok"}"#, "{path}");
    }
    let ready = app.get("/ready", None).await;
    assert_eq!(ready.body["status"], json!("ready"), "{}", ready.text);
}
