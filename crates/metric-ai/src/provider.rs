//! The metric provider: each call of the controller becomes an answer at once.
//!
//! A measurement is rebuilt from the call's arguments each time; what this
//! process remembers ([`Looks`]) only saves looking twice.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use analysis::cluster::SecretData;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rollouts_plugin::{AnalysisRun, Measurement, Metric, MetricProvider, Phase, RpcError};

use crate::PROVIDER_TYPE;
use crate::block::{BLOCK, BlockError, Settings, describe, on_error};
use crate::errand::{Moment, errand};
use crate::look::{Analyst, Outcome, Plan};
use crate::looks::{Identity, Known, Looks};
use crate::memo::Memo;
use crate::outgoing::Outgoing;
use crate::reply::{Case, refused};
use crate::said::Said;
use crate::schedule::{Begun, KIND_LABEL, LONGEST_PAUSE, RunKind, later};

/// The plugin.
#[derive(Debug)]
pub struct MetricAi {
    analyst: Analyst,
    outgoing: Result<Arc<Outgoing>, String>,
    looks: Looks<Outcome>,
    said: Said,
    clock: fn() -> Timestamp,
}

/// Why a measurement is refused.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    /// The template's part cannot be used.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The operator's part cannot be used, whatever a template says.
    #[error("the plugin cannot be used before its operator mends this: {0}")]
    Operator(String),
}

/// What a call is about.
struct Call<'a> {
    run: &'a AnalysisRun,
    metric: &'a Metric,
    id: Identity,
    now: Timestamp,
}

impl MetricAi {
    /// A plugin whose looks are taken by `analyst`, at the time that `clock`
    /// tells. Where the operator's settings cannot be used, each call says so.
    pub fn new(
        analyst: Analyst,
        outgoing: Result<Outgoing, String>,
        clock: fn() -> Timestamp,
    ) -> Self {
        Self {
            analyst,
            outgoing: outgoing.map(Arc::new),
            looks: Looks::default(),
            said: Said::default(),
            clock,
        }
    }

    fn call<'a>(&self, run: &'a AnalysisRun, metric: &'a Metric) -> Call<'a> {
        Call {
            run,
            metric,
            id: Identity::of(run, metric),
            now: (self.clock)(),
        }
    }

    /// Starts or continues a measurement: the two differ only in what the
    /// measurement brings along.
    fn advance(&self, call: &Call<'_>, measurement: &Measurement) -> Measurement {
        let Call { id, now, .. } = call;
        let known = self.looks.known(id, *now);
        if let Known::Answered(answer) = &known
            && (answer.phase.is_completed() || is_ahead(answer.resume_at, *now))
        {
            return answer.clone();
        }
        let case = match self.case(call, measurement) {
            Ok(case) => case,
            Err(error) => return self.answer(call, refuse(call, measurement, &error)),
        };
        match known {
            Known::Seen(outcome) => {
                let answer = self.answer(call, case.seen(*now, &outcome));
                if answer.phase == Phase::Failed {
                    say_no_issue(call, &case);
                }
                answer
            }
            Known::Looking { begun } => {
                let answer = case.looking(*now, begun);
                if answer.phase.is_completed() {
                    return self.answer(call, answer);
                }
                answer
            }
            Known::Nothing | Known::Answered(_) => match self.plan(call, &case) {
                Ok(plan) => self.look(call, &case, plan),
                Err(error) => self.answer(call, refuse(call, measurement, &error)),
            },
        }
    }

    fn plan(&self, call: &Call<'_>, case: &Case) -> Result<Plan, Refusal> {
        let outgoing = self.outgoing()?;
        let Some(of) = outgoing.operator().secret.clone() else {
            let (nothing, moment) = (SecretData::default(), moment(&call.id, call.now));
            return errand(call.run, case, outgoing, (&nothing, &moment))
                .map(Plan::Now)
                .map_err(Refusal::Operator);
        };
        let (run, case) = (call.run.clone(), case.clone());
        let (outgoing, id, now) = (outgoing.clone(), call.id.clone(), call.now);
        Ok(Plan::AfterSecret {
            of,
            limit: case.waiting().look_limit,
            then: Box::new(move |read| {
                errand(&run, &case, &outgoing, (read, &moment(&id, now)))
                    .map_err(|trouble| Refusal::Operator(trouble).to_string())
            }),
        })
    }

    fn look(&self, call: &Call<'_>, case: &Case, plan: Plan) -> Measurement {
        let span = tracing::info_span!(
            "look",
            run = %call.run.metadata.name,
            namespace = %call.run.metadata.namespace,
            metric = %call.metric.name,
        );
        let started = self.looks.start(&call.id, call.now, |place| {
            let _inside = span.entered();
            if case.memo.looks == 0 {
                tracing::info!("AI metric analysis started");
            }
            tracing::debug!(
                stable = %case.settings.stable,
                canary = %case.settings.canary,
                max_wait_s = case.settings.max_wait.map(|wait| wait.as_secs()),
                // Names of keys alone: their values are the template's.
                keys = ?case.settings.keys,
                "configuration"
            );
            self.analyst.start(plan, place)
        });
        if started {
            case.looking(call.now, Begun::at_once(call.now))
        } else {
            case.crowded(call.now)
        }
    }

    fn outgoing(&self) -> Result<&Arc<Outgoing>, Refusal> {
        let outgoing = self.outgoing.as_ref();
        outgoing.map_err(|trouble| Refusal::Operator(trouble.clone()))
    }

    /// The measurement with its settings.
    fn case(&self, call: &Call<'_>, measurement: &Measurement) -> Result<Case, Refusal> {
        self.outgoing()?;
        let settings = Settings::read(call.metric, day(call.now))?;
        self.warn_once(call, &settings.warnings);
        // A start in the future is a clock that was set back: without this the
        // wait would be longer by as much.
        let started_at = measurement
            .started_at
            .map_or(call.now, |at| at.min(call.now));
        Ok(Case {
            started_at,
            memo: Memo::read(&measurement.metadata)
                .unwrap_or_else(|| Memo::of_earlier_measurements(call.run, &call.metric.name)),
            kind: RunKind::of_label(label(call.run, KIND_LABEL)),
            promoted_before: call
                .run
                .metric_result(&call.metric.name)
                .is_some_and(|result| {
                    result.successful > 0 && result.failed == 0 && result.inconclusive == 0
                }),
            run_began: call.run.status.started_at.unwrap_or(started_at),
            known_end: Memo::last_known_end(call.run, &call.metric.name),
            settings,
            measurement: measurement.clone(),
        })
    }

    /// Keeps an answer, and logs it if it is the last one.
    fn answer(&self, call: &Call<'_>, answer: Measurement) -> Measurement {
        self.looks.keep(&call.id, call.now, &answer);
        let (run, namespace) = (&call.run.metadata.name, &call.run.metadata.namespace);
        let (metric, phase) = (&call.metric.name, answer.phase);
        if phase.is_completed() {
            tracing::info!(
                %run, %namespace, %metric, %phase, value = %answer.value, reason = %answer.message,
                "AI metric analysis finished"
            );
        } else {
            tracing::debug!(%run, %namespace, %metric, "AI metric analysis waits: {}", answer.message);
        }
        answer
    }

    fn warn_once(&self, call: &Call<'_>, warnings: &[String]) {
        for warning in warnings {
            let key = format!("{} {} {warning}", call.id.run, call.id.metric);
            if self.said.is_new(&key) {
                tracing::warn!(
                    run = %call.run.metadata.name,
                    namespace = %call.run.metadata.namespace,
                    metric = %call.metric.name,
                    "{warning}"
                );
            }
        }
    }
}

fn moment(id: &Identity, now: Timestamp) -> Moment<'_> {
    Moment {
        id,
        now,
        today: day(now),
    }
}

/// The answer when the settings cannot be used; logged.
fn refuse(call: &Call<'_>, measurement: &Measurement, error: &Refusal) -> Measurement {
    tracing::error!(
        run = %call.run.metadata.name,
        namespace = %call.run.metadata.namespace,
        metric = %call.metric.name,
        "the plugin's configuration cannot be used: {error}"
    );
    if let Refusal::Block(BlockError::AgentWithoutUrl) = error {
        tracing::warn!("agent mode failed: not falling back to default mode");
    }
    let on_error = on_error(call.metric);
    refused(call.now, measurement, &error.to_string(), on_error)
}

/// Whether a time to be asked again is still to come. Further ahead than any
/// that is given, the clock was set back since, and what was said then would
/// hold for as long as that.
fn is_ahead(resume_at: Option<Timestamp>, now: Timestamp) -> bool {
    resume_at.is_some_and(|at| now < at && at <= later(now, LONGEST_PAUSE))
}

/// The day in UTC.
fn day(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

/// Whoever looks for the issue of a failed canary finds why there is none.
fn say_no_issue(call: &Call<'_>, case: &Case) {
    let why = if case.settings.repository.is_some() {
        "not in this version of the plugin"
    } else {
        "githubUrl not configured"
    };
    tracing::info!(
        run = %call.run.metadata.name,
        namespace = %call.run.metadata.namespace,
        metric = %call.metric.name,
        "Skipping GitHub issue creation ({why})"
    );
}

fn label<'r>(run: &'r AnalysisRun, name: &str) -> Option<&'r str> {
    run.metadata.labels.get(name).map(String::as_str)
}

impl MetricProvider for MetricAi {
    async fn init(&self) -> Result<(), RpcError> {
        if let Err(error) = self.outgoing() {
            tracing::error!("{error}");
            return Err(RpcError::new(error.to_string()));
        }
        tracing::info!("Successfully loaded plugin: {BLOCK}");
        Ok(())
    }

    async fn run(&self, run: AnalysisRun, metric: Metric) -> Measurement {
        self.advance(&self.call(&run, &metric), &Measurement::default())
    }

    async fn resume(
        &self,
        run: AnalysisRun,
        metric: Metric,
        measurement: Measurement,
    ) -> Measurement {
        self.advance(&self.call(&run, &metric), &measurement)
    }

    async fn terminate(
        &self,
        run: AnalysisRun,
        metric: Metric,
        measurement: Measurement,
    ) -> Measurement {
        let call = self.call(&run, &metric);
        let outcome = match self.looks.known(&call.id, call.now) {
            Known::Answered(answer) if answer.phase.is_completed() => return answer,
            Known::Seen(outcome) => Some(outcome),
            Known::Nothing | Known::Looking { .. } | Known::Answered(_) => None,
        };
        let answer = match self.case(&call, &measurement) {
            Ok(case) => case.terminated(call.now, outcome.as_ref()),
            // What cannot be used cannot have fired: it ends all the same.
            Err(error) => Measurement {
                phase: Phase::Inconclusive,
                value: "0".to_owned(),
                ..refuse(&call, &measurement, &error)
            },
        };
        self.answer(&call, answer)
    }

    async fn garbage_collect(
        &self,
        run: AnalysisRun,
        metric: Metric,
        _limit: i64,
    ) -> Result<(), RpcError> {
        self.looks.forget_before(&Identity::of(&run, &metric));
        Ok(())
    }

    async fn provider_type(&self) -> String {
        PROVIDER_TYPE.to_owned()
    }

    async fn metadata(&self, metric: Metric) -> BTreeMap<String, String> {
        describe(&metric)
    }
}
