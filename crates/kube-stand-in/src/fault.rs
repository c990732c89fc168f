//! The script of what goes wrong.

use std::fmt;
use std::time::Duration;

use crate::world::World;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// A list of pods.
    Pods,
    /// One pod.
    Pod,
    /// The log of a pod's container.
    Log,
    /// One Secret.
    Secret,
    /// A list of events.
    Events,
    /// A list of rollouts.
    Rollouts,
    /// One rollout.
    Rollout,
    /// Discovery, and everything that is not served.
    Other,
}

/// What happens instead of the answer, or to it.
pub enum Act {
    /// Another status, with the API server's own body for it, and `Retry-After`
    /// in seconds.
    Status(u16, Option<u64>),
    /// 403, as for a service account that lacks the right.
    Forbidden,
    /// 200 and this text, whatever was asked for.
    Says(String),
    /// No answer, ever.
    Hang,
    /// The body stops after so many bytes, and the connection stays open.
    HangAfter(u64),
    /// The connection breaks after so many bytes of the body.
    CutAfter(u64),
    /// Each piece of the body (64 KiB of a log) takes this long.
    Slow(Duration),
    /// The answer is right, and then the world changes.
    Then(Box<dyn FnMut(&mut World) + Send>),
}

impl fmt::Debug for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(code, after) => write!(f, "Status({code}, {after:?})"),
            Self::Forbidden => f.write_str("Forbidden"),
            Self::Says(text) => write!(f, "Says({text:?})"),
            Self::Hang => f.write_str("Hang"),
            Self::HangAfter(bytes) => write!(f, "HangAfter({bytes})"),
            Self::CutAfter(bytes) => write!(f, "CutAfter({bytes})"),
            Self::Slow(each) => write!(f, "Slow({each:?})"),
            Self::Then(_) => f.write_str("Then(…)"),
        }
    }
}

/// A fault: which requests it meets, how often, and what then happens.
#[derive(Debug)]
pub struct Fault {
    pub(crate) resource: Resource,
    pub(crate) contains: String,
    pub(crate) times: u32,
    pub(crate) act: Act,
}

impl Fault {
    /// A fault that meets every request of this kind.
    #[must_use]
    pub fn on(resource: Resource, act: Act) -> Self {
        Self {
            resource,
            contains: String::new(),
            times: u32::MAX,
            act,
        }
    }

    /// Only requests whose path and query contain this.
    #[must_use]
    pub fn only(mut self, contains: &str) -> Self {
        contains.clone_into(&mut self.contains);
        self
    }

    /// Only the first so many requests.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    pub(crate) fn meets(&self, resource: Resource, uri: &str) -> bool {
        self.times > 0 && self.resource == resource && uri.contains(&self.contains)
    }
}
