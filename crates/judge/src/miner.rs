//! Lines → templates, in bounded memory.
//!
//! Nearly every line ends at the fast path: its signature is known. A line that
//! is new is brought to its template text, of its level, status class and kind.
//! Which texts are one template is decided at the end, or when the table is
//! full: by then it is known which of their places vary.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;

use crate::kind::{Kind, kind_of};
use crate::likeness::{self, Marks};
use crate::redact::redact;
use crate::signature::{Signature, signature};
use crate::{cluster, mask, redact};

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
/// Longest sample kept of a line, in bytes.
const MAX_SAMPLE_BYTES: usize = 240;
/// Templates with variables that a new text is compared with, the newest first.
const MAX_CANDIDATES: usize = 64;

/// One template of one log.
#[derive(Debug)]
pub(crate) struct Entry<C> {
    pub kind: Kind,
    pub text: String,
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
    signatures: HashMap<u64, u32, Known>,
    /// Templates by [`identity`].
    texts: HashMap<u64, u32, Known>,
    /// Templates that were made of several texts, with their marks, by kind and
    /// number of chunks.
    general: BTreeMap<(Kind, usize), Vec<(u32, Marks)>>,
    error_templates: usize,
    /// Texts learnt since the table was brought together.
    learnt: usize,
    /// Events whose template was evicted.
    pub evicted_events: u64,
}

/// Counts that can be joined when two templates become one.
pub(crate) trait Join: Default {
    /// Adds `other`, which is forgotten.
    fn join(&mut self, other: Self);
}

/// What tells templates of one log apart.
fn identity(kind: Kind, text: &str, exception: &str) -> u64 {
    FixedState::default().hash_one((kind, text, exception))
}

impl<C: Join> Miner<C> {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            signatures: HashMap::default(),
            texts: HashMap::default(),
            general: BTreeMap::new(),
            error_templates: 0,
            learnt: 0,
            evicted_events: 0,
        }
    }

    /// The template of a line; `entries[index]` until the next call. The line
    /// begins with a time of `time_len` bytes, which tells nothing.
    #[inline]
    pub(crate) fn find(&mut self, line: &[u8], time_len: usize) -> u32 {
        let mut signature = signature(&line[time_len..]);
        // A level is looked for behind a time where none is without.
        signature.hash ^= u64::from(time_len > 0);
        if let Some(index) = self.signatures.get(&signature.hash) {
            return *index;
        }
        let index = self.learn(line, time_len, signature);
        if self.signatures.len() >= MAX_SIGNATURES {
            self.signatures.clear();
        }
        self.signatures.insert(signature.hash, index);
        index
    }

    /// The template of an event whose trace names an exception: the same text
    /// with another exception is another error.
    pub(crate) fn variant(&mut self, base: u32, exception: &str, frame: &str) -> u32 {
        let entry = &mut self.entries[base as usize];
        if entry.exception == exception {
            return base;
        }
        let kind = entry.kind;
        let identity = identity(kind, &entry.text, exception);
        if let Some(index) = self.texts.get(&identity) {
            return *index;
        }
        if entry.total == 0 && entry.exception.is_empty() {
            exception.clone_into(&mut entry.exception);
            frame.clone_into(&mut entry.frame);
            self.texts.insert(identity, base);
            return base;
        }
        let entry = Entry {
            kind,
            text: entry.text.clone(),
            exception: exception.to_owned(),
            frame: frame.to_owned(),
            sample: entry.sample.clone(),
            total: 0,
            counts: C::default(),
        };
        self.insert(entry)
    }

    /// The slow path: once per signature.
    #[cold]
    fn learn(&mut self, line: &[u8], time_len: usize, signature: Signature) -> u32 {
        let raw = String::from_utf8_lossy(line);
        let clean: String = raw
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let line = redact(clean.trim());
        let kind = kind_of(&line, signature.status_class);
        // Times have no secret, so what is redacted stands behind them.
        let said = line.get(time_len..).unwrap_or(&line).trim_start();
        let mut text = mask::template(said);
        if text.contains(redact::MASK) {
            text = text.replace(redact::MASK, mask::VARIABLE);
        }
        if let Some(index) = self.texts.get(&identity(kind, &text, "")) {
            return *index;
        }
        if let Some(index) = self.general_of(kind, &text) {
            return index;
        }
        let entry = Entry {
            kind,
            text,
            exception: String::new(),
            frame: String::new(),
            sample: sample_of(&line),
            total: 0,
            counts: C::default(),
        };
        self.insert(entry)
    }

    /// The template made of several texts that this text belongs to as well.
    fn general_of(&mut self, kind: Kind, text: &str) -> Option<u32> {
        if self.general.is_empty() {
            return None;
        }
        let marks = likeness::marks(text);
        let candidates = self.general.get(&(kind, marks.len()))?;
        let (index, _) = candidates
            .iter()
            .rev()
            .take(MAX_CANDIDATES)
            .find(|(_, general)| {
                let likeness = likeness::compare(general, &marks);
                likeness.mismatches == 0 && likeness.same_words > 0
            })?;
        let entry = &mut self.entries[*index as usize];
        entry.text = likeness::merged(&entry.text, text);
        Some(*index)
    }

    /// The template for errors beyond [`MAX_ERROR_TEMPLATES`].
    fn catch_all(&mut self, kind: Kind) -> u32 {
        const TEXT: &str = "(more different errors than are told apart)";
        if let Some(index) = self.texts.get(&identity(kind, TEXT, "")) {
            return *index;
        }
        self.push(Entry {
            kind,
            text: TEXT.to_owned(),
            exception: String::new(),
            frame: String::new(),
            sample: String::new(),
            total: 0,
            counts: C::default(),
        })
    }

    fn insert(&mut self, entry: Entry<C>) -> u32 {
        let errors_full = entry.kind.is_error() && self.error_templates >= MAX_ERROR_TEMPLATES;
        if (errors_full || self.entries.len() >= MAX_TEMPLATES) && self.learnt >= EVICTED_AT_ONCE {
            self.bring_together();
        }
        if self.entries.len() >= MAX_TEMPLATES {
            self.evict();
        }
        if entry.kind.is_error() && self.error_templates >= MAX_ERROR_TEMPLATES {
            return self.catch_all(entry.kind);
        }
        self.learnt += 1;
        self.push(entry)
    }

    fn push(&mut self, entry: Entry<C>) -> u32 {
        let index = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.error_templates += usize::from(entry.kind.is_error());
        self.texts
            .insert(identity(entry.kind, &entry.text, &entry.exception), index);
        self.entries.push(entry);
        index
    }

    /// Ends the log: texts that are one template become one.
    pub(crate) fn finish(mut self) -> Self {
        self.bring_together();
        self
    }

    /// Joins the templates that are one, as far as is known by now.
    fn bring_together(&mut self) {
        self.learnt = 0;
        // In canonical order, whatever the order of the lines.
        let mut order: Vec<usize> = (0..self.entries.len()).collect();
        order.sort_by(|a, b| {
            let key = |index: &usize| {
                let entry = &self.entries[*index];
                (&entry.exception, entry.kind, &entry.text)
            };
            key(a).cmp(&key(b))
        });
        let mut sets: BTreeMap<(Kind, &str, usize), Vec<usize>> = BTreeMap::new();
        for index in order {
            let entry = &self.entries[index];
            let chunks = entry.text.split(' ').count();
            sets.entry((entry.kind, &entry.exception, chunks))
                .or_default()
                .push(index);
        }
        let sets: Vec<(Kind, Vec<usize>)> = sets
            .into_iter()
            .filter(|(_, set)| set.len() > 1)
            .map(|((kind, ..), set)| (kind, set))
            .collect();
        let mut gone = vec![false; self.entries.len()];
        for (kind, set) in sets {
            let marks: Vec<Marks> = set
                .iter()
                .map(|index| likeness::marks(&self.entries[*index].text))
                .collect();
            for group in cluster::groups(&marks, kind.is_error()) {
                let (first, others) = (set[group[0]], &group[1..]);
                for other in others {
                    self.absorb(first, set[*other]);
                    gone[set[*other]] = true;
                }
            }
        }
        self.drop_entries(&gone);
    }

    /// Joins template `other` into `into`.
    fn absorb(&mut self, into: usize, other: usize) {
        let counts = std::mem::take(&mut self.entries[other].counts);
        let total = std::mem::take(&mut self.entries[other].total);
        let text = std::mem::take(&mut self.entries[other].text);
        let entry = &mut self.entries[into];
        entry.counts.join(counts);
        entry.total += total;
        if entry.text != text {
            entry.text = likeness::merged(&entry.text, &text);
        }
    }

    /// Drops the rarest templates below ERROR.
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
        self.drop_entries(&gone);
    }

    /// Forgets entries; lines that had their signatures are learnt anew.
    fn drop_entries(&mut self, gone: &[bool]) {
        let mut index = 0;
        self.entries.retain(|_| {
            index += 1;
            !gone[index - 1]
        });
        self.signatures.clear();
        self.texts.clear();
        self.general.clear();
        self.error_templates = 0;
        for (index, entry) in (0..).zip(&self.entries) {
            self.error_templates += usize::from(entry.kind.is_error());
            let identity = identity(entry.kind, &entry.text, &entry.exception);
            self.texts.insert(identity, index);
            if entry.text.contains(mask::VARIABLE) {
                let marks = likeness::marks(&entry.text);
                self.general
                    .entry((entry.kind, marks.len()))
                    .or_default()
                    .push((index, marks));
            }
        }
    }
}

fn sample_of(line: &str) -> String {
    let mut end = line.len().min(MAX_SAMPLE_BYTES);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line[..end].to_owned()
}

/// Keys of the tables are hashes already.
#[derive(Clone, Copy, Debug, Default)]
struct Known;

impl std::hash::BuildHasher for Known {
    type Hasher = KnownHash;

    fn build_hasher(&self) -> KnownHash {
        KnownHash(0)
    }
}

/// A hash that is the key.
#[derive(Clone, Copy, Debug)]
struct KnownHash(u64);

impl std::hash::Hasher for KnownHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}
