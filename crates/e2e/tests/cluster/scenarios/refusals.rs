//! What cannot be judged is an error that names the mend, and is not promoted.

use std::time::Duration;

use anyhow::ensure;
use serde_json::json;

use crate::app::{App, Run, Setup, with_app};
use crate::stage::Stage;

/// Longest time for five errors, ten seconds apart, and the abort after them.
const LIMIT: Duration = Duration::from_secs(180);
/// As many errors in a row as end a run: its `consecutiveErrorLimit` is 4.
const ERRORS_TO_ABORT: usize = 5;

pub(crate) fn broken_configuration(stage: &Stage<'_>, name: &str) -> anyhow::Result<()> {
    let setup = Setup {
        plugin: json!({"analysisMode": "astrology"}),
        ..Setup::default()
    };
    with_app(stage, name, &setup, |app| {
        app.release(&[("COLOR", "green")])?;
        for message in five_errors(app)? {
            ensure!(
                message.contains("analysisMode"),
                "it names the key: {message}"
            );
        }
        Ok(())
    })
}

/// The messages of as many errors as abort a rollout, which gets no more than
/// its first weight.
pub(crate) fn five_errors(app: &App<'_>) -> anyhow::Result<Vec<String>> {
    let looks = app.wait_phase("Degraded", LIMIT)?;
    ensure!(
        looks.iter().all(|look| look.weight_percent() <= 25),
        "{looks:?}"
    );
    let run = app.only_run()?;
    ensure!(run.phase == "Error", "{run:?}");
    let errors = run.in_phase("Error");
    ensure!(
        errors.len() == ERRORS_TO_ABORT && run.measurements.len() == ERRORS_TO_ABORT,
        "five of them abort, and nothing else was said: {run:?}"
    );
    Ok(errors.iter().map(|error| error.message.clone()).collect())
}

pub(crate) fn forbidden_logs(stage: &Stage<'_>, name: &str) -> anyhow::Result<()> {
    let setup = Setup {
        forbidden: &["pods/log"],
        ..Setup::default()
    };
    with_app(stage, name, &setup, |app| {
        app.release(&[("COLOR", "green")])?;
        let run = first_error(app)?;
        let message = &run.in_phase("Error")[0].message;
        ensure!(
            message.contains("pods/log"),
            "it names the permission: {message}"
        );
        ensure!(
            message.contains("deploy/controller/access"),
            "and the mend: {message}"
        );
        Ok(())
    })
}

fn first_error(app: &App<'_>) -> anyhow::Result<Run> {
    app.until("a measurement in phase Error", LIMIT, || {
        let runs = app.runs()?;
        let found = runs
            .into_iter()
            .find(|run| !run.in_phase("Error").is_empty());
        let look = app.look()?;
        ensure!(
            look.phase != "Healthy" || found.is_some() || look.step == 0,
            "promoted: {look:?}"
        );
        Ok(found)
    })
}
