//! The looks under way and the answers given, in this process.
//!
//! A cache, not the truth: all of it can be rebuilt from a call's arguments.
//! It holds one look for each measurement, so that a repeated call (the
//! controller acts on stale copies now and then) neither looks twice nor gets
//! another answer.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rollouts_plugin::{AnalysisRun, Measurement, Metric};
use tokio::task::AbortHandle;

use crate::schedule::{Begun, later};
use crate::words::cut;

/// Most measurements that are known at once. Two hundred at once are a large
/// cluster's; beyond this, those that wait for their first look wait longer.
pub const MAX_KNOWN: usize = 512;

/// How long an answer, or a look that nobody asks about, is kept: far longer
/// than the controller takes to repeat a call, and no longer than what was seen
/// still speaks for the canary.
const KEPT: Duration = Duration::from_secs(10 * 60);

/// Longest name that is kept in full: that of a Kubernetes object.
const MAX_NAME_BYTES: usize = 253;

/// Which measurement: Argo trims the list of measurements, so its index
/// repeats, but the number of finished ones only grows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The run's UID, or its namespace and name where it has none.
    pub run: String,
    /// The metric's name.
    pub metric: String,
    /// How many measurements were finished before this one.
    pub ordinal: u64,
}

impl Identity {
    /// The measurement that a call is about.
    pub fn of(run: &AnalysisRun, metric: &Metric) -> Self {
        let meta = &run.metadata;
        let finished = run.metric_result(&metric.name).map_or(0, |result| {
            u64::try_from(i64::from(result.count) + i64::from(result.error)).unwrap_or(0)
        });
        Self {
            run: if meta.uid.is_empty() {
                format!("{}/{}", meta.namespace, meta.name)
            } else {
                meta.uid.clone()
            },
            metric: short(&metric.name),
            ordinal: finished,
        }
    }
}

/// The name, or a stand-in for one that nobody would choose: the API server
/// bounds no metric's name, and hundreds of identities are kept.
fn short(name: &str) -> String {
    if name.len() <= MAX_NAME_BYTES {
        return name.to_owned();
    }
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    format!("{}#{:016x}", cut(name, MAX_NAME_BYTES), hasher.finish())
}

/// Where a look says how far it has come.
#[derive(Debug)]
pub struct Place<T> {
    /// When its turn came.
    pub turn: OnceLock<Timestamp>,
    /// What it saw.
    pub result: OnceLock<T>,
}

impl<T> Default for Place<T> {
    fn default() -> Self {
        Self {
            turn: OnceLock::new(),
            result: OnceLock::new(),
        }
    }
}

/// A look under way; dropping it ends it.
#[derive(Debug)]
pub struct UnderWay<T> {
    /// When it began, its wait for a turn included.
    begun: Timestamp,
    place: Arc<Place<T>>,
    task: AbortHandle,
}

impl<T> Drop for UnderWay<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is known of a measurement.
#[derive(Debug)]
pub enum Known<T> {
    /// Nothing.
    Nothing,
    /// A look is under way, or waits for its turn.
    Looking {
        /// When it began.
        begun: Begun,
    },
    /// A look has ended.
    Seen(T),
    /// The answer that was given last.
    Answered(Measurement),
}

#[derive(Debug)]
enum Entry<T> {
    Looking(UnderWay<T>),
    Answered {
        answer: Box<Measurement>,
        at: Timestamp,
    },
}

impl<T> Entry<T> {
    fn since(&self) -> Timestamp {
        match self {
            Self::Looking(look) => look.begun,
            Self::Answered { at, .. } => *at,
        }
    }

    fn is_kept(&self, now: Timestamp) -> bool {
        now < later(self.since(), KEPT)
    }
}

/// The looks under way and the answers given.
#[derive(Debug)]
pub struct Looks<T> {
    entries: Mutex<HashMap<Identity, Entry<T>>>,
}

impl<T> Default for Looks<T> {
    fn default() -> Self {
        Self {
            entries: Mutex::default(),
        }
    }
}

impl<T: Clone> Looks<T> {
    /// What is known of a measurement; what is too old is known no more.
    pub fn known(&self, id: &Identity, now: Timestamp) -> Known<T> {
        let mut entries = self.lock();
        if entries.get(id).is_some_and(|entry| !entry.is_kept(now)) {
            entries.remove(id);
        }
        match entries.get(id) {
            None => Known::Nothing,
            Some(Entry::Answered { answer, .. }) => Known::Answered((**answer).clone()),
            Some(Entry::Looking(look)) => match look.place.result.get() {
                Some(seen) => Known::Seen(seen.clone()),
                None => Known::Looking {
                    begun: Begun {
                        at: look.begun,
                        turn: look.place.turn.get().copied(),
                    },
                },
            },
        }
    }

    /// Starts a look, unless one is there or there is no room. `start` gets the
    /// look's place and returns its task.
    ///
    /// Returns whether a look of this measurement is under way now.
    pub fn start(
        &self,
        id: &Identity,
        now: Timestamp,
        start: impl FnOnce(Arc<Place<T>>) -> AbortHandle,
    ) -> bool {
        let mut entries = self.lock();
        if let Some(Entry::Looking(_)) = entries.get(id) {
            return true;
        }
        if !entries.contains_key(id) && !make_room(&mut entries, now) {
            return false;
        }
        let place = Arc::new(Place::default());
        let look = UnderWay {
            begun: now,
            task: start(Arc::clone(&place)),
            place,
        };
        entries.insert(id.clone(), Entry::Looking(look));
        true
    }

    /// Keeps the answer, in place of the look that it came from; what is still
    /// under way of that look ends.
    pub fn keep(&self, id: &Identity, now: Timestamp, answer: &Measurement) {
        let mut entries = self.lock();
        if entries.contains_key(id) || make_room(&mut entries, now) {
            let answer = Box::new(answer.clone());
            entries.insert(id.clone(), Entry::Answered { answer, at: now });
        }
    }

    /// Forgets all measurements of a metric before `id`, which can no longer be
    /// asked for.
    pub fn forget_before(&self, id: &Identity) {
        self.lock().retain(|known, _| {
            known.run != id.run || known.metric != id.metric || known.ordinal >= id.ordinal
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Identity, Entry<T>>> {
        // Nothing panics while it is held, and a cache has no broken state.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops what is too old, then (if there is still no room) the oldest answer.
/// A look under way is never dropped for another: its measurement would look
/// again at once.
fn make_room<T>(entries: &mut HashMap<Identity, Entry<T>>, now: Timestamp) -> bool {
    if entries.len() < MAX_KNOWN {
        return true;
    }
    entries.retain(|_, entry| entry.is_kept(now));
    if entries.len() < MAX_KNOWN {
        return true;
    }
    let oldest = entries
        .iter()
        .filter(|(_, entry)| matches!(entry, Entry::Answered { .. }))
        .min_by_key(|(_, entry)| entry.since())
        .map(|(id, _)| id.clone());
    oldest.is_some_and(|id| entries.remove(&id).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rollouts_plugin::MetricResult;

    fn id(run: &str, ordinal: u64) -> Identity {
        Identity {
            run: run.into(),
            metric: "m".into(),
            ordinal,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    /// A task that never ends by itself.
    fn endless() -> AbortHandle {
        tokio::spawn(std::future::pending::<()>()).abort_handle()
    }

    fn answer(message: &str) -> Measurement {
        Measurement {
            message: message.into(),
            ..Measurement::default()
        }
    }

    #[test]
    fn an_identity_is_run_metric_and_number_of_finished_measurements() {
        let mut run = AnalysisRun::default();
        run.metadata.namespace = "shop".into();
        run.metadata.name = "web-1".into();
        let metric = Metric {
            name: "m".into(),
            ..Metric::default()
        };
        assert_eq!(Identity::of(&run, &metric), id("shop/web-1", 0));
        run.metadata.uid = "u-1".into();
        run.status.metric_results.push(MetricResult {
            name: "m".into(),
            count: 12,
            error: 3,
            ..MetricResult::default()
        });
        assert_eq!(Identity::of(&run, &metric), id("u-1", 15));
    }

    #[test]
    fn a_name_of_any_length_makes_a_short_identity_of_its_own() {
        let of = |name: &str| {
            let metric = Metric {
                name: name.into(),
                ..Metric::default()
            };
            Identity::of(&AnalysisRun::default(), &metric).metric
        };
        let long = "é".repeat(1_000_000);
        assert_ne!(of(&long), of(&format!("{long}x")));
        assert_eq!(of(&long), of(&long));
        assert!(of(&long).len() <= MAX_NAME_BYTES + 17);
        assert_eq!(of(&"x".repeat(MAX_NAME_BYTES)).len(), MAX_NAME_BYTES);
    }

    #[tokio::test]
    async fn one_look_for_each_measurement() {
        let looks = Looks::<u32>::default();
        let mut started = 0;
        for _ in 0..3 {
            assert!(looks.start(&id("a", 0), at(0), |_| {
                started += 1;
                endless()
            }));
        }
        assert_eq!(started, 1);
        assert!(
            matches!(looks.known(&id("a", 0), at(3)), Known::Looking { begun } if begun.at == at(0) && begun.turn.is_none())
        );
        assert!(matches!(looks.known(&id("a", 1), at(3)), Known::Nothing));
    }

    #[tokio::test]
    async fn a_result_stays_until_it_is_answered_and_the_answer_after_it() {
        let looks = Looks::<u32>::default();
        let mut place = None;
        looks.start(&id("a", 0), at(0), |of_look| {
            place = Some(of_look);
            endless()
        });
        place.unwrap().result.set(7).unwrap();
        for _ in 0..2 {
            assert!(matches!(looks.known(&id("a", 0), at(3)), Known::Seen(7)));
        }
        looks.keep(&id("a", 0), at(1), &answer("done"));
        for _ in 0..2 {
            assert!(
                matches!(looks.known(&id("a", 0), at(3)), Known::Answered(m) if m.message == "done")
            );
        }
    }

    #[tokio::test]
    async fn a_look_that_is_answered_for_ends() {
        let looks = Looks::<u32>::default();
        let task = tokio::spawn(std::future::pending::<()>());
        looks.start(&id("a", 0), at(0), |_| task.abort_handle());
        looks.keep(&id("a", 0), at(1), &answer("terminated"));
        assert!(task.await.unwrap_err().is_cancelled());
    }

    #[tokio::test]
    async fn the_number_of_looks_is_limited() {
        let looks = Looks::<u32>::default();
        for n in 0..MAX_KNOWN as u64 {
            assert!(looks.start(&id("a", n), at(0), |_| endless()));
        }
        assert!(!looks.start(&id("b", 0), at(1), |_| endless()));
        // An answer makes room for a look; a look never does.
        looks.keep(&id("a", 5), at(1), &answer("old"));
        looks.keep(&id("a", 6), at(2), &answer("new"));
        assert!(looks.start(&id("b", 0), at(3), |_| endless()));
        assert!(matches!(looks.known(&id("a", 5), at(3)), Known::Nothing));
        assert!(matches!(
            looks.known(&id("a", 6), at(3)),
            Known::Answered(_)
        ));
        assert_eq!(looks.lock().len(), MAX_KNOWN);
    }

    #[tokio::test]
    async fn what_nobody_asks_for_is_dropped_in_time() {
        let looks = Looks::<u32>::default();
        for n in 0..MAX_KNOWN as u64 {
            looks.start(&id("a", n), at(0), |_| endless());
        }
        let too_old = 10 * 60;
        assert!(looks.start(&id("b", 0), at(too_old), |_| endless()));
        assert_eq!(looks.lock().len(), 1);
    }

    #[tokio::test]
    async fn an_old_look_speaks_for_the_canary_no_more() {
        let looks = Looks::<u32>::default();
        looks.start(&id("a", 0), at(0), |place| {
            place.result.set(7).unwrap();
            endless()
        });
        looks.keep(&id("a", 1), at(0), &answer("done"));
        let too_old = 10 * 60;
        assert!(matches!(
            looks.known(&id("a", 0), at(too_old - 1)),
            Known::Seen(7)
        ));
        for n in 0..2 {
            assert!(matches!(
                looks.known(&id("a", n), at(too_old)),
                Known::Nothing
            ));
        }
        assert!(looks.lock().is_empty());
    }

    #[tokio::test]
    async fn garbage_collection_forgets_what_came_before() {
        let looks = Looks::<u32>::default();
        for n in 0..3 {
            looks.keep(&id("a", n), at(0), &answer("a"));
            looks.keep(&id("b", n), at(0), &answer("b"));
        }
        looks.forget_before(&id("a", 2));
        assert!(matches!(looks.known(&id("a", 1), at(3)), Known::Nothing));
        assert!(matches!(
            looks.known(&id("a", 2), at(3)),
            Known::Answered(_)
        ));
        assert!(matches!(
            looks.known(&id("b", 0), at(3)),
            Known::Answered(_)
        ));
    }
}
