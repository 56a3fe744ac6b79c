//! Read models show what the aggregates know, and answer what they are asked.

mod audit;
mod boards;
mod play;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Days, Utc};
use domain::account::Account;
use domain::approval::{Approval, Ending};
use domain::campaign::CampaignStatus;
use domain::id::{ItemId, JobId, PlayerId, ProductId};
use domain::job::{Job, JobStatus, Segment};
use domain::offer::{Rank, Ware};
use domain::role::BuiltIn;
use sqlx::PgPool;
use tokio::sync::watch;

use super::approvals::{self, ApprovalOf, ApprovalStatus};
use super::items::ItemStatus;
use super::jobs::ShownStatus;
use super::purchases::{Kind, Purchase, Status, Wanted};
use super::{
    balances, books, campaigns, catalog, invites, items, job_lines, jobs, levels, packages, promos,
    purchases, rewards, segments, standings, streaks,
};
use crate::engine::{Engine, Pace};
use crate::feed::Feed;
use crate::statement;
use crate::testing::history::History;
use crate::testing::{Writer, database};

const MANY: u32 = 10_000;

/// A log of this many events, followed while it was written.
async fn followed(seed: u64, events: usize) -> (PgPool, History) {
    let pool = database().await;
    let mut writer = Writer::new(&pool, seed).await;
    let (stop, shutdown) = watch::channel(false);
    let mut engine = Engine::new(Feed::polling(pool.clone()), shutdown);
    let follower = engine.read_models(Pace::default());
    for _ in 0..events / 100 {
        writer.write(100).await;
        assert!(follower.wait_for(writer.head.position, Duration::from_secs(20)).await);
    }
    stop.send_replace(true);
    engine.stopped().await;
    (pool, writer.history)
}

/// The items that an account could still use or let expire.
fn items_of(account: &Account) -> BTreeSet<ItemId> {
    let state = serde_json::to_value(account).unwrap();
    state["items"].as_object().unwrap().keys().map(|id| id.parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn players_have_what_their_accounts_have() {
    let (pool, history) = followed(20, 14_000).await;
    for (player, account) in history.accounts() {
        let (player, wallet) = (PlayerId(player), account.wallet());
        let balance = balances::of(&pool, player).await.unwrap().rows.unwrap();
        assert_eq!((balance.gold, balance.debt), (wallet.gold(), wallet.debt));
        let page = items::page(&pool, player, None, Some(ItemStatus::Purchased), MANY).await;
        let there: BTreeSet<_> = page.unwrap().rows.iter().map(|item| item.item_id).collect();
        assert_eq!(there, items_of(account));

        let mut lines = statement::page(&pool, player, None, None, MANY).await.unwrap().rows;
        lines.reverse();
        let (mut gold, mut debt) = (0, 0);
        for line in lines {
            (gold, debt) = (gold + line.gold, debt + line.debt_change);
            assert_eq!(
                (gold, debt),
                (line.balance_after.cast_signed(), line.debt_after.cast_signed())
            );
        }
        assert_eq!((gold, debt), (wallet.gold().cast_signed(), wallet.debt.cast_signed()));
    }
    let players: Vec<PlayerId> = history.accounts().map(|(player, _)| PlayerId(player)).collect();
    let shown = standings::overview(&pool, &players).await.unwrap().rows;
    let (at, mut roles, mut bans) = (history.now(), 0, 0);
    for (player, standing) in history.standings() {
        let seen = shown.iter().find(|row| row.user_id.0 == player);
        let row = seen.map(|row| row.standing);
        let is_suppressed = seen.is_some_and(|row| row.is_mail_suppressed);
        assert_eq!(is_suppressed, standing.is_mail_suppressed() && seen.is_some());
        let ban = row.and_then(|row| row.ban).filter(|ban| ban.until.is_none_or(|it| at < it));
        assert_eq!(row.map(|row| row.rank).unwrap_or_default(), standing.rank());
        assert_eq!(row.and_then(|row| row.role), standing.role());
        assert_eq!(ban.map(|ban| ban.until), standing.ban_at(at).map(|ban| ban.until));
        roles += usize::from(standing.role().is_some());
        bans += usize::from(ban.is_some());
    }
    assert!(roles > 0 && bans > 0, "{roles} {bans}");
    for (player, account) in history.accounts() {
        let player = PlayerId(player);
        let shown = levels::of_each(&pool, &[player]).await.unwrap().rows;
        let xp = account.daily().xp();
        assert_eq!(shown.first().map_or(0, |row| row.xp), xp);
        let (first, end) =
            (domain::testing::at(0).date_naive(), history.now().date_naive() + Days::new(1));
        let days = streaks::between(&pool, player, first, end).await.unwrap().rows;
        assert!(days.is_sorted_by(|a, b| a.day < b.day));
        let by_day: u64 = days.iter().map(|line| line.xp).sum();
        let paid = rewards::page(&pool, Some(player), None, None, MANY).await.unwrap().rows;
        assert_eq!(paid.iter().map(|reward| reward.xp).sum::<u64>(), xp);
        let streaks = paid.iter().filter(|reward| reward.kind == rewards::RewardKind::Streak);
        assert_eq!(streaks.map(|reward| reward.xp).sum::<u64>(), by_day);
        assert_eq!(days.last().map(|line| line.claimed_at), account.daily().last_streak_claim());
        assert!(days.iter().all(|line| line.day == line.claimed_at.date_naive()));
    }
    let prepaid = books::prepaid(&pool).await.unwrap().rows;
    let debts: u64 = history.accounts().map(|(_, account)| account.wallet().debt).sum();
    assert_eq!(prepaid.owed.total(), debts.cast_signed());
    let paid: u64 = history.accounts().map(|(_, account)| account.wallet().paid).sum();
    assert_eq!(prepaid.outstanding.paid, paid.cast_signed());
    let bought: u64 = history.sales().iter().map(|(_, sale)| sale.gold.amount()).sum();
    assert_eq!(prepaid.sold, books::Kinds { paid: bought.cast_signed(), free: 0 });
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_erased_is_shown_so() {
    let (pool, history) = followed(28, 8_000).await;
    let mut erasures = Vec::new();
    for (player, standing) in history.standings() {
        if let Some(erasure) = standing.erasure() {
            let shown = standings::erasure(&pool, PlayerId(player)).await.unwrap().rows;
            assert_eq!(shown, Some(erasure));
            erasures.push((PlayerId(player), erasure));
        }
    }
    let erased: Vec<_> = erasures.iter().map(|(player, _)| *player).collect();
    assert_eq!(standings::erased(&pool, false).await.unwrap().rows, erased);
    let open = erasures.iter().filter(|(_, erasure)| erasure.completed_at.is_none());
    let open: Vec<_> = open.map(|(player, _)| *player).collect();
    assert_eq!(standings::erased(&pool, true).await.unwrap().rows, open);
    assert!(!erased.is_empty());
}

/// Where a request stands now, by its stream.
fn status_of(approval: &Approval, now: DateTime<Utc>) -> ApprovalStatus {
    match approval.ending() {
        Some(Ending::Approved) => ApprovalStatus::Approved,
        Some(Ending::Rejected) => ApprovalStatus::Rejected,
        None if approval.grant().unwrap().expires_at > now => ApprovalStatus::Open,
        None => ApprovalStatus::Expired,
    }
}

/// The same of a job that somebody had to agree to.
fn job_status_of(job: &Job, now: DateTime<Utc>) -> ApprovalStatus {
    match shown_status(job, now) {
        ShownStatus::AwaitingApproval => ApprovalStatus::Open,
        ShownStatus::Expired => ApprovalStatus::Expired,
        ShownStatus::Rejected => ApprovalStatus::Rejected,
        _ => ApprovalStatus::Approved,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_for_approval_stand_as_their_streams_say() {
    let (pool, history) = followed(27, 4_000).await;
    let now = history.now();
    let all = approvals::page(&pool, now, None, None, MANY).await.unwrap().rows;
    assert!(all.is_sorted_by(|a, b| a.requested_position > b.requested_position));
    let jobs = history.jobs().filter(|(_, job)| job.order().unwrap().expires_at.is_some());
    let jobs: BTreeMap<JobId, &Job> = jobs.collect();
    assert!(!jobs.is_empty());
    assert_eq!(all.len(), history.approvals().count() + jobs.len());
    for row in &all {
        let ApprovalOf::Job(id) = row.of else { continue };
        let (job, order) = (jobs[&id], jobs[&id].order().unwrap());
        assert_eq!((row.maker, Some(row.expires_at)), (order.maker, order.expires_at));
        assert_eq!(row.status, job_status_of(job, now));
        assert_eq!((row.player, row.receipt_code), (None, None));
    }
    for (id, approval) in history.approvals() {
        let shown = approvals::by_id(&pool, now, id).await.unwrap().rows.unwrap();
        let grant = approval.grant().unwrap();
        assert_eq!((shown.maker, shown.player), (grant.maker, Some(grant.player)));
        let (gold, receipt) = (shown.gold, shown.receipt_code);
        assert_eq!((gold, receipt), (grant.gold.amount(), Some(grant.receipt_code)));
        assert_eq!(shown.status, status_of(approval, now));
        assert_eq!(shown.checker.is_some(), approval.ending().is_some());
        assert!(all.contains(&shown));
    }
    let (mut cursor, mut read) = (None, 0);
    for status in [ApprovalStatus::Approved, ApprovalStatus::Rejected, ApprovalStatus::Expired] {
        let of_status = approvals::page(&pool, now, Some(status), None, MANY).await.unwrap().rows;
        assert!(!of_status.is_empty() && of_status.iter().all(|row| row.status == status));
        read += of_status.len();
    }
    let open = all.iter().filter(|row| row.status == ApprovalStatus::Open).count();
    assert_eq!(read + open, all.len());
    for _ in 0..2 {
        let page = approvals::page(&pool, now, None, cursor, 2).await.unwrap().rows;
        cursor = page.last().map(|row| row.requested_position);
    }
    assert_eq!(cursor, Some(all[3].requested_position));
}

/// Where a job stands now, by its stream.
fn shown_status(job: &Job, now: DateTime<Utc>) -> ShownStatus {
    match job.status() {
        JobStatus::AwaitingApproval if job.order().unwrap().expires_at <= Some(now) => {
            ShownStatus::Expired
        }
        JobStatus::AwaitingApproval => ShownStatus::AwaitingApproval,
        JobStatus::Rejected => ShownStatus::Rejected,
        JobStatus::Running => ShownStatus::Running,
        JobStatus::Stopped => ShownStatus::Stopped,
        JobStatus::Finished => ShownStatus::Finished,
        JobStatus::Undoing => ShownStatus::Undoing,
        JobStatus::Undone => ShownStatus::Undone,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_and_their_lines_stand_as_their_streams_say() {
    let (pool, history) = followed(31, 6_000).await;
    let now = history.now();
    let all = jobs::page(&pool, now, None, None, MANY).await.unwrap().rows;
    assert!(all.is_sorted_by(|a, b| a.requested_position > b.requested_position));
    assert_eq!(all.len(), history.jobs().count());
    let (mut due, mut rests) = (jobs::due(&pool).await.unwrap().rows, 0);
    for (id, job) in history.jobs() {
        let shown = jobs::by_id(&pool, now, id).await.unwrap().rows.unwrap();
        assert!(all.contains(&shown));
        let order = job.order().unwrap();
        assert_eq!(shown.status, shown_status(job, now));
        assert_eq!((shown.maker, shown.expires_at), (order.maker, order.expires_at));
        assert_eq!(shown.segment, order.resolved.map(|resolved| resolved.segment));
        let paid = job.paid();
        assert_eq!((shown.paid_lines, shown.paid_gold), (u64::from(paid.lines), paid.gold));
        assert_eq!(shown.refused_lines + shown.paid_lines, job.receipts().len() as u64);
        assert_eq!(shown.taken_back, job.taken_back().gold);
        if job.status() == JobStatus::Undone {
            assert_eq!(shown.taken_back + shown.left_gold, shown.paid_gold);
            assert_eq!(shown.undone_lines, shown.paid_lines);
        }
        let is_due = matches!(job.status(), JobStatus::Running | JobStatus::Undoing);
        assert_eq!(due.contains(&id), is_due);
        due.retain(|it| *it != id);
        rests += lines_are_told(&pool, id, job).await;
    }
    assert_eq!((due, rests > 0), (vec![], true));
    for status in [ShownStatus::Finished, ShownStatus::Undone, ShownStatus::Expired] {
        let of_status = jobs::page(&pool, now, Some(status), None, MANY).await.unwrap().rows;
        assert!(!of_status.is_empty() && of_status.iter().all(|row| row.status == status));
    }
}

/// How many of a job's lines have a rest.
async fn lines_are_told(pool: &PgPool, id: JobId, job: &Job) -> usize {
    let wanted = job_lines::Wanted::default();
    let lines = job_lines::page(pool, id, wanted, 0, MANY).await.unwrap().rows;
    let told = lines.iter().map(|it| (it.user_id, it.gold));
    assert!(told.eq(job.lines().iter().map(|it| (it.player, it.gold.amount()))));
    for (index, line) in lines.iter().enumerate() {
        let receipt = job.receipts().get(index).copied();
        assert_eq!(line.receipt_code, receipt.flatten());
        assert_eq!(line.refusal.is_some(), receipt == Some(None));
        assert_eq!(line.taken_back.is_some(), index < job.undone_lines() && line.refusal.is_none());
        assert_eq!(line.rest, line.taken_back.map(|taken| line.gold - taken));
    }
    let rest = job_lines::Wanted { with_rest: true, ..wanted };
    let rest = job_lines::page(pool, id, rest, 0, MANY).await.unwrap().rows;
    assert!(rest.iter().all(|line| line.rest > Some(0)));
    assert_eq!(rest.len(), lines.iter().filter(|line| line.rest > Some(0)).count());
    let behind = job_lines::page(pool, id, wanted, 1, 2).await.unwrap().rows;
    assert!(behind.iter().eq(lines.iter().skip(1).take(2)));
    rest.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_is_who_has_what_it_says_and_no_role() {
    let (pool, history) = followed(33, 4_000).await;
    let standing = |player: i64| history.standings().find(|(id, _)| *id == player);
    let is_player = |player: i64| {
        standing(player).is_none_or(|(_, it)| {
            it.role().is_none_or(|role| role.as_str() == BuiltIn::Player.name())
        })
    };
    let rank = |player: i64| standing(player).map(|(_, it)| it.rank()).unwrap_or_default();
    let level = |account: &Account| domain::account::level(account.daily().xp());
    let everybody = Segment::default();
    let vips = Segment { rank: Some(Rank::Vip), ..everybody };
    let standard = Segment { rank: Some(Rank::Standard), ..everybody };
    let two = Segment { min_level: Some(2), max_level: Some(2), ..everybody };
    let points = Segment { min_vip_points: Some(50), ..everybody };
    type IsIn<'a> = &'a dyn Fn(i64, &Account) -> bool;
    let cases: [(Segment, IsIn<'_>); 5] = [
        (everybody, &|_, _| true),
        (vips, &|player, _| rank(player) == Rank::Vip),
        (standard, &|player, _| rank(player) == Rank::Standard),
        (two, &|_, account| level(account) == 2),
        (points, &|_, account| account.wallet().vip_points >= 50),
    ];
    for (segment, is_in) in cases {
        let found = segments::players(&pool, &segment, 1_000).await.unwrap().rows;
        let expected =
            history.accounts().filter(|(id, account)| is_player(*id) && is_in(*id, account));
        let expected: Vec<PlayerId> = expected.map(|(id, _)| PlayerId(id)).collect();
        assert_eq!(found, expected, "{segment:?}");
        let some = segments::players(&pool, &segment, 1).await.unwrap().rows;
        assert_eq!(some, expected.into_iter().take(1).collect::<Vec<_>>());
    }
    let asked = [PlayerId(1), PlayerId(888), PlayerId(2), PlayerId(777)];
    let unknown = segments::unknown(&pool, &asked).await.unwrap().rows;
    assert_eq!(unknown, [PlayerId(777), PlayerId(888)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn campaigns_stand_as_their_streams_say() {
    let (pool, history) = followed(28, 6_000).await;
    let all = campaigns::page(&pool, None, MANY).await.unwrap().rows;
    assert_eq!(all.len(), history.campaigns().count());
    assert!(all.is_sorted_by(|a, b| a.drawn_position > b.drawn_position));
    for (id, campaign) in history.campaigns() {
        let shown = campaigns::by_id(&pool, id).await.unwrap().rows.unwrap();
        assert_eq!((Some(&shown.terms), shown.status), (campaign.terms(), campaign.status()));
        assert_eq!(shown.starts_at, campaign.starts_at());
        let is_finished = campaign.status() == CampaignStatus::Finished;
        assert_eq!(
            (shown.finished_at.is_some(), shown.counts.is_some()),
            (is_finished, is_finished)
        );
        assert!(all.contains(&shown));
    }
    let now = history.now();
    let running = campaigns::running(&pool, now).await.unwrap();
    let told = history.campaigns().filter(|(_, campaign)| campaign.runs(now)).map(|(id, _)| id);
    assert_eq!(running, told.collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_and_promotions_are_what_their_streams_say() {
    let (pool, history) = followed(21, 4_000).await;
    let mut sold = 0;
    for (code, package) in history.packages() {
        let shown = packages::by_code(&pool, code).await.unwrap().rows.unwrap();
        assert_eq!(shown.reserved, package.stock().on_hold(), "{code}");
        assert_eq!(shown.sold, package.stock().used(), "{code}");
        assert_eq!(shown.left(), package.left(), "{code}");
        assert_eq!(shown.on_sale, package.terms().unwrap().on_sale, "{code}");
        sold += shown.sold;
    }
    assert!(sold > 20, "{sold}");
    assert_eq!(packages::list(&pool).await.unwrap().rows.len(), 3);
    let page = promos::page(&pool, None, 10).await.unwrap().rows;
    assert!(page.is_sorted_by(|a, b| a.defined_position > b.defined_position));
    for (code, promo) in history.promos() {
        let shown = promos::by_code(&pool, code).await.unwrap().rows.unwrap();
        assert_eq!((shown.held, shown.used), (promo.uses().on_hold(), promo.uses().used()));
        assert!(page.contains(&shown));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invites_are_what_their_streams_say() {
    let (pool, history) = followed(23, 4_000).await;
    let page = invites::page(&pool, None, 100).await.unwrap().rows;
    assert!(page.is_sorted_by(|a, b| a.created_position > b.created_position));
    let (mut made, mut used) = (0, 0);
    for (code, invite) in history.invites() {
        let Some((created_at, terms)) = invite.created() else { continue };
        let shown = page.iter().find(|shown| shown.code == code.as_str()).unwrap();
        assert_eq!((shown.created_at, shown.uses), (created_at, invite.uses()));
        let told = (shown.max_uses, shown.expires_at, shown.deactivated_at);
        assert_eq!(told, (terms.max_uses.map(u64::from), None, invite.deactivated_at()));
        (made, used) = (made + 1, used + shown.uses);
    }
    assert_eq!(page.len(), made);
    assert!(used > 3, "{used}");
    let next = invites::page(&pool, Some(page[0].created_position), 1).await.unwrap().rows;
    assert_eq!(next, page[1..2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn purchases_tell_what_was_given_back() {
    let (pool, history) = followed(22, 9_000).await;
    let mut seen = BTreeSet::new();
    for (player, sale) in history.sales() {
        let shown = purchases::by_receipt(&pool, sale.receipt_code).await.unwrap().rows.unwrap();
        let (_, account) = history.accounts().find(|(id, _)| id == player).unwrap();
        let back = shown.refunded_cents + shown.charged_back_cents;
        assert_eq!(back, account.refunded(sale).0);
        let under_way = account.refund_under_way(sale.receipt_code);
        assert_eq!(shown.refund_pending_cents, under_way.map_or(0, |(_, cents)| cents.0));
        let status = match (shown.charged_back_cents, back == shown.amount_cents) {
            (0, true) => Status::Refunded,
            (0, false) => Status::Completed,
            (_, _) => Status::ChargedBack,
        };
        assert_eq!((shown.status, shown.amount_cents), (status, sale.total_cents.0));
        let share = u128::from(shown.gold) * u128::from(back) / u128::from(shown.amount_cents);
        assert_eq!(u128::from(shown.gold_reversed), share);
        seen.insert((status.name(), back > 0, under_way.is_some()));
    }
    for state in [
        ("completed", false, false),
        ("completed", true, false),
        ("completed", true, true),
        ("refunded", true, false),
        ("charged_back", true, false),
    ] {
        assert!(seen.contains(&state), "{state:?} of {seen:?}");
    }
    let all = purchases::search(&pool, &Wanted::default(), None, MANY).await.unwrap().rows;
    let items = |status| {
        let of_kind = |row: &&Purchase| row.kind == Kind::Item && row.status == status;
        all.iter().filter(of_kind).cloned().collect::<Vec<_>>()
    };
    assert!(items(Status::Completed).iter().any(|row| row.gold_reversed > 0));
    assert!(items(Status::Refunded).iter().all(|row| row.gold_reversed == row.gold_spent));
    assert!(!items(Status::Refunded).is_empty());
    let late = all.iter().filter(|row| row.late_capture_cents > 0).collect::<Vec<_>>();
    assert!(!late.is_empty());
    assert!(late.iter().all(|row| matches!(row.status, Status::Failed | Status::Voided)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_staff_finds_purchases_by_what_it_knows() {
    let (pool, history) = followed(23, 3_000).await;
    let all = purchases::search(&pool, &Wanted::default(), None, MANY).await.unwrap().rows;
    assert!(all.is_sorted_by(|a, b| a.requested_position > b.requested_position));
    let middle = all[all.len() / 2].created_at;
    let package = "COMMON".parse().unwrap();
    let receipt = all[3].receipt_code.parse().unwrap();
    type Is = fn(&Purchase) -> bool;
    let cases: [(Wanted, Is); 6] = [
        (Wanted { status: Some(Status::Voided), ..Wanted::default() }, |row| {
            row.status == Status::Voided
        }),
        (Wanted { kind: Some(Kind::Item), ..Wanted::default() }, |row| row.kind == Kind::Item),
        (Wanted { player: Some(PlayerId(3)), ..Wanted::default() }, |row| {
            row.user_id == PlayerId(3)
        }),
        (Wanted { ware: Some(Ware::Package(package)), ..Wanted::default() }, |row| {
            row.package_code.as_deref() == Some("COMMON")
        }),
        (Wanted { ware: Some(Ware::Product(ProductId(1001))), ..Wanted::default() }, |row| {
            row.product_id == Some(1001)
        }),
        (Wanted { refund_pending: true, ..Wanted::default() }, |row| row.refund_pending_cents > 0),
    ];
    for (wanted, is_wanted) in cases {
        let found = purchases::search(&pool, &wanted, None, MANY).await.unwrap().rows;
        let expected: Vec<_> = all.iter().filter(|row| is_wanted(row)).cloned().collect();
        assert_eq!(found, expected, "{wanted:?}");
        assert!(!found.is_empty(), "{wanted:?}");
    }
    let one = Wanted { receipt: Some(receipt), ..Wanted::default() };
    assert_eq!(purchases::search(&pool, &one, None, 9).await.unwrap().rows, [all[3].clone()]);
    let early = Wanted { until: Some(middle), ..Wanted::default() };
    let late = Wanted { from: Some(middle), ..Wanted::default() };
    let early = purchases::search(&pool, &early, None, MANY).await.unwrap().rows;
    let late = purchases::search(&pool, &late, None, MANY).await.unwrap().rows;
    assert_eq!([late, early].concat(), all);
    let next = Some(all[9].requested_position);
    let page = purchases::search(&pool, &Wanted::default(), next, 5).await.unwrap().rows;
    assert_eq!(page, all[10..15]);

    let sums = purchases::sums(&pool, None, None).await.unwrap().rows;
    let sum = |of: fn(&purchases::DaySums) -> u64| sums.iter().map(of).sum::<u64>();
    assert_eq!(sum(|day| day.requested), all.len() as u64);
    let sold: u64 = history.sales().iter().map(|(_, sale)| sale.total_cents.0).sum();
    assert_eq!(sum(|day| day.amount_cents), sold);
    assert_eq!(
        sum(|day| day.refunded_cents),
        all.iter().map(|row| row.refunded_cents).sum::<u64>()
    );
    let day = all[0].created_at.date_naive();
    let today = purchases::sums(&pool, Some(day.and_time(Default::default()).and_utc()), None);
    let today = today.await.unwrap().rows;
    let of_today: Vec<_> = sums.iter().filter(|sums| sums.day == day).cloned().collect();
    assert_eq!(today, of_today);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_has_both_kinds_and_inventories_have_pages() {
    let (pool, history) = followed(24, 6_000).await;
    let all = catalog::all(&pool).await.unwrap().rows;
    assert_eq!(all.iter().map(|entry| entry.id().0).collect::<Vec<_>>(), [1001, 2001]);
    let packs = catalog::list(&pool).await.unwrap().rows;
    let benefits = catalog::benefits(&pool).await.unwrap().rows;
    assert_eq!((packs[0].id, benefits[0].id, packs.len(), benefits.len()), (1001, 2001, 1, 1));
    assert_eq!(benefits[0].valid_days, Some(1));
    let by_sku = catalog::by_sku(&pool, "charge_30_percent").await.unwrap().rows;
    assert_eq!(by_sku.as_ref(), all.get(1));
    let by_id = catalog::by_id(&pool, ProductId(1001)).await.unwrap().rows;
    assert_eq!(by_id.as_ref(), all.first());

    let player = PlayerId(2);
    let items = items::page(&pool, player, None, None, MANY).await.unwrap().rows;
    let mut paged = Vec::new();
    while paged.len() < items.len() {
        let before = paged.last().map(|item: &items::InventoryItem| item.ordinal);
        paged.extend(items::page(&pool, player, before, None, 3).await.unwrap().rows);
    }
    assert_eq!(paged, items);
    assert!(items.len() > 5, "{items:?}");
    let one = items::by_id(&pool, items[0].item_id).await.unwrap().rows;
    assert_eq!(one.as_ref(), items.first());
    let together = items::of_receipt(&pool, items[0].receipt_code).await.unwrap().rows;
    let same = |item: &&items::InventoryItem| item.receipt_code == items[0].receipt_code;
    assert_eq!(together, items.iter().rev().filter(same).cloned().collect::<Vec<_>>());

    let now = history.now();
    let due = items::due(&pool, now, MANY).await.unwrap().rows;
    assert!(due.iter().all(|item| item.status == ItemStatus::Purchased));
    assert!(due.is_sorted_by_key(|item| item.expires_at));
    let owned = history.accounts().flat_map(|(_, account)| items_of(account));
    let mut expected = BTreeSet::new();
    for id in owned {
        let item = items::by_id(&pool, id).await.unwrap().rows.unwrap();
        if item.expires_at.is_some_and(|end| end <= now) {
            expected.insert(id);
        }
    }
    assert_eq!(due.iter().map(|item| item.item_id).collect::<BTreeSet<_>>(), expected);
    assert!(!due.is_empty());
}
