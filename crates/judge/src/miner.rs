//! Lines → templates, in bounded memory.
//!
//! Nearly every line ends at the fast path: its signature is known. A line
//! that is new is brought to its template text; it joins a template that is
//! like it (Drain's idea: same number of chunks, enough chunks the same; He et
//! al., "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS
//! 2017), of the same level, status class and kind, or becomes a template.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::access::{self, Traffic};
use crate::level::{self, Level};
use crate::mask;
use crate::redact::redact;
use crate::signature::{Signature, signature};
use crate::signs::{self, Crash};

/// Templates of one log at most. Real services have some hundreds; a stream of
/// lines that are all different must not grow the table.
pub const MAX_TEMPLATES: usize = 4_096;
/// Of those, templates at ERROR and above: they are never evicted, so they
/// need a limit of their own; what comes after it is counted as one.
const MAX_ERROR_TEMPLATES: usize = 1_024;
/// Templates that go at once when the table is full, the rarest first.
const EVICTED_AT_ONCE: usize = 512;
/// Signatures remembered; when there are more, they are learnt anew.
const MAX_SIGNATURES: usize = 8_192;
/// Templates that a new line is compared with, the newest first.
const MAX_CANDIDATES: usize = 64;
/// Longest sample kept of a line, in bytes.
const MAX_SAMPLE_BYTES: usize = 240;
/// Share of the words that must be the same for two texts to be one template.
const MIN_SIMILARITY: f64 = 0.6;
/// Texts at ERROR and above become one only where a single place has shown
/// this many different words: then it is a variable, not another error.
const VARIABLE_WORDS: usize = 4;

/// What templates are never merged across.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Kind {
    pub level: Level,
    pub status_class: u8,
    pub traffic: Traffic,
    pub crash: Option<Crash>,
    /// Reports a failure though its level says less than ERROR.
    pub suspect: bool,
}

impl Kind {
    /// Whether its texts are kept apart unless a variable is proven.
    pub(crate) fn is_error(self) -> bool {
        self.level >= Level::Error || self.crash.is_some()
    }
}

/// One template of one log.
#[derive(Debug)]
pub(crate) struct Entry<C> {
    pub kind: Kind,
    pub text: String,
    marks: Marks,
    pub exception: String,
    pub frame: String,
    pub sample: String,
    /// How often it was seen.
    pub total: u64,
    /// What the profile counts for it.
    pub counts: C,
}

/// The templates of one log.
#[derive(Debug)]
pub(crate) struct Miner<C> {
    pub entries: Vec<Entry<C>>,
    signatures: HashMap<u64, u32, FixedState>,
    groups: HashMap<(Kind, usize), Vec<u32>, FixedState>,
    variants: HashMap<(u32, u64), u32, FixedState>,
    error_templates: usize,
    /// Events whose template was evicted.
    pub evicted_events: u64,
}

/// Counts that can be joined when two templates become one.
pub(crate) trait Join: Default {
    /// Adds `other`, which is forgotten.
    fn join(&mut self, other: Self);
}

impl<C: Join> Miner<C> {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            signatures: HashMap::default(),
            groups: HashMap::default(),
            variants: HashMap::default(),
            error_templates: 0,
            evicted_events: 0,
        }
    }

    /// The template of a line; `entries[index]` until the next call.
    pub(crate) fn find(&mut self, line: &[u8]) -> u32 {
        let signature = signature(line);
        if let Some(index) = self.signatures.get(&signature.hash) {
            return *index;
        }
        let index = self.learn(line, signature);
        if self.signatures.len() >= MAX_SIGNATURES {
            self.signatures.clear();
        }
        self.signatures.insert(signature.hash, index);
        index
    }

    /// The template of an event whose trace names an exception: the same text
    /// with another exception is another error.
    pub(crate) fn variant(&mut self, base: u32, exception: &str, frame: &str) -> u32 {
        let hash = exception
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        if let Some(index) = self.variants.get(&(base, hash)) {
            return *index;
        }
        let entry = &mut self.entries[base as usize];
        if entry.total == 0 && entry.exception.is_empty() {
            exception.clone_into(&mut entry.exception);
            frame.clone_into(&mut entry.frame);
            self.variants.insert((base, hash), base);
            return base;
        }
        if entry.exception == exception {
            return base;
        }
        let (kind, text, sample) = (entry.kind, entry.text.clone(), entry.sample.clone());
        if kind.is_error() && self.error_templates >= MAX_ERROR_TEMPLATES {
            return base;
        }
        let before = self.entries.len();
        let index = self.insert(Entry {
            kind,
            marks: marks(&text),
            text,
            exception: exception.to_owned(),
            frame: frame.to_owned(),
            sample,
            total: 0,
            counts: C::default(),
        });
        // Inserting may have moved everything: only note it when it has not.
        if self.entries.len() == before + 1 {
            self.variants.insert((base, hash), index);
        }
        index
    }

    /// The slow path: once per signature.
    fn learn(&mut self, line: &[u8], signature: Signature) -> u32 {
        let raw = String::from_utf8_lossy(line);
        let clean: String = raw
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let line = redact(clean.trim());
        let kind = kind_of(&line, signature);
        let text = mask::template(&line);
        let chunks = text.split(' ').count();
        if let Some(index) = self.like(kind, &text, chunks) {
            return index;
        }
        if kind.is_error() && self.error_templates >= MAX_ERROR_TEMPLATES {
            return self.catch_all(kind);
        }
        let entry = Entry {
            kind,
            marks: marks(&text),
            text,
            exception: String::new(),
            frame: String::new(),
            sample: sample_of(&line),
            total: 0,
            counts: C::default(),
        };
        self.insert(entry)
    }

    /// The one template for errors beyond [`MAX_ERROR_TEMPLATES`].
    fn catch_all(&mut self, kind: Kind) -> u32 {
        const TEXT: &str = "(more different errors than are told apart)";
        if let Some(group) = self.groups.get(&(kind, 0)) {
            return group[0];
        }
        let index = self.entries.len();
        self.entries.push(Entry {
            kind,
            text: TEXT.to_owned(),
            marks: Marks::default(),
            exception: String::new(),
            frame: String::new(),
            sample: String::new(),
            total: 0,
            counts: C::default(),
        });
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        self.groups.insert((kind, 0), vec![index]);
        index
    }

    fn insert(&mut self, entry: Entry<C>) -> u32 {
        if self.entries.len() >= MAX_TEMPLATES {
            self.evict();
        }
        let index = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        if entry.kind.is_error() {
            self.error_templates += 1;
        }
        // A variant is found by its base, and is not joined by new lines.
        if entry.exception.is_empty() {
            self.groups
                .entry((entry.kind, entry.text.split(' ').count()))
                .or_default()
                .push(index);
        }
        self.entries.push(entry);
        index
    }

    /// A template that `text` belongs to.
    fn like(&mut self, kind: Kind, text: &str, chunks: usize) -> Option<u32> {
        let group = self.groups.get(&(kind, chunks))?;
        let text_marks = marks(text);
        let mut best: Option<(f64, u32)> = None;
        let mut variable: HashMap<usize, Vec<u32>, FixedState> = HashMap::default();
        for &index in group.iter().rev().take(MAX_CANDIDATES) {
            let likeness = compare(&self.entries[index as usize].marks, &text_marks);
            if likeness.mismatches == 0 {
                return Some(self.generalise(index, text));
            }
            if kind.is_error() {
                if likeness.mismatches == 1 && likeness.same_words > 0 {
                    variable
                        .entry(likeness.last_mismatch)
                        .or_default()
                        .push(index);
                }
            } else if likeness.similarity >= MIN_SIMILARITY
                && best.is_none_or(|(most, _)| likeness.similarity > most)
            {
                best = Some((likeness.similarity, index));
            }
        }
        if let Some((_, index)) = best {
            return Some(self.generalise(index, text));
        }
        let (_, mut members) = variable
            .into_iter()
            .filter(|(_, members)| members.len() + 1 >= VARIABLE_WORDS)
            .min_by_key(|(place, _)| *place)?;
        members.sort_unstable();
        let first = members[0];
        let first = self.generalise(first, text);
        for &member in &members[1..] {
            self.absorb(first, member);
        }
        Some(first)
    }

    /// Replaces what differs between a template and `text` by `<*>`.
    fn generalise(&mut self, index: u32, text: &str) -> u32 {
        let entry = &mut self.entries[index as usize];
        if entry.text != text {
            entry.text = merged(&entry.text, text);
            entry.marks = marks(&entry.text);
        }
        index
    }

    /// Joins template `other` into `into`.
    fn absorb(&mut self, into: u32, other: u32) {
        let counts = std::mem::take(&mut self.entries[other as usize].counts);
        let total = std::mem::take(&mut self.entries[other as usize].total);
        let entry = &mut self.entries[into as usize];
        entry.counts.join(counts);
        entry.total += total;
        let (kind, chunks) = (entry.kind, entry.text.split(' ').count());
        if let Some(group) = self.groups.get_mut(&(kind, chunks)) {
            group.retain(|index| *index != other);
        }
        for index in self
            .signatures
            .values_mut()
            .filter(|index| **index == other)
        {
            *index = into;
        }
        // Its variants stay: they name exceptions of their own.
        self.variants
            .retain(|(base, _), index| *base != other || *index != other);
    }

    /// Drops the rarest templates below ERROR, and those that were joined.
    fn evict(&mut self) {
        let mut rarest: Vec<(u64, usize)> = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| !entry.kind.is_error() || entry.total == 0)
            .map(|(index, entry)| (entry.total, index))
            .collect();
        rarest.sort_unstable();
        rarest.truncate(EVICTED_AT_ONCE);
        let mut gone = vec![false; self.entries.len()];
        for (total, index) in rarest {
            gone[index] = true;
            self.evicted_events += total;
        }
        self.signatures.clear();
        self.groups.clear();
        self.variants.clear();
        let mut index = 0;
        self.entries.retain(|_| {
            index += 1;
            !gone[index - 1]
        });
        self.error_templates = self
            .entries
            .iter()
            .filter(|entry| entry.kind.is_error())
            .count();
        for (index, entry) in self.entries.iter().enumerate() {
            if entry.exception.is_empty() {
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                self.groups
                    .entry((entry.kind, entry.text.split(' ').count()))
                    .or_default()
                    .push(index);
            }
        }
    }
}

/// Level and kind of a redacted line.
fn kind_of(line: &str, signature: Signature) -> Kind {
    let stated = level::stated(line.as_bytes());
    let traffic = access::traffic(line, signature.status_class);
    if traffic != Traffic::None {
        // What a request says of itself is its status; its URL may hold any
        // word that a client likes.
        return Kind {
            level: stated.unwrap_or_default().min(Level::Warn),
            status_class: signature.status_class,
            traffic,
            crash: None,
            suspect: false,
        };
    }
    let crash = signs::crash(line, stated.is_some_and(|level| level >= Level::Error));
    let level = match (stated, crash) {
        (Some(level), _) => level,
        (None, Some(_)) => Level::Error,
        (None, None) if trace_head(line) || signs::reports_failure(line) => Level::Error,
        (None, None) => Level::Info,
    };
    let suspect = (level == Level::Info || level == Level::Warn) && signs::hides_failure(line);
    Kind {
        level,
        status_class: signature.status_class,
        traffic,
        crash,
        suspect,
    }
}

/// `java.lang.IllegalStateException: text` as a line of its own.
fn trace_head(line: &str) -> bool {
    line.split([':', ' '])
        .next()
        .and_then(|word| word.rsplit('.').next())
        .is_some_and(signs::is_exception_name)
}

fn sample_of(line: &str) -> String {
    let mut end = line.len().min(MAX_SAMPLE_BYTES);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line[..end].to_owned()
}

/// A text's chunks as numbers, to be compared fast: 0 for a variable, odd for
/// one with a word in it.
pub(crate) type Marks = Box<[u32]>;

pub(crate) fn marks(text: &str) -> Marks {
    text.split(' ')
        .map(|chunk| {
            if chunk == mask::VARIABLE {
                return 0;
            }
            let hash = chunk.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
                let byte = if byte.is_ascii_digit() { b'0' } else { byte };
                (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
            });
            // Numbers and brackets are alike in all lines of one logger.
            let word = chunk
                .bytes()
                .any(|byte| byte.is_ascii_alphabetic() || byte >= 0x80);
            (hash & !1) | 2 | u32::from(word)
        })
        .collect()
}

/// How like two texts of equally many chunks are.
struct Likeness {
    /// Share of the chunks with words that are the same.
    similarity: f64,
    /// Chunks that differ, where neither is a variable.
    mismatches: usize,
    /// Index of the last of them.
    last_mismatch: usize,
    /// Chunks with words that are the same.
    same_words: usize,
}

fn compare(a: &[u32], b: &[u32]) -> Likeness {
    let (mut same, mut mismatches, mut last_mismatch, mut words) = (0_usize, 0, 0, 0_usize);
    for (place, (a, b)) in a.iter().zip(b).enumerate() {
        if a == b {
            words += (a & 1) as usize;
            same += (a & 1) as usize;
        } else {
            words += 1;
            if *a != 0 && *b != 0 {
                mismatches += 1;
                last_mismatch = place;
            }
        }
    }
    let similarity = if words == 0 {
        0.0
    } else {
        same as f64 / words as f64
    };
    Likeness {
        similarity,
        mismatches,
        last_mismatch,
        same_words: same,
    }
}

/// Whether two texts of equally many chunks are one template. At ERROR and
/// above only where they differ in nothing but variables.
pub(crate) fn is_like(a: &[u32], b: &[u32], error: bool) -> bool {
    let likeness = compare(a, b);
    likeness.mismatches == 0 && likeness.same_words > 0
        || !error && likeness.similarity >= MIN_SIMILARITY
}

/// The template of both texts: `<*>` where they differ, a key in front of it
/// stays.
pub(crate) fn merged(a: &str, b: &str) -> String {
    let chunks: Vec<String> = a
        .split(' ')
        .zip(b.split(' '))
        .map(|(a, b)| {
            if a == b {
                return a.to_owned();
            }
            let shared = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
            let key = a.as_bytes()[..shared]
                .iter()
                .rposition(|byte| matches!(byte, b'=' | b':'))
                .map_or("", |at| a.get(..=at).unwrap_or_default());
            format!("{key}{}", mask::VARIABLE)
        })
        .collect();
    chunks.join(" ")
}
