//! AnalysisRuns and Rollouts, as kubectl writes them, to what a report needs.
//!
//! Each object is cut down as soon as it is read: a month's runs are many
//! times larger than what is counted of them.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::{DeserializeOwned, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::verdicts::{Cost, Given, Kind, RunKey};

/// Objects of one file: a thousand Rollouts with ten runs each, four times.
const MAX_OBJECTS: usize = 50_000;

/// Entries of a list in one object: Argo keeps ten measurements of a metric.
const MAX_ENTRIES: usize = 1_000;

/// The plugin's name ends so in every controller's configuration.
const PLUGIN: &str = "/metric-ai";

/// What our plugin says that it is.
const PROVIDER: &str = "MetricAI";

/// What a file holds.
#[derive(Debug, Default, PartialEq)]
pub struct Objects {
    /// AnalysisRuns.
    pub runs: Vec<Run>,
    /// Rollouts.
    pub rollouts: Vec<Rollout>,
    /// Objects of other kinds.
    pub others: usize,
}

/// One AnalysisRun.
#[derive(Debug, PartialEq)]
pub struct Run {
    /// Namespace and name.
    pub key: RunKey,
    /// The Rollout that owns it; empty without one.
    pub rollout: String,
    /// The version that it is about; empty when unknown.
    pub hash: String,
    /// How it ended; empty while it goes on.
    pub phase: String,
    /// Whether a metric that is not ours, and no dry run, has failed.
    pub others_failed: bool,
    /// Whether it has a metric whose outcome counts.
    pub enforces: bool,
    /// Our verdicts in it, one a metric.
    pub given: Vec<Given>,
}

/// One Rollout.
#[derive(Debug, PartialEq)]
pub struct Rollout {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The version that it goes to.
    pub current_hash: String,
    /// The version that serves.
    pub stable_hash: String,
    /// Whether it was aborted, or is degraded.
    pub failed: bool,
}

/// Why a file of objects cannot be used.
#[derive(Debug)]
pub enum Unreadable {
    /// It is no JSON of Kubernetes' form.
    Json(serde_json::Error),
    /// It is no YAML of that form.
    Yaml(String),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => error.fmt(f),
            Self::Yaml(error) => f.write_str(error),
        }
    }
}

/// Reads a file's text: a list of objects, or one object.
///
/// # Errors
///
/// [`Unreadable`]: it is neither.
pub fn read(text: &[u8]) -> Result<Objects, Unreadable> {
    let envelope: Envelope = parse(text)?;
    if envelope.kind.ends_with("List") {
        parse::<List>(text).map(|list| list.items)
    } else {
        let mut objects = Objects::default();
        objects.add(parse(text)?);
        Ok(objects)
    }
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Unreadable> {
    if text.trim_ascii_start().starts_with(b"{") {
        return serde_json::from_slice(text).map_err(Unreadable::Json);
    }
    // Its own limits bound aliases, depth and nodes.
    serde_saphyr::from_slice(text).map_err(|error| Unreadable::Yaml(error.to_string()))
}

impl Objects {
    fn add(&mut self, object: Object) {
        match object.kind.as_str() {
            "AnalysisRun" => self.runs.push(object.run()),
            "Rollout" => self.rollouts.push(object.rollout()),
            _ => self.others += 1,
        }
    }
}

#[derive(Deserialize)]
struct Envelope {
    kind: String,
}

#[derive(Deserialize)]
struct List {
    #[serde(deserialize_with = "cut_down")]
    items: Objects,
}

fn cut_down<'de, D: Deserializer<'de>>(from: D) -> Result<Objects, D::Error> {
    struct Each;
    impl<'de> Visitor<'de> for Each {
        type Value = Objects;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of objects")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Objects, A::Error> {
            let mut objects = Objects::default();
            let mut count = 0;
            while let Some(item) = items.next_element()? {
                count += 1;
                if count > MAX_OBJECTS {
                    let text = format!("more than {MAX_OBJECTS} objects: save fewer in one file");
                    return Err(A::Error::custom(text));
                }
                objects.add(item);
            }
            Ok(objects)
        }
    }
    from.deserialize_seq(Each)
}

/// A list of no more than [`MAX_ENTRIES`]; `null` is an empty one.
fn few<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    struct Few<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Few<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_unit<E>(self) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<T>, A::Error> {
            let mut all = Vec::new();
            while let Some(entry) = entries.next_element()? {
                if all.len() == MAX_ENTRIES {
                    let text = format!("a list of more than {MAX_ENTRIES} entries in one object");
                    return Err(A::Error::custom(text));
                }
                all.push(entry);
            }
            Ok(all)
        }
    }
    from.deserialize_any(Few(PhantomData))
}

/// An AnalysisRun or a Rollout: what a report needs of either.
#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: String,
    namespace: String,
    labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "few")]
    owner_references: Vec<Owner>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Owner {
    kind: String,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    #[serde(deserialize_with = "few")]
    metrics: Vec<Metric>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metric {
    name: String,
    provider: Provider,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Provider {
    plugin: BTreeMap<String, serde::de::IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    phase: String,
    #[serde(deserialize_with = "few")]
    metric_results: Vec<MetricResult>,
    abort: bool,
    current_pod_hash: String,
    #[serde(rename = "stableRS")]
    stable_rs: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct MetricResult {
    name: String,
    phase: String,
    dry_run: bool,
    failed: u64,
    metadata: BTreeMap<String, String>,
    #[serde(deserialize_with = "few")]
    measurements: Vec<Measurement>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Measurement {
    phase: String,
    started_at: Option<String>,
    finished_at: Option<String>,
    metadata: BTreeMap<String, String>,
}

impl Object {
    fn run(self) -> Run {
        let key = RunKey {
            namespace: self.metadata.namespace,
            name: self.metadata.name,
        };
        let owners = self.metadata.owner_references;
        let owner = owners.into_iter().find(|owner| owner.kind == "Rollout");
        let rollout = owner.map(|owner| owner.name).unwrap_or_default();
        let mut labels = self.metadata.labels;
        let ours = |result: &MetricResult| {
            result
                .metadata
                .get("provider")
                .is_some_and(|provider| provider == PROVIDER)
                || self.spec.metrics.iter().any(|metric| {
                    metric.name == result.name
                        && metric
                            .provider
                            .plugin
                            .keys()
                            .any(|name| name.ends_with(PLUGIN))
                })
        };
        let results = self.status.metric_results;
        Run {
            others_failed: results
                .iter()
                .any(|result| !result.dry_run && !ours(result) && is_failure(&result.phase)),
            enforces: results.iter().any(|result| !result.dry_run),
            given: results
                .iter()
                .filter(|result| ours(result))
                .filter_map(|result| given(result, &key, &rollout))
                .collect(),
            hash: labels
                .remove("rollouts-pod-template-hash")
                .unwrap_or_default(),
            phase: self.status.phase,
            rollout,
            key,
        }
    }

    fn rollout(self) -> Rollout {
        Rollout {
            namespace: self.metadata.namespace,
            name: self.metadata.name,
            failed: self.status.abort || self.status.phase == "Degraded",
            current_hash: self.status.current_pod_hash,
            stable_hash: self.status.stable_rs,
        }
    }
}

/// Whether a phase is one that aborts a rollout.
pub fn is_failure(phase: &str) -> bool {
    matches!(phase, "Failed" | "Error")
}

/// What our metric came to; `None` while it goes on.
fn given(result: &MetricResult, key: &RunKey, rollout: &str) -> Option<Given> {
    // One failed measurement is an abort of ours, also where the template's
    // failureLimit forgives it.
    let kind = if result.failed > 0 {
        Kind::Abort
    } else {
        Kind::of_phase(&result.phase)?
    };
    let finished = |measurement: &&Measurement| measurement.finished_at.is_some();
    let decisive = result
        .measurements
        .iter()
        .rev()
        .filter(finished)
        .find(|measurement| Kind::of_phase(&measurement.phase) == Some(kind))
        .or_else(|| result.measurements.iter().rev().find(finished));
    let start_ms = decisive.and_then(|decisive| ms(decisive.started_at.as_deref()));
    let end_ms = decisive.and_then(|decisive| ms(decisive.finished_at.as_deref()));
    let costs = result
        .measurements
        .iter()
        .filter_map(|measurement| Cost::read(measurement.metadata.get("cost")?));
    Some(Given {
        run: key.clone(),
        rollout: rollout.to_owned(),
        metric: result.name.clone(),
        dry_run: result.dry_run,
        kind,
        at_ms: end_ms,
        took_ms: start_ms
            .zip(end_ms)
            .and_then(|(start, end)| u64::try_from(end - start).ok()),
        cost: costs.reduce(Cost::plus),
    })
}

fn ms(text: Option<&str>) -> Option<i64> {
    let at: Timestamp = text?.parse().ok()?;
    Some(at.as_millisecond())
}
