//! A line → its template text, once per signature.

use crate::scan::{CLASSES, Class, in_word};
use crate::status::{self, Status, key_is};
use crate::{json, level};

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

/// How many bytes of a word with digits stay, from its first on; 0 when all of
/// it is a variable. `digits` are the places of its digits, a bit a byte.
///
/// A number that ends the word leaves the name before it (`core.1234`,
/// `node-12`); a single digit right behind a letter is a part of the name
/// (`ssh2`, `eth1`, `SOCKS5`). Anything else with digits is an identifier.
pub(crate) fn kept(word: &[u8], digits: u64) -> usize {
    let head = digits.trailing_zeros() as usize;
    let count = digits.count_ones() as usize;
    if head < MIN_NAME_BYTES || head + count != word.len() {
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
const MAX_NAME_BYTES: usize = 63;

/// The places of a word's digits; `None` when it has none.
fn digits_of(word: &[u8]) -> Option<u64> {
    let places = word.iter().enumerate();
    let digits = places
        .filter(|(_, byte)| byte.is_ascii_digit())
        .fold(0_u64, |digits, (place, _)| {
            digits | 1 << place.min(MAX_NAME_BYTES)
        });
    (digits != 0).then_some(digits)
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
    let bytes = line.as_bytes();
    let mut at = 0;
    let mut status = Status::default();
    let mut word_before = 0..0;
    while at < bytes.len() && text.len() <= MAX_TEXT_BYTES {
        let start = at;
        let class = CLASSES[usize::from(bytes[at])];
        if class == Class::Space {
            while at < bytes.len() && CLASSES[usize::from(bytes[at])] == Class::Space {
                at += 1;
            }
            if !text.is_empty() && at < bytes.len() {
                text.push(' ');
            }
        } else if class == Class::Delimiter {
            at += 1;
            text.push(char::from(bytes[start]));
        } else {
            while at < bytes.len() && in_word(bytes[at]) {
                at += 1;
            }
            let word = &bytes[start..at];
            let Some(digits) = digits_of(word) else {
                word_before = start..at;
                text.push_str(&line[start..at]);
                continue;
            };
            let before = status.class;
            if word.len() == 3 && word.iter().all(u8::is_ascii_digit) {
                status.note_number(bytes, start, word_before);
            }
            word_before = at..at;
            if status.class != before {
                // Statuses of one class are one template.
                text.push(char::from(b'0' + status.class));
                text.push_str("xx");
                continue;
            }
            let kept = if word.len() > MAX_NAME_BYTES {
                0
            } else if start == 0 && klog_letter(bytes).is_some() {
                1
            } else {
                kept(word, digits)
            };
            text.push_str(&line[start..start + kept]);
            if kept < word.len() {
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
        } else if status::is_status_key(key) && status::is_status(raw.as_bytes()) {
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
    use crate::signature::signature;

    #[test]
    fn templates_read_well() {
        let cases: &[(&str, &str)] = &[
            ("500 - blue (1.000000s)", "5xx - blue (<*>)"),
            ("took 12 ms  for user=7", "took <*> ms for user=<*>"),
            (
                "2018-09-29 01:32:32.458 27096 DEBUG nova [req-1 2 - -] x",
                "<*> <*>:<*>:<*> <*> DEBUG nova [req-<*> <*> - -] x",
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
            assert_eq!(
                signature(a.as_bytes()),
                signature(b.as_bytes()),
                "{a} / {b}"
            );
            assert_eq!(template(a), template(b));
        }
    }
}
