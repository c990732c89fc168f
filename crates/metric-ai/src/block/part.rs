//! A map of the block, its values taken by key and checked.
//!
//! Nothing (`null`, or text that is empty, as an argument without a value
//! becomes) counts as not written. A template's arguments arrive as text, so
//! where a number is needed, text that is one will do.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::error::BlockError;
use super::spelling::unknown;

/// The block itself, or a map in it.
pub(super) struct Part<'a> {
    /// What comes before a key of it: empty, or `budget.`.
    path: String,
    map: &'a Map<String, Value>,
    known: &'static [&'static str],
}

impl<'a> Part<'a> {
    /// The block itself.
    pub(super) fn block(map: &'a Map<String, Value>, known: &'static [&'static str]) -> Self {
        Self {
            path: String::new(),
            map,
            known,
        }
    }

    /// The map that a value is.
    pub(super) fn of(
        key: &str,
        value: &'a Value,
        known: &'static [&'static str],
    ) -> Result<Self, BlockError> {
        match value {
            Value::Object(map) => Ok(Self {
                path: format!("{key}."),
                map,
                known,
            }),
            other => Err(type_error(key, "a map", other)),
        }
    }

    /// A key's full name.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }

    /// The value of a key that says something.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        debug_assert!(self.known.contains(&name), "{name} would be unknown");
        self.map.get(name).filter(|value| !is_nothing(value))
    }

    /// The names of the keys that say something and that there are.
    pub(super) fn set(&self) -> impl Iterator<Item = &'static str> + use<'a> {
        let map = self.map;
        let says = move |name: &&str| map.get(*name).is_some_and(|value| !is_nothing(value));
        self.known.iter().copied().filter(says)
    }

    /// Text without the white space around it; empty when it is not there, as
    /// the Go plugin took it.
    pub(super) fn text(&self, name: &str) -> Result<&'a str, BlockError> {
        match self.get(name) {
            None => Ok(""),
            Some(value) => text(&self.key(name), value),
        }
    }

    /// A whole number within a range.
    pub(super) fn whole(
        &self,
        name: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, BlockError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let number = match value {
            // JSON knows one kind of number: 30.0 is 30.
            Value::Number(number) => number.as_f64().and_then(whole),
            Value::String(text) => text.trim().parse().ok(),
            other => return Err(type_error(&self.key(name), "a whole number", other)),
        };
        match number.filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.out_of(name, true, range)),
        }
    }

    /// A number from nothing to a greatest.
    pub(super) fn number(&self, name: &str, greatest: u64) -> Result<Option<f64>, BlockError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let number: Option<f64> = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            other => return Err(type_error(&self.key(name), "a number", other)),
        };
        // Also false for what is no number.
        match number.filter(|number| (0.0..=greatest as f64).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.out_of(name, false, 0..=greatest)),
        }
    }

    fn out_of(&self, name: &str, whole: bool, range: RangeInclusive<u64>) -> BlockError {
        BlockError::Range {
            key: self.key(name),
            whole,
            least: *range.start(),
            greatest: *range.end(),
        }
    }

    /// A list.
    pub(super) fn list(&self, name: &str) -> Result<Option<&'a [Value]>, BlockError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(type_error(&self.key(name), "a list", other)),
        }
    }

    /// A map.
    pub(super) fn map(&self, name: &str) -> Result<Option<&'a Map<String, Value>>, BlockError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            Some(other) => Err(type_error(&self.key(name), "a map", other)),
        }
    }

    /// Warns about each key that there is none of.
    pub(super) fn warn_unknown(&self, warnings: &mut Vec<String>) {
        let strange = self.map.keys().map(String::as_str);
        let strange = strange.filter(|name| !self.known.contains(name));
        warnings.extend(strange.map(|name| unknown(&self.path, name, self.known)));
    }
}

/// The number if it is whole and not negative.
fn whole(number: f64) -> Option<u64> {
    /// Beyond it, a number stands for its neighbours as well.
    const MAX_EXACT: f64 = 9_007_199_254_740_992.0;
    let is_whole = (0.0..=MAX_EXACT).contains(&number) && number.fract() == 0.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole and in range by the check"
    )]
    let number = is_whole.then_some(number as u64);
    number
}

/// The text that a value is, without the white space around it.
pub(super) fn text<'a>(key: &str, value: &'a Value) -> Result<&'a str, BlockError> {
    match value {
        Value::String(text) => Ok(text.trim()),
        other => Err(type_error(key, "text", other)),
    }
}

/// Whether a value says nothing.
pub(super) fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        _ => false,
    }
}

fn type_error(key: &str, needed: &'static str, found: &Value) -> BlockError {
    BlockError::Type {
        key: key.to_owned(),
        needed,
        found: match found {
            Value::Null => "nothing",
            Value::String(_) => "text",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Array(_) => "a list",
            Value::Object(_) => "a map",
        },
    }
}
