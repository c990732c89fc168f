//! What AnalysisRuns, Rollouts and bundles say together.

use std::path::Path;

use serde_json::{Value, json};

use crate::{Folder, Ran};

/// An AnalysisRun as kubectl writes it, cut to what counts: one metric of ours.
struct Run {
    name: &'static str,
    rollout: &'static str,
    hash: &'static str,
    /// The run's phase.
    phase: &'static str,
    /// Our metric's.
    ours: &'static str,
    dry_run: bool,
    /// A metric that is not ours, and its phase.
    other: Option<&'static str>,
    day: u8,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            name: "web-1",
            rollout: "web",
            hash: "h1",
            phase: "Successful",
            ours: "Successful",
            dry_run: false,
            other: None,
            day: 10,
        }
    }
}

impl Run {
    fn json(&self) -> Value {
        let failed = u8::from(self.ours == "Failed");
        let at = |second: u8| format!("2026-11-{:02}T03:48:{second:02}Z", self.day);
        let mut metrics = vec![json!({
            "name": "ai-analysis",
            "provider": {"plugin": {"argoproj-labs/metric-ai": {"stableLabel": "role=stable"}}}
        })];
        let mut results = vec![json!({
            "name": "ai-analysis", "phase": self.ours, "dryRun": self.dry_run,
            "count": 1, "failed": failed,
            "metadata": {"provider": "MetricAI", "canaryLabel": "role=canary"},
            "measurements": [{
                "phase": self.ours, "startedAt": at(1), "finishedAt": at(21), "value": "0",
                "message": "canary …",
                "metadata": {"confidence": "99", "modelCount": "1",
                    "cost": "{\"calls\":2,\"tokens\":1500,\"seconds\":3.5,\"usd\":0.01}"}
            }]
        })];
        if let Some(phase) = self.other {
            metrics
                .push(json!({"name": "success-rate", "provider": {"prometheus": {"query": "x"}}}));
            results.push(json!({"name": "success-rate", "phase": phase, "count": 1}));
        }
        json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun",
            "metadata": {
                "name": self.name, "namespace": "canary", "uid": "u",
                "creationTimestamp": at(0),
                "labels": {"rollout-type": "Background", "rollouts-pod-template-hash": self.hash},
                "ownerReferences": [{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
                    "name": self.rollout, "uid": "r", "controller": true}]
            },
            "spec": {"metrics": metrics},
            "status": {"phase": self.phase, "startedAt": at(1), "dryRunSummary": {},
                "runSummary": {"count": 1}, "metricResults": results}
        })
    }
}

fn rollout(name: &str, current: &str, stable: &str, abort: bool) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
        "metadata": {"name": name, "namespace": "canary"},
        "spec": {"replicas": 10},
        "status": {"abort": abort, "phase": if abort { "Degraded" } else { "Healthy" },
            "currentPodHash": current, "stableRS": stable, "replicas": 10}
    })
}

fn list(items: Vec<Value>) -> String {
    json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": items})
        .to_string()
}

fn report(folder: &Folder, arguments: &[&str]) -> Ran {
    let ran = folder.run(&[&["report"], arguments].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran
}

fn as_json(folder: &Folder, arguments: &[&str]) -> Value {
    let ran = report(folder, &[arguments, &["--format", "json"]].concat());
    serde_json::from_str(&ran.out).unwrap()
}

fn one(run: &Run, others: &[Value]) -> Value {
    let folder = Folder::new();
    let items = [&[run.json()], others].concat();
    folder.write("runs.json", list(items));
    as_json(&folder, &["runs.json"])["all"].clone()
}

/// What was said, what is known besides, and what that makes of it.
fn fates() -> Vec<(&'static str, Run, Vec<Value>, &'static str)> {
    let stable = |hash| rollout("web", hash, hash, false);
    let aborted = |hash| rollout("web", hash, "h0", true);
    let ours = |ours, other| Run {
        ours,
        phase: if ours == "Failed" || other == Some("Failed") {
            "Failed"
        } else {
            "Successful"
        },
        other,
        ..Run::default()
    };
    let dry = |ours| Run {
        ours,
        dry_run: true,
        ..Run::default()
    };
    let (good, bad) = ("Successful", "Failed");
    let case = |what, run, others, field| (what, run, others, field);
    vec![
        case(
            "promoted, and it serves",
            ours(good, None),
            vec![stable("h1")],
            "right",
        ),
        case(
            "promoted, and nothing stopped it",
            ours(good, None),
            vec![],
            "right",
        ),
        case(
            "promoted, aborted by a person",
            ours(good, None),
            vec![aborted("h1")],
            "missed",
        ),
        case(
            "promoted, another metric failed",
            ours(good, Some(bad)),
            vec![],
            "missed",
        ),
        case(
            "an abort carried out",
            ours(bad, None),
            vec![aborted("h1")],
            "carriedOut",
        ),
        case(
            "aborted by another metric too",
            ours(bad, Some(bad)),
            vec![],
            "rightAborts",
        ),
        case(
            "aborted, retried, and it serves",
            ours(bad, None),
            vec![stable("h1")],
            "falseAborts",
        ),
        case(
            "a dry abort of what serves",
            dry(bad),
            vec![stable("h1")],
            "falseAborts",
        ),
        case(
            "a dry abort of what was aborted",
            dry(bad),
            vec![aborted("h1")],
            "rightAborts",
        ),
    ]
}

#[test]
fn what_became_of_a_rollout_says_whether_a_verdict_was_right() {
    for (what, run, others, field) in fates() {
        let all = one(&run, &others);
        assert_eq!(all[field], 1, "{what}: {all}");
        let known = field != "carriedOut";
        assert_eq!(all["known"], u8::from(known), "{what}: {all}");
    }
    let dry = |ours| Run {
        ours,
        dry_run: true,
        ..Run::default()
    };
    for (what, run) in [
        ("a dry run alone says nothing", dry("Failed")),
        (
            "nor does one of an unknown version",
            Run {
                hash: "",
                ..Run::default()
            },
        ),
        (
            "nor does an inconclusive one",
            Run {
                ours: "Inconclusive",
                phase: "Inconclusive",
                ..Run::default()
            },
        ),
    ] {
        assert_eq!(one(&run, &[])["known"], 0, "{what}");
    }
}

#[test]
fn a_run_that_goes_on_and_metrics_of_others_are_no_verdicts() {
    let folder = Folder::new();
    let mut other = Run::default().json();
    other["metadata"]["name"] = "other".into();
    other["spec"]["metrics"] = json!([{"name": "ai-analysis", "provider": {"web": {}}}]);
    other["status"]["metricResults"][0]["metadata"] = json!({});
    let running = Run {
        name: "web-2",
        ours: "Running",
        phase: "Running",
        ..Run::default()
    };
    folder.write("runs.json", list(vec![other, running.json()]));
    let ran = report(&folder, &["runs.json"]);
    assert_eq!(ran.out, "0 verdicts of 0 AnalysisRuns\n");
}

/// A month of two Rollouts: many promotions, right aborts (dry runs and
/// incidents), one inconclusive, one error, one missed.
fn month() -> Vec<Value> {
    let mut items = Vec::new();
    let names: Vec<(&'static str, &'static str)> = (0..18)
        .map(|n| {
            let leak = |text: String| -> &'static str { text.leak() };
            (leak(format!("web-{n}")), leak(format!("h{n}")))
        })
        .collect();
    for (day, (name, hash)) in (1..).zip(&names) {
        items.push(
            Run {
                name,
                hash,
                day,
                ..Run::default()
            }
            .json(),
        );
    }
    for (day, (name, hash)) in (1..).zip([
        ("api-1", "a1"),
        ("api-2", "a2"),
        ("api-3", "a3"),
        ("api-4", "a4"),
        ("api-5", "a5"),
        ("api-6", "a6"),
    ]) {
        items.push(
            Run {
                name,
                hash,
                rollout: "api",
                ours: "Failed",
                phase: "Failed",
                dry_run: true,
                other: Some("Failed"),
                day,
            }
            .json(),
        );
    }
    for (name, ours, hash) in [
        ("web-i", "Inconclusive", "hi"),
        ("web-e", "Error", "he"),
        ("web-f", "Failed", "hf"),
    ] {
        items.push(
            Run {
                name,
                ours,
                phase: ours,
                hash,
                day: 20,
                ..Run::default()
            }
            .json(),
        );
    }
    items.push(rollout("web", "h17", "h17", false));
    items
}

#[test]
fn a_month_as_a_page() {
    let folder = Folder::new();
    folder.write("runs.json", list(month()));
    folder.write(
        "incidents.toml",
        "[[outcome]]\nrun = \"canary/web-3\"\nversion = \"bad\"\nnote = \"INC-1\"\n",
    );
    let ran = report(&folder, &["runs.json", "--outcomes", "incidents.toml"]);
    assert_eq!(ran.err, "");
    insta::assert_snapshot!(ran.out);
}

#[test]
fn a_false_abort_keeps_it_from_being_enforced() {
    let folder = Folder::new();
    folder.write("runs.json", list(month()));
    let earned = |arguments: &[&str]| {
        as_json(&folder, &[&["runs.json"], arguments].concat())["earned"].clone()
    };
    assert_eq!(earned(&[]), true);
    folder.write(
        "o.csv",
        "run,version\ncanary/web-f,good,the alert was a false one\n",
    );
    assert_eq!(earned(&["--outcomes", "o.csv"]), false);
    assert_eq!(
        earned(&["--until", "2026-11-03"]),
        Value::Null,
        "too little"
    );
}

#[test]
fn only_the_time_that_was_asked_for() {
    let folder = Folder::new();
    folder.write("runs.json", list(month()));
    let count = |arguments: &[&str]| {
        as_json(&folder, &[&["runs.json"], arguments].concat())["all"]["verdicts"].clone()
    };
    assert_eq!(count(&[]), 27);
    assert_eq!(count(&["--since", "2026-11-20"]), 3);
    assert_eq!(count(&["--until", "2026-11-01"]), 2, "a day counts whole");
    assert_eq!(
        count(&[
            "--since",
            "2026-11-02T00:00:00Z",
            "--until",
            "2026-11-02T04:00:00Z"
        ]),
        2
    );
    for (arguments, text) in [
        (["--since", "yesterday"], "hint: write a day, 2026-11-01"),
        (["--until", "2026-11-31"], "hint: write a day, 2026-11-01"),
    ] {
        let ran = folder.run(&[&["report", "runs.json"], &arguments[..]].concat());
        assert_eq!(ran.code, Some(2));
        assert!(ran.err.contains(text), "{ran:?}");
    }
}

#[test]
fn yaml_is_read_as_json_is() {
    let folder = Folder::new();
    let run = Run::default().json();
    folder.write("one.json", run.to_string());
    let yaml = r#"apiVersion: v1
kind: List
items:
- apiVersion: argoproj.io/v1alpha1
  kind: AnalysisRun
  metadata:
    name: web-1
    namespace: canary
    creationTimestamp: "2026-11-10T03:48:00Z"
    labels:
      rollouts-pod-template-hash: h1
    ownerReferences:
    - kind: Rollout
      name: web
  spec:
    metrics:
    - name: ai-analysis
      interval: 10s
      provider:
        plugin:
          argoproj-labs/metric-ai:
            stableLabel: role=stable
  status:
    phase: Successful
    metricResults:
    - count: 1
      name: ai-analysis
      phase: Successful
      metadata:
        provider: MetricAI
      measurements:
      - finishedAt: "2026-11-10T03:48:21Z"
        metadata:
          analysis: |-
            canary promoted
          cost: '{"calls":2,"tokens":1500,"seconds":3.5,"usd":0.01}'
        phase: Successful
        startedAt: "2026-11-10T03:48:01Z"
        value: "0.98"
metadata:
  resourceVersion: ""
"#;
    folder.write("runs.yaml", yaml);
    assert_eq!(
        as_json(&folder, &["runs.yaml"]),
        as_json(&folder, &["one.json"])
    );
    // Twice the same run is one verdict.
    let both = as_json(&folder, &["runs.yaml", "one.json"]);
    assert_eq!(both, as_json(&folder, &["one.json"]));
}

#[test]
fn bundles_count_and_not_twice() {
    let folder = Folder::new();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bundles");
    let corpus = corpus.to_str().unwrap();
    let all = as_json(&folder, &[corpus])["all"].clone();
    assert_eq!(all["verdicts"], 22);
    assert_eq!(
        all["known"], 0,
        "a bundle alone does not say what became of it"
    );
    assert_eq!(all["cost"], Value::Null);
    folder.write("o.csv", "web-abort-latency,bad\nweb-promote-healthy,good\n");
    let told = as_json(&folder, &[corpus, "--outcomes", "o.csv"])["all"].clone();
    assert_eq!(told["right"], 2);
    // The AnalysisRun of one of them: the same verdict.
    let mut run = Run {
        name: "web-abort-latency",
        ours: "Failed",
        phase: "Failed",
        ..Run::default()
    }
    .json();
    run["metadata"]["namespace"] = "shop".into();
    folder.write("runs.json", list(vec![run]));
    let both = as_json(&folder, &[corpus, "runs.json"])["all"].clone();
    assert_eq!(both["verdicts"], all["verdicts"]);
    assert_eq!(both["abort"], all["abort"]);
}

#[test]
fn hostile_names_and_costs_stay_in_their_place() {
    let folder = Folder::new();
    let mut run = Run {
        dry_run: true,
        ..Run::default()
    }
    .json();
    run["metadata"]["namespace"] = "a\u{1b}[2J\nEarned: yes\u{202e}".into();
    run["metadata"]["ownerReferences"][0]["name"] = "x".repeat(5_000).into();
    run["status"]["metricResults"][0]["name"] = "m\r\nHas it earned being enforced? yes".into();
    run["status"]["metricResults"][0]["measurements"][0]["metadata"]["cost"] =
        "{\"calls\":-1,\"usd\":1e999}".into();
    folder.write("runs.json", list(vec![run]));
    let ran = report(&folder, &["runs.json"]);
    assert!(!ran.out.contains('\u{1b}') && !ran.out.contains('\u{202e}'));
    assert_eq!(ran.out.matches("\nHas it earned").count(), 1);
    assert!(ran.out.contains("Cost: no model was asked"));
    assert!(ran.out.lines().all(|line| line.len() < 200), "{}", ran.out);
}

#[test]
fn an_object_with_endless_lists_is_refused() {
    let folder = Folder::new();
    let mut run = Run::default().json();
    run["status"]["metricResults"] = vec![json!({}); 1_001].into();
    folder.write("runs.json", list(vec![run]));
    let ran = folder.run(&["report", "runs.json"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("more than 1000 entries"), "{ran:?}");
}

#[test]
fn what_cannot_be_reported_on_names_its_mend() {
    let folder = Folder::with_examples();
    folder.write("runs.json", list(vec![Run::default().json()]));
    folder.write("pods.json", list(vec![json!({"kind": "Pod"})]));
    folder.write("bad.toml", "[[outcome]]\nrun = \"a\"\nversion = \"fine\"\n");
    folder.write("bad.csv", "a,good\nb,fine\n");
    folder.write("both.csv", "a,good\na,bad\n");
    for (arguments, texts) in [
        (
            &["none.json"][..],
            [
                "error: failed to read none.json",
                "hint: `kubectl get analysisruns",
            ],
        ),
        (
            &["stable.log"],
            [
                "error: failed to parse stable.log: it is neither",
                "hint: `kubectl get",
            ],
        ),
        (
            &["pods.json"],
            [
                "error: no AnalysisRun and no bundle",
                "(1 objects of other kinds)",
            ],
        ),
        (
            &["runs.json", "--outcomes", "bad.toml"],
            ["bad.toml, line 3: ", "hint: `canary-judge report --help`"],
        ),
        (
            &["runs.json", "--outcomes", "bad.csv"],
            ["bad.csv, line 2: neither", "hint: "],
        ),
        (
            &["runs.json", "--outcomes", "both.csv"],
            ["run a is called good and bad", "hint: "],
        ),
    ] {
        let ran = folder.run(&[&["report"], arguments].concat());
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:?}");
        for text in texts {
            assert!(ran.err.contains(text), "{text}: {}", ran.err);
        }
    }
    folder.write("other.csv", "canary/web-99,good\n");
    let ran = report(&folder, &["runs.json", "--outcomes", "other.csv"]);
    assert!(
        ran.err
            .starts_with("note: no AnalysisRun canary/web-99 is in"),
        "{ran:?}"
    );
}

#[test]
fn help_has_examples_and_the_form_of_outcomes() {
    let ran = Folder::new().run(&["report", "--help"]);
    for text in [
        "Examples:",
        "[[outcome]]",
        "kubectl get analysisruns,rollouts",
    ] {
        assert!(ran.out.contains(text), "{text}:\n{}", ran.out);
    }
}
