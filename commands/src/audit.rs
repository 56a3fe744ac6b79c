//! Writing down what the staff was refused or looked at.

use domain::audit::{Audit, AuditEvent, AuditRefusal, Note};
use domain::id::PlayerId;

use crate::Commands;
use crate::bus::{Committed, Failure, Request};
use crate::context::Caller;

impl Commands {
    /// Writes something down about one of the staff.
    ///
    /// # Errors
    /// If the log cannot be reached.
    pub async fn note(
        &self,
        caller: &Caller,
        who: PlayerId,
        event: AuditEvent,
    ) -> Result<Committed, Failure<AuditRefusal>> {
        let concerned = match event {
            AuditEvent::PersonalDataSeen { player, .. } => Some(player),
            AuditEvent::AttemptRefused { .. } => None,
        };
        let request = Request::new(&caller.without_key(), concerned);
        let note = Note(event);
        self.bus.execute(request, move |world| world.decide::<Audit>(who, &note)).await
    }
}
