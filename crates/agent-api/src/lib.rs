//! What crosses from the plugin to an agent: the REST contract of the agents
//! in use (`POST /a2a/analyze`), and the client of it.
//!
//! ```text
//! Request ─► Client::analyze ─► Response ─► verdict()
//!            Client::health       │  texts cleaned and bounded, not redacted
//! ```
//!
//! Others write agents too, and what they answer is a stranger's text: it is
//! read tolerantly, every string is bounded and free of control characters,
//! and a promotion needs more than the word. Redaction is not done here: the
//! one choke point for it is the judge's, which this crate does not know.
//!
//! A2A tasks will be a module beside `rest`; [`Verdict`] and [`AgentUrl`] serve
//! both.

pub mod clean;
mod client;
mod error;
mod health;
mod reading;
mod rest;
mod url;
mod verdict;

pub use client::{ANALYSIS_LIMIT, Bearer, BearerError, Client, Limits};
pub use error::{AgentError, Cause};
pub use reading::Unreadable;
pub use rest::{
    Context, MAX_LINK_BYTES, MAX_MODEL_RESULTS, MAX_NAME_BYTES, MAX_STATE_BYTES, MAX_TEXT_BYTES,
    ModelResult, Request, Response, USER_ID,
};
pub use url::{AgentUrl, AgentUrlError};
pub use verdict::{NoVerdict, Verdict};
