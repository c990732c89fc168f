//! Private keys that are logged over many lines.
//!
//! The line that begins one is an event like any other, and what it shows of
//! the key is redacted. The lines behind it are its continuation: each is text
//! of its own to whoever reads it alone, and the last, short one looks like
//! nothing in particular.

/// Lines of one key at most: one of 16,384 bits has 200.
const MAX_LINES: usize = 256;

/// How the line ends that begins or ends a key.
const DASHES: &[u8] = b"-----";

/// The key that is being read.
#[derive(Debug, Default)]
pub(crate) struct KeyBlock {
    /// Lines that may still be its own; 0 outside of one.
    lines_left: usize,
}

impl KeyBlock {
    /// Whether this line belongs to a key that a line before it began. Notes
    /// the beginning and the end of one.
    #[inline]
    pub(crate) fn holds(&mut self, line: &[u8]) -> bool {
        // Nearly every line ends here.
        if self.lines_left == 0 && !line.ends_with(DASHES) {
            return false;
        }
        self.holds_by_look(line)
    }

    #[cold]
    fn holds_by_look(&mut self, line: &[u8]) -> bool {
        let is_mark = |mark: &[u8]| {
            memchr::memmem::find(line, mark)
                .is_some_and(|at| memchr::memmem::find(&line[at..], b"PRIVATE KEY").is_some())
        };
        let is_inside = self.lines_left > 0;
        if is_inside && is_mark(b"-----END ") {
            self.lines_left = 0;
            return true;
        }
        if line.ends_with(DASHES) && is_mark(b"-----BEGIN ") {
            self.lines_left = MAX_LINES;
            return false;
        }
        let holds = is_inside && may_be_part(line.trim_ascii());
        self.lines_left = if holds { self.lines_left - 1 } else { 0 };
        holds
    }
}

/// Base64, or one of the headers that some keys begin with.
fn may_be_part(line: &[u8]) -> bool {
    const HEADERS: [&[u8]; 5] = [
        b"Proc-Type: ",
        b"DEK-Info: ",
        b"Version: ",
        b"Comment: ",
        b"Hash: ",
    ];
    let in_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    line.iter().all(in_base64) || HEADERS.iter().any(|header| line.starts_with(header))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_held_to_its_end_and_no_line_of_the_log_is() {
        let begin = ["ERROR bad key: -----BEGIN RSA PRIV", "ATE KEY-----"].concat();
        let end = ["-----END RSA PRIV", "ATE KEY-----"].concat();
        let mut block = KeyBlock::default();
        for (line, holds) in [
            ("GET / 200", false),
            ("plain", false),
            (begin.as_str(), false),
            ("Proc-Type: 4,ENCRYPTED", true),
            ("", true),
            ("MIIEow+/abc", true),
            ("  zz==", true),
            (end.as_str(), true),
            ("plain", false),
            // Another thread comes between: its line counts, and ends it.
            (begin.as_str(), false),
            ("MIIEow", true),
            ("GET / 200", false),
            ("MIIEow", false),
            ("-----", false),
            ("-----BEGIN CERTIFICATE-----", false),
            ("MIIEow", false),
        ] {
            assert_eq!(block.holds(line.as_bytes()), holds, "{line}");
        }
        block.holds(begin.as_bytes());
        let held = (0..1_000).filter(|_| block.holds(b"MIIEow")).count();
        assert_eq!(held, MAX_LINES);
    }
}
