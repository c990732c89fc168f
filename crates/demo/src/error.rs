//! What can go wrong, by operation.

use std::io;
use std::path::PathBuf;

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A program that it is made of is not there.
    #[error("cannot find {program}, which is not at {}", at.display())]
    NoProgram {
        /// Which.
        program: &'static str,
        /// Where it was looked for.
        at: PathBuf,
    },
    /// The temporary folder cannot be made or written.
    #[error("cannot write into a temporary folder")]
    Folder(#[source] io::Error),
    /// No port could be bound on loopback.
    #[error("cannot listen on loopback")]
    Listen(#[source] io::Error),
    /// The port for the page is taken.
    #[error("cannot listen on port {port} for the page")]
    PagePort {
        /// Which.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// The version that serves at first is not ready.
    #[error("the application does not start: {said}")]
    NotReady {
        /// Its last words, or that there are none.
        said: String,
    },
    /// What is shown cannot be written.
    #[error("cannot write what there is to show")]
    Show(#[source] io::Error),
    /// The state cannot be written as JSON.
    #[error("cannot write the state as JSON")]
    Json(#[source] serde_json::Error),
    /// A release is under way, or paused.
    #[error("{0}")]
    Refused(#[from] Refusal),
}

/// Why something that was asked for is not done; the text names the mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// One release at a time.
    #[error("a release is under way: wait for its end, or roll it back")]
    UnderWay,
    /// There is no release to roll back.
    #[error("no release is under way: release a version first")]
    NothingToRollBack,
    /// The plugin's process does not run.
    #[error("the plugin does not run now: it is started with the next measurement")]
    NoPlugin,
    /// There is no model.
    #[error("there is no model: start the demo with --model scripted")]
    NoModel,
    /// Another process has taken the model's port meanwhile.
    #[error("the model's port was taken by another process: start the demo again")]
    ModelPort,
    /// A real model is not ours to cut off.
    #[error("the model is a real one, not ours to cut off: start the demo with --model scripted")]
    RealModel,
}
