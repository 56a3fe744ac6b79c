//! Invites.

use domain::id::{InviteCode, PlayerId};
use domain::invite::{Invite, InviteEvent, InviteTerms};

use super::*;

impl Story {
    fn invite(&mut self, code: &str, terms: InviteTerms) -> InviteCode {
        let code = code.parse().unwrap();
        self.tell::<Invite>(code, &InviteEvent::InviteCreated { at: at(0), terms });
        code
    }

    /// The next player is let in.
    fn admits(&mut self, code: InviteCode, second: i64) {
        let player = PlayerId(self.player + 1);
        self.tell::<Invite>(code, &InviteEvent::InviteUsed { at: at(second), player });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invites_that_let_in_whom_they_may_not_are_named() {
    let mut story = Story::default();
    let once = InviteTerms { max_uses: Some(1), expires_at: None };
    let code = story.invite("ONCE", once);
    story.admits(code, 1);
    story.chapter();
    story.plant(Check::Invite, "used up");
    story.admits(code, 1);
    story.chapter();

    let code = story.invite("SHORT", InviteTerms { max_uses: None, expires_at: Some(at(5)) });
    story.admits(code, 4);
    story.chapter();
    story.plant(Check::Invite, "not valid");
    story.admits(code, 5);
    story.chapter();

    let code = story.invite("CLOSED", InviteTerms::default());
    story.tell::<Invite>(code, &InviteEvent::InviteDeactivated { at: at(1) });
    story.plant(Check::Invite, "not valid");
    story.admits(code, 1);
    story.chapter();
    story.plant(Check::Invite, "nothing to do");
    story.tell::<Invite>(code, &InviteEvent::InviteDeactivated { at: at(2) });

    let code = story.invite("LATE", InviteTerms::default());
    let player = PlayerId(story.player + 1);
    story.tell::<Invite>(code, &InviteEvent::InviteLapsed { at: at(1), player });
    story.plant(Check::Invite, "given up");
    story.admits(code, 2);
    story.chapter();
    story.plant(Check::Invite, "there already");
    story.tell::<Invite>(code, &InviteEvent::InviteCreated { at: at(3), terms: once });
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uses_of_invites_without_an_account_are_named() {
    let mut story = Story::default();
    let code = story.invite("HALL", InviteTerms::default());
    story.admits(code, 1);
    story.chapter();
    story.plant(Check::Invite, "used for player 2, and no account");
    story.admits(code, 1);
    story.plant(Check::Invite, "used for player 2, and no account");
    story.admits(code, 1);
    story.spend(1);
    // Not another's either, and not at the end of the log.
    let player = PlayerId(99);
    story.plant(Check::Invite, "used for player 99, and no account");
    story.tell::<Invite>(code, &InviteEvent::InviteUsed { at: at(2), player });
    story.chapter();
    story.plant(Check::Invite, "used for player 3, and no account");
    story.admits(code, 3);
    story.end().await;
}
