//! The service ends in the middle of an erasure, at each step of it.

use crate::app::App;
use crate::marked::{self, MARK};
use crate::routes::users::leaving::{all_balances, erase, until_gone};

/// Where it ends.
const STEPS: [&str; 6] = [
    "erasure/begun",
    "erasure/texts",
    "erasure/messages",
    "erasure/sessions",
    "erasure/row",
    "erasure/all",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_that_was_cut_off_goes_on_wherever_that_was() {
    for step in STEPS {
        let app = marked::club(&[("CLUB_LIMITS", "off")]).await;
        let person = marked::live(&app).await;
        let database = app.kill().await;
        let mut doomed = App::start_on(database.clone(), &[("CLUB_FAULT", step)]).await;
        let token = doomed.sign_in("/api/auth/login", (marked::SITE_ID, marked::PASSWORD)).await;
        erase(&doomed, &token).await;
        assert!(!doomed.ended().await.success(), "{step}");
        let left = marked::places(&database).await;
        assert_eq!(
            left.is_empty(),
            ["erasure/row", "erasure/all"].contains(&step),
            "{step}: {left:?}"
        );

        let app = App::start_on(database, &[]).await;
        app.get("/api/auth/me", Some(&token)).await.is_problem(401, "UNAUTHENTICATED");
        until_gone(&app, person.id).await;
        assert_eq!(marked::places(&app.database).await, Vec::<String>::new(), "{step}");
        assert!(!app.said().to_lowercase().contains(MARK));
        all_balances(&app).await;
    }
}
