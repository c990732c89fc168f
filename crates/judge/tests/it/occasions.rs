//! When few errors are enough, and when many are not.

use judge::Decision::{Abort, Inconclusive, Promote};
use judge::evidence::ClusterEvent;
use judge::judgement::{GateKind, IgnoredEvents};
use judge::policy::{Ignore, Ignored};
use judge::{Evidence, Policy, Window};

use crate::scene::{Log, evidence, gate, judge, judge_files, profile, steady, window};

const TRACE: &str = "ERROR order failed\nTraceback (most recent call last):\n  File \"/app/orders.py\", line 7, in store\n    save()\nTypeError: save() takes 2 arguments";

fn lines(n: usize, line: impl Fn(usize) -> String) -> String {
    (0..n).map(|i| line(i) + "\n").collect()
}

fn served(i: usize) -> String {
    format!("200 - blue {i}")
}

/// Two files: one request of the canary died.
fn one_died(stable: usize, canary: usize, died: &str) -> judge::Judgement {
    let canary = lines(canary, |i| if i == 7 { died.to_owned() } else { served(i) });
    judge_files(&lines(stable, served), &canary)
}

#[test]
fn in_files_a_new_exception_that_says_the_code_is_wrong_aborts_at_once() {
    let judgement = one_died(60, 40, TRACE);
    assert_eq!(judgement.decision, Abort);
    assert_eq!(judgement.vetoes[0].title, "TypeError orders:7");
    assert!(
        judgement.confidence <= 0.8,
        "on so few: {}",
        judgement.confidence
    );
}

#[test]
fn each_guard_of_the_new_exception_holds_alone() {
    // Rare among what the canary served; too little of stable to compare with.
    assert_ne!(one_died(200, 200, TRACE).decision, Abort, "one of 200");
    assert_ne!(one_died(10, 40, TRACE).decision, Abort, "stable served ten");
    // An exception that a slow peer can raise, and nothing that speaks for it.
    let timeout = TRACE.replace(
        "TypeError: save() takes 2 arguments",
        "TimeoutError: timed out",
    );
    assert_ne!(one_died(60, 40, &timeout).decision, Abort);
    let answered = format!("{timeout}\n500 - blue 7");
    assert_eq!(
        one_died(60, 40, &answered).decision,
        Abort,
        "a request failed with it"
    );
    // Stable throws as well: that is what this service does.
    let rough = lines(60, |i| if i == 9 { timeout.clone() } else { served(i) });
    let canary = lines(40, |i| if i == 7 { TRACE.to_owned() } else { served(i) });
    assert_ne!(judge_files(&rough, &canary).decision, Abort);
    // While a canary runs, more will come.
    let live = Log {
        pod: "c",
        lines: (0..40)
            .map(|i| {
                (
                    i * 500,
                    if i == 37 {
                        TRACE.to_owned()
                    } else {
                        served(i as usize)
                    },
                )
            })
            .collect(),
    };
    let stable = [steady("s", 60, 20_000, |i| served(i as usize))];
    assert_ne!(judge(&stable, &[live], 21_000).decision, Abort);
}

#[test]
fn a_timers_exception_alone_aborts_nothing() {
    let stamp = |s: usize| format!("2026-11-22 03:{:02}:{:02},000 ", s / 60 % 60, s % 60);
    let work = |i: usize| format!("{}INFO order {i} stored", stamp(i * 7 + i % 3));
    let timer = |i: usize| {
        if i % 10 == 5 {
            format!("{}{}", stamp(i * 6), TRACE)
        } else {
            work(i)
        }
    };
    let judgement = judge_files(&lines(100, work), &lines(100, timer));
    assert_ne!(
        judgement.decision, Abort,
        "{:?} {:?}",
        judgement.vetoes, judgement.gates
    );
}

#[test]
fn in_files_one_bad_hour_is_not_a_bad_version() {
    let work = |i: usize| format!("INFO order {i} stored");
    let bad_hour = |i: usize| {
        if (600..800).contains(&i) {
            format!("ERROR link {} of the switch is down", i % 7)
        } else {
            work(i)
        }
    };
    let judgement = judge_files(&lines(2000, work), &lines(2000, bad_hour));
    assert_ne!(judgement.decision, Abort, "{:?}", judgement.gates);
    // The same number of errors all along is the version's.
    let all_along = |i: usize| {
        if i % 10 == 3 {
            format!("ERROR link {} of the switch is down", i % 7)
        } else {
            work(i)
        }
    };
    let judgement = judge_files(&lines(2000, work), &lines(2000, all_along));
    assert_eq!(judgement.decision, Abort, "{:?}", judgement.gates);
}

#[test]
fn errors_while_a_process_starts_are_told_and_not_tested() {
    let stable = [steady("s", 1000, 60_000, |i| served(i as usize))];
    let canary = |from: i64| {
        let errors = (0..4).map(|i| {
            let text = format!("ERROR cannot reach the database yet, try {i}");
            (from + i * 2_500, text)
        });
        let requests = (0..1000).map(|i| (12_000 + i * 45, served(i as usize)));
        let mut lines: Vec<(i64, String)> = errors.chain(requests).collect();
        lines.sort();
        Log { pod: "c", lines }
    };
    let judgement = judge(&stable, &[canary(0)], 61_000);
    assert_eq!(judgement.decision, Promote, "{:?}", judgement.gates);
    assert!(
        judgement
            .findings
            .iter()
            .any(|finding| finding.canary_count == 4)
    );
    assert_eq!(judgement.exposure.canary_errors, 4);
    // The same lines once it serves are errors like any other.
    let tested = gate(&judgement, GateKind::NewErrors).canary_count;
    let judgement = judge(&stable, &[canary(20_000)], 61_000);
    let later = gate(&judgement, GateKind::NewErrors).canary_count;
    assert_eq!((tested, later), (0, 4));
}

#[test]
fn what_stable_said_before_the_window_is_not_new() {
    let stable = |known: bool| {
        let mut log = steady("s", 1000, 60_000, |i| served(i as usize));
        if known {
            log.lines
                .insert(0, (-5_000, "ERROR cache miss for key 7".to_owned()));
        }
        log
    };
    let canary = || {
        steady("c", 500, 60_000, |i| {
            if i % 25 == 0 {
                format!("ERROR cache miss for key {i}")
            } else {
                served(i as usize)
            }
        })
    };
    let new = |known| {
        let judgement = judge(&[stable(known)], &[canary()], 61_000);
        gate(&judgement, GateKind::NewErrors).canary_count
    };
    assert!(new(false) >= 19, "the last bucket is not over");
    assert_eq!(new(true), 0);
}

#[test]
fn what_the_policy_ignores_counts_nowhere_and_is_told() {
    let noisy = |i: i64| {
        if i % 10 == 5 {
            format!("ERROR telemetry export {i} failed")
        } else {
            served(i as usize)
        }
    };
    let scene = evidence(
        &[steady("s", 1000, 60_000, |i| served(i as usize))],
        &[steady("c", 600, 60_000, noisy)],
        window(61_000),
    );
    assert_eq!(judge::judge(&scene, &Policy::default()).decision, Abort);
    let ignore = |pattern: &str| Policy {
        ignore: vec![Ignore {
            what: Ignored::Template,
            pattern: pattern.to_owned(),
            reason: "the collector is being moved".to_owned(),
        }],
        ..Policy::default()
    };
    let judgement = judge::judge(&scene, &ignore("*telemetry export*"));
    assert_eq!(judgement.decision, Promote, "{:?}", judgement.gates);
    assert_eq!(judgement.exposure.canary_errors, 0);
    assert_eq!(judgement.ignored[0].canary_count, 60);
    let judgement = judge::judge(&scene, &ignore("*something else*"));
    assert_eq!(judgement.decision, Abort);
    let counts = |ignored: &IgnoredEvents| (ignored.stable_count, ignored.canary_count);
    assert_eq!(
        judgement.ignored.iter().map(counts).collect::<Vec<_>>(),
        [(0, 0)],
        "an entry that nothing matches is told"
    );
}

#[test]
fn warnings_of_kubernetes_that_are_ignored_are_counted() {
    let mut scene = Evidence::default();
    let event = |kind: &str, reason: &str, count| ClusterEvent {
        kind: kind.to_owned(),
        reason: reason.to_owned(),
        count,
        ..ClusterEvent::default()
    };
    scene.stable.events = vec![event("Warning", "Unhealthy", 0)];
    scene.canary.events = vec![
        event("Warning", "Unhealthy", 7),
        event("Warning", "BackOff", 9),
        event("Normal", "Unhealthy", 5),
    ];
    let policy = Policy {
        ignore: vec![Ignore {
            what: Ignored::Event,
            pattern: "Unhealth*".to_owned(),
            reason: "the probe is too strict".to_owned(),
        }],
        ..Policy::default()
    };
    let judgement = judge::judge(&scene, &policy);
    assert_eq!(judgement.ignored[0].stable_count, 1);
    assert_eq!(judgement.ignored[0].canary_count, 7);
}

#[test]
fn debug_that_both_arms_speak_alike_is_exposure() {
    let talk = |i: i64| {
        format!(
            "DEBUG step {} of order {i} done",
            ["one", "two"][(i % 2) as usize]
        )
    };
    let judgement = judge(
        &[steady("s", 400, 60_000, talk)],
        &[steady("c", 300, 60_000, talk)],
        61_000,
    );
    assert_eq!(judgement.decision, Promote);
    assert!(judgement.exposure.canary > 250, "{:?}", judgement.exposure);
    // Switched on further in the canary, it is only talk.
    let mixed = |debug: i64| {
        move |i: i64| {
            if i % debug == 0 {
                format!("INFO order {i} stored")
            } else {
                talk(i)
            }
        }
    };
    let judgement = judge(
        &[steady("s", 400, 60_000, mixed(2))],
        &[steady("c", 2000, 60_000, mixed(10))],
        61_000,
    );
    assert!(judgement.exposure.canary <= 200, "{:?}", judgement.exposure);
}

#[test]
fn a_canary_that_does_fewer_kinds_of_things_is_not_promoted() {
    const KINDS: [&str; 16] = [
        "order stored in the ledger",
        "invoice sent",
        "cart of customer emptied now",
        "refund booked",
        "stock level read from warehouse",
        "price list loaded",
        "coupon taken",
        "address of customer checked twice",
        "parcel label printed here",
        "mail queued",
        "report for the day written",
        "session of user renewed",
        "search index touched",
        "picture scaled down to size",
        "voucher burnt",
        "newsletter choice kept as it was",
    ];
    // Each rarely: none by itself says anything.
    let work = |rare: bool| {
        move |i: usize| match i % 33 {
            5 if rare => format!("INFO {} {i}", KINDS[1 + i / 33 % 15]),
            _ => format!("INFO {} {i}", KINDS[0]),
        }
    };
    let judgement = judge_files(&lines(800, work(true)), &lines(800, work(false)));
    assert_eq!(judgement.decision, Inconclusive, "{:?}", judgement.gates);
    assert!(gate(&judgement, GateKind::Vanished).holds);
    let judgement = judge_files(&lines(800, work(true)), &lines(800, work(true)));
    assert_eq!(judgement.decision, Promote);
}

#[test]
fn pods_of_one_window_share_nothing_but_the_window() {
    // A log that begins in the middle of the window is as good as any other.
    let window: Window = window(61_000);
    let late = profile(&steady("c", 100, 20_000, |i| served(i as usize)), window);
    assert_eq!(
        late.profile
            .tallies
            .iter()
            .map(|tally| tally.requests)
            .sum::<u64>(),
        100
    );
}
