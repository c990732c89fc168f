//! A policy file (TOML) → the thresholds in force. Pure.
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
use toml::Spanned;
use toml::de::{DeTable, DeValue};

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

/// Something that is well written and has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where, from 1.
    pub line: usize,
    /// What, and what to do about it.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

/// One mistake, with the change that mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, and the mend.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}, column {}: {}",
            self.line, self.column, self.text
        )
    }
}

/// A file that cannot be used: all its mistakes, in order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; "))]
pub struct PolicyError {
    /// At least one, and no more than a person wants to read at once.
    pub problems: Vec<Problem>,
}

/// Reads a policy file. `today` is the day in UTC.
///
/// # Errors
///
/// [`PolicyError`] with every mistake: text that is no TOML, unknown keys,
/// wrong types, values out of range, entries without reason or date.
pub fn parse(text: &str, today: Date) -> Result<PolicyFile, PolicyError> {
    let mut reader = Reader {
        text,
        today,
        file: PolicyFile::default(),
        problems: Vec::new(),
    };
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
        reader.root(root.get_ref());
    }
    reader.finish()
}

/// A key and a value of a table, with where they are.
type Pair<'a, 'i> = (
    &'a Spanned<std::borrow::Cow<'i, str>>,
    &'a Spanned<DeValue<'i>>,
);

struct Reader<'a> {
    text: &'a str,
    today: Date,
    file: PolicyFile,
    problems: Vec<(usize, String)>,
}

impl Reader<'_> {
    fn problem(&mut self, at: usize, text: String) {
        self.problems.push((at, text));
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
                .map(|(at, text)| {
                    let (line, column) = position(self.text, *at);
                    Problem {
                        line,
                        column,
                        text: text.clone(),
                    }
                })
                .collect(),
        })
    }

    fn root(&mut self, root: &DeTable<'_>) {
        for (key, value) in root {
            let name: &str = key.get_ref();
            if name == IGNORE {
                self.entries(value);
            } else if let Some(field) = FIELDS.iter().find(|field| field.name == name) {
                self.threshold(field, value);
            } else {
                let known = FIELDS.iter().map(|field| field.name).chain([IGNORE]);
                let text = unknown(("key", "`explain-policy` lists all of them"), name, known);
                self.problem(key.span().start, text);
            }
        }
    }

    fn threshold(&mut self, field: &'static Field, value: &Spanned<DeValue<'_>>) {
        let name = field.name;
        let number = match value.get_ref() {
            DeValue::Integer(integer) => {
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "integers beyond 2^53 are beyond every range"
                )]
                let number = i64::from_str_radix(integer.as_str(), integer.radix())
                    .map(|number| number as f64);
                number.unwrap_or(f64::INFINITY)
            }
            DeValue::Float(_) if field.whole => {
                let text = format!("`{name}` needs a whole number, {}", range(field));
                return self.problem(value.span().start, text);
            }
            DeValue::Float(float) => float.as_str().parse().unwrap_or(f64::NAN),
            other => {
                let text = format!(
                    "`{name}` is {}, and needs a number, {}",
                    kind(other),
                    range(field)
                );
                return self.problem(value.span().start, text);
            }
        };
        // Also false for what is no number.
        if (field.min..=field.max).contains(&number) {
            (field.set)(&mut self.file.policy, number);
            self.file.set.push(name);
        } else {
            let text = format!("`{name}` is out of range: it must be {}", range(field));
            self.problem(value.span().start, text);
        }
    }

    fn entries(&mut self, value: &Spanned<DeValue<'_>>) {
        let at = value.span().start;
        let DeValue::Array(entries) = value.get_ref() else {
            let text = format!(
                "`{IGNORE}` is {}, and needs entries: write `[[{IGNORE}]]` above each",
                kind(value.get_ref())
            );
            return self.problem(at, text);
        };
        if entries.len() > MAX_IGNORED {
            let text = format!("more than {MAX_IGNORED} entries under `[[{IGNORE}]]`");
            return self.problem(at, text);
        }
        for entry in entries.iter() {
            match entry.get_ref() {
                DeValue::Table(table) => self.entry(entry.span().start, table),
                other => {
                    let text = format!(
                        "an entry is {}, and needs keys: write `[[{IGNORE}]]` above them",
                        kind(other)
                    );
                    self.problem(entry.span().start, text);
                }
            }
        }
    }

    fn entry(&mut self, at: usize, table: &DeTable<'_>) {
        let problems_before = self.problems.len();
        for (key, _) in table {
            let name: &str = key.get_ref();
            if !ENTRY_KEYS.contains(&name) {
                let what = ("key of an entry", "it has template or event, reason, until");
                let text = unknown(what, name, ENTRY_KEYS.into_iter());
                self.problem(key.span().start, text);
            }
        }
        let pair = |name: &str| table.iter().find(|(key, _)| key.get_ref() == name);
        let what = match (pair("template"), pair("event")) {
            (Some(pair), None) => self.pattern(pair, Ignored::Template),
            (None, Some(pair)) => self.pattern(pair, Ignored::Event),
            (Some(_), Some((key, _))) => {
                let text = "an entry has `template` or `event`, not both: make two entries";
                self.problem(key.span().start, text.to_owned());
                None
            }
            (None, None) => {
                let text = "this entry says not what to ignore: add `template = \"…*…\"` (a template's text) or `event = \"BackOff\"` (a Kubernetes event's reason)";
                self.problem(at, text.to_owned());
                None
            }
        };
        let reason = match pair("reason") {
            Some(pair) => self.reason(pair),
            None => {
                let text = "this entry has no reason: add `reason = \"why it is harmless\"`";
                self.problem(at, text.to_owned());
                None
            }
        };
        let until = match pair("until") {
            Some(pair) => self.until(pair),
            None => {
                let text = format!(
                    "this entry has no end: add `until = {}`, the last day on which it counts",
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
        let ignore = Ignore {
            what,
            pattern,
            reason,
        };
        self.add(at, ignore, until);
    }

    fn add(&mut self, at: usize, ignore: Ignore, until: Date) {
        let expired = until < self.today;
        if expired {
            self.file.warnings.push(Warning {
                line: position(self.text, at).0,
                text: format!(
                    "expired on {until}, so `{}` counts again: remove the entry, or give it a new date",
                    crate::message::one_line(&ignore.pattern, MAX_REASON_BYTES)
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

    fn pattern(&mut self, (key, value): Pair<'_, '_>, what: Ignored) -> Option<(Ignored, String)> {
        let pattern = self.string(key.get_ref(), value, MAX_PATTERN_BYTES)?;
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
            self.problem(value.span().start, text);
            return None;
        }
        Some((what, pattern))
    }

    fn reason(&mut self, (key, value): Pair<'_, '_>) -> Option<String> {
        let reason = self.string(key.get_ref(), value, MAX_REASON_BYTES)?;
        if reason.trim().is_empty() {
            let text = "`reason` is empty: say why it is harmless";
            self.problem(value.span().start, text.to_owned());
            return None;
        }
        Some(reason)
    }

    fn string(
        &mut self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        max_bytes: usize,
    ) -> Option<String> {
        let text = match value.get_ref() {
            DeValue::String(text) if text.len() <= max_bytes => return Some(text.to_string()),
            DeValue::String(_) => format!("`{name}` is longer than {max_bytes} bytes"),
            other => format!("`{name}` is {}, and needs text in quotes", kind(other)),
        };
        self.problem(value.span().start, text);
        None
    }

    fn until(&mut self, (_, value): Pair<'_, '_>) -> Option<Date> {
        let text = match value.get_ref() {
            DeValue::Datetime(toml::value::Datetime {
                date: Some(date),
                time: None,
                offset: None,
            }) => {
                let year = i16::try_from(date.year).unwrap_or(i16::MAX);
                // TOML's parser has looked at month and day already.
                let (month, day) = (date.month.cast_signed(), date.day.cast_signed());
                match Date::new(year, month, day) {
                    Ok(until) => return Some(until),
                    Err(_) => "`until` is no day of the calendar".to_owned(),
                }
            }
            DeValue::Datetime(_) => {
                "`until` needs a day alone, such as 2026-12-31: it counts to the end of it, UTC"
                    .to_owned()
            }
            DeValue::String(_) => {
                "`until` needs a date without quotes: until = 2026-12-31".to_owned()
            }
            other => format!(
                "`until` is {}, and needs a date: until = 2026-12-31",
                kind(other)
            ),
        };
        self.problem(value.span().start, text);
        None
    }
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

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
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
