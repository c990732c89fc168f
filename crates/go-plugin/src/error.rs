//! What can go wrong, by operation.

use std::io;

use crate::gob;

/// A failed operation of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The magic cookie is missing: a human started the program.
    #[error(
        "this program is a plugin: it is meant to be started by its host, which sets {key} in the \
         environment, and does nothing by itself"
    )]
    NotStartedByHost {
        /// The environment variable that holds the cookie.
        key: &'static str,
    },
    /// The host asks for TLS (`ClientConfig.AutoMTLS`).
    #[error(
        "the host asks for AutoMTLS (PLUGIN_CLIENT_CERT is set), which this plugin does not speak: \
         turn it off in the host's plugin client"
    )]
    AutoMtls,
    /// The plugin cannot listen.
    #[error("failed to listen on a Unix socket in {directory}")]
    Listen {
        /// The folder that was tried.
        directory: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The plugin cannot write its handshake line.
    #[error("failed to announce the socket on stdout")]
    Announce(#[source] io::Error),
    /// The host does not connect.
    #[error("the host did not connect within {timeout_ms} ms")]
    NoHost {
        /// How long the plugin waited.
        timeout_ms: u64,
    },
    /// The connection between host and plugin broke.
    #[error("the connection to the peer failed")]
    Connection(#[source] io::Error),
    /// The peer sent what is not gob, not for us, or over a limit.
    #[error("the peer's data cannot be used")]
    Decode(#[source] gob::Error),
    /// A value is too large to be sent.
    #[error("the value cannot be sent")]
    Encode(#[source] gob::Error),
    /// The peer sends requests but takes no replies.
    #[error("the peer does not read its replies ({queued} are waiting)")]
    NotReading {
        /// How many replies are waiting.
        queued: usize,
    },
    /// The connection ended before the reply came.
    #[error("the connection is closed")]
    Closed,
    /// More calls at once than the limit.
    #[error("{limit} calls are under way already")]
    TooManyCalls {
        /// The limit.
        limit: usize,
    },
    /// The peer answered with an error (`rpc.ServerError`).
    #[error("the peer answered: {message}")]
    Answered {
        /// Its text.
        message: String,
    },
    /// The host cannot start the plugin.
    #[error("failed to start the plugin {program}")]
    Start {
        /// What was started.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The plugin's first line is no handshake.
    #[error("the plugin did not shake hands: {reason}")]
    Handshake {
        /// What is wrong.
        reason: String,
    },
    /// The peer took too long.
    #[error("{operation} took longer than {timeout_ms} ms")]
    Timeout {
        /// What was waited for.
        operation: &'static str,
        /// For how long.
        timeout_ms: u64,
    },
    /// The plugin's broker did not repeat the stream's number (`MuxBroker.Dial`).
    #[error("the plugin's broker acknowledged another stream")]
    BadAck,
    /// The plugin's process cannot be waited for.
    #[error("failed to wait for the plugin's end")]
    Wait(#[source] io::Error),
}
