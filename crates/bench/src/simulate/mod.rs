//! Simulated services: what their pods write, healthy or not.
//!
//! Everything is a function of a seed. A [`Rollout`] is traffic over two arms
//! of pods for some time; a [`Kind`] says what such a service writes, a
//! [`Version`] how one version of it differs from the next.

mod backend;
mod kind;
mod rollout;
mod stamp;
mod system;
mod web;

pub use kind::{Kind, Version};
pub use rollout::{PodLog, Rollout, Share, Simulated, one_log};
pub use stamp::{START_MS, rfc3339};

use crate::random::Random;

/// One event: milliseconds after the canary's start, and its text, which may
/// be several lines.
pub type Event = (i64, String);

/// Where a service's event is written from.
pub(crate) struct Scene<'a> {
    pub random: &'a mut Random,
    pub version: &'a Version,
    /// Milliseconds after the canary's start.
    pub ms: i64,
    /// Number of the unit of work, over the whole rollout.
    pub number: u64,
    pub out: &'a mut Vec<Event>,
}

impl Scene<'_> {
    /// Writes an event.
    pub fn say(&mut self, text: String) {
        self.out.push((self.ms, text));
    }

    /// Writes an event a little later.
    pub fn say_after(&mut self, delay_ms: i64, text: String) {
        self.out.push((self.ms + delay_ms, text));
    }
}
