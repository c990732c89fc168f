//! The tree: documents name what is there, files stay readable.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Past this a file is more than one idea (tables and tests aside).
const MAX_LINES: usize = 620;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn tracked(pattern: &str) -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files", "--", pattern])
        .current_dir(root())
        .output()
        .expect("git runs");
    assert!(output.status.success(), "git ls-files failed");
    let text = String::from_utf8(output.stdout).expect("paths are UTF-8");
    text.lines().map(str::to_owned).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[test]
fn architecture_names_every_crate_and_no_other() {
    let architecture = read("ARCHITECTURE.md");
    let mut crates: Vec<String> = tracked("crates/*/Cargo.toml")
        .iter()
        .filter_map(|path| path.split('/').nth(1).map(str::to_owned))
        .collect();
    crates.sort();
    crates.dedup();
    let mut named: Vec<String> = architecture
        .match_indices("`crates/")
        .filter_map(|(at, found)| {
            let rest = &architecture[at + found.len()..];
            rest.split(['/', '`']).next().map(str::to_owned)
        })
        .collect();
    named.sort();
    named.dedup();
    assert_eq!(named, crates, "the code map of ARCHITECTURE.md");
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    for manifest in tracked("crates/*/Cargo.toml") {
        let text = read(&manifest);
        assert!(
            text.contains("[lints]\nworkspace = true"),
            "{manifest} has no `[lints] workspace = true`"
        );
    }
}

#[test]
fn go_plugin_never_says_rollout() {
    for file in tracked("crates/go-plugin/src/*.rs") {
        let text = read(&file).to_lowercase();
        assert!(!text.contains("rollout"), "{file} says \"rollout\"");
    }
}

#[test]
fn no_source_file_is_too_long() {
    let long: Vec<String> = tracked("crates/*.rs")
        .into_iter()
        .filter(|file| read(file).lines().count() > MAX_LINES)
        .collect();
    assert!(long.is_empty(), "more than one idea? {long:#?}");
}

#[test]
fn make_help_lists_the_targets_that_readme_names() {
    let makefile = read("Makefile");
    let readme = read("README.md");
    for (at, found) in readme.match_indices("make ") {
        let word: String = readme[at + found.len()..]
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
            .collect();
        // Only commands: at the start of a line or in backticks.
        let before = readme[..at].chars().next_back();
        if matches!(before, Some('`' | '\n')) {
            assert!(
                makefile.contains(&format!("\n{word}:")) || makefile.contains(&format!("{word}: ")),
                "README names `make {word}`, which the Makefile has not"
            );
        }
    }
}

/// A document that says which test shows what must name tests that exist.
#[test]
fn compatibility_names_tests_that_exist() {
    let document = read("docs/compatibility.md");
    let scenarios = read("crates/e2e/tests/cluster/scenarios/mod.rs");
    let mut named = 0;
    let mut missing = Vec::new();
    for quoted in document.split('`').skip(1).step_by(2) {
        if let Some((file, function)) = quoted.split_once(".rs: ") {
            named += 1;
            let file = format!("{file}.rs");
            let is_there =
                root().join(&file).is_file() && read(&file).contains(&format!("fn {function}("));
            if !is_there {
                missing.push(quoted.to_owned());
            }
        }
    }
    let in_scenarios = document
        .lines()
        .filter_map(|line| line.rsplit_once('|')?.0.split_once("scenario"))
        .flat_map(|(_, rest)| rest.split('`').skip(1).step_by(2));
    for scenario in in_scenarios.filter(|name| !name.contains(' ')) {
        named += 1;
        if !scenarios.contains(&format!("\"{scenario}\"")) {
            missing.push(scenario.to_owned());
        }
    }
    assert!(missing.is_empty(), "no such test: {missing:#?}");
    assert!(named > 20, "only {named} tests are named");
}
