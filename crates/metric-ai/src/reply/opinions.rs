//! What models said, as users of the Go plugin read it in metadata.

use analysis::Explained;
use analysis::opinion::{Answer, Opinion, Spent, View};
use serde_json::{Value, json};

use crate::words::shorten;

/// `modelResults`: one entry for each model that was asked, each text of at
/// most so many bytes.
pub(super) fn results(explained: &Explained, text_bytes: usize) -> String {
    let opinions = explained.opinions.iter();
    Value::Array(opinions.map(|o| result(o, text_bytes)).collect()).to_string()
}

fn result(opinion: &Opinion, text_bytes: usize) -> Value {
    let short = |text: &str| shorten(text, text_bytes);
    let name = short(&opinion.model);
    match &opinion.answer {
        Answer::View(view) => json!({
            "modelName": name,
            "analysis": short(&view.analysis),
            "rootCause": short(&view.root_cause),
            "remediation": short(&view.remediation),
            "promote": view.promote,
            "confidence": view.confidence,
            "executionTimeMs": opinion.took_ms,
            "error": null,
        }),
        Answer::Missing(missing) => json!({
            "modelName": name,
            "promote": false,
            "confidence": 0,
            "executionTimeMs": opinion.took_ms,
            "error": short(&missing.why),
        }),
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
