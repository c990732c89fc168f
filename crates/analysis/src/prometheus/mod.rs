//! Metric samples of both arms from a Prometheus (or what speaks its API).
//!
//! ```text
//! template's queries ─► queries (checked)  ─┐
//! operator's access  ─► who gets what       ├─► fetch (I/O) ─► answer (pure) ─► samples, left out
//! the look's window  ─► range (when to ask) ─┘
//! ```
//!
//! Metrics are evidence beside the logs: they can hold a canary back or abort
//! it, and promote nothing. So whatever goes wrong here is left out of the
//! evidence with the mend in words, and fails no look.
//!
//! Who writes a template names the address and the queries. What he may not
//! choose is where the operator's credential goes, what is appended to the
//! address, and whether a redirect is followed; and of an answer he sees
//! numbers and our own words, never its text.

mod access;
mod answer;
mod fetch;
mod queries;
mod range;
mod trouble;

use std::sync::Arc;

use futures::future::join_all;
use judge::Arm;
use judge::evidence::{LeftOut, MetricSamples, Window};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::request::Gathered;
use answer::Answered;
use trouble::Trouble;

pub use access::{Access, Credential, Limits, PARALLEL_QUERIES, Reach};
pub use queries::{
    Address, MAX_ADDRESS_BYTES, MAX_NAME_BYTES, MAX_PAIRS, MAX_QUERY_BYTES, MAX_UNIT_BYTES, Pair,
    Queries, QueriesError,
};
pub use range::{DEFAULT_INTERVAL, MAX_INTERVAL, MIN_INTERVAL};

/// Queries that a warning names; it counts the rest.
const MAX_WARNED: usize = 5;

/// The way to metrics, as the operator opened it.
///
/// One process should have one: its limit on parallel queries holds for all
/// looks that share it, and clones share it. Making one is free.
#[derive(Clone, Debug)]
pub struct Prometheus {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    access: Access,
    turns: Semaphore,
}

/// What asking for metrics gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// Stable's samples, in the order of the pairs; a pair without any is not
    /// there.
    pub stable: Vec<MetricSamples>,
    /// The canary's.
    pub canary: Vec<MetricSamples>,
    /// What could not be had, each with why and the mend.
    pub left_out: Vec<LeftOut>,
}

impl Prometheus {
    /// Metrics that will be asked for in this way.
    #[must_use]
    pub fn new(access: Access) -> Self {
        Self {
            shared: Arc::new(Shared {
                access,
                turns: Semaphore::new(PARALLEL_QUERIES),
            }),
        }
    }

    /// Asks each query of both arms over the window: does I/O. Never fails: what
    /// could not be had is in [`Samples::left_out`].
    ///
    /// Nothing is asked while the window has no start, since there is no canary
    /// yet. Dropping the future ends all requests.
    pub async fn gather(&self, queries: &Queries, window: Window) -> Samples {
        let limits = self.shared.access.limits;
        let deadline = Instant::now() + limits.all_time;
        // The look's own turns come first, so that a look with many queries
        // cannot queue up in front of all others.
        let own = &Semaphore::new(limits.parallel.max(1));
        let (Some(start_ms), Some(end_ms)) = (window.start_ms, window.end_ms) else {
            return Samples::default();
        };
        let asked = queries.pairs().iter().flat_map(|pair| {
            let range = range::Range::new(start_ms, end_ms, pair.step_ms(queries, window));
            [(Arm::Stable, &pair.stable), (Arm::Canary, &pair.canary)].map(|(arm, query)| {
                let one = async move {
                    let range = range.ok_or(Trouble::TooEarly)?;
                    let _own = own.acquire().await;
                    let _process = self.shared.turns.acquire().await;
                    fetch::ask(&self.shared.access, queries.address(), query, range).await
                };
                async move {
                    let outcome = timeout_at(deadline, one).await;
                    let late = Trouble::NotInTime(limits.all_time);
                    (pair, arm, outcome.unwrap_or(Err(late)))
                }
            })
        });
        let mut samples = Samples::default();
        let mut failed = Vec::new();
        for (pair, arm, outcome) in join_all(asked).await {
            if let Err(trouble) = &outcome
                && trouble.is_failure()
            {
                failed.push(format!("{}: {trouble}", pair.name));
            }
            samples.take(pair, arm, outcome);
        }
        if !failed.is_empty() {
            let (queries, first) = (failed.len(), &failed[..failed.len().min(MAX_WARNED)]);
            tracing::warn!(queries, left_out = %first.join("; "), "failed to fetch metrics");
        }
        samples
    }

    /// Adds the metrics of the same window to what was gathered.
    pub(crate) async fn add_to(&self, gathered: &mut Gathered, queries: &Queries) {
        let evidence = &mut gathered.evidence;
        let samples = self.gather(queries, evidence.window).await;
        evidence.stable.metrics = samples.stable;
        evidence.canary.metrics = samples.canary;
        // As many as there are queries: the bound on what else was left out
        // need not grow with them.
        evidence.left_out.extend(samples.left_out);
        evidence.left_out.sort();
    }
}

impl Samples {
    fn take(&mut self, pair: &Pair, arm: Arm, outcome: Result<Answered, Trouble>) {
        let mut leave_out = |why: String| {
            self.left_out.push(LeftOut {
                arm,
                what: format!("metric {}", pair.name),
                why,
            });
        };
        let answered = match outcome {
            Ok(answered) => answered,
            Err(trouble) => return leave_out(trouble.to_string()),
        };
        if answered.warned {
            leave_out(
                "its samples are used, but Prometheus gave a warning with them: they may be \
                 incomplete; run the query on Prometheus' own page to see it"
                    .to_owned(),
            );
        }
        let samples = match arm {
            Arm::Stable => &mut self.stable,
            Arm::Canary => &mut self.canary,
        };
        samples.push(MetricSamples {
            name: pair.name.clone(),
            unit: pair.unit.clone(),
            worse: pair.worse,
            values: answered.values,
        });
    }
}
