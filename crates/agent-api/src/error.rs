//! What can go wrong with an agent, in the words that users search for.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use crate::clean;
use crate::reading::Unreadable;
use crate::verdict::NoVerdict;

/// Longest text of a cause from below (the system's, TLS's), in bytes.
const MAX_WHY_BYTES: usize = 160;
/// Most causes of an error that are looked through.
const MAX_CAUSES: usize = 16;

/// A call of an agent that failed. Its text has the cause and the mend in it,
/// never the agent's address, a credential or a word of the agent's: for the
/// last see [`AgentError::says`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgentError {
    /// The agent is out of reach, or not well.
    #[error("Kubernetes Agent health check failed: agent health check failed: {0}")]
    Health(#[source] Cause),
    /// The agent gave no verdict.
    #[error("Failed to analyze with kubernetes-agent: {0}")]
    Analyze(#[source] Cause),
}

impl AgentError {
    /// What happened.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        match self {
            Self::Health(cause) | Self::Analyze(cause) => cause,
        }
    }

    /// What the agent says of its own failure: one cleaned, bounded line, NOT
    /// redacted. Whoever shows it redacts it first.
    #[must_use]
    pub fn says(&self) -> Option<&str> {
        match self.cause() {
            Cause::Status { says, .. } => says.as_deref(),
            _ => None,
        }
    }
}

impl From<NoVerdict> for AgentError {
    fn from(no_verdict: NoVerdict) -> Self {
        Self::Analyze(Cause::NoVerdict(no_verdict))
    }
}

/// Why a call of an agent failed, and the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// There was no whole answer in time.
    #[error(
        "context deadline exceeded after {:.1} s; is the agent reachable from the controller \
         (`rollouts-plugin-metric-ai check URL` there), and its model quick enough?", after.as_secs_f64()
    )]
    Deadline {
        /// How long was waited.
        after: Duration,
    },
    /// The agent says (504) that its own time was up.
    #[error(
        "context deadline exceeded in the agent (status 504); is its model reachable and quick \
         enough? See the agent's log"
    )]
    AgentDeadline,
    /// The agent does not take the token, or there is none.
    #[error(
        "authentication failed (status {status}); the operator's bearer token for this agent is \
         missing, wrong or not sent to this address"
    )]
    Authentication {
        /// 401 or 403.
        status: u16,
    },
    /// There is no connection.
    #[error(
        "no connection: {why}; is the agent running and agentUrl right? \
         `rollouts-plugin-metric-ai check URL` in the controller's pod tells"
    )]
    Connect {
        /// The system's words.
        why: String,
    },
    /// The agent's certificate is not trusted.
    #[error(
        "its certificate is not trusted: {why}; name its authority's file in SSL_CERT_FILE or to \
         the plugin, `rollouts-plugin-metric-ai check URL` tries it"
    )]
    Untrusted {
        /// TLS's words.
        why: String,
    },
    /// The connection broke.
    #[error("the connection broke: {why}; see the agent's log, and proxies between")]
    Broken {
        /// The system's words.
        why: String,
    },
    /// The agent says that it is not well.
    #[error("the agent says that it is down; see its log, its model's key first")]
    Down,
    /// The answer leads elsewhere, which is not followed: a credential would
    /// go with it.
    #[error(
        "status {status} leads elsewhere, which is not followed; give agentUrl the address itself"
    )]
    Redirect {
        /// 300 to 399.
        status: u16,
    },
    /// There is no such agent under this address.
    #[error("status {status}: no agent answers here; agentUrl is the agent's base address")]
    NotThere {
        /// 404 or 405.
        status: u16,
    },
    /// Another status than 200.
    #[error("status {status}; see the agent's log")]
    Status {
        /// The status.
        status: u16,
        /// What the agent says of it: cleaned and bounded, NOT redacted.
        says: Option<String>,
    },
    /// The answer is larger than any should be.
    #[error("the answer has more than {limit_bytes} bytes; is agentUrl the address of an agent?")]
    TooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// The answer cannot be read.
    #[error("{0}; is agentUrl the address of an agent?")]
    Unreadable(#[source] Unreadable),
    /// The answer is no verdict.
    #[error("{0}; see the agent's log, its model's key first")]
    NoVerdict(#[source] NoVerdict),
}

impl Cause {
    /// The cause of a failed request, without its address.
    pub(crate) fn of(error: &reqwest::Error, after: Duration) -> Self {
        if let Some(why) = untrusted(error) {
            return Self::Untrusted { why };
        }
        if error.is_timeout() {
            return Self::Deadline { after };
        }
        let why = deepest(error);
        if error.is_connect() {
            Self::Connect { why }
        } else {
            Self::Broken { why }
        }
    }
}

fn causes<'e>(
    error: &'e (dyn StdError + 'static),
) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |cause| (*cause).source()).take(MAX_CAUSES)
}

/// What is wrong with a certificate, if that is why.
fn untrusted(error: &reqwest::Error) -> Option<String> {
    let tls = causes(error).find_map(|cause| {
        let io = cause.downcast_ref::<io::Error>()?;
        // An I/O error does not show what it wraps as its source, and each
        // layer of a connection wraps once more.
        std::iter::successors(io.get_ref(), |inner| {
            inner.downcast_ref::<io::Error>()?.get_ref()
        })
        .take(MAX_CAUSES)
        .find_map(|inner| inner.downcast_ref::<rustls::Error>())
    })?;
    matches!(tls, rustls::Error::InvalidCertificate(_))
        .then(|| clean::line(&tls.to_string(), MAX_WHY_BYTES))
}

/// The innermost cause: `Connection refused (os error 111)`. The outer ones
/// say that a request failed, and to where.
fn deepest(error: &reqwest::Error) -> String {
    let text = causes(error).skip(1).last().map(ToString::to_string);
    clean::line(text.as_deref().unwrap_or("no reason given"), MAX_WHY_BYTES)
}
