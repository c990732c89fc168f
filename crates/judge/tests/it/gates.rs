//! Level 1: false alarms and power by simulation, and the promote rule.

use judge::Decision::{Abort, Inconclusive, Promote};
use judge::evidence::LogProfile;
use judge::judgement::{Carried, MissingReason};
use judge::{Decision, Evidence, Policy, ProfileOptions, Profiler};

use crate::scene::{Log, Random, START_MS, evidence, judge, judge_carrying, stamp, steady, window};

/// Requests of both arms over `looks` × 10 s.
struct Traffic {
    per_second: f64,
    /// The canary's share of the traffic at each look.
    weights: &'static [f64],
    stable_errors: f64,
    canary_errors: f64,
    looks: i64,
}

impl Traffic {
    /// Times and outcomes of each arm's requests.
    fn draw(&self, random: &mut Random) -> [Log; 2] {
        let mut logs = [
            Log {
                pod: "s",
                lines: Vec::new(),
            },
            Log {
                pod: "c",
                lines: Vec::new(),
            },
        ];
        let span_ms = self.looks * 10_000;
        let requests = (self.per_second * span_ms as f64 / 1000.0) as i64;
        for index in 0..requests {
            let ms = index * span_ms / requests;
            let look = (ms / 10_000) as usize;
            let canary = random.chance(self.weights[look.min(self.weights.len() - 1)]);
            let failed = random.chance(if canary {
                self.canary_errors
            } else {
                self.stable_errors
            });
            let line = if failed { "500 - blue" } else { "200 - blue" };
            logs[usize::from(canary)].lines.push((ms, line.to_owned()));
        }
        logs
    }

    /// The decision at each look, until one is an abort.
    fn look_by_look(&self, random: &mut Random) -> Vec<Decision> {
        let logs = self.draw(random);
        let mut carried = Carried::default();
        let mut decisions = Vec::new();
        for look in 1..=self.looks {
            let end_ms = look * 10_000 + 1_000;
            let window = window(end_ms);
            let profile = |log: &Log| {
                let mut profiler = Profiler::new(ProfileOptions {
                    window,
                    runtime_timestamps: true,
                });
                for (ms, line) in log.lines.iter().filter(|(ms, _)| *ms < end_ms) {
                    profiler.push(format!("{}{line}\n", stamp(*ms)).as_bytes());
                }
                LogProfile {
                    pod: log.pod.to_owned(),
                    container: String::new(),
                    previous: false,
                    profile: profiler.finish(),
                }
            };
            let mut evidence = Evidence {
                window,
                ..Evidence::default()
            };
            evidence.stable.logs = vec![profile(&logs[0])];
            evidence.canary.logs = vec![profile(&logs[1])];
            let judgement = judge_carrying(evidence, carried);
            decisions.push(judgement.decision);
            if judgement.decision == Abort {
                break;
            }
            carried = judgement.carried;
        }
        decisions
    }
}

#[test]
fn a_healthy_canary_is_not_aborted_at_any_of_20_looks() {
    let mut random = Random::new(1);
    let mut runs = 0;
    let mut aborted = 0;
    for (weights, errors) in [
        (&[0.1_f64][..], 0.02),
        (&[0.5], 0.05),
        (&[0.3, 0.4, 0.6, 0.8, 0.9], 0.01),
        (&[0.05, 0.5], 0.2),
    ] {
        let traffic = Traffic {
            per_second: 5.0,
            weights,
            stable_errors: errors,
            canary_errors: errors,
            looks: 20,
        };
        for _ in 0..5 {
            runs += 1;
            aborted += u32::from(traffic.look_by_look(&mut random).contains(&Abort));
        }
    }
    // Σα is 0.018: one of twenty would be a surprise. The e-process itself is
    // simulated a thousandfold where it lives.
    assert!(
        aborted <= 1,
        "{aborted} of {runs} healthy canaries were aborted"
    );
}

#[test]
fn a_canary_with_three_times_the_errors_at_a_tenth_of_the_traffic_is_caught_within_5_looks() {
    let mut random = Random::new(2);
    let traffic = Traffic {
        per_second: 80.0,
        weights: &[0.1],
        stable_errors: 0.05,
        canary_errors: 0.15,
        looks: 5,
    };
    let caught = (0..10)
        .filter(|_| traffic.look_by_look(&mut random).contains(&Abort))
        .count();
    assert!(caught >= 9, "{caught} of 10");
}

#[test]
fn forty_percent_errors_are_caught_at_the_first_look_or_the_second() {
    let mut random = Random::new(3);
    let traffic = Traffic {
        per_second: 10.0,
        weights: &[0.3],
        stable_errors: 0.0,
        canary_errors: 0.4,
        looks: 2,
    };
    let caught = (0..20)
        .filter(|_| traffic.look_by_look(&mut random).contains(&Abort))
        .count();
    assert!(caught >= 19, "{caught} of 20");
}

#[test]
fn a_healthy_canary_is_promoted_once_it_has_been_exposed_enough() {
    let mut random = Random::new(4);
    let traffic = Traffic {
        per_second: 20.0,
        weights: &[0.5],
        stable_errors: 0.002,
        canary_errors: 0.002,
        looks: 10,
    };
    for _ in 0..4 {
        let decisions = traffic.look_by_look(&mut random);
        assert_eq!(decisions[0], Inconclusive, "100 requests are too few");
        assert_eq!(decisions.last(), Some(&Promote));
    }
}

#[test]
fn too_little_says_how_much_is_missing() {
    let line = |i: i64| format!("200 - blue {i}");
    let judgement = judge(
        &[steady("s", 300, 30_000, line)],
        &[steady("c", 90, 30_000, line)],
        31_000,
    );
    assert_eq!(judgement.decision, Inconclusive);
    let missing = judgement.missing.unwrap();
    assert_eq!(missing.reason, MissingReason::TooLittle);
    let exposure = missing.exposure.unwrap();
    assert!((250..=290).contains(&exposure), "{exposure}");
    assert!(
        (80..=100).contains(&missing.seconds.unwrap()),
        "{missing:?} at 3/s"
    );
    assert!(judgement.confidence <= 0.8);
}

#[test]
fn changing_weights_are_not_a_difference() {
    // Errors came early, when stable had nearly all of the traffic, and again
    // late, when the canary had: each arm alone looks different over all.
    let line = |i: i64| format!("200 - blue {i}");
    let rough = |i: i64| format!("{} - blue {i}", if i % 5 == 0 { 500 } else { 200 });
    let phase = |pod: &'static str, early: i64, late: i64| {
        let mut log = steady(pod, early, 30_000, line);
        let later = steady(pod, late, 30_000, rough);
        log.lines.extend(
            later
                .lines
                .into_iter()
                .map(|(ms, line)| (ms + 30_000, line)),
        );
        log
    };
    let judgement = judge(&[phase("s", 900, 100)], &[phase("c", 100, 900)], 62_000);
    assert_ne!(judgement.decision, Abort, "{:?}", judgement.gates);
}

#[test]
fn probes_are_no_exposure() {
    let probe = |i: i64| {
        format!("10.0.0.1 - - [x] \"GET /healthz HTTP/1.1\" 200 {i} \"-\" \"kube-probe/1.34\"")
    };
    let judgement = judge(
        &[steady("s", 1000, 60_000, probe)],
        &[steady("c", 1000, 60_000, probe)],
        62_000,
    );
    assert_eq!(judgement.decision, Inconclusive);
    assert_eq!(judgement.exposure.canary, 0);
}

#[test]
fn a_bucket_that_is_cut_short_does_not_count() {
    let line = |i: i64| format!("{} - blue {i}", if i >= 500 { 500 } else { 200 });
    let (stable, canary) = (
        [steady("s", 1000, 10_000, |i| format!("200 - blue {i}"))],
        [steady("c", 1000, 10_000, line)],
    );
    // The canary fails from the fifth second on; the second bucket is not over.
    assert_ne!(judge(&stable, &canary, 9_900).decision, Abort);
    assert_eq!(judge(&stable, &canary, 9_900).exposure.canary_errors, 0);
    assert!(judge(&stable, &canary, 11_000).exposure.canary_errors > 400);
}

#[test]
fn each_guard_of_a_gate_holds_alone() {
    let line =
        |every: i64| move |i: i64| format!("{} - blue {i}", if i % every == 0 { 500 } else { 200 });
    let scene = evidence(
        &[steady("s", 3000, 60_000, line(40))],
        &[steady("c", 3000, 60_000, line(10))],
        window(62_000),
    );
    let decide = |policy: &Policy| judge::judge(&scene, policy).decision;
    assert_eq!(decide(&Policy::default()), Abort);
    for policy in [
        Policy {
            gate_min_ratio: 20.0,
            ..Policy::default()
        },
        Policy {
            gate_min_difference: 0.2,
            ..Policy::default()
        },
        Policy {
            gate_min_count: 10_000,
            ..Policy::default()
        },
        Policy {
            gate_alpha: 1e-300,
            ..Policy::default()
        },
    ] {
        assert_ne!(decide(&policy), Abort, "{policy:?}");
    }
}

#[test]
fn the_window_starts_where_the_canary_does() {
    let window = window(20_000);
    assert_eq!(window.bucket_of(Some(START_MS - 1)), None);
    assert_eq!(window.bucket_of(Some(START_MS + 5_000)), Some(1));
    assert_eq!(
        window.complete_buckets(),
        3,
        "the last is over, and not settled"
    );
}

#[test]
fn a_suspicious_canary_is_held_back_though_the_promote_rule_is_met() {
    // Eight new errors among 2,000 requests: far below the margin, and odd.
    let served = |i: i64| format!("200 - blue {i}");
    let odd = |i: i64| {
        if i % 250 == 100 {
            format!("ERROR cannot store order {i}")
        } else {
            served(i)
        }
    };
    let scene = evidence(
        &[steady("s", 2000, 60_000, served)],
        &[steady("c", 2000, 60_000, odd)],
        window(62_000),
    );
    let judgement = judge::judge(&scene, &Policy::default());
    assert_eq!(judgement.decision, Inconclusive, "{:?}", judgement.gates);
    assert_eq!(judgement.missing.unwrap().reason, MissingReason::Suspicious);
    let lax = Policy {
        hold_e_value: 1e9,
        ..Policy::default()
    };
    assert_eq!(judge::judge(&scene, &lax).decision, Promote);
}

#[test]
fn a_canary_above_the_margin_is_never_promoted() {
    let line =
        |every: i64| move |i: i64| format!("{} - blue {i}", if i % every == 0 { 500 } else { 200 });
    let scene = evidence(
        &[steady("s", 2000, 60_000, line(100))],
        &[steady("c", 2000, 60_000, line(20))],
        window(62_000),
    );
    // With no gate to abort it, the rule alone must hold it back.
    let gateless = Policy {
        gate_alpha: 1e-300,
        hold_e_value: f64::MAX,
        ..Policy::default()
    };
    let judgement = judge::judge(&scene, &gateless);
    assert_eq!(judgement.decision, Inconclusive);
    assert_eq!(judgement.missing.unwrap().reason, MissingReason::Suspicious);
    let wide = Policy {
        promote_margin: 0.1,
        ..gateless
    };
    assert_eq!(judge::judge(&scene, &wide).decision, Promote);
}

#[test]
fn findings_are_limited() {
    let served = |i: i64| format!("200 - blue {i}");
    let word = |i: i64| -> String {
        (0..4)
            .map(|place| char::from(b'a' + ((i / 7_i64.pow(place)) % 7) as u8))
            .collect()
    };
    let all_new = |i: i64| {
        format!(
            "ERROR {} broke the {} of {}",
            word(i),
            word(3 * i + 1),
            word(5 * i)
        )
    };
    let judgement = judge(
        &[steady("s", 500, 60_000, served)],
        &[steady("c", 500, 60_000, all_new)],
        62_000,
    );
    assert_eq!(judgement.findings.len(), judge::MAX_FINDINGS);
}

#[test]
fn however_badly_stable_fails_little_exposure_and_nothing_but_failures_promote_nothing() {
    let failing = |i: i64| format!("500 - blue {i}");
    let rough = |i: i64| format!("{} - blue {i}", if i % 2 == 0 { 500 } else { 200 });
    let served = |i: i64| format!("200 - blue {i}");
    let decide = |stable: &dyn Fn(i64) -> String, canary: &dyn Fn(i64) -> String, n: i64| {
        judge(
            &[steady("s", 2000, 60_000, stable)],
            &[steady("c", n, 60_000, canary)],
            62_000,
        )
        .decision
    };
    assert_eq!(
        decide(&failing, &failing, 2000),
        Inconclusive,
        "both are down"
    );
    assert_eq!(decide(&rough, &served, 40), Inconclusive, "forty requests");
    assert_eq!(decide(&rough, &served, 600), Promote);
}
