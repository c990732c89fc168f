//! Why evidence could not be had at all.

use thiserror::Error;

/// Gathering failed: nothing can be said about the canary.
///
/// A message names the mend where there is one, and never holds a credential.
#[derive(Debug, Error)]
pub enum GatherError {
    /// There is no way into the cluster: no service account, a broken
    /// kubeconfig, a bad certificate.
    #[error(
        "failed to set up access to the cluster: the plugin needs the controller's service \
         account, or a readable kubeconfig"
    )]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The service account lacks a right.
    #[error(
        "failed to {doing}: the controller's service account may not {verb} {resource} in \
         namespace {namespace}: apply deploy/controller/access, or grant it with a Role in that \
         namespace"
    )]
    Forbidden {
        /// What was being done: `fetch logs`, `list pods`.
        doing: &'static str,
        /// `get` or `list`.
        verb: &'static str,
        /// `pods`, `pods/log`, …
        resource: &'static str,
        /// Where.
        namespace: String,
    },
    /// The API server does not take our credentials.
    #[error(
        "failed to {doing}: the API server refused the service account's token (401): it may have \
         expired, or the clock may be wrong"
    )]
    Unauthorized {
        /// What was being done.
        doing: &'static str,
    },
    /// The API server did not answer as it should, also after repetition.
    #[error("failed to {doing}: the API server answered {status}: {reason}")]
    Refused {
        /// What was being done.
        doing: &'static str,
        /// The HTTP status.
        status: u16,
        /// The server's reason, one line.
        reason: String,
    },
    /// The API server could not be reached, or the connection broke.
    #[error("failed to {doing}: no answer from the API server")]
    Unreachable {
        /// What was being done.
        doing: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The API server took too long.
    #[error("failed to {doing}: no answer from the API server within {limit_s} s")]
    TimedOut {
        /// What was being done.
        doing: &'static str,
        /// The limit, in seconds.
        limit_s: u64,
    },
    /// An answer was not what the API promises.
    #[error("failed to {doing}: the API server's answer could not be read")]
    Unreadable {
        /// What was being done.
        doing: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An answer was larger than any we expect.
    #[error("failed to {doing}: the API server's answer is larger than {limit_mib} MiB")]
    TooLarge {
        /// What was being done.
        doing: &'static str,
        /// The limit, in MiB.
        limit_mib: usize,
    },
    /// A file could not be opened.
    #[error("failed to open {file}")]
    OpenFile {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A folder was given where a file is needed.
    #[error("failed to read {file}: it is a folder; name the log files in it")]
    Folder {
        /// The folder.
        file: String,
    },
    /// A file could not be read to its end.
    #[error("failed to read {file}")]
    ReadFile {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file begins as gzip does, and is damaged.
    #[error("failed to decompress {file}: it is damaged, or was cut short")]
    Gunzip {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A log is no text.
    #[error("failed to read {file}: it is binary, not a log (plain text and gzip are read)")]
    BinaryFile {
        /// The file.
        file: String,
    },
    /// A file of pods or events is larger than any we expect.
    #[error("failed to read {file}: it is larger than {limit_mib} MiB")]
    JsonTooLarge {
        /// The file.
        file: String,
        /// The limit, in MiB.
        limit_mib: u64,
    },
    /// A file of pods or events is not what kubectl writes.
    #[error("failed to parse {file}: it is not what `kubectl get … -o json` writes")]
    ParseJson {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}
