//! One AnalysisRun: measures until its rules say how it ends, in the manner of
//! the controller's metric loop.

use std::time::Duration;

use jiff::Timestamp;
use rollouts_plugin::{AnalysisRun, Measurement, Metric, MetricResult, OwnerReference, Phase};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::assess::{KEPT_MEASUREMENTS, Rules, record};
use crate::cluster::{NAMESPACE, ROLLOUT};
use crate::plugin::{Ask, PluginHost};

/// The plugin's name, as templates write it.
const PLUGIN: &str = "argoproj-labs/metric-ai";

/// The metric's name.
const METRIC: &str = "canary-health";

/// What a step's analysis is made of.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pub(crate) rules: Rules,
    /// How long a measurement may wait for its verdict.
    pub(crate) max_wait: Duration,
    /// The model to ask, if any.
    pub(crate) model: Option<String>,
}

/// Which run it is.
#[derive(Clone, Debug)]
pub(crate) struct Which<'a> {
    /// The release, the first being 1.
    pub(crate) release: u64,
    /// The step, the first being 0.
    pub(crate) step: usize,
    /// Hash of the version being tried.
    pub(crate) hash: &'a str,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) phase: Phase,
    /// The message of the last measurement.
    pub(crate) message: String,
}

/// A run that is under way.
#[derive(Debug)]
pub(crate) struct Analysis {
    run: AnalysisRun,
    metric: Metric,
    rules: Rules,
    clock: fn() -> Timestamp,
}

impl Analysis {
    pub(crate) fn new(template: &Template, which: &Which<'_>, clock: fn() -> Timestamp) -> Self {
        let metric = metric(template);
        let mut run = AnalysisRun::default();
        let meta = &mut run.metadata;
        let Which {
            release,
            step,
            hash,
        } = which;
        // The controller names them so: rollout, hash, revision, step.
        meta.name = format!("{ROLLOUT}-{hash}-{release}-{}", 2 * step + 3);
        meta.namespace = NAMESPACE.to_owned();
        meta.uid = format!("{hash}-{release}-{step}");
        meta.creation_timestamp = Some(clock());
        let labels = [
            ("rollout-type", "Step"),
            ("rollouts-pod-template-hash", *hash),
        ];
        meta.labels
            .extend(labels.map(|(name, value)| (name.to_owned(), value.to_owned())));
        meta.owner_references.push(OwnerReference {
            api_version: "argoproj.io/v1alpha1".to_owned(),
            kind: "Rollout".to_owned(),
            name: ROLLOUT.to_owned(),
            uid: ROLLOUT.to_owned(),
            controller: true,
        });
        run.spec.metrics = vec![metric.clone()];
        run.status.phase = Phase::Running;
        run.status.started_at = Some(clock());
        Self {
            run,
            metric,
            rules: template.rules,
            clock,
        }
    }

    /// Measures until it ends, or until `stop` is true: then the measurement
    /// under way is terminated. `seen` is told of each new measurement.
    pub(crate) async fn until_ended(
        mut self,
        host: &PluginHost,
        stop: &mut watch::Receiver<bool>,
        mut seen: impl FnMut(&Measurement),
    ) -> Ended {
        loop {
            let terminating = *stop.borrow();
            let under_way = self.under_way().cloned();
            let measured = match (&under_way, terminating) {
                (Some(known), true) => {
                    let ask = Ask::Terminate(known);
                    Some(host.measure(&self.run, &self.metric, ask).await)
                }
                (None, true) => None,
                (_, false) => {
                    if !self.wait_until_due(stop).await {
                        continue;
                    }
                    let ask = under_way.as_ref().map_or(Ask::Run, Ask::Resume);
                    Some(host.measure(&self.run, &self.metric, ask).await)
                }
            };
            if let Some(measurement) = measured {
                seen(&measurement);
                let now = (self.clock)();
                record(self.result(), measurement, now);
            }
            let rules = self.rules;
            let phase = rules.assess(self.result(), terminating);
            self.result().phase = phase;
            self.forget(host).await;
            // Told to stop, nothing more is asked, whatever is under way.
            if phase.is_completed() || terminating {
                let last = self.result().measurements.last();
                return Ended {
                    phase,
                    message: last.map_or_else(String::new, |last| last.message.clone()),
                };
            }
        }
    }

    /// Waits until the next call is due; `false` when told to stop meanwhile.
    async fn wait_until_due(&mut self, stop: &mut watch::Receiver<bool>) -> bool {
        let now = (self.clock)();
        let rules = self.rules;
        // There is always one due while it is not over.
        let due = rules.due(self.result(), now).unwrap_or(now);
        let wait = Duration::try_from(due.duration_since(now)).unwrap_or_default();
        tokio::select! {
            () = sleep(wait) => true,
            _ = stop.wait_for(|stop| *stop) => false,
        }
    }

    fn under_way(&mut self) -> Option<&Measurement> {
        let last = self.result().measurements.last();
        last.filter(|last| last.finished_at.is_none())
    }

    /// Trims the history, as the controller does once it is too long.
    async fn forget(&mut self, host: &PluginHost) {
        let length = self.result().measurements.len();
        let Some(over) = length.checked_sub(KEPT_MEASUREMENTS).filter(|&n| n > 0) else {
            return;
        };
        host.garbage_collect(&self.run, &self.metric, KEPT_MEASUREMENTS)
            .await;
        self.result().measurements.drain(..over);
    }

    fn result(&mut self) -> &mut MetricResult {
        let results = &mut self.run.status.metric_results;
        if results.is_empty() {
            results.push(MetricResult {
                name: METRIC.to_owned(),
                phase: Phase::Running,
                ..MetricResult::default()
            });
        }
        &mut results[0]
    }
}

/// The template's metric.
fn metric(template: &Template) -> Metric {
    let mut block = json!({
        "stableLabel": "role=stable",
        "canaryLabel": "role=canary",
        // The judge leaves the first 30 s out of comparing latency, for caches
        // and compilers to warm up: all of a rollout on this machine.
        "judgePolicy": {"latencyWarmupMs": 0},
        "maxWait": format!("{}s", template.max_wait.as_secs().max(1)),
    });
    if let Some(model) = &template.model {
        block["model"] = json!(model);
    }
    let mut metric = Metric {
        name: METRIC.to_owned(),
        ..Metric::default()
    };
    template.rules.write(&mut metric);
    let block = block.to_string().into_bytes();
    metric.provider.plugin.insert(PLUGIN.to_owned(), block);
    metric
}
