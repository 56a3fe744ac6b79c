//! `replay state`

use anyhow::{Context, bail};
use clap::Args;
use domain::account::Account;
use domain::activity::Activity;
use domain::aggregate::Aggregate;
use domain::announcement::Announcements;
use domain::approval::Approval;
use domain::audit::Audit;
use domain::campaign::Campaign;
use domain::identity::Identity;
use domain::invite::Invite;
use domain::job::Job;
use domain::live_event::LiveEvent;
use domain::mission::MissionBoard;
use domain::package::Package;
use domain::product::Product;
use domain::promo::Promo;
use domain::role::Role;
use projections::feed::stream;
use serde_json::json;
use sqlx::PgPool;

use crate::outcome::{CLEAN, Outcome, USAGE};

/// Families of streams.
const FAMILIES: [&str; 15] = [
    Account::TYPE,
    Product::TYPE,
    Package::TYPE,
    Promo::TYPE,
    Identity::TYPE,
    Role::TYPE,
    Audit::TYPE,
    Activity::TYPE,
    MissionBoard::TYPE,
    LiveEvent::TYPE,
    Invite::TYPE,
    Approval::TYPE,
    Job::TYPE,
    Campaign::TYPE,
    Announcements::TYPE,
];

/// Which stream.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The stream's family
    #[arg(value_parser = FAMILIES)]
    aggregate_type: String,
    /// The stream: a player's, product's, event's, approval's, job's or campaign's id, a package's, promotion's or
    /// invite's code, `board`, or `club`
    id: String,
    /// As it was at this position of the log, instead of now
    #[arg(long, value_name = "POSITION")]
    at: Option<u64>,
}

/// Folds the stream's events.
pub async fn run(pool: &PgPool, arguments: &Arguments) -> anyhow::Result<Outcome> {
    match arguments.aggregate_type.as_str() {
        Account::TYPE => fold::<Account>(pool, arguments).await,
        Product::TYPE => fold::<Product>(pool, arguments).await,
        Package::TYPE => fold::<Package>(pool, arguments).await,
        Promo::TYPE => fold::<Promo>(pool, arguments).await,
        Identity::TYPE => fold::<Identity>(pool, arguments).await,
        Role::TYPE => fold::<Role>(pool, arguments).await,
        Audit::TYPE => fold::<Audit>(pool, arguments).await,
        Activity::TYPE => fold::<Activity>(pool, arguments).await,
        MissionBoard::TYPE => fold::<MissionBoard>(pool, arguments).await,
        LiveEvent::TYPE => fold::<LiveEvent>(pool, arguments).await,
        Invite::TYPE => fold::<Invite>(pool, arguments).await,
        Approval::TYPE => fold::<Approval>(pool, arguments).await,
        Job::TYPE => fold::<Job>(pool, arguments).await,
        Campaign::TYPE => fold::<Campaign>(pool, arguments).await,
        Announcements::TYPE => fold::<Announcements>(pool, arguments).await,
        other => bail!("there are no streams of the family {other:?}"),
    }
}

async fn fold<A: Aggregate>(pool: &PgPool, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let until = arguments.at.unwrap_or(u64::MAX);
    let events = stream(pool, A::TYPE, &arguments.id, until).await?;
    let mut state = A::default();
    for recorded in &events {
        let event: A::Event = recorded
            .event
            .decode()
            .with_context(|| format!("the event at position {}", recorded.place.position))?;
        state.evolve(&event);
    }
    let Some(last) = events.last() else {
        let when = arguments.at.map_or(String::new(), |at| format!(" up to position {at}"));
        let text = format!("the stream {} {} has no events{when}", A::TYPE, arguments.id);
        return Ok(Outcome { json: json!({ "error": text }), text, code: USAGE });
    };
    let json = json!({
        "aggregate_type": A::TYPE,
        "aggregate_id": arguments.id,
        "sequence": last.event.sequence,
        "position": last.place.position,
        "recorded_at": last.recorded_at,
        "state": state,
    });
    let text = serde_json::to_string_pretty(&json)?;
    Ok(Outcome { text, json, code: CLEAN })
}
