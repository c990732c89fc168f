//! What `report` is told.

use std::path::PathBuf;

use clap::ValueEnum;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Surroundings;
use crate::mend::Failure;

/// Count how often our verdicts agreed with what became of the rollouts, and
/// whether they have earned being enforced.
///
/// FILES are what `kubectl get analysisruns,rollouts -A -o json` (or -o yaml)
/// writes, bundles, and folders of bundles, mixed as you like. Verdicts of dry
/// runs count as all others.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit code: 0 the report is written, 2 error.

Outcomes, as TOML or (FILE.csv) as lines of RUN,good or RUN,bad, for what was
found out later or was never aborted by anything but the verdict itself:
  [[outcome]]
  run = \"my-namespace/my-app-5d45b5bbf7-2\"
  version = \"bad\"          # or \"good\"
  note = \"INC-4711\"

Examples:
  kubectl get analysisruns,rollouts -A -o json > now.json
  canary-judge report now.json
  canary-judge report week-*.json --outcomes incidents.toml --since 2026-11-01
  canary-judge report /var/lib/canary-judge/bundles now.json --format json | jq .earned")]
pub struct ReportArgs {
    /// AnalysisRuns and Rollouts, bundles, folders of bundles
    #[arg(required = true, num_args = 1.., value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What is known about versions by other means, by AnalysisRun
    #[arg(long, value_name = "FILE")]
    outcomes: Option<PathBuf>,
    /// Only verdicts from then on: 2026-11-01 (UTC), or 2026-11-01T06:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only verdicts until then; a day counts whole
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// How it is written
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// A page for people.
    Text,
    /// One JSON object.
    Json,
}

/// What to report on.
#[derive(Debug)]
pub struct ReportConfig {
    /// Objects of Kubernetes, bundles, folders of bundles.
    pub files: Vec<PathBuf>,
    /// The file of known outcomes.
    pub outcomes: Option<PathBuf>,
    /// From when on, milliseconds since the epoch.
    pub since_ms: Option<i64>,
    /// Until when, exclusive.
    pub until_ms: Option<i64>,
    /// How it is written.
    pub format: ReportFormat,
    /// Whether somebody watches who wants to know that work goes on.
    pub progress: bool,
}

impl ReportArgs {
    pub(super) fn resolve(self, surroundings: Surroundings) -> Result<ReportConfig, Failure> {
        let time = |flag, text: Option<String>, end| match text {
            Some(text) => moment(flag, &text, end).map(Some),
            None => Ok(None),
        };
        let since_ms = time("--since", self.since, false)?;
        let until_ms = time("--until", self.until, true)?;
        if let (Some(since), Some(until)) = (since_ms, until_ms)
            && since >= until
        {
            return Err(Failure::new(
                "--since lies after --until: no verdict is of that time",
                "exchange them",
            ));
        }
        Ok(ReportConfig {
            files: self.files,
            outcomes: self.outcomes,
            since_ms,
            until_ms,
            format: self.format,
            progress: surroundings.stderr_is_terminal,
        })
    }
}

/// A moment in milliseconds; of a day its start, or the start of the next.
fn moment(flag: &str, text: &str, end: bool) -> Result<i64, Failure> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at.as_millisecond());
    }
    let day = text.parse::<Date>().ok().and_then(|day| {
        let day = if end { day.tomorrow().ok()? } else { day };
        day.to_zoned(TimeZone::UTC).ok()
    });
    day.map(|start| start.timestamp().as_millisecond())
        .ok_or_else(|| {
            Failure::new(
                format!("{flag}: `{text}` is no time"),
                "write a day, 2026-11-01, or a time with its zone, 2026-11-01T06:00:00Z",
            )
        })
}
