//! The metrics that a template wants compared, handed on as they are written.
//!
//! Whoever asks for them reads and checks them; here is only kept that nobody
//! sees them: they may hold a user and a password, and arguments in clear.

use std::fmt;

use serde_json::{Map, Value};

/// The value of the key `prometheus`.
#[derive(Clone, PartialEq, Eq)]
pub struct Prometheus(pub Map<String, Value>);

impl fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(judge::redact::MASK)
    }
}
