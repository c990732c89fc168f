//! `eval`: pairs of logs in, verdicts and a table out.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::{Folder, Ran, example};

/// A folder of pairs: three with the truth written beside them, one without.
fn pairs() -> Folder {
    let folder = Folder::new();
    let log = |name: &str| std::fs::read(example(name)).unwrap();
    for (id, canary, label) in [
        ("good", "canary-healthy.log", Some(r#"{"promote":true}"#)),
        (
            "bad",
            "canary-broken.log",
            Some(r#"{"promote":false,"evidence_in_log":"strong","class":"code-bug"}"#),
        ),
        (
            "mislabelled",
            "canary-healthy.log",
            Some(r#"{"promote":false,"evidence_in_log":"weak"}"#),
        ),
        ("unknown", "canary-healthy.log", None),
    ] {
        let path = folder.0.path().join("pairs").join(id);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("stable.log"), log("stable.log")).unwrap();
        std::fs::write(path.join("canary.log"), log(canary)).unwrap();
        if let Some(label) = label {
            std::fs::write(path.join("label.json"), label).unwrap();
        }
    }
    folder
}

fn failure(folder: &Folder) -> String {
    let ran = folder.run(&["eval", "pairs", "--out", "verdicts.jsonl"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert_eq!(ran.out, "");
    assert!(!folder.0.path().join("verdicts.jsonl").exists());
    ran.err
}

#[test]
fn verdicts_in_the_order_of_ids_and_a_table() {
    let folder = pairs();
    let Ran { code, out, err } = folder.run(&["eval", "pairs", "--out", "verdicts.jsonl"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    insta::assert_snapshot!(out, @r"
                pairs   promote   abort  inconclusive
    healthy         1         1       0             0
    strong          1         0       1             0
    weak            1         1       0             0
    no label        1         1       0             0

    of 3 decided: 1 wrong, Brier score 0.3078, expected calibration error 0.3034

    Wrong
      mislabelled (weak): canary promoted: 0/900 errors (stable 0/2,700)
    ");
    let verdicts = String::from_utf8(folder.read("verdicts.jsonl")).unwrap();
    insta::assert_snapshot!(verdicts, @r#"
    {"id":"bad","verdict":"abort","confidence":0.99}
    {"id":"good","verdict":"promote","confidence":0.96}
    {"id":"mislabelled","verdict":"promote","confidence":0.96}
    {"id":"unknown","verdict":"promote","confidence":0.96}
    "#);
}

#[test]
fn verdicts_on_standard_output_are_alone_there() {
    let folder = pairs();
    let to_file = folder.run(&["eval", "pairs", "--out", "verdicts.jsonl"]);
    let piped = folder.run(&["eval", "pairs", "--out", "-"]);
    assert_eq!(piped.out.as_bytes(), folder.read("verdicts.jsonl"));
    assert_eq!(piped.err, to_file.out, "the table");
    let table_only = folder.run(&["eval", "pairs"]);
    assert_eq!(table_only.out, to_file.out);
}

#[test]
fn gzip_is_the_same_pair() {
    let folder = pairs();
    let before = folder.run(&["eval", "pairs", "--out", "-"]).out;
    let log = folder.read("pairs/bad/canary.log");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&log).unwrap();
    folder.write("pairs/bad/canary.log.gz", gzip.finish().unwrap());
    assert!(failure(&folder).contains("both canary.log and canary.log.gz"));
    std::fs::remove_file(folder.0.path().join("pairs/bad/canary.log")).unwrap();
    assert_eq!(folder.run(&["eval", "pairs", "--out", "-"]).out, before);
}

#[test]
fn what_is_no_pair_is_said() {
    let folder = Folder::new();
    insta::assert_snapshot!(failure(&folder), @r"
    error: failed to read the folder pairs: No such file or directory (os error 2)
    hint: name a folder that holds one folder for each pair: FOLDER/<id>/stable.log and FOLDER/<id>/canary.log
    ");
    std::fs::create_dir_all(folder.0.path().join("pairs/notes")).unwrap();
    folder.write("pairs/readme.md", "no pair");
    insta::assert_snapshot!(failure(&folder), @r"
    error: pairs holds no pair of logs
    hint: a pair is a folder of its own: FOLDER/<id>/stable.log and FOLDER/<id>/canary.log
    ");
    folder.write("pairs/notes/canary.log", "a line\n");
    insta::assert_snapshot!(failure(&folder), @r"
    error: pairs/notes has no stable.log
    hint: a pair needs both logs; move the folder away if it is none
    ");
}

#[test]
fn a_label_that_cannot_be_read_names_its_file() {
    let folder = pairs();
    folder.write("pairs/bad/label.json", r#"{"promote":"no"}"#);
    insta::assert_snapshot!(failure(&folder), @r#"
    error: failed to parse pairs/bad/label.json: invalid type: string "no", expected a boolean at line 1 column 15
    hint: a label is {"promote": true}, or {"promote": false, "evidence_in_log": "strong"} (or weak, pod-state, none)
    "#);
    folder.write(
        "pairs/bad/label.json",
        r#"{"promote":false,"evidence_in_log":"some"}"#,
    );
    assert!(failure(&folder).contains("unknown variant `some`"));
}

#[test]
fn the_first_log_that_cannot_be_read_is_named() {
    let folder = pairs();
    folder.write("pairs/good/stable.log", [0_u8; 4096]);
    folder.write("pairs/unknown/stable.log", [0_u8; 4096]);
    let text = failure(&folder);
    assert!(
        text.starts_with("error: failed to read pairs/good/stable.log: it is binary"),
        "{text}"
    );
}
