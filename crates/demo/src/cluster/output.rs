//! What a process writes to stdout and stderr, as lines of bounded length.

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, ChildStderr, ChildStdout};

/// Where a line is split in two, in bytes: container runtimes do so too.
const MAX_LINE_BYTES: usize = 16 << 10;

/// Bytes that are read at a time.
const PIECE_BYTES: usize = 16 << 10;

/// Both pipes of a process.
#[derive(Debug)]
pub(crate) struct Output {
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    pieces: [Piece; 2],
}

/// What has been read of a pipe and is no whole line yet.
#[derive(Debug, Default)]
struct Piece(Vec<u8>);

impl Output {
    /// Takes the pipes of a process.
    pub(crate) fn of(child: &mut Child) -> Self {
        Self {
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            pieces: Default::default(),
        }
    }

    /// Whether both have ended.
    pub(crate) fn is_over(&self) -> bool {
        self.stdout.is_none() && self.stderr.is_none()
    }

    /// The next lines of either, perhaps none; never where both have ended.
    /// Dropping it loses nothing.
    pub(crate) async fn read(&mut self) -> Vec<String> {
        let [out, err] = &mut self.pieces;
        let mut lines = Vec::new();
        tokio::select! {
            more = out.read(self.stdout.as_mut()) => {
                if !more {
                    self.stdout = None;
                }
                out.take_lines(&mut lines, !more);
            }
            more = err.read(self.stderr.as_mut()) => {
                if !more {
                    self.stderr = None;
                }
                err.take_lines(&mut lines, !more);
            }
        }
        lines
    }
}

impl Piece {
    /// Reads some more; `false` at the end.
    async fn read(&mut self, from: Option<&mut (impl AsyncRead + Unpin)>) -> bool {
        let Some(from) = from else {
            return std::future::pending().await;
        };
        self.0.reserve(PIECE_BYTES);
        // An error ends it as well: there is nothing more to come.
        from.read_buf(&mut self.0)
            .await
            .is_ok_and(|count| count > 0)
    }

    fn take_lines(&mut self, lines: &mut Vec<String>, is_end: bool) {
        let mut from = 0;
        while let Some(length) = line_length(&self.0[from..]) {
            let line = &self.0[from..from + length];
            lines.push(text(line));
            from += length;
        }
        self.0.drain(..from);
        if is_end && !self.0.is_empty() {
            lines.push(text(&self.0));
            self.0.clear();
        }
    }
}

/// How long the first line is, its newline included; none while it is not
/// whole.
fn line_length(bytes: &[u8]) -> Option<usize> {
    let newline = bytes.iter().position(|&byte| byte == b'\n');
    match newline {
        Some(at) if at < MAX_LINE_BYTES => Some(at + 1),
        _ if bytes.len() >= MAX_LINE_BYTES => Some(MAX_LINE_BYTES),
        _ => None,
    }
}

fn text(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    String::from_utf8_lossy(line).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_or_as_long_as_they_may_be() {
        let mut piece = Piece(b"one\ntwo\nthr".to_vec());
        let mut lines = Vec::new();
        piece.take_lines(&mut lines, false);
        assert_eq!(lines, ["one", "two"]);
        piece.0.extend_from_slice(b"ee");
        piece.take_lines(&mut lines, true);
        assert_eq!(lines[2], "three");

        let mut piece = Piece(vec![b'x'; 2 * MAX_LINE_BYTES + 5]);
        let mut lines = Vec::new();
        piece.take_lines(&mut lines, false);
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[0].len(), piece.0.len()), (MAX_LINE_BYTES, 5));
    }
}
