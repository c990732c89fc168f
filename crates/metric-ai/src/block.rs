//! The plugin's configuration block in an AnalysisTemplate, read and checked.
//!
//! Arguments arrive resolved, secrets in clear: no error and no warning shows a
//! value, only names of keys. Who writes a template is not the operator: what
//! names a credential, a file or more trust than a template has is refused here
//! and set in [`mod@crate::operator`].

mod ending;
mod error;
mod models;
mod part;
mod spelling;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use agent_api::AgentUrl;
use analysis::policy_file::{self, PolicyFile};
use analysis::prometheus::Queries;
use analysis::{Secret, Selector};
use jiff::civil::Date;
use rollouts_plugin::Metric;
use serde_json::{Map, Value};

pub use ending::{Ending, Endings};
pub use error::BlockError;

use crate::condition::Conditions;
use crate::duration;
use crate::operator::Budget;
use part::Part;

/// The name that templates register their block under.
pub const BLOCK: &str = "argoproj-labs/metric-ai";

/// The block's old name.
const OLD_BLOCK: &str = "ai-metric";

/// Largest block in bytes; an extra prompt is a page, not a book.
const MAX_BLOCK_BYTES: usize = 64 * 1024;

/// Most keys in a block; ours has two dozen.
const MAX_KEYS: usize = 64;

/// Shortest wait that a template may set: less than the first look takes.
const MIN_MAX_WAIT: Duration = Duration::from_secs(1);

/// Longest wait that a template may set: a rollout that waits longer than a day
/// waits for a person, not for traffic.
const MAX_MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Most requests that a template may ask for: days of traffic of one canary.
const MAX_MIN_REQUESTS: u64 = 100_000_000;

/// The branch that changes are made against where a template names none.
const DEFAULT_BRANCH: &str = "main";

const KEYS: &[&str] = &[
    "analysisMode",
    "model",
    "models",
    "stableLabel",
    "canaryLabel",
    "agentUrl",
    "githubUrl",
    "baseBranch",
    "extraPrompt",
    "successCondition",
    "failureCondition",
    "maxWait",
    "minConfidence",
    "minRequests",
    "onError",
    "onNoData",
    "onInconclusive",
    "budget",
    "judgePolicy",
    "prometheus",
];

/// Old spellings, each with the key it stands for.
const ALIASES: [(&str, &str); 2] = [
    ("stablePodLabel", "stableLabel"),
    ("canaryPodLabel", "canaryLabel"),
];

/// Keys that are ignored, each with why: some are those of earlier plugins,
/// some are the operator's.
const IGNORED: [(&str, &str); 9] = [
    (
        "namespace",
        "the AnalysisRun's namespace is the only one a template may read",
    ),
    ("podName", "all pods that the labels select are read"),
    (
        "modelMaySettle",
        "it is the operator's, who sets the plugin's argument `--model-may-settle`",
    ),
    (
        "bundleDir",
        "it is the operator's, who sets the plugin's argument `--bundle-dir`",
    ),
    (
        "caFile",
        "it is the operator's, who sets the plugin's argument `--ca-file`",
    ),
    (
        "apiKey",
        "keys are the operator's, who mounts them as files for the controller",
    ),
    (
        "googleApiKey",
        "keys are the operator's, who mounts them as files for the controller",
    ),
    (
        "openaiApiKey",
        "keys are the operator's, who mounts them as files for the controller",
    ),
    (
        "githubToken",
        "tokens are the operator's, who mounts them as files for the controller",
    ),
];

/// The block, read and checked.
#[derive(Clone)]
pub struct Settings {
    /// Who analyses.
    pub mode: Mode,
    /// The models that are asked, by name; empty for the operator's. These
    /// names are shown beside what the models say.
    pub models: Vec<String>,
    /// Label selector of stable's pods.
    pub stable: Selector,
    /// Label selector of the canary's pods.
    pub canary: Selector,
    /// How long to wait for a verdict, where the template says.
    pub max_wait: Option<Duration>,
    /// The conditions that a promote verdict must meet.
    pub conditions: Conditions,
    /// Least confidence of a promotion, in percent, 51 to 99.
    pub min_confidence: Option<u8>,
    /// Least exposure of the canary for a promotion, in requests (or events).
    pub min_requests: Option<u64>,
    /// What a measurement without a verdict ends as.
    pub endings: Endings,
    /// What asking models may cost, at most what the operator allows.
    pub budget: Budget,
    /// The judge's thresholds, over those of the operator.
    pub judge_policy: PolicyFile,
    /// Metrics that are compared as well.
    pub metrics: Option<Queries>,
    /// What the user wants models to know.
    pub extra_prompt: Option<Secret>,
    /// Where to report a failed canary.
    pub repository: Option<Repository>,
    /// What the template's author should know, in the order of the block.
    pub warnings: Vec<String>,
    /// The keys that the block sets, by name.
    pub keys: Vec<&'static str>,
}

/// Who analyses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The plugin.
    Default,
    /// An agent, and nobody else: there is no way back to the default.
    Agent {
        /// Its base address.
        url: AgentUrl,
    },
}

/// Where to report a failed canary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Its address; it may have a user and a password in it.
    pub url: Secret,
    /// The branch that changes are made against.
    pub base_branch: Secret,
}

/// Shows which keys are set, and none of their values: they are the template's,
/// arguments resolved.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("keys", &self.keys)
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads the metric's block and conditions. `today` is the day in UTC: what
    /// a policy ignores, it ignores until some day.
    ///
    /// # Errors
    /// If the block cannot be used; nothing is guessed.
    pub fn read(metric: &Metric, today: Date) -> Result<Self, BlockError> {
        let mut warnings = Vec::new();
        let map = map(find(metric, &mut warnings)?, &mut warnings)?;
        let block = Part::block(&map, KEYS);
        block.warn_unknown(&mut warnings);
        let mut conditions = Conditions::default();
        conditions.add_metric(&metric.success_condition, &metric.failure_condition)?;
        conditions.add_block(
            block.text("successCondition")?,
            block.text("failureCondition")?,
        )?;
        Ok(Self {
            mode: mode(&block, &mut warnings)?,
            models: models::models(&block, &mut warnings)?,
            stable: selector(&block, "stableLabel", "role=stable")?,
            canary: selector(&block, "canaryLabel", "role=canary")?,
            max_wait: max_wait(&block)?,
            conditions,
            min_confidence: min_confidence(&block)?,
            min_requests: block.whole("minRequests", 0..=MAX_MIN_REQUESTS)?,
            endings: ending::endings(&block)?,
            budget: match block.get("budget") {
                Some(value) => models::budget(value, &mut warnings)?,
                None => Budget::default(),
            },
            judge_policy: judge_policy(&block, today, &mut warnings)?,
            metrics: match block.map("prometheus")? {
                Some(map) => Some(Queries::read(&Value::Object(map.clone()), &mut warnings)?),
                None => None,
            },
            extra_prompt: Secret::new(block.text("extraPrompt")?),
            repository: repository(&block)?,
            keys: block.set().collect(),
            warnings,
        })
    }
}

/// What an error ends as, of a block that may have mistakes elsewhere; `None`
/// where that cannot be read.
pub fn on_error(metric: &Metric) -> Option<Ending> {
    let ignored = &mut Vec::new();
    let map = find(metric, ignored)
        .and_then(|json| map(json, ignored))
        .ok()?;
    ending::ending(&Part::block(&map, KEYS), "onError").ok()?
}

/// What `GetMetadata` stores beside the metric's result. A block that cannot be
/// used yields what can be read of it: the measurement has the error.
pub fn describe(metric: &Metric) -> BTreeMap<String, String> {
    let mut described = BTreeMap::from([("provider".to_owned(), crate::PROVIDER_TYPE.to_owned())]);
    let ignored = &mut Vec::new();
    let Ok(map) = find(metric, ignored).and_then(|json| map(json, ignored)) else {
        return described;
    };
    let block = Part::block(&map, KEYS);
    for (key, default) in [
        ("stableLabel", "role=stable"),
        ("canaryLabel", "role=canary"),
    ] {
        if let Ok(selector) = selector(&block, key, default) {
            described.insert(key.to_owned(), selector.to_string());
        }
    }
    let url = block.text("agentUrl").unwrap_or_default();
    if let Some(url) = crate::reach::without_credentials(url) {
        described.insert("agentUrl".to_owned(), url);
    }
    described
}

/// The block's JSON text. The controller finds the plugin by the block's name,
/// so a single block is ours whatever it is called.
fn find<'m>(metric: &'m Metric, warnings: &mut Vec<String>) -> Result<&'m [u8], BlockError> {
    let blocks = &metric.provider.plugin;
    if let Some(block) = blocks.get(BLOCK) {
        return Ok(block);
    }
    if let Some(block) = blocks.get(OLD_BLOCK) {
        warnings.push(format!(
            "block `{OLD_BLOCK}` is an old name: call it `{BLOCK}`"
        ));
        return Ok(block);
    }
    match blocks.values().next() {
        Some(block) if blocks.len() == 1 => Ok(block),
        _ => Err(BlockError::Missing),
    }
}

/// The block's values by key, old spellings resolved.
fn map(json: &[u8], warnings: &mut Vec<String>) -> Result<Map<String, Value>, BlockError> {
    if json.len() > MAX_BLOCK_BYTES {
        return Err(BlockError::TooLarge);
    }
    let mut map = match serde_json::from_slice(json) {
        Ok(Value::Object(map)) => map,
        Ok(Value::Null) => Map::new(),
        _ => return Err(BlockError::NotAMap),
    };
    if map.len() > MAX_KEYS {
        return Err(BlockError::TooLarge);
    }
    for (alias, key) in ALIASES {
        let Some(value) = map.remove(alias).filter(|value| !part::is_nothing(value)) else {
            continue;
        };
        let given = part::text(alias, &value)?.to_owned();
        if map.get(key).is_none_or(part::is_nothing) {
            warnings.push(format!("key `{alias}` is an old spelling: write `{key}`"));
            map.insert(key.to_owned(), given.into());
        } else {
            warnings.push(format!("key `{alias}` is ignored: `{key}` is there"));
        }
    }
    for (key, why) in IGNORED {
        if map.remove(key).is_some() {
            warnings.push(format!("key `{key}` is ignored: {why}"));
        }
    }
    Ok(map)
}

fn mode(block: &Part<'_>, warnings: &mut Vec<String>) -> Result<Mode, BlockError> {
    let mode = block.text("analysisMode")?;
    let url = block.text("agentUrl")?;
    if mode.eq_ignore_ascii_case("default") || mode.is_empty() && url.is_empty() {
        if !url.is_empty() {
            warnings.push("key `agentUrl` is ignored: `analysisMode` is `default`".to_owned());
        }
        return Ok(Mode::Default);
    }
    if !mode.is_empty() && !mode.eq_ignore_ascii_case("agent") {
        return Err(BlockError::Value {
            key: block.key("analysisMode"),
            needed: "must be `default` or `agent`",
        });
    }
    if url.is_empty() {
        return Err(BlockError::AgentWithoutUrl);
    }
    // Its own errors show no part of the address either.
    let url = AgentUrl::parse(url).map_err(|_| BlockError::Value {
        key: block.key("agentUrl"),
        needed: "an http:// or https:// address without a query is needed, as in \
                 http://kubernetes-agent:8080",
    })?;
    Ok(Mode::Agent { url })
}

fn selector(block: &Part<'_>, key: &'static str, default: &str) -> Result<Selector, BlockError> {
    let selector = match block.text(key)? {
        "" => default,
        given => given,
    };
    // Its own errors quote the text, which may hold what nobody should see.
    Selector::parse(selector).map_err(|_| BlockError::Selector { key })
}

fn max_wait(block: &Part<'_>) -> Result<Option<Duration>, BlockError> {
    match block.text("maxWait")? {
        "" => Ok(None),
        text => match duration::parse(text) {
            Some(wait) if (MIN_MAX_WAIT..=MAX_MAX_WAIT).contains(&wait) => Ok(Some(wait)),
            _ => Err(BlockError::Value {
                key: block.key("maxWait"),
                needed: "a time from 1s to 24h is needed, as in `5m`",
            }),
        },
    }
}

/// In percent, and in nothing else: a fraction that is meant as a percentage
/// would let everything pass.
fn min_confidence(block: &Part<'_>) -> Result<Option<u8>, BlockError> {
    let percent = block.whole("minConfidence", 51..=99);
    let percent = percent.map_err(|error| match error {
        BlockError::Range { key, .. } => BlockError::Value {
            key,
            needed: "a whole percentage from 51 to 99 is needed, as in `85`",
        },
        other => other,
    })?;
    Ok(percent.and_then(|percent| u8::try_from(percent).ok()))
}

fn judge_policy(
    block: &Part<'_>,
    today: Date,
    warnings: &mut Vec<String>,
) -> Result<PolicyFile, BlockError> {
    let Some(map) = block.map("judgePolicy")? else {
        return Ok(PolicyFile::default());
    };
    let policy = policy_file::from_json("judgePolicy", map, today)?;
    warnings.extend(policy.warnings.iter().map(ToString::to_string));
    Ok(policy)
}

fn repository(block: &Part<'_>) -> Result<Option<Repository>, BlockError> {
    let branch = block.text("baseBranch")?;
    let base_branch = Secret::new(branch).or_else(|| Secret::new(DEFAULT_BRANCH));
    let url = Secret::new(block.text("githubUrl")?);
    Ok(url
        .zip(base_branch)
        .map(|(url, base_branch)| Repository { url, base_branch }))
}
