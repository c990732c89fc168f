//! Requests to servers that a person named: models, agents, Prometheus.
//!
//! One way out for all of them: proxies as the environment says (`HTTPS_PROXY`,
//! `HTTP_PROXY`, `NO_PROXY`), the system's certificate authorities
//! (`SSL_CERT_FILE`) and the operator's, no redirects, bounded answers. Where a
//! credential may travel is said by origins that the operator lists; whoever
//! writes a template does not choose that.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

/// How long a connection may take to be there, TLS included: within a cluster
/// it takes milliseconds, across the world a second.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How long an unused connection is kept: several looks at one canary share it.
const IDLE_LIMIT: Duration = Duration::from_secs(60);

/// Largest file of authorities; a whole system's is 250 KiB.
const MAX_CA_BYTES: u64 = 4 << 20;

/// How requests leave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outbound {
    /// Files of certificate authorities (PEM) that are trusted beside the
    /// system's.
    pub ca_files: Vec<PathBuf>,
}

/// Why there is no way out.
#[derive(Debug, Error)]
pub enum OutboundError {
    /// A file of authorities cannot be read.
    #[error("failed to read the certificate authorities in {}", file.display())]
    ReadAuthorities {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file of authorities holds none.
    #[error("no certificate authority in {}: a PEM file is needed", file.display())]
    NoAuthority {
        /// The file.
        file: PathBuf,
    },
    /// TLS cannot be set up.
    #[error("failed to set up TLS")]
    Tls(#[source] rustls::Error),
    /// The client cannot be made: mostly a proxy variable that is no address.
    #[error("failed to set up requests: check HTTPS_PROXY, HTTP_PROXY and NO_PROXY")]
    Client(#[source] reqwest::Error),
}

/// A client for requests that leave this way. Clones share their connections.
///
/// # Errors
///
/// [`OutboundError`] when a file of authorities or a proxy cannot be used.
pub fn client(outbound: &Outbound) -> Result<reqwest::Client, OutboundError> {
    let mut roots = RootCertStore::empty();
    // A machine without authorities can still speak plain HTTP, and TLS to
    // servers that the operator's own authority vouches for.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for file in &outbound.ca_files {
        add_authorities(&mut roots, file)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(OutboundError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        // A redirect would carry what was meant for one origin to another.
        .redirect(redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_LIMIT)
        .pool_idle_timeout(IDLE_LIMIT)
        .build()
        .map_err(OutboundError::Client)
}

fn add_authorities(roots: &mut RootCertStore, file: &PathBuf) -> Result<(), OutboundError> {
    let failed = |source| OutboundError::ReadAuthorities {
        file: file.clone(),
        source,
    };
    if std::fs::metadata(file).map_err(failed)?.len() > MAX_CA_BYTES {
        return Err(failed(std::io::ErrorKind::FileTooLarge.into()));
    }
    let pem = std::fs::read(file).map_err(failed)?;
    let found = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
    let (added, _) = roots.add_parsable_certificates(found);
    if added == 0 {
        return Err(OutboundError::NoAuthority { file: file.clone() });
    }
    Ok(())
}

/// Why an answer's body could not be had.
#[derive(Debug, Error)]
pub enum BodyError {
    /// It is larger than anyone should send.
    #[error("the answer is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// The connection broke, or the time was up.
    #[error("the answer broke off")]
    Broken(#[source] reqwest::Error),
}

/// An answer's body, if it has at most `limit_bytes`.
///
/// # Errors
///
/// [`BodyError`] when it is larger, or breaks off.
pub async fn body(
    mut response: reqwest::Response,
    limit_bytes: usize,
) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(BodyError::Broken)? {
        if body.len() + chunk.len() > limit_bytes {
            return Err(BodyError::TooLarge { limit_bytes });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A scheme, a host and a port: who a credential may be sent to.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    is_https: bool,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of an address; `None` if it is no http(s) address. User,
    /// password, path and query do not count.
    #[must_use]
    pub fn of(address: &str) -> Option<Self> {
        let url = reqwest::Url::parse(address.trim()).ok()?;
        let is_https = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        Some(Self {
            is_https,
            host: url.host_str()?.trim_end_matches('.').to_owned(),
            port: url.port_or_known_default()?,
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let same = [
            "https://models.example",
            "https://models.example:443/v1",
            "HTTPS://user:pass@Models.Example./?key=1",
        ];
        for address in same {
            assert_eq!(Origin::of(address), Origin::of(same[0]), "{address}");
        }
        let others = [
            "http://models.example",
            "https://models.example:8443",
            "https://models.example.attacker.example",
            "https://models.example@attacker.example",
            "https://attacker.example/https://models.example",
            "https://attacker.example\\@models.example",
        ];
        for address in others {
            assert_ne!(Origin::of(address), Origin::of(same[0]), "{address}");
        }
        for address in [
            "",
            "models.example",
            "ftp://a",
            "file:///etc/passwd",
            "https://",
        ] {
            assert_eq!(Origin::of(address), None, "{address}");
        }
    }

    #[test]
    fn a_file_of_authorities_must_hold_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let outbound = Outbound {
            ca_files: vec![file.clone()],
        };
        assert!(matches!(
            client(&outbound),
            Err(OutboundError::ReadAuthorities { .. })
        ));
        std::fs::write(&file, "no certificate").unwrap();
        assert!(matches!(
            client(&outbound),
            Err(OutboundError::NoAuthority { .. })
        ));
        assert!(client(&Outbound::default()).is_ok());
    }
}
