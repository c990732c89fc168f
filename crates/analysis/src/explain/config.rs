//! Who may be asked, where, and with which key: the operator's alone.
//!
//! A template names models and nothing else. Where a name leads, and which key
//! travels there, is said here; so no template can send a key to a server of
//! its own.

use std::fmt;

use reqwest::Url;
use thiserror::Error;

use super::prices::Prices;
use crate::secret::Secret;

/// Google's own address.
pub const GEMINI_BASE_URL: &str = "https://generativelanguage.googleapis.com";

/// OpenAI's own address.
pub const OPENAI_BASE_URL: &str = "https://api.openai.com/v1";

/// Host of the Gemini API. Its `/openai` path speaks OpenAI's API and loses
/// thought signatures on the way.
const GEMINI_HOST: &str = "generativelanguage.googleapis.com";

/// The longest name of a model, in bytes: the longest in use has about 80.
pub const MAX_MODEL_NAME_BYTES: usize = 128;

/// Names that an operator may list for the OpenAI-compatible endpoint.
const MAX_LISTED_MODELS: usize = 100;

/// Which providers there are.
#[derive(Clone, Debug, Default)]
pub struct ModelsConfig {
    /// Google's Gemini API.
    pub gemini: Gemini,
    /// OpenAI's API, or one that is compatible (vLLM, Ollama, llama.cpp).
    pub openai: OpenAi,
    /// What tokens cost.
    pub prices: Prices,
}

/// Google's Gemini API.
#[derive(Clone, Debug, Default)]
pub struct Gemini {
    /// Where it is; `None`: [`GEMINI_BASE_URL`].
    pub base_url: Option<String>,
    /// Without a key, none of its models is asked.
    pub key: Option<Secret>,
}

/// OpenAI's API, or one that is compatible.
#[derive(Clone, Debug, Default)]
pub struct OpenAi {
    /// Where it is, with its `/v1`; `None`: [`OPENAI_BASE_URL`].
    pub base_url: Option<String>,
    /// Its key. A server of the operator's own may need none.
    pub key: Option<Secret>,
    /// Names that are its models whatever they look like; any other name that
    /// is not Gemini's is its as well.
    pub models: Vec<String>,
}

/// Why models cannot be set up. Says which key is wrong, never its value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ModelsError {
    /// A base address is none.
    #[error("the base URL of {provider} is no http(s) address without user, query and fragment")]
    BadAddress {
        /// Whose.
        provider: Provider,
    },
    /// More models are listed than anyone has.
    #[error(
        "more than {MAX_LISTED_MODELS} models are listed for {}",
        Provider::OpenAi
    )]
    TooManyModels,
}

/// Whose API is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Google's.
    Gemini,
    /// OpenAI's.
    OpenAi,
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gemini => "the Gemini API",
            Self::OpenAi => "the OpenAI-compatible API",
        })
    }
}

/// Where a name leads.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) provider: Provider,
    /// The address that is posted to.
    pub(super) url: Url,
    /// The model, as the provider names it.
    pub(super) model: String,
    pub(super) key: Option<Secret>,
    /// Whether it is OpenAI's own server, which renamed a field that others
    /// know under its old name only.
    pub(super) is_openai_itself: bool,
}

/// The providers, checked.
#[derive(Clone, Debug)]
pub(super) struct Routes {
    gemini_url: Url,
    gemini_key: Option<Secret>,
    openai: Option<OpenAiRoute>,
    openai_models: Vec<String>,
}

#[derive(Clone, Debug)]
struct OpenAiRoute {
    url: Url,
    key: Option<Secret>,
}

impl Routes {
    pub(super) fn new(config: &ModelsConfig) -> Result<Self, ModelsError> {
        if config.openai.models.len() > MAX_LISTED_MODELS {
            return Err(ModelsError::TooManyModels);
        }
        let gemini = config.gemini.base_url.as_deref();
        let mut gemini_url = base(gemini.unwrap_or(GEMINI_BASE_URL), Provider::Gemini)?;
        let mut gemini_key = config.gemini.key.clone();
        if is_compatibility_path(&gemini_url) {
            gemini_url = native(&gemini_url);
        }
        let named = config.openai.base_url.as_deref();
        let openai_url = base(named.unwrap_or(OPENAI_BASE_URL), Provider::OpenAi)?;
        let is_there = named.is_some() || config.openai.key.is_some();
        let openai = if is_compatibility_path(&openai_url) {
            // Gemini through OpenAI's API loses thought signatures: its own
            // API is at the same host and takes the same key.
            if gemini_key.is_none() {
                gemini_url = native(&openai_url);
                gemini_key = config.openai.key.clone();
            }
            None
        } else {
            is_there.then(|| OpenAiRoute {
                url: openai_url,
                key: config.openai.key.clone(),
            })
        };
        Ok(Self {
            gemini_url,
            gemini_key,
            openai,
            openai_models: config.openai.models.clone(),
        })
    }

    /// Where a name leads; else what is missing, in words that name the mend.
    pub(super) fn target(&self, name: &str) -> Result<Target, String> {
        if !is_model_name(name) {
            return Err("this is no name of a model: correct `model`".to_owned());
        }
        let listed = self.openai_models.iter().any(|model| model == name);
        if let Some(model) = name.strip_prefix("openai/").filter(|_| !listed) {
            return self.openai_target(model);
        }
        let native = name.strip_prefix("models/").unwrap_or(name);
        if !listed && native.starts_with("gemini") {
            return self.gemini_target(native);
        }
        self.openai_target(name)
    }

    fn gemini_target(&self, model: &str) -> Result<Target, String> {
        let Some(key) = &self.gemini_key else {
            return Err("no key for the Gemini API: set GOOGLE_API_KEY".to_owned());
        };
        let version = self.gemini_url.path().trim_end_matches('/');
        let is_versioned = version.ends_with("/v1beta") || version.ends_with("/v1");
        let mut url = self.gemini_url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty();
            if !is_versioned {
                path.push("v1beta");
            }
            // `push` escapes what would leave the segment.
            path.push("models")
                .push(&format!("{model}:generateContent"));
        }
        Ok(Target {
            provider: Provider::Gemini,
            url,
            model: model.to_owned(),
            key: Some(key.clone()),
            is_openai_itself: false,
        })
    }

    fn openai_target(&self, model: &str) -> Result<Target, String> {
        let Some(route) = &self.openai else {
            return Err(
                "no provider for this name: set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of \
                 your own"
                    .to_owned(),
            );
        };
        let is_openai_itself = route.url.host_str() == Some("api.openai.com");
        if is_openai_itself && route.key.is_none() {
            return Err("no key for the OpenAI API: set OPENAI_API_KEY".to_owned());
        }
        let mut url = route.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("chat").push("completions");
        }
        Ok(Target {
            provider: Provider::OpenAi,
            url,
            model: model.to_owned(),
            key: route.key.clone(),
            is_openai_itself,
        })
    }
}

fn base(address: &str, provider: Provider) -> Result<Url, ModelsError> {
    let bad = ModelsError::BadAddress { provider };
    let Ok(url) = Url::parse(address.trim()) else {
        return Err(bad);
    };
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if plain { Ok(url) } else { Err(bad) }
}

fn is_compatibility_path(url: &Url) -> bool {
    url.host_str() == Some(GEMINI_HOST)
        && url
            .path_segments()
            .is_some_and(|mut segments| segments.any(|segment| segment == "openai"))
}

/// The native API beside the compatible one.
fn native(url: &Url) -> Url {
    let mut native = url.clone();
    native.set_path("/");
    native
}

/// Whether a name can be a model's. It comes from a template and becomes part
/// of an address and of log lines.
fn is_model_name(name: &str) -> bool {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "-_.:/@+".contains(c);
    !name.is_empty()
        && name.len() <= MAX_MODEL_NAME_BYTES
        && name.chars().all(is_fine)
        && !name
            .split('/')
            .any(|part| part.is_empty() || part.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(gemini_key: &str, openai_url: Option<&str>, openai_key: &str) -> ModelsConfig {
        let mut config = ModelsConfig::default();
        config.gemini.key = Secret::new(gemini_key);
        config.openai.base_url = openai_url.map(str::to_owned);
        config.openai.key = Secret::new(openai_key);
        config.openai.models = vec!["gemini-of-ours".into()];
        config
    }

    fn leads(config: &ModelsConfig, name: &str) -> Result<(String, String), String> {
        let target = Routes::new(config).unwrap().target(name)?;
        Ok((target.url.into(), target.model))
    }

    #[test]
    fn a_name_leads_to_its_provider() {
        let config = config("g", Some("http://llm.local:8000/v1"), "");
        let gemini = "https://generativelanguage.googleapis.com/v1beta/models/";
        let openai = "http://llm.local:8000/v1/chat/completions";
        for (name, url, model) in [
            (
                "gemini-2.5-flash",
                format!("{gemini}gemini-2.5-flash:generateContent"),
                "gemini-2.5-flash",
            ),
            (
                "models/gemini-3-pro",
                format!("{gemini}gemini-3-pro:generateContent"),
                "gemini-3-pro",
            ),
            // genai cuts such endings and turns them into an effort.
            (
                "gemini-x-high",
                format!("{gemini}gemini-x-high:generateContent"),
                "gemini-x-high",
            ),
            ("openai/gpt-x-low", openai.to_owned(), "gpt-x-low"),
            // genai sends names that it does not know to Ollama at localhost.
            ("qwen3:8b", openai.to_owned(), "qwen3:8b"),
            (
                "meta-llama/Llama-3.3",
                openai.to_owned(),
                "meta-llama/Llama-3.3",
            ),
            ("gemini-of-ours", openai.to_owned(), "gemini-of-ours"),
            ("claude-x", openai.to_owned(), "claude-x"),
        ] {
            assert_eq!(leads(&config, name), Ok((url, model.to_owned())), "{name}");
        }
    }

    #[test]
    fn a_base_may_end_in_a_slash_and_name_its_version() {
        for base in [
            "http://h/g",
            "http://h/g/",
            "http://h/g/v1beta",
            "http://h/g/v1beta/",
        ] {
            let mut config = config("g", Some("http://h/v1/"), "");
            config.gemini.base_url = Some(base.to_owned());
            assert_eq!(
                leads(&config, "gemini-x").unwrap().0,
                "http://h/g/v1beta/models/gemini-x:generateContent",
                "{base}"
            );
            assert_eq!(
                leads(&config, "m").unwrap().0,
                "http://h/v1/chat/completions"
            );
        }
    }

    #[test]
    fn what_is_missing_names_the_mend() {
        for (config, name, mend) in [
            (config("", None, ""), "gemini-x", "GOOGLE_API_KEY"),
            (config("g", None, ""), "gpt-x", "OPENAI_API_KEY"),
            (config("g", None, ""), "openai/gpt-x", "OPENAI_BASE_URL"),
            (
                config("", Some(OPENAI_BASE_URL), ""),
                "gpt-x",
                "OPENAI_API_KEY",
            ),
        ] {
            let missing = leads(&config, name).unwrap_err();
            assert!(missing.contains(mend), "{name}: {missing}");
        }
    }

    #[test]
    fn googles_compatibility_path_becomes_its_own_api() {
        let url = "https://generativelanguage.googleapis.com/v1beta/openai/";
        let config = config("", Some(url), "k");
        let (url, _) = leads(&config, "gemini-3-pro").unwrap();
        assert_eq!(
            url,
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-3-pro:generateContent"
        );
        let target = Routes::new(&config)
            .unwrap()
            .target("gemini-3-pro")
            .unwrap();
        assert_eq!(target.key.unwrap().reveal(), "k");
        assert!(leads(&config, "gpt-x").is_err(), "it has no other models");
    }

    #[test]
    fn a_name_cannot_leave_its_place() {
        let config = config("g", Some("http://h/v1"), "");
        for name in [
            "",
            "gemini/../../x",
            "gemini-x?key=1",
            "gemini x",
            "gemini\nx",
            "gemini#x",
            "models/",
            "openai/",
            "../gemini",
            "gemini-x%2f..",
            "gemïni",
            "a//b",
            "./x",
            &"g".repeat(129),
        ] {
            assert!(leads(&config, name).is_err(), "{name}");
        }
        // A slash in a Gemini name stays within its segment.
        let (url, _) = leads(&config, "gemini-x/y").unwrap();
        assert!(
            url.ends_with("/v1beta/models/gemini-x%2Fy:generateContent"),
            "{url}"
        );
    }

    #[test]
    fn a_bad_address_is_an_error_that_does_not_show_it() {
        for address in [
            "",
            "localhost:1",
            "ftp://h",
            "http://user:hunter2@h",
            "http://h?key=hunter2",
        ] {
            let mut bad = config("g", Some(address), "");
            let error = Routes::new(&bad).unwrap_err();
            assert_eq!(
                error,
                ModelsError::BadAddress {
                    provider: Provider::OpenAi
                }
            );
            assert!(!error.to_string().contains("hunter2"));
            bad.openai.base_url = None;
            bad.gemini.base_url = Some(address.to_owned());
            assert!(Routes::new(&bad).is_err(), "{address}");
        }
    }
}
