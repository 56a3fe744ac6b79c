//! `replay rebuild`

use clap::Args;
use projections::rebuild::{Comparison, IfDifferent, RebuildError, Rebuilt, rebuild};
use serde_json::json;
use sqlx::PgPool;

use crate::outcome::{CLEAN, FINDINGS, Outcome};
use crate::progress::Show;

/// How to rebuild.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Promote the new read models even where they differ from the live ones of the same version
    #[arg(long)]
    replace: bool,
}

/// Builds, compares, promotes.
pub async fn run(pool: &PgPool, arguments: &Arguments, show: Show) -> anyhow::Result<Outcome> {
    let if_different = if arguments.replace { IfDifferent::Promote } else { IfDifferent::Stop };
    match rebuild(pool, if_different, show.of("rebuilding")).await {
        Ok(rebuilt) => {
            let text = text(&rebuilt);
            Ok(Outcome { text, json: json!(rebuilt), code: CLEAN })
        }
        Err(RebuildError::Different { model, position }) => {
            let text = format!(
                "nothing was promoted: {model} differs from the live one at position {position}\n\
                 next: `replay verify` says whether the log is whole; if it is, the live read \
                 models are wrong and `replay rebuild --replace` puts them right"
            );
            let json = json!({ "promoted": false, "model": model, "position": position });
            Ok(Outcome { text, json, code: FINDINGS })
        }
        Err(error) => Err(error.into()),
    }
}

fn text(rebuilt: &Rebuilt) -> String {
    let comparison = match &rebuilt.comparison {
        Comparison::Equal { position } => {
            format!("equal to the generation before at position {position}")
        }
        Comparison::Different { model, position } => {
            format!("{model} differed from the generation before at position {position}; replaced")
        }
        Comparison::NotCompared { reason } => format!("not compared: {reason}"),
    };
    let Rebuilt { fold_ms, index_ms, compare_ms, promote_ms, .. } = rebuilt;
    let total_ms = (fold_ms + index_ms + compare_ms + promote_ms).max(1);
    format!(
        "generation {} is live at position {}\n{comparison}\n\
         {} events in {total_ms} ms ({} a second): fold {fold_ms}, indexes {index_ms}, \
         compare {compare_ms}, promote {promote_ms}",
        rebuilt.generation,
        rebuilt.position,
        rebuilt.folded,
        rebuilt.folded * 1_000 / total_ms
    )
}
