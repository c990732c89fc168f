//! What a request asks for, by its method and path.

use http::{Method, Uri};
use serde::{Deserialize, Serialize};

/// Which API a request speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// Google's.
    Gemini,
    /// OpenAI's, and all that are compatible with it.
    OpenAi,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Gemini's answer of a model, whole or as a stream.
    Generate { model: String, form: Form },
    /// OpenAI's; model and form are in its body.
    Chat,
    /// The list of models.
    Models(Api),
    /// The method is not the path's.
    WrongMethod(Api),
    /// Nothing that is served.
    Unknown,
}

/// How Gemini's answer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One JSON object.
    Whole,
    /// Server-sent events.
    Events,
    /// A JSON array, written element by element.
    Array,
}

/// Reads method, path and query.
pub(crate) fn route(method: &Method, uri: &Uri) -> Route {
    let path = uri.path().trim_end_matches('/');
    // A version is whatever the client was configured with.
    let gemini = ["/v1beta", "/v1alpha", "/v1"]
        .iter()
        .find_map(|version| path.strip_prefix(version)?.strip_prefix("/models/"))
        .and_then(|rest| rest.rsplit_once(':'));
    if let Some((model, operation)) = gemini {
        let form = match operation {
            "generateContent" => Form::Whole,
            "streamGenerateContent" if asks_for_events(uri) => Form::Events,
            "streamGenerateContent" => Form::Array,
            _ => return Route::Unknown,
        };
        let model = model.to_owned();
        return match *method {
            Method::POST => Route::Generate { model, form },
            _ => Route::WrongMethod(Api::Gemini),
        };
    }
    match (path, method) {
        ("/v1/chat/completions" | "/chat/completions", &Method::POST) => Route::Chat,
        ("/v1/chat/completions" | "/chat/completions", _) => Route::WrongMethod(Api::OpenAi),
        ("/v1beta/models" | "/v1alpha/models", &Method::GET) => Route::Models(Api::Gemini),
        ("/v1/models" | "/models", &Method::GET) => Route::Models(Api::OpenAi),
        _ => Route::Unknown,
    }
}

fn asks_for_events(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    query.split('&').any(|pair| pair == "alt=sse")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_what_is_asked_for() {
        let generate = |form| Route::Generate {
            model: "m".to_owned(),
            form,
        };
        for (method, uri, expected) in [
            (
                "POST",
                "/v1beta/models/m:generateContent",
                generate(Form::Whole),
            ),
            (
                "POST",
                "/v1beta/models/m:streamGenerateContent?alt=sse",
                generate(Form::Events),
            ),
            (
                "POST",
                "/v1beta/models/m:streamGenerateContent",
                generate(Form::Array),
            ),
            ("POST", "/v1beta/models/m:countTokens", Route::Unknown),
            (
                "GET",
                "/v1beta/models/m:generateContent",
                Route::WrongMethod(Api::Gemini),
            ),
            ("POST", "/v1/chat/completions", Route::Chat),
            ("POST", "/chat/completions", Route::Chat),
            ("GET", "/chat/completions", Route::WrongMethod(Api::OpenAi)),
            (
                "GET",
                "/v1beta/models?pageSize=50",
                Route::Models(Api::Gemini),
            ),
            ("GET", "/v1/models", Route::Models(Api::OpenAi)),
            ("GET", "/", Route::Unknown),
        ] {
            let method: Method = method.parse().expect("a method");
            let uri: Uri = uri.parse().expect("a URI");
            assert_eq!(route(&method, &uri), expected, "{method} {uri}");
        }
    }
}
