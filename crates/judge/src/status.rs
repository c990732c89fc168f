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

/// Whether a key holds an HTTP status: `status`, `statusCode`,
/// `http.response.status_code`, `DownstreamStatus`; not `exit_status`.
pub(crate) fn is_status_key(key: &[u8]) -> bool {
    const ENDS: [&[u8]; 5] = [
        b"status",
        b"statuscode",
        b"responsecode",
        b"rspcode",
        b"httpcode",
    ];
    const WHOSE: [&[u8]; 14] = [
        b"",
        b"http",
        b"httpresponse",
        b"httpresp",
        b"resp",
        b"res",
        b"response",
        b"downstream",
        b"origin",
        b"upstream",
        b"server",
        b"request",
        b"elb",
        b"target",
    ];
    if key.eq_ignore_ascii_case(b"code") || key.eq_ignore_ascii_case(b"sc") {
        return true;
    }
    // Most keys end otherwise.
    let end = key.last_chunk().map(|[a, b]| [a | 0x20, b | 0x20]);
    if !matches!(end, Some([b'u', b's'] | [b'd', b'e'])) {
        return false;
    }
    let mut plain = [0; MAX_STATUS_KEY_BYTES];
    let Some(name) = plainly(key, &mut plain) else {
        return false;
    };
    ENDS.iter().any(|end| {
        name.strip_suffix(*end)
            .is_some_and(|whose| WHOSE.contains(&whose))
    })
}

/// Longest key that is looked at.
const MAX_STATUS_KEY_BYTES: usize = 32;

/// A key in small letters, without the signs that some put between words;
/// `None` where it is too long.
pub(crate) fn plainly<'a, const MAX: usize>(
    key: &[u8],
    plain: &'a mut [u8; MAX],
) -> Option<&'a [u8]> {
    let mut len = 0;
    for byte in key
        .iter()
        .filter(|byte| !matches!(byte, b'_' | b'.' | b'-'))
    {
        *plain.get_mut(len)? = byte.to_ascii_lowercase();
        len += 1;
    }
    Some(&plain[..len])
}

/// Whether a key holds the status of a remote call.
pub(crate) fn is_grpc_key(key: &[u8]) -> bool {
    key_is(key, &["grpc.code", "grpc_code", "grpcCode", "grpc.status"])
}

/// The class that a remote call's status would have as HTTP's: what the server
/// is to blame for, and what the client is (the mapping of gRPC's status codes
/// to HTTP's).
pub(crate) fn grpc_class(name: &[u8]) -> u8 {
    match name {
        b"OK" => 2,
        b"Unknown" | b"DeadlineExceeded" | b"Unimplemented" | b"Internal" | b"Unavailable"
        | b"DataLoss" | b"UNKNOWN" | b"DEADLINE_EXCEEDED" | b"UNIMPLEMENTED" | b"INTERNAL"
        | b"UNAVAILABLE" | b"DATA_LOSS" => 5,
        _ if name.first().is_some_and(u8::is_ascii_uppercase) => 4,
        _ => 0,
    }
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
            || is_after_verb(text, at)
            || self.is_after_method(text, at)
            || is_before_request(text, at)
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
        // The port of a site, in logs with a column for it.
        let port = &text[at..at + 3] == b"443";
        if text[at] < b'2' || port || !is_alone(text, at) {
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

    /// What a remote call's status says.
    pub(crate) fn note_grpc(&mut self, raw: &[u8]) {
        if self.class == 0 {
            self.class = grpc_class(raw);
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

/// `Completed 500 Internal Server Error in 12ms`, `Sent 200 in 12ms`: a verb of
/// answering before it, and behind it how long that took.
pub(crate) fn is_after_verb(text: &[u8], at: usize) -> bool {
    const VERBS: [&[u8]; 6] = [
        b"completed",
        b"sent",
        b"responded",
        b"returned",
        b"answered",
        b"finished",
    ];
    let Some(before) = at.checked_sub(1).filter(|before| text[*before] == b' ') else {
        return false;
    };
    let word = word_before(text, before);
    let verb = &text[word];
    if !is_alone(text, at) || !VERBS.iter().any(|known| verb.eq_ignore_ascii_case(known)) {
        return false;
    }
    let rest = &text[at + 3..];
    let rest = &rest[..rest.len().min(MAX_REASON_BYTES)];
    memchr::memmem::find(rest, b" in ")
        .and_then(|found| rest.get(found + 4))
        .is_some_and(u8::is_ascii_digit)
}

/// Longest reason phrase between a status and how long the answer took.
const MAX_REASON_BYTES: usize = 48;

/// `… 200 366 "GET https://shop/ HTTP/2.0" …`: proxies that write the request
/// itself behind what they measured of it.
fn is_before_request(text: &[u8], at: usize) -> bool {
    text[at] >= b'2'
        && is_alone(text, at)
        && text.get(at + 3) == Some(&b' ')
        && text.get(at + 4).is_some_and(|byte| byte.is_ascii_digit())
        && memchr::memchr_iter(b'"', &text[at..]).any(|quote| {
            let request = &text[at + quote + 1..];
            let end = request
                .iter()
                .take(MAX_METHOD_BYTES)
                .position(|byte| *byte == b' ');
            end.is_some_and(|end| is_method(&request[..end]))
        })
}

/// Whether a method is named in the text from `from` to `to`.
pub(crate) fn names_method(text: &[u8], from: usize, to: usize) -> bool {
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
