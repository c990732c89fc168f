//! From messages to one whole value.

use super::cursor::Cursor;
use super::decode::{Decode, Source};
use super::types::{Types, is_lone_definition};
use super::walk::{Stop, Walk, type_sequence};
use super::{Error, MAX_MESSAGE_BYTES, MAX_VALUE_BYTES, MAX_VALUE_MESSAGES, MAX_WALKED_BYTES};

/// Gathers the messages of one stream into values, and keeps the stream's types. After an error
/// it is not known where the next value starts: the stream has to end.
#[derive(Debug, Default)]
pub struct Assembler {
    types: Types,
    /// How many types were known when the value began.
    known: usize,
    messages: Vec<Vec<u8>>,
    bytes: usize,
    walked: usize,
}

/// One whole value, its lengths, types and depth checked.
#[derive(Debug)]
pub struct Value<'a> {
    messages: Vec<Vec<u8>>,
    types: &'a Types,
}

impl Assembler {
    /// An assembler at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one message, without its length, and says whether a value is whole with it: then
    /// [`take`](Self::take) it before the next message.
    ///
    /// # Errors
    /// Malformed data, or data over a limit.
    pub fn push(&mut self, message: Vec<u8>) -> Result<bool, Error> {
        if message.len() > MAX_MESSAGE_BYTES {
            return Err(Error::MessageTooLong {
                len: message.len() as u64,
            });
        }
        self.bytes += message.len();
        if self.bytes > MAX_VALUE_BYTES {
            return Err(Error::ValueTooLong {
                limit: MAX_VALUE_BYTES,
                unit: "bytes",
            });
        }
        if self.messages.len() == MAX_VALUE_MESSAGES {
            return Err(Error::ValueTooLong {
                limit: MAX_VALUE_MESSAGES,
                unit: "messages",
            });
        }
        // A message that only defines a type completes nothing, so a value with hundreds of types
        // is walked once and not hundreds of times.
        let completes_nothing = is_lone_definition(&message);
        self.messages.push(message);
        Ok(!completes_nothing && self.is_whole()?)
    }

    /// The value that [`push`](Self::push) found whole.
    pub fn take(&mut self) -> Value<'_> {
        self.known = self.types.len();
        self.bytes = 0;
        self.walked = 0;
        Value {
            messages: std::mem::take(&mut self.messages),
            types: &self.types,
        }
    }

    /// Whether a value has begun and was not taken yet; a stream must not end there.
    pub fn is_partial(&self) -> bool {
        !self.messages.is_empty()
    }

    fn is_whole(&mut self) -> Result<bool, Error> {
        self.walked += self.bytes;
        if self.walked > MAX_WALKED_BYTES {
            return Err(Error::ValueTooLong {
                limit: MAX_WALKED_BYTES,
                unit: "bytes walked",
            });
        }
        let mut cursor = Cursor::new(&self.messages);
        let walked = type_sequence(&mut cursor, &mut self.types, false)
            .and_then(|ty| Walk::default().whole(&mut cursor, &mut self.types, ty));
        match walked {
            Ok(()) if cursor.left() > 0 || cursor.has_next_message() => Err(Error::ExtraData),
            Ok(()) => Ok(true),
            Err(Stop::NeedMessage) => {
                self.types.truncate(self.known);
                Ok(false)
            }
            Err(Stop::Failed(error)) => Err(error),
        }
    }
}

impl Value<'_> {
    /// The value as a `T`.
    ///
    /// # Errors
    /// The value is of another type, or needs more memory than
    /// [`MAX_DECODED_BYTES`](super::MAX_DECODED_BYTES). The stream stays usable.
    pub fn decode<T: Decode>(&self) -> Result<T, Error> {
        self.decode_with_cost().map(|(value, _)| value)
    }

    /// The value as a `T`, and the memory in bytes that was charged for it.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_with_cost<T: Decode>(&self) -> Result<(T, usize), Error> {
        let mut source = Source::new(Cursor::new(&self.messages), self.types);
        let value = source.top()?;
        Ok((value, source.charged()))
    }

    /// The messages' bytes in all.
    pub fn wire_bytes(&self) -> usize {
        self.messages.iter().map(Vec::len).sum()
    }
}
