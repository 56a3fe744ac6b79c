//! Mail campaigns: drawn up, tried, started, stopped and resumed, finished.

use chrono::TimeDelta;
use domain::announcement::{About, AnnouncementCommand, Notice, TheClub};
use domain::campaign::{
    Audience, Campaign, CampaignCommand, CampaignCounts, CampaignTerms, Segment,
};
use domain::id::{AnnouncementId, CampaignId, PlayerId};
use domain::stored::StoredEvent;
use rand::Rng;

use super::History;

impl History {
    /// Each campaign.
    pub(crate) fn campaigns(&self) -> impl Iterator<Item = (CampaignId, &Campaign)> {
        self.campaigns.iter().map(|(id, stream)| (*id, &stream.state))
    }

    pub(super) fn run_campaigns(&mut self, out: &mut Vec<StoredEvent>) {
        if !self.random_invites.random_ratio(1, 40) {
            return;
        }
        let (at, random) = (self.now(), &mut self.random_invites);
        let last = i64::try_from(self.campaigns.len()).unwrap_or(i64::MAX);
        let (is_new, what, later) =
            (last == 0 || random.random_ratio(1, 9), random.random_range(0..6), random.random());
        let id = CampaignId(if is_new { last + 1 } else { random.random_range(1..=last) });
        let command = match what {
            _ if is_new => CampaignCommand::DrawUp { at, terms: terms(id, later) },
            0 | 1 => {
                let starts_at = later.then(|| at + TimeDelta::hours(1));
                CampaignCommand::Start { at, starts_at, expected: 7 }
            }
            2 => CampaignCommand::Test { at, by: PlayerId(901) },
            3 => CampaignCommand::Stop { at },
            4 => CampaignCommand::Resume { at },
            _ => {
                let counts = CampaignCounts { recipients: 7, sent: 7, ..CampaignCounts::default() };
                CampaignCommand::Finish { at, counts }
            }
        };
        self.campaigns.entry(id).or_default().ask(id, &command, out);
        self.announce(what, out);
    }

    /// Tells of some campaigns at the club, too, and takes some of that back.
    fn announce(&mut self, what: i64, out: &mut Vec<StoredEvent>) {
        let at = self.now();
        let command = if what < 3 {
            let ends_at = (what > 0).then(|| at + TimeDelta::hours(what));
            let (text, text_en) = ("\"소식\"".into(), "News\\".into());
            let notice = Notice { about: About::News, text, text_en, ends_at };
            AnnouncementCommand::Publish { at, notice }
        } else {
            AnnouncementCommand::Withdraw { at, announcement_id: AnnouncementId(what) }
        };
        self.announcements.ask(TheClub, &command, out);
    }
}

fn terms(id: CampaignId, listed: bool) -> CampaignTerms {
    let audience = match listed {
        true => Audience::List(vec![PlayerId(1), PlayerId(2)]),
        false => Audience::Segment(Segment { min_level: Some(2), ..Segment::default() }),
    };
    CampaignTerms {
        subject: format!("\"소식\" {id}"),
        subject_en: format!("News {id}\\"),
        body: "첫째\n\n둘째".into(),
        body_en: "One\n\ntwo".into(),
        audience,
    }
}
