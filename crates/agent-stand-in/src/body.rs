//! A body that can break half way, and that counts as open until it is sent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::call::Open;

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    bytes: Option<Bytes>,
    /// What the head promises.
    promised_bytes: u64,
    breaks: bool,
    _open: Open,
}

impl AnswerBody {
    /// The whole, or so many bytes of it and then a broken connection.
    pub(crate) fn new(body: String, cut_after: Option<usize>, open: Open) -> Self {
        let whole = Bytes::from(body);
        let promised_bytes = whole.len() as u64;
        let sent = cut_after.map_or(whole.len(), |cut| cut.min(whole.len()));
        let bytes = whole.slice(..sent);
        Self {
            bytes: Some(bytes).filter(|bytes| !bytes.is_empty()),
            promised_bytes,
            breaks: cut_after.is_some(),
            _open: open,
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        Poll::Ready(match this.bytes.take() {
            Some(bytes) => Some(Ok(Frame::data(bytes))),
            None if this.breaks => Some(Err(io::Error::new(
                io::ErrorKind::ConnectionReset,
                "the script breaks the connection here",
            ))),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none() && !self.breaks
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.promised_bytes)
    }
}
