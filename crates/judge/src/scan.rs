//! A block of bytes → which of them are words, which are digits: a bit a byte.
//!
//! Word ends are where branch predictors fail; with bits they are found by
//! counting zeros.

use wide::{i8x16, u8x16};

/// Bytes of a block.
pub(crate) const BLOCK_BYTES: usize = 64;

/// What a byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// A letter, a byte of a letter beyond ASCII, or a sign within words.
    Word,
    /// A digit, which is part of a word too.
    Digit,
    /// Space and control characters.
    Space,
    /// A sign between words.
    Delimiter,
}

/// What each byte is.
pub(crate) static CLASSES: [Class; 256] = classes();

const fn classes() -> [Class; 256] {
    let mut table = [Class::Delimiter; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        if b.is_ascii_digit() {
            table[byte] = Class::Digit;
        } else if b.is_ascii_alphabetic() || b >= 0x80 || matches!(b, b'_' | b'-' | b'.') {
            table[byte] = Class::Word;
        } else if b <= b' ' || b == 0x7f {
            table[byte] = Class::Space;
        }
        byte += 1;
    }
    table
}

/// Whether a byte is part of a word.
pub(crate) fn in_word(byte: u8) -> bool {
    matches!(CLASSES[usize::from(byte)], Class::Word | Class::Digit)
}

/// A block: its bytes, and a bit a byte for those that are part of a word, those
/// that are digits, and those that are spaces. Bit 0 is the first byte's; what is
/// beyond the end of the text is neither.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// The block is the second third: the text's last bytes may be read with
    /// what stands before them, and any of its bytes may be the first of eight.
    bytes: [u8; 3 * BLOCK_BYTES],
    pub words: u64,
    pub digits: u64,
    pub spaces: u64,
}

impl Default for Block {
    fn default() -> Self {
        Self {
            bytes: [0; 3 * BLOCK_BYTES],
            words: 0,
            digits: 0,
            spaces: 0,
        }
    }
}

impl Block {
    /// Reads the block that starts at `at`.
    #[inline]
    pub(crate) fn read(&mut self, text: &[u8], at: usize) {
        let rest = text.get(at..).unwrap_or_default();
        if let Some(whole) = rest.first_chunk::<BLOCK_BYTES>() {
            return self.place(whole, 0);
        }
        let missing = BLOCK_BYTES - rest.len();
        if let Some(last) = text.last_chunk::<BLOCK_BYTES>() {
            // As one piece, which is faster than so many bytes.
            self.place(last, missing);
        } else {
            let mut bytes = [0; BLOCK_BYTES];
            bytes[..rest.len()].copy_from_slice(rest);
            self.place(&bytes, 0);
            // The zeros behind the text are no spaces of it.
            self.spaces &= below(rest.len());
        }
    }

    /// Takes bytes in, of which the first `before` stand before the block.
    #[inline]
    fn place(&mut self, bytes: &[u8; BLOCK_BYTES], before: usize) {
        let before = before % (BLOCK_BYTES + 1);
        if let Some(own) = self.bytes[BLOCK_BYTES - before..].first_chunk_mut() {
            *own = *bytes;
        }
        let (words, digits, spaces) = classify(bytes);
        let shift = |bits: u64| bits.checked_shr(before as u32).unwrap_or(0);
        (self.words, self.digits, self.spaces) = (shift(words), shift(digits), shift(spaces));
    }

    /// Eight bytes from `at` on as a number, the first as the lowest; what is
    /// behind the text may be anything.
    #[inline]
    pub(crate) fn load(&self, at: usize) -> u64 {
        let at = BLOCK_BYTES + at % BLOCK_BYTES;
        let bytes = self.bytes[at..].first_chunk();
        bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    /// The byte at `at`.
    #[inline]
    pub(crate) fn byte(&self, at: usize) -> u8 {
        self.bytes[BLOCK_BYTES + at % BLOCK_BYTES]
    }

    /// The bytes from `from` to `to`, both within the block.
    #[inline]
    pub(crate) fn bytes(&self, from: usize, to: usize) -> &[u8] {
        let block = &self.bytes[BLOCK_BYTES..];
        block.get(from..to).unwrap_or_default()
    }
}

/// The `count` lowest bits, fewer than a block's.
#[inline]
pub(crate) fn below(count: usize) -> u64 {
    (1 << (count % BLOCK_BYTES)) - 1
}

/// Bytes that one vector instruction looks at.
const LANES: usize = 16;

/// Words, digits and spaces of a block.
#[inline]
fn classify(bytes: &[u8; BLOCK_BYTES]) -> (u64, u64, u64) {
    let (mut words, mut digits, mut spaces) = (0, 0, 0);
    for (index, bytes) in bytes.as_chunks().0.iter().enumerate() {
        let (word, digit, space) = lanes(bytes);
        let by = index * LANES;
        words |= u64::from(word) << by;
        digits |= u64::from(digit) << by;
        spaces |= u64::from(space) << by;
    }
    // What has the sign bit was smaller than a space, too.
    (words, digits, spaces & !words)
}

/// The same of the bytes that one instruction looks at.
///
/// Comparisons are of signed bytes, as the instructions want them: a range is
/// moved to the least numbers there are, so that one comparison tells it.
#[inline]
fn lanes(bytes: &[u8; LANES]) -> (u32, u32, u32) {
    let lanes = u8x16::new(*bytes).cast_signed();
    let within = |lanes: i8x16, first: u8, last: u8| {
        let least = i8x16::splat(i8::MIN.wrapping_sub(first.cast_signed()));
        let beyond = i8::MIN.wrapping_add((last - first + 1).cast_signed());
        (lanes + least).simd_lt(i8x16::splat(beyond))
    };
    let digits = within(lanes, b'0', b'9');
    let letters = within(lanes | i8x16::splat(0x20), b'a', b'z');
    let signs = within(lanes, b'-', b'.') | lanes.simd_eq(i8x16::splat(b'_'.cast_signed()));
    // A byte beyond ASCII has the sign bit, which is what a mask is made of.
    let words = digits | letters | signs | lanes;
    let spaces = lanes.simd_lt(i8x16::splat(b' '.cast_signed() + 1));
    (words.to_bitmask(), digits.to_bitmask(), spaces.to_bitmask())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparing_and_the_table_agree_on_every_byte() {
        for first in 0..=255_u8 {
            let mut bytes = [0; BLOCK_BYTES];
            for (place, byte) in (0..).zip(&mut bytes) {
                *byte = first.wrapping_add(place);
            }
            let (mut words, mut digits, mut spaces) = (0, 0, 0);
            for (place, byte) in bytes.iter().enumerate() {
                words |= u64::from(in_word(*byte)) << place;
                digits |= u64::from(byte.is_ascii_digit()) << place;
                spaces |= u64::from(*byte <= b' ') << place;
            }
            assert_eq!(classify(&bytes), (words, digits, spaces), "from {first}");
        }
    }

    fn block(text: &[u8], at: usize) -> Block {
        let mut block = Block::default();
        block.read(&[b'9'; 70], 0);
        block.read(text, at);
        block
    }

    #[test]
    fn what_is_beyond_the_end_is_no_word() {
        let bits = |text, at| {
            let block = block(text, at);
            (block.words, block.digits, block.spaces)
        };
        assert_eq!(bits(b"ab 1", 0), (0b1011, 0b1000, 0b100));
        assert_eq!(bits(b"ab 1", 3), (1, 1, 0));
        assert_eq!(bits(b"ab", 9), (0, 0, 0));
    }

    #[test]
    fn loads_what_is_there() {
        let loaded = |text: &[u8], at: usize, place: usize, len: usize| {
            let eight = block(text, at).load(place).to_le_bytes();
            eight[..len].to_vec()
        };
        assert_eq!(loaded(b"ab", 0, 0, 2), b"ab");
        assert_eq!(loaded(b"0123456789", 0, 1, 8), b"12345678");
        assert_eq!(loaded(b"0123456789", 2, 6, 2), b"89");
        assert_eq!(loaded(&[b'x'; 90], 0, 63, 1), b"x");
    }

    #[test]
    fn the_last_block_of_a_long_text_is_read_with_what_is_before_it() {
        let text: Vec<u8> = (0..150).map(|place| b"ab 1"[place % 4]).collect();
        for at in 0..text.len() {
            let (long, short) = (block(&text, at), block(&text[at..], 0));
            let bits = |block: &Block| (block.words, block.digits, block.spaces);
            assert_eq!(bits(&long), bits(&short), "at {at}");
            let len = (text.len() - at).min(BLOCK_BYTES);
            assert_eq!(long.bytes(0, len), &text[at..at + len], "at {at}");
        }
    }
}
