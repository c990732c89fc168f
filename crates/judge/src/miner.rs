//! Lines → templates, in bounded memory.
//!
//! Nearly every line ends at the fast path: its signature is known. A line that
//! is new is brought to its template text, of its level, status class and kind.
//! Which texts are one template is decided at the end, or when the table is
//! full: by then it is known which of their places vary.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;

use crate::access::{self, Half, Traffic};
use crate::kind::{Kind, kind_of};
use crate::likeness::{self, Marks};
use crate::redact::redact;
use crate::signature::{Signature, signature};
use crate::{cluster, mask, redact, stamps};

/// Templates of one log at most. Real services have some hundreds; a stream of
/// lines that are all different must not grow the table. With a count in each
/// bucket of the longest window, a template takes about 2 KiB, and its profile
/// as much again while it is made: all of them stay within 16 MiB.
pub const MAX_TEMPLATES: usize = 3_072;
/// Of those, templates at ERROR and above: they are never evicted, so they
/// need a limit of their own; what comes after it is counted as one.
const MAX_ERROR_TEMPLATES: usize = 1_024;
/// Templates that go at once when the table is full, the rarest first.
const EVICTED_AT_ONCE: usize = 1_024;
/// Texts learnt, at most, before templates are brought together again.
const MAX_PATIENCE: usize = 1 << 20;
/// Signatures remembered; when there are more, they are learnt anew.
const MAX_SIGNATURES: usize = 32_768;
/// Signatures that are remembered as seen once, in a flood.
const SEEN_ONCE: usize = 1 << 14;
/// Template of errors beyond [`MAX_ERROR_TEMPLATES`].
const TEXT_OF_ERRORS: &str = "(more different errors than are told apart)";
/// Template, until the end, of lines that were seen once in a flood.
const TEXT_OF_FLOOD: &str = "(lines that are all different)";
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
    /// Made of several texts, so that another may belong to it as well.
    general: bool,
    /// See [`identity`].
    identity: u64,
}

impl<C: Default> Entry<C> {
    fn new(kind: Kind, text: String, sample: String) -> Self {
        Self {
            identity: identity(kind, &text, ""),
            kind,
            text,
            exception: String::new(),
            frame: String::new(),
            sample,
            total: 0,
            counts: C::default(),
            general: false,
        }
    }
}

/// Which template a line has. Its kind is kept where it is found: the entry
/// itself is not needed until the event ends, and is seldom near.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub template: u32,
    pub kind: Kind,
    pub half: Half,
    /// Its lines say when, though they do not begin with it.
    pub timed: bool,
}

/// The templates of one log.
#[derive(Debug)]
pub(crate) struct Miner<C> {
    pub entries: Vec<Entry<C>>,
    signatures: HashMap<u64, Found, Known>,
    /// Templates by [`identity`].
    texts: HashMap<u64, u32, Known>,
    /// Templates that were made of several texts, with their marks, by kind and
    /// number of chunks.
    general: BTreeMap<(Kind, usize), Vec<(u32, Marks)>>,
    error_templates: usize,
    /// Texts learnt since the table was brought together.
    learnt: usize,
    /// Texts to be learnt before it is brought together again.
    patience: usize,
    /// Signatures seen once, each at the place that its hash names; empty until
    /// a flood begins.
    seen: Vec<u64>,
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
            patience: MAX_TEMPLATES,
            seen: Vec::new(),
            evicted_events: 0,
        }
    }

    /// The template of a line; `entries[index]` until the next call. The line
    /// begins with a time of `time_len` bytes, which tells nothing.
    #[inline]
    pub(crate) fn find(&mut self, line: &[u8], time_len: usize) -> Found {
        let mut signature = signature(&line[time_len..]);
        // A level is looked for behind a time where none is without.
        signature.hash ^= u64::from(time_len > 0);
        if let Some(found) = self.signatures.get(&signature.hash) {
            return *found;
        }
        self.find_new(line, time_len, signature)
    }

    #[cold]
    fn find_new(&mut self, line: &[u8], time_len: usize, signature: Signature) -> Found {
        let found = |template: u32, entries: &[Entry<C>]| {
            let kind = entries[template as usize].kind;
            Found {
                template,
                kind,
                half: access::half(line, kind.traffic),
                timed: line.first() == Some(&b'{') || stamps::stated(line).is_some(),
            }
        };
        if let Some(index) = self.first_sight(line, signature) {
            return found(index, &self.entries);
        }
        let index = self.learn(line, time_len, signature);
        let found = found(index, &self.entries);
        if self.signatures.len() >= MAX_SIGNATURES {
            self.signatures.clear();
        }
        self.signatures.insert(signature.hash, found);
        found
    }

    /// In a flood of lines that are all different, one that is seen for the
    /// first time is not learnt, unless what it is makes it worth it: learning
    /// costs far more than reading, and its template would soon give way.
    #[cold]
    fn first_sight(&mut self, line: &[u8], signature: Signature) -> Option<u32> {
        if self.seen.is_empty() {
            return None;
        }
        let slot = usize::try_from(signature.hash).unwrap_or_default() % self.seen.len();
        if self.seen[slot] == signature.hash {
            return None;
        }
        self.seen[slot] = signature.hash;
        let kind = kind_of(String::from_utf8_lossy(line).trim(), signature.status_class);
        let plain = !kind.is_error() && !kind.suspect && kind.traffic == Traffic::None;
        plain.then(|| self.catch_all(kind, TEXT_OF_FLOOD))
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
            entry.exception = redact(exception).into_owned();
            entry.frame = redact(frame).into_owned();
            self.texts.insert(identity, base);
            return base;
        }
        let (text, sample) = (entry.text.clone(), entry.sample.clone());
        let entry = Entry {
            exception: redact(exception).into_owned(),
            frame: redact(frame).into_owned(),
            identity,
            ..Entry::new(kind, text, sample)
        };
        self.insert(entry)
    }

    /// The slow path: once per signature.
    #[cold]
    fn learn(&mut self, line: &[u8], time_len: usize, signature: Signature) -> u32 {
        let raw = String::from_utf8_lossy(line);
        let clean = if raw.chars().any(char::is_control) {
            let plain = |c: char| if c.is_control() { ' ' } else { c };
            Cow::Owned(raw.chars().map(plain).collect())
        } else {
            raw
        };
        let line = redact(clean.trim());
        let kind = kind_of(&line, signature.status_class);
        // Times have no secret, so what is redacted stands behind them.
        let said = line.get(time_len..).unwrap_or(&line).trim_start();
        let text = if said.contains(redact::MASK) {
            // A secret is a variable as any number is, alone or in a list.
            mask::template(&said.replace(redact::MASK, "0"))
        } else {
            mask::template(said)
        };
        if let Some(index) = self.texts.get(&identity(kind, &text, "")) {
            return *index;
        }
        if let Some(index) = self.general_of(kind, &text) {
            return index;
        }
        let entry = Entry::new(kind, text, sample_of(&line));
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

    /// The one template for lines that are not told apart.
    fn catch_all(&mut self, kind: Kind, text: &str) -> u32 {
        if let Some(index) = self.texts.get(&identity(kind, text, "")) {
            return *index;
        }
        self.push(Entry::new(kind, text.to_owned(), String::new()))
    }

    fn insert(&mut self, entry: Entry<C>) -> u32 {
        let errors_full = entry.kind.is_error() && self.error_templates >= MAX_ERROR_TEMPLATES;
        let full = errors_full || self.entries.len() >= MAX_TEMPLATES;
        if full && self.learnt >= self.patience {
            let before = self.entries.len();
            self.bring_together();
            // A flood of lines that are all different is not looked through
            // again and again.
            self.patience = if self.entries.len() + EVICTED_AT_ONCE > before {
                (4 * self.patience).min(MAX_PATIENCE)
            } else {
                MAX_TEMPLATES
            };
        }
        if self.entries.len() >= MAX_TEMPLATES {
            self.evict();
        }
        if entry.kind.is_error() && self.error_templates >= MAX_ERROR_TEMPLATES {
            return self.catch_all(entry.kind, TEXT_OF_ERRORS);
        }
        self.learnt += 1;
        self.push(entry)
    }

    fn push(&mut self, entry: Entry<C>) -> u32 {
        let index = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.error_templates += usize::from(entry.kind.is_error());
        self.texts.insert(entry.identity, index);
        self.entries.push(entry);
        index
    }

    /// Ends the log: texts that are one template become one.
    pub(crate) fn finish(mut self) -> Self {
        for entry in &mut self.entries {
            if entry.text == TEXT_OF_FLOOD {
                self.evicted_events += std::mem::take(&mut entry.total);
            }
        }
        self.bring_together();
        self
    }

    /// Joins the templates that are one, as far as is known by now.
    fn bring_together(&mut self) {
        self.learnt = 0;
        let mut sets: BTreeMap<(Kind, &str, usize), Vec<usize>> = BTreeMap::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let chunks = memchr::memchr_iter(b' ', entry.text.as_bytes()).count() + 1;
            sets.entry((entry.kind, &entry.exception, chunks))
                .or_default()
                .push(index);
        }
        let sets: Vec<(Kind, Vec<usize>)> = sets
            .into_iter()
            .filter(|(_, set)| set.len() > 1)
            .map(|((kind, ..), mut set)| {
                // In canonical order, whatever the order of the lines.
                set.sort_by(|a, b| self.entries[*a].text.cmp(&self.entries[*b].text));
                (kind, set)
            })
            .collect();
        // Where each entry goes: to itself, until it is joined to another.
        let mut into: Vec<usize> = (0..self.entries.len()).collect();
        for (kind, set) in sets {
            let marks: Vec<Marks> = set
                .iter()
                .map(|index| likeness::marks(&self.entries[*index].text))
                .collect();
            for group in cluster::groups(&marks, kind.is_error()) {
                let (first, others) = (set[group[0]], &group[1..]);
                for other in others {
                    self.absorb(first, set[*other]);
                    into[set[*other]] = first;
                }
            }
        }
        self.keep(|index| Some(into[index]));
    }

    /// Joins template `other` into `into`.
    fn absorb(&mut self, into: usize, other: usize) {
        let counts = std::mem::take(&mut self.entries[other].counts);
        let total = std::mem::take(&mut self.entries[other].total);
        let text = std::mem::take(&mut self.entries[other].text);
        let entry = &mut self.entries[into];
        entry.general = true;
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
        let mut events = 0;
        for (total, index) in &rarest {
            gone[*index] = true;
            events += total;
        }
        self.evicted_events += events;
        // Templates that were seen once: a flood.
        if self.seen.is_empty() && events < 2 * rarest.len() as u64 {
            self.seen = vec![0; SEEN_ONCE];
        }
        self.keep(|index| (!gone[index]).then_some(index));
    }

    /// Keeps the entries that go `into` themselves; signatures go with them.
    fn keep(&mut self, into: impl Fn(usize) -> Option<usize>) {
        let mut place = Vec::with_capacity(self.entries.len());
        let mut kept = 0_u32;
        for index in 0..self.entries.len() {
            place.push(kept);
            kept += u32::from(into(index) == Some(index));
        }
        let mut index = 0;
        self.entries.retain(|_| {
            index += 1;
            into(index - 1) == Some(index - 1)
        });
        self.signatures
            .retain(|_, found| match into(found.template as usize) {
                Some(into) => {
                    found.template = place[into];
                    true
                }
                None => false,
            });
        self.texts.clear();
        self.general.clear();
        self.error_templates = 0;
        for (index, entry) in (0..).zip(&mut self.entries) {
            self.error_templates += usize::from(entry.kind.is_error());
            if entry.general {
                entry.identity = identity(entry.kind, &entry.text, &entry.exception);
                let marks = likeness::marks(&entry.text);
                self.general
                    .entry((entry.kind, marks.len()))
                    .or_default()
                    .push((index, marks));
            }
            self.texts.insert(entry.identity, index);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Nothing;

    impl Join for Nothing {
        fn join(&mut self, _: Self) {}
    }

    /// What the tables take, in bytes.
    fn table_bytes(miner: &Miner<Nothing>) -> usize {
        let entry = |entry: &Entry<Nothing>| {
            size_of::<Entry<Nothing>>()
                + entry.text.capacity()
                + entry.exception.capacity()
                + entry.frame.capacity()
                + entry.sample.capacity()
        };
        let general = |(_, marks): &(u32, Marks)| size_of::<(u32, Marks)>() + size_of_val(&**marks);
        miner.entries.iter().map(entry).sum::<usize>()
            + miner.signatures.capacity() * (size_of::<(u64, Found)>() + 1)
            + miner.texts.capacity() * 17
            + miner.general.values().flatten().map(general).sum::<usize>()
            + miner.seen.capacity() * 8
    }

    fn word(index: u32) -> String {
        let letter = |at: u32| char::from(b'a' + ((index >> (4 * at)) & 15) as u8);
        (0..6).map(letter).collect()
    }

    #[test]
    fn no_flood_makes_the_tables_grow() {
        const MAX_TABLE_BYTES: usize = 6 << 20;
        let long = "é".repeat(1_000);
        let floods: [&dyn Fn(&str) -> String; 5] = [
            &|word| format!("INFO {word} did {word}"),
            &|word| format!("{word} {long} {word}"),
            &|word| format!(r#"{{"level":"info","msg":"done","{word}":1,"x{word}":2}}"#),
            &|word| format!("ERROR {word} broke {word}"),
            &|word| format!(r#"10.0.0.1 "GET /{word}/{word} HTTP/1.1" 200 12"#),
        ];
        for flood in floods {
            let mut miner = Miner::<Nothing>::new();
            for index in 0..20_000 {
                let word = word(index);
                let mut template = miner.find(flood(&word).as_bytes(), 0).template;
                if miner.entries[template as usize].kind.is_error() {
                    template = miner.variant(template, &format!("{word}Error"), &word);
                }
                miner.entries[template as usize].total += 1;
            }
            let bytes = table_bytes(&miner);
            assert!(bytes < MAX_TABLE_BYTES, "{} takes {bytes}", flood("x"));
            assert!(miner.entries.len() <= MAX_TEMPLATES + 8);
            assert!(miner.signatures.len() <= MAX_SIGNATURES);
            let counted: u64 = miner.entries.iter().map(|entry| entry.total).sum();
            assert_eq!(counted + miner.evicted_events, 20_000, "{}", flood("x"));
        }
    }

    #[test]
    fn the_order_of_lines_does_not_change_the_templates() {
        let mut lines: Vec<String> = (0..40)
            .map(|index| format!("login of {} from node-{index} was fine", word(index * 37)))
            .collect();
        lines.extend((0..40).map(|index| format!("task {index} is {}", ["up", "down"][index % 2])));
        let texts = |lines: &[String]| {
            let mut miner = Miner::<Nothing>::new();
            for line in lines {
                miner.find(line.as_bytes(), 0);
            }
            let mut texts: Vec<String> =
                miner.finish().entries.into_iter().map(|e| e.text).collect();
            texts.sort();
            texts
        };
        let forward = texts(&lines);
        lines.reverse();
        assert_eq!(forward, texts(&lines));
        assert_eq!(
            forward,
            [
                "login of <*> from node-<*> was fine",
                "task <*> is down",
                "task <*> is up"
            ]
        );
    }

    #[test]
    fn a_secret_in_a_list_is_a_variable_of_it() {
        let mut miner = Miner::<Nothing>::new();
        miner.find(b"ERROR [req-1 7 5fa5c2] no disk", 0);
        miner.find(
            b"ERROR [req-1 9f86d081884c7d659a2feaa0c55ad015 5fa5c2] no disk",
            0,
        );
        let texts: Vec<_> = miner.entries.iter().map(|entry| &entry.text).collect();
        assert_eq!(texts, ["ERROR [req-<*>] no disk"]);
    }

    #[test]
    fn in_a_flood_what_comes_twice_is_still_learnt() {
        let mut miner = Miner::<Nothing>::new();
        for index in 0..10_000 {
            let template = miner
                .find(format!("{0} did {0}", word(index)).as_bytes(), 0)
                .template;
            miner.entries[template as usize].total += 1;
        }
        assert!(!miner.seen.is_empty(), "this is a flood");
        for _ in 0..3 {
            let template = miner.find(b"orders are stored", 0).template;
            miner.entries[template as usize].total += 1;
        }
        let stored = miner
            .entries
            .iter()
            .find(|entry| entry.text == "orders are stored");
        assert_eq!(stored.map(|entry| entry.total), Some(2));
        // A failure is learnt at first sight.
        let error = miner.find(b"ERROR the disk is gone", 0).template;
        assert_eq!(miner.entries[error as usize].text, "ERROR the disk is gone");
    }
}
