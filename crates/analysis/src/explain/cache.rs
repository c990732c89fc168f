//! What models said of a prompt, kept by its hash: a repeated look at the same
//! evidence costs no call, and equal questions at once share one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::opinion::{Missing, MissingKind, View};

/// Answers that are kept. A canary in progress has one for each model; each
/// has at most 4 KiB.
const MAX_ENTRIES: usize = 512;

/// How long an answer is kept: longer than a measurement lasts, short enough
/// that a model that was mended is heard the same day.
const MAX_AGE: Duration = Duration::from_secs(3_600);

/// Hash of the model, its address and the prompt.
pub(super) type Key = [u8; 32];

#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: Mutex<HashMap<Key, Arc<Entry>>>,
}

#[derive(Debug)]
struct Entry {
    /// Held while a call is under way.
    answer: tokio::sync::Mutex<Option<Kept>>,
    begun: Instant,
}

#[derive(Clone, Debug)]
struct Kept {
    at: Instant,
    answer: Result<View, Missing>,
}

impl Cache {
    /// The answer that is there, else what `ask` gives. Whoever comes while it
    /// is under way waits for it; if it is dropped, the next one asks.
    pub(super) async fn get(
        &self,
        key: Key,
        deadline: Instant,
        ask: impl Future<Output = Result<View, Missing>>,
    ) -> Result<View, Missing> {
        let entry = self.entry(key);
        let came = Instant::now();
        let Ok(mut answer) = timeout_at(deadline, entry.answer.lock()).await else {
            return Err(Missing {
                kind: MissingKind::TimedOut,
                why: "no answer in time".to_owned(),
            });
        };
        if let Some(kept) = answer.as_ref()
            && kept.serves(came)
        {
            return kept.answer.clone();
        }
        let given = ask.await;
        *answer = Some(Kept {
            at: Instant::now(),
            answer: given.clone(),
        });
        given
    }

    fn entry(&self, key: Key) -> Arc<Entry> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_old = |entry: &Entry| now.duration_since(entry.begun) >= MAX_AGE;
        if let Some(entry) = entries.get(&key).filter(|entry| !is_old(entry)) {
            return Arc::clone(entry);
        }
        if entries.len() >= MAX_ENTRIES {
            entries.retain(|_, entry| !is_old(entry));
        }
        if entries.len() >= MAX_ENTRIES
            && let Some(oldest) = entries
                .iter()
                .min_by_key(|(_, entry)| entry.begun)
                .map(|(key, _)| *key)
        {
            entries.remove(&oldest);
        }
        let entry = Arc::new(Entry {
            answer: tokio::sync::Mutex::default(),
            begun: now,
        });
        entries.insert(key, Arc::clone(&entry));
        entry
    }
}

impl Kept {
    /// Whether it answers whoever came then. What went wrong is shared with
    /// those that waited for it and asked of nobody else, as long as it was
    /// not the caller's own time or budget.
    fn serves(&self, came: Instant) -> bool {
        match &self.answer {
            Ok(_) => true,
            Err(missing) => {
                let is_callers_own = matches!(
                    missing.kind,
                    MissingKind::BudgetSpent | MissingKind::TimedOut | MissingKind::RateLimited
                );
                came < self.at && !is_callers_own
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::time::sleep;

    use super::*;

    fn view() -> View {
        View {
            promote: true,
            confidence: 80,
            analysis: String::new(),
            root_cause: String::new(),
            remediation: String::new(),
            cited: Vec::new(),
        }
    }

    fn missing(kind: MissingKind) -> Result<View, Missing> {
        Err(Missing {
            kind,
            why: String::new(),
        })
    }

    #[derive(Default)]
    struct Model {
        cache: Cache,
        calls: AtomicU32,
    }

    impl Model {
        async fn ask(&self, key: u8, says: Result<View, Missing>) -> Result<View, Missing> {
            let deadline = Instant::now() + Duration::from_secs(60);
            let call = async {
                self.calls.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_secs(1)).await;
                says
            };
            self.cache.get([key; 32], deadline, call).await
        }

        fn calls(&self) -> u32 {
            self.calls.load(Ordering::Relaxed)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_question_costs_one_call_for_an_hour() {
        let model = Model::default();
        let both = tokio::join!(model.ask(1, Ok(view())), model.ask(1, Ok(view())));
        assert_eq!(both, (Ok(view()), Ok(view())));
        model.ask(1, missing(MissingKind::Retired)).await.unwrap();
        assert_eq!(model.calls(), 1);
        model.ask(2, Ok(view())).await.unwrap();
        assert_eq!(model.calls(), 2, "another question");
        tokio::time::advance(MAX_AGE).await;
        model.ask(1, Ok(view())).await.unwrap();
        assert_eq!(model.calls(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn trouble_is_shared_by_those_who_waited_and_not_kept() {
        let model = Model::default();
        let gone = || missing(MissingKind::Retired);
        let both = tokio::join!(model.ask(1, gone()), model.ask(1, Ok(view())));
        assert_eq!(both, (gone(), gone()));
        assert_eq!(model.calls(), 1);
        assert_eq!(model.ask(1, Ok(view())).await, Ok(view()));
        assert_eq!(model.calls(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_shares_the_budget_of_another() {
        let model = Model::default();
        let broke = missing(MissingKind::BudgetSpent);
        let both = tokio::join!(model.ask(1, broke.clone()), model.ask(1, Ok(view())));
        assert_eq!(both, (broke, Ok(view())));
    }

    #[tokio::test(start_paused = true)]
    async fn when_the_one_who_asks_is_dropped_the_next_one_asks() {
        let model = Model::default();
        let half = Duration::from_millis(500);
        let (dropped, answered) = tokio::join!(
            tokio::time::timeout(half, model.ask(1, Ok(view()))),
            model.ask(1, Ok(view()))
        );
        assert!(dropped.is_err());
        assert_eq!(answered, Ok(view()));
        assert_eq!(model.calls(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_past_the_deadline_for_another() {
        let cache = Cache::default();
        let begun = Instant::now();
        let soon = begun + Duration::from_secs(3);
        let hang = std::future::pending();
        let later = begun + Duration::from_secs(30);
        let first = timeout_at(later, cache.get([1; 32], later, hang));
        let second = cache.get([1; 32], soon, async { Ok(view()) });
        let (_, second) = tokio::join!(first, async {
            let second = second.await;
            (second, begun.elapsed())
        });
        assert_eq!(second.0.unwrap_err().kind, MissingKind::TimedOut);
        assert_eq!(second.1, Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn answers_are_bounded() {
        let cache = Cache::default();
        for n in 0..2_000_u32 {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&n.to_le_bytes());
            let soon = Instant::now() + Duration::from_secs(1);
            cache.get(key, soon, async { Ok(view()) }).await.unwrap();
        }
        assert_eq!(cache.entries.lock().unwrap().len(), MAX_ENTRIES);
    }
}
