//! Says on stderr what is being done and how long it has taken.

use std::io::Write;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How often work that takes long says that it is still going on.
const STILL_EVERY: Duration = Duration::from_secs(15);

/// Writes one line to stderr. A reader who has gone is no reason to stop.
pub fn say(line: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ignored = writeln!(stderr, "{line}");
}

/// Does `work` and says what it is, at intervals that it still goes on, and
/// how many seconds it took.
pub fn step<T, E>(what: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let start = Instant::now();
    say(&format!("{what} …"));
    let (done, waiting) = mpsc::channel::<()>();
    let result = thread::scope(|scope| {
        scope.spawn(move || {
            while waiting.recv_timeout(STILL_EVERY) == Err(RecvTimeoutError::Timeout) {
                say(&format!("{what} … {} s", start.elapsed().as_secs()));
            }
        });
        let result = work();
        drop(done);
        result
    });
    let word = if result.is_ok() { "done" } else { "failed" };
    say(&format!(
        "{what}: {word} in {:.1} s",
        start.elapsed().as_secs_f32()
    ));
    result
}
