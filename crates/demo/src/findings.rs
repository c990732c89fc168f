//! The findings in a measurement's `analysis`, for the page. Pure.
//!
//! The text is the plugin's report for people: a finding is a line of two
//! spaces, title, class and id, and what belongs to it is indented further.
//! Titles come from logs: they are on one line, and are read from their end.

use crate::state::FindingState;

/// Findings that are shown.
const MAX_FINDINGS: usize = 20;

/// Sections of the report whose entries are findings.
const SECTIONS: [&str; 2] = ["Vetoes", "Findings"];

/// The findings of a report.
pub(crate) fn findings(report: &str) -> Vec<FindingState> {
    let mut found: Vec<FindingState> = Vec::new();
    let mut inside = false;
    for line in report.lines() {
        let indent = line.len() - line.trim_start_matches(' ').len();
        match indent {
            0 => inside = SECTIONS.contains(&line),
            _ if !inside => {}
            2 => found.extend(head(&line[2..])),
            _ => {
                if let Some(finding) = found.last_mut() {
                    detail(finding, line.trim_start_matches(' '));
                }
            }
        }
    }
    // The report is cut where it would not fit into the metadata.
    found.retain(|finding| !finding.canary.is_empty());
    // A state that vetoes is a finding as well, and stands in both sections.
    let mut seen = std::collections::HashSet::new();
    found.retain(|finding| seen.insert(finding.id.clone()));
    found.truncate(MAX_FINDINGS);
    found
}

/// `TITLE [CLASS] (ID)`.
fn head(line: &str) -> Option<FindingState> {
    let (rest, id) = line.strip_suffix(')')?.rsplit_once(" (")?;
    let (what, class) = rest.strip_suffix(']')?.rsplit_once(" [")?;
    Some(FindingState {
        id: id.to_owned(),
        class: class.to_owned(),
        what: what.to_owned(),
        ..FindingState::default()
    })
}

/// `canary N …, stable N …` or `| SAMPLE`.
fn detail(finding: &mut FindingState, line: &str) {
    if let Some(sample) = line.strip_prefix("| ") {
        sample.clone_into(&mut finding.sample);
    } else if let Some(counts) = line.strip_prefix("canary ")
        && let Some((canary, stable)) = counts.split_once(", stable ")
    {
        canary.clone_into(&mut finding.canary);
        let stable = stable
            .split_once(", ratio")
            .map_or(stable, |(before, _)| before);
        stable.clone_into(&mut finding.stable);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "\
canary aborted: +20.1 pp errors
confidence 97 %

              requests      errors     share
canary             103          22    21.4 %

Gates that fired
  error rate      canary 22 (21.4 %), stable 0 (0.0 %): +21.4 pp

Findings
  NullPointerException [x] (f0) ColorResource:39 [new error] (1f2e3d4c)
    canary 22 (21.4 %) in 1/1 pods, stable 0 (0.0 %), ratio 40.0 (95 %: 9.0 to 99.0)
    first 2026-01-02T03:04:05Z, last 2026-01-02T03:04:09Z
    | 2026-01-02 ERROR request failed
  500 - yellow [5xx responses] (aabbccdd)
    canary 22 (21.4 %), stable 3 (0.1 %)

Left out
  canary pod [none] (x)
";

    #[test]
    fn findings_are_read_from_the_report_with_their_numbers_and_sample() {
        let found = findings(REPORT);
        assert_eq!(found.len(), 2);
        assert_eq!(
            found[0],
            FindingState {
                id: "1f2e3d4c".to_owned(),
                class: "new error".to_owned(),
                what: "NullPointerException [x] (f0) ColorResource:39".to_owned(),
                stable: "0 (0.0 %)".to_owned(),
                canary: "22 (21.4 %) in 1/1 pods".to_owned(),
                sample: "2026-01-02 ERROR request failed".to_owned(),
            }
        );
        assert_eq!(found[1].stable, "3 (0.1 %)");
    }

    #[test]
    fn what_is_no_report_has_no_findings() {
        assert_eq!(findings(""), []);
        assert_eq!(findings("Findings\n  cut in the mid"), []);
        let cut = &REPORT[..REPORT.find("    canary 22 (21.4 %), stable 3").unwrap()];
        assert_eq!(findings(cut).len(), 1);
    }
}
