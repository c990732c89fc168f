//! Bundles: written by `analyze`, decided again by `replay`.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{Folder, Ran};

const SAME: Option<i32> = Some(0);
const ABORT: Option<i32> = Some(1);
const UNUSABLE: Option<i32> = Some(2);
const INCONCLUSIVE: Option<i32> = Some(3);
const DIFFERENT: Option<i32> = Some(4);

/// The bundles that the repository ships; `cargo run -p cli --example bundles`
/// writes them.
fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bundles")
}

/// Judges `canary` against the shipped stable log into `b.json`.
fn bundled(folder: &Folder, canary: &str) -> Ran {
    folder.run(&[
        "analyze",
        "--stable",
        "stable.log",
        "--canary",
        canary,
        "--bundle",
        "b.json",
    ])
}

/// Edits the bundle in a file and hashes it again, as a forger would.
fn forge(folder: &Folder, name: &str, (from, to): (&str, &str)) {
    let text = String::from_utf8(folder.read(name)).unwrap();
    let bundle = text.strip_prefix("{\"bundle\":").unwrap();
    let bundle = bundle.rsplit_once(",\"sha256\":").unwrap().0;
    let bundle = bundle.replacen(from, to, 1);
    let hash: String = Sha256::digest(bundle.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    folder.write(
        name,
        format!("{{\"bundle\":{bundle},\"sha256\":\"{hash}\"}}\n"),
    );
}

#[test]
fn the_corpus_is_decided_as_it_was() {
    let folder = Folder::new();
    let ran = folder.run(&["replay", corpus().to_str().unwrap()]);
    let shown = ran
        .out
        .replace(&format!("{}/", corpus().display()), "")
        .replace(".json.gz: replayed: same verdict, byte for byte", "");
    assert_eq!(
        ran.code, SAME,
        "a change of the judge changes verdicts: is it meant to? Then \
         `cargo run -p cli --example bundles` writes the corpus anew.\n{shown}{}",
        ran.err
    );
    insta::assert_snapshot!(shown);
}

#[test]
fn the_corpus_is_small_and_of_every_kind() {
    let (mut files, mut bytes) = (0, 0);
    for entry in corpus().read_dir().unwrap() {
        let size = entry.unwrap().metadata().unwrap().len();
        assert!(size < 60 << 10);
        files += 1;
        bytes += size;
    }
    assert!(
        files >= 12 && bytes < 500 << 10,
        "{files} files, {bytes} bytes"
    );
}

#[test]
fn a_verdict_of_analyze_is_decided_again() {
    for (canary, code) in [
        ("canary-healthy.log", SAME),
        ("canary-broken.log", ABORT),
        ("empty.log", INCONCLUSIVE),
    ] {
        let folder = Folder::with_examples();
        folder.write("empty.log", "");
        let verdict = bundled(&folder, canary);
        assert_eq!(verdict.code, code, "{verdict:?}");
        let reason = verdict.out.lines().next().unwrap();
        let ran = folder.run(&["replay", "b.json"]);
        assert_eq!(ran.code, SAME, "{ran:?}");
        let mut lines = ran.out.lines();
        assert_eq!(
            lines.next(),
            Some("b.json: replayed: same verdict, byte for byte")
        );
        assert!(lines.next().unwrap().starts_with(&format!("  {reason} (")));
        assert_eq!(ran.err, "");
    }
}

#[test]
fn gzip_by_its_name_and_smaller() {
    let folder = Folder::with_examples();
    bundled(&folder, "canary-broken.log");
    let more = ["--bundle", "b.json.gz"];
    let first = [
        "analyze",
        "--stable",
        "stable.log",
        "--canary",
        "canary-broken.log",
    ];
    folder.run(&[&first[..], &more].concat());
    assert!(folder.read("b.json.gz").len() * 3 < folder.read("b.json").len());
    assert_eq!(folder.run(&["replay", "b.json.gz"]).code, SAME);
}

#[test]
fn tampering_is_seen() {
    let folder = Folder::with_examples();
    bundled(&folder, "canary-broken.log");
    let text = String::from_utf8(folder.read("b.json")).unwrap();
    folder.write(
        "b.json",
        text.replace("\"decision\":\"abort\"", "\"decision\":\"promote\""),
    );
    let ran = folder.run(&["replay", "b.json"]);
    assert_eq!(ran.code, UNUSABLE);
    insta::assert_snapshot!(ran.out, @r"
    b.json: not usable
      error: b.json: the bundle was changed after it was written: its bytes do not have the hash that it names
      hint: use the file as it was written; what was edited, or copied as text, proves nothing any more
    ");
}

#[test]
fn a_forged_verdict_is_told_with_the_fields_that_differ() {
    let folder = Folder::with_examples();
    bundled(&folder, "canary-broken.log");
    forge(
        &folder,
        "b.json",
        ("\"decision\":\"abort\"", "\"decision\":\"promote\""),
    );
    forge(
        &folder,
        "b.json",
        (
            "\"message\":\"canary aborted",
            "\"message\":\"\\u001b[2Jcanary promoted",
        ),
    );
    let ran = folder.run(&["replay", "b.json"]);
    assert_eq!(ran.code, DIFFERENT);
    assert!(!ran.out.contains('\u{1b}'));
    insta::assert_snapshot!(ran.out);
}

#[test]
fn another_version_is_named() {
    let folder = Folder::with_examples();
    bundled(&folder, "canary-broken.log");
    let tool = format!("\"tool\":\"{}\"", env!("CARGO_PKG_VERSION"));
    forge(&folder, "b.json", (&tool, "\"tool\":\"9.8.7\""));
    let ran = folder.run(&["replay", "b.json"]);
    assert_eq!(
        ran.code, SAME,
        "the same verdict is the same, whoever made it"
    );
    assert!(
        ran.out.contains("made by version 9.8.7, this is "),
        "{}",
        ran.out
    );
    forge(&folder, "b.json", ("\"cut_lines\":0,", ""));
    let ran = folder.run(&["replay", "b.json"]);
    assert_eq!(ran.code, UNUSABLE);
    for text in [
        "made by another version (9.8.7)",
        "replay it with the version that made it",
    ] {
        assert!(ran.out.contains(text), "{}", ran.out);
    }
}

#[test]
fn another_policy_shows_what_it_would_have_changed() {
    let folder = Folder::with_examples();
    bundled(&folder, "canary-healthy.log");
    folder.write("strict.toml", "promoteMargin = 0.001\n");
    let ran = folder.run(&["replay", "b.json", "--policy", "strict.toml"]);
    assert_eq!(ran.code, DIFFERENT);
    insta::assert_snapshot!(ran.out);
    folder.write("same.toml", "promoteMargin = 0.024\n");
    let ran = folder.run(&["replay", "b.json", "--policy", "same.toml"]);
    assert_eq!(ran.code, SAME, "{ran:?}");
    assert!(
        ran.out.starts_with("b.json: promote as before\n"),
        "{ran:?}"
    );
    let diff = folder.run(&["replay", "b.json", "--policy", "strict.toml", "--diff"]);
    assert!(
        diff.out
            .contains("\n  decision: \"promote\" → \"inconclusive\"\n"),
        "{}",
        diff.out
    );
}

#[test]
fn a_policy_of_the_environment_does_not_change_a_replay() {
    let folder = Folder::with_examples();
    bundled(&folder, "canary-healthy.log");
    folder.write("strict.toml", "promoteMargin = 0.001\n");
    let output = folder
        .command(&["replay", "b.json"])
        .env("CANARY_JUDGE_POLICY", "strict.toml")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), SAME);
}

#[test]
fn a_folder_is_replayed_whole_and_one_bad_bundle_stops_nothing() {
    let folder = Folder::with_examples();
    std::fs::create_dir(folder.0.path().join("all")).unwrap();
    for (file, canary) in [
        ("2.json.gz", "canary-broken.log"),
        ("3.json", "canary-healthy.log"),
    ] {
        let file = format!("all/{file}");
        folder.run(&[
            "analyze",
            "--stable",
            "stable.log",
            "--canary",
            canary,
            "--bundle",
            &file,
        ]);
    }
    folder.write("all/1.json", "{}");
    folder.write("all/notes.txt", "mine");
    let ran = folder.run(&["replay", "all", "--format", "json"]);
    assert_eq!(ran.code, UNUSABLE);
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(json["same"], 2);
    assert_eq!(json["unusable"], 1);
    let bundles = json["bundles"].as_array().unwrap();
    assert!(
        bundles[0]["error"]
            .as_str()
            .unwrap()
            .contains("it is no bundle")
    );
    assert_eq!(bundles[1]["recorded"]["verdict"], "abort");
    assert_eq!(bundles[2]["now"]["verdict"], "promote");
    assert_eq!(bundles[2]["identical"], true);
}

#[test]
fn what_cannot_be_replayed_names_its_mend() {
    let folder = Folder::with_examples();
    std::fs::create_dir(folder.0.path().join("empty")).unwrap();
    let empty = folder.run(&["replay", "empty"]);
    assert_eq!(empty.code, UNUSABLE);
    insta::assert_snapshot!(empty.err, @r"
    error: empty: no bundle is in this folder
    hint: bundles end in .json or .json.gz; folders in it are not looked into
    ");
    folder.write("broken.json.gz", [0x1f, 0x8b, 8, 0, 0]);
    for (file, text) in [
        ("none.json", "hint: check the path"),
        (
            "stable.log",
            "hint: give files that `canary-judge analyze --bundle FILE`",
        ),
        ("broken.json.gz", "hint: the file is damaged"),
    ] {
        let ran = folder.run(&["replay", file]);
        assert_eq!(ran.code, UNUSABLE);
        assert!(ran.out.contains(text), "{}", ran.out);
    }
    let first = [
        "analyze",
        "--stable",
        "stable.log",
        "--canary",
        "canary-broken.log",
    ];
    let ran = folder.run(&[&first[..], &["--bundle", "none/b.json"]].concat());
    assert_eq!(ran.code, UNUSABLE);
    assert_eq!(
        ran.out, "",
        "no verdict without the bundle that was asked for"
    );
    assert!(ran.err.contains("none/b.json"), "{}", ran.err);
}

/// Kinds of secrets, each where an application, a probe or a person may leave
/// one.
const SECRETS: [&str; 8] = [
    "hunter2-password",
    "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
    "AKIAIOSFODNN7EXAMPLE",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "sk-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH",
    "xoxb-123456789012-abcdefghijklmnop",
    "c2VjcmV0LW9mLXRoZS1ib3gtMTIzNDU2Nzg5MA",
    "s3cr3t-in-a-url",
];

#[test]
fn no_secret_is_in_a_bundle() {
    let folder = Folder::with_examples();
    let lines = [
        format!("ERROR login failed password={}", SECRETS[0]),
        format!("ERROR push refused for {}", SECRETS[1]),
        format!("ERROR s3 denied {}", SECRETS[2]),
        format!("ERROR Authorization: Bearer {}", SECRETS[3]),
        format!("ERROR model refused api_key={}", SECRETS[4]),
        format!("ERROR slack token {}", SECRETS[5]),
        format!("ERROR {{\"secret\":\"{}\"}}", SECRETS[6]),
        format!("ERROR cannot reach postgres://app:{}@db/shop", SECRETS[7]),
    ];
    let mut log = String::from_utf8(folder.read("canary-healthy.log")).unwrap();
    for (second, line) in lines.iter().cycle().take(160).enumerate() {
        log.push_str(&format!("2026-11-22T02:43:{:02}.5Z {line}\n", second % 60));
    }
    folder.write("canary.log", log);
    let all = lines.join(" ").replace('"', "'");
    folder.write(
        "pods.json",
        format!(
            r#"{{"apiVersion":"v1","kind":"List","items":[{{"apiVersion":"v1","kind":"Pod",
            "metadata":{{"name":"web-1","annotations":{{"note":"{all}"}}}},
            "spec":{{"containers":[{{"name":"app","env":[{{"name":"PASSWORD","value":"{all}"}}]}}]}},
            "status":{{"phase":"Running","message":"{all}","containerStatuses":[{{"name":"app","ready":false,
              "restartCount":5,"image":"i","imageID":"",
              "state":{{"waiting":{{"reason":"CrashLoopBackOff","message":"{all}"}}}},
              "lastState":{{"terminated":{{"exitCode":1,"reason":"Error","message":"{all}"}}}}}}]}}}}]}}"#
        ),
    );
    folder.write(
        "events.json",
        format!(
            r#"{{"apiVersion":"v1","kind":"List","items":[{{"apiVersion":"v1","kind":"Event",
            "metadata":{{"name":"e"}},"involvedObject":{{"kind":"Pod","name":"web-1"}},"type":"Warning",
            "reason":"Unhealthy","message":"probe failed: {all}","count":7}}]}}"#
        ),
    );
    let first = [
        "analyze",
        "--stable",
        "stable.log",
        "--canary",
        "canary.log",
    ];
    let states = ["--canary-pods", "pods.json", "--events", "events.json"];
    let ran = folder.run(&[&first[..], &states, &["--bundle", "b.json"]].concat());
    assert_eq!(ran.code, ABORT, "{ran:?}");
    let bundle = String::from_utf8(folder.read("b.json")).unwrap();
    for text in ["login failed", "probe failed", "CrashLoopBackOff"] {
        assert!(bundle.contains(text), "{text}: what is searched is there");
    }
    for secret in SECRETS {
        assert!(!bundle.contains(secret), "{secret}");
    }
}

#[test]
fn help_has_examples_and_exit_codes() {
    let ran = Folder::new().run(&["replay", "--help"]);
    for text in ["Examples:", "--policy stricter.toml", "Exit code: 0"] {
        assert!(ran.out.contains(text), "{text}:\n{}", ran.out);
    }
}
