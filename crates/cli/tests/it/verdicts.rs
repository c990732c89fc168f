//! Verdicts, as text, as JSON and as exit code.

use std::collections::BTreeSet;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::{Folder, Ran};

const PROMOTE: Option<i32> = Some(0);
const ABORT: Option<i32> = Some(1);
const INCONCLUSIVE: Option<i32> = Some(3);

/// Judges `canary` against the shipped stable log.
fn against_stable(folder: &Folder, canary: &str, arguments: &[&str]) -> Ran {
    let first = ["analyze", "--stable", "stable.log", "--canary", canary];
    let ran = folder.run(&[&first, arguments].concat());
    assert_eq!(ran.err, "", "a verdict leaves standard error alone");
    ran
}

#[test]
fn the_shipped_healthy_canary_is_promoted() {
    let ran = against_stable(&Folder::with_examples(), "canary-healthy.log", &[]);
    assert_eq!(ran.code, PROMOTE, "{ran:?}");
    insta::assert_snapshot!(ran.out, @r"
    canary promoted: 0/900 errors (stable 0/2,700)
    confidence 96 %

                  requests      errors     share
    canary             900           0     0.0 %
    stable           2,700           0     0.0 %
    ");
}

#[test]
fn the_shipped_broken_canary_is_aborted() {
    let ran = against_stable(&Folder::with_examples(), "canary-broken.log", &[]);
    assert_eq!(ran.code, ABORT, "{ran:?}");
    insta::assert_snapshot!(ran.out, @r"
    canary aborted: +4.2 pp 5xx responses (38/900 requests, stable 0/2,700), NullPointerException ColorResource:39 in 1/1 pods, 0 in stable
    confidence 99 %

                  requests      errors     share
    canary             900          38     4.2 %
    stable           2,700           0     0.0 %

    Gates that fired
      error rate      canary 13 (1.4 %), stable 0 (0.0 %): +1.4 pp
      new errors      canary 13 (1.4 %), stable 0 (0.0 %): +1.4 pp
      5xx responses   canary 38 (4.2 %), stable 0 (0.0 %): +4.2 pp

    Findings
      NullPointerException ColorResource:39 [new error] (a4b87411)
        canary 13 (1.4 %) in 1/1 pods, stable 0 (0.0 %), ratio 81.0 (95 %: 4.8 to 1362.1)
        first 2026-11-22T02:42:49Z, last 2026-11-22T02:43:38Z
        | 2026-11-22T02:42:49.594Z ERROR [rollouts-demo,***] c.d.color.ColorResource : request failed
      5xx - yellow [5xx responses] (219c2ed4)
        canary 38 (4.2 %) in 1/1 pods, stable 0 (0.0 %), ratio 230.9 (95 %: 14.2 to 3758.8)
        first 2026-11-22T02:42:49Z, last 2026-11-22T02:43:44Z
        | 500 - yellow
    ");
}

#[test]
fn a_broken_stable_does_not_abort_a_healthy_canary() {
    let folder = Folder::with_examples();
    let ran = folder.run(&[
        "analyze",
        "--stable",
        "canary-broken.log",
        "--canary",
        "canary-healthy.log",
    ]);
    assert_eq!(ran.code, PROMOTE, "{ran:?}");
}

#[test]
fn too_little_traffic_is_inconclusive_and_says_how_much_is_missing() {
    let folder = Folder::with_examples();
    let log = String::from_utf8(folder.read("canary-healthy.log")).unwrap();
    let few: Vec<&str> = log.lines().take(40).collect();
    folder.write("few.log", few.join("\n"));
    let ran = against_stable(&folder, "few.log", &[]);
    assert_eq!(ran.code, INCONCLUSIVE, "{ran:?}");
    assert!(ran.out.contains(" more requests"), "{ran:?}");
}

#[test]
fn an_empty_log_is_inconclusive_never_a_promotion() {
    let folder = Folder::with_examples();
    folder.write("empty.log", "");
    for (stable, canary) in [
        ("stable.log", "empty.log"),
        ("empty.log", "canary-healthy.log"),
    ] {
        let ran = folder.run(&["analyze", "--stable", stable, "--canary", canary]);
        assert_eq!(ran.code, INCONCLUSIVE, "{ran:?}");
        assert!(ran.out.starts_with("canary inconclusive: "), "{ran:?}");
        assert!(ran.out.contains("empty.log: the log is empty"), "{ran:?}");
    }
}

#[test]
fn gzip_and_standard_input_and_several_files_are_the_same_log() {
    let folder = Folder::with_examples();
    let log = folder.read("canary-broken.log");
    let plain = against_stable(&folder, "canary-broken.log", &[]);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&log).unwrap();
    folder.write("canary.gz", gzip.finish().unwrap());
    assert_eq!(against_stable(&folder, "canary.gz", &[]).out, plain.out);
    let piped = ["analyze", "--stable", "stable.log", "--canary", "-"];
    assert_eq!(folder.run_with_stdin(&piped, &log).out, plain.out);

    let stable = String::from_utf8(folder.read("stable.log")).unwrap();
    let half = stable.len() / 2;
    let middle = half + stable[half..].find('\n').unwrap() + 1;
    folder.write("stable-1.log", &stable[..middle]);
    folder.write("stable-2.log", &stable[middle..]);
    let several = [
        "analyze",
        "--stable",
        "stable-1.log",
        "stable-2.log",
        "--canary",
        "canary-broken.log",
    ];
    assert_eq!(folder.run(&several).out, plain.out);
}

/// Pods as `kubectl get pods -o json` writes them, cut to what counts.
fn pods(name: &str, state: &str) -> String {
    let status = format!(
        r#"{{"phase":"Running","conditions":[{{"type":"Ready","status":"False"}}],"containerStatuses":[
            {{"name":"app","ready":false,"restartCount":5,"image":"i","imageID":"","state":{state},
              "lastState":{{"terminated":{{"exitCode":1,"reason":"Error"}}}}}}]}}"#
    );
    format!(
        r#"{{"apiVersion":"v1","kind":"List","items":[{{"apiVersion":"v1","kind":"Pod",
            "metadata":{{"name":"{name}","creationTimestamp":"2026-01-02T03:04:05Z"}},
            "spec":{{"containers":[{{"name":"app"}}]}},"status":{status}}}]}}"#
    )
}

#[test]
fn a_crash_loop_aborts_whatever_the_logs_say() {
    let folder = Folder::with_examples();
    folder.write(
        "pods.json",
        pods("web-1", r#"{"waiting":{"reason":"CrashLoopBackOff"}}"#),
    );
    let ran = against_stable(
        &folder,
        "canary-healthy.log",
        &["--canary-pods", "pods.json"],
    );
    assert_eq!(ran.code, ABORT, "{ran:?}");
    assert!(
        ran.out.starts_with("canary aborted: CrashLoopBackOff"),
        "{ran:?}"
    );
    let alone = [
        "analyze",
        "--stable",
        "stable.log",
        "--canary-pods",
        "pods.json",
    ];
    assert_eq!(folder.run(&alone).code, ABORT);
}

#[test]
fn events_of_the_pods_are_read() {
    let folder = Folder::with_examples();
    folder.write(
        "pods.json",
        pods("web-1", r#"{"waiting":{"reason":"CrashLoopBackOff"}}"#),
    );
    folder.write(
        "events.json",
        r#"{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Event","metadata":{"name":"e"},
            "involvedObject":{"kind":"Pod","name":"web-1"},"type":"Warning","reason":"BackOff",
            "message":"Back-off restarting failed container","count":7}]}"#,
    );
    let arguments = ["--canary-pods", "pods.json", "--events", "events.json"];
    assert_eq!(
        against_stable(&folder, "canary-healthy.log", &arguments).code,
        ABORT
    );
}

#[test]
fn secrets_in_log_lines_are_not_shown() {
    let folder = Folder::with_examples();
    let mut log = folder.read("canary-healthy.log");
    for minute in 0..50 {
        writeln!(
            log,
            "2026-11-22T02:{minute:02}:00.000000000Z 2026-11-22T02:{minute:02}:00Z ERROR login failed password=hunter2 token=ghp_0123456789abcdefghijklmnopqrstuvwxyz"
        )
        .unwrap();
    }
    folder.write("canary.log", log);
    for format in ["text", "json"] {
        let ran = against_stable(&folder, "canary.log", &["--format", format]);
        assert_eq!(ran.code, ABORT, "{ran:?}");
        assert!(ran.out.contains("login failed"), "{ran:?}");
        assert!(
            !ran.out.contains("hunter2") && !ran.out.contains("ghp_0123"),
            "{ran:?}"
        );
    }
}

/// The names of all fields that hold no others, as paths.
fn names(value: &Value, path: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                names(value, &format!("{path}.{name}"), into);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                names(item, &format!("{path}[]"), into);
            }
        }
        _ => {
            into.insert(path.to_owned());
        }
    }
}

#[test]
fn the_names_in_json_are_those_that_scripts_rely_on() {
    let folder = Folder::with_examples();
    let ran = against_stable(&folder, "canary-broken.log", &["--format", "json"]);
    assert_eq!(ran.code, ABORT);
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    let mut found = BTreeSet::new();
    names(&json, "", &mut found);
    let found: Vec<String> = found.into_iter().collect();
    insta::assert_snapshot!(found.join("\n"), @r"
    .confidence
    .exposure.canary.count
    .exposure.canary.errors
    .exposure.stable.count
    .exposure.stable.errors
    .exposure.unit
    .findings[].canary.count
    .findings[].canary.rate
    .findings[].canaryPods
    .findings[].canaryPodsTotal
    .findings[].class
    .findings[].confirmed
    .findings[].firstSeen
    .findings[].id
    .findings[].lastSeen
    .findings[].ratio.estimate
    .findings[].ratio.high
    .findings[].ratio.low
    .findings[].sample
    .findings[].stable.count
    .findings[].stable.rate
    .findings[].text
    .findings[].title
    .gates[].canary.count
    .gates[].canary.rate
    .gates[].fired
    .gates[].gate
    .gates[].holds
    .gates[].logE
    .gates[].stable.count
    .gates[].stable.rate
    .gates[].threshold
    .ignored
    .leftOut
    .logs.canary.count
    .logs.canary.firstSeen
    .logs.canary.lastSeen
    .logs.canary.lines
    .logs.stable.count
    .logs.stable.firstSeen
    .logs.stable.lastSeen
    .logs.stable.lines
    .message
    .policy.changed
    .policy.ignore
    .timeline.canary.slices[].errors
    .timeline.canary.slices[].events
    .timeline.canary.slices[].requests
    .timeline.canary.slices[].serverErrors
    .timeline.canary.start
    .timeline.sliceMs
    .timeline.stable.slices[].errors
    .timeline.stable.slices[].events
    .timeline.stable.slices[].requests
    .timeline.stable.slices[].serverErrors
    .timeline.stable.start
    .verdict
    .vetoes
    .waiting
    ");
}

#[test]
fn json_says_what_the_text_says() {
    let folder = Folder::with_examples();
    folder.write("empty.log", "");
    for (canary, verdict) in [
        ("canary-healthy.log", "promote"),
        ("canary-broken.log", "abort"),
        ("empty.log", "inconclusive"),
    ] {
        let text = against_stable(&folder, canary, &[]);
        let json = against_stable(&folder, canary, &["--format", "json"]);
        assert_eq!(text.code, json.code);
        let json: Value = serde_json::from_str(&json.out).unwrap();
        assert_eq!(json["verdict"], verdict);
        assert_eq!(text.out.lines().next(), json["message"].as_str());
        assert_eq!(json["waiting"].is_null(), verdict != "inconclusive");
    }
}

#[test]
fn colours_only_where_they_are_wanted() {
    let folder = Folder::with_examples();
    let plain = against_stable(&folder, "canary-broken.log", &[]);
    assert!(!plain.out.contains('\u{1b}'));
    let coloured = against_stable(&folder, "canary-broken.log", &["--color", "always"]);
    assert!(coloured.out.starts_with("\u{1b}[1;31mcanary aborted"));
}

#[test]
fn a_reader_that_has_gone_leaves_the_exit_code() {
    let folder = Folder::with_examples();
    let arguments = [
        "analyze",
        "--stable",
        "stable.log",
        "--canary",
        "canary-broken.log",
    ];
    let mut child = folder.command(&arguments).spawn().unwrap();
    drop(child.stdout.take());
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), ABORT);
}

#[test]
fn help_has_examples_and_exit_codes() {
    let ran = Folder::new().run(&["analyze", "--help"]);
    assert_eq!(ran.code, PROMOTE);
    for text in [
        "Examples:",
        "kubectl logs -l role=canary",
        "0 promote, 1 abort, 3 inconclusive, 2 error",
    ] {
        assert!(ran.out.contains(text), "{text}:\n{}", ran.out);
    }
}

#[test]
fn a_verdict_goes_to_a_file_and_its_reason_to_standard_output() {
    let folder = Folder::with_examples();
    let json = against_stable(&folder, "canary-broken.log", &["--format", "json"]);
    let arguments = ["--format", "json", "--out", "verdict.json"];
    let ran = against_stable(&folder, "canary-broken.log", &arguments);
    assert_eq!(ran.code, ABORT);
    assert_eq!(folder.read("verdict.json"), json.out.as_bytes());
    let written: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(ran.out.strip_suffix('\n'), written["message"].as_str());
    let nowhere = folder.run(&[
        "analyze",
        "--stable",
        "stable.log",
        "--canary",
        "canary-broken.log",
        "--out",
        "no-folder/x",
    ]);
    assert_eq!((nowhere.code, nowhere.out.as_str()), (Some(2), ""));
    assert!(
        nowhere
            .err
            .starts_with("error: failed to write no-folder/x: "),
        "{}",
        nowhere.err
    );
}
