//! The command line and the environment of the end-to-end tests.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What every change has to pass.
    Usual,
    /// What a release has to pass: all there are.
    Release,
}

/// End-to-end tests on a real cluster on this machine.
#[derive(Debug, Parser)]
#[command(name = "cluster")]
pub(crate) struct Args {
    /// Parts of the names of the scenarios to run [default: all; --full has
    /// more].
    pub(crate) names: Vec<String>,
    /// List the scenarios and do nothing.
    #[arg(long)]
    pub(crate) list: bool,
    /// Also those that only a release has to pass: every scenario file.
    #[arg(long)]
    pub(crate) full: bool,
    /// Leave the cluster running at the end.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Run no scenario: start the cluster with Argo Rollouts, the plugin and
    /// the demo in namespace canary, and leave it running, for trying by hand.
    #[arg(long, conflicts_with_all = ["keep", "list", "names"])]
    pub(crate) prepare: bool,
    /// Name of the box to run on [default: e2e, with --prepare box].
    #[arg(long)]
    name: Option<String>,
    /// Folder with the static binaries [default: built with cargo].
    #[arg(long, value_name = "FOLDER")]
    pub(crate) binaries: Option<PathBuf>,
    /// Folder for built binaries and running boxes.
    #[arg(long, env = "CANARY_JUDGE_CACHE", value_name = "FOLDER")]
    cache: Option<OsString>,
}

impl Args {
    /// The box to run on. Tests never run on the one for trying by hand, unless
    /// told to.
    pub(crate) fn name(&self) -> &str {
        let default = if self.prepare { "box" } else { "e2e" };
        self.name.as_deref().unwrap_or(default)
    }

    /// Which scenarios there are.
    pub(crate) fn extent(&self) -> Extent {
        if self.full {
            Extent::Release
        } else {
            Extent::Usual
        }
    }

    /// The cache folder, from the flag or the environment.
    pub(crate) fn cache(&self) -> e2e::Result<PathBuf> {
        e2e::folders::cache_folder(
            self.cache.clone(),
            std::env::var_os("XDG_CACHE_HOME"),
            std::env::var_os("HOME"),
        )
    }
}
