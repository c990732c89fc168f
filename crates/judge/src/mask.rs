//! A line → its template text, once per signature.

use crate::scan::{BLOCK_BYTES, CLASSES, Class, in_word};
use crate::status::{self, Status, key_is};
use crate::{access, json, level};

/// Whether a key holds the event's text.
pub(crate) fn is_message_key(key: &[u8]) -> bool {
    key_is(
        key,
        &[
            "msg",
            "message",
            "@m",
            "@mt",
            "@message",
            "event",
            "text",
            "log",
            "short_message",
            "MESSAGE",
        ],
    )
}

/// Keys whose values distinguish events besides the message.
pub(crate) fn is_telling_key(key: &[u8]) -> bool {
    is_request_key(key)
        || key_is(
            key,
            &[
                "error",
                "err",
                "exception",
                "logger",
                "logger_name",
                "@x",
                "path",
                "uri",
                "url",
                "method",
                "http_method",
                "request",
                "user_agent",
                "userAgent",
                "http_user_agent",
                "user-agent",
                "ua",
                "exc_info",
                "stack_trace",
                "stack",
                "kind",
                "type",
                "reason",
            ],
        )
}

/// Keys within a nested object whose values tell requests apart.
pub(crate) fn is_request_key(key: &[u8]) -> bool {
    access::is_path_key(key)
        || key_is(
            key,
            &[
                "method",
                "http.method",
                "requestMethod",
                "user_agent",
                "userAgent",
                "user-agent",
            ],
        )
}

/// What stands for a variable part in a template's text.
pub(crate) const VARIABLE: &str = "<*>";

/// Longest template text in bytes.
const MAX_TEXT_BYTES: usize = 400;
/// Room for the piece that goes past the end, before it is cut.
const ROOM_BYTES: usize = 32;
/// Chunks of a template: what follows tells nothing new.
const MAX_CHUNKS: usize = 48;

/// The template text of a (redacted) line: words with digits become [`VARIABLE`], the
/// spaces between chunks become one. JSON becomes its message and its keys.
pub(crate) fn template(line: &str) -> String {
    let mut text = String::with_capacity(line.len().min(MAX_TEXT_BYTES) + ROOM_BYTES);
    if line.starts_with('{') {
        json_template(line, &mut text);
    } else {
        mask_into(line, &mut text);
    }
    clip(&mut text);
    // It may be kept for as long as the log is read.
    text.shrink_to_fit();
    text
}

fn clip(text: &mut String) {
    let spaces = text.bytes().filter(|byte| *byte == b' ').count();
    if spaces < MAX_CHUNKS && text.len() <= MAX_TEXT_BYTES {
        return;
    }
    let chunk_end = text
        .match_indices(' ')
        .nth(MAX_CHUNKS - 1)
        .map_or(text.len(), |(at, _)| at);
    let mut end = chunk_end.min(MAX_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

/// How many bytes of a word with digits stay, from its first on; 0 when all of
/// it is a variable. `digits` are the places of its digits, a bit a byte.
///
/// A number that ends the word leaves the name before it (`core.1234`,
/// `node-12`); a single digit right behind a letter is a part of the name
/// (`ssh2`, `eth1`, `SOCKS5`). Anything else with digits is an identifier.
pub(crate) fn kept(word: &[u8], digits: u64) -> usize {
    let head = digits.trailing_zeros() as usize;
    let count = digits.count_ones() as usize;
    if head < MIN_NAME_BYTES || head + count != word.len() || word.len() > MAX_NAME_BYTES {
        return 0;
    }
    match word[head - 1] {
        b'-' | b'.' if word[head - 2].is_ascii_alphabetic() => head,
        byte if byte.is_ascii_alphabetic() && count == 1 => word.len(),
        _ => 0,
    }
}

/// Shortest name before a number: `v1` and `x-1` are none.
pub(crate) const MIN_NAME_BYTES: usize = 2;

/// Longest word that is looked into.
const MAX_NAME_BYTES: usize = BLOCK_BYTES - 1;

/// The places of a word's digits; `None` when it has none.
pub(crate) fn digits_of(word: &[u8]) -> Option<u64> {
    if !word.iter().any(u8::is_ascii_digit) {
        return None;
    }
    let places = word.iter().enumerate();
    let digits = places
        .filter(|(_, byte)| byte.is_ascii_digit())
        .fold(0_u64, |digits, (place, _)| {
            digits | 1 << place.min(MAX_NAME_BYTES)
        });
    Some(digits)
}

/// `E0102 …`: the letter is part of a word with digits, and is the level.
pub(crate) fn klog_letter(line: &[u8]) -> Option<u8> {
    let klog = line.len() > 5
        && line[0].is_ascii_uppercase()
        && line[5] == b' '
        && line[1..5].iter().all(u8::is_ascii_digit);
    klog.then(|| line[0])
}

fn mask_into(line: &str, text: &mut String) {
    let mut masker = Masker {
        line,
        at: 0,
        word_before: 0..0,
        status: Status::default(),
    };
    while masker.at < line.len() && text.len() <= MAX_TEXT_BYTES {
        masker.piece(text);
    }
}

/// A line on its way to its template text.
struct Masker<'a> {
    line: &'a str,
    at: usize,
    word_before: std::ops::Range<usize>,
    status: Status,
}

impl Masker<'_> {
    /// The next word, sign, run of spaces, path or address.
    fn piece(&mut self, text: &mut String) {
        let bytes = self.line.as_bytes();
        let start = self.at;
        match CLASSES[usize::from(bytes[start])] {
            Class::Space => {
                self.at += run(bytes, start, |byte| {
                    CLASSES[usize::from(byte)] == Class::Space
                });
                if !text.is_empty() && self.at < bytes.len() {
                    text.push(' ');
                }
            }
            Class::Delimiter => {
                if start > 0 && bytes[start - 1..].starts_with(b"://") {
                    // The scheme tells what is called, the rest where.
                    text.push_str("//");
                    self.at += 2;
                }
                let place = if self.at > start {
                    run(bytes, self.at, |byte| {
                        in_place(byte) || matches!(byte, b':' | b'=')
                    })
                } else {
                    place_len(bytes, start, &bytes[self.word_before.clone()])
                };
                if place > 0 {
                    self.at += place;
                    self.word_before = self.at..self.at;
                    push_variable(text);
                } else if self.at == start {
                    self.at += 1;
                    text.push(char::from(bytes[start]));
                }
            }
            Class::Word | Class::Digit => {
                self.at += run(bytes, start, in_word);
                self.word(start..self.at, text);
            }
        }
    }

    fn word(&mut self, at: std::ops::Range<usize>, text: &mut String) {
        let bytes = self.line.as_bytes();
        let word = &bytes[at.clone()];
        let Some(digits) = digits_of(word) else {
            self.word_before = at.clone();
            let rest = &bytes[at.end..];
            if is_date_word(word, rest, text) || is_host(word, rest) || is_hex_pair(word, text) {
                push_variable(text);
            } else {
                text.push_str(&self.line[at]);
            }
            return;
        };
        let before = self.status.class;
        if word.len() == 3 && word.iter().all(u8::is_ascii_digit) {
            self.status
                .note_number(bytes, at.start, self.word_before.clone());
        }
        self.word_before = at.end..at.end;
        if self.status.class != before {
            // Statuses of one class are one template.
            text.push(char::from(b'0' + self.status.class));
            text.push_str("xx");
            return;
        }
        let kept = if at.start == 0 && klog_letter(bytes).is_some() {
            1
        } else {
            kept(word, digits)
        };
        text.push_str(&self.line[at.start..at.start + kept]);
        if kept < word.len() {
            push_variable(text);
            if word.last() == Some(&b'.') {
                text.push('.');
            }
        }
    }
}

/// Length of the run of bytes from `at` on that are `like` the first.
fn run(bytes: &[u8], at: usize, like: impl Fn(u8) -> bool) -> usize {
    bytes[at..]
        .iter()
        .position(|byte| !like(*byte))
        .unwrap_or(bytes.len() - at)
}

/// Several variables in a row (the parts of a time, an address, a list) are
/// one: how many there are says nothing.
fn push_variable(text: &mut String) {
    for between in ["", " ", ":", "."] {
        if text
            .strip_suffix(between)
            .is_some_and(|before| before.ends_with(VARIABLE))
        {
            text.truncate(text.len() - between.len());
            return;
        }
    }
    text.push_str(VARIABLE);
}

/// Length of the path, or of what follows a URL's scheme, that begins at `at`;
/// 0 where none begins.
///
/// What a request asks for stays: it tells requests apart.
fn place_len(bytes: &[u8], at: usize, word_before: &[u8]) -> usize {
    let begins = at.checked_sub(1).is_none_or(|before| {
        matches!(
            bytes[before],
            b' ' | b'\t' | b'"' | b'\'' | b'(' | b'[' | b'<' | b'=' | b':' | b',' | b'/'
        )
    });
    let asked = status::is_method(word_before) || key_is(word_before, REQUEST_KEYS);
    if !begins || asked || !matches!(bytes[at], b'/' | b'\\') {
        return 0;
    }
    // `C:\dir` goes on behind its drive.
    let drive = bytes[at] == b'\\' && bytes[..at].ends_with(b":");
    if bytes[at] == b'\\' && !drive || !bytes.get(at + 1).copied().is_some_and(starts_place) {
        return 0;
    }
    let len = run(bytes, at, in_place);
    // A full stop or a dash ends the sentence, not the path.
    let signs = bytes[at..at + len]
        .iter()
        .rev()
        .take_while(|byte| matches!(byte, b'.' | b'-'))
        .count();
    len - signs
}

/// Signs of paths and URLs, besides words.
fn in_place(byte: u8) -> bool {
    in_word(byte)
        || matches!(
            byte,
            b'/' | b'\\' | b'~' | b'+' | b'%' | b'@' | b'#' | b'$' | b'*' | b'&' | b'?' | b'!'
        )
}

fn starts_place(byte: u8) -> bool {
    in_word(byte) || byte == b'/'
}

/// Keys whose values are what a request asks for.
const REQUEST_KEYS: &[&str] = &[
    "path", "uri", "url", "request", "route", "endpoint", "resource", "target",
];

/// A month beside a number, a weekday before a month.
fn is_date_word(word: &[u8], rest: &[u8], text: &str) -> bool {
    const MONTHS: [&[u8]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    const DAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
    if word.len() != 3 || !word[0].is_ascii_uppercase() {
        return false;
    }
    let next = rest.trim_ascii_start();
    if MONTHS.contains(&word) {
        return next.first().is_some_and(u8::is_ascii_digit)
            || text.trim_end_matches([' ', '/']).ends_with(VARIABLE);
    }
    let next = next.strip_prefix(b",").unwrap_or(next).trim_ascii_start();
    DAYS.contains(&word)
        && (next.first().is_some_and(u8::is_ascii_digit)
            || MONTHS.iter().any(|month| next.starts_with(month)))
}

/// A host's name: it ends as names of the internet or of a cluster do, or it
/// has three labels and a port behind it.
fn is_host(word: &[u8], rest: &[u8]) -> bool {
    const ENDS: [&[u8]; 12] = [
        b".com",
        b".org",
        b".net",
        b".edu",
        b".gov",
        b".mil",
        b".io",
        b".dev",
        b".local",
        b".internal",
        b".svc",
        b".lan",
    ];
    if memchr::memchr(b'.', word).is_none() {
        return false;
    }
    let name = word.strip_suffix(b".").unwrap_or(word);
    let dots = name.iter().filter(|byte| **byte == b'.').count();
    if dots == 0 || name.starts_with(b".") {
        return false;
    }
    ENDS.iter().any(|end| name.ends_with(end))
        || dots >= 2 && matches!(rest, [b':', digit, ..] if digit.is_ascii_digit())
}

/// Two letters of an address such as `00:11:43:e3:ba:c3`.
fn is_hex_pair(word: &[u8], text: &str) -> bool {
    word.len() == 2 && word.iter().all(u8::is_ascii_hexdigit) && text.ends_with("<*>:")
}

fn json_template(line: &str, text: &mut String) {
    let mut keys = Vec::new();
    let mut level_word = String::new();
    for (key, value) in json::members(line.as_bytes()) {
        let raw = json::unescape(value.raw());
        let raw = String::from_utf8_lossy(&raw);
        let key_text = String::from_utf8_lossy(key).into_owned();
        if let Some(level) = level::level_value(key, value) {
            level_word = String::from_utf8_lossy(level.raw()).to_ascii_uppercase();
        } else if is_message_key(key) && text.is_empty() {
            mask_into(&raw, text);
        } else if status::is_status_key(key) && status::is_status(raw.as_bytes()) {
            keys.push(format!("{key_text}={}xx", &raw[..1]));
        } else if is_telling_key(key) && !matches!(value, json::Value::Nested(_)) {
            let mut masked = String::new();
            mask_into(&raw, &mut masked);
            keys.push(format!("{key_text}={}", masked.replace(' ', "_")));
        } else if let json::Value::Nested(object) = value {
            keys.push(key_text);
            push_request(object, &mut keys);
        } else {
            keys.push(key_text);
        }
    }
    if !level_word.is_empty() {
        text.insert_str(0, &format!("{level_word} "));
    }
    // In what order a library writes them says nothing.
    keys.sort_unstable();
    text.push_str(" {");
    text.push_str(&keys.join(" "));
    text.push('}');
}

/// What an object within the event says of a request.
fn push_request(object: &[u8], keys: &mut Vec<String>) {
    json::visit(object, &mut |key, value| {
        if matches!(value, json::Value::Nested(_)) || !is_request_key(key) {
            return;
        }
        let mut masked = String::new();
        mask_into(&String::from_utf8_lossy(value.raw()), &mut masked);
        let key = String::from_utf8_lossy(key);
        keys.push(format!("{key}={}", masked.replace(' ', "_")));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::signature;

    #[test]
    fn templates_read_well() {
        let cases: &[(&str, &str)] = &[
            ("500 - blue (1.000000s)", "5xx - blue (<*>)"),
            ("took 12 ms  for user=7", "took <*> ms for user=<*>"),
            (
                "2018-09-29 01:32:32.458 27096 DEBUG nova [req-1 2 - -] x",
                "<*> DEBUG nova [req-<*> - -] x",
            ),
            (
                r#"{"level":"error","msg":"no user 7","id":"x","status":500}"#,
                "ERROR no user <*> {id status=5xx}",
            ),
            ("read /var/lib/x.db, 7 rows", "read <*>, <*> rows"),
            ("wrote C:\\Windows\\x.dll (ok).", "wrote C:<*> (ok)."),
            ("from hdfs://node:9000/a/b done", "from hdfs://<*> done"),
            (
                "GET /users/12/items 200 3 ms",
                "GET /users/<*>/items 2xx <*> ms",
            ),
            (
                "method=GET path=/users status=200",
                "method=GET path=/users status=2xx",
            ),
            ("at Fri Jun 17 07:07:00 2005.", "at <*>."),
            ("Jun 14 15:16:01 combo sshd", "<*> combo sshd"),
            (
                "reach www.example.com:443 or a.b.c.d:80",
                "reach <*> or <*>",
            ),
            ("lease 00:11:43:e3:ba:c3 to eth1", "lease <*> to eth1"),
            ("wrote core.1234 of node-12.", "wrote core.<*> of <*>."),
            ("org.acme.Users failed", "org.acme.Users failed"),
            (
                "E0102 03:04:05.678901       1 a.go:12] x",
                "E<*> a.go:<*>] x",
            ),
        ];
        for (line, text) in cases {
            assert_eq!(template(line), *text, "{line}");
        }
    }

    #[test]
    fn lines_of_one_signature_have_one_template() {
        let pairs = [
            ("x=1,2 y", "x=3,4 y"),
            ("GET /a 200 1 ms", "GET /a 204 22 ms"),
        ];
        for (a, b) in pairs {
            assert_eq!(
                signature(a.as_bytes()),
                signature(b.as_bytes()),
                "{a} / {b}"
            );
            assert_eq!(template(a), template(b));
        }
    }
}
