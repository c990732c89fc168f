//! The plugin, or the controller with it, ends in the middle of a measurement:
//! no verdict is lost, and none is given twice.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::app::{App, Run, Setup, with_app};
use crate::message::check_injected;
use crate::scenarios::models;
use crate::stage::Stage;
use crate::stand_ins;

/// Longest time for a verdict: a new controller has to take over first.
const LIMIT: Duration = Duration::from_secs(240);
/// So few requests that the measurement is still open when it is cut short.
const TRICKLE_PER_S: f64 = 1.0;
/// Enough of them for a verdict within seconds.
const FLOW_PER_S: f64 = 100.0;
/// The file under which the controller keeps and runs the plugin.
const PLUGIN_FILE: &str = "metric-ai";

pub(crate) fn plugin_killed(stage: &Stage<'_>, name: &str) -> anyhow::Result<()> {
    with_app(stage, name, &trickle(), |app| {
        app.release(&[("COLOR", "yellow"), ("ERROR_RATE", "40")])?;
        wait_open(app)?;
        kill_plugin(stage)?;
        app.set_rate(FLOW_PER_S)?;
        app.wait_phase("Degraded", LIMIT)?;
        let run = app.only_run()?;
        check_one_verdict(&run, "Failed")?;
        check_injected(&run.in_phase("Failed")[0].message, 40.0)?;
        Ok(())
    })
}

pub(crate) fn controller_deleted(stage: &Stage<'_>, name: &str) -> anyhow::Result<()> {
    with_app(stage, name, &trickle(), |app| {
        app.release(&[("COLOR", "green")])?;
        wait_open(app)?;
        stage.delete_controller_pod()?;
        stage.wait_for_controller()?;
        app.set_rate(FLOW_PER_S)?;
        app.wait_phase("Healthy", LIMIT)?;
        check_one_verdict(&app.only_run()?, "Successful")
    })
}

fn trickle() -> Setup {
    Setup {
        rate_per_s: TRICKLE_PER_S,
        ..Setup::default()
    }
}

/// The first call of the model is never answered: the plugin ends while it
/// waits for it.
pub(crate) fn killed_while_asking(stage: &Stage<'_>, name: &str) -> anyhow::Result<()> {
    with_app(
        stage,
        name,
        &models::setup(name, &["gemini-hangs"]),
        |app| {
            app.release(&[("COLOR", "green")])?;
            app.until("a call of the model", LIMIT, || {
                let calls = stand_ins::model_calls(stage, name)?;
                Ok((!calls.is_empty()).then_some(()))
            })?;
            kill_plugin(stage)?;
            app.wait_phase("Healthy", LIMIT)?;
            check_one_verdict(&app.only_run()?, "Successful")?;
            let calls = stand_ins::model_calls(stage, name)?.len();
            ensure!(calls == 2, "one call is repeated: {calls} calls");
            Ok(())
        },
    )
}

/// Waits for a measurement that is open and has said what it waits for: from
/// then on it has something to lose.
fn wait_open(app: &App<'_>) -> anyhow::Result<()> {
    app.until("an open measurement", LIMIT, || {
        let runs = app.runs()?;
        let open = runs.iter().flat_map(|run| run.in_phase("Running"));
        let waits = open
            .into_iter()
            .any(|measurement| !measurement.message.is_empty());
        Ok(waits.then_some(()))
    })
}

fn check_one_verdict(run: &Run, phase: &str) -> anyhow::Result<()> {
    ensure!(run.phase == phase, "{run:?}");
    ensure!(
        run.errors <= 1,
        "at most one measurement is repeated: {run:?}"
    );
    let verdicts: Vec<_> = run
        .measurements
        .iter()
        .filter(|m| m.phase != "Error")
        .collect();
    ensure!(
        verdicts.len() == 1 && verdicts[0].phase == phase,
        "one verdict: {run:?}"
    );
    Ok(())
}

/// Kills the plugin's process: the one that runs the plugin's file and is a
/// member of the controller's pod.
fn kill_plugin(stage: &Stage<'_>) -> anyhow::Result<()> {
    let (_, uid) = stage.controller_pod()?;
    let pid = fs::read_dir("/proc")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_string_lossy().parse::<i32>().ok())
        .find(|pid| {
            let in_pod = fs::read_to_string(format!("/proc/{pid}/cgroup"))
                .is_ok_and(|groups| groups.contains(&uid));
            let runs_it = fs::read_link(format!("/proc/{pid}/exe"))
                .is_ok_and(|exe| exe.ends_with(PLUGIN_FILE));
            in_pod && runs_it
        })
        .and_then(Pid::from_raw)
        .context("no plugin process in the controller's pod")?;
    kill_process(pid, Signal::KILL)?;
    Ok(())
}
