//! The game against a stand-in for the club.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::body::{Body, to_bytes};
use axum::http::Method;
use chrono::{DateTime, TimeDelta, Utc};
use domain::id::{PlayerId, SessionId};
use tower::ServiceExt;

use super::*;
use crate::auth::SessionKey;
use crate::auth::signing::Ring;
use crate::auth::tokens::{LIFETIME_SECONDS, Tokens};
use crate::config::Variables;

const KEY: &str = "ours";
const OTHER_KEY: &str = "another";
const PAGE: &str = "http://localhost:8000";

/// What the stand-in does with a report: it answers with these, and afterwards with 200.
#[derive(Default)]
struct Club {
    statuses: Mutex<Vec<u16>>,
    rejects: bool,
    reports: Mutex<Vec<(HeaderMap, String)>>,
    keys: Mutex<Vec<&'static str>>,
    asked_for_keys: Mutex<u32>,
}

type Shared = State<Arc<Club>>;

async fn actions(State(club): Shared, headers: HeaderMap, body: String) -> Response {
    let count = serde_json::from_str::<Value>(&body).unwrap()["actions"].as_array().unwrap().len();
    club.reports.lock().unwrap().push((headers, body));
    let status = club.statuses.lock().unwrap().pop().unwrap_or(200);
    let rejected = if club.rejects { json!([{"code": "UNKNOWN_PLAYER"}]) } else { json!([]) };
    let answer = json!({"accepted": count, "duplicates": 0, "rejected": rejected, "position": 77});
    (StatusCode::from_u16(status).unwrap(), Json(answer)).into_response()
}

async fn jwks(State(club): Shared) -> Json<Value> {
    *club.asked_for_keys.lock().unwrap() += 1;
    let keys = club.keys.lock().unwrap();
    Json(tokens(&keys).jwks(NOW))
}

fn tokens(keys: &[&str]) -> Tokens {
    Tokens::new(Ring::of(keys, NOW))
}

const NOW: i64 = 1_764_028_800;

/// Stands until it is moved.
#[derive(Default)]
struct At(AtomicI64);

impl Clock for At {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(NOW + self.0.load(Ordering::Relaxed))
    }
}

async fn game(club: Club) -> (Router, Arc<Club>) {
    let (address, club) = stand_in(club).await;
    (game_of(&address, Arc::default()), club)
}

async fn stand_in(club: Club) -> (String, Arc<Club>) {
    club.keys.lock().unwrap().push(KEY);
    let club = Arc::new(club);
    let stand_in = Router::new()
        .route("/api/actions", post(actions))
        .route("/.well-known/jwks.json", get(jwks))
        .with_state(club.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, stand_in).await });
    (address, club)
}

fn game_of(club: &str, clock: Arc<At>) -> Router {
    let pairs = [
        ("CLUB_GAME_CLUB", club),
        ("CLUB_GAME_SECRET", "hush"),
        ("CLUB_GAME_ALLOWED_ORIGINS", PAGE),
    ];
    let config = GameConfig::read(&pairs.into_iter().collect::<Variables>()).unwrap();
    routes(Game::new(config, clock))
}

fn session(player: i64) -> SessionKey {
    let (id, began_at) = (SessionId::from_bits(1), DateTime::UNIX_EPOCH);
    SessionKey { player: PlayerId(player), id, began_at }
}

fn token(key: &str, player: i64) -> String {
    let token = tokens(&[key]).mint(&session(player), false, NOW);
    format!("Bearer {}", token.unwrap())
}

async fn toss(game: &Router, token: &str, body: &str) -> (StatusCode, HeaderMap, Value) {
    let request = Request::post("/play")
        .header("authorization", token)
        .header("content-type", "application/json")
        .header("origin", PAGE)
        .body(Body::from(body.to_owned()));
    let response = game.clone().oneshot(request.unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 10_000).await.unwrap();
    (parts.status, parts.headers, serde_json::from_slice(&body).unwrap())
}

const HEADS: &str = r#"{"pick":"heads"}"#;

#[tokio::test]
async fn a_round_is_answered_when_the_club_has_it() {
    let (game, club) = game(Club::default()).await;
    let (mut won, mut lost) = (0, 0);
    for player in 0..40 {
        let (status, headers, played) = toss(&game, &token(KEY, player), HEADS).await;
        assert_eq!(status, 200, "{played}");
        assert_eq!(headers["access-control-allow-origin"], PAGE);
        assert_eq!(played["won"], played["result"] == "heads");
        assert_eq!((&played["pick"], &played["position"]), (&json!("heads"), &json!(77)));
        let (headers, body) = club.reports.lock().unwrap().pop().unwrap();
        let timestamp = headers["x-timestamp"].to_str().unwrap();
        assert_eq!(timestamp, NOW.to_string());
        let signed = reports::signature("hush", timestamp, "POST", "/api/actions", &body);
        assert_eq!(headers["x-signature"], signed);
        assert_eq!(headers["x-service-id"], "demo-game");
        let told: Value = serde_json::from_str(&body).unwrap();
        let kinds: Vec<_> = told["actions"].as_array().unwrap().iter().collect();
        assert!(kinds.iter().all(|action| action["user_id"] == player && action["amount"] == 1));
        assert_eq!(kinds.len(), if played["won"] == true { 2 } else { 1 });
        *(if played["won"] == true { &mut won } else { &mut lost }) += 1;
    }
    assert!(won > 0 && lost > 0, "{won} won, {lost} lost");
    assert_eq!(*club.asked_for_keys.lock().unwrap(), 1, "keys are remembered");
}

#[tokio::test]
async fn a_report_is_repeated_under_the_same_ids_until_the_club_answers() {
    let statuses = Mutex::new(vec![503, 500]);
    let (game, club) = game(Club { statuses, ..Club::default() }).await;
    assert_eq!(toss(&game, &token(KEY, 23), HEADS).await.0, 200);
    let reports = club.reports.lock().unwrap();
    assert_eq!(reports.len(), 3);
    assert!(reports.iter().all(|(_, body)| *body == reports[0].1));
}

#[tokio::test]
async fn without_the_clubs_word_a_round_is_void() {
    for (statuses, tries) in [(vec![503; 4], 4), (vec![401], 1)] {
        let (game, club) = game(Club { statuses: Mutex::new(statuses), ..Club::default() }).await;
        let (status, headers, body) = toss(&game, &token(KEY, 23), HEADS).await;
        assert_eq!((status.as_u16(), &body["code"]), (503, &json!("ROUND_VOID")));
        assert!(headers.contains_key("retry-after"));
        assert!(body.get("result").is_none(), "a void round has no result: {body}");
        assert_eq!(club.reports.lock().unwrap().len(), tries);
    }
    let nobody = game_of("http://127.0.0.1:1", Arc::default());
    let (status, _, body) = toss(&nobody, &token(KEY, 23), HEADS).await;
    assert_eq!((status.as_u16(), &body["code"]), (503, &json!("ROUND_VOID")));
}

#[tokio::test]
async fn a_player_whose_rounds_do_not_count_is_told() {
    let (game, _) = game(Club { rejects: true, ..Club::default() }).await;
    let (status, _, body) = toss(&game, &token(KEY, 23), HEADS).await;
    assert_eq!((status.as_u16(), &body["code"]), (409, &json!("ROUND_NOT_COUNTED")));
}

#[tokio::test]
async fn only_access_tokens_of_the_club_play_and_only_until_they_expire() {
    let (game, club) = game(Club::default()).await;
    let signer = tokens(&[KEY]);
    let expired = signer.mint(&session(23), false, NOW - LIFETIME_SECONDS);
    let receipt = signer.sign("receipt+jwt", &json!({"sub": "23", "exp": i64::MAX}), NOW).unwrap();
    let bad = [
        String::new(),
        "Bearer".to_owned(),
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.".to_owned(),
        format!("Bearer {}", expired.unwrap()),
        format!("Bearer {receipt}"),
        token(OTHER_KEY, 23),
        token(KEY, 23).replacen('e', "f", 1),
    ];
    for token in bad {
        let (status, headers, body) = toss(&game, &token, HEADS).await;
        assert_eq!((status.as_u16(), &body["code"]), (401, &json!("UNAUTHENTICATED")), "{token}");
        assert_eq!(headers["www-authenticate"], "Bearer");
    }
    assert!(club.reports.lock().unwrap().is_empty());
    assert_eq!(*club.asked_for_keys.lock().unwrap(), 1, "unknown keys are not asked for each time");
}

#[tokio::test]
async fn a_new_key_of_the_club_is_found_soon() {
    let (address, club) = stand_in(Club::default()).await;
    let clock = Arc::new(At::default());
    let game = game_of(&address, clock.clone());
    let (old, new) = (token(KEY, 23), token(OTHER_KEY, 23));
    assert_eq!(toss(&game, &old, HEADS).await.0, 200);
    club.keys.lock().unwrap().push(OTHER_KEY);
    assert_eq!(toss(&game, &new, HEADS).await.0, 401, "the club was asked just now");
    clock.0.fetch_add(5, Ordering::Relaxed);
    for token in [&new, &old] {
        assert_eq!(toss(&game, token, HEADS).await.0, 200);
    }
    // One that leaked is taken back, and nobody plays with it for longer than keys may be kept.
    club.keys.lock().unwrap().retain(|key| *key == OTHER_KEY);
    clock.0.fetch_add(300, Ordering::Relaxed);
    assert_eq!(toss(&game, &old, HEADS).await.0, 401);
    assert_eq!(toss(&game, &token(OTHER_KEY, 24), HEADS).await.0, 200);
}

#[tokio::test]
async fn what_is_no_side_and_what_is_too_fast_is_refused() {
    let (game, club) = game(Club::default()).await;
    let token = token(KEY, 23);
    for body in ["", "{}", r#"{"pick":"edge"}"#, r#"{"pick":"heads","won":true}"#] {
        let (status, _, answer) = toss(&game, &token, body).await;
        assert_eq!(
            (status.as_u16(), &answer["code"]),
            (422, &json!("VALIDATION_FAILED")),
            "{body}"
        );
    }
    let mut statuses = vec![];
    for _ in 0..4 {
        statuses.push(toss(&game, &token, HEADS).await);
    }
    assert!(statuses[..3].iter().all(|(status, ..)| *status == 200));
    let (status, headers, answer) = &statuses[3];
    assert_eq!((status.as_u16(), &answer["code"]), (429, &json!("RATE_LIMIT")));
    assert_eq!(headers["retry-after"], "1");
    assert_eq!(club.reports.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn pages_of_others_may_not_play() {
    let game = game_of("http://127.0.0.1:1", Arc::default());
    let preflight = |origin: &str| {
        let request = Request::builder().method(Method::OPTIONS).uri("/play");
        let request = request.header("origin", origin);
        let request = request.header("access-control-request-method", "POST");
        game.clone().oneshot(request.body(Body::empty()).unwrap())
    };
    let headers = preflight(PAGE).await.unwrap().headers().clone();
    assert_eq!(headers["access-control-allow-origin"], PAGE);
    assert!(headers["access-control-allow-headers"].to_str().unwrap().contains("Authorization"));
    let headers = preflight("http://evil.example").await.unwrap().headers().clone();
    assert!(!headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn production_has_no_demo_game() {
    let pairs = [("ENVIRONMENT", "production"), ("CLUB_GAME_SECRET", "hush")];
    let config = GameConfig::read(&pairs.into_iter().collect::<Variables>()).unwrap();
    let told = run(config).await.unwrap_err().to_string();
    assert!(told.contains("production refuses"), "{told}");
}
