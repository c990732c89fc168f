//! What the operator of the controller sets, and no template can.
//!
//! Who writes an AnalysisTemplate is trusted less than who runs the controller:
//! credentials, files, the origins that a credential may travel to, the folder
//! for bundles and how much a model may do come from the plugin's arguments,
//! its environment and mounted files only.

mod secrets;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use analysis::cluster::{SecretData, SecretRef};
use analysis::explain::{MAX_PRICE_FILE_BYTES, Prices};
use analysis::outbound::{self, Origin, Outbound, OutboundError};
use analysis::policy_file::{self, MAX_FILE_BYTES, PolicyFile};
use analysis::{Rules, Secret};
use jiff::civil::Date;
use judge::Policy;

pub use secrets::{Credentials, Environment, Login};

use crate::block::Settings;
use crate::operator::secrets::{FileError, LoginFiles, Secrets, read_text};

/// Most models that are asked about one canary: each has a vote, and a cost.
pub const MAX_MODELS: usize = 5;

/// Longest name of a model, in bytes: the longest in use has about 80.
const MAX_MODEL_BYTES: usize = 128;

/// Most origins that a credential may travel to.
const MAX_ORIGINS: usize = 32;

/// Most files of certificate authorities.
const MAX_CA_FILES: usize = 16;

/// The model of a Google key where nobody names one.
pub const DEFAULT_GEMINI_MODEL: &str = "gemini-2.5-flash";

/// The arguments as they were given, not looked at yet.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// `--models`.
    pub models: Vec<String>,
    /// `--gemini-url`.
    pub gemini_url: Option<Secret>,
    /// `--openai-url`, else `OPENAI_BASE_URL`.
    pub openai_url: Option<Secret>,
    /// `--model-may-settle`.
    pub model_may_settle: bool,
    /// `--max-budget-…`.
    pub budget: Budget,
    /// `--prices`.
    pub prices: Option<PathBuf>,
    /// `--agent-origin`.
    pub agent_origins: Vec<String>,
    /// `--agent-token-file`.
    pub agent_token: Option<PathBuf>,
    /// `--prometheus-origin`.
    pub prometheus_origins: Vec<String>,
    /// `--prometheus-user`.
    pub prometheus_user: Option<Secret>,
    /// `--prometheus-password-file`.
    pub prometheus_password: Option<PathBuf>,
    /// `--prometheus-token-file`.
    pub prometheus_token: Option<PathBuf>,
    /// `--ca-file`.
    pub ca_files: Vec<PathBuf>,
    /// `--bundle-dir`.
    pub bundle_dir: Option<PathBuf>,
    /// `--policy`.
    pub policy: Option<PathBuf>,
    /// `--secrets-dir`.
    pub secrets_dir: PathBuf,
    /// `--secret`.
    pub secret: Option<String>,
    /// `--max-analyses`.
    pub max_analyses: usize,
    /// The variables that hold credentials and names of models.
    pub environment: Environment,
}

/// What the operator sets, checked.
#[derive(Clone, Debug)]
pub struct Operator {
    /// Models to ask where a template names none.
    pub models: Vec<String>,
    /// The name of a model for Google's key, where `models` is empty.
    pub gemini_model: Option<String>,
    /// The same for the OpenAI-compatible endpoint.
    pub openai_model: Option<String>,
    /// Where Gemini is; `None` for Google's own.
    pub gemini_url: Option<Secret>,
    /// Where the OpenAI-compatible endpoint is; `None` for OpenAI's own.
    pub openai_url: Option<Secret>,
    /// Whether models may settle an inconclusive judgement.
    pub model_may_settle: bool,
    /// The most that asking models may cost, for one measurement.
    pub max_budget: Budget,
    /// What models cost.
    pub prices: Prices,
    /// Agents that may receive the agent's token.
    pub agent_origins: Vec<Origin>,
    /// Servers that may receive the credentials for Prometheus.
    pub prometheus_origins: Vec<Origin>,
    /// How requests leave.
    pub outbound: Outbound,
    /// Where bundles are written; `None` for nowhere.
    pub bundle_dir: Option<PathBuf>,
    /// Analyses that gather at the same time.
    pub max_analyses: usize,
    /// The Secret that is read through the API; `None` for none.
    pub secret: Option<SecretRef>,
    policy: PolicyFile,
    secrets: Secrets,
}

/// Why the operator's settings cannot be used. Each text names the argument.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// A value that is none of those that there are.
    #[error("`{flag}` cannot be used: {needed}")]
    Value {
        /// The argument, or the variable.
        flag: &'static str,
        /// What is needed.
        needed: String,
    },
    /// A file that was named cannot be read.
    #[error("`{flag}` cannot be used: its file cannot be read")]
    File {
        /// The argument.
        flag: &'static str,
        /// Why.
        #[source]
        source: FileError,
    },
    /// The judge's policy has mistakes.
    #[error("`--policy` cannot be used: `canary-judge explain-policy` shows every key")]
    Policy(#[source] policy_file::PolicyError),
    /// Certificate authorities that cannot be used.
    #[error("`--ca-file` cannot be used: each file needs to hold certificates (PEM)")]
    Authorities,
    /// The requests' way out is not there.
    #[error("there is no way out for requests: check HTTPS_PROXY, HTTP_PROXY and NO_PROXY")]
    Outbound,
}

/// What asking models may cost, for one measurement; `None` for no limit said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Requests to models.
    pub calls: Option<u64>,
    /// Tokens, of prompts and answers.
    pub tokens: Option<u64>,
    /// Time, in seconds.
    pub seconds: Option<u64>,
    /// Money, in millionths of a US dollar.
    pub micro_usd: Option<u64>,
}

impl Budget {
    /// The smaller of both in everything.
    #[must_use]
    pub fn within(self, most: Self) -> Self {
        let least = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self {
            calls: least(self.calls, most.calls),
            tokens: least(self.tokens, most.tokens),
            seconds: least(self.seconds, most.seconds),
            micro_usd: least(self.micro_usd, most.micro_usd),
        }
    }
}

/// Dollars in millionths.
#[must_use]
pub fn micro_usd(usd: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whoever read it has looked at its range; what is no number is 0"
    )]
    let micro = (usd * 1e6).round().max(0.0) as u64;
    micro
}

/// Whether this can be a model's name: it is shown, and is part of an address.
#[must_use]
pub fn is_model_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-:/@+".contains(c);
    !name.is_empty()
        && name.len() <= MAX_MODEL_BYTES
        && name.chars().all(fits)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !name.contains("..")
        && !name.contains("//")
}

impl Operator {
    /// Looks at what was given, and reads the files that must be there. `today`
    /// is the day in UTC.
    ///
    /// # Errors
    ///
    /// [`OperatorError`] with the argument that cannot be used. Missing
    /// credentials are no error.
    pub fn new(given: Given, today: Date) -> Result<Self, OperatorError> {
        let outbound = Outbound {
            ca_files: limited("--ca-file", given.ca_files, MAX_CA_FILES)?,
        };
        // Nothing is kept of it: what matters is whether files that the operator
        // names can be used. Without any, a plugin that judges alone need not
        // read a system's authorities as it starts.
        if !outbound.ca_files.is_empty() {
            outbound::client(&outbound).map_err(|error| match error {
                OutboundError::ReadAuthorities { .. } | OutboundError::NoAuthority { .. } => {
                    OperatorError::Authorities
                }
                OutboundError::Tls(_) | OutboundError::Client(_) => OperatorError::Outbound,
            })?;
        }
        let environment = &given.environment;
        let prometheus = login_files(
            given.prometheus_user,
            given.prometheus_password,
            given.prometheus_token,
        )?;
        let operator = Self {
            models: models(given.models)?,
            gemini_model: model("GEMINI_MODEL", environment.gemini_model.clone())?,
            openai_model: model("OPENAI_MODEL", environment.openai_model.clone())?,
            gemini_url: address("--gemini-url", given.gemini_url)?,
            openai_url: address("--openai-url", given.openai_url)?,
            model_may_settle: given.model_may_settle,
            max_budget: given.budget,
            prices: match given.prices {
                Some(file) => {
                    let text = named_file("--prices", &file, MAX_PRICE_FILE_BYTES as u64)?;
                    Prices::parse(&text).map_err(|error| wrong("--prices", error.to_string()))?
                }
                None => Prices::default(),
            },
            agent_origins: origins("--agent-origin", given.agent_origins)?,
            prometheus_origins: origins("--prometheus-origin", given.prometheus_origins)?,
            outbound,
            bundle_dir: folder("--bundle-dir", given.bundle_dir)?,
            max_analyses: given.max_analyses.max(1),
            secret: given.secret.as_deref().map(secret_ref).transpose()?,
            policy: match given.policy {
                Some(file) => {
                    let text = named_file("--policy", &file, MAX_FILE_BYTES)?;
                    policy_file::parse(&text, today).map_err(OperatorError::Policy)?
                }
                None => PolicyFile::default(),
            },
            secrets: Secrets {
                folder: given.secrets_dir,
                environment: given.environment,
                agent_token: given.agent_token,
                prometheus,
            },
        };
        operator.check_receivers()?;
        Ok(operator)
    }

    /// A credential without a receiver is a mistake that would show only as a
    /// refusal by the server.
    fn check_receivers(&self) -> Result<(), OperatorError> {
        let needs = |flag, origin: &str| OperatorError::Value {
            flag,
            needed: format!("`{origin}` must say who may receive it"),
        };
        if self.secrets.agent_token.is_some() && self.agent_origins.is_empty() {
            return Err(needs("--agent-token-file", "--agent-origin"));
        }
        let flag = match &self.secrets.prometheus {
            Some(LoginFiles::Token(_)) => "--prometheus-token-file",
            Some(LoginFiles::Password { .. }) => "--prometheus-password-file",
            None => return Ok(()),
        };
        if self.prometheus_origins.is_empty() {
            return Err(needs(flag, "--prometheus-origin"));
        }
        Ok(())
    }

    /// The credentials as they are now: files may be replaced while the
    /// controller runs, so each analysis reads them again. Reads some small
    /// files. `from_api` is what is in [`Operator::secret`].
    #[must_use]
    pub fn credentials(&self, from_api: &SecretData) -> Credentials {
        self.secrets.read(from_api)
    }

    /// The models to ask, by name: the template's, else the operator's, else
    /// the one that a key is there for.
    #[must_use]
    pub fn models_of(&self, settings: &Settings, credentials: &Credentials) -> Vec<String> {
        if !settings.models.is_empty() {
            return settings.models.clone();
        }
        if !self.models.is_empty() {
            return self.models.clone();
        }
        let gemini = credentials.google_api_key.as_ref().map(|_| {
            self.gemini_model
                .clone()
                .unwrap_or_else(|| DEFAULT_GEMINI_MODEL.to_owned())
        });
        let has_openai = credentials.openai_api_key.is_some() || self.openai_url.is_some();
        let openai = self.openai_model.clone().filter(|_| has_openai);
        gemini.into_iter().chain(openai).collect()
    }

    /// The judge's thresholds for a template on a day (UTC).
    #[must_use]
    pub fn policy_of(&self, settings: &Settings, today: Date) -> Policy {
        let base = self.policy.over(&Policy::default(), today);
        settings.judge_policy.over(&base, today)
    }

    /// What asking models may cost for a template.
    #[must_use]
    pub fn budget_of(&self, settings: &Settings) -> Budget {
        settings.budget.within(self.max_budget)
    }

    /// What a promotion needs beside the judge's word.
    #[must_use]
    pub fn rules_of(&self, settings: &Settings) -> Rules {
        Rules {
            min_confidence: settings.min_confidence.unwrap_or(0),
            min_requests: settings.min_requests.unwrap_or(0),
            model_may_settle: self.model_may_settle,
        }
    }

    /// What is well written in the operator's policy and has no effect.
    pub fn policy_warnings(&self) -> impl Iterator<Item = String> + '_ {
        let warnings = self.policy.warnings.iter();
        warnings.map(|warning| format!("`--policy`: {warning}"))
    }
}

fn wrong(flag: &'static str, needed: impl Into<String>) -> OperatorError {
    OperatorError::Value {
        flag,
        needed: needed.into(),
    }
}

fn limited<T>(flag: &'static str, list: Vec<T>, most: usize) -> Result<Vec<T>, OperatorError> {
    if list.len() > most {
        return Err(wrong(flag, format!("it may be given {most} times")));
    }
    Ok(list)
}

fn models(names: Vec<String>) -> Result<Vec<String>, OperatorError> {
    let mut models = Vec::new();
    for name in limited("--models", names, MAX_MODELS)? {
        match model("--models", Some(name))? {
            Some(name) if models.contains(&name) => {
                return Err(wrong("--models", "each model is named once"));
            }
            Some(name) => models.push(name),
            None => {}
        }
    }
    Ok(models)
}

fn model(flag: &'static str, name: Option<String>) -> Result<Option<String>, OperatorError> {
    let name = name.map(|name| name.trim().to_owned());
    let name = name.filter(|name| !name.is_empty());
    if name.as_deref().is_some_and(|name| !is_model_name(name)) {
        let needed = format!("the name of a model is needed, as in {DEFAULT_GEMINI_MODEL}");
        return Err(wrong(flag, needed));
    }
    Ok(name)
}

fn address(flag: &'static str, given: Option<Secret>) -> Result<Option<Secret>, OperatorError> {
    if let Some(address) = &given
        && Origin::of(address.reveal()).is_none()
    {
        return Err(wrong(flag, "an http:// or https:// address is needed"));
    }
    Ok(given)
}

fn secret_ref(given: &str) -> Result<SecretRef, OperatorError> {
    let needed = "the name of a Secret is needed, or its namespace and name with a / between";
    SecretRef::parse(given).ok_or_else(|| wrong("--secret", needed))
}

/// Origins, written as such: who gives a path or a user may think that it
/// counts.
fn origins(flag: &'static str, given: Vec<String>) -> Result<Vec<Origin>, OperatorError> {
    let read = |text: String| {
        let text = text.trim().trim_end_matches('/');
        let bare = text
            .split_once("://")
            .is_some_and(|(_, host)| !host.contains(['/', '@', '?', '#', '\\']));
        Origin::of(text).filter(|_| bare).ok_or_else(|| {
            let needed = "an origin is scheme, host and port, as in https://agent.example:8443";
            wrong(flag, needed)
        })
    };
    limited(flag, given, MAX_ORIGINS)?
        .into_iter()
        .map(read)
        .collect()
}

fn login_files(
    user: Option<Secret>,
    password: Option<PathBuf>,
    token: Option<PathBuf>,
) -> Result<Option<LoginFiles>, OperatorError> {
    match (user, password, token) {
        (None, None, None) => Ok(None),
        (None, None, Some(token)) => Ok(Some(LoginFiles::Token(token))),
        (Some(user), Some(password), None) => Ok(Some(LoginFiles::Password { user, password })),
        (None, Some(_), _) => Err(wrong(
            "--prometheus-password-file",
            "`--prometheus-user` must be there too",
        )),
        (Some(_), None, _) => Err(wrong(
            "--prometheus-user",
            "`--prometheus-password-file` must be there too",
        )),
        (Some(_), Some(_), Some(_)) => Err(wrong(
            "--prometheus-token-file",
            "a token, or a user with a password, not both",
        )),
    }
}

fn folder(flag: &'static str, given: Option<PathBuf>) -> Result<Option<PathBuf>, OperatorError> {
    if given.as_deref().is_some_and(|path| !path.is_dir()) {
        return Err(wrong(flag, "a folder that is there is needed"));
    }
    Ok(given)
}

/// The text of a file that an argument names.
fn named_file(flag: &'static str, path: &Path, max_bytes: u64) -> Result<String, OperatorError> {
    read_text(path, max_bytes).map_err(|source| OperatorError::File { flag, source })
}
