//! One look at a canary: gathered and judged in the background, boiled down to
//! what an answer needs.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use analysis::bundle::{About, Terms};
use analysis::cluster::{SecretData, SecretRef};
use analysis::opinion::Unasked;
use analysis::prometheus::{Prometheus, Queries};
use analysis::{
    Ask, Bundle, Cluster, Earlier, Explained, Explainer, Look, Metrics, Request, Rules, Sources,
};
use futures::FutureExt;
use jiff::Timestamp;
use judge::judgement::MissingReason;
use judge::{Decision, Policy};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tracing::Instrument;

use crate::agent_mode::{self, Question};
use crate::looks::Place;
use crate::schedule::{AGENT_LOOK_LIMIT, Begun, LOOK_LIMIT, Waiting};
use crate::words::{chain, cut};

/// How much of the report is kept until it is asked for: what metadata has
/// room for, and some.
const KEPT_REPORT_BYTES: usize = 4 * 1024;

/// Agents that are asked at the same time; the rest wait their turn in order.
/// A question is a connection that waits, for minutes perhaps.
const PARALLEL_QUESTIONS: usize = 64;

/// The longest that models may take. A current one answers in 5 to 15 s, and
/// once more when its answer had to be repaired.
const MODELS_LIMIT: Duration = Duration::from_secs(30);

/// What is left of a look's time when its models end: to decide, and for the
/// controller to come by.
const TO_ANSWER: Duration = Duration::from_secs(2);

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
    /// How the votes came out, in one line.
    pub rationale: String,
    /// What only an agent says; `None` where the plugin judged.
    pub agent: Option<Agent>,
    /// For the next look.
    pub earlier: Earlier,
    /// The earliest end of the rollout's last step, where that can be told.
    pub last_step_end: Option<Timestamp>,
}

/// How a look ended: with what it saw, or with why it saw nothing, in words
/// that name the mend.
pub type Outcome = Result<Seen, String>;

/// What only an agent says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agent {
    /// What it wants back with the next question.
    pub state: Option<String>,
    /// What it would do about it.
    pub remediation: String,
    /// A pull request of its own.
    pub pr_link: Option<String>,
    /// An issue of its own.
    pub issue_link: Option<String>,
}

/// What a look is to do.
#[derive(Debug)]
pub enum Errand {
    /// Gather, judge, ask models, decide.
    Judge(Box<Judging>),
    /// Read when the rollout's steps end, before the agent is asked.
    Steps(Box<Request>),
    /// Ask the agent, and nobody else.
    Agent(Box<Question>),
}

/// Everything that a look of our own needs.
#[derive(Debug)]
pub struct Judging {
    /// What to gather; its time is set when its turn comes.
    pub request: Request,
    /// The thresholds in force.
    pub policy: Policy,
    /// What a promotion needs beside the judge's word.
    pub rules: Rules,
    /// Metrics to compare as well.
    pub metrics: Option<(Prometheus, Queries)>,
    /// Whom to ask about the judgement, and what it may cost.
    pub models: Option<(Explainer, Ask)>,
    /// Until when the controller waits, so that models cannot make the answer
    /// late.
    pub waiting: Waiting,
    /// When the look was asked for.
    pub asked_at: Timestamp,
    /// Where to keep the verdict with its evidence, and what it is about.
    pub keep: Option<(PathBuf, About)>,
}

/// Makes an errand of what is in a Secret.
pub type Then = Box<dyn FnOnce(&SecretData) -> Result<Errand, String> + Send>;

/// What a look begins with.
pub enum Plan {
    /// All is there for it.
    Now(Errand),
    /// The operator's Secret is read first.
    AfterSecret {
        /// Which one.
        of: SecretRef,
        /// How long the whole may take.
        limit: Duration,
        /// Makes the errand of what is in it.
        then: Then,
    },
}

impl Plan {
    fn limit(&self) -> Duration {
        match self {
            Self::Now(errand) => errand.limit(),
            Self::AfterSecret { limit, .. } => *limit,
        }
    }

    /// The errand. A Secret that cannot be read is said and costs no verdict:
    /// it is as if a key were missing.
    async fn errand(self, cluster: &Cluster) -> Result<Errand, String> {
        let (of, then) = match self {
            Self::Now(errand) => return Ok(errand),
            Self::AfterSecret { of, then, .. } => (of, then),
        };
        let read = cluster.secret(&of).await.unwrap_or_else(|error| {
            tracing::warn!("the Secret of `--secret` is not used: {}", chain(&error));
            SecretData::default()
        });
        then(&read)
    }
}

impl Errand {
    /// How long it may take; of an errand to an agent its wait for a turn is
    /// part of that.
    pub fn limit(&self) -> Duration {
        match self {
            Self::Judge(_) | Self::Steps(_) => LOOK_LIMIT,
            Self::Agent(_) => AGENT_LOOK_LIMIT,
        }
    }
}

/// Takes looks.
#[derive(Debug)]
pub struct Analyst {
    cluster: Cluster,
    workers: Handle,
    turns: Arc<Semaphore>,
    questions: Arc<Semaphore>,
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
            questions: Arc::new(Semaphore::new(PARALLEL_QUESTIONS)),
            clock,
        }
    }

    /// Starts a look, in the span that it is called in; its turn and its
    /// outcome will be in `place`.
    pub fn start(&self, plan: Plan, place: Arc<Place<Outcome>>) -> AbortHandle {
        let limit = plan.limit();
        let (cluster, clock) = (self.cluster.clone(), self.clock);
        let (turns, questions) = (self.turns.clone(), self.questions.clone());
        let task = async move {
            let errand = ended(plan.errand(&cluster), limit).await;
            let turn = match &errand {
                Ok(Errand::Judge(_)) => turns.acquire_owned().await.ok(),
                Ok(Errand::Steps(_) | Errand::Agent(_)) | Err(_) => None,
            };
            // The place is this task's alone, so it is empty until here.
            let turn_at = *place.turn.get_or_init(clock);
            let begun = Instant::now();
            let look = async {
                match errand? {
                    Errand::Judge(judging) => {
                        judge_it(cluster, (turn, turn_at), *judging, clock).await
                    }
                    Errand::Steps(request) => {
                        let last_step_end = last_step_end(&cluster, *request, clock).await;
                        Ok(agent_mode::before_asking(last_step_end))
                    }
                    Errand::Agent(question) => ask(cluster, &questions, *question, clock).await,
                }
            };
            let outcome = ended(look, limit).await;
            let outcome = place.result.get_or_init(|| outcome);
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

/// A look by the agent, in turn.
async fn ask(
    cluster: Cluster,
    questions: &Semaphore,
    question: Question,
    clock: fn() -> Timestamp,
) -> Outcome {
    let last_step_end = match question.rollout.clone() {
        Some(request) => last_step_end(&cluster, request, clock).await,
        None => None,
    };
    let _turn = questions.acquire().await;
    let seen = agent_mode::ask(question).await?;
    Ok(Seen {
        last_step_end,
        ..seen
    })
}

/// When the rollout's last step can end; `None` where it cannot be told, also
/// because the Rollout cannot be read: the agent may still answer.
async fn last_step_end(
    cluster: &Cluster,
    request: Request,
    clock: fn() -> Timestamp,
) -> Option<Timestamp> {
    let read = tokio::time::timeout(request.limits.request_time, cluster.rollout(&request));
    let rollout = match read.await {
        Ok(Ok(rollout)) => rollout?,
        Ok(Err(error)) => {
            tracing::debug!("when the steps end is not known: {}", chain(&error));
            return None;
        }
        Err(_) => return None,
    };
    let end_ms = analysis::steps::last_step_end_ms(&rollout, clock().as_millisecond())?;
    Timestamp::from_millisecond(end_ms).ok()
}

/// A look of our own: gather and judge while it is its turn, then ask models
/// and decide.
async fn judge_it(
    cluster: Cluster,
    (turn, turn_at): (Option<OwnedSemaphorePermit>, Timestamp),
    judging: Judging,
    clock: fn() -> Timestamp,
) -> Outcome {
    let request = Request {
        now_ms: clock().as_millisecond(),
        ..judging.request
    };
    tracing::debug!("looking at the canary: fetching logs and pod states");
    let metrics = judging.metrics.as_ref();
    let sources = Sources {
        metrics: metrics.map(|(source, queries)| Metrics { source, queries }),
        ..Sources::from(&cluster)
    };
    let judged = analysis::judged(sources, &request, &judging.policy).await;
    // Models take seconds: others can read logs meanwhile.
    drop(turn);
    let judged = judged.map_err(|error| chain(&error))?;
    let settles = judging
        .models
        .as_ref()
        .is_some_and(|(_, ask)| ask.settle_now);
    let explained = match judging.models {
        Some((explainer, ask)) => {
            let answer_by = judging.waiting.give_up(Begun {
                at: judging.asked_at,
                turn: Some(turn_at),
            });
            let left = answer_by.duration_since(clock());
            let left = Duration::try_from(left).unwrap_or_default();
            let ask = Ask {
                deadline: left.saturating_sub(TO_ANSWER).min(MODELS_LIMIT),
                ..ask
            };
            explainer
                .explain(&judged.judgement, &judged.gathered, &ask)
                .await
        }
        None => Explained::not_asked(Unasked::NotConfigured),
    };
    let look = judged.decided(explained, &judging.rules);
    let is_final = look.verdict.waiting.is_none() || settles;
    if let Some((folder, about)) = judging.keep.filter(|_| is_final) {
        let terms = (judging.policy, judging.rules);
        keep(folder, about, terms, &look, clock().as_millisecond()).await;
    }
    Ok(Seen::of(&look))
}

/// Keeps a verdict with its evidence. A folder that is full or gone is said,
/// and costs no verdict.
async fn keep(
    folder: PathBuf,
    about: About,
    (policy, rules): (Policy, Rules),
    look: &Look,
    at_ms: i64,
) {
    let terms = Terms {
        policy: &policy,
        rules: &rules,
    };
    let written = match Bundle::of(about, at_ms, &look.gathered, terms, &look.verdict) {
        Ok(bundle) => {
            // It waits for the disk.
            tokio::task::spawn_blocking(move || analysis::bundle::write(&folder, &bundle)).await
        }
        Err(error) => Ok(Err(error)),
    };
    match written {
        Ok(Ok(path)) => tracing::debug!(path = %path.display(), "kept the verdict's evidence"),
        Ok(Err(error)) => {
            tracing::warn!("failed to keep the verdict's evidence: {}", chain(&error))
        }
        Err(_) => tracing::warn!("failed to keep the verdict's evidence: the plugin is ending"),
    }
}

/// The outcome of a look, or of a part of it, whatever becomes of it.
async fn ended<T>(
    look: impl Future<Output = Result<T, String>>,
    limit: Duration,
) -> Result<T, String> {
    let unwinding = AssertUnwindSafe(tokio::time::timeout(limit, look));
    match unwinding.catch_unwind().await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(too_long(limit)),
        Err(_) => Err(
            "the analysis failed by a fault of the plugin: please report what the controller's \
             log says about it"
                .to_owned(),
        ),
    }
}

/// What a look that took too long is called.
pub fn too_long(limit: Duration) -> String {
    format!(
        "the analysis took longer than {} s: the API server or the agent is slow, or more analyses \
         run at once than they can serve",
        limit.as_secs()
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
            rationale: verdict.voting_rationale(),
            agent: None,
            earlier: Earlier {
                carried,
                canary_start_ms: look.gathered.canary_start_ms,
            },
            last_step_end: look
                .gathered
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
    use crate::schedule::RunKind;

    /// Lets every task run as far as it can.
    async fn settle() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_waits_for_its_turn_however_long() {
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
        let place = Arc::new(Place::default());
        let judging = Judging {
            request,
            policy: Policy::default(),
            rules: Rules::default(),
            metrics: None,
            models: None,
            waiting: Waiting {
                kind: RunKind::Holding,
                started_at: Timestamp::MIN,
                max_wait: None,
                look_limit: LOOK_LIMIT,
                last_step_end: None,
            },
            asked_at: Timestamp::MIN,
            keep: None,
        };
        analyst.start(Plan::Now(Errand::Judge(Box::new(judging))), place.clone());
        settle().await;
        // The time of a look begins with its turn.
        tokio::time::advance(10 * LOOK_LIMIT).await;
        settle().await;
        assert_eq!((place.turn.get(), place.result.get()), (None, None));
        drop(taken);
        settle().await;
        assert!(place.turn.get().is_some(), "{place:?}");
        let Some(Err(trouble)) = place.result.get() else {
            panic!("{place:?}")
        };
        assert!(!trouble.contains("longer than"), "{trouble}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_hangs_or_panics_is_an_error_and_not_a_silence() {
        let hung = ended::<Seen>(std::future::pending(), LOOK_LIMIT)
            .await
            .unwrap_err();
        assert!(hung.contains("longer than 60 s"), "{hung}");
        let panicked = ended::<Seen>(async { panic!("boom") }, LOOK_LIMIT)
            .await
            .unwrap_err();
        assert!(panicked.contains("fault of the plugin"), "{panicked}");
        assert_eq!(
            ended::<Seen>(async { Err("x".into()) }, LOOK_LIMIT).await,
            Err("x".to_owned())
        );
    }
}
