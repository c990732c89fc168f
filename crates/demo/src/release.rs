//! One release, from its first pod to its end: what the rollout controller
//! does, step by step.
//!
//! A step gives the canary its weight, with as many pods as that weight needs,
//! and is over when its analysis has succeeded. A failed analysis takes the
//! canary back, an inconclusive one pauses for a person. Where this differs
//! from the controller: a step's analysis begins also when pods are not ready
//! within five seconds (the controller waits for ten minutes), and old pods go
//! at once instead of after thirty seconds.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rollouts_plugin::{Measurement, Phase as Measured};
use tokio::sync::watch;
use tokio::time::{interval, sleep};

use crate::analysis::{Analysis, Ended, Template, Which};
use crate::arm::Arm;
use crate::assess::Rules;
use crate::cluster::{Shown, Version};
use crate::engine::Inner;
use crate::scenario::{Expect, Happening, Scenario, WEIGHTS};

/// Pods of a version that serves all traffic.
pub(crate) const REPLICAS: usize = 3;

/// Pods that a canary has at least, whatever its weight (`setCanaryScale`). The
/// judge takes what one log says within a second for one occasion: with a single
/// pod even a fifth of all requests failing takes ten seconds to be sure of.
pub(crate) const LEAST_CANARY: usize = 2;

/// How long a measurement waits for its verdict, where a scenario does not say.
const MAX_WAIT_S: u16 = 120;

/// How long the first step goes on before its analysis begins (a `pause` step
/// to the controller). The judge counts in buckets of five seconds, and gives
/// late lines one more: what looks any earlier sees nothing, says so, and looks
/// again five seconds later.
pub(crate) const FIRST_PAUSE_S: u8 = 6;

/// Time between two requests to the failing neighbours.
const NEIGHBOUR_PAUSE_MS: u64 = 20;

/// How a release ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The canary serves now.
    Promoted,
    /// It was taken back by a failed analysis.
    Aborted,
    /// There was no verdict: the rollout paused.
    Paused,
    /// It was taken back because it could not be judged.
    Unjudged,
    /// A person took it back.
    RolledBack,
}

impl Verdict {
    /// Whether this is what was expected.
    #[must_use]
    pub fn is(self, expect: Expect) -> bool {
        matches!(
            (self, expect),
            (Self::Promoted, Expect::Promote)
                | (Self::Aborted, Expect::Abort)
                | (Self::Paused, Expect::Inconclusive)
        )
    }
}

/// What came of a release.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub verdict: Verdict,
    /// The message that decided.
    pub why: String,
    /// The largest weight that the canary had, in percent.
    pub highest_weight: u8,
    /// Its weight at the end, in percent: 0 once it is gone, also by promotion.
    pub final_weight: u8,
    /// From the first pod to the verdict.
    pub took: Duration,
    /// Requests of the release that the canary answered.
    pub canary_requests: u64,
    /// Requests that stable answered meanwhile.
    pub stable_requests: u64,
}

/// A release that is under way.
pub(crate) struct Release {
    pub(crate) inner: Arc<Inner>,
    pub(crate) scenario: Scenario,
    pub(crate) number: u64,
    pub(crate) version: Version,
    pub(crate) began_ms: i64,
    /// True once a person wants it back.
    pub(crate) stop: watch::Receiver<bool>,
}

impl Release {
    /// Goes through all steps; `ended` learns how it ended, before a pause ends.
    pub(crate) async fn roll(mut self, ended: watch::Sender<Option<Outcome>>) {
        let inner = Arc::clone(&self.inner);
        let obeys = self.scenario.model_obeys;
        inner.model.lock().await.set_obeys(obeys);
        let neighbours = self.scenario.failing_neighbour.then(|| self.neighbours());
        let mut highest = 0;
        let mut last = Ended {
            phase: Measured::Successful,
            message: String::new(),
        };
        for (step, weight) in WEIGHTS.into_iter().enumerate() {
            self.set_step(step, weight).await;
            highest = weight;
            if step == 0 {
                self.pause(weight).await;
            }
            last = self.analyse(step, weight).await;
            if last.phase != Measured::Successful || *self.stop.borrow() {
                break;
            }
        }
        let verdict = match last.phase {
            _ if *self.stop.borrow() => Verdict::RolledBack,
            Measured::Successful => Verdict::Promoted,
            Measured::Failed => Verdict::Aborted,
            Measured::Inconclusive => Verdict::Paused,
            _ => Verdict::Unjudged,
        };
        let verdict_ms = inner.now_ms();
        match verdict {
            Verdict::Promoted => self.promote(last.message.clone()).await,
            Verdict::Paused => {
                inner.change(|board| board.pause(last.message.clone()));
            }
            Verdict::RolledBack => self.take_back("rolled back by hand".to_owned()).await,
            Verdict::Aborted | Verdict::Unjudged => self.take_back(last.message.clone()).await,
        }
        let of_release = inner.tally.of_release();
        let took_ms = verdict_ms.saturating_sub(self.began_ms);
        let outcome = Outcome {
            verdict,
            why: last.message,
            highest_weight: highest,
            final_weight: inner.proxy.weight(),
            took: Duration::from_millis(u64::try_from(took_ms).unwrap_or_default()),
            canary_requests: of_release.canary,
            stable_requests: of_release.stable,
        };
        ended.send_replace(Some(outcome));
        if verdict == Verdict::Paused {
            // Never closed before the demo ends.
            let _ = self.stop.wait_for(|stop| *stop).await;
            self.take_back("rolled back by hand, after no verdict".to_owned())
                .await;
        }
        drop(neighbours);
        inner.cluster.remove_neighbours().await;
    }

    /// Pods first, then traffic, as the controller does it with a mesh.
    async fn set_step(&self, step: usize, weight: u8) {
        let inner = &self.inner;
        let replicas = (REPLICAS * usize::from(weight)).div_ceil(100);
        let replicas = replicas.max(LEAST_CANARY);
        inner
            .cluster
            .scale(Arm::Canary, &self.version, replicas)
            .await;
        inner.cluster.show(&Shown {
            stable_hash: &inner.board().stable.hash.clone(),
            current_hash: &self.version.hash,
            weights: &WEIGHTS,
            step,
            replicas: REPLICAS,
        });
        let mut stop = self.stop.clone();
        tokio::select! {
            available = inner.cluster.available(Arm::Canary) => if !available {
                tracing::info!(step, "the canary's pods are not all ready: it is judged so");
            },
            _ = stop.wait_for(|stop| *stop) => return,
        }
        inner.proxy.set_weight(weight);
        inner.change(|board| board.set_step(step, weight));
    }

    /// Lets the first step have some traffic before it is analysed.
    async fn pause(&self, weight: u8) {
        let inner = &self.inner;
        let wait = Duration::from_secs(u64::from(FIRST_PAUSE_S));
        let now = (inner.clock)();
        let waits = Measurement {
            phase: Measured::Running,
            message: format!("a pause of {FIRST_PAUSE_S} s, for some traffic to look at"),
            started_at: Some(now),
            resume_at: now.checked_add(wait).ok(),
            ..Measurement::default()
        };
        inner.change(|board| board.measured(0, weight, &waits));
        let mut stop = self.stop.clone();
        tokio::select! {
            () = sleep(wait) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn analyse(&mut self, step: usize, weight: u8) -> Ended {
        let inner = Arc::clone(&self.inner);
        let wait_s = self.scenario.max_wait_s.map_or(MAX_WAIT_S, |wait| wait.0);
        let template = Template {
            rules: Rules::default(),
            max_wait: Duration::from_secs(u64::from(wait_s)),
            model: inner.model.lock().await.name(),
        };
        let which = Which {
            release: self.number,
            step,
            hash: &self.version.hash,
        };
        let analysis = Analysis::new(&template, &which, inner.clock);
        let happenings: Vec<Happening> = self
            .scenario
            .during
            .iter()
            .filter(|during| usize::from(during.step.0) == step + 1)
            .map(|during| during.event)
            .collect();
        let (first, mut answered) = watch::channel(false);
        let happen = async {
            if !happenings.is_empty() && answered.wait_for(|first| *first).await.is_ok() {
                for happening in happenings {
                    self.inner.happen(happening).await;
                }
            }
            std::future::pending::<Ended>().await
        };
        let measure = analysis.until_ended(&inner.plugin, &mut self.stop, |measurement| {
            inner.change(|board| board.measured(step, weight, measurement));
            first.send_replace(true);
        });
        tokio::select! {
            ended = measure => ended,
            never = happen => never,
        }
    }

    async fn promote(&self, why: String) {
        let inner = &self.inner;
        inner
            .cluster
            .scale(Arm::Canary, &self.version, REPLICAS)
            .await;
        inner.cluster.promote().await;
        inner.tally.promote();
        inner.proxy.set_weight(0);
        let now_ms = inner.now_ms();
        inner.change(|board| board.promote(why, now_ms));
    }

    async fn take_back(&self, why: String) {
        let inner = &self.inner;
        inner.proxy.set_weight(0);
        inner.cluster.scale(Arm::Canary, &self.version, 0).await;
        let now_ms = inner.now_ms();
        inner.change(|board| board.abort(why, now_ms));
    }

    /// Another rollout's pods, each in one of the roles, that fail whatever
    /// they are asked, and their traffic.
    fn neighbours(&self) -> Neighbours {
        let mut environment = self.version.environment.clone();
        environment.insert("ERROR_RATE".to_owned(), "100".to_owned());
        for (arm, hash) in [
            (Arm::Stable, self.inner.board().stable.hash.clone()),
            (Arm::Canary, self.version.hash.clone()),
        ] {
            let version = Version {
                name: "black".to_owned(),
                hash: format!("{hash}n"),
                environment: environment.clone(),
            };
            self.inner.cluster.add_neighbour(&version, arm);
        }
        let inner = Arc::clone(&self.inner);
        Neighbours(tokio::spawn(async move {
            let mut tick = interval(Duration::from_millis(NEIGHBOUR_PAUSE_MS));
            let client = &inner.cluster.node().client;
            loop {
                tick.tick().await;
                for address in inner.cluster.neighbours() {
                    let limit = Duration::from_secs(1);
                    let body = Bytes::from_static(b"[]");
                    // That it fails is what it is for.
                    let _ = client.post(address, "/color", body, limit).await;
                }
            }
        }))
    }
}

/// The neighbours' traffic, until it is dropped.
struct Neighbours(tokio::task::JoinHandle<()>);

impl Drop for Neighbours {
    fn drop(&mut self) {
        self.0.abort();
    }
}
