//! The same work on many inputs, on every core, with progress on stderr.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Time between two words about progress where stderr is no terminal.
const QUIET: Duration = Duration::from_secs(15);

/// What each item becomes, in the items' order, whatever the number of
/// threads.
pub fn map<T: Sync, R: Send>(what: &str, items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(items.len().max(1));
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let progress = Mutex::new(Progress::new(what, items.len()));
    let worker = || {
        let mut results = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else {
                return results;
            };
            results.push((index, work(item)));
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if let Ok(mut progress) = progress.try_lock() {
                progress.say(done);
            }
        }
    };
    let mut results = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        let mut results = Vec::with_capacity(items.len());
        for worker in workers {
            match worker.join() {
                Ok(part) => results.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    });
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

struct Progress<'a> {
    what: &'a str,
    of: usize,
    last: Instant,
    every: Duration,
}

impl<'a> Progress<'a> {
    fn new(what: &'a str, of: usize) -> Self {
        let every = if std::io::stderr().is_terminal() {
            Duration::from_millis(500)
        } else {
            QUIET
        };
        Self {
            what,
            of,
            last: Instant::now(),
            every,
        }
    }

    fn say(&mut self, done: usize) {
        if self.last.elapsed() < self.every {
            return;
        }
        self.last = Instant::now();
        // Nobody may be listening; the work goes on.
        let _ = writeln!(std::io::stderr(), "{}: {done} of {}", self.what, self.of);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<u32> = (0..500).collect();
        let doubled = map("test", &items, |n| n * 2);
        assert!(doubled.iter().zip(&items).all(|(twice, n)| *twice == n * 2));
        assert_eq!(map("none", &[] as &[u32], |n| *n), Vec::<u32>::new());
    }
}
