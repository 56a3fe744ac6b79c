//! A mail campaign: one text for many, sent to those who want such mail. Drawn up, started now or for later,
//! stopped and resumed, finished. Who got it stands in the outbox; the log knows how many.
//!
//! Its texts stand in its events: they are about no person.
//!
//! Stored names in this file are forever; old shapes are kept in `domain/fixtures`.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Event};
use crate::id::{CampaignId, PlayerId};
use crate::offer::Rank;

/// What has happened to a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CampaignEvent {
    /// It was drawn up; nobody gets it yet.
    CampaignDrawnUp {
        /// When.
        at: DateTime<Utc>,
        /// What it says, and to whom.
        terms: CampaignTerms,
    },
    /// It is to be sent.
    CampaignStarted {
        /// When.
        at: DateTime<Utc>,
        /// From when on.
        starts_at: DateTime<Utc>,
        /// How many would have got it then.
        expected: u64,
    },
    /// It is sent to one of the staff, to be looked at.
    CampaignTested {
        /// When.
        at: DateTime<Utc>,
        /// To whom.
        by: PlayerId,
    },
    /// Nothing more is sent, until it is resumed.
    CampaignStopped {
        /// When.
        at: DateTime<Utc>,
    },
    /// The rest is sent.
    CampaignResumed {
        /// When.
        at: DateTime<Utc>,
    },
    /// Nothing is left to be sent.
    CampaignFinished {
        /// When.
        at: DateTime<Utc>,
        /// What became of it.
        counts: CampaignCounts,
    },
}

impl Event for CampaignEvent {
    fn event_type(&self) -> &'static str {
        match self {
            Self::CampaignDrawnUp { .. } => "campaign_drawn_up",
            Self::CampaignStarted { .. } => "campaign_started",
            Self::CampaignTested { .. } => "campaign_tested",
            Self::CampaignStopped { .. } => "campaign_stopped",
            Self::CampaignResumed { .. } => "campaign_resumed",
            Self::CampaignFinished { .. } => "campaign_finished",
        }
    }

    fn current_version(_event_type: &str) -> &'static str {
        "1"
    }
}

/// What a campaign says, and to whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CampaignTerms {
    /// Korean subject.
    pub subject: String,
    /// English subject.
    pub subject_en: String,
    /// Korean text. Paragraphs are told apart by an empty line; one that is nothing but an https address
    /// becomes a link.
    pub body: String,
    /// English text.
    pub body_en: String,
    /// To whom, of those who want such mail.
    pub audience: Audience,
}

/// Whom a campaign is for. Whoever wants no such mail is never among them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Everybody.
    All,
    /// Those of whom all of this is true.
    Segment(Segment),
    /// These.
    List(Vec<PlayerId>),
}

/// Some of the players. What is not given does not matter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Segment {
    /// Of this rank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<Rank>,
    /// Who are spoken to in this language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<SpokenIn>,
    /// Of this level or above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_level: Option<u64>,
    /// Of this level or below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_level: Option<u64>,
}

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpokenIn {
    /// Korean.
    Ko,
    /// English.
    En,
}

impl SpokenIn {
    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ko => "ko",
            Self::En => "en",
        }
    }
}

/// What became of a campaign's mails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CampaignCounts {
    /// How many it was to be sent to.
    pub recipients: u64,
    /// The mail server has it.
    pub sent: u64,
    /// The mail server refused it.
    pub failed: u64,
    /// They want no such mail any more, or get none.
    pub suppressed: u64,
    /// Their address is gone.
    pub no_address: u64,
    /// Whether the mail server has it is not known; it is not sent again.
    pub unknown: u64,
}

/// What may be asked.
#[derive(Debug, Clone)]
pub enum CampaignCommand {
    /// Draw it up.
    DrawUp {
        /// When.
        at: DateTime<Utc>,
        /// What it says, and to whom.
        terms: CampaignTerms,
    },
    /// Send it, now or later. The same again does nothing.
    Start {
        /// When.
        at: DateTime<Utc>,
        /// From when on; at once, if not given or past.
        starts_at: Option<DateTime<Utc>>,
        /// How many would get it now.
        expected: u64,
    },
    /// Send it to one of the staff.
    Test {
        /// When.
        at: DateTime<Utc>,
        /// To whom.
        by: PlayerId,
    },
    /// Send nothing more for now. Asking again does nothing.
    Stop {
        /// When.
        at: DateTime<Utc>,
    },
    /// Send the rest. Asking again does nothing.
    Resume {
        /// When.
        at: DateTime<Utc>,
    },
    /// Nothing is left. Asking again does nothing.
    Finish {
        /// When.
        at: DateTime<Utc>,
        /// What became of it.
        counts: CampaignCounts,
    },
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CampaignRefusal {
    /// There is no such campaign.
    #[error("there is no such campaign")]
    NotFound,
    /// The number is taken.
    #[error("this campaign was drawn up before")]
    AlreadyDrawnUp,
    /// It has not been started.
    #[error("the campaign has not been started")]
    NotStarted,
    /// It was started before, for another moment.
    #[error("the campaign was started before: draw up another one to send it again")]
    AlreadyStarted,
    /// Nothing is left of it.
    #[error("the campaign is finished: draw up another one to send it again")]
    Finished,
}

/// Where a campaign stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CampaignStatus {
    /// Nobody gets it yet.
    #[default]
    Draft,
    /// It is being sent, or will be from a moment on.
    Started,
    /// Nothing is sent for now.
    Stopped,
    /// Nothing is left to be sent.
    Finished,
}

impl CampaignStatus {
    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Finished => "finished",
        }
    }
}

/// A campaign as its stream tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Campaign {
    terms: Option<CampaignTerms>,
    status: CampaignStatus,
    starts_at: Option<DateTime<Utc>>,
}

impl Campaign {
    /// What it says, and to whom; `None` if nobody has drawn it up.
    #[must_use]
    pub fn terms(&self) -> Option<&CampaignTerms> {
        self.terms.as_ref()
    }

    /// Where it stands.
    #[must_use]
    pub fn status(&self) -> CampaignStatus {
        self.status
    }

    /// From when on it is sent, once it was started.
    #[must_use]
    pub fn starts_at(&self) -> Option<DateTime<Utc>> {
        self.starts_at
    }

    /// Whether it is being sent at a moment.
    #[must_use]
    pub fn runs(&self, at: DateTime<Utc>) -> bool {
        self.status == CampaignStatus::Started && self.starts_at.is_some_and(|start| start <= at)
    }

    fn start(
        &self,
        at: DateTime<Utc>,
        starts_at: Option<DateTime<Utc>>,
        expected: u64,
    ) -> Result<Vec<CampaignEvent>, CampaignRefusal> {
        match self.status {
            CampaignStatus::Draft => {
                let starts_at = starts_at.unwrap_or(at).max(at);
                Ok(vec![CampaignEvent::CampaignStarted { at, starts_at, expected }])
            }
            CampaignStatus::Started if starts_at == self.starts_at => Ok(vec![]),
            CampaignStatus::Started | CampaignStatus::Stopped => {
                Err(CampaignRefusal::AlreadyStarted)
            }
            CampaignStatus::Finished => Err(CampaignRefusal::Finished),
        }
    }
}

impl Aggregate for Campaign {
    const TYPE: &'static str = "campaign";
    type Id = CampaignId;
    type Command = CampaignCommand;
    type Event = CampaignEvent;
    type Refusal = CampaignRefusal;

    fn decide(&self, command: &CampaignCommand) -> Result<Vec<CampaignEvent>, CampaignRefusal> {
        use CampaignStatus as Is;
        if let CampaignCommand::DrawUp { at, terms } = command {
            let (at, terms) = (*at, terms.clone());
            return match self.terms {
                None => Ok(vec![CampaignEvent::CampaignDrawnUp { at, terms }]),
                Some(_) => Err(CampaignRefusal::AlreadyDrawnUp),
            };
        }
        if self.terms.is_none() {
            return Err(CampaignRefusal::NotFound);
        }
        match *command {
            CampaignCommand::DrawUp { .. } => Err(CampaignRefusal::AlreadyDrawnUp),
            CampaignCommand::Start { at, starts_at, expected } => {
                self.start(at, starts_at, expected)
            }
            CampaignCommand::Test { at, by } => Ok(vec![CampaignEvent::CampaignTested { at, by }]),
            CampaignCommand::Stop { at } => match self.status {
                Is::Draft => Err(CampaignRefusal::NotStarted),
                Is::Started => Ok(vec![CampaignEvent::CampaignStopped { at }]),
                Is::Stopped => Ok(vec![]),
                Is::Finished => Err(CampaignRefusal::Finished),
            },
            CampaignCommand::Resume { at } => match self.status {
                Is::Draft => Err(CampaignRefusal::NotStarted),
                Is::Started => Ok(vec![]),
                Is::Stopped => Ok(vec![CampaignEvent::CampaignResumed { at }]),
                Is::Finished => Err(CampaignRefusal::Finished),
            },
            CampaignCommand::Finish { at, counts } => match self.status {
                Is::Draft => Err(CampaignRefusal::NotStarted),
                Is::Started | Is::Stopped => {
                    Ok(vec![CampaignEvent::CampaignFinished { at, counts }])
                }
                Is::Finished => Ok(vec![]),
            },
        }
    }

    fn evolve(&mut self, event: &CampaignEvent) {
        match event {
            CampaignEvent::CampaignDrawnUp { terms, .. } => self.terms = Some(terms.clone()),
            CampaignEvent::CampaignStarted { starts_at, .. } => {
                self.status = CampaignStatus::Started;
                self.starts_at = Some(*starts_at);
            }
            CampaignEvent::CampaignTested { .. } => {}
            CampaignEvent::CampaignStopped { .. } => self.status = CampaignStatus::Stopped,
            CampaignEvent::CampaignResumed { .. } => self.status = CampaignStatus::Started,
            CampaignEvent::CampaignFinished { .. } => self.status = CampaignStatus::Finished,
        }
    }

    fn weight(&self) -> usize {
        let terms = self.terms.as_ref().map_or(0, |terms| {
            let listed = if let Audience::List(list) = &terms.audience { list.len() } else { 0 };
            terms.body.len() + terms.body_en.len() + listed * size_of::<PlayerId>()
        });
        size_of::<Self>() + terms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, given};

    fn drawn_up() -> CampaignEvent {
        let [subject, subject_en, body, body_en] =
            ["소식", "News", "안녕하세요", "Hello"].map(str::to_owned);
        let terms = CampaignTerms { subject, subject_en, body, body_en, audience: Audience::All };
        CampaignEvent::CampaignDrawnUp { at: at(1), terms }
    }

    fn started(second: i64) -> CampaignEvent {
        CampaignEvent::CampaignStarted { at: at(2), starts_at: at(second), expected: 3 }
    }

    fn start(second: Option<i64>) -> CampaignCommand {
        CampaignCommand::Start { at: at(2), starts_at: second.map(at), expected: 3 }
    }

    const NOTHING: CampaignCounts = CampaignCounts {
        recipients: 0,
        sent: 0,
        failed: 0,
        suppressed: 0,
        no_address: 0,
        unknown: 0,
    };

    #[test]
    fn a_campaign_is_sent_from_now_or_from_later_on_and_only_once() {
        given::<Campaign>(&[drawn_up()]).when(&start(None)).then(&[started(2)]);
        given::<Campaign>(&[drawn_up()]).when(&start(Some(1))).then(&[started(2)]);
        given::<Campaign>(&[drawn_up()]).when(&start(Some(9))).then(&[started(9)]);
        let history = [drawn_up(), started(9)];
        let state = given::<Campaign>(&history).state();
        assert!(!state.runs(at(8)) && state.runs(at(9)));
        given::<Campaign>(&history).when(&start(Some(9))).then(&[]);
        given::<Campaign>(&history)
            .when(&start(None))
            .then_refused(&CampaignRefusal::AlreadyStarted);
        given::<Campaign>(&[]).when(&start(None)).then_refused(&CampaignRefusal::NotFound);
    }

    #[test]
    fn a_campaign_is_stopped_resumed_and_finished_and_then_nothing_more() {
        let stop = CampaignCommand::Stop { at: at(3) };
        let resume = CampaignCommand::Resume { at: at(4) };
        let finish = CampaignCommand::Finish { at: at(5), counts: NOTHING };
        let stopped = CampaignEvent::CampaignStopped { at: at(3) };
        let resumed = CampaignEvent::CampaignResumed { at: at(4) };
        let finished = CampaignEvent::CampaignFinished { at: at(5), counts: NOTHING };
        for ask in [&stop, &resume, &finish] {
            given::<Campaign>(&[drawn_up()]).when(ask).then_refused(&CampaignRefusal::NotStarted);
        }
        let running = [drawn_up(), started(2)];
        given::<Campaign>(&running).when(&resume).then(&[]);
        given::<Campaign>(&running).when(&stop).then(std::slice::from_ref(&stopped));
        let rests = [drawn_up(), started(2), stopped.clone()];
        assert!(!given::<Campaign>(&rests).state().runs(at(9)));
        given::<Campaign>(&rests).when(&stop).then(&[]);
        given::<Campaign>(&rests).when(&resume).then(std::slice::from_ref(&resumed));
        let again = [drawn_up(), started(2), stopped, resumed];
        given::<Campaign>(&again).when(&finish).then(std::slice::from_ref(&finished));
        let over = [drawn_up(), started(2), finished];
        given::<Campaign>(&over).when(&finish).then(&[]);
        for ask in [&stop, &resume, &start(None)] {
            given::<Campaign>(&over).when(ask).then_refused(&CampaignRefusal::Finished);
        }
    }

    #[test]
    fn a_campaign_is_drawn_up_once_and_tried_at_any_time() {
        let CampaignEvent::CampaignDrawnUp { terms, .. } = drawn_up() else { return };
        let draw = CampaignCommand::DrawUp { at: at(1), terms };
        given::<Campaign>(&[]).when(&draw).then(&[drawn_up()]);
        given::<Campaign>(&[drawn_up()]).when(&draw).then_refused(&CampaignRefusal::AlreadyDrawnUp);
        let (at, by) = (at(2), PlayerId(1));
        given::<Campaign>(&[drawn_up()])
            .when(&CampaignCommand::Test { at, by })
            .then(&[CampaignEvent::CampaignTested { at, by }]);
    }
}
