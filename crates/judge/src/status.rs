//! The HTTP status that a line shows: the one number that is never masked.

use std::ops::Range;

use crate::scan::in_word;

/// Whether a word is an HTTP method as access logs write it.
pub(crate) fn is_method(word: &[u8]) -> bool {
    matches!(
        word,
        b"GET" | b"POST" | b"PUT" | b"DELETE" | b"PATCH" | b"HEAD" | b"OPTIONS"
    )
}

/// More bytes than a method has.
const MAX_METHOD_BYTES: usize = 8;

/// Whether a key holds an HTTP status.
pub(crate) fn is_status_key(key: &[u8]) -> bool {
    key_is(
        key,
        &[
            "status",
            "code",
            "status_code",
            "statusCode",
            "http_status",
            "httpStatus",
            "response_code",
            "responseCode",
            "http.status_code",
            "http.response.status_code",
            "sc",
            "resp_status",
            "httpStatusCode",
        ],
    )
}

/// Whether `key` is one of `keys`, in any case.
pub(crate) fn key_is(key: &[u8], keys: &[&str]) -> bool {
    keys.iter()
        .any(|known| key.eq_ignore_ascii_case(known.as_bytes()))
}

/// Looks for the HTTP status among the numbers of a line.
///
/// Only numbers of three digits are looked at, and what stands before them
/// only then: most lines have none.
#[derive(Debug, Default)]
pub(crate) struct Status {
    /// First digit of the status; 0 until one is found.
    pub class: u8,
    /// An HTTP method was seen.
    method: bool,
    /// Up to where the text was looked through for a method.
    looked_at: usize,
}

impl Status {
    /// Starts another text of the same event.
    pub(crate) fn next_text(&mut self) {
        self.looked_at = 0;
    }

    /// A number of three digits at `at`, and the word before it.
    pub(crate) fn note_number(&mut self, text: &[u8], at: usize, word_before: Range<usize>) {
        let end = at + 3;
        if self.class != 0 || !(b'1'..=b'5').contains(&text[at]) {
            return;
        }
        let before = at.checked_sub(1).and_then(|at| text.get(at));
        // `500 - blue`: the line begins with the status.
        let leads = at == 0 && text[end..].starts_with(b" - ");
        if leads
            || is_named(before, &text[word_before])
            || is_column(text, at)
            || self.is_after_method(text, at)
        {
            self.class = text[at] - b'0';
        }
    }

    /// The same, where the word before it is not known yet.
    pub(crate) fn note_number_of_line(&mut self, text: &[u8], at: usize) {
        if self.class == 0 {
            self.note_number(text, at, word_before(text, at));
        }
    }

    /// `"GET / HTTP/1.1" 500`, `GET / 500 12ms`.
    fn is_after_method(&mut self, text: &[u8], at: usize) -> bool {
        if text[at] < b'2' || !is_alone(text, at) {
            return false;
        }
        if !self.method && self.looked_at < at {
            self.method = names_method(text, self.looked_at, at);
            self.looked_at = at;
        }
        self.method
    }

    /// A status that is a JSON member's value.
    pub(crate) fn note_value(&mut self, raw: &[u8]) {
        if self.class == 0 && is_status(raw) {
            self.class = raw[0] - b'0';
        }
    }

    /// A JSON member whose value is a method.
    pub(crate) fn note_method(&mut self, raw: &[u8]) {
        self.method = self.method || is_method(raw);
    }
}

/// The word before `at`; empty where it has a digit, as no key has.
fn word_before(text: &[u8], at: usize) -> Range<usize> {
    let head = &text[..at];
    let end = head.iter().rposition(|byte| in_word(*byte));
    let end = end.map_or(0, |last| last + 1);
    let start = head[..end].iter().rposition(|byte| !in_word(*byte));
    let start = start.map_or(0, |before| before + 1);
    if head[start..end].iter().any(u8::is_ascii_digit) {
        return end..end;
    }
    start..end
}

/// Whether a value is an HTTP status by its look.
pub(crate) fn is_status(raw: &[u8]) -> bool {
    raw.len() == 3 && raw.iter().all(u8::is_ascii_digit) && (b'1'..=b'5').contains(&raw[0])
}

/// `status: 500`, `code=500`, `"status":500`.
fn is_named(before: Option<&u8>, word_before: &[u8]) -> bool {
    // All keys of a status begin with one of these letters.
    let may_be = word_before
        .first()
        .is_some_and(|byte| matches!(byte | 0x20, b's' | b'c' | b'h' | b'r'));
    may_be
        && before.is_some_and(|byte| matches!(byte, b'=' | b':' | b' ' | b'"'))
        && is_status_key(word_before)
}

fn is_alone(text: &[u8], at: usize) -> bool {
    let spaced = |byte: Option<&u8>| {
        byte.is_none_or(|byte| matches!(byte, b' ' | b'\t' | b',' | b'|' | b'"'))
    };
    spaced(at.checked_sub(1).and_then(|at| text.get(at))) && spaced(text.get(at + 3))
}

/// `| 500 |`
fn is_column(text: &[u8], at: usize) -> bool {
    text[..at].ends_with(b"| ") && text[at + 3..].starts_with(b" |")
}

/// Whether a method is named in the text from `from` to `to`.
fn names_method(text: &[u8], from: usize, to: usize) -> bool {
    // Each of them has one of these letters, and few lines do.
    memchr::memchr2_iter(b'T', b'D', &text[from..to]).any(|at| {
        let (head, tail) = text.split_at(from + at);
        let start = head.iter().rev().take(MAX_METHOD_BYTES);
        let start = head.len() - start.take_while(|byte| in_word(**byte)).count();
        let end = tail.iter().take(MAX_METHOD_BYTES);
        let end = head.len() + end.take_while(|byte| in_word(**byte)).count();
        is_method(&text[start..end])
    })
}
