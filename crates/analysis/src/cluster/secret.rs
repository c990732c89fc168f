//! The operator's Secret, where it is not mounted: read only when the operator
//! asks for it, by name.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::ByteString;
use serde::Deserialize;

use super::api::{Api, GET_SECRET, query};
use crate::error::GatherError;
use crate::limits::Limits;
use crate::secret::Secret;

/// Longest name of a namespace or of a Secret, as Kubernetes has it.
const MAX_NAME_BYTES: usize = 253;

/// Largest value that is kept; a key with a chain of certificates is 8 KiB.
const MAX_VALUE_BYTES: usize = 16 << 10;

/// Which Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRef {
    /// `None` for the namespace of who asks.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl SecretRef {
    /// Reads `NAME` or `NAMESPACE/NAME`; `None` for what names no Secret.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (namespace, name) = match text.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, text),
        };
        (is_name(name) && namespace.is_none_or(is_name)).then(|| Self {
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        })
    }
}

/// Whether Kubernetes would take it as a name.
fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    !text.is_empty()
        && text.len() <= MAX_NAME_BYTES
        && text.chars().all(fits)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

/// The Secret as the API server sends it. It has no `Debug`.
#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    data: Option<BTreeMap<String, ByteString>>,
}

/// What is in a Secret, by its keys.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretData(BTreeMap<String, Secret>);

impl fmt::Debug for SecretData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.0).finish()
    }
}

impl SecretData {
    /// One value; `None` when it is not there, empty, no text, or larger than
    /// any credential.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Secret> {
        self.0.get(key)
    }
}

impl<K: Into<String>> FromIterator<(K, Secret)> for SecretData {
    fn from_iter<T: IntoIterator<Item = (K, Secret)>>(values: T) -> Self {
        Self(
            values
                .into_iter()
                .map(|(key, it)| (key.into(), it))
                .collect(),
        )
    }
}

pub(super) async fn read(api: &Api, of: &SecretRef) -> Result<SecretData, GatherError> {
    let namespace = of.namespace.as_deref().unwrap_or(api.own_namespace());
    let uri = format!(
        "/api/v1/namespaces/{}/secrets/{}",
        query(namespace),
        query(&of.name)
    );
    let object: Object = api.get(GET_SECRET, &uri, &Limits::default()).await?;
    let values = object.data.unwrap_or_default().into_iter();
    Ok(values
        .filter_map(|(key, value)| Some((key, credential(value.0)?)))
        .collect())
}

fn credential(value: Vec<u8>) -> Option<Secret> {
    if value.len() > MAX_VALUE_BYTES {
        return None;
    }
    Secret::new(&String::from_utf8(value).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_named_with_or_without_its_namespace() {
        let of = |namespace: Option<&str>, name: &str| {
            Some(SecretRef {
                namespace: namespace.map(str::to_owned),
                name: name.to_owned(),
            })
        };
        assert_eq!(SecretRef::parse("keys"), of(None, "keys"));
        assert_eq!(SecretRef::parse("ops/keys.v2"), of(Some("ops"), "keys.v2"));
        let long = "a".repeat(254);
        for wrong in [
            "", "/", "a/", "/a", "a/b/c", "A", "a b", "../x", "-a", "a.", &long,
        ] {
            assert_eq!(SecretRef::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_no_credential_is_not_kept() {
        assert_eq!(credential(b"hunter2\n".to_vec()), Secret::new("hunter2"));
        assert_eq!(credential(Vec::new()), None);
        assert_eq!(credential(b"\xff\xfe".to_vec()), None, "no text");
        let large = |bytes: usize| credential(vec![b'k'; bytes]).is_some();
        assert!(large(MAX_VALUE_BYTES) && !large(MAX_VALUE_BYTES + 1));
    }

    #[test]
    fn values_are_not_shown() {
        let data: SecretData = [("google_api_key", Secret::new("hunter2").unwrap())]
            .into_iter()
            .collect();
        assert_eq!(format!("{data:?}"), r#"{"google_api_key": ***}"#);
    }
}
