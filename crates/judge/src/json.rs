//! The members of one JSON object, read without building it.
//!
//! Log lines are often JSON, and often cut, so this reader takes what is there
//! and stops where it no longer understands: it never fails. It does not
//! allocate, and nesting is skipped by counting, not by recursion.

use std::borrow::Cow;

/// Members read of one object: more keys than that tell nothing new, and a
/// hostile line must not cost more than its bytes.
const MAX_MEMBERS: usize = 128;

/// A value, as raw bytes of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Between its quotes, escapes as written.
    Text(&'a [u8]),
    /// A number, `true`, `false` or `null`.
    Word(&'a [u8]),
    /// An object or an array, with its brackets.
    Nested(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The raw bytes, whatever kind it is.
    pub(crate) fn raw(self) -> &'a [u8] {
        match self {
            Self::Text(raw) | Self::Word(raw) | Self::Nested(raw) => raw,
        }
    }
}

/// The top-level members of the object that `line` is, in order, up to the
/// first byte that is not JSON.
pub(crate) fn members(line: &[u8]) -> Members<'_> {
    let start = skip_space(line, 0);
    let rest = if line.get(start) == Some(&b'{') {
        &line[start + 1..]
    } else {
        &[]
    };
    Members {
        rest,
        left: MAX_MEMBERS,
    }
}

/// Objects within objects that are looked into.
const MAX_DEPTH: usize = 2;

/// Gives every member to `see`, and those of objects within it after it.
pub(crate) fn visit<'a>(line: &'a [u8], see: &mut impl FnMut(&'a [u8], Value<'a>)) {
    visit_to(line, MAX_DEPTH, see);
}

fn visit_to<'a>(line: &'a [u8], depth: usize, see: &mut impl FnMut(&'a [u8], Value<'a>)) {
    for (key, value) in members(line) {
        see(key, value);
        if let Value::Nested(object) = value
            && depth > 0
        {
            visit_to(object, depth - 1, see);
        }
    }
}

/// Iterator of [`members`].
#[derive(Debug)]
pub(crate) struct Members<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let line = self.rest;
        let mut at = skip_space(line, 0);
        if line.get(at) == Some(&b',') {
            at = skip_space(line, at + 1);
        }
        if line.get(at) != Some(&b'"') {
            return None;
        }
        let key_end = string_end(line, at + 1)?;
        let key = &line[at + 1..key_end];
        at = skip_space(line, key_end + 1);
        if line.get(at) != Some(&b':') {
            return None;
        }
        at = skip_space(line, at + 1);
        let (value, end) = match line.get(at)? {
            b'"' => match string_end(line, at + 1) {
                Some(end) => (Value::Text(&line[at + 1..end]), end + 1),
                // The line was cut inside this text: it is the last member.
                None => (Value::Text(&line[at + 1..]), line.len()),
            },
            b'{' | b'[' => {
                let end = nested_end(line, at);
                (Value::Nested(&line[at..end]), end)
            }
            _ => {
                let len = line[at..]
                    .iter()
                    .position(|b| matches!(b, b',' | b'}' | b']' | b' ' | b'\t'));
                let end = len.map_or(line.len(), |len| at + len);
                (Value::Word(&line[at..end]), end)
            }
        };
        self.rest = &line[end..];
        Some((key, value))
    }
}

fn skip_space(line: &[u8], mut at: usize) -> usize {
    while matches!(line.get(at), Some(b' ' | b'\t')) {
        at += 1;
    }
    at
}

/// Index of the quote that ends the string whose text starts at `at`.
fn string_end(line: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr2(b'"', b'\\', line.get(at..)?)?;
        if line[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// Index after the bracket that closes the one at `at`.
fn nested_end(line: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(byte) = line.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b'"' => match string_end(line, at + 1) {
                Some(end) => at = end,
                None => return line.len(),
            },
            _ => {}
        }
        at += 1;
    }
    line.len()
}

/// The text of a JSON string: escapes replaced. Surrogates become U+FFFD each
/// for itself: what is read is logs, and nothing here depends on such text.
pub(crate) fn unescape(raw: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut text = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'\\' {
            text.push(byte);
            continue;
        }
        let Some((&escape, tail)) = rest.split_first() else {
            break;
        };
        rest = tail;
        match escape {
            b'n' => text.push(b'\n'),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            b'b' => text.push(8),
            b'f' => text.push(12),
            b'u' => {
                let hex = rest.get(..4).and_then(|hex| std::str::from_utf8(hex).ok());
                let Some(code) = hex.and_then(|hex| u32::from_str_radix(hex, 16).ok()) else {
                    continue;
                };
                rest = &rest[4..];
                let letter = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => text.push(other),
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Vec<(String, String)> {
        let text = |raw: &[u8]| String::from_utf8_lossy(raw).into_owned();
        members(line.as_bytes())
            .map(|(key, value)| (text(key), text(value.raw())))
            .collect()
    }

    #[test]
    fn reads_top_level_members() {
        let line = r#"{"level":"info", "msg":"a \"b\" }","n":3,"o":{"x":["}"]},"z":null}"#;
        let expected = [
            ("level", "info"),
            ("msg", r#"a \"b\" }"#),
            ("n", "3"),
            ("o", r#"{"x":["}"]}"#),
            ("z", "null"),
        ];
        assert_eq!(
            read(line),
            expected.map(|(k, v)| (k.to_owned(), v.to_owned()))
        );
    }

    #[test]
    fn takes_what_is_there_of_a_cut_line() {
        assert_eq!(
            read(r#"{"a":1,"b":"un"#),
            [
                ("a".to_owned(), "1".to_owned()),
                ("b".to_owned(), "un".to_owned())
            ]
        );
        for line in [
            "",
            "{",
            "{\"",
            "{\"a",
            "{\"a\":",
            "{\"a\"",
            "x",
            "{]",
            "{\"a\":[[[",
            "{\"a\":\"\\",
        ] {
            let _ = read(line);
        }
    }

    #[test]
    fn unescapes() {
        assert_eq!(&*unescape(br#"a\n\"b\"\u00e9\\"#), "a\n\"b\"é\\".as_bytes());
        for raw in ["\\", "\\u", "\\u12", "\\ud800", "\\x"] {
            let _ = unescape(raw.as_bytes());
        }
    }
}
