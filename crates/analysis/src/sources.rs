//! Where a look's evidence comes from, and the order in which it is had.

use crate::cluster::Cluster;
use crate::error::GatherError;
use crate::prometheus::{Prometheus, Queries};
use crate::request::{Gathered, Request};

/// Where a look's evidence comes from.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// Logs, pod states and events.
    pub cluster: &'a Cluster,
    /// Metrics, where the template asks for some.
    pub metrics: Option<Metrics<'a>>,
}

/// Metrics that a template asks for, and the operator's way to them.
#[derive(Clone, Copy, Debug)]
pub struct Metrics<'a> {
    /// The way.
    pub source: &'a Prometheus,
    /// What is asked.
    pub queries: &'a Queries,
}

impl<'a> From<&'a Cluster> for Sources<'a> {
    /// Evidence from the cluster alone.
    fn from(cluster: &'a Cluster) -> Self {
        Self {
            cluster,
            metrics: None,
        }
    }
}

impl Sources<'_> {
    /// Gathers the evidence of both arms: does I/O. Metrics come after the
    /// cluster, which tells the window; without them there is less evidence,
    /// and no error.
    ///
    /// # Errors
    ///
    /// As [`Cluster::gather`].
    pub async fn gather(&self, request: &Request) -> Result<Gathered, GatherError> {
        let mut gathered = self.cluster.gather(request).await?;
        if let Some(Metrics { source, queries }) = self.metrics {
            source.add_to(&mut gathered, queries).await;
        }
        Ok(gathered)
    }
}
