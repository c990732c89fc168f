//! The demo with its real programs: `rollouts-demo` and the plugin.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod disturbed;
mod numbers;
mod page;
mod scenarios;
mod stage;
