//! The thresholds: every number that decides, in one place.

use serde::{Deserialize, Serialize};

/// What a threshold is, for people and for whoever reads a policy file.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name, as policy files and JSON write it.
    pub name: &'static str,
    /// Its unit; empty for a plain number.
    pub unit: &'static str,
    /// Smallest value that makes sense.
    pub min: f64,
    /// Largest value that makes sense. Ranges are such that no policy promotes
    /// without evidence, and none silences a gate for good.
    pub max: f64,
    /// Whether only whole numbers make sense.
    pub whole: bool,
    /// What it does, in a sentence.
    pub meaning: &'static str,
    /// Reads it.
    pub get: fn(&Policy) -> f64,
    /// Sets it; the value must be in its range.
    pub set: fn(&mut Policy, f64),
}

/// Kind of number a threshold is stored as.
trait Number: Copy {
    fn to(self) -> f64;
    fn from(value: f64) -> Self;
}

macro_rules! number {
    ($($kind:ty),*) => {$(
        impl Number for $kind {
            fn to(self) -> f64 {
                self as f64
            }
            fn from(value: f64) -> Self {
                value as Self
            }
        }
    )*};
}
number!(f64, u64, i64, u32);

macro_rules! policy {
    ($($field:ident: $kind:ty = $default:expr, $name:literal, $unit:literal, $min:expr, $max:expr, $meaning:literal;)*) => {
        /// The thresholds in force.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", default, deny_unknown_fields)]
        pub struct Policy {
            $(#[doc = $meaning] pub $field: $kind,)*
            /// What is left out of every comparison.
            pub ignore: Vec<Ignore>,
        }

        impl Default for Policy {
            fn default() -> Self {
                Self { $($field: $default,)* ignore: Vec::new() }
            }
        }

        /// Every threshold, in the order that people read them.
        pub const FIELDS: &[Field] = &[$(Field {
            name: $name,
            unit: $unit,
            min: $min as f64,
            max: $max as f64,
            whole: !matches!(stringify!($kind).as_bytes(), b"f64"),
            meaning: $meaning,
            get: |policy| Number::to(policy.$field),
            set: |policy, value| policy.$field = Number::from(value),
        },)*];
    };
}

policy! {
    promote_ratio: f64 = 2.0, "promoteRatio", "", 1.0, 3.0,
        "Promote only when the canary's error share is shown to be at most this many times stable's, plus the margin.";
    promote_margin: f64 = 0.025, "promoteMargin", "share", 0.001, 0.1,
        "The margin of the promote rule where exposure is requests; a smaller one needs more traffic.";
    promote_margin_events: f64 = 0.05, "promoteMarginEvents", "share", 0.001, 0.1,
        "The margin of the promote rule where exposure is log events.";
    promote_alpha: f64 = 0.05, "promoteAlpha", "chance", 0.000_1, 0.1,
        "Chance, over all looks, of promoting a canary whose error share is beyond that.";
    gate_alpha: f64 = 0.006, "gateAlpha", "chance", 0.000_01, 0.02,
        "Chance, over all looks, that one of the three error gates fires on a canary as good as stable.";
    other_gate_alpha: f64 = 0.0003, "otherGateAlpha", "chance", 0.000_01, 0.02,
        "The same for each of the other gates: latency, warnings, vanished events, silence, metrics.";
    hold_e_value: f64 = 20.0, "holdEValue", "odds", 2.0, 150.0,
        "A gate that has not fired, with an e-value from here on, keeps a canary from being promoted.";
    gate_min_ratio: f64 = 1.5, "gateMinRatio", "", 1.0, 5.0,
        "An error gate needs the canary's rate to be at least this many times stable's.";
    gate_min_difference: f64 = 0.002, "gateMinDifference", "share", 0.0, 0.05,
        "An error gate needs the canary's rate to be at least this much above stable's.";
    gate_min_count: u64 = 3, "gateMinCount", "events", 1, 20,
        "An error gate needs at least this many errors of the canary.";
    exception_min_share: f64 = 0.015, "exceptionMinShare", "share", 0.001, 0.5,
        "In logs that are complete (files), a new exception aborts on its first occasions only from this share of the canary's requests on.";
    exception_min_share_events: f64 = 0.004, "exceptionMinShareEvents", "share", 0.001, 0.5,
        "The same share where exposure is log events.";
    exception_min_stable: u64 = 20, "exceptionMinStable", "exposure", 10, 1000,
        "The same needs at least this many requests (else events) of stable, without any exception.";
    latency_min_ratio: f64 = 1.5, "latencyMinRatio", "", 1.1, 5.0,
        "The latency gate needs the canary's median to be at least this many times stable's.";
    latency_tail_min_ratio: f64 = 2.0, "latencyTailMinRatio", "", 1.1, 10.0,
        "Or its 95th percentile at least this many times stable's.";
    latency_min_difference_ms: f64 = 5.0, "latencyMinDifferenceMs", "ms", 0.0, 1000.0,
        "And either by at least this much.";
    latency_warmup_ms: i64 = 30_000, "latencyWarmupMs", "ms", 0, 300_000,
        "Requests this soon after the canary's start are not compared for latency: caches are cold, code is being compiled.";
    warn_min_ratio: f64 = 3.0, "warnMinRatio", "", 1.5, 20.0,
        "The warning gate needs warnings that stable shows too to come at least this many times as often.";
    warn_min_difference: f64 = 0.025, "warnMinDifference", "share", 0.0, 0.5,
        "And by at least this much more.";
    vanished_max_rest: f64 = 0.2, "vanishedMaxRest", "share", 0.01, 0.5,
        "An event counts as vanished when the canary shows at most this part of what its exposure explains.";
    vanished_min_templates: u64 = 2, "vanishedMinTemplates", "templates", 1, 10,
        "So many kinds of events must vanish to abort: one log statement may simply have been removed.";
    silence_max_rest: f64 = 0.3, "silenceMaxRest", "share", 0.01, 0.6,
        "The silence gate needs the canary to log at most this part of the events that its requests explain.";
    metric_min_ratio: f64 = 1.3, "metricMinRatio", "", 1.05, 10.0,
        "The metric gate needs the canary's median to be worse than stable's by at least this factor.";
    ready_within_ms: i64 = 120_000, "readyWithinMs", "ms", 10_000, 3_600_000,
        "Age from which a pod that was never ready counts as broken.";
    min_restarts: u32 = 1, "minRestarts", "restarts", 1, 10,
        "Restarts that a canary pod must have at least, and more than any pod of stable, to be vetoed.";
}

/// Something that the operator knows and does not want to be judged by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ignore {
    /// What is ignored.
    pub what: Ignored,
    /// Text to look for: `*` stands for any text, and the whole must match.
    /// For a template, its text; for an event, its reason.
    pub pattern: String,
    /// Why, in words for people.
    pub reason: String,
}

impl Ignore {
    /// Whether its pattern matches a template's text, or an event's reason.
    pub(crate) fn matches(&self, text: &str) -> bool {
        matches(&self.pattern, text)
    }
}

/// What an [`Ignore`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ignored {
    /// Log events, by their template's text.
    Template,
    /// Kubernetes events, by their reason.
    Event,
}

impl Policy {
    /// The index of the entry that ignores a template, if one does.
    pub(crate) fn ignores_template(&self, text: &str) -> Option<usize> {
        self.ignore
            .iter()
            .position(|ignore| ignore.what == Ignored::Template && ignore.matches(text))
    }

    /// Whether a Kubernetes event with this reason is ignored.
    pub(crate) fn ignores_event(&self, reason: &str) -> bool {
        self.ignore
            .iter()
            .any(|ignore| ignore.what == Ignored::Event && ignore.matches(reason))
    }
}

/// Whether `text` matches `pattern`, in which `*` stands for any text. Linear
/// in the text for each star: a pattern cannot make it slow.
fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let Some(last) = pieces.next_back() else {
        return rest.is_empty();
    };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_threshold_has_its_field_and_a_default_within_its_range() {
        let policy = Policy::default();
        for field in FIELDS {
            let value = (field.get)(&policy);
            assert!((field.min..=field.max).contains(&value), "{}", field.name);
            let mut changed = policy.clone();
            (field.set)(&mut changed, field.min);
            assert!(
                ((field.get)(&changed) - field.min).abs() < 1e-12,
                "{}",
                field.name
            );
        }
        let written = serde_json::to_value(&policy).unwrap();
        let names: std::collections::BTreeSet<&str> = written
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .filter(|name| *name != "ignore")
            .collect();
        assert_eq!(names, FIELDS.iter().map(|field| field.name).collect());
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "ac", true),
            ("a*c", "a", false),
            ("*b*", "abc", true),
            ("a*a", "a", false),
            ("took * ms*", "took * ms for <*>", true),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }
}
