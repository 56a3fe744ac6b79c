//! Gold that takes two members of the staff.

use domain::approval::{Approval, ApprovalEvent};
use domain::id::{ApprovalId, PlayerId};

use super::*;

const MAKER: PlayerId = PlayerId(901);
const CHECKER: PlayerId = PlayerId(902);
/// When nobody can agree any more.
const END: i64 = 100;

impl Story {
    fn approval(&mut self, id: ApprovalId, event: &ApprovalEvent) {
        self.tell::<Approval>(id, event);
    }

    /// Somebody asks for so much gold for the player.
    fn asks_for(&mut self, amount: u64) -> (ApprovalId, ReceiptCode) {
        let receipt_code = self.code();
        let id = ApprovalId::from_bits(self.codes);
        self.approval(
            id,
            &ApprovalEvent::GrantRequested {
                at: at(0),
                maker: MAKER,
                player: PlayerId(self.player),
                gold: gold(amount),
                receipt_code,
                expires_at: at(END),
            },
        );
        (id, receipt_code)
    }

    fn agrees(&mut self, id: ApprovalId, second: i64, checker: PlayerId) {
        self.approval(id, &ApprovalEvent::GrantApproved { at: at(second), checker });
    }

    fn rejects(&mut self, id: ApprovalId, second: i64) {
        self.approval(id, &ApprovalEvent::GrantRejected { at: at(second), checker: CHECKER });
    }

    fn gives(&mut self, receipt_code: ReceiptCode, amount: u64) {
        let movement = self.credit(parts(0, amount));
        self.account(&AccountEvent::GoldGranted { at: at(1), receipt_code, movement });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gold_that_another_one_agrees_to_is_no_finding() {
    let mut story = Story::default();
    story.chapter();
    let (id, receipt) = story.asks_for(200_000);
    story.agrees(id, END - 1, CHECKER);
    story.gives(receipt, 200_000);
    let (id, _) = story.asks_for(200_000);
    story.rejects(id, 5);
    // Nobody decides about this one.
    story.asks_for(200_000);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_agreed_to_wrongly_is_named() {
    let mut story = Story::default();
    story.chapter();
    let (id, receipt) = story.asks_for(100);
    story.plant(Check::Approval, "is approved by player 901, who has asked for it");
    story.agrees(id, 1, MAKER);
    story.gives(receipt, 100);

    let (id, receipt) = story.asks_for(100);
    story.plant(Check::Approval, "after its time");
    story.agrees(id, END, CHECKER);
    story.gives(receipt, 100);

    let (id, receipt) = story.asks_for(100);
    story.agrees(id, 1, CHECKER);
    story.gives(receipt, 100);
    story.plant(Check::Approval, "had already ended at position");
    story.agrees(id, 2, CHECKER);
    story.gives(receipt, 100);

    let (id, receipt) = story.asks_for(100);
    story.rejects(id, 1);
    story.plant(Check::Approval, "had already ended at position");
    story.agrees(id, 2, CHECKER);
    story.gives(receipt, 100);

    story.plant(Check::Approval, "nobody has asked for");
    story.agrees(ApprovalId::from_bits(0xffff), 1, CHECKER);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gold_that_is_not_what_was_agreed_to_is_named() {
    let mut story = Story::default();
    story.chapter();
    let (_, receipt) = story.asks_for(100);
    story.plant(Check::Approval, "nobody agrees to");
    story.gives(receipt, 100);

    let (id, receipt) = story.asks_for(100);
    story.plant(Check::Approval, "does not give 100 gold to player 1");
    story.agrees(id, 1, CHECKER);
    story.plant(Check::Approval, "nobody agrees to");
    story.gives(receipt, 101);

    let (id, _) = story.asks_for(100);
    story.plant(Check::Approval, "does not give 100 gold to player 1");
    story.agrees(id, 1, CHECKER);
    let other = story.code();
    story.gives(other, 100);

    // Something stands between.
    let (id, receipt) = story.asks_for(100);
    story.plant(Check::Approval, "does not give 100 gold to player 1");
    story.agrees(id, 1, CHECKER);
    story.spend(1);
    story.plant(Check::Approval, "nobody agrees to");
    story.gives(receipt, 100);

    let (id, receipt) = story.asks_for(100);
    story.chapter();
    story.plant(Check::Approval, "does not give 100 gold to player 1");
    story.agrees(id, 1, CHECKER);
    story.plant(Check::Approval, "nobody agrees to");
    story.gives(receipt, 100);

    let (id, _) = story.asks_for(100);
    story.plant(Check::Approval, "does not give 100 gold to player 2");
    story.agrees(id, 1, CHECKER);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agreement_and_gold_of_two_appends_are_named() {
    let mut story = Story::default();
    story.chapter();
    let (id, receipt) = story.asks_for(100);
    story.agrees(id, 1, CHECKER);
    let agreed = story.events.len();
    story.gives(receipt, 100);
    let later = story.events.split_off(agreed);
    let pool = database().await;
    let mut writer = Writer::new(&pool, 0).await;
    writer.append(story.events).await;
    writer.append(later).await;
    let found: Vec<_> = verified(&pool).await.findings;
    let places: Vec<_> = found.iter().map(|found| (found.position, found.check)).collect();
    let agreed = agreed as u64;
    assert_eq!(places, [(agreed, Check::Approval), (agreed + 1, Check::Approval)]);
}
