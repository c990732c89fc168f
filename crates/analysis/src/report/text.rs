//! The reason in a page of plain text.

use std::fmt::Write as _;

use judge::judgement::{ExposureUnit, Finding, FindingClass, Gate};

use super::words::{
    arm_name, changes, class_name, gate_difference, gate_name, gate_value, percent, share, time,
};
use crate::decide::Verdict;
use crate::message::{count, one_line};
use crate::opinion::Answer;
use crate::policy_file::PolicyFile;

/// Findings that a page shows; the rest is counted.
const MAX_FINDINGS: usize = 20;

/// Entries of what was left out that a page shows.
const MAX_LEFT_OUT: usize = 20;

/// Opinions that a page shows: as many as may vote, and what a file adds.
const MAX_OPINIONS: usize = 20;

/// The longest line of log text on a page, in bytes.
const MAX_LINE_BYTES: usize = 400;

/// The verdict as a page of plain text, which ends with a newline.
#[must_use]
pub fn text(verdict: &Verdict) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = write(&mut out, verdict);
    out
}

/// What a policy file changes, as the last section of that page; nothing
/// where it changes nothing.
#[must_use]
pub fn policy_text(file: &PolicyFile) -> String {
    let lines = changes(file);
    if lines.is_empty() {
        return String::new();
    }
    let mut out = String::from("\nPolicy\n");
    for line in lines {
        out.extend(["  ", &one_line(&line, MAX_LINE_BYTES), "\n"]);
    }
    out
}

fn write(out: &mut String, verdict: &Verdict) -> std::fmt::Result {
    let judgement = &verdict.judgement;
    writeln!(out, "{}", verdict.message)?;
    writeln!(out, "confidence {} %", verdict.confidence)?;
    arms(out, verdict)?;
    section(out, "Vetoes", &judgement.vetoes)?;
    gates(out, "Gates that fired", verdict, |gate| gate.fired)?;
    gates(out, "Gates that hold the canary back", verdict, |gate| {
        gate.holds && !gate.fired
    })?;
    section(out, "Findings", &judgement.findings)?;
    models(out, verdict)?;
    ignored(out, verdict)?;
    left_out(out, verdict)
}

fn arms(out: &mut String, verdict: &Verdict) -> std::fmt::Result {
    let exposure = &verdict.judgement.exposure;
    let unit = match exposure.unit {
        ExposureUnit::Requests => "requests",
        ExposureUnit::Events => "events",
        ExposureUnit::None => return Ok(()),
    };
    writeln!(
        out,
        "\n{:<10}{:>12}{:>12}{:>10}",
        "", unit, "errors", "share"
    )?;
    for (arm, errors, all) in [
        ("canary", exposure.canary_errors, exposure.canary),
        ("stable", exposure.stable_errors, exposure.stable),
    ] {
        writeln!(
            out,
            "{arm:<10}{:>12}{:>12}{:>10}",
            count(all),
            count(errors),
            share(errors, all)
        )?;
    }
    Ok(())
}

fn gates(
    out: &mut String,
    heading: &str,
    verdict: &Verdict,
    wanted: impl Fn(&Gate) -> bool,
) -> std::fmt::Result {
    let gates = verdict.judgement.gates.iter();
    for (index, gate) in gates.filter(|gate| wanted(gate)).enumerate() {
        if index == 0 {
            writeln!(out, "\n{heading}")?;
        }
        gate_line(out, gate)?;
    }
    Ok(())
}

/// What the policy leaves out: how often it came, or that nothing matches.
fn ignored(out: &mut String, verdict: &Verdict) -> std::fmt::Result {
    if verdict.judgement.ignored.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nIgnored by the policy")?;
    for ignored in &verdict.judgement.ignored {
        let came = if ignored.canary_count + ignored.stable_count == 0 {
            "nothing matches".to_owned()
        } else {
            format!(
                "canary {}, stable {}:",
                count(ignored.canary_count),
                count(ignored.stable_count)
            )
        };
        writeln!(
            out,
            "  {came} `{}` ({})",
            one_line(&ignored.pattern, MAX_LINE_BYTES),
            one_line(&ignored.reason, MAX_LINE_BYTES)
        )?;
    }
    Ok(())
}

fn gate_line(out: &mut String, gate: &Gate) -> std::fmt::Result {
    writeln!(
        out,
        "  {:<15} canary {}, stable {}: {}",
        gate_name(gate.kind),
        gate_value(gate.kind, gate.canary_count, gate.canary_rate),
        gate_value(gate.kind, gate.stable_count, gate.stable_rate),
        gate_difference(gate),
    )
}

/// What models say; nothing where none was to be asked.
fn models(out: &mut String, verdict: &Verdict) -> std::fmt::Result {
    let explained = &verdict.explained;
    if explained.opinions.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nModels")?;
    let line = |text: &str| one_line(text, MAX_LINE_BYTES);
    for opinion in explained.opinions.iter().take(MAX_OPINIONS) {
        let name = line(&opinion.model);
        let view = match &opinion.answer {
            Answer::View(view) => view,
            Answer::Missing(missing) => {
                writeln!(out, "  {name} gave no opinion: {}", line(&missing.why))?;
                continue;
            }
        };
        let would = if view.promote {
            "would promote"
        } else {
            "objects"
        };
        let cites = match view.cited.join(" ").as_str() {
            "" => String::new(),
            ids => line(&format!(", citing {ids}")),
        };
        writeln!(out, "  {name} {would}, {} % sure{cites}", view.confidence)?;
        for (what, said) in [
            ("says", &view.analysis),
            ("cause", &view.root_cause),
            ("mend", &view.remediation),
        ] {
            if !said.is_empty() {
                writeln!(out, "    {what}: {}", line(said))?;
            }
        }
    }
    let spent = explained.spent;
    writeln!(
        out,
        "  asking took {} calls, {} tokens, {} ms",
        spent.calls,
        count(spent.tokens),
        count(spent.took_ms)
    )
}

fn section(out: &mut String, heading: &str, findings: &[Finding]) -> std::fmt::Result {
    if findings.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{heading}")?;
    for finding in findings.iter().take(MAX_FINDINGS) {
        finding_lines(out, finding)?;
    }
    if findings.len() > MAX_FINDINGS {
        writeln!(out, "  and {} more", findings.len() - MAX_FINDINGS)?;
    }
    Ok(())
}

fn finding_lines(out: &mut String, finding: &Finding) -> std::fmt::Result {
    writeln!(
        out,
        "  {} [{}] ({})",
        one_line(&finding.title, MAX_LINE_BYTES),
        class_name(finding.class),
        finding.id
    )?;
    write!(out, "    canary {}", count(finding.canary_count))?;
    let is_state = finding.class == FindingClass::PodState;
    if !is_state {
        write!(out, " ({})", percent(finding.canary_rate))?;
    }
    if finding.canary_pods_total > 0 {
        write!(
            out,
            " in {}/{} pods",
            finding.canary_pods, finding.canary_pods_total
        )?;
    }
    write!(out, ", stable {}", count(finding.stable_count))?;
    if !is_state {
        write!(out, " ({})", percent(finding.stable_rate))?;
    }
    if let Some(ratio) = &finding.ratio {
        write!(
            out,
            ", ratio {:.1} (95 %: {:.1} to {:.1})",
            ratio.estimate, ratio.low, ratio.high
        )?;
    }
    writeln!(out)?;
    if let (Some(first), Some(last)) = (time(finding.first_ms), time(finding.last_ms)) {
        writeln!(out, "    first {first}, last {last}")?;
    }
    let shown = if finding.sample.is_empty() {
        &finding.text
    } else {
        &finding.sample
    };
    if !shown.is_empty() && *shown != finding.title {
        writeln!(out, "    | {}", one_line(shown, MAX_LINE_BYTES))?;
    }
    Ok(())
}

fn left_out(out: &mut String, verdict: &Verdict) -> std::fmt::Result {
    if verdict.left_out.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nLeft out")?;
    for entry in verdict.left_out.iter().take(MAX_LEFT_OUT) {
        writeln!(
            out,
            "  {} {}: {}",
            arm_name(entry.arm),
            one_line(&entry.what, MAX_LINE_BYTES),
            one_line(&entry.why, MAX_LINE_BYTES)
        )?;
    }
    if verdict.left_out.len() > MAX_LEFT_OUT {
        writeln!(out, "  and {} more", verdict.left_out.len() - MAX_LEFT_OUT)?;
    }
    Ok(())
}
