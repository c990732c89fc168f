//! A verdict as JSON: names that scripts may rely on.
//!
//! Fields are added, never renamed or given another meaning. What may be
//! absent is written as `null`; rates are per unit of exposure, times are RFC
//! 3339 in UTC.

use analysis::policy_file::{Entry, PolicyFile};
use analysis::report::Page;
use judge::evidence::{ArmEvidence, LeftOut};
use judge::judgement::{
    Exposure, ExposureUnit, Finding, FindingClass, Gate, GateKind, IgnoredEvents, Ratio,
};
use judge::policy::{FIELDS, Ignored};
use judge::timeline::{ArmTimeline, Slice, Timeline};
use judge::{Decision, Policy};
use serde::Serialize;

/// The whole of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    /// `promote`, `abort` or `inconclusive`.
    verdict: Decision,
    /// How sure the verdict is, in percent.
    confidence: u8,
    /// The reason in one line.
    message: &'a str,
    /// What an inconclusive verdict waits for.
    waiting: Option<Waiting<'a>>,
    exposure: ExposureReport,
    /// States that abort without statistics, worst first.
    vetoes: Vec<FindingReport<'a>>,
    /// Every gate, fired or not.
    gates: Vec<GateReport>,
    /// What differs, worst first.
    findings: Vec<FindingReport<'a>>,
    /// Log events that the policy leaves out, and how often they came.
    ignored: &'a [IgnoredEvents],
    /// Both arms over time, in slices of one width.
    timeline: TimelineReport,
    /// What was read.
    logs: LogsReport,
    /// What could not be read, or not to its end.
    left_out: &'a [LeftOut],
    /// What a policy file changes.
    policy: PolicyReport<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TimelineReport {
    /// Width of a slice in milliseconds; 0 when no line had a time.
    slice_ms: i64,
    stable: ArmTimelineReport,
    canary: ArmTimelineReport,
}

#[derive(Serialize)]
struct ArmTimelineReport {
    /// Start of the first slice.
    start: Option<String>,
    /// One after the other without a gap.
    slices: Vec<Slice>,
}

#[derive(Serialize)]
struct LogsReport {
    stable: ArmLogs,
    canary: ArmLogs,
}

/// What was read of one arm.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArmLogs {
    count: usize,
    lines: u64,
    /// Time of the first event.
    first_seen: Option<String>,
    /// Time of the last event.
    last_seen: Option<String>,
}

#[derive(Serialize)]
struct PolicyReport<'a> {
    /// Thresholds that are not the defaults.
    changed: Vec<Changed>,
    /// What the file says is to be ignored.
    ignore: Vec<EntryReport<'a>>,
}

#[derive(Serialize)]
struct Changed {
    name: &'static str,
    value: f64,
    default: f64,
}

/// An entry of what a policy ignores.
#[derive(Serialize)]
pub struct EntryReport<'a> {
    /// `template` or `event`.
    what: Ignored,
    pattern: &'a str,
    reason: &'a str,
    /// The last day on which it counts.
    until: String,
    /// Whether that day is over, so that it has no effect.
    expired: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Waiting<'a> {
    text: &'a str,
    /// About how much more exposure of the canary would decide.
    exposure: Option<u64>,
    /// About how long that takes at the present rate.
    seconds: Option<u64>,
}

#[derive(Serialize)]
struct ExposureReport {
    /// `requests`, `events` or `none`.
    unit: ExposureUnit,
    stable: Arm,
    canary: Arm,
}

/// What was counted in one arm.
#[derive(Serialize)]
struct Arm {
    count: u64,
    errors: u64,
}

/// A count with its rate.
#[derive(Serialize)]
struct Rate {
    count: u64,
    rate: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GateReport {
    gate: GateKind,
    fired: bool,
    /// Whether it keeps the canary from being promoted though it has not fired.
    holds: bool,
    stable: Rate,
    canary: Rate,
    /// Natural logarithm of the e-value.
    log_e: f64,
    /// What `logE` must reach.
    threshold: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FindingReport<'a> {
    id: &'a str,
    class: FindingClass,
    title: &'a str,
    text: &'a str,
    sample: &'a str,
    stable: Rate,
    canary: Rate,
    /// Canary's rate over stable's, with its 95 % interval.
    ratio: Option<Ratio>,
    /// Whether it holds against all differences looked at together: at most
    /// 5 % of the confirmed ones are expected to be chance.
    confirmed: bool,
    first_seen: Option<String>,
    last_seen: Option<String>,
    canary_pods: u32,
    canary_pods_total: u32,
}

/// The verdict as indented JSON, which ends with a newline.
///
/// # Errors
/// The JSON could not be made.
pub fn json(page: &Page<'_>) -> Result<String, serde_json::Error> {
    let verdict = page.verdict;
    let Timeline {
        slice_ms,
        stable: stable_timeline,
        canary: canary_timeline,
    } = judge::timeline::timeline(page.evidence);
    let judgement = &verdict.judgement;
    let Exposure {
        unit,
        stable,
        canary,
        stable_errors,
        canary_errors,
        ..
    } = judgement.exposure;
    let report = Report {
        verdict: verdict.decision,
        confidence: verdict.confidence,
        message: &verdict.message,
        waiting: verdict.waiting.as_ref().map(|waiting| Waiting {
            text: &waiting.text,
            exposure: judgement
                .missing
                .as_ref()
                .and_then(|missing| missing.exposure),
            seconds: judgement
                .missing
                .as_ref()
                .and_then(|missing| missing.seconds),
        }),
        exposure: ExposureReport {
            unit,
            stable: Arm {
                count: stable,
                errors: stable_errors,
            },
            canary: Arm {
                count: canary,
                errors: canary_errors,
            },
        },
        vetoes: judgement.vetoes.iter().map(finding).collect(),
        gates: judgement.gates.iter().map(gate).collect(),
        findings: judgement.findings.iter().map(finding).collect(),
        ignored: &judgement.ignored,
        timeline: TimelineReport {
            slice_ms,
            stable: arm_timeline(stable_timeline),
            canary: arm_timeline(canary_timeline),
        },
        logs: LogsReport {
            stable: arm_logs(&page.evidence.stable),
            canary: arm_logs(&page.evidence.canary),
        },
        left_out: &verdict.left_out,
        policy: policy(page.policy),
    };
    serde_json::to_string_pretty(&report).map(|text| text + "\n")
}

fn arm_timeline(arm: ArmTimeline) -> ArmTimelineReport {
    ArmTimelineReport {
        start: time(arm.start_ms),
        slices: arm.slices,
    }
}

fn arm_logs(arm: &ArmEvidence) -> ArmLogs {
    let profiles = || arm.logs.iter().map(|log| &log.profile);
    ArmLogs {
        count: arm.logs.len(),
        lines: profiles().map(|profile| profile.lines).sum(),
        first_seen: time(profiles().filter_map(|profile| profile.first_ms).min()),
        last_seen: time(profiles().filter_map(|profile| profile.last_ms).max()),
    }
}

fn policy(file: &PolicyFile) -> PolicyReport<'_> {
    let defaults = Policy::default();
    let set = FIELDS.iter().filter(|field| file.set.contains(&field.name));
    PolicyReport {
        changed: set
            .map(|field| Changed {
                name: field.name,
                value: (field.get)(&file.policy),
                default: (field.get)(&defaults),
            })
            .collect(),
        ignore: file.entries.iter().map(entry).collect(),
    }
}

/// One entry, as every command writes it.
pub fn entry(entry: &Entry) -> EntryReport<'_> {
    EntryReport {
        what: entry.ignore.what,
        pattern: &entry.ignore.pattern,
        reason: &entry.ignore.reason,
        until: entry.until.to_string(),
        expired: entry.expired,
    }
}

fn gate(gate: &Gate) -> GateReport {
    GateReport {
        gate: gate.kind,
        fired: gate.fired,
        holds: gate.holds,
        stable: Rate {
            count: gate.stable_count,
            rate: gate.stable_rate,
        },
        canary: Rate {
            count: gate.canary_count,
            rate: gate.canary_rate,
        },
        log_e: gate.log_e,
        threshold: gate.threshold,
    }
}

fn finding(finding: &Finding) -> FindingReport<'_> {
    FindingReport {
        id: &finding.id,
        class: finding.class,
        title: &finding.title,
        text: &finding.text,
        sample: &finding.sample,
        stable: Rate {
            count: finding.stable_count,
            rate: finding.stable_rate,
        },
        canary: Rate {
            count: finding.canary_count,
            rate: finding.canary_rate,
        },
        ratio: finding.ratio,
        confirmed: finding.confirmed,
        first_seen: time(finding.first_ms),
        last_seen: time(finding.last_ms),
        canary_pods: finding.canary_pods,
        canary_pods_total: finding.canary_pods_total,
    }
}

fn time(ms: Option<i64>) -> Option<String> {
    let at = jiff::Timestamp::from_millisecond(ms?).ok()?;
    Some(format!("{at:.3}"))
}
