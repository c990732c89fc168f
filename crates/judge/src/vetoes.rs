//! Level 0: states that abort without statistics.
//!
//! A veto is something that happened to the canary and did not happen to
//! stable in the same time. Each state has a kind; the same kind in stable
//! makes it no regression.

use std::collections::{BTreeMap, BTreeSet};

use crate::evidence::{ArmEvidence, ContainerState, Evidence, PodState, Termination};
use crate::exceptions::new_exception;
use crate::findings;
use crate::judgement::{Finding, FindingClass};
use crate::novel::fnv;
use crate::policy::Policy;
use crate::redact::redact;
use crate::signs::Crash;
use crate::strata::Strata;
use crate::table::Row;
use crate::unfit::never_worked;

/// Exit codes of a container that was asked to stop: SIGTERM as the shell
/// reports it, and SIGINT.
const STOPPED: [i32; 2] = [143, 130];

/// Conditions of a pod are written within this time of its creation.
const CREATION_MS: i64 = 10_000;

/// What happened to pods of one arm: kind → what is told of it.
type States = BTreeMap<&'static str, State>;

#[derive(Clone, Debug, Default)]
struct State {
    title: String,
    text: String,
    pods: BTreeSet<String>,
    at_ms: Option<i64>,
}

/// The canary's vetoes, worst first.
pub(crate) fn find(
    evidence: &Evidence,
    strata: &Strata,
    rows: &[Row],
    policy: &Policy,
) -> Vec<Finding> {
    let canary = states(evidence, &evidence.canary, policy);
    let stable = states(evidence, &evidence.stable, policy);
    let pods = pod_count(&evidence.canary);
    let mut vetoes: Vec<Finding> = ORDER
        .iter()
        .filter(|kind| !stable.contains_key(*kind))
        .filter_map(|kind| canary.get(kind).map(|state| finding(kind, state, pods)))
        .collect();
    vetoes.extend(restarts(evidence, policy));
    vetoes.extend(crashes(evidence, rows));
    let complete = !evidence.window.is_aligned();
    if let Some(row) = new_exception(complete, strata, rows, policy) {
        vetoes.push(findings::of_new_exception(row, strata, pods));
    } else if let Some(row) = never_worked(complete, rows) {
        vetoes.push(findings::of_new_exception(row, strata, pods));
    }
    vetoes
}

/// Kinds, the one that tells most about the cause first.
const ORDER: [&str; 6] = [
    "OOMKilled",
    "image",
    "config",
    "CrashLoopBackOff",
    "exit",
    "never-ready",
];

fn states(evidence: &Evidence, arm: &ArmEvidence, policy: &Policy) -> States {
    let mut states = States::new();
    let mut pods: Vec<&PodState> = arm.pods.iter().collect();
    pods.sort_by(|a, b| a.name.cmp(&b.name));
    for pod in pods {
        for container in &pod.containers {
            note_waiting(&mut states, pod, container);
            if let Some(end) = container
                .terminated
                .as_ref()
                .filter(|end| in_window(evidence, end))
            {
                note_end(&mut states, pod, container, end);
            }
        }
        if is_never_ready(evidence, pod, policy) {
            let age_s = age_ms(evidence, pod).unwrap_or_default() / 1000;
            note(
                &mut states,
                "never-ready",
                pod,
                "never ready",
                &format!("not ready {age_s} s after it was created"),
                None,
            );
        }
    }
    states
}

fn note(
    states: &mut States,
    kind: &'static str,
    pod: &PodState,
    title: &str,
    text: &str,
    at_ms: Option<i64>,
) {
    let state = states.entry(kind).or_default();
    if state.pods.is_empty() {
        state.title = redact(title).into_owned();
        state.text = redact(text).into_owned();
    }
    state.pods.insert(pod.name.clone());
    state.at_ms = [state.at_ms, at_ms].into_iter().flatten().max();
}

fn note_waiting(states: &mut States, pod: &PodState, container: &ContainerState) {
    let reason = container.waiting_reason.as_str();
    let kind = match reason {
        "CrashLoopBackOff" => "CrashLoopBackOff",
        "ErrImagePull"
        | "ImagePullBackOff"
        | "InvalidImageName"
        | "ErrImageNeverPull"
        | "ImageInspectError"
        | "RegistryUnavailable"
        | "SignatureValidationFailed" => "image",
        "CreateContainerConfigError"
        | "CreateContainerError"
        | "RunContainerError"
        | "StartError"
        | "PreCreateHookError"
        | "PreStartHookError"
        | "PostStartHookError" => "config",
        _ => return,
    };
    if !pod.terminating {
        note(
            states,
            kind,
            pod,
            reason,
            &format!("container {} waits: {reason}", container.name),
            None,
        );
    }
}

fn note_end(states: &mut States, pod: &PodState, container: &ContainerState, end: &Termination) {
    let name = &container.name;
    if end.reason == "OOMKilled" {
        note(
            states,
            "OOMKilled",
            pod,
            "OOMKilled",
            &format!("container {name} was killed for using more memory than its limit"),
            end.finished_ms,
        );
        return;
    }
    let asked = pod.terminating || STOPPED.contains(&end.exit_code) || end.signal == 15;
    if end.reason == "Completed" || end.exit_code == 0 || asked {
        return;
    }
    let title = format!("exit code {}", end.exit_code);
    note(
        states,
        "exit",
        pod,
        &title,
        &format!(
            "container {name} ended with exit code {} ({})",
            end.exit_code, end.reason
        ),
        end.finished_ms,
    );
}

/// What ended before the canary began is no news of this rollout.
fn in_window(evidence: &Evidence, end: &Termination) -> bool {
    match (evidence.window.start_ms, end.finished_ms) {
        (Some(start_ms), Some(finished_ms)) => finished_ms >= start_ms,
        _ => true,
    }
}

fn age_ms(evidence: &Evidence, pod: &PodState) -> Option<i64> {
    Some(evidence.window.end_ms? - pod.created_ms?)
}

/// A pod that is merely young, or on its way out, is not broken.
fn is_never_ready(evidence: &Evidence, pod: &PodState, policy: &Policy) -> bool {
    let lives = matches!(
        pod.phase.as_str(),
        "Pending" | "Running" | "Unknown" | "Failed"
    );
    // Some sources give the time of the last change of `Ready`: for a pod that
    // never was, that is its creation.
    let never = pod.ready_since_ms.is_none_or(|since_ms| {
        pod.created_ms
            .is_some_and(|created_ms| since_ms - created_ms <= CREATION_MS)
    });
    !pod.ready
        && never
        && lives
        && !pod.terminating
        && age_ms(evidence, pod).is_some_and(|age_ms| age_ms >= policy.ready_within_ms)
}

/// More restarts of some container than any container of stable had in the
/// same time.
fn restarts(evidence: &Evidence, policy: &Policy) -> Option<Finding> {
    let most = |arm: &ArmEvidence| -> (u32, BTreeSet<String>) {
        let mut most = (0, BTreeSet::new());
        for pod in arm.pods.iter().filter(|pod| !pod.terminating) {
            let restarts = pod
                .containers
                .iter()
                .map(|container| restarts_in_window(evidence, container))
                .max()
                .unwrap_or_default();
            if restarts > most.0 {
                most = (restarts, BTreeSet::new());
            }
            if restarts == most.0 && restarts > 0 {
                most.1.insert(pod.name.clone());
            }
        }
        most
    };
    let (stable, _) = most(&evidence.stable);
    let (canary, pods) = most(&evidence.canary);
    if canary < policy.min_restarts.max(1) || canary <= stable {
        return None;
    }
    let times = if canary == 1 {
        "1 restart".to_owned()
    } else {
        format!("{canary} restarts")
    };
    let text = format!("a container restarted {canary} times, in stable at most {stable}");
    let state = State {
        title: times,
        text,
        pods,
        at_ms: None,
    };
    let mut finding = finding("restarts", &state, pod_count(&evidence.canary));
    finding.stable_count = stable.into();
    finding.canary_count = canary.into();
    Some(finding)
}

/// Stable's pods may be weeks old: restarts from before the canary are not
/// compared. How often it restarted since is not known, only when last.
fn restarts_in_window(evidence: &Evidence, container: &ContainerState) -> u32 {
    match &container.terminated {
        Some(end) if !in_window(evidence, end) => 0,
        _ => container.restarts,
    }
}

/// Crash signatures in the canary's logs, of a kind that stable's never show.
fn crashes(evidence: &Evidence, rows: &[Row]) -> Vec<Finding> {
    let in_stable: BTreeSet<Crash> = rows
        .iter()
        .filter(|row| !row.stable.is_empty())
        .filter_map(|row| row.crash)
        .collect();
    let pods = pod_count(&evidence.canary);
    let mut best: BTreeMap<Crash, &Row> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.canary.total() > 0) {
        let Some(crash) = row.crash.filter(|crash| !in_stable.contains(crash)) else {
            continue;
        };
        // Want of memory that nobody caught is the same in every language.
        let memory = row.exception == "MemoryError";
        if crash == Crash::Traceback && !memory && !ended_in_traceback(evidence) {
            continue;
        }
        let better = best.get(&crash).is_none_or(|other| {
            (row.canary.total(), &other.text) > (other.canary.total(), &row.text)
        });
        if better {
            best.insert(crash, row);
        }
    }
    best.into_iter()
        .map(|(crash, row)| {
            let title = if row.exception.is_empty() || row.exception == crash.title() {
                crash.title().to_owned()
            } else {
                row.exception.clone()
            };
            let title = if row.frame.is_empty() {
                title
            } else {
                format!("{title} {}", row.frame)
            };
            Finding {
                id: id("crash", &row.text),
                class: FindingClass::Crash,
                title,
                text: row.text.clone(),
                sample: row.sample.clone(),
                stable_count: 0,
                canary_count: row.canary.total(),
                first_ms: row.first_ms,
                last_ms: row.last_ms,
                canary_pods: u32::try_from(row.canary_pods.len()).unwrap_or(u32::MAX),
                ..finding("crash", &State::default(), pods)
            }
        })
        .collect()
}

/// An uncaught exception is a crash only where the process ended with it: its
/// log is of a container that is gone, or its container's end is known, or in
/// the same log another process starts after it.
fn ended_in_traceback(evidence: &Evidence) -> bool {
    if evidence
        .canary
        .logs
        .iter()
        .any(|log| log.profile.restarted_after_traceback)
    {
        return true;
    }
    evidence
        .canary
        .logs
        .iter()
        .filter(|log| log.profile.ends_in_traceback)
        .any(|log| {
            let container = evidence
                .canary
                .pods
                .iter()
                .filter(|pod| pod.name == log.pod)
                .flat_map(|pod| &pod.containers)
                .find(|container| container.name == log.container);
            log.previous
                || container
                    .and_then(|container| container.terminated.as_ref())
                    .is_some_and(|end| end.exit_code != 0)
        })
}

/// Pods of an arm, from their states and from their logs.
pub(crate) fn pod_count(arm: &ArmEvidence) -> u32 {
    let names: BTreeSet<&str> = arm
        .pods
        .iter()
        .map(|pod| pod.name.as_str())
        .chain(arm.logs.iter().map(|log| log.pod.as_str()))
        .collect();
    u32::try_from(names.len()).unwrap_or(u32::MAX)
}

/// A finding's id: the same difference has the same at every look.
pub(crate) fn id(class: &str, text: &str) -> String {
    format!("{:08x}", fnv(&[class.as_bytes(), text.as_bytes()]) as u32)
}

fn finding(kind: &str, state: &State, canary_pods_total: u32) -> Finding {
    let pods = u32::try_from(state.pods.len()).unwrap_or(u32::MAX);
    Finding {
        title: state.title.clone(),
        text: state.text.clone(),
        canary_count: pods.into(),
        first_ms: state.at_ms,
        last_ms: state.at_ms,
        canary_pods: pods,
        canary_pods_total,
        ..findings::blank("state", kind)
    }
}
