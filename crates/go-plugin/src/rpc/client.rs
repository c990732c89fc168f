//! Making calls on one stream.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tracing::debug;

use super::{Incoming, MAX_CALLS, RequestHeader, ResponseHeader};
use crate::Error;
use crate::gob::{Decode, Encode, Encoder, Value};

/// Makes calls on a stream, any number at once up to [`MAX_CALLS`]. Dropping it ends the stream.
pub struct Client {
    outgoing: tokio::sync::Mutex<Outgoing>,
    waiting: Arc<Mutex<Waiting>>,
    reader: AbortHandle,
}

struct Outgoing {
    io: Box<dyn AsyncWrite + Send + Unpin>,
    encoder: Encoder,
    /// A call was given up while its request was half sent: what follows would not be understood.
    half_sent: bool,
}

#[derive(Default)]
struct Waiting {
    last_seq: u64,
    calls: HashMap<u64, Deliver>,
    closed: bool,
}

/// Decodes a reply to what its call waits for, while the stream's types are at hand.
type Deliver = Box<dyn FnOnce(Result<&Value<'_>, Error>) + Send>;

impl Client {
    /// A client at the start of a stream; runs a task of the current runtime that reads replies.
    pub fn new<IO>(io: IO) -> Self
    where
        IO: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (read, write) = tokio::io::split(io);
        let waiting = Arc::new(Mutex::new(Waiting::default()));
        let reader = tokio::spawn(read_replies(Incoming::new(read), Arc::clone(&waiting)));
        Self {
            outgoing: tokio::sync::Mutex::new(Outgoing {
                io: Box::new(write),
                encoder: Encoder::new(),
                half_sent: false,
            }),
            waiting,
            reader: reader.abort_handle(),
        }
    }

    /// Calls `method` (as `Service.Method`) and waits for the reply.
    ///
    /// # Errors
    /// [`Error::Answered`] if the peer says so, else what broke.
    pub async fn call<A, R>(&self, method: &str, argument: &A) -> Result<R, Error>
    where
        A: Encode + Sync,
        R: Decode + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let deliver: Deliver = Box::new(move |reply| {
            let decoded = reply.and_then(|value| value.decode::<R>().map_err(Error::Decode));
            // A caller that went away wants no reply.
            drop(sender.send(decoded));
        });
        let seq = self.register(deliver)?;
        let pending = Pending {
            waiting: &self.waiting,
            seq,
        };
        let header = RequestHeader {
            method: method.to_owned(),
            seq,
        };
        self.outgoing.lock().await.send(&header, argument).await?;
        let reply = receiver.await.unwrap_or(Err(Error::Closed));
        drop(pending);
        reply
    }

    fn register(&self, deliver: Deliver) -> Result<u64, Error> {
        let mut waiting = lock(&self.waiting);
        if waiting.closed {
            return Err(Error::Closed);
        }
        if waiting.calls.len() >= MAX_CALLS {
            return Err(Error::TooManyCalls { limit: MAX_CALLS });
        }
        waiting.last_seq += 1;
        let seq = waiting.last_seq;
        waiting.calls.insert(seq, deliver);
        Ok(seq)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Forgets a call when its caller stops waiting.
struct Pending<'a> {
    waiting: &'a Mutex<Waiting>,
    seq: u64,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        lock(self.waiting).calls.remove(&self.seq);
    }
}

/// The map is whole between any two statements, so a panic elsewhere does not spoil it.
fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Outgoing {
    async fn send(&mut self, header: &RequestHeader, argument: &impl Encode) -> Result<(), Error> {
        if self.half_sent {
            return Err(Error::Closed);
        }
        let mut body = Vec::new();
        let encoded = self.encoder.encode(argument, &mut body);
        let mut bytes = Vec::new();
        if encoded.is_ok() {
            self.encoder
                .encode(header, &mut bytes)
                .map_err(Error::Encode)?;
        }
        // Of an argument that is too long, the definitions remain, and have to be sent.
        bytes.append(&mut body);
        self.half_sent = true;
        self.io.write_all(&bytes).await.map_err(Error::Connection)?;
        self.io.flush().await.map_err(Error::Connection)?;
        self.half_sent = false;
        encoded.map_err(Error::Encode)
    }
}

async fn read_replies<R: AsyncRead + Unpin>(incoming: Incoming<R>, waiting: Arc<Mutex<Waiting>>) {
    if let Err(error) = deliver_replies(incoming, &waiting).await {
        debug!(
            error = &error as &dyn std::error::Error,
            "stopped reading replies"
        );
    }
    let abandoned = {
        let mut waiting = lock(&waiting);
        waiting.closed = true;
        std::mem::take(&mut waiting.calls)
    };
    for deliver in abandoned.into_values() {
        deliver(Err(Error::Closed));
    }
}

async fn deliver_replies<R: AsyncRead + Unpin>(
    mut incoming: Incoming<R>,
    waiting: &Mutex<Waiting>,
) -> Result<(), Error> {
    loop {
        let Some(header) = incoming.value().await? else {
            return Ok(());
        };
        let header: ResponseHeader = header.decode().map_err(Error::Decode)?;
        let Some(value) = incoming.value().await? else {
            return Err(Error::Closed);
        };
        let deliver = lock(waiting).calls.remove(&header.seq);
        let Some(deliver) = deliver else {
            debug!(seq = header.seq, "a reply that nobody waits for");
            continue;
        };
        if header.error.is_empty() {
            deliver(Ok(&value));
        } else {
            deliver(Err(Error::Answered {
                message: header.error,
            }));
        }
    }
}
