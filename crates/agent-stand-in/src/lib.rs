//! A scripted stand-in of an agent, for tests and the demo: no cluster and no
//! model behind it, but the answers, failures and silences of the agents in
//! use, over HTTP or TLS.
//!
//! ```text
//! Script (rules, first match wins) ─► Server ─► calls, recorded
//! ```
//!
//! | path | answered with |
//! | --- | --- |
//! | `POST /a2a/analyze` | the script's answer |
//! | `GET /`, `/a2a/health`, `/q/health`, `/q/health/{live,ready,started}` | the contract's, or the script's |
//! | all else | 404 |
//!
//! It writes the contract's JSON itself, so that it is a second reading of it
//! for whoever tests a client.

mod answer;
mod body;
mod call;
mod script;
mod server;
mod tls;

pub use call::{Call, MAX_BODY_BYTES, MAX_CALLS};
pub use script::{Answer, MAX_DELAY_MS, MAX_RULES, MAX_SCRIPT_BYTES, Rule, Script, ScriptError};
pub use server::{AgentStandIn, OnCall, Options, Server};
pub use tls::{Tls, TlsError};
