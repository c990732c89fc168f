//! Level 2: what differs, worst first.

use std::collections::{BTreeMap, BTreeSet};

use crate::access::Traffic;
use crate::eprocess::Mixture;
use crate::evidence::{ClusterEvent, Evidence};
use crate::gates::{Compared, Outcome};
use crate::judgement::{Finding, FindingClass, GateKind, Ratio};
use crate::level::Level;
use crate::policy::Policy;
use crate::redact::redact;
use crate::strata::Strata;
use crate::table::{ArmCells, Row};
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

/// Share of false ones among the findings that are called confirmed.
const FALSE_DISCOVERIES: f64 = 0.05;

/// All findings, worst first.
pub(crate) fn find(
    evidence: &Evidence,
    strata: &Strata,
    rows: &[Row],
    outcome: &Outcome,
    policy: &Policy,
) -> Vec<Finding> {
    let pods = pod_count(&evidence.canary);
    let exposure = exposures(strata, rows);
    let is_off = |kinds: &[GateKind]| {
        outcome
            .gates
            .iter()
            .any(|gate| kinds.contains(&gate.kind) && (gate.fired || gate.holds))
    };
    let mut candidates: Vec<(f64, Finding)> = rows
        .iter()
        .enumerate()
        .filter_map(|(index, row)| {
            let vanished = outcome.vanished.contains(&index);
            let finding = finding(row, vanished, exposure, pods)?;
            let fewer = finding.class == FindingClass::Vanished;
            Some((log_e(strata, row, fewer), finding))
        })
        .collect();
    confirm(&mut candidates);
    let mut findings: Vec<Finding> = candidates.into_iter().map(|(_, finding)| finding).collect();
    if is_off(&[GateKind::Latency, GateKind::LatencyTail]) {
        findings.push(slower(strata, pods));
    }
    if is_off(&[GateKind::Metric]) {
        findings.extend(
            outcome
                .metrics
                .compared
                .iter()
                .filter_map(|m| worse(m, pods)),
        );
    }
    findings.extend(events(evidence, policy, pods));
    let fired: BTreeSet<GateKind> = outcome
        .gates
        .iter()
        .filter(|gate| gate.fired)
        .map(|gate| gate.kind)
        .collect();
    findings.sort_by(|a, b| {
        let key = |finding: &Finding| {
            (
                !in_fired(finding.class, &fired),
                class_order(finding.class),
                !finding.confirmed,
                std::cmp::Reverse(finding.canary_count.max(finding.stable_count)),
                finding.id.clone(),
            )
        };
        key(a).cmp(&key(b))
    });
    findings.truncate(MAX_FINDINGS);
    findings
}

/// The e-value of one row by itself, in episodes.
fn log_e(strata: &Strata, row: &Row, fewer: bool) -> f64 {
    let mut mixture = Mixture::default();
    for (bucket, stratum) in &strata.buckets {
        let Some(share) = strata.share(stratum) else {
            continue;
        };
        let episodes = |cells: &ArmCells| {
            cells
                .cells
                .get(bucket)
                .map_or(0.0, |(_, episodes)| *episodes as f64)
        };
        let (stable, canary) = (episodes(&row.stable), episodes(&row.canary));
        if fewer {
            mixture.add(stable, canary, 1.0 - share);
        } else {
            mixture.add(canary, stable, share);
        }
    }
    mixture.log_e()
}

/// Marks the findings that hold against all that were looked at together: the
/// k best of K where the k-th e-value is at least K/(k·q) (R. Wang and A.
/// Ramdas, "False discovery rate control with e-values", J. R. Stat. Soc. B 84,
/// 2022; valid however they depend on each other).
fn confirm(candidates: &mut [(f64, Finding)]) {
    candidates.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.id.cmp(&b.1.id)));
    let all = candidates.len() as f64;
    let confirmed = (1..=candidates.len())
        .rev()
        .find(|k| candidates[k - 1].0 >= (all / (*k as f64 * FALSE_DISCOVERIES)).ln())
        .unwrap_or(0);
    for (_, finding) in &mut candidates[..confirmed] {
        finding.confirmed = true;
    }
}

/// A new exception that aborts on its first occasions.
pub(crate) fn of_new_exception(row: &Row, strata: &Strata, pods: u32) -> Finding {
    of_row(row, FindingClass::NewError, strata.whole, pods)
}

/// Requests take longer.
fn slower(strata: &Strata, pods: u32) -> Finding {
    let slow = strata.slow;
    let ms = |value: f64| {
        if value < 10.0 {
            format!("{value:.1} ms")
        } else {
            format!("{value:.0} ms")
        }
    };
    Finding {
        class: FindingClass::Latency,
        title: format!(
            "requests take {}, stable {}",
            ms(slow.median_ms.1),
            ms(slow.median_ms.0)
        ),
        text: format!(
            "median {} (stable {}), 95th percentile {} (stable {})",
            ms(slow.median_ms.1),
            ms(slow.median_ms.0),
            ms(slow.tail_ms.1),
            ms(slow.tail_ms.0)
        ),
        stable_count: slow.timed.0,
        canary_count: slow.timed.1,
        stable_rate: slow.median_ms.0,
        canary_rate: slow.median_ms.1,
        canary_pods: pods,
        canary_pods_total: pods,
        ..blank("latency", "requests")
    }
}

/// A metric that is worse.
fn worse(metric: &Compared, pods: u32) -> Option<Finding> {
    let (stable, canary) = metric.medians;
    let unit = |value: f64| format!("{value:.3} {}", metric.unit).trim_end().to_owned();
    metric.large.then(|| Finding {
        class: FindingClass::Metric,
        title: clip(&redact(&format!(
            "{} {}, stable {}",
            metric.name,
            unit(canary),
            unit(stable)
        ))),
        text: redact(&format!("median of {}", metric.name)).into_owned(),
        stable_count: metric.samples.0 as u64,
        canary_count: metric.samples.1 as u64,
        stable_rate: stable,
        canary_rate: canary,
        canary_pods: pods,
        canary_pods_total: pods,
        ..blank("metric", &metric.name)
    })
}

/// Warning events of the canary's pods whose reason stable's pods do not have.
/// They say why a pod is as it is; what they lead to is a veto or a gate.
fn events(evidence: &Evidence, policy: &Policy, pods: u32) -> Vec<Finding> {
    let warnings = |events: &[ClusterEvent]| {
        let mut by_reason: BTreeMap<String, Vec<ClusterEvent>> = BTreeMap::new();
        for event in events.iter().filter(|event| event.kind == "Warning") {
            let of = by_reason.entry(event.reason.clone()).or_default();
            of.push(event.clone());
        }
        by_reason
    };
    let stable = warnings(&evidence.stable.events);
    warnings(&evidence.canary.events)
        .into_iter()
        .filter(|(reason, _)| !stable.contains_key(reason) && !policy.ignores_event(reason))
        .filter_map(|(reason, mut events)| {
            events.sort_by(|a, b| {
                (b.last_ms, &a.pod, &a.message).cmp(&(a.last_ms, &b.pod, &b.message))
            });
            let of: BTreeSet<&str> = events.iter().map(|event| event.pod.as_str()).collect();
            let newest = events.first()?;
            Some(Finding {
                class: FindingClass::Event,
                title: clip(&redact(&reason)),
                text: redact(&newest.message).into_owned(),
                canary_count: events
                    .iter()
                    .map(|event| u64::from(event.count.max(1)))
                    .sum(),
                first_ms: events.iter().filter_map(|event| event.last_ms).min(),
                last_ms: newest.last_ms,
                canary_pods: u32::try_from(of.len()).unwrap_or(u32::MAX),
                canary_pods_total: pods,
                ..blank("event", &reason)
            })
        })
        .collect()
}

/// A finding of which nothing is known but its id.
pub(crate) fn blank(class: &str, text: &str) -> Finding {
    Finding {
        id: id(class, text),
        class: FindingClass::PodState,
        title: String::new(),
        text: String::new(),
        sample: String::new(),
        stable_count: 0,
        canary_count: 0,
        stable_rate: 0.0,
        canary_rate: 0.0,
        ratio: None,
        confirmed: false,
        first_ms: None,
        last_ms: None,
        canary_pods: 0,
        canary_pods_total: 0,
    }
}

/// Exposure of both arms over the whole logs; where nothing was exposed yet, the
/// events themselves, so that findings have rates from the first look on.
fn exposures(strata: &Strata, rows: &[Row]) -> (u64, u64) {
    let (stable, canary) = strata.whole;
    if stable > 0 && canary > 0 {
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
        FindingClass::Latency => {
            fired.contains(&GateKind::Latency) || fired.contains(&GateKind::LatencyTail)
        }
        FindingClass::Warning => fired.contains(&GateKind::WarnRate),
        FindingClass::Vanished => {
            fired.contains(&GateKind::Vanished) || fired.contains(&GateKind::Silence)
        }
        FindingClass::Metric => fired.contains(&GateKind::Metric),
        FindingClass::PodState | FindingClass::Crash | FindingClass::Event | FindingClass::New => {
            false
        }
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
        FindingClass::Event => 9,
        FindingClass::New => 10,
    }
}

fn finding(row: &Row, vanished: bool, exposures: (u64, u64), pods: u32) -> Option<Finding> {
    let ratio = ratio(row.stable.total(), row.canary.total(), exposures);
    let class = if vanished {
        FindingClass::Vanished
    } else {
        class(row, ratio)?
    };
    Some(of_row(row, class, exposures, pods))
}

fn of_row(row: &Row, class: FindingClass, exposures: (u64, u64), pods: u32) -> Finding {
    let (stable, canary) = (row.stable.total(), row.canary.total());
    Finding {
        class,
        title: title(row),
        text: row.text.clone(),
        sample: row.sample.clone(),
        stable_count: stable,
        canary_count: canary,
        stable_rate: rate(stable, exposures.0),
        canary_rate: rate(canary, exposures.1),
        ratio: Some(ratio(stable, canary, exposures)),
        first_ms: row.first_ms,
        last_ms: row.last_ms,
        canary_pods: u32::try_from(row.canary_pods.len()).unwrap_or(u32::MAX),
        canary_pods_total: pods,
        ..blank(
            class_name(class),
            &format!("{} {}", row.text, row.exception),
        )
    }
}

/// Events for each unit of exposure; 0 without exposure.
fn rate(count: u64, exposure: u64) -> f64 {
    if exposure == 0 {
        0.0
    } else {
        count as f64 / exposure as f64
    }
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
        FindingClass::Event => "event",
        FindingClass::New => "new",
    }
}

fn class(row: &Row, ratio: Ratio) -> Option<FindingClass> {
    let (stable, canary) = (row.stable.total(), row.canary.total());
    let new = row.stable.is_empty();
    let more = new && canary > 0 || ratio.low > MIN_LOW_RATIO;
    if stable == 0 && canary == 0 {
        return None;
    }
    if canary == 0 {
        // As in the gate: which requests come is the clients' choice, and an
        // access line that names the version is another one in each.
        let vanished = stable >= MIN_VANISHED
            && row.traffic == Traffic::None
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
        } else if row.traffic == Traffic::Request && row.status_class == 4 {
            FindingClass::Warning
        } else if row.traffic != Traffic::None {
            return None;
        } else if row.is_failure() {
            if new {
                FindingClass::NewError
            } else {
                FindingClass::MoreErrors
            }
        } else if row.level == Level::Warn {
            FindingClass::Warning
        } else if new {
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
