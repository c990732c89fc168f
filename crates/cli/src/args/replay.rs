//! What `replay` is told.

use std::path::PathBuf;

use clap::ValueEnum;

use super::Surroundings;

/// Decide bundles again: the verdict of each must come out as it was, byte for
/// byte.
///
/// A bundle is a verdict with all that it was made from, as `analyze --bundle`
/// and the plugin write it. First its hash is checked. With --policy the
/// bundles are decided under other thresholds, to see what these would have
/// changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit code: 0 every verdict is the same, 4 one is not, 2 a bundle cannot be used.
With --policy, `the same` means promote, abort or inconclusive as before.

Examples:
  canary-judge replay verdict.bundle.json.gz
  canary-judge replay /var/lib/canary-judge/bundles
  canary-judge replay bundles --policy stricter.toml
  canary-judge replay bundles --policy stricter.toml --format json |
      jq -r '.bundles[] | select(.same | not) | [.file, .recorded.verdict, .now.verdict] | @tsv'")]
pub struct ReplayArgs {
    /// Bundles, or folders of them
    #[arg(required = true, num_args = 1.., value_name = "BUNDLE")]
    bundles: Vec<PathBuf>,
    /// Other thresholds, as TOML. The bundle's own count without it, whatever
    /// CANARY_JUDGE_POLICY says
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t = ReplayFormat::Text)]
    format: ReplayFormat,
    /// Show every field in which a verdict differs
    #[arg(long)]
    diff: bool,
}

/// How what was decided again is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReplayFormat {
    /// A few lines for each bundle.
    Text,
    /// One JSON object.
    Json,
}

/// What to decide again.
#[derive(Debug)]
pub struct ReplayConfig {
    /// Bundles, and folders of them.
    pub bundles: Vec<PathBuf>,
    /// Another policy's file.
    pub policy: Option<PathBuf>,
    /// How the answer is written.
    pub format: ReplayFormat,
    /// Whether every difference is shown.
    pub diff: bool,
    /// Whether somebody watches who wants to know that work goes on.
    pub progress: bool,
}

impl ReplayArgs {
    pub(super) fn resolve(self, surroundings: Surroundings) -> ReplayConfig {
        ReplayConfig {
            bundles: self.bundles,
            policy: self.policy,
            format: self.format,
            diff: self.diff,
            progress: surroundings.stderr_is_terminal,
        }
    }
}
