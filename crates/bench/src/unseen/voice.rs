//! One version's way of writing: lines, requests, traces.

use super::cause::Cause;
use super::pen::{Fields, escaped, fill, fill_fields};
use super::systems::System;
use super::tongue::Exception;
use crate::random::Random;

/// Indices of [`System::levels`].
pub const DEBUG: usize = 0;
/// As [`DEBUG`].
pub const INFO: usize = 1;
/// As [`DEBUG`].
pub const WARN: usize = 2;
/// As [`DEBUG`].
pub const ERROR: usize = 3;
/// As [`DEBUG`].
pub const FATAL: usize = 4;

/// A request and its answer.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its method.
    pub method: &'static str,
    /// Pattern of its path.
    pub path: &'static str,
    /// Which of the paths.
    pub endpoint: usize,
    /// HTTP status of the answer.
    pub status: u16,
    /// How long it took, in milliseconds.
    pub ms: f64,
    /// Who asked.
    pub agent: &'static str,
}

impl Request {
    /// A client's request, answered well.
    pub fn draw(paths: &'static [&'static str], random: &mut Random) -> Self {
        const AGENTS: [&str; 3] = [
            "Mozilla/5.0 (X11; Linux x86_64) Chrome/126.0",
            "okhttp/4.12.0",
            "curl/8.5.0",
        ];
        let endpoint = match random.below(10) {
            0..=4 => 0,
            5 | 6 => 1,
            other => other as usize - 5,
        };
        let endpoint = endpoint.min(paths.len().saturating_sub(1));
        Self {
            method: *random.pick(&["GET", "GET", "GET", "POST", "PUT"]),
            path: paths.get(endpoint).copied().unwrap_or("/"),
            endpoint,
            status: *random.pick(&[
                200, 200, 200, 200, 200, 200, 200, 200, 201, 204, 304, 200, 200, 200, 200, 200,
                200, 200, 200, 404,
            ]),
            ms: random.log_normal(24.0, 0.6),
            agent: *random.pick(&AGENTS),
        }
    }

    /// A probe.
    pub fn probe() -> Self {
        Self {
            method: "GET",
            path: "/healthz",
            endpoint: usize::MAX,
            status: 200,
            ms: 0.4,
            agent: "kube-probe/1.34",
        }
    }
}

/// How one version writes.
#[derive(Debug)]
pub struct Voice {
    system: &'static System,
    levels: [&'static str; 5],
    pod: String,
    sorted: bool,
}

impl Voice {
    /// A version's voice; `cause` is what is different about it.
    pub fn new(system: &'static System, cause: Option<Cause>, random: &mut Random) -> Self {
        let mut levels = system.levels;
        if cause == Some(Cause::Renamed) {
            levels = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
        }
        Self {
            system,
            levels,
            pod: format!(
                "shop-{:08x}-{:05x}",
                random.bits() as u32,
                random.below(1 << 20)
            ),
            sorted: cause == Some(Cause::KeyOrder),
        }
    }

    fn fields(&self, ms: i64, level: usize, random: &mut Random) -> Fields {
        let name = self.levels[level];
        let part = *random.pick(&self.system.words.parts);
        Fields::at(ms)
            .with("level", name)
            .with("letter", name.get(..1).unwrap_or_default())
            .with("logger", self.system.tongue.logger(part))
            .with("pod", self.pod.as_str())
            .with("dependency", self.system.words.dependency)
            .with("stack", "")
    }

    fn text(&self, pattern: &str, ms: i64, random: &mut Random) -> String {
        let fields = Fields::at(ms).with("dependency", self.system.words.dependency);
        fill_fields(pattern, &fields, random)
    }

    /// A line.
    pub fn say(&self, ms: i64, level: usize, pattern: &str, random: &mut Random) -> String {
        let text = self.text(pattern, ms, random);
        // One line of work has one logger.
        let part = self.system.words.parts[pattern.len() % 3];
        let fields = self
            .fields(ms, level, random)
            .with("logger", self.system.tongue.logger(part))
            .with("text", text);
        self.ordered(fill(self.system.line, &fields, random))
    }

    /// An error with an exception's trace: a member of JSON, else lines.
    pub fn throw(
        &self,
        ms: i64,
        pattern: &str,
        exception: Exception,
        random: &mut Random,
    ) -> String {
        let text = self.text(pattern, ms, random);
        let trace = self.text(exception.trace, ms, random);
        let reason = self.text(exception.reason, ms, random);
        let fields = self
            .fields(ms, ERROR, random)
            .with("text", text)
            .with("exception", exception.name)
            .with("reasonx", escaped(&reason));
        if self.system.stack.is_empty() {
            let line = fill(self.system.line, &fields, random);
            let indent = if self.system.line.ends_with("\n      ~text~") {
                "\n      "
            } else {
                "\n"
            };
            let trace = trace.replace('\n', indent);
            return self.prefixed(&format!("{line}{indent}{trace}"), ms, random);
        }
        let member = fill(
            self.system.stack,
            &fields.clone().with("stackj", escaped(&trace)),
            random,
        );
        self.ordered(fill(
            self.system.line,
            &fields.with("stack", member),
            random,
        ))
    }

    /// Lines that no logger wrote.
    pub fn raw(&self, pattern: &str, ms: i64, random: &mut Random) -> String {
        let text = self.text(pattern, ms, random);
        self.prefixed(&text, ms, random)
    }

    /// What collects the lines of several pods puts before each.
    fn prefixed(&self, text: &str, ms: i64, random: &mut Random) -> String {
        let prefix = ["[pod/~pod~/app] ", "~pod~  | "]
            .into_iter()
            .find(|prefix| self.system.line.starts_with(prefix));
        let Some(prefix) = prefix else {
            return text.to_owned();
        };
        let fields = self.fields(ms, INFO, random);
        let prefix = fill_fields(prefix, &fields, random);
        let own = |line: &str| {
            if line.starts_with(&prefix) {
                line.to_owned()
            } else {
                format!("{prefix}{line}")
            }
        };
        text.split('\n').map(own).collect::<Vec<_>>().join("\n")
    }

    /// A request as it is logged, where it is.
    pub fn serve(&self, ms: i64, request: &Request, random: &mut Random) -> Option<String> {
        if self.system.access.is_empty() {
            return None;
        }
        let level = if request.status >= 500 { ERROR } else { INFO };
        let (reason, grpc, otel) = match request.status {
            401 | 403 => ("Unauthorized", "Unauthenticated", "STATUS_CODE_ERROR"),
            404 => ("Not Found", "NotFound", "STATUS_CODE_UNSET"),
            500..=599 => ("Internal Server Error", "Internal", "STATUS_CODE_ERROR"),
            _ => ("OK", "OK", "STATUS_CODE_UNSET"),
        };
        let path = self.text(request.path, ms, random);
        let rpc = ["Get", "List", "Put", "Find", "Watch", "Check"][request.endpoint.min(5)];
        let took = request.ms;
        let fields = self
            .fields(ms, level, random)
            .with("alevel", self.levels[level])
            .with("method", request.method)
            .with("path", path)
            .with("status", request.status.to_string())
            .with("reason", reason)
            .with("grpc", grpc)
            .with("otel", otel)
            .with("rpc", rpc)
            .with("agent", request.agent)
            .with("ms", format!("{took:.2}"))
            .with("ms0", format!("{took:.0}"))
            .with("s", format!("{:.3}", took / 1_000.0))
            .with("us", format!("{:.1}", took * 1_000.0))
            .with("ns", format!("{:.0}", took * 1_000_000.0));
        Some(self.ordered(fill(self.system.access, &fields, random)))
    }

    /// The line, its members in another order where this version has one.
    fn ordered(&self, line: String) -> String {
        if !self.sorted {
            return line;
        }
        let parsed =
            serde_json::from_str::<std::collections::BTreeMap<String, serde_json::Value>>(&line);
        let sorted = parsed
            .ok()
            .and_then(|members| serde_json::to_string(&members).ok());
        sorted.unwrap_or(line)
    }
}
