//! Judged in the background: the steps go on while it is measured.

use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};

use crate::app::{App, Setup, Strategy, with_app};
use crate::message::check_injected;
use crate::stage::Stage;
use crate::verdicts;

/// Longest time for the talk's steps, which take 55 s, with pods starting.
const LIMIT: Duration = Duration::from_secs(180);
/// Steps of the talk's strategy.
const TALK_STEPS: u64 = 12;

pub(crate) fn good(stage: &Stage<'_>, name: &str) -> anyhow::Result<()> {
    with_app(stage, name, &Setup::as_shipped(), |app| {
        app.release(&[("COLOR", "green")])?;
        let looks = app.wait_phase("Healthy", LIMIT)?;
        let weights: Vec<_> = looks.iter().map(|look| look.weight_percent()).collect();
        for weight in [30, 40, 60, 80, 90, 100] {
            ensure!(
                weights.contains(&weight),
                "through all weights: {weights:?}"
            );
        }
        let run = app.only_run()?;
        let judged = run.in_phase("Successful");
        ensure!(!judged.is_empty(), "it was judged before its end: {run:?}");
        ensure!(judged[0].message.contains("canary promoted: 0/"), "{run:?}");
        let wrong = run.in_phase("Failed").len() + run.in_phase("Error").len();
        ensure!(wrong == 0 && run.errors == 0, "{run:?}");
        Ok(())
    })
}

pub(crate) fn all_errors(stage: &Stage<'_>, name: &str) -> anyhow::Result<()> {
    with_app(stage, name, &Setup::as_shipped(), |app| {
        app.release(&[("COLOR", "yellow"), ("ERROR_RATE", "100")])?;
        let looks = app.wait_phase("Degraded", LIMIT)?;
        let heaviest = looks.iter().map(|look| look.weight_percent()).max();
        ensure!(heaviest < Some(100), "aborted before weight 100: {looks:?}");
        let run = app.only_run()?;
        ensure!(run.phase == "Failed", "{run:?}");
        let failed = run.in_phase("Failed");
        ensure!(failed.len() == 1, "one verdict: {run:?}");
        check_injected(&failed[0].message, 100.0)?;
        app.check_serves()?;
        let weight = app.look()?.weight_percent();
        ensure!(weight == 0, "all of it is back: {weight} %");
        Ok(())
    })
}

/// One request in five seconds: nothing can be said, and nothing is promoted.
pub(crate) fn no_traffic(stage: &Stage<'_>, name: &str) -> anyhow::Result<()> {
    let setup = Setup {
        rate_per_s: 0.2,
        ..Setup::as_shipped()
    };
    with_app(stage, name, &setup, |app| {
        app.release(&[("COLOR", "green")])?;
        let paused = app.until("a pause for want of evidence", LIMIT, || {
            let look = app.look()?;
            ensure!(
                look.phase != "Healthy",
                "promoted without evidence: {look:?}"
            );
            let by_us = look.phase == "Paused" && look.message.contains("Inconclusive");
            Ok(by_us.then_some(look))
        })?;
        ensure!(
            paused.step < TALK_STEPS - 1,
            "before the last step: {paused:?}"
        );
        ensure!(!paused.aborted, "{paused:?}");
        let run = app.only_run()?;
        ensure!(run.phase == "Inconclusive", "{run:?}");
        let last = run.in_phase("Inconclusive");
        ensure!(last.len() == 1, "one verdict: {run:?}");
        let message = &last[0].message;
        ensure!(
            message.contains("no verdict") && message.contains("more requests"),
            "it says what is missing: {message}"
        );
        Ok(())
    })
}

pub(crate) fn crash_loop(stage: &Stage<'_>, name: &str) -> anyhow::Result<()> {
    with_app(stage, name, &watched(json!({})), check_crash_loop)
}

/// A quarter of the pods until it is judged, by these keys of the plugin's.
pub(crate) fn watched(plugin: Value) -> Setup {
    Setup {
        strategy: Strategy::Watched,
        plugin,
        ..Setup::default()
    }
}

/// Releases a version that cannot run, which is vetoed at its first weight.
pub(crate) fn check_crash_loop(app: &App<'_>) -> anyhow::Result<()> {
    app.release(&[("COLOR", "black"), ("CRASH_AFTER", "0")])?;
    let message = verdicts::vetoed(app)?.message;
    let names_it = ["CrashLoopBackOff", "exit", "restart"];
    ensure!(
        message.contains("canary aborted") && names_it.iter().any(|word| message.contains(word)),
        "{message}"
    );
    Ok(())
}
