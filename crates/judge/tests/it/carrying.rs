//! From look to look: rotated logs and vanished pods lose nothing, and what
//! comes back is not trusted.

use judge::judgement::{Carried, GateKind};
use judge::{Decision, MAX_CARRIED_BYTES};

use crate::scene::{Log, evidence, gate, judge_carrying, steady, window};

fn served(i: i64) -> String {
    format!("200 - blue {i}")
}

/// One error every two seconds over the first half minute: not enough to fire.
fn early_errors() -> Log {
    steady("c", 600, 60_000, |i| {
        if i < 300 && i % 40 == 0 {
            format!("ERROR cannot store order {i}")
        } else {
            served(i)
        }
    })
}

/// The same log with its first half minute rotated away, and errors later on.
fn rotated() -> Log {
    let mut log = steady("c", 1200, 120_000, |i| {
        if i > 600 && i % 80 == 0 {
            format!("ERROR cannot store order {i}")
        } else {
            served(i)
        }
    });
    log.lines.retain(|(ms, _)| *ms > 60_000);
    log
}

#[test]
fn what_rotated_away_still_counts() {
    let stable = || [steady("s", 1200, 120_000, served)];
    let first = judge_carrying(
        evidence(&stable(), &[early_errors()], window(61_500)),
        Carried::default(),
    );
    assert_ne!(first.decision, Decision::Abort);
    assert!(!first.carried.0.is_empty() && first.carried.0.len() <= MAX_CARRIED_BYTES);
    let second = |carried: Carried| {
        judge_carrying(evidence(&stable(), &[rotated()], window(121_500)), carried)
    };
    let with = gate(&second(first.carried), GateKind::ErrorRate).log_e;
    let without = gate(&second(Carried::default()), GateKind::ErrorRate).log_e;
    assert!(with > without + 2.0, "{with} against {without}");
}

#[test]
fn looking_twice_counts_once() {
    let scene = || {
        evidence(
            &[steady("s", 600, 60_000, served)],
            &[early_errors()],
            window(61_500),
        )
    };
    let mut carried = Carried::default();
    let once = judge_carrying(scene(), carried.clone());
    for _ in 0..10 {
        carried = judge_carrying(scene(), carried).carried;
    }
    let again = judge_carrying(scene(), carried.clone());
    assert_eq!(again.carried, carried);
    let change = gate(&again, GateKind::ErrorRate).log_e - gate(&once, GateKind::ErrorRate).log_e;
    assert!(change.abs() < 0.05, "{change}");
}

#[test]
fn hostile_state_neither_panics_nor_promotes() {
    // A broken canary, and a state that claims a million clean requests.
    let broken = || {
        evidence(
            &[steady("s", 600, 60_000, served)],
            &[steady("c", 60, 60_000, served)],
            window(61_500),
        )
    };
    assert_eq!(
        judge_carrying(broken(), Carried::default()).decision,
        Decision::Inconclusive
    );
    let failing = || {
        evidence(
            &[steady("s", 600, 60_000, served)],
            &[steady("c", 600, 60_000, |i| {
                format!("{} - blue", if i % 3 == 0 { 500 } else { 200 })
            })],
            window(61_500),
        )
    };
    let honest = judge_carrying(failing(), Carried::default());
    assert_eq!(honest.decision, Decision::Abort);
    for forged in forgeries(&honest.carried.0) {
        assert_eq!(
            judge_carrying(broken(), Carried(forged.clone())).decision,
            Decision::Inconclusive,
            "{forged}"
        );
        assert_eq!(
            judge_carrying(failing(), Carried(forged.clone())).decision,
            Decision::Abort,
            "{forged}"
        );
    }
}

/// States with a right checksum and lies in them, and plain rubbish.
fn forgeries(honest: &str) -> Vec<String> {
    let words: Vec<&str> = honest.split(' ').collect();
    let body = |change: &dyn Fn(usize, &str) -> String| {
        let body: Vec<String> = words[..words.len() - 1]
            .iter()
            .enumerate()
            .map(|(place, word)| change(place, word))
            .collect();
        let body = body.join(" ");
        let check = fnv(body.as_bytes());
        format!("{body} {check:08x}")
    };
    let clean = |place: usize, word: &str| match place {
        4 => "4000000000".to_owned(),
        5 | 6 => "0".to_owned(),
        7..=42 => "-999999".to_owned(),
        _ => word.to_owned(),
    };
    let known = |place: usize, word: &str| {
        if place == 2 {
            i64::MAX.to_string()
        } else {
            clean(place, word)
        }
    };
    vec![
        body(&clean),
        body(&known),
        honest.replace('1', "9"),
        "x".repeat(5000),
        "j1 \u{0} é".to_owned(),
        String::new(),
    ]
}

/// As the judge computes it: the lower half of FNV-1a, a separator after it.
fn fnv(text: &[u8]) -> u32 {
    let step = |hash: u64, byte: u64| (hash ^ byte).wrapping_mul(0x0100_0000_01b3);
    let hash = text.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        step(hash, u64::from(*byte))
    });
    (step(hash, 0xff) & 0xffff_ffff) as u32
}
