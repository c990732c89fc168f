//! A line → its signature, in one pass over its bytes.
//!
//! The signature hashes words and what stands between them; a word with a
//! digit counts as a variable. What must not be masked stays: an HTTP status
//! (as its class), a level given as a number or a letter with digits. Two lines
//! with one signature have the same words, so template, level and kind are
//! found once per signature.

use crate::scan::{self, BLOCK_BYTES, Block, below};
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

/// Odd constants of the mixing steps.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
const SEED: u64 = 0x2436_f6a8_885a_308d;
/// Stands for spaces beyond the first.
const SPACES: u64 = 0xa5a5_1234_0f0f_77e1;
/// Stands before a word that no block holds whole.
const LONG_WORD: u64 = 0x5a17_90c3_b1d2_e84f;
/// Stands for such a word, or for the rest of it, that is a variable.
const LONG_VARIABLE: u64 = 0x3c6e_f372_fe94_f82b;
/// Eight bytes at a time are mixed in; the last of a piece, seven at most, with
/// this and their number above them: no text in UTF-8 has such a byte.
const END_OF_PIECE: u64 = 0xf8;

#[derive(Clone, Copy)]
struct Hash(u64);

impl Hash {
    #[inline]
    fn add(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(23) ^ value).wrapping_mul(MIX);
    }

    /// Ends a piece: its last `len` bytes, at most seven, the first as the
    /// lowest of `bytes`.
    #[inline]
    fn end_piece(&mut self, bytes: u64, len: usize) {
        let rest = bytes & ((1 << (8 * len)) - 1);
        self.add(rest | (END_OF_PIECE + len as u64) << 56);
    }

    fn finish(self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(MIX);
        mixed ^ (mixed >> 29)
    }
}

/// The signature of a line, or of what follows the time it begins with.
pub(crate) fn signature(line: &[u8]) -> Signature {
    if line.first() == Some(&b'{') {
        return json_signature(line);
    }
    let line = line.trim_ascii_start();
    let mut hash = Hash(SEED);
    let mut status = Status::default();
    hash = hash_words(line, hash, &mut status);
    if let Some(severity) = level::syslog_severity(line) {
        hash.add(u64::from(severity));
    }
    hash.add(u64::from(status.class) << 8);
    Signature {
        hash: hash.finish(),
        status_class: status.class,
    }
}

/// The pass over the bytes, block by block: what stands between two words with
/// digits is a piece, hashed eight bytes at a time; such a word itself is left
/// out. A block begins with a piece, or with eight bytes of one.
fn hash_words(text: &[u8], hash: Hash, status: &mut Status) -> Hash {
    status.next_text();
    let mut base = 0;
    let mut block = Block::default();
    let mut hash = hash;
    // What says the level is no variable, though it has digits.
    if let Some(letter) = mask::klog_letter(text) {
        hash.add(u64::from(letter));
    }
    loop {
        block.read(text, base);
        let left = text.len() - base;
        // A word that the block cuts is read with the next one.
        let (cut, uncut) = if left < BLOCK_BYTES {
            (left, block.words)
        } else {
            let cut = BLOCK_BYTES - block.words.leading_ones() as usize;
            // Never the whole block: then the carries below stay within it.
            let whole = if cut < BLOCK_BYTES {
                below(cut)
            } else {
                u64::MAX
            };
            (cut, block.words & whole)
        };
        let after_space = base.checked_sub(1).is_some_and(|at| text[at] <= b' ');
        let mut pieces = Pieces {
            extra_spaces: block.spaces & (block.spaces << 1 | u64::from(after_space)),
            from: 0,
            names: 0,
            hash,
        };
        pieces.leave_out_words_with_digits(&block, uncut, text, base, status);
        if left < BLOCK_BYTES {
            pieces.end(&block, left);
            return pieces.hash;
        }
        if pieces.extra_spaces != 0 {
            pieces.leave_out_spaces(&block, cut);
        }
        while pieces.from + 8 <= cut {
            pieces.hash.add(block.load(pieces.from));
            pieces.from += 8;
        }
        if pieces.names >> (pieces.from % BLOCK_BYTES) & 1 == 1 {
            // What follows would be read as a word of its own, a variable.
            let rest = (uncut >> pieces.from).trailing_ones() as usize;
            pieces.end(&block, pieces.from + rest);
            pieces.from += rest;
        }
        base = if pieces.from > 0 {
            base + pieces.from
        } else {
            pieces.end(&block, cut);
            hash_long_word(text, base + cut, &mut pieces.hash)
        };
        hash = pieces.hash;
    }
}

/// The pieces of a block.
struct Pieces {
    /// Spaces that follow a space, of those not left out yet.
    extra_spaces: u64,
    /// Where the piece begins that has not ended yet.
    from: usize,
    /// Names with a digit, which are no variables, but for their first byte.
    names: u64,
    hash: Hash,
}

impl Pieces {
    /// Ends a piece wherever a variable follows it; `words` are the words of
    /// the block that end in it, `base` is its place in the text.
    #[inline(always)]
    fn leave_out_words_with_digits(
        &mut self,
        block: &Block,
        words: u64,
        text: &[u8],
        base: usize,
        status: &mut Status,
    ) {
        let digits = block.digits & words;
        let starts = words & !(words << 1);
        // Adding its first bit to a run of bits carries to the bit behind it:
        // for a word to its end, for what stands before a word's first digit
        // to that digit.
        let ends = words.wrapping_add(starts) & !words;
        let carried = (words & !digits).wrapping_add(starts);
        let mut firsts = carried & digits;
        let mut ends = ends & !carried;
        while firsts != 0 {
            let first = firsts.trailing_zeros() as usize;
            // A bit that says nothing new spares the question whether any is set.
            let end = (ends | 1 << 63).trailing_zeros() as usize;
            firsts &= firsts - 1;
            ends &= ends.wrapping_sub(1);
            let before = (!words & below(first)) << 1 | 1;
            let start = 63 - before.leading_zeros() as usize;
            let (mut from, mut to) = (start, end);
            if first + (digits >> first).trailing_ones() as usize == end {
                let head = first - start;
                if head >= mask::MIN_NAME_BYTES {
                    let word = block.bytes(start, end);
                    from += mask::kept(word, (digits & below(end)) >> start);
                    if from == end {
                        self.names |= below(end) & !below(start + 1);
                        continue;
                    }
                } else if head == 0 && end - start == 3 {
                    status.note_number_of_line(text, base + start);
                }
            } else if block.byte(end.wrapping_sub(1)) == b'.' {
                // A full stop behind a number is not a part of it.
                to = end - 1;
            }
            self.end(block, from);
            self.from = to;
        }
    }

    /// Ends the piece at `to`.
    #[inline(always)]
    fn end(&mut self, block: &Block, to: usize) {
        if (self.extra_spaces.trailing_zeros() as usize) < to {
            self.leave_out_spaces(block, to);
        }
        self.end_plain(block, to);
    }

    /// The same for a piece without spaces to be left out.
    #[inline(always)]
    fn end_plain(&mut self, block: &Block, to: usize) {
        let mut from = self.from;
        while from + 8 <= to {
            self.hash.add(block.load(from));
            from += 8;
        }
        self.hash.end_piece(block.load(from), to - from);
    }

    /// Columns are filled up with spaces: how many says nothing.
    #[inline(never)]
    fn leave_out_spaces(&mut self, block: &Block, to: usize) {
        loop {
            let first = self.extra_spaces.trailing_zeros() as usize;
            if first >= to {
                return;
            }
            let run = (self.extra_spaces >> first).trailing_ones() as usize;
            self.end_plain(block, first);
            self.hash.add(SPACES);
            self.from = first + run;
            // The run's bits go by a carry from its first.
            self.extra_spaces &= self.extra_spaces.wrapping_add(1 << first);
        }
    }
}

/// Hashes a word that no block holds whole; gives where to read on.
fn hash_long_word(text: &[u8], at: usize, hash: &mut Hash) -> usize {
    let len = text[at..].iter().position(|byte| !scan::in_word(*byte));
    let end = len.map_or(text.len(), |len| at + len);
    let word = &text[at..end];
    let kept = mask::digits_of(word).map_or(word.len(), |digits| mask::kept(word, digits));
    if kept > 0 {
        hash.add(LONG_WORD);
        hash_bytes(&word[..kept], hash);
    }
    if kept < word.len() {
        hash.add(LONG_VARIABLE);
        if word.ends_with(b".") {
            return end - 1;
        }
    }
    end
}

fn hash_bytes(bytes: &[u8], hash: &mut Hash) {
    let (chunks, rest) = bytes.as_chunks();
    for chunk in chunks {
        hash.add(u64::from_le_bytes(*chunk));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    hash.end_piece(u64::from_le_bytes(last), rest.len());
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
        if status::is_status_key(key) && !matches!(value, json::Value::Nested(_)) {
            status.note_value(raw);
        } else if status::is_grpc_key(key) {
            status.note_grpc(raw);
        } else if let Some(level) = level::level_value(key, value) {
            for byte in level.raw() {
                hash.add(u64::from(byte.to_ascii_lowercase()));
            }
        } else if mask::is_message_key(key)
            || mask::is_telling_key(key) && !matches!(value, json::Value::Nested(_))
        {
            status.note_method(raw);
            hash = hash_words(raw, hash, &mut status);
        } else if let json::Value::Nested(object) = value {
            hash = hash_request(object, hash, &mut status);
        }
    }
    hash.add(u64::from(status.class) << 8);
    Signature {
        hash: hash.finish(),
        status_class: status.class,
    }
}

/// What an object within the event says of a request: its status, its method
/// and what it asked for.
fn hash_request(object: &[u8], mut hash: Hash, status: &mut Status) -> Hash {
    json::visit(object, &mut |key, value| {
        let raw = value.raw();
        if matches!(value, json::Value::Nested(_)) {
            return;
        }
        if status::is_status_key(key) {
            status.note_value(raw);
        } else if mask::is_request_key(key) {
            status.note_method(raw);
            hash_bytes(key, &mut hash);
            hash = hash_words(raw, hash, status);
        }
    });
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::kind_of;
    use proptest::prelude::*;

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
                r#"{"httpRequest":{"requestMethod":"GET","responseSize":"503","status":200},"message":""}"#,
                2,
            ),
            (
                r#"{"req":{"method":"GET","url":"/a"},"res":{"statusCode":502}}"#,
                5,
            ),
            (
                r#"{"msg":"finished unary call","grpc.code":"Unavailable"}"#,
                5,
            ),
            ("GET /a - 443 - 10.0.0.9 curl - 200 0 0 24", 2),
            ("Sent 503 in 12ms", 5),
            ("sent 503 bytes", 0),
            (
                r#"h2 app/x 0.000 0.012 0.000 502 502 34 366 "GET https://x:443/y HTTP/2.0""#,
                5,
            ),
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

    /// Pieces that lines are made of, and that end words, digits and blocks.
    fn piece() -> impl Strategy<Value = String> {
        const PIECES: &[&str] = &[
            " ",
            "  ",
            "\t",
            "    ",
            ".",
            "-",
            "_",
            ":",
            "/",
            "=",
            "\"",
            "[",
            "]",
            "a",
            "ab",
            "node-",
            "eth",
            "core.",
            "é",
            "status",
            "GET",
            "200",
            "503",
            "error:",
            "7",
            "12",
            "123",
            "a1b2",
            "12.",
            "x-1",
            "<14>",
            "E0102 ",
            "{\"msg\":\"",
            "\",\"level\":\"",
        ];
        prop_oneof![
            8 => prop::sample::select(PIECES).prop_map(str::to_owned),
            1 => "[a-z]{1,80}",
            1 => "[0-9]{1,80}",
            1 => "[a-z0-9 .]{1,80}",
            1 => "[a-z]{50,60}[.-]?[0-9]{0,20}[.]?",
        ]
    }

    /// The line with other digits, other spaces and other numbers of digits.
    fn changed(line: &str, by: &[u8]) -> String {
        let mut by = by.iter().cycle();
        let mut changed = String::new();
        for c in line.chars() {
            let by = by.next().copied().unwrap_or_default();
            match c {
                '0'..='9' if by % 4 == 0 => changed.push(char::from(b'0' + by % 10)),
                '0'..='9' if by % 4 == 1 => changed.push_str(&format!("{c}{by}")),
                ' ' if by % 8 == 2 => changed.push_str("   "),
                'a' if by % 16 == 3 => changed.push('b'),
                c => changed.push(c),
            }
        }
        changed
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn lines_of_one_signature_have_one_template_and_kind(
            pieces in prop::collection::vec(piece(), 1..40),
            by in prop::collection::vec(any::<u8>(), 1..60),
        ) {
            let (line, other) = (pieces.concat(), changed(&pieces.concat(), &by));
            let (line, other) = (line.trim(), other.trim());
            let own = signature(line.as_bytes());
            if own == signature(other.as_bytes()) {
                prop_assert_eq!(mask::template(line), mask::template(other), "{}", other);
                let kind = |line| kind_of(line, own.status_class);
                prop_assert_eq!(kind(line), kind(other), "{}", other);
            }
        }

        #[test]
        fn other_digits_are_the_same_signature_wherever_blocks_end(
            words in prop::collection::vec("[a-z]{1,12}|[0-9]{4,9}|[a-f]{1,3}[0-9]{2}[a-f]{1,30}|[a-z]{60,70}", 1..40),
            digits in prop::collection::vec("[0-9]{4,40}", 1..9),
        ) {
            let mut digits = digits.iter().cycle();
            let line = words.join(" ");
            let other: Vec<&str> = words
                .iter()
                .map(|word| match word.as_bytes()[0].is_ascii_digit() {
                    true => digits.next().map_or(word.as_str(), String::as_str),
                    false => word.as_str(),
                })
                .collect();
            let other = other.join(" ");
            prop_assert_eq!(signature(line.as_bytes()), signature(other.as_bytes()), "{} / {}", line, other);
        }
    }
}
