//! What cannot be judged is an error that names its mend, and exit code 2.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::Folder;

/// Runs `analyze` with these arguments; the failure's text.
fn failure(folder: &Folder, arguments: &[&str]) -> String {
    let ran = folder.run(&[&["analyze"], arguments].concat());
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert_eq!(ran.out, "", "a failure has no verdict");
    ran.err
}

#[test]
fn a_missing_file() {
    let folder = Folder::with_examples();
    insta::assert_snapshot!(
        failure(&folder, &["--stable", "stable.log", "--canary", "canary.log"]),
        @r"
    error: failed to open canary.log: No such file or directory (os error 2)
    hint: check the path; a pod's log is saved by `kubectl logs POD --timestamps > canary.log`
    "
    );
}

#[test]
fn a_folder() {
    let folder = Folder::with_examples();
    std::fs::create_dir(folder.0.path().join("logs")).unwrap();
    insta::assert_snapshot!(
        failure(&folder, &["--stable", "stable.log", "--canary", "logs/"]),
        @r"
    error: failed to read logs/: it is a folder; name the log files in it
    hint: let the shell name the files in it: `logs/*.log`
    "
    );
}

#[test]
fn a_binary_file() {
    let folder = Folder::with_examples();
    folder.write("canary.tar", [0, 1, 2, 3].repeat(1_000));
    insta::assert_snapshot!(
        failure(&folder, &["--stable", "stable.log", "--canary", "canary.tar"]),
        @r"
    error: failed to read canary.tar: it is binary, not a log (plain text and gzip are read)
    hint: give the log itself; of compressed files only gzip is read, and no archives
    "
    );
}

#[test]
fn a_gzip_file_that_was_cut_short() {
    let folder = Folder::with_examples();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&folder.read("canary-healthy.log")).unwrap();
    let whole = gzip.finish().unwrap();
    folder.write("canary.gz", &whole[..whole.len() / 2]);
    let text = failure(
        &folder,
        &["--stable", "stable.log", "--canary", "canary.gz"],
    );
    assert!(text.contains("failed to decompress canary.gz"), "{text}");
    assert!(
        text.contains("hint: `gzip -t canary.gz` checks it"),
        "{text}"
    );
}

#[test]
fn pods_that_are_not_json() {
    let folder = Folder::with_examples();
    folder.write(
        "pods.json",
        "NAME   READY   STATUS\nweb-1  1/1     Running\n",
    );
    let arguments = [
        "--stable",
        "stable.log",
        "--canary",
        "canary-healthy.log",
        "--canary-pods",
        "pods.json",
    ];
    let text = failure(&folder, &arguments);
    assert!(text.contains("failed to parse pods.json"), "{text}");
    assert!(text.contains("-o json > pods.json`"), "{text}");
}

#[test]
fn the_same_log_on_both_sides() {
    let folder = Folder::with_examples();
    insta::assert_snapshot!(
        failure(&folder, &["--stable", "stable.log", "--canary", "./stable.log"]),
        @r"
    error: ./stable.log is given twice
    hint: give each log once, stable's after --stable, the canary's after --canary
    "
    );
}

#[test]
fn standard_input_on_both_sides() {
    let folder = Folder::new();
    insta::assert_snapshot!(
        failure(&folder, &["--stable", "-", "--canary", "-"]),
        @r"
    error: `-` is given more than once, and there is one standard input
    hint: save all logs but one to files: `kubectl logs POD --timestamps > FILE`
    "
    );
}

#[test]
fn one_side_missing() {
    let folder = Folder::with_examples();
    insta::assert_snapshot!(
        failure(&folder, &["--stable", "stable.log"]),
        @r"
    error: nothing is given of the canary version
    hint: add --canary FILE, saved by `kubectl logs POD --timestamps > FILE`
    "
    );
}

#[test]
fn a_name_that_would_steer_the_terminal() {
    let folder = Folder::with_examples();
    let text = failure(
        &folder,
        &[
            "--stable",
            "stable.log",
            "--canary",
            "\u{1b}[31mx\nerror: y",
        ],
    );
    assert!(!text.contains('\u{1b}'), "{text:?}");
    assert_eq!(text.lines().count(), 2, "{text:?}");
}

#[test]
fn an_unknown_flag_has_the_same_code() {
    let ran = Folder::new().run(&["analyze", "--stabel", "x"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("--stable"), "{}", ran.err);
}

#[test]
fn a_full_disk_is_no_verdict() {
    let folder = Folder::with_examples();
    let arguments = [
        "analyze",
        "--stable",
        "stable.log",
        "--canary",
        "canary-healthy.log",
    ];
    let full = std::fs::File::create("/dev/full").unwrap();
    let output = folder.command(&arguments).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(
        err.starts_with("error: failed to write the answer: "),
        "{err}"
    );
}
