//! What everybody is told of the club itself.

use serde::Serialize;
use utoipa::ToSchema;

use super::Says;

/// Something that concerns everybody who is here.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SystemData {
    /// How many are here.
    Online {
        /// Players, on all nodes together.
        online: u64,
    },
}

impl Says for SystemData {
    const TYPE: &'static str = "system";
}
