//! What OpenAI's strict mode asks of a JSON schema.

use serde_json::Value;

/// Deepest nesting that is looked at; the real API refuses more than ten.
const MAX_DEPTH: usize = 10;

/// Why strict mode refuses a schema; `None` when it takes it.
pub(crate) fn strict_problem(schema: &Value) -> Option<String> {
    if schema["type"] != "object" {
        let kind = schema["type"].as_str().unwrap_or("None");
        return Some(format!(
            "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."
        ));
    }
    problem(schema, &mut Vec::new())
}

fn problem(schema: &Value, path: &mut Vec<String>) -> Option<String> {
    if path.len() > 2 * MAX_DEPTH {
        return Some(format!("{}the schema is nested too deeply.", context(path)));
    }
    if let Some(properties) = schema["properties"].as_object() {
        if schema["additionalProperties"] != false {
            return Some(format!(
                "{}'additionalProperties' is required to be supplied and to be false.",
                context(path)
            ));
        }
        let required = schema["required"].as_array();
        let missing = properties
            .keys()
            .find(|key| !required.is_some_and(|keys| keys.iter().any(|k| k == *key)));
        if let Some(key) = missing {
            return Some(format!(
                "{}'required' is required to be supplied and to be an array including every key \
                 in properties. Missing '{key}'.",
                context(path)
            ));
        }
    } else if schema["type"] == "object" && schema["additionalProperties"] != false {
        return Some(format!(
            "{}'additionalProperties' is required to be supplied and to be false.",
            context(path)
        ));
    }
    below(schema).into_iter().find_map(|(step, inner)| {
        let steps = step.len();
        path.extend(step);
        let found = problem(inner, path);
        path.truncate(path.len() - steps);
        found
    })
}

/// The schemas inside a schema, and the steps that lead there.
fn below(schema: &Value) -> Vec<(Vec<String>, &Value)> {
    let mut inner = Vec::new();
    for map in ["properties", "$defs"] {
        let fields = schema[map].as_object().into_iter().flatten();
        inner.extend(fields.map(|(key, field)| (vec![map.to_owned(), key.clone()], field)));
    }
    if schema["items"].is_object() {
        inner.push((vec!["items".to_owned()], &schema["items"]));
    }
    let options = schema["anyOf"].as_array().into_iter().flatten();
    inner.extend(
        options
            .enumerate()
            .map(|(nth, option)| (vec!["anyOf".to_owned(), nth.to_string()], option)),
    );
    inner
}

/// Where, as the API writes it (a Python tuple).
fn context(path: &[String]) -> String {
    let steps: Vec<String> = path.iter().map(|step| format!("'{step}'")).collect();
    match steps.as_slice() {
        [only] => format!("In context=({only},), "),
        steps => format!("In context=({}), ", steps.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn strict_mode_wants_all_required_and_no_others() {
        let inner = json!({"type": "object", "properties": {"id": {"type": "string"}},
            "required": ["id"], "additionalProperties": false});
        let good = json!({"type": "object", "additionalProperties": false,
            "required": ["ok", "list"], "properties": {
                "ok": {"type": "boolean"}, "list": {"type": "array", "items": inner}}});
        assert_eq!(strict_problem(&good), None);
        let broken = |pointer: &str, value: Value| {
            let mut schema = good.clone();
            *schema.pointer_mut(pointer).expect("is there") = value;
            strict_problem(&schema).expect("a problem")
        };
        assert_eq!(
            broken("/additionalProperties", json!(null)),
            "In context=(), 'additionalProperties' is required to be supplied and to be false."
        );
        assert_eq!(
            broken("/required", json!(["ok"])),
            "In context=(), 'required' is required to be supplied and to be an array including \
             every key in properties. Missing 'list'."
        );
        assert_eq!(
            broken("/properties/list/items/additionalProperties", json!(true)),
            "In context=('properties', 'list', 'items'), 'additionalProperties' is required to be \
             supplied and to be false."
        );
        assert!(broken("/type", json!("array")).contains("got 'type: \"array\"'"));
        let mut deep = inner.clone();
        for _ in 0..20 {
            deep = json!({"type": "object", "properties": {"id": deep},
                "required": ["id"], "additionalProperties": false});
        }
        assert!(
            strict_problem(&deep)
                .expect("a problem")
                .contains("too deeply")
        );
    }
}
