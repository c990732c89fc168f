//! Evidence from files: logs, plain or gzip, and what `kubectl get -o json`
//! says about pods and events.
//!
//! Files are profiled as they are read, side by side on a few threads, and
//! never held in memory.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use flate2::read::MultiGzDecoder;
use judge::evidence::{ArmEvidence, LeftOut, LogProfile, PodState, Window};
use judge::profile::{Profile, ProfileOptions, Profiler};
use judge::{Arm, Evidence};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::GatherError;
use crate::objects::{Event, Pod};
use crate::request::{Coverage, Gathered};

/// Bytes of one log after decompression: a gzip file of a megabyte can hold a
/// thousand, and reading must end.
pub const MAX_LOG_BYTES: u64 = 8 << 30;

/// Bytes of one file of pods or events.
pub const MAX_JSON_BYTES: u64 = 64 << 20;

/// Threads that read: more do not help, since each keeps a core busy.
const MAX_THREADS: usize = 8;

/// Bytes that are read at a time.
const CHUNK_BYTES: usize = 128 << 10;

/// The bytes by which gzip is known.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Bytes at a log's start that are looked at to tell text from binary.
const HEAD_BYTES: usize = 8 << 10;

/// One log.
pub enum Log {
    /// A file.
    File(PathBuf),
    /// Something that is open already, and what to call it (`-`).
    Open {
        /// What to call it.
        name: String,
        /// Where it is read from.
        reader: Box<dyn Read + Send>,
    },
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Log").field(&self.name()).finish()
    }
}

impl Log {
    /// What is known of its size before it is read; what is open already may
    /// have any size.
    fn size_bytes(&self) -> u64 {
        match self {
            Self::File(path) => path.metadata().map_or(0, |metadata| metadata.len()),
            Self::Open { .. } => u64::MAX,
        }
    }

    /// The path, or what it is called.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Open { name, .. } => name.clone(),
        }
    }
}

/// What to read.
#[derive(Debug, Default)]
pub struct Sources {
    /// Stable's logs.
    pub stable: Vec<Log>,
    /// The canary's logs.
    pub canary: Vec<Log>,
    /// Stable's pods, as `kubectl get pods -o json` writes them.
    pub stable_pods: Option<PathBuf>,
    /// The canary's pods, in the same form.
    pub canary_pods: Option<PathBuf>,
    /// Events, as `kubectl get events -o json` writes them; those about the
    /// pods of either arm count.
    pub events: Option<PathBuf>,
}

/// Reads everything: does I/O, and keeps the caller's thread until it is done.
///
/// # Errors
///
/// [`GatherError`] naming the file: not there, a folder, binary, damaged gzip,
/// or not the JSON that was expected.
pub fn read(sources: Sources) -> Result<Gathered, GatherError> {
    let stable_pods = pods(sources.stable_pods.as_deref())?;
    let canary_pods = pods(sources.canary_pods.as_deref())?;
    let events: Vec<Event> = match &sources.events {
        Some(path) => objects(path)?,
        None => Vec::new(),
    };
    let counts = [sources.stable.len(), sources.canary.len()];
    let logs: Vec<(Arm, Log)> = sources
        .stable
        .into_iter()
        .map(|log| (Arm::Stable, log))
        .chain(sources.canary.into_iter().map(|log| (Arm::Canary, log)))
        .collect();
    let mut left_out = Vec::new();
    let mut stable = ArmEvidence {
        events: events_about(&events, &stable_pods),
        pods: stable_pods,
        ..ArmEvidence::default()
    };
    let mut canary = ArmEvidence {
        events: events_about(&events, &canary_pods),
        pods: canary_pods,
        ..ArmEvidence::default()
    };
    for (arm, log) in profile_all(logs)? {
        left_out.extend(log.left_out.map(|why| LeftOut {
            arm,
            what: log.name.clone(),
            why,
        }));
        let arm = match arm {
            Arm::Stable => &mut stable,
            Arm::Canary => &mut canary,
        };
        arm.logs.push(LogProfile {
            pod: log.name,
            container: String::new(),
            previous: false,
            profile: log.profile,
        });
    }
    left_out.sort();
    let coverage = |arm: &ArmEvidence, logs: usize, sought: &str| Coverage {
        sought: sought.to_owned(),
        pods: arm.pods.len().max(logs),
        logs_wanted: logs,
        logs_read: arm.logs.len(),
    };
    Ok(Gathered {
        stable: coverage(
            &stable,
            counts[0],
            "the stable side: no log and no pod was given",
        ),
        canary: coverage(
            &canary,
            counts[1],
            "the canary side: no log and no pod was given",
        ),
        evidence: Evidence {
            window: Window::unaligned(),
            stable,
            canary,
            carried: None,
            left_out,
        },
        canary_start_ms: None,
        last_step_end_ms: None,
    })
}

/// One log, read.
struct ReadLog {
    name: String,
    profile: Profile,
    left_out: Option<String>,
}

/// Profiles all logs on a few threads; the answer is in the logs' own order.
fn profile_all(logs: Vec<(Arm, Log)>) -> Result<Vec<(Arm, ReadLog)>, GatherError> {
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MAX_THREADS)
        .min(logs.len());
    // The largest first: one that is begun last would keep one core busy while
    // the others have nothing left to do.
    let mut logs: Vec<_> = logs.into_iter().enumerate().collect();
    logs.sort_by_key(|(index, (_, log))| (Reverse(log.size_bytes()), *index));
    let queue = Mutex::new(logs.into_iter());
    let work = || {
        let mut done = Vec::new();
        loop {
            // A poisoned lock means that a reader panicked: its panic is
            // passed on by the join below.
            let next = queue.lock().map(|mut queue| queue.next());
            let Ok(Some((index, (arm, log)))) = next else {
                return done;
            };
            done.push((index, arm, profile_one(log)));
        }
    };
    let mut read = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut read = Vec::new();
        for worker in workers {
            match worker.join() {
                Ok(done) => read.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        read
    });
    read.sort_by_key(|(index, _, _)| *index);
    read.into_iter()
        .map(|(_, arm, log)| Ok((arm, log?)))
        .collect()
}

fn profile_one(log: Log) -> Result<ReadLog, GatherError> {
    let name = log.name();
    let mut profiler = Profiler::new(ProfileOptions::default());
    let left_out = stream(log, &mut |bytes| profiler.push(bytes))?;
    Ok(ReadLog {
        name,
        profile: profiler.finish(),
        left_out,
    })
}

/// Reads a log, plain or gzip, piece by piece; why it was not read to its end,
/// if it was not, or that there is nothing in it.
///
/// # Errors
///
/// [`GatherError`] naming the file: not there, a folder, binary, or damaged
/// gzip.
pub fn stream(log: Log, each: &mut dyn FnMut(&[u8])) -> Result<Option<String>, GatherError> {
    let name = log.name();
    let mut reader: Box<dyn Read> = match log {
        Log::File(path) => Box::new(open(&path)?),
        Log::Open { reader, .. } => reader,
    };
    let read_error = |source| GatherError::ReadFile {
        file: name.clone(),
        source,
    };
    let mut head = vec![0; HEAD_BYTES];
    let length = fill(&mut reader, &mut head).map_err(read_error)?;
    head.truncate(length);
    let is_gzip = head.starts_with(&GZIP);
    let whole = io::Cursor::new(head).chain(reader);
    if is_gzip {
        let gzip_error = |source| GatherError::Gunzip {
            file: name.clone(),
            source,
        };
        let plain = MultiGzDecoder::new(io::BufReader::with_capacity(CHUNK_BYTES, whole));
        pieces(&name, plain, MAX_LOG_BYTES, each).map_err(|error| error.or(gzip_error))
    } else {
        pieces(&name, whole, MAX_LOG_BYTES, each).map_err(|error| error.or(read_error))
    }
}

/// Why the pieces of a log ended before it did.
enum Broken {
    Binary(GatherError),
    Io(io::Error),
}

impl Broken {
    fn or(self, io: impl FnOnce(io::Error) -> GatherError) -> GatherError {
        match self {
            Self::Binary(error) => error,
            Self::Io(source) => io(source),
        }
    }
}

fn pieces(
    name: &str,
    reader: impl Read,
    limit_bytes: u64,
    each: &mut dyn FnMut(&[u8]),
) -> Result<Option<String>, Broken> {
    // One byte more tells a log that is full from one that goes on.
    let mut reader = reader.take(limit_bytes.saturating_add(1));
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut total = 0_u64;
    loop {
        let length = fill(&mut reader, &mut chunk).map_err(Broken::Io)?;
        if total == 0 && is_binary(&chunk[..length.min(HEAD_BYTES)]) {
            return Err(Broken::Binary(GatherError::BinaryFile {
                file: name.to_owned(),
            }));
        }
        each(&chunk[..length]);
        total += length as u64;
        if total > limit_bytes {
            return Ok(Some(format!(
                "only its first {limit_bytes} bytes were read"
            )));
        }
        if length < chunk.len() {
            return Ok((total == 0).then(|| "the log is empty".to_owned()));
        }
    }
}

/// Reads until the buffer is full or the end is there.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match reader.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// Whether more than one byte in ten is a control character that no log has.
/// A few are common: a log that was cut while it was open starts with NULs.
fn is_binary(head: &[u8]) -> bool {
    let odd = head
        .iter()
        .filter(|&&byte| byte < 0x20 && !matches!(byte, b'\n' | b'\r' | b'\t' | 0x0c | 0x1b))
        .count();
    odd * 10 > head.len()
}

fn open(path: &Path) -> Result<File, GatherError> {
    let file = || path.display().to_string();
    let opened = File::open(path).map_err(|source| GatherError::OpenFile {
        file: file(),
        source,
    })?;
    let metadata = opened.metadata().map_err(|source| GatherError::OpenFile {
        file: file(),
        source,
    })?;
    if metadata.is_dir() {
        return Err(GatherError::Folder { file: file() });
    }
    Ok(opened)
}

/// `kubectl get … -o json` writes a list for several objects and the object
/// itself for one.
#[derive(Deserialize)]
struct Envelope {
    kind: String,
}

fn objects<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, GatherError> {
    let file = path.display().to_string();
    let mut text = Vec::new();
    open(path)?
        .take(MAX_JSON_BYTES + 1)
        .read_to_end(&mut text)
        .map_err(|source| GatherError::ReadFile {
            file: file.clone(),
            source,
        })?;
    if text.len() as u64 > MAX_JSON_BYTES {
        return Err(GatherError::JsonTooLarge {
            file,
            limit_mib: MAX_JSON_BYTES >> 20,
        });
    }
    let parsed = serde_json::from_slice::<Envelope>(&text).and_then(|envelope| {
        if envelope.kind.ends_with("List") {
            serde_json::from_slice::<crate::objects::List<T>>(&text).map(|list| list.items)
        } else {
            serde_json::from_slice::<T>(&text).map(|object| vec![object])
        }
    });
    parsed.map_err(|source| GatherError::ParseJson { file, source })
}

fn pods(path: Option<&Path>) -> Result<Vec<PodState>, GatherError> {
    let pods: Vec<Pod> = match path {
        Some(path) => objects(path)?,
        None => Vec::new(),
    };
    let mut states: Vec<_> = pods.iter().map(Pod::state).collect();
    states.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(states)
}

fn events_about(events: &[Event], pods: &[PodState]) -> Vec<judge::evidence::ClusterEvent> {
    let names: BTreeSet<&str> = pods.iter().map(|pod| pod.name.as_str()).collect();
    events
        .iter()
        .filter(|event| event.pod().is_some_and(|pod| names.contains(pod)))
        .map(Event::evidence)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_without_end_is_read_only_so_far() {
        let read = |limit_bytes| {
            let endless = io::Cursor::new(vec![b'x'; 3 * CHUNK_BYTES]);
            let mut total = 0;
            let left_out = pieces("log", endless, limit_bytes, &mut |piece| {
                total += piece.len() as u64;
            });
            let left_out = left_out.map_err(|broken| {
                broken.or(|source| GatherError::ReadFile {
                    file: "log".to_owned(),
                    source,
                })
            });
            (total, left_out.expect("readable"))
        };
        let limit_bytes = 2 * CHUNK_BYTES as u64;
        let (total, left_out) = read(limit_bytes);
        assert!(left_out.is_some());
        assert!(total <= limit_bytes + 1, "{total}");
        let (_, left_out) = read(3 * CHUNK_BYTES as u64);
        assert_eq!(left_out, None, "exactly full is whole");
    }
}
