//! A screen that writes down what it shows, whenever it is told that this is all up to a position; and
//! what is wrong with that, by the log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tests::live::{Change, Client, Counts, Door};
use tokio::sync::watch;

use super::topic::{Topic, Truth};

/// Sentences about one witness, at most: a fault that shows once shows often.
const SENTENCES: usize = 5;

/// Cuts of all witnesses, by what they were in the middle of.
#[derive(Debug, Default)]
pub struct Cuts {
    /// There was no `hello` yet.
    pub connecting: AtomicUsize,
    /// There was no `subscribed` yet.
    pub subscribing: AtomicUsize,
    /// Things were told.
    pub receiving: AtomicUsize,
}

impl Cuts {
    /// All of them.
    pub fn all(&self) -> usize {
        let each = [&self.connecting, &self.subscribing, &self.receiving];
        each.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

/// What is shown at a position, and how many messages there were until then that none stands for.
#[derive(Debug)]
struct Note<S> {
    position: u64,
    shown: S,
    told: usize,
}

/// What was seen from one state to the next.
#[derive(Debug)]
struct Stretch<S> {
    from: u64,
    notes: Vec<Note<S>>,
    told: Vec<(u64, &'static str)>,
}

/// Everything that a witness has seen.
pub struct Testimony<T: Topic> {
    shown: Option<T::Shown>,
    stretches: Vec<Stretch<T::Shown>>,
    /// What the client has counted.
    pub counts: Counts,
}

/// Listens until it has had a mark at the goal, once there is one.
pub async fn listen<T: Topic, D: Door>(
    mut client: Client<D>,
    cuts: Arc<Cuts>,
    goal: watch::Receiver<Option<u64>>,
) -> Testimony<T> {
    let mut testimony = Testimony::default();
    let mut stage = &cuts.connecting;
    loop {
        let change = client.next().await;
        match &change {
            Change::Connected { .. } => stage = &cuts.subscribing,
            Change::State { .. } | Change::Resumed { .. } => stage = &cuts.receiving,
            Change::Cut(_) => {
                stage.fetch_add(1, Ordering::Relaxed);
                stage = &cuts.connecting;
            }
            Change::Ended(_) | Change::Refused { .. } => panic!("{change:?}"),
            Change::Told { .. } | Change::Mark { .. } => {}
        }
        testimony.hear(&change);
        let until = *goal.borrow();
        if let (Change::Mark { position, .. }, Some(until)) = (&change, until)
            && *position >= until
        {
            testimony.counts = client.counts();
            client.leave().await;
            return testimony;
        }
    }
}

impl<T: Topic> Default for Testimony<T> {
    fn default() -> Self {
        Self { shown: None, stretches: vec![], counts: Counts::default() }
    }
}

impl<T: Topic> Testimony<T> {
    /// Writes down what a screen makes of a change.
    pub fn hear(&mut self, change: &Change) {
        match change {
            Change::State { position, state, .. } => {
                self.shown = Some(T::begin(state));
                let (from, notes, told) = (*position, vec![], vec![]);
                self.stretches.push(Stretch { from, notes, told });
                self.note(*position);
            }
            Change::Told { position, update, .. } => {
                T::take(self.shown.as_mut().expect("a state comes first"), update);
                let stretch = self.stretches.last_mut().unwrap();
                let counted = T::COUNTED.iter().find(|kind| **kind == update.kind());
                stretch.told.extend(counted.map(|kind| (*position, *kind)));
            }
            Change::Mark { position, .. } => self.note(*position),
            _ => {}
        }
    }

    fn note(&mut self, position: u64) {
        let shown = self.shown.clone().expect("a state comes first");
        let stretch = self.stretches.last_mut().unwrap();
        let told = stretch.told.iter().filter(|(_, kind)| !T::REPLACED.contains(kind)).count();
        stretch.notes.push(Note { position, shown, told });
    }

    /// How often it has written down what it shows.
    pub fn notes(&self) -> usize {
        self.stretches.iter().map(|stretch| stretch.notes.len()).sum()
    }

    /// How many messages it has counted.
    pub fn told(&self) -> usize {
        self.stretches.iter().map(|stretch| stretch.told.len()).sum()
    }

    /// Everything that is not as the log says, in sentences.
    pub fn against(&self, truth: &Truth<T::Shown>) -> Vec<String>
    where
        T::Shown: Default,
    {
        let mut wrong: Vec<String> =
            self.stretches.iter().flat_map(|stretch| stretch.against(truth, T::REPLACED)).collect();
        if self.counts.repeats > 0 {
            wrong.push(format!("{} messages had no right to come again", self.counts.repeats));
        }
        wrong.truncate(SENTENCES);
        wrong
    }
}

impl<S: Default + Clone + std::fmt::Debug + PartialEq> Stretch<S> {
    fn against(&self, truth: &Truth<S>, replaced: &[&str]) -> Vec<String> {
        let mut wrong = self.lost_or_twice(truth, replaced);
        for Note { position, shown, told } in &self.notes {
            let expected = truth.at(*position);
            if *shown != expected {
                wrong.push(format!("at {position} it shows {shown:?} and not {expected:?}"));
            }
            let all = truth.told(self.from, *position);
            let there_are = all.filter(|(_, kind)| !replaced.contains(kind)).count();
            if *told != there_are {
                let from = self.from;
                wrong.push(format!("{told} messages from {from} to {position}, not {there_are}"));
            }
        }
        wrong
    }

    /// After the last note, something may be missing still: there, the wire was cut.
    fn lost_or_twice(&self, truth: &Truth<S>, replaced: &[&str]) -> Vec<String> {
        let until = self.notes.last().map_or(self.from, |note| note.position);
        let mut times: BTreeMap<(u64, &str), i32> = BTreeMap::new();
        for told in self.told.iter().filter(|(position, _)| *position <= until) {
            *times.entry(*told).or_default() += 1;
        }
        for told in truth.told(self.from, until) {
            *times.entry(told).or_default() -= 1;
        }
        let has_newer = |(position, kind): (u64, &str)| {
            let is_newer = |told: &&(u64, &str)| told.1 == kind && told.0 > position;
            replaced.contains(&kind) && self.told.iter().any(|told| is_newer(&told))
        };
        let wrong =
            times.into_iter().filter(|(told, more)| *more > 0 || *more < 0 && !has_newer(*told));
        let sentence = |((position, kind), more)| {
            let what = if more < 0 { "lost" } else { "told twice" };
            format!("{kind} at {position} was {what}")
        };
        wrong.map(sentence).collect()
    }
}
