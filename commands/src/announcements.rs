//! What is asked of the club's announcements.

use domain::announcement::{
    Announcement, AnnouncementCommand, AnnouncementEvent, AnnouncementRefusal, Announcements,
    Notice, TheClub,
};
use domain::id::AnnouncementId;

use crate::Commands;
use crate::bus::{Answer, Committed, Failure, Request, Unavailable};
use crate::context::Caller;
use crate::world::World;

impl Commands {
    /// Tells everybody who is here; its number, and what was published.
    ///
    /// # Errors
    /// If it would end before it begins, or too many stand already.
    pub async fn publish_announcement(
        &self,
        caller: &Caller,
        notice: Notice,
    ) -> Result<Answer<(AnnouncementId, Announcement)>, Failure<AnnouncementRefusal>> {
        let at = self.clock.now();
        let fingerprint = self.fingerprints.fingerprint("publish_announcement", &notice);
        let request = Request::new(caller, None).keyed(fingerprint);
        let decide = move |world: &mut World<'_>| {
            let publish = AnnouncementCommand::Publish { at, notice: notice.clone() };
            world.decide::<Announcements>(TheClub, &publish)
        };
        let published = self.bus.execute(request, decide).await?;
        published.answer(|event: &AnnouncementEvent| match event {
            AnnouncementEvent::AnnouncementPublished { at, announcement_id, notice } => {
                let announcement = Announcement { published_at: *at, notice: notice.clone() };
                Some((*announcement_id, announcement))
            }
            AnnouncementEvent::AnnouncementWithdrawn { .. } => None,
        })
    }

    /// Takes an announcement back. Asking again does nothing.
    ///
    /// # Errors
    /// If there is no such announcement.
    pub async fn withdraw_announcement(
        &self,
        caller: &Caller,
        announcement_id: AnnouncementId,
    ) -> Result<Committed, Failure<AnnouncementRefusal>> {
        let withdraw = AnnouncementCommand::Withdraw { at: self.clock.now(), announcement_id };
        let fingerprint = self.fingerprints.fingerprint("withdraw_announcement", &announcement_id);
        let request = Request::new(caller, None).keyed(fingerprint);
        let decide = move |world: &mut World<'_>| world.decide::<Announcements>(TheClub, &withdraw);
        self.bus.execute(request, decide).await
    }

    /// The announcements that stand, by number, from the node's own state; and the position that they show.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn announcements_now(
        &self,
    ) -> Result<(Vec<(AnnouncementId, Announcement)>, u64), Unavailable> {
        let at = self.clock.now();
        let standing = move |all: &Announcements| {
            all.at(at).map(|(id, announcement)| (id, announcement.clone())).collect()
        };
        let (standing, place) = self.bus.look::<Announcements, _>(TheClub, standing).await?;
        Ok((standing, place.position))
    }
}
