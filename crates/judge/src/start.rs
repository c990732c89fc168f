//! The start of a process: what fails then is told, and not tested.
//!
//! A canary starts while it is watched, and stable started long ago: "cannot
//! connect yet, will retry" is said by every version as it comes up, and only
//! the canary's is in the window. A process starts until it serves its first
//! request, and for some seconds at most. What goes on failing is tested from
//! then on, and a process that dies as it starts is a veto.

use crate::evidence::Window;

/// How long a process may be starting, in milliseconds.
const MAX_START_MS: i64 = 15_000;

/// How far a log's process has come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Start {
    began_ms: Option<i64>,
    /// It has served a request, or has said something before the window.
    over: bool,
}

impl Start {
    /// Notes an event of the window that is no request.
    pub(crate) fn note(&mut self, ms: Option<i64>) {
        if self.began_ms.is_none() {
            self.began_ms = ms;
        }
    }

    /// Notes that the process is up.
    pub(crate) fn end(&mut self) {
        self.over = true;
    }

    /// Whether the process is starting at `ms`. Without a window nobody knows
    /// whether a log begins with its process.
    pub(crate) fn is_going_on(&self, window: &Window, ms: Option<i64>) -> bool {
        !self.over
            && window.is_aligned()
            && self
                .began_ms
                .zip(ms)
                .is_some_and(|(began_ms, ms)| ms.saturating_sub(began_ms) < MAX_START_MS)
    }
}
