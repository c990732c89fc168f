//! Our plugin, loaded by Argo's own client code.

use std::process::Command;
use std::time::Duration;

use e2e::command::outcome;

/// Longest time for all checks; a minute and a half of it is the plugin's idling.
const CHECKER_LIMIT: Duration = Duration::from_secs(300);

#[test]
fn argos_client_calls_every_method_side_by_side_after_idling_and_after_a_kill() {
    let mut checker = Command::new(&super::go_peer().checker);
    checker
        .args(["-idle", "90s", "-type", "MetricAI"])
        .args([
            "-log",
            "Successfully loaded plugin: argoproj-labs/metric-ai",
        ])
        .arg(super::our_plugin())
        // There is no cluster to be found: its measurements end in errors.
        .env_remove("KUBECONFIG")
        .env_remove("KUBERNETES_SERVICE_HOST")
        .env("HOME", "/nonexistent");
    let ended = outcome(&mut checker, &[], CHECKER_LIMIT).unwrap();
    e2e::progress::say(&ended.stdout);
    assert!(
        ended.status.success() && ended.stdout.contains(" 0 missed"),
        "{}\n{}",
        ended.stdout,
        e2e::command::tail(&ended.stderr)
    );
}
