//! The body of an answer: pieces, a pause before each, and how it ends.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use crate::call::Open;
use crate::script::Cut;

/// The body of an answer.
pub(crate) struct AnswerBody {
    pieces: VecDeque<Bytes>,
    end: End,
    pause: Duration,
    running: Option<Pin<Box<Sleep>>>,
    /// Counts the answer as on its way until the body is gone.
    open: Option<Open>,
}

/// What comes after the last piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The end of the body.
    Done,
    /// Once more nothing, then `Broken`.
    Break,
    /// A broken connection.
    Broken,
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerBody")
            .field("pieces", &self.pieces.len())
            .finish_non_exhaustive()
    }
}

impl AnswerBody {
    pub(crate) fn new(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        Self {
            pieces: pieces.into_iter().filter(|p| !p.is_empty()).collect(),
            end: End::Done,
            pause: Duration::ZERO,
            running: None,
            open: None,
        }
    }

    /// Sends no more than the cut says, and ends as it says.
    pub(crate) fn cut(&mut self, cut: Cut) {
        let mut left = cut.after_bytes;
        for piece in &mut self.pieces {
            piece.truncate(left);
            left -= piece.len();
        }
        self.pieces.retain(|piece| !piece.is_empty());
        if cut.connection {
            self.end = End::Break;
        }
    }

    pub(crate) fn pause(&mut self, pause: Duration) {
        self.pause = pause;
    }

    pub(crate) fn hold(&mut self, open: Open) {
        self.open = Some(open);
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        if !this.pause.is_zero() && !this.pieces.is_empty() {
            let pause = this.pause;
            let sleep = this
                .running
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
            ready!(sleep.as_mut().poll(context));
            this.running = None;
        }
        if let Some(piece) = this.pieces.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match this.end {
            End::Done => Poll::Ready(None),
            // What was written has to leave first: an error at once would take
            // it back with the connection.
            End::Break => {
                this.end = End::Broken;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            End::Broken => Poll::Ready(Some(Err(io::Error::new(
                io::ErrorKind::ConnectionReset,
                "the script breaks the connection here",
            )))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match (self.pieces.len(), self.end) {
            (0, End::Done) => SizeHint::with_exact(0),
            (1, End::Done) => SizeHint::with_exact(self.pieces[0].len() as u64),
            _ => SizeHint::default(),
        }
    }
}
