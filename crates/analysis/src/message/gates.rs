//! What a gate says in the one line: why it fired, or what it holds against
//! the canary.

use std::cmp::Ordering;

use judge::Judgement;
use judge::judgement::{Exposure, Finding, FindingClass, Gate, GateKind};

use super::{MAX_TITLE_BYTES, count, errors_so_far, milliseconds, one_line, points, unit};

/// Of the gates that qualify, the one that says most to a person.
pub(super) fn telling(gates: &[Gate], qualifies: fn(&Gate) -> bool) -> Option<&Gate> {
    gates.iter().filter(|gate| qualifies(gate)).max_by(|a, b| {
        strength(a)
            .partial_cmp(&strength(b))
            .unwrap_or(Ordering::Equal)
    })
}

/// Whether a gate's words say already what the finding's would.
pub(super) fn tells(gate: &Gate, finding: &Finding) -> bool {
    matches!(
        (gate.kind, finding.class),
        (
            GateKind::Latency | GateKind::LatencyTail,
            FindingClass::Latency
        ) | (GateKind::Metric, FindingClass::Metric)
    )
}

/// Why the canary is not promoted though nothing fired: the gate that holds it
/// back, else its errors.
pub(super) fn suspicion(judgement: &Judgement) -> String {
    let exposure = &judgement.exposure;
    let of = |what: &str, shown: String| format!("{what}, not enough to be sure: {shown}");
    let Some(gate) = telling(&judgement.gates, |gate| gate.holds) else {
        return of("more errors than stable", errors_so_far(exposure));
    };
    match gate.kind {
        GateKind::ErrorRate => of("more errors than stable", shares(gate, exposure)),
        GateKind::NewErrors => of("errors that stable does not show", shares(gate, exposure)),
        GateKind::ServerErrors => of("more 5xx responses than stable", shares(gate, exposure)),
        GateKind::WarnRate => of("more warnings than stable", shares(gate, exposure)),
        GateKind::Latency | GateKind::LatencyTail => {
            of("slower than stable", fired(gate, judgement))
        }
        GateKind::Vanished | GateKind::Silence | GateKind::Metric => {
            format!("{}, not enough to be sure", fired(gate, judgement))
        }
    }
}

/// How much a gate says to a person: errors before all else, of those the
/// larger difference in rates.
fn strength(gate: &Gate) -> (bool, f64) {
    let errors = matches!(
        gate.kind,
        GateKind::ErrorRate | GateKind::NewErrors | GateKind::ServerErrors
    );
    let difference = gate.canary_rate - gate.stable_rate;
    (
        errors,
        if errors {
            difference
        } else {
            gate.log_e - gate.threshold
        },
    )
}

/// What a gate found.
pub(super) fn fired(gate: &Gate, judgement: &Judgement) -> String {
    let exposure = &judgement.exposure;
    let what = match gate.kind {
        GateKind::ErrorRate => "errors",
        GateKind::NewErrors => "new errors",
        GateKind::ServerErrors => "5xx responses",
        GateKind::WarnRate => "warnings",
        GateKind::Latency => return durations("requests take", gate),
        GateKind::LatencyTail => return durations("the slowest 5 % of requests take", gate),
        GateKind::Vanished => {
            return format!(
                "lines that stable shows are missing ({} of about {})",
                count(gate.canary_count),
                count(expected(gate, exposure)),
            );
        }
        GateKind::Silence => {
            return format!(
                "the canary logs far less than its traffic explains ({} of about {} lines)",
                count(gate.canary_count),
                count(expected(gate, exposure)),
            );
        }
        GateKind::Metric => return metric(&judgement.findings),
    };
    format!(
        "{} {what} ({})",
        points(gate.canary_rate - gate.stable_rate),
        shares(gate, exposure),
    )
}

/// `38/900 requests, stable 0/2,700`.
fn shares(gate: &Gate, exposure: &Exposure) -> String {
    format!(
        "{}/{}{}, stable {}/{}",
        count(gate.canary_count),
        count(exposure.canary),
        unit(exposure.unit, exposure.canary),
        count(gate.stable_count),
        count(exposure.stable),
    )
}

/// `a metric is worse than stable's: memory 480 MiB, stable 210 MiB`; the
/// numbers where the finding is there.
fn metric(findings: &[Finding]) -> String {
    let which = findings
        .iter()
        .find(|finding| finding.class == FindingClass::Metric)
        .map(|finding| format!(": {}", one_line(&finding.title, MAX_TITLE_BYTES)))
        .unwrap_or_default();
    format!("a metric is worse than stable's{which}")
}

/// `requests take 240 ms, stable 80 ms`.
fn durations(what: &str, gate: &Gate) -> String {
    format!(
        "{what} {}, stable {}",
        milliseconds(gate.canary_rate),
        milliseconds(gate.stable_rate)
    )
}

/// What the canary's exposure explains, at stable's rate.
fn expected(gate: &Gate, exposure: &Exposure) -> u64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate, shown in whole numbers"
    )]
    let expected = (gate.stable_rate * exposure.canary as f64).round() as u64;
    expected
}
