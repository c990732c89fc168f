//! Evidence from a Kubernetes cluster.
//!
//! ```text
//! Rollout, pods of both arms, events ─► membership (which pods are really its own)
//!                                    ─► plan (which logs to read, how much of each)
//!                                    ─► logs (each profiled as it streams)  ─► Gathered
//! ```
//!
//! Reads only: it gets the Rollout, lists pods and events, gets logs; one
//! namespace, the request's. The operator may have one Secret read as well.

mod api;
mod gather;
mod logs;
mod membership;
mod plan;
mod secret;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use hyper_util::client::proxy::matcher::Matcher;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::sync::OnceCell;

use crate::error::GatherError;
use crate::objects::Rollout;
use crate::request::{Gathered, Request};
use api::Api;
pub use secret::{SecretData, SecretRef};

/// How to get into the cluster.
#[derive(Clone)]
pub enum Access {
    /// As a pod: the service account's token, which is read again as it is
    /// renewed.
    InCluster,
    /// As a person: a kubeconfig file and its current context.
    Kubeconfig(PathBuf),
    /// With a client that is there already.
    Client(Client),
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InCluster => f.write_str("InCluster"),
            Self::Kubeconfig(path) => f.debug_tuple("Kubeconfig").field(path).finish(),
            Self::Client(_) => f.write_str("Client(…)"),
        }
    }
}

/// A cluster that evidence is gathered from.
///
/// One process should have one: its limits on parallel requests hold for all
/// looks that share it, and clones share it. Making one is free: certificates,
/// tokens and connections come with the first request.
#[derive(Clone, Debug)]
pub struct Cluster {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    access: Access,
    api: OnceCell<Arc<Api>>,
}

impl Cluster {
    /// A cluster that will be reached in this way.
    #[must_use]
    pub fn new(access: Access) -> Self {
        Self {
            shared: Arc::new(Shared {
                access,
                api: OnceCell::new(),
            }),
        }
    }

    /// Gathers the evidence of both arms: does I/O.
    ///
    /// # Errors
    ///
    /// [`GatherError`] when there is no access, when pods may not be listed or
    /// no log of an arm may be read, and when the API server does not answer.
    pub async fn gather(&self, request: &Request) -> Result<Gathered, GatherError> {
        let api = self.api().await?;
        gather::gather(&api, request).await
    }

    /// Reads the Rollout: does I/O. `None` when it may not be read, or is not
    /// there.
    ///
    /// # Errors
    ///
    /// [`GatherError`] when the API server does not answer.
    pub async fn rollout(&self, request: &Request) -> Result<Option<Rollout>, GatherError> {
        let api = self.api().await?;
        gather::rollout(&api, request).await
    }

    /// Reads a Secret: does I/O. For the operator's own, and never for what a
    /// template names.
    ///
    /// # Errors
    ///
    /// [`GatherError`] when it may not be read, is not there, or the API server
    /// does not answer.
    pub async fn secret(&self, of: &SecretRef) -> Result<SecretData, GatherError> {
        let api = self.api().await?;
        secret::read(&api, of).await
    }

    async fn api(&self) -> Result<Arc<Api>, GatherError> {
        self.shared
            .api
            .get_or_try_init(async || Ok(Arc::new(Api::new(self.connect().await?))))
            .await
            .cloned()
    }

    /// A failure is not kept: the next look tries again.
    async fn connect(&self) -> Result<Client, GatherError> {
        let mut config = match &self.shared.access {
            Access::Client(client) => return Ok(client.clone()),
            // Never through a proxy: the API server is a neighbour.
            Access::InCluster => Config::incluster().map_err(|e| GatherError::Connect(e.into()))?,
            Access::Kubeconfig(path) => {
                let kubeconfig =
                    Kubeconfig::read_from(path).map_err(|e| GatherError::Connect(e.into()))?;
                let own_proxy = names_a_proxy(&kubeconfig);
                let mut config =
                    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                        .await
                        .map_err(|e| GatherError::Connect(e.into()))?;
                // kube takes HTTPS_PROXY, and holds NO_PROXY against the
                // proxy's address and not the cluster's.
                let through = Matcher::from_env().intercept(&config.cluster_url);
                if !own_proxy && through.is_none() {
                    config.proxy_url = None;
                }
                config
            }
        };
        // Repetition is ours: it must know the look's limits and Retry-After.
        config.default_retry = false;
        Client::try_from(config).map_err(|e| GatherError::Connect(e.into()))
    }
}

/// Whether the current context's cluster has a `proxy-url` of its own, which
/// counts whatever the environment says.
fn names_a_proxy(kubeconfig: &Kubeconfig) -> bool {
    let context = kubeconfig
        .contexts
        .iter()
        .find(|named| Some(&named.name) == kubeconfig.current_context.as_ref())
        .and_then(|named| named.context.as_ref());
    let cluster = kubeconfig
        .clusters
        .iter()
        .find(|named| context.is_some_and(|context| context.cluster == named.name))
        .and_then(|named| named.cluster.as_ref());
    cluster.is_some_and(|cluster| {
        let proxy = cluster.proxy_url.as_ref();
        proxy.is_some_and(|proxy| !proxy.is_empty())
    })
}
