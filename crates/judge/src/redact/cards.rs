//! Numbers of payment cards.

use super::Masked;

/// Digits that a card's number has at least.
const MIN_CARD_DIGITS: usize = 14;
/// Digits that a card's number has at most.
const MAX_CARD_DIGITS: usize = 19;
/// Digits that it has at most without spaces or dashes: most numbers of 64 bits
/// have 19.
const MAX_PLAIN_DIGITS: usize = 16;

/// Masks runs of digits (single spaces or dashes between them) that begin and
/// are as long as a card's, and whose check digit is right (ISO/IEC 7812,
/// Luhn): one number in ten passes that check alone.
pub(super) fn mask(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    if bytes.iter().filter(|byte| byte.is_ascii_digit()).count() < MIN_CARD_DIGITS {
        return None;
    }
    let mut masked = Masked::new(text);
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit()
            || (at > 0
                && (bytes[at - 1].is_ascii_alphanumeric()
                    || matches!(bytes[at - 1], b'.' | b'_' | b'-')))
        {
            at += 1;
            continue;
        }
        let start = at;
        let mut digits = Vec::with_capacity(MAX_CARD_DIGITS + 1);
        let mut end = at;
        while at < bytes.len() && digits.len() <= MAX_CARD_DIGITS {
            if bytes[at].is_ascii_digit() {
                digits.push(bytes[at] - b'0');
                end = at + 1;
            } else if !(matches!(bytes[at], b' ' | b'-')
                && bytes.get(at + 1).is_some_and(u8::is_ascii_digit))
            {
                break;
            }
            at += 1;
        }
        let bounded = !bytes.get(end).is_some_and(u8::is_ascii_alphanumeric)
            && (digits.len() <= MAX_PLAIN_DIGITS || digits.len() < end - start);
        if bounded && is_cards(&digits) && luhn(&digits) {
            masked.mask(start..end);
        }
        at = at.max(start + 1);
    }
    masked.finish()
}

/// Whether the number begins as one of the networks' do, and is as long.
fn is_cards(digits: &[u8]) -> bool {
    let Some(begin) = digits.get(..4) else {
        return false;
    };
    let begin = begin
        .iter()
        .fold(0, |sum, digit| sum * 10 + u32::from(*digit));
    let len = digits.len();
    match begin {
        4000..=4999 => matches!(len, 16 | 19),
        5100..=5599 | 2221..=2720 => len == 16,
        3400..=3499 | 3700..=3799 => len == 15,
        3000..=3059 | 3600..=3699 | 3800..=3999 => (14..=MAX_CARD_DIGITS).contains(&len),
        3528..=3589 | 6011 | 6200..=6299 | 6440..=6599 | 8100..=8199 | 2200..=2204 => {
            (16..=MAX_CARD_DIGITS).contains(&len)
        }
        // Maestro and its kin.
        5000..=5099 | 5600..=5899 | 6000..=6999 => {
            (MIN_CARD_DIGITS..=MAX_CARD_DIGITS).contains(&len)
        }
        _ => false,
    }
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .map(|digit| u32::from(*digit))
        .enumerate()
        .map(|(place, digit)| match place % 2 {
            0 => digit,
            _ => digit * 2 / 10 + digit * 2 % 10,
        })
        .sum();
    sum.is_multiple_of(10)
}
