//! The script: which request gets which answer. The same as TOML and as Rust
//! values.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Most rules of a script: each request is held against all of them.
pub const MAX_RULES: usize = 1_000;
/// Largest script in bytes: a file that is larger is not a script.
pub const MAX_SCRIPT_BYTES: usize = 4 << 20;
/// Longest delay in milliseconds. Who wants more wants `hang`.
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
    /// It has more than [`MAX_RULES`] rules.
    #[error("the script has {0} rules; {MAX_RULES} are the most")]
    TooManyRules(usize),
    /// A rule waits longer than [`MAX_DELAY_MS`].
    #[error("rule {0} of the script waits longer than {MAX_DELAY_MS} ms: `hang` waits for ever")]
    TooLong(usize),
    /// A rule answers with a status that there is none of.
    #[error("{0} of the script answers with no status from 200 to 599")]
    BadStatus(String),
}

/// What the stand-in answers. An analysis that no rule matches is a failure as
/// the contract has it (500), and says so.
///
/// ```
/// # fn main() -> Result<(), agent_stand_in::ScriptError> {
/// let script = agent_stand_in::Script::from_toml(r#"
///     require_bearer = "a-token"
///
///     [health]
///     "/a2a/health" = { status = { code = 404 } }
///
///     [[rule]]
///     contains = "rollout:shop/payments"   # in the request's JSON
///     times = 1
///     answer = "hang"
///
///     [[rule]]
///     delay_ms = 200
///     answer = "bad"
/// "#)?;
/// assert_eq!(script.rules.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// The token that each analysis must bring, else 401. `None`: any or none.
    pub require_bearer: Option<String>,
    /// Answers of `GET`s by their path, instead of the contract's.
    pub health: BTreeMap<String, Answer>,
    /// The first that matches an analysis answers it.
    #[serde(rename = "rule")]
    pub rules: Vec<Rule>,
}

/// Which analyses, and their answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Only requests whose body contains this.
    #[serde(default)]
    pub contains: Option<String>,
    /// How many more requests it answers. `None`: any number.
    #[serde(default)]
    pub times: Option<u32>,
    /// Milliseconds before the answer begins.
    #[serde(default)]
    pub delay_ms: u64,
    /// The answer.
    pub answer: Answer,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// Promote, at 80 percent.
    Good,
    /// Abort, at 90 percent, with a root cause and a pull request.
    Bad,
    /// Inconclusive, with a state for the next question.
    Inconclusive,
    /// A failure as the contract has it: 500 and `promote: false`.
    Failure,
    /// 200 and this body, whatever it is.
    Body(String),
    /// Another status, with this body.
    Status {
        /// 200 to 599.
        code: u16,
        /// The body.
        #[serde(default)]
        body: String,
    },
    /// 307 to this address.
    Redirect(String),
    /// 200 and a body of so many bytes.
    Large(usize),
    /// The whole answer of `good` is promised, and after so many bytes of it
    /// the connection breaks.
    CutAfter(usize),
    /// No answer, ever.
    Hang,
    /// The connection ends without an answer.
    Reset,
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

    /// A script of one rule, which answers every analysis.
    #[must_use]
    pub fn always(answer: Answer) -> Self {
        Self::new([Rule::new(answer)])
    }

    /// Only requests with this bearer token are let in.
    #[must_use]
    pub fn require_bearer(mut self, token: &str) -> Self {
        self.require_bearer = Some(token.to_owned());
        self
    }

    /// Another answer of this path than the contract's.
    #[must_use]
    pub fn health(mut self, path: &str, answer: Answer) -> Self {
        self.health.insert(path.to_owned(), answer);
        self
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
            if rule.delay_ms > MAX_DELAY_MS {
                return Err(ScriptError::TooLong(index + 1));
            }
            if !rule.answer.has_a_status() {
                return Err(ScriptError::BadStatus(format!("rule {}", index + 1)));
            }
        }
        match self
            .health
            .iter()
            .find(|(_, answer)| !answer.has_a_status())
        {
            Some((path, _)) => Err(ScriptError::BadStatus(format!("health {path:?}"))),
            None => Ok(()),
        }
    }

    /// The first rule that matches, counted as used.
    pub(crate) fn take(&mut self, body: &str) -> Option<Rule> {
        let rule = self.rules.iter_mut().find(|rule| rule.matches(body))?;
        if let Some(times) = &mut rule.times {
            *times -= 1;
        }
        Some(rule.clone())
    }
}

impl Rule {
    /// A rule that gives this answer to every analysis.
    #[must_use]
    pub fn new(answer: Answer) -> Self {
        Self {
            contains: None,
            times: None,
            delay_ms: 0,
            answer,
        }
    }

    /// Only requests whose body contains this.
    #[must_use]
    pub fn contains(mut self, text: &str) -> Self {
        self.contains = Some(text.to_owned());
        self
    }

    /// Only the first so many requests.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// After so many milliseconds.
    #[must_use]
    pub fn delay_ms(mut self, delay_ms: u64) -> Self {
        self.delay_ms = delay_ms;
        self
    }

    fn matches(&self, body: &str) -> bool {
        self.times != Some(0)
            && self
                .contains
                .as_ref()
                .is_none_or(|text| body.contains(text.as_str()))
    }
}

impl Answer {
    /// Another status, with this body.
    #[must_use]
    pub fn status(code: u16, body: &str) -> Self {
        Self::Status {
            code,
            body: body.to_owned(),
        }
    }

    /// 200 and this body.
    #[must_use]
    pub fn body(body: impl Into<String>) -> Self {
        Self::Body(body.into())
    }

    fn has_a_status(&self) -> bool {
        match self {
            Self::Status { code, .. } => (200..600).contains(code),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_as_toml_is_the_script_as_values() {
        let text = r#"
            require_bearer = "t"
            [health]
            "/" = "hang"
            [[rule]]
            contains = "shop"
            times = 2
            answer.status = { code = 502, body = "no" }
            [[rule]]
            delay_ms = 5
            answer.cut_after = 10
            [[rule]]
            answer = "good"
        "#;
        let rules = [
            Rule::new(Answer::status(502, "no"))
                .contains("shop")
                .times(2),
            Rule::new(Answer::CutAfter(10)).delay_ms(5),
            Rule::new(Answer::Good),
        ];
        let expected = Script::new(rules)
            .require_bearer("t")
            .health("/", Answer::Hang);
        assert_eq!(Script::from_toml(text).unwrap(), expected);
    }

    #[test]
    fn a_script_that_cannot_be_is_refused() {
        let rule = "[[rule]]\nanswer = \"good\"\n";
        let long = "#".repeat(MAX_SCRIPT_BYTES + 1);
        let many = rule.repeat(MAX_RULES + 1);
        for (text, why) in [
            ("rule = 1", "cannot read"),
            ("answers = []", "cannot read"),
            ("[[rule]]\nanswer = \"perfect\"", "cannot read"),
            (&long, "bytes"),
            (&many, "rules"),
            ("[[rule]]\nanswer = \"good\"\ndelay_ms = 700000", "rule 1"),
            ("[[rule]]\nanswer.status = { code = 99 }", "no status"),
            ("[health]\n\"/\" = { status = { code = 100 } }", "no status"),
        ] {
            let error = Script::from_toml(text).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn the_first_rule_that_matches_and_is_not_used_up() {
        let mut script = Script::new([
            Rule::new(Answer::Hang).contains("shop").times(1),
            Rule::new(Answer::Bad).contains("shop"),
        ]);
        let mut take = |body: &str| script.take(body).map(|rule| rule.answer);
        assert_eq!(take("shop"), Some(Answer::Hang));
        assert_eq!(take("shop"), Some(Answer::Bad));
        assert_eq!(take("other"), None);
    }
}
