//! Writes lines to standard output without ever holding up a request.
//!
//! One thread owns the output. What is to be written waits for it in a bounded
//! buffer, and is taken from there in one piece every few milliseconds: waking
//! a thread for each line costs more than the line. When the reader (a
//! container runtime, a pipe) is slower than that, lines are left out and their
//! number is written instead, as soon as there is room. A reader that has gone
//! away is no failure: what follows is thrown away.

use std::io::Write;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What may wait for the output, in bytes: a tenth of a second at full load.
/// There are two such buffers (the other one is being written), each of which
/// grows by doubling: less than 3 MiB in all.
const WAITING_BYTES: usize = 512 * 1024;
/// How long lines gather before they are written.
const GATHER_MS: u64 = 10;

/// A handle to the output; clones share it.
#[derive(Clone, Debug)]
pub struct Log(Arc<Handle>);

/// What all clones share; the thread ends when it is gone.
#[derive(Debug)]
struct Handle(Arc<Queue>);

#[derive(Debug)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    most_bytes: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    text: String,
    /// Lines for which there was no room.
    left_out: u64,
    /// Nobody will write any more.
    ended: bool,
}

/// The thread that owns the output.
#[derive(Debug)]
pub struct LogThread {
    ended: Receiver<()>,
}

/// Starts the thread that writes to `output`.
///
/// # Errors
/// The thread could not be started.
pub fn start(output: impl Write + Send + 'static) -> std::io::Result<(Log, LogThread)> {
    start_with(output, WAITING_BYTES)
}

fn start_with(
    output: impl Write + Send + 'static,
    most_bytes: usize,
) -> std::io::Result<(Log, LogThread)> {
    let queue = Arc::new(Queue {
        waiting: Mutex::default(),
        changed: Condvar::new(),
        most_bytes,
    });
    let (end, ended) = channel();
    let read = Arc::clone(&queue);
    std::thread::Builder::new()
        .name("log".to_owned())
        .stack_size(128 * 1024)
        .spawn(move || {
            write_all(output, &read);
            // Nobody listens when the process did not wait for the last lines.
            let _ = end.send(());
        })?;
    Ok((Log(Arc::new(Handle(queue))), LogThread { ended }))
}

impl Log {
    /// Writes a line, or several that belong together; the newline is added.
    pub fn write(&self, text: &str) {
        self.add(|out| {
            out.push_str(text);
            out.push('\n');
        });
    }

    /// Lets `write` add lines that belong together, each with its newline,
    /// where there is room.
    pub fn add(&self, write: impl FnOnce(&mut String)) {
        let queue = &self.0.0;
        let mut waiting = queue.lock();
        if waiting.text.len() >= queue.most_bytes {
            waiting.left_out += 1;
            return;
        }
        let was_empty = waiting.text.is_empty();
        write(&mut waiting.text);
        drop(waiting);
        if was_empty {
            queue.changed.notify_one();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_one();
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines and lets some gather; puts them into `text`, which is
    /// empty, and tells how many were left out. Nothing at the end.
    fn take(&self, text: &mut String) -> Option<u64> {
        let waits = |waiting: &mut Waiting| waiting.text.is_empty() && !waiting.ended;
        let waiting = self.changed.wait_while(self.lock(), waits);
        let waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        let gather = Duration::from_millis(GATHER_MS);
        let gathered = self
            .changed
            .wait_timeout_while(waiting, gather, |waiting| !waiting.ended);
        let (mut waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        if waiting.text.is_empty() && waiting.ended {
            return None;
        }
        std::mem::swap(&mut waiting.text, text);
        Some(std::mem::take(&mut waiting.left_out))
    }
}

impl LogThread {
    /// Waits until all lines are written (every [`Log`] must be gone), at most
    /// for `limit`.
    pub fn finish(self, limit: Duration) {
        // Past the limit the reader has stopped reading: its loss.
        let _ = self.ended.recv_timeout(limit);
    }
}

fn write_all(mut output: impl Write, queue: &Queue) {
    let mut broken = false;
    let mut text = String::new();
    while let Some(left_out) = queue.take(&mut text) {
        if left_out > 0 {
            text.push_str(&format!(
                "WARN log: {left_out} lines left out, the reader is too slow\n"
            ));
        }
        broken = broken || output.write_all(text.as_bytes()).is_err();
        broken = broken || output.flush().is_err();
        text.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use super::*;

    /// An output that is read only while the test holds no lock on it.
    #[derive(Clone, Default)]
    struct Pipe(Arc<Mutex<Vec<u8>>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Dead;

    impl Write for Dead {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn lines_come_out_whole_and_in_order() {
        let pipe = Pipe::default();
        let (log, thread) = start(pipe.clone()).unwrap();
        for line in ["200 - blue", "ERROR x\n\tat y"] {
            log.write(line);
        }
        drop(log);
        thread.finish(LONG);
        assert_eq!(*pipe.0.lock().unwrap(), b"200 - blue\nERROR x\n\tat y\n");
    }

    #[test]
    fn a_slow_reader_costs_lines_and_is_told_how_many() {
        let pipe = Pipe::default();
        let held = pipe.0.lock().unwrap();
        // While the lock is held the writer has taken at most what waited
        // once, and as much again waits.
        let line = "x".repeat(10_000);
        let (log, thread) = start_with(pipe.clone(), 15_000).unwrap();
        for _ in 0..100 {
            log.write(&line);
        }
        drop(held);
        drop(log);
        thread.finish(LONG);
        let written = String::from_utf8(pipe.0.lock().unwrap().clone()).unwrap();
        let whole = written.lines().filter(|written| **written == line).count();
        assert!(whole <= 4, "{whole} lines waited where two find room");
        let left_out: usize = written
            .lines()
            .filter_map(|line| {
                line.strip_prefix("WARN log: ")?
                    .split(' ')
                    .next()?
                    .parse::<usize>()
                    .ok()
            })
            .sum();
        assert_eq!(whole + left_out, 100, "none is lost in silence");
    }

    #[test]
    fn a_dead_reader_is_no_failure() {
        let (log, thread) = start(Dead).unwrap();
        for _ in 0..10 {
            log.write("200 - blue");
        }
        drop(log);
        thread.finish(LONG);
    }
}
