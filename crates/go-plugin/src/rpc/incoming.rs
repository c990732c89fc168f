//! The receiving half of a stream: bytes to whole gob values.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, BufReader};

use crate::Error;
use crate::gob::{self, Assembler, MAX_MESSAGE_BYTES, Value};

/// What is read at once at most before anything has arrived: a message's announced length says
/// nothing about its bytes.
const FIRST_READ_BYTES: usize = 8 << 10;

/// Reads gob values off a stream, one after the other.
#[derive(Debug)]
pub struct Incoming<R> {
    io: BufReader<R>,
    assembler: Assembler,
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    /// Reads from the start of a stream.
    pub fn new(io: R) -> Self {
        Self {
            io: BufReader::new(io),
            assembler: Assembler::new(),
        }
    }

    /// The next value; none if the stream ends before it. After an error the stream cannot be
    /// used any more.
    ///
    /// # Errors
    /// [`Error::Connection`] and [`Error::Decode`].
    pub async fn value(&mut self) -> Result<Option<Value<'_>>, Error> {
        loop {
            let Some(len) = self.message_length().await? else {
                return if self.assembler.is_partial() {
                    Err(Error::Decode(gob::Error::UnexpectedEnd))
                } else {
                    Ok(None)
                };
            };
            let message = self.message(len).await?;
            if self.assembler.push(message).map_err(Error::Decode)? {
                return Ok(Some(self.assembler.take()));
            }
        }
    }

    /// `decoder.go, recvMessage`: the length in front of a message; none at the end of the stream.
    async fn message_length(&mut self) -> Result<Option<usize>, Error> {
        let first = match self.io.read_u8().await {
            Ok(first) => first,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(Error::Connection(error)),
        };
        let mut len = u64::from(first);
        if first >= 0x80 {
            let count = first.wrapping_neg();
            if count > 8 {
                return Err(Error::Decode(gob::Error::BadUint));
            }
            len = 0;
            for _ in 0..count {
                let byte = self.io.read_u8().await.map_err(ended)?;
                len = len << 8 | u64::from(byte);
            }
        }
        match usize::try_from(len) {
            Ok(n) if n <= MAX_MESSAGE_BYTES => Ok(Some(n)),
            _ => Err(Error::Decode(gob::Error::MessageTooLong { len })),
        }
    }

    /// `saferio.ReadData`: memory grows with what has arrived, not with what was announced.
    async fn message(&mut self, len: usize) -> Result<Vec<u8>, Error> {
        let mut message = Vec::new();
        while message.len() < len {
            let read = message.len();
            let more = (len - read).min(read.max(FIRST_READ_BYTES));
            message.reserve_exact(more);
            message.resize(read + more, 0);
            self.io
                .read_exact(&mut message[read..])
                .await
                .map_err(ended)?;
        }
        Ok(message)
    }
}

/// The end of the stream within a message is malformed data.
fn ended(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        Error::Decode(gob::Error::UnexpectedEnd)
    } else {
        Error::Connection(error)
    }
}
