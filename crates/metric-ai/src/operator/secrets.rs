//! Credentials: mounted files first, then the Secret where it is read through
//! the API, then the environment.
//!
//! One that is missing is never an error: without a model's key the judge
//! decides alone, without a token a server answers what it answers anybody.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use analysis::Secret;
use analysis::cluster::SecretData;

/// Largest file of a credential; a key with a chain of certificates is 8 KiB.
const MAX_SECRET_BYTES: u64 = 16 * 1024;

/// What the environment says of models and credentials.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `GOOGLE_API_KEY`.
    pub google_api_key: Option<Secret>,
    /// `OPENAI_API_KEY`.
    pub openai_api_key: Option<Secret>,
    /// `GITHUB_TOKEN`.
    pub github_token: Option<Secret>,
    /// `GEMINI_MODEL`.
    pub gemini_model: Option<String>,
    /// `OPENAI_MODEL`.
    pub openai_model: Option<String>,
}

/// Where credentials are.
#[derive(Clone, Debug)]
pub(super) struct Secrets {
    pub(super) folder: PathBuf,
    pub(super) environment: Environment,
    pub(super) agent_token: Option<PathBuf>,
    pub(super) prometheus: Option<LoginFiles>,
}

/// Where the credentials for Prometheus are.
#[derive(Clone, Debug)]
pub(super) enum LoginFiles {
    Token(PathBuf),
    Password { user: Secret, password: PathBuf },
}

/// The credentials as they are now.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// For Gemini.
    pub google_api_key: Option<Secret>,
    /// The project that Google's key belongs to.
    #[cfg_attr(not(test), expect(dead_code, reason = "Vertex AI is not spoken yet"))]
    pub google_cloud_project: Option<Secret>,
    /// For OpenAI and what is compatible with it.
    pub openai_api_key: Option<Secret>,
    /// For GitHub.
    #[cfg_attr(not(test), expect(dead_code, reason = "issues are not opened yet"))]
    pub github_token: Option<Secret>,
    /// For agents of the operator's origins, and no other.
    pub agent_token: Option<Secret>,
    /// For Prometheus of the operator's origins, and no other.
    pub prometheus: Option<Login>,
    /// Files that are there and cannot be used, in words for the log.
    pub troubles: Vec<String>,
}

/// How to prove who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// By a bearer token.
    Token(Secret),
    /// By basic authentication.
    Password {
        /// The user.
        user: Secret,
        /// The password.
        password: Secret,
    },
}

/// Why a file cannot be read. Neither its name nor what is in it is shown.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is not there, or may not be read.
    #[error(transparent)]
    Read(io::Error),
    /// It is a folder, a pipe or a device.
    #[error("it is no regular file")]
    NoFile,
    /// It is larger than any real one.
    #[error("it is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// It is not text.
    #[error("it is not UTF-8 text")]
    NotText,
}

impl Secrets {
    /// Reads the files.
    pub(super) fn read(&self, from_api: &SecretData) -> Credentials {
        let mut troubles = Vec::new();
        let mut mounted = |name: &str| {
            let read = secret(&self.folder.join(name)).unwrap_or_else(|error| {
                troubles.push(format!(
                    "file `{name}` in the folder of secrets is not used: {error}"
                ));
                None
            });
            // The same Secret, by another way.
            read.or_else(|| from_api.get(name).cloned())
        };
        let environment = &self.environment;
        let mut found = Credentials {
            google_api_key: mounted("google_api_key").or(environment.google_api_key.clone()),
            google_cloud_project: mounted("google_cloud_project"),
            openai_api_key: mounted("openai_api_key").or(environment.openai_api_key.clone()),
            github_token: mounted("github_token").or(environment.github_token.clone()),
            ..Credentials::default()
        };
        let mut named = |flag: &str, path: &Path| match secret(path) {
            Ok(Some(secret)) => Some(secret),
            Ok(None) => {
                troubles.push(format!("the file of `{flag}` is missing or empty"));
                None
            }
            Err(error) => {
                troubles.push(format!("the file of `{flag}` is not used: {error}"));
                None
            }
        };
        let token = self.agent_token.as_deref();
        found.agent_token = token.and_then(|path| named("--agent-token-file", path));
        found.prometheus = match &self.prometheus {
            None => None,
            Some(LoginFiles::Token(path)) => {
                named("--prometheus-token-file", path).map(Login::Token)
            }
            Some(LoginFiles::Password { user, password }) => {
                named("--prometheus-password-file", password).map(|password| Login::Password {
                    user: user.clone(),
                    password,
                })
            }
        };
        found.troubles = troubles;
        found
    }
}

/// A credential in a file; `None` if the file is not there, or empty.
fn secret(path: &Path) -> Result<Option<Secret>, FileError> {
    match read_text(path, MAX_SECRET_BYTES) {
        Ok(text) => Ok(Secret::new(&text)),
        Err(FileError::Read(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The text of a regular file. A pipe or a device could be read for ever.
pub(super) fn read_text(path: &Path, limit_bytes: u64) -> Result<String, FileError> {
    if !std::fs::metadata(path).map_err(FileError::Read)?.is_file() {
        return Err(FileError::NoFile);
    }
    let mut bytes = Vec::new();
    File::open(path)
        // One byte more, so that a file that is too large is seen to be.
        .and_then(|file| file.take(limit_bytes + 1).read_to_end(&mut bytes))
        .map_err(FileError::Read)?;
    if bytes.len() as u64 > limit_bytes {
        return Err(FileError::TooLarge { limit_bytes });
    }
    String::from_utf8(bytes).map_err(|_| FileError::NotText)
}
