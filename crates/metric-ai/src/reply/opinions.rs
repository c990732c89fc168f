//! What models said, as users of the Go plugin read it in metadata.

use analysis::opinion::{Opinion, Spent, View};
use analysis::{Explained, ModelResult};
use serde_json::json;

use crate::words::shorten;

/// `modelResults`: one entry for each model that was asked, each text of at
/// most so many bytes.
pub(super) fn results(explained: &Explained, text_bytes: usize) -> String {
    let opinions = explained.opinions.iter();
    let results: Vec<_> = opinions.map(|o| result(o, text_bytes)).collect();
    // Texts and numbers always serialise.
    serde_json::to_string(&results).unwrap_or_default()
}

fn result(opinion: &Opinion, text_bytes: usize) -> ModelResult {
    let short = |text: String| shorten(&text, text_bytes);
    let whole = ModelResult::from(opinion);
    ModelResult {
        model_name: short(whole.model_name),
        analysis: short(whole.analysis),
        root_cause: short(whole.root_cause),
        remediation: short(whole.remediation),
        error: whole.error.map(short),
        ..whole
    }
}

/// The views of all models that have one, in the order in which they are named.
pub(super) fn views(explained: &Explained) -> impl Iterator<Item = &View> {
    explained.opinions.iter().filter_map(Opinion::view)
}

/// `cost`: what all looks of the measurement spent on models.
pub(super) fn cost(spent: Spent) -> String {
    json!({
        "calls": spent.calls,
        "tokens": spent.tokens,
        "seconds": spent.took_ms as f64 / 1e3,
        "usd": spent.micro_usd as f64 / 1e6,
    })
    .to_string()
}
