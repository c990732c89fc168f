//! The command line and the environment of `box`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// A real Kubernetes on this machine, in namespaces of its own.
///
/// All traffic stays inside; no image is pulled. Binaries are built once from
/// pinned Go modules and kept in the cache folder; a running box lives in a
/// folder beside them and is gone without trace after `box down`.
#[derive(Debug, Parser)]
#[command(name = "box", version, max_term_width = 100)]
pub(crate) struct Command {
    /// Folder for built binaries and running boxes
    /// [default: $XDG_CACHE_HOME/canary-judge or ~/.cache/canary-judge].
    #[arg(long, global = true, env = "CANARY_JUDGE_CACHE", value_name = "FOLDER")]
    pub(crate) cache: Option<OsString>,
    #[command(subcommand)]
    pub(crate) action: Action,
}

/// Which of several boxes is meant.
#[derive(Debug, Args)]
pub(crate) struct Name {
    /// Name of the box: several can run side by side.
    #[arg(long, default_value = "box")]
    pub(crate) name: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Build Kubernetes, etcd, CoreDNS and Argo Rollouts into the cache.
    ///
    /// Takes about 15 minutes on two cores the first time, and a second after.
    Build,
    /// Start a box, or find it running. Clears what an unclean end has left.
    Up(Name),
    /// End a box and remove everything that was its own.
    Down(Name),
    /// Say whether a box runs: exit 0 if up, 3 if not.
    Status(Name),
    /// Make FROM scratch images of folders and load them into a box.
    Image {
        #[command(flatten)]
        name: Name,
        /// Program to run in the image [default: the folder's only executable].
        #[arg(long, value_name = "/PROGRAM")]
        entrypoint: Option<String>,
        /// Numeric user that runs it.
        #[arg(long, default_value_t = e2e::oci::NOBODY)]
        user: u32,
        /// Pairs of an image's name and the folder that holds its files.
        #[arg(required = true, num_args = 2.., value_names = ["IMAGE", "FOLDER"])]
        images: Vec<String>,
    },
    /// Run kubectl in a box: box kubectl -- get pods -A
    Kubectl {
        #[command(flatten)]
        name: Name,
        /// Arguments of kubectl.
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// Print what a shell needs to use a box by hand: eval "$(box env)"
    Env(Name),
    /// The first process inside a box; started by `box up`.
    #[command(hide = true)]
    Init(Name),
}

impl Command {
    /// The cache folder, from the flag or the environment.
    pub(crate) fn cache(&self) -> e2e::Result<PathBuf> {
        e2e::folders::cache_folder(
            self.cache.clone(),
            std::env::var_os("XDG_CACHE_HOME"),
            std::env::var_os("HOME"),
        )
    }
}
