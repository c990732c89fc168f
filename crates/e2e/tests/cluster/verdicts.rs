//! How a rollout that is judged comes to its end, and the one verdict of it.

use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::app::{App, Measurement, Run};

/// Longest time for a rollout. All of these are decided within one minute; the
/// plugin itself would wait for five.
const LIMIT: Duration = Duration::from_secs(240);

/// The verdict of a canary that goes through all weights to the end.
pub(crate) fn promoted(app: &App<'_>) -> anyhow::Result<Measurement> {
    let looks = app.wait_phase("Healthy", LIMIT)?;
    let weights: Vec<_> = looks.iter().map(|look| look.weight_percent()).collect();
    let between = app.first_weight_percent + 1..100;
    ensure!(
        weights.contains(&app.first_weight_percent) && weights.iter().any(|w| between.contains(w)),
        "through all weights: {weights:?}"
    );
    ensure!(
        weights.last() == Some(&100),
        "all pods are new: {weights:?}"
    );
    let measurement = only_verdict(&app.newest_run()?, "Successful")?;
    let value: f64 = measurement.value.parse()?;
    ensure!(
        (0.51..=0.99).contains(&value),
        "a confidence: {measurement:?}"
    );
    Ok(measurement)
}

/// The verdict of a canary that is sent back, of which nothing is left in the
/// end.
pub(crate) fn aborted(app: &App<'_>) -> anyhow::Result<Measurement> {
    let looks = app.wait_phase("Degraded", LIMIT)?;
    let heaviest = looks.iter().map(|look| look.weight_percent()).max();
    ensure!(
        heaviest == Some(app.first_weight_percent),
        "it got no more than its first weight: {looks:?}"
    );
    let run = app.newest_run()?;
    let measurement = only_verdict(&run, "Failed")?;
    ensure!(measurement.value == "0", "{run:?}");
    for (who, shown) in [
        ("AnalysisRun", run.message),
        ("rollout", app.look()?.message),
    ] {
        ensure!(
            shown.contains("canary aborted"),
            "the {who} says why: {shown}"
        );
    }
    app.check_serves()?;
    let weight = app.look()?.weight_percent();
    ensure!(weight == 0, "all of it is back: {weight} %");
    Ok(measurement)
}

/// The verdict of a canary that is watched from its start, and sent back at
/// its first weight: what was measured before may have been fine.
pub(crate) fn vetoed(app: &App<'_>) -> anyhow::Result<Measurement> {
    let looks = app.wait_phase("Degraded", LIMIT)?;
    let heaviest = looks.iter().map(|look| look.weight_percent()).max();
    ensure!(
        heaviest <= Some(app.first_weight_percent),
        "no more than its first weight: {looks:?}"
    );
    let run = app.only_run()?;
    ensure!(run.phase == "Failed", "{run:?}");
    let failed = run.in_phase("Failed");
    ensure!(failed.len() == 1, "one verdict: {run:?}");
    app.check_serves()?;
    let weight = app.look()?.weight_percent();
    ensure!(weight == 0, "all of it is back: {weight} %");
    Ok(failed[0].clone())
}

/// The verdict of a canary that waits for a person at its first weight.
pub(crate) fn paused(app: &App<'_>) -> anyhow::Result<Measurement> {
    let look = app.until("a pause by an inconclusive verdict", LIMIT, || {
        let look = app.look()?;
        ensure!(
            look.phase != "Healthy" && !look.aborted,
            "neither promoted nor aborted: {look:?}"
        );
        let by_us = look.phase == "Paused" && look.message.contains("Inconclusive");
        Ok(by_us.then_some(look))
    })?;
    ensure!(
        look.weight_percent() == app.first_weight_percent,
        "it stays where it was judged: {look:?}"
    );
    let measurement = only_verdict(&app.newest_run()?, "Inconclusive")?;
    ensure!(measurement.value == "0", "{measurement:?}");
    Ok(measurement)
}

fn only_verdict(run: &Run, phase: &str) -> anyhow::Result<Measurement> {
    ensure!(run.phase == phase, "{run:?}");
    ensure!(run.measurements.len() == 1, "one verdict: {run:?}");
    let verdict = run.in_phase(phase).first().copied().cloned();
    verdict.with_context(|| format!("no verdict {phase}: {run:?}"))
}
