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
        } else if b.is_ascii_alphabetic()
            || b >= 0x80
            || matches!(
                b,
                b'_' | b'-' | b'.' | b'$' | b'+' | b'%' | b'#' | b'~' | b'*' | b'\\' | b'@'
            )
        {
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

/// Words and digits of a block; bit 0 is its first byte. What is beyond the
/// end of the text is no word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub words: u64,
    pub digits: u64,
}

/// Looks at the block that starts at `at`.
#[inline]
pub(crate) fn block(text: &[u8], at: usize) -> Block {
    let rest = text.get(at..).unwrap_or_default();
    if let Some(whole) = rest.first_chunk::<BLOCK_BYTES>() {
        return classify(whole);
    }
    let mut padded = [0; BLOCK_BYTES];
    padded[..rest.len()].copy_from_slice(rest);
    classify(&padded)
}

/// Comparisons only, without a branch or a table: the compiler turns them into
/// vector instructions.
#[inline]
fn classify(bytes: &[u8; BLOCK_BYTES]) -> Block {
    let mut kinds = [0; BLOCK_BYTES];
    for (kind, byte) in kinds.iter_mut().zip(bytes) {
        let between = |byte: u8, first: u8, last: u8| byte.wrapping_sub(first) <= last - first;
        let byte = *byte;
        let digit = between(byte, b'0', b'9');
        let word = digit
            | between(byte | 0x20, b'a', b'z')
            | between(byte, b'#', b'%')
            | between(byte, b'*', b'+')
            | between(byte, b'-', b'.')
            | (byte == b'@')
            | (byte == b'\\')
            | (byte == b'_')
            | (byte == b'~')
            | (byte >= 0x80);
        *kind = u8::from(word) | u8::from(digit) << 1;
    }
    let (mut words, mut digits) = (0, 0);
    for (index, eight) in kinds.as_chunks().0.iter().enumerate() {
        let eight = u64::from_le_bytes(*eight);
        words |= lowest_bits(eight) << (8 * index);
        digits |= lowest_bits(eight >> 1) << (8 * index);
    }
    Block { words, digits }
}

/// The lowest bit of each byte, as the bits of one byte. The factor moves the
/// bit of byte `i` to bit `56 + i`; no two of its sums meet.
#[inline]
fn lowest_bits(bytes: u64) -> u64 {
    (bytes & 0x0101_0101_0101_0101).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// Eight bytes of `text` from `at` on as a number, the first as the lowest;
/// zeros beyond the end.
#[inline]
pub(crate) fn load(text: &[u8], at: usize) -> u64 {
    if let Some(bytes) = text.get(at..).and_then(<[u8]>::first_chunk) {
        return u64::from_le_bytes(*bytes);
    }
    // Near the end: the last eight bytes, moved.
    if let Some(last) = text.last_chunk()
        && at < text.len()
    {
        return u64::from_le_bytes(*last) >> (8 * (at + 8 - text.len()));
    }
    let mut bytes = [0; 8];
    let rest = text.get(at..).unwrap_or_default();
    for (byte, from) in bytes.iter_mut().zip(rest) {
        *byte = *from;
    }
    u64::from_le_bytes(bytes)
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
            assert_eq!(classify(&bytes), Block { words, digits }, "from {first}");
        }
    }

    #[test]
    fn what_is_beyond_the_end_is_no_word() {
        assert_eq!(
            block(b"ab 1", 0),
            Block {
                words: 0b1011,
                digits: 0b1000
            }
        );
        assert_eq!(
            block(b"ab 1", 3),
            Block {
                words: 1,
                digits: 1
            }
        );
        assert_eq!(block(b"ab", 9).words, 0);
    }

    #[test]
    fn loads_what_is_there() {
        assert_eq!(load(b"ab", 0), u64::from_le_bytes(*b"ab\0\0\0\0\0\0"));
        assert_eq!(load(b"0123456789", 1), u64::from_le_bytes(*b"12345678"));
        assert_eq!(
            load(b"0123456789", 8),
            u64::from_le_bytes(*b"89\0\0\0\0\0\0")
        );
        assert_eq!(load(b"", 3), 0);
    }
}
