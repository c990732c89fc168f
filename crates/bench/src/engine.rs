//! Throughput of the whole engine beside a rival's miner, in the same run.
//!
//! The rival is the crate `drain3`, which only mines templates: it reads no
//! time, no level, no number, joins no stack trace and redacts nothing. Ours
//! does all of it, from `Profiler::push` to `Profiler::finish`. The rival is
//! set up as Drain3's authors do (similarity .4, depth 4), and keeps as many
//! templates as ours: without that limit it gets slower with every line.

use std::hint::black_box;
use std::io::Write as _;

use drain3::{Config, MaskingInstruction, Matcher};
use judge::{ProfileOptions, Profiler};
use rustix::time::{ClockId, clock_gettime};

use crate::corpus::{self, Flood};
use crate::random::Random;
use crate::table::Table;

/// Bytes that are pushed at a time, as a file or a stream is read.
pub const CHUNK_BYTES: usize = 64 << 10;
/// Bytes of a simulated corpus.
const SIMULATED_BYTES: usize = 32 << 20;
/// Bytes of a log in JSON: the rival takes each line as a template of its own.
const JSON_BYTES: usize = 4 << 20;
/// Bytes of a flood: the rival compares each line with all that it has kept.
const FLOOD_BYTES: usize = 1 << 20;
/// Similarity from which Drain3 puts a line into a template.
const SIMILARITY: f64 = 0.4;

/// What speed is measured on.
pub struct Corpus {
    /// What tables call it.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The given corpus, or a simulated one; a log in JSON; a flood.
#[must_use]
pub fn corpora(given: Option<Vec<u8>>) -> Vec<Corpus> {
    let corpus = |name: &str, bytes| Corpus {
        name: name.to_owned(),
        bytes,
    };
    let ordinary = match given {
        Some(bytes) => corpus("the given corpus", bytes),
        None => corpus(
            "eight simulated services",
            corpus::ordinary(SIMULATED_BYTES),
        ),
    };
    let mut flood = Vec::with_capacity(FLOOD_BYTES + 256);
    Flood::Plain.fill(&mut Random::new(5), &mut flood, FLOOD_BYTES, 0);
    vec![
        ordinary,
        corpus("JSON lines", corpus::json(JSON_BYTES)),
        corpus("a flood of unique lines", flood),
    ]
}

/// Speeds on one corpus, in megabytes (10⁶ bytes) per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speeds {
    /// Ours: the whole engine.
    pub ours: f64,
    /// The rival: mining only, masking off.
    pub rival: f64,
    /// The rival with its usual masking.
    pub masked: f64,
}

impl Speeds {
    /// How many times as fast as the rival we are, in the faster of its ways.
    #[must_use]
    pub fn times(&self) -> f64 {
        self.ours / self.rival.max(self.masked)
    }
}

/// Measures one corpus: the contestants take turns, and each one's median
/// counts.
#[must_use]
pub fn measure(corpus: &Corpus, repetitions: usize) -> Speeds {
    let lines = lines(&corpus.bytes);
    let mut took: [Vec<f64>; 3] = Default::default();
    for repetition in 0..repetitions.max(1) {
        // Nobody may be listening; the work goes on.
        let _ = writeln!(
            std::io::stderr(),
            "engine: {}, repetition {} of {repetitions}",
            corpus.name,
            repetition + 1
        );
        took[0].push(speed(corpus.bytes.len(), || ours(&corpus.bytes)));
        took[1].push(speed(length(&lines), || mine(&lines, Vec::new())));
        took[2].push(speed(length(&lines), || mine(&lines, usual_masking())));
    }
    let [ours, rival, masked] = took.map(|mut speeds| {
        speeds.sort_by(f64::total_cmp);
        speeds[speeds.len() / 2]
    });
    Speeds {
        ours,
        rival,
        masked,
    }
}

/// The whole engine over a log; the events that it read.
#[must_use]
pub fn ours(bytes: &[u8]) -> u64 {
    let mut profiler = Profiler::new(ProfileOptions::default());
    for chunk in bytes.chunks(CHUNK_BYTES) {
        profiler.push(chunk);
    }
    profiler.finish().events
}

/// The rival's mining over lines; how many templates it has in the end.
#[must_use]
pub fn mine(lines: &[&str], masking: Vec<MaskingInstruction>) -> u64 {
    let config = Config {
        masking,
        similarity_threshold: SIMILARITY,
        max_clusters: judge::MAX_TEMPLATES,
        ..Config::default()
    };
    let mut miner = Matcher::new(config);
    let mut templates = 0;
    for line in lines {
        // It refuses a line that is too long, and new templates when it has
        // as many as it may.
        if let Ok(template) = miner.add_log_message(line) {
            templates = templates.max(template.id());
        }
    }
    templates as u64
}

/// What its users mask: addresses, hexadecimal and decimal numbers.
fn usual_masking() -> Vec<MaskingInstruction> {
    [
        (r"\b\d{1,3}(\.\d{1,3}){3}\b", "<IP>"),
        (r"\b(0x[0-9a-fA-F]+|[0-9a-fA-F]{8,})\b", "<HEX>"),
        (r"[-+]?\b\d+\b", "<NUM>"),
    ]
    .map(|(pattern, mask)| MaskingInstruction {
        pattern: pattern.to_owned(),
        mask: mask.to_owned(),
    })
    .into()
}

/// Lines as the rival wants them: made before the clock starts.
fn lines(bytes: &[u8]) -> Vec<&str> {
    bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|line| std::str::from_utf8(line).ok())
        .collect()
}

fn length(lines: &[&str]) -> usize {
    lines.iter().map(|line| line.len() + 1).sum()
}

/// Megabytes per second of processor time: what else the machine does meanwhile
/// counts less than on the wall's clock.
fn speed(bytes: usize, work: impl FnOnce() -> u64) -> f64 {
    let begun = processor_time_s();
    black_box(work());
    let took = (processor_time_s() - begun).max(1e-9);
    bytes as f64 / took / 1e6
}

fn processor_time_s() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// A row a corpus.
#[must_use]
pub fn table(measured: &[(&str, Speeds)]) -> Table {
    let head = [
        "MB/s of one core's time",
        "ours, whole engine",
        "drain3 0.3.0",
        "drain3, masking",
        "times the faster",
    ];
    let mut table = Table::new("Speed", &head);
    for (name, speeds) in measured {
        table.row([
            (*name).to_owned(),
            format!("{:.0}", speeds.ours),
            format!("{:.1}", speeds.rival),
            format!("{:.1}", speeds.masked),
            format!("{:.1}", speeds.times()),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_find_templates_in_what_they_read() {
        let corpus = &corpus::ordinary(1)[..200_000];
        let lines = lines(corpus);
        assert_eq!(length(&lines), corpus.len() + 1);
        assert!(ours(corpus) > 500);
        let found = mine(&lines, Vec::new());
        assert!((20..4_000).contains(&found), "{found}");
        let found = mine(&lines, usual_masking());
        assert!((20..4_000).contains(&found), "the masks compile: {found}");
    }
}
