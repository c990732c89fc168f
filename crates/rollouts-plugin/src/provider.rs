//! The trait that a metric plugin implements.

use std::collections::BTreeMap;
use std::future::Future;

use crate::{AnalysisRun, Measurement, Metric};

/// What a metric plugin does. Argo's `RpcMetricProvider` plus `InitPlugin`, with the same split
/// between a failed call and a measurement that failed.
///
/// Calls run side by side, on one connection, from up to 30 of the controller's workers. The
/// controller holds one of those workers while a call runs, so [`run`](Self::run) should start
/// work and answer `Running` with a `resume_at` rather than wait. The controller may kill and
/// restart the process between any two calls: keep nothing that cannot be rebuilt from the
/// arguments.
pub trait MetricProvider: Send + Sync + 'static {
    /// Called once, when the controller has loaded the plugin (at its first measurement).
    ///
    /// # Errors
    /// What the controller should log. Argo before 1.10 loses the text, and every version goes
    /// straight to [`run`](Self::run) on the next measurement: report the trouble there again.
    fn init(&self) -> impl Future<Output = Result<(), RpcError>> + Send;

    /// Starts a measurement. It may be finished at once, or `Running`. Trouble is a measurement in
    /// phase [`Error`](crate::Phase::Error), which the controller retries after 10 s.
    fn run(&self, run: AnalysisRun, metric: Metric) -> impl Future<Output = Measurement> + Send;

    /// Continues a `Running` measurement; called at its `resume_at` with what the last call
    /// returned, metadata included.
    fn resume(
        &self,
        run: AnalysisRun,
        metric: Metric,
        measurement: Measurement,
    ) -> impl Future<Output = Measurement> + Send;

    /// Ends a `Running` measurement, because the analysis run ends.
    fn terminate(
        &self,
        run: AnalysisRun,
        metric: Metric,
        measurement: Measurement,
    ) -> impl Future<Output = Measurement> + Send;

    /// Frees what belongs to all but the newest `limit` measurements of `metric`.
    ///
    /// # Errors
    /// What the controller should log; the analysis goes on.
    fn garbage_collect(
        &self,
        run: AnalysisRun,
        metric: Metric,
        limit: i64,
    ) -> impl Future<Output = Result<(), RpcError>> + Send;

    /// The name of the provider's kind, such as `MetricAI`.
    fn provider_type(&self) -> impl Future<Output = String> + Send;

    /// What should be stored beside the metric's result; called once per metric, after its first
    /// measurement. The key `error` is how Argo reports trouble here.
    fn metadata(&self, metric: Metric) -> impl Future<Output = BTreeMap<String, String>> + Send;
}

/// An error that crosses the wire as text: Argo's `types.RpcError`.
///
/// On the wire an empty text means "no error", so an error made from an empty text says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RpcError {
    message: String,
}

impl RpcError {
    /// An error that says `message` to the controller.
    pub fn new(message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.is_empty() {
            message.push_str("unspecified plugin error");
        }
        Self { message }
    }

    /// The text that the controller logs.
    pub fn message(&self) -> &str {
        &self.message
    }
}
