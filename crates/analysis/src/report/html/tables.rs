//! The page's tables: gates, findings, thresholds.

use std::fmt::{self, Write as _};

use judge::judgement::{Finding, FindingClass, Gate, GateKind, IgnoredEvents};
use judge::policy::FIELDS;

use super::super::words::{
    changes, class_name, counted, gate_difference, gate_name, gate_value, utc,
};
use super::escape::safe;
use super::{MAX_TEXT_BYTES, Page, capitalised};
use crate::message::count;
use crate::policy_file::{PolicyFile, range};

/// Findings that the page shows; the rest is counted.
const MAX_FINDINGS: usize = 100;

/// The longest change of a policy: pattern and reason, in bytes.
const MAX_CHANGE_BYTES: usize = 1_000;

/// Beyond it, a chance is only called small.
const MAX_ODDS: f64 = 1e9;

/// Below it, evidence is none: every second canary shows as much.
const MIN_ODDS: f64 = 2.0;

/// What a gate watches, for who has never read about them.
fn watches(kind: GateKind) -> &'static str {
    match kind {
        GateKind::ErrorRate => "events at ERROR and above",
        GateKind::NewErrors => "errors that stable never shows",
        GateKind::ServerErrors => "responses with a 5xx status",
        GateKind::Latency => "how long requests take, at the median",
        GateKind::LatencyTail => "how long the slowest 5 % of requests take",
        GateKind::WarnRate => "events at WARN that both versions know",
        GateKind::Vanished => "lines that stable shows and the canary does not",
        GateKind::Silence => "far fewer lines than the traffic explains",
        GateKind::Metric => "a metric of both versions",
    }
}

/// An e-value in words: by Ville's inequality it is reached, over all looks,
/// by at most one in so many canaries that are as good as stable.
fn chance(log_e: f64) -> String {
    let odds = log_e.exp();
    // Also what is no number.
    if !odds.ge(&MIN_ODDS) {
        return "no sign".to_owned();
    }
    if odds >= MAX_ODDS {
        return "less than 1 in a billion".to_owned();
    }
    format!("1 in {}", round_down(odds))
}

/// The chance from which on a gate fires.
fn needed(threshold: f64) -> String {
    let odds = threshold.exp();
    if !(MIN_ODDS..MAX_ODDS).contains(&odds) {
        return chance(threshold);
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between MIN_ODDS and MAX_ODDS"
    )]
    let odds = odds.round() as u64;
    format!("1 in {}", count(odds))
}

/// Two digits, downwards: a chance is not to be made smaller than it is.
fn round_down(odds: f64) -> String {
    let step = 10_f64.powf((odds.log10().floor() - 1.0).max(0.0));
    let rounded = (odds / step).floor() * step;
    if odds < 10.0 {
        return format!("{:.1}", (odds * 10.0).floor() / 10.0);
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 10 and MAX_ODDS"
    )]
    let rounded = rounded as u64;
    count(rounded)
}

fn state(gate: &Gate) -> &'static str {
    if gate.fired {
        "<span class=\"tag bad\">fired</span>"
    } else if gate.holds {
        "<span class=\"tag\">holds the canary back</span>"
    } else if gate.log_e >= gate.threshold {
        "<span class=\"tag\">too small to count</span>"
    } else {
        "<span class=\"tag\">quiet</span>"
    }
}

pub(super) fn gates(out: &mut String, page: &Page<'_>) -> fmt::Result {
    let gates = &page.verdict.judgement.gates;
    if gates.is_empty() {
        return Ok(());
    }
    out.push_str(
        "<section>\n<h2>Gates</h2>\n<p class=\"soft small\">Each is a test that stays valid however often it is asked. \
         It fires when the evidence is strong enough <em>and</em> the difference is large enough; one that fires aborts.</p>\n\
         <table class=\"stack\">\n<thead><tr><th scope=\"col\">Gate</th><th scope=\"col\"></th><th scope=\"col\" class=\"right\">Canary</th>\
         <th scope=\"col\" class=\"right\">Stable</th><th scope=\"col\" class=\"right\">Difference</th>\
         <th scope=\"col\">By chance alone</th><th scope=\"col\">Fires from</th></tr></thead>\n<tbody>\n",
    );
    let (silent, heard): (Vec<&Gate>, Vec<&Gate>) = gates.iter().partition(|gate| is_silent(gate));
    for gate in heard {
        writeln!(
            out,
            "<tr><th scope=\"row\">{}<br><span class=\"soft small\">{}</span></th><td>{}</td>\
             <td class=\"right\" data-label=\"Canary\">{}</td><td class=\"right\" data-label=\"Stable\">{}</td>\
             <td class=\"right\" data-label=\"Difference\">{}</td>\
             <td data-label=\"By chance alone\">{}</td><td data-label=\"Fires from\">{}</td></tr>",
            capitalised(gate_name(gate.kind)),
            watches(gate.kind),
            state(gate),
            gate_value(gate.kind, gate.canary_count, gate.canary_rate),
            gate_value(gate.kind, gate.stable_count, gate.stable_rate),
            gate_difference(gate),
            chance(gate.log_e),
            needed(gate.threshold)
        )?;
    }
    out.push_str("</tbody>\n</table>\n");
    if !silent.is_empty() {
        let names: Vec<&str> = silent.iter().map(|gate| gate_name(gate.kind)).collect();
        writeln!(
            out,
            "<p class=\"soft small\">Had nothing to compare: {}.</p>",
            names.join(", ")
        )?;
    }
    out.write_str("</section>\n")
}

/// Whether a gate lacks what it compares: logs without durations, no metric.
fn is_silent(gate: &Gate) -> bool {
    matches!(
        gate.kind,
        GateKind::Latency | GateKind::LatencyTail | GateKind::Metric
    ) && gate.stable_count.min(gate.canary_count) == 0
        && !gate.fired
        && !gate.holds
}

pub(super) fn findings(out: &mut String, heading: &str, findings: &[Finding]) -> fmt::Result {
    if findings.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<section>\n<h2>{heading}</h2>\n<table class=\"stack findings\">\n<thead><tr><th scope=\"col\">What</th>\
         <th scope=\"col\" class=\"right\">Canary</th><th scope=\"col\" class=\"right\">Stable</th>\
         <th scope=\"col\" class=\"right\">Times as often</th><th scope=\"col\" class=\"right\">Pods</th>\
         <th scope=\"col\">Seen in the canary (UTC)</th></tr></thead>"
    )?;
    for finding in findings.iter().take(MAX_FINDINGS) {
        row(out, finding)?;
    }
    out.push_str("</table>\n");
    let more = findings.len().saturating_sub(MAX_FINDINGS);
    if more > 0 {
        writeln!(out, "<p class=\"soft\">and {more} more</p>")?;
    }
    out.write_str("</section>\n")
}

fn row(out: &mut String, finding: &Finding) -> fmt::Result {
    let is_state = finding.class == FindingClass::PodState;
    let cell = |number: u64, rate: f64| {
        if is_state {
            count(number)
        } else {
            counted(number, rate)
        }
    };
    let tag = if finding.class == FindingClass::New {
        "tag"
    } else {
        "tag bad"
    };
    // A state is no matter of chance.
    let sure = if finding.confirmed || is_state {
        ""
    } else {
        " <span class=\"tag\">may be chance</span>"
    };
    let pods = match finding.canary_pods_total {
        0 => "-".to_owned(),
        total => format!("{}/{total}", finding.canary_pods),
    };
    let ratio = finding.ratio.as_ref().map_or_else(
        || "-".to_owned(),
        |ratio| {
            format!(
                "{}<br><span class=\"soft small whole\">95 %: {} to {}</span>",
                times(ratio.estimate),
                times(ratio.low),
                times(ratio.high)
            )
        },
    );
    writeln!(
        out,
        "<tbody>\n<tr><th scope=\"row\" class=\"what\">{} <span class=\"{tag}\">{}</span>{sure}</th>\
         <td class=\"right\" data-label=\"Canary\">{}</td><td class=\"right\" data-label=\"Stable\">{}</td>\
         <td class=\"right\" data-label=\"Times as often\"><span>{ratio}</span></td>\
         <td class=\"right\" data-label=\"Pods\">{pods}</td><td class=\"num\" data-label=\"Seen (UTC)\"><span>{}</span></td></tr>",
        safe(&finding.title, MAX_TEXT_BYTES),
        class_name(finding.class),
        cell(finding.canary_count, finding.canary_rate),
        cell(finding.stable_count, finding.stable_rate),
        seen(finding),
    )?;
    let said = if finding.sample.is_empty() {
        &finding.text
    } else {
        &finding.sample
    };
    if !said.is_empty() && *said != finding.title {
        writeln!(
            out,
            "<tr class=\"said\"><td colspan=\"6\"><pre>{}</pre></td></tr>",
            safe(said, MAX_TEXT_BYTES)
        )?;
    }
    out.write_str("</tbody>\n")
}

/// `0.8`, `12`, `1,300`.
fn times(ratio: f64) -> String {
    if !ratio.is_finite() || ratio >= MAX_ODDS {
        return "∞".to_owned();
    }
    if ratio < 10.0 {
        return format!("{ratio:.1}");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 10 and MAX_ODDS"
    )]
    let whole = ratio.round() as u64;
    count(whole)
}

/// `2026-11-22 02:42:49 to 02:43:38`, in two pieces that may be two lines.
fn seen(finding: &Finding) -> String {
    let (Some(first), Some(last)) = (utc(finding.first_ms), utc(finding.last_ms)) else {
        return "-".to_owned();
    };
    let last_text = if first.date() == last.date() {
        last.strftime("%T")
    } else {
        last.strftime("%F %T")
    };
    format!(
        "<span class=\"whole\">{}</span> <span class=\"whole\">to {last_text}</span>",
        first.strftime("%F %T")
    )
}

/// What the policy leaves out, and how often it came.
pub(super) fn ignored(out: &mut String, ignored: &[IgnoredEvents]) -> fmt::Result {
    if ignored.is_empty() {
        return Ok(());
    }
    out.push_str(
        "<section>\n<h2>What the policy leaves out</h2>\n<table class=\"stack\">\n<thead><tr><th scope=\"col\">Events like</th>\
         <th scope=\"col\" class=\"right\">Canary</th><th scope=\"col\" class=\"right\">Stable</th>\
         <th scope=\"col\">Because</th></tr></thead>\n<tbody>\n",
    );
    for entry in ignored {
        writeln!(
            out,
            "<tr><th scope=\"row\" class=\"what\"><code>{}</code></th><td class=\"right\" data-label=\"Canary\">{}</td>\
             <td class=\"right\" data-label=\"Stable\">{}</td><td class=\"what\" data-label=\"Because\">{}</td></tr>",
            safe(&entry.pattern, MAX_TEXT_BYTES),
            count(entry.canary_count),
            count(entry.stable_count),
            safe(&entry.reason, MAX_TEXT_BYTES)
        )?;
    }
    out.write_str("</tbody>\n</table>\n</section>\n")
}

pub(super) fn policy(out: &mut String, file: &PolicyFile) -> fmt::Result {
    out.push_str("<section>\n<h2>Policy in force</h2>\n");
    let lines = changes(file);
    if lines.is_empty() {
        out.push_str("<p>The defaults.</p>\n");
    } else {
        out.push_str("<p>A policy file changes the defaults:</p>\n<ul>\n");
        for line in lines {
            writeln!(out, "<li>{}</li>", safe(&line, MAX_CHANGE_BYTES))?;
        }
        out.push_str("</ul>\n");
    }
    out.push_str(
        "<details><summary>All thresholds</summary>\n<table class=\"stack\">\n<thead><tr><th scope=\"col\">Threshold</th>\
         <th scope=\"col\" class=\"right\">In force</th><th scope=\"col\">Range</th><th scope=\"col\">What it does</th></tr></thead>\n<tbody>\n",
    );
    for field in FIELDS {
        let changed = if file.set.contains(&field.name) {
            " <span class=\"tag bad\">changed</span>"
        } else {
            ""
        };
        writeln!(
            out,
            "<tr><th scope=\"row\"><code>{}</code>{changed}</th><td class=\"right\" data-label=\"In force\">{}</td>\
             <td class=\"num\" data-label=\"Range\">{}</td><td data-label=\"What it does\">{}</td></tr>",
            field.name,
            (field.get)(&file.policy),
            range(field),
            safe(field.meaning, MAX_TEXT_BYTES)
        )?;
    }
    out.write_str("</tbody>\n</table></details>\n</section>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_e_value_becomes_a_chance_that_is_not_smaller_than_it_is() {
        for (e, expected) in [
            (0.5, "no sign"),
            (1.9, "no sign"),
            (2.29, "1 in 2.2"),
            (9.99, "1 in 9.9"),
            (99.9, "1 in 99"),
            (166.7, "1 in 160"),
            (4_321.0, "1 in 4,300"),
            (999_999_999.0, "1 in 990,000,000"),
            (1e10, "less than 1 in a billion"),
            (f64::INFINITY, "less than 1 in a billion"),
        ] {
            assert_eq!(chance(f64::ln(e)), expected, "{e}");
        }
        assert_eq!(chance(f64::NEG_INFINITY), "no sign");
        assert_eq!(chance(f64::NAN), "no sign");
        assert_eq!(needed(-f64::ln(0.006)), "1 in 167");
    }

    #[test]
    fn a_ratio_has_two_digits_or_all_whole_ones() {
        for (ratio, expected) in [
            (0.84, "0.8"),
            (3.0, "3.0"),
            (11.6, "12"),
            (1_234.5, "1,235"),
            (f64::INFINITY, "∞"),
        ] {
            assert_eq!(times(ratio), expected, "{ratio}");
        }
    }
}
