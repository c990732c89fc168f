//! What a bundle may hold at most.
//!
//! A bundle is read from a file that anybody may have made. The judge is total
//! over evidence that was gathered; what is read is first held to what can be
//! gathered at all, so that no sum overflows and no list takes the memory.

use judge::evidence::{ArmEvidence, Evidence, MAX_BUCKETS, PodState};
use judge::profile::{Profile, Template};
use judge::timeline::History;
use judge::{MAX_CARRIED_BYTES, MAX_LINE_BYTES, MAX_TEMPLATES, Policy};

use super::{Bundle, BundleError};
use crate::limits::{MAX_EVENTS_PER_ARM, MAX_PAGES, PAGE_SIZE};
use crate::opinion::Explained;

/// A count: a log of 8 GiB has fewer events than this, and a million logs' sums
/// of it stay below what 64 bits hold.
const MAX_COUNT: u64 = 1 << 34;

/// A sum of squares of counts.
const MAX_SQUARES: u64 = 1 << 48;

/// Milliseconds since the epoch, before or after: the year 10,000.
const MAX_MS: u64 = 253_402_300_800_000;

/// Logs of an arm: what the command line takes, and far above 20 pods.
const MAX_LOGS: usize = 1_000;

/// Bytes of a text: a line with what redaction adds.
const MAX_TEXT_BYTES: usize = 2 * MAX_LINE_BYTES;

/// Pods of an arm.
const MAX_PODS: usize = MAX_PAGES * PAGE_SIZE as usize;

/// Containers of a pod.
const MAX_CONTAINERS: usize = 100;

/// Samples of a metric: a day by the second.
const MAX_SAMPLES: usize = 86_400;

/// Metrics of an arm.
const MAX_METRICS: usize = 100;

/// Greatest index of a bucket.
const MAX_BUCKET: u32 = 2 * MAX_BUCKETS;

/// Entries of a list whose length the judge itself bounds lower.
const MAX_LIST: usize = 4_096;

/// Width of a slice of a history, in milliseconds: a wrong clock makes wide ones.
const MAX_SLICE_MS: i64 = 1 << 45;

/// Opinions: one a model.
const MAX_OPINIONS: usize = 32;

/// Whether it can have been gathered.
pub(super) fn check(bundle: &Bundle) -> Result<(), BundleError> {
    let held = time(Some(bundle.at_ms))
        .and_then(|()| about(bundle))
        .and_then(|()| policy(&bundle.policy))
        .and_then(|()| explained(&bundle.explained))
        .and_then(|()| evidence(&bundle.gathered.evidence))
        .and_then(|()| coverage(bundle));
    held.map_err(|what| BundleError::OutOfBounds { what })
}

type Held = Result<(), &'static str>;

fn hold(held: bool, what: &'static str) -> Held {
    if held { Ok(()) } else { Err(what) }
}

fn text(text: &str) -> Held {
    hold(
        text.len() <= MAX_TEXT_BYTES,
        "a text longer than two lines of a log",
    )
}

fn time(ms: Option<i64>) -> Held {
    hold(
        ms.is_none_or(|ms| ms.unsigned_abs() <= MAX_MS),
        "a time after the year 10,000",
    )
}

fn count(count: u64) -> Held {
    hold(count <= MAX_COUNT, "a count above 2^34")
}

fn bucket(bucket: u32) -> Held {
    hold(bucket <= MAX_BUCKET, "a bucket beyond the window")
}

fn list(length: usize, limit: usize, what: &'static str) -> Held {
    hold(length <= limit, what)
}

fn about(bundle: &Bundle) -> Held {
    let about = &bundle.about;
    for name in [
        &bundle.tool,
        &about.namespace,
        &about.rollout,
        &about.run,
        &about.metric,
        &about.measurement,
    ] {
        text(name)?;
    }
    hold(
        bundle.verdict.said().is_some(),
        "a verdict without decision, confidence or message",
    )?;
    // Digits that no number holds (`1e999`) pass where they are only skipped.
    hold(
        serde_json::from_str::<serde_json::Value>(bundle.verdict.json()).is_ok(),
        "a verdict with a number out of range",
    )
}

fn coverage(bundle: &Bundle) -> Held {
    let gathered = &bundle.gathered;
    time(gathered.canary_start_ms)?;
    time(gathered.last_step_end_ms)?;
    for coverage in [&gathered.stable, &gathered.canary] {
        text(&coverage.sought)?;
        for number in [coverage.pods, coverage.logs_wanted, coverage.logs_read] {
            count(number as u64)?;
        }
    }
    Ok(())
}

fn policy(policy: &Policy) -> Held {
    use crate::policy_file::{MAX_IGNORED, MAX_PATTERN_BYTES, MAX_REASON_BYTES};
    for field in judge::policy::FIELDS {
        hold(
            (field.min..=field.max).contains(&(field.get)(policy)),
            "a threshold out of its range",
        )?;
    }
    list(
        policy.ignore.len(),
        MAX_IGNORED,
        "more than 200 entries under `ignore`",
    )?;
    for ignore in &policy.ignore {
        hold(
            ignore.pattern.len() <= MAX_PATTERN_BYTES && ignore.reason.len() <= MAX_REASON_BYTES,
            "an entry under `ignore` longer than a policy file may have",
        )?;
    }
    Ok(())
}

fn explained(explained: &Explained) -> Held {
    list(
        explained.opinions.len(),
        MAX_OPINIONS,
        "more than 32 opinions",
    )?;
    for opinion in &explained.opinions {
        text(&opinion.model)?;
        if let Some(view) = opinion.view() {
            list(
                view.cited.len(),
                judge::MAX_FINDINGS * 2,
                "a view that cites more findings than there are",
            )?;
        }
    }
    Ok(())
}

fn evidence(evidence: &Evidence) -> Held {
    let window = evidence.window;
    time(window.start_ms)?;
    time(window.end_ms)?;
    if let Some(carried) = &evidence.carried {
        hold(
            carried.0.len() <= MAX_CARRIED_BYTES,
            "more carried state than a look hands on",
        )?;
    }
    list(
        evidence.left_out.len(),
        MAX_LIST,
        "more than 4,096 entries of what was left out",
    )?;
    for left_out in &evidence.left_out {
        text(&left_out.what)?;
        text(&left_out.why)?;
    }
    arm(&evidence.stable)?;
    arm(&evidence.canary)
}

fn arm(arm: &ArmEvidence) -> Held {
    list(arm.logs.len(), MAX_LOGS, "more than 1,000 logs of an arm")?;
    list(arm.pods.len(), MAX_PODS, "more than 1,000 pods of an arm")?;
    list(
        arm.events.len(),
        MAX_EVENTS_PER_ARM.max(MAX_LIST),
        "more than 4,096 events of an arm",
    )?;
    list(
        arm.metrics.len(),
        MAX_METRICS,
        "more than 100 metrics of an arm",
    )?;
    for log in &arm.logs {
        text(&log.pod)?;
        text(&log.container)?;
        profile(&log.profile)?;
    }
    for state in &arm.pods {
        pod(state)?;
    }
    for event in &arm.events {
        for part in [&event.pod, &event.kind, &event.reason, &event.message] {
            text(part)?;
        }
        time(event.last_ms)?;
    }
    for metric in &arm.metrics {
        text(&metric.name)?;
        text(&metric.unit)?;
        list(
            metric.values.len(),
            MAX_SAMPLES,
            "more than 86,400 samples of a metric",
        )?;
        for (ms, value) in &metric.values {
            time(Some(*ms))?;
            hold(value.is_finite(), "a sample of a metric that is no number")?;
        }
    }
    Ok(())
}

fn pod(pod: &PodState) -> Held {
    for part in [&pod.name, &pod.phase, &pod.reason] {
        text(part)?;
    }
    time(pod.ready_since_ms)?;
    time(pod.created_ms)?;
    list(
        pod.containers.len(),
        MAX_CONTAINERS,
        "more than 100 containers of a pod",
    )?;
    for container in &pod.containers {
        text(&container.name)?;
        text(&container.waiting_reason)?;
        if let Some(terminated) = &container.terminated {
            text(&terminated.reason)?;
            time(terminated.finished_ms)?;
        }
    }
    Ok(())
}

fn profile(profile: &Profile) -> Held {
    time(profile.first_ms)?;
    time(profile.last_ms)?;
    for number in [profile.lines, profile.events, profile.evicted_events] {
        count(number)?;
    }
    list(profile.tallies.len(), MAX_LIST, "more tallies than buckets")?;
    for tally in &profile.tallies {
        bucket(tally.bucket)?;
        for number in [
            tally.requests,
            tally.server_errors,
            tally.server_error_episodes,
            tally.errors,
            tally.start_errors,
            tally.error_episodes,
            tally.failure_episodes,
        ] {
            count(number)?;
        }
        for squares in [tally.server_error_squares, tally.error_squares] {
            hold(squares <= MAX_SQUARES, "a sum of squares above 2^48")?;
        }
    }
    list(
        profile.templates.len(),
        2 * MAX_TEMPLATES,
        "more templates than a profile keeps",
    )?;
    for one in &profile.templates {
        template(one)?;
    }
    list(
        profile.durations.len(),
        MAX_LIST,
        "more durations than buckets",
    )?;
    for durations in &profile.durations {
        bucket(durations.bucket)?;
        list(durations.bins.len(), MAX_LIST, "more bins than there are")?;
    }
    list(
        profile.course.errors.len(),
        MAX_LIST,
        "more slices of a course than there are",
    )?;
    count(profile.course.slice_events)?;
    history(&profile.history)
}

fn history(history: &History) -> Held {
    list(
        history.slices.len(),
        MAX_LIST,
        "more slices of a history than there are",
    )?;
    hold(
        (0..=MAX_SLICE_MS).contains(&history.slice_ms),
        "slices of a history wider than a clock can be wrong",
    )?;
    for (number, slice) in &history.slices {
        // Number times width is a time.
        hold(
            number
                .checked_mul(history.slice_ms.max(1))
                .is_some_and(|ms| ms.unsigned_abs() <= MAX_MS),
            "a slice of a history after the year 10,000",
        )?;
        for number in [
            slice.events,
            slice.errors,
            slice.requests,
            slice.server_errors,
        ] {
            count(number)?;
        }
    }
    Ok(())
}

fn template(template: &Template) -> Held {
    for part in [
        &template.text,
        &template.exception,
        &template.frame,
        &template.sample,
    ] {
        text(part)?;
    }
    time(template.first_ms)?;
    time(template.last_ms)?;
    count(template.before)?;
    count(template.at_start)?;
    list(
        template.cells.iter().count(),
        MAX_LIST,
        "more cells than buckets",
    )?;
    for cell in template.cells.iter() {
        bucket(cell.bucket)?;
    }
    Ok(())
}
