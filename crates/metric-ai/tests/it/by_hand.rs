//! Started by a person, it explains itself and touches nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use crate::bench::{Bench, PLUGIN};

fn by_hand(args: &[&str]) -> Command {
    let mut command = Command::new(PLUGIN);
    command.args(args).env_remove("ARGO_ROLLOUTS_RPC_PLUGIN");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn without_the_cookie_it_explains_itself_on_stderr() {
    let Output {
        status,
        stdout,
        stderr,
    } = by_hand(&[]).output().unwrap();
    assert_eq!(status.code(), Some(1));
    assert_eq!(text(&stdout), "");
    insta::assert_snapshot!(text(&stderr), @r"
    This is a metric plugin for Argo Rollouts: the controller starts it. Register it in the ConfigMap
    argo-rollouts-config, under metricProviderPlugins, with the name argoproj-labs/metric-ai and the
    location of this file. See --help for what it does by hand.
    ");
}

#[test]
fn help_and_version_go_to_stdout_and_mistakes_to_stderr() {
    let help = by_hand(&["--help"]).output().unwrap();
    assert_eq!(help.status.code(), Some(0));
    for word in ["check", "install", "LOG_LEVEL", "KUBECONFIG"] {
        assert!(text(&help.stdout).contains(word), "{word}");
    }
    let version = by_hand(&["--version"]).output().unwrap();
    let expected = format!("rollouts-plugin-metric-ai {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(text(&version.stdout), expected);
    let mistake = by_hand(&["serve"]).output().unwrap();
    assert_eq!(mistake.status.code(), Some(2));
    assert!(mistake.stdout.is_empty() && !mistake.stderr.is_empty());
}

#[test]
fn a_dead_stderr_or_stdout_is_no_panic() {
    for args in [&[] as &[&str], &["--help"], &["check", "nowhere"]] {
        // The pipe's other end is gone before anything is written.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status = by_hand(args)
            .stderr(writer.try_clone().unwrap())
            .stdout(writer)
            .status()
            .unwrap();
        assert!(
            status.code().is_some_and(|code| code <= 1),
            "{args:?}: {status}"
        );
    }
}

#[tokio::test]
async fn check_tells_each_step() {
    let bench = Bench::new().await;
    let address = format!("{}/version", bench.address());
    let check = tokio::task::spawn_blocking(move || by_hand(&["check", &address]).output());
    let Output { status, stdout, .. } = check.await.unwrap().unwrap();
    let said = text(&stdout);
    assert_eq!(status.code(), Some(0), "{said}");
    let steps: Vec<&str> = said
        .lines()
        .map(|line| line.split(' ').next().unwrap_or_default())
        .collect();
    assert_eq!(steps, ["DNS", "connect", "HTTP", "reachable"], "{said}");
    let nowhere = by_hand(&["check", "agent:8080"]).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(1));
}

#[test]
fn install_copies_the_program_so_that_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("plugins/");
    let path = format!("{}/", target.display());
    let installed = by_hand(&["install", &path]).output().unwrap();
    assert_eq!(
        installed.status.code(),
        Some(0),
        "{}",
        text(&installed.stderr)
    );
    let file = target.join("rollouts-plugin-metric-ai");
    assert_eq!(fs::read(&file).unwrap(), fs::read(PLUGIN).unwrap());
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o755
    );
    let version = Command::new(&file).arg("--version").output().unwrap();
    assert_eq!(version.status.code(), Some(0));
}
