//! The host side: start a metric plugin and call it, as Argo's controller does.
//!
//! For tests, measurements and demonstrations: the plugin cannot tell it from a controller.

use std::collections::BTreeMap;
use std::process::ExitStatus;
use std::time::Duration;

use go_plugin::Error;
use go_plugin::gob::{Decode, Empty, Encode, Interface, Registered};
use go_plugin::host::{Output, Process};
use go_plugin::rpc::Client;
use tokio::time::timeout;

pub use go_plugin::host::Launch;

use crate::serve::{HANDSHAKE, PLUGIN_NAME};
use crate::wire::{
    GarbageCollectArgs, GetMetadataArgs, RpcOutcome, RunArgs, TerminateAndResumeArgs,
};
use crate::{AnalysisRun, Measurement, Metric, RpcError};

/// How long a plugin may take for one call. The controller waits for ever, with one of its workers:
/// a plugin that takes a minute is broken.
pub const CALL_TIMEOUT_MS: u64 = 60_000;

/// A metric plugin that this process started. Dropping it kills the plugin. Calls may be made side
/// by side.
pub struct MetricPlugin {
    process: Process,
    client: Client,
}

impl MetricPlugin {
    /// Starts a plugin and connects to it; [`init`](Self::init) comes next.
    ///
    /// # Errors
    /// The program cannot be started, or is no metric plugin.
    pub async fn start(launch: &Launch) -> Result<Self, Error> {
        let mut process = Process::start(launch, &HANDSHAKE).await?;
        let client = process.dispense(PLUGIN_NAME).await?;
        Ok(Self { process, client })
    }

    /// `InitPlugin`.
    ///
    /// # Errors
    /// The call failed; the inner error is the plugin's.
    pub async fn init(&self) -> Result<Result<(), RpcError>, Error> {
        let outcome: RpcOutcome = self.call("Plugin.InitPlugin", nil()).await?;
        Ok(outcome.into())
    }

    /// `Run`.
    ///
    /// # Errors
    /// The call failed.
    pub async fn run(&self, run: &AnalysisRun, metric: &Metric) -> Result<Measurement, Error> {
        let args = RunArgs {
            run: run.clone(),
            metric: metric.clone(),
        };
        self.call("Plugin.Run", Interface(Some(args))).await
    }

    /// `Resume`.
    ///
    /// # Errors
    /// The call failed.
    pub async fn resume(
        &self,
        run: &AnalysisRun,
        metric: &Metric,
        measurement: &Measurement,
    ) -> Result<Measurement, Error> {
        let args = terminate_and_resume(run, metric, measurement);
        self.call("Plugin.Resume", args).await
    }

    /// `Terminate`.
    ///
    /// # Errors
    /// The call failed.
    pub async fn terminate(
        &self,
        run: &AnalysisRun,
        metric: &Metric,
        measurement: &Measurement,
    ) -> Result<Measurement, Error> {
        let args = terminate_and_resume(run, metric, measurement);
        self.call("Plugin.Terminate", args).await
    }

    /// `GarbageCollect`.
    ///
    /// # Errors
    /// The call failed; the inner error is the plugin's.
    pub async fn garbage_collect(
        &self,
        run: &AnalysisRun,
        metric: &Metric,
        limit: i64,
    ) -> Result<Result<(), RpcError>, Error> {
        let args = GarbageCollectArgs {
            run: run.clone(),
            metric: metric.clone(),
            limit,
        };
        let outcome: RpcOutcome = self
            .call("Plugin.GarbageCollect", Interface(Some(args)))
            .await?;
        Ok(outcome.into())
    }

    /// `Type`.
    ///
    /// # Errors
    /// The call failed.
    pub async fn provider_type(&self) -> Result<String, Error> {
        self.call("Plugin.Type", nil()).await
    }

    /// `GetMetadata`.
    ///
    /// # Errors
    /// The call failed.
    pub async fn metadata(&self, metric: &Metric) -> Result<BTreeMap<String, String>, Error> {
        let args = GetMetadataArgs {
            metric: metric.clone(),
        };
        self.call("Plugin.GetMetadata", Interface(Some(args))).await
    }

    async fn call<A, R>(&self, method: &'static str, argument: A) -> Result<R, Error>
    where
        A: Encode + Sync,
        R: Decode + Send + 'static,
    {
        let call = self.client.call(method, &argument);
        timeout(Duration::from_millis(CALL_TIMEOUT_MS), call)
            .await
            .map_err(|_| Error::Timeout {
                operation: method,
                timeout_ms: CALL_TIMEOUT_MS,
            })?
    }

    /// Asks for a sign of life, as the controller does before each call.
    ///
    /// # Errors
    /// There is none.
    pub async fn ping(&self) -> Result<(), Error> {
        self.process.ping().await
    }

    /// The plugin's process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// What the plugin has written to stderr.
    pub fn output(&self) -> &Output {
        self.process.output()
    }

    /// Tells the plugin to end, and kills it if it does not within 2 s.
    ///
    /// # Errors
    /// The process cannot be waited for.
    pub async fn quit(self) -> Result<ExitStatus, Error> {
        self.process.quit().await
    }

    /// Kills the plugin, with no chance to finish anything.
    ///
    /// # Errors
    /// The process cannot be waited for.
    pub async fn kill(self) -> Result<ExitStatus, Error> {
        self.process.kill().await
    }

    /// Waits until the plugin ends by itself.
    ///
    /// # Errors
    /// The process cannot be waited for.
    pub async fn wait(&mut self) -> Result<ExitStatus, Error> {
        self.process.wait().await
    }
}

/// The nil interface that Argo sends where there is no argument.
fn nil() -> Interface<Empty> {
    Interface(None)
}

fn terminate_and_resume(
    run: &AnalysisRun,
    metric: &Metric,
    measurement: &Measurement,
) -> Interface<impl Encode + Registered + Sync + use<>> {
    Interface(Some(TerminateAndResumeArgs {
        run: run.clone(),
        metric: metric.clone(),
        measurement: measurement.clone(),
    }))
}
