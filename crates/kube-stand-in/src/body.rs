//! Bodies that are made as they are read, and that can fail half way.

use std::fmt;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use crate::log::{Log, Stamp};

/// Bytes that are made at a time.
const PIECE_BYTES: usize = 64 << 10;

/// The body of an answer.
pub struct AnswerBody {
    source: Source,
    /// Bytes that may still be sent before `end` comes.
    left: u64,
    end: End,
    /// The pause before each piece, and the one that runs.
    pace: Option<(Duration, Option<Pin<Box<Sleep>>>)>,
    dropped: Option<Box<dyn FnOnce() + Send + Sync>>,
}

enum Source {
    Whole(Option<Bytes>),
    Lines {
        log: Log,
        range: Range<u64>,
        /// `None`: lines without their times.
        stamp: Option<Stamp>,
    },
}

/// What comes when the bytes are used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The end of the body.
    Done,
    /// Nothing.
    Silence,
    /// A broken connection.
    Broken,
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerBody")
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl AnswerBody {
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::new(Source::Whole(Some(bytes.into())), u64::MAX)
    }

    /// So many of these lines of a log, and of them so many bytes.
    pub(crate) fn lines(log: Log, range: Range<u64>, timestamps: bool, bytes: u64) -> Self {
        let source = Source::Lines {
            log,
            range,
            stamp: timestamps.then(Stamp::default),
        };
        Self::new(source, bytes)
    }

    fn new(source: Source, left: u64) -> Self {
        Self {
            source,
            left,
            end: End::Done,
            pace: None,
            dropped: None,
        }
    }

    /// After so many bytes, another end than its own.
    pub(crate) fn end_after(&mut self, bytes: u64, end: End) {
        self.left = self.left.min(bytes);
        self.end = end;
    }

    pub(crate) fn pace(&mut self, each: Duration) {
        self.pace = Some((each, None));
    }

    /// Calls back once, when the body has been sent or given up.
    pub(crate) fn when_dropped(&mut self, dropped: impl FnOnce() + Send + Sync + 'static) {
        self.dropped = Some(Box::new(dropped));
    }

    fn piece(&mut self) -> Option<Bytes> {
        match &mut self.source {
            Source::Whole(bytes) => bytes.take().filter(|bytes| !bytes.is_empty()),
            Source::Lines { log, range, stamp } => {
                let mut piece = Vec::with_capacity(PIECE_BYTES + (PIECE_BYTES >> 3));
                while piece.len() < PIECE_BYTES {
                    let Some(index) = range.next() else { break };
                    log.write(index, stamp.as_mut(), &mut piece);
                }
                (!piece.is_empty()).then(|| piece.into())
            }
        }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        if let Some(dropped) = self.dropped.take() {
            dropped();
        }
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
        if let Some((each, running)) = &mut this.pace {
            let sleep = running.get_or_insert_with(|| Box::pin(tokio::time::sleep(*each)));
            ready!(sleep.as_mut().poll(context));
            *running = None;
        }
        let piece = if this.left == 0 { None } else { this.piece() };
        match piece {
            Some(mut piece) => {
                let sent =
                    usize::try_from(this.left).map_or(piece.len(), |left| left.min(piece.len()));
                piece.truncate(sent);
                this.left -= sent as u64;
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            None => match this.end {
                End::Done => Poll::Ready(None),
                End::Silence => Poll::Pending,
                End::Broken => Poll::Ready(Some(Err(io::Error::new(
                    io::ErrorKind::ConnectionReset,
                    "the script breaks the connection here",
                )))),
            },
        }
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.source, self.end) {
            (Source::Whole(Some(bytes)), End::Done) => SizeHint::with_exact(bytes.len() as u64),
            _ => SizeHint::default(),
        }
    }
}
