//! Level 0: states that abort without statistics, and those that do not.

use judge::evidence::{ContainerState, PodState};
use judge::{Decision, Evidence, Judgement, Policy};

use crate::scene::{Log, START_MS, ended, evidence, healthy, pod, window};

fn judge_pods(stable: Vec<PodState>, canary: Vec<PodState>) -> Judgement {
    let (stable_logs, canary_logs) = healthy();
    let mut evidence: Evidence = evidence(&stable_logs, &canary_logs, window(62_000));
    evidence.stable.pods = stable;
    evidence.canary.pods = canary;
    judge::judge(&evidence, &Policy::default())
}

fn waiting(reason: &str) -> ContainerState {
    ContainerState {
        name: "app".to_owned(),
        waiting_reason: reason.to_owned(),
        ..ContainerState::default()
    }
}

fn restarted(restarts: u32, last_at_ms: i64) -> ContainerState {
    ContainerState {
        restarts,
        ..ended("Completed", 0, last_at_ms)
    }
}

#[test]
fn broken_states_abort_whatever_the_logs_say() {
    let cases: &[(ContainerState, &str)] = &[
        (ended("OOMKilled", 137, 5_000), "OOMKilled"),
        (waiting("CrashLoopBackOff"), "CrashLoopBackOff"),
        (waiting("ImagePullBackOff"), "ImagePullBackOff"),
        (waiting("ErrImagePull"), "ErrImagePull"),
        (waiting("InvalidImageName"), "InvalidImageName"),
        (
            waiting("CreateContainerConfigError"),
            "CreateContainerConfigError",
        ),
        (ended("Error", 1, 5_000), "exit code 1"),
        (restarted(1, 5_000), "1 restart"),
    ];
    for (state, title) in cases {
        let judgement = judge_pods(
            vec![pod("s-1", ContainerState::default())],
            vec![pod("c-1", state.clone())],
        );
        assert_eq!(judgement.decision, Decision::Abort, "{title}");
        assert_eq!(judgement.vetoes[0].title, *title);
        assert_eq!(
            (
                judgement.vetoes[0].canary_pods,
                judgement.vetoes[0].canary_pods_total
            ),
            (1, 1)
        );
        // The same in stable is no regression.
        let judgement = judge_pods(
            vec![pod("s-1", state.clone())],
            vec![pod("c-1", state.clone())],
        );
        assert_eq!(judgement.decision, Decision::Promote, "{title} in both");
    }
}

#[test]
fn ordinary_ends_abort_nothing() {
    let mut leaving = pod("c-1", ended("Error", 137, 5_000));
    leaving.terminating = true;
    let mut starting = pod("c-1", waiting("ContainerCreating"));
    starting.ready = false;
    starting.ready_since_ms = None;
    starting.created_ms = Some(START_MS + 30_000);
    let cases = [
        pod("c-1", ended("Completed", 0, 5_000)),
        pod("c-1", ended("Error", 143, 5_000)),
        leaving,
        starting,
    ];
    for state in cases {
        let judgement = judge_pods(
            vec![pod("s-1", ContainerState::default())],
            vec![state.clone()],
        );
        assert_eq!(judgement.decision, Decision::Promote, "{state:?}");
    }
}

#[test]
fn a_pod_that_is_never_ready_aborts_once_it_is_old_enough() {
    let mut state = pod("c-1", ContainerState::default());
    state.ready = false;
    state.ready_since_ms = None;
    state.created_ms = Some(START_MS - 100_000);
    let judgement = judge_pods(Vec::new(), vec![state.clone()]);
    assert_eq!(judgement.decision, Decision::Abort);
    assert_eq!(judgement.vetoes[0].title, "never ready");
    state.ready_since_ms = Some(START_MS);
    assert_eq!(
        judge_pods(Vec::new(), vec![state]).decision,
        Decision::Promote,
        "it was ready once"
    );
}

#[test]
fn what_stable_went_through_before_the_canary_excuses_nothing() {
    let judgement = judge_pods(
        vec![pod("s-1", ended("OOMKilled", 137, -1_000_000))],
        vec![pod("c-1", ended("OOMKilled", 137, 5_000))],
    );
    assert_eq!(judgement.decision, Decision::Abort);
    let judgement = judge_pods(
        vec![pod("s-1", restarted(7, -1_000_000))],
        vec![pod("c-1", restarted(2, 5_000))],
    );
    assert_eq!(judgement.decision, Decision::Abort);
}

#[test]
fn an_uncaught_exception_is_a_crash_only_where_the_process_ended_with_it() {
    let (stable, mut canary) = healthy();
    let traceback = "Traceback (most recent call last):\n  File \"/app/main.py\", line 3, in <module>\n    run()\nKeyError: 1";
    canary.push(Log {
        pod: "c-2",
        lines: vec![
            (1_000, "starting".to_owned()),
            (2_000, traceback.to_owned()),
        ],
    });
    let mut evidence = evidence(&stable, &canary, window(62_000));
    let alive = judge::judge(&evidence, &Policy::default());
    assert!(alive.vetoes.is_empty(), "{:?}", alive.vetoes);
    evidence.canary.logs[1].previous = true;
    let gone = judge::judge(&evidence, &Policy::default());
    assert_eq!(gone.decision, Decision::Abort);
    assert_eq!(gone.vetoes[0].title, "KeyError main:3");
}
