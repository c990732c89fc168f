//! Lines that belong to the event before them, and what a stack trace names:
//! the exception and the top frame of the application's own code.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::level::Level;
use crate::signs;

/// Longest name kept of an exception or a frame, in bytes: it goes into a
/// one-line message.
const MAX_NAME_BYTES: usize = 80;

/// Longest prefix of a traceback whose logger repeats it, in bytes: time,
/// host, process, level and logger.
const MAX_PREFIX_BYTES: usize = 200;

/// How a Python traceback begins.
const TRACEBACK: &[u8] = b"Traceback (most recent call last)";

/// Finds it by its beginning: a searcher is faster for at most 32 bytes. Built
/// once: it costs more to build than a line to search.
static TRACEBACK_FINDER: LazyLock<Finder<'static>> =
    LazyLock::new(|| Finder::new(&TRACEBACK[..22]));

/// What the lines after an event's first have shown so far.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    /// Short name of the exception, the root cause where several are chained.
    pub exception: String,
    /// `File:line` of the top frame in the application's own code.
    pub frame: String,
    /// Whether `frame` is a library's, for want of a better one.
    frame_is_foreign: bool,
    /// Which kind of trace is going on.
    mode: Mode,
    /// What prefixed loggers repeat before each line of a traceback.
    prefix: Vec<u8>,
    /// The file of the Python frame above, whose line of code comes next.
    python_own: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    /// No trace has begun.
    #[default]
    None,
    /// Between `Traceback (most recent call last):` and the exception's line.
    Python,
    /// After `goroutine N [running]:`.
    Go,
    /// After `thread '…' panicked at …:`; the message is on the next line.
    RustMessage,
    /// A trace whose frames are indented.
    Indented,
}

impl Trace {
    /// Whether nothing has been noted that would survive the event.
    pub(crate) fn clear(&mut self) {
        self.exception.clear();
        self.frame.clear();
        self.frame_is_foreign = false;
        self.mode = Mode::None;
        self.prefix.clear();
        self.python_own = false;
    }

    /// Notes what an event's first line says.
    pub(crate) fn first_line(&mut self, line: &[u8]) {
        self.clear();
        if line.starts_with(b"thread '") && contains(line, b"panicked at ") {
            self.mode = Mode::RustMessage;
            self.note_rust_place(line);
        } else if line.starts_with(TRACEBACK) {
            self.mode = Mode::Python;
        } else if self.opens_prefixed(line, true) {
            // The traceback's first line is the event's: `continues` reads on.
        } else if line.starts_with(b"Exception in thread ")
            || line.starts_with(b"Unhandled exception. ")
        {
            self.note_exceptions(line);
            self.mode = Mode::Indented;
        }
    }

    /// Whether `line` continues the event, which is of level `event`, and notes
    /// what it says.
    ///
    /// A trace without a frame before it belongs to what a logger wrote at WARN
    /// and above (or DEBUG); behind an INFO line it is an uncaught exception,
    /// written by the runtime: an event of its own.
    #[inline]
    pub(crate) fn continues(&mut self, line: &[u8], event: Level) -> bool {
        // Nearly every line of a log is seen here, and nearly none continues.
        let quiet = self.mode == Mode::None && self.prefix.is_empty();
        if quiet && event == Level::Info && !line.first().is_none_or(|byte| may_continue(*byte)) {
            return false;
        }
        self.continues_by_look(line, event)
    }

    fn continues_by_look(&mut self, line: &[u8], event: Level) -> bool {
        if let Some(at) = self.after_prefix(line) {
            self.note(&line[at..]);
            return true;
        }
        let Some(&first) = line.first() else {
            return true;
        };
        if matches!(first, b' ' | b'\t') || self.is_unindented_part(line, event) {
            self.note(line);
            return true;
        }
        false
    }

    /// A traceback of which each line repeats the logger's prefix (oslo, many
    /// syslog set-ups): recognised by its first line, right after an error.
    pub(crate) fn opens_prefixed(&mut self, line: &[u8], after_error: bool) -> bool {
        if !after_error {
            return false;
        }
        let head = &line[..line.len().min(MAX_PREFIX_BYTES + TRACEBACK.len())];
        match TRACEBACK_FINDER.find(head) {
            Some(at) if at > 0 && at < MAX_PREFIX_BYTES && head[at..].starts_with(TRACEBACK) => {
                self.prefix.clear();
                self.prefix.extend_from_slice(&line[..at]);
                // The exception's own line has the prefix too.
                self.mode = Mode::Indented;
                true
            }
            _ => false,
        }
    }

    /// Where the rest of a line begins that repeats the traceback's prefix;
    /// `None` for a line of its own. The time in the prefix may have moved on;
    /// then the rest must look like a part of a traceback, for the logger's
    /// next message has the same prefix.
    fn after_prefix(&self, line: &[u8]) -> Option<usize> {
        let prefix = self.prefix.trim_ascii_end();
        if prefix.is_empty() || line.len() < prefix.len() {
            return None;
        }
        let (head, rest) = line.split_at(prefix.len());
        let alike = |(a, b): (&u8, &u8)| a == b || a.is_ascii_digit() && b.is_ascii_digit();
        if !head.iter().zip(prefix).all(alike) {
            return None;
        }
        let text = rest.strip_prefix(b" ").unwrap_or(rest);
        let part = text.is_empty()
            || text.starts_with(b" ")
            || starts_with_exception(text)
            || text.starts_with(b"Traceback (most recent");
        (part || head == prefix && line.starts_with(&self.prefix)).then(|| line.len() - text.len())
    }

    fn is_unindented_part(&mut self, line: &[u8], event: Level) -> bool {
        let may = line.first().is_some_and(|byte| may_continue(*byte));
        let starts = |start: &&[u8]| start.first() == line.first() && line.starts_with(start);
        if may && STARTS.iter().any(starts) {
            if line.starts_with(b"goroutine ") {
                self.mode = Mode::Go;
            }
            return true;
        }
        let logged = self.mode != Mode::None || event != Level::Info;
        if logged && line.starts_with(TRACEBACK) {
            self.mode = Mode::Python;
            return true;
        }
        match self.mode {
            // The first line that is not indented is the exception itself.
            Mode::Python => {
                self.mode = Mode::Indented;
                true
            }
            Mode::RustMessage => {
                self.mode = Mode::Indented;
                true
            }
            Mode::Go => line.ends_with(b")") || line.ends_with(b":"),
            Mode::None | Mode::Indented => logged && starts_with_exception(line),
        }
    }

    /// Notes an exception or a frame on a line of the trace.
    fn note(&mut self, line: &[u8]) {
        let text = line.trim_ascii();
        if let Some(place) = text.strip_prefix(b"File \"") {
            return self.note_python_frame(place);
        }
        if text.starts_with(b"at ")
            || memchr::memchr(b':', text).is_some()
                && self.mode == Mode::Go
                && line.starts_with(b"\t")
        {
            return self.note_frame(text);
        }
        let indented = matches!(line.first(), Some(b' ' | b'\t'));
        if !indented || ROOTS.iter().any(|root| text.starts_with(root.as_bytes())) {
            self.note_exceptions(text);
        }
    }

    /// The last exception of a chain is its root cause.
    fn note_exceptions(&mut self, text: &[u8]) {
        let head = &text[..text.len().min(300)];
        let text = String::from_utf8_lossy(head);
        let cause = ROOTS.iter().find_map(|root| text.strip_prefix(root));
        let (body, root) = (cause.unwrap_or(&text), cause.is_some());
        if let Some(name) = exception_in(body) {
            self.exception = clip(name);
            if root {
                // Frames of the outer exception tell less than the cause's.
                self.frame.clear();
                self.frame_is_foreign = false;
            }
        }
    }

    /// Python's innermost frame comes last: each of our own replaces the one
    /// before.
    fn note_python_frame(&mut self, place: &[u8]) {
        let text = String::from_utf8_lossy(&place[..place.len().min(400)]).into_owned();
        let Some((path, rest)) = text.split_once('"') else {
            return;
        };
        let number: String = rest
            .chars()
            .skip_while(|c| !c.is_ascii_digit())
            .take_while(char::is_ascii_digit)
            .collect();
        let foreign = is_foreign_path(path);
        if !foreign || self.frame.is_empty() || self.frame_is_foreign {
            self.frame = clip(&format!("{}:{number}", stem(path)));
            self.frame_is_foreign = foreign;
        }
    }

    /// `at a.b.Type.method(Type.java:39)`, `at fn (/app/x.js:1:2)`,
    /// `at Ns.Type.M() in /src/Type.cs:line 39`, `/src/x.go:39 +0x1d`,
    /// `at ./src/x.rs:39:5`. The innermost frame comes first.
    fn note_frame(&mut self, text: &[u8]) {
        if !self.frame.is_empty() && !self.frame_is_foreign {
            return;
        }
        let text = String::from_utf8_lossy(&text[..text.len().min(400)]).into_owned();
        let call = text.strip_prefix("at ").unwrap_or(&text);
        let place = if let Some((_, place)) = call.split_once(" in ") {
            place.replacen(":line ", ":", 1)
        } else if let Some((_, place)) = call.rsplit_once('(') {
            place.trim_end_matches(')').to_owned()
        } else {
            call.split(' ').next().unwrap_or_default().to_owned()
        };
        let mut parts = place.trim_start_matches("file://").split(':');
        let Some(path) = parts.next().filter(|path| path.contains('.')) else {
            return;
        };
        let number: String = parts
            .next()
            .unwrap_or_default()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        if number.is_empty() {
            return;
        }
        let foreign = is_foreign_call(call) || is_foreign_path(path);
        if self.frame.is_empty() || !foreign {
            self.frame = clip(&format!("{}:{number}", stem(path)));
            self.frame_is_foreign = foreign;
        }
    }

    fn note_rust_place(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(&line[..line.len().min(400)]).into_owned();
        let Some((_, place)) = text.split_once("panicked at ") else {
            return;
        };
        // Before 1.73: `panicked at 'text', src/main.rs:1:2`.
        let place = place.rsplit_once("', ").map_or(place, |(_, place)| place);
        let mut parts = place.split(':');
        let (Some(path), Some(number)) = (parts.next(), parts.next()) else {
            return;
        };
        "panic".clone_into(&mut self.exception);
        self.frame = clip(&format!("{}:{number}", stem(path)));
        self.frame_is_foreign = is_foreign_path(path);
    }
}

/// What stands before the cause of an exception: Java, .NET, Node.
const ROOTS: [&str; 3] = ["Caused by: ", "---> ", "[cause]: "];

/// How lines begin that belong to the event before them, wherever they are.
const STARTS: &[&[u8]] = &[
    b"Caused by: ",
    b"Suppressed: ",
    b"... ",
    b"--- End of ",
    b" ---> ",
    b"---> ",
    b"During handling of the above",
    b"The above exception was",
    b"stack backtrace:",
    b"note: run with",
    b"note: Some details",
    b"created by ",
    b"exit status ",
    b"[signal ",
    b"goroutine ",
    b"Wrapped by: ",
    b"Stack trace:",
    // The end of an object that Node prints over several lines.
    b"}",
    b"]",
];

/// Whether a line that begins with `byte` may be one of [`STARTS`], or is
/// indented.
#[inline]
fn may_continue(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\t'
            | b'C'
            | b'S'
            | b'.'
            | b'-'
            | b'D'
            | b'T'
            | b's'
            | b'n'
            | b'c'
            | b'e'
            | b'['
            | b'g'
            | b'W'
            | b'}'
            | b']'
    )
}

/// `java.io.IOException: text`, `KeyError: 'x'`, `TypeError`: a line whose first
/// word is an exception's name.
fn starts_with_exception(line: &[u8]) -> bool {
    let end = line
        .iter()
        .position(|byte| matches!(byte, b':' | b' '))
        .unwrap_or(line.len());
    let word = &line[..end];
    if !signs::EXCEPTION_ENDS
        .iter()
        .any(|tail| word.ends_with(tail.as_bytes()))
    {
        return false;
    }
    let Ok(word) = std::str::from_utf8(word) else {
        return false;
    };
    let last = word.rsplit(['.', '$', '+']).next().unwrap_or(word);
    (signs::is_exception_name(last) || last != word && last == "Error")
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '$' | '+'))
}

/// The first exception named in `text`, without its package.
pub(crate) fn exception_in(text: &str) -> Option<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .find(|word| signs::is_exception_name(word))
}

/// `/a/b/UserResource.java` → `UserResource`.
fn stem(path: &str) -> &str {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

fn clip(text: &str) -> String {
    let end = text
        .char_indices()
        .map(|(at, _)| at)
        .nth(MAX_NAME_BYTES)
        .unwrap_or(text.len());
    text[..end].to_owned()
}

fn contains(text: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(text, needle).is_some()
}

/// Code of the language, its runtime, and the frameworks most applications
/// stand on: a frame there does not tell where the mistake is.
fn is_foreign_call(call: &str) -> bool {
    const PACKAGES: &[&str] = &[
        "java.",
        "javax.",
        "jakarta.",
        "jdk.",
        "sun.",
        "com.sun.",
        "kotlin.",
        "kotlinx.",
        "scala.",
        "clojure.",
        "groovy.",
        "org.springframework.",
        "org.apache.",
        "org.hibernate.",
        "org.jboss.",
        "org.eclipse.",
        "io.quarkus.",
        "io.vertx.",
        "io.netty.",
        "io.smallrye.",
        "io.undertow.",
        "io.micronaut.",
        "io.grpc.",
        "reactor.",
        "rx.",
        "io.reactivex.",
        "com.fasterxml.",
        "com.google.",
        "com.zaxxer.",
        "akka.",
        "okhttp3.",
        "System.",
        "Microsoft.",
        "java.base/",
        "std::",
        "core::",
        "alloc::",
        "tokio::",
    ];
    PACKAGES.iter().any(|package| call.starts_with(package))
        || call.contains("node:internal")
        || call.contains("(internal/")
}

fn is_foreign_path(path: &str) -> bool {
    const PIECES: &[&str] = &[
        "site-packages/",
        "dist-packages/",
        "/usr/lib/python",
        "/usr/local/lib/python",
        "/lib/python3",
        "node_modules/",
        "node:",
        "/usr/local/go/",
        "/usr/lib/go",
        "/go/pkg/mod/",
        "/vendor/",
        "/runtime/",
        "/rustc/",
        ".cargo/registry/",
        "<frozen",
        "<string>",
        "/gems/",
    ];
    PIECES.iter().any(|piece| path.contains(piece))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_start_may_continue() {
        for start in STARTS {
            assert!(may_continue(start[0]), "{}", String::from_utf8_lossy(start));
        }
    }

    fn read(lines: &str) -> (String, String, usize) {
        let mut trace = Trace::default();
        let mut events = 0;
        for (index, line) in lines.lines().enumerate() {
            let line = line.as_bytes();
            if index > 0
                && (trace.opens_prefixed(line, true) || trace.continues(line, Level::Error))
            {
                continue;
            }
            if line.is_empty() {
                continue;
            }
            events += 1;
            trace.first_line(line);
        }
        (trace.exception, trace.frame, events)
    }

    #[test]
    fn names_the_exception_and_our_own_top_frame() {
        let cases: &[(&str, &str, &str)] = &[
            (
                "ERROR request failed\njava.lang.RuntimeException: outer\n\tat org.acme.Outer.run(Outer.java:7)\nCaused by: java.lang.NullPointerException: name\n\tat java.util.Objects.requireNonNull(Objects.java:233)\n\tat org.acme.UserResource.get(UserResource.java:39)\n\t... 12 more",
                "NullPointerException",
                "UserResource:39",
            ),
            (
                "ERROR boom\nTraceback (most recent call last):\n  File \"/app/main.py\", line 12, in <module>\n    run()\n  File \"/usr/lib/python3/dist-packages/x.py\", line 5, in run\n    raise KeyError(1)\nKeyError: 1",
                "KeyError",
                "main:12",
            ),
            (
                "2018 1 ERROR a.b [-] Exception: KeyError\n2018 1 ERROR a.b Traceback (most recent call last):\n2018 1 ERROR a.b   File \"/srv/manager.py\", line 9, in f\n2018 1 ERROR a.b     x()\n2018 1 ERROR a.b KeyError: 'y'\n2018 1 ERROR a.b ",
                "KeyError",
                "manager:9",
            ),
            (
                "panic: runtime error: index out of range [5] with length 3\n\ngoroutine 1 [running]:\nruntime.goexit()\n\t/usr/local/go/src/runtime/asm.s:1 +0x1\nmain.handle(0x1)\n\t/src/server.go:42 +0x1d\nmain.main()\n\t/src/main.go:9 +0x20\nexit status 2",
                "",
                "server:42",
            ),
            (
                "thread 'main' panicked at src/store.rs:17:9:\nindex out of bounds\nnote: run with `RUST_BACKTRACE=1`",
                "panic",
                "store:17",
            ),
            (
                "Error: it broke\nTypeError: x is not a function\n    at handle (/app/src/routes.js:8:11)\n    at node:internal/main:1:2",
                "TypeError",
                "routes:8",
            ),
            (
                "fail: App[0]\nSystem.InvalidOperationException: no\n   at System.Linq.First() in /_/x.cs:line 1\n   at App.Users.Get() in /src/Users.cs:line 33",
                "InvalidOperationException",
                "Users:33",
            ),
        ];
        for (lines, exception, frame) in cases {
            let read = read(lines);
            assert_eq!(
                (read.0.as_str(), read.1.as_str(), read.2),
                (*exception, *frame, 1),
                "{lines}"
            );
        }
    }

    #[test]
    fn chained_exceptions_are_one_event() {
        let cases: &[(&str, &str)] = &[
            (
                "ERROR boom\nTraceback (most recent call last):\n  File \"/app/a.py\", line 1, in f\nKeyError: 1\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"/app/b.py\", line 2, in g\nValueError: 2",
                "ValueError",
            ),
            (
                "fail: App[0]\nSystem.AggregateException: one\n ---> System.TimeoutException: two\n   at App.Db.Get() in /src/Db.cs:line 3\n   --- End of inner exception stack trace ---\n   at App.Main() in /src/Main.cs:line 4",
                "TimeoutException",
            ),
            (
                "Error: outer\n    at run (/app/a.js:1:2) {\n  [cause]: TypeError: inner\n      at b (/app/b.js:3:4)\n}",
                "TypeError",
            ),
        ];
        for (lines, exception) in cases {
            let read = read(lines);
            assert_eq!((read.0.as_str(), read.2), (*exception, 1), "{lines}");
        }
    }

    #[test]
    fn a_prefixed_traceback_may_begin_an_event() {
        let lines = "t 1 ERROR a.b Traceback (most recent call last):\nt 1 ERROR a.b   File \"/srv/m.py\", line 9, in f\nt 2 ERROR a.b     x()\nt 2 ERROR a.b KeyError: 1\nt 2 ERROR a.b\nt 3 ERROR a.b [-] next";
        assert_eq!(read(lines), (String::new(), String::new(), 2));
    }

    #[test]
    fn the_line_after_a_trace_is_an_event_of_its_own() {
        for trace in [
            "ERROR x\nTraceback (most recent call last):\n  File \"a.py\", line 1, in f\nKeyError: 1\n2026-01-01 INFO next",
            "panic: x\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:9 +0x20\n2026-01-01 INFO next",
            "thread 'main' panicked at src/a.rs:1:1:\nmessage\n2026-01-01 INFO next",
            "ERROR x\njava.lang.Error: y\n\tat a.B.c(B.java:1)\n2026-01-01 INFO next",
        ] {
            assert_eq!(read(trace).2, 2, "{trace}");
        }
    }
}
