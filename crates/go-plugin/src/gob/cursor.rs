//! Reading gob's primitives off the messages of one value.

use super::Error;

/// A position in the messages of one value. Reads never cross from one message into the next; only
/// [`Cursor::next_message`] moves on, where gob allows it.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    later: &'a [Vec<u8>],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(messages: &'a [Vec<u8>]) -> Self {
        match messages.split_first() {
            Some((first, later)) => Self { rest: first, later },
            None => Self {
                rest: &[],
                later: &[],
            },
        }
    }

    /// Bytes left in this message.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Whether any message follows this one.
    pub(super) fn has_next_message(&self) -> bool {
        !self.later.is_empty()
    }

    /// Goes to the next message; false if there is none (yet).
    pub(super) fn next_message(&mut self) -> bool {
        let Some((next, later)) = self.later.split_first() else {
            return false;
        };
        self.rest = next;
        self.later = later;
        true
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(Error::UnexpectedEnd)?;
        self.rest = rest;
        Ok(taken)
    }

    /// `decode.go, decodeUint`: one byte up to 127, else the negated count of the big-endian bytes
    /// that follow.
    pub(super) fn uint(&mut self) -> Result<u64, Error> {
        let (&first, rest) = self.rest.split_first().ok_or(Error::UnexpectedEnd)?;
        self.rest = rest;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        let len = usize::from(first.wrapping_neg());
        if len > 8 {
            return Err(Error::BadUint);
        }
        let bytes = self.take(len)?;
        Ok(bytes.iter().fold(0, |n, &b| n << 8 | u64::from(b)))
    }

    /// `decoder.go, toInt`: the sign is the lowest bit.
    pub(super) fn int(&mut self) -> Result<i64, Error> {
        let raw = self.uint()?;
        let magnitude = (raw >> 1).cast_signed();
        Ok(if raw & 1 == 1 { !magnitude } else { magnitude })
    }

    /// A length, refused unless that many bytes are left in this message: no element is shorter
    /// than a byte.
    pub(super) fn length(&mut self, what: &'static str) -> Result<usize, Error> {
        let len = self.uint()?;
        match usize::try_from(len) {
            Ok(n) if n <= self.left() => Ok(n),
            _ => Err(Error::BadLength { what, len }),
        }
    }

    /// A byte string with its length in front.
    pub(super) fn bytes(&mut self, what: &'static str) -> Result<&'a [u8], Error> {
        let len = self.length(what)?;
        self.take(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor_over(bytes: &[u8], check: impl Fn(&mut Cursor<'_>)) {
        check(&mut Cursor::new(&[bytes.to_vec()]));
    }

    #[test]
    fn unsigned_integers_as_the_gob_documentation_shows_them() {
        for (bytes, want) in [
            (&[0x07][..], 7),
            (&[0x7f], 127),
            (&[0xff, 0x80], 128),
            (&[0xfe, 0x01, 0x00], 256),
            (
                &[0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                u64::MAX,
            ),
        ] {
            cursor_over(bytes, |c| assert_eq!(c.uint(), Ok(want)));
        }
    }

    #[test]
    fn signed_integers_as_the_gob_documentation_shows_them() {
        for (bytes, want) in [
            (&[0x00][..], 0),
            (&[0x06], 3),
            (&[0x05], -3),
            (&[0xfe, 0x01, 0x01], -129),
            (
                &[0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                i64::MIN,
            ),
        ] {
            cursor_over(bytes, |c| assert_eq!(c.int(), Ok(want)));
        }
    }

    #[test]
    fn an_integer_of_nine_bytes_is_refused() {
        cursor_over(&[0xf7, 1, 2, 3, 4, 5, 6, 7, 8, 9], |c| {
            assert_eq!(c.uint(), Err(Error::BadUint));
        });
    }

    #[test]
    fn a_length_beyond_the_message_is_refused_before_it_is_used() {
        cursor_over(&[0x02, b'a'], |c| {
            assert_eq!(
                c.bytes("string"),
                Err(Error::BadLength {
                    what: "string",
                    len: 2
                })
            );
        });
    }

    #[test]
    fn reads_stay_inside_their_message() {
        let messages = [vec![0xfe, 0x01], vec![0x02]];
        let mut cursor = Cursor::new(&messages);
        assert_eq!(cursor.uint(), Err(Error::UnexpectedEnd));
    }
}
