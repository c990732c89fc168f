//! The log of one container, as it grows: bounded, each line with the time at
//! which it was read.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube_stand_in::{Line, Log};

/// Bytes that are kept of one log: what the kubelet keeps of the newest file
/// before it rotates.
const MAX_LOG_BYTES: usize = 10 << 20;

/// What one line costs beside its text.
const LINE_OVERHEAD_BYTES: usize = 32;

/// A log that grows. Clones are the same log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<Line>,
    bytes: usize,
    /// Lines that were dropped in front of the first that is kept.
    dropped: u64,
}

impl Lines {
    /// Appends a line; drops the oldest ones where there is no room.
    pub(crate) fn push(&self, time_ms: i64, text: String) {
        let mut kept = self.lock();
        // A clock that was set back must not put lines out of order.
        let last_ms = kept.lines.back().map_or(i64::MIN, |line| line.time_ms);
        kept.bytes += text.len() + LINE_OVERHEAD_BYTES;
        kept.lines.push_back(Line {
            time_ms: time_ms.max(last_ms),
            text,
        });
        while kept.bytes > MAX_LOG_BYTES {
            let Some(line) = kept.lines.pop_front() else {
                break;
            };
            kept.bytes -= line.text.len() + LINE_OVERHEAD_BYTES;
            kept.dropped += 1;
        }
    }

    /// The log as far as it has come, for the stand-in: lines that come later
    /// are not in it.
    pub(crate) fn log(&self) -> Log {
        let (first, count) = {
            let kept = self.lock();
            (kept.dropped, kept.lines.len() as u64)
        };
        let lines = self.clone();
        Log::generated(count, move |index| lines.line(first + index))
    }

    /// A line by its number since the log began; the oldest one that is there
    /// where it was dropped meanwhile.
    fn line(&self, number: u64) -> Line {
        let kept = self.lock();
        let index = usize::try_from(number.saturating_sub(kept.dropped)).unwrap_or(usize::MAX);
        kept.lines.get(index).cloned().unwrap_or(Line {
            time_ms: i64::MAX,
            text: String::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.lock().bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_keeps_its_newest_bytes() {
        let lines = Lines::default();
        let text = "x".repeat(1 << 20);
        for number in 0..20 {
            lines.push(number, format!("{number} {text}"));
        }
        assert!(lines.bytes() <= MAX_LOG_BYTES);
        assert!(lines.line(19).text.starts_with("19 "));
        // Asked for one that is gone, it answers with the oldest that is left.
        assert!(lines.line(0).text.starts_with("11 "));
    }

    #[test]
    fn times_never_go_back() {
        let lines = Lines::default();
        lines.push(1_000, "a".to_owned());
        lines.push(400, "b".to_owned());
        assert_eq!(lines.line(1).time_ms, 1_000);
    }
}
