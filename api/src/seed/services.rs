//! The demo's game server: it may report that somebody played and won, and nothing else.

use sqlx::PgPool;

use crate::config::Unsafe;

/// Its name.
const NAME: &str = "demo-game";
const SCOPES: [&str; 2] = ["actions:play_count", "actions:win_count"];

/// Lets it in, unless it is there; one that was revoked stays out.
pub(super) async fn enter(pool: &PgPool) -> anyhow::Result<u64> {
    let entered = sqlx::query(
        "insert into identity.services (id, scopes) values ($1, $2) on conflict do nothing",
    )
    .bind(NAME)
    .bind(SCOPES.map(str::to_owned).to_vec())
    .execute(pool)
    .await?;
    Ok(entered.rows_affected())
}

/// Whether it is let in, which production must not have.
pub(super) async fn demo_service(pool: &PgPool) -> anyhow::Result<Option<Unsafe>> {
    let select = "select id from identity.services where id = $1 and revoked_at is null";
    let found: Option<String> = sqlx::query_scalar(select).bind(NAME).fetch_optional(pool).await?;
    Ok(found.map(Unsafe::DemoService))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::services::{Scope, ServiceId};

    #[test]
    fn name_and_scopes_are_such() {
        assert!(NAME.parse::<ServiceId>().is_ok());
        assert!(SCOPES.iter().all(|scope| scope.parse::<Scope>().is_ok()));
    }
}
