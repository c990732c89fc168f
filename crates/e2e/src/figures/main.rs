//! Measures the project's figures. Each of them is one function here that
//! returns its lines of the table.

mod args;
mod binary;
mod calls;
mod cluster;
mod launch;
mod load;
mod logs;
mod resident;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use self::args::{Args, Subject};
use bench::figure::{self, Figure};

/// What the rival is: said under the table.
const RIVAL: &str =
    "a Go plugin on Argo's SDK that does nothing else (crates/e2e/go/goplugin), same run";

/// The two programs that are compared.
pub(crate) struct Programs {
    /// Ours.
    pub(crate) ours: PathBuf,
    /// A bare Go plugin.
    pub(crate) rival: PathBuf,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match measure(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            e2e::progress::say(&format!("figures: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// Measures, prints the table, and tells whether all targets were met.
fn measure(args: &Args) -> Result<bool> {
    let ours = args.plugin.canonicalize().with_context(|| {
        let path = args.plugin.display();
        format!("there is no plugin at {path}: run `make build`, or name one with --plugin")
    })?;
    let programs = Programs {
        ours,
        rival: e2e::go_peer::build(&args.cache()?)?.plugin,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut figures: Vec<Figure> = Vec::new();
    for subject in args.subjects() {
        let what = format!("measure {subject:?}");
        figures.extend(e2e::progress::step(&what, || match subject {
            Subject::Binary => binary::figures(&programs),
            Subject::Launch => runtime.block_on(launch::figures(&programs)),
            Subject::Calls => runtime.block_on(calls::figures(&programs)),
            Subject::Logs => runtime.block_on(logs::figures(&programs, &args.cache()?)),
            Subject::Load => runtime.block_on(load::figures(&programs, &load::LOAD)),
            Subject::Crowd => runtime.block_on(load::figures(&programs, &load::CROWD)),
        })?);
    }
    let mut out = std::io::stdout().lock();
    figure::print(&mut out, RIVAL, &figures)?;
    out.flush()?;
    Ok(figures.iter().all(Figure::holds))
}
