//! The judge as its users see it: logs and pod states in, a judgement out.

mod carrying;
mod gates;
mod lessons;
mod occasions;
mod other_gates;
/// Shared with the tests of other crates.
#[path = "../planted/mod.rs"]
mod planted;
mod properties;
mod scene;
mod secrets;
mod unfamiliar;
mod vetoes;
