//! Writes lines to standard output without ever holding up a request.
//!
//! One thread owns the output. Lines wait for it in a bounded queue; when the
//! reader (a container runtime, a pipe) is slower than that, lines are left
//! out and their number is written instead, as soon as there is room. A reader
//! that has gone away is no failure: what follows is thrown away.

use std::io::{BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::time::Duration;

/// Lines that may wait for the output: some seconds at full load, and less
/// than 1 MiB of memory.
const QUEUE_LINES: usize = 4_096;

/// A handle to the output; clones share it.
#[derive(Clone, Debug)]
pub struct Log {
    queue: SyncSender<String>,
    left_out: Arc<AtomicU64>,
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
    start_with(output, QUEUE_LINES)
}

fn start_with(
    output: impl Write + Send + 'static,
    queue_lines: usize,
) -> std::io::Result<(Log, LogThread)> {
    let (queue, lines) = sync_channel(queue_lines);
    let (end, ended) = channel();
    let left_out = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&left_out);
    std::thread::Builder::new()
        .name("log".to_owned())
        .stack_size(128 * 1024)
        .spawn(move || {
            write_all(BufWriter::new(output), &lines, &counter);
            // Nobody listens when the process did not wait for the last lines.
            let _ = end.send(());
        })?;
    Ok((Log { queue, left_out }, LogThread { ended }))
}

impl Log {
    /// Writes a line, or several that belong together; the newline is added.
    pub fn write(&self, mut text: String) {
        text.push('\n');
        match self.queue.try_send(text) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.left_out.fetch_add(1, Ordering::Relaxed);
            }
        }
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

fn write_all(mut output: impl Write, lines: &Receiver<String>, left_out: &AtomicU64) {
    let mut broken = false;
    while let Ok(first) = lines.recv() {
        let mut next = Some(first);
        // Flush once for all that waits, not once a line.
        while let Some(line) = next {
            broken = broken || output.write_all(line.as_bytes()).is_err();
            next = lines.try_recv().ok();
        }
        let lost = left_out.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let notice = format!("WARN log: {lost} lines left out, the reader is too slow\n");
            broken = broken || output.write_all(notice.as_bytes()).is_err();
        }
        broken = broken || output.flush().is_err();
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
            log.write(line.to_owned());
        }
        drop(log);
        thread.finish(LONG);
        assert_eq!(*pipe.0.lock().unwrap(), b"200 - blue\nERROR x\n\tat y\n");
    }

    #[test]
    fn a_slow_reader_costs_lines_and_is_told_how_many() {
        let pipe = Pipe::default();
        let held = pipe.0.lock().unwrap();
        // While the lock is held the writer can take at most what its buffer
        // holds; each of these lines is larger than that buffer.
        let line = "x".repeat(10_000);
        let (log, thread) = start_with(pipe.clone(), 2).unwrap();
        for _ in 0..100 {
            log.write(line.clone());
        }
        drop(held);
        drop(log);
        thread.finish(LONG);
        let written = String::from_utf8(pipe.0.lock().unwrap().clone()).unwrap();
        let whole = written.lines().filter(|written| **written == line).count();
        assert!(whole <= 3, "{whole} lines waited in a queue of 2");
        let notice = format!("WARN log: {} lines left out", 100 - whole);
        assert!(written.contains(&notice), "{notice}");
    }

    #[test]
    fn a_dead_reader_is_no_failure() {
        let (log, thread) = start(Dead).unwrap();
        for _ in 0..10 {
            log.write("200 - blue".to_owned());
        }
        drop(log);
        thread.finish(LONG);
    }
}
