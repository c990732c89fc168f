//! The steps of gathering from a cluster, in order.

use std::collections::HashMap;
use std::sync::Arc;

use judge::evidence::{ArmEvidence, LeftOut, LogProfile, Window};
use judge::{Arm, Evidence};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::api::{Api, GET_ROLLOUT, LIST_EVENTS, LIST_PODS, query};
use super::logs::{self, LogRequest, Outcome};
use super::membership::Membership;
use super::plan::{LogPlan, Plan, plan};
use crate::error::GatherError;
use crate::limits::{MAX_EVENTS_PER_ARM, MAX_LEFT_OUT, MAX_WINDOW_MS};
use crate::objects::{Event, Pod, Rollout};
use crate::request::{Coverage, Gathered, Request};
use crate::selector::Selector;
use crate::steps;

pub(super) async fn gather(api: &Arc<Api>, request: &Request) -> Result<Gathered, GatherError> {
    let deadline = Instant::now() + request.limits.look_time;
    let objects = timeout_at(deadline, objects(api, request))
        .await
        .map_err(|_| GatherError::TimedOut {
            doing: LIST_PODS.doing,
            limit_s: request.limits.look_time.as_secs(),
        })??;
    let Objects {
        rollout,
        stable,
        canary,
        mut left_out,
    } = objects;
    let membership = Membership::new(request, rollout.as_ref());
    let stable = members(&membership, Arm::Stable, stable);
    let canary = members(&membership, Arm::Canary, canary);
    let start_ms = canary_start_ms(request, &canary);
    let plan = plan(&stable, &canary, start_ms, &request.limits);
    tracing::info!(
        namespace = %request.namespace,
        rollout = %request.rollout,
        stable_pods = stable.len(),
        canary_pods = canary.len(),
        logs = plan.logs.len(),
        "fetching logs"
    );
    let window = start_ms.map_or_else(Window::unaligned, |start_ms| {
        Window::new(start_ms, request.now_ms)
    });
    let events = async {
        match timeout_at(deadline, events(api, request, start_ms)).await {
            Ok(events) => events,
            Err(_) => Err("not read in time".to_owned()),
        }
    };
    let (read, events) = tokio::join!(read_logs(api, request, &plan, window, deadline), events);
    let mut arms = Arms::new(&membership, [&stable, &canary], &plan);
    let mut forbidden = [None, None];
    for (plan, outcome) in read {
        arms.take(&plan, outcome, &mut forbidden, &mut left_out);
    }
    match events {
        Ok(events) => arms.take_events(events),
        Err(why) => left_out.push(LeftOut {
            arm: Arm::Canary,
            what: "Kubernetes events".to_owned(),
            why,
        }),
    }
    arms.warn_of_unread(&left_out);
    arms.refuse_if_all_forbidden(forbidden)?;
    left_out.extend(plan.left_out);
    let [stable, canary] = arms.arms;
    Ok(Gathered {
        evidence: Evidence {
            window,
            stable: stable.evidence,
            canary: canary.evidence,
            carried: request.earlier.carried.clone(),
            left_out: bounded(left_out),
        },
        stable: stable.coverage,
        canary: canary.coverage,
        canary_start_ms: start_ms,
        last_step_end_ms: rollout
            .and_then(|rollout| steps::last_step_end_ms(&rollout, request.now_ms)),
    })
}

/// The Rollout; `None` when it may not be read or is not there.
pub(super) async fn rollout(api: &Api, request: &Request) -> Result<Option<Rollout>, GatherError> {
    let uri = format!(
        "/apis/argoproj.io/v1alpha1/namespaces/{}/rollouts/{}",
        query(&request.namespace),
        query(&request.rollout),
    );
    match api.get(GET_ROLLOUT, &uri, &request.limits).await {
        Ok(rollout) => Ok(Some(rollout)),
        Err(
            error @ (GatherError::Forbidden { .. }
            | GatherError::Refused { status: 404, .. }
            | GatherError::Unreadable { .. }),
        ) => {
            tracing::debug!(%error, "pods are told apart by their ReplicaSets' names");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

struct Objects {
    rollout: Option<Rollout>,
    stable: Vec<Pod>,
    canary: Vec<Pod>,
    left_out: Vec<LeftOut>,
}

async fn objects(api: &Api, request: &Request) -> Result<Objects, GatherError> {
    let (rollout, (stable, more_stable), (canary, more_canary)) = tokio::try_join!(
        rollout(api, request),
        pods(api, request, &request.stable),
        pods(api, request, &request.canary),
    )?;
    let left_out = [(Arm::Stable, more_stable), (Arm::Canary, more_canary)]
        .into_iter()
        .filter(|(_, more)| *more)
        .map(|(arm, _)| LeftOut {
            arm,
            what: "pods".to_owned(),
            why: "there are more pods than are listed".to_owned(),
        })
        .collect();
    Ok(Objects {
        rollout,
        stable,
        canary,
        left_out,
    })
}

async fn pods(
    api: &Api,
    request: &Request,
    selector: &Selector,
) -> Result<(Vec<Pod>, bool), GatherError> {
    let uri = format!(
        "/api/v1/namespaces/{}/pods?labelSelector={}",
        query(&request.namespace),
        query(selector.as_str()),
    );
    api.list(LIST_PODS, &uri, &request.limits).await
}

/// Warnings about pods since the canary's start; else why there are none.
async fn events(api: &Api, request: &Request, start_ms: Option<i64>) -> Result<Vec<Event>, String> {
    let uri = format!(
        "/api/v1/namespaces/{}/events?fieldSelector={}",
        query(&request.namespace),
        query("involvedObject.kind=Pod,type=Warning"),
    );
    let (events, _) = api
        .list::<Event>(LIST_EVENTS, &uri, &request.limits)
        .await
        .map_err(|error| error.to_string())?;
    Ok(events
        .into_iter()
        .filter(|event| match (event.last_ms(), start_ms) {
            (Some(last_ms), Some(start_ms)) => last_ms >= start_ms,
            _ => true,
        })
        .collect())
}

fn members(membership: &Membership<'_>, arm: Arm, mut pods: Vec<Pod>) -> Vec<Pod> {
    pods.retain(|pod| membership.has(arm, pod));
    pods
}

/// Where the window starts: where it started at earlier looks, else when the
/// first canary pod did.
fn canary_start_ms(request: &Request, canary: &[Pod]) -> Option<i64> {
    let oldest_ms = request.now_ms.saturating_sub(MAX_WINDOW_MS);
    let earliest = canary.iter().filter_map(Pod::start_ms).min();
    request
        .earlier
        .canary_start_ms
        .filter(|start_ms| (oldest_ms..=request.now_ms).contains(start_ms))
        .or(earliest.map(|start_ms| start_ms.max(oldest_ms)))
}

/// Reads all logs of the plan side by side, and answers in the plan's order.
/// Dropping the future ends all of them.
async fn read_logs(
    api: &Arc<Api>,
    request: &Request,
    plan: &Plan,
    window: Window,
    deadline: Instant,
) -> Vec<(LogPlan, Outcome)> {
    let common = Arc::new(LogRequest {
        namespace: request.namespace.clone(),
        window,
        bytes: plan.bytes_per_log,
        limits: request.limits.clone(),
    });
    let own = Arc::new(Semaphore::new(request.limits.parallel_logs.max(1)));
    let mut tasks = JoinSet::new();
    for (index, log) in plan.logs.iter().enumerate() {
        let (api, common, own) = (Arc::clone(api), Arc::clone(&common), Arc::clone(&own));
        let log = log.clone();
        tasks.spawn(async move {
            // Semaphores are fair: who asked first reads first. The look's own
            // comes first, so that one large look cannot queue up in front of
            // all others.
            let _own = own.acquire().await;
            let _process = api.logs.acquire().await;
            (index, logs::read(&api, &log, &common).await)
        });
    }
    let mut read: HashMap<usize, Outcome> = HashMap::with_capacity(plan.logs.len());
    while let Ok(Some(done)) = timeout_at(deadline, tasks.join_next()).await {
        match done {
            Ok((index, outcome)) => {
                read.insert(index, outcome);
            }
            // Its log is missing below.
            Err(error) => tracing::error!(%error, "reading a log ended without an outcome"),
        }
    }
    // What is still being read is given up, and its connections with it.
    tasks.shutdown().await;
    plan.logs
        .iter()
        .enumerate()
        .map(|(index, log)| {
            let outcome = read
                .remove(&index)
                .unwrap_or_else(|| Outcome::Failed("it was not read in time".to_owned()));
            (log.clone(), outcome)
        })
        .collect()
}

/// Logs that a warning names; it counts the rest.
const MAX_WARNED: usize = 5;

/// Both arms as they fill, in the order of [`Arm`].
struct Arms {
    arms: [ArmGathered; 2],
}

struct ArmGathered {
    evidence: ArmEvidence,
    coverage: Coverage,
}

fn index(arm: Arm) -> usize {
    match arm {
        Arm::Stable => 0,
        Arm::Canary => 1,
    }
}

impl Arms {
    fn new(membership: &Membership<'_>, pods: [&Vec<Pod>; 2], plan: &Plan) -> Self {
        let arms = [Arm::Stable, Arm::Canary].map(|arm| {
            let pods = pods[index(arm)];
            let mut states: Vec<_> = pods.iter().map(Pod::state).collect();
            states.sort_by(|a, b| a.name.cmp(&b.name));
            ArmGathered {
                coverage: Coverage {
                    sought: membership.sought(arm),
                    pods: pods.len(),
                    logs_wanted: plan.logs.iter().filter(|log| log.arm == arm).count(),
                    logs_read: 0,
                },
                evidence: ArmEvidence {
                    pods: states,
                    ..ArmEvidence::default()
                },
            }
        });
        Self { arms }
    }

    fn take(
        &mut self,
        plan: &LogPlan,
        outcome: Outcome,
        forbidden: &mut [Option<GatherError>; 2],
        left_out: &mut Vec<LeftOut>,
    ) {
        let arm = &mut self.arms[index(plan.arm)];
        let mut leave_out = |why: String| {
            left_out.push(LeftOut {
                arm: plan.arm,
                what: plan.name(),
                why,
            });
        };
        match outcome {
            Outcome::Read { profile, cut } => {
                arm.coverage.logs_read += 1;
                arm.evidence.logs.push(LogProfile {
                    pod: plan.pod.clone(),
                    container: plan.container.clone(),
                    previous: plan.previous,
                    profile: *profile,
                });
                if let Some(why) = cut {
                    leave_out(why);
                }
            }
            Outcome::Absent => {
                // Pods come and go: what is not there was not to be read.
                arm.coverage.logs_wanted = arm.coverage.logs_wanted.saturating_sub(1);
                leave_out("it was not there any more".to_owned());
            }
            Outcome::Forbidden(error) => {
                leave_out("the service account may not read it".to_owned());
                forbidden[index(plan.arm)] = Some(error);
            }
            Outcome::Failed(why) => leave_out(why),
        }
    }

    fn take_events(&mut self, events: Vec<Event>) {
        for arm in &mut self.arms {
            let pods: std::collections::BTreeSet<&str> = arm
                .evidence
                .pods
                .iter()
                .map(|pod| pod.name.as_str())
                .collect();
            let mut own: Vec<_> = events
                .iter()
                .filter(|event| event.pod().is_some_and(|pod| pods.contains(pod)))
                .map(Event::evidence)
                .collect();
            own.sort_by(|a, b| {
                (&a.pod, a.last_ms, &a.reason, &a.message)
                    .cmp(&(&b.pod, b.last_ms, &b.reason, &b.message))
            });
            own.truncate(MAX_EVENTS_PER_ARM);
            arm.evidence.events = own;
        }
    }

    /// Once for a look, however many logs it was.
    fn warn_of_unread(&self, left_out: &[LeftOut]) {
        let unread: usize = self
            .arms
            .iter()
            .map(|arm| {
                arm.coverage
                    .logs_wanted
                    .saturating_sub(arm.coverage.logs_read)
            })
            .sum();
        if unread > 0 {
            let entries: Vec<String> = left_out
                .iter()
                .take(MAX_WARNED)
                .map(|entry| format!("{}: {}", entry.what, entry.why))
                .collect();
            tracing::warn!(unread, left_out = %entries.join("; "), "failed to fetch logs");
        }
    }

    /// A right that is missing is mended by a person, not by waiting.
    fn refuse_if_all_forbidden(
        &self,
        forbidden: [Option<GatherError>; 2],
    ) -> Result<(), GatherError> {
        for (arm, error) in self.arms.iter().zip(forbidden) {
            if let Some(error) = error
                && arm.coverage.logs_read == 0
            {
                return Err(error);
            }
        }
        Ok(())
    }
}

/// In canonical order, and not more than a person reads.
fn bounded(mut left_out: Vec<LeftOut>) -> Vec<LeftOut> {
    left_out.sort();
    left_out.dedup();
    if left_out.len() > MAX_LEFT_OUT {
        let more = left_out.len() - MAX_LEFT_OUT;
        left_out.truncate(MAX_LEFT_OUT);
        left_out.push(LeftOut {
            arm: Arm::Canary,
            what: format!("{more} more"),
            why: "not listed here".to_owned(),
        });
    }
    left_out
}
