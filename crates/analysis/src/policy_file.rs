//! A policy (a file in TOML, or a part of a template) → the thresholds in
//! force. Pure.
//!
//! ```toml
//! promoteMargin = 0.01            # every threshold by its name
//!
//! [[ignore]]                      # what the operator knows already
//! template = "cache * warming up*"
//! reason = "OPS-1234: logged as an error, harmless"
//! until = 2026-12-31              # the last day on which it counts, UTC
//! ```
//!
//! A file can make the judge stricter or more patient; the ranges of
//! [`FIELDS`] and the limits on patterns here keep it from turning a failure
//! into success. What cannot be understood is an error, never skipped: a
//! mistyped key would else leave a threshold at its default unnoticed.

use std::fmt;

use jiff::civil::Date;
use judge::Policy;
use judge::policy::{FIELDS, Field, Ignore, Ignored};
use judge::redact::redact;
use toml::de::DeTable;

use node::{Key, Node, Table, Value};

mod node;
#[cfg(test)]
mod tests;

/// Bytes of a file: every threshold and every entry, with long comments.
pub const MAX_FILE_BYTES: u64 = 256 << 10;

/// Entries under `[[ignore]]`: each is looked for in each template, and who
/// ignores more should mend some.
pub const MAX_IGNORED: usize = 200;

/// Bytes of a pattern. Templates are no longer.
pub const MAX_PATTERN_BYTES: usize = 3_000;

/// Bytes of a reason: a sentence and a ticket.
pub const MAX_REASON_BYTES: usize = 500;

/// Letters and digits that a template pattern with `*` must have: `*` or
/// `*ERROR*` would ignore failures that nobody has seen yet.
pub const MIN_TEMPLATE_LETTERS: usize = 10;

/// The same of an event's reason, which is one word (`BackOff`).
pub const MIN_EVENT_LETTERS: usize = 4;

/// Problems that are told at once.
const MAX_PROBLEMS: usize = 20;

/// How alike (Jaro-Winkler, 0 to 1) a key must be to be suggested.
const MIN_LIKENESS: f64 = 0.8;

/// The key of the list of what is ignored.
const IGNORE: &str = "ignore";

/// The keys of an entry of that list.
const ENTRY_KEYS: [&str; 4] = ["template", "event", "reason", "until"];

/// What a policy file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicyFile {
    /// The thresholds in force: the file's, else the defaults; expired
    /// entries are not in its `ignore`.
    pub policy: Policy,
    /// Names of the thresholds that the file sets.
    pub set: Vec<&'static str>,
    /// All that it says is to be ignored, in its order.
    pub entries: Vec<Entry>,
    /// What has no effect though it is well written.
    pub warnings: Vec<Warning>,
}

/// One entry of what is to be ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What, and why.
    pub ignore: Ignore,
    /// The last day on which it counts, UTC.
    pub until: Date,
    /// Whether that day is over.
    pub expired: bool,
}

/// Where something of a policy is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the text of a file.
    Text {
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
    /// In a template: the key whose value has it, as in `judgePolicy.ignore[0]`.
    Key(String),
}

/// Something that is well written and has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where.
    pub place: Place,
    /// What, and what to do about it.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Text { line, .. } => write!(f, "line {line}: {}", self.text),
            Place::Key(key) => write!(f, "key `{key}`: {}", self.text),
        }
    }
}

/// One mistake, with the change that mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What is wrong, and the mend.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Text { line, column } => {
                write!(f, "line {line}, column {column}: {}", self.text)
            }
            Place::Key(key) => write!(f, "key `{key}`: {}", self.text),
        }
    }
}

/// A policy that cannot be used: all its mistakes, in order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; "))]
pub struct PolicyError {
    /// At least one, and no more than a person wants to read at once.
    pub problems: Vec<Problem>,
}

impl PolicyFile {
    /// The thresholds in force on a day (UTC): those that it sets, over those
    /// of `base`. What either ignores is ignored, save what has expired here.
    #[must_use]
    pub fn over(&self, base: &Policy, today: Date) -> Policy {
        let mut policy = base.clone();
        for field in FIELDS.iter().filter(|field| self.set.contains(&field.name)) {
            (field.set)(&mut policy, (field.get)(&self.policy));
        }
        let counting = self.entries.iter().filter(|entry| entry.until >= today);
        policy
            .ignore
            .extend(counting.map(|entry| entry.ignore.clone()));
        policy
    }
}

/// Reads a policy file. `today` is the day in UTC.
///
/// # Errors
///
/// [`PolicyError`] with every mistake: text that is no TOML, unknown keys,
/// wrong types, values out of range, entries without reason or date.
pub fn parse(text: &str, today: Date) -> Result<PolicyFile, PolicyError> {
    let mut reader = Reader::new(Source::Toml(text), today);
    if text.len() as u64 > MAX_FILE_BYTES {
        let limit = format!("the file is larger than {} KiB", MAX_FILE_BYTES >> 10);
        reader.problem(0, limit);
        return reader.finish();
    }
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let at = error.span().map_or(0, |span| span.start);
        reader.problem(at, error.message().to_owned());
    }
    // What was recovered from broken text would only add mistakes that are
    // none.
    if errors.is_empty() {
        reader.root(&node::of_toml(root.get_ref()));
    }
    reader.finish()
}

/// Reads a policy out of a template: the same names, ranges and checks as in a
/// file. `key` is where it is; `today` is the day in UTC. A template's
/// arguments arrive as text, so text that is a number counts as one, and dates
/// are text. No mistake and no warning shows a value.
///
/// # Errors
///
/// [`PolicyError`] with every mistake.
pub fn from_json(
    key: &str,
    map: &serde_json::Map<String, serde_json::Value>,
    today: Date,
) -> Result<PolicyFile, PolicyError> {
    let mut paths = vec![key.to_owned()];
    let root = node::of_json(map, 0, &mut paths);
    let mut reader = Reader::new(Source::Json(paths), today);
    reader.root(&root);
    reader.finish()
}

/// What is read.
enum Source<'a> {
    /// The text of a file: places are bytes of it.
    Toml(&'a str),
    /// A part of a template: places are indices of these paths.
    Json(Vec<String>),
}

impl Source<'_> {
    fn place(&self, at: usize) -> Place {
        match self {
            Self::Toml(text) => {
                let (line, column) = position(text, at);
                Place::Text { line, column }
            }
            Self::Json(paths) => Place::Key(paths.get(at).cloned().unwrap_or_default()),
        }
    }
}

struct Reader<'a> {
    source: Source<'a>,
    today: Date,
    file: PolicyFile,
    problems: Vec<(usize, String)>,
}

impl<'a> Reader<'a> {
    fn new(source: Source<'a>, today: Date) -> Self {
        Self {
            source,
            today,
            file: PolicyFile::default(),
            problems: Vec::new(),
        }
    }

    fn problem(&mut self, at: usize, text: String) {
        self.problems.push((at, text));
    }

    fn is_toml(&self) -> bool {
        matches!(self.source, Source::Toml(_))
    }

    fn finish(mut self) -> Result<PolicyFile, PolicyError> {
        if self.problems.is_empty() {
            let by_name = |name: &&str| FIELDS.iter().position(|field| field.name == *name);
            self.file.set.sort_by_key(by_name);
            return Ok(self.file);
        }
        self.problems.sort();
        let problems = self.problems.iter().take(MAX_PROBLEMS);
        Err(PolicyError {
            problems: problems
                .map(|(at, text)| Problem {
                    place: self.source.place(*at),
                    text: text.clone(),
                })
                .collect(),
        })
    }

    fn root(&mut self, root: &Table<'_>) {
        for (key, node) in root {
            let name: &str = &key.name;
            if name == IGNORE {
                self.entries(node);
            } else if let Some(field) = FIELDS.iter().find(|field| field.name == name) {
                self.threshold(field, node);
            } else {
                let known = FIELDS.iter().map(|field| field.name).chain([IGNORE]);
                let text = unknown(("key", "`explain-policy` lists all of them"), name, known);
                self.problem(key.at, text);
            }
        }
    }

    fn threshold(&mut self, field: &'static Field, node: &Node<'_>) {
        let name = field.name;
        let number = match (&node.value, self.is_toml()) {
            (Value::Whole(number), _) => *number,
            (Value::Fraction(_), _) if field.whole => return self.no_whole(field, node.at),
            (Value::Fraction(number), _) => *number,
            (Value::Text(text), false) if let Ok(number) = text.trim().parse::<f64>() => {
                if field.whole && number.fract() != 0.0 {
                    return self.no_whole(field, node.at);
                }
                number
            }
            (other, _) => {
                let text = format!(
                    "`{name}` is {}, and needs a number, {}",
                    other.kind(),
                    range(field)
                );
                return self.problem(node.at, text);
            }
        };
        // Also false for what is no number.
        if (field.min..=field.max).contains(&number) {
            (field.set)(&mut self.file.policy, number);
            self.file.set.push(name);
        } else {
            let text = format!("`{name}` is out of range: it must be {}", range(field));
            self.problem(node.at, text);
        }
    }

    fn no_whole(&mut self, field: &Field, at: usize) {
        let text = format!("`{}` needs a whole number, {}", field.name, range(field));
        self.problem(at, text);
    }

    fn entries(&mut self, node: &Node<'_>) {
        let (above_each, above_them) = if self.is_toml() {
            (
                format!(": write `[[{IGNORE}]]` above each"),
                format!(": write `[[{IGNORE}]]` above them"),
            )
        } else {
            (" in a list".to_owned(), String::new())
        };
        let Value::List(entries) = &node.value else {
            let kind = node.value.kind();
            let text = format!("`{IGNORE}` is {kind}, and needs entries{above_each}");
            return self.problem(node.at, text);
        };
        if entries.len() > MAX_IGNORED {
            let text = format!("more than {MAX_IGNORED} entries under `[[{IGNORE}]]`");
            return self.problem(node.at, text);
        }
        for entry in entries {
            match &entry.value {
                Value::Table(table) => self.entry(entry.at, table),
                other => {
                    let kind = other.kind();
                    let text = format!("an entry is {kind}, and needs keys{above_them}");
                    self.problem(entry.at, text);
                }
            }
        }
    }

    fn entry(&mut self, at: usize, table: &Table<'_>) {
        let problems_before = self.problems.len();
        for (key, _) in table {
            if !ENTRY_KEYS.contains(&&*key.name) {
                let what = ("key of an entry", "it has template or event, reason, until");
                let text = unknown(what, &key.name, ENTRY_KEYS.into_iter());
                self.problem(key.at, text);
            }
        }
        let is = if self.is_toml() { " =" } else { ":" };
        let pair = |name: &str| table.iter().find(|(key, _)| key.name == name);
        let what = match (pair("template"), pair("event")) {
            (Some(pair), None) => self.pattern(pair, Ignored::Template),
            (None, Some(pair)) => self.pattern(pair, Ignored::Event),
            (Some(_), Some((key, _))) => {
                let text = "an entry has `template` or `event`, not both: make two entries";
                self.problem(key.at, text.to_owned());
                None
            }
            (None, None) => {
                let text = format!(
                    "this entry says not what to ignore: add `template{is} \"…*…\"` (a template's text) or `event{is} \"BackOff\"` (a Kubernetes event's reason)"
                );
                self.problem(at, text);
                None
            }
        };
        let reason = match pair("reason") {
            Some(pair) => self.reason(pair),
            None => {
                let text =
                    format!("this entry has no reason: add `reason{is} \"why it is harmless\"`");
                self.problem(at, text);
                None
            }
        };
        let until = match pair("until") {
            Some((_, node)) => self.until(node),
            None => {
                let text = format!(
                    "this entry has no end: add `until{is} {}`, the last day on which it counts",
                    self.today
                        .checked_add(jiff::Span::new().days(90))
                        .unwrap_or(self.today)
                );
                self.problem(at, text);
                None
            }
        };
        let (Some((what, pattern)), Some(reason), Some(until)) = (what, reason, until) else {
            return;
        };
        if self.problems.len() > problems_before {
            return;
        }
        // A bundle and a page show both. What a pattern may match was redacted
        // too, and the mask matches it.
        let ignore = Ignore {
            what,
            pattern: redact(&pattern).into_owned(),
            reason: redact(&reason).into_owned(),
        };
        self.add(at, ignore, until);
    }

    fn add(&mut self, at: usize, ignore: Ignore, until: Date) {
        let expired = until < self.today;
        if expired {
            // A template's values are not shown: arguments arrive in clear.
            let what = match &self.source {
                Source::Toml(_) => {
                    let pattern = crate::message::one_line(&ignore.pattern, MAX_REASON_BYTES);
                    format!("`{pattern}`")
                }
                Source::Json(_) => "what it ignores".to_owned(),
            };
            self.file.warnings.push(Warning {
                place: self.source.place(at),
                text: format!(
                    "expired on {until}, so {what} counts again: remove the entry, or give it a new date"
                ),
            });
        } else {
            self.file.policy.ignore.push(ignore.clone());
        }
        self.file.entries.push(Entry {
            ignore,
            until,
            expired,
        });
    }

    fn pattern(
        &mut self,
        (key, node): &(Key<'_>, Node<'_>),
        what: Ignored,
    ) -> Option<(Ignored, String)> {
        let pattern = self.string(&key.name, node, MAX_PATTERN_BYTES)?;
        let letters = pattern.chars().filter(|c| c.is_alphanumeric()).count();
        let (least, least_always, named) = match what {
            Ignored::Template => (MIN_TEMPLATE_LETTERS, 1, "template"),
            Ignored::Event => (MIN_EVENT_LETTERS, MIN_EVENT_LETTERS, "event"),
        };
        let least = if pattern.contains('*') {
            least
        } else {
            least_always
        };
        if letters < least {
            let text = format!(
                "`{named}` would ignore too much: it needs at least {least} letters or digits besides `*`"
            );
            self.problem(node.at, text);
            return None;
        }
        Some((what, pattern))
    }

    fn reason(&mut self, (key, node): &(Key<'_>, Node<'_>)) -> Option<String> {
        let reason = self.string(&key.name, node, MAX_REASON_BYTES)?;
        if reason.trim().is_empty() {
            let text = "`reason` is empty: say why it is harmless";
            self.problem(node.at, text.to_owned());
            return None;
        }
        Some(reason)
    }

    fn string(&mut self, name: &str, node: &Node<'_>, max_bytes: usize) -> Option<String> {
        let text = match &node.value {
            Value::Text(text) if text.len() <= max_bytes => return Some(text.to_string()),
            Value::Text(_) => format!("`{name}` is longer than {max_bytes} bytes"),
            other => {
                let quotes = if self.is_toml() { " in quotes" } else { "" };
                format!("`{name}` is {}, and needs text{quotes}", other.kind())
            }
        };
        self.problem(node.at, text);
        None
    }

    fn until(&mut self, node: &Node<'_>) -> Option<Date> {
        let text = match (&node.value, self.is_toml()) {
            (Value::Day(Some(until)), _) => return Some(*until),
            (Value::Day(None), _) => "`until` is no day of the calendar".to_owned(),
            (Value::Time, _) => {
                "`until` needs a day alone, such as 2026-12-31: it counts to the end of it, UTC"
                    .to_owned()
            }
            (Value::Text(_), true) => {
                "`until` needs a date without quotes: until = 2026-12-31".to_owned()
            }
            (Value::Text(text), false) => match day(text.trim()) {
                Some(until) => return Some(until),
                None => "`until` needs a day, such as 2026-12-31: it counts to the end of it, UTC"
                    .to_owned(),
            },
            (other, is_toml) => {
                let is = if is_toml { " =" } else { ":" };
                format!(
                    "`until` is {}, and needs a date: until{is} 2026-12-31",
                    other.kind()
                )
            }
        };
        self.problem(node.at, text);
        None
    }
}

/// `2026-12-31`, and no other way to write a day.
fn day(text: &str) -> Option<Date> {
    const DAY_BYTES: usize = 10;
    text.parse().ok().filter(|_| text.len() == DAY_BYTES)
}

/// `0.001 to 0.1 (share)`.
#[must_use]
pub fn range(field: &Field) -> String {
    let unit = if field.unit.is_empty() {
        String::new()
    } else {
        format!(" ({})", field.unit)
    };
    format!("{} to {}{unit}", field.min, field.max)
}

/// `what` is what it is called, and what to say when no known one is alike.
fn unknown<'a>(what: (&str, &str), name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let (what, otherwise) = what;
    let shown = crate::message::one_line(name, 60);
    let alike = known
        .map(|known| {
            let likeness = strsim::jaro_winkler(&plain(known), &plain(name));
            (likeness, known)
        })
        .filter(|(likeness, _)| *likeness >= MIN_LIKENESS)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match alike {
        Some((_, alike)) => format!("unknown {what} `{shown}`; did you mean `{alike}`?"),
        None => format!("unknown {what} `{shown}`; {otherwise}"),
    }
}

/// A key as it is compared: `promote_margin` is meant as `promoteMargin`.
/// Bounded: a key may be as long as the file.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .take(60)
        .collect()
}

/// Line and column of a byte, both from 1.
fn position(text: &str, at: usize) -> (usize, usize) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}
