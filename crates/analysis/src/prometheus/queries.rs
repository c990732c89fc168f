//! What a template says about metrics (key `prometheus`), read and checked.
//!
//! Arguments arrive resolved, secrets in clear: no error, no warning and no
//! `Debug` shows a value, only names of keys and of metrics.

use std::fmt;
use std::time::Duration;

use judge::evidence::{Window, Worse};
use reqwest::Url;
use serde_json::{Map, Value};
use thiserror::Error;

use super::range::{self, DEFAULT_INTERVAL, MAX_INTERVAL, MIN_INTERVAL};
use crate::outbound::Origin;
use crate::secret::Secret;

/// Pairs of queries: each is asked twice at every look. The judge compares up
/// to 32 metrics, and a metric more makes each of them count for less.
pub const MAX_PAIRS: usize = 16;

/// Bytes of one query; long ones in use have a few hundred.
pub const MAX_QUERY_BYTES: usize = 4_096;

/// Bytes of a metric's name, which stands in messages.
pub const MAX_NAME_BYTES: usize = 64;

/// Bytes of a unit.
pub const MAX_UNIT_BYTES: usize = 16;

/// Bytes of an address.
pub const MAX_ADDRESS_BYTES: usize = 2_048;

/// Characters of a foreign key that a warning shows.
const MAX_SHOWN_CHARS: usize = 40;

const KEYS: [&str; 3] = ["address", "interval", "pairs"];
const PAIR_KEYS: [&str; 5] = ["name", "unit", "worse", "stable", "canary"];

/// Which metrics to compare, and where to ask for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queries {
    address: Address,
    interval: Option<Duration>,
    pairs: Vec<Pair>,
}

/// One metric: the query for each arm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// What it is called in messages: letters, digits, spaces and `_-./%:()`.
    pub name: String,
    /// Its unit in messages, of the same characters; may be empty.
    pub unit: String,
    /// Which way it gets worse.
    pub worse: Worse,
    /// Stable's query, in PromQL.
    pub(super) stable: Secret,
    /// The canary's.
    pub(super) canary: Secret,
}

/// Why the key `prometheus` cannot be used. Each text names the key and the
/// mend, and shows no value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QueriesError {
    /// Not a map, where one is needed.
    #[error("key `{key}`: a map of keys to values is needed")]
    NotAMap {
        /// The key.
        key: String,
    },
    /// Not text, or none at all.
    #[error("key `{key}`: text is needed")]
    NotText {
        /// The key.
        key: String,
    },
    /// The address is none.
    #[error(
        "key `prometheus.address`: an http:// or https:// address without `?` and `#` is needed, \
         as in `http://prometheus.monitoring:9090`"
    )]
    Address,
    /// The interval is none, or not a sensible one.
    #[error("key `prometheus.interval`: a time from 5s to 1h is needed, as in `30s`")]
    Interval,
    /// No pairs, or too many.
    #[error("key `prometheus.pairs`: a list of 1 to {MAX_PAIRS} pairs of queries is needed")]
    Pairs,
    /// A name or a unit that would not do in a message.
    #[error(
        "key `{key}`: at most {limit_bytes} letters, digits, spaces and `_-./%:()` are allowed"
    )]
    Words {
        /// The key.
        key: String,
        /// The limit.
        limit_bytes: usize,
    },
    /// Two pairs of one name: the judge would take them for one metric.
    #[error("key `{key}`: another pair has this name; give each its own")]
    SameName {
        /// The key.
        key: String,
    },
    /// Neither of the two ways to get worse.
    #[error("key `{key}`: must be `higher` or `lower`")]
    Worse {
        /// The key.
        key: String,
    },
    /// A query that is too long.
    #[error("key `{key}`: a query has at most {MAX_QUERY_BYTES} bytes; use a recording rule")]
    QueryTooLong {
        /// The key.
        key: String,
    },
}

impl Queries {
    /// Reads the value of the key `prometheus`. Keys that there are none of are
    /// named in `warnings`.
    ///
    /// # Errors
    ///
    /// [`QueriesError`] if it cannot be used; nothing is guessed.
    pub fn read(value: &Value, warnings: &mut Vec<String>) -> Result<Self, QueriesError> {
        let block = Block::new("prometheus".to_owned(), value)?;
        block.warn_of_others(&KEYS, warnings);
        let address = block.text("address")?;
        let interval = match block.optional_text("interval")? {
            "" => None,
            text => Some(
                range::duration(text)
                    .filter(|interval| (MIN_INTERVAL..=MAX_INTERVAL).contains(interval))
                    .ok_or(QueriesError::Interval)?,
            ),
        };
        let listed = match block.map.get("pairs") {
            Some(Value::Array(listed)) if (1..=MAX_PAIRS).contains(&listed.len()) => listed,
            _ => return Err(QueriesError::Pairs),
        };
        let mut pairs: Vec<Pair> = Vec::with_capacity(listed.len());
        for (index, value) in listed.iter().enumerate() {
            let block = Block::new(format!("prometheus.pairs[{index}]"), value)?;
            block.warn_of_others(&PAIR_KEYS, warnings);
            let pair = block.pair()?;
            if pairs.iter().any(|other| other.name == pair.name) {
                let key = block.key("name");
                return Err(QueriesError::SameName { key });
            }
            pairs.push(pair);
        }
        Ok(Self {
            address: Address::parse(address).ok_or(QueriesError::Address)?,
            interval,
            pairs,
        })
    }

    /// Where metrics are asked for.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The metrics, in the template's order.
    #[must_use]
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }
}

impl Pair {
    /// Time between two samples of this metric: what the template says, else as
    /// long as the longest range in its queries.
    pub(super) fn step_ms(&self, queries: &Queries, window: Window) -> i64 {
        let longest = [&self.stable, &self.canary]
            .into_iter()
            .filter_map(|query| range::longest(query.reveal()))
            .fold(DEFAULT_INTERVAL, Duration::max);
        range::step_ms(queries.interval.unwrap_or(longest), window.bucket_ms)
    }
}

/// A map of the template, with the key that it is under.
struct Block<'v> {
    at: String,
    map: &'v Map<String, Value>,
}

impl<'v> Block<'v> {
    fn new(at: String, value: &'v Value) -> Result<Self, QueriesError> {
        match value {
            Value::Object(map) => Ok(Self { at, map }),
            _ => Err(QueriesError::NotAMap { key: at }),
        }
    }

    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.at)
    }

    fn optional_text(&self, key: &str) -> Result<&'v str, QueriesError> {
        match self.map.get(key) {
            Some(Value::String(text)) => Ok(text.trim()),
            None | Some(Value::Null) => Ok(""),
            Some(_) => Err(QueriesError::NotText { key: self.key(key) }),
        }
    }

    fn text(&self, key: &str) -> Result<&'v str, QueriesError> {
        match self.optional_text(key)? {
            "" => Err(QueriesError::NotText { key: self.key(key) }),
            text => Ok(text),
        }
    }

    fn pair(&self) -> Result<Pair, QueriesError> {
        Ok(Pair {
            name: self.words("name", self.text("name")?, MAX_NAME_BYTES)?,
            unit: self.words("unit", self.optional_text("unit")?, MAX_UNIT_BYTES)?,
            worse: match self.optional_text("worse")? {
                "" | "higher" => Worse::Higher,
                "lower" => Worse::Lower,
                _ => {
                    let key = self.key("worse");
                    return Err(QueriesError::Worse { key });
                }
            },
            stable: self.query("stable")?,
            canary: self.query("canary")?,
        })
    }

    /// Text that will stand in a message.
    fn words(&self, key: &str, text: &str, limit_bytes: usize) -> Result<String, QueriesError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || " _-./%:()".contains(c);
        if text.len() <= limit_bytes && text.chars().all(fits) {
            return Ok(text.to_owned());
        }
        Err(QueriesError::Words {
            key: self.key(key),
            limit_bytes,
        })
    }

    fn query(&self, key: &str) -> Result<Secret, QueriesError> {
        let text = self.text(key)?;
        if text.len() > MAX_QUERY_BYTES {
            return Err(QueriesError::QueryTooLong { key: self.key(key) });
        }
        Secret::new(text).ok_or_else(|| QueriesError::NotText { key: self.key(key) })
    }

    fn warn_of_others(&self, known: &[&str], warnings: &mut Vec<String>) {
        let others = self.map.keys().filter(|key| !known.contains(&key.as_str()));
        warnings.extend(others.map(|other| {
            let shown: String = other
                .chars()
                .take(MAX_SHOWN_CHARS)
                .map(|c| if c.is_control() { '?' } else { c })
                .collect();
            let known = known.join("`, `");
            format!(
                "unknown key `{}.{shown}` is ignored: there are `{known}`",
                self.at
            )
        }));
    }
}

/// A server that a template names, and the login that it has in it, if any.
/// Shows itself as its origin.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// With the login, which the client makes a header of.
    base: Url,
    origin: Origin,
}

impl Address {
    /// An http(s) address without query and fragment: what is asked for is
    /// appended to its path.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_ADDRESS_BYTES {
            return None;
        }
        let base = Url::parse(text.trim()).ok()?;
        if base.query().is_some() || base.fragment().is_some() {
            return None;
        }
        let origin = Origin::of(text)?;
        Some(Self { base, origin })
    }

    /// Who is asked.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether the template put a user or a password into it.
    #[must_use]
    pub fn has_login(&self) -> bool {
        !self.base.username().is_empty() || self.base.password().is_some()
    }

    /// `<address>/api/v1/<call>`.
    pub(super) fn api(&self, call: &str) -> Url {
        let mut url = self.base.clone();
        let path = format!("{}/api/v1/{call}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.origin, f)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pair() -> Value {
        json!({"name": "p95 latency", "unit": "ms", "stable": "up", "canary": "up"})
    }

    fn with(key: &str, value: Value) -> Value {
        let mut block = json!({"address": "http://prometheus:9090", "pairs": [pair()]});
        match key.strip_prefix("pair.") {
            Some(key) => block["pairs"][0][key] = value,
            None => block[key] = value,
        }
        block
    }

    fn read(block: &Value) -> Result<Queries, QueriesError> {
        Queries::read(block, &mut Vec::new())
    }

    #[test]
    fn every_key_is_read() {
        let mut warnings = Vec::new();
        let block = json!({
        "address": "https://user:hunter2@prometheus:9090/prefix/",
        "interval": "1m30s",
        "pairs": [
            {"name": "p95 latency (GET)", "unit": "ms", "worse": "higher",
             "stable": "rate(x[5m])", "canary": "rate(y[1m])"},
            {"name": "hit_rate/s", "worse": "lower", "stable": "up", "canary": " up "},
        ]});
        let queries = Queries::read(&block, &mut warnings).unwrap();
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(queries.interval, Some(Duration::from_secs(90)));
        assert_eq!(
            queries.address().api("query_range").as_str(),
            "https://user:hunter2@prometheus:9090/prefix/api/v1/query_range"
        );
        assert!(queries.address().has_login());
        let [first, second] = queries.pairs() else {
            panic!("{queries:?}")
        };
        assert_eq!(
            (first.name.as_str(), first.unit.as_str(), first.worse),
            ("p95 latency (GET)", "ms", Worse::Higher)
        );
        assert_eq!((second.unit.as_str(), second.worse), ("", Worse::Lower));
        assert_eq!(second.canary.reveal(), "up");
    }

    #[test]
    fn what_cannot_be_used_is_an_error_that_names_the_key_and_shows_no_value() {
        let long = |bytes| json!("x".repeat(bytes));
        let table = [
            ("address", json!(null), "prometheus.address`: text"),
            ("address", json!(7), "prometheus.address`: text"),
            ("address", json!("hunter2:9090"), "prometheus.address`: an"),
            ("address", json!("ftp://hunter2"), "prometheus.address`: an"),
            ("address", json!("http://a?x=hunter2"), "address`: an"),
            ("address", json!("http://a#hunter2"), "address`: an"),
            (
                "address",
                json!(format!("http://a/{}", "x".repeat(2_048))),
                "address`: an",
            ),
            ("interval", json!("4s"), "prometheus.interval`"),
            ("interval", json!("61m"), "prometheus.interval`"),
            ("interval", json!("hunter2"), "prometheus.interval`"),
            ("interval", json!(30), "prometheus.interval`"),
            ("pairs", json!(null), "prometheus.pairs`"),
            ("pairs", json!([]), "prometheus.pairs`"),
            ("pairs", json!("hunter2"), "prometheus.pairs`"),
            ("pairs", json!(["hunter2"]), "prometheus.pairs[0]`: a map"),
            ("pairs", json!(vec![pair(); 17]), "1 to 16 pairs"),
            (
                "pairs",
                json!([pair(), pair()]),
                "prometheus.pairs[1].name`: another",
            ),
            ("pair.name", json!(""), "prometheus.pairs[0].name`: text"),
            ("pair.name", json!("hunter2\n"), "x"),
            ("pair.name", json!("hunter2`"), "at most 64"),
            ("pair.name", json!("hünter2"), "at most 64"),
            ("pair.name", json!("hun\u{1b}ter2"), "at most 64"),
            ("pair.name", long(65), "at most 64"),
            ("pair.unit", long(17), "at most 16"),
            ("pair.worse", json!("hunter2"), "`higher` or `lower`"),
            ("pair.stable", json!(" "), "pairs[0].stable`: text"),
            ("pair.canary", json!(null), "pairs[0].canary`: text"),
            ("pair.canary", long(4_097), "at most 4096 bytes"),
        ];
        for (key, value, expected) in table {
            let block = with(key, value);
            match read(&block) {
                Err(error) => {
                    let shown = format!("{error} {error:?}");
                    assert!(shown.contains(expected), "{block}: {shown}");
                    assert!(!shown.contains("hunter2"), "{block}: {shown}");
                }
                // White space around a name is nobody's wish.
                Ok(queries) => assert_eq!(queries.pairs()[0].name, "hunter2", "{block}"),
            }
        }
        assert!(read(&json!("hunter2")).is_err());
        for (key, value) in [
            ("pair.name", long(64)),
            ("pair.unit", long(16)),
            ("pair.canary", long(4_096)),
            ("interval", json!("5s")),
            ("interval", json!("1h")),
        ] {
            assert!(read(&with(key, value)).is_ok(), "{key}");
        }
    }

    #[test]
    fn unknown_keys_warn() {
        let mut warnings = Vec::new();
        let mut block = with("pair.better\u{7}", json!("hunter2"));
        block["url"] = json!("hunter2");
        Queries::read(&block, &mut warnings).unwrap();
        assert_eq!(
            warnings,
            [
                "unknown key `prometheus.url` is ignored: there are `address`, `interval`, `pairs`",
                "unknown key `prometheus.pairs[0].better?` is ignored: there are `name`, `unit`, \
                 `worse`, `stable`, `canary`"
            ]
        );
    }

    #[test]
    fn no_login_and_no_query_is_shown() {
        let mut block = with(
            "address",
            json!("http://user:hunter2@prometheus:9090/hunter2"),
        );
        block["pairs"][0]["stable"] = json!("x{token=\"hunter2\"}");
        let shown = format!("{:?}", read(&block).unwrap());
        assert!(shown.contains("http://prometheus:9090"), "{shown}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("user"),
            "{shown}"
        );
    }

    #[test]
    fn samples_are_as_far_apart_as_the_longest_range() {
        let window = Window::new(0, 60_000);
        for (stable, interval, expected_ms) in [
            ("up", None, 30_000),
            ("rate(x[10s])", None, 30_000),
            ("rate(x[2m])", None, 120_000),
            // Whoever names an interval gets it.
            ("rate(x[2m])", Some("10s"), 10_000),
        ] {
            let mut block = with("pair.stable", json!(stable));
            block["interval"] = json!(interval);
            let queries = read(&block).unwrap();
            let step_ms = queries.pairs()[0].step_ms(&queries, window);
            assert_eq!(step_ms, expected_ms, "{stable} {interval:?}");
        }
    }
}
