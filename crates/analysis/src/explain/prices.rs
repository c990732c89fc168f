//! What tokens cost, by a table that the operator can set. Pure.
//!
//! ```toml
//! # US dollars per million tokens; the longest beginning of a name that is
//! # listed counts.
//! [models]
//! "gemini-2.5-flash" = { input = 0.30, output = 2.50 }
//! "qwen" = { input = 0, output = 0 }
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;

/// Bytes of a price file.
pub const MAX_PRICE_FILE_BYTES: usize = 64 << 10;

/// Entries of a price file.
const MAX_ENTRIES: usize = 500;

/// The dearest price that is no mistake, US dollars per million tokens.
const MAX_USD: f64 = 10_000.0;

/// Prices as published in 2025, for a budget in money to mean something
/// without a file. An operator's file goes before them.
const KNOWN: [(&str, f64, f64); 6] = [
    ("gemini-2.5-flash", 0.30, 2.50),
    ("gemini-2.5-flash-lite", 0.10, 0.40),
    ("gemini-2.5-pro", 1.25, 10.00),
    ("gpt-4.1", 2.00, 8.00),
    ("gpt-4.1-mini", 0.40, 1.60),
    ("gpt-4o-mini", 0.15, 0.60),
];

/// What the tokens of each model cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Prices {
    /// By the beginning of a model's name.
    by_prefix: BTreeMap<String, Price>,
}

/// What one model's tokens cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Price {
    input_nano_usd: u64,
    output_nano_usd: u64,
}

impl Price {
    /// What a call costs, millionths of a US dollar, rounded up.
    pub(super) fn micro_usd(self, tokens: Tokens) -> u64 {
        let nano = tokens
            .input
            .saturating_mul(self.input_nano_usd)
            .saturating_add(tokens.output.saturating_mul(self.output_nano_usd));
        nano.div_ceil(1_000)
    }
}

/// Tokens of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tokens {
    /// Of the prompt.
    pub(super) input: u64,
    /// Of the answer, thoughts included.
    pub(super) output: u64,
}

/// A price file that cannot be used.
#[derive(Debug, Error)]
pub enum PricesError {
    /// It is larger than any list of prices.
    #[error("the price file is larger than {} KiB", MAX_PRICE_FILE_BYTES >> 10)]
    TooLarge,
    /// It is no TOML, or says something else than prices.
    #[error(
        "failed to read the price file: `[models]` and lines like `\"gemini-2.5-flash\" = {{ input = 0.30, output = 2.50 }}` are needed"
    )]
    Parse(#[source] toml::de::Error),
    /// A price is none.
    #[error("the price of {model} must be between 0 and {MAX_USD} US dollars per million tokens")]
    OutOfRange {
        /// The entry.
        model: String,
    },
    /// More entries than there are models.
    #[error("the price file has more than {MAX_ENTRIES} entries")]
    TooMany,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    models: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    input: f64,
    output: f64,
}

impl Default for Prices {
    fn default() -> Self {
        let known = KNOWN.iter().filter_map(|(name, input, output)| {
            Some(((*name).to_owned(), price(*input, *output)?))
        });
        Self {
            by_prefix: known.collect(),
        }
    }
}

impl Prices {
    /// Reads an operator's file; its entries go before those that we know.
    ///
    /// # Errors
    ///
    /// [`PricesError`] when it is no price list: a mistyped price would else
    /// let a budget pass.
    pub fn parse(text: &str) -> Result<Self, PricesError> {
        if text.len() > MAX_PRICE_FILE_BYTES {
            return Err(PricesError::TooLarge);
        }
        let file: File = toml::from_str(text).map_err(PricesError::Parse)?;
        if file.models.len() > MAX_ENTRIES {
            return Err(PricesError::TooMany);
        }
        let mut prices = Self::default();
        for (model, entry) in file.models {
            let Some(price) = price(entry.input, entry.output) else {
                return Err(PricesError::OutOfRange { model });
            };
            prices.by_prefix.insert(model, price);
        }
        Ok(prices)
    }

    /// The price of a model; `None` when none is known.
    pub(super) fn of(&self, model: &str) -> Option<Price> {
        self.by_prefix
            .iter()
            .filter(|(prefix, _)| model.starts_with(prefix.as_str()))
            .max_by_key(|(prefix, _)| prefix.len())
            .map(|(_, price)| *price)
    }
}

fn price(input_usd: f64, output_usd: f64) -> Option<Price> {
    Some(Price {
        input_nano_usd: nano_per_token(input_usd)?,
        output_nano_usd: nano_per_token(output_usd)?,
    })
}

/// A dollar per million tokens is a thousand billionths per token.
fn nano_per_token(usd: f64) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and ten million"
    )]
    let nano = (0.0..=MAX_USD)
        .contains(&usd)
        .then(|| (usd * 1_000.0).ceil() as u64);
    nano
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_beginning_counts_and_the_file_goes_first() {
        let prices = Prices::parse(
            "[models]\n\"gemini-2.5-flash\" = { input = 1, output = 2 }\n\"qwen\" = { input = 0, output = 0 }\n",
        )
        .unwrap();
        let million = Tokens {
            input: 1_000_000,
            output: 1_000_000,
        };
        for (model, expected) in [
            ("gemini-2.5-flash", Some(3_000_000)),
            ("gemini-2.5-flash-001", Some(3_000_000)),
            ("gemini-2.5-flash-lite", Some(500_000)),
            ("qwen3:8b", Some(0)),
            ("unheard-of", None),
        ] {
            let cost = prices.of(model).map(|price| price.micro_usd(million));
            assert_eq!(cost, expected, "{model}");
        }
        let one = Tokens {
            input: 1,
            output: 0,
        };
        let flash = Prices::default().of("gemini-2.5-flash").unwrap();
        assert_eq!(flash.micro_usd(one), 1, "rounded up");
    }

    #[test]
    fn what_is_no_price_list_is_an_error() {
        for text in [
            "models = 1",
            "[models]\n\"x\" = { input = 1 }",
            "[models]\n\"x\" = { input = 1, output = 2, cached = 3 }",
            "[models]\n\"x\" = { input = -1, output = 2 }",
            "[models]\n\"x\" = { input = nan, output = 2 }",
            "[models]\n\"x\" = { input = inf, output = 2 }",
            "[model]\n\"x\" = { input = 1, output = 2 }",
            "[models]\n\"x\" = { input = \"1\", output = 2 }",
        ] {
            assert!(Prices::parse(text).is_err(), "{text}");
        }
        assert!(matches!(
            Prices::parse(&"#".repeat(MAX_PRICE_FILE_BYTES + 1)),
            Err(PricesError::TooLarge)
        ));
    }
}
