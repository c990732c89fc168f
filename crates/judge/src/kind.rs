//! What a line is, whatever its words: how serious, a request or not, a crash.

use crate::access::{self, Traffic};
use crate::level::{self, Level};
use crate::signs::{self, Crash};

/// What templates are never merged across.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Kind {
    pub level: Level,
    pub status_class: u8,
    pub traffic: Traffic,
    pub crash: Option<Crash>,
    /// Reports a failure though its level says less than ERROR.
    pub suspect: bool,
}

impl Kind {
    /// Whether its texts are kept apart unless a variable is proven.
    pub(crate) fn is_error(self) -> bool {
        self.level >= Level::Error || self.crash.is_some()
    }
}

/// Level and kind of a redacted line.
pub(crate) fn kind_of(line: &str, status_class: u8) -> Kind {
    let stated = level::stated(line.as_bytes());
    let traffic = access::traffic(line, status_class);
    if traffic != Traffic::None {
        // What a request says of itself is its status; its URL may hold any
        // word that a client likes.
        return Kind {
            level: stated.unwrap_or_default().min(Level::Warn),
            status_class,
            traffic,
            crash: None,
            suspect: false,
        };
    }
    let crash = signs::crash(line, stated.is_some_and(|level| level >= Level::Error));
    let level = match (stated, crash) {
        (Some(level), _) => level,
        (None, Some(_)) => Level::Error,
        (None, None) if trace_head(line) || signs::reports_failure(line) => Level::Error,
        (None, None) => Level::Info,
    };
    let suspect = (level == Level::Info || level == Level::Warn)
        && signs::hides_failure(line, level == Level::Warn);
    Kind {
        level,
        status_class,
        traffic,
        crash,
        suspect,
    }
}

/// `java.lang.IllegalStateException: text` as a line of its own.
fn trace_head(line: &str) -> bool {
    line.split([':', ' '])
        .next()
        .and_then(|word| word.rsplit('.').next())
        .is_some_and(signs::is_exception_name)
}
