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

pub mod access;
mod carried;
mod cells;
mod clock;
mod cluster;
mod confidence;
mod counts;
mod course;
mod decision;
mod dispersion;
mod eprocess;
pub mod evidence;
mod exceptions;
mod findings;
mod frame;
mod gates;
mod head;
mod json;
pub mod judgement;
mod key_block;
mod kind;
mod latency;
pub mod level;
mod likeness;
mod mask;
mod miner;
mod novel;
pub mod policy;
pub mod profile;
mod promotion;
pub mod redact;
mod scan;
mod signature;
pub mod signs;
mod slow;
mod stamps;
mod start;
mod status;
mod stopped;
mod strata;
mod table;
pub mod templates;
pub mod timeline;
mod trace;
mod unfit;
mod vetoes;

pub use carried::MAX_CARRIED_BYTES;
pub use evidence::{Arm, Evidence, Window};
pub use findings::MAX_FINDINGS;
pub use frame::MAX_LINE_BYTES;
pub use judgement::{Decision, Judgement};
pub use miner::MAX_TEMPLATES;
pub use policy::Policy;
pub use profile::{Profile, ProfileOptions, Profiler};
pub use timeline::timeline;

/// Judges the evidence.
///
/// Pure and total: equal evidence and policy give an equal judgement, and there
/// is no evidence that it cannot judge.
#[must_use]
pub fn judge(evidence: &Evidence, policy: &Policy) -> Judgement {
    decision::judge(evidence, policy)
}
