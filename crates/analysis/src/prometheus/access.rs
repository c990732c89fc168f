//! What the operator says about metrics: who may be asked, and with which
//! credential.

use std::time::Duration;

use crate::outbound::Origin;
use crate::secret::Secret;

use super::queries::Address;

/// Queries that a process has open at the same time, over all looks: each may
/// hold an answer in memory, and a Prometheus serves 20 at once by default.
pub const PARALLEL_QUERIES: usize = 8;

/// How metrics are asked for. All of it is the operator's.
#[derive(Clone, Debug)]
pub struct Access {
    /// A client of [`crate::outbound::client`]: it follows no redirect.
    pub http: reqwest::Client,
    /// The servers that are known to be a Prometheus.
    pub listed: Vec<Origin>,
    /// What a listed server is shown; nobody else ever is.
    pub credential: Option<Credential>,
    /// Whether a template may name a server that is not listed.
    pub reach: Reach,
    /// How much asking may take.
    pub limits: Limits,
}

impl Access {
    /// Access without a credential, to any server that a template names.
    #[must_use]
    pub fn new(http: reqwest::Client) -> Self {
        Self {
            http,
            listed: Vec::new(),
            credential: None,
            reach: Reach::default(),
            limits: Limits::default(),
        }
    }

    pub(super) fn lists(&self, address: &Address) -> bool {
        self.listed.contains(address.origin())
    }
}

/// Which servers a template may have asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Any; a server that is not listed is asked without a credential.
    #[default]
    Anywhere,
    /// Only those that the operator listed.
    ListedOnly,
}

/// What a server is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Basic authentication.
    Basic {
        /// The user's name.
        user: Secret,
        /// The password.
        password: Secret,
    },
    /// A bearer token.
    Bearer(Secret),
}

/// How much asking for metrics may take in one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// One query, from the request to its last byte. A query that takes longer
    /// is too dear to be asked again at every look.
    pub query_time: Duration,
    /// All queries of a look. With the cluster's 45 s it stays below the minute
    /// after which the plugin gives a look up.
    pub all_time: Duration,
    /// Queries of a look that are open at the same time; the process has a
    /// limit of its own, [`PARALLEL_QUERIES`].
    pub parallel: usize,
    /// Bytes of one answer. A series over the longest window is 5 KiB; more is
    /// a query that gives many series.
    pub answer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            query_time: Duration::from_secs(8),
            all_time: Duration::from_secs(12),
            parallel: 4,
            answer_bytes: 256 << 10,
        }
    }
}
