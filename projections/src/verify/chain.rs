//! Is this what was written: positions without a gap, hashes that follow from each other, times
//! that never go back.

use chrono::{DateTime, Utc};
use domain::stored::{Place, Recorded, chain};

use super::{Check, Findings, Progress, Rows, VerifyError};
use crate::scan::EventReader;

/// How far the check came.
pub(super) struct Seen {
    /// The last event's number.
    pub position: u64,
    /// How many events there were.
    pub events: u64,
}

pub(super) struct Chain<P> {
    reader: EventReader,
    previous: Place,
    recorded_at: DateTime<Utc>,
    events: u64,
    head: Place,
    findings: Findings,
    progress: P,
}

impl<P: Fn(Progress)> Chain<P> {
    pub(super) fn new(genesis: Place, head: Place, progress: P) -> Self {
        let (reader, findings) = (EventReader::new(), Findings::default());
        let recorded_at = DateTime::<Utc>::MIN_UTC;
        Self { reader, previous: genesis, recorded_at, events: 0, head, findings, progress }
    }

    pub(super) fn take(&mut self, rows: &Rows) -> Result<(), VerifyError> {
        for message in rows.iter() {
            let after = self.previous.position;
            let event =
                self.reader.read(message).map_err(|source| VerifyError::Row { after, source })?;
            let Some(recorded) = event else { continue };
            self.events += 1;
            follows(&self.previous, self.recorded_at, recorded, &mut self.findings);
            // Each event is measured against the one before it as it stands: one that was changed
            // is one finding, not one for each that comes after it.
            self.previous = recorded.place;
            self.recorded_at = recorded.recorded_at;
        }
        (self.progress)(Progress { done: self.previous.position, total: self.head.position });
        Ok(())
    }

    pub(super) fn end(mut self) -> (Seen, Findings) {
        if self.previous.position == self.head.position && self.previous.hash != self.head.hash {
            self.findings.add(self.head.position, Check::Chain, "the head has another hash");
        }
        (Seen { position: self.previous.position, events: self.events }, self.findings)
    }
}

fn follows(before: &Place, before_at: DateTime<Utc>, event: &Recorded, findings: &mut Findings) {
    let position = event.place.position;
    if position != before.position + 1 {
        let (from, to) = (before.position + 1, position.saturating_sub(1));
        findings.add(from, Check::Gapless, format!("the events from {from} to {to} are missing"));
    } else if chain(&before.hash, position, event.recorded_at, &event.event.digest())
        != event.place.hash
    {
        let message = "the hash does not follow from this event and the hash before it: one of \
                       the two was changed";
        findings.add(position, Check::Chain, message);
    }
    if event.recorded_at < before_at {
        let message = format!("recorded at {}, before the event in front of it", event.recorded_at);
        findings.add(position, Check::Time, message);
    }
}
