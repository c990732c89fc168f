//! What `replay` is told.

use std::path::PathBuf;

use analysis::Secret;
use clap::ValueEnum;

use super::Surroundings;

/// Decide bundles again: the verdict of each must come out as it was, byte for
/// byte.
///
/// A bundle is a verdict with all that it was made from, as `analyze --bundle`
/// and the plugin write it. First its hash is checked. With --policy the
/// bundles are decided under other thresholds, to see what these would have
/// changed; with --model other models are asked about the same findings.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit code: 0 every verdict is the same, 4 one is not, 2 a bundle cannot be used.
With --policy or --model, `the same` means promote, abort or inconclusive as before.

Examples:
  canary-judge replay verdict.bundle.json.gz
  canary-judge replay /var/lib/canary-judge/bundles
  canary-judge replay bundles --policy stricter.toml
  GOOGLE_API_KEY=… canary-judge replay verdict.bundle.json.gz --model gemini-2.5-flash
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
    /// Models to ask instead of those that were asked: they see the findings,
    /// redacted, and no log. Keys come from GOOGLE_API_KEY and OPENAI_API_KEY
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    model: Vec<String>,
    /// Where Gemini is (default: Google's own)
    #[arg(long, value_name = "URL", requires = "model")]
    gemini_url: Option<String>,
    /// Where the OpenAI-compatible endpoint is; OPENAI_BASE_URL names it too
    #[arg(long, value_name = "URL", requires = "model")]
    openai_url: Option<String>,
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
    /// Other models; `None` for what was said then.
    pub models: Option<ModelsArgs>,
    /// How the answer is written.
    pub format: ReplayFormat,
    /// Whether every difference is shown.
    pub diff: bool,
    /// Whether somebody watches who wants to know that work goes on.
    pub progress: bool,
}

/// Models to ask, and how to get to them.
#[derive(Debug)]
pub struct ModelsArgs {
    /// Their names.
    pub names: Vec<String>,
    /// Where Gemini is; `None` for Google's own.
    pub gemini_url: Option<String>,
    /// Where the OpenAI-compatible endpoint is; `None` for OpenAI's own.
    pub openai_url: Option<String>,
    /// Google's key.
    pub google_api_key: Option<Secret>,
    /// The endpoint's key.
    pub openai_api_key: Option<Secret>,
}

impl ReplayArgs {
    pub(super) fn resolve(self, surroundings: Surroundings) -> ReplayConfig {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let secret = |name| variable(name).as_deref().and_then(Secret::new);
        let models = (!self.model.is_empty()).then(|| ModelsArgs {
            names: self.model,
            gemini_url: self.gemini_url,
            openai_url: self.openai_url.or_else(|| variable("OPENAI_BASE_URL")),
            google_api_key: secret("GOOGLE_API_KEY"),
            openai_api_key: secret("OPENAI_API_KEY"),
        });
        ReplayConfig {
            models,
            bundles: self.bundles,
            policy: self.policy,
            format: self.format,
            diff: self.diff,
            progress: surroundings.stderr_is_terminal,
        }
    }
}
