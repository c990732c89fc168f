//! Bytes → lines: what the container runtime put around them is taken off.
//!
//! Chunks may end anywhere; the lines that come out are the same for every way
//! of cutting the same bytes. A line is capped, its rest is counted and
//! dropped, so memory stays flat on a log without a newline.

use std::borrow::Cow;

use crate::clock;
use crate::{head, json, level};

/// Longest line that is looked at, in bytes: stack frames and JSON events fit,
/// and what follows in longer lines (dumps of request bodies) tells nothing
/// that the beginning does not.
pub const MAX_LINE_BYTES: usize = 3_000;

/// Longest raw line that is kept: a line and what the runtime puts around it
/// (Docker's JSON escapes double a quote or a backslash).
const MAX_RAW_BYTES: usize = 2 * MAX_LINE_BYTES + 256;

/// One line of a log, without the runtime's framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// When, milliseconds since the Unix epoch, by the runtime if it says so,
    /// else by the time the line starts with.
    pub ms: Option<i64>,
    /// The text, at most [`MAX_LINE_BYTES`]; may be invalid UTF-8.
    pub text: &'a [u8],
}

/// Cuts a stream of bytes into lines.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    /// The beginning of a line whose end has not come yet.
    pending: Vec<u8>,
    /// Bytes of that line which came after the cap.
    pending_dropped: u64,
    /// CRI writes long lines in parts, each stream (`stdout`, `stderr`) for
    /// itself.
    parts: [Part; 2],
    /// Lines that were longer than the cap.
    pub cut_lines: u64,
    /// Whether lines start with the runtime's timestamp.
    runtime_timestamps: bool,
    /// Whether nothing but the newline is taken off.
    raw: bool,
    /// Whether lines begin with a pod's name, as the first of the log does.
    named: Option<bool>,
    /// The first line of an event whose text comes on the next; empty without
    /// one.
    head: Vec<u8>,
    head_ms: Option<i64>,
}

/// The parts of one long line that have come so far.
#[derive(Debug, Default)]
struct Part {
    ms: Option<i64>,
    text: Vec<u8>,
    open: bool,
}

impl Framer {
    /// A framer of a log whose lines all start with the runtime's timestamp, or
    /// of one whose framing is recognised line by line.
    pub(crate) fn new(runtime_timestamps: bool) -> Self {
        Self {
            runtime_timestamps,
            ..Self::default()
        }
    }

    /// A framer of lines that no runtime has framed.
    pub(crate) fn raw() -> Self {
        Self {
            raw: true,
            ..Self::default()
        }
    }

    /// Reads the next bytes and gives each line that they complete to `sink`.
    pub(crate) fn push(&mut self, bytes: &[u8], sink: &mut impl FnMut(Line<'_>)) {
        // Once for all lines of the piece, of which nearly none has colours.
        let coloured = memchr::memchr(0x1b, bytes).is_some();
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            let head = &bytes[start..end];
            start = end + 1;
            if self.pending.is_empty() && self.pending_dropped == 0 {
                self.raw_line(head, coloured, sink);
            } else {
                self.keep(head);
                self.flush(sink);
            }
        }
        self.keep(&bytes[start..]);
    }

    /// Ends the log.
    pub(crate) fn finish(&mut self, sink: &mut impl FnMut(Line<'_>)) {
        if !self.pending.is_empty() {
            self.flush(sink);
        }
        for index in 0..self.parts.len() {
            self.end_part(index, sink);
        }
        self.end_head(sink);
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = MAX_RAW_BYTES - self.pending.len().min(MAX_RAW_BYTES);
        let kept = bytes.len().min(room);
        self.pending.extend_from_slice(&bytes[..kept]);
        self.pending_dropped += (bytes.len() - kept) as u64;
    }

    fn flush(&mut self, sink: &mut impl FnMut(Line<'_>)) {
        let mut line = std::mem::take(&mut self.pending);
        self.pending_dropped = 0;
        self.raw_line(&line, true, sink);
        line.clear();
        self.pending = line;
    }

    /// One raw line, newline taken off; not `coloured` when it holds no escape
    /// sequence.
    fn raw_line(&mut self, raw: &[u8], coloured: bool, sink: &mut impl FnMut(Line<'_>)) {
        let raw = &raw[..raw.len().min(MAX_RAW_BYTES)];
        let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
        if self.raw {
            return self.emit(None, raw, coloured, sink);
        }
        // Who collects the lines of several pods names one before each of them.
        let raw = if *self
            .named
            .get_or_insert_with(|| without_pod(raw).len() < raw.len())
        {
            without_pod(raw)
        } else {
            raw
        };
        if raw.starts_with(br#"{"log":""#) && self.docker_line(raw, sink) {
            return;
        }
        // Kubelet, CRI and `kubectl logs --timestamps` write the time with a
        // `T` and then one space; applications that do the same lose nothing,
        // for it is the event's time either way.
        if raw.get(10) == Some(&b'T')
            && let Some((ms, len)) = clock::leading(raw)
        {
            if raw.get(len) == Some(&b' ') {
                let rest = without_padding(&raw[len + 1..]);
                if self.runtime_timestamps || !self.cri_line(ms, rest, coloured, sink) {
                    self.emit(Some(ms), rest, coloured, sink);
                }
                return;
            }
            if self.runtime_timestamps && raw.len() == len {
                // A line that the application left empty.
                return self.emit(Some(ms), b"", false, sink);
            }
        }
        self.emit(None, raw, coloured, sink);
    }

    /// `<time> stdout F text`, or `P` for a part that the next line continues.
    fn cri_line(
        &mut self,
        ms: i64,
        rest: &[u8],
        coloured: bool,
        sink: &mut impl FnMut(Line<'_>),
    ) -> bool {
        let (index, rest) = if let Some(rest) = rest.strip_prefix(b"stdout ") {
            (0, rest)
        } else if let Some(rest) = rest.strip_prefix(b"stderr ") {
            (1, rest)
        } else {
            return false;
        };
        let (last, text) = match rest {
            [b'F', b' ', text @ ..] => (true, text),
            [b'F'] => (true, &rest[1..]),
            [b'P', b' ', text @ ..] => (false, text),
            _ => return false,
        };
        if last && !self.parts[index].open {
            self.emit(Some(ms), text, coloured, sink);
        } else {
            self.add_part(index, Some(ms), text);
            if last {
                self.end_part(index, sink);
            }
        }
        true
    }

    /// `{"log":"text\n","stream":"stdout","time":"…"}`; without the `\n` it is
    /// a part. `false` when it is not Docker's after all.
    fn docker_line(&mut self, raw: &[u8], sink: &mut impl FnMut(Line<'_>)) -> bool {
        let (mut text, mut index, mut ms) = (None, None, None);
        for (key, value) in json::members(raw) {
            match (key, value) {
                (b"log", json::Value::Text(value)) => text = Some(value),
                (b"stream", json::Value::Text(value)) => {
                    index = Some(usize::from(value == b"stderr"))
                }
                (b"time", json::Value::Text(value)) => ms = clock::leading(value).map(|(ms, _)| ms),
                (b"attrs", _) => {}
                _ => return false,
            }
        }
        let (Some(text), Some(index)) = (text, index) else {
            return false;
        };
        let text = json::unescape(text);
        let last = text.ends_with(b"\n");
        let text = text.strip_suffix(b"\n").unwrap_or(&text);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if last && !self.parts[index].open {
            self.emit(ms, text, true, sink);
        } else {
            self.add_part(index, ms, text);
            if last {
                self.end_part(index, sink);
            }
        }
        true
    }

    fn add_part(&mut self, index: usize, ms: Option<i64>, text: &[u8]) {
        let part = &mut self.parts[index];
        if !part.open {
            part.open = true;
            part.ms = ms;
        }
        // One byte past the cap is kept, so that the line is known to be cut.
        let room = (MAX_LINE_BYTES + 1).saturating_sub(part.text.len());
        part.text.extend_from_slice(&text[..text.len().min(room)]);
    }

    fn end_part(&mut self, index: usize, sink: &mut impl FnMut(Line<'_>)) {
        if !self.parts[index].open {
            return;
        }
        let mut part = std::mem::take(&mut self.parts[index]);
        self.emit(part.ms, &part.text, true, sink);
        part.text.clear();
        part.open = false;
        self.parts[index] = part;
    }

    /// A whole line: colours off, capped, given away.
    #[inline]
    fn emit(
        &mut self,
        ms: Option<i64>,
        text: &[u8],
        coloured: bool,
        sink: &mut impl FnMut(Line<'_>),
    ) {
        let text = if coloured && memchr::memchr(0x1b, text).is_some() {
            Cow::Owned(without_escapes(text))
        } else {
            Cow::Borrowed(text)
        };
        if text.len() > MAX_LINE_BYTES {
            self.cut_lines += 1;
        }
        let text = &text[..text.len().min(MAX_LINE_BYTES)];
        if !self.head.is_empty() && self.join_head(text, sink) {
            return;
        }
        if !self.raw && head::is_head(text) {
            self.head.extend_from_slice(text);
            self.head_ms = ms;
            return;
        }
        sink(Line { ms, text });
    }

    /// Gives the first line of an event with what follows it, if that is its
    /// text; else by itself.
    #[cold]
    fn join_head(&mut self, text: &[u8], sink: &mut impl FnMut(Line<'_>)) -> bool {
        if !head::is_text_of(&self.head, text) {
            self.end_head(sink);
            return false;
        }
        self.head.push(b' ');
        self.head.extend_from_slice(text.trim_ascii_start());
        self.head.truncate(MAX_LINE_BYTES);
        self.end_head(sink);
        true
    }

    fn end_head(&mut self, sink: &mut impl FnMut(Line<'_>)) {
        if self.head.is_empty() {
            return;
        }
        let mut head = std::mem::take(&mut self.head);
        sink(Line {
            ms: self.head_ms.take(),
            text: &head,
        });
        head.clear();
        self.head = head;
    }
}

/// What `kubectl logs --prefix` writes before each line (`[pod/web-1/app] `), and
/// `docker compose logs` (`web-1  | `).
fn without_pod(line: &[u8]) -> &[u8] {
    let head = &line[..line.len().min(MAX_POD_BYTES)];
    if head.starts_with(b"[pod/") {
        let end = memchr::memmem::find(head, b"] ");
        return end.map_or(line, |end| &line[end + 2..]);
    }
    // Few lines have a bar near their beginning.
    if memchr::memchr(b'|', &head[..head.len().min(MAX_NAME_BYTES)]).is_none() {
        return line;
    }
    let Some(space) = memchr::memchr(b' ', head) else {
        return line;
    };
    let bar = head[space..]
        .iter()
        .position(|byte| *byte != b' ')
        .map(|at| space + at);
    let numbered = |name: &[u8]| {
        let digits = name
            .iter()
            .rev()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        digits > 0 && matches!(name[..name.len() - digits].last(), Some(b'-' | b'_'))
    };
    match bar {
        Some(bar) if head[bar..].starts_with(b"| ") && numbered(&head[..space]) => &line[bar + 2..],
        _ => line,
    }
}

/// Longest name of a service before a line, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// Longest name of a pod and a container before a line, in bytes.
const MAX_POD_BYTES: usize = 160;

/// Loggers put a short level to the right of its column: such a line is not
/// indented, as what continues an event is.
fn without_padding(text: &[u8]) -> &[u8] {
    if text.first() != Some(&b' ') {
        return text;
    }
    let rest = text.trim_ascii_start();
    let word = rest.split(|byte| *byte == b' ').next().unwrap_or_default();
    if word.len() < rest.len() && level::is_upper_case_word(word) {
        rest
    } else {
        text
    }
}

/// Takes ANSI escape sequences off: CSI (`ESC [ … letter`), OSC (`ESC ] …
/// BEL`), and lone escapes.
fn without_escapes(text: &[u8]) -> Vec<u8> {
    let mut clean = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != 0x1b {
            clean.push(byte);
            continue;
        }
        match rest.first() {
            Some(b'[') => {
                let end = rest[1..].iter().position(|b| (0x40..=0x7e).contains(b));
                rest = end.map_or(&[], |end| &rest[end + 2..]);
            }
            Some(b']') => {
                let end = rest.iter().position(|b| *b == 0x07);
                rest = end.map_or(&[], |end| &rest[end + 1..]);
            }
            Some(_) => rest = &rest[1..],
            None => {}
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8], runtime_timestamps: bool, chunk: usize) -> Vec<(Option<i64>, String)> {
        let mut framer = Framer::new(runtime_timestamps);
        let mut out = Vec::new();
        let mut sink =
            |line: Line<'_>| out.push((line.ms, String::from_utf8_lossy(line.text).into_owned()));
        for piece in input.chunks(chunk.max(1)) {
            framer.push(piece, &mut sink);
        }
        framer.finish(&mut sink);
        out
    }

    #[test]
    fn takes_each_framing_off() {
        let cases: &[(&str, &str, Option<i64>)] = &[
            ("plain text\n", "plain text", None),
            ("no newline", "no newline", None),
            ("crlf\r\n", "crlf", None),
            ("1970-01-01T00:00:01.5Z hello\n", "hello", Some(1500)),
            (
                "1970-01-01T00:00:01.500000000Z stdout F hello\n",
                "hello",
                Some(1500),
            ),
            (
                "1970-01-01T00:00:01Z stderr P hel\n1970-01-01T00:00:02Z stderr F lo\n",
                "hello",
                Some(1000),
            ),
            (
                "{\"log\":\"say \\\"hi\\\"\\n\",\"stream\":\"stdout\",\"time\":\"1970-01-01T00:00:01Z\"}\n",
                "say \"hi\"",
                Some(1000),
            ),
            (
                "1970-01-01T00:00:01.5Z  INFO 1 --- [main] c.e.App : hello\n",
                "INFO 1 --- [main] c.e.App : hello",
                Some(1500),
            ),
            (
                "1970-01-01T00:00:01.5Z     at c.e.App (App.java:1)\n",
                "    at c.e.App (App.java:1)",
                Some(1500),
            ),
            (
                "info: Shop.Orders[7]\r\n      order placed\r\n",
                "info: Shop.Orders[7] order placed",
                None,
            ),
            (
                "Nov 25, 2026 3:00:00 PM com.acme.X run\nINFO: hello\n",
                "Nov 25, 2026 3:00:00 PM com.acme.X run INFO: hello",
                None,
            ),
            ("[pod/web-7f-x/app] hello\n", "hello", None),
            ("web-1  | hello\n", "hello", None),
            ("name | value\n", "name | value", None),
            ("\u{1b}[31mred\u{1b}[0m text\n", "red text", None),
        ];
        for (input, text, ms) in cases {
            for chunk in [1, 3, 7, 1000] {
                assert_eq!(
                    lines(input.as_bytes(), false, chunk),
                    vec![(*ms, (*text).to_owned())],
                    "{input} by {chunk}"
                );
            }
        }
    }

    #[test]
    fn the_first_line_of_an_event_waits_only_for_its_text() {
        for input in [
            "info: Shop.Orders[7]\nnot indented\n",
            "Nov 25, 2026 3:00:00 PM com.acme.X run\nno level\n",
            "x\ninfo: Shop.Orders[7]\n",
        ] {
            let texts: Vec<String> = lines(input.as_bytes(), false, 4)
                .into_iter()
                .map(|line| line.1)
                .collect();
            assert_eq!(texts.join("\n") + "\n", input);
        }
    }

    #[test]
    fn an_application_line_that_starts_with_log_is_not_dockers() {
        let input = b"{\"log\":\"x\",\"level\":\"info\"}\n";
        assert_eq!(
            lines(input, false, 5)[0].1,
            "{\"log\":\"x\",\"level\":\"info\"}"
        );
    }

    #[test]
    fn a_line_of_megabytes_is_cut_and_counted() {
        let mut input = vec![b'a'; 5 << 20];
        input.extend_from_slice(b"\nnext\n");
        for chunk in [4096, 1 << 20, 6 << 20] {
            let mut framer = Framer::default();
            let mut out = Vec::new();
            for piece in input.chunks(chunk) {
                framer.push(piece, &mut |line: Line<'_>| out.push(line.text.len()));
                assert!(
                    framer.pending.capacity() <= 2 * MAX_RAW_BYTES,
                    "memory must stay flat"
                );
            }
            framer.finish(&mut |line: Line<'_>| out.push(line.text.len()));
            assert_eq!(out, vec![MAX_LINE_BYTES, 4]);
            assert_eq!(framer.cut_lines, 1);
        }
    }

    #[test]
    fn parts_without_end_do_not_grow() {
        let mut framer = Framer::default();
        let part = format!("1970-01-01T00:00:01Z stdout P {}\n", "x".repeat(2000));
        for _ in 0..1000 {
            framer.push(part.as_bytes(), &mut |_| {});
        }
        assert!(framer.parts[0].text.len() <= MAX_LINE_BYTES + 1);
    }

    #[test]
    fn an_empty_line_with_a_runtime_timestamp_is_empty() {
        assert_eq!(
            lines(b"1970-01-01T00:00:01Z \n", true, 100),
            vec![(Some(1000), String::new())]
        );
        assert_eq!(
            lines(b"1970-01-01T00:00:01Z\n", true, 100),
            vec![(Some(1000), String::new())]
        );
    }
}
