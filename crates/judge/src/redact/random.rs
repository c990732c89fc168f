//! Strings that look like chance.
//!
//! A key has no pattern: its letters, capitals and digits follow each other as
//! they come, where words, paths and names change from one to the other seldom.
//! Some strings of chance are no secrets, and people follow faults by them:
//! digests, trace ids, ids of objects. They have forms of their own, or a word
//! that says so stands before them.

use super::Masked;

/// Shortest run of hexadecimal or of small letters and digits that may be a
/// secret by its look alone; ends of pods' names have 5 to 15.
const MIN_PLAIN_BYTES: usize = 24;
/// Digits that such a run has at least: class names have one or two.
const MIN_PLAIN_DIGITS: usize = 4;
/// Letters that it has at least: a time without signs has one or two.
const MIN_PLAIN_LETTERS: usize = 4;
/// Share of its neighbours of which one is a letter and one a digit, at least:
/// hexadecimal has .47, a name with a number behind it less than .1.
const MIN_PLAIN_JOINTS: f64 = 0.2;
/// Shannon entropy that it has at least, in bits a character: hexadecimal of
/// this length has 3.3 or more, words and repeated digits stay below.
const MIN_BITS: f64 = 3.0;

/// Shortest run of capitals, small letters and digits that may be one.
const MIN_MIXED_BYTES: usize = 20;
/// Shortest string of base64 with its signs that may be one.
const MIN_BASE64_BYTES: usize = 32;
/// Share of a run's neighbours that are of different kinds, at least. A capital
/// before a small letter is how words begin and does not count. Chance has .45,
/// names of classes with numbers in them .25 at most.
const MIN_JOINTS: f64 = 0.3;
/// The same of longer strings, in which chance strays less.
const MIN_BASE64_JOINTS: f64 = 0.25;

/// Masks long runs of letters and digits that look random.
pub(super) fn mask(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut masked = Masked::new(text);
    let mut at = 0;
    while at < bytes.len() {
        let token = run_len(bytes, at, in_token);
        if token < MIN_MIXED_BYTES {
            at += token.max(1);
            continue;
        }
        mask_in_token(text, at, at + token, &mut masked);
        at += token;
    }
    masked.finish()
}

/// What a key in base64 consists of, in either alphabet.
fn in_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'_' | b'-')
}

fn in_run(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'+'
}

fn mask_in_token(text: &str, start: usize, end: usize, masked: &mut Masked<'_>) {
    let bytes = text.as_bytes();
    // What fills base64 up belongs to it.
    let filled = |end: usize| end + run_len(bytes, end, |byte| byte == b'=').min(2);
    if looks_base64(&bytes[start..end]) {
        masked.mask(start..filled(end));
        return;
    }
    let mut at = start;
    while at < end {
        let len = run_len(bytes, at, in_run).min(end - at);
        let run = &bytes[at..at + len];
        if looks_random(run) && !is_id(bytes, at, at + len) {
            let tail = tail_len(&bytes[at + len..end]);
            let stop = at + len + tail;
            masked.mask(at..if stop == end { filled(end) } else { stop });
            at = stop;
            continue;
        }
        at += len.max(1);
    }
}

/// How far base64 goes on behind a run: to the end, or to where the words of a
/// path begin.
fn tail_len(rest: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'/', &rest[at..]) {
        let slash = at + found;
        let word = run_len(rest, slash + 1, |byte| byte.is_ascii_lowercase());
        if matches!(rest.get(slash + 1 + word), None | Some(b'/' | b'_' | b'-')) {
            return slash;
        }
        at = slash + 1;
    }
    rest.len()
}

/// Whether a run of letters and digits looks like chance.
fn looks_random(run: &[u8]) -> bool {
    let digits = run.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = run.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let joints = joints(run);
    let is_plain = run.len() >= MIN_PLAIN_BYTES
        && digits >= MIN_PLAIN_DIGITS
        && letters >= MIN_PLAIN_LETTERS
        && joints >= MIN_PLAIN_JOINTS;
    let is_mixed = run.len() >= MIN_MIXED_BYTES && is_mixed(run) && joints >= MIN_JOINTS;
    (is_plain || is_mixed) && bits(run) >= MIN_BITS
}

/// Whether a string is base64 whose signs cut its runs short.
fn looks_base64(token: &[u8]) -> bool {
    let text = token.trim_ascii();
    let signs = text
        .iter()
        .filter(|byte| !byte.is_ascii_alphanumeric())
        .count();
    // Words with dashes or slashes between them have more signs than chance.
    text.len() >= MIN_BASE64_BYTES
        && signs * 8 <= text.len()
        && is_mixed(text)
        && joints(text) >= MIN_BASE64_JOINTS
        && bits(text) > 4.0
}

/// Whether there are capitals, small letters and digits in it.
fn is_mixed(text: &[u8]) -> bool {
    text.iter().any(u8::is_ascii_uppercase)
        && text.iter().any(u8::is_ascii_lowercase)
        && text.iter().any(u8::is_ascii_digit)
}

/// Share of the neighbours in a text, letters and digits, that are of different
/// kinds; 0 without any.
fn joints(text: &[u8]) -> f64 {
    let kind = |byte: u8| match byte {
        b'a'..=b'z' => Some(0),
        b'A'..=b'Z' => Some(1),
        b'0'..=b'9' => Some(2),
        _ => None,
    };
    let (mut all, mut joints) = (0_u32, 0_u32);
    for pair in text.windows(2) {
        if let (Some(first), Some(second)) = (kind(pair[0]), kind(pair[1])) {
            all += 1;
            joints += u32::from(first != second && (first, second) != (1, 0));
        }
    }
    if all == 0 {
        return 0.0;
    }
    f64::from(joints) / f64::from(all)
}

/// Shannon entropy in bits a character.
fn bits(run: &[u8]) -> f64 {
    let mut counts = [0_u32; 128];
    for byte in run {
        counts[usize::from(byte & 0x7f)] += 1;
    }
    let total = run.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / total;
            -share * share.log2()
        })
        .sum()
}

/// Words that say that a digest or an id comes behind them, in small letters.
const ID_WORDS: &[&str] = &[
    "sha1",
    "sha256",
    "sha512",
    "md5",
    "digest",
    "checksum",
    "etag",
    "commit",
    "revision",
    "rev",
    "sha",
    "trace",
    "traceid",
    "trace_id",
    "trace-id",
    "span",
    "spanid",
    "span_id",
    "parentid",
    "parent_id",
    "traceparent",
    "b3",
    "request",
    "requestid",
    "request_id",
    "request-id",
    "reqid",
    "correlation",
    "correlationid",
    "correlation_id",
    "correlation-id",
    "containerd",
    "docker",
    "cri-o",
    "container",
    "containerid",
    "container_id",
    "image",
    "imageid",
    "objectid",
    "layer",
    "build",
    "buildid",
    "build_id",
    "sandbox",
    "block",
    "fingerprint",
];

/// Longest word before an id that is looked at, in bytes.
const MAX_WORD_BYTES: usize = 32;

/// Whether a run is a digest, a trace's id or an object's: hexadecimal, and in
/// a form that says so, or behind a word that does.
fn is_id(bytes: &[u8], start: usize, end: usize) -> bool {
    let run = &bytes[start..end];
    if is_ulid(run) {
        return true;
    }
    if !run.iter().all(u8::is_ascii_hexdigit) {
        return false;
    }
    let is_within_path = bytes[..start].ends_with(b"/") && bytes.get(end) == Some(&b'/');
    is_within_path
        || is_trace_pair(bytes, start, end)
        || is_object_id(run)
        || run.len() == 24 && is_behind_time(&bytes[..start])
        || is_named_id(bytes, start)
}

/// `1-5759e988-`, a trace's time as Amazon writes it.
fn is_behind_time(before: &[u8]) -> bool {
    let time = before.strip_suffix(b"-").unwrap_or_default();
    let digits = time
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    digits == 8 && time[..time.len() - digits].ends_with(b"1-")
}

/// A trace's id of 32 digits beside a span's of 16, as each standard has them:
/// `00-…-…-01`, `…-…-1`, `…:…:0:1`, `[service,…,…]`.
fn is_trace_pair(bytes: &[u8], start: usize, end: usize) -> bool {
    let span = |from: usize| {
        let len = run_len(bytes, from, |byte| byte.is_ascii_hexdigit());
        len == 16 && !bytes.get(from + len).is_some_and(u8::is_ascii_alphanumeric)
    };
    end - start == 32
        && matches!(bytes.get(end), Some(b'-' | b':' | b',' | b'/' | b' '))
        && span(end + 1)
}

/// An object's id in a document store: 24 digits, the first 8 of which are the
/// second when it was made, from 2010 to 2040.
fn is_object_id(run: &[u8]) -> bool {
    let second = std::str::from_utf8(run.get(..8).unwrap_or_default())
        .ok()
        .and_then(|text| u32::from_str_radix(text, 16).ok());
    run.len() == 24
        && run.iter().all(|byte| !byte.is_ascii_uppercase())
        && second.is_some_and(|second| (0x4b3d_3b00..0x83aa_7e80).contains(&second))
}

/// 26 digits of Crockford's base 32, which has no I, L, O and U, of a time from
/// 2016 to 2050.
fn is_ulid(run: &[u8]) -> bool {
    run.len() == 26
        && run.starts_with(b"01")
        && run.iter().all(|byte| {
            byte.is_ascii_digit() || byte.is_ascii_uppercase() && !b"ILOU".contains(byte)
        })
}

/// Whether the word before it, behind signs, says that it is an id.
fn is_named_id(bytes: &[u8], start: usize) -> bool {
    let signs = bytes[..start]
        .iter()
        .rev()
        .take_while(|byte| {
            matches!(
                byte,
                b':' | b'=' | b'"' | b'\'' | b' ' | b'\\' | b'/' | b'-' | b'[' | b'(' | b'@'
            )
        })
        .count();
    let end = start - signs;
    let len = bytes[..end]
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        .count()
        .min(MAX_WORD_BYTES);
    let word = String::from_utf8_lossy(&bytes[end - len..end]).to_ascii_lowercase();
    signs > 0
        && ID_WORDS.iter().any(|id| {
            word.strip_suffix(id)
                .is_some_and(|before| before.is_empty() || before.ends_with(['.', '-', '_']))
        })
}

fn run_len(bytes: &[u8], at: usize, like: impl Fn(u8) -> bool) -> usize {
    super::values::run(bytes, at, like)
}
