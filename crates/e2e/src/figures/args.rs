//! The command line and the environment of `figures`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Measures every figure that the project claims, beside its target and its
/// rival, and ends with status 1 if one is missed.
///
/// The table goes to stdout, progress to stderr. Not for CI: what is measured
/// is the machine as well.
#[derive(Debug, Parser)]
#[command(name = "figures", version, max_term_width = 100)]
pub struct Args {
    /// The plugin, as `make build` leaves it.
    #[arg(long, value_name = "PATH", default_value = concat!(
        env!("CARGO_MANIFEST_DIR"), "/../../dist/rollouts-plugin-metric-ai"
    ), hide_default_value = true)]
    pub plugin: PathBuf,
    /// Measure only these.
    #[arg(long, value_name = "FIGURE", value_delimiter = ',')]
    pub only: Vec<Subject>,
    /// Folder for built binaries
    /// [default: $XDG_CACHE_HOME/canary-judge or ~/.cache/canary-judge].
    #[arg(long, env = "CANARY_JUDGE_CACHE", value_name = "FOLDER")]
    cache: Option<OsString>,
}

/// What is measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Subject {
    /// The binary's size, and what it needs beside itself.
    Binary,
    /// From exec to `InitPlugin`, and what an idle plugin holds.
    Launch,
    /// How fast `Run` and `Terminate` return.
    Calls,
    /// One measurement over large logs, beside `kubectl logs` of the same.
    Logs,
    /// Many measurements at once over many large logs.
    Load,
    /// Ten times as many.
    Crowd,
}

impl Args {
    /// The cache folder, from the flag or the environment.
    pub fn cache(&self) -> e2e::Result<PathBuf> {
        e2e::folders::cache_folder(
            self.cache.clone(),
            std::env::var_os("XDG_CACHE_HOME"),
            std::env::var_os("HOME"),
        )
    }

    /// What is to be measured, in order.
    pub fn subjects(&self) -> Vec<Subject> {
        let all = Subject::value_variants();
        let wanted = |subject: &&Subject| self.only.is_empty() || self.only.contains(subject);
        all.iter().filter(wanted).copied().collect()
    }
}
