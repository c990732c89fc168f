//! One look at a canary: gathered and judged in the background, boiled down to
//! what an answer needs.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use analysis::{Cluster, Earlier, Explained, Look, Request};
use futures::FutureExt;
use jiff::Timestamp;
use judge::judgement::MissingReason;
use judge::{Decision, Policy};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tracing::Instrument;

use crate::schedule::LOOK_LIMIT;
use crate::words::{chain, cut};

/// How much of the report is kept until it is asked for: what metadata has
/// room for, and some.
const KEPT_REPORT_BYTES: usize = 4 * 1024;

/// What a look saw.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Go on, go back, or not known yet.
    pub decision: Decision,
    /// In percent.
    pub confidence: u8,
    /// The reason in one line.
    pub message: String,
    /// The reason in some lines more.
    pub report: String,
    /// What broke, of an abort.
    pub root_cause: Option<String>,
    /// Of an inconclusive look: what is missing, in one line.
    pub missing: Option<String>,
    /// After which time another look may know more, where that can be said.
    pub retry_after: Option<Duration>,
    /// Whether a veto or a gate has fired.
    pub fired: bool,
    /// Whether nothing of stable is left to compare with.
    pub stable_gone: bool,
    /// Whether an arm is not there, or has said nothing that can be counted.
    pub no_data: bool,
    /// How many things differ between the arms.
    pub findings: usize,
    /// What models said of it, or why none was asked.
    pub explained: Explained,
    /// For the next look.
    pub earlier: Earlier,
    /// The earliest end of the rollout's last step, where that can be told.
    pub last_step_end: Option<Timestamp>,
}

/// How a look ended: with what it saw, or with why it saw nothing, in words
/// that name the mend.
pub type Outcome = Result<Seen, String>;

/// Takes looks.
#[derive(Debug)]
pub struct Analyst {
    cluster: Cluster,
    workers: Handle,
    turns: Arc<Semaphore>,
    clock: fn() -> Timestamp,
}

impl Analyst {
    /// An analyst that reads `cluster` and works on the threads of `workers`,
    /// so that no look can hold up the answers to the controller. `turns` looks
    /// gather at the same time; the rest wait their turn in order. A look holds
    /// the profiles of all its logs, so this bounds memory; a look that is not
    /// held up takes well below a second.
    pub fn new(cluster: Cluster, workers: Handle, turns: usize, clock: fn() -> Timestamp) -> Self {
        Self {
            cluster,
            workers,
            turns: Arc::new(Semaphore::new(turns)),
            clock,
        }
    }

    /// Starts a look, in the span that it is called in; its outcome, judged by
    /// `policy`, will be in `place`. The request's time is set when its turn
    /// comes.
    pub fn start(
        &self,
        request: Request,
        policy: Policy,
        place: Arc<OnceLock<Outcome>>,
    ) -> AbortHandle {
        let (cluster, turns, clock) = (self.cluster.clone(), self.turns.clone(), self.clock);
        let look = async move {
            let turn = turns.acquire().await;
            let request = Request {
                now_ms: clock().as_millisecond(),
                ..request
            };
            tracing::debug!("looking at the canary: fetching logs and pod states");
            let looked = analysis::analyse((&cluster).into(), &request, &policy).await;
            drop(turn);
            match looked {
                Ok(look) => Ok(Seen::of(&look)),
                Err(error) => Err(chain(&error)),
            }
        };
        let task = async move {
            let begun = Instant::now();
            // The place is this task's alone, so it is empty until here.
            let outcome = ended(look).await;
            let outcome = place.get_or_init(|| outcome);
            let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            match outcome {
                Ok(seen) => {
                    tracing::debug!(took_ms, decision = ?seen.decision, "looked at the canary");
                }
                Err(trouble) => tracing::debug!(took_ms, "looked in vain: {trouble}"),
            }
        };
        self.workers.spawn(task.in_current_span()).abort_handle()
    }
}

/// The outcome of a look, whatever becomes of it.
async fn ended(look: impl Future<Output = Outcome>) -> Outcome {
    let unwinding = AssertUnwindSafe(tokio::time::timeout(LOOK_LIMIT, look));
    match unwinding.catch_unwind().await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(too_long()),
        Err(_) => Err(
            "the analysis failed by a fault of the plugin: please report what the controller's \
             log says about it"
                .to_owned(),
        ),
    }
}

/// What a look that took too long is called.
pub fn too_long() -> String {
    format!(
        "the analysis took longer than {} s: the API server is slow, or more analyses run at once \
         than it can serve",
        LOOK_LIMIT.as_secs()
    )
}

impl Seen {
    fn of(look: &Look) -> Self {
        let verdict = &look.verdict;
        let judgement = &verdict.judgement;
        let worst = judgement.vetoes.first().or(judgement.findings.first());
        let carried = Some(judgement.carried.clone()).filter(|carried| !carried.0.is_empty());
        Self {
            decision: verdict.decision,
            confidence: verdict.confidence,
            message: verdict.message.clone(),
            report: cut(&analysis::report::text(verdict), KEPT_REPORT_BYTES).to_owned(),
            root_cause: worst
                .filter(|_| verdict.decision == Decision::Abort)
                .map(|finding| finding.title.clone()),
            missing: verdict.waiting.as_ref().map(|waiting| waiting.text.clone()),
            retry_after: verdict.waiting.as_ref().and_then(|w| w.retry_after),
            fired: !judgement.vetoes.is_empty() || judgement.gates.iter().any(|gate| gate.fired),
            stable_gone: judgement
                .missing
                .as_ref()
                .is_some_and(|missing| missing.reason == MissingReason::NoStable),
            no_data: judgement.missing.as_ref().is_some_and(|missing| {
                matches!(
                    missing.reason,
                    MissingReason::NoCanary
                        | MissingReason::NoStable
                        | MissingReason::NoCanaryExposure
                        | MissingReason::NoStableExposure
                )
            }),
            findings: judgement.findings.len(),
            explained: verdict.explained.clone(),
            earlier: Earlier {
                carried,
                canary_start_ms: look.canary_start_ms,
            },
            last_step_end: look
                .last_step_end_ms
                .and_then(|ms| Timestamp::from_millisecond(ms).ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use analysis::cluster::Access;
    use analysis::{Limits, Selector};

    use super::*;

    /// Lets every task run as far as it can.
    async fn settle() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_look_waits_for_its_turn() {
        // Without a way in, a look ends as soon as it begins.
        let nowhere = Cluster::new(Access::Kubeconfig("/nonexistent".into()));
        let analyst = Analyst::new(nowhere, Handle::current(), 3, Timestamp::now);
        let turns = analyst.turns.clone();
        let taken = turns.acquire_many(3).await.unwrap();
        let role = Selector::parse("role=x").unwrap();
        let request = Request {
            namespace: "shop".into(),
            rollout: "web".into(),
            canary_hash: None,
            stable: role.clone(),
            canary: role,
            earlier: Earlier::default(),
            limits: Limits::default(),
            now_ms: 0,
        };
        let place = Arc::new(OnceLock::new());
        analyst.start(request, Policy::default(), place.clone());
        settle().await;
        assert_eq!(place.get(), None);
        drop(taken);
        settle().await;
        assert!(matches!(place.get(), Some(Err(_))), "{place:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_hangs_or_panics_is_an_error_and_not_a_silence() {
        let hung = ended(std::future::pending()).await.unwrap_err();
        assert!(hung.contains("longer than 60 s"), "{hung}");
        let panicked = ended(async { panic!("boom") }).await.unwrap_err();
        assert!(panicked.contains("fault of the plugin"), "{panicked}");
        assert_eq!(ended(async { Err("x".into()) }).await, Err("x".to_owned()));
    }
}
