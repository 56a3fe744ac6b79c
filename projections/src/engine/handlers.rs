//! Reactions and sinks as the engine moves them: other people's handlers, with a place.

use domain::stored::{Place, Recorded};

use super::{Follow, Outcome, Pace};
use crate::checkpoint::{self, Checkpoint};
use crate::feed::{self, Feed, Page};
use crate::follower::{FollowerError, FollowerHandle, Reaction, Resume, Sink};
use crate::lease::Link;

/// A reaction's place is kept in `read.followers`, as generation 1.
pub(super) struct Reacting<R> {
    reaction: R,
    checkpoint: Option<Checkpoint>,
}

impl<R> Reacting<R> {
    pub(super) fn new(reaction: R) -> Self {
        Self { reaction, checkpoint: None }
    }
}

impl<R: Reaction> Follow for Reacting<R> {
    const NAME: &'static str = R::NAME;
    const LEASED: bool = true;

    fn open<'a>(&'a mut self, link: &'a mut Link, _: &'a FollowerHandle) -> Outcome<'a, Place> {
        Box::pin(async move {
            let place = feed::genesis(link).await?;
            let first = Checkpoint { generation: 1, version: 1, place };
            let checkpoint = match checkpoint::live(link, R::NAME).await? {
                Some(stored) if is_in_log(link, &stored.place).await? => stored,
                // Another history: asking again for what was asked for does nothing twice.
                Some(stored) => {
                    let position = stored.place.position;
                    tracing::warn!(
                        reaction = R::NAME,
                        position,
                        "its place has gone: it begins anew"
                    );
                    if !checkpoint::advance(link, R::NAME, "live", &stored, &place).await? {
                        return Err(FollowerError::Superseded);
                    }
                    Checkpoint { place, ..stored }
                }
                None => {
                    checkpoint::insert(link, R::NAME, &first, "live").await?;
                    first
                }
            };
            self.checkpoint = Some(checkpoint);
            Ok(checkpoint.place)
        })
    }

    fn take<'a>(&'a mut self, link: &'a mut Link, page: &'a Page) -> Outcome<'a, ()> {
        Box::pin(async move {
            let (Some(at), Some(end)) = (self.checkpoint, page.end()) else { return Ok(()) };
            // The whole page at once: what a reaction asks for is a turn of the log each time.
            let events: Vec<&Recorded> = page.events().collect();
            self.reaction.handle(&events).await?;
            if !checkpoint::advance(link, R::NAME, "live", &at, &end).await? {
                return Err(FollowerError::Superseded);
            }
            self.checkpoint = Some(Checkpoint { place: end, ..at });
            Ok(())
        })
    }

    fn idle(&mut self) -> Outcome<'_, ()> {
        Box::pin(self.reaction.idle())
    }

    /// Each page is a commit of its place, which the log's own commits would have to wait for.
    fn pace(&self) -> Option<Pace> {
        Some(Pace::default())
    }
}

async fn is_in_log(link: &mut Link, place: &Place) -> Result<bool, FollowerError> {
    Ok(feed::hash_at(link, place.position).await? == Some(place.hash))
}

/// A sink says itself where it stands.
pub(super) struct Sinking<S> {
    sink: S,
    feed: Feed,
}

impl<S> Sinking<S> {
    pub(super) fn new(sink: S, feed: Feed) -> Self {
        Self { sink, feed }
    }
}

impl<S: Sink> Follow for Sinking<S> {
    const NAME: &'static str = S::NAME;
    const LEASED: bool = S::LEASED;

    fn open<'a>(&'a mut self, link: &'a mut Link, _: &'a FollowerHandle) -> Outcome<'a, Place> {
        Box::pin(async move {
            if S::LEASED {
                link.ask_elsewhere().await?;
            }
            let place = match self.sink.resume().await? {
                Resume::After(place) => place,
                Resume::Genesis => self.feed.genesis().await?,
                Resume::Head => self.feed.head().await?,
            };
            if S::LEASED {
                link.work_here().await?;
            }
            Ok(place)
        })
    }

    fn take<'a>(&'a mut self, _: &'a mut Link, page: &'a Page) -> Outcome<'a, ()> {
        Box::pin(async move {
            for events in page.slices() {
                self.sink.handle(events).await?;
            }
            self.sink.settle().await
        })
    }

    fn idle(&mut self) -> Outcome<'_, ()> {
        Box::pin(self.sink.idle())
    }

    fn pace(&self) -> Option<Pace> {
        S::PACE
    }
}
