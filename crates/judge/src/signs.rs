//! Words that mean failure, whatever the level says.
//!
//! Looked for once per template, never once per line. INFO lines can carry the
//! failure ("received exception", "switched to FAILED") and error words the
//! opposite ("errors: 0"); the word "fatal" is not a crash: only the marks
//! that runtimes leave when a process dies are.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use serde::{Deserialize, Serialize};

/// What a process leaves behind when it dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crash {
    /// A panic of Go or Rust, an abort of C++, an unhandled exception of .NET,
    /// Node or a JVM's thread.
    Panic,
    /// An invalid memory access.
    Segfault,
    /// No memory left.
    OutOfMemory,
    /// A Python traceback that nothing caught. A crash only where the process
    /// ended with it.
    Traceback,
}

impl Crash {
    /// A few words for a message.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Segfault => "segmentation fault",
            Self::OutOfMemory => "out of memory",
            Self::Traceback => "uncaught exception",
        }
    }
}

/// Marks that stand at the start of a line: as anything else (a path that a
/// client asked for, a quoted message) they mean nothing.
const AT_START: &[(&str, Crash)] = &[
    ("panic: ", Crash::Panic),
    ("fatal error: runtime: out of memory", Crash::OutOfMemory),
    ("fatal error: ", Crash::Panic),
    ("[signal SIGSEGV", Crash::Segfault),
    ("SIGSEGV: segmentation violation", Crash::Segfault),
    (
        "# A fatal error has been detected by the Java Runtime Environment",
        Crash::Segfault,
    ),
    (
        "# There is insufficient memory for the Java Runtime Environment",
        Crash::OutOfMemory,
    ),
    (
        "Terminating due to java.lang.OutOfMemoryError",
        Crash::OutOfMemory,
    ),
    ("Exception in thread ", Crash::Panic),
    ("Unhandled exception. ", Crash::Panic),
    ("Unhandled Exception: ", Crash::Panic),
    ("terminate called after throwing", Crash::Panic),
    ("terminate called without an active exception", Crash::Panic),
    ("Segmentation fault", Crash::Segfault),
    ("Fatal Python error: ", Crash::Segfault),
    ("*** stack smashing detected", Crash::Segfault),
    ("double free or corruption", Crash::Segfault),
    ("free(): invalid", Crash::Segfault),
    ("malloc(): ", Crash::Segfault),
    ("FATAL ERROR: ", Crash::OutOfMemory),
    ("memory allocation of ", Crash::OutOfMemory),
    ("fatal runtime error: ", Crash::Panic),
    ("Aborted (core dumped)", Crash::Panic),
    ("Bus error", Crash::Segfault),
    ("Illegal instruction", Crash::Segfault),
    ("java.lang.OutOfMemoryError", Crash::OutOfMemory),
    (
        "PHP Fatal error:  Allowed memory size of ",
        Crash::OutOfMemory,
    ),
    ("[FATAL] failed to allocate memory", Crash::OutOfMemory),
    ("eheap_alloc: Cannot allocate ", Crash::OutOfMemory),
    ("Crash dump is being written to: ", Crash::Panic),
    ("Kernel pid terminated ", Crash::Panic),
    ("{\"Kernel pid terminated\"", Crash::Panic),
    ("PHP Fatal error:  Uncaught ", Crash::Traceback),
    ("Traceback (most recent call last)", Crash::Traceback),
];

/// Which crash a line is the mark of.
pub(crate) fn crash(line: &str, errors: bool) -> Option<Crash> {
    let start = line.trim_start();
    if let Some((_, crash)) = AT_START.iter().find(|(mark, _)| start.starts_with(mark)) {
        // V8 writes "FATAL ERROR: … JavaScript heap out of memory"; anyone may
        // write the first two words.
        let v8 = !start.starts_with("FATAL ERROR: ")
            || start.contains("heap out of memory")
            || start.contains("Allocation failed");
        if start.starts_with("Exception in thread ") && start.contains("OutOfMemoryError") {
            return Some(Crash::OutOfMemory);
        }
        return v8.then_some(*crash);
    }
    if start.starts_with("thread '") && start.contains("' panicked at ") || is_new_rust_panic(start)
    {
        return Some(Crash::Panic);
    }
    if errors && start.contains("java.lang.OutOfMemoryError") {
        return Some(Crash::OutOfMemory);
    }
    if start.contains(": Assertion `") && start.ends_with("' failed.") || is_uncaught_in_node(start)
    {
        return Some(Crash::Panic);
    }
    is_uncaught_in_ruby(start).then_some(Crash::Traceback)
}

/// Whether a line says that a process is starting.
pub(crate) fn starts(line: &str) -> bool {
    const WORDS: [&str; 6] = [
        "starting",
        "started",
        "booting",
        "initializ",
        "listening",
        "version",
    ];
    let lower = line.to_ascii_lowercase();
    WORDS.iter().any(|word| lower.contains(word))
}

/// `/app/src/main.js:61`, a line that Node writes above the source that threw
/// what nobody caught.
fn is_uncaught_in_node(line: &str) -> bool {
    let place = line.strip_prefix("file://").unwrap_or(line);
    let Some((path, number)) = place.rsplit_once(':') else {
        return false;
    };
    (path.starts_with('/') || path.starts_with("node:"))
        && !path.contains(' ')
        && [".js", ".mjs", ".cjs", ".ts", "loader"]
            .iter()
            .any(|end| path.ends_with(end))
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// ``/app/run.rb:61:in `run': queue is closed (RuntimeError)``
fn is_uncaught_in_ruby(line: &str) -> bool {
    let Some((place, rest)) = line.split_once(":in ") else {
        return false;
    };
    let file = place
        .rsplit_once(':')
        .is_some_and(|(path, _)| path.ends_with(".rb") && !path.contains(' '));
    file && rest.ends_with(')')
        && rest
            .rsplit_once('(')
            .is_some_and(|(_, name)| is_exception_name(name.trim_end_matches(')')))
}

/// `thread 'main' (1234) panicked at src/main.rs:1:2:` of newer toolchains.
fn is_new_rust_panic(line: &str) -> bool {
    line.starts_with("thread '") && line.contains(") panicked at ")
}

/// Failure words that count in a line that states no level.
const FAILURE_WORDS: &[&str] = &[
    "error",
    "failed",
    "failure",
    "fatal",
    "exception",
    "unable to",
    "cannot ",
    "could not",
    "refused",
    "timed out",
];

/// What no line can be without that reports a failure or names an exception.
static FAILURE_HINT: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let words = ["fault", "panic"]
        .into_iter()
        .chain(FAILURE_WORDS.iter().copied())
        .chain(
            BROKEN
                .iter()
                .chain(WARNED)
                .chain(INFORMED)
                .chain(&SUMS)
                .copied(),
        );
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .build(words)
        .ok()
});

/// Whether a line may report a failure: one pass over lines of which most do
/// not.
fn hints_at_failure(line: &str) -> bool {
    FAILURE_HINT
        .as_ref()
        .is_none_or(|finder| finder.is_match(line))
}

/// Whether a line that states no level reports a failure.
pub(crate) fn reports_failure(line: &str) -> bool {
    if !hints_at_failure(line) {
        return false;
    }
    let lower = line.to_ascii_lowercase();
    FAILURE_WORDS.iter().any(|word| has_word(&lower, word))
}

/// What is said at whatever level when something is not there, does not answer
/// or is damaged.
const BROKEN: &[&str] = &[
    "connection refused",
    "connection reset",
    "connection timed out",
    "econnrefused",
    "econnreset",
    "etimedout",
    "timed out",
    "timeout exceeded",
    "readtimeout",
    "deadline exceeded",
    "no route to host",
    "host is unreachable",
    "service unavailable",
    "socket hang up",
    "circuit breaker is open",
    "out of memory",
    "no space left",
    "too many open files",
    "deadlock detected",
    "corrupt",
    "corrupted",
    "malformed",
    "mismatch",
    "inconsistent",
    "wrong crc",
    "truncated",
    "failed verification",
];

/// Words that report a failure where a line warns.
const WARNED: &[&str] = &[
    "failed",
    "failure",
    "cannot ",
    "could not",
    "unable to",
    "refused",
    "rejected",
    "retrying",
    "invalid",
    "denied",
    "unavailable",
    "timeout",
];

/// What data are checked by, and how it is said that they do not pass.
const SUMS: [&str; 5] = ["checksum", "crc", "digest", "hash", "signature"];
const NOT_PASSED: [&str; 6] = [
    "differ",
    "not match",
    "wrong",
    "bad",
    "invalid",
    "but expected",
];

/// Whether a line says that a checksum is not what it should be.
fn is_wrong_sum(lower: &str) -> bool {
    SUMS.iter().any(|sum| has_word(lower, sum))
        && NOT_PASSED.iter().any(|word| lower.contains(word))
}

/// Those that do so at INFO as well.
const INFORMED: &[&str] = &["failed", "failure", "could not", "unable to", "invalid"];

/// Whether a line that states a level below ERROR nevertheless reports that
/// something broke: an exception by its class name, a state `FAILED`, what is
/// not there or damaged; at WARN any failure.
pub(crate) fn hides_failure(line: &str, warns: bool) -> bool {
    if !hints_at_failure(line) {
        return false;
    }
    let lower = line.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| has_word(&lower, word));
    if is_wrong_sum(&lower) || says(BROKEN) || says(if warns { WARNED } else { INFORMED }) {
        return true;
    }
    has_exception_name(line)
        || line
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(|word| word == "FAILED")
        || has_word(&line.to_ascii_lowercase(), "exception")
}

/// Whether `lower` holds `word`, not as part of an identifier, not negated and
/// not counted as none.
fn has_word(lower: &str, word: &str) -> bool {
    let mut from = 0;
    while let Some(at) = lower.get(from..).and_then(|rest| rest.find(word)) {
        let start = from + at;
        let end = start + word.len();
        from = end;
        let joined = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/' | b'-');
        let before = lower.as_bytes()[..start].last().is_some_and(joined);
        let rest = &lower[end..];
        let rest = rest.strip_prefix('s').unwrap_or(rest);
        let after = rest.as_bytes().first().is_some_and(joined) && !word.ends_with(' ');
        if !before && !after && !is_negated(&lower[..start]) && !is_count_of_none(rest) {
            return true;
        }
    }
    false
}

/// "no error", "0 errors", "without errors": counts (masked as `<*>`) as well.
fn is_negated(before: &str) -> bool {
    let word = before
        .trim_end()
        .rsplit(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '(' | '=' | ':'))
        .next()
        .unwrap_or_default();
    matches!(
        word,
        "no" | "0" | "without" | "zero" | "not" | "non" | "any" | "never" | "<*>" | "if" | "on"
    )
}

/// "errors: 0", "error=null", "failures=<*>": a field, and not a report.
fn is_count_of_none(after: &str) -> bool {
    let Some(value) = after.strip_prefix([':', '=']) else {
        return after.starts_with("\":");
    };
    let value = value.trim_start().trim_start_matches(['"', '\'']);
    value.is_empty()
        || value.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '*' | '<') || c == '-')
        || ["null", "nil", "none", "false", "<nil>", "ok"]
            .iter()
            .any(|none| value.starts_with(none))
}

/// A name such as `KeyError` or `java.io.IOException`.
fn has_exception_name(line: &str) -> bool {
    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .any(is_exception_name)
}

/// How the names of exceptions' classes end.
pub(crate) const EXCEPTION_ENDS: [&str; 4] = ["Exception", "Error", "Fault", "Panic"];

/// Whether a word is an exception's class name by its look.
pub(crate) fn is_exception_name(word: &str) -> bool {
    let tail = EXCEPTION_ENDS
        .iter()
        .find_map(|tail| word.strip_suffix(tail));
    tail.is_some_and(|head| head.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// Exceptions that say that the code itself is wrong: a name, a type, an
/// argument, an attribute, a class or a null where there must be something.
/// Bad input, a slow peer or a full disk raise others. A map's missing key is
/// not among them: it may as well be the data's fault.
const DEFECTS: &[&str] = &[
    // Python
    "TypeError",
    "AttributeError",
    "NameError",
    "UnboundLocalError",
    "ImportError",
    "ModuleNotFoundError",
    "NotImplementedError",
    "SyntaxError",
    "IndexError",
    "ZeroDivisionError",
    "RecursionError",
    "AssertionError",
    // JavaScript (TypeError and SyntaxError as above)
    "ReferenceError",
    "RangeError",
    // Ruby (NameError as above)
    "NoMethodError",
    "ArgumentError",
    // Java
    "NullPointerException",
    "ClassCastException",
    "IndexOutOfBoundsException",
    "ArrayIndexOutOfBoundsException",
    "StringIndexOutOfBoundsException",
    "NegativeArraySizeException",
    "ArithmeticException",
    "UnsupportedOperationException",
    "NoSuchMethodError",
    "NoSuchFieldError",
    "NoClassDefFoundError",
    "ClassNotFoundException",
    "AbstractMethodError",
    "IllegalAccessError",
    "IncompatibleClassChangeError",
    "UnsatisfiedLinkError",
    "ExceptionInInitializerError",
    "LinkageError",
    "VerifyError",
    "StackOverflowError",
    // .NET
    "NullReferenceException",
    "InvalidCastException",
    "IndexOutOfRangeException",
    "DivideByZeroException",
    "ArgumentNullException",
    "MissingMethodException",
    "MissingFieldException",
    "TypeLoadException",
    "NotImplementedException",
];

/// Whether an exception's name says that the code itself is wrong.
pub(crate) fn is_defect(exception: &str) -> bool {
    let name = exception
        .rsplit(['.', ':', '$'])
        .next()
        .unwrap_or(exception);
    DEFECTS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crash_marks_stand_at_the_start() {
        let cases: &[(&str, Option<Crash>)] = &[
            (
                "panic: runtime error: index out of range [5]",
                Some(Crash::Panic),
            ),
            (
                "thread 'main' panicked at src/main.rs:4:5:",
                Some(Crash::Panic),
            ),
            (
                "thread 'tokio-rt' (77) panicked at src/main.rs:4:5:",
                Some(Crash::Panic),
            ),
            (
                "[signal SIGSEGV: segmentation violation code=0x1]",
                Some(Crash::Segfault),
            ),
            (
                "Exception in thread \"main\" java.lang.NullPointerException",
                Some(Crash::Panic),
            ),
            (
                "Exception in thread \"main\" java.lang.OutOfMemoryError: Java heap space",
                Some(Crash::OutOfMemory),
            ),
            (
                "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
                Some(Crash::OutOfMemory),
            ),
            (
                "Unhandled exception. System.InvalidOperationException: x",
                Some(Crash::Panic),
            ),
            (
                "terminate called after throwing an instance of 'std::bad_alloc'",
                Some(Crash::Panic),
            ),
            ("/app/src/main.js:61", Some(Crash::Panic)),
            ("GET /app/src/main.js:61", None),
            (
                "a.out: x.c:57: place: Assertion `stock != 0' failed.",
                Some(Crash::Panic),
            ),
            (
                "/app/run.rb:61:in `run': closed (RuntimeError)",
                Some(Crash::Traceback),
            ),
            (
                "java.lang.OutOfMemoryError: Java heap space",
                Some(Crash::OutOfMemory),
            ),
            (
                "Crash dump is being written to: erl_crash.dump...done",
                Some(Crash::Panic),
            ),
            ("GET /?q=panic: oh no", None),
            ("FATAL: password authentication failed", None),
            ("FATAL ERROR: cannot reach the printer", None),
            ("fatal: not a git repository", None),
            ("http: panic serving 10.0.0.1:1: boom", None),
        ];
        for (line, crash_mark) in cases {
            assert_eq!(crash(line, false), *crash_mark, "{line}");
        }
    }

    #[test]
    fn lesson_7_info_lines_can_carry_the_failure_and_error_words_the_opposite() {
        for line in [
            "received exception from node",
            "task switched to FAILED",
            "caught java.io.IOException: broken pipe",
        ] {
            assert!(hides_failure(line, false), "{line}");
        }
        for line in [
            "finished, errors: 0",
            "0 errors",
            "no error found",
            "error=null",
            "completed without errors",
            "error_count=3 ok",
        ] {
            assert!(
                !hides_failure(line, true) && !reports_failure(line),
                "{line}"
            );
        }
        for line in [
            "connection refused",
            "request failed: timeout",
            "could not open file",
        ] {
            assert!(reports_failure(line), "{line}");
        }
        assert!(!hides_failure(
            "ErrorHandler registered, MySQL mode STRICT,ERROR_FOR_DIVISION",
            false
        ));
        for line in [
            "cannot reach http://a:1: connect: connection refused",
            "Post \"http://a\": context deadline exceeded",
            "checksum mismatch for order 7",
            "row 9 is corrupt",
            "block 7: checksum 12ab differs from 99ff",
            "page verification: calculated checksum 7 but expected 9",
        ] {
            assert!(hides_failure(line, false), "{line}");
        }
        for line in [
            "call refused, retrying",
            "token rejected",
            "upstream unavailable",
        ] {
            assert!(
                hides_failure(line, true) && !hides_failure(line, false),
                "{line}"
            );
        }
        for line in [
            "0 corrupt blocks",
            "no mismatch",
            "timeout=30 retries=5",
            "price list is old",
        ] {
            assert!(!hides_failure(line, true), "{line}");
        }
    }
}
