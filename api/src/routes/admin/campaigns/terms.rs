//! What a campaign says and to whom, as it is sent and shown.

use domain::campaign::{Audience, CampaignTerms, Segment, SpokenIn};
use domain::id::PlayerId;
use domain::offer::Rank;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::super::answers::rank_name;
use crate::body::Fields;
use crate::body::object::{Object, list};
use crate::body::values::{self, Wrong};
use crate::error::ApiError;
use crate::mail::without_repeats;

/// The longest text of a mail, in characters.
const LONGEST_BODY: usize = 20_000;
/// The most who are named one by one.
const LONGEST_LIST: usize = 5_000;
const MOST_LEVEL: u64 = 1_000_000;

/// A wish to draw a campaign up.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes a body, of which the audience has several forms")]
pub struct CampaignWish {
    /// Korean subject, 2 to 120 characters. What says that it is an advertisement is put before it.
    subject: String,
    /// English subject.
    subject_en: String,
    /// Korean text: paragraphs with an empty line between them. One that is nothing but an https address
    /// becomes a link.
    body: String,
    /// English text.
    body_en: String,
    /// To whom, of those who want such mail: `"all"`,
    /// `{"segment": {"rank"?, "language"?, "min_level"?, "max_level"?}}` or `{"list": [user ids]}`.
    #[schema(value_type = Object)]
    audience: Value,
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

/// What was sent.
pub(super) struct SentTerms {
    pub(super) terms: CampaignTerms,
    pub(super) idempotency_key: Option<String>,
}

/// What a campaign says, and to whom.
#[derive(Debug, Serialize, ToSchema)]
pub struct TermsView {
    subject: String,
    subject_en: String,
    body: String,
    body_en: String,
    audience: AudienceView,
}

/// Whom a campaign is for: `all`, or one of the others.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AudienceView {
    /// Everybody.
    All,
    /// Those of whom all of this is true.
    Segment(SegmentView),
    /// These.
    List(Vec<i64>),
}

/// Some of the players.
#[derive(Debug, Serialize, ToSchema)]
pub struct SegmentView {
    rank: Option<&'static str>,
    language: Option<&'static str>,
    min_level: Option<u64>,
    max_level: Option<u64>,
}

impl SentTerms {
    pub(super) fn parse(mut fields: Fields) -> Result<Self, ApiError> {
        let subject = fields.required("subject", values::line(2, 120));
        let subject_en = fields.required("subject_en", values::line(2, 120));
        let body = fields.required("body", values::lines(2, LONGEST_BODY));
        let body_en = fields.required("body_en", values::lines(2, LONGEST_BODY));
        let audience = fields.required("audience", audience);
        let idempotency_key = fields.nullable("idempotency_key", values::secret(0, 10_000));
        fields.finish(|| {
            let terms = CampaignTerms {
                subject: subject?,
                subject_en: subject_en?,
                body: body?,
                body_en: body_en?,
                audience: audience?,
            };
            Some(Self { terms, idempotency_key })
        })
    }
}

fn audience(value: &Value) -> Result<Audience, Wrong> {
    if value == "all" {
        return Ok(Audience::All);
    }
    let wrong = || Wrong::new("value_error", "expected \"all\", one segment or one list");
    if !value.is_object() {
        return Err(wrong());
    }
    Object::parse(value, |object| {
        let some = object.optional("segment", segment)?;
        let named = object.optional("list", list(LONGEST_LIST, values::user_id))?;
        match (some, named) {
            (Some(segment), None) => Ok(Audience::Segment(segment)),
            (None, Some(named)) => Ok(Audience::List(without_repeats(named))),
            _ => Err(wrong()),
        }
    })
}

fn segment(value: &Value) -> Result<Segment, Wrong> {
    let languages = [("ko", SpokenIn::Ko), ("en", SpokenIn::En)];
    let level = |value: &Value| values::integer(value, 1, MOST_LEVEL);
    Object::parse(value, |object| {
        Ok(Segment {
            rank: object.optional("rank", values::rank)?,
            language: object.optional("language", values::one_of(&languages))?,
            min_level: object.optional("min_level", level)?,
            max_level: object.optional("max_level", level)?,
        })
    })
}

impl From<CampaignTerms> for TermsView {
    fn from(terms: CampaignTerms) -> Self {
        let CampaignTerms { subject, subject_en, body, body_en, audience } = terms;
        Self { subject, subject_en, body, body_en, audience: audience.into() }
    }
}

impl From<Audience> for AudienceView {
    fn from(audience: Audience) -> Self {
        match audience {
            Audience::All => Self::All,
            Audience::Segment(Segment { rank, language, min_level, max_level }) => {
                let rank = rank.map(|rank: Rank| rank_name(rank));
                let language = language.map(SpokenIn::name);
                Self::Segment(SegmentView { rank, language, min_level, max_level })
            }
            Audience::List(list) => Self::List(list.iter().map(|PlayerId(id)| *id).collect()),
        }
    }
}
