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
            AuditEvent::PersonalDataSeen { player, .. } | AuditEvent::MailResent { player, .. } => {
                Some(player)
            }
            AuditEvent::AttemptRefused { .. } => None,
        };
        let request = Request::new(&caller.without_key(), concerned);
        let note = Note(event);
        self.bus.execute(request, move |world| world.decide::<Audit>(who, &note)).await
    }

    /// Has a mail sent once more, by its number: whoever follows the log puts it into the outbox. Under
    /// the caller's key this is done once.
    ///
    /// # Errors
    /// If the log cannot be reached.
    pub async fn resend_mail(
        &self,
        caller: &Caller,
        who: PlayerId,
        (mail, player): (i64, PlayerId),
    ) -> Result<Committed, Failure<AuditRefusal>> {
        let fingerprint = self.fingerprints.fingerprint("resend_mail", &(mail, player));
        let request = Request::new(caller, Some(player)).keyed(fingerprint);
        let note = Note(AuditEvent::MailResent { at: self.clock.now(), mail, player });
        self.bus.execute(request, move |world| world.decide::<Audit>(who, &note)).await
    }
}
