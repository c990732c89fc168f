//! The lessons of the design that were paid for with a wrong verdict, each
//! under its number.

use judge::Decision::{Abort, Inconclusive, Promote};
use judge::judgement::{FindingClass, GateKind, MissingReason};

use crate::scene::{Log, gate, judge, judge_files, steady};

const SPAN_MS: i64 = 60_000;
const END_MS: i64 = 62_000;

#[test]
fn lesson_1_http_status_is_never_masked() {
    let stable = [steady("s", 1000, SPAN_MS, |_| "200 - yellow".to_owned())];
    let canary = [steady("c", 500, SPAN_MS, |i| {
        format!("{} - yellow", if i % 3 == 0 { 500 } else { 200 })
    })];
    let judgement = judge(&stable, &canary, END_MS);
    assert_eq!(judgement.decision, Abort);
    assert!(gate(&judgement, GateKind::ServerErrors).fired);
    assert_eq!(judgement.exposure.canary_errors, 167);
}

#[test]
fn lesson_2_a_reworded_message_aborts_nothing() {
    let line = |text: &'static str| {
        move |i: i64| {
            if i % 20 == 0 {
                format!("ERROR {text} {i}")
            } else {
                format!("INFO order {i} stored")
            }
        }
    };
    let stable = [steady(
        "s",
        1000,
        SPAN_MS,
        line("could not reach payment service for order"),
    )];
    let canary = [steady(
        "c",
        1000,
        SPAN_MS,
        line("could not reach the payment service, order id"),
    )];
    let judgement = judge(&stable, &canary, END_MS);
    assert_ne!(judgement.decision, Abort, "{:?}", judgement.gates);
    assert!(
        gate(&judgement, GateKind::NewErrors).canary_count == 0,
        "it is paired with what vanished"
    );
    assert!(
        !judgement
            .findings
            .iter()
            .any(|finding| finding.class == FindingClass::NewError)
    );
}

#[test]
fn lesson_3_merging_does_not_cross_severity_nor_swallow_a_new_fatal_text() {
    let stable = [steady("s", 1000, SPAN_MS, |i| {
        if i % 50 == 0 {
            format!("FATAL store orders lost quorum {i}")
        } else {
            format!("INFO store orders has quorum {i}")
        }
    })];
    let canary = [steady("c", 1000, SPAN_MS, |i| match i % 50 {
        0 => format!("FATAL store orders lost quorum {i}"),
        25 => format!("FATAL store orders lost data {i}"),
        _ => format!("INFO store orders has quorum {i}"),
    })];
    let judgement = judge(&stable, &canary, END_MS);
    let new: Vec<&str> = judgement
        .findings
        .iter()
        .filter(|f| f.class == FindingClass::NewError)
        .map(|f| f.text.as_str())
        .collect();
    assert_eq!(new, ["FATAL store orders lost data <*>"]);
    assert!(gate(&judgement, GateKind::NewErrors).fired);
}

#[test]
fn lesson_4_classes_are_tested_before_templates() {
    // Twelve errors, each of another text: no template has power, the class has.
    const WORDS: [&str; 12] = [
        "alpha", "beta", "gamma", "delta", "eps", "zeta", "eta", "theta", "iota", "kappa",
        "lambda", "mu",
    ];
    let stable = [steady("s", 600, SPAN_MS, |i| format!("200 - blue {i}"))];
    let canary = [steady("c", 600, SPAN_MS, |i| {
        let word = WORDS[usize::try_from(i / 50).unwrap()];
        if i % 50 == 49 {
            format!("ERROR {word} {word}fied the {word}izer {i}")
        } else {
            format!("200 - blue {i}")
        }
    })];
    let judgement = judge(&stable, &canary, END_MS);
    assert_eq!(judgement.decision, Abort);
    assert!(
        judgement
            .findings
            .iter()
            .filter(|f| f.class == FindingClass::NewError)
            .all(|f| f.canary_count <= 2)
    );
}

#[test]
fn lesson_5_dispersion_is_stables_and_not_of_a_sparse_canary() {
    // The canary's errors come in two clumps; stable has none to estimate from.
    let stable = [steady("s", 1000, SPAN_MS, |i| format!("200 - blue {i}"))];
    let canary = [steady("c", 1000, SPAN_MS, |i| {
        format!(
            "{} - blue {i}",
            if (200..400).contains(&i) || (600..800).contains(&i) {
                500
            } else {
                200
            }
        )
    })];
    let judgement = judge(&stable, &canary, END_MS);
    assert_eq!(judgement.decision, Abort, "{:?}", judgement.gates);
    // Bursts that stable has as well are divided by their size.
    let bursts = |offset: i64| {
        move |i: i64| {
            format!(
                "{} - blue {i}",
                if (i + offset) % 250 < 25 { 500 } else { 200 }
            )
        }
    };
    let judgement = judge(
        &[steady("s", 1000, SPAN_MS, bursts(0))],
        &[steady("c", 1000, SPAN_MS, bursts(40))],
        END_MS,
    );
    assert_ne!(judgement.decision, Abort, "{:?}", judgement.gates);
}

#[test]
fn lesson_6_the_word_fatal_is_not_a_crash() {
    let stable = [steady("s", 1000, SPAN_MS, |i| format!("200 - blue {i}"))];
    let line = |said: &'static str| {
        move |i: i64| {
            if i == 300 {
                said.to_owned()
            } else {
                format!("200 - blue {i}")
            }
        }
    };
    let judgement = judge(
        &stable,
        &[steady(
            "c",
            1000,
            SPAN_MS,
            line("FATAL: password authentication failed for user \"x\""),
        )],
        END_MS,
    );
    assert!(judgement.vetoes.is_empty());
    assert_ne!(judgement.decision, Abort);
    let judgement = judge(
        &stable,
        &[steady(
            "c",
            1000,
            SPAN_MS,
            line("panic: runtime error: index out of range [5] with length 3"),
        )],
        END_MS,
    );
    assert_eq!(
        judgement.decision, Abort,
        "a crash signature counts at once"
    );
    assert_eq!(judgement.vetoes[0].class, FindingClass::Crash);
}

#[test]
fn lesson_7_info_lines_can_carry_the_failure_and_error_words_the_opposite() {
    let line = |said: &'static str| {
        move |i: i64| {
            if i % 25 == 0 {
                format!("INFO job {i} {said}")
            } else {
                format!("200 - blue {i}")
            }
        }
    };
    let stable = [steady("s", 1000, SPAN_MS, line("finished, errors: 0"))];
    let judgement = judge(
        &stable,
        &[steady("c", 1000, SPAN_MS, line("switched to FAILED"))],
        END_MS,
    );
    assert!(
        gate(&judgement, GateKind::NewErrors).fired,
        "{:?}",
        judgement.gates
    );
    let judgement = judge(
        &[steady("s", 1000, SPAN_MS, line("queued"))],
        &[steady("c", 1000, SPAN_MS, line("finished, errors: 0"))],
        END_MS,
    );
    assert_ne!(judgement.decision, Abort, "{:?}", judgement.gates);
}

#[test]
fn lesson_8_a_failure_that_only_removes_lines_is_seen() {
    // Every request is answered, and what its work said is gone.
    let log = |pod, requests: i64, works: bool| {
        let mut lines = Vec::new();
        for i in 0..requests {
            let ms = i * SPAN_MS / requests + (i * 7919) % 97;
            lines.push((ms, format!("200 - blue {i}")));
            lines.push((ms, format!("INFO cart {i} looked at")));
            if works {
                lines.push((ms, format!("INFO order {i} stored")));
                lines.push((
                    ms,
                    format!("INFO invoice of order {i} sent to the customer"),
                ));
            }
        }
        Log { pod, lines }
    };
    let judgement = judge(&[log("s", 1000, true)], &[log("c", 500, false)], END_MS);
    assert_eq!(judgement.decision, Abort, "{:?}", judgement.gates);
    assert!(gate(&judgement, GateKind::Vanished).fired);
    // And what says nothing at all is at least never promoted.
    let stable = [steady("s", 1000, SPAN_MS, |i| {
        format!("INFO order {i} stored")
    })];
    let canary = [Log {
        pod: "c",
        lines: (0..12)
            .map(|i| (i * i * 400, format!("INFO order {i} stored")))
            .collect(),
    }];
    let judgement = judge(&stable, &canary, END_MS);
    assert_eq!(judgement.decision, Inconclusive);
    assert_eq!(judgement.missing.unwrap().reason, MissingReason::TooLittle);
}

#[test]
fn lesson_9_debug_lines_and_heartbeats_are_not_traffic() {
    let served = |i: i64| format!("INFO order {i} stored");
    let stable = [steady("s", 1000, SPAN_MS, served)];
    let chatty = [steady("c", 4000, SPAN_MS, |i| {
        if i % 4 == 0 {
            served(i)
        } else {
            format!("DEBUG cache lookup {i}")
        }
    })];
    let judgement = judge(&stable, &chatty, END_MS);
    assert_eq!(judgement.exposure.canary, 1000, "DEBUG is not counted");
    assert_ne!(judgement.decision, Abort);
    // Only heartbeats: no exposure, however many there are.
    let beat = |pod| Log {
        pod,
        lines: (0..600)
            .map(|i| (i * 1000, "INFO heartbeat sent".to_owned()))
            .collect(),
    };
    let judgement = judge(&[beat("s")], &[beat("c")], 602_000);
    assert_eq!(judgement.decision, Inconclusive);
    assert_eq!(judgement.exposure.canary, 0);
}

#[test]
fn the_reason_has_its_words() {
    let npe = |i: i64| {
        format!(
            "ERROR request {i} failed\njava.lang.NullPointerException: name\n\tat java.util.Objects.requireNonNull(Objects.java:233)\n\tat org.acme.UserResource.get(UserResource.java:39)"
        )
    };
    let stable = [steady("s-1", 1000, SPAN_MS, |i| format!("200 - blue {i}"))];
    let canary: Vec<_> = ["c-1", "c-2", "c-3"]
        .map(|pod| {
            steady(pod, 300, SPAN_MS, move |i| {
                if i % 20 == 7 {
                    npe(i)
                } else {
                    format!("200 - blue {i}")
                }
            })
        })
        .into();
    let judgement = judge(&stable, &canary, END_MS);
    assert_eq!(judgement.decision, Abort);
    let finding = &judgement.findings[0];
    assert_eq!(finding.title, "NullPointerException UserResource:39");
    assert_eq!(
        (
            finding.canary_pods,
            finding.canary_pods_total,
            finding.stable_count
        ),
        (3, 3, 0)
    );
    assert!(finding.canary_rate > 0.04 && finding.ratio.unwrap().low > 1.0);
}

#[test]
fn both_arms_broken_alike_are_not_the_canarys_fault() {
    let line = |i: i64| format!("{} - blue {i}", if i % 2 == 0 { 500 } else { 200 });
    let judgement = judge(
        &[steady("s", 1000, SPAN_MS, line)],
        &[steady("c", 500, SPAN_MS, line)],
        END_MS,
    );
    assert_ne!(judgement.decision, Abort);
}

#[test]
fn files_without_times_are_one_stratum() {
    let served: String = (0..500).map(|i| format!("200 - blue {i}\n")).collect();
    let broken: String = (0..500)
        .map(|i| format!("{} - blue {i}\n", if i % 3 == 0 { 500 } else { 200 }))
        .collect();
    assert_eq!(judge_files(&served, &served).decision, Promote);
    assert_eq!(judge_files(&served, &broken).decision, Abort);
    assert_eq!(judge_files(&broken, &served).decision, Promote);
    assert_eq!(judge_files(&served, "").decision, Inconclusive);
    assert_eq!(judge_files("", &served).decision, Inconclusive);
    assert_eq!(judge_files("", "").decision, Inconclusive);
}
