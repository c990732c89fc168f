//! The gates that look at something other than errors.

use judge::Decision::{Abort, Inconclusive, Promote};
use judge::evidence::{ClusterEvent, MetricSamples, Worse};
use judge::judgement::{FindingClass, GateKind};
use judge::{Judgement, Policy};

use crate::scene::{Log, START_MS, evidence, gate, judge, steady, window};

const SPAN_MS: i64 = 120_000;
const END_MS: i64 = 122_000;

/// A request that took about so many milliseconds, some of them ten times as
/// long, and what its work says besides.
fn served(i: i64, ms: i64, slow_every: i64) -> String {
    let jitter = (i * 7919) % 17;
    let ms = if i % slow_every == 0 {
        10 * ms
    } else {
        ms + jitter
    };
    format!("GET /orders 200 {ms}.5 ms - 12")
}

fn timed(pod: &'static str, n: i64, ms: i64, slow_every: i64) -> Log {
    steady(pod, n, SPAN_MS, move |i| served(i, ms, slow_every))
}

fn fired(judgement: &Judgement) -> Vec<GateKind> {
    judgement
        .gates
        .iter()
        .filter(|gate| gate.fired)
        .map(|gate| gate.kind)
        .collect()
}

#[test]
fn requests_that_take_three_times_as_long_abort() {
    let judgement = judge(
        &[timed("s", 3000, 40, 50)],
        &[timed("c", 1000, 120, 50)],
        END_MS,
    );
    assert_eq!(judgement.decision, Abort, "{:?}", judgement.gates);
    let gate = gate(&judgement, GateKind::Latency);
    assert!(gate.fired);
    assert!(
        (35.0..65.0).contains(&gate.stable_rate),
        "{}",
        gate.stable_rate
    );
    assert!(
        (110.0..150.0).contains(&gate.canary_rate),
        "{}",
        gate.canary_rate
    );
    let finding = judgement
        .findings
        .iter()
        .find(|finding| finding.class == FindingClass::Latency)
        .unwrap();
    assert!(
        finding.title.starts_with("requests take 1"),
        "{}",
        finding.title
    );
}

#[test]
fn a_tail_that_grows_aborts_though_the_median_stays() {
    let judgement = judge(
        &[timed("s", 3000, 40, 1000)],
        &[timed("c", 1000, 40, 8)],
        END_MS,
    );
    assert_eq!(
        fired(&judgement),
        [GateKind::LatencyTail],
        "{:?}",
        judgement.gates
    );
}

#[test]
fn each_guard_of_the_latency_gate_holds_alone() {
    let scene = evidence(
        &[timed("s", 3000, 40, 50)],
        &[timed("c", 1000, 120, 50)],
        window(END_MS),
    );
    for policy in [
        Policy {
            latency_min_ratio: 5.0,
            latency_tail_min_ratio: 10.0,
            ..Policy::default()
        },
        Policy {
            latency_min_difference_ms: 2_000.0,
            ..Policy::default()
        },
        Policy {
            latency_warmup_ms: 300_000,
            ..Policy::default()
        },
    ] {
        assert_ne!(judge::judge(&scene, &policy).decision, Abort, "{policy:?}");
    }
    // As fast as stable, and hardly slower: nothing.
    for ms in [40, 44] {
        let judgement = judge(
            &[timed("s", 3000, 40, 50)],
            &[timed("c", 1000, ms, 50)],
            END_MS,
        );
        assert_ne!(judgement.decision, Abort, "{ms} ms: {:?}", judgement.gates);
    }
}

#[test]
fn a_canary_that_is_slow_only_while_it_warms_up_is_promoted() {
    let cold = steady("c", 1000, SPAN_MS, |i| {
        served(i, if i * SPAN_MS / 1000 < 25_000 { 400 } else { 40 }, 50)
    });
    let judgement = judge(&[timed("s", 3000, 40, 50)], &[cold], END_MS);
    assert_eq!(judgement.decision, Promote, "{:?}", judgement.gates);
}

fn retries(every: i64) -> impl Fn(i64) -> String {
    move |i| {
        if i % every == 3 {
            format!("WARN pool exhausted, retrying order {i}")
        } else {
            format!("200 - blue {i}")
        }
    }
}

#[test]
fn warnings_that_stable_knows_and_that_come_far_more_often_abort() {
    let stable = [steady("s", 2000, SPAN_MS, retries(100))];
    let judgement = judge(&stable, &[steady("c", 1000, SPAN_MS, retries(6))], END_MS);
    assert_eq!(
        fired(&judgement),
        [GateKind::WarnRate],
        "{:?}",
        judgement.gates
    );
    let scene = evidence(
        &stable,
        &[steady("c", 1000, SPAN_MS, retries(6))],
        window(END_MS),
    );
    for policy in [
        Policy {
            warn_min_ratio: 20.0,
            ..Policy::default()
        },
        Policy {
            warn_min_difference: 0.5,
            ..Policy::default()
        },
    ] {
        assert_ne!(judge::judge(&scene, &policy).decision, Abort, "{policy:?}");
    }
}

#[test]
fn a_warning_that_is_new_aborts_nothing() {
    // A library that calls something deprecated, with every request.
    let canary = [steady("c", 2000, SPAN_MS, |i| {
        if i % 2 == 0 {
            "WARN option x is deprecated, use y".to_owned()
        } else {
            format!("200 - blue {i}")
        }
    })];
    let stable = [steady("s", 1000, SPAN_MS, |i| format!("200 - blue {i}"))];
    let judgement = judge(&stable, &canary, END_MS);
    assert_eq!(judgement.decision, Promote, "{:?}", judgement.gates);
    assert!(
        judgement
            .findings
            .iter()
            .any(|f| f.class == FindingClass::Warning)
    );
}

/// Requests with what their work says: two lines of some dozen kinds.
fn working(pod: &'static str, requests: i64, says: impl Fn(i64) -> Vec<&'static str>) -> Log {
    let mut lines = Vec::new();
    for i in 0..requests {
        let ms = i * SPAN_MS / requests + (i * 7919) % 97;
        lines.push((ms, format!("200 - blue {i}")));
        for text in says(i) {
            lines.push((ms, format!("INFO {text} {i}")));
        }
    }
    Log { pod, lines }
}

fn all_of_it(i: i64) -> Vec<&'static str> {
    let mut says = vec!["order stored", "invoice sent for order"];
    if i % 3 == 0 {
        says.push("cart emptied of customer");
    }
    says
}

#[test]
fn lines_that_vanish_abort_though_every_request_is_answered() {
    let stable = [working("s", 1000, all_of_it)];
    let quiet = [working("c", 500, |i| {
        if i % 3 == 0 {
            vec!["cart emptied of customer"]
        } else {
            vec![]
        }
    })];
    let judgement = judge(&stable, &quiet, END_MS);
    assert_eq!(judgement.decision, Abort);
    assert!(
        fired(&judgement).contains(&GateKind::Vanished),
        "{:?}",
        judgement.gates
    );
    let vanished: Vec<&str> = judgement
        .findings
        .iter()
        .filter(|finding| finding.class == FindingClass::Vanished && finding.confirmed)
        .map(|finding| finding.title.as_str())
        .collect();
    assert_eq!(vanished.len(), 2, "{:?}", judgement.findings);
}

#[test]
fn one_statement_that_was_removed_holds_the_canary_back_and_aborts_nothing() {
    let stable = [working("s", 1000, all_of_it)];
    let without = |i: i64| {
        let mut says = all_of_it(i);
        says.remove(1);
        says
    };
    let judgement = judge(&stable, &[working("c", 500, without)], END_MS);
    assert_eq!(judgement.decision, Inconclusive, "{:?}", judgement.gates);
    assert!(gate(&judgement, GateKind::Vanished).holds);
    // One statement with another word in one place is still one.
    let paid = |i: i64| {
        let mut says = all_of_it(i);
        says.push(["bill settled by card", "bill settled by a gift voucher"][(i % 2) as usize]);
        says
    };
    let judgement = judge(
        &[working("s", 1000, paid)],
        &[working("c", 500, all_of_it)],
        END_MS,
    );
    assert_eq!(judgement.decision, Inconclusive, "{:?}", judgement.gates);
    let scene = evidence(&stable, &[working("c", 500, without)], window(END_MS));
    let strict = Policy {
        vanished_min_templates: 1,
        ..Policy::default()
    };
    assert_eq!(
        judge::judge(&scene, &strict).decision,
        Abort,
        "the policy may want it"
    );
}

#[test]
fn a_level_that_was_raised_is_not_taken_for_a_failure() {
    let judgement = judge(
        &[working("s", 1000, all_of_it)],
        &[working("c", 500, |_| vec![])],
        END_MS,
    );
    assert_eq!(judgement.decision, Inconclusive, "{:?}", judgement.gates);
}

#[test]
fn a_canary_that_says_far_less_for_each_request_is_silent() {
    // A tenth of everything is left: nothing vanished, and most is missing.
    let says = |i: i64| if i % 10 == 0 { all_of_it(i) } else { vec![] };
    let stable = [working("s", 2000, all_of_it)];
    let judgement = judge(&stable, &[working("c", 1000, says)], END_MS);
    assert!(
        gate(&judgement, GateKind::Silence).fired,
        "{:?}",
        judgement.gates
    );
    let scene = evidence(&stable, &[working("c", 1000, says)], window(END_MS));
    let lax = Policy {
        silence_max_rest: 0.01,
        vanished_max_rest: 0.01,
        ..Policy::default()
    };
    assert_ne!(judge::judge(&scene, &lax).decision, Abort);
}

#[test]
fn what_processes_say_as_they_end_is_no_sign_of_traffic() {
    // A line for some twenty requests, in the version whose pods go away.
    let ends = |i: i64| match (i * i * 31 + i * 17) % 53 {
        0 => vec!["closing pool"],
        1 | 2 => vec!["draining connections"],
        _ => vec![],
    };
    let goes_on = |i: i64| match i {
        900 | 1_100 => vec!["closing pool", "draining connections"],
        _ => vec![],
    };
    let judgement = judge(
        &[working("s", 1000, ends)],
        &[working("c", 2000, goes_on)],
        END_MS,
    );
    let gate = gate(&judgement, GateKind::Silence);
    assert!(gate.log_e > gate.threshold, "it would have fired: {gate:?}");
    assert!(!gate.fired && !gate.holds, "{gate:?}");
}

#[test]
fn an_access_line_that_names_the_version_has_not_vanished() {
    let judgement = judge(
        &[steady("s", 2000, SPAN_MS, |i| format!("200 - blue {i}"))],
        &[steady("c", 1000, SPAN_MS, |i| {
            format!("200 - dark-green {i}")
        })],
        END_MS,
    );
    assert_eq!(judgement.decision, Promote, "{:?}", judgement.gates);
    assert_eq!(judgement.findings, []);
}

#[test]
fn a_finding_is_a_share_of_all_that_was_seen() {
    // The newest bucket is not complete: what is in it is counted in both.
    let fails = |i: i64| match i % 10 {
        0 => format!("500 - yellow {i}"),
        _ => format!("200 - yellow {i}"),
    };
    let served = |i: i64| format!("200 - yellow {i}");
    let judgement = judge(
        &[steady("s", 2000, SPAN_MS, served)],
        &[steady("c", 1000, SPAN_MS, fails)],
        SPAN_MS - 3_000,
    );
    let mut findings = judgement.findings.iter();
    let finding = findings.find(|finding| finding.class == FindingClass::ServerErrors);
    let finding = finding.expect("a finding of 5xx");
    assert_eq!(finding.canary_count, 100);
    assert!((finding.canary_rate - 0.1).abs() < 1e-9, "{finding:?}");
}

fn samples(name: &str, worse: Worse, value: impl Fn(i64) -> f64) -> MetricSamples {
    MetricSamples {
        name: name.to_owned(),
        unit: "ms".to_owned(),
        worse,
        values: (0..24)
            .map(|n| (START_MS + n * 5_000 + 100, value(n)))
            .collect(),
    }
}

fn with_metric(worse: Worse, stable: f64, canary: f64) -> Judgement {
    let served = |i: i64| format!("200 - blue {i}");
    let mut scene = evidence(
        &[steady("s", 1000, SPAN_MS, served)],
        &[steady("c", 500, SPAN_MS, served)],
        window(END_MS),
    );
    let wave = |level: f64| move |n: i64| level + ((n * 7) % 5) as f64 * 0.01 * level;
    scene.stable.metrics = vec![samples("queue wait", worse, wave(stable))];
    scene.canary.metrics = vec![samples("queue wait", worse, wave(canary))];
    judge::judge(&scene, &Policy::default())
}

#[test]
fn a_metric_aborts_when_it_is_worse_and_only_then() {
    let judgement = with_metric(Worse::Higher, 10.0, 20.0);
    assert_eq!(
        fired(&judgement),
        [GateKind::Metric],
        "{:?}",
        judgement.gates
    );
    let finding = &judgement.findings[0];
    assert_eq!(finding.class, FindingClass::Metric);
    assert!(
        finding.title.starts_with("queue wait 20."),
        "{}",
        finding.title
    );
    assert_eq!(
        with_metric(Worse::Lower, 10.0, 20.0).decision,
        Promote,
        "better"
    );
    assert_eq!(
        with_metric(Worse::Lower, 20.0, 10.0).decision,
        Abort,
        "less is worse"
    );
    assert_ne!(
        with_metric(Worse::Higher, 10.0, 10.5).decision,
        Abort,
        "too small"
    );
    assert_eq!(with_metric(Worse::Higher, 10.0, 10.0).decision, Promote);
}

#[test]
fn what_is_no_number_is_no_sample() {
    for nonsense in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_ne!(with_metric(Worse::Higher, 10.0, nonsense).decision, Abort);
        assert_ne!(with_metric(Worse::Higher, nonsense, 10.0).decision, Abort);
    }
}

#[test]
fn warning_events_of_kubernetes_are_told_and_abort_nothing() {
    let served = |i: i64| format!("200 - blue {i}");
    let mut scene = evidence(
        &[steady("s", 1000, SPAN_MS, served)],
        &[steady("c", 500, SPAN_MS, served)],
        window(END_MS),
    );
    scene.canary.events = vec![ClusterEvent {
        pod: "c".into(),
        kind: "Warning".into(),
        reason: "Unhealthy".into(),
        message: "Readiness probe failed: password=hunter2".into(),
        count: 3,
        last_ms: Some(START_MS),
    }];
    let judgement = judge::judge(&scene, &Policy::default());
    assert_eq!(judgement.decision, Promote);
    let finding = &judgement.findings[0];
    assert_eq!(
        (finding.class, finding.canary_count),
        (FindingClass::Event, 3)
    );
    assert!(!finding.text.contains("hunter2"));
}
