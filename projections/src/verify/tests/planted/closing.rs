//! Accounts that were closed.

use super::*;

impl Story {
    fn closes(&mut self, left: Wallet) {
        let before = self.wallet();
        let gold = GoldParts { paid: before.paid - left.paid, free: before.free - left.free };
        let movement = Movement { gold, debt: GoldParts::default(), balance: left };
        let movement = self.moves(movement);
        self.account(&AccountEvent::AccountClosed { at: at(9), movement });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_with_an_account_that_was_closed_is_named() {
    let mut story = Story::default();
    story.chapter();
    let paid = story.buys();
    let failed = story.requests(&pack(300, 100));
    story.fails(failed);
    story.closes(Wallet::default());
    // The world outside goes on.
    story.captured_late(failed, 300);
    story.charges_back(paid, 300, 100);
    story.plant(Check::Closed, "was closed before this");
    let movement = story.wallet().credit(parts(0, 1)).unwrap();
    story.grant(movement);
    story.chapter();
    story.plant(Check::Closed, "not empty");
    story.closes(Wallet { free: 1, ..Wallet::default() });
    story.plant(Check::Closed, "a second time");
    story.closes(Wallet::default());
    story.end().await;
}
