//! Snapshots in PostgreSQL, in a table beside the log.

use domain::stored::Place;
use sqlx::{PgPool, Row};

use super::{signed, unsigned};
use crate::cache::StreamKey;
use crate::snapshot::Snapshot;

/// One counts only if the log has its event, with its hash.
const FIND: &str = "select s.sequence, s.state::text as state from snapshots s \
    join events e using (aggregate_type, aggregate_id, sequence) \
    where s.aggregate_type = $1 and s.aggregate_id = $2 and s.version = $3 and e.hash = s.hash";

/// The hash is the stored one, so there is no snapshot of what is not in the log; and the place that
/// the writer has seen makes sure that it is the history the state was made of. A newer snapshot stays,
/// unless the log has gone back behind it.
const STORE: &str = "insert into snapshots as kept \
        (aggregate_type, aggregate_id, version, sequence, hash, state) \
    select e.aggregate_type, e.aggregate_id, $3, e.sequence, e.hash, $5::json from events e \
    where e.aggregate_type = $1 and e.aggregate_id = $2 and e.sequence = $4 \
      and exists (select from events seen where seen.position = $6 and seen.hash = $7) \
    on conflict (aggregate_type, aggregate_id) do update \
    set version = excluded.version, sequence = excluded.sequence, \
        hash = excluded.hash, state = excluded.state \
    where (kept.version, kept.sequence) <= (excluded.version, excluded.sequence) \
       or not exists (select from events e where e.aggregate_type = kept.aggregate_type \
                      and e.aggregate_id = kept.aggregate_id and e.sequence = kept.sequence \
                      and e.hash = kept.hash)";

pub(super) async fn find(
    pool: &PgPool,
    stream: &StreamKey,
    version: i32,
) -> Result<Option<Snapshot>, sqlx::Error> {
    let query = sqlx::query(FIND).bind(stream.aggregate_type).bind(&*stream.aggregate_id);
    let Some(row) = query.bind(version).fetch_optional(pool).await? else { return Ok(None) };
    let (sequence, state) = (unsigned(row.try_get("sequence")?), row.try_get("state")?);
    Ok(Some(Snapshot { stream: stream.clone(), version, sequence, state }))
}

pub(super) async fn store(
    pool: &PgPool,
    snapshot: &Snapshot,
    seen: Place,
) -> Result<(), sqlx::Error> {
    let store = sqlx::query(STORE)
        .bind(snapshot.stream.aggregate_type)
        .bind(&*snapshot.stream.aggregate_id)
        .bind(snapshot.version)
        .bind(signed(snapshot.sequence))
        .bind(&snapshot.state)
        .bind(signed(seen.position))
        .bind(&seen.hash.0[..]);
    store.execute(pool).await.map(drop)
}
