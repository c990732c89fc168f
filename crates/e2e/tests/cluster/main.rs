//! The end-to-end tests: stock Argo Rollouts on a real cluster loads our
//! binary and rolls our application out.
//!
//! `cargo test -p e2e --test cluster [-- NAME…]`, as root on Linux. The names
//! choose scenarios by a part of their names; `-- --help` lists the options.

mod app;
mod args;
mod binaries;
mod manifests;
mod message;
mod runner;
mod scenarios;
mod stage;
mod stand_ins;
mod verdicts;

use std::process::ExitCode;

use anyhow::Context as _;
use args::Args;
use binaries::Asked;
use clap::Parser;
use e2e::cluster::Cluster;
use e2e::folders::Folders;
use e2e::progress;
use runner::Tally;
use stage::{Argo, Operator, Stage};

fn main() -> ExitCode {
    let args = Args::parse();
    if args.list {
        return match scenarios::all(args.extent()) {
            Ok(all) => {
                runner::list(&all, &args.names);
                ExitCode::SUCCESS
            }
            Err(error) => {
                progress::say(&format!("error: {error:#}"));
                ExitCode::FAILURE
            }
        };
    }
    let mut tally = Tally::default();
    if let Err(error) = run(&args, &mut tally) {
        progress::say(&format!("\nerror: {error:#}"));
        tally.failed += 1;
    }
    if !args.prepare {
        let Tally { passed, failed } = tally;
        runner::print(&format!("{passed} passed, {failed} failed\n"));
    }
    if tally.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn run(args: &Args, tally: &mut Tally) -> anyhow::Result<()> {
    let chosen = runner::choose(scenarios::all(args.extent())?, &args.names)?;
    let asks = |scenario: &runner::Scenario| scenario.operator == Operator::WithKeys;
    let asked = if !args.prepare && chosen.iter().any(asks) {
        Asked::StandIns
    } else {
        Asked::Nobody
    };
    let binaries = binaries::get(args.binaries.as_deref(), asked)?;
    let folders = Folders::new(args.cache()?, args.name())?;
    let cluster = Cluster::new(folders, env!("CARGO_BIN_EXE_box").into())?;
    cluster.up().context("the cluster does not start")?;
    let result = Stage::new(&cluster, &binaries).and_then(|stage| {
        if args.prepare {
            return prepare(&stage);
        }
        runner::run(&stage, &chosen, tally)
    });
    if args.prepare {
        progress::say(
            "ready: scripts/box kubectl -- -n canary get rollout,pods; in the end: make cluster-down",
        );
    } else if args.keep {
        progress::say(
            "the cluster is left running: scripts/box kubectl --name e2e -- get pods -A; scripts/box down --name e2e",
        );
    } else {
        cluster.down().context("the cluster does not end")?;
    }
    result
}

/// What `make cluster` leaves running.
fn prepare(stage: &Stage<'_>) -> anyhow::Result<()> {
    stage.install(Argo::V1_10, Operator::Plain)?;
    progress::step("deploy the demo into namespace canary", || {
        app::deploy(stage, "canary", &app::Setup::as_shipped()).map(drop)
    })
}
