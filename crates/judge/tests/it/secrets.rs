//! No secret that a program logs is in anything that is made of its log.

use std::collections::BTreeSet;

use judge::evidence::{ArmEvidence, LogProfile};
use judge::redact::redact;
use judge::{Evidence, Policy, ProfileOptions, Profiler, Window};

use crate::planted::{self, Form, LEAST_KINDS, Planted};

/// Different secrets of each kind.
const SEEDS: std::ops::Range<u64> = 1..5;

/// The runtime's time before a line.
const STAMP: &str = "2026-11-22T03:04:05.000000000Z";

fn profile(log: &str) -> LogProfile {
    let mut profiler = Profiler::new(ProfileOptions::default());
    profiler.push(log.as_bytes());
    LogProfile {
        pod: "web".into(),
        container: "app".into(),
        previous: false,
        profile: profiler.finish(),
    }
}

/// All that is kept of a log, as bundles hold it, without JSON's escapes.
fn kept(log: &str) -> String {
    let profile = profile(log);
    assert!(profile.profile.events > 0, "{log}");
    format!("{profile:?}")
        .replace("\\\\", "\\")
        .replace("\\\"", "\"")
}

fn assert_hidden(planted: &Planted, how: &str, shown: &str) {
    if let Some(leak) = planted.leak(shown) {
        panic!(
            "{} ({how}): `{leak}` shows\n{}\n{shown}",
            planted.kind, planted.text
        );
    }
}

#[test]
fn there_are_as_many_kinds_as_are_claimed() {
    let all = planted::all(1);
    let kinds: BTreeSet<&str> = all.iter().map(|planted| planted.kind).collect();
    assert_eq!(kinds.len(), all.len(), "each kind once");
    assert!(kinds.len() >= LEAST_KINDS, "{}", kinds.len());
    for (planted, other) in all.iter().zip(planted::all(2)) {
        assert!(planted.leak(&planted.text).is_some(), "{}", planted.kind);
        assert_ne!(planted.secrets, other.secrets, "{}", planted.kind);
    }
}

#[test]
fn no_profile_holds_a_secret_in_whatever_form_it_was_logged() {
    for planted in SEEDS.flat_map(planted::all) {
        for form in Form::ALL {
            let log = planted.logged(form);
            assert_hidden(&planted, &format!("{form:?}"), &kept(&log));
            // As a sample that was cut, and as it is read a second time.
            let whole = redact(&log).into_owned();
            assert_eq!(redact(&whole), whole, "{}", planted.kind);
        }
    }
}

#[test]
fn no_profile_holds_a_secret_that_the_runtime_cut_in_two() {
    for planted in SEEDS.flat_map(planted::all) {
        for form in Form::ALL {
            let log = planted.logged(form);
            let secret = &planted.secrets[0];
            let (mut cri, mut docker) = (String::new(), String::new());
            for line in log.lines() {
                let at = line.find(secret.as_str()).map(|at| at + secret.len() / 2);
                let parts = match at {
                    Some(at) => vec![&line[..at], &line[at..]],
                    None => vec![line],
                };
                for (index, part) in parts.iter().enumerate() {
                    let is_last = index + 1 == parts.len();
                    let tag = if is_last { "F" } else { "P" };
                    cri.push_str(&format!("{STAMP} stderr {tag} {part}\n"));
                    let end = if is_last { "\n" } else { "" };
                    let entry = serde_json::json!({"log": format!("{part}{end}"), "stream": "stderr", "time": STAMP});
                    // The runtime writes its keys in this order.
                    docker.push_str(&format!("{entry}\n"));
                }
            }
            assert_hidden(&planted, &format!("CRI, {form:?}"), &kept(&cri));
            assert_hidden(&planted, &format!("Docker, {form:?}"), &kept(&docker));
        }
    }
}

#[test]
fn no_judgement_shows_a_secret() {
    let served = "200 - blue\n".repeat(400);
    for planted in planted::all(7) {
        let line = planted.logged(Form::Plain);
        let arm = |log: &str| ArmEvidence {
            logs: vec![profile(log)],
            ..ArmEvidence::default()
        };
        let evidence = Evidence {
            window: Window::unaligned(),
            stable: arm(&served),
            canary: arm(&format!("{served}{}", format!("{line}\n").repeat(40))),
            ..Evidence::default()
        };
        let judgement = judge::judge(&evidence, &Policy::default());
        assert!(!judgement.findings.is_empty(), "{}", planted.kind);
        assert_hidden(&planted, "judgement", &format!("{judgement:?}"));
    }
}
