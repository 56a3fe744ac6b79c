//! What everybody is told of the club itself.

use domain::announcement::{About, Announcement};
use domain::id::AnnouncementId;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::topic::{Change, Key};
use super::{Says, text};
use crate::auth::sign_in::rfc3339;

/// Something that concerns everybody who is here.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SystemData {
    /// How many are here.
    Online {
        /// Players, on all nodes together.
        online: u64,
    },
    /// Something that the staff tells everybody.
    Announcement {
        #[schema(value_type = i64)]
        id: AnnouncementId,
        about: AboutData,
        text: String,
        text_en: String,
        published_at: String,
        /// Until when; until it is taken back, if `null`.
        #[schema(required = true)]
        ends_at: Option<String>,
    },
    /// An announcement has ended, or was taken back.
    AnnouncementOver {
        #[schema(value_type = i64)]
        id: AnnouncementId,
    },
}

/// What an announcement is about.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AboutData {
    /// Work on the club, which may be in the way.
    Maintenance,
    /// The club closes, for a while or for good.
    Closing,
    /// Anything else.
    News,
}

impl From<About> for AboutData {
    fn from(about: About) -> Self {
        match about {
            About::Maintenance => Self::Maintenance,
            About::Closing => Self::Closing,
            About::News => Self::News,
        }
    }
}

/// How many are here.
#[must_use]
pub fn online(online: u64) -> Change {
    change(("online", String::new()), &SystemData::Online { online }, true)
}

/// An announcement that stands.
#[must_use]
pub fn announcement(id: AnnouncementId, announcement: &Announcement) -> Change {
    let Announcement { published_at, notice } = announcement;
    let data = SystemData::Announcement {
        id,
        about: notice.about.into(),
        text: notice.text.clone(),
        text_en: notice.text_en.clone(),
        published_at: rfc3339(*published_at),
        ends_at: notice.ends_at.map(rfc3339),
    };
    change(key_of(id), &data, true)
}

/// One that stands no more.
#[must_use]
pub fn announcement_over(id: AnnouncementId) -> Change {
    change(key_of(id), &SystemData::AnnouncementOver { id }, false)
}

fn key_of(id: AnnouncementId) -> Key {
    ("announcement", format!("{:020}", id.0))
}

fn change(key: Key, data: &SystemData, is_listed: bool) -> Change {
    Change { key, data: text(data).as_str().to_owned(), is_listed }
}

impl Says for SystemData {
    const TYPE: &'static str = "system";
}
