//! What was asked, for assertions.

use std::sync::Arc;

use http::HeaderMap;
use serde_json::Value;
use tokio::sync::watch;

/// Most requests that are kept: a test has made its point long before.
pub const MAX_CALLS: usize = 10_000;
/// Largest body of a request, in bytes.
pub const MAX_BODY_BYTES: usize = 4 << 20;

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// `GET` or `POST`.
    pub method: String,
    /// Path and query as they were sent.
    pub uri: String,
    /// The headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body's JSON; null if there is none, a string if it is something else.
    pub body: Value,
    /// The status of the answer; 0 if there is none.
    pub status: u16,
}

impl Call {
    /// The value of a header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether it asks for an analysis.
    #[must_use]
    pub fn is_analysis(&self) -> bool {
        self.method == "POST"
    }
}

pub(crate) fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect()
}

/// How much has come, and how much is on its way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) analyses: usize,
    pub(crate) open: usize,
}

/// An answer that is on its way, until this is dropped.
#[derive(Debug)]
pub(crate) struct Open(Arc<watch::Sender<Counts>>);

impl Open {
    pub(crate) fn new(counts: &Arc<watch::Sender<Counts>>, is_analysis: bool) -> Self {
        counts.send_modify(|counts| {
            counts.open += 1;
            counts.analyses += usize::from(is_analysis);
        });
        Self(Arc::clone(counts))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|counts| counts.open -= 1);
    }
}
