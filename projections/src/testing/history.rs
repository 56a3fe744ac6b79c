//! Random commands to all families, decided by the domain itself: lawful, but nothing is left out.

mod approvals;
mod campaigns;
mod erasures;
mod invites;
mod jobs;
mod play;
mod shop;

use std::collections::BTreeMap;
use std::fmt::Display;

use chrono::{DateTime, TimeDelta, Utc};
use domain::account::{Account, AccountCommand, FraudRule, Sale};
use domain::aggregate::Aggregate;
use domain::announcement::Announcements;
use domain::approval::Approval;
use domain::audit::{Audit, AuditEvent, Note};
use domain::campaign::Campaign;
use domain::event::Actor;
use domain::id::{
    ApprovalId, CampaignId, EnrolmentId, InviteCode, ItemId, JobId, PackageCode, PlayerId,
    ProductId, PromoCode, ReceiptCode, SessionId,
};
use domain::identity::{Identity, IdentityCommand};
use domain::invite::{Invite, InviteCommand, InviteTerms};
use domain::job::Job;
use domain::money::{Cents, Currency, Gold, Percent, SpendOrder};
use domain::offer::{Offer, Rank};
use domain::package::{Package, PackageCommand, PackageTerms};
use domain::product::{BenefitTerms, PackTerms, Product, ProductCommand, Terms};
use domain::promo::{Promo, PromoCommand, PromoOff, PromoTerms};
use domain::role::{BuiltIn, Permission, Permissions, Role, RoleCommand};
use domain::stored::StoredEvent;
use domain::testing::{at, small_pack};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{metadata, stored};

/// See the module.
pub(crate) struct History {
    random: StdRng,
    /// Of its own, so that whoever comes in how does not change what happens then.
    random_invites: StdRng,
    /// Of its own, too.
    random_jobs: StdRng,
    /// And of its own.
    random_staff: StdRng,
    /// Who of the staff is at work: what happens meanwhile is their doing.
    at_work: Option<PlayerId>,
    /// Guests who have come and gone.
    guests: i64,
    pub(crate) players: i64,
    accounts: BTreeMap<i64, Stream<Account>>,
    identities: BTreeMap<i64, Stream<Identity>>,
    audits: BTreeMap<i64, Stream<Audit>>,
    pack: Stream<Product>,
    benefit: Stream<Product>,
    packages: BTreeMap<PackageCode, Stream<Package>>,
    promos: BTreeMap<PromoCode, Stream<Promo>>,
    invites: BTreeMap<InviteCode, Stream<Invite>>,
    approvals: BTreeMap<ApprovalId, Stream<Approval>>,
    jobs: BTreeMap<JobId, Stream<Job>>,
    campaigns: BTreeMap<CampaignId, Stream<Campaign>>,
    announcements: Stream<Announcements>,
    offers: BTreeMap<ReceiptCode, Offer>,
    sales: Vec<(i64, Sale)>,
    unpaid: Vec<(i64, ReceiptCode)>,
    items: Vec<(i64, ItemId)>,
    play: play::Play,
    codes: u64,
    second: i64,
    /// Events in the batches so far: they stand alone in their log.
    told: u64,
}

#[derive(Default)]
struct Stream<A> {
    state: A,
    sequence: u64,
}

impl<A: Aggregate> Stream<A> {
    /// Decides, remembers and writes; answers whether anything has happened.
    fn ask(&mut self, id: impl Display, command: &A::Command, out: &mut Vec<StoredEvent>) -> bool {
        let events = self.state.decide(command).unwrap_or_default();
        self.tell(id, &events, out);
        !events.is_empty()
    }

    fn tell(&mut self, id: impl Display, events: &[A::Event], out: &mut Vec<StoredEvent>) {
        let id = id.to_string();
        for event in events {
            self.state.evolve(event);
            self.sequence += 1;
            out.push(stored(A::TYPE, &id, self.sequence, event));
        }
    }
}

const PACK: ProductId = ProductId(1001);
const BENEFIT: ProductId = ProductId(2001);
/// A role of the club's own.
const SHIFT_LEAD: &str = "shift_lead";

impl History {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            random_invites: StdRng::seed_from_u64(seed),
            random_jobs: StdRng::seed_from_u64(seed),
            random_staff: StdRng::seed_from_u64(seed),
            at_work: None,
            guests: 0,
            players: 20,
            accounts: BTreeMap::new(),
            identities: BTreeMap::new(),
            audits: BTreeMap::new(),
            pack: Stream::default(),
            benefit: Stream::default(),
            packages: BTreeMap::new(),
            promos: BTreeMap::new(),
            invites: BTreeMap::new(),
            approvals: BTreeMap::new(),
            jobs: BTreeMap::new(),
            campaigns: BTreeMap::new(),
            announcements: Stream::default(),
            offers: BTreeMap::new(),
            sales: Vec::new(),
            unpaid: Vec::new(),
            items: Vec::new(),
            play: play::Play::default(),
            codes: 0,
            second: 0,
            told: 0,
        }
    }

    pub(crate) fn batch(&mut self, events: usize) -> Vec<StoredEvent> {
        let mut batch = Vec::with_capacity(events + 16);
        while batch.len() < events {
            let before = batch.len();
            self.step(&mut batch);
            self.see_deeds(self.told + before as u64, &batch[before..]);
            if self.random.random_ratio(1, 3) {
                self.count_deeds(&mut batch);
            }
        }
        self.told += batch.len() as u64;
        batch.iter_mut().for_each(|event| self.done_by_staff(event));
        batch
    }

    /// Members of the staff come and go, and do what happens while they are there.
    fn done_by_staff(&mut self, event: &mut StoredEvent) {
        if self.random_staff.random_ratio(1, 12) {
            let who = self.random_staff.random_range(-4..3);
            self.at_work = (who > 0).then_some(PlayerId(who));
        }
        if let Some(who) = self.at_work {
            event.metadata = metadata(Actor::Admin(who), None).into();
        }
    }

    /// Each account there is.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = (i64, &Account)> {
        self.accounts.iter().map(|(player, stream)| (*player, &stream.state))
    }

    /// The standing of each player to whom the staff has ever done anything.
    pub(crate) fn standings(&self) -> impl Iterator<Item = (i64, &Identity)> {
        self.identities.iter().map(|(player, stream)| (*player, &stream.state))
    }

    /// Each package.
    pub(crate) fn packages(&self) -> impl Iterator<Item = (PackageCode, &Package)> {
        self.packages.iter().map(|(code, stream)| (*code, &stream.state))
    }

    /// Each promotion.
    pub(crate) fn promos(&self) -> impl Iterator<Item = (PromoCode, &Promo)> {
        self.promos.iter().map(|(code, stream)| (*code, &stream.state))
    }

    /// Each invite.
    pub(crate) fn invites(&self) -> impl Iterator<Item = (InviteCode, &Invite)> {
        self.invites.iter().map(|(code, stream)| (*code, &stream.state))
    }

    /// Each completed purchase for real money, and whose it is.
    pub(crate) fn sales(&self) -> &[(i64, Sale)] {
        &self.sales
    }

    fn step(&mut self, out: &mut Vec<StoredEvent>) {
        // Now and then half a day goes by.
        self.second += if self.random.random_ratio(1, 60) { 43_200 } else { 1 };
        if self.pack.sequence == 0 {
            return self.define(out);
        }
        self.run_invites(out);
        self.run_jobs(out);
        self.run_campaigns(out);
        self.come_and_go(out);
        let player = self.random.random_range(1..=self.players);
        if !self.accounts.contains_key(&player) {
            return self.sign_up(player, out);
        }
        match self.random.random_range(0..55) {
            0..7 => self.grant(player, out),
            7..16 => self.spend(player, out),
            16..24 => self.request(player, out),
            24..30 => self.end(player, out),
            30..33 => self.give_back(out),
            33..35 => self.buy_benefit(player, out),
            35..37 => self.end_item(out),
            37 => self.protect(player, out),
            38..40 => self.claim(player, out),
            40 => self.change_standing(player, out),
            41 => self.revise(out),
            42 => self.four_eyes(player, out),
            _ => self.play(player, out),
        }
    }

    fn note(&mut self, player: i64, out: &mut Vec<StoredEvent>) {
        let at = self.now();
        let event = if self.random.random_bool(0.3) {
            AuditEvent::PersonalDataSeen { at, player: PlayerId(player) }
        } else if self.random.random_bool(0.3) {
            AuditEvent::MailResent { at, mail: 1, player: PlayerId(player) }
        } else {
            let [method, path, code] =
                ["POST", "/api/admin/grants", "FORBIDDEN"].map(str::to_owned);
            AuditEvent::AttemptRefused { at, method, path, code }
        };
        self.audits.entry(player).or_default().ask(player, &Note(event), out);
    }

    fn change_standing(&mut self, player: i64, out: &mut Vec<StoredEvent>) {
        let (at, some) = (self.now(), self.random.random_bool(0.5));
        let role = if some { SHIFT_LEAD } else { BuiltIn::Player.name() };
        let session = SessionId::from_bits(self.random.random_range(0..3));
        if self.random.random_ratio(1, 9) {
            return self.note(player, out);
        }
        let change = match self.random.random_range(0..13) {
            0..3 => {
                let rank = if some { Rank::Vip } else { Rank::Standard };
                IdentityCommand::ChangeRank { at, rank }
            }
            3 => IdentityCommand::GiveRole { at, role: role.parse().unwrap() },
            4 => IdentityCommand::Ban { at, until: some.then(|| at + TimeDelta::seconds(30)) },
            5 => IdentityCommand::Unban { at },
            6 => IdentityCommand::EndSessions { at, but: some.then_some(session) },
            7 => {
                let enrolment = EnrolmentId(self.random.random_range(1..3));
                IdentityCommand::EnrolTotp { at, enrolment, but: session }
            }
            8 => IdentityCommand::RemoveTotp { at, only: None, but: some.then_some(session) },
            9 => IdentityCommand::ChangeProfile { at },
            10 => IdentityCommand::SuppressMail { at },
            11 => IdentityCommand::AllowMail { at },
            _ => IdentityCommand::EndSession { at, session },
        };
        self.identities.entry(player).or_default().ask(player, &change, out);
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        at(self.second)
    }

    fn code(&mut self) -> ReceiptCode {
        self.codes += 1;
        ReceiptCode::from_bits(self.codes)
    }

    fn ask(&mut self, player: i64, command: &AccountCommand, out: &mut Vec<StoredEvent>) -> bool {
        self.accounts.entry(player).or_default().ask(player, command, out)
    }

    /// One of so many, if there are any: mostly one of the latest, with which something can still
    /// be done.
    fn one_of(&mut self, count: usize) -> Option<usize> {
        let last = count.checked_sub(1)?;
        let first = if self.random.random_bool(0.7) { count.saturating_sub(12) } else { 0 };
        Some(self.random.random_range(first..=last))
    }

    fn grant(&mut self, player: i64, out: &mut Vec<StoredEvent>) {
        let (at, receipt_code) = (self.now(), self.code());
        let command = if self.random.random_ratio(1, 4) {
            let vip_points = self.random.random_range(1..100);
            AccountCommand::GrantVipPoints { at, receipt_code, vip_points }
        } else {
            let gold = gold(self.random.random_range(1..800));
            AccountCommand::GrantGold { at, receipt_code, gold }
        };
        self.ask(player, &command, out);
    }

    fn spend(&mut self, player: i64, out: &mut Vec<StoredEvent>) {
        let order = self.order();
        let gold = gold(self.random.random_range(1..1_500));
        let reference = "\"game\"\\한".into();
        self.ask(player, &AccountCommand::Spend { at: self.now(), reference, gold, order }, out);
    }

    fn order(&mut self) -> SpendOrder {
        match self.random.random_bool(0.5) {
            true => SpendOrder::FreeFirst,
            false => SpendOrder::PaidFirst,
        }
    }

    fn protect(&mut self, player: i64, out: &mut Vec<StoredEvent>) {
        let at = self.now();
        let until = at + TimeDelta::seconds(20);
        let command = match self.random.random_range(0..4) {
            0 => AccountCommand::BlockPurchases { at, rule: FraudRule::TooManyCards, until },
            1 => AccountCommand::SetSpendLimit { at, monthly_cents: Some(Cents(1_000_000)) },
            2 => AccountCommand::CoolOff { at, until },
            _ => AccountCommand::ExcludeSelf { at, until: Some(until) },
        };
        self.ask(player, &command, out);
    }

    fn claim(&mut self, player: i64, out: &mut Vec<StoredEvent>) {
        let at = self.now();
        let command = match self.random.random_range(0..5) {
            0..2 => AccountCommand::ClaimVip { at },
            2..4 => AccountCommand::ClaimStreak { at, grace_days: 0 },
            _ => AccountCommand::ClaimStreak { at, grace_days: 3 },
        };
        self.ask(player, &command, out);
    }

    fn define(&mut self, out: &mut Vec<StoredEvent>) {
        let at = self.now();
        let terms = Terms::Pack(small_pack());
        self.pack.ask(PACK, &ProductCommand::Define { at, terms }, out);
        let terms = Terms::Benefit(benefit());
        self.benefit.ask(BENEFIT, &ProductCommand::Define { at, terms }, out);
        let permissions = Permissions::of(&[Permission::SeePlayers, Permission::Ban]);
        let role = RoleCommand::Define { at, permissions, versions: None };
        Stream::<Role>::default().ask(SHIFT_LEAD, &role, out);
        self.define_play(out);
        for (code, stock_total) in [("RARE", Some(60)), ("COMMON", Some(100_000)), ("ANY", None)] {
            let (code, terms) = (code.parse().unwrap(), package(at, stock_total));
            let package = self.packages.entry(code).or_default();
            package.ask(code, &PackageCommand::Define { at, terms }, out);
        }
        let ten = PromoOff::Percent(Percent::new(10).unwrap());
        for (code, off, max_uses) in
            [("TEN", ten, Some(50)), ("LESS", PromoOff::Cents(Cents(100)), None)]
        {
            let (code, terms) = (code.parse().unwrap(), promo(off, max_uses));
            let promo = self.promos.entry(code).or_default();
            promo.ask(code, &PromoCommand::Define { at, terms }, out);
        }
        for code in ["HALL-0", "HALL-1", "HALL-2", "HALL-3", "HALL-4", "HALL-5"] {
            let (code, terms) = (code.parse().unwrap(), InviteTerms::default());
            let invite = self.invites.entry(code).or_default();
            invite.ask(code, &InviteCommand::Create { at, terms }, out);
        }
    }

    fn revise(&mut self, out: &mut Vec<StoredEvent>) {
        let at = self.now();
        let on_sale = self.random.random_bool(0.8);
        match self.random.random_range(0..4) {
            0 => {
                let gold = gold(self.random.random_range(1..500));
                let terms = Terms::Pack(PackTerms { gold, ..small_pack() });
                self.pack.ask(PACK, &ProductCommand::Revise { at, terms }, out);
            }
            1 => {
                let price = gold(self.random.random_range(1..300));
                let terms = Terms::Benefit(BenefitTerms { price, ..benefit() });
                self.benefit.ask(BENEFIT, &ProductCommand::Revise { at, terms }, out);
            }
            _ => {
                let index = self.random.random_range(0..self.packages.len());
                let Some(code) = self.packages.keys().nth(index).copied() else { return };
                let put = PackageCommand::PutOnSale { at, on_sale };
                self.packages.entry(code).or_default().ask(code, &put, out);
            }
        }
    }
}

fn gold(amount: u64) -> Gold {
    Gold::new(amount).unwrap()
}

fn benefit() -> BenefitTerms {
    BenefitTerms {
        sku: "charge_30_percent".into(),
        name: "30 % 충전".into(),
        name_en: "Charge 30 percent".into(),
        price: gold(150),
        user_limit: None,
        valid_days: Some(1),
        min_rank: Rank::Standard,
        on_sale: true,
    }
}

fn package(at: DateTime<Utc>, stock_total: Option<u32>) -> PackageTerms {
    PackageTerms {
        name: "주말 스타터".into(),
        name_en: "Weekend starter".into(),
        price_cents: Cents(499),
        currency: Currency::USD,
        gold: gold(601),
        stock_total,
        user_limit: None,
        starts_at: at,
        ends_at: at + TimeDelta::days(100_000),
        on_sale: true,
    }
}

fn promo(off: PromoOff, max_uses: Option<u32>) -> PromoTerms {
    PromoTerms { package: None, off, max_uses, user_limit: None, starts_at: None, ends_at: None }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// Every event there is has a stored shape in the domain's fixtures.
    fn event_types() -> BTreeSet<String> {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../domain/fixtures");
        let files = std::fs::read_dir(fixtures).unwrap().map(|file| file.unwrap().path());
        let shapes = files.filter(|path| path.extension().is_some_and(|end| end == "jsonl"));
        let mut types = BTreeSet::new();
        for line in shapes.flat_map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        }) {
            let shape: serde_json::Value = serde_json::from_str(&line).unwrap();
            types.insert(shape["event_type"].as_str().unwrap().to_owned());
        }
        types
    }

    #[test]
    fn a_history_leaves_nothing_out() {
        let told = History::new(6).batch(60_000);
        let types: BTreeSet<String> =
            told.iter().map(|event| event.event_type.to_string()).collect();
        assert_eq!(types, event_types());
        // Not even what is rare: debts, their repayment by an item's price, and by given gold.
        for (event_type, sign) in [
            ("purchase_refunded", "\"debt\":{\"paid\":"),
            ("purchase_charged_back", "\"debt\":{\"paid\":"),
            ("gold_granted", "\"debt\":{\"paid\":0,\"free\":"),
            ("item_refunded", "\"debt\":{\"paid\":"),
            ("purchase_completed", "\"debt\":{\"paid\":"),
        ] {
            let is_told = |event: &&StoredEvent| {
                event.event_type == event_type && event.payload.contains(sign)
            };
            assert!(told.iter().any(|event| is_told(&event)), "{event_type} with {sign}");
        }
    }
}
