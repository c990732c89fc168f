//! One log, read as it streams, becomes a small table.

use serde::{Deserialize, Serialize};

use crate::access::{Half, Traffic};
pub use crate::cells::PackedCells;
use crate::clock;
pub use crate::counts::Cell;
use crate::counts::{Counts, Episode};
pub use crate::course::{Course, Spread};
use crate::evidence::Window;
use crate::frame::{Framer, Line};
use crate::key_block::KeyBlock;
use crate::kind::Kind;
use crate::latency;
pub use crate::latency::Durations;
use crate::level::Level;
use crate::miner::{Found, Miner};
use crate::redact::redact;
use crate::signs::{self, Crash};
use crate::stamps::{self, JsonTime};
use crate::start::Start;
use crate::timeline::{History, Places, Slice};
use crate::trace::Trace;

/// How a log is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProfileOptions {
    /// The window whose buckets events are counted in.
    pub window: Window,
    /// Whether each line starts with the runtime's own timestamp (RFC 3339 and
    /// a space), as `kubectl logs --timestamps` and the API server write it.
    /// Without it, the framing of each line (CRI, Docker, `kubectl`, none) is
    /// recognised.
    pub runtime_timestamps: bool,
}

/// What one log says: a table of templates with their counts in each bucket.
/// Redacted: no text in it left its log unredacted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Bytes read.
    pub bytes: u64,
    /// Lines read.
    pub lines: u64,
    /// Events read (a stack trace is one event with the line it follows).
    pub events: u64,
    /// Lines longer than the cap, whose rest was not looked at.
    pub cut_lines: u64,
    /// Events whose template was rare and gave way to others.
    pub evicted_events: u64,
    /// Time of the first event, milliseconds since the epoch.
    pub first_ms: Option<i64>,
    /// Time of the last event.
    pub last_ms: Option<i64>,
    /// Whether the last event is an uncaught exception (a traceback that no
    /// logger wrote): with it the process ended, if it ended.
    pub ends_in_traceback: bool,
    /// Whether an uncaught exception was followed by a process's start.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restarted_after_traceback: bool,
    /// Counts over all templates, one for each bucket that has any, in order.
    pub tallies: Vec<Tally>,
    /// The templates, in canonical order.
    pub templates: Vec<Template>,
    /// How long its requests took, for each bucket that has any, in order.
    pub durations: Vec<Durations>,
    /// How its failures are spread over its course.
    pub course: Course,
    /// What it said over its own time, to be shown.
    pub history: History,
}

/// What a log counts in one bucket, over all templates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Index of the bucket.
    pub bucket: u32,
    /// Requests, without probes.
    pub requests: u64,
    /// Requests answered with a 5xx status.
    pub server_errors: u64,
    /// Episodes of them.
    pub server_error_episodes: u64,
    /// Sum of the squares of the episodes' sizes.
    pub server_error_squares: u64,
    /// Events at ERROR and above, without those of a process that starts.
    pub errors: u64,
    /// Events at ERROR and above while its process was starting.
    pub start_errors: u64,
    /// Episodes of [`Tally::errors`].
    pub error_episodes: u64,
    /// Sum of the squares of the episodes' sizes.
    pub error_squares: u64,
    /// Episodes of events that report a failure, at whatever level.
    pub failure_episodes: u64,
}

/// One template of one log. No text in it is unredacted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// The text, variables as `<*>`.
    pub text: String,
    /// How serious it is.
    pub level: Level,
    /// First digit of the HTTP status it shows; 0 for none.
    pub status_class: u8,
    /// Whether it is a request.
    pub traffic: Traffic,
    /// Which crash it is the mark of.
    pub crash: Option<Crash>,
    /// Whether it reports a failure though its level says less.
    pub suspect: bool,
    /// Exception of its stack trace, the root cause; empty without one.
    pub exception: String,
    /// `File:line` of the top frame in the application's own code; may be
    /// empty. Not part of the template's identity: lines move.
    pub frame: String,
    /// One sample line.
    pub sample: String,
    /// First seen, milliseconds since the epoch.
    pub first_ms: Option<i64>,
    /// Last seen.
    pub last_ms: Option<i64>,
    /// Whether it comes at regular times, as heartbeats do and traffic does
    /// not. `None` when it was seen too rarely to say.
    pub regular: Option<bool>,
    /// Events from before the window: known already when the canary came.
    pub before: u64,
    /// Failures while its process was starting: told, and not tested.
    pub at_start: u64,
    /// In which slices of the log's course it was seen.
    pub spread: Spread,
    /// Counts, one for each bucket that has any, in order.
    pub cells: PackedCells,
}

impl Template {
    /// How often it was seen in the log.
    #[must_use]
    pub fn total(&self) -> u64 {
        let counted: u64 = self.cells.iter().map(|cell| u64::from(cell.count)).sum();
        self.at_start + counted
    }
}

/// Events after an uncaught exception among which the next process's start is
/// looked for.
const RESTART_EVENTS: u8 = 4;

/// Reads one log, piece by piece, in bounded memory.
#[derive(Debug)]
pub struct Profiler {
    framer: Framer,
    reader: Reader,
}

impl Profiler {
    /// Starts a log.
    #[must_use]
    pub fn new(options: ProfileOptions) -> Self {
        let framer = Framer::new(options.runtime_timestamps);
        Self {
            framer,
            reader: Reader::new(options.window),
        }
    }

    /// Reads the next bytes; a piece may end anywhere, even inside a line.
    pub fn push(&mut self, bytes: &[u8]) {
        self.reader.profile.bytes += bytes.len() as u64;
        self.framer.push(bytes, &mut |line| self.reader.line(line));
    }

    /// Ends the log: its last line counts though no newline follows it.
    #[must_use]
    pub fn finish(mut self) -> Profile {
        self.framer.finish(&mut |line| self.reader.line(line));
        self.reader.profile.cut_lines = self.framer.cut_lines;
        self.reader.finish()
    }
}

/// The event whose lines are being read.
#[derive(Clone, Copy, Debug)]
struct Open {
    template: u32,
    kind: Kind,
    ms: Option<i64>,
    bucket: Option<u32>,
    /// How long the request took, as a bin.
    duration: Option<u8>,
}

/// Lines → events → counts.
#[derive(Debug)]
struct Reader {
    window: Window,
    miner: Miner<Counts>,
    open: Option<Open>,
    trace: Trace,
    key_block: KeyBlock,
    /// Time of the last line that had one: lines without one are of then.
    now_ms: Option<i64>,
    json_time: JsonTime,
    error_episode: Episode,
    server_error_episode: Episode,
    failure_episode: Episode,
    start: Start,
    /// Events to come in which a process's start shows that the one before it
    /// died of what nobody caught.
    may_restart: u8,
    /// The request that came last is a probe.
    probed: bool,
    /// The slice of the course that is being read, and its last event.
    slice: u32,
    slice_ends_with: u64,
    places: Places,
    profile: Profile,
}

impl Reader {
    fn new(window: Window) -> Self {
        Self {
            window,
            miner: Miner::new(),
            open: None,
            trace: Trace::default(),
            key_block: KeyBlock::default(),
            now_ms: None,
            json_time: JsonTime::default(),
            error_episode: Episode::default(),
            server_error_episode: Episode::default(),
            failure_episode: Episode::default(),
            start: Start::default(),
            may_restart: 0,
            probed: false,
            slice: 0,
            slice_ends_with: 0,
            places: Places::default(),
            profile: Profile::default(),
        }
    }

    fn line(&mut self, line: Line<'_>) {
        self.profile.lines += 1;
        let text = line.text.trim_ascii_end();
        if self.key_block.holds(text) {
            return;
        }
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
        let ms = line
            .ms
            .or(time.map(|(ms, _)| ms))
            .or_else(|| self.stated_time(found, text))
            .or(self.now_ms);
        self.now_ms = ms;
        let bucket = self.window.bucket_of(ms);
        let Found {
            template, mut kind, ..
        } = found;
        if kind.is_error() {
            self.trace.first_line(text);
        } else {
            self.trace.clear();
        }
        if self.may_restart > 0 {
            self.may_restart -= 1;
            self.profile.restarted_after_traceback |= signs::starts(&String::from_utf8_lossy(text));
        }
        kind.traffic = self.traffic(found);
        let request = kind.traffic == Traffic::Request;
        self.open = Some(Open {
            template,
            kind,
            ms,
            bucket,
            duration: if request {
                self.duration(template, text)
            } else {
                None
            },
        });
    }

    /// Whether a line is a request: its answer alone does not say whose it is.
    fn traffic(&mut self, found: Found) -> Traffic {
        match found.half {
            Half::Came(probe) => self.probed = probe,
            Half::Answered if std::mem::take(&mut self.probed) => return Traffic::Probe,
            Half::Answered | Half::Whole => {}
        }
        found.kind.traffic
    }

    /// The time of a line that neither the runtime nor its beginning tells.
    fn stated_time(&mut self, found: Found, text: &[u8]) -> Option<i64> {
        if !found.timed {
            None
        } else if text.first() == Some(&b'{') {
            self.json_time.of(text)
        } else {
            stamps::stated(text)
        }
    }

    /// How long a request took, where its line says so.
    fn duration(&mut self, template: u32, text: &[u8]) -> Option<u8> {
        let entry = &mut self.miner.entries[template as usize];
        let slot = entry.counts.slot.get_or_insert_with(|| latency::slot(text));
        slot.as_ref()?.read(text).map(latency::bin)
    }

    /// Counts the event that has ended.
    fn close(&mut self) {
        let Some(mut open) = self.open.take() else {
            return;
        };
        if !self.trace.exception.is_empty() && open.kind.is_error() {
            open.template =
                self.miner
                    .variant(open.template, &self.trace.exception, &self.trace.frame);
        }
        // Before the window: stable's pods have said much since they started.
        let Some(bucket) = open.bucket else {
            let entry = &mut self.miner.entries[open.template as usize];
            entry.total += 1;
            entry.counts.before += 1;
            self.start.end();
            return;
        };
        self.profile.events += 1;
        if let Some(ms) = open.ms {
            self.profile.first_ms = Some(self.profile.first_ms.map_or(ms, |first| first.min(ms)));
            self.profile.last_ms = Some(self.profile.last_ms.map_or(ms, |last| last.max(ms)));
        }
        let entry = &mut self.miner.entries[open.template as usize];
        entry.total += 1;
        if entry.frame.is_empty() && !self.trace.frame.is_empty() {
            entry.frame = redact(&self.trace.frame).into_owned();
        }
        let kind = open.kind;
        if kind.traffic == Traffic::Request {
            self.start.end();
        } else {
            self.start.note(open.ms);
        }
        let failure = kind.level >= Level::Error || kind.suspect;
        let starting = failure && self.start.is_going_on(&self.window, open.ms);
        if starting {
            entry.counts.add_at_start(open.ms);
        } else {
            entry.counts.add(bucket, open.ms, self.profile.events);
        }
        self.add_to_course(open.template, kind);
        self.profile.ends_in_traceback = kind.crash == Some(Crash::Traceback);
        if self.profile.ends_in_traceback {
            self.may_restart = RESTART_EVENTS;
        }
        self.add_to_history(open.ms, kind);
        if let Some(bin) = open.duration {
            self.durations(bucket).add(bin);
        }
        if starting {
            self.tally(bucket).start_errors += u64::from(kind.level >= Level::Error);
        } else if failure || kind.traffic == Traffic::Request {
            self.add_to_tally(bucket, open.ms, kind);
        }
    }

    fn add_to_course(&mut self, template: u32, kind: Kind) {
        if self.profile.events > self.slice_ends_with {
            self.begin_slice();
        }
        let error = kind.level >= Level::Error;
        self.profile
            .course
            .add(self.slice, error, error || kind.suspect);
        self.miner.entries[template as usize].counts.spread.0 |= 1 << self.slice;
    }

    fn begin_slice(&mut self) {
        let course = &mut self.profile.course;
        self.slice = loop {
            match course.slice_of(self.profile.events) {
                Some(slice) => break slice,
                None => course.widen(
                    self.miner
                        .entries
                        .iter_mut()
                        .map(|entry| &mut entry.counts.spread),
                ),
            }
        };
        self.slice_ends_with = (u64::from(self.slice) + 1) * course.slice_events;
    }

    fn add_to_history(&mut self, ms: Option<i64>, kind: Kind) {
        let Some(ms) = ms else { return };
        let request = kind.traffic == Traffic::Request;
        let what = Slice {
            events: 1,
            errors: u64::from(kind.level >= Level::Error),
            requests: u64::from(request),
            server_errors: u64::from(request && kind.status_class == 5),
        };
        self.profile.history.add(ms, what, &mut self.places);
    }

    /// Counts a request or a failure over all templates.
    fn add_to_tally(&mut self, bucket: u32, ms: Option<i64>, kind: Kind) {
        let event = self.profile.events;
        let request = kind.traffic == Traffic::Request;
        let server_error = request && kind.status_class == 5;
        let error = kind.level >= Level::Error;
        let error_begins = error && self.error_episode.begins(ms, event, false);
        let server_error_begins = server_error && self.server_error_episode.begins(ms, event, true);
        let failure_begins =
            (error || kind.suspect) && self.failure_episode.begins(ms, event, false);
        let (error_growth, server_error_growth) = (
            self.error_episode.square_growth_if(error),
            self.server_error_episode.square_growth_if(server_error),
        );
        let tally = self.tally(bucket);
        tally.requests += u64::from(request);
        tally.server_errors += u64::from(server_error);
        tally.server_error_episodes += u64::from(server_error_begins);
        tally.server_error_squares += server_error_growth;
        tally.errors += u64::from(error);
        tally.error_episodes += u64::from(error_begins);
        tally.error_squares += error_growth;
        tally.failure_episodes += u64::from(failure_begins);
    }

    fn tally(&mut self, bucket: u32) -> &mut Tally {
        let tallies = &mut self.profile.tallies;
        let at = match tallies.binary_search_by_key(&bucket, |tally| tally.bucket) {
            Ok(at) => at,
            Err(at) => {
                tallies.insert(
                    at,
                    Tally {
                        bucket,
                        ..Tally::default()
                    },
                );
                at
            }
        };
        &mut tallies[at]
    }

    fn durations(&mut self, bucket: u32) -> &mut Durations {
        let all = &mut self.profile.durations;
        let at = match all.binary_search_by_key(&bucket, |durations| durations.bucket) {
            Ok(at) => at,
            Err(at) => {
                let bins = Vec::new();
                all.insert(at, Durations { bucket, bins });
                at
            }
        };
        &mut all[at]
    }

    fn finish(mut self) -> Profile {
        self.close();
        let mut profile = self.profile;
        let miner = self.miner.finish();
        profile.evicted_events = miner.evicted_events;
        profile.templates = miner
            .entries
            .into_iter()
            .filter(|entry| entry.total > 0)
            .map(|entry| Template {
                text: entry.text,
                level: entry.kind.level,
                status_class: entry.kind.status_class,
                traffic: entry.kind.traffic,
                crash: entry.kind.crash,
                suspect: entry.kind.suspect,
                exception: entry.exception,
                frame: entry.frame,
                sample: entry.sample,
                first_ms: entry.counts.first_ms,
                last_ms: entry.counts.last_ms,
                regular: entry.counts.regular(),
                before: entry.counts.before,
                at_start: entry.counts.at_start,
                spread: entry.counts.spread,
                cells: entry.counts.cells.finish(),
            })
            .collect();
        profile.templates.sort_by(|a, b| {
            (b.level, &a.text, &a.exception, a.status_class).cmp(&(
                a.level,
                &b.text,
                &b.exception,
                b.status_class,
            ))
        });
        profile
    }
}
