//! The script: which request gets which answer. The same as TOML and as Rust
//! values.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::route::Api;

/// Most rules of a script: each request is held against all of them.
pub const MAX_RULES: usize = 1_000;
/// Largest script in bytes: a file that is larger is not a script.
pub const MAX_SCRIPT_BYTES: usize = 4 << 20;
/// Longest delay or pause in milliseconds. Who wants more wants `hang`.
pub const MAX_DELAY_MS: u64 = 600_000;

/// A script that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// It is larger than [`MAX_SCRIPT_BYTES`].
    #[error("the script has {0} bytes; {MAX_SCRIPT_BYTES} are the most")]
    TooLarge(usize),
    /// It is no TOML, or not a script's.
    #[error("cannot read the script")]
    Parse(#[source] toml::de::Error),
    /// A rule says something impossible.
    #[error("rule {number} of the script: {problem}")]
    Rule {
        /// Which rule, the first being 1.
        number: usize,
        /// What is wrong with it, and the mend.
        problem: &'static str,
    },
    /// It has more than [`MAX_RULES`] rules.
    #[error("the script has {0} rules; {MAX_RULES} are the most")]
    TooManyRules(usize),
}

/// What the stand-in answers. A request that no rule matches gets 400, which
/// no client tries again, and a message that says so.
///
/// ```
/// # fn main() -> Result<(), model_stand_in::ScriptError> {
/// let script = model_stand_in::Script::from_toml(r#"
///     require_key = "a-key"
///     models = ["gemini-3-flash-preview"]   # any other: 404
///
///     [[rule]]
///     api = "gemini"
///     times = 1
///     answer.rate_limit = { quota = "per_minute", retry_delay_ms = 17500 }
///
///     [[rule]]
///     contains = "crash"
///     answer.text = '{"promote": false, "findings": {{finding_ids}}}'
///
///     [[rule]]
///     answer = "hang"
/// "#)?;
/// assert_eq!(script.rules.len(), 3);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// The key that each request must bring, as its API wants it. `None`: any
    /// or none.
    pub require_key: Option<String>,
    /// The models that there are; any other is 404. Empty: there are all.
    pub models: Vec<String>,
    /// The first that matches a request answers it.
    #[serde(rename = "rule")]
    pub rules: Vec<Rule>,
}

impl Script {
    /// A script of these rules.
    #[must_use]
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self {
            rules: rules.into_iter().collect(),
            ..Self::default()
        }
    }

    /// A script of one rule, which answers everything.
    #[must_use]
    pub fn always(answer: Answer) -> Self {
        Self::new([Rule::new(answer)])
    }

    /// Reads a script.
    ///
    /// # Errors
    ///
    /// When it is too large, no TOML, has unknown keys or impossible values.
    pub fn from_toml(text: &str) -> Result<Self, ScriptError> {
        if text.len() > MAX_SCRIPT_BYTES {
            return Err(ScriptError::TooLarge(text.len()));
        }
        let script: Self = toml::from_str(text).map_err(ScriptError::Parse)?;
        script.check()?;
        Ok(script)
    }

    fn check(&self) -> Result<(), ScriptError> {
        if self.rules.len() > MAX_RULES {
            return Err(ScriptError::TooManyRules(self.rules.len()));
        }
        for (index, rule) in self.rules.iter().enumerate() {
            if let Some(problem) = rule.problem() {
                let number = index + 1;
                return Err(ScriptError::Rule { number, problem });
            }
        }
        Ok(())
    }

    /// The first rule that matches, counted as used.
    pub(crate) fn take(&mut self, api: Api, model: &str, text: &str) -> Option<Rule> {
        let rule = self
            .rules
            .iter_mut()
            .find(|rule| rule.matches(api, model, text))?;
        if let Some(times) = &mut rule.times {
            *times -= 1;
        }
        Some(rule.clone())
    }
}

/// Which requests, and their answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Only requests of this API.
    #[serde(default)]
    pub api: Option<Api>,
    /// Only requests of this model, by its whole name.
    #[serde(default)]
    pub model: Option<String>,
    /// Only requests whose text contains this: what system, user, model and
    /// tools said, as the model would read it.
    #[serde(default)]
    pub contains: Option<String>,
    /// How many more requests it answers. `None`: any number.
    #[serde(default)]
    pub times: Option<u32>,
    /// Milliseconds before the answer begins.
    #[serde(default)]
    pub delay_ms: u64,
    /// Milliseconds before each piece of a streamed answer.
    #[serde(default)]
    pub pause_ms: u64,
    /// Why the model stopped, in the words of either API. `None`: it was done.
    #[serde(default)]
    pub finish: Option<String>,
    /// What the model says that it thought, beside its answer.
    #[serde(default)]
    pub thoughts: Option<String>,
    /// Tokens that the answer claims to have used. `None`: derived from the
    /// lengths of the texts.
    #[serde(default)]
    pub usage: Option<Usage>,
    /// Cuts the answer's body off.
    #[serde(default)]
    pub cut: Option<Cut>,
    /// The answer.
    pub answer: Answer,
}

impl Rule {
    /// A rule that gives this answer to every request.
    #[must_use]
    pub fn new(answer: Answer) -> Self {
        Self {
            api: None,
            model: None,
            contains: None,
            times: None,
            delay_ms: 0,
            pause_ms: 0,
            finish: None,
            thoughts: None,
            usage: None,
            cut: None,
            answer,
        }
    }

    /// Only requests of this API.
    #[must_use]
    pub fn api(mut self, api: Api) -> Self {
        self.api = Some(api);
        self
    }

    /// Only requests of this model.
    #[must_use]
    pub fn model(mut self, model: &str) -> Self {
        self.model = Some(model.to_owned());
        self
    }

    /// Only requests whose text contains this.
    #[must_use]
    pub fn contains(mut self, text: &str) -> Self {
        self.contains = Some(text.to_owned());
        self
    }

    /// Only so many requests, then the rule is used up.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Waits so many milliseconds before it answers.
    #[must_use]
    pub fn delay_ms(mut self, delay_ms: u64) -> Self {
        self.delay_ms = delay_ms;
        self
    }

    /// Waits so many milliseconds before each piece of a streamed answer.
    #[must_use]
    pub fn pause_ms(mut self, pause_ms: u64) -> Self {
        self.pause_ms = pause_ms;
        self
    }

    /// Why the model stopped, such as `MAX_TOKENS`, `SAFETY`, `length`.
    #[must_use]
    pub fn finish(mut self, reason: &str) -> Self {
        self.finish = Some(reason.to_owned());
        self
    }

    /// Thoughts beside the answer.
    #[must_use]
    pub fn thoughts(mut self, thoughts: &str) -> Self {
        self.thoughts = Some(thoughts.to_owned());
        self
    }

    /// Tokens that the answer claims to have used.
    #[must_use]
    pub fn usage(mut self, usage: Usage) -> Self {
        self.usage = Some(usage);
        self
    }

    /// Cuts the answer's body off.
    #[must_use]
    pub fn cut(mut self, cut: Cut) -> Self {
        self.cut = Some(cut);
        self
    }

    fn matches(&self, api: Api, model: &str, text: &str) -> bool {
        self.times != Some(0)
            && self.api.is_none_or(|wanted| wanted == api)
            && self.model.as_deref().is_none_or(|wanted| wanted == model)
            && self
                .contains
                .as_deref()
                .is_none_or(|part| text.contains(part))
    }

    fn problem(&self) -> Option<&'static str> {
        match &self.answer {
            _ if self.delay_ms > MAX_DELAY_MS => Some("delay_ms is more than 10 minutes"),
            _ if self.pause_ms > MAX_DELAY_MS => Some("pause_ms is more than 10 minutes"),
            Answer::Status(code) if !(400..=599).contains(code) => {
                Some("a status is a number from 400 to 599; a fault's may be 200 as well")
            }
            Answer::Fault(fault) if !(200..=599).contains(&fault.status) => {
                Some("a fault's status is a number from 200 to 599")
            }
            Answer::ToolCalls(calls) if calls.is_empty() => Some("tool_calls is empty"),
            _ => None,
        }
    }
}

/// What a rule answers.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The model says this. `{{finding_ids}}` becomes a JSON array of all words
    /// of eight hex digits in the request's text, `{{first_finding}}` the first
    /// of them as a JSON string (`""` when there is none).
    Text(String),
    /// The model calls tools, several of them in parallel.
    ToolCalls(Vec<ToolCall>),
    /// The model gives its opinion in whatever schema the request asks for.
    Opinion(Opinion),
    /// The model promotes with confidence 99 and cites every finding it sees,
    /// as one that follows what is injected into its prompt.
    Obey,
    /// The model says what the prompt says that the verdict is.
    Agree,
    /// The model says the contrary: promote for abort, abort for promote.
    Disagree,
    /// The prompt is blocked for this reason (`SAFETY`, `OTHER`, …). OpenAI
    /// answers 400 `invalid_prompt`.
    Blocked(String),
    /// This status from 400 to 599, with the API's own body for it.
    Status(u16),
    /// This status and exactly this body and headers.
    Fault(Fault),
    /// 429 in full.
    RateLimit(RateLimit),
    /// 404, as for a model that is no longer served.
    Retired,
    /// The error for a wrong key (Gemini 400, OpenAI 401), quoting it in full.
    EchoKey,
    /// 200 and what is no JSON.
    Garbage,
    /// No answer until the client goes.
    Hang,
    /// The connection is dropped without an answer.
    Reset,
}

impl Answer {
    /// The model says this.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

/// One call of a tool.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// The tool.
    pub name: String,
    /// Its arguments, a JSON object.
    #[serde(default = "no_arguments")]
    pub args: Value,
    /// OpenAI: the arguments as this text instead, which need not be JSON.
    /// Gemini has no such thing: the answer becomes `MALFORMED_FUNCTION_CALL`.
    #[serde(default)]
    pub raw: Option<String>,
}

impl ToolCall {
    /// A call of a tool with these arguments.
    #[must_use]
    pub fn new(name: &str, args: Value) -> Self {
        Self {
            name: name.to_owned(),
            args,
            raw: None,
        }
    }

    /// A call whose arguments are this text.
    #[must_use]
    pub fn raw(name: &str, raw: &str) -> Self {
        Self {
            raw: Some(raw.to_owned()),
            ..Self::new(name, no_arguments())
        }
    }
}

fn no_arguments() -> Value {
    Value::Object(serde_json::Map::new())
}

/// What an opinion says.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Opinion {
    /// The verdict.
    pub says: Says,
    /// 0 to 100.
    pub confidence: u8,
    /// Whether it cites the findings that it sees.
    pub cites: bool,
    /// Every text that the schema asks for.
    pub text: String,
}

impl Default for Opinion {
    fn default() -> Self {
        Self {
            says: Says::Agree,
            confidence: 80,
            cites: true,
            text: "Scripted opinion.".to_owned(),
        }
    }
}

/// The verdict of an opinion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// Promote.
    Promote,
    /// Abort.
    Abort,
    /// Inconclusive.
    Inconclusive,
    /// The word after the first `verdict` or `decision` in what the user said.
    Agree,
    /// The contrary of that.
    Disagree,
}

/// An answer given word for word.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The status, 200 to 599.
    pub status: u16,
    /// The body.
    #[serde(default)]
    pub body: String,
    /// More headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// 429: which quota, and when to come again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Which quota is used up.
    pub quota: Quota,
    /// When to come again, in milliseconds: Gemini's `RetryInfo`, OpenAI's
    /// headers. `None`: it does not say.
    #[serde(default)]
    pub retry_delay_ms: Option<u64>,
    /// Gemini: the error inside an array, as its streams and its OpenAI
    /// endpoint send it.
    #[serde(default)]
    pub in_array: bool,
}

/// Which quota is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quota {
    /// Requests a minute: Gemini's `…PerMinute…`, OpenAI's
    /// `rate_limit_exceeded`.
    PerMinute,
    /// Final: Gemini's `…PerDay…`, OpenAI's `insufficient_quota`.
    PerDay,
}

/// How many tokens an answer claims to have used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    /// Of the prompt.
    pub prompt: u64,
    /// Of the prompt, those that were cached.
    pub cached: u64,
    /// Of the answer, without thoughts.
    pub output: u64,
    /// Of the thoughts.
    pub thoughts: u64,
}

/// Cuts an answer's body off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// Bytes of the body that are sent.
    pub after_bytes: usize,
    /// Whether the connection breaks there. Else the body ends well-formed, as
    /// far as HTTP knows.
    #[serde(default)]
    pub connection: bool,
}
