//! The demo's invite: everybody comes in with it.

use anyhow::Context;
use commands::clock::{Clock, SystemClock};
use commands::invites::CreatedInvite;
use commands::{Caller, Commands, Failure};
use domain::aggregate::Aggregate;
use domain::id::InviteCode;
use domain::invite::{Invite, InviteRefusal, InviteTerms};
use projections::feed;
use sqlx::PgPool;

use crate::config::Unsafe;

const CODE: &str = "5858";

/// Makes it, unless it is there, with whatever terms; one that was closed stays closed.
pub(super) async fn create(commands: &Commands) -> anyhow::Result<usize> {
    let code: InviteCode = CODE.parse()?;
    let (caller, terms) = (Caller::system("seed"), InviteTerms::default());
    match commands.create_invite(&caller, Some(code), terms).await {
        Ok(created) => Ok(usize::from(matches!(created.body, CreatedInvite::New(_)))),
        Err(Failure::Refused { refusal: InviteRefusal::AlreadyCreated, .. }) => Ok(0),
        Err(failure) => Err(failure).context(format!("invite {CODE}")),
    }
}

/// Whether it lets anybody in, which production must not have.
pub(super) async fn open_invite(pool: &PgPool) -> anyhow::Result<Option<Unsafe>> {
    let mut invite = Invite::default();
    for recorded in feed::stream(pool, Invite::TYPE, CODE, u64::MAX).await? {
        invite.evolve(&recorded.event.decode()?);
    }
    let admits = invite.admits(SystemClock.now()).is_ok();
    Ok(admits.then_some(Unsafe::OpenInviteCode(CODE)))
}
