//! Policy files: what they change, and what is wrong with them.

use serde_json::Value;

use crate::{Folder, Ran};

/// Judges the shipped healthy canary, with these arguments in front.
fn judged(folder: &Folder, arguments: &[&str]) -> Ran {
    let logs = ["--stable", "stable.log", "--canary", "canary-healthy.log"];
    folder.run(&[&["analyze"], arguments, &logs].concat())
}

#[test]
fn a_stricter_policy_promotes_later() {
    let folder = Folder::with_examples();
    assert_eq!(judged(&folder, &[]).code, Some(0));
    folder.write("policy.toml", "promoteMargin = 0.001\n");
    let strict = judged(&folder, &["--policy", "policy.toml"]);
    assert_eq!((strict.code, strict.err.as_str()), (Some(3), ""));
    let said = "\nPolicy\n  promoteMargin is 0.001, by default 0.025\n";
    assert!(strict.out.ends_with(said), "{}", strict.out);
    let json = judged(&folder, &["--policy", "policy.toml", "--format", "json"]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["policy"]["changed"][0]["name"], "promoteMargin");

    let logs = ["--stable", "stable.log", "--canary", "canary-healthy.log"];
    let by_environment = |value: &str| {
        let mut command = folder.command(&[&["analyze"], &logs[..]].concat());
        command.env("CANARY_JUDGE_POLICY", value);
        command.output().unwrap().status.code()
    };
    assert_eq!(by_environment("policy.toml"), Some(3));
    assert_eq!(by_environment(""), Some(0), "empty is as good as none");

    std::fs::create_dir_all(folder.0.path().join("pairs/a")).unwrap();
    for (from, to) in [
        ("stable.log", "stable.log"),
        ("canary-healthy.log", "canary.log"),
    ] {
        folder.write(&format!("pairs/a/{to}"), folder.read(from));
    }
    let evaluated = folder.run(&["eval", "pairs", "--out", "-", "--policy", "policy.toml"]);
    assert!(evaluated.out.contains("inconclusive"), "{evaluated:?}");
}

#[test]
fn mistakes_are_told_with_line_and_mend_and_there_is_no_verdict() {
    let folder = Folder::with_examples();
    folder.write(
        "policy.toml",
        "promotMargin = 0.01\ngateAlpha = 0\n\n[[ignore]]\ntemplate = \"cache is cold\"\n",
    );
    let ran = judged(&folder, &["--policy", "policy.toml"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
    let told: Vec<&str> = ran.err.lines().collect();
    assert_eq!(
        told[..3],
        [
            "error: failed to use the policy policy.toml: it has 4 mistakes",
            "  line 1, column 1: unknown key `promotMargin`; did you mean `promoteMargin`?",
            "  line 2, column 13: `gateAlpha` is out of range: it must be 0.00001 to 0.02 (chance)",
        ]
    );
    assert!(told[3].starts_with("  line 4, column 1: this entry has no end: add `until = 20"));
    assert!(told[4].starts_with("  line 4, column 1: this entry has no reason"));
    assert!(told[5].starts_with("hint: `canary-judge explain-policy`"));
}

#[test]
fn a_policy_that_cannot_be_read() {
    let folder = Folder::with_examples();
    let missing = judged(&folder, &["--policy", "none.toml"]);
    assert_eq!(missing.code, Some(2));
    insta::assert_snapshot!(missing.err, @r"
    error: failed to read the policy none.toml: No such file or directory (os error 2)
    hint: check --policy and CANARY_JUDGE_POLICY; `canary-judge explain-policy --format toml` writes a file to start from
    ");
    folder.write("latin1.toml", b"# caf\xe9\n");
    let latin1 = judged(&folder, &["--policy", "latin1.toml"]);
    insta::assert_snapshot!(latin1.err, @r"
    error: failed to read the policy latin1.toml: stream did not contain valid UTF-8
    hint: save it as UTF-8
    ");
    let endless = std::fs::File::create(folder.0.path().join("endless.toml")).unwrap();
    endless.set_len(1 << 40).unwrap();
    let endless = judged(&folder, &["--policy", "endless.toml"]);
    assert!(endless.err.contains("larger than 256 KiB"), "{endless:?}");
}

#[test]
fn an_expired_entry_is_warned_about() {
    let folder = Folder::with_examples();
    folder.write(
        "policy.toml",
        "[[ignore]]\ntemplate = \"cache is cold\"\nreason = \"OPS-1\"\nuntil = 2020-01-31\n",
    );
    let ran = judged(&folder, &["--policy", "policy.toml"]);
    assert_eq!(ran.code, Some(0));
    insta::assert_snapshot!(ran.err, @"warning: policy.toml, line 1: expired on 2020-01-31, so `cache is cold` counts again: remove the entry, or give it a new date");
}

#[test]
fn what_is_in_force_is_explained() {
    let folder = Folder::new();
    folder.write(
        "policy.toml",
        "promoteMargin = 0.01\n[[ignore]]\nevent = \"BackOff\"\nreason = \"OPS-1\"\nuntil = 9999-12-31\n",
    );
    let explained = |format: &str| {
        let ran = folder.run(&[
            "explain-policy",
            "--policy",
            "policy.toml",
            "--format",
            format,
        ]);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
        ran.out
    };
    let text = explained("text");
    for line in [
        "promoteMargin = 0.01  [set by the file, default 0.025; 0.001 to 0.1 (share)]",
        "promoteRatio = 2  [default; 1 to 3]",
        "  event `BackOff` until 9999-12-31: OPS-1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    let json: Value = serde_json::from_str(&explained("json")).unwrap();
    let margin = &json["thresholds"][1];
    assert_eq!(margin["name"], "promoteMargin");
    assert_eq!(
        (&margin["from"], &margin["value"]),
        (&"file".into(), &0.01.into())
    );
    assert_eq!(json["ignore"][0]["pattern"], "BackOff");

    let toml = explained("toml");
    folder.write("again.toml", &toml);
    let again = folder.run(&[
        "explain-policy",
        "--policy",
        "again.toml",
        "--format",
        "toml",
    ]);
    assert_eq!(again.out, toml, "a file explains itself");
}

/// A healthy canary that also says this line every second.
fn canary_that_says(folder: &Folder, line: &str) {
    let mut log = String::from_utf8(folder.read("canary-healthy.log")).unwrap();
    for second in 10..50 {
        log.push_str(&format!("2026-11-22T02:43:{second}.000000000Z {line}\n"));
    }
    folder.write("canary-healthy.log", log);
}

#[test]
fn what_is_known_to_be_harmless_is_left_out_and_counted() {
    let folder = Folder::with_examples();
    canary_that_says(&folder, "ERROR the price cache is still cold");
    assert_eq!(judged(&folder, &[]).code, Some(1));
    folder.write(
        "policy.toml",
        "[[ignore]]\ntemplate = \"*the price cache is * cold\"\nreason = \"OPS-1\"\nuntil = 9999-12-31\n",
    );
    let ran = judged(&folder, &["--policy", "policy.toml"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let said =
        "\nIgnored by the policy\n  canary 40, stable 0: `*the price cache is * cold` (OPS-1)\n";
    assert!(ran.out.contains(said), "{}", ran.out);
    let json = judged(&folder, &["--policy", "policy.toml", "--format", "json"]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["ignored"][0]["canaryCount"], 40);
    let html = judged(&folder, &["--policy", "policy.toml", "--format", "html"]);
    assert!(
        html.out.contains("What the policy leaves out"),
        "{}",
        html.out
    );
}

#[test]
fn a_crash_cannot_be_ignored() {
    let folder = Folder::with_examples();
    canary_that_says(&folder, "panic: runtime error: index out of range");
    folder.write(
        "policy.toml",
        "[[ignore]]\ntemplate = \"*runtime error: index*\"\nreason = \"it is fine\"\nuntil = 9999-12-31\n",
    );
    assert_eq!(judged(&folder, &[]).code, Some(1));
    assert_eq!(judged(&folder, &["--policy", "policy.toml"]).code, Some(1));
}
