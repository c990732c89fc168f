//! One template table over both arms.
//!
//! Profiles are joined in canonical order, like texts of the two arms become
//! one row, and rows that vanished are paired with rows that are new: a
//! reworded message is not an error that came and another that went.

use std::collections::{BTreeMap, BTreeSet};

use crate::access::Traffic;
use crate::cluster;
use crate::evidence::{Arm, ArmEvidence, Evidence, LogProfile};
use crate::level::Level;
use crate::likeness::{self, Marks};
use crate::policy::Policy;
use crate::profile::{Profile, Template};
use crate::signs::Crash;
use crate::stopped::Seen;

/// Rows compared for rewording at most, of each side: the comparison is of
/// every vanished row with every new one.
const MAX_PAIRED_ROWS: usize = 256;
/// Share of words that a reworded message keeps, at least.
const MIN_REWORDED: f64 = 0.5;
/// The same where the new message is said as often as the old one was.
const MIN_REWORDED_AS_FREQUENT: f64 = 0.15;
/// Events of either from which how often they come says something.
const MIN_FREQUENT: u64 = 30;
/// How far from each other the two may be, as a factor.
const MAX_FREQUENCY_RATIO: f64 = 1.25;
/// The same at FATAL: a new fatal text must not hide behind an old one.
const MIN_REWORDED_FATAL: f64 = 0.8;

/// A template over both arms.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub text: String,
    pub level: Level,
    pub status_class: u8,
    pub traffic: Traffic,
    pub crash: Option<Crash>,
    pub suspect: bool,
    pub exception: String,
    pub frame: String,
    pub sample: String,
    pub first_ms: Option<i64>,
    pub last_ms: Option<i64>,
    /// Whether it comes as regularly as a heartbeat in every log that has
    /// enough of it to tell.
    pub regular: Option<bool>,
    pub stable: ArmCells,
    pub canary: ArmCells,
    /// Names of the canary's pods that showed it.
    pub canary_pods: BTreeSet<String>,
    /// What it said before, when it was reworded.
    pub reworded: Option<String>,
    /// When each arm said it.
    pub stable_seen: Seen,
    pub canary_seen: Seen,
    /// Seen over the course of one of the canary's logs.
    pub goes_on: bool,
    /// Parts of its logs' course that showed it, of stable and of the canary.
    pub parts: (u64, u64),
}

/// One arm's counts of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ArmCells {
    /// Bucket → events, episodes.
    pub cells: BTreeMap<u32, (u64, u64)>,
    /// Failures while a log's process started: told, not tested.
    pub at_start: u64,
    /// Events from before the window.
    pub before: u64,
    /// Runs of events within a second: what a person would call occasions.
    pub occasions: u64,
}

impl ArmCells {
    /// Events within the window.
    pub(crate) fn total(&self) -> u64 {
        self.at_start + self.cells.values().map(|(count, _)| count).sum::<u64>()
    }

    /// Episodes within the window, those of the start left out.
    pub(crate) fn episodes(&self) -> u64 {
        self.cells.values().map(|(_, episodes)| episodes).sum()
    }

    /// Whether the arm never said it, before the window included.
    pub(crate) fn is_empty(&self) -> bool {
        self.cells.is_empty() && self.at_start == 0 && self.before == 0
    }

    fn join(&mut self, other: &Self) {
        self.at_start += other.at_start;
        self.before += other.before;
        self.occasions += other.occasions;
        for (bucket, (count, episodes)) in &other.cells {
            let cell = self.cells.entry(*bucket).or_default();
            cell.0 += count;
            cell.1 += episodes;
        }
    }
}

impl Row {
    fn new(template: &Template) -> Self {
        Self {
            text: template.text.clone(),
            level: template.level,
            status_class: template.status_class,
            traffic: template.traffic,
            crash: template.crash,
            suspect: template.suspect,
            exception: template.exception.clone(),
            frame: String::new(),
            sample: String::new(),
            first_ms: None,
            last_ms: None,
            regular: None,
            stable: ArmCells::default(),
            canary: ArmCells::default(),
            canary_pods: BTreeSet::new(),
            reworded: None,
            stable_seen: Seen::default(),
            canary_seen: Seen::default(),
            goes_on: false,
            parts: (0, 0),
        }
    }

    fn add(&mut self, arm: Arm, log: &LogProfile, template: &Template, by_parts: bool) {
        let (pod, course) = (log.pod.as_str(), &log.profile.course);
        let own_parts = course.parts(template.spread);
        let parts = by_parts.then_some(own_parts);
        match arm {
            Arm::Stable => {
                self.parts.0 += own_parts;
                self.stable_seen.join(template.first_ms, template.last_ms);
            }
            Arm::Canary => {
                self.canary_seen.join(template.first_ms, template.last_ms);
                self.parts.1 += own_parts;
                self.goes_on |= course.goes_on(template.spread);
            }
        }
        let cells = match arm {
            Arm::Stable => &mut self.stable,
            Arm::Canary => &mut self.canary,
        };
        cells.before += template.before;
        cells.at_start += template.at_start;
        for cell in template.cells.iter() {
            let own = cells.cells.entry(cell.bucket).or_default();
            own.0 += u64::from(cell.count);
            own.1 += parts.unwrap_or(cell.episodes.into());
            cells.occasions += u64::from(cell.episodes);
        }
        self.regular = both(self.regular, template.regular);
        if arm == Arm::Canary && template.total() > 0 {
            self.canary_pods.insert(pod.to_owned());
            self.first_ms = [self.first_ms, template.first_ms]
                .into_iter()
                .flatten()
                .min();
            self.last_ms = [self.last_ms, template.last_ms].into_iter().flatten().max();
        }
        // The canary's words are shown; logs come in canonical order.
        if self.sample.is_empty() || (arm == Arm::Canary && self.canary_pods.len() == 1) {
            self.sample.clone_from(&template.sample);
        }
        if self.frame.is_empty()
            || (arm == Arm::Canary && self.canary_pods.len() == 1 && !template.frame.is_empty())
        {
            self.frame.clone_from(&template.frame);
        }
    }

    fn join(&mut self, other: Self) {
        self.stable.join(&other.stable);
        self.canary.join(&other.canary);
        for (own, others) in [
            (&mut self.stable_seen, other.stable_seen),
            (&mut self.canary_seen, other.canary_seen),
        ] {
            own.join(others.first_ms, others.last_ms);
        }
        self.goes_on |= other.goes_on;
        self.parts = (
            self.parts.0.max(other.parts.0),
            self.parts.1.max(other.parts.1),
        );
        self.regular = both(self.regular, other.regular);
        self.canary_pods.extend(other.canary_pods);
        self.first_ms = [self.first_ms, other.first_ms].into_iter().flatten().min();
        self.last_ms = [self.last_ms, other.last_ms].into_iter().flatten().max();
        for (own, others) in [
            (&mut self.sample, other.sample),
            (&mut self.frame, other.frame),
        ] {
            if own.is_empty() {
                *own = others;
            }
        }
    }

    /// Whether it reports a failure: ERROR and above, or by its words.
    pub(crate) fn is_failure(&self) -> bool {
        self.level >= Level::Error || self.suspect
    }

    fn identity(&self) -> (Level, u8, Traffic, Option<Crash>, bool) {
        (
            self.level,
            self.status_class,
            self.traffic,
            self.crash,
            self.suspect,
        )
    }

    /// Whether it is an exception that somebody logged with its stack trace.
    pub(crate) fn has_trace(&self) -> bool {
        self.level >= Level::Error && !(self.exception.is_empty() && self.frame.is_empty())
    }

    fn is_canarys_only(&self) -> bool {
        self.stable.is_empty()
    }

    fn is_stables_only(&self) -> bool {
        self.canary.is_empty()
    }
}

/// Regular where both are, as far as known.
fn both(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a && b),
        (known, None) | (None, known) => known,
    }
}

/// The logs of an arm in canonical order.
pub(crate) fn logs_in_order(logs: &[LogProfile]) -> Vec<&LogProfile> {
    let mut logs: Vec<&LogProfile> = logs.iter().collect();
    // Logs of one name (files given twice) are told apart by what they say.
    logs.sort_by(|a, b| {
        (&a.pod, &a.container, a.previous)
            .cmp(&(&b.pod, &b.container, b.previous))
            .then_with(|| order(&a.profile, &b.profile))
    });
    logs
}

fn order(a: &Profile, b: &Profile) -> std::cmp::Ordering {
    let numbers = |profile: &Profile| {
        (
            profile.events,
            profile.lines,
            profile.bytes,
            profile.first_ms,
            profile.last_ms,
        )
    };
    let texts = |profile: &Profile| {
        profile
            .templates
            .iter()
            .map(|t| (t.text.clone(), t.total(), t.sample.clone()))
            .collect::<Vec<_>>()
    };
    numbers(a)
        .cmp(&numbers(b))
        .then_with(|| texts(a).cmp(&texts(b)))
}

/// The template table of both arms.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// What is judged.
    pub rows: Vec<Row>,
    /// What the policy leaves out, with the entry that says so.
    pub ignored: Vec<(Row, usize)>,
}

/// Builds the table.
pub(crate) fn build(evidence: &Evidence, policy: &Policy) -> Table {
    let (mut kept, mut ignored) = (Vec::new(), Vec::new());
    for row in all_rows(evidence) {
        // Nobody knows beforehand that a crash is harmless.
        let entry = policy.ignores_template(&row.text);
        match entry.filter(|_| row.crash.is_none()) {
            Some(entry) => ignored.push((row, entry)),
            None => kept.push(row),
        }
    }
    Table {
        rows: pair_reworded(join_like(kept)),
        ignored,
    }
}

/// Whether episodes are parts of a log's course: where there is neither a
/// common time nor a request to count, see [`crate::course`].
pub(crate) fn counts_by_parts(evidence: &Evidence) -> bool {
    let serves = |arm: &ArmEvidence| {
        arm.logs
            .iter()
            .flat_map(|log| &log.profile.tallies)
            .any(|tally| tally.requests > 0)
    };
    !evidence.window.is_aligned() && !serves(&evidence.stable) && !serves(&evidence.canary)
}

fn all_rows(evidence: &Evidence) -> Vec<Row> {
    let by_parts = counts_by_parts(evidence);
    let mut rows: BTreeMap<_, Row> = BTreeMap::new();
    for (arm, logs) in [
        (Arm::Stable, &evidence.stable.logs),
        (Arm::Canary, &evidence.canary.logs),
    ] {
        for log in logs_in_order(logs) {
            for template in &log.profile.templates {
                let key = (
                    template.text.as_str(),
                    template.exception.as_str(),
                    template.level,
                    template.status_class,
                    template.traffic,
                    template.crash,
                    template.suspect,
                );
                rows.entry(key)
                    .or_insert_with(|| Row::new(template))
                    .add(arm, log, template, by_parts);
            }
        }
    }
    rows.into_values().collect()
}

/// Joins rows that one arm, or one pod, has generalised further than another.
fn join_like(rows: Vec<Row>) -> Vec<Row> {
    let mut groups: BTreeMap<_, Vec<Row>> = BTreeMap::new();
    for row in rows {
        let key = (
            std::cmp::Reverse(row.level),
            row.identity(),
            row.text.split(' ').count(),
            row.exception.clone(),
        );
        groups.entry(key).or_default().push(row);
    }
    let mut joined = Vec::new();
    for group in groups.into_values() {
        joined.extend(take_rare_in(join_group(group)));
    }
    joined
}

/// Events of one arm alone below which a text is no kind of its own.
const MAX_RARE: u64 = 4;

/// What one arm said a few times is of the kind of what is like it: it is
/// exposure, and tells nothing by itself.
fn take_rare_in(rows: Vec<Row>) -> Vec<Row> {
    let is_rare = |row: &Row| {
        let alone = row.is_canarys_only() || row.is_stables_only();
        let total = row.stable.total() + row.canary.total();
        alone && total <= MAX_RARE && row.level < Level::Error && row.crash.is_none()
    };
    let (rare, mut others): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(is_rare);
    let mut marks: Vec<Marks> = others
        .iter()
        .map(|row| likeness::marks(&row.text))
        .collect();
    for row in rare {
        let own = likeness::marks(&row.text);
        let like = marks
            .iter()
            .rev()
            .take(MAX_PAIRED_ROWS)
            .position(|other| likeness::is_like(other, &own, false));
        if let Some(behind) = like {
            let index = marks.len() - 1 - behind;
            others[index].join(row);
        } else {
            marks.push(own);
            others.push(row);
        }
    }
    others
}

/// Joins rows of one kind and length.
fn join_group(mut group: Vec<Row>) -> Vec<Row> {
    // In canonical order, the more general texts first.
    group.sort_by(|a, b| {
        (std::cmp::Reverse(variables(&a.text)), &a.text)
            .cmp(&(std::cmp::Reverse(variables(&b.text)), &b.text))
    });
    let error = group
        .first()
        .is_some_and(|row| row.level >= Level::Error || row.crash.is_some());
    let marks: Vec<Marks> = group.iter().map(|row| likeness::marks(&row.text)).collect();
    let mut rows: Vec<Option<Row>> = group.into_iter().map(Some).collect();
    let mut sets = cluster::groups(&marks, error);
    sets.sort_unstable();
    let mut joined = Vec::with_capacity(sets.len());
    for set in sets {
        let mut rows = set.into_iter().filter_map(|index| rows[index].take());
        let Some(mut first) = rows.next() else {
            continue;
        };
        for row in rows {
            first.text = likeness::merged(&first.text, &row.text);
            first.join(row);
        }
        joined.push(first);
    }
    joined
}

fn variables(text: &str) -> usize {
    text.split(' ')
        .filter(|chunk| *chunk == crate::mask::VARIABLE)
        .count()
}

/// Pairs what vanished with what is new, most alike first.
fn pair_reworded(rows: Vec<Row>) -> Vec<Row> {
    let indices = |wanted: fn(&Row) -> bool| -> Vec<usize> {
        rows.iter()
            .enumerate()
            .filter(|(_, row)| wanted(row) && row.crash.is_none())
            .map(|(index, _)| index)
            .take(MAX_PAIRED_ROWS)
            .collect()
    };
    let frame = frame_of(&rows);
    let with_words = |indices: Vec<usize>| -> Vec<(usize, Vec<String>)> {
        indices
            .into_iter()
            .map(|index| (index, words(&rows[index].text, &frame)))
            .collect()
    };
    let (vanished, new) = (
        with_words(indices(Row::is_stables_only)),
        with_words(indices(Row::is_canarys_only)),
    );
    let traffic = traffic_ratio(&rows);
    let mut pairs = Vec::new();
    for (old, old_words) in &vanished {
        for (now, new_words) in &new {
            let (a, b) = (&rows[*old], &rows[*now]);
            if a.identity() != b.identity() || a.exception != b.exception {
                continue;
            }
            let least = if a.level == Level::Fatal {
                MIN_REWORDED_FATAL
            } else if is_as_frequent(a, b, traffic) {
                MIN_REWORDED_AS_FREQUENT
            } else {
                MIN_REWORDED
            };
            let share = shared_words(old_words, new_words);
            if share >= least {
                // A share is a fraction of small integers; as an integer it orders.
                pairs.push((std::cmp::Reverse((share * 1e6) as u64), *old, *now));
            }
        }
    }
    pairs.sort_unstable();
    let mut partner: BTreeMap<usize, usize> = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for (_, old, now) in pairs {
        if !taken.contains(&old) && !partner.contains_key(&now) {
            taken.insert(old);
            partner.insert(now, old);
        }
    }
    let mut old_rows: BTreeMap<usize, Row> = taken
        .iter()
        .map(|index| (*index, rows[*index].clone()))
        .collect();
    let mut paired = Vec::with_capacity(rows.len());
    for (index, mut row) in rows.into_iter().enumerate() {
        if taken.contains(&index) {
            continue;
        }
        if let Some(old) = partner.get(&index).and_then(|old| old_rows.remove(old)) {
            row.reworded = Some(old.text.clone());
            row.join(old);
        }
        paired.push(row);
    }
    paired
}

/// How many events the canary has for each of stable's, by what most of stable's
/// events that both say show (a weighted median); 0 for none.
fn traffic_ratio(rows: &[Row]) -> f64 {
    let mut ratios: Vec<(f64, u64)> = rows
        .iter()
        .filter(|row| !row.stable.is_empty() && !row.canary.is_empty())
        .map(|row| {
            (
                row.canary.total() as f64 / row.stable.total().max(1) as f64,
                row.stable.total(),
            )
        })
        .collect();
    ratios.sort_by(|a, b| a.0.total_cmp(&b.0));
    let all: u64 = ratios.iter().map(|(_, count)| count).sum();
    let mut seen = 0;
    let middle = ratios.into_iter().find(|(_, count)| {
        seen += count;
        2 * seen >= all
    });
    middle.map_or(0.0, |(ratio, _)| ratio)
}

/// Whether an INFO message of stable and one of the canary are said equally
/// often.
fn is_as_frequent(old: &Row, now: &Row, traffic: f64) -> bool {
    let (stable, canary) = (old.stable.total(), now.canary.total());
    let ratio = canary as f64 / (stable as f64 * traffic);
    old.level == Level::Info
        && !old.suspect
        && stable.min(canary) >= MIN_FREQUENT
        && (1.0 / MAX_FREQUENCY_RATIO..=MAX_FREQUENCY_RATIO).contains(&ratio)
}

/// Whether two texts, by their words, share as many as a message keeps when it
/// is reworded.
pub(crate) fn are_alike(a: &[String], b: &[String]) -> bool {
    shared_words(a, b) >= MIN_REWORDED
}

/// Rows below which nothing can be said of what most have.
const MIN_FRAMED: usize = 8;

/// The words that most rows have: a logger's frame, keys of fields, a host.
pub(crate) fn frame_of(rows: &[Row]) -> BTreeSet<String> {
    let mut of: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows {
        let mut words = words(&row.text, &BTreeSet::new());
        words.dedup();
        for word in words {
            *of.entry(word).or_default() += 1;
        }
    }
    let most = rows.len().max(MIN_FRAMED) / 2;
    of.into_iter()
        .filter(|(_, count)| *count > most)
        .map(|(word, _)| word)
        .collect()
}

/// The words of a text, in order: no level, no variable, no single letter, and
/// not those of the frame.
pub(crate) fn words(text: &str, frame: &BTreeSet<String>) -> Vec<String> {
    let mut words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric() && c != '_' && c != '.')
        .filter(|word| word.len() > 1 && word.chars().any(char::is_alphabetic))
        .filter(|word| crate::level::stated(word.as_bytes()).is_none())
        .map(str::to_ascii_lowercase)
        .filter(|word| !frame.contains(word))
        .collect();
    words.sort_unstable();
    words
}

/// Dice's coefficient of two sorted lists of words (L. R. Dice, "Measures of
/// the amount of ecologic association between species", Ecology 26, 1945).
fn shared_words(a: &[String], b: &[String]) -> f64 {
    let (mut left, mut right, mut shared) = (a.iter().peekable(), b.iter().peekable(), 0_u32);
    while let (Some(one), Some(other)) = (left.peek(), right.peek()) {
        match one.cmp(other) {
            std::cmp::Ordering::Less => _ = left.next(),
            std::cmp::Ordering::Greater => _ = right.next(),
            std::cmp::Ordering::Equal => {
                shared += 1;
                left.next();
                right.next();
            }
        }
    }
    let total = a.len() + b.len();
    if total == 0 {
        0.0
    } else {
        2.0 * f64::from(shared) / total as f64
    }
}
