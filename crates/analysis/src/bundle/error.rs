//! Why a bundle could not be written, read or replayed.

use std::io;

use thiserror::Error;

/// What went wrong with a bundle. A message names the mend where there is one;
/// it never quotes the bundle.
#[derive(Debug, Error)]
pub enum BundleError {
    /// The verdict could not be written as JSON: a defect of ours.
    #[error("failed to write the bundle as JSON")]
    Serialise(#[source] serde_json::Error),
    /// The bundle, or the file, is larger than any that is written.
    #[error("it is larger than {limit_mib} MiB")]
    TooLarge {
        /// The limit, in MiB.
        limit_mib: u64,
    },
    /// Something in it is beyond what any verdict is made from.
    #[error("the bundle holds what no verdict is made from: {what}")]
    OutOfBounds {
        /// What, with its limit.
        what: &'static str,
    },
    /// The file is no bundle.
    #[error("it is no bundle: a bundle is one JSON object with `sha256` and `bundle`")]
    NoBundle(#[source] serde_json::Error),
    /// The bytes are not those that were hashed.
    #[error(
        "the bundle was changed after it was written: its bytes do not have the hash that it names"
    )]
    Changed,
    /// The form is that of another version of this program.
    #[error(
        "the bundle was made by another version ({}), and this one ({}) does not know its form",
        crate::message::one_line(.tool, 40),
        super::TOOL_VERSION
    )]
    OtherVersion {
        /// The version that made it.
        tool: String,
        /// Where reading ended, if it did.
        #[source]
        source: Option<serde_json::Error>,
    },
    /// A file could not be opened or read.
    #[error("failed to read {file}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file could not be written, or not be put in its place.
    #[error("failed to write {file}")]
    Write {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The folder for bundles could not be listed, or the oldest of its bundles
    /// not be removed.
    #[error("failed to make room in the folder for bundles {folder}")]
    MakeRoom {
        /// The folder.
        folder: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}
