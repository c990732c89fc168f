//! `templates`: what the events of logs have in common.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::Folder;

const LOG: &str = "\
2026-01-02T03:04:05Z INFO served 200 in 5 ms
2026-01-02T03:04:06Z INFO served 200 in 17 ms
2026-01-02T03:04:07Z ERROR no seats left
java.lang.IllegalStateException: none
\tat com.example.Seats.take(Seats.java:39)
2026-01-02T03:04:08Z INFO served 200 in 6 ms
";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("a.log", LOG);
    folder
}

/// Runs `templates` with these arguments; what it writes.
fn written(folder: &Folder, arguments: &[&str]) -> String {
    let ran = folder.run(&[&["templates"], arguments].concat());
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
    ran.out
}

#[test]
fn tsv_is_a_line_an_event_in_order() {
    let folder = folder();
    let tsv = written(&folder, &["a.log", "--format", "tsv"]);
    insta::assert_snapshot!(tsv, @r"
    0	INFO served <*> in <*> ms
    0	INFO served <*> in <*> ms
    1	ERROR no seats left
    0	INFO served <*> in <*> ms
    ");
    assert_eq!(written(&folder, &["a.log"]), tsv, "the default of a pipe");
}

#[test]
fn each_line_may_be_an_event() {
    let folder = folder();
    let tsv = written(&folder, &["a.log", "--one-event-per-line"]);
    assert_eq!(tsv.lines().count(), LOG.lines().count());
    let groups: Vec<&str> = tsv.lines().filter_map(|l| l.split('\t').next()).collect();
    assert_eq!(groups[0], groups[1]);
    assert_eq!(groups[0], groups[5]);
    assert_ne!(groups[0], groups[3]);
}

#[test]
fn a_table_has_the_most_frequent_first() {
    insta::assert_snapshot!(written(&folder(), &["a.log", "--format", "text"]), @r"
    4 events, 2 templates

        count   share  level  template
            3  75.0 %  info   INFO served <*> in <*> ms
                               | INFO served 200 in 5 ms
            1  25.0 %  error  ERROR no seats left
    ");
}

#[test]
fn json_has_the_groups_of_tsv() {
    let folder = folder();
    let json = written(&folder, &["a.log", "--format", "json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["events"], 4);
    let templates = json["templates"].as_array().unwrap();
    let counts: Vec<_> = templates.iter().map(|t| t["count"].as_u64()).collect();
    assert_eq!(counts, [Some(3), Some(1)]);
    for line in written(&folder, &["a.log", "--format", "tsv"]).lines() {
        let (group, template) = line.split_once('\t').unwrap();
        let of_json = &templates[group.parse::<usize>().unwrap()];
        assert_eq!(of_json["group"].to_string(), group);
        assert_eq!(of_json["template"], template);
    }
}

#[test]
fn several_logs_gzip_and_standard_input_are_one_stream() {
    let folder = Folder::new();
    // No newline ends the first: the next still begins a line of its own.
    folder.write("a.log", "one thing\nanother matter");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(b"one thing\n").unwrap();
    folder.write("b.log.gz", gzip.finish().unwrap());
    let arguments = ["templates", "a.log", "b.log.gz", "-", "--format", "tsv"];
    let ran = folder.run_with_stdin(&arguments, b"another matter\n");
    assert_eq!(
        ran.out, "0\tone thing\n1\tanother matter\n0\tone thing\n1\tanother matter\n",
        "{}",
        ran.err
    );
}

#[test]
fn text_in_a_line_adds_no_line_and_no_column() {
    let folder = Folder::new();
    folder.write(
        "a.log",
        "text\tand\u{b}more\u{2028}of\u{85}what\u{1c}ends lines\n",
    );
    let tsv = written(&folder, &["a.log", "--one-event-per-line"]);
    assert_eq!(tsv.matches('\t').count(), 1, "{tsv:?}");
    let ends_line = |c: char| c.is_control() && c != '\t' || matches!(c, '\u{2028}' | '\u{2029}');
    assert_eq!(tsv.chars().filter(|c| ends_line(*c)).count(), 1, "{tsv:?}");
}

#[test]
fn secrets_are_not_shown() {
    let folder = Folder::new();
    folder.write("a.log", "login password=hunter2 failed\n".repeat(3));
    for format in ["text", "tsv", "json"] {
        let shown = written(&folder, &["a.log", "--format", format]);
        assert!(shown.contains("login password="), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn an_empty_log_has_no_template() {
    let folder = Folder::new();
    folder.write("a.log", "");
    let ran = folder.run(&["templates", "a.log", "--format", "text"]);
    assert_eq!(
        (ran.code, ran.out.as_str(), ran.err.as_str()),
        (
            Some(0),
            "0 events, 0 templates\n",
            "note: a.log: the log is empty\n"
        )
    );
}

#[test]
fn what_cannot_be_read_is_an_error_with_its_mend() {
    let ran = Folder::new().run(&["templates", "a.log"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
    insta::assert_snapshot!(ran.err, @r"
    error: failed to open a.log: No such file or directory (os error 2)
    hint: check the path; a pod's log is saved by `kubectl logs POD --timestamps > a.log`
    ");
}
