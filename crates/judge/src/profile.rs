//! One log, read as it streams, becomes a small table.

use serde::{Deserialize, Serialize};

use crate::access::Traffic;
use crate::clock;
use crate::evidence::Window;
use crate::frame::{Framer, Line};
use crate::level::Level;
use crate::miner::{Join, Miner};
use crate::signs::Crash;
use crate::timeline::{History, Slice};
use crate::trace::Trace;

/// Errors of one log within this time are one episode: one cause that is
/// logged thrice, or a burst of retries, is not many independent failures.
const EPISODE_MS: i64 = 1_000;
/// Without timestamps, this many errors in a row are one episode.
const UNTIMED_EPISODE: u32 = 8;
/// Gaps after which a template may be called regular.
const MIN_GAPS: u32 = 4;
/// Shortest mean gap of a heartbeat: steady traffic may come every few
/// milliseconds as regularly as clockwork.
const MIN_HEARTBEAT_MS: f64 = 900.0;
/// Standard deviation over mean of a heartbeat's gaps, at most.
const MAX_HEARTBEAT_SPREAD: f64 = 0.15;

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
    /// Counts over all templates, one for each bucket that has any, in order.
    pub tallies: Vec<Tally>,
    /// The templates, in canonical order.
    pub templates: Vec<Template>,
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
    /// Events at ERROR and above.
    pub errors: u64,
    /// Episodes of them.
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
    /// Counts, one for each bucket that has any, in order.
    pub cells: Vec<Cell>,
}

impl Template {
    /// How often it was seen in the log.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.cells.iter().map(|cell| u64::from(cell.count)).sum()
    }
}

/// A template's counts in one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Index of the bucket.
    pub bucket: u32,
    /// Events.
    pub count: u32,
    /// Episodes: runs of events within a second of each other's first.
    pub episodes: u32,
}

/// A run of events that count as one cause.
#[derive(Clone, Copy, Debug, Default)]
struct Episode {
    start_ms: Option<i64>,
    /// Number of the last event, to see whether the next follows at once.
    last_event: u64,
    size: u32,
}

impl Episode {
    /// Takes one more event in; whether it begins a new episode.
    fn begins(&mut self, ms: Option<i64>, event: u64, alone: bool) -> bool {
        let same = match (self.start_ms, ms) {
            (Some(start), Some(now)) => self.size > 0 && (0..EPISODE_MS).contains(&(now - start)),
            (None, None) => {
                !alone
                    && self.size > 0
                    && self.size < UNTIMED_EPISODE
                    && self.last_event + 1 == event
            }
            _ => false,
        };
        self.last_event = event;
        if same {
            self.size = self.size.saturating_add(1);
        } else {
            *self = Self {
                start_ms: ms,
                last_event: event,
                size: 1,
            };
        }
        !same
    }

    /// What the sum of squares grows by, now that the size has.
    fn square_growth(&self) -> u64 {
        2 * u64::from(self.size) - 1
    }
}

/// What is counted of one template.
#[derive(Debug, Default)]
struct Counts {
    cells: Vec<Cell>,
    first_ms: Option<i64>,
    last_ms: Option<i64>,
    episode: Episode,
    gaps: Gaps,
}

/// Mean and spread of the time between a template's events (Welford's method).
#[derive(Clone, Copy, Debug, Default)]
struct Gaps {
    n: u32,
    mean: f64,
    squares: f64,
}

impl Gaps {
    fn add(&mut self, gap_ms: i64) {
        self.n = self.n.saturating_add(1);
        let gap = gap_ms as f64;
        let delta = gap - self.mean;
        self.mean += delta / f64::from(self.n);
        self.squares += delta * (gap - self.mean);
    }

    fn regular(&self) -> Option<bool> {
        if self.n < MIN_GAPS {
            return None;
        }
        let spread = (self.squares / f64::from(self.n)).sqrt() / self.mean.max(1.0);
        Some(self.mean >= MIN_HEARTBEAT_MS && spread <= MAX_HEARTBEAT_SPREAD)
    }
}

impl Counts {
    fn add(&mut self, bucket: u32, ms: Option<i64>, event: u64) {
        let episode = u32::from(self.episode.begins(ms, event, false));
        // Buckets come nearly in order: the last cell is nearly always it.
        let at = self.cells.iter().rposition(|cell| cell.bucket <= bucket);
        match at {
            Some(at) if self.cells[at].bucket == bucket => {
                let cell = &mut self.cells[at];
                cell.count = cell.count.saturating_add(1);
                cell.episodes = cell.episodes.saturating_add(episode);
            }
            _ => self.cells.insert(
                at.map_or(0, |at| at + 1),
                Cell {
                    bucket,
                    count: 1,
                    episodes: episode,
                },
            ),
        }
        if let Some(ms) = ms {
            if let Some(last) = self.last_ms {
                self.gaps.add(ms - last);
            }
            self.first_ms = Some(self.first_ms.map_or(ms, |first| first.min(ms)));
            self.last_ms = Some(ms);
        }
    }
}

impl Join for Counts {
    fn join(&mut self, other: Self) {
        for cell in other.cells {
            match self
                .cells
                .binary_search_by_key(&cell.bucket, |own| own.bucket)
            {
                Ok(at) => {
                    self.cells[at].count = self.cells[at].count.saturating_add(cell.count);
                    self.cells[at].episodes = self.cells[at].episodes.saturating_add(cell.episodes);
                }
                Err(at) => self.cells.insert(at, cell),
            }
        }
        self.first_ms = [self.first_ms, other.first_ms].into_iter().flatten().min();
        self.last_ms = [self.last_ms, other.last_ms].into_iter().flatten().max();
        // Two templates' gaps say nothing about their union's.
        self.gaps = Gaps::default();
    }
}

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
    ms: Option<i64>,
    bucket: Option<u32>,
}

/// Lines → events → counts.
#[derive(Debug)]
struct Reader {
    window: Window,
    miner: Miner<Counts>,
    open: Option<Open>,
    trace: Trace,
    /// Time of the last line that had one: lines without one are of then.
    now_ms: Option<i64>,
    error_episode: Episode,
    server_error_episode: Episode,
    failure_episode: Episode,
    profile: Profile,
}

impl Reader {
    fn new(window: Window) -> Self {
        Self {
            window,
            miner: Miner::new(),
            open: None,
            trace: Trace::default(),
            now_ms: None,
            error_episode: Episode::default(),
            server_error_episode: Episode::default(),
            failure_episode: Episode::default(),
            profile: Profile::default(),
        }
    }

    fn line(&mut self, line: Line<'_>) {
        self.profile.lines += 1;
        let text = line.text.trim_ascii_end();
        if let Some(open) = self.open {
            let kind = self.miner.entries[open.template as usize].kind;
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
        let ms = line
            .ms
            .or(time.map(|(ms, _)| ms))
            .or_else(|| clock::leading_syslog(text))
            .or(self.now_ms);
        self.now_ms = ms;
        let bucket = self.window.bucket_of(ms);
        let template = self.miner.find(text, time.map_or(0, |(_, len)| len));
        if self.miner.entries[template as usize].kind.is_error() {
            self.trace.first_line(text);
        } else {
            self.trace.clear();
        }
        self.open = Some(Open {
            template,
            ms,
            bucket,
        });
    }

    /// Counts the event that has ended.
    fn close(&mut self) {
        let Some(mut open) = self.open.take() else {
            return;
        };
        if !self.trace.exception.is_empty()
            && self.miner.entries[open.template as usize].kind.is_error()
        {
            open.template =
                self.miner
                    .variant(open.template, &self.trace.exception, &self.trace.frame);
        }
        // Before the window: stable's pods have said much since they started.
        let Some(bucket) = open.bucket else { return };
        self.profile.events += 1;
        let event = self.profile.events;
        if let Some(ms) = open.ms {
            self.profile.first_ms = Some(self.profile.first_ms.map_or(ms, |first| first.min(ms)));
            self.profile.last_ms = Some(self.profile.last_ms.map_or(ms, |last| last.max(ms)));
        }
        let entry = &mut self.miner.entries[open.template as usize];
        entry.total += 1;
        if entry.frame.is_empty() && !self.trace.frame.is_empty() {
            self.trace.frame.clone_into(&mut entry.frame);
        }
        entry.counts.add(bucket, open.ms, event);
        let kind = entry.kind;
        self.profile.ends_in_traceback = kind.crash == Some(Crash::Traceback);
        let server_error = kind.traffic == Traffic::Request && kind.status_class == 5;
        let error = kind.level >= Level::Error;
        if let Some(ms) = open.ms {
            self.profile.history.add(
                ms,
                Slice {
                    events: 1,
                    errors: u64::from(error),
                    requests: u64::from(kind.traffic == Traffic::Request),
                    server_errors: u64::from(server_error),
                },
            );
        }
        if kind.traffic != Traffic::Request && !error && !kind.suspect {
            return;
        }
        let error_begins = error && self.error_episode.begins(open.ms, event, false);
        let server_error_begins =
            server_error && self.server_error_episode.begins(open.ms, event, true);
        let failure_begins =
            (error || kind.suspect) && self.failure_episode.begins(open.ms, event, false);
        let (error_growth, server_error_growth) = (
            self.error_episode.square_growth_if(error),
            self.server_error_episode.square_growth_if(server_error),
        );
        let tally = self.tally(bucket);
        tally.requests += u64::from(kind.traffic == Traffic::Request);
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
                regular: entry.counts.gaps.regular(),
                cells: entry.counts.cells,
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

impl Episode {
    fn square_growth_if(&self, counted: bool) -> u64 {
        if counted { self.square_growth() } else { 0 }
    }
}
