//! Forgetting people. Every statement can be repeated, alone and on many at once: whoever is cut off
//! begins anew.

use sqlx::PgPool;

use super::places::{Erase, PLACES, Place};
use super::{SUBJECT, Subject, bound};

/// Deletes everything about these people, but what the list says is kept. `done` is told after each
/// statement.
///
/// # Errors
/// If the database does not answer; all of it may be done again.
pub async fn erase(
    pool: &PgPool,
    subjects: &[Subject],
    done: impl Fn(&Place),
) -> Result<(), sqlx::Error> {
    for place in PLACES {
        let Erase::By(statements) = place.erase else { continue };
        for statement in statements {
            let sql = format!("{SUBJECT} {statement}");
            let (ids, whos) = bound(subjects);
            // Planned for so many as they are.
            let query = sqlx::query(&sql).persistent(false).bind(ids).bind(whos);
            query.execute(pool).await?;
            done(place);
        }
    }
    Ok(())
}
