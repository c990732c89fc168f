//! What Gemini refuses.

use serde_json::Value;

use super::failure;
use crate::answer::{Reply, Request};
use crate::script::Script;
use crate::signature;

/// Says no where Gemini does.
pub(crate) fn refuse(script: &Script, request: &Request) -> Result<(), Box<Reply>> {
    let refused = key(script, request)
        .or_else(|| model(script, request))
        .or_else(|| shape(&request.body).map(|message| failure::error(400, &message)))
        .or_else(|| config(request).map(|message| failure::error(400, message)))
        .or_else(|| turns(&request.body).map(|message| failure::error(400, &message)));
    refused.map_or(Ok(()), |reply| Err(Box::new(reply)))
}

/// Refuses a wrong key.
pub(super) fn key(script: &Script, request: &Request) -> Option<Reply> {
    let wanted = script.require_key.as_ref()?;
    match &request.key {
        None => Some(failure::error(
            403,
            "Method doesn't allow unregistered callers (callers without established identity). \
             Please use API Key or other form of API consumer identity to call this API.",
        )),
        Some(key) if key != wanted => {
            let message = "API key not valid. Please pass a valid API key.";
            Some(failure::wrong_key(message))
        }
        Some(_) => None,
    }
}

fn model(script: &Script, request: &Request) -> Option<Reply> {
    let known = script.models.is_empty() || script.models.contains(&request.model);
    (!known).then(|| failure::unknown_model(&request.model))
}

fn shape(body: &Value) -> Option<String> {
    if !body.is_object() {
        return Some("Invalid JSON payload received. Expected an object.".to_owned());
    }
    let contents = body["contents"].as_array().filter(|all| !all.is_empty());
    let Some(contents) = contents else {
        return Some("* GenerateContentRequest.contents: contents is not specified\n".to_owned());
    };
    for (at, content) in contents.iter().enumerate() {
        if !matches!(content["role"].as_str(), None | Some("user" | "model")) {
            return Some("Please use a valid role: user, model.".to_owned());
        }
        if parts(content).is_empty() {
            return Some(format!(
                "* GenerateContentRequest.contents[{at}].parts: contents.parts must not be \
                 empty.\n"
            ));
        }
    }
    None
}

fn config(request: &Request) -> Option<&'static str> {
    let config = &request.body["generationConfig"];
    let to_json = config["responseMimeType"] == "application/json";
    let schemas = ["responseSchema", "responseJsonSchema"]
        .iter()
        .filter(|name| config.get(**name).is_some_and(|schema| !schema.is_null()))
        .count();
    let mut tools = request.body["tools"].as_array().into_iter().flatten();
    let has_tools = tools.any(|tool| {
        let functions = tool["functionDeclarations"].as_array();
        functions.is_some_and(|functions| !functions.is_empty())
    });
    if schemas > 1 {
        return Some("Only one of response_schema and response_json_schema may be set.");
    }
    if schemas > 0 && !to_json {
        return Some(
            "A response schema is only supported with response_mime_type: 'application/json'",
        );
    }
    if has_tools && to_json && request.model.starts_with("gemini-2.5") {
        return Some(
            "Function calling with a response mime type: 'application/json' is unsupported",
        );
    }
    None
}

/// Calls of tools and their results: each turn of calls is followed by one turn
/// with a result for each, and in the current turn (since the user last said
/// something else than results) each step's first call brings its signature.
fn turns(body: &Value) -> Option<String> {
    let contents = body["contents"].as_array()?;
    let current = contents
        .iter()
        .rposition(|content| content["role"] != "model" && results(content) == 0)
        .unwrap_or(0);
    for (at, content) in contents.iter().enumerate() {
        let before = at
            .checked_sub(1)
            .map_or(0, |before| calls(&contents[before]));
        let answered = results(content);
        if answered > 0 && before == 0 {
            return Some(
                "Please ensure that function response turn comes immediately after a function \
                 call turn."
                    .to_owned(),
            );
        }
        if answered != before {
            return Some(
                "Please ensure that the number of function response parts is equal to the number \
                 of function call parts of the function call turn."
                    .to_owned(),
            );
        }
        if let Some(problem) = signatures(content, at, at > current) {
            return Some(problem);
        }
    }
    let last = contents.last().map_or(0, calls);
    (last > 0).then(|| "Please ensure that the request ends with a user turn.".to_owned())
}

fn signatures(content: &Value, at: usize, is_current: bool) -> Option<String> {
    let called = parts(content)
        .iter()
        .filter(|part| part.get("functionCall").is_some());
    for (nth, part) in called.enumerate() {
        let call = &part["functionCall"];
        let name = call["name"].as_str().unwrap_or_default();
        match part["thoughtSignature"].as_str() {
            Some(signature) if !signature::verify(signature, name, &call["args"]) => {
                return Some("Corrupted thought signature.".to_owned());
            }
            None if nth == 0 && is_current => {
                return Some(format!(
                    "Function call is missing a thought_signature in functionCall parts. This is \
                     required for tools to work correctly, and missing thought_signature may lead \
                     to degraded model performance. Additional data, function call \
                     `default_api:{name}` , position {}. Please refer to \
                     https://ai.google.dev/gemini-api/docs/thought-signatures for more details.",
                    at + 1
                ));
            }
            _ => {}
        }
    }
    None
}

fn calls(content: &Value) -> usize {
    count(content, "functionCall")
}

fn results(content: &Value) -> usize {
    count(content, "functionResponse")
}

fn count(content: &Value, kind: &str) -> usize {
    parts(content)
        .iter()
        .filter(|part| part.get(kind).is_some())
        .count()
}

fn parts(content: &Value) -> &[Value] {
    content["parts"].as_array().map_or(&[], Vec::as_slice)
}
