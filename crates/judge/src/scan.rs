//! A block of bytes → which of them are words, which are digits: a bit a byte.
//!
//! Word ends are where branch predictors fail; with bits they are found by
//! counting zeros.

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

/// A block: its bytes, and a bit a byte for those that are part of a word and
/// those that are digits. Bit 0 is the first byte's; what is beyond the end of
/// the text is zero, and no word.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// More than a block, so that any of its bytes may be the first of eight.
    bytes: [u8; 2 * BLOCK_BYTES],
    pub words: u64,
    pub digits: u64,
}

impl Default for Block {
    fn default() -> Self {
        Self {
            bytes: [0; 2 * BLOCK_BYTES],
            words: 0,
            digits: 0,
        }
    }
}

impl Block {
    /// Reads the block that starts at `at`.
    #[inline]
    pub(crate) fn read(&mut self, text: &[u8], at: usize) {
        let rest = text.get(at..).unwrap_or_default();
        let Some(bytes) = self.bytes.first_chunk_mut() else {
            return;
        };
        if let Some(whole) = rest.first_chunk::<BLOCK_BYTES>() {
            *bytes = *whole;
        } else {
            *bytes = [0; BLOCK_BYTES];
            bytes[..rest.len()].copy_from_slice(rest);
        }
        (self.words, self.digits) = classify(bytes);
    }

    /// Eight bytes from `at` on as a number, the first as the lowest.
    #[inline]
    pub(crate) fn load(&self, at: usize) -> u64 {
        let at = at % BLOCK_BYTES;
        let bytes = self.bytes[at..].first_chunk();
        bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    /// The byte at `at`; zero behind the block.
    #[inline]
    pub(crate) fn byte(&self, at: usize) -> u8 {
        self.bytes[at % (2 * BLOCK_BYTES)]
    }
}

/// Comparisons only, without a branch or a table: the compiler turns them into
/// vector instructions.
#[inline]
fn classify(bytes: &[u8; BLOCK_BYTES]) -> (u64, u64) {
    let mut kinds = [0; BLOCK_BYTES];
    for (kind, byte) in kinds.iter_mut().zip(bytes) {
        let between = |byte: u8, first: u8, last: u8| byte.wrapping_sub(first) <= last - first;
        let byte = *byte;
        let digit = between(byte, b'0', b'9');
        let word = digit
            | between(byte | 0x20, b'a', b'z')
            | between(byte, b'-', b'.')
            | (byte == b'_')
            | (byte >= 0x80);
        *kind = u8::from(word) | u8::from(digit) << 4;
    }
    let (low, high) = kinds.split_at(BLOCK_BYTES / 2);
    let (low, high) = (transposed(low), transposed(high));
    let ones = u64::from(u32::MAX);
    (low & ones | high << 32, low >> 32 | high & !ones)
}

/// Bits 0 of 32 bytes as the lower half, bits 4 as the upper half: four times
/// eight bytes, laid over each other, are an 8 × 8 matrix of bits, which is
/// transposed (H. S. Warren, "Hacker's Delight", section 7-3).
#[inline]
fn transposed(kinds: &[u8]) -> u64 {
    let mut x = 0;
    for (index, eight) in kinds.as_chunks().0.iter().enumerate() {
        x |= u64::from_le_bytes(*eight) << index;
    }
    let mut swap = |by: u32, which: u64| {
        let moved = (x ^ (x >> by)) & which;
        x ^= moved ^ (moved << by);
    };
    swap(7, 0x00aa_00aa_00aa_00aa);
    swap(14, 0x0000_cccc_0000_cccc);
    swap(28, 0x0000_0000_f0f0_f0f0);
    x
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
            let (mut words, mut digits) = (0, 0);
            for (place, byte) in bytes.iter().enumerate() {
                words |= u64::from(in_word(*byte)) << place;
                digits |= u64::from(byte.is_ascii_digit()) << place;
            }
            assert_eq!(classify(&bytes), (words, digits), "from {first}");
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
            (block.words, block.digits)
        };
        assert_eq!(bits(b"ab 1", 0), (0b1011, 0b1000));
        assert_eq!(bits(b"ab 1", 3), (1, 1));
        assert_eq!(bits(b"ab", 9), (0, 0));
    }

    #[test]
    fn loads_what_is_there() {
        let eight = |text: &[u8; 8]| u64::from_le_bytes(*text);
        assert_eq!(block(b"ab", 0).load(0), eight(b"ab\0\0\0\0\0\0"));
        assert_eq!(block(b"0123456789", 0).load(1), eight(b"12345678"));
        assert_eq!(block(b"0123456789", 2).load(6), eight(b"89\0\0\0\0\0\0"));
        assert_eq!(block(&[b'x'; 90], 0).load(63), u64::from(b'x'));
        assert_eq!(block(&[b'x'; 90], 0).byte(64), 0);
    }
}
