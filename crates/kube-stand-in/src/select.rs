//! Label and field selectors, as far as a list needs them.

use serde_json::Value;

/// Whether an object's labels match a label selector; `None` when the selector
/// cannot be read.
pub(crate) fn labels_match(selector: &str, object: &Value) -> Option<bool> {
    let labels = &object["metadata"]["labels"];
    let mut all = true;
    for part in split_outside_parentheses(selector) {
        all &= label_part(part.trim(), labels)?;
    }
    Some(all)
}

fn label_part(part: &str, labels: &Value) -> Option<bool> {
    let value_of = |key: &str| labels.get(key.trim()).and_then(Value::as_str);
    if let Some(list) = part.strip_suffix(')') {
        let (head, list) = list.split_once('(')?;
        let (key, operator) = head.trim().rsplit_once(' ')?;
        let held = value_of(key);
        let listed = held.is_some_and(|held| list.split(',').any(|item| item.trim() == held));
        return match operator {
            "in" => Some(listed),
            "notin" => Some(!listed),
            _ => None,
        };
    }
    if let Some((key, value)) = part.split_once("!=") {
        return Some(value_of(key) != Some(value.trim()));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Some(value_of(key) == Some(value.trim()));
    }
    if part.is_empty() || part.contains(char::is_whitespace) {
        return None;
    }
    match part.strip_prefix('!') {
        Some(key) => Some(value_of(key).is_none()),
        None => Some(value_of(part).is_some()),
    }
}

/// Whether an object's fields match a field selector; `None` when the selector
/// cannot be read.
pub(crate) fn fields_match(selector: &str, object: &Value) -> Option<bool> {
    let mut all = true;
    for part in selector.split(',') {
        let (path, value, equal) = if let Some((path, value)) = part.split_once("!=") {
            (path, value, false)
        } else {
            let (path, value) = part.split_once("==").or_else(|| part.split_once('='))?;
            (path, value, true)
        };
        let field = path.trim().split('.').fold(object, |at, name| &at[name]);
        all &= (field.as_str().unwrap_or_default() == value.trim()) == equal;
    }
    Some(all)
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut inside = false;
    for (at, c) in text.char_indices() {
        match c {
            '(' => inside = true,
            ')' => inside = false,
            ',' if !inside => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}
