//! Argo's metric: what an analysis template asks for, with its plugin configuration.

use std::collections::BTreeMap;
use std::fmt;

/// One metric of an analysis template, its arguments resolved (Argo's `v1alpha1.Metric`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metric {
    /// The metric's name, unique in its run.
    pub name: String,
    /// Time between measurements as a Go duration (`30s`, `1m30s`); empty measures once.
    pub interval: String,
    /// Time before the first measurement as a Go duration.
    pub initial_delay: String,
    /// How many measurements; none together with an interval measures until the run ends.
    pub count: Option<IntOrString>,
    /// An expr-lang expression over `result`; the provider evaluates it.
    pub success_condition: String,
    /// An expr-lang expression over `result`; the provider evaluates it.
    pub failure_condition: String,
    /// How many failed measurements are tolerated; none is 0, negative is unlimited.
    pub failure_limit: Option<IntOrString>,
    /// How many inconclusive measurements are tolerated; none is 0, negative is unlimited.
    pub inconclusive_limit: Option<IntOrString>,
    /// How many errors in a row are tolerated; none is 4.
    pub consecutive_error_limit: Option<IntOrString>,
    /// How many successes in a row end the metric (Argo 1.8 and later).
    pub consecutive_success_limit: Option<IntOrString>,
    /// Where the value comes from.
    pub provider: Provider,
}

/// The provider of a metric. Argo's built-in providers are left out: a plugin is only ever asked
/// for metrics of its own.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Provider {
    /// The configuration block of each plugin by the plugin's name, as JSON text. It may hold
    /// resolved secrets, so `Debug` shows lengths only.
    pub plugin: BTreeMap<String, Vec<u8>>,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(
                self.plugin
                    .iter()
                    .map(|(name, json)| (name, format!("*** {} bytes", json.len()))),
            )
            .finish()
    }
}

/// A number, or an expression that yields one (Kubernetes' `intstr.IntOrString`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntOrString {
    /// A plain number.
    Int(i32),
    /// Text, as in `{{args.count}}` before it is resolved; Argo also takes digits here.
    String(String),
}

impl Default for IntOrString {
    fn default() -> Self {
        IntOrString::Int(0)
    }
}

impl IntOrString {
    /// The number, also from text that is one (Go's `IntOrString.IntValue`, which takes 0 for
    /// text that is not: here that is `None`).
    pub fn value(&self) -> Option<i32> {
        match self {
            IntOrString::Int(value) => Some(*value),
            IntOrString::String(text) => text.parse().ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_with_secrets_does_not_show_in_debug() {
        let mut metric = Metric::default();
        metric
            .provider
            .plugin
            .insert("p".into(), br#"{"token":"hunter2"}"#.to_vec());
        let shown = format!("{metric:?}");
        assert!(
            !shown.contains("hunter2") && shown.contains("19 bytes"),
            "{shown}"
        );
    }

    #[test]
    fn text_that_is_a_number_counts_as_one() {
        assert_eq!(IntOrString::Int(-1).value(), Some(-1));
        assert_eq!(IntOrString::String("7".into()).value(), Some(7));
        assert_eq!(IntOrString::String("{{args.n}}".into()).value(), None);
    }
}
