//! The stand-in as its clients see it: bytes over HTTP, and the official SDKs.

mod client;
mod faults;
mod gemini;
mod openai;
mod program;
mod record;
mod script;
mod sdk;
mod steps;
