//! `/`, `/metrics`, and what holds for every answer.

use reqwest::Method;

use crate::app::App;

#[tokio::test]
async fn the_first_page_leads_everywhere_and_its_links_lead_somewhere() {
    let app = App::start().await;
    let page = app.get("/", None).await;
    assert_eq!(page.status, 200);
    assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    for text in ["/docs", "/health", "/play", "/test", "testuser20250926012525", "admin123"] {
        assert!(page.text.contains(text), "{text} is not on the page");
    }
    let links = page.text.split("href=\"/").skip(1).map(|rest| rest.split('"').next().unwrap());
    let links: Vec<&str> = links.collect();
    assert!(links.len() >= 3, "{links:?}");
    for link in links {
        assert_eq!(app.get(&format!("/{link}"), None).await.status, 200, "/{link}");
    }
    let metrics = app.get("/metrics", None).await;
    assert!(metrics.text.contains("http_requests_total{"), "{}", metrics.text);
}

#[tokio::test]
async fn a_request_id_goes_through_and_pages_of_named_origins_may_read() {
    let app = App::start().await;
    let url = format!("{}/api/users/balance", app.url);
    let named = app.http.get(&url).header("X-Request-Id", "trace-me-1");
    let named = named.header("Origin", "http://localhost:3000").send().await.unwrap();
    assert_eq!(named.headers()["x-request-id"], "trace-me-1");
    assert_eq!(named.headers()["access-control-allow-origin"], "http://localhost:3000");
    let preflight = |origin: &str| {
        let request = app.http.request(Method::OPTIONS, &url).header("Origin", origin);
        let request = request.header("Access-Control-Request-Method", "GET");
        async { request.send().await.unwrap() }
    };
    let allowed = preflight("http://localhost:3000").await;
    assert_eq!(allowed.status(), 204);
    let headers = allowed.headers()["access-control-allow-headers"].to_str().unwrap();
    assert!(headers.contains("Idempotency-Key") && headers.contains("Authorization"));
    let refused = preflight("http://evil.example").await;
    assert!(!refused.headers().contains_key("access-control-allow-origin"));
}
