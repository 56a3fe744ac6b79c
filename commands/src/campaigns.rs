//! What is asked of mail campaigns.

use chrono::{DateTime, Utc};
use domain::campaign::{Campaign, CampaignCommand, CampaignCounts, CampaignRefusal, CampaignTerms};
use domain::id::{CampaignId, PlayerId};

use crate::Commands;
use crate::bus::{Committed, Failure, Request, Unavailable};
use crate::context::Caller;
use crate::world::{Decline, World};

/// A campaign that was drawn up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewCampaign {
    /// Its number.
    pub campaign: CampaignId,
    /// Where in the log it stands.
    pub position: u64,
    /// Whether an earlier request had drawn it up.
    pub replayed: bool,
}

/// What is done with a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CampaignChange {
    /// It is sent from this moment on, or at once; so many would get it now.
    Start(Option<DateTime<Utc>>, u64),
    /// It is sent to this member of the staff.
    Test(PlayerId),
    /// Nothing more is sent for now.
    Stop,
    /// The rest is sent.
    Resume,
}

impl CampaignChange {
    fn command(self, at: DateTime<Utc>) -> CampaignCommand {
        match self {
            Self::Start(starts_at, expected) => CampaignCommand::Start { at, starts_at, expected },
            Self::Test(by) => CampaignCommand::Test { at, by },
            Self::Stop => CampaignCommand::Stop { at },
            Self::Resume => CampaignCommand::Resume { at },
        }
    }

    /// What of it is the wish: how many there are at the moment is none of it, or a repeat would be
    /// another wish.
    fn wish(self) -> (&'static str, Option<DateTime<Utc>>) {
        match self {
            Self::Start(starts_at, _) => ("start", starts_at),
            Self::Test(_) => ("test", None),
            Self::Stop => ("stop", None),
            Self::Resume => ("resume", None),
        }
    }
}

/// Numbers that are tried for a new campaign.
const NUMBERS_TRIED: usize = 100_000;

impl Commands {
    /// Draws up a campaign, under the first free number.
    ///
    /// # Errors
    /// As every command: see [`Failure`].
    pub async fn draw_up_campaign(
        &self,
        caller: &Caller,
        terms: CampaignTerms,
    ) -> Result<NewCampaign, Failure<CampaignRefusal>> {
        let at = self.clock.now();
        let fingerprint = self.fingerprints.fingerprint("draw_up_campaign", &terms);
        let request = Request::new(caller, None).keyed(fingerprint);
        let decide = move |world: &mut World<'_>| {
            let draw = CampaignCommand::DrawUp { at, terms: terms.clone() };
            let campaign = free_number(world)?;
            world.decide::<Campaign>(campaign, &draw)
        };
        let Committed { events, place, replayed } = self.bus.execute(request, decide).await?;
        let first = events.first();
        let campaign = first.and_then(|recorded| recorded.event.aggregate_id.parse().ok());
        let campaign = campaign.ok_or(Failure::Unavailable)?;
        Ok(NewCampaign { campaign, position: place.position, replayed })
    }

    /// Changes where a campaign stands.
    ///
    /// # Errors
    /// If there is no such campaign, or it is not there for that.
    pub async fn change_campaign(
        &self,
        caller: &Caller,
        campaign: CampaignId,
        change: CampaignChange,
    ) -> Result<Committed, Failure<CampaignRefusal>> {
        let command = change.command(self.clock.now());
        let wish = (campaign, change.wish());
        let fingerprint = self.fingerprints.fingerprint("change_campaign", &wish);
        let request = Request::new(caller, None).keyed(fingerprint);
        let decide = move |world: &mut World<'_>| world.decide::<Campaign>(campaign, &command);
        self.bus.execute(request, decide).await
    }

    /// Nothing of a campaign is left to be sent. Asking again does nothing.
    ///
    /// # Errors
    /// If it was not started.
    pub async fn finish_campaign(
        &self,
        caller: &Caller,
        campaign: CampaignId,
        counts: CampaignCounts,
    ) -> Result<Committed, Failure<CampaignRefusal>> {
        let command = CampaignCommand::Finish { at: self.clock.now(), counts };
        let decide = move |world: &mut World<'_>| world.decide::<Campaign>(campaign, &command);
        self.bus.execute(Request::new(caller, None), decide).await
    }

    /// A campaign from the node's own state; `None` if nobody has drawn it up.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn campaign_now(
        &self,
        campaign: CampaignId,
    ) -> Result<Option<Campaign>, Unavailable> {
        let (now, _) = self.bus.look::<Campaign, _>(campaign, Campaign::clone).await?;
        Ok(now.terms().is_some().then_some(now))
    }
}

fn free_number(world: &mut World<'_>) -> Result<CampaignId, Decline<CampaignRefusal>> {
    for campaign in (1..).take(NUMBERS_TRIED).map(CampaignId) {
        if world.read::<Campaign>(campaign)?.terms().is_none() {
            return Ok(campaign);
        }
    }
    Err(Decline::Refused(CampaignRefusal::AlreadyDrawnUp))
}
