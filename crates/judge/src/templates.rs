//! The templates of a stream of lines, and which of them each event has: what
//! the judge's reader sees, without judging.
//!
//! The same miner as a [`Profiler`](crate::Profiler)'s, so its tables and these
//! agree.

use crate::clock;
use crate::frame::{Framer, Line};
use crate::level::Level;
use crate::mask;
use crate::miner::{Found, Join, Miner};
use crate::trace::Trace;

/// Text of the group of all events whose template gave way to others.
const REST: &str = mask::VARIABLE;

/// Mines the templates of a stream of lines.
///
/// Bounded in templates; it keeps four bytes for each event besides.
#[derive(Debug)]
pub struct TemplateMiner {
    lines: Lines,
    events: Events,
}

/// What was mined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mined {
    /// The group of each event, in the order of the events: an index into
    /// `templates`.
    pub events: Vec<u32>,
    /// The templates, by group, in the order of their first event.
    pub templates: Vec<MinedTemplate>,
}

/// One template of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MinedTemplate {
    /// The text, variables (and what is redacted) as `<*>`.
    pub text: String,
    /// How serious it is.
    pub level: Level,
    /// How many events have it.
    pub count: u64,
    /// One sample line, redacted.
    pub sample: String,
}

/// Where lines end.
#[derive(Debug)]
enum Lines {
    /// Each line as it is written.
    Raw(Framer),
    /// The runtime's framing and continuation lines are taken off.
    Framed(Framer),
}

impl TemplateMiner {
    /// Starts a stream.
    ///
    /// With `one_event_per_line` each line is an event of its own, empty ones
    /// too, and nothing is taken off it; else the stream is read as a
    /// [`Profiler`](crate::Profiler) reads a log.
    #[must_use]
    pub fn new(one_event_per_line: bool) -> Self {
        Self {
            lines: if one_event_per_line {
                Lines::Raw(Framer::raw())
            } else {
                Lines::Framed(Framer::new(false))
            },
            events: Events::default(),
        }
    }

    /// Reads the next bytes; a piece may end anywhere, even inside a line.
    pub fn push(&mut self, bytes: &[u8]) {
        let events = &mut self.events;
        match &mut self.lines {
            Lines::Raw(framer) => framer.push(bytes, &mut |line| events.event(line.text)),
            Lines::Framed(framer) => framer.push(bytes, &mut |line| events.line(line)),
        }
    }

    /// Ends the stream: its last line counts though no newline follows it.
    #[must_use]
    pub fn finish(mut self) -> Mined {
        let events = &mut self.events;
        match &mut self.lines {
            Lines::Raw(framer) => framer.finish(&mut |line| events.event(line.text)),
            Lines::Framed(framer) => framer.finish(&mut |line| events.line(line)),
        }
        self.events.finish()
    }
}

/// The groups that a template was made of.
#[derive(Debug, Default)]
struct Groups(Vec<u32>);

impl Join for Groups {
    fn join(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

/// Lines → events → groups.
#[derive(Debug)]
struct Events {
    miner: Miner<Groups>,
    trace: Trace,
    /// Template of the event whose lines are being read.
    open: Option<Found>,
    /// Group of each event, before groups were joined.
    events: Vec<u32>,
    groups: u32,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            miner: Miner::new(),
            trace: Trace::default(),
            open: None,
            events: Vec::new(),
            groups: 0,
        }
    }
}

impl Events {
    fn line(&mut self, line: Line<'_>) {
        let text = line.text.trim_ascii_end();
        if let Some(open) = self.open {
            let kind = open.kind;
            if text.is_empty()
                || self.trace.continues(text, kind.level)
                || self.trace.opens_prefixed(text, kind.is_error())
            {
                return;
            }
        } else if text.is_empty() {
            return;
        }
        self.close();
        let time = clock::leading(text);
        let found = self.miner.find(text, time.map_or(0, |(_, len)| len));
        if found.kind.is_error() {
            self.trace.first_line(text);
        } else {
            self.trace.clear();
        }
        self.open = Some(found);
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else {
            return;
        };
        let mut template = open.template;
        if !self.trace.exception.is_empty() && open.kind.is_error() {
            template = self
                .miner
                .variant(template, &self.trace.exception, &self.trace.frame);
        }
        self.count(template);
    }

    fn event(&mut self, text: &[u8]) {
        let found = self.miner.find(text, 0);
        self.count(found.template);
    }

    fn count(&mut self, template: u32) {
        let entry = &mut self.miner.entries[template as usize];
        entry.total += 1;
        let groups = &mut entry.counts.0;
        let group = if let Some(group) = groups.first() {
            *group
        } else {
            groups.push(self.groups);
            self.groups += 1;
            self.groups - 1
        };
        self.events.push(group);
    }

    fn finish(mut self) -> Mined {
        self.close();
        let mut entries = self.miner.finish().entries;
        entries.retain(|entry| entry.total > 0);
        entries.sort_by_key(|entry| entry.counts.0.iter().min().copied());
        let mut templates = Vec::with_capacity(entries.len());
        let mut final_group: Vec<Option<u32>> = vec![None; self.groups as usize];
        for (index, entry) in (0..).zip(entries) {
            for group in &entry.counts.0 {
                final_group[*group as usize] = Some(index);
            }
            templates.push(MinedTemplate {
                text: entry.text,
                level: entry.kind.level,
                count: entry.total,
                sample: entry.sample,
            });
        }
        let rest = u32::try_from(templates.len()).unwrap_or(u32::MAX);
        let mut events = self.events;
        let mut left = 0;
        for event in &mut events {
            *event = final_group[*event as usize].unwrap_or_else(|| {
                left += 1;
                rest
            });
        }
        if left > 0 {
            templates.push(MinedTemplate {
                text: REST.to_owned(),
                level: Level::Info,
                count: left,
                sample: String::new(),
            });
        }
        Mined { events, templates }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Pieces that lines are made of, and that break readers.
    fn piece() -> impl Strategy<Value = Vec<u8>> {
        const PIECES: &[&str] = &[
            "\n",
            " ",
            "<*>",
            "***",
            "/",
            "//",
            "://",
            ":",
            ".",
            "-",
            "C:\\",
            "GET ",
            "/a/b",
            "1",
            "12.",
            "500",
            "node-7",
            "eth1",
            "a.b.com:80",
            "Jun 14 ",
            "Fri ",
            "00:ab:",
            "é",
            "\"",
            "(x)",
            "k=v,",
            "{\"log\":{\"level\":",
            "\"s\":\"E\"",
            "<11>",
            "E0102 ",
            "ERROR ",
            "[a][b]",
            "1:M ",
            "2026-11-22T03:04:05Z",
            "password=x",
            "word word word word",
            "\u{1b}[0m",
        ];
        prop_oneof![
            9 => prop::sample::select(PIECES).prop_map(|text| text.as_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..80),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn any_bytes_have_templates_whatever_the_pieces(
            pieces in prop::collection::vec(piece(), 0..80), raw: bool, chunk in 1..40_usize
        ) {
            let bytes = pieces.concat();
            let mined = mine(&bytes, raw, chunk);
            prop_assert_eq!(&mined, &mine(&bytes, raw, bytes.len().max(1)));
            let counted: u64 = mined.templates.iter().map(|template| template.count).sum();
            prop_assert_eq!(counted, mined.events.len() as u64);
            prop_assert!(mined.events.iter().all(|group| (*group as usize) < mined.templates.len()));
            if raw {
                prop_assert_eq!(mined.events.len(), bytes.split_inclusive(|byte| *byte == b'\n').count());
            }
        }
    }

    fn mine(bytes: &[u8], one_event_per_line: bool, chunk: usize) -> Mined {
        let mut miner = TemplateMiner::new(one_event_per_line);
        for piece in bytes.chunks(chunk) {
            miner.push(piece);
        }
        miner.finish()
    }

    #[test]
    fn each_line_has_its_group() {
        let lines = b"took 1 ms\r\nERROR no disk\n\ntook 22 ms\n\tat x\nlast 7";
        for chunk in [1, 5, 100] {
            let mined = mine(lines, true, chunk);
            assert_eq!(mined.events, [0, 1, 2, 0, 3, 4]);
            let texts: Vec<_> = mined.templates.iter().map(|t| t.text.as_str()).collect();
            assert_eq!(
                texts,
                ["took <*> ms", "ERROR no disk", "", "at x", "last <*>"]
            );
            assert_eq!(mined.templates[0].count, 2);
            assert_eq!(mined.templates[1].level, Level::Error);
        }
    }

    #[test]
    fn continuation_lines_are_no_events_of_a_log() {
        let log = b"1970-01-01T00:00:01Z stdout F ERROR no disk\n1970-01-01T00:00:01Z stdout F \tat a.B(B.java:1)\n1970-01-01T00:00:01Z stdout F ok 1\n";
        let mined = mine(log, false, 7);
        assert_eq!(mined.events, [0, 1]);
        assert_eq!(mined.templates[1].text, "ok <*>");
    }

    #[test]
    fn groups_that_became_one_are_one_for_all_events() {
        let lines: String = ["alpha", "beta", "gamma", "delta", "alpha"]
            .iter()
            .map(|name| format!("ERROR cannot open store {name} for order\n"))
            .collect();
        let mined = mine(lines.as_bytes(), true, 1000);
        assert_eq!(mined.events, [0; 5]);
        assert_eq!(
            mined.templates[0].text,
            "ERROR cannot open store <*> for order"
        );
    }

    #[test]
    fn what_is_redacted_reads_as_a_variable() {
        let mined = mine(b"login password=hunter ok\n", true, 1000);
        assert_eq!(mined.templates[0].text, "login password=<*> ok");
        assert_eq!(mined.templates[0].sample, "login password=*** ok");
    }

    #[test]
    fn a_flood_of_templates_ends_in_one_group() {
        let mut miner = TemplateMiner::new(true);
        for index in 0..10_000_u32 {
            let word: String = (0..6)
                .map(|at| char::from(b'a' + ((index >> (4 * at)) & 15) as u8))
                .collect();
            miner.push(format!("{word} {word}x {word}y\n").as_bytes());
        }
        let mined = miner.finish();
        assert_eq!(mined.events.len(), 10_000);
        assert!(mined.templates.len() <= crate::MAX_TEMPLATES + 1);
        let counted: u64 = mined.templates.iter().map(|t| t.count).sum();
        assert_eq!(counted, 10_000);
        assert_eq!(mined.templates.last().map(|t| t.text.as_str()), Some(REST));
    }
}
