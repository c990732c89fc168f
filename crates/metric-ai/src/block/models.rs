//! The models that a template names, and what asking them may cost.

use serde_json::Value;

use super::error::BlockError;
use super::part::{Part, text};
use crate::operator::{Budget, MAX_MODELS, is_model_name, micro_usd};

/// Greatest number of calls that a template may ask for: five models, each with
/// its repair, over a dozen looks.
const MAX_CALLS: u64 = 1_000;

/// Most tokens that a template may ask for.
const MAX_TOKENS: u64 = 10_000_000;

/// Longest time that models may take, in seconds: a measurement of an hour.
const MAX_SECONDS: u64 = 3_600;

/// Most money that a template may ask for, in dollars.
const MAX_USD: u64 = 1_000;

const NOT_A_NAME: &str = "the name of a model is needed, as in `gemini-2.5-flash`";

/// The models by name, from `models` or `model`; empty where there is neither.
pub(super) fn models(
    block: &Part<'_>,
    warnings: &mut Vec<String>,
) -> Result<Vec<String>, BlockError> {
    let single = block.text("model")?;
    let Some(list) = block.list("models")? else {
        return match single {
            "" => Ok(Vec::new()),
            name => Ok(vec![checked(block.key("model"), name)?]),
        };
    };
    if !single.is_empty() {
        warnings.push("key `model` is ignored: `models` is there".to_owned());
    }
    if list.is_empty() || list.len() > MAX_MODELS {
        return Err(BlockError::Value {
            key: block.key("models"),
            needed: "one to five names are needed",
        });
    }
    let mut names: Vec<String> = Vec::with_capacity(list.len());
    for (index, value) in list.iter().enumerate() {
        let key = format!("{}[{index}]", block.key("models"));
        let name = checked(key.clone(), text(&key, value)?)?;
        if names.contains(&name) {
            return Err(BlockError::Value {
                key,
                needed: "each model is named once: it has one vote",
            });
        }
        names.push(name);
    }
    Ok(names)
}

fn checked(key: String, name: &str) -> Result<String, BlockError> {
    if is_model_name(name) {
        Ok(name.to_owned())
    } else {
        let needed = NOT_A_NAME;
        Err(BlockError::Value { key, needed })
    }
}

/// What asking models may cost.
pub(super) fn budget(value: &Value, warnings: &mut Vec<String>) -> Result<Budget, BlockError> {
    let part = Part::of("budget", value, &["calls", "tokens", "seconds", "usd"])?;
    part.warn_unknown(warnings);
    Ok(Budget {
        calls: part.whole("calls", 0..=MAX_CALLS)?,
        tokens: part.whole("tokens", 0..=MAX_TOKENS)?,
        seconds: part.whole("seconds", 0..=MAX_SECONDS)?,
        micro_usd: part.number("usd", MAX_USD)?.map(micro_usd),
    })
}
