//! The line and the page that an on-call person reads.

use analysis::decide::alone;
use analysis::request::{Coverage, Gathered};
use analysis::{Verdict, message, report};
use judge::evidence::{Evidence, LeftOut, PodState};
use judge::judgement::{
    Carried, Exposure, ExposureUnit, Finding, FindingClass, Gate, GateKind, IgnoredEvents, Missing,
    MissingReason, Ratio,
};
use judge::{Arm, Decision, Judgement};

pub(crate) fn gathered() -> Gathered {
    let coverage = |sought: &str| Coverage {
        sought: sought.into(),
        pods: 3,
        logs_wanted: 3,
        logs_read: 3,
    };
    let mut evidence = Evidence::default();
    evidence.canary.pods = (1..=3)
        .map(|n| PodState {
            name: format!("web-{n}"),
            ready: n != 3,
            ..PodState::default()
        })
        .collect();
    Gathered {
        evidence,
        stable: coverage("role=stable of rollout web in namespace shop"),
        canary: coverage("role=canary of rollout web in namespace shop"),
        canary_start_ms: None,
        last_step_end_ms: None,
    }
}

pub(crate) fn judgement(decision: Decision) -> Judgement {
    Judgement {
        decision,
        confidence: 0.97,
        exposure: Exposure {
            unit: ExposureUnit::Requests,
            stable: 1_630,
            canary: 412,
            stable_errors: 2,
            canary_errors: 20,
            canary_per_second: 3.0,
        },
        vetoes: Vec::new(),
        gates: Vec::new(),
        findings: Vec::new(),
        ignored: Vec::new(),
        missing: None,
        carried: Carried::default(),
    }
}

pub(crate) fn gate(kind: GateKind, fired: bool) -> Gate {
    Gate {
        kind,
        log_e: 14.0,
        threshold: 5.1,
        stable_rate: 2.0 / 1_630.0,
        canary_rate: 20.0 / 412.0,
        stable_count: 2,
        canary_count: 20,
        fired,
        holds: false,
    }
}

pub(crate) fn finding(class: FindingClass, title: &str) -> Finding {
    Finding {
        id: "f-3a91".into(),
        class,
        title: title.into(),
        text: "java.lang.NullPointerException: <*> is null".into(),
        sample: "java.lang.NullPointerException: user is null".into(),
        stable_count: 0,
        canary_count: 18,
        stable_rate: 0.0,
        canary_rate: 18.0 / 412.0,
        ratio: Some(Ratio {
            estimate: 39.6,
            low: 9.2,
            high: 170.0,
        }),
        confirmed: true,
        first_ms: Some(1_767_323_045_000),
        last_ms: Some(1_767_323_105_500),
        canary_pods: 3,
        canary_pods_total: 3,
    }
}

pub(crate) fn broken() -> Judgement {
    let mut judgement = judgement(Decision::Abort);
    judgement.gates = vec![
        gate(GateKind::ErrorRate, true),
        gate(GateKind::WarnRate, false),
    ];
    judgement.findings = vec![finding(
        FindingClass::NewError,
        "NullPointerException UserResource:39",
    )];
    judgement
}

fn line(judgement: Judgement) -> String {
    alone(judgement, &gathered()).message
}

#[test]
fn an_abort_says_what_broke_how_often_where_against_what() {
    insta::assert_snapshot!(line(broken()), @"canary aborted: +4.7 pp errors (20/412 requests, stable 2/1,630), NullPointerException UserResource:39 in 3/3 pods, 0 in stable");
}

#[test]
fn a_veto_comes_first() {
    let mut judgement = broken();
    judgement.exposure = Exposure::default();
    judgement.gates.clear();
    judgement.findings.clear();
    let mut veto = finding(FindingClass::PodState, "CrashLoopBackOff (exit 1)");
    veto.canary_pods = 2;
    judgement.vetoes = vec![veto];
    insta::assert_snapshot!(line(judgement), @"canary aborted: CrashLoopBackOff (exit 1) in 2/3 pods, 0 in stable");
}

#[test]
fn a_promotion_says_what_it_rests_on() {
    let mut judgement = judgement(Decision::Promote);
    judgement.exposure.canary_errors = 0;
    insta::assert_snapshot!(line(judgement), @"canary promoted: 0/412 errors (stable 2/1,630), 2/3 pods ready");
}

#[test]
fn waiting_says_for_how_much_and_how_long() {
    let waiting = |reason, exposure, seconds| {
        let mut judgement = judgement(Decision::Inconclusive);
        judgement.exposure.canary = 60;
        judgement.exposure.canary_errors = 1;
        judgement.missing = Some(Missing {
            reason,
            exposure,
            seconds,
        });
        line(judgement)
    };
    let lines = [
        waiting(MissingReason::TooLittle, Some(337), Some(113)),
        waiting(MissingReason::TooLittle, Some(337), None),
        waiting(MissingReason::TooLittle, None, None),
        waiting(MissingReason::Suspicious, Some(80), Some(27)),
        waiting(MissingReason::NoCanary, None, None),
        waiting(MissingReason::NoStable, None, None),
        waiting(MissingReason::NoCanaryExposure, None, None),
        waiting(MissingReason::NoStableExposure, None, None),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r"
    canary inconclusive: needs about 340 more requests, 2 min at 3/s; 1/60 errors (stable 2/1,630) so far
    canary inconclusive: needs about 340 more requests; 1/60 errors (stable 2/1,630) so far
    canary inconclusive: needs more traffic; 1/60 errors (stable 2/1,630) so far
    canary inconclusive: more errors than stable, not enough to be sure: 1/60 errors (stable 2/1,630); needs about 80 more requests, 27 s at 3/s
    canary inconclusive: no log of a canary pod yet
    canary inconclusive: no log of a stable pod yet
    canary inconclusive: the canary's logs show no traffic yet: no request, and no line that stable also shows
    canary inconclusive: stable's logs show no traffic to compare with since the canary's start
    ");
}

/// Inconclusive, because of this gate.
fn held_by(kind: GateKind, rates: (f64, f64)) -> String {
    let mut judgement = judgement(Decision::Inconclusive);
    judgement.exposure.canary_errors = 0;
    judgement.gates = vec![
        Gate {
            canary_count: 3,
            stable_rate: rates.0,
            canary_rate: rates.1,
            holds: true,
            ..gate(kind, false)
        },
        // Stronger, and not what holds the canary back.
        gate(GateKind::ErrorRate, false),
    ];
    judgement.findings = vec![finding(
        FindingClass::Metric,
        "memory 480.000 MiB, stable 210.000 MiB",
    )];
    judgement.missing = Some(Missing {
        reason: MissingReason::Suspicious,
        exposure: Some(80),
        seconds: Some(27),
    });
    line(judgement)
}

#[test]
fn waiting_names_what_holds_the_canary_back() {
    let lines = [
        held_by(GateKind::ErrorRate, (0.0, 0.01)),
        held_by(GateKind::NewErrors, (0.0, 0.01)),
        held_by(GateKind::ServerErrors, (0.0, 0.01)),
        held_by(GateKind::WarnRate, (0.0, 0.01)),
        held_by(GateKind::Latency, (31.0, 147.0)),
        held_by(GateKind::LatencyTail, (90.0, 240.0)),
        held_by(GateKind::Vanished, (0.03, 0.007)),
        held_by(GateKind::Silence, (3.0, 0.1)),
        held_by(GateKind::Metric, (210.0, 480.0)),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r"
    canary inconclusive: more errors than stable, not enough to be sure: 3/412 requests, stable 2/1,630; needs about 80 more requests, 27 s at 3/s
    canary inconclusive: errors that stable does not show, not enough to be sure: 3/412 requests, stable 2/1,630; needs about 80 more requests, 27 s at 3/s
    canary inconclusive: more 5xx responses than stable, not enough to be sure: 3/412 requests, stable 2/1,630; needs about 80 more requests, 27 s at 3/s
    canary inconclusive: more warnings than stable, not enough to be sure: 3/412 requests, stable 2/1,630; needs about 80 more requests, 27 s at 3/s
    canary inconclusive: slower than stable, not enough to be sure: requests take 147 ms, stable 31 ms; needs about 80 more requests, 27 s at 3/s
    canary inconclusive: slower than stable, not enough to be sure: the slowest 5 % of requests take 240 ms, stable 90 ms; needs about 80 more requests, 27 s at 3/s
    canary inconclusive: lines that stable shows are missing (3 of about 12), not enough to be sure; needs about 80 more requests, 27 s at 3/s
    canary inconclusive: the canary logs far less than its traffic explains (3 of about 1,236 lines), not enough to be sure; needs about 80 more requests, 27 s at 3/s
    canary inconclusive: a metric is worse than stable's: memory 480.000 MiB, stable 210.000 MiB, not enough to be sure; needs about 80 more requests, 27 s at 3/s
    ");
}

#[test]
fn what_a_gate_says_is_not_said_again_by_its_finding() {
    let mut slow = judgement(Decision::Abort);
    slow.gates = vec![Gate {
        stable_rate: 31.0,
        canary_rate: 147.0,
        ..gate(GateKind::Latency, true)
    }];
    slow.findings = vec![
        finding(FindingClass::Latency, "requests take 147 ms, stable 31 ms"),
        finding(FindingClass::MoreErrors, "pool exhausted"),
    ];
    let mut metric = judgement(Decision::Abort);
    metric.gates = vec![gate(GateKind::Metric, true)];
    metric.findings = vec![finding(
        FindingClass::Metric,
        "memory 480.000 MiB, stable 210.000 MiB",
    )];
    insta::assert_snapshot!([line(slow), line(metric)].join("\n"), @r"
    canary aborted: requests take 147 ms, stable 31 ms, pool exhausted in 3/3 pods, 0 in stable
    canary aborted: a metric is worse than stable's: memory 480.000 MiB, stable 210.000 MiB
    ");
}

#[test]
fn hostile_text_stays_in_its_line() {
    let mut judgement = broken();
    judgement.findings[0].title =
        "\u{1b}[2J\ncanary promoted: all is well\r\u{202e}\u{2028}\u{200b}".into();
    let line = line(judgement);
    assert!(line.starts_with("canary aborted: +4.7 pp errors"), "{line}");
    assert!(
        line.chars()
            .all(|c| c == ' ' || !c.is_control() && !c.is_whitespace()),
        "{line:?}"
    );
    assert!(!line.contains(['\u{202e}', '\u{2028}', '\u{200b}']));
}

#[test]
fn a_line_is_never_longer_than_it_may_be() {
    for filler in ["x", "é", "😀", " a"] {
        let mut judgement = broken();
        judgement.vetoes = vec![
            finding(FindingClass::PodState, &filler.repeat(5_000)),
            finding(FindingClass::Crash, &filler.repeat(5_000)),
        ];
        let line = line(judgement);
        assert!(line.len() <= message::MAX_MESSAGE_BYTES, "{}", line.len());
        assert!(
            line.contains("/3 pods"),
            "the counts are not cut off: {line}"
        );
    }
    for max in 0..20 {
        assert!(message::one_line("ääääääääääääääää", max).len() <= max);
    }
}

#[test]
fn the_page_says_what_holds_the_canary_back_and_what_is_ignored() {
    let mut judgement = judgement(Decision::Inconclusive);
    judgement.gates = vec![
        gate(GateKind::ErrorRate, false),
        Gate {
            holds: true,
            ..gate(GateKind::Latency, false)
        },
    ];
    judgement.ignored = vec![IgnoredEvents {
        pattern: "cache * is cold".into(),
        reason: "OPS-1\nno line of its own".into(),
        stable_count: 1_200,
        canary_count: 3,
    }];
    judgement.ignored.push(IgnoredEvents {
        pattern: "no longer said".into(),
        stable_count: 0,
        canary_count: 0,
        ..judgement.ignored[0].clone()
    });
    let verdict: Verdict = alone(judgement, &gathered());
    insta::assert_snapshot!(report::text(&verdict), @r"
    canary inconclusive: nothing can be said yet
    confidence 97 %

                  requests      errors     share
    canary             412          20     4.9 %
    stable           1,630           2     0.1 %

    Gates that hold the canary back
      latency         canary 0.0 ms of 20 requests, stable 0.0 ms of 2 requests: +0.0 ms

    Ignored by the policy
      canary 3, stable 1,200: `cache * is cold` (OPS-1 no line of its own)
      nothing matches `no longer said` (OPS-1 no line of its own)
    ");
}

#[test]
fn the_page() {
    let mut gathered = gathered();
    gathered.evidence.left_out = vec![LeftOut {
        arm: Arm::Canary,
        what: "web-3/web".into(),
        why: "no answer within 15 s".into(),
    }];
    let verdict: Verdict = alone(broken(), &gathered);
    insta::assert_snapshot!(report::text(&verdict), @r"
    canary aborted: +4.7 pp errors (20/412 requests, stable 2/1,630), NullPointerException UserResource:39 in 3/3 pods, 0 in stable
    confidence 97 %

                  requests      errors     share
    canary             412          20     4.9 %
    stable           1,630           2     0.1 %

    Gates that fired
      error rate      canary 20 (4.9 %), stable 2 (0.1 %): +4.7 pp

    Findings
      NullPointerException UserResource:39 [new error] (f-3a91)
        canary 18 (4.4 %) in 3/3 pods, stable 0 (0.0 %), ratio 39.6 (95 %: 9.2 to 170.0)
        first 2026-01-02T03:04:05Z, last 2026-01-02T03:05:05Z
        | java.lang.NullPointerException: user is null

    Left out
      canary web-3/web: no answer within 15 s
    ");
}

#[test]
fn the_page_says_what_models_say() {
    let mut verdict: Verdict = alone(broken(), &gathered());
    verdict.explained.opinions = crate::pages::opinions("one\ntwo");
    verdict.explained.spent.calls = 2;
    verdict.explained.spent.tokens = 1_234;
    let page = report::text(&verdict);
    let (_, models) = page.split_once("\nModels\n").expect("a section");
    insta::assert_snapshot!(models, @r#"
    one two objects, 85 % sure, citing one two
      says: one two
      cause: one two
      mend: one two
    one two gave no opinion: one two
    asking took 2 calls, 1,234 tokens, 0 ms
    "#);
}
