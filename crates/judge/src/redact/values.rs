//! Where a value begins and ends, and whether it looks like a secret.

use std::ops::Range;

use super::MASK;

/// Words that tell the state of a secret: none of them is one.
const STATES: &[&str] = &[
    "true",
    "false",
    "null",
    "nil",
    "none",
    "undefined",
    "unset",
    "set",
    "empty",
    "missing",
    "invalid",
    "valid",
    "incorrect",
    "wrong",
    "expired",
    "required",
    "rejected",
    "denied",
    "failed",
    "failure",
    "refused",
    "accepted",
    "ok",
    "unknown",
    "changed",
    "updated",
    "found",
    "not",
    "is",
    "was",
    "has",
    "must",
    "cannot",
    "and",
    "or",
    "for",
    "of",
    "the",
    "no",
    "yes",
    "mismatch",
    "ignored",
    "disabled",
    "enabled",
    "absent",
    "present",
    "redacted",
    "hidden",
    "cannot_be_empty",
    "bad",
    "error",
    "please",
    "does",
    "did",
    "will",
    "should",
    "could",
    "can",
];

/// Longest name behind a sign that ends a value, in bytes.
const MAX_NAME_BYTES: usize = 40;

/// Length from which a string without a digit is no word any more.
const LONG_BYTES: usize = 20;

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Between quotes.
    Quoted,
    /// Between brackets.
    Bracketed,
    /// Without any.
    Bare,
}

/// A value in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    /// Where it is, its quotes included.
    pub(super) at: Range<usize>,
    /// Where it is without them.
    pub(super) inner: Range<usize>,
    pub(super) written: Written,
}

/// Whether a text looks like a secret and not like a word: it has a digit or a
/// sign of base64, a capital within, or is longer than words are.
pub(super) fn is_shaped(text: &str, least_bytes: usize) -> bool {
    let bytes = text.as_bytes();
    let has_sign = bytes.iter().any(|byte| {
        byte.is_ascii_digit() || matches!(byte, b'=' | b'+' | b'~' | b'$' | b'!' | b'@' | b'%')
    });
    let has_capital_within = bytes
        .windows(2)
        .any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    bytes.len() >= least_bytes && (has_sign || has_capital_within || bytes.len() >= LONG_BYTES)
}

/// Whether a value only tells the state of a secret, or is none any more.
pub(super) fn is_state(value: &str) -> bool {
    let word = value.trim_end_matches(['.', '!', '?', ':']);
    word.is_empty() || word == MASK || STATES.iter().any(|state| state.eq_ignore_ascii_case(word))
}

/// The value that begins at `at`, behind spaces; none where there is none.
pub(super) fn value(text: &str, at: usize) -> Option<Value> {
    let bytes = text.as_bytes();
    let start = at + run(bytes, at, |byte| matches!(byte, b' ' | b'\t'));
    let escapes = run(bytes, start, |byte| byte == b'\\');
    let open = start + escapes;
    match *bytes.get(open)? {
        quote @ (b'"' | b'\'' | b'`') => {
            let (end, after) = quote_end(bytes, open + 1, quote, escapes);
            Some(Value {
                at: start..after,
                inner: open + 1..end,
                written: Written::Quoted,
            })
        }
        // Nested: its members have keys of their own.
        b'{' if matches!(
            bytes.get(open + 1),
            Some(b'"' | b'\'' | b'\\' | b' ') | None
        ) =>
        {
            None
        }
        bracket @ (b'[' | b'{') if escapes == 0 => {
            let close = if bracket == b'[' { b']' } else { b'}' };
            let len = run(bytes, open + 1, |byte| byte != close && byte != b'\n');
            let end = open + 1 + len;
            Some(Value {
                at: start..(end + 1).min(bytes.len()),
                inner: open + 1..end,
                written: Written::Bracketed,
            })
        }
        _ => {
            let end = start + bare_len(bytes, start);
            (end > start).then_some(Value {
                at: start..end,
                inner: start..end,
                written: Written::Bare,
            })
        }
    }
}

/// Where a text in quotes ends, and what comes after its quote. Its quotes are
/// escaped `escapes` times, as many as JSON within JSON has them: 0, 1, 3, 7. A
/// quote that belongs to the text is escaped more often.
fn quote_end(bytes: &[u8], from: usize, quote: u8, escapes: usize) -> (usize, usize) {
    let mut at = from;
    while let Some(found) = memchr::memchr(quote, &bytes[at..]) {
        let place = at + found;
        let before = bytes[from..place]
            .iter()
            .rev()
            .take_while(|byte| **byte == b'\\')
            .count();
        let own = before.checked_sub(escapes);
        // Single quotes are seldom escaped, and an outer quote ends it too.
        if own.is_none_or(|own| (own / (escapes + 1)).is_multiple_of(2)) {
            return (place - before.min(escapes), place + 1);
        }
        at = place + 1;
    }
    (bytes.len(), bytes.len())
}

/// Length of the value without quotes that begins at `at`. A sign that ends one
/// may also be a part of it: it ends it where a space, the end, another sign or
/// the next name follows.
pub(super) fn bare_len(bytes: &[u8], at: usize) -> usize {
    let mut end = at;
    while let Some(byte) = bytes.get(end) {
        let ends = match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' | b'`' | b'<' | b'>' => true,
            b'\\' => matches!(
                bytes.get(end + 1),
                Some(b'"' | b'\'' | b'n' | b'r' | b't' | b'\\') | None
            ),
            b';' | b'&' | b',' | b')' | b']' | b'}' | b'|' => is_next(*byte, &bytes[end + 1..]),
            // `&`, `"` and `;` as addresses write them.
            b'%' => matches!(
                bytes.get(end + 1..end + 3),
                Some(b"26" | b"22" | b"3B" | b"3b")
            ),
            _ => false,
        };
        if ends {
            break;
        }
        end += 1;
    }
    end - at
}

/// Whether what comes behind a sign shows that the sign ended the value.
fn is_next(sign: u8, rest: &[u8]) -> bool {
    let Some(first) = rest.first() else {
        return true;
    };
    if matches!(
        first,
        b' ' | b'\t'
            | b'\r'
            | b'\n'
            | b'"'
            | b'\''
            | b'\\'
            | b'<'
            | b'>'
            | b')'
            | b']'
            | b'}'
            | b','
            | b';'
            | b'&'
    ) {
        return true;
    }
    // Names in connection strings have spaces, and a semicolon before them.
    let name = run(rest, 0, |byte| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'_' | b'.' | b'-')
            || byte == b' ' && sign == b';'
    });
    (1..=MAX_NAME_BYTES).contains(&name) && matches!(rest.get(name), Some(b'=' | b':'))
}

/// Length of what goes on to the end of the line, or of the text in quotes that
/// it stands in. Behind a `=` it may have quotes of its own.
pub(super) fn rest_len(bytes: &[u8], at: usize) -> usize {
    let mut end = at;
    while let Some(byte) = bytes.get(end) {
        match byte {
            b'\r' | b'\n' => break,
            b'"' | b'\'' | b'\\' => {
                let escapes = run(bytes, end, |byte| byte == b'\\');
                let quote = bytes.get(end + escapes).copied();
                let is_own = end > at && bytes[end - 1] == b'=' && quote == Some(b'"');
                if !is_own {
                    break;
                }
                end = quote_end(bytes, end + escapes + 1, b'"', escapes).1;
            }
            _ => end += 1,
        }
    }
    end - at
}

/// Length of the run of bytes from `at` on that are `like` it.
pub(super) fn run(bytes: &[u8], at: usize, like: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter()
        .position(|byte| !like(*byte))
        .unwrap_or(rest.len())
}
