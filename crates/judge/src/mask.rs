//! A line → its signature, in one pass over its bytes; and, once per template,
//! a line → its template text.
//!
//! The signature hashes words and delimiters; a word with a digit counts as
//! [`VARIABLE`]. What must not be masked stays: an HTTP status (as its class), a level
//! given as a number or a letter with digits. Two lines with one signature
//! have the same words, so level and kind are found once per signature.

use crate::{json, level};

/// A line's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    /// Hash of what stays.
    pub hash: u64,
    /// First digit of the HTTP status that the line shows; 0 for none.
    pub status_class: u8,
}

/// What a byte is to the one pass.
const WORD: u8 = 0;
const DIGIT: u8 = 1;
const SPACE: u8 = 2;
const DELIMITER: u8 = 3;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [DELIMITER; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        if b.is_ascii_digit() {
            table[byte] = DIGIT;
        } else if b.is_ascii_alphabetic()
            || b >= 0x80
            || matches!(
                b,
                b'_' | b'-' | b'.' | b'$' | b'+' | b'%' | b'#' | b'~' | b'*' | b'\\' | b'@'
            )
        {
            table[byte] = WORD;
        } else if b <= b' ' || b == 0x7f {
            table[byte] = SPACE;
        }
        byte += 1;
    }
    table
}

/// Odd constants of the mixing steps (from the golden ratio and π).
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
const SEED: u64 = 0x2436_f6a8_885a_308d;
/// Stands for a word with a digit.
const MASKED: u64 = 0xa5a5_1234_0f0f_77e1;

#[derive(Clone, Copy)]
struct Hash(u64);

impl Hash {
    fn add(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(23) ^ value).wrapping_mul(MIX);
    }

    fn finish(self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(MIX);
        mixed ^ (mixed >> 29)
    }
}

/// Words between spaces and delimiters that a line is looked at for.
pub(crate) fn signature(line: &[u8]) -> Signature {
    if line.first() == Some(&b'{') {
        return json_signature(line);
    }
    let mut hash = Hash(SEED);
    let mut status = Status::default();
    hash_words(line, &mut hash, &mut status);
    if let Some(letter) = klog_letter(line) {
        hash.add(u64::from(letter));
    }
    hash.add(u64::from(status.class) << 8);
    Signature {
        hash: hash.finish(),
        status_class: status.class,
    }
}

/// `E0102 …`: the letter is part of a word with digits, and is the level.
fn klog_letter(line: &[u8]) -> Option<u8> {
    let klog = line.len() > 5
        && line[0].is_ascii_uppercase()
        && line[5] == b' '
        && line[1..5].iter().all(u8::is_ascii_digit);
    klog.then(|| line[0])
}

/// The pass over the bytes.
fn hash_words(line: &[u8], hash: &mut Hash, status: &mut Status) {
    let mut at = 0;
    while at < line.len() {
        match CLASSES[usize::from(line[at])] {
            SPACE => {
                at += 1;
            }
            DELIMITER => {
                hash.add(u64::from(line[at]));
                at += 1;
            }
            _ => {
                let start = at;
                let mut word = SEED;
                let mut seen = 0;
                while let Some(&byte) = line.get(at) {
                    let class = CLASSES[usize::from(byte)];
                    if class > DIGIT {
                        break;
                    }
                    seen |= class;
                    word = (word ^ u64::from(byte)).wrapping_mul(MIX);
                    at += 1;
                }
                if seen == WORD {
                    hash.add(word);
                    status.note_word(&line[start..at]);
                } else {
                    hash.add(MASKED);
                    status.note_number(line, start, at);
                }
            }
        }
    }
}

/// JSON by its keys, and by the words of those members that tell what
/// happened; the other values may be anything.
fn json_signature(line: &[u8]) -> Signature {
    let mut hash = Hash(!SEED);
    let mut status = Status::default();
    for (key, value) in json::members(line) {
        for byte in key {
            hash.0 = (hash.0 ^ u64::from(*byte)).wrapping_mul(MIX);
        }
        hash.add(1);
        let raw = value.raw();
        if is_status_key(key) {
            status.note_value(raw);
        } else if level::is_level_member(key) {
            for byte in raw {
                hash.add(u64::from(byte.to_ascii_lowercase()));
            }
        } else if is_message_key(key) || is_telling_key(key) {
            hash_words(raw, &mut hash, &mut status);
        }
    }
    hash.add(u64::from(status.class) << 8);
    Signature {
        hash: hash.finish(),
        status_class: status.class,
    }
}

fn key_is(key: &[u8], keys: &[&str]) -> bool {
    keys.iter()
        .any(|known| key.eq_ignore_ascii_case(known.as_bytes()))
}

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
fn is_telling_key(key: &[u8]) -> bool {
    key_is(
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

/// Looks for the HTTP status among the numbers of a line.
#[derive(Debug, Default)]
struct Status {
    class: u8,
    /// The last word was a key of a status (`status:`, `code=`).
    key: bool,
    /// An HTTP method was seen, then nothing that could be the status.
    method: bool,
}

impl Status {
    fn note_word(&mut self, word: &[u8]) {
        if self.class != 0 {
            return;
        }
        // All keys of a status begin with one of these letters.
        let may_be = matches!(word[0] | 0x20, b's' | b'c' | b'h' | b'r');
        self.key = may_be && (2..=28).contains(&word.len()) && is_status_key(word);
        self.method = self.method || is_method(word);
    }

    /// A word with a digit from `start` to `end`.
    fn note_number(&mut self, line: &[u8], start: usize, end: usize) {
        let key = std::mem::take(&mut self.key);
        if self.class != 0
            || end - start != 3
            || !line[start..end].iter().all(u8::is_ascii_digit)
            || !(b'1'..=b'5').contains(&line[start])
        {
            return;
        }
        let spaced = |byte: Option<&u8>| {
            byte.is_none_or(|byte| matches!(byte, b' ' | b'\t' | b',' | b'|' | b'"'))
        };
        let before = start.checked_sub(1).and_then(|at| line.get(at));
        let alone = spaced(before) && spaced(line.get(end));
        // `500 - blue`: the line begins with the status.
        let leads = start == 0 && line[end..].starts_with(b" - ");
        // `status: 500`, `code=500`, `"status":500`.
        let named = key && before.is_some_and(|byte| matches!(byte, b'=' | b':' | b' ' | b'"'));
        // `"GET / HTTP/1.1" 500`, `GET / 500 12ms`, `| 500 |`.
        let after_method = self.method && alone && line[start] >= b'2';
        let column = alone && line[..start].ends_with(b"| ") && line[end..].starts_with(b" |");
        if leads || named || after_method || column {
            self.class = line[start] - b'0';
        }
    }

    /// A status that is a JSON member's value.
    fn note_value(&mut self, raw: &[u8]) {
        let plausible =
            raw.len() == 3 && raw.iter().all(u8::is_ascii_digit) && (b'1'..=b'5').contains(&raw[0]);
        if self.class == 0 && plausible {
            self.class = raw[0] - b'0';
        }
    }
}

/// Whether a word is an HTTP method as access logs write it.
pub(crate) fn is_method(word: &[u8]) -> bool {
    matches!(
        word,
        b"GET" | b"POST" | b"PUT" | b"DELETE" | b"PATCH" | b"HEAD" | b"OPTIONS"
    )
}

/// What stands for a variable part in a template's text.
pub(crate) const VARIABLE: &str = "<*>";

/// Longest template text in bytes.
const MAX_TEXT_BYTES: usize = 400;
/// Chunks of a template: what follows tells nothing new.
const MAX_CHUNKS: usize = 48;

/// The template text of a (redacted) line: words with digits become [`VARIABLE`], the
/// spaces between chunks become one. JSON becomes its message and its keys.
pub(crate) fn template(line: &str) -> String {
    let mut text = String::new();
    if line.starts_with('{') {
        json_template(line, &mut text);
    } else {
        mask_into(line, &mut text);
    }
    clip(&mut text);
    text
}

fn clip(text: &mut String) {
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

fn mask_into(line: &str, text: &mut String) {
    let bytes = line.as_bytes();
    let mut at = 0;
    let mut status = Status::default();
    while at < bytes.len() && text.len() <= MAX_TEXT_BYTES {
        let class = CLASSES[usize::from(bytes[at])];
        let start = at;
        if class == SPACE {
            while at < bytes.len() && CLASSES[usize::from(bytes[at])] == SPACE {
                at += 1;
            }
            if !text.is_empty() && at < bytes.len() {
                text.push(' ');
            }
        } else if class == DELIMITER {
            at += 1;
            text.push(char::from(bytes[start]));
        } else {
            while at < bytes.len() && CLASSES[usize::from(bytes[at])] <= DIGIT {
                at += 1;
            }
            let word = &line[start..at];
            if !word.bytes().any(|byte| byte.is_ascii_digit()) {
                status.note_word(word.as_bytes());
                text.push_str(word);
                continue;
            }
            let before = status.class;
            status.note_number(bytes, start, at);
            if status.class != before {
                // Statuses of one class are one template.
                text.push(char::from(b'0' + status.class));
                text.push_str("xx");
            } else if start == 0 && klog_letter(bytes).is_some() {
                text.push_str(&line[..1]);
                text.push_str(VARIABLE);
            } else if !text.ends_with(VARIABLE) {
                text.push_str(VARIABLE);
            }
        }
    }
}

fn json_template(line: &str, text: &mut String) {
    let mut keys = Vec::new();
    let mut level_word = String::new();
    for (key, value) in json::members(line.as_bytes()) {
        let raw = json::unescape(value.raw());
        let raw = String::from_utf8_lossy(&raw);
        let key_text = String::from_utf8_lossy(key).into_owned();
        if level::is_level_member(key) {
            level_word = raw.to_ascii_uppercase();
        } else if is_message_key(key) && text.is_empty() {
            mask_into(&raw, text);
        } else if is_status_key(key)
            && raw.len() == 3
            && raw.bytes().all(|byte| byte.is_ascii_digit())
        {
            keys.push(format!("{key_text}={}xx", &raw[..1]));
        } else if is_telling_key(key) && !matches!(value, json::Value::Nested(_)) {
            let mut masked = String::new();
            mask_into(&raw, &mut masked);
            keys.push(format!("{key_text}={}", masked.replace(' ', "_")));
        } else {
            keys.push(key_text);
        }
    }
    if !level_word.is_empty() {
        text.insert_str(0, &format!("{level_word} "));
    }
    text.push_str(" {");
    text.push_str(&keys.join(" "));
    text.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        signature(a.as_bytes()) == signature(b.as_bytes())
    }

    #[test]
    fn numbers_are_masked_words_are_not() {
        assert!(same("took 12 ms for user 7", "took 3456 ms for user 89"));
        assert!(same(
            "from 10.0.0.1:80 id=ab12",
            "from 192.168.4.5:8080 id=ff09"
        ));
        assert!(!same("took 12 ms", "spent 12 ms"));
        assert!(same(
            r#"{"level":"info","msg":"done in 5ms","user":"bob"}"#,
            r#"{"level":"info","msg":"done in 7ms","user":"alice smith"}"#
        ));
        assert!(!same(
            r#"{"level":"info","msg":"done"}"#,
            r#"{"level":"error","msg":"done"}"#
        ));
        assert!(!same(
            r#"{"level":30,"msg":"done"}"#,
            r#"{"level":50,"msg":"done"}"#
        ));
        assert!(!same(
            "E0102 03:04:05.6 1 a.go:1] x",
            "I0102 03:04:05.6 1 a.go:1] x"
        ));
    }

    #[test]
    fn lesson_1_http_status_is_never_masked() {
        assert!(!same("500 - yellow", "200 - yellow"));
        assert!(same("500 - yellow", "503 - yellow"));
        let cases: &[(&str, u8)] = &[
            ("500 - blue (1.000000s)", 5),
            (
                r#"10.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.1" 404 2326 "-" "curl/8""#,
                4,
            ),
            (
                r#"10.0.20.36 "GET /v2.1/servers HTTP/1.1" status: 500 len: 1916 time: 0.3"#,
                5,
            ),
            ("level=info method=GET path=/x status=502 dur=250ms", 5),
            (r#"{"msg":"request","path":"/x","status":503,"ms":200}"#, 5),
            (r#"{"msg":"request","statusCode":"201"}"#, 2),
            (
                "[GIN] 2026/01/02 - 03:04:05 | 500 | 1.2ms | 10.0.0.1 | GET \"/x\"",
                5,
            ),
            ("GET /users 200 12.3 ms - 512", 2),
            ("started 500 workers", 0),
            ("took 404 ms", 0),
        ];
        for (line, class) in cases {
            assert_eq!(signature(line.as_bytes()).status_class, *class, "{line}");
        }
    }

    #[test]
    fn templates_read_well() {
        let cases: &[(&str, &str)] = &[
            ("500 - blue (1.000000s)", "5xx - blue (<*>)"),
            ("took 12 ms  for user=7", "took <*> ms for user=<*>"),
            (
                "2018-09-29 01:32:32.458 27096 DEBUG nova [req-1 2 - -] x",
                "<*> <*>:<*>:<*> <*> DEBUG nova [<*> <*> - -] x",
            ),
            (
                r#"{"level":"error","msg":"no user 7","id":"x","status":500}"#,
                "ERROR no user <*> {id status=5xx}",
            ),
            (
                "E0102 03:04:05.678901       1 a.go:12] x",
                "E<*> <*>:<*>:<*> <*> a.go:<*>] x",
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
            assert!(same(a, b), "{a} / {b}");
            assert_eq!(template(a), template(b));
        }
    }
}
