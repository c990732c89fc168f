//! What may be different about a canary: faults, and changes that every
//! healthy release may bring.

use super::systems::System;

/// A fault, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The same version again.
    Nothing,
    /// A new INFO line.
    NewInfo,
    /// The line of a unit of work in other words.
    Reworded,
    /// Another version string in each start-up.
    VersionString,
    /// DEBUG switched on.
    Debug,
    /// Many more lines at start-up, some of them warnings.
    StartBurst,
    /// Busier than stable for its share.
    MoreTraffic,
    /// Warnings of things that will go away, at start-up.
    Deprecation,
    /// Stopped and started again as it is asked to.
    Restart,
    /// Levels by another name.
    Renamed,
    /// JSON members in another order.
    KeyOrder,
    /// An exception with its trace.
    NewException,
    /// The same without a trace.
    NewError,
    /// Errors that stable has too, thrice as often or more.
    ErrorRate,
    /// Requests answered with 5xx.
    ServerErrors,
    /// A dependency does not answer, said at WARN.
    Timeouts,
    /// A dependency is not there, said at INFO.
    RefusedInfo,
    /// A dependency goes down for good.
    DependencyDown,
    /// The process dies and is started again.
    Crash,
    /// The same for want of memory.
    Memory,
    /// All lines stop.
    Silence,
    /// Work stops, heartbeats go on.
    Deadlock,
    /// Lines of the work are missing.
    WorkLost,
    /// Requests take three times as long or more.
    Latency,
    /// It does not start for its configuration.
    Config,
    /// Retries upon retries, at WARN.
    Retries,
    /// Data are damaged, said at INFO.
    Corruption,
    /// One endpoint fails.
    Partial,
    /// Who is known is not let in.
    Auth,
}

/// All causes with what tables call them.
pub const CAUSES: &[(Cause, &str)] = &[
    (Cause::Nothing, "nothing"),
    (Cause::NewInfo, "a new INFO line"),
    (Cause::Reworded, "a reworded message"),
    (Cause::VersionString, "another version string"),
    (Cause::Debug, "DEBUG switched on"),
    (Cause::StartBurst, "a start-up burst"),
    (Cause::MoreTraffic, "more traffic"),
    (Cause::Deprecation, "deprecation warnings at start"),
    (Cause::Restart, "a graceful restart"),
    (Cause::Renamed, "levels by another name"),
    (Cause::KeyOrder, "JSON keys in another order"),
    (Cause::NewException, "new exception"),
    (Cause::NewError, "new error without a trace"),
    (Cause::ErrorRate, "errors x 3"),
    (Cause::ServerErrors, "5xx"),
    (Cause::Timeouts, "timeouts at WARN"),
    (Cause::RefusedInfo, "refused at INFO"),
    (Cause::DependencyDown, "dependency down"),
    (Cause::Crash, "crash and restart"),
    (Cause::Memory, "out of memory"),
    (Cause::Silence, "all lines stop"),
    (Cause::Deadlock, "work stops"),
    (Cause::WorkLost, "lines of work lost"),
    (Cause::Latency, "latency x 3"),
    (Cause::Config, "does not start"),
    (Cause::Retries, "retries storm"),
    (Cause::Corruption, "corruption at INFO"),
    (Cause::Partial, "one endpoint fails"),
    (Cause::Auth, "auth failures"),
];

impl Cause {
    /// What tables call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        let found = CAUSES.iter().find(|(cause, _)| *cause == self);
        found.map_or("", |(_, name)| name)
    }

    /// Whether it is no fault.
    #[must_use]
    pub fn is_healthy(self) -> bool {
        self < Self::NewException
    }

    /// Whether a log alone can only make one wary of it: what it does not say
    /// may as well not have been asked for.
    #[must_use]
    pub fn is_weak(self) -> bool {
        matches!(self, Self::Silence | Self::Deadlock)
    }

    /// Whether it can happen to a system, and show.
    #[must_use]
    pub fn fits(self, system: &System) -> bool {
        let (talks, serves) = (system.talks(), !system.access.is_empty());
        let json = system.line.starts_with('{');
        match self {
            Self::Nothing | Self::MoreTraffic | Self::Silence => true,
            Self::KeyOrder => json,
            Self::Renamed => talks && system.levels.contains(&"WARN"),
            Self::ServerErrors | Self::Partial | Self::Auth => serves,
            Self::Latency => system.is_timed(),
            Self::WorkLost => talks && system.words.work.len() > 1,
            Self::ErrorRate => talks || serves,
            _ => talks,
        }
    }
}
