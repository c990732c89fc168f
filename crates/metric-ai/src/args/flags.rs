//! The operator's arguments, as the command line and the environment give them.

use std::path::PathBuf;

use analysis::Secret;
use clap::Args;

use crate::operator::{Budget, Environment, Given, micro_usd};

/// The arguments of whoever runs the controller.
#[derive(Args, Debug)]
pub(super) struct Flags {
    /// Models to ask where a template names none, up to five: several vote.
    #[arg(
        long,
        value_name = "NAME,…",
        value_delimiter = ',',
        help_heading = "Models"
    )]
    models: Vec<String>,
    /// Where Gemini is (default: Google's own).
    #[arg(long, value_name = "URL", help_heading = "Models")]
    gemini_url: Option<String>,
    /// Where the OpenAI-compatible endpoint is; OPENAI_BASE_URL names it too.
    #[arg(long, value_name = "URL", help_heading = "Models")]
    openai_url: Option<String>,
    /// Let models settle a judgement that is inconclusive for want of traffic.
    #[arg(long, help_heading = "Models")]
    model_may_settle: bool,
    /// Most calls of models for one measurement.
    #[arg(long, value_name = "N", default_value_t = 20, help_heading = "Models")]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=1_000))]
    max_budget_calls: u64,
    /// Most tokens, of prompts and answers, for one measurement.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 400_000,
        help_heading = "Models"
    )]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=10_000_000))]
    max_budget_tokens: u64,
    /// Longest time that models may take for one measurement, in seconds.
    #[arg(long, value_name = "N", default_value_t = 600, help_heading = "Models")]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=3_600))]
    max_budget_seconds: u64,
    /// Most money for one measurement, in US dollars (needs --prices).
    #[arg(long, value_name = "USD", value_parser = usd, help_heading = "Models")]
    max_budget_usd: Option<f64>,
    /// What models cost: a TOML file with a table for each model.
    #[arg(long, value_name = "FILE", help_heading = "Models")]
    prices: Option<PathBuf>,
    /// An agent that may receive the token; may be given several times.
    #[arg(
        long,
        value_name = "ORIGIN",
        value_delimiter = ',',
        help_heading = "Agents"
    )]
    agent_origin: Vec<String>,
    /// The agents' bearer token.
    #[arg(long, value_name = "FILE", help_heading = "Agents")]
    agent_token_file: Option<PathBuf>,
    /// A Prometheus that may receive the credentials; may be given several times.
    #[arg(
        long,
        value_name = "ORIGIN",
        value_delimiter = ',',
        help_heading = "Prometheus"
    )]
    prometheus_origin: Vec<String>,
    /// The user for basic authentication.
    #[arg(long, value_name = "USER", help_heading = "Prometheus")]
    prometheus_user: Option<String>,
    /// The user's password.
    #[arg(long, value_name = "FILE", help_heading = "Prometheus")]
    prometheus_password_file: Option<PathBuf>,
    /// A bearer token, instead of a user and a password.
    #[arg(long, value_name = "FILE", help_heading = "Prometheus")]
    prometheus_token_file: Option<PathBuf>,
    /// Certificate authorities (PEM) to trust beside the system's; may be given
    /// several times.
    #[arg(
        long,
        value_name = "FILE",
        value_delimiter = ',',
        help_heading = "Analyses"
    )]
    ca_file: Vec<PathBuf>,
    /// Write each verdict, with its evidence, into this folder.
    #[arg(long, value_name = "DIR", help_heading = "Analyses")]
    bundle_dir: Option<PathBuf>,
    /// The judge's policy (TOML): templates start from it.
    #[arg(long, value_name = "FILE", help_heading = "Analyses")]
    policy: Option<PathBuf>,
    /// Analyses that read logs at the same time; the rest wait their turn.
    #[arg(long, value_name = "N", default_value_t = 4, help_heading = "Analyses")]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=64))]
    max_analyses: u8,
    /// Where the files google_api_key, google_cloud_project, openai_api_key and
    /// github_token are mounted.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/etc/secrets",
        help_heading = "Analyses"
    )]
    secrets_dir: PathBuf,
    /// A Secret with those keys, read through the API where no file has them;
    /// the controller's service account must be allowed to get it.
    #[arg(long, value_name = "[NAMESPACE/]NAME", help_heading = "Analyses")]
    secret: Option<String>,
}

impl Flags {
    /// Together with what the environment says.
    pub(super) fn given(self, env: &impl Fn(&str) -> Option<String>) -> Given {
        let secret = |text: Option<String>| text.as_deref().and_then(Secret::new);
        Given {
            models: self.models,
            gemini_url: secret(self.gemini_url),
            openai_url: secret(self.openai_url.or_else(|| env("OPENAI_BASE_URL"))),
            model_may_settle: self.model_may_settle,
            budget: Budget {
                calls: Some(self.max_budget_calls),
                tokens: Some(self.max_budget_tokens),
                seconds: Some(self.max_budget_seconds),
                micro_usd: self.max_budget_usd.map(micro_usd),
            },
            prices: self.prices,
            agent_origins: self.agent_origin,
            agent_token: self.agent_token_file,
            prometheus_origins: self.prometheus_origin,
            prometheus_user: secret(self.prometheus_user),
            prometheus_password: self.prometheus_password_file,
            prometheus_token: self.prometheus_token_file,
            ca_files: self.ca_file,
            bundle_dir: self.bundle_dir,
            policy: self.policy,
            secrets_dir: self.secrets_dir,
            secret: self.secret,
            max_analyses: usize::from(self.max_analyses),
            environment: Environment {
                google_api_key: secret(env("GOOGLE_API_KEY")),
                openai_api_key: secret(env("OPENAI_API_KEY")),
                github_token: secret(env("GITHUB_TOKEN")),
                gemini_model: env("GEMINI_MODEL"),
                openai_model: env("OPENAI_MODEL"),
            },
        }
    }
}

/// Dollars: what is no number, or not from 0 to 1,000, is refused.
fn usd(text: &str) -> Result<f64, &'static str> {
    let usd = text
        .parse()
        .ok()
        .filter(|usd| (0.0..=1_000.0).contains(usd));
    usd.ok_or("0 to 1000 US dollars")
}
