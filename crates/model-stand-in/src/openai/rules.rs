//! What OpenAI refuses.

use serde_json::Value;

use super::failure::{self, Problem};
use crate::answer::{Reply, Request};
use crate::json_schema;
use crate::script::Script;

/// Says no where OpenAI does.
pub(crate) fn refuse(script: &Script, request: &Request) -> Result<(), Box<Reply>> {
    let refused = key(script, request)
        .or_else(|| shape(&request.body))
        .or_else(|| model(script, request))
        .or_else(|| response_format(&request.body["response_format"]))
        .or_else(|| tools(&request.body["tools"]))
        .or_else(|| turns(&request.body));
    refused.map_or(Ok(()), |reply| Err(Box::new(reply)))
}

/// Refuses a wrong key.
pub(super) fn key(script: &Script, request: &Request) -> Option<Reply> {
    let wanted = script.require_key.as_ref()?;
    match &request.key {
        None => Some(
            Problem {
                message: "You didn't provide an API key. You need to provide your API key in an \
                          Authorization header using Bearer auth (i.e. Authorization: Bearer \
                          YOUR_KEY).",
                kind: "invalid_request_error",
                param: None,
                code: None,
            }
            .reply(401),
        ),
        Some(key) if key != wanted => Some(failure::error(401, "Incorrect API key provided.")),
        Some(_) => None,
    }
}

fn model(script: &Script, request: &Request) -> Option<Reply> {
    let known = script.models.is_empty() || script.models.contains(&request.model);
    (!known).then(|| failure::unknown_model(&request.model))
}

fn shape(body: &Value) -> Option<Reply> {
    let (message, param) = if !body.is_object() {
        (
            "We could not parse the JSON body of your request.".to_owned(),
            None,
        )
    } else if !body["model"].is_string() {
        ("you must provide a model parameter".to_owned(), None)
    } else if body["messages"].as_array().is_none_or(Vec::is_empty) {
        (
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got \
             an empty array instead."
                .to_owned(),
            Some("messages"),
        )
    } else {
        return None;
    };
    Some(invalid(&message, param, None))
}

fn invalid(message: &str, param: Option<&str>, code: Option<&str>) -> Reply {
    let kind = "invalid_request_error";
    Problem {
        message,
        kind,
        param,
        code,
    }
    .reply(400)
}

fn response_format(format: &Value) -> Option<Reply> {
    if format["type"] != "json_schema" {
        return None;
    }
    let given = &format["json_schema"];
    let Some(name) = given["name"].as_str() else {
        let message = "Missing required parameter: 'response_format.json_schema.name'.";
        let param = Some("response_format.json_schema.name");
        return Some(invalid(message, param, Some("missing_required_parameter")));
    };
    if given["strict"] != true {
        return None;
    }
    let problem = json_schema::strict_problem(&given["schema"])?;
    let message = format!("Invalid schema for response_format '{name}': {problem}");
    Some(invalid(&message, Some("response_format"), None))
}

fn tools(tools: &Value) -> Option<Reply> {
    let tools = tools.as_array().into_iter().flatten();
    tools.enumerate().find_map(|(at, tool)| {
        let function = &tool["function"];
        if function["strict"] != true {
            return None;
        }
        let problem = json_schema::strict_problem(&function["parameters"])?;
        let name = function["name"].as_str().unwrap_or_default();
        let message = format!("Invalid schema for function '{name}': {problem}");
        let param = format!("tools[{at}].function.parameters");
        let code = Some("invalid_function_parameters");
        Some(invalid(&message, Some(&param), code))
    })
}

/// Each call of a tool is answered by a message of its own right after it, and
/// nothing else is.
fn turns(body: &Value) -> Option<Reply> {
    let messages = body["messages"].as_array()?;
    let mut waiting: Vec<&str> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        if message["role"] == "tool" {
            let id = message["tool_call_id"].as_str().unwrap_or_default();
            let Some(found) = waiting.iter().position(|waits| *waits == id) else {
                return Some(invalid(
                    "Invalid parameter: messages with role 'tool' must be a response to a \
                     preceeding message with 'tool_calls'.",
                    Some(&format!("messages.[{at}].role")),
                    None,
                ));
            };
            waiting.remove(found);
            continue;
        }
        if !waiting.is_empty() {
            break;
        }
        let calls = message["tool_calls"].as_array().into_iter().flatten();
        waiting = calls.filter_map(|call| call["id"].as_str()).collect();
    }
    if waiting.is_empty() {
        return None;
    }
    let message = format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to \
         each 'tool_call_id'. The following tool_call_ids did not have response messages: {}",
        waiting.join(", ")
    );
    Some(invalid(&message, Some("messages"), None))
}
