//! The real plugin, loaded as the controller loads it, against a stand-in of
//! the Kubernetes API on loopback.

/// The agent looks.
mod agent;
mod api_secret;
mod bench;
/// Started by a person.
mod by_hand;
/// What a template may not reach, key by key.
mod deputy;
/// Every trouble of models and agents, whatever the canary does.
mod matrix;
/// Models beside the judge.
mod models;
/// What the operator sets.
mod operator;
/// The judge's, so that what is planted is the same everywhere.
#[path = "../../../judge/tests/planted/mod.rs"]
mod planted;
/// Through a proxy, and past it.
mod proxies;
/// Clocks, two processes, ends in the middle: nothing twice, nothing left.
mod repeats;
/// Killed, asked twice, terminated: one outcome.
mod restarts;
/// No secret anywhere, wherever it was planted.
mod secrets;
/// What cannot be judged, each with the words that mend it.
mod troubles;
/// Good, bad, crashing, quiet.
mod verdicts;
/// The words that users search the log for.
mod words;
