//! Names and numbers as all reports write them.

use judge::Arm;
use judge::Policy;
use judge::judgement::{FindingClass, Gate, GateKind};
use judge::policy::{FIELDS, Ignored};

use crate::message::{count, milliseconds, points};
use crate::policy_file::PolicyFile;

pub(super) fn gate_name(kind: GateKind) -> &'static str {
    match kind {
        GateKind::ErrorRate => "error rate",
        GateKind::NewErrors => "new errors",
        GateKind::ServerErrors => "5xx responses",
        GateKind::Latency => "latency",
        GateKind::LatencyTail => "slowest requests",
        GateKind::WarnRate => "warnings",
        GateKind::Vanished => "vanished lines",
        GateKind::Silence => "silence",
        GateKind::Metric => "metric",
    }
}

/// What one arm shows to a gate: `38 (4.2 %)`, `80 ms of 1,200 requests`.
pub(super) fn gate_value(kind: GateKind, number: u64, rate: f64) -> String {
    match kind {
        GateKind::Latency | GateKind::LatencyTail if number == 0 => "-".to_owned(),
        GateKind::Latency | GateKind::LatencyTail => {
            format!("{} of {} requests", milliseconds(rate), count(number))
        }
        GateKind::Metric if number == 0 => "-".to_owned(),
        GateKind::Metric => format!("{rate:.3} ({} samples)", count(number)),
        _ => counted(number, rate),
    }
}

/// How far the canary is from stable: `+4.8 pp`, `+160 ms`.
pub(super) fn gate_difference(gate: &Gate) -> String {
    let difference = gate.canary_rate - gate.stable_rate;
    match gate.kind {
        GateKind::Latency | GateKind::LatencyTail => {
            let sign = if difference < 0.0 { "-" } else { "+" };
            format!("{sign}{}", milliseconds(difference.abs()))
        }
        GateKind::Metric => format!("{difference:+.3}"),
        _ => points(difference),
    }
}

/// `38 (4.2 %)`.
pub(super) fn counted(number: u64, rate: f64) -> String {
    format!("{} ({})", count(number), percent(rate))
}

pub(super) fn class_name(class: FindingClass) -> &'static str {
    match class {
        FindingClass::PodState => "pod state",
        FindingClass::Crash => "crash",
        FindingClass::NewError => "new error",
        FindingClass::MoreErrors => "more errors",
        FindingClass::ServerErrors => "5xx responses",
        FindingClass::Warning => "warning",
        FindingClass::Latency => "slower",
        FindingClass::Vanished => "vanished",
        FindingClass::Metric => "metric",
        FindingClass::Event => "Kubernetes event",
        FindingClass::New => "new, no sign of failure",
    }
}

pub(super) fn arm_name(arm: Arm) -> &'static str {
    match arm {
        Arm::Stable => "stable",
        Arm::Canary => "canary",
    }
}

/// `4.9 %`; `-` of nothing.
pub(super) fn share(part: u64, all: u64) -> String {
    if all == 0 {
        return "-".to_owned();
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "one decimal of a percentage is shown"
    )]
    let share = part as f64 / all as f64;
    percent(share)
}

/// `4.9 %`; what is there and rounds to nothing is `< 0.1 %`.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.1 {
        "< 0.1 %".to_owned()
    } else {
        format!("{percent:.1} %")
    }
}

/// `2026-11-22T02:42:49Z`.
pub(super) fn time(ms: Option<i64>) -> Option<String> {
    jiff::Timestamp::from_millisecond(ms?)
        .ok()
        .map(|time| format!("{time:.0}"))
}

/// A time in UTC, to be written as needed.
pub(super) fn utc(ms: Option<i64>) -> Option<jiff::Zoned> {
    let time = jiff::Timestamp::from_millisecond(ms?).ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC))
}

/// What a policy file changes, a line each: not escaped, not cut.
pub(super) fn changes(file: &PolicyFile) -> Vec<String> {
    let defaults = Policy::default();
    let set = FIELDS.iter().filter(|field| file.set.contains(&field.name));
    let thresholds = set.map(|field| {
        let (value, default) = ((field.get)(&file.policy), (field.get)(&defaults));
        format!("{} is {value}, by default {default}", field.name)
    });
    let entries = file.entries.iter().map(|entry| {
        let what = match entry.ignore.what {
            Ignored::Template => "log events like",
            Ignored::Event => "Kubernetes events",
        };
        let how = if entry.expired {
            "count again, since the entry expired on"
        } else {
            "are ignored until"
        };
        let (pattern, reason) = (&entry.ignore.pattern, &entry.ignore.reason);
        format!("{what} `{pattern}` {how} {}: {reason}", entry.until)
    });
    thresholds.chain(entries).collect()
}
