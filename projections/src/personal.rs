//! Everything that is held about a person: where it stands, how it is read out ([`export()`]), and how it
//! is forgotten ([`erase()`]). [`places`] is the one list of both: a new table is one entry there, and a
//! test asks for it.

pub mod erase;
pub mod export;
pub mod places;

use domain::id::PlayerId;

pub use erase::erase;
pub use export::{ExportError, export};

/// Whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// The number.
    pub player: PlayerId,
    /// The fingerprint under which wrong passwords are counted.
    pub sign_in: [u8; 16],
}

/// What every statement of the list may name: `subject`, with the numbers (`id`, and `name`, the same as
/// text, as the log has it) and fingerprints (`who`) of those whom it is about.
const SUBJECT: &str = "with subject as materialized (
    select id, id::text as name, who from unnest($1::bigint[], $2::bytea[]) as it (id, who))";

/// What [`SUBJECT`] takes.
fn bound(subjects: &[Subject]) -> (Vec<i64>, Vec<&[u8]>) {
    subjects.iter().map(|subject| (subject.player.0, &subject.sign_in[..])).unzip()
}
