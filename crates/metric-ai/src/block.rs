//! The plugin's configuration block in an AnalysisTemplate, read and checked.
//!
//! Arguments arrive resolved, secrets in clear: no error and no warning shows a
//! value, only names of keys.

use std::collections::BTreeMap;
use std::time::Duration;

use analysis::Selector;
use rollouts_plugin::Metric;
use serde_json::Value;

use crate::condition::{ConditionError, Conditions};
use crate::duration;

/// The name that templates register their block under.
pub const BLOCK: &str = "argoproj-labs/metric-ai";

/// The block's old name.
const OLD_BLOCK: &str = "ai-metric";

/// Largest block in bytes; an extra prompt is a page, not a book.
const MAX_BLOCK_BYTES: usize = 64 * 1024;

/// Most keys in a block; ours has a dozen.
const MAX_KEYS: usize = 64;

/// Shortest wait that a template may set: less than the first look takes.
const MIN_MAX_WAIT: Duration = Duration::from_secs(1);

/// Longest wait that a template may set: a rollout that waits longer than a day
/// waits for a person, not for traffic.
const MAX_MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

const KEYS: [&str; 11] = [
    "analysisMode",
    "model",
    "stableLabel",
    "canaryLabel",
    "agentUrl",
    "githubUrl",
    "baseBranch",
    "extraPrompt",
    "successCondition",
    "failureCondition",
    "maxWait",
];

/// Old spellings, each with the key it stands for.
const ALIASES: [(&str, &str); 2] = [
    ("stablePodLabel", "stableLabel"),
    ("canaryPodLabel", "canaryLabel"),
];

/// Keys that earlier plugins knew, each with why it is ignored.
const RETIRED: [(&str, &str); 2] = [
    (
        "namespace",
        "the AnalysisRun's namespace is the only one a template may read",
    ),
    ("podName", "all pods that the labels select are read"),
];

/// The block, read and checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Label selector of stable's pods.
    pub stable: Selector,
    /// Label selector of the canary's pods.
    pub canary: Selector,
    /// How long to wait for a verdict, where the template says.
    pub max_wait: Option<Duration>,
    /// The conditions that a promote verdict must meet.
    pub conditions: Conditions,
    /// Whether the template names a model.
    pub names_model: bool,
    /// Whether the template has an extra prompt.
    pub has_extra_prompt: bool,
    /// Whether the template names a repository to report to.
    pub has_repository: bool,
    /// What the template's author should know, in the order of the block.
    pub warnings: Vec<String>,
}

/// Why a block cannot be used. Each text names the key and the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The metric has no block of ours.
    #[error(
        "the metric has no configuration for this plugin: put it under \
         `provider.plugin[\"{BLOCK}\"]`"
    )]
    Missing,
    /// The block is larger than any real one.
    #[error("the plugin's block is larger than {MAX_BLOCK_BYTES} bytes or {MAX_KEYS} keys")]
    TooLarge,
    /// The block is not a map.
    #[error("the plugin's block must be a map of keys to values")]
    NotAMap,
    /// A value of the wrong type.
    #[error("key `{key}`: text is needed, not {found}")]
    NotText {
        /// The key.
        key: &'static str,
        /// What was found, as a type.
        found: &'static str,
    },
    /// A mode that there is none of.
    #[error("key `analysisMode`: must be `default` or `agent`")]
    UnknownMode,
    /// Agent mode without an agent.
    #[error(
        "agent mode requires agentUrl to be configured (agentUrl is required with `analysisMode: \
         agent`; set it, or set `analysisMode: default`)"
    )]
    AgentWithoutUrl,
    /// Agent mode, which this version has not.
    #[error(
        "agent mode is not in this version of the plugin: set `analysisMode: default` and the \
         plugin judges by itself (not falling back to default mode unasked)"
    )]
    AgentMode,
    /// Not a selector that Kubernetes reads.
    #[error("key `{key}`: not a label selector; write it as in `role=canary`")]
    Selector {
        /// The key.
        key: &'static str,
    },
    /// Not a time, or not a sensible one.
    #[error("key `maxWait`: a time from 1s to 24h is needed, as in `5m`")]
    MaxWait,
    /// A condition that cannot be evaluated.
    #[error(transparent)]
    Condition(#[from] ConditionError),
}

impl Settings {
    /// Reads the metric's block and conditions.
    ///
    /// # Errors
    /// If the block cannot be used; nothing is guessed.
    pub fn read(metric: &Metric) -> Result<Self, BlockError> {
        let mut warnings = Vec::new();
        let texts = Texts::read(find(metric, &mut warnings)?, &mut warnings)?;
        texts.check_mode(&mut warnings)?;
        let mut conditions = Conditions::default();
        conditions.add_metric(&metric.success_condition, &metric.failure_condition)?;
        conditions.add_block(texts.of("successCondition"), texts.of("failureCondition"))?;
        Ok(Self {
            stable: texts.selector("stableLabel", "role=stable")?,
            canary: texts.selector("canaryLabel", "role=canary")?,
            max_wait: texts.max_wait()?,
            conditions,
            names_model: !texts.of("model").is_empty(),
            has_extra_prompt: !texts.of("extraPrompt").is_empty(),
            has_repository: !texts.of("githubUrl").is_empty(),
            warnings,
        })
    }
}

/// What `GetMetadata` stores beside the metric's result. A block that cannot be
/// used yields what can be read of it: the measurement has the error.
pub fn describe(metric: &Metric) -> BTreeMap<String, String> {
    let mut described = BTreeMap::from([("provider".to_owned(), crate::PROVIDER_TYPE.to_owned())]);
    let ignored = &mut Vec::new();
    let Ok(texts) = find(metric, ignored).and_then(|block| Texts::read(block, ignored)) else {
        return described;
    };
    for (key, default) in [
        ("stableLabel", "role=stable"),
        ("canaryLabel", "role=canary"),
    ] {
        if let Ok(selector) = texts.selector(key, default) {
            described.insert(key.to_owned(), selector.to_string());
        }
    }
    if let Some(url) = crate::reach::without_credentials(texts.of("agentUrl")) {
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

/// The block's values by key, aliases resolved: all of ours are text.
struct Texts(BTreeMap<&'static str, String>);

impl Texts {
    fn read(json: &[u8], warnings: &mut Vec<String>) -> Result<Self, BlockError> {
        if json.len() > MAX_BLOCK_BYTES {
            return Err(BlockError::TooLarge);
        }
        let map = match serde_json::from_slice(json) {
            Ok(Value::Object(map)) => map,
            Ok(Value::Null) => serde_json::Map::new(),
            _ => return Err(BlockError::NotAMap),
        };
        if map.len() > MAX_KEYS {
            return Err(BlockError::TooLarge);
        }
        let mut texts = BTreeMap::new();
        for key in KEYS {
            if let Some(value) = map.get(key) {
                texts.insert(key, text(key, value)?);
            }
        }
        for (name, value) in &map {
            if KEYS.contains(&name.as_str()) {
            } else if let Some((alias, key)) = ALIASES.iter().find(|(alias, _)| alias == name) {
                let given = text(alias, value)?;
                if texts.get(key).is_none_or(String::is_empty) {
                    warnings.push(format!("key `{alias}` is an old spelling: write `{key}`"));
                    texts.insert(key, given);
                } else {
                    warnings.push(format!("key `{alias}` is ignored: `{key}` is there"));
                }
            } else if let Some((key, why)) = RETIRED.iter().find(|(key, _)| key == name) {
                warnings.push(format!("key `{key}` is ignored: {why}"));
            } else {
                warnings.push(unknown(name));
            }
        }
        Ok(Self(texts))
    }

    /// The key's text; empty when it is not there, as the Go plugin took it.
    fn of(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    fn check_mode(&self, warnings: &mut Vec<String>) -> Result<(), BlockError> {
        let has_url = !self.of("agentUrl").is_empty();
        let mode = self.of("analysisMode");
        if mode.eq_ignore_ascii_case("default") || mode.is_empty() && !has_url {
            if has_url {
                warnings.push("key `agentUrl` is ignored: `analysisMode` is `default`".to_owned());
            }
            Ok(())
        } else if !mode.is_empty() && !mode.eq_ignore_ascii_case("agent") {
            Err(BlockError::UnknownMode)
        } else if has_url {
            Err(BlockError::AgentMode)
        } else {
            Err(BlockError::AgentWithoutUrl)
        }
    }

    fn selector(&self, key: &'static str, default: &str) -> Result<Selector, BlockError> {
        let selector = match self.of(key) {
            "" => default,
            given => given,
        };
        // Its own errors quote the text, which may hold what nobody should see.
        Selector::parse(selector).map_err(|_| BlockError::Selector { key })
    }

    fn max_wait(&self) -> Result<Option<Duration>, BlockError> {
        match self.of("maxWait") {
            "" => Ok(None),
            text => match duration::parse(text) {
                Some(wait) if (MIN_MAX_WAIT..=MAX_MAX_WAIT).contains(&wait) => Ok(Some(wait)),
                _ => Err(BlockError::MaxWait),
            },
        }
    }
}

fn text(key: &'static str, value: &Value) -> Result<String, BlockError> {
    let found = match value {
        Value::String(text) => return Ok(text.trim().to_owned()),
        Value::Null => return Ok(String::new()),
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    };
    Err(BlockError::NotText { key, found })
}

/// A warning about a key that there is none of. The name is the template's
/// text, so it is shown only as far as a key can go.
fn unknown(name: &str) -> String {
    /// Longest key name that is shown.
    const SHOWN_CHARS: usize = 40;
    let shown: String = name
        .chars()
        .take(SHOWN_CHARS)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    let nearest = KEYS
        .iter()
        .map(|key| (distance(&name.to_lowercase(), &key.to_lowercase()), key))
        .min();
    match nearest {
        // A third of the key wrong is another word, not a slip.
        Some((distance, key)) if distance <= key.len() / 3 => {
            format!("unknown key `{shown}` is ignored: did you mean `{key}`?")
        }
        _ => format!("unknown key `{shown}` is ignored"),
    }
}

/// Levenshtein's edit distance, in characters; long names are not compared to
/// their end.
fn distance(a: &str, b: &str) -> usize {
    /// No key of ours is longer, so what follows only adds to the distance.
    const COMPARED_CHARS: usize = 32;
    let b: Vec<char> = b.chars().take(COMPARED_CHARS).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(COMPARED_CHARS).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let change = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(block: &str) -> Metric {
        let mut metric = Metric::default();
        metric.provider.plugin.insert(BLOCK.into(), block.into());
        metric
    }

    fn read(block: &str) -> Result<Settings, BlockError> {
        Settings::read(&metric(block))
    }

    #[test]
    fn an_empty_block_takes_the_defaults() {
        for block in ["{}", "null", r#"{"stableLabel":"","maxWait":null}"#] {
            let settings = read(block).unwrap();
            assert_eq!(settings.stable.as_str(), "role=stable");
            assert_eq!(settings.canary.as_str(), "role=canary");
            assert_eq!(settings.max_wait, None);
            assert!(settings.warnings.is_empty());
        }
    }

    #[test]
    fn every_key_is_read() {
        let settings = read(
            r#"{"analysisMode":"default","model":"gemini-2.0-flash","stableLabel":"app=a,role=s",
                "canaryLabel":"role in (canary, preview)","githubUrl":"https://github.com/a/b",
                "baseBranch":"main","extraPrompt":"watch\nlatency","maxWait":"90s",
                "successCondition":"result > 0.50","failureCondition":"result < 0.1"}"#,
        )
        .unwrap();
        assert_eq!(settings.stable.as_str(), "app=a,role=s");
        assert_eq!(settings.canary.as_str(), "role in (canary, preview)");
        assert_eq!(settings.max_wait, Some(Duration::from_secs(90)));
        assert!(settings.names_model && settings.has_extra_prompt && settings.has_repository);
        assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
    }

    #[test]
    fn what_cannot_be_used_is_an_error_that_names_the_key() {
        use BlockError as E;
        let table = [
            ("[]", E::NotAMap),
            ("{", E::NotAMap),
            ("\"x\"", E::NotAMap),
            (
                r#"{"stableLabel":1}"#,
                E::NotText {
                    key: "stableLabel",
                    found: "a number",
                },
            ),
            (
                r#"{"canaryPodLabel":["a"]}"#,
                E::NotText {
                    key: "canaryPodLabel",
                    found: "a list",
                },
            ),
            (
                r#"{"extraPrompt":true}"#,
                E::NotText {
                    key: "extraPrompt",
                    found: "true or false",
                },
            ),
            (r#"{"analysisMode":"auto"}"#, E::UnknownMode),
            (r#"{"analysisMode":"agent"}"#, E::AgentWithoutUrl),
            (
                r#"{"analysisMode":"agent","agentUrl":" "}"#,
                E::AgentWithoutUrl,
            ),
            (
                r#"{"analysisMode":"agent","agentUrl":"http://a:8080"}"#,
                E::AgentMode,
            ),
            (r#"{"agentUrl":"http://a:8080"}"#, E::AgentMode),
            (
                r#"{"canaryLabel":"role=canary&limit=0"}"#,
                E::Selector { key: "canaryLabel" },
            ),
            (r#"{"stableLabel":","}"#, E::Selector { key: "stableLabel" }),
            (r#"{"maxWait":"5"}"#, E::MaxWait),
            (r#"{"maxWait":"0s"}"#, E::MaxWait),
            (r#"{"maxWait":"25h"}"#, E::MaxWait),
        ];
        for (block, expected) in table {
            assert_eq!(read(block).unwrap_err(), expected, "{block}");
        }
        assert!(matches!(
            read(r#"{"successCondition":"result >"}"#).unwrap_err(),
            E::Condition(_)
        ));
        let mut with_condition = metric("{}");
        with_condition.failure_condition = "rate > 5".into();
        assert!(matches!(
            Settings::read(&with_condition).unwrap_err(),
            E::Condition(_)
        ));
    }

    #[test]
    fn size_is_limited() {
        let long = format!(r#"{{"extraPrompt":"{}"}}"#, "x".repeat(MAX_BLOCK_BYTES));
        assert_eq!(read(&long).unwrap_err(), BlockError::TooLarge);
        let keys: Vec<String> = (0..=MAX_KEYS).map(|i| format!("\"k{i}\":1")).collect();
        assert_eq!(
            read(&format!("{{{}}}", keys.join(","))).unwrap_err(),
            BlockError::TooLarge
        );
        let selector = format!(r#"{{"stableLabel":"{}"}}"#, "x".repeat(3_000));
        assert_eq!(
            read(&selector).unwrap_err(),
            BlockError::Selector { key: "stableLabel" }
        );
    }

    #[test]
    fn old_and_unknown_keys_warn_and_do_not_fail() {
        let table = [
            (
                r#"{"canaryPodLabel":"x=y"}"#,
                "key `canaryPodLabel` is an old spelling: write `canaryLabel`",
            ),
            (
                r#"{"canaryPodLabel":"x=y","canaryLabel":"a=b"}"#,
                "key `canaryPodLabel` is ignored: `canaryLabel` is there",
            ),
            (
                r#"{"namespace":"prod"}"#,
                "key `namespace` is ignored: the AnalysisRun's namespace is the only one a \
                 template may read",
            ),
            (
                r#"{"podName":"x"}"#,
                "key `podName` is ignored: all pods that the labels select are read",
            ),
            (
                r#"{"canarylabel":"x=y"}"#,
                "unknown key `canarylabel` is ignored: did you mean `canaryLabel`?",
            ),
            (
                r#"{"extraPromt":"x"}"#,
                "unknown key `extraPromt` is ignored: did you mean `extraPrompt`?",
            ),
            (
                r#"{"colour\u0007":"blue"}"#,
                "unknown key `colour?` is ignored",
            ),
            (
                r#"{"analysisMode":"default","agentUrl":"http://a"}"#,
                "key `agentUrl` is ignored: `analysisMode` is `default`",
            ),
        ];
        for (block, warning) in table {
            assert_eq!(read(block).unwrap().warnings, [warning], "{block}");
        }
        assert_eq!(
            read(r#"{"canaryPodLabel":"x=y"}"#).unwrap().canary.as_str(),
            "x=y"
        );
    }

    #[test]
    fn the_block_is_found_under_any_name_that_led_to_us() {
        let named = |names: &[&str]| {
            let mut metric = Metric::default();
            for name in names {
                let block = r#"{"maxWait":"7s"}"#.into();
                metric.provider.plugin.insert((*name).into(), block);
            }
            Settings::read(&metric)
        };
        let old = named(&["ai-metric"]).unwrap();
        assert_eq!(
            old.warnings,
            ["block `ai-metric` is an old name: call it `argoproj-labs/metric-ai`"]
        );
        assert_eq!(
            named(&["my-org/judge"]).unwrap().max_wait,
            Some(Duration::from_secs(7))
        );
        assert_eq!(named(&[]).unwrap_err(), BlockError::Missing);
        assert_eq!(named(&["a/b", "c/d"]).unwrap_err(), BlockError::Missing);
    }

    #[test]
    fn no_value_is_shown() {
        for block in [
            r#"{"analysisMode":"hunter2"}"#,
            r#"{"maxWait":"hunter2"}"#,
            r#"{"stableLabel":"hunter2&"}"#,
            r#"{"successCondition":"hunter2"}"#,
            r#"{"model":"x","colour":"hunter2"}"#,
            r#""hunter2"#,
        ] {
            let shown = match read(block) {
                Ok(settings) => settings.warnings.join(" "),
                Err(error) => format!("{error} {error:?}"),
            };
            assert!(!shown.contains("hunter2"), "{block}: {shown}");
        }
    }

    #[test]
    fn metadata_describes_the_metric_without_its_credentials() {
        let metric = metric(
            r#"{"agentUrl":"http://user:hunter2@agent:8080/a2a?token=hunter2","canaryLabel":"a=b"}"#,
        );
        let described = describe(&metric);
        assert_eq!(described["provider"], "MetricAI");
        assert_eq!(described["stableLabel"], "role=stable");
        assert_eq!(described["canaryLabel"], "a=b");
        assert_eq!(described["agentUrl"], "http://agent:8080/a2a");
        assert_eq!(describe(&Metric::default()).len(), 1);
    }
}
