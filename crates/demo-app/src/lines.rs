//! What the application says, as text. Pure: time and dice come as arguments.
//!
//! The line of a request is the one that users of such demonstrations know
//! (`200 - blue`). Around it stands what services in production say as well,
//! in the manner of a Java service: levels, trace ids, now and then a warning
//! that means nothing, and stack traces when something fails.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::color::Color;

/// Share of failed requests that leave an ERROR with its stack trace, beside
/// their `500` line: services that log every failure twice are as rare as
/// those that never do.
const STACK_TRACE_SHARE: f64 = 0.25;
/// Shares of all requests with a line that means nothing.
const NOISE: [(f64, Level, &str); 3] = [
    (
        0.010,
        Level::Info,
        "c.d.palette.PaletteCache : refreshed 6 shades",
    ),
    (
        0.004,
        Level::Info,
        "c.d.http.ConnectionPool : idle connection closed",
    ),
    (
        0.002,
        Level::Warn,
        "c.d.palette.PaletteStore : slow answer, used the cached shade",
    ),
];

/// Levels, as they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Nothing to worry about.
    Info,
    /// Something to look at.
    Warn,
    /// A request failed.
    Error,
    /// The process ends.
    Fatal,
}

impl fmt::Display for Level {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        })
    }
}

/// The line of one request: `200 - blue`, `500 - blue (1.000000s)`.
pub fn access(status: u16, color: &Color, delay: Duration) -> String {
    let color = color.as_str();
    if delay.is_zero() {
        format!("{status} - {color}")
    } else {
        format!("{status} - {color} ({:.6}s)", delay.as_secs_f64())
    }
}

/// A line of the application itself.
pub fn application(at: Timestamp, level: Level, text: &str) -> String {
    format!("{at:.3} {level:>5} [rollouts-demo] {text}")
}

/// What else a request says, if anything. `trace` is the request's id, `roll`
/// is even in [0, 1).
pub fn beside(at: Timestamp, status: u16, trace: u128, roll: f64) -> Option<String> {
    if status >= 500 {
        return (roll < STACK_TRACE_SHARE).then(|| stack_trace(at, trace));
    }
    let mut from = 0.0;
    for (share, level, text) in NOISE {
        if (from..from + share).contains(&roll) {
            return Some(format!(
                "{at:.3} {level:>5} [rollouts-demo,{trace:032x}] {text}"
            ));
        }
        from += share;
    }
    None
}

fn stack_trace(at: Timestamp, trace: u128) -> String {
    let level = Level::Error;
    format!(
        "{at:.3} {level:>5} [rollouts-demo,{trace:032x}] c.d.color.ColorResource : request failed
java.lang.NullPointerException: Cannot invoke \"com.demo.palette.Shade.name()\" because \"shade\" is null
\tat com.demo.color.ColorResource.answer(ColorResource.java:39)
\tat com.demo.http.Router.dispatch(Router.java:112)
\tat com.demo.http.Worker.run(Worker.java:58)
\tat java.base/java.lang.Thread.run(Thread.java:1583)"
    )
}

/// The last words of a version that cannot run.
pub fn crash(at: Timestamp, color: &Color) -> String {
    let level = Level::Fatal;
    let color = color.as_str();
    format!(
        "{at:.3} {level:>5} [rollouts-demo] c.d.Main : cannot go on, exiting with 1
Exception in thread \"main\" java.lang.IllegalStateException: no palette for \"{color}\"
\tat com.demo.palette.PaletteLoader.load(PaletteLoader.java:88)
\tat com.demo.Main.main(Main.java:21)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Timestamp {
        "2026-01-02T03:04:05.678912Z".parse().unwrap()
    }

    #[test]
    fn the_line_of_a_request_is_the_one_that_users_know() {
        let blue = "blue".parse().unwrap();
        assert_eq!(access(200, &blue, Duration::ZERO), "200 - blue");
        assert_eq!(
            access(500, &blue, Duration::from_secs(1)),
            "500 - blue (1.000000s)"
        );
    }

    #[test]
    fn a_quarter_of_the_failures_leave_a_stack_trace() {
        let said = beside(at(), 500, 7, 0.249).unwrap();
        assert!(
            said.starts_with(
                "2026-01-02T03:04:05.678Z ERROR [rollouts-demo,00000000000000000000000000000007] "
            ),
            "{said}"
        );
        assert!(said.contains("\njava.lang.NullPointerException: "));
        assert!(said.contains("(ColorResource.java:39)\n"));
        assert_eq!(beside(at(), 500, 7, 0.25), None);
    }

    #[test]
    fn a_healthy_request_never_says_more_than_a_warning() {
        let said: Vec<String> = (0..1_000)
            .filter_map(|step| beside(at(), 200, 7, f64::from(step) / 1_000.0))
            .collect();
        assert_eq!(said.len(), 16);
        assert_eq!(
            said.iter().filter(|line| line.contains(" WARN ")).count(),
            2
        );
        assert!(
            said.iter()
                .all(|line| !line.contains("ERROR") && !line.contains('\n'))
        );
    }

    #[test]
    fn levels_stand_in_a_column() {
        assert_eq!(
            application(at(), Level::Warn, "draining"),
            "2026-01-02T03:04:05.678Z  WARN [rollouts-demo] draining"
        );
        let crash = crash(at(), &"bad".parse().unwrap());
        assert!(crash.starts_with("2026-01-02T03:04:05.678Z FATAL "));
        assert!(crash.contains("IllegalStateException: no palette for \"bad\""));
    }
}
