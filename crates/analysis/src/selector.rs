//! Label selectors: which pods are meant.
//!
//! The grammar is that of Kubernetes (`labels.Parse`): `a=b`, `a==b`, `a!=b`,
//! `a in (b,c)`, `a notin (b,c)`, `a`, `!a`, joined by commas.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use thiserror::Error;

/// The longest selector text: templates are written by people.
const MAX_SELECTOR_BYTES: usize = 2_048;

/// A label key's name and a label value have at most this many bytes.
const MAX_LABEL_BYTES: usize = 63;

/// The optional prefix of a label key has at most this many bytes.
const MAX_PREFIX_BYTES: usize = 253;

/// Labels of an object.
pub type Labels = BTreeMap<String, String>;

/// A label selector that is known to be well formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    text: String,
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

/// A text is no label selector.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SelectorError {
    /// Nothing was given: it would match every pod.
    #[error("the selector is empty, which would match every pod; write for example role=canary")]
    Empty,
    /// It is longer than any selector written by a person.
    #[error("the selector is longer than {MAX_SELECTOR_BYTES} bytes")]
    TooLong,
    /// One part of it cannot be read.
    #[error("`{part}` is no label requirement: write key=value, key!=value, key in (a,b) or key")]
    Requirement {
        /// The part.
        part: String,
    },
    /// A key is not allowed in Kubernetes.
    #[error("`{key}` is no label key")]
    Key {
        /// The key.
        key: String,
    },
    /// A value is not allowed in Kubernetes.
    #[error("`{value}` is no label value")]
    Value {
        /// The value.
        value: String,
    },
}

impl Selector {
    /// Reads a selector.
    ///
    /// # Errors
    ///
    /// [`SelectorError`] when it is empty or not well formed.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(SelectorError::Empty);
        }
        if text.len() > MAX_SELECTOR_BYTES {
            return Err(SelectorError::TooLong);
        }
        let requirements = split_outside_parentheses(text)
            .into_iter()
            .map(requirement)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            text: text.to_owned(),
            requirements,
        })
    }

    /// The selector as it was written, for the API server and for messages.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether these labels are selected.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements
            .iter()
            .all(|requirement| match requirement {
                Requirement::In(key, values) => {
                    labels.get(key).is_some_and(|value| values.contains(value))
                }
                Requirement::NotIn(key, values) => {
                    labels.get(key).is_none_or(|value| !values.contains(value))
                }
                Requirement::Exists(key) => labels.contains_key(key),
                Requirement::Absent(key) => !labels.contains_key(key),
            })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A selector as objects hold it (`metav1.LabelSelector`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    match_labels: Option<Labels>,
    match_expressions: Option<Vec<Expression>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Expression {
    key: String,
    operator: String,
    values: Option<Vec<String>>,
}

impl LabelSelector {
    /// Whether these labels are selected. An empty selector, and an operator
    /// that we do not know, select nothing here: a pod is taken for the
    /// Rollout's only when that is shown.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        !self.is_empty()
            && self
                .match_labels
                .iter()
                .flatten()
                .all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().flatten().all(|wanted| {
                let value = labels.get(&wanted.key);
                let values = wanted.values.as_deref().unwrap_or_default();
                match wanted.operator.as_str() {
                    "In" => value.is_some_and(|value| values.contains(value)),
                    "NotIn" => value.is_none_or(|value| !values.contains(value)),
                    "Exists" => value.is_some(),
                    "DoesNotExist" => value.is_none(),
                    _ => false,
                }
            })
    }

    /// Whether it asks for nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.match_labels.iter().flatten().next().is_none()
            && self.match_expressions.iter().flatten().next().is_none()
    }
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut depth) = (0, 0_u32);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn requirement(part: &str) -> Result<Requirement, SelectorError> {
    let part = part.trim();
    let malformed = || SelectorError::Requirement {
        part: part.chars().take(MAX_LABEL_BYTES).collect(),
    };
    if let Some(list) = part.strip_suffix(')') {
        let (head, list) = list.split_once('(').ok_or_else(malformed)?;
        let (key, operator) = head
            .trim_end()
            .rsplit_once(char::is_whitespace)
            .ok_or_else(malformed)?;
        let values = list.split(',').map(value).collect::<Result<Vec<_>, _>>()?;
        return match operator {
            "in" => Ok(Requirement::In(self::key(key)?, values)),
            "notin" => Ok(Requirement::NotIn(self::key(key)?, values)),
            _ => Err(malformed()),
        };
    }
    if let Some((left, right)) = part.split_once("!=") {
        return Ok(Requirement::NotIn(key(left)?, vec![value(right)?]));
    }
    if let Some((left, right)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Ok(Requirement::In(key(left)?, vec![value(right)?]));
    }
    if part.is_empty() {
        return Err(malformed());
    }
    match part.strip_prefix('!') {
        Some(absent) => Ok(Requirement::Absent(key(absent)?)),
        None => Ok(Requirement::Exists(key(part)?)),
    }
}

fn key(text: &str) -> Result<String, SelectorError> {
    let text = text.trim();
    let (prefix, name) = text.split_once('/').unwrap_or(("", text));
    let prefix_fits = prefix.len() <= MAX_PREFIX_BYTES
        && prefix
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
        && (prefix.is_empty() != text.contains('/'));
    if name.is_empty() || !is_label(name) || !prefix_fits {
        return Err(SelectorError::Key {
            key: text.chars().take(MAX_LABEL_BYTES).collect(),
        });
    }
    Ok(text.to_owned())
}

fn value(text: &str) -> Result<String, SelectorError> {
    let text = text.trim();
    if !is_label(text) {
        return Err(SelectorError::Value {
            value: text.chars().take(MAX_LABEL_BYTES).collect(),
        });
    }
    Ok(text.to_owned())
}

/// Letters, digits, `-`, `_` and `.`, with a letter or digit at both ends.
fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends_fit = [bytes.first(), bytes.last()]
        .into_iter()
        .flatten()
        .all(u8::is_ascii_alphanumeric);
    ends_fit
        && bytes.len() <= MAX_LABEL_BYTES
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn selects_as_kubernetes_does() {
        let pod = labels(&[
            ("role", "canary"),
            ("app.kubernetes.io/name", "web"),
            ("empty", ""),
        ]);
        for (text, expected) in [
            ("role=canary", true),
            (" role == canary ", true),
            ("role=stable", false),
            ("role!=stable", true),
            ("role!=canary", false),
            ("absent!=anything", true),
            ("role in (stable, canary)", true),
            ("role in (stable)", false),
            ("role notin (stable)", true),
            ("role notin (canary,stable)", false),
            ("absent notin (x)", true),
            ("role", true),
            ("absent", false),
            ("!absent", true),
            ("!role", false),
            ("empty=", true),
            (
                "app.kubernetes.io/name=web,role in (canary,x),!absent",
                true,
            ),
            ("app.kubernetes.io/name=web,role=stable", false),
        ] {
            let selector = Selector::parse(text).expect(text);
            assert_eq!(selector.matches(&pod), expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_kubernetes_refuses() {
        for text in [
            "",
            "  ",
            ",",
            "role=canary,",
            "=canary",
            "role=ca nary",
            "role=-canary",
            "role in canary",
            "role within (a)",
            "in (a)",
            "role=(a",
            "/x=a",
            "a/=b",
            "a/b/c=d",
            "rôle=x",
            "!",
            "role=a=b",
            "{{args.canary-label}}",
        ] {
            assert!(Selector::parse(text).is_err(), "{text:?} was taken");
        }
        assert_eq!(
            Selector::parse(&"a,".repeat(MAX_SELECTOR_BYTES)),
            Err(SelectorError::TooLong)
        );
        assert!(Selector::parse(&format!("a={}", "x".repeat(64))).is_err());
    }

    #[test]
    fn an_objects_selector_matches_only_what_is_shown() {
        let pod = labels(&[("app", "web"), ("tier", "front")]);
        for (json, expected) in [
            (r#"{"matchLabels":{"app":"web"}}"#, true),
            (r#"{"matchLabels":{"app":"db"}}"#, false),
            (
                r#"{"matchExpressions":[{"key":"tier","operator":"In","values":["front"]}]}"#,
                true,
            ),
            (
                r#"{"matchExpressions":[{"key":"tier","operator":"NotIn","values":["front"]}]}"#,
                false,
            ),
            (
                r#"{"matchExpressions":[{"key":"app","operator":"Exists"}]}"#,
                true,
            ),
            (
                r#"{"matchExpressions":[{"key":"app","operator":"DoesNotExist"}]}"#,
                false,
            ),
            (
                r#"{"matchExpressions":[{"key":"app","operator":"Like","values":["w"]}]}"#,
                false,
            ),
            ("{}", false),
        ] {
            let selector: LabelSelector = serde_json::from_str(json).expect(json);
            assert_eq!(selector.matches(&pod), expected, "{json}");
        }
    }
}
