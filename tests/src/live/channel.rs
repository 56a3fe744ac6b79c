//! What a client knows of a channel: where it is, so that it can go on there; and which messages it
//! has had already.

use super::messages::At;

/// What has happened to a client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that got as far as `hello`.
    pub connections: u64,
    /// Connections, and tries at one, that ended without this client's wish.
    pub cuts: u64,
    /// Messages about events that were handed out.
    pub told: u64,
    /// Marks.
    pub marks: u64,
    /// Subscriptions that went on exactly where the last one was cut.
    pub recoveries: u64,
    /// Subscriptions that could not: a fresh state came instead.
    pub gaps: u64,
    /// Messages that came again after a cut in the middle of an event, and were left out.
    pub overlaps: u64,
    /// Messages that had no right to come again, or marks that went back: never, from a good server.
    pub repeats: u64,
}

impl Counts {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            connections: self.connections + other.connections,
            cuts: self.cuts + other.cuts,
            told: self.told + other.told,
            marks: self.marks + other.marks,
            recoveries: self.recoveries + other.recoveries,
            gaps: self.gaps + other.gaps,
            overlaps: self.overlaps + other.overlaps,
            repeats: self.repeats + other.repeats,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Channel {
    pub name: String,
    /// Where to go on.
    pub cursor: Option<String>,
    /// The position of the last message.
    position: u64,
    /// How many messages about the event at this position were handed out. Several may be about one
    /// event, and only the last carries the event's own cursor: whoever is cut between them gets all of
    /// them again.
    had: u32,
    /// How many of them are expected again.
    again: u32,
    /// Everything up to here has come, by the server's word.
    through: u64,
}

/// Whether a message is to be handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    New,
    /// Came again after a cut, as it must.
    Overlap,
    /// Came again, as it must not.
    Repeat,
}

impl Channel {
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), cursor: None, position: 0, had: 0, again: 0, through: 0 }
    }

    /// Everything from here on will come.
    pub fn begin(&mut self, at: At<'_>) {
        self.set(at.cursor.as_ref());
        (self.position, self.had, self.again) = (at.position, 0, 0);
        self.through = at.position;
    }

    /// Everything after the last cursor will come.
    pub fn resume(&mut self) {
        self.again = self.had;
    }

    pub fn hear(&mut self, at: &At<'_>) -> Told {
        if at.position < self.position || at.position <= self.through {
            return Told::Repeat;
        }
        if at.position > self.position {
            (self.position, self.had, self.again) = (at.position, 0, 0);
        }
        self.set(&at.cursor);
        if self.again > 0 {
            self.again -= 1;
            return Told::Overlap;
        }
        self.had += 1;
        Told::New
    }

    /// Everything up to here has come.
    pub fn mark(&mut self, at: &At<'_>) -> Told {
        if at.position < self.position {
            return Told::Repeat;
        }
        (self.position, self.had, self.again) = (at.position, 0, 0);
        self.through = at.position;
        self.set(&at.cursor);
        Told::New
    }

    fn set(&mut self, cursor: &str) {
        let kept = self.cursor.get_or_insert_default();
        kept.clear();
        kept.push_str(cursor);
    }
}
