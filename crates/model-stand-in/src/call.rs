//! What was asked: every call in full, up to a limit, and how many answers are
//! on their way.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::route::Api;

/// Most calls that are recorded: a test that makes more has gone wrong. What
/// comes after is answered 413.
pub const MAX_CALLS: usize = 20_000;
/// Largest body of a request in bytes: the real APIs take 20 MiB, and our
/// prompts have a few KiB. A larger one is answered 413.
pub const MAX_BODY_BYTES: usize = 20 << 20;
/// Most bytes of bodies that are recorded, 3 KiB for each of the calls: what
/// comes after is answered 413.
pub const MAX_RECORDED_BYTES: usize = 64 << 20;

/// One request of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The API that it speaks.
    pub api: Api,
    /// The model that it asks for; empty when it names none.
    pub model: String,
    /// Path and query as they were sent.
    pub uri: String,
    /// Whether it asks for a stream.
    pub streams: bool,
    /// All headers in the order in which they came, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body; a JSON string of it when it is no JSON.
    pub body: Value,
    /// All that the model would read of it: system, user, model and tools.
    pub text: String,
    /// The status that it was answered with. `None`: with none (a hang or a
    /// reset).
    pub status: Option<u16>,
}

impl Call {
    /// The first header of this name, in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(header, _)| header == name)
            .map(|(_, value)| value.as_str())
    }

    /// One line of JSON, as `--record` writes it and the checks of the
    /// official protos read it: `api`, `model`, `uri`, `body`.
    #[must_use]
    pub fn to_json_line(&self) -> String {
        json!({"api": self.api, "model": self.model, "uri": self.uri, "body": self.body})
            .to_string()
    }
}

/// The calls so far.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    calls: Vec<Call>,
    bytes: usize,
}

impl Calls {
    /// Records a call; its body had so many bytes. `false`: it is one too many.
    pub(crate) fn add(&mut self, call: Call, bytes: usize) -> bool {
        if self.calls.len() >= MAX_CALLS || self.bytes + bytes > MAX_RECORDED_BYTES {
            return false;
        }
        self.bytes += bytes;
        self.calls.push(call);
        true
    }

    pub(crate) fn all(&self) -> &[Call] {
        &self.calls
    }
}

/// Counts, to wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Calls that came.
    pub(crate) calls: usize,
    /// Answers that are on their way.
    pub(crate) open: usize,
    /// The most that were on their way at the same time.
    pub(crate) most_open: usize,
}

/// An answer that is on its way until this is dropped.
#[derive(Debug)]
pub(crate) struct Open(Arc<watch::Sender<Counts>>);

impl Open {
    /// Counts an answer; the call itself has been recorded.
    pub(crate) fn new(counts: &Arc<watch::Sender<Counts>>) -> Self {
        counts.send_modify(|counts| {
            counts.calls += 1;
            counts.open += 1;
            counts.most_open = counts.most_open.max(counts.open);
        });
        Self(Arc::clone(counts))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|counts| counts.open -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Call {
        Call {
            api: Api::Gemini,
            model: String::new(),
            uri: String::new(),
            streams: false,
            headers: Vec::new(),
            body: Value::Null,
            text: String::new(),
            status: None,
        }
    }

    #[test]
    fn no_more_calls_are_recorded_than_may_be() {
        let mut calls = Calls::default();
        for _ in 0..MAX_CALLS {
            assert!(calls.add(call(), 1));
        }
        assert!(!calls.add(call(), 0));
        assert_eq!(calls.all().len(), MAX_CALLS);
    }
}
