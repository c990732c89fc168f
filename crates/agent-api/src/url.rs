//! Where an agent is.

use std::fmt;

use reqwest::Url;

/// Longest address that is read; a service's has some 70 bytes.
const MAX_URL_BYTES: usize = 2_048;

/// What the address of the analysis itself ends in: templates in use give it.
const ANALYZE_PATH: &str = "/a2a/analyze";

/// The base address of an agent. Shown without the user and the password that
/// it may hold.
#[derive(Clone, PartialEq, Eq)]
pub struct AgentUrl {
    /// Without user and password; its path does not end in `/`, unless it is
    /// empty.
    base: Url,
    /// User and password as the address had them, percent-encoded.
    credentials: Option<(String, Option<String>)>,
}

/// Why an address is none of an agent. Its text never holds the address, which
/// may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgentUrlError {
    /// Not `http://` or `https://`, or no host.
    #[error("no http:// or https:// address, as in http://kubernetes-agent:8080")]
    NotHttp,
    /// It has a query or a fragment, which no base address has.
    #[error("an agent's address has no query (?) and no fragment (#): give its base address")]
    Query,
    /// It is longer than any address.
    #[error("an address of more than {MAX_URL_BYTES} bytes")]
    TooLong,
}

impl AgentUrl {
    /// Reads a base address. Slashes at its end and `/a2a/analyze` are
    /// tolerated.
    ///
    /// # Errors
    ///
    /// [`AgentUrlError`] when it is no http(s) address, or has a query.
    pub fn parse(text: &str) -> Result<Self, AgentUrlError> {
        if text.len() > MAX_URL_BYTES {
            return Err(AgentUrlError::TooLong);
        }
        let mut base = Url::parse(text.trim()).map_err(|_| AgentUrlError::NotHttp)?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(AgentUrlError::NotHttp);
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(AgentUrlError::Query);
        }
        let credentials = (!base.username().is_empty() || base.password().is_some()).then(|| {
            (
                base.username().to_owned(),
                base.password().map(str::to_owned),
            )
        });
        base.set_username("").map_err(|()| AgentUrlError::NotHttp)?;
        base.set_password(None)
            .map_err(|()| AgentUrlError::NotHttp)?;
        let path = base.path().trim_end_matches('/');
        let path = path.strip_suffix(ANALYZE_PATH).unwrap_or(path);
        let path = path.trim_end_matches('/').to_owned();
        base.set_path(&path);
        Ok(Self { base, credentials })
    }

    /// The address of a path under it, `/…`, without credentials.
    pub(crate) fn at(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }

    /// The same with the address's own user and password: what is sent, and
    /// never shown.
    pub(crate) fn with_credentials(&self, path: &str) -> Url {
        let mut url = self.at(path);
        if let Some((user, password)) = &self.credentials {
            // Both cannot fail for an address that has a host. They come
            // encoded, and `%` stays what it is.
            let _ = url.set_username(user);
            let _ = url.set_password(password.as_deref());
        }
        url
    }
}

impl fmt::Display for AgentUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.base.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for AgentUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_address_in_its_spellings() {
        let agent = "http://kubernetes-agent:8080";
        let table = [
            ("http://kubernetes-agent:8080", agent),
            ("http://kubernetes-agent:8080/", agent),
            (" http://kubernetes-agent:8080///\n", agent),
            ("http://kubernetes-agent:8080/a2a/analyze", agent),
            ("http://kubernetes-agent:8080/a2a/analyze/", agent),
            ("http://kubernetes-agent:8080//a2a/analyze", agent),
            ("HTTP://Kubernetes-Agent:8080", agent),
            (
                "https://gateway/agents/one/a2a/analyze",
                "https://gateway/agents/one",
            ),
            ("https://gateway:443/agents/", "https://gateway/agents"),
            ("http://[::1]:80", "http://[::1]"),
        ];
        for (given, shown) in table {
            let url = AgentUrl::parse(given).unwrap();
            assert_eq!(url.to_string(), shown, "{given}");
            assert_eq!(
                url.at("/a2a/health").as_str(),
                format!("{shown}/a2a/health"),
                "{given}"
            );
        }
    }

    #[test]
    fn what_is_no_base_address() {
        let table = [
            ("", AgentUrlError::NotHttp),
            ("kubernetes-agent:8080", AgentUrlError::NotHttp),
            ("ftp://agent", AgentUrlError::NotHttp),
            ("file:///etc/passwd", AgentUrlError::NotHttp),
            ("http://", AgentUrlError::NotHttp),
            ("http://agent?token=hunter2", AgentUrlError::Query),
            ("http://agent/#hunter2", AgentUrlError::Query),
        ];
        for (given, error) in table {
            assert_eq!(AgentUrl::parse(given), Err(error), "{given}");
        }
        let long = format!("http://agent/{}", "a".repeat(MAX_URL_BYTES));
        assert_eq!(AgentUrl::parse(&long), Err(AgentUrlError::TooLong));
    }

    #[test]
    fn credentials_are_sent_and_not_shown() {
        let url = AgentUrl::parse("https://us%40er:hunt%2Fer2@agent/a2a/analyze").unwrap();
        let shown = format!("{url} {url:?} {}", url.at("/"));
        assert_eq!(shown, "https://agent https://agent https://agent/");
        let sent = url.with_credentials("/a2a/analyze");
        assert_eq!(
            sent.as_str(),
            "https://us%40er:hunt%2Fer2@agent/a2a/analyze"
        );
    }
}
