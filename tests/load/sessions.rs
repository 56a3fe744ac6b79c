//! Who takes part: signed in now, or some minutes ago.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tests::load::{Club, Member};

use crate::options::Options;
use crate::progress::Progress;

/// Access tokens are good for fifteen minutes; a run takes some of them.
const FRESH: Duration = Duration::from_secs(600);

/// Everybody who takes part.
#[derive(Serialize, Deserialize)]
pub struct Company {
    /// Who gives gold.
    pub staff: Member,
    /// Who gets it, and who looks on.
    pub players: Vec<Member>,
}

/// From the file, if it has enough; or signed in, and kept there.
pub async fn company(club: &Club, options: &Options, progress: &Progress) -> Result<Company> {
    let count = options.active + options.onlookers();
    if let Some(file) = &options.sessions
        && let Some(company) = kept(file, count)
    {
        return Ok(company);
    }
    let names = (options.player_name.as_str(), options.player_password.as_str());
    let players = club.players(count, names, |n| progress.show("players signed in", n, count));
    let players = players.await.context(
        "players are made by `club seed --players N`, and the club must run with CLUB_LIMITS=off",
    )?;
    let staff = club.staff(&options.staff_name, &options.staff_password).await?;
    let company = Company { staff, players };
    if let Some(file) = &options.sessions {
        keep(file, &company).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    Ok(company)
}

fn kept(file: &Path, count: usize) -> Option<Company> {
    let age = fs::metadata(file).ok()?.modified().ok()?.elapsed().ok()?;
    let company: Company = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    (age < FRESH && company.players.len() >= count).then_some(company)
}

/// Nobody else may read it.
fn keep(file: &Path, company: &Company) -> Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(file)?;
    file.write_all(&serde_json::to_vec(company)?)?;
    Ok(())
}
