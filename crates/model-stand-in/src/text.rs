//! What a model would read of a request, and what our prompts say in it.

use serde_json::Value;

/// Appends every text below a value, a line each.
pub(crate) fn gather(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => {
            out.push_str(text);
            out.push('\n');
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, out)),
        Value::Object(fields) => fields.values().for_each(|field| gather(field, out)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Hex digits of a finding's id.
const ID_DIGITS: usize = 8;

/// All words of eight lower-case hex digits, each once, in their order.
pub(crate) fn finding_ids(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    let mut ids = Vec::new();
    for word in words {
        let is_id =
            word.len() == ID_DIGITS && word.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if is_id && !ids.contains(&word) {
            ids.push(word);
        }
    }
    ids
}

/// Fills the placeholders of a scripted text.
pub(crate) fn fill(template: &str, request: &str) -> String {
    if !template.contains("{{") {
        return template.to_owned();
    }
    let ids = finding_ids(request);
    let first = ids.first().copied().unwrap_or_default();
    template
        .replace("{{finding_ids}}", &Value::from(ids.clone()).to_string())
        .replace("{{first_finding}}", &Value::from(first).to_string())
}

/// The verdict that a prompt names: the word after its first `verdict` or
/// `decision` that is one.
pub(crate) fn verdict(prompt: &str) -> Option<&'static str> {
    let words: Vec<String> = prompt
        .split(|c: char| !c.is_ascii_alphabetic())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    words.windows(3).chain(words.windows(2)).find_map(|near| {
        let (first, after) = near.split_first()?;
        let names = matches!(first.as_str(), "verdict" | "decision");
        // "verdict: abort", "verdict is abort".
        after.iter().filter(|_| names).find_map(|word| known(word))
    })
}

fn known(word: &str) -> Option<&'static str> {
    ["promote", "abort", "inconclusive"]
        .into_iter()
        .find(|known| *known == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_whole_words_each_once() {
        let text = "[0a1b2c3d] x 0a1b2c3d, \"deadbeef\" deadbeef0 DEADBEEF _cafe0123 12345678";
        assert_eq!(finding_ids(text), ["0a1b2c3d", "deadbeef", "12345678"]);
    }

    #[test]
    fn placeholders_are_filled() {
        let request = "findings: 0a1b2c3d deadbeef";
        assert_eq!(
            fill("{{finding_ids}} {{first_finding}}", request),
            "[\"0a1b2c3d\",\"deadbeef\"] \"0a1b2c3d\""
        );
        assert_eq!(fill("{{finding_ids}} {{first_finding}}", ""), "[] \"\"");
    }

    #[test]
    fn a_prompts_verdict_is_found() {
        for (prompt, expected) in [
            ("Verdict: abort", Some("abort")),
            (
                "{\"verdict\":\"promote\"} … verdict: abort",
                Some("promote"),
            ),
            ("the decision is Inconclusive", Some("inconclusive")),
            ("say promote or abort", None),
            ("verdict of the judge and so on, abort", None),
            ("verdict", None),
        ] {
            assert_eq!(verdict(prompt), expected, "{prompt}");
        }
    }
}
