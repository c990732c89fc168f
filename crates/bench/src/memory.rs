//! Memory of one profiler on an endless stream.
//!
//! A child process profiles a stream that is made on the fly, so that nothing
//! else is in its memory, and says how far its high-water mark (`VmHWM`) rose
//! over what it was before the first byte. Linux only.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use judge::{ProfileOptions, Profiler, Window};

use crate::corpus::{self, Flood};
use crate::engine::CHUNK_BYTES;
use crate::random::Random;
use crate::simulate::START_MS;
use crate::table::Table;

/// Bytes of the shorter and of the longer stream.
pub const STREAM_BYTES: [u64; 2] = [120_000_000, 1_200_000_000];
/// Bytes of the ordinary log that is repeated.
const ORDINARY_BYTES: usize = 4 << 20;
/// The window of a stream with times: an hour, in which a profile has as many
/// buckets as it may.
const WINDOW_MS: i64 = 3_600_000;

/// What is streamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Eight services, over and over.
    Ordinary,
    /// No line like another.
    Flood(Flood),
}

/// All streams, by the names that the child process is told.
pub const STREAMS: [(&str, &str, Stream); 5] = [
    ("ordinary", "eight services", Stream::Ordinary),
    ("plain", "unique lines", Stream::Flood(Flood::Plain)),
    ("json", "JSON with unique keys", Stream::Flood(Flood::Json)),
    (
        "errors",
        "errors with unique exceptions",
        Stream::Flood(Flood::Errors),
    ),
    (
        "timed",
        "4,000 templates in every bucket",
        Stream::Flood(Flood::Timed),
    ),
];

/// One stream's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peak {
    /// What tables call the stream.
    pub name: &'static str,
    /// How far the high-water mark rose on each of [`STREAM_BYTES`].
    pub risen_bytes: [u64; 2],
    /// Templates in the profile of the longer one.
    pub templates: u64,
}

/// Measures every stream, each in a child of its own.
///
/// # Errors
/// When this binary cannot be started again, or a child fails.
pub fn measure(mut said: impl FnMut(&str)) -> Result<Vec<Peak>> {
    let program = std::env::current_exe().context("cannot tell this program's own path")?;
    // Made here and read there: what making it takes would hide what
    // profiling it does.
    let mut ordinary = tempfile::NamedTempFile::new().context("cannot make a file for a log")?;
    ordinary
        .write_all(&corpus::ordinary(ORDINARY_BYTES))
        .context("cannot write a log")?;
    let mut peaks = Vec::new();
    for (key, name, _) in STREAMS {
        let mut peak = Peak {
            name,
            risen_bytes: [0; 2],
            templates: 0,
        };
        for (place, bytes) in STREAM_BYTES.into_iter().enumerate() {
            said(&format!("memory: {name}, {} MB", bytes / 1_000_000));
            let output = Command::new(&program)
                .args(["memory-child", key, &bytes.to_string()])
                .arg(ordinary.path())
                .output()
                .context("cannot start this program again")?;
            let said = String::from_utf8_lossy(&output.stdout);
            let mut numbers = said.split_whitespace().map(str::parse::<u64>);
            let (Some(Ok(risen)), Some(Ok(templates))) = (numbers.next(), numbers.next()) else {
                bail!(
                    "the child that profiles {name} said {said:?}: {}",
                    String::from_utf8_lossy(&output.stderr)
                );
            };
            peak.risen_bytes[place] = risen;
            peak.templates = templates;
        }
        peaks.push(peak);
    }
    Ok(peaks)
}

/// In the child: profiles so many bytes of a stream (of the log in `ordinary`,
/// over and over, where it is that one); how far the high-water
/// mark rose, and how many templates there were.
///
/// # Errors
/// When there is no such stream, or the system does not say how much memory is
/// in use.
pub fn child(key: &str, bytes: u64, ordinary: &Path) -> Result<(u64, u64)> {
    let known = STREAMS.iter().find(|(name, _, _)| *name == key);
    let (_, _, stream) = known.with_context(|| format!("there is no stream {key:?}"))?;
    let opened =
        || File::open(ordinary).with_context(|| format!("cannot read {}", ordinary.display()));
    let mut file = opened()?;
    ensure!(
        file.metadata()?.len() > 0,
        "{} is empty",
        ordinary.display()
    );
    let mut random = Random::new(77);
    let mut buffer = vec![0; 2 * CHUNK_BYTES];
    let (mut sent, mut number) = (0_u64, 0_u64);
    let before = high_water_bytes()?;
    let mut profiler = Profiler::new(options(*stream));
    while sent < bytes {
        match stream {
            Stream::Ordinary => {
                let length = file.read(&mut buffer[..CHUNK_BYTES])?;
                if length == 0 {
                    file = opened()?;
                }
                profiler.push(&buffer[..length]);
                sent += length as u64;
            }
            Stream::Flood(flood) => {
                buffer.clear();
                number = flood.fill(&mut random, &mut buffer, CHUNK_BYTES, number);
                profiler.push(&buffer);
                sent += buffer.len() as u64;
            }
        }
    }
    let profile = profiler.finish();
    let after = high_water_bytes()?;
    Ok((after - before, profile.templates.len() as u64))
}

fn options(stream: Stream) -> ProfileOptions {
    if stream == Stream::Flood(Flood::Timed) {
        ProfileOptions {
            window: Window::new(START_MS, START_MS + WINDOW_MS),
            runtime_timestamps: true,
        }
    } else {
        ProfileOptions::default()
    }
}

fn high_water_bytes() -> Result<u64> {
    let path = "/proc/self/status";
    let status = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kib.with_context(|| format!("{path} has no VmHWM"))? << 10)
}

/// A row a stream.
#[must_use]
pub fn table(peaks: &[Peak]) -> Table {
    let head = [
        "MiB that one profiler adds",
        "after 120 MB",
        "after 1.2 GB",
        "templates",
    ];
    let mut table = Table::new("Memory", &head);
    for peak in peaks {
        let mib = peak
            .risen_bytes
            .map(|bytes| bytes as f64 / f64::from(1 << 20));
        table.row([
            peak.name.to_owned(),
            format!("{:.1}", mib[0]),
            format!("{:.1}", mib[1]),
            peak.templates.to_string(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stream_can_be_profiled() {
        let mut ordinary = tempfile::NamedTempFile::new().unwrap();
        ordinary.write_all(&corpus::ordinary(1)[..150_000]).unwrap();
        for (key, _, _) in STREAMS {
            let (_, templates) = child(key, 200_000, ordinary.path()).unwrap();
            assert!(templates > 10, "{key}: {templates}");
        }
        assert!(child("nothing of the kind", 1, ordinary.path()).is_err());
    }
}
