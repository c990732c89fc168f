//! The reason in one line, which an on-call person reads first and often only.
//!
//! What comes from a log or an event is hostile: it was redacted when it was
//! read, and here it is kept from breaking the line or steering a terminal.

mod gates;
mod models;

use judge::Judgement;
use judge::judgement::{Exposure, ExposureUnit, Finding, FindingClass, Missing, MissingReason};

pub(crate) use self::models::{abort, doubted, objected, promote, settled, tied, unfounded};
use crate::request::{Coverage, Gathered};

/// The longest message. Argo wraps it twice and shows it in lists.
pub const MAX_MESSAGE_BYTES: usize = 300;

/// The longest title of one finding within a message.
const MAX_TITLE_BYTES: usize = 100;

/// Findings that are named in a message: the rest is in the report.
const MAX_NAMED: usize = 2;

/// The reason of an inconclusive verdict.
pub(crate) fn inconclusive(waiting: &str) -> String {
    one_line(
        &format!("canary inconclusive: {waiting}"),
        MAX_MESSAGE_BYTES,
    )
}

fn promoted(judgement: &Judgement, gathered: &Gathered) -> String {
    let pods = &gathered.evidence.canary.pods;
    let mut text = errors_so_far(&judgement.exposure);
    if !pods.is_empty() {
        let serving: Vec<_> = pods.iter().filter(|pod| !pod.terminating).collect();
        let ready = serving.iter().filter(|pod| pod.ready).count();
        text.push_str(&format!(", {ready}/{} pods ready", serving.len()));
    }
    text
}

fn aborted(judgement: &Judgement) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut named: Vec<&str> = Vec::new();
    for veto in judgement.vetoes.iter().take(MAX_NAMED) {
        named.push(&veto.id);
        parts.push(finding(veto));
    }
    let fired = gates::telling(&judgement.gates, |gate| gate.fired);
    if let Some(gate) = fired {
        parts.push(gates::fired(gate, judgement));
    }
    let cause = judgement.findings.iter().find(|finding| {
        !named.contains(&finding.id.as_str())
            && finding.class != FindingClass::New
            && !fired.is_some_and(|gate| gates::tells(gate, finding))
    });
    if let Some(cause) = cause
        && parts.len() <= MAX_NAMED
    {
        parts.push(finding(cause));
    }
    if parts.is_empty() {
        parts.push("the judge gave no reason".to_owned());
    }
    parts.join(", ")
}

/// `240 ms`, `3.5 ms`.
pub(crate) fn milliseconds(ms: f64) -> String {
    if ms < 10.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{ms:.0} ms")
    }
}

/// `+4.8 pp`: a difference of shares in percentage points.
pub(crate) fn points(difference: f64) -> String {
    format!("{:+.1} pp", difference * 100.0)
}

fn finding(finding: &Finding) -> String {
    let title = one_line(&finding.title, MAX_TITLE_BYTES);
    let pods = if finding.canary_pods_total > 0 {
        format!(
            " in {}/{} pods",
            finding.canary_pods, finding.canary_pods_total
        )
    } else {
        String::new()
    };
    let in_stable = count(finding.stable_count);
    match finding.class {
        FindingClass::Latency | FindingClass::Metric => title,
        FindingClass::Vanished => format!("missing: {title} ({in_stable} in stable)"),
        _ => format!("{title}{pods}, {in_stable} in stable"),
    }
}

/// `2/412 errors (stable 2/1,630)`.
fn errors_so_far(exposure: &Exposure) -> String {
    format!(
        "{}/{} errors (stable {}/{})",
        count(exposure.canary_errors),
        count(exposure.canary),
        count(exposure.stable_errors),
        count(exposure.stable),
    )
}

/// Why what was gathered does not speak for an arm, if it does not: no pod, or
/// too few logs.
pub(crate) fn unheard(gathered: &Gathered) -> Option<String> {
    [("canary", &gathered.canary), ("stable", &gathered.stable)]
        .into_iter()
        .find_map(|(arm, coverage)| {
            if coverage.pods == 0 {
                Some(nothing_matches(arm, coverage))
            } else if coverage.mostly_unread() {
                Some(mostly_unread(arm, coverage))
            } else {
                None
            }
        })
}

/// What an inconclusive judgement waits for.
pub(crate) fn waiting(judgement: &Judgement, gathered: &Gathered) -> String {
    if let Some(unheard) = unheard(gathered) {
        return unheard;
    }
    let Some(missing) = &judgement.missing else {
        return "nothing can be said yet".to_owned();
    };
    let exposure = &judgement.exposure;
    match missing.reason {
        MissingReason::NoCanary => "no log of a canary pod yet".to_owned(),
        MissingReason::NoStable => "no log of a stable pod yet".to_owned(),
        MissingReason::NoCanaryExposure => {
            "the canary's logs show no traffic yet: no request, and no line that stable also shows"
                .to_owned()
        }
        MissingReason::NoStableExposure => {
            "stable's logs show no traffic to compare with since the canary's start".to_owned()
        }
        MissingReason::TooLittle => format!(
            "{}; {} so far",
            needed(missing, exposure),
            errors_so_far(exposure)
        ),
        MissingReason::Suspicious => format!(
            "{}; {}",
            gates::suspicion(judgement),
            needed(missing, exposure)
        ),
    }
}

/// What a least exposure still needs, and about how many seconds it takes.
pub(crate) fn more_requests(exposure: &Exposure, least: u64) -> (String, Option<u64>) {
    let more = least.saturating_sub(exposure.canary);
    let per_second = exposure.canary_per_second;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate; a number that is too large becomes the greatest"
    )]
    let seconds = (per_second > 0.0).then(|| (more as f64 / per_second).ceil() as u64);
    let missing = Missing {
        reason: MissingReason::TooLittle,
        exposure: Some(more),
        seconds,
    };
    let text = format!(
        "{}, as minRequests asks; {} so far",
        needed(&missing, exposure),
        errors_so_far(exposure)
    );
    (text, seconds)
}

/// What a least confidence still needs.
pub(crate) fn surer(exposure: &Exposure, sure: u8) -> String {
    format!(
        "only {sure} % sure, minConfidence asks for more; {} so far",
        errors_so_far(exposure)
    )
}

/// `needs about 340 more requests, 2 min at 3/s`.
fn needed(missing: &Missing, exposure: &Exposure) -> String {
    let Some(more) = missing.exposure else {
        return "needs more traffic".to_owned();
    };
    let more_text = format!(
        "needs about {} more{}",
        count(round_up(more)),
        unit(exposure.unit, more)
    );
    match missing.seconds {
        Some(seconds) if exposure.canary_per_second > 0.0 => format!(
            "{more_text}, {} at {}",
            span(seconds),
            rate(exposure.canary_per_second)
        ),
        _ => more_text,
    }
}

/// No pod (or file) was found for an arm.
fn nothing_matches(arm: &str, coverage: &Coverage) -> String {
    format!("no {arm} pods: nothing matches {}", coverage.sought)
}

/// Too few of an arm's logs could be read.
fn mostly_unread(arm: &str, coverage: &Coverage) -> String {
    if coverage.logs_wanted == 0 {
        return format!("no {arm} pod has a log yet");
    }
    format!(
        "failed to fetch logs: only {} of {} logs of {arm} could be read",
        coverage.logs_read, coverage.logs_wanted
    )
}

fn unit(unit: ExposureUnit, number: u64) -> &'static str {
    match (unit, number) {
        (ExposureUnit::Requests, 1) => " request",
        (ExposureUnit::Requests, _) => " requests",
        (ExposureUnit::Events, 1) => " event",
        (ExposureUnit::Events, _) => " events",
        (ExposureUnit::None, _) => "",
    }
}

/// An estimate is not known to the last digit: two are enough.
fn round_up(number: u64) -> u64 {
    let mut step = 1;
    while number / step >= 100 {
        step *= 10;
    }
    number.div_ceil(step).saturating_mul(step)
}

/// `1,630`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `40 s`, `2 min`, `3 h`, `2 days`: rounded up, as a promise should be.
pub(crate) fn span(seconds: u64) -> String {
    match seconds {
        0..=89 => format!("{} s", seconds.max(1)),
        90..=5_399 => format!("{} min", seconds.div_ceil(60)),
        5_400..=172_799 => format!("{} h", seconds.div_ceil(3_600)),
        _ => format!("{} days", seconds.div_ceil(86_400)),
    }
}

/// `3/s`, `0.5/s`, `20/min`.
fn rate(per_second: f64) -> String {
    if per_second >= 9.5 {
        format!("{per_second:.0}/s")
    } else if per_second >= 0.95 {
        format!("{}/s", trimmed(per_second))
    } else {
        format!("{}/min", trimmed(per_second * 60.0))
    }
}

fn trimmed(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// Text as one line of at most `max_bytes` bytes: control characters, line and
/// paragraph separators and the marks that turn the direction of text become
/// spaces, runs of spaces one.
#[must_use]
pub fn one_line(text: &str, max_bytes: usize) -> String {
    const ELLIPSIS: &str = "…";
    let mut out = String::with_capacity(text.len().min(max_bytes));
    let mut pending_space = false;
    for c in text.chars() {
        if is_unprintable(c) || c == ' ' {
            pending_space = !out.is_empty();
            continue;
        }
        let needed = c.len_utf8() + usize::from(pending_space);
        if out.len() + needed > max_bytes {
            let mut end = max_bytes.saturating_sub(ELLIPSIS.len()).min(out.len());
            while !out.is_char_boundary(end) {
                end -= 1;
            }
            out.truncate(end);
            if max_bytes >= ELLIPSIS.len() {
                out.push_str(ELLIPSIS);
            }
            return out;
        }
        if pending_space {
            out.push(' ');
            pending_space = false;
        }
        out.push(c);
    }
    out
}

fn is_unprintable(c: char) -> bool {
    c.is_control()
        || c.is_whitespace() && c != ' '
        || matches!(c,
            '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}')
}
