//! Gemini's API.

mod failure;
mod rules;
mod write;

pub(crate) use failure::{error, fail};
pub(crate) use rules::refuse;
pub(crate) use write::write;

use http::HeaderMap;
use serde_json::{Value, json};

use crate::answer::{Reply, Request, Send};
use crate::route::{Api, Form};
use crate::script::Script;
use crate::text::gather;

/// The header that brings the key.
pub(crate) const KEY_HEADER: &str = "x-goog-api-key";
/// The models that a list names when the script names none.
const USUAL_MODELS: [&str; 1] = ["gemini-3-flash-preview"];
/// What a listed model says that it takes and gives, in tokens.
const INPUT_TOKEN_LIMIT: u64 = 1_048_576;
const OUTPUT_TOKEN_LIMIT: u64 = 65_536;

/// Reads a request.
pub(crate) fn read(model: String, form: Form, headers: &HeaderMap, body: Value) -> Request {
    let (mut text, mut user) = (String::new(), String::new());
    gather_parts(&body["systemInstruction"], &mut text);
    for content in body["contents"].as_array().into_iter().flatten() {
        gather_parts(content, &mut text);
        if content["role"] != "model" {
            gather_parts(content, &mut user);
        }
    }
    let config = &body["generationConfig"];
    let schema = ["responseJsonSchema", "responseSchema"]
        .into_iter()
        .find_map(|name| config.get(name))
        .cloned();
    let key = headers.get(KEY_HEADER);
    Request {
        api: Api::Gemini,
        model,
        send: Send::Gemini(form),
        key: key.and_then(|key| key.to_str().ok()).map(str::to_owned),
        schema,
        text,
        user,
        body,
    }
}

fn gather_parts(content: &Value, out: &mut String) {
    for part in content["parts"].as_array().into_iter().flatten() {
        gather(&part["text"], out);
        gather(&part["functionResponse"]["response"], out);
    }
}

/// The list of models, for who may have it.
pub(crate) fn models(script: &Script, headers: &HeaderMap) -> Reply {
    let asked = read(String::new(), Form::Whole, headers, Value::Null);
    if let Some(refusal) = rules::key(script, &asked) {
        return refusal;
    }
    let names = match script.models.as_slice() {
        [] => USUAL_MODELS.map(str::to_owned).to_vec(),
        names => names.to_vec(),
    };
    let model = |name: &String| {
        json!({
            "name": format!("models/{name}"),
            "version": "001",
            "displayName": name,
            "inputTokenLimit": INPUT_TOKEN_LIMIT,
            "outputTokenLimit": OUTPUT_TOKEN_LIMIT,
            "supportedGenerationMethods": ["generateContent", "countTokens"],
        })
    };
    let models: Vec<Value> = names.iter().map(model).collect();
    Reply::json(200, &json!({ "models": models }))
}
