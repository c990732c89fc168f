//! The operator's table of what models cost.
//!
//! ```toml
//! ["gemini-2.5-flash"]
//! inputPerMillion = 0.30     # US dollars for a million tokens of prompts
//! outputPerMillion = 2.50    # and of answers
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{OperatorError, is_model_name, wrong};

/// Largest file: every model that there is.
pub(super) const MAX_BYTES: u64 = 64 * 1024;

/// Most models in it.
const MAX_PRICES: usize = 500;

/// Greatest price, in dollars for a million tokens: ten times the dearest.
const MAX_USD: f64 = 10_000.0;

/// What a model costs.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Price {
    /// US dollars for a million tokens of prompts.
    pub input_per_million: f64,
    /// US dollars for a million tokens of answers.
    pub output_per_million: f64,
}

/// What models cost, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prices(pub BTreeMap<String, Price>);

impl Prices {
    /// Reads a table.
    ///
    /// # Errors
    ///
    /// [`OperatorError::Value`] for what is no such table.
    pub(super) fn parse(text: &str) -> Result<Self, OperatorError> {
        let refuse = |needed: &str| wrong("--prices", needed);
        let prices: BTreeMap<String, Price> = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let before = text.get(..at).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            refuse(&format!(
                "in its line {line}; each table has a model's name, inputPerMillion and \
                 outputPerMillion (US dollars)"
            ))
        })?;
        if prices.len() > MAX_PRICES {
            return Err(refuse("it has more than 500 models"));
        }
        for (name, price) in &prices {
            let costs = [price.input_per_million, price.output_per_million];
            if !costs.iter().all(|usd| (0.0..=MAX_USD).contains(usd)) {
                return Err(refuse("a price is from 0 to 10000 US dollars"));
            }
            if !is_model_name(name) {
                return Err(refuse("a table's name must be a model's"));
            }
        }
        Ok(Self(prices))
    }
}
