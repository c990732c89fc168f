//! Requests: which events are one, and which of those are only probes.

use serde::{Deserialize, Serialize};

use crate::{json, status};

/// Whether an event is a served request.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Traffic {
    /// No request.
    #[default]
    None,
    /// A request of a user: exposure.
    Request,
    /// A probe or a scrape: no exposure.
    Probe,
}

/// What the event on `line` is; `status_class` as its signature found it.
pub(crate) fn traffic(line: &str, status_class: u8) -> Traffic {
    if status_class < 2 {
        return Traffic::None;
    }
    let is_json = line.starts_with('{');
    let path = if is_json {
        json_path(line)
    } else {
        plain_path(line)
    };
    let has_method = is_json && json_has_method(line)
        || line
            .split(|c: char| !c.is_ascii_alphabetic())
            .any(|word| status::is_method(word.as_bytes()));
    // `500 - blue`: nothing but a status in front says that it is one.
    let leads =
        line.as_bytes().first().is_some_and(u8::is_ascii_digit) && line.get(3..6) == Some(" - ");
    if !(has_method || leads || is_json && path.is_some() || answers(line)) {
        return Traffic::None;
    }
    if path.is_some_and(|path| is_probe_path(&path)) || is_probe_agent(line) {
        Traffic::Probe
    } else {
        Traffic::Request
    }
}

/// What a line of a framework that logs a request when it comes and when it is
/// answered says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    /// `Started GET "/users"`; whether it is a probe that came.
    Came(bool),
    /// `Completed 200 OK in 12ms`, without what was asked for.
    Answered,
    /// Neither.
    Whole,
}

/// Which half of a request a line is.
pub(crate) fn half(line: &[u8], traffic: Traffic) -> Half {
    // Few lines name a method, and few are requests.
    if traffic == Traffic::Probe
        || traffic == Traffic::None && !status::names_method(line, 0, line.len())
    {
        return Half::Whole;
    }
    let line = &*String::from_utf8_lossy(line);
    let path = || plain_path(line);
    match traffic {
        Traffic::None
            if line
                .split(' ')
                .any(|word| status::is_method(word.as_bytes())) =>
        {
            path().map_or(Half::Whole, |path| Half::Came(is_probe_path(&path)))
        }
        Traffic::Request if answers(line) && path().is_none() => Half::Answered,
        _ => Half::Whole,
    }
}

/// `Completed 500 …in 12ms`: a framework's word of an answer.
fn answers(line: &str) -> bool {
    let bytes = line.as_bytes();
    line.match_indices(' ').any(|(space, _)| {
        let rest = &bytes[space + 1..];
        let number = rest.len() > 3 && rest[..3].iter().all(u8::is_ascii_digit);
        number && status::is_after_verb(bytes, space + 1)
    })
}

/// The first member that names what was asked for, within others as well.
fn json_path(line: &str) -> Option<String> {
    let mut found = None;
    json::visit(line.as_bytes(), &mut |key, value| {
        if found.is_none() && !matches!(value, json::Value::Nested(_)) && is_path_key(key) {
            found = Some(path_of(&String::from_utf8_lossy(value.raw())));
        }
    });
    found
}

/// `path`, `requestUri`, `http.target`, `RequestPath`, `grpc.service`.
pub(crate) fn is_path_key(key: &[u8]) -> bool {
    const ENDS: [&[u8]; 7] = [
        b"path",
        b"uri",
        b"url",
        b"target",
        b"route",
        b"request",
        b"grpcservice",
    ];
    const WHOSE: [&[u8]; 8] = [
        b"",
        b"request",
        b"requested",
        b"req",
        b"http",
        b"httpreq",
        b"httprequest",
        b"url",
    ];
    // Most keys end otherwise.
    if !key
        .last()
        .is_some_and(|byte| matches!(byte | 0x20, b'h' | b'i' | b'l' | b't' | b'e'))
    {
        return false;
    }
    let mut plain = [0; 32];
    let Some(name) = status::plainly(key, &mut plain) else {
        return false;
    };
    ENDS.iter().any(|end| {
        name.strip_suffix(*end)
            .is_some_and(|whose| WHOSE.contains(&whose))
    })
}

fn json_has_method(line: &str) -> bool {
    let mut found = false;
    json::visit(line.as_bytes(), &mut |key, value| {
        found |= status::is_method(value.raw()) || status::is_grpc_key(key);
    });
    found
}

/// The word after the method, or after `path=` and its like.
fn plain_path(line: &str) -> Option<String> {
    let mut after_method = false;
    for chunk in line
        .split([' ', '\t', '"'])
        .filter(|chunk| !chunk.is_empty())
    {
        if after_method {
            return Some(path_of(chunk));
        }
        let value = chunk.strip_prefix("method=").unwrap_or(chunk);
        after_method = status::is_method(value.as_bytes()) && value.len() == chunk.len();
        if let Some((_, path)) = chunk
            .split_once("path=")
            .or_else(|| chunk.split_once("uri="))
            .or_else(|| chunk.split_once("url="))
        {
            return Some(path_of(path));
        }
    }
    None
}

/// Path of a URL or a request line, without host and query.
fn path_of(text: &str) -> String {
    let text = text.trim_matches(['"', '\\', ',']);
    let text = text.split_once("://").map_or(text, |(_, rest)| {
        rest.find('/').map_or("/", |at| &rest[at..])
    });
    // `GET /shop HTTP/1.1`: the path is behind the method.
    let text = match text.split_once(' ') {
        Some((method, rest)) if status::is_method(method.as_bytes()) => rest,
        _ => text,
    };
    text.split(['?', '#', ' ', '"'])
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Paths that only probes and scrapers ask for.
fn is_probe_path(path: &str) -> bool {
    const EXACT: &[&str] = &[
        "/healthz",
        "/health",
        "/livez",
        "/readyz",
        "/ready",
        "/live",
        "/liveness",
        "/readiness",
        "/alive",
        "/metrics",
        "/ping",
        "/-/healthy",
        "/-/ready",
        "/heartbeat",
        "/startupz",
        "/healthcheck",
        "/health-check",
        "/prometheus",
        "/q/metrics",
        "/actuator/prometheus",
        "/actuator/metrics",
        "/grpc.health.v1.Health/Check",
        "grpc.health.v1.Health",
    ];
    const UNDER: &[&str] = &[
        "/health/",
        "/healthz/",
        "/livez/",
        "/readyz/",
        "/q/health",
        "/actuator/health",
        "/metrics/",
        "/health.",
        "/_health",
    ];
    let path = path
        .strip_suffix('/')
        .filter(|path| !path.is_empty())
        .unwrap_or(path);
    EXACT.contains(&path) || UNDER.iter().any(|under| path.starts_with(under))
}

fn is_probe_agent(line: &str) -> bool {
    const AGENTS: &[&str] = &[
        "kube-probe/",
        "Prometheus/",
        "GoogleHC/",
        "ELB-HealthChecker",
        "Envoy/HC",
        "vm_promscrape",
        "Blackbox Exporter",
        "Consul Health Check",
    ];
    AGENTS.iter().any(|agent| line.contains(agent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature;

    #[test]
    fn tells_requests_from_probes_and_the_rest() {
        use Traffic::{None, Probe, Request};
        let cases: &[(&str, Traffic)] = &[
            ("500 - blue (1.000000s)", Request),
            (
                r#"10.0.0.1 - - [x] "GET /color HTTP/1.1" 200 23 "-" "curl/8.1""#,
                Request,
            ),
            (
                r#"10.0.0.1 - - [x] "GET /color HTTP/1.1" 200 23 "-" "kube-probe/1.34""#,
                Probe,
            ),
            (
                r#"10.0.0.1 - - [x] "GET /healthz?verbose=1 HTTP/1.1" 200 23"#,
                Probe,
            ),
            (
                r#"10.0.0.1 - - [x] "GET /metrics HTTP/1.1" 200 23 "-" "Prometheus/2.50""#,
                Probe,
            ),
            ("level=info method=GET path=/x status=502", Request),
            ("level=info method=GET path=/readyz status=200", Probe),
            (
                r#"{"msg":"request","method":"GET","path":"/q/health/live","status":200}"#,
                Probe,
            ),
            (
                r#"{"msg":"request","method":"GET","uri":"http://a.b/users","status":200}"#,
                Request,
            ),
            (
                r#"{"level":30,"req":{"method":"GET","url":"/x"},"res":{"statusCode":500},"msg":"request completed"}"#,
                Request,
            ),
            (
                r#"{"level":30,"req":{"method":"GET","url":"/healthz"},"res":{"statusCode":200},"msg":"request completed"}"#,
                Probe,
            ),
            (
                r#"{"RequestMethod":"GET","RequestPath":"/x","DownstreamStatus":502}"#,
                Request,
            ),
            (
                r#"{"http.req.method":"GET","http.req.path":"/x","http.resp.status":200,"severity":"debug"}"#,
                Request,
            ),
            (
                r#"{"msg":"finished unary call with code OK","grpc.method":"Get","grpc.code":"OK"}"#,
                Request,
            ),
            (
                "I, [2026-01-02T03:04:05.1 #7]  INFO -- : [ab] Completed 500 Internal Server Error in 12ms (Views: 1ms)",
                Request,
            ),
            (
                "03:04:05.123 request_id=ab [info] Sent 200 in 12ms",
                Request,
            ),
            (
                r#"h2 2026-01-02T03:04:05.1Z app/x 10.0.0.1:5 10.0.0.2:80 0.000 0.012 0.000 502 502 34 366 "GET https://x:443/y HTTP/2.0" "curl""#,
                Request,
            ),
            ("sent 512 bytes to node 7", None),
            ("child exit_status=255", None),
            (r#"{"msg":"worker done","code":200}"#, None),
            ("child exited with status 255", None),
            ("code=200 finished", None),
        ];
        for (line, expected) in cases {
            let class = signature::signature(line.as_bytes()).status_class;
            assert_eq!(traffic(line, class), *expected, "{line}");
        }
    }
}
