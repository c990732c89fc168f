//! Level 2: what differs, worst first.

use std::collections::BTreeSet;

use crate::access::Traffic;
use crate::evidence::Evidence;
use crate::gates::rate;
use crate::judgement::{ExposureUnit, Finding, FindingClass, Gate, GateKind, Ratio};
use crate::level::Level;
use crate::strata::Strata;
use crate::table::Row;
use crate::vetoes::{id, pod_count};

/// Findings of one judgement at most: what a model is given, and more than a
/// person reads.
pub const MAX_FINDINGS: usize = 60;
/// Longest title in bytes: it goes into a one-line message.
const MAX_TITLE_BYTES: usize = 80;
/// A count in both arms is a finding only where the lower end of the ratio's
/// interval is above this.
const MIN_LOW_RATIO: f64 = 1.0;
/// Counts of stable from which a template that the canary does not show has
/// vanished.
const MIN_VANISHED: u64 = 5;

/// All findings, worst first.
pub(crate) fn find(
    evidence: &Evidence,
    strata: &Strata,
    rows: &[Row],
    gates: &[Gate],
) -> Vec<Finding> {
    let pods = pod_count(&evidence.canary);
    let exposure = exposures(strata, rows);
    let fired: BTreeSet<GateKind> = gates
        .iter()
        .filter(|gate| gate.fired)
        .map(|gate| gate.kind)
        .collect();
    let mut findings: Vec<Finding> = rows
        .iter()
        .filter_map(|row| finding(row, exposure, pods))
        .collect();
    findings.sort_by(|a, b| {
        let key = |finding: &Finding| {
            (
                !in_fired(finding.class, &fired),
                class_order(finding.class),
                std::cmp::Reverse(finding.canary_count),
                finding.id.clone(),
            )
        };
        key(a).cmp(&key(b))
    });
    findings.truncate(MAX_FINDINGS);
    findings
}

/// Exposure of both arms; where nothing complete was exposed yet, the events
/// themselves, so that findings have rates from the first look on.
fn exposures(strata: &Strata, rows: &[Row]) -> (u64, u64) {
    let (stable, canary) = strata.served();
    if strata.unit != ExposureUnit::None && stable > 0 && canary > 0 {
        return (stable, canary);
    }
    (
        rows.iter().map(|row| row.stable.total()).sum(),
        rows.iter().map(|row| row.canary.total()).sum(),
    )
}

fn in_fired(class: FindingClass, fired: &BTreeSet<GateKind>) -> bool {
    match class {
        FindingClass::NewError => {
            fired.contains(&GateKind::NewErrors) || fired.contains(&GateKind::ErrorRate)
        }
        FindingClass::MoreErrors => fired.contains(&GateKind::ErrorRate),
        FindingClass::ServerErrors => fired.contains(&GateKind::ServerErrors),
        _ => false,
    }
}

fn class_order(class: FindingClass) -> u8 {
    match class {
        FindingClass::PodState => 0,
        FindingClass::Crash => 1,
        FindingClass::NewError => 2,
        FindingClass::MoreErrors => 3,
        FindingClass::ServerErrors => 4,
        FindingClass::Metric => 5,
        FindingClass::Latency => 6,
        FindingClass::Warning => 7,
        FindingClass::Vanished => 8,
        FindingClass::New => 9,
    }
}

fn finding(
    row: &Row,
    (stable_exposure, canary_exposure): (u64, u64),
    pods: u32,
) -> Option<Finding> {
    let (stable, canary) = (row.stable.total(), row.canary.total());
    let ratio = ratio(stable, canary, (stable_exposure, canary_exposure));
    let class = class(row, ratio)?;
    Some(Finding {
        id: id(
            class_name(class),
            &format!("{} {}", row.text, row.exception),
        ),
        class,
        title: title(row),
        text: row.text.clone(),
        sample: row.sample.clone(),
        stable_count: stable,
        canary_count: canary,
        stable_rate: rate(stable, stable_exposure),
        canary_rate: rate(canary, canary_exposure),
        ratio: Some(ratio),
        first_ms: row.first_ms,
        last_ms: row.last_ms,
        canary_pods: u32::try_from(row.canary_pods.len()).unwrap_or(u32::MAX),
        canary_pods_total: pods,
    })
}

fn class_name(class: FindingClass) -> &'static str {
    match class {
        FindingClass::PodState => "state",
        FindingClass::Crash => "crash",
        // One error that stable shows later on is still the same finding.
        FindingClass::NewError | FindingClass::MoreErrors => "error",
        FindingClass::ServerErrors => "5xx",
        FindingClass::Warning => "warning",
        FindingClass::Latency => "latency",
        FindingClass::Vanished => "vanished",
        FindingClass::Metric => "metric",
        FindingClass::New => "new",
    }
}

fn class(row: &Row, ratio: Ratio) -> Option<FindingClass> {
    let (stable, canary) = (row.stable.total(), row.canary.total());
    let more = stable == 0 && canary > 0 || ratio.low > MIN_LOW_RATIO;
    if canary == 0 {
        let vanished = stable >= MIN_VANISHED
            && row.level < Level::Error
            && row.level > Level::Debug
            && ratio.high < 1.0;
        return vanished.then_some(FindingClass::Vanished);
    }
    if !more || row.traffic == Traffic::Probe && row.status_class != 5 || row.level == Level::Debug
    {
        return None;
    }
    Some(
        if row.traffic == Traffic::Request && row.status_class == 5 {
            FindingClass::ServerErrors
        } else if row.traffic != Traffic::None {
            return None;
        } else if row.is_failure() {
            if stable == 0 {
                FindingClass::NewError
            } else {
                FindingClass::MoreErrors
            }
        } else if row.level == Level::Warn {
            FindingClass::Warning
        } else if stable == 0 {
            FindingClass::New
        } else {
            return None;
        },
    )
}

/// A few words for the one-line message.
fn title(row: &Row) -> String {
    let title = match (row.exception.as_str(), row.frame.as_str()) {
        ("", _) => {
            exception_of(row).map_or_else(|| plain(&row.text), |name| with_frame(&name, &row.frame))
        }
        (exception, frame) => with_frame(exception, frame),
    };
    clip(&title)
}

fn with_frame(exception: &str, frame: &str) -> String {
    if frame.is_empty() {
        exception.to_owned()
    } else {
        format!("{exception} {frame}")
    }
}

fn exception_of(row: &Row) -> Option<String> {
    row.is_failure()
        .then(|| crate::trace::exception_in(&row.text).map(str::to_owned))
        .flatten()
}

/// The text without what loggers put in front: time, level, ids in brackets.
fn plain(text: &str) -> String {
    let mut chunks: Vec<&str> = text.split(' ').collect();
    let wordless = |chunk: &&str| {
        !chunk
            .bytes()
            .any(|byte| byte.is_ascii_alphanumeric() || byte >= 0x80)
    };
    while chunks.len() > 1
        && (wordless(&chunks[0]) || crate::level::stated(chunks[0].as_bytes()).is_some())
    {
        chunks.remove(0);
    }
    chunks.join(" ")
}

fn clip(text: &str) -> String {
    if text.len() <= MAX_TITLE_BYTES {
        return text.to_owned();
    }
    let mut end = MAX_TITLE_BYTES;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text[..end].trim_end())
}

/// Ratio of two Poisson rates with its 95 % interval on the logarithmic scale,
/// half an event added to each count so that zero has one (D. G. Altman et
/// al., "Statistics with Confidence", 2nd ed., chapter 7; the half is
/// Anscombe's).
fn ratio(stable: u64, canary: u64, (stable_exposure, canary_exposure): (u64, u64)) -> Ratio {
    let (x, y) = (canary as f64 + 0.5, stable as f64 + 0.5);
    let exposure = (stable_exposure as f64 + 0.5) / (canary_exposure as f64 + 0.5);
    let estimate = x / y * exposure;
    let spread = (1.96 * (1.0 / x + 1.0 / y).sqrt()).exp();
    Ratio {
        estimate,
        low: estimate / spread,
        high: estimate * spread,
    }
}
