//! Verdicts, as text, as JSON and as exit code.

use std::process::Stdio;

use crate::Folder;

#[test]
fn an_empty_log_is_inconclusive_never_a_promotion() {
    let folder = Folder::with_examples();
    folder.write("empty.log", "");
    for (stable, canary) in [
        ("stable.log", "empty.log"),
        ("empty.log", "canary-healthy.log"),
    ] {
        let ran = folder.run(&["analyze", "--stable", stable, "--canary", canary]);
        assert_eq!(ran.code, Some(3), "{ran:?}");
        assert!(ran.out.starts_with("canary inconclusive: "), "{ran:?}");
        assert!(ran.out.contains("empty.log: the log is empty"), "{ran:?}");
    }
}

#[test]
fn a_reader_that_has_gone_leaves_the_exit_code() {
    let folder = Folder::with_examples();
    folder.write("empty.log", "");
    let mut command =
        folder.command(&["analyze", "--stable", "stable.log", "--canary", "empty.log"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn help_has_examples_and_exit_codes() {
    let ran = Folder::new().run(&["analyze", "--help"]);
    assert_eq!(ran.code, Some(0));
    for text in [
        "Examples:",
        "kubectl logs -l role=canary",
        "0 promote, 1 abort, 3 inconclusive, 2 error",
    ] {
        assert!(ran.out.contains(text), "{text}:\n{}", ran.out);
    }
}
