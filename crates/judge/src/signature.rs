//! A line → its signature, in one pass over its bytes.
//!
//! The signature hashes words and what stands between them; a word with a
//! digit counts as a variable. What must not be masked stays: an HTTP status
//! (as its class), a level given as a number or a letter with digits. Two lines
//! with one signature have the same words, so template, level and kind are
//! found once per signature.

use crate::scan::{self, BLOCK_BYTES, Block, CLASSES, Class};
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
    // What says the level is no variable, though it has digits.
    if let Some(letter) = mask::klog_letter(line) {
        hash.add(u64::from(letter));
    } else if let Some(severity) = level::syslog_severity(line) {
        hash.add(u64::from(severity));
    }
    hash.add(u64::from(status.class) << 8);
    Signature {
        hash: hash.finish(),
        status_class: status.class,
    }
}

/// The pass over the bytes: block by block, word by word. A word is hashed
/// with the one byte that follows it: between most words there is no more.
fn hash_words(text: &[u8], hash: &mut Hash, status: &mut Status) {
    status.next_text();
    // Where the block begins; up to where bytes were hashed; the last word.
    let (mut base, mut done) = (0, 0);
    let mut before = (0, 0);
    let mut block = Block::default();
    while base < text.len() {
        block.read(text, base);
        let mut words = block.words;
        let mut next = base + BLOCK_BYTES;
        while words != 0 {
            let start = words.trailing_zeros() as usize;
            // Adding the lowest bit carries through the run of the word.
            let carried = words.wrapping_add(words & words.wrapping_neg());
            let at = base + start;
            if carried == 0 {
                if start > 0 {
                    // The word goes on: the next block begins with it.
                    next = at;
                    break;
                }
                hash_gap(text, done, at, hash);
                next = hash_long_word(text, at, hash);
                done = next;
                before = (at, 0);
                break;
            }
            let end = carried.trailing_zeros() as usize;
            let len = end - start;
            if at > done {
                hash_gap(text, done, at, hash);
            }
            done = at + len + 1;
            let digits = block.digits & words & !carried;
            if digits == 0 {
                hash.add(block.hash(start, len));
                before = (at, len);
            } else {
                // A full stop behind a number is not a part of it.
                let stop = block.byte(end.wrapping_sub(1)) == b'.';
                let mut value = MASKED ^ u64::from(block.byte(end)) ^ u64::from(stop) << 32;
                let ends = digits.wrapping_add(digits & digits.wrapping_neg()) & words & !carried;
                let head = digits.trailing_zeros() as usize - start;
                if ends == 0 && (head >= mask::MIN_NAME_BYTES || head == 0 && len == 3) {
                    let kept = mask::kept(&text[at..at + len], digits >> start);
                    if kept > 0 {
                        value = !block.hash(start, kept - 1) ^ u64::from(block.byte(end));
                    } else if head == 0 {
                        status.note_number(text, at, before.0..before.0 + before.1);
                    }
                }
                hash.add(value);
                before = (at, 0);
            }
            words &= carried;
        }
        base = next;
    }
    if done < text.len() {
        hash_gap(text, done, text.len(), hash);
    }
}

/// What stands between two words, behind the first byte of it: signs as they
/// are, a run of spaces as one.
fn hash_gap(text: &[u8], from: usize, to: usize, hash: &mut Hash) {
    let is_space = |byte: u8| CLASSES[usize::from(byte)] == Class::Space;
    let mut spaced = from.checked_sub(1).is_some_and(|at| is_space(text[at]));
    for byte in &text[from..to] {
        let space = is_space(*byte);
        if !(space && spaced) {
            hash.add(u64::from(if space { b' ' } else { *byte }));
        }
        spaced = space;
    }
}

/// Hashes a word that fills a block; gives its end.
fn hash_long_word(text: &[u8], at: usize, hash: &mut Hash) -> usize {
    let len = text[at..].iter().position(|byte| !scan::in_word(*byte));
    let end = len.map_or(text.len(), |len| at + len);
    let word = &text[at..end];
    if word.iter().any(u8::is_ascii_digit) {
        hash.add(MASKED);
    } else {
        hash_bytes(word, hash);
    }
    end
}

fn hash_bytes(bytes: &[u8], hash: &mut Hash) {
    for piece in bytes.chunks(8) {
        let mut eight = [0; 8];
        eight[..piece.len()].copy_from_slice(piece);
        hash.add(fold(u64::from_le_bytes(eight) ^ FIRST, LAST));
    }
}

impl Block {
    /// Hash of `len` bytes from `start` on, and the byte behind them.
    #[inline]
    fn hash(&self, start: usize, len: usize) -> u64 {
        // The first and the last eight bytes: up to sixteen, that is all.
        let bytes = len + 1;
        let ones = u64::MAX >> (64 - 8 * bytes.min(8));
        let first = self.load(start) & ones;
        let last = self.load(start + bytes.saturating_sub(8)) & ones;
        let mut hash = fold(first ^ FIRST, last ^ LAST);
        let mut from = 8;
        while from + 8 < bytes {
            hash = fold(hash ^ self.load(start + from), MIX);
            from += 8;
        }
        hash
    }
}

/// JSON by its keys, and by the words of those members that tell what
/// happened; the other values may be anything.
fn json_signature(line: &[u8]) -> Signature {
    let mut hash = Hash(!SEED);
    let mut status = Status::default();
    for (key, value) in json::members(line) {
        hash_bytes(key, &mut hash);
        hash.add(1);
        let raw = value.raw();
        if status::is_status_key(key) {
            status.note_value(raw);
        } else if let Some(level) = level::level_value(key, value) {
            for byte in level.raw() {
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
            "<11>Jan  2 03:04:05 host x",
            "<14>Jan  2 03:04:05 host x"
        ));
        assert!(!same(
            r#"{"log":{"level":"info"},"message":"x"}"#,
            r#"{"log":{"level":"error"},"message":"x"}"#
        ));
        assert!(!same(r#"{"s":"I","msg":"x"}"#, r#"{"s":"E","msg":"x"}"#));
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
