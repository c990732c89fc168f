//! A log, written line by line as it is read.

use std::fmt;
use std::sync::Arc;

/// One line, and when the runtime saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Milliseconds since the Unix epoch; never less than the line's before.
    pub time_ms: i64,
    /// The line without its newline.
    pub text: String,
}

/// A log: so many lines, each made when it is asked for. A log of gigabytes
/// costs nothing until it is read.
#[derive(Clone)]
pub struct Log {
    count: u64,
    line: Arc<dyn Fn(u64) -> Line + Send + Sync>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("lines", &self.count).finish()
    }
}

impl Log {
    /// A log of `count` lines, the first of them number 0.
    #[must_use]
    pub fn generated(count: u64, line: impl Fn(u64) -> Line + Send + Sync + 'static) -> Self {
        Self {
            count,
            line: Arc::new(line),
        }
    }

    /// These lines, the first at `start_ms` and one every `step_ms`.
    #[must_use]
    pub fn lines<S: Into<String>>(
        start_ms: i64,
        step_ms: i64,
        lines: impl IntoIterator<Item = S>,
    ) -> Self {
        let lines: Vec<String> = lines.into_iter().map(Into::into).collect();
        Self::generated(lines.len() as u64, move |index| Line {
            time_ms: start_ms.saturating_add(step_ms.saturating_mul(index.cast_signed())),
            text: usize::try_from(index)
                .ok()
                .and_then(|index| lines.get(index).cloned())
                .unwrap_or_default(),
        })
    }

    /// The first line at or after a time: as many as there are when none is.
    pub(crate) fn first_since(&self, since_ms: i64) -> u64 {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if (self.line)(middle).time_ms < since_ms {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Appends one line as the API server writes it.
    pub(crate) fn write(&self, index: u64, stamp: Option<&mut Stamp>, out: &mut Vec<u8>) {
        let line = (self.line)(index);
        if let Some(stamp) = stamp {
            stamp.write(line.time_ms, out);
        }
        out.extend_from_slice(line.text.as_bytes());
        out.push(b'\n');
    }
}

/// Writes the times of lines. Most lines share their second with the line
/// before, and a date is dear to format: a second's text is made once.
#[derive(Debug, Default)]
pub(crate) struct Stamp {
    second: Option<i64>,
    text: String,
}

impl Stamp {
    /// Nanoseconds in full, as the kubelet writes them.
    fn write(&mut self, time_ms: i64, out: &mut Vec<u8>) {
        let second = time_ms.div_euclid(1_000);
        if self.second != Some(second) {
            self.second = Some(second);
            self.text = jiff::Timestamp::from_second(second)
                .map(|time| format!("{:.0}", time))
                .unwrap_or_default();
        }
        out.extend_from_slice(self.text.trim_end_matches('Z').as_bytes());
        let ms = time_ms.rem_euclid(1_000);
        let digits = [ms / 100, ms / 10 % 10, ms % 10];
        out.push(b'.');
        out.extend(digits.iter().map(|digit| b'0' + digit.to_le_bytes()[0]));
        out.extend_from_slice(b"000000Z ");
    }
}
