//! A line → its signature, in one pass over its bytes.
//!
//! The signature hashes words and what stands between them; a word with a
//! digit counts as a variable. What must not be masked stays: an HTTP status
//! (as its class), a level given as a number or a letter with digits. Two lines
//! with one signature have the same words, so template, level and kind are
//! found once per signature.

use crate::scan::{self, BLOCK_BYTES, CLASSES, Class};
use crate::status::{self, Status};
use crate::{json, level, mask};

/// A line's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    /// Hash of what stays.
    pub hash: u64,
    /// First digit of the HTTP status that the line shows; 0 for none.
    pub status_class: u8,
}

/// Odd constants of the mixing steps. The first two have bytes that no word
/// has, so that no word makes a factor zero, which would hide the other.
const FIRST: u64 = 0x2c2c_f6a8_885a_302c;
const LAST: u64 = 0x2c9a_7c15_9e37_792c;
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
const SEED: u64 = 0x2436_f6a8_885a_308d;
/// Stands for a word with a digit.
const MASKED: u64 = 0xa5a5_1234_0f0f_77e1;

#[derive(Clone, Copy)]
struct Hash(u64);

impl Hash {
    #[inline]
    fn add(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(23) ^ value).wrapping_mul(MIX);
    }

    fn finish(self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(MIX);
        mixed ^ (mixed >> 29)
    }
}

/// The product's two halves, folded.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

/// The signature of a line, or of what follows the time it begins with.
pub(crate) fn signature(line: &[u8]) -> Signature {
    if line.first() == Some(&b'{') {
        return json_signature(line);
    }
    let mut hash = Hash(SEED);
    let mut status = Status::default();
    hash_words(line, &mut hash, &mut status);
    if let Some(letter) = mask::klog_letter(line) {
        hash.add(u64::from(letter));
    }
    hash.add(u64::from(status.class) << 8);
    Signature {
        hash: hash.finish(),
        status_class: status.class,
    }
}

/// The pass over the bytes: block by block, word by word.
fn hash_words(text: &[u8], hash: &mut Hash, status: &mut Status) {
    status.next_text();
    // Where the block begins; where the last word ended; the last word.
    let (mut base, mut done) = (0, 0);
    let mut before = 0..0;
    while base < text.len() {
        let block = scan::block(text, base);
        let mut words = block.words;
        let mut next = base + BLOCK_BYTES;
        while words != 0 {
            let start = words.trailing_zeros() as usize;
            let len = (words >> start).trailing_ones() as usize;
            if start + len == BLOCK_BYTES && start > 0 && base + BLOCK_BYTES < text.len() {
                // The word goes on: the next block begins with it.
                next = base + start;
                break;
            }
            let at = base + start;
            hash_gap(&text[done..at], hash);
            let ones = u64::MAX >> (64 - len);
            let digits = (block.digits >> start) & ones;
            if len == BLOCK_BYTES {
                let end = long_word_end(text, at);
                hash_long_word(&text[at..end], hash);
                before = at..at;
                done = end;
                next = end;
                break;
            }
            done = at + len;
            if digits == 0 || mask::is_name(&text[at..done], digits) {
                hash.add(hash_word(text, at, len));
                before = at..done;
            } else {
                hash.add(MASKED);
                if digits == 0b111 && len == 3 {
                    status.note_number(text, at, before);
                }
                before = at..at;
            }
            // Adding the lowest bit of the run carries through all of it.
            words &= words.wrapping_add(1 << start);
        }
        base = next;
    }
    hash_gap(&text[done..], hash);
}

/// What stands between two words: signs as they are, spaces as one.
#[inline]
fn hash_gap(gap: &[u8], hash: &mut Hash) {
    match gap {
        [] => {}
        [byte] => hash.0 ^= u64::from((*byte).max(b' ')),
        _ => {
            let mut spaced = false;
            for byte in gap {
                let space = CLASSES[usize::from(*byte)] == Class::Space;
                if !(space && spaced) {
                    hash.add(u64::from(if space { b' ' } else { *byte }));
                }
                spaced = space;
            }
        }
    }
}

/// A word of fewer than [`BLOCK_BYTES`] bytes.
#[inline]
fn hash_word(text: &[u8], at: usize, len: usize) -> u64 {
    let first = scan::load(text, at);
    if len <= 8 {
        return fold(
            (first & (u64::MAX >> (64 - 8 * len))) ^ FIRST,
            LAST ^ len as u64,
        );
    }
    let last = scan::load(text, at + len - 8);
    let mut word = fold(first ^ FIRST, last ^ LAST);
    let mut from = 8;
    while from + 8 < len {
        word = fold(word ^ scan::load(text, at + from), MIX);
        from += 8;
    }
    word ^ len as u64
}

fn long_word_end(text: &[u8], at: usize) -> usize {
    let len = text[at..].iter().position(|byte| !scan::in_word(*byte));
    len.map_or(text.len(), |len| at + len)
}

fn hash_long_word(word: &[u8], hash: &mut Hash) {
    if word.iter().any(u8::is_ascii_digit) {
        return hash.add(MASKED);
    }
    for piece in word.chunks(8) {
        hash.add(fold(scan::load(piece, 0) ^ FIRST, LAST));
    }
}

/// JSON by its keys, and by the words of those members that tell what
/// happened; the other values may be anything.
fn json_signature(line: &[u8]) -> Signature {
    let mut hash = Hash(!SEED);
    let mut status = Status::default();
    for (key, value) in json::members(line) {
        for piece in key.chunks(8) {
            hash.add(fold(scan::load(piece, 0) ^ FIRST, LAST));
        }
        hash.add(1);
        let raw = value.raw();
        if status::is_status_key(key) {
            status.note_value(raw);
        } else if level::is_level_member(key) {
            for byte in raw {
                hash.add(u64::from(byte.to_ascii_lowercase()));
            }
        } else if mask::is_message_key(key) || mask::is_telling_key(key) {
            status.note_method(raw);
            hash_words(raw, &mut hash, &mut status);
        }
    }
    hash.add(u64::from(status.class) << 8);
    Signature {
        hash: hash.finish(),
        status_class: status.class,
    }
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
}
