//! TLS with a given certificate.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// A certificate and its key: what the stand-in shows to its clients.
#[derive(Clone)]
pub struct Tls {
    pub(crate) acceptor: TlsAcceptor,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

/// A certificate or a key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate is no PEM.
    #[error("cannot read the certificate: PEM is needed")]
    Certificate(#[source] pem::Error),
    /// The key is no PEM.
    #[error("cannot read the certificate's key: PEM is needed")]
    Key(#[source] pem::Error),
    /// They do not fit each other, or cannot be used.
    #[error("cannot use the certificate and its key")]
    Use(#[source] rustls::Error),
}

impl Tls {
    /// Reads a certificate (with its chain, if it has one) and its key, both
    /// PEM.
    ///
    /// # Errors
    ///
    /// [`TlsError`] when one cannot be read, or they do not fit.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, TlsError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(TlsError::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(TlsError::Key)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Use)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(TlsError::Use)?;
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
        })
    }
}
