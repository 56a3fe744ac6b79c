//! Every address of the service, on one screen.

mod actions;
mod admin;
mod answers;
mod auth;
mod docs;
mod events;
pub mod health;
mod index;
mod inventory;
mod mail;
mod paging;
mod play;
mod realtime;
mod shop;
mod streak;
mod test;
mod users;
mod vip;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post, put};
use utoipa::OpenApi;

use crate::app::App;
use crate::edge;
use crate::error::{ApiError, Reason};

pub use answers::{LimitView, rank_name};
pub use docs::document;
pub use play::{LeaderboardTermsView, RecurrenceView, RequirementView, RewardsView};

use admin::{approvals, grants, invites, jobs, packages, products, promos, stats, transactions};
use docs::Security;

/// The whole service.
pub fn all(app: App) -> Router {
    let mut routes = Router::new()
        .merge(identity())
        .merge(own_account())
        .merge(daily_rewards())
        .merge(playing())
        .merge(running_play())
        .merge(giving_gold())
        .merge(looking_after_people())
        .merge(mailing().merge(counting()))
        // For people and machines that look after it.
        .route("/", get(index::page))
        .route("/health", get(health::health))
        .route("/api/health", get(health::health))
        .route("/ready", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(docs::openapi))
        .route("/docs", get(docs::page))
        .route("/docs/{*file}", get(docs::file))
        .route("/.well-known/jwks.json", get(auth::jwks))
        .route("/.well-known/receipt-keys.json", get(auth::jwks_of_receipts))
        // The shop.
        .route("/api/shop/catalog", get(shop::catalog))
        .route("/api/shop/products", get(shop::benefits))
        .route("/api/shop/limited-packages", get(shop::limited_packages))
        .route("/api/shop/buy", post(shop::buying::buy))
        .route("/api/shop/buy-limited", post(shop::buying::buy_limited))
        .route("/api/shop/transactions", get(shop::transactions::transactions))
        .route("/api/shop/transactions/{receipt}/settle", post(shop::transactions::settle))
        .route("/api/shop/receipts/{code}", get(shop::receipts::receipt))
        .route("/api/shop/limits", get(shop::limits::limits).put(shop::limits::set_limits))
        .route("/api/shop/webhook/payment", post(shop::webhook::payment))
        .route("/api/inventory", get(inventory::inventory))
        .route("/api/inventory/{item_id}/use", post(inventory::use_item))
        // Administration.
        .route("/api/admin/shop/products", get(products::list).post(products::add))
        .route("/api/admin/shop/products/{id}", get(products::one).put(products::revise))
        .route("/api/admin/shop/products/{id}/activate", post(products::activate))
        .route("/api/admin/shop/products/{id}/deactivate", post(products::deactivate))
        .route("/api/admin/shop/stats", get(stats::stats))
        .route("/api/admin/shop/categories", get(stats::categories))
        .route("/api/admin/limited-packages", get(packages::list).post(packages::add))
        .route("/api/admin/limited-packages/{code}/enable", post(packages::enable))
        .route("/api/admin/limited-packages/{code}/disable", post(packages::disable))
        .route("/api/admin/promo-codes", get(promos::list).post(promos::add))
        .route("/api/admin/invites", get(invites::list).post(invites::add))
        .route("/api/admin/invites/{code}/deactivate", post(invites::deactivate))
        .route("/api/admin/transactions", get(transactions::list))
        .route("/api/admin/transactions/{receipt}/force-settle", post(transactions::force))
        .route("/api/admin/transactions/{receipt}/refund", post(transactions::refund))
        // Live.
        .route("/ws", get(realtime::echo))
        .route("/api/realtime/ticket", post(realtime::ticket))
        .route("/api/realtime/sync", get(realtime::sync));
    if !app.config.environment.is_production() {
        routes = routes.merge(for_trying());
    }
    routes
        .fallback(no_such_address)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn_with_state(app.clone(), edge::around))
        .with_state(app)
}

/// A player's own account.
fn own_account() -> Router<App> {
    Router::new()
        .route("/api/users/balance", get(users::balance))
        .route("/api/users/statement", get(users::statement::statement))
        .route("/api/users/profile", get(users::profile::profile).put(users::profile::change))
        .route("/api/users/profile/email/confirm", post(users::profile::confirm))
        .route("/api/users/export", get(users::leaving::export))
        .route("/api/users/erase", post(users::leaving::erase))
}

/// Signing up and in, and out again.
fn identity() -> Router<App> {
    Router::new()
        .route("/api/auth/signup", post(auth::sign_up))
        .route("/api/auth/login", post(auth::login))
        .route("/api/auth/admin/login", post(auth::admin_login))
        .route("/api/auth/refresh", post(auth::refresh))
        .route("/api/auth/me", get(auth::me))
        .route("/api/auth/logout", post(auth::sessions::log_out))
        .route("/api/auth/logout-all", post(auth::sessions::log_out_everywhere))
        .route("/api/auth/sessions", get(auth::sessions::list))
        .route("/api/auth/sessions/{id}", delete(auth::sessions::end))
        .route("/api/auth/password", put(auth::sessions::change_password))
        .route(
            "/api/auth/totp",
            get(auth::totp::state).post(auth::totp::begin).delete(auth::totp::remove),
        )
        .route("/api/auth/totp/confirm", post(auth::totp::confirm))
        .route("/api/auth/password/forgot", post(auth::reset::forgot))
        .route("/api/auth/password/reset", post(auth::reset::reset))
}

/// What a player may have once a day.
fn daily_rewards() -> Router<App> {
    Router::new()
        .route("/api/streak/status", get(streak::status))
        .route("/api/streak/preview", get(streak::preview))
        .route("/api/streak/history", get(streak::history))
        .route("/api/streak/claim", post(streak::claim))
        .route("/api/vip/status", get(vip::status))
        .route("/api/vip/claim", post(vip::claim))
}

/// Events and missions, and what game servers report of them.
fn playing() -> Router<App> {
    Router::new()
        .route("/api/events", get(events::list))
        .route("/api/events/{id}", get(events::one))
        .route("/api/events/{id}/leaderboard", get(events::leaderboard::show))
        .route("/api/events/join", post(events::join))
        .route("/api/events/claim/{id}", post(events::claim))
        .route("/api/events/missions/daily", get(events::missions::daily))
        .route("/api/events/missions/weekly", get(events::missions::weekly))
        .route("/api/events/missions/all", get(events::missions::all))
        .route("/api/events/missions/claim/{id}", post(events::missions::claim))
        .route("/api/events/missions/claim-all", post(events::missions::claim_all))
        .route("/api/actions", post(actions::report))
}

/// Events, missions and rewards as the staff runs them.
fn running_play() -> Router<App> {
    use admin::{events, missions, rewards};
    Router::new()
        .route("/api/admin/events", get(events::list).post(events::add))
        .route("/api/admin/events/{id}", get(events::one).put(events::revise))
        .route("/api/admin/events/{id}/publish", post(events::publish))
        .route("/api/admin/events/{id}/pause", post(events::pause))
        .route("/api/admin/events/{id}/end", post(events::end))
        .route("/api/admin/events/{id}/preview", get(events::preview::preview))
        .route("/api/admin/events/{id}/participations", get(events::participations::list))
        .route(
            "/api/admin/events/{id}/force-claim/{user_id}",
            post(events::participations::force_claim),
        )
        .route("/api/admin/events/{id}/payout/stop", post(events::stop_payout))
        .route("/api/admin/events/{id}/payout/resume", post(events::resume_payout))
        .route("/api/admin/missions", get(missions::list).post(missions::add))
        .route("/api/admin/missions/{id}", get(missions::one).put(missions::revise))
        .route("/api/admin/rewards", get(rewards::list).post(rewards::give))
}

/// People, and what they may do.
fn looking_after_people() -> Router<App> {
    use admin::users::{details, erasure, export, making, notes, standing};
    use admin::{audit, roles, sessions, users};
    Router::new()
        .route("/api/admin/users", get(users::list).post(making::make))
        .route("/api/admin/users/{id}", get(users::one).put(details::edit))
        .route("/api/admin/users/{id}/personal", get(users::personal))
        .route("/api/admin/users/{id}/export", get(export::export))
        .route("/api/admin/users/{id}/erase", post(erasure::erase))
        .route("/api/admin/users/{id}/notes", get(notes::list).post(notes::add))
        .route("/api/admin/users/{id}/notes/{note}", delete(notes::remove))
        .route("/api/admin/sessions", get(sessions::list))
        .route("/api/admin/sessions/{id}", delete(sessions::end))
        .route("/api/admin/users/{id}/rank", put(standing::change_rank))
        .route("/api/admin/users/{id}/role", put(standing::give_role))
        .route("/api/admin/users/{id}/ban", post(standing::ban))
        .route("/api/admin/users/{id}/unban", post(standing::unban))
        .route("/api/admin/users/{id}/logout-all", post(standing::log_out))
        .route("/api/admin/users/{id}/totp", delete(users::totp::reset))
        .route("/api/admin/audit/logs", get(audit::logs))
        .route("/api/admin/audit/logs.csv", get(audit::csv))
        .route("/api/admin/audit/logs.ndjson", get(audit::ndjson))
        .route("/api/admin/roles", get(roles::list))
        .route("/api/admin/roles/{code}", put(roles::define))
}

/// What people are told: mail, where its links lead and who gets none; and announcements.
fn mailing() -> Router<App> {
    use admin::{announcements, campaigns, mails};
    Router::new()
        .route("/api/admin/announcements", get(announcements::list).post(announcements::publish))
        .route("/api/admin/announcements/{id}/withdraw", post(announcements::withdraw))
        .route("/api/admin/campaigns", get(campaigns::list).post(campaigns::draw_up))
        .route("/api/admin/campaigns/{id}", get(campaigns::one))
        .route("/api/admin/campaigns/{id}/start", post(campaigns::start))
        .route("/api/admin/campaigns/{id}/stop", post(campaigns::stop))
        .route("/api/admin/campaigns/{id}/resume", post(campaigns::resume))
        .route("/api/admin/campaigns/{id}/test", post(campaigns::test))
        .route("/mail/confirm", get(mail::page))
        .route("/mail/reset", get(mail::page))
        .route("/api/mail/unsubscribe", get(mail::way_out).post(mail::unsubscribe))
        .route("/api/admin/mails", get(mails::list))
        .route("/api/admin/mails/{id}", get(mails::one))
        .route("/api/admin/mails/{id}/resend", post(mails::resend))
        .route(
            "/api/admin/mails/suppressions",
            get(mails::suppressions::list).post(mails::suppressions::add),
        )
        .route("/api/admin/mails/suppressions/{id}", delete(mails::suppressions::remove))
}

/// Figures of everything that has happened.
fn counting() -> Router<App> {
    use admin::analytics;
    Router::new()
        .route("/api/admin/analytics/kpis", get(analytics::kpis))
        .route("/api/admin/analytics/series", get(analytics::series))
        .route("/api/admin/analytics/funnel", get(analytics::funnel))
        .route("/api/admin/analytics/cohorts", get(analytics::cohorts))
        .route("/api/admin/analytics/economy", get(analytics::economy))
}

/// Gold that the staff gives: one of them alone, or two.
fn giving_gold() -> Router<App> {
    Router::new()
        .route("/api/admin/users/{id}/grant", post(grants::grant))
        .route("/api/admin/grants", post(grants::batch::grant_all))
        .route("/api/admin/approvals", get(approvals::list))
        .route("/api/admin/approvals/{id}", get(approvals::one))
        .route("/api/admin/approvals/{id}/approve", post(approvals::approve))
        .route("/api/admin/approvals/{id}/reject", post(approvals::reject))
        .route("/api/admin/jobs", get(jobs::list).post(jobs::request::request))
        .route("/api/admin/jobs/{id}", get(jobs::one))
        .route("/api/admin/jobs/{id}/lines", get(jobs::lines::lines))
        .route("/api/admin/jobs/{id}/lines.csv", get(jobs::lines::csv))
        .route("/api/admin/jobs/{id}/approve", post(jobs::steering::approve))
        .route("/api/admin/jobs/{id}/reject", post(jobs::steering::reject))
        .route("/api/admin/jobs/{id}/stop", post(jobs::steering::stop))
        .route("/api/admin/jobs/{id}/resume", post(jobs::steering::resume))
        .route("/api/admin/jobs/{id}/undo", post(jobs::steering::undo))
}

/// For trying things by hand.
fn for_trying() -> Router<App> {
    Router::new()
        .route("/play", get(test::play))
        .route("/test", get(test::index))
        .route("/test/live", get(test::live))
        .route("/test/spend", post(test::spend))
        .route("/test/clock", get(test::clock).post(test::move_clock))
}

/// What `/openapi.json` describes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Casino Club",
        description = "An event-sourced game club. Every command takes `Idempotency-Key`; every \
                       answer to a command carries `position`; refusals are problem+json with \
                       `code`. Every path answers with and without a final slash.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        health::health, health::ready,
        auth::sign_up, auth::login, auth::admin_login, auth::refresh, auth::me,
        auth::sessions::list, auth::sessions::end, auth::sessions::log_out,
        auth::sessions::log_out_everywhere, auth::sessions::change_password,
        auth::totp::state, auth::totp::begin, auth::totp::confirm, auth::totp::remove,
        auth::reset::forgot, auth::reset::reset,
        users::balance, users::statement::statement, users::leaving::export,
        users::leaving::erase,
        users::profile::profile, users::profile::change, users::profile::confirm,
        admin::campaigns::list, admin::campaigns::one, admin::campaigns::draw_up,
        admin::campaigns::start, admin::campaigns::stop, admin::campaigns::resume,
        admin::campaigns::test,
        admin::announcements::list, admin::announcements::publish,
        admin::announcements::withdraw,
        admin::mails::list, admin::mails::one, admin::mails::resend,
        admin::mails::suppressions::list, admin::mails::suppressions::add,
        admin::mails::suppressions::remove,
        streak::status, streak::preview, streak::history, streak::claim, vip::status, vip::claim,
        events::list, events::one, events::join, events::claim, events::leaderboard::show,
        events::missions::daily, events::missions::weekly, events::missions::all,
        events::missions::claim, events::missions::claim_all, actions::report,
        admin::events::list, admin::events::one, admin::events::add, admin::events::revise,
        admin::events::publish, admin::events::pause, admin::events::end,
        admin::events::stop_payout, admin::events::resume_payout,
        admin::events::preview::preview, admin::events::participations::list,
        admin::events::participations::force_claim,
        admin::missions::list, admin::missions::one, admin::missions::add,
        admin::missions::revise, admin::rewards::list, admin::rewards::give,
        shop::catalog, shop::benefits, shop::limited_packages,
        shop::buying::buy, shop::buying::buy_limited,
        shop::transactions::transactions, shop::transactions::settle, shop::receipts::receipt,
        shop::limits::limits, shop::limits::set_limits, shop::webhook::payment,
        inventory::inventory, inventory::use_item,
        grants::grant, grants::batch::grant_all, admin::users::list, admin::users::one,
        admin::users::personal, admin::users::making::make, admin::users::details::edit,
        admin::users::export::export, admin::users::erasure::erase, admin::users::notes::list,
        admin::users::notes::add, admin::users::notes::remove,
        admin::sessions::list, admin::sessions::end,
        admin::users::standing::change_rank, admin::users::standing::give_role,
        admin::users::standing::ban, admin::users::standing::unban,
        admin::users::standing::log_out, admin::users::totp::reset, admin::roles::list, admin::roles::define,
        admin::audit::logs, admin::audit::csv, admin::audit::ndjson,
        approvals::list, approvals::one, approvals::approve, approvals::reject,
        jobs::list, jobs::one, jobs::request::request, jobs::lines::lines, jobs::lines::csv,
        jobs::steering::approve, jobs::steering::reject, jobs::steering::stop,
        jobs::steering::resume, jobs::steering::undo,
        products::list, products::one, products::add, products::revise, products::activate,
        products::deactivate, stats::stats, stats::categories,
        packages::list, packages::add, packages::enable, packages::disable,
        promos::list, promos::add,
        invites::list, invites::add, invites::deactivate,
        transactions::list, transactions::force, transactions::refund,
        admin::analytics::kpis, admin::analytics::series, admin::analytics::funnel,
        admin::analytics::cohorts, admin::analytics::economy,
        realtime::ticket, test::spend, test::clock, test::move_clock,
    ),
    components(schemas(docs::Problem, docs::PurchaseProblem)),
    modifiers(&Security),
)]
struct Document;

async fn no_such_address(request: Request) -> ApiError {
    let detail = format!("there is nothing at {}: see /docs", request.uri().path());
    ApiError::new(Reason::NotFound, detail)
}

async fn no_such_method(request: Request) -> ApiError {
    let (method, path) = (request.method(), request.uri().path());
    ApiError::new(Reason::MethodNotAllowed, format!("{path} does not know {method}: see /docs"))
}
