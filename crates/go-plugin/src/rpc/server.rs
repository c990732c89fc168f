//! Serving calls on one stream.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;

use futures::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tracing::{debug, warn};

use super::{
    Incoming, MAX_ARGUMENT_BYTES, MAX_CALLS, MAX_ERROR_BYTES, RequestHeader, ResponseHeader,
};
use crate::Error;
use crate::gob::{self, Empty, Encode, Encoder, Value};

/// What is offered under a name on a stream: the methods `Name.Method`.
pub trait Service: Send + Sync + 'static {
    /// Starts a call: decodes the argument now, returns what will run.
    ///
    /// # Errors
    /// There is no such method, or the argument is not for it.
    fn call(self: Arc<Self>, method: &str, argument: &Value<'_>) -> Result<Call, Refusal>;
}

/// A call that was started.
pub struct Call {
    argument_bytes: usize,
    run: Pin<Box<dyn Future<Output = Outcome> + Send>>,
}

/// What a call came to: a value that knows how to encode itself, or the text of an error.
type Outcome = Result<EncodeReply, String>;
type EncodeReply = Box<dyn FnOnce(&mut Encoder, &mut Vec<u8>) -> Result<(), gob::Error> + Send>;

impl Call {
    /// A call whose argument needs `argument_bytes` of memory until it is answered. An error is
    /// sent as text (at most [`MAX_ERROR_BYTES`] of it).
    pub fn new<T: Encode + Send>(
        argument_bytes: usize,
        run: impl Future<Output = Result<T, String>> + Send + 'static,
    ) -> Self {
        Self {
            argument_bytes,
            run: Box::pin(async move {
                let value = run.await?;
                let encode: EncodeReply =
                    Box::new(move |encoder, stream| encoder.encode(&value, stream));
                Ok(encode)
            }),
        }
    }
}

/// Why a call was not started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The service has no such method.
    NoMethod,
    /// The argument is not what the method takes.
    BadArgument(gob::Error),
}

/// What calls under way may take up, shared by the streams of one connection.
#[derive(Debug, Clone)]
pub struct Capacity {
    calls: Arc<Semaphore>,
    /// In KiB: semaphores count to 2³² only.
    argument_kib: Arc<Semaphore>,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            calls: Arc::new(Semaphore::new(MAX_CALLS)),
            argument_kib: Arc::new(Semaphore::new(MAX_ARGUMENT_BYTES >> 10)),
        }
    }
}

impl Capacity {
    /// Room for one call, until the permits are dropped.
    fn admit(&self, argument_bytes: usize) -> Result<[OwnedSemaphorePermit; 2], &'static str> {
        let kib = u32::try_from(argument_bytes >> 10).unwrap_or(u32::MAX);
        let call = Arc::clone(&self.calls)
            .try_acquire_owned()
            .map_err(|_| "too many calls are under way")?;
        let argument = Arc::clone(&self.argument_kib)
            .try_acquire_many_owned(kib)
            .map_err(|_| "the calls under way take too much memory")?;
        Ok([call, argument])
    }
}

/// A reply on its way to the writer.
struct Reply {
    method: String,
    seq: u64,
    outcome: Outcome,
}

/// Serves `services` on a stream until the peer ends it and what it called is answered
/// (`net/rpc, Server.ServeConn`). Calls are tasks of their own: they run on when this is dropped.
///
/// # Errors
/// The stream failed, or the peer's data cannot be understood any more.
pub async fn serve<IO>(
    io: IO,
    services: &[(&'static str, Arc<dyn Service>)],
    capacity: &Capacity,
) -> Result<(), Error>
where
    IO: AsyncRead + AsyncWrite + Send + 'static,
{
    let (read, write) = tokio::io::split(io);
    // Reading must never wait for writing: on yamux a stream that is not read gets no window to
    // write in either.
    let (replies, queue) = mpsc::channel(MAX_CALLS);
    let mut writer = pin!(write_replies(write, queue));
    tokio::select! {
        outcome = read_requests(Incoming::new(read), services, capacity, &replies) => {
            drop(replies);
            outcome?;
            // What is under way is still answered, in case the peer only closed its half.
            writer.await
        }
        outcome = &mut writer => outcome,
    }
}

async fn read_requests<R: AsyncRead + Unpin>(
    mut incoming: Incoming<R>,
    services: &[(&'static str, Arc<dyn Service>)],
    capacity: &Capacity,
    replies: &mpsc::Sender<Reply>,
) -> Result<(), Error> {
    loop {
        let Some(header) = incoming.value().await? else {
            return Ok(());
        };
        let RequestHeader { method, seq } = header.decode().map_err(Error::Decode)?;
        let Some(argument) = incoming.value().await? else {
            return Err(Error::Decode(gob::Error::UnexpectedEnd));
        };
        let started = start(services, &method, &argument).and_then(|call| {
            let permits = capacity.admit(call.argument_bytes)?;
            Ok((call, permits))
        });
        drop(argument);
        match started {
            Ok((call, permits)) => {
                let replies = replies.clone();
                tokio::spawn(async move {
                    let outcome = AssertUnwindSafe(call.run)
                        .catch_unwind()
                        .await
                        .unwrap_or_else(|_| Err("the plugin panicked; its log says where".into()));
                    drop(permits);
                    let reply = Reply {
                        method,
                        seq,
                        outcome,
                    };
                    // The writer is gone when the stream is: nobody is left to be told.
                    if replies.send(reply).await.is_err() {
                        debug!(seq, "dropped a reply to a closed stream");
                    }
                });
            }
            Err(reason) => {
                // Not the method's name: it is the peer's, and may be megabytes.
                warn!(seq, "refused a call");
                let reply = Reply {
                    method,
                    seq,
                    outcome: Err(reason),
                };
                match replies.try_send(reply) {
                    Ok(()) => {}
                    Err(mpsc::error::TrySendError::Closed(_)) => return Ok(()),
                    Err(mpsc::error::TrySendError::Full(_)) => {
                        return Err(Error::NotReading { queued: MAX_CALLS });
                    }
                }
            }
        }
    }
}

/// Finds the method and starts the call; the error is for the peer, in Go's words
/// (`server.go, readRequestHeader`).
fn start(
    services: &[(&'static str, Arc<dyn Service>)],
    name: &str,
    argument: &Value<'_>,
) -> Result<Call, String> {
    let Some((service, method)) = name.rsplit_once('.') else {
        return Err(format!("rpc: service/method request ill-formed: {name}"));
    };
    let Some((_, service)) = services.iter().find(|(known, _)| *known == service) else {
        return Err(format!("rpc: can't find service {name}"));
    };
    Arc::clone(service)
        .call(method, argument)
        .map_err(|refusal| match refusal {
            Refusal::NoMethod => format!("rpc: can't find method {name}"),
            Refusal::BadArgument(error) => error.to_string(),
        })
}

async fn write_replies<W: AsyncWrite + Unpin>(
    mut io: W,
    mut queue: mpsc::Receiver<Reply>,
) -> Result<(), Error> {
    let mut encoder = Encoder::new();
    while let Some(reply) = queue.recv().await {
        let bytes = encode_reply(&mut encoder, reply)?;
        io.write_all(&bytes).await.map_err(Error::Connection)?;
        io.flush().await.map_err(Error::Connection)?;
    }
    io.shutdown().await.map_err(Error::Connection)
}

fn encode_reply(encoder: &mut Encoder, reply: Reply) -> Result<Vec<u8>, Error> {
    // The body comes first here and second on the wire: if it cannot be sent, the header says so.
    // Type definitions that it left behind are sent all the same, the encoder counts on them.
    let mut body = Vec::new();
    let error = match reply.outcome {
        Ok(encode) => encode(encoder, &mut body).err().map(|e| e.to_string()),
        // Go takes an empty text for success.
        Err(text) if text.is_empty() => Some("unspecified error".into()),
        Err(mut text) => {
            text.truncate(text.floor_char_boundary(MAX_ERROR_BYTES));
            Some(text)
        }
    };
    if error.is_some() {
        encoder.encode(&Empty, &mut body).map_err(Error::Encode)?;
    }
    let header = ResponseHeader {
        method: reply.method,
        seq: reply.seq,
        error: error.unwrap_or_default(),
    };
    let mut bytes = Vec::new();
    encoder.encode(&header, &mut bytes).map_err(Error::Encode)?;
    bytes.append(&mut body);
    Ok(bytes)
}
