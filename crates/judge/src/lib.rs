//! Evidence → judgement: the deterministic reader of canary logs.
//!
//! This crate is pure. It does no I/O, starts no task, reads no clock and draws
//! no random number, and it cannot fail: every byte sequence is a log, every
//! [`Evidence`] has a [`Judgement`]. What the outside world adds (pods, files,
//! time) arrives as data.
//!
//! ```text
//! bytes of one log ─► Profiler ─► Profile ─┐
//! pod states, events, metrics ─────────────┼─► Evidence ─► judge() ─► Judgement
//! what earlier looks counted (Carried) ────┘
//! ```
//!
//! A log is profiled alone, so that logs can be read in parallel; profiles are
//! brought into one template table, in canonical order, when they are judged.
//! Neither the order of pods, nor the size of the chunks in which bytes
//! arrive, nor threads can change a byte of a judgement.

pub mod evidence;
pub mod judgement;
pub mod policy;
pub mod profile;

pub use evidence::{Arm, Evidence};
pub use judgement::{Decision, Judgement};
pub use policy::Policy;

/// Judges the evidence.
///
/// Pure and total: equal evidence and policy give an equal judgement, and there
/// is no evidence that it cannot judge.
#[must_use]
pub fn judge(_evidence: &Evidence, _policy: &Policy) -> Judgement {
    Judgement {
        decision: Decision::Inconclusive,
        confidence: 0.51,
        exposure: judgement::Exposure::default(),
        vetoes: Vec::new(),
        gates: Vec::new(),
        findings: Vec::new(),
        missing: None,
        carried: judgement::Carried::default(),
    }
}
