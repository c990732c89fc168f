//! From a request to what happens: first what the real API would refuse, then
//! the script.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use crate::opinion::{self, Asked};
use crate::route::{Api, Form};
use crate::script::{Answer, Cut, Opinion, Rule, Says, Script, ToolCall, Usage};
use crate::{gemini, openai, text};

/// Letters of a streamed text that are sent at a time.
pub(crate) const PIECE_CHARS: usize = 24;

/// An answer in full.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) pieces: Vec<Bytes>,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", vec![body.to_string().into()])
    }

    pub(crate) fn new(status: u16, content_type: &'static str, pieces: Vec<Bytes>) -> Self {
        Self {
            status,
            content_type,
            headers: Vec::new(),
            pieces,
        }
    }

    pub(crate) fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }
}

/// What happens to a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Reply(Reply),
    Hang,
    Reset,
}

/// What happens, when, and what happens to its body.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) act: Act,
    pub(crate) delay: Duration,
    pub(crate) pause: Duration,
    pub(crate) cut: Option<Cut>,
}

impl Plan {
    /// The status of the answer, if there is one.
    pub(crate) fn status(&self) -> Option<u16> {
        match &self.act {
            Act::Reply(reply) => Some(reply.status),
            Act::Hang | Act::Reset => None,
        }
    }
}

impl From<Reply> for Plan {
    fn from(reply: Reply) -> Self {
        Self {
            act: Act::Reply(reply),
            delay: Duration::ZERO,
            pause: Duration::ZERO,
            cut: None,
        }
    }
}

/// How an answer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Send {
    Gemini(Form),
    Whole,
    /// OpenAI's events, at the end of them one with the usage if asked for.
    Events {
        usage: bool,
    },
}

/// A request of a model, read.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) api: Api,
    pub(crate) model: String,
    pub(crate) send: Send,
    pub(crate) body: Value,
    /// All that the model would read.
    pub(crate) text: String,
    /// What the user said.
    pub(crate) user: String,
    /// The schema of the answer, when one is asked for.
    pub(crate) schema: Option<Value>,
    /// The key that it brings.
    pub(crate) key: Option<String>,
}

impl Request {
    pub(crate) fn read(
        api: Api,
        path: Option<(String, Form)>,
        headers: &HeaderMap,
        body: Value,
    ) -> Self {
        match (api, path) {
            (Api::Gemini, path) => {
                let (model, form) = path.unwrap_or((String::new(), Form::Whole));
                gemini::read(model, form, headers, body)
            }
            (Api::OpenAi, _) => openai::read(headers, body),
        }
    }

    /// Whether it asks for a stream.
    pub(crate) fn streams(&self) -> bool {
        !matches!(self.send, Send::Whole | Send::Gemini(Form::Whole))
    }

    pub(crate) fn error(&self, status: u16, message: &str) -> Reply {
        error(self.api, status, message)
    }
}

/// An API's error, in its shape.
pub(crate) fn error(api: Api, status: u16, message: &str) -> Reply {
    match api {
        Api::Gemini => gemini::error(status, message),
        Api::OpenAi => openai::error(status, message),
    }
}

/// What the model says, for an API to write.
#[derive(Clone, Debug)]
pub(crate) struct Speech<'a> {
    /// Counts the answers of this stand-in: what has to be different in each
    /// is derived from it.
    pub(crate) number: u64,
    pub(crate) model: &'a str,
    pub(crate) said: Said,
    pub(crate) finish: Option<&'a str>,
    pub(crate) thoughts: Option<&'a str>,
    pub(crate) usage: Usage,
}

#[derive(Clone, Debug)]
pub(crate) enum Said {
    Text(String),
    Calls(Vec<ToolCall>),
}

/// Decides what happens to the request of this number.
pub(crate) fn plan(script: &mut Script, request: &Request, number: u64) -> Plan {
    let refused = match request.api {
        Api::Gemini => gemini::refuse(script, request),
        Api::OpenAi => openai::refuse(script, request),
    };
    if let Err(refusal) = refused {
        return (*refusal).into();
    }
    let Some(rule) = script.take(request.api, &request.model, &request.text) else {
        let message = "model-stand-in: no rule of the script matches this request";
        return request.error(400, message).into();
    };
    Plan {
        act: act(&rule, request, number),
        delay: Duration::from_millis(rule.delay_ms),
        pause: Duration::from_millis(rule.pause_ms),
        cut: rule.cut,
    }
}

fn act(rule: &Rule, request: &Request, number: u64) -> Act {
    let said = match &rule.answer {
        Answer::Text(template) => Said::Text(text::fill(template, &request.text)),
        Answer::ToolCalls(calls) => Said::Calls(calls.clone()),
        Answer::Opinion(opinion) => Said::Text(written(opinion, request)),
        Answer::Obey => Said::Text(of(Says::Promote, 99, request)),
        Answer::Agree => Said::Text(of(Says::Agree, 80, request)),
        Answer::Disagree => Said::Text(of(Says::Disagree, 80, request)),
        Answer::Hang => return Act::Hang,
        Answer::Reset => return Act::Reset,
        Answer::Garbage => {
            let page: &[u8] = b"<!doctype html><title>proxy</title>\x00\xff\xfe{{{";
            let page = vec![Bytes::from_static(page)];
            return Act::Reply(Reply::new(200, "text/html", page));
        }
        Answer::Fault(fault) => {
            let body = vec![Bytes::from(fault.body.clone())];
            let mut reply = Reply::new(fault.status, "application/json", body);
            let headers = fault.headers.iter();
            reply.headers = headers.map(|(k, v)| (k.clone(), v.clone())).collect();
            return Act::Reply(reply);
        }
        failed => {
            return Act::Reply(match request.api {
                Api::Gemini => gemini::fail(failed, request),
                Api::OpenAi => openai::fail(failed, request),
            });
        }
    };
    let speech = Speech {
        number,
        model: &request.model,
        finish: rule.finish.as_deref(),
        thoughts: rule.thoughts.as_deref(),
        usage: rule.usage.unwrap_or_else(|| usage(rule, request, &said)),
        said,
    };
    Act::Reply(match request.send {
        Send::Gemini(form) => gemini::write(&speech, form),
        Send::Whole => openai::write(&speech),
        Send::Events { usage } => openai::stream(&speech, usage),
    })
}

fn of(says: Says, confidence: u8, request: &Request) -> String {
    let opinion = Opinion {
        says,
        confidence,
        ..Opinion::default()
    };
    written(&opinion, request)
}

fn written(opinion: &Opinion, request: &Request) -> String {
    let asked = Asked {
        text: &request.text,
        user: &request.user,
        schema: request.schema.as_ref(),
    };
    opinion::write(opinion, asked)
}

fn usage(rule: &Rule, request: &Request, said: &Said) -> Usage {
    let output = match said {
        Said::Text(text) => text.len(),
        Said::Calls(calls) => calls
            .iter()
            .map(|call| call.name.len() + call.args.to_string().len())
            .sum(),
    };
    Usage {
        prompt: tokens(request.text.len()),
        cached: 0,
        output: tokens(output),
        thoughts: tokens(rule.thoughts.as_ref().map_or(0, String::len)),
    }
}

/// Four bytes a token, as the rule of thumb goes.
fn tokens(bytes: usize) -> u64 {
    bytes.div_ceil(4) as u64
}

/// A text in the pieces in which it is streamed.
pub(crate) fn pieces(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    letters
        .chunks(PIECE_CHARS)
        .map(|chunk| chunk.iter().collect())
        .collect()
}
