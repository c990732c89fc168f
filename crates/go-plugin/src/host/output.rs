//! What a plugin says on stderr: the newest lines, for whoever wants to read them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::sync::watch;
use tracing::debug;

/// How many lines are kept. With the longest line, 16 MiB: a plugin may log for ever.
pub const MAX_LINES: usize = 1_024;

/// Where a line is split in two, in bytes.
pub const MAX_LINE_BYTES: u64 = 16 << 10;

/// The newest lines of a plugin's stderr. Clones share them.
#[derive(Debug, Clone)]
pub struct Output {
    shared: Arc<Mutex<Shared>>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Shared {
    lines: VecDeque<String>,
    /// How many lines were dropped in front of the first that is kept.
    dropped: usize,
    open: usize,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            shared: Arc::default(),
            changed: watch::Sender::new(0),
        }
    }
}

impl Output {
    /// The lines that are kept, oldest first.
    pub fn lines(&self) -> Vec<String> {
        self.lock().lines.iter().cloned().collect()
    }

    /// Waits for a line that `wanted` accepts, also among those that came already; none if stderr
    /// ends first.
    pub async fn find(&self, mut wanted: impl FnMut(&str) -> bool) -> Option<String> {
        let mut changes = self.changed.subscribe();
        let mut seen = 0;
        loop {
            changes.mark_unchanged();
            {
                let shared = self.lock();
                let fresh = seen.max(shared.dropped) - shared.dropped;
                if let Some(line) = shared.lines.iter().skip(fresh).find(|line| wanted(line)) {
                    return Some(line.clone());
                }
                seen = shared.dropped + shared.lines.len();
                if shared.open == 0 {
                    return None;
                }
            }
            // The sender is in `self`, so there is always one.
            if changes.changed().await.is_err() {
                return None;
            }
        }
    }

    /// Waits for the end of stderr.
    pub(super) async fn ended(&self) {
        self.find(|_| false).await;
    }

    /// Collects the lines of `from`, in a task of its own.
    pub(super) fn collect(&self, from: impl AsyncRead + Send + Unpin + 'static) {
        self.lock().open += 1;
        let output = self.clone();
        tokio::spawn(async move {
            let mut from = BufReader::new(from);
            loop {
                let mut line = Vec::new();
                let read = (&mut from)
                    .take(MAX_LINE_BYTES)
                    .read_until(b'\n', &mut line)
                    .await;
                match read {
                    Ok(0) => break,
                    Ok(_) => output.push(String::from_utf8_lossy(&line).trim_end().to_owned()),
                    Err(error) => {
                        debug!(
                            error = &error as &dyn std::error::Error,
                            "stopped reading stderr"
                        );
                        break;
                    }
                }
            }
            output.lock().open -= 1;
            output.changed.send_modify(|count| *count += 1);
        });
    }

    fn push(&self, line: String) {
        {
            let mut shared = self.lock();
            if shared.lines.len() == MAX_LINES {
                shared.lines.pop_front();
                shared.dropped += 1;
            }
            shared.lines.push_back(line);
        }
        self.changed.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Whole between any two statements, so a panic elsewhere does not spoil it.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_lines_are_kept_and_found() {
        let output = Output::default();
        let text: String = (0..MAX_LINES + 10).map(|n| format!("line {n}\n")).collect();
        output.collect(std::io::Cursor::new(text.into_bytes()));
        let last = format!("line {}", MAX_LINES + 9);
        assert_eq!(output.find(|line| line == last).await, Some(last));
        output.ended().await;
        let lines = output.lines();
        assert_eq!((lines.len(), lines[0].as_str()), (MAX_LINES, "line 10"));
        assert_eq!(output.find(|line| line == "line 9").await, None);
    }

    #[tokio::test]
    async fn a_line_without_end_is_split() {
        let output = Output::default();
        let endless = vec![b'x'; usize::try_from(2 * MAX_LINE_BYTES + 1).unwrap()];
        output.collect(std::io::Cursor::new(endless));
        output.ended().await;
        let lengths: Vec<_> = output
            .lines()
            .iter()
            .map(|line| line.len() as u64)
            .collect();
        assert_eq!(lengths, [MAX_LINE_BYTES, MAX_LINE_BYTES, 1]);
    }
}
