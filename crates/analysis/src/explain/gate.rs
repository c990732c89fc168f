//! Rate limits, shared by all measurements of the process.
//!
//! A provider that says "not before T" says it to all of us: one gate for each
//! model keeps every call until then, whichever measurement was told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout_at};

/// Calls to one model at once: more of them run into its limit together.
const MAX_CALLS: usize = 4;

/// Gates that are kept. Names of models come from templates; an operator has
/// a handful.
const MAX_GATES: usize = 64;

/// All gates.
#[derive(Debug, Default)]
pub(super) struct Gates {
    by_address: Mutex<HashMap<String, Arc<Gate>>>,
}

impl Gates {
    /// The gate of an address, which holds the model's name.
    pub(super) fn of(&self, address: &str) -> Arc<Gate> {
        let mut gates = self
            .by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(address) {
            return Arc::clone(gate);
        }
        if gates.len() >= MAX_GATES {
            // Only those that keep nobody waiting may be forgotten.
            let now = Instant::now();
            gates.retain(|_, gate| Arc::strong_count(gate) > 1 || gate.closed_until() > now);
        }
        if gates.len() >= MAX_GATES {
            // Too many are in use: what is new shares one.
            return Arc::clone(gates.entry(String::new()).or_default());
        }
        Arc::clone(gates.entry(address.to_owned()).or_default())
    }
}

/// The way to one model.
#[derive(Debug)]
pub(super) struct Gate {
    calls: Semaphore,
    closed_until: Mutex<Instant>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            calls: Semaphore::new(MAX_CALLS),
            closed_until: Mutex::new(Instant::now()),
        }
    }
}

/// The gate opens too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooLate {
    /// The provider said so.
    Closed,
    /// Too many calls are under way.
    Busy,
}

impl Gate {
    /// Waits until a call may be made. Gives up at once, not at the deadline,
    /// where it is known that the gate opens later.
    pub(super) async fn enter(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, TooLate> {
        loop {
            let open = self.closed_until();
            if open >= deadline {
                return Err(TooLate::Closed);
            }
            if open > Instant::now() {
                sleep_until(open).await;
                continue;
            }
            let permit = timeout_at(deadline, self.calls.acquire()).await;
            // The semaphore is never closed.
            let Ok(Ok(permit)) = permit else {
                return Err(TooLate::Busy);
            };
            // It may have been closed while we stood in the queue.
            if self.closed_until() <= Instant::now() {
                return Ok(permit);
            }
        }
    }

    /// Lets nobody through for this long.
    pub(super) fn close(&self, wait: Duration) {
        let mut closed_until = self.lock();
        *closed_until = (*closed_until).max(Instant::now() + wait);
    }

    fn closed_until(&self) -> Instant {
        *self.lock()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.closed_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_gate_keeps_everyone_until_it_opens() {
        let gates = Gates::default();
        let begun = Instant::now();
        gates.of("a").close(Duration::from_millis(17_500));
        // The longer wait counts.
        gates.of("a").close(Duration::from_secs(1));
        let gate = gates.of("a");
        let both = tokio::join!(gate.enter(after(60)), gate.enter(after(60)));
        assert!(both.0.is_ok() && both.1.is_ok());
        assert_eq!(begun.elapsed().as_millis(), 17_500);
        assert!(gates.of("b").enter(after(1)).await.is_ok(), "another model");
        assert_eq!(begun.elapsed().as_millis(), 17_500);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_what_comes_too_late() {
        let gate = Gate::default();
        gate.close(Duration::from_secs(30));
        let begun = Instant::now();
        assert_eq!(gate.enter(after(30)).await.err(), Some(TooLate::Closed));
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_at_once_are_limited() {
        let gate = Gate::default();
        let mut permits = Vec::new();
        for _ in 0..MAX_CALLS {
            permits.push(gate.enter(after(1)).await.unwrap());
        }
        let begun = Instant::now();
        assert_eq!(gate.enter(after(5)).await.err(), Some(TooLate::Busy));
        assert_eq!(begun.elapsed(), Duration::from_secs(5));
        permits.pop();
        assert!(gate.enter(after(1)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_stood_in_the_queue_while_it_closed_waits() {
        let gate = Gate::default();
        let mut permits = Vec::new();
        for _ in 0..MAX_CALLS {
            permits.push(gate.enter(after(1)).await.unwrap());
        }
        let begun = Instant::now();
        let (entered, ()) = tokio::join!(gate.enter(after(60)), async {
            gate.close(Duration::from_secs(9));
            permits.clear();
        });
        assert!(entered.is_ok());
        assert_eq!(begun.elapsed(), Duration::from_secs(9));
    }

    #[tokio::test(start_paused = true)]
    async fn names_without_end_make_no_gates_without_end() {
        let gates = Gates::default();
        gates.of("closed").close(Duration::from_secs(60));
        let held: Vec<_> = (0..200).map(|n| gates.of(&n.to_string())).collect();
        let kept = gates.by_address.lock().unwrap().len();
        assert!(kept <= MAX_GATES + 1, "{kept}");
        drop(held);
        gates.of("new");
        assert!(gates.by_address.lock().unwrap().len() <= 4);
        assert!(gates.of("closed").closed_until() > Instant::now());
    }
}
