//! `rollouts-demo`: the application being rolled out, and its load.
//!
//! `serve` answers `/color` with this version's colour, slower or with errors
//! where its environment or the request's sliders say so, and logs as a
//! service in production does. `load` sends it a bounded stream of requests
//! and says what came back. It stands alone: nothing of the judge is in here.

mod api;
mod app;
mod args;
mod client;
mod color;
mod hostile;
mod leak;
mod lines;
mod load;
mod log;
mod metrics;
mod page;
mod scenario;
mod serve;
mod summary;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use crate::args::Command;

/// How long the last log lines may take to leave, once all work has ended: a
/// reader that has stopped reading must not hold the process up.
const LAST_LINES_LIMIT_MS: u64 = 1_000;

fn main() -> ExitCode {
    match run(args::parse()) {
        Ok(code) => code,
        Err(error) => {
            // Where stderr is closed there is nobody left to tell.
            let _ = writeln!(std::io::stderr().lock(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    // One thread: the work is waiting, and a pod of this application should
    // cost next to nothing.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    let (log, thread) = log::start(std::io::stdout()).context("cannot start the log writer")?;
    let outcome = runtime.block_on(async {
        match command {
            Command::Serve(config) => serve::serve(config, log).await.map_err(Into::into),
            Command::Load(config) => load::load(config, log).await.map_err(Into::into),
        }
    });
    // A name look-up or a delayed answer may still be under way.
    runtime.shutdown_background();
    thread.finish(Duration::from_millis(LAST_LINES_LIMIT_MS));
    outcome
}
