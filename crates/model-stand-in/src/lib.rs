//! A scripted stand-in of the model APIs, Gemini's and OpenAI's, for tests and
//! the demo: no model, but the answers, errors and refusals of the real ones,
//! in their own shapes.
//!
//! ```text
//! Script (rules, first match wins) ─► Server on loopback ─► calls, recorded
//! ```
//!
//! | path | answered as |
//! | --- | --- |
//! | `POST /v1beta/models/{m}:generateContent` | Gemini |
//! | `POST /v1beta/models/{m}:streamGenerateContent` | Gemini, SSE with `alt=sse`, else a JSON array |
//! | `POST /v1/chat/completions`, `/chat/completions` | OpenAI, SSE with `"stream": true` |
//! | `GET /v1beta/models`, `GET /v1/models`, `/models` | the script's `models` |
//!
//! Gemini's `v1beta` may be `v1alpha` or `v1` as well.
//!
//! A request that the real API would refuse (a thought signature lost, a tool
//! result left out, a schema that strict mode does not take) is refused here
//! too, before any rule is looked at.

mod answer;
mod body;
mod call;
mod gemini;
mod json_schema;
mod openai;
mod opinion;
mod route;
mod script;
mod server;
mod signature;
mod text;

pub use call::{Call, MAX_BODY_BYTES, MAX_CALLS, MAX_RECORDED_BYTES};
pub use route::Api;
pub use script::{
    Answer, Cut, Fault, MAX_DELAY_MS, MAX_RULES, MAX_SCRIPT_BYTES, Opinion, Quota, RateLimit, Rule,
    Says, Script, ScriptError, ToolCall, Usage,
};
pub use server::{OnCall, Options, Server, StandIn};
