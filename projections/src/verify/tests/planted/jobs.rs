//! Gold for many, given and taken back.

use domain::id::{JobId, PlayerId};
use domain::job::{Job, JobEvent, JobKind, JobLine, LineOutcome, LineRefusal};

use super::*;

const MAKER: PlayerId = PlayerId(901);
const CHECKER: PlayerId = PlayerId(902);
/// Nobody has this number.
const NOBODY: i64 = 777;

impl Story {
    fn job(&mut self, id: JobId, event: &JobEvent) {
        self.tell::<Job>(id, event);
    }

    /// Somebody asks for a job that is said to have so many lines and so much gold; without its lines.
    fn says_of_job(&mut self, lines: u32, amount: u64, takes_two: bool) -> JobId {
        self.codes += 1;
        let id = JobId::from_bits(self.codes);
        let (at, maker, kind, gold) = (at(0), MAKER, JobKind::BulkGrant, gold(amount));
        let (resolved, expires_at) = (None, takes_two.then(|| domain::testing::at(100)));
        self.job(
            id,
            &JobEvent::JobRequested { at, maker, kind, lines, gold, resolved, expires_at },
        );
        id
    }

    fn lists(&mut self, id: JobId, first: u32, lines: &[(i64, u64)]) {
        let line = |(player, amount): &(i64, u64)| JobLine {
            player: PlayerId(*player),
            gold: gold(*amount),
        };
        let lines = lines.iter().map(line).collect();
        self.job(id, &JobEvent::JobLinesListed { first, lines });
    }

    /// A job for the player, of so much gold.
    fn asks_for_job(&mut self, amount: u64) -> JobId {
        let id = self.says_of_job(1, amount, false);
        self.lists(id, 1, &[(self.player, amount)]);
        id
    }

    /// The job tells that its line is paid.
    fn tells_paid(&mut self, id: JobId, amount: u64) -> ReceiptCode {
        let receipt_code = self.code();
        let (outcomes, gold) = (vec![LineOutcome::Paid(receipt_code)], gold(amount));
        self.job(id, &JobEvent::JobLinesPaid { at: at(1), first: 1, outcomes, gold });
        receipt_code
    }

    fn pays_line(&mut self, receipt_code: ReceiptCode, amount: u64) {
        let movement = self.credit(parts(0, amount));
        self.account(&AccountEvent::GoldGranted { at: at(1), receipt_code, movement });
    }

    fn finishes(&mut self, id: JobId, paid: u32, refused: u32, amount: u64) {
        let gold = gold(amount);
        self.job(id, &JobEvent::JobFinished { at: at(1), paid, refused, gold });
    }

    /// A job of one line, paid; its receipt.
    fn pays_job(&mut self, amount: u64) -> (JobId, ReceiptCode) {
        let id = self.asks_for_job(amount);
        let receipt = self.tells_paid(id, amount);
        self.pays_line(receipt, amount);
        self.finishes(id, 1, 0, amount);
        (id, receipt)
    }

    fn undoes(&mut self, id: JobId) {
        self.job(id, &JobEvent::JobUndoRequested { at: at(2) });
    }

    fn tells_undone(&mut self, id: JobId, taken: u64, left: u64) {
        let (taken_back, left) = (vec![Some(gold(taken))], gold(left));
        self.job(id, &JobEvent::JobLinesUndone { at: at(3), first: 1, taken_back, left });
    }

    fn takes_line_back(&mut self, receipt_code: ReceiptCode, amount: u64) {
        let movement = self.wallet().take_given(gold(amount)).unwrap();
        let movement = self.moves(movement);
        self.account(&AccountEvent::GrantTakenBack { at: at(3), receipt_code, movement });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gold_for_many_that_is_given_and_taken_back_as_told_is_no_finding() {
    let mut story = Story::default();
    story.chapter();
    let id = story.says_of_job(3, 600, true);
    story.lists(id, 1, &[(NOBODY, 100), (1, 200)]);
    story.lists(id, 3, &[(2, 300)]);
    story.job(id, &JobEvent::JobApproved { at: at(99), checker: CHECKER });
    let receipt = story.code();
    let unknown = LineOutcome::Refused(LineRefusal::UnknownUser);
    let outcomes = vec![unknown, LineOutcome::Paid(receipt)];
    story.job(id, &JobEvent::JobLinesPaid { at: at(1), first: 1, outcomes, gold: gold(200) });
    story.pays_line(receipt, 200);
    story.job(id, &JobEvent::JobStopped { at: at(1) });
    story.job(id, &JobEvent::JobResumed { at: at(1) });
    let outcomes = vec![unknown];
    story.job(id, &JobEvent::JobLinesPaid { at: at(1), first: 3, outcomes, gold: gold(0) });
    story.finishes(id, 1, 2, 200);
    story.spend(1_150);
    story.undoes(id);
    let taken_back = vec![None, Some(gold(50))];
    story.job(id, &JobEvent::JobLinesUndone { at: at(3), first: 1, taken_back, left: gold(150) });
    story.takes_line_back(receipt, 50);
    let taken_back = vec![None];
    story.job(id, &JobEvent::JobLinesUndone { at: at(3), first: 3, taken_back, left: gold(0) });
    let (taken_back, left) = (gold(50), gold(150));
    story.job(id, &JobEvent::JobUndone { at: at(3), lines: 1, taken_back, left });
    // This one waits.
    let id = story.says_of_job(1, 600, true);
    story.lists(id, 1, &[(1, 600)]);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_are_not_those_of_the_job_are_named() {
    let mut story = Story::default();
    story.chapter();
    let id = story.says_of_job(2, 200, false);
    story.plant(Check::Job, "has 2 lines with 201 gold, not 2 with 200");
    story.lists(id, 1, &[(1, 100), (2, 101)]);
    let id = story.says_of_job(2, 200, false);
    story.plant(Check::Job, "is for player 1 twice");
    story.lists(id, 1, &[(1, 100), (1, 100)]);
    let id = story.says_of_job(2, 200, false);
    story.plant(Check::Job, "not all lines of job");
    story.lists(id, 1, &[(1, 100)]);
    story.plant(Check::Job, "more are listed");
    story.lists(id, 3, &[(2, 100)]);
    let id = story.asks_for_job(100);
    story.plant(Check::Job, "more are listed");
    story.lists(id, 2, &[(2, 100)]);
    story.plant(Check::Job, "not all lines of job");
    story.says_of_job(1, 100, false);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gold_for_many_that_is_given_wrongly_is_named() {
    let mut story = Story::default();
    story.chapter();
    let id = story.says_of_job(1, 100, true);
    story.lists(id, 1, &[(1, 100)]);
    story.plant(Check::Job, "although the job has moved on");
    let receipt = story.tells_paid(id, 100);
    story.pays_line(receipt, 100);

    let id = story.says_of_job(1, 100, true);
    story.lists(id, 1, &[(1, 100)]);
    story.plant(Check::Job, "although whoever asks for a job cannot approve it");
    story.job(id, &JobEvent::JobApproved { at: at(1), checker: MAKER });

    let (id, _) = story.pays_job(100);
    story.plant(Check::Job, "although the job has moved on");
    story.job(id, &JobEvent::JobLinesPaid { at: at(1), first: 2, outcomes: vec![], gold: gold(0) });

    let id = story.asks_for_job(100);
    story.plant(Check::Job, "does not give 100 gold of player 1");
    let receipt = story.tells_paid(id, 100);
    story.plant(Check::Job, "is given as");
    story.pays_line(receipt, 101);

    let id = story.asks_for_job(100);
    story.plant(Check::Job, "does not give 100 gold of player 1");
    let receipt = story.tells_paid(id, 100);
    story.spend(1);
    story.plant(Check::Job, "is given as");
    story.pays_line(receipt, 100);

    let (_, receipt) = story.pays_job(100);
    story.plant(Check::Job, "is given as");
    story.pays_line(receipt, 100);

    let id = story.asks_for_job(100);
    story.job(id, &JobEvent::JobStopped { at: at(1) });
    story.plant(Check::Job, "although the job has moved on");
    let receipt = story.tells_paid(id, 100);
    story.pays_line(receipt, 100);

    let id = story.asks_for_job(100);
    story.plant(Check::Job, "does not know player 1");
    let outcomes = vec![LineOutcome::Refused(LineRefusal::UnknownUser)];
    story.job(id, &JobEvent::JobLinesPaid { at: at(1), first: 1, outcomes, gold: gold(0) });
    story.plant(Check::Job, "job_finished, which does not follow");
    story.finishes(id, 1, 0, 100);

    let id = story.asks_for_job(100);
    story.plant(Check::Job, "job_finished, which does not follow");
    story.finishes(id, 1, 0, 100);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gold_that_is_taken_back_wrongly_is_named() {
    let mut story = Story::default();
    story.chapter();
    let (id, receipt) = story.pays_job(100);
    story.plant(Check::Job, "although that cannot be done");
    story.job(id, &JobEvent::JobStopped { at: at(1) });
    story.plant(Check::Job, "although the job has moved on");
    story.tells_undone(id, 100, 0);
    story.takes_line_back(receipt, 100);

    story.chapter();
    let (id, receipt) = story.pays_job(100);
    story.undoes(id);
    story.plant(Check::Job, "takes 40 gold back from player 2, and 100 is left");
    story.tells_undone(id, 40, 60);
    story.plant(Check::Job, "no job tells of it");
    story.takes_line_back(receipt, 40);

    story.chapter();
    let (id, receipt) = story.pays_job(100);
    story.undoes(id);
    story.plant(Check::Job, "does not take back 100 gold of player 3");
    story.tells_undone(id, 100, 0);
    story.plant(Check::Job, "no job tells of it");
    story.takes_line_back(receipt, 101);

    story.chapter();
    let (id, receipt) = story.pays_job(100);
    story.undoes(id);
    story.tells_undone(id, 100, 0);
    story.takes_line_back(receipt, 100);
    story.plant(Check::Job, "no job tells of it");
    story.takes_line_back(receipt, 100);
    story.plant(Check::Job, "although the job has moved on");
    story.tells_undone(id, 100, 0);

    story.chapter();
    let receipt = story.buys();
    let (id, _) = story.pays_job(100);
    story.undoes(id);
    story.plant(Check::Job, "does not take back 100 gold of player 5");
    story.tells_undone(id, 100, 0);
    story.plant(Check::Balance, "100 bought gold is taken back from player 5 as given");
    story.plant(Check::Job, "no job tells of it");
    let balance = Wallet { paid: 0, ..story.wallet() };
    let movement = Movement { gold: parts(100, 0), debt: parts(0, 0), balance };
    let movement = story.moves(movement);
    story.account(&AccountEvent::GrantTakenBack { at: at(3), receipt_code: receipt, movement });
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_job_tells_and_its_gold_of_two_appends_are_named() {
    let mut story = Story::default();
    story.chapter();
    let id = story.asks_for_job(100);
    let receipt = story.tells_paid(id, 100);
    let told = story.events.len();
    story.pays_line(receipt, 100);
    let later = story.events.split_off(told);
    let pool = database().await;
    let mut writer = Writer::new(&pool, 0).await;
    writer.append(story.events).await;
    writer.append(later).await;
    let found: Vec<_> = verified(&pool).await.findings;
    let places: Vec<_> = found.iter().map(|found| (found.position, found.check)).collect();
    let told = told as u64;
    assert_eq!(places, [(told, Check::Job), (told + 1, Check::Job)]);
}
