//! The ways in which a version can go wrong on purpose, and what each does to
//! a request. Pure: time comes as an argument.

use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

use crate::color::{Behaviour, MAX_DELAY_S};

/// Share of requests that fail under `exception` and `log-injection`, in
/// percent.
const EXCEPTION_PERCENT: f64 = 20.0;
/// Share of requests that fail under `already-broken`, in percent.
const ALREADY_BROKEN_PERCENT: f64 = 10.0;
/// Share of requests under `log-injection` whose client sends hostile text,
/// in [0, 1].
const HOSTILE_SHARE: f64 = 0.05;
/// How much longer answers take under `latency-x3`.
const LATENCY_FACTOR: u32 = 3;
/// What `latency-x3` multiplies where the version has no latency of its own.
const USUAL_LATENCY_MS: u64 = 20;
/// The neighbour takes the processor at the start of every such span.
const NEIGHBOUR_EVERY_MS: u64 = 8_000;
/// For so long.
const NEIGHBOUR_BUSY_MS: u64 = 1_000;
/// What a request then waits for its turn.
const NEIGHBOUR_DELAY_MS: u64 = 150;
/// How long a version that starts slowly is not ready.
const SLOW_START_UNREADY_MS: u64 = 8_000;
/// How long its answers then take to become quick.
const SLOW_START_WARMING_MS: u64 = 12_000;
/// How late its first answers are.
const SLOW_START_DELAY_MS: u64 = 500;

/// What goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scenario {
    /// Nothing.
    #[default]
    None,
    /// Nothing: only the colour is another.
    ColorOnly,
    /// Some requests fail with an exception.
    Exception,
    /// Some requests fail as they did before this version.
    AlreadyBroken,
    /// Answers take three times as long.
    LatencyX3,
    /// Requests are answered, their work is not done, and nothing says so.
    SilentFailure,
    /// Some requests fail, and clients write into the log what they like.
    LogInjection,
    /// Another tenant of the machine takes the processor now and then.
    NoisyNeighbour,
    /// It is not ready for long, and slow at first.
    SlowStart,
    /// It keeps memory until its limit ends it.
    MemoryLeak,
    /// It ends soon after each start.
    Crash,
}

/// Whose a scenario is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// One request's: it can travel with it, to whichever pod answers.
    Request,
    /// The process's.
    Process,
}

/// A scenario in words, for the page and for people.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct About {
    #[serde(skip)]
    scenario: Scenario,
    /// As it is typed.
    pub name: &'static str,
    /// In a few words.
    title: &'static str,
    /// In a sentence.
    about: &'static str,
    /// Whose it is.
    scope: Scope,
}

const fn about(
    scenario: Scenario,
    scope: Scope,
    name: &'static str,
    words: (&'static str, &'static str),
) -> About {
    About {
        scenario,
        name,
        title: words.0,
        about: words.1,
        scope,
    }
}

/// All of them.
pub const ALL: [About; 11] = [
    about(
        Scenario::None,
        Scope::Request,
        "none",
        ("Healthy", "Nothing goes wrong."),
    ),
    about(
        Scenario::ColorOnly,
        Scope::Request,
        "color-only",
        ("Colour change only", "Nothing but the colour is new."),
    ),
    about(
        Scenario::Exception,
        Scope::Request,
        "exception",
        (
            "Exception",
            "20 % of requests fail with a NullPointerException.",
        ),
    ),
    about(
        Scenario::AlreadyBroken,
        Scope::Request,
        "already-broken",
        (
            "Already broken",
            "10 % of requests fail; meant for both versions.",
        ),
    ),
    about(
        Scenario::LatencyX3,
        Scope::Request,
        "latency-x3",
        ("Latency ×3", "Answers take three times as long."),
    ),
    about(
        Scenario::SilentFailure,
        Scope::Request,
        "silent-failure",
        (
            "Silent failure",
            "Requests are answered, but their work is lost without an error.",
        ),
    ),
    about(
        Scenario::LogInjection,
        Scope::Request,
        "log-injection",
        (
            "Log injection",
            "20 % of requests fail, and clients write into the log what they like.",
        ),
    ),
    about(
        Scenario::NoisyNeighbour,
        Scope::Request,
        "noisy-neighbour",
        (
            "Noisy neighbour",
            "For one second of eight answers are 150 ms late; meant for both versions.",
        ),
    ),
    about(
        Scenario::SlowStart,
        Scope::Process,
        "slow-start",
        (
            "Slow start",
            "Not ready for 8 s, then slow for another 12 s.",
        ),
    ),
    about(
        Scenario::MemoryLeak,
        Scope::Process,
        "memory-leak",
        (
            "Memory leak",
            "Keeps 8 MiB more each second, until the pod's limit ends it.",
        ),
    ),
    about(
        Scenario::Crash,
        Scope::Process,
        "crash",
        ("Crash", "Ends with exit code 1."),
    ),
];

impl Scenario {
    fn words(self) -> &'static About {
        // Each is in the table: a test walks through it.
        ALL.iter()
            .find(|about| about.scenario == self)
            .unwrap_or(&ALL[0])
    }

    /// As it is typed.
    pub fn name(self) -> &'static str {
        self.words().name
    }

    /// Whose it is.
    pub fn scope(self) -> Scope {
        self.words().scope
    }

    /// Whether a process that has been in this scenario for so long may be
    /// sent requests.
    pub fn ready_after(self, since: Duration) -> bool {
        self != Self::SlowStart || since >= Duration::from_millis(SLOW_START_UNREADY_MS)
    }

    /// How late answers of a process are that has been in it for so long.
    pub fn warming(self, since: Duration) -> Duration {
        if self != Self::SlowStart {
            return Duration::ZERO;
        }
        let warm = since.saturating_sub(Duration::from_millis(SLOW_START_UNREADY_MS));
        let left = Duration::from_millis(SLOW_START_WARMING_MS).saturating_sub(warm);
        let share = left.as_secs_f64() / Duration::from_millis(SLOW_START_WARMING_MS).as_secs_f64();
        Duration::from_millis(SLOW_START_DELAY_MS).mul_f64(share)
    }

    /// What becomes of a request: `own` is what version and sliders say,
    /// `wall_ms` the time of day, which all pods of a machine share.
    pub fn plan(self, own: Behaviour, wall_ms: u64) -> Plan {
        let mut plan = Plan {
            behaviour: own,
            trouble: Trouble::Usual,
            work_is_lost: false,
            hostile_share: 0.0,
        };
        match self {
            Self::Exception | Self::LogInjection => {
                plan.behaviour.error_percent = own.error_percent.max(EXCEPTION_PERCENT);
                plan.trouble = Trouble::NullShade;
                if self == Self::LogInjection {
                    plan.hostile_share = HOSTILE_SHARE;
                }
            }
            Self::AlreadyBroken => {
                plan.behaviour.error_percent = own.error_percent.max(ALREADY_BROKEN_PERCENT);
                plan.trouble = Trouble::NoConnection;
            }
            Self::LatencyX3 => {
                let usual = if own.delay.is_zero() {
                    Duration::from_millis(USUAL_LATENCY_MS)
                } else {
                    own.delay
                };
                let most = Duration::from_secs_f64(MAX_DELAY_S);
                plan.behaviour.delay = (usual * LATENCY_FACTOR).min(most);
            }
            Self::SilentFailure => plan.work_is_lost = true,
            Self::NoisyNeighbour if wall_ms % NEIGHBOUR_EVERY_MS < NEIGHBOUR_BUSY_MS => {
                plan.behaviour.delay += Duration::from_millis(NEIGHBOUR_DELAY_MS);
                plan.trouble = Trouble::Throttled;
            }
            Self::NoisyNeighbour
            | Self::None
            | Self::ColorOnly
            | Self::SlowStart
            | Self::MemoryLeak
            | Self::Crash => {}
        }
        plan
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, String> {
        let found = ALL.iter().find(|about| about.name == typed);
        found.map(|about| about.scenario).ok_or_else(|| {
            let names: Vec<&str> = ALL.iter().map(|about| about.name).collect();
            format!("a scenario is one of {}", names.join(", "))
        })
    }
}

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// How often it fails and how late it is.
    pub behaviour: Behaviour,
    /// What the log says about it.
    pub trouble: Trouble,
    /// Answered, and nothing else.
    pub work_is_lost: bool,
    /// Share of such requests whose client sends hostile text, in [0, 1].
    pub hostile_share: f64,
}

/// What the log says when something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Some failures leave a stack trace.
    Usual,
    /// All failures leave that same stack trace.
    NullShade,
    /// All failures leave another one.
    NoConnection,
    /// Requests are late because something else has the processor.
    Throttled,
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Behaviour = Behaviour {
        error_percent: 0.0,
        delay: Duration::ZERO,
    };

    #[test]
    fn names_are_read_back_and_each_is_there_once() {
        for about in ALL {
            assert_eq!(about.name.parse(), Ok(about.scenario));
            assert_eq!(about.scenario.name(), about.name);
        }
        let error = "explode".parse::<Scenario>().unwrap_err();
        assert!(error.contains("memory-leak"), "{error}");
    }

    #[test]
    fn a_plan_is_no_milder_than_what_the_sliders_say() {
        let half = Behaviour {
            error_percent: 50.0,
            delay: Duration::from_secs(20),
        };
        assert_eq!(
            Scenario::Exception.plan(half, 0).behaviour.error_percent,
            50.0
        );
        assert_eq!(
            Scenario::Exception.plan(OWN, 0).behaviour.error_percent,
            20.0
        );
        // A delay has its limit here as well.
        assert_eq!(
            Scenario::LatencyX3.plan(half, 0).behaviour.delay,
            Duration::from_secs(30)
        );
        assert_eq!(
            Scenario::LatencyX3.plan(OWN, 0).behaviour.delay,
            Duration::from_millis(60)
        );
    }

    #[test]
    fn what_is_no_request_s_changes_no_request() {
        for about in ALL {
            let changed = (0..16).any(|half_s| {
                let plan = about.scenario.plan(OWN, half_s * 500);
                plan != Scenario::None.plan(OWN, 0)
            });
            let harmless = matches!(about.scenario, Scenario::None | Scenario::ColorOnly);
            assert_eq!(
                changed,
                about.scope == Scope::Request && !harmless,
                "{}",
                about.name
            );
        }
    }

    #[test]
    fn the_neighbour_is_noisy_for_one_second_of_eight() {
        let late: Vec<u64> = (0..16)
            .filter(|second| {
                !Scenario::NoisyNeighbour
                    .plan(OWN, second * 1_000 + 999)
                    .behaviour
                    .delay
                    .is_zero()
            })
            .collect();
        assert_eq!(late, [0, 8]);
    }

    #[test]
    fn a_slow_start_is_not_ready_then_slow_then_quick() {
        let at = |s| Duration::from_millis(s);
        let slow = Scenario::SlowStart;
        assert!(!slow.ready_after(at(7_999)) && slow.ready_after(at(8_000)));
        assert_eq!(slow.warming(at(8_000)), at(500));
        assert_eq!(slow.warming(at(14_000)), at(250));
        assert_eq!(slow.warming(at(20_000)), Duration::ZERO);
        assert!(Scenario::None.ready_after(Duration::ZERO));
        assert_eq!(Scenario::None.warming(Duration::ZERO), Duration::ZERO);
    }
}
