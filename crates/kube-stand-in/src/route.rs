//! Which resource a path names, and what its query says.

use crate::fault::Resource;

/// A path that names something in a namespace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) resource: Resource,
    pub(crate) namespace: String,
    /// Empty for a list.
    pub(crate) name: String,
}

/// Reads a path; `None` when it names nothing that is served in a namespace.
pub(crate) fn route(path: &str) -> Option<Route> {
    let segments: Vec<String> = path
        .trim_matches('/')
        .split('/')
        .map(percent_decoded)
        .collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (resource, namespace, name) = match segments.as_slice() {
        ["api", "v1", "namespaces", namespace, "pods"] => (Resource::Pods, namespace, ""),
        ["api", "v1", "namespaces", namespace, "pods", name] => (Resource::Pod, namespace, *name),
        ["api", "v1", "namespaces", namespace, "pods", name, "log"] => {
            (Resource::Log, namespace, *name)
        }
        ["api", "v1", "namespaces", namespace, "secrets", name] => {
            (Resource::Secret, namespace, *name)
        }
        ["api", "v1", "namespaces", namespace, "events"] => (Resource::Events, namespace, ""),
        [
            "apis",
            "argoproj.io",
            "v1alpha1",
            "namespaces",
            namespace,
            "rollouts",
        ] => (Resource::Rollouts, namespace, ""),
        [
            "apis",
            "argoproj.io",
            "v1alpha1",
            "namespaces",
            namespace,
            "rollouts",
            name,
        ] => (Resource::Rollout, namespace, *name),
        _ => return None,
    };
    Some(Route {
        resource,
        namespace: (*namespace).to_owned(),
        name: name.to_owned(),
    })
}

pub(crate) fn resource(path: &str) -> Resource {
    route(path).map_or(Resource::Other, |route| route.resource)
}

/// The query of a request.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(query: Option<&str>) -> Self {
        let pairs = query.unwrap_or_default().split('&');
        Self(
            pairs
                .filter_map(|pair| pair.split_once('='))
                .map(|(key, value)| {
                    (
                        percent_decoded(key),
                        percent_decoded(&value.replace('+', " ")),
                    )
                })
                .collect(),
        )
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    pub(crate) fn is_true(&self, key: &str) -> bool {
        matches!(self.get(key), Some("true" | "1"))
    }

    /// A number; `Err` when there is something else.
    pub(crate) fn number(&self, key: &str) -> Result<Option<u64>, String> {
        self.get(key)
            .map(|text| {
                text.parse()
                    .map_err(|_| format!("strconv.ParseInt: parsing \"{text}\": invalid syntax"))
            })
            .transpose()
    }
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let decoded = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match decoded {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
