//! OpenAI's API, and that of all that are compatible with it.

mod failure;
mod rules;
mod write;

pub(crate) use failure::{error, fail};
pub(crate) use rules::refuse;
pub(crate) use write::{stream, write};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::answer::{Reply, Request, Send};
use crate::route::Api;
use crate::script::Script;
use crate::text::gather;

/// The models that a list names when the script names none.
const USUAL_MODELS: [&str; 1] = ["gpt-5-mini"];
/// When everything was made, in seconds since the Unix epoch: the stand-in has
/// no clock.
pub(super) const CREATED_S: u64 = 1_767_323_045;

/// Reads a request.
pub(crate) fn read(headers: &HeaderMap, body: Value) -> Request {
    let (mut text, mut user) = (String::new(), String::new());
    for message in body["messages"].as_array().into_iter().flatten() {
        gather_content(&message["content"], &mut text);
        if message["role"] == "user" {
            gather_content(&message["content"], &mut user);
        }
    }
    let send = if body["stream"] == true {
        Send::Events {
            usage: body["stream_options"]["include_usage"] == true,
        }
    } else {
        Send::Whole
    };
    let key = headers.get(AUTHORIZATION).and_then(|key| key.to_str().ok());
    let schema = &body["response_format"]["json_schema"]["schema"];
    Request {
        api: Api::OpenAi,
        model: body["model"].as_str().unwrap_or_default().to_owned(),
        send,
        key: key
            .and_then(|key| key.strip_prefix("Bearer "))
            .map(str::to_owned),
        schema: schema.is_object().then(|| schema.clone()),
        text,
        user,
        body,
    }
}

fn gather_content(content: &Value, out: &mut String) {
    match content {
        Value::Array(parts) => parts.iter().for_each(|part| gather(&part["text"], out)),
        content => gather(content, out),
    }
}

/// The list of models, for who may have it.
pub(crate) fn models(script: &Script, headers: &HeaderMap) -> Reply {
    if let Some(refusal) = rules::key(script, &read(headers, Value::Null)) {
        return refusal;
    }
    let names = match script.models.as_slice() {
        [] => USUAL_MODELS.map(str::to_owned).to_vec(),
        names => names.to_vec(),
    };
    let model = |name: &String| json!({"id": name, "object": "model", "created": CREATED_S, "owned_by": "openai"});
    let models: Vec<Value> = names.iter().map(model).collect();
    Reply::json(200, &json!({"object": "list", "data": models}))
}
