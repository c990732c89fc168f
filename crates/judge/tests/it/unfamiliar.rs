//! Faults that a system shows in words and formats of its own.

use judge::Decision::{Abort, Inconclusive, Promote};
use judge::judgement::{GateKind, Judgement};

use crate::scene::{Log, gate, judge, judge_files, steady};

fn lines(n: usize, line: impl Fn(usize) -> String) -> String {
    (0..n).map(|i| line(i) + "\n").collect()
}

/// A time within an hour, not quite steady.
fn at(i: usize) -> String {
    let s = i * 2 + i % 3;
    format!(
        "2026-11-25 15:{:02}:{:02}.{:03}",
        s / 60 % 60,
        s % 60,
        i * 7919 % 1000
    )
}

fn work(i: usize) -> String {
    format!(
        "{} INFO order {i} placed\n{} INFO box {i} is packed\n{} INFO handed {i} to the carrier",
        at(i),
        at(i),
        at(i)
    )
}

fn why(judgement: &Judgement) -> String {
    format!("{:?} {:?}", judgement.vetoes, judgement.gates)
}

#[test]
fn a_dependency_that_is_not_there_aborts_at_whatever_level_it_is_said() {
    for (level, words) in [
        ("INFO", "dial tcp 10.0.0.9:443: connect: connection refused"),
        ("WARN", "call to the bank failed, retrying"),
        ("INFO", "ledger entry is corrupt"),
        ("INFO", "block checksum differs from the one stored"),
    ] {
        let ill = |i: usize| {
            if i % 5 == 3 {
                format!("{}\n{} {level} {words}", work(i), at(i))
            } else {
                work(i)
            }
        };
        let judgement = judge_files(&lines(800, work), &lines(800, ill));
        assert_eq!(judgement.decision, Abort, "{words}: {}", why(&judgement));
    }
}

#[test]
fn what_is_not_there_yet_as_a_process_starts_aborts_nothing() {
    let starting = |i: usize| {
        if i < 12 {
            format!("{} WARN cannot reach the bank, retrying", at(i))
        } else {
            work(i)
        }
    };
    let judgement = judge_files(&lines(800, work), &lines(800, starting));
    assert_eq!(judgement.decision, Promote, "{}", why(&judgement));
}

#[test]
fn a_failure_word_below_error_that_is_rare_aborts_nothing() {
    let rare = |i: usize| {
        if i % 100 == 3 {
            format!(
                "{}\n{} WARN slot of order {i} is invalid, using another",
                work(i),
                at(i)
            )
        } else {
            work(i)
        }
    };
    let judgement = judge_files(&lines(1600, work), &lines(1600, rare));
    assert_ne!(judgement.decision, Abort, "{}", why(&judgement));
}

#[test]
fn a_canarys_own_failure_is_seen_beside_those_of_stable() {
    let rough = |i: usize| {
        if i % 40 == 7 {
            format!(
                "{}\n{} ERROR {} has no stock of {i}",
                work(i),
                at(i),
                ["north", "south", "east", "west", "centre"][i / 40 % 5]
            )
        } else {
            work(i)
        }
    };
    let worse = |i: usize| {
        if i % 6 == 5 {
            format!(
                "{}\n{} ERROR label of order {i} cannot be printed",
                rough(i),
                at(i)
            )
        } else {
            rough(i)
        }
    };
    let healthy = judge_files(&lines(800, rough), &lines(800, rough));
    assert_eq!(healthy.decision, Promote, "{}", why(&healthy));
    let judgement = judge_files(&lines(800, rough), &lines(800, worse));
    assert!(
        gate(&judgement, GateKind::NewErrors).fired,
        "{}",
        why(&judgement)
    );
}

#[test]
fn a_canary_that_never_worked_aborts() {
    let start = |i: usize| format!("{} INFO starting orders 1.{i}", at(i));
    let fails = |times: usize| {
        lines(times, |i| {
            format!(
                "{}\n{} ERROR invalid configuration: no tariff\n{} FATAL exiting",
                start(i),
                at(i),
                at(i)
            )
        })
    };
    let stable = format!("{}\n{}", start(0), lines(300, work));
    assert_eq!(judge_files(&stable, &fails(3)).decision, Abort);
    // One error that the process lives with, and no request yet.
    let young = format!(
        "{}\n{} ERROR no cache yet\n{}",
        start(0),
        at(1),
        lines(20, |i| format!("{} INFO plugin {i} loaded", at(i)))
    );
    assert_ne!(judge_files(&stable, &young).decision, Abort);
    // Stable fails as well, in its own words.
    let rough = lines(300, |i| {
        if i % 2 == 1 {
            format!("{} ERROR shelf {i} is empty", at(i))
        } else {
            work(i)
        }
    });
    assert!(judge_files(&rough, &fails(3)).vetoes.is_empty());
    // It does what stable does, beside it.
    let works = format!("{}{}", fails(2), lines(60, work));
    let judgement = judge_files(&stable, &works);
    assert!(judgement.vetoes.is_empty(), "{}", why(&judgement));
}

#[test]
fn a_canary_whose_work_stops_is_not_promoted() {
    let beat = |i: usize| format!("{} INFO alive, {i} in queue", at(i));
    let whole = |i: usize| {
        if i.is_multiple_of(10) {
            beat(i)
        } else {
            work(i)
        }
    };
    let stuck = |i: usize| {
        if i < 500 && !i.is_multiple_of(10) {
            work(i)
        } else if i.is_multiple_of(10) {
            beat(i)
        } else {
            String::new()
        }
    };
    let stable = lines(1200, whole);
    assert_eq!(judge_files(&stable, &lines(1200, whole)).decision, Promote);
    let judgement = judge_files(&stable, &lines(1200, stuck));
    assert_eq!(judgement.decision, Inconclusive, "{}", why(&judgement));
    // Not even a heartbeat, and stable's log goes on.
    let judgement = judge_files(&stable, &lines(500, whole));
    assert_eq!(judgement.decision, Inconclusive, "{}", why(&judgement));
    // Stable's stopped as well: the hour was over.
    let judgement = judge_files(&lines(500, whole), &lines(500, whole));
    assert_eq!(judgement.decision, Promote, "{}", why(&judgement));
}

#[test]
fn lines_of_work_that_are_gone_abort_where_nothing_counts_requests() {
    let lost = |i: usize| format!("{} INFO order {i} placed", at(i));
    let judgement = judge_files(&lines(800, work), &lines(800, lost));
    assert!(
        gate(&judgement, GateKind::Vanished).fired,
        "{}",
        why(&judgement)
    );
    // One statement may simply have been removed.
    let one = |i: usize| {
        format!(
            "{} INFO order {i} placed\n{} INFO box {i} is packed",
            at(i),
            at(i)
        )
    };
    assert_ne!(
        judge_files(&lines(800, work), &lines(800, one)).decision,
        Abort
    );
}

#[test]
fn who_is_turned_away_is_counted() {
    let request = |i: i64, status: u16| format!("GET /shop/{i} HTTP/1.1 {status} 12");
    let served = |i: i64| request(i, if i % 50 == 3 { 404 } else { 200 });
    let stable = [steady("s", 2_000, 60_000, served)];
    let healthy = [steady("c", 2_000, 60_000, served)];
    assert_eq!(judge(&stable, &healthy, 61_000).decision, Promote);
    let refused = [steady("c", 2_000, 60_000, |i| {
        request(i, if i % 4 == 1 { 401 } else { 200 })
    })];
    let judgement = judge(&stable, &refused, 61_000);
    assert!(
        gate(&judgement, GateKind::WarnRate).fired,
        "{}",
        why(&judgement)
    );
}

#[test]
fn a_canary_that_falls_silent_is_held_back_while_it_runs() {
    let served = |i: i64| format!("GET /shop/{i} HTTP/1.1 200 12");
    let stable = [steady("s", 6_000, 120_000, served)];
    let silent = Log {
        pod: "c",
        lines: steady("c", 3_000, 60_000, served).lines,
    };
    let judgement = judge(&stable, &[silent], 121_000);
    assert_eq!(judgement.decision, Inconclusive, "{}", why(&judgement));
    let going_on = [steady("c", 6_000, 120_000, served)];
    assert_eq!(judge(&stable, &going_on, 121_000).decision, Promote);
}

#[test]
fn a_process_that_starts_after_an_uncaught_exception_has_died_of_it() {
    let trace = "Traceback (most recent call last):\n  File \"/app/loop.py\", line 7, in main\n    raise SystemError(\"closed\")\nSystemError: closed";
    let dies = |then: &str| {
        lines(800, |i| {
            if i == 400 {
                format!("{}\n{trace}\n{} INFO {then}", work(i), at(i))
            } else {
                work(i)
            }
        })
    };
    let judgement = judge_files(&lines(800, work), &dies("starting orders"));
    assert_eq!(judgement.decision, Abort, "{}", why(&judgement));
    let judgement = judge_files(&lines(800, work), &dies("order 7 placed"));
    assert!(judgement.vetoes.is_empty(), "{}", why(&judgement));
}
