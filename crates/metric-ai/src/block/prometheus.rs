//! Pairs of queries, one for each arm, that a template wants compared.

use analysis::Secret;
use analysis::outbound::Origin;
use judge::evidence::Worse;
use serde_json::Value;

use super::error::BlockError;
use super::part::Part;

/// Most pairs of queries: each is two requests a look.
const MAX_QUERIES: usize = 10;

/// Longest query, in bytes.
const MAX_QUERY_BYTES: usize = 4 * 1024;

/// Longest name of a metric, in bytes: it is part of a message of one line.
const MAX_NAME_BYTES: usize = 60;

/// Longest unit, in bytes.
const MAX_UNIT_BYTES: usize = 16;

/// Where metrics are asked for, and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prometheus {
    /// The server's address; it may have a user and a password in it.
    pub address: Secret,
    /// What to ask for, in order; at least one.
    pub queries: Vec<Query>,
}

/// One metric of both arms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// What it is called in messages.
    pub name: String,
    /// Its unit; may be empty.
    pub unit: String,
    /// Which way it gets worse.
    pub worse: Worse,
    /// The query for stable.
    pub stable: Secret,
    /// The query for the canary.
    pub canary: Secret,
}

/// Reads `prometheus`.
pub(super) fn prometheus(
    value: &Value,
    warnings: &mut Vec<String>,
) -> Result<Prometheus, BlockError> {
    let part = Part::of("prometheus", value, &["address", "queries"])?;
    part.warn_unknown(warnings);
    let address = part.needed("address", "the server's address, http:// or https://")?;
    let wrong = |key: String, needed| BlockError::Value { key, needed };
    let address = match Secret::new(address) {
        Some(secret) if Origin::of(address).is_some() => secret,
        _ => {
            let needed = "an http:// or https:// address is needed";
            return Err(wrong(part.key("address"), needed));
        }
    };
    let list = part.list("queries")?.unwrap_or_default();
    if list.is_empty() || list.len() > MAX_QUERIES {
        let needed = "one to ten queries are needed, each with `name`, `stable` and `canary`";
        return Err(wrong(part.key("queries"), needed));
    }
    let mut queries: Vec<Query> = Vec::with_capacity(list.len());
    for (index, value) in list.iter().enumerate() {
        let key = format!("prometheus.queries[{index}]");
        let query = query(&key, value, warnings)?;
        if queries.iter().any(|other| other.name == query.name) {
            let needed = "each name once: it is how the metric is called in messages";
            return Err(wrong(format!("{key}.name"), needed));
        }
        queries.push(query);
    }
    Ok(Prometheus { address, queries })
}

fn query(key: &str, value: &Value, warnings: &mut Vec<String>) -> Result<Query, BlockError> {
    let part = Part::of(key, value, &["name", "unit", "worse", "stable", "canary"])?;
    part.warn_unknown(warnings);
    let wrong = |name: &str, needed| BlockError::Value {
        key: part.key(name),
        needed,
    };
    let plain = |text: &str, max_bytes| text.len() <= max_bytes && !text.contains(char::is_control);
    let name = part.needed("name", "what the metric is called in messages")?;
    if !plain(name, MAX_NAME_BYTES) {
        return Err(wrong("name", "at most 60 bytes in one line are needed"));
    }
    let unit = part.text("unit")?;
    if !plain(unit, MAX_UNIT_BYTES) {
        return Err(wrong("unit", "at most 16 bytes in one line are needed"));
    }
    let worse = match part.text("worse")? {
        "" => Worse::default(),
        text if text.eq_ignore_ascii_case("higher") => Worse::Higher,
        text if text.eq_ignore_ascii_case("lower") => Worse::Lower,
        _ => return Err(wrong("worse", "must be `higher` or `lower`")),
    };
    let of = |arm| {
        let text = part.needed(arm, "the query for this arm")?;
        match Secret::new(text) {
            Some(query) if text.len() <= MAX_QUERY_BYTES => Ok(query),
            _ => Err(wrong(arm, "a query of at most 4 KiB is needed")),
        }
    };
    Ok(Query {
        name: name.to_owned(),
        unit: unit.to_owned(),
        worse,
        stable: of("stable")?,
        canary: of("canary")?,
    })
}
