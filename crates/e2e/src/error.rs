//! What can go wrong while a cluster is built, started, used or ended.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// What the operations of this crate return.
pub type Result<T> = std::result::Result<T, Error>;

/// One operation of this crate that failed. The cause, where there is one, is
/// the source and not part of the text.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something that the machine must have is not there.
    #[error("{what}\nhint: {mend}")]
    Missing {
        /// What is not there.
        what: String,
        /// The command, or the sentence, that mends it.
        mend: String,
    },
    /// A file or folder could not be read, written, moved or removed.
    #[error("cannot {operation} {}", path.display())]
    File {
        /// The verb, as in "cannot read".
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A program could not be started or waited for.
    #[error("cannot run {command}")]
    Spawn {
        /// The program and its arguments.
        command: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A program ended, and not well.
    #[error("{command} ended with {status}{}", said(output))]
    Command {
        /// The program and its arguments.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it said on stderr, or on stdout if stderr was empty.
        output: String,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {waited_s} s{}", said(last))]
    Deadline {
        /// What was waited for.
        what: String,
        /// How long, in seconds.
        waited_s: u64,
        /// What was seen last.
        last: String,
    },
    /// A process or the kernel refused an operation on a process, lock or signal.
    #[error("cannot {operation}")]
    Kernel {
        /// The verb and its object.
        operation: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A JSON document is not what it should be.
    #[error("{what} is not the JSON that was expected")]
    Json {
        /// Where it came from.
        what: String,
        /// Where it departs.
        #[source]
        source: serde_json::Error,
    },
    /// A file is not a program, or not a whole one.
    #[error("not a program that the kernel could start: {reason}")]
    Elf {
        /// What is wrong with it.
        reason: String,
    },
    /// The cluster is not running, or ended while it was needed.
    #[error("{what}{}", said(log))]
    Ended {
        /// What ended.
        what: String,
        /// The end of its log.
        log: String,
    },
}

fn said(text: &str) -> String {
    if text.trim().is_empty() {
        String::new()
    } else {
        format!(":\n{}", text.trim_end())
    }
}

impl Error {
    /// For `map_err`: an operation on a file or folder.
    pub fn file(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            operation,
            path,
            source,
        }
    }

    /// A file that is no whole program.
    pub(crate) fn elf(reason: impl Into<String>) -> Self {
        Self::Elf {
            reason: reason.into(),
        }
    }

    /// For `map_err`: an operation of the kernel that is not about a file.
    pub fn kernel(operation: impl Into<String>) -> impl FnOnce(rustix::io::Errno) -> Self {
        let operation = operation.into();
        move |errno| Self::Kernel {
            operation,
            source: errno.into(),
        }
    }
}
