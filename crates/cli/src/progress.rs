//! Tells who watches that work goes on, and how long it has taken.

use std::io::Write as _;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Work shorter than this needs no progress, and the pause between two signs
/// of it.
const EVERY_MS: u64 = 1_000;

/// Does the work; when `shown`, says on standard error each second what is
/// being done, and wipes that line before it returns.
pub fn while_working<T: Send>(
    what: impl Fn() -> String + Send,
    shown: bool,
    work: impl FnOnce() -> T + Send,
) -> T {
    if !shown {
        return work();
    }
    let start = Instant::now();
    let (end, ended) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut said = false;
            while ended.recv_timeout(Duration::from_millis(EVERY_MS))
                == Err(RecvTimeoutError::Timeout)
            {
                let seconds = start.elapsed().as_secs();
                let line = format!("\r\u{1b}[K{}, {seconds} s", what());
                said |= std::io::stderr().lock().write_all(line.as_bytes()).is_ok();
            }
            if said {
                // It is only for the eye.
                let _ = write!(std::io::stderr().lock(), "\r\u{1b}[K");
            }
        });
        let done = work();
        drop(end);
        done
    })
}
