//! The kinds of services that are simulated, and what a version changes.

use super::{Scene, backend, system, web};

/// What kind of service it is: what it writes for a unit of work, at start-up
/// and between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A web service with an access log: status, duration, rare errors.
    Web,
    /// A microservice that writes JSON.
    Json,
    /// A queue worker that writes INFO only.
    Worker,
    /// A Java service: WARN and ERROR now and then, stack traces.
    Java,
    /// Logfmt with heartbeats, DEBUG lines and housekeeping.
    Chatty,
    /// Syslog of a host: many programs, many levels, bursts.
    Syslog,
    /// A service whose dependency fails for a second or two: each failure is
    /// retried, and every attempt is logged as an error.
    Storms,
    /// As [`Kind::Web`], with errors that come and go with the time of day.
    Tides,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Web,
        Self::Json,
        Self::Worker,
        Self::Java,
        Self::Chatty,
        Self::Syslog,
        Self::Storms,
        Self::Tides,
    ];

    /// What tables call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Json => "json",
            Self::Worker => "worker",
            Self::Java => "java",
            Self::Chatty => "chatty",
            Self::Syslog => "syslog",
            Self::Storms => "storms",
            Self::Tides => "tides",
        }
    }

    /// Share of its units of work that fail when it is healthy.
    pub(crate) fn base_errors(self) -> f64 {
        match self {
            Self::Web => 0.003,
            Self::Json => 0.005,
            Self::Worker => 0.0,
            Self::Java => 0.004,
            Self::Chatty | Self::Storms => 0.002,
            Self::Syslog => 0.01,
            Self::Tides => 0.008,
        }
    }

    /// What it writes for one unit of work.
    pub(crate) fn serve(self, scene: &mut Scene<'_>, failed: bool) {
        match self {
            Self::Web | Self::Tides => web::access(scene, failed),
            Self::Json => web::json(scene, failed),
            Self::Worker => backend::worker(scene, failed),
            Self::Java => backend::java(scene, failed),
            Self::Chatty => web::chatty(scene, failed),
            Self::Storms => backend::storms(scene, failed),
            Self::Syslog => system::syslog(scene, failed),
        }
    }

    /// An exception that no healthy version writes.
    pub(crate) fn new_exception(self, scene: &mut Scene<'_>) {
        match self {
            Self::Web | Self::Tides | Self::Chatty => web::new_exception(scene),
            Self::Json => web::new_json_error(scene),
            Self::Worker | Self::Java | Self::Storms => backend::new_exception(scene),
            Self::Syslog => system::new_error(scene),
        }
    }

    /// What a pod writes while it starts.
    pub(crate) fn start_up(self, scene: &mut Scene<'_>) {
        match self {
            Self::Syslog => system::boot(scene),
            Self::Java | Self::Worker | Self::Storms => backend::start_up(scene),
            _ => web::start_up(scene),
        }
    }

    /// What a pod writes every ten seconds, work or no work.
    pub(crate) fn housekeeping(self, scene: &mut Scene<'_>) {
        match self {
            Self::Chatty => web::heartbeat(scene),
            Self::Java | Self::Storms => backend::housekeeping(scene),
            Self::Syslog => system::cron(scene),
            _ => {}
        }
    }
}

/// One version of a service: how it differs from what its kind writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// What it calls itself in its lines.
    pub name: &'static str,
    /// Share of units of work that fail; `None` for the kind's own.
    pub errors: Option<f64>,
    /// Share of units of work that end in an exception stable never has.
    pub new_exceptions: f64,
    /// Median duration, times the kind's.
    pub slower: f64,
    /// Share of units of work that take twenty times as long.
    pub tail: f64,
    /// Share of units of work that write a warning.
    pub warnings: f64,
    /// DEBUG is switched on.
    pub debug: bool,
    /// A new INFO line for each unit of work.
    pub new_info: bool,
    /// The line of a unit of work is said in other words.
    pub reworded: bool,
    /// The extra INFO line that a kind writes beside each unit of work.
    pub audit: bool,
    /// Another such line, of web services only.
    pub notices: bool,
    /// Lines that each pod writes at start-up, times the usual.
    pub start_up: u32,
    /// Connection errors while a pod starts, before it is ready.
    pub start_up_errors: u32,
    /// Share of units of work whose lines are not written at all.
    pub dropped: f64,
    /// Nothing is written any more after so many milliseconds.
    pub silent_after_ms: Option<i64>,
    /// The process ends with a panic after so many milliseconds.
    pub panics_after_ms: Option<i64>,
}

impl Default for Version {
    fn default() -> Self {
        Self {
            name: "1.4.2",
            errors: None,
            new_exceptions: 0.0,
            slower: 1.0,
            tail: 0.0,
            warnings: 0.01,
            debug: false,
            new_info: false,
            reworded: false,
            audit: true,
            notices: true,
            start_up: 1,
            start_up_errors: 0,
            dropped: 0.0,
            silent_after_ms: None,
            panics_after_ms: None,
        }
    }
}

impl Version {
    /// The one of [`Version::healthy_changes`] that a person may want to hear
    /// of.
    pub const STARTING_WITH_ERRORS: &str = "errors while starting, before ready";

    /// The healthy changes that every release may bring, by name: none of them
    /// may ever abort.
    #[must_use]
    pub fn healthy_changes() -> Vec<(&'static str, Self)> {
        let plain = Self {
            name: "1.5.0",
            ..Self::default()
        };
        let with = |change: fn(&mut Self)| {
            let mut version = plain.clone();
            change(&mut version);
            version
        };
        vec![
            ("none", Self::default()),
            ("another version string", plain.clone()),
            ("DEBUG switched on", with(|v| v.debug = true)),
            ("a new INFO line", with(|v| v.new_info = true)),
            ("a reworded message", with(|v| v.reworded = true)),
            ("a start-up burst", with(|v| v.start_up = 20)),
            (Self::STARTING_WITH_ERRORS, with(|v| v.start_up_errors = 4)),
        ]
    }
}
