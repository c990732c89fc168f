//! The reason as one page for a browser, to be sent to a colleague.
//!
//! One file that loads nothing: no script, no font, no picture, and a content
//! security policy that says so, its one style sheet named by its hash. All
//! that comes from logs, files or the cluster goes through [`escape::safe`].
//! Equal input gives equal bytes: the times on it are the logs' own.

mod chart;
mod escape;
mod models;
mod tables;

use std::fmt::{self, Write as _};

use judge::Decision;
use judge::evidence::{ArmEvidence, Evidence};
use judge::judgement::{Exposure, ExposureUnit};

use self::escape::safe;
use super::words::{arm_name, share, utc};
use crate::decide::Verdict;
use crate::message::{MAX_MESSAGE_BYTES, count, span};
use crate::policy_file::PolicyFile;

const STYLE: &str = include_str!("html/page.css");

/// SHA-256 of [`STYLE`], as a content security policy writes it: no other
/// style, and nothing else at all, may be used by the page.
const STYLE_HASH: &str = "sha256-gmH1fFWzzipl9zDZXlU1bmKwBVzm3ckcZwZmCd1ji8M=";

/// Entries of what was left out that the page shows; the rest is counted.
const MAX_LEFT_OUT: usize = 100;

/// The longest name or reason, in bytes.
const MAX_TEXT_BYTES: usize = 400;

/// What the page is about.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The verdict.
    pub verdict: &'a Verdict,
    /// What it was made from.
    pub evidence: &'a Evidence,
    /// The thresholds in force, and where they come from.
    pub policy: &'a PolicyFile,
    /// Who made the verdict: `canary-judge 0.1.0`.
    pub made_by: &'a str,
}

/// The page, whole.
#[must_use]
pub fn html(page: &Page<'_>) -> String {
    let mut out = String::with_capacity(64 << 10);
    // Writing into a String cannot fail.
    let _ = write(&mut out, page);
    out
}

fn write(out: &mut String, page: &Page<'_>) -> fmt::Result {
    let verdict = page.verdict;
    let (class, title) = match verdict.decision {
        Decision::Promote => ("promote", "Canary promoted"),
        Decision::Abort => ("abort", "Canary aborted"),
        Decision::Inconclusive => ("inconclusive", "Canary inconclusive"),
    };
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\" class=\"{class}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src '{STYLE_HASH}'; \
         img-src data:; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n\
         <title>{title}: canary-judge</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
    )?;
    the_verdict(out, verdict, title)?;
    compared(out, page)?;
    tables::findings(out, "Vetoes", &verdict.judgement.vetoes)?;
    tables::findings(out, "What differs", &verdict.judgement.findings)?;
    models::write(out, verdict)?;
    over_time(out, page)?;
    tables::gates(out, page)?;
    tables::ignored(out, &verdict.judgement.ignored)?;
    left_out(out, verdict)?;
    tables::policy(out, page.policy)?;
    let again = if verdict.explained.opinions.is_empty() {
        "No model was asked; the same logs and policy give this page again"
    } else {
        "The same logs, policy and opinions give this page again"
    };
    writeln!(
        out,
        "</main>\n<footer><p>Made by {} from what both versions logged. {again}, byte for byte. Secrets in log \
         lines are masked as ***.</p></footer>\n</body>\n</html>",
        safe(page.made_by, MAX_TEXT_BYTES)
    )
}

fn the_verdict(out: &mut String, verdict: &Verdict, title: &str) -> fmt::Result {
    let reason = verdict
        .message
        .split_once(": ")
        .map_or(verdict.message.as_str(), |(_, reason)| reason);
    let sure = match verdict.decision {
        Decision::Inconclusive => {
            "Neither is shown: that the canary is as good as stable, nor that it is worse. Nothing was \
             promoted; another look may know more."
                .to_owned()
        }
        _ => format!(
            "<b>{} %</b> confident: of verdicts this sure, about {} in 100 are right.",
            verdict.confidence, verdict.confidence
        ),
    };
    writeln!(
        out,
        "<section class=\"verdict\">\n<h1>{title}</h1>\n<p class=\"reason\">{}</p>\n<p class=\"sure\">{sure}</p>\n</section>",
        capitalised(&safe(reason, MAX_MESSAGE_BYTES))
    )
}

/// Its first letter as a sentence begins.
fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(rest).collect()
}

/// `Of the canary’s 900 requests, 38 failed; of stable’s 2,700, none.`
fn in_words(exposure: &Exposure) -> String {
    let (what, failed) = match exposure.unit {
        ExposureUnit::Requests => ("requests", "failed"),
        ExposureUnit::Events => ("log events", "are errors"),
        ExposureUnit::None => {
            return "The logs show no traffic of both versions that could be compared.".to_owned();
        }
    };
    let none_or = |errors: u64| match errors {
        0 => "none".to_owned(),
        some => count(some),
    };
    format!(
        "Of the canary’s {} {what}, {} {failed}; of stable’s {}, {}.",
        count(exposure.canary),
        none_or(exposure.canary_errors),
        count(exposure.stable),
        none_or(exposure.stable_errors)
    )
}

fn compared(out: &mut String, page: &Page<'_>) -> fmt::Result {
    let exposure = &page.verdict.judgement.exposure;
    writeln!(
        out,
        "<section>\n<h2>What was compared</h2>\n<p>{}</p>\n<table class=\"stack\">\n<thead><tr><th scope=\"col\">Version</th>\
         <th scope=\"col\" class=\"right\">{}</th><th scope=\"col\" class=\"right\">Errors</th>\
         <th scope=\"col\" class=\"right\">Share</th><th scope=\"col\" class=\"right\">Logs</th>\
         <th scope=\"col\" class=\"right\">Lines</th><th scope=\"col\">Time (UTC)</th></tr></thead>\n<tbody>",
        in_words(exposure),
        capitalised(chart::unit_name(exposure.unit))
    )?;
    for (arm, evidence, all, errors) in [
        (
            judge::Arm::Canary,
            &page.evidence.canary,
            exposure.canary,
            exposure.canary_errors,
        ),
        (
            judge::Arm::Stable,
            &page.evidence.stable,
            exposure.stable,
            exposure.stable_errors,
        ),
    ] {
        let lines: u64 = evidence.logs.iter().map(|log| log.profile.lines).sum();
        let pods = match evidence.pods.len() {
            0 => String::new(),
            pods => format!("; {pods} pods"),
        };
        let name = arm_name(arm);
        writeln!(
            out,
            "<tr><th scope=\"row\"><span class=\"dot of-{name}\"></span>{name}</th><td class=\"right\" data-label=\"{unit}\">{}</td>\
             <td class=\"right\" data-label=\"Errors\">{}</td><td class=\"right\" data-label=\"Share\">{}</td>\
             <td class=\"right\" data-label=\"Logs\">{}{pods}</td><td class=\"right\" data-label=\"Lines\">{}</td>\
             <td class=\"num\" data-label=\"Time (UTC)\">{}</td></tr>",
            count(all),
            count(errors),
            share(errors, all),
            evidence.logs.len(),
            count(lines),
            time_span(evidence),
            unit = capitalised(chart::unit_name(exposure.unit))
        )?;
    }
    out.write_str("</tbody>\n</table>\n</section>\n")
}

/// `2026-11-22 02:42:49 to 02:43:44 (55 s)`; `-` where no line has a time.
fn time_span(arm: &ArmEvidence) -> String {
    let profiles = || arm.logs.iter().map(|log| &log.profile);
    let first = profiles().filter_map(|profile| profile.first_ms).min();
    let last = profiles().filter_map(|profile| profile.last_ms).max();
    let (Some(first), Some(last)) = (utc(first), utc(last)) else {
        return "-".to_owned();
    };
    let seconds = last.timestamp().as_second() - first.timestamp().as_second();
    let last_text = if first.date() == last.date() {
        last.strftime("%T")
    } else {
        last.strftime("%F %T")
    };
    format!(
        "{} to {last_text} ({})",
        first.strftime("%F %T"),
        span(u64::try_from(seconds).unwrap_or_default())
    )
}

fn over_time(out: &mut String, page: &Page<'_>) -> fmt::Result {
    let timeline = judge::timeline::timeline(page.evidence);
    out.push_str("<section>\n<h2>Both versions over time</h2>\n");
    if timeline.slice_ms == 0 {
        out.push_str("<p class=\"soft\">No log line has a time, so there is nothing to draw. <code>kubectl logs --timestamps</code> adds them.</p>\n");
    } else {
        let seconds = u64::try_from(timeline.slice_ms / 1_000).unwrap_or_default();
        writeln!(
            out,
            "<p class=\"soft small\">Each bar is {}. Volumes have a scale each; errors are drawn in proportion to traffic, on one scale for both.</p>",
            span(seconds)
        )?;
        chart::write(out, &timeline, page.verdict.judgement.exposure.unit)?;
    }
    out.write_str("</section>\n")
}

fn left_out(out: &mut String, verdict: &Verdict) -> fmt::Result {
    if verdict.left_out.is_empty() {
        return Ok(());
    }
    out.push_str("<section>\n<h2>What was left out</h2>\n<ul>\n");
    for entry in verdict.left_out.iter().take(MAX_LEFT_OUT) {
        writeln!(
            out,
            "<li>{} <code>{}</code>: {}</li>",
            arm_name(entry.arm),
            safe(&entry.what, MAX_TEXT_BYTES),
            safe(&entry.why, MAX_TEXT_BYTES)
        )?;
    }
    let more = verdict.left_out.len().saturating_sub(MAX_LEFT_OUT);
    if more > 0 {
        writeln!(out, "<li>and {more} more</li>")?;
    }
    out.write_str("</ul>\n</section>\n")
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn the_style_sheet_is_the_one_that_the_policy_allows() {
        let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(STYLE));
        assert_eq!(STYLE_HASH, ["sha256-", &hash].concat(), "set STYLE_HASH");
        assert!(!STYLE.contains('<'), "a style sheet cannot end its element");
        assert!(!STYLE.contains("url("), "the page loads nothing");
    }
}
