//! What the application says, as text. Pure: time and dice come as arguments.
//!
//! The line of a request is the one that users of such demonstrations know
//! (`200 - blue`). Around it stands what services in production say as well,
//! in the manner of a Java service: levels, trace ids, the work that was done,
//! now and then a warning that means nothing, and stack traces when something
//! fails. The same in plain text or as one JSON object a line.

use std::fmt::{self, Write as _};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::color::Color;
use crate::hostile;
use crate::scenario::Trouble;

/// Share of failed requests that leave an ERROR with its stack trace, beside
/// their `500` line, where no scenario says otherwise: services that log every
/// failure twice are as rare as those that never do.
const STACK_TRACE_SHARE: f64 = 0.25;
/// Share of late requests that leave a warning while another tenant has the
/// processor.
const THROTTLED_SHARE: f64 = 0.10;
/// Shares of all requests with a line that means nothing.
const NOISE: [(f64, Level, &str, &str); 3] = [
    (
        0.010,
        Level::Info,
        "c.d.palette.PaletteCache",
        "refreshed 6 shades",
    ),
    (
        0.004,
        Level::Info,
        "c.d.http.ConnectionPool",
        "idle connection closed",
    ),
    (
        0.002,
        Level::Warn,
        "c.d.palette.PaletteStore",
        "slow answer, used the cached shade",
    ),
];
const NULL_SHADE: &str = "java.lang.NullPointerException: Cannot invoke \"com.demo.palette.Shade.name()\" because \"shade\" is null
\tat com.demo.color.ColorResource.answer(ColorResource.java:39)
\tat com.demo.http.Router.dispatch(Router.java:112)
\tat com.demo.http.Worker.run(Worker.java:58)
\tat java.base/java.lang.Thread.run(Thread.java:1583)";
const NO_CONNECTION: &str = "com.demo.palette.PaletteUnavailableException: no shade for this request
\tat com.demo.palette.PaletteStore.find(PaletteStore.java:71)
\tat com.demo.color.ColorResource.answer(ColorResource.java:36)
\tat com.demo.http.Router.dispatch(Router.java:112)
\tat com.demo.http.Worker.run(Worker.java:58)
\tat java.base/java.lang.Thread.run(Thread.java:1583)
Caused by: java.sql.SQLTransientConnectionException: palette-pool - Connection is not available, request timed out after 250ms
\tat com.demo.palette.ConnectionPool.take(ConnectionPool.java:144)
\tat com.demo.palette.PaletteStore.find(PaletteStore.java:66)
\t... 4 common frames omitted";

/// How lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// As text; a stack trace takes several lines.
    #[default]
    Plain,
    /// One JSON object a line.
    Json,
}

/// Levels, as they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
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

/// A line that is not a request's.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// When.
    pub at: Timestamp,
    /// How bad.
    pub level: Level,
    /// Which request it belongs to, where it does.
    pub trace: Option<u128>,
    /// Who says it; empty for the application itself.
    pub logger: &'a str,
    /// What.
    pub message: &'a str,
    /// Exception and stack trace.
    pub exception: Option<&'a str>,
}

#[derive(Serialize)]
struct Json<'a> {
    #[serde(serialize_with = "to_the_millisecond")]
    ts: Timestamp,
    level: Level,
    #[serde(skip_serializing_if = "str::is_empty")]
    logger: &'a str,
    message: &'a str,
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "thirty_two_digits"
    )]
    trace_id: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    color: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exception: Option<&'a str>,
}

fn to_the_millisecond<S: serde::Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("{at:.3}"))
}

fn thirty_two_digits<S: serde::Serializer>(trace: &Option<u128>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("{:032x}", trace.unwrap_or_default()))
}

impl Json<'_> {
    fn write(&self, out: &mut String) {
        #[expect(clippy::expect_used, reason = "words and finite numbers")]
        out.push_str(&serde_json::to_string(self).expect("a line is always JSON"));
        out.push('\n');
    }
}

impl Event<'_> {
    /// Adds it, with its newline.
    pub fn write(&self, format: Format, out: &mut String) {
        match format {
            Format::Plain => {
                // Writing to a string cannot fail.
                let _ = write!(out, "{:.3} {:>5} [rollouts-demo", self.at, self.level);
                let _ = match self.trace {
                    Some(trace) => write!(out, ",{trace:032x}] "),
                    None => write!(out, "] "),
                };
                if !self.logger.is_empty() {
                    let _ = write!(out, "{} : ", self.logger);
                }
                let _ = writeln!(out, "{}", self.message);
                if let Some(exception) = self.exception {
                    let _ = writeln!(out, "{exception}");
                }
            }
            Format::Json => Json {
                ts: self.at,
                level: self.level,
                logger: self.logger,
                message: self.message,
                trace_id: self.trace,
                status: None,
                color: None,
                duration_ms: None,
                exception: self.exception,
            }
            .write(out),
        }
    }
}

/// A request that was answered.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// When it was answered.
    pub at: Timestamp,
    /// The request's id.
    pub trace: u128,
    /// HTTP status.
    pub status: u16,
    /// The version that answered.
    pub color: &'a Color,
    /// How long the answer was held back on purpose.
    pub delay: Duration,
    /// How long it took in all.
    pub took: Duration,
    /// What else is wrong.
    pub trouble: Trouble,
    /// The number of the order that it booked, where it did its work.
    pub booked: Option<u64>,
}

/// Chances of one request, each even in [0, 1).
#[derive(Clone, Copy, Debug)]
pub struct Dice {
    /// Whether it says more than it must.
    pub beside: f64,
    /// Whether its client is hostile, and how; none is at 1 and above.
    pub hostile: f64,
}

impl Answered<'_> {
    /// All that it leaves in the log.
    pub fn write(&self, format: Format, dice: Dice, out: &mut String) {
        let event = Event {
            at: self.at,
            level: Level::Info,
            trace: Some(self.trace),
            logger: "",
            message: "",
            exception: None,
        };
        if let Some(said) = self.beside(dice.beside, event) {
            said.write(format, out);
        }
        if let Some(text) = hostile::text(dice.hostile) {
            Event {
                logger: "c.d.http.Access",
                message: &format!("client {text}"),
                ..event
            }
            .write(format, out);
        }
        if let Some(order) = self.booked {
            Event {
                logger: "c.d.order.OrderBook",
                message: &format!("order {order} booked"),
                ..event
            }
            .write(format, out);
        }
        self.access(format, out);
    }

    /// What else it says, if anything.
    fn beside<'a>(&self, roll: f64, event: Event<'a>) -> Option<Event<'a>> {
        if self.status >= 500 {
            let (share, exception) = match self.trouble {
                Trouble::Usual | Trouble::Throttled => (STACK_TRACE_SHARE, NULL_SHADE),
                Trouble::NullShade => (1.0, NULL_SHADE),
                Trouble::NoConnection => (1.0, NO_CONNECTION),
            };
            return (roll < share).then_some(Event {
                level: Level::Error,
                logger: "c.d.color.ColorResource",
                message: "request failed",
                exception: Some(exception),
                ..event
            });
        }
        if self.trouble == Trouble::Throttled {
            return (roll < THROTTLED_SHARE).then_some(Event {
                level: Level::Warn,
                logger: "c.d.http.Worker",
                message: "slow request, its thread waited for a processor",
                ..event
            });
        }
        let mut from = 0.0;
        for (share, level, logger, message) in NOISE {
            if (from..from + share).contains(&roll) {
                return Some(Event {
                    level,
                    logger,
                    message,
                    ..event
                });
            }
            from += share;
        }
        None
    }

    /// `200 - blue`, `500 - blue (1.000000s)`.
    fn access(&self, format: Format, out: &mut String) {
        let (status, color) = (self.status, self.color.as_str());
        let message_at = out.len();
        let _ = write!(out, "{status} - {color}");
        if !self.delay.is_zero() {
            let _ = write!(out, " ({:.6}s)", self.delay.as_secs_f64());
        }
        if format == Format::Plain {
            out.push('\n');
            return;
        }
        let message = out.split_off(message_at);
        Json {
            ts: self.at,
            level: Level::Info,
            logger: "c.d.http.Access",
            message: &message,
            trace_id: Some(self.trace),
            status: Some(status),
            color: Some(color),
            duration_ms: Some((self.took.as_secs_f64() * 1e6).round() / 1e3),
            exception: None,
        }
        .write(out);
    }
}

/// The last words of a version that cannot run.
pub fn crash(at: Timestamp, color: &Color, format: Format, out: &mut String) {
    let color = color.as_str();
    let exception = format!(
        "Exception in thread \"main\" java.lang.IllegalStateException: no palette for \"{color}\"
\tat com.demo.palette.PaletteLoader.load(PaletteLoader.java:88)
\tat com.demo.Main.main(Main.java:21)"
    );
    Event {
        at,
        level: Level::Fatal,
        trace: None,
        logger: "c.d.Main",
        message: "cannot go on, exiting with 1",
        exception: Some(&exception),
    }
    .write(format, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Timestamp {
        "2026-01-02T03:04:05.678912Z".parse().unwrap()
    }

    const QUIET: Dice = Dice {
        beside: 0.999,
        hostile: 1.0,
    };

    fn blue() -> Color {
        "blue".parse().unwrap()
    }

    fn answered(color: &Color, status: u16) -> Answered<'_> {
        Answered {
            at: at(),
            trace: 7,
            status,
            color,
            delay: Duration::ZERO,
            took: Duration::from_micros(1_234),
            trouble: Trouble::Usual,
            booked: None,
        }
    }

    fn said(answered: Answered<'_>, format: Format, dice: Dice) -> String {
        let mut out = String::new();
        answered.write(format, dice, &mut out);
        out
    }

    fn at_roll(trouble: Trouble, status: u16, beside: f64) -> String {
        let blue = blue();
        let answered = Answered {
            trouble,
            ..answered(&blue, status)
        };
        said(answered, Format::Plain, Dice { beside, ..QUIET })
    }

    #[test]
    fn the_line_of_a_request_is_the_one_that_users_know() {
        let blue = blue();
        let quick = answered(&blue, 200);
        assert_eq!(said(quick, Format::Plain, QUIET), "200 - blue\n");
        let late = Answered {
            delay: Duration::from_secs(1),
            ..answered(&blue, 500)
        };
        assert_eq!(said(late, Format::Plain, QUIET), "500 - blue (1.000000s)\n");
    }

    #[test]
    fn the_work_that_was_done_is_said_before() {
        let blue = blue();
        let worked = Answered {
            booked: Some(41),
            ..answered(&blue, 200)
        };
        assert_eq!(
            said(worked, Format::Plain, QUIET),
            "2026-01-02T03:04:05.678Z  INFO [rollouts-demo,00000000000000000000000000000007] \
             c.d.order.OrderBook : order 41 booked\n200 - blue\n"
        );
    }

    #[test]
    fn json_has_one_object_a_line_and_nothing_else() {
        let blue = blue();
        let failed = Answered {
            trouble: Trouble::NullShade,
            ..answered(&blue, 500)
        };
        let dice = Dice {
            beside: 0.5,
            hostile: 0.0,
        };
        let text = said(failed, Format::Json, dice);
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(lines[0]["level"], "ERROR");
        assert_eq!(lines[0]["exception"], NULL_SHADE);
        assert_eq!(lines[2]["message"], "500 - blue");
        assert_eq!(lines[2]["duration_ms"], 1.234);
        assert_eq!(lines[2]["ts"], "2026-01-02T03:04:05.678Z");
        assert_eq!(lines[2]["trace_id"], "00000000000000000000000000000007");
    }

    #[test]
    fn a_quarter_of_the_failures_leave_a_stack_trace() {
        let text = at_roll(Trouble::Usual, 500, 0.249);
        assert!(
            text.starts_with(
                "2026-01-02T03:04:05.678Z ERROR [rollouts-demo,00000000000000000000000000000007] "
            ),
            "{text}"
        );
        assert!(text.contains("\njava.lang.NullPointerException: "));
        assert!(text.contains("(ColorResource.java:39)\n"));
        assert_eq!(at_roll(Trouble::Usual, 500, 0.25), "500 - blue\n");
    }

    #[test]
    fn every_failure_of_a_scenario_leaves_its_own() {
        for (trouble, named) in [
            (Trouble::NullShade, "NullPointerException"),
            (
                Trouble::NoConnection,
                "Caused by: java.sql.SQLTransientConnectionException",
            ),
        ] {
            assert!(at_roll(trouble, 500, 0.999).contains(named), "{named}");
            assert_eq!(at_roll(trouble, 200, 0.999), "200 - blue\n");
        }
        assert!(at_roll(Trouble::Throttled, 200, 0.09).contains(" WARN "));
        assert_eq!(at_roll(Trouble::Throttled, 200, 0.1), "200 - blue\n");
    }

    #[test]
    fn a_healthy_request_never_says_more_than_a_warning() {
        let said: Vec<String> = (0..1_000)
            .map(|step| at_roll(Trouble::Usual, 200, f64::from(step) / 1_000.0))
            .filter(|said| said.lines().count() == 2)
            .collect();
        assert_eq!(said.len(), 16);
        assert_eq!(
            said.iter().filter(|line| line.contains(" WARN ")).count(),
            2
        );
        assert!(said.iter().all(|line| !line.contains("ERROR")));
    }

    #[test]
    fn hostile_text_is_logged_as_it_came() {
        let blue = blue();
        let dice = Dice {
            hostile: 0.0,
            ..QUIET
        };
        let text = said(answered(&blue, 200), Format::Plain, dice);
        assert!(
            text.contains("client ") && text.ends_with("200 - blue\n"),
            "{text}"
        );
    }

    #[test]
    fn levels_stand_in_a_column() {
        let mut out = String::new();
        Event {
            at: at(),
            level: Level::Warn,
            trace: None,
            logger: "",
            message: "draining",
            exception: None,
        }
        .write(Format::Plain, &mut out);
        assert_eq!(
            out,
            "2026-01-02T03:04:05.678Z  WARN [rollouts-demo] draining\n"
        );
        out.clear();
        crash(at(), &"bad".parse().unwrap(), Format::Plain, &mut out);
        assert!(out.starts_with("2026-01-02T03:04:05.678Z FATAL [rollouts-demo] c.d.Main : "));
        assert!(out.contains("IllegalStateException: no palette for \"bad\""));
    }
}
