//! `canary-judge`: judge a canary from the command line.

mod analyze;
mod args;
mod demo;
mod eval;
mod explain_policy;
mod input;
mod json;
mod mend;
mod models;
mod output;
mod policy;
mod progress;
mod replay;
mod report;
mod style;
mod templates;

use std::io::Write as _;
use std::process::ExitCode;

use crate::args::Command;
use crate::mend::Failure;

/// Exit code of every failure, the same as of a mistyped command line; 0, 1
/// and 3 are verdicts.
const FAILED: u8 = 2;

/// Exit code of `replay` when a verdict is not what it was.
const DIFFERENT: u8 = 4;

fn main() -> ExitCode {
    args::parse().and_then(run).unwrap_or_else(|failure| {
        // Where stderr is closed there is nobody left to tell; the exit
        // code still does.
        let _ = write!(std::io::stderr().lock(), "{failure}");
        ExitCode::from(FAILED)
    })
}

fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Analyze(config) => analyze::analyze(config),
        Command::Demo(config) => demo::demo(config),
        Command::Replay(config) => replay::replay(&config),
        Command::Report(config) => report::report(&config),
        Command::Eval(config) => eval::eval(&config),
        Command::Templates(config) => templates::templates(config),
        Command::ExplainPolicy(config) => explain_policy::explain_policy(&config),
    }
}
