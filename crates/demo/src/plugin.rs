//! The plugin's process, loaded over go-plugin as the controller loads it.
//!
//! As there, it is started with the first measurement, asked for a sign of life
//! before each call, and started again when it has ended: a measurement that
//! was under way goes on in the new process from what it carries in its
//! metadata. A process that hangs is killed, the measurement ends in an error,
//! and the next one starts a new process.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rollouts_plugin::host::{Launch, MetricPlugin};
use rollouts_plugin::{AnalysisRun, Measurement, Metric, Phase};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::timeout;

use crate::error::Refusal;
use crate::state::PluginState;

/// What the plugin is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask<'a> {
    /// A new measurement.
    Run,
    /// How a measurement has come on.
    Resume(&'a Measurement),
    /// What a measurement has come to, since its run ends.
    Terminate(&'a Measurement),
}

/// The plugin, whether or not its process runs.
pub(crate) struct PluginHost {
    launch: Launch,
    live: tokio::sync::Mutex<Option<MetricPlugin>>,
    shown: Mutex<PluginState>,
    clock: fn() -> Timestamp,
}

impl PluginHost {
    pub(crate) fn new(launch: Launch, clock: fn() -> Timestamp) -> Self {
        Self {
            launch,
            live: tokio::sync::Mutex::default(),
            shown: Mutex::default(),
            clock,
        }
    }

    pub(crate) fn state(&self) -> PluginState {
        *self.shown()
    }

    /// Asks for a measurement. What goes wrong on the way is a measurement in
    /// phase `Error`, as the controller has it.
    pub(crate) async fn measure(
        &self,
        run: &AnalysisRun,
        metric: &Metric,
        ask: Ask<'_>,
    ) -> Measurement {
        let mut live = self.live.lock().await;
        let plugin = match self.ready(&mut live).await {
            Ok(plugin) => plugin,
            // A plugin that cannot be reached leaves what was measured alone.
            Err(message) => {
                let known = match ask {
                    Ask::Run => Measurement::default(),
                    Ask::Resume(known) | Ask::Terminate(known) => known.clone(),
                };
                return self.error(known, message);
            }
        };
        let answer = match ask {
            Ask::Run => plugin.run(run, metric).await,
            Ask::Resume(known) => plugin.resume(run, metric, known).await,
            Ask::Terminate(known) => plugin.terminate(run, metric, known).await,
        };
        // A call that fails on the way replaces the measurement by an empty
        // one: the next attempt starts over.
        answer.unwrap_or_else(|error| {
            self.error(Measurement::default(), format!("rpc call error: {error}"))
        })
    }

    /// Tells the plugin that measurements beyond so many are forgotten.
    pub(crate) async fn garbage_collect(&self, run: &AnalysisRun, metric: &Metric, limit: usize) {
        let mut live = self.live.lock().await;
        let Ok(plugin) = self.ready(&mut live).await else {
            return;
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        match plugin.garbage_collect(run, metric, limit).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the plugin did not forget measurements"),
            Err(error) => tracing::warn!(%error, "the plugin did not forget measurements"),
        }
    }

    /// A plugin that answers, started if need be.
    async fn ready<'a>(
        &self,
        live: &'a mut Option<MetricPlugin>,
    ) -> Result<&'a MetricPlugin, String> {
        if let Some(plugin) = live.as_mut() {
            // Waiting for no time at all tells whether it has ended.
            if timeout(Duration::ZERO, plugin.wait()).await.is_ok() {
                *live = None;
            }
        }
        if let Some(plugin) = live.as_ref()
            && let Err(error) = plugin.ping().await
        {
            if let Some(plugin) = live.take() {
                // It may have ended by itself meanwhile.
                let _ = plugin.kill().await;
            }
            self.shown().pid = None;
            return Err(format!(
                "could not ping plugin will cleanup process so we can restart it next reconcile \
                 ({error})"
            ));
        }
        if live.is_none() {
            self.shown().pid = None;
            let plugin = MetricPlugin::start(&self.launch)
                .await
                .map_err(|error| format!("unable to start plugin system: {error}"))?;
            {
                let mut shown = self.shown();
                shown.launches += 1;
                shown.pid = plugin.id();
            }
            let init = live.insert(plugin).init().await;
            // The process stays also where this fails: the next measurement
            // goes straight to it, which tells what is wrong once more.
            match init {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(format!("unable to initialize plugin: {error}")),
                Err(error) => return Err(format!("unable to initialize plugin: {error}")),
            }
        }
        live.as_ref()
            .ok_or_else(|| "unable to start plugin system".to_owned())
    }

    /// Kills the process, also in the middle of a call.
    ///
    /// # Errors
    /// None runs.
    pub(crate) fn kill(&self) -> Result<(), Refusal> {
        let mut shown = self.shown();
        // Our child: its id belongs to no other process before we have waited
        // for it, and then it is not shown any more.
        let pid = shown
            .pid
            .and_then(|pid| i32::try_from(pid).ok())
            .and_then(Pid::from_raw)
            .ok_or(Refusal::NoPlugin)?;
        kill_process(pid, Signal::KILL).map_err(|_| Refusal::NoPlugin)?;
        shown.pid = None;
        Ok(())
    }

    /// Ends the process in order.
    pub(crate) async fn quit(&self) {
        let plugin = self.live.lock().await.take();
        self.shown().pid = None;
        if let Some(plugin) = plugin
            && let Err(error) = plugin.quit().await
        {
            tracing::warn!(%error, "the plugin did not end in order");
        }
    }

    fn error(&self, known: Measurement, message: String) -> Measurement {
        let now = (self.clock)();
        Measurement {
            phase: Phase::Error,
            message,
            started_at: known.started_at.or(Some(now)),
            finished_at: Some(now),
            ..known
        }
    }

    fn shown(&self) -> MutexGuard<'_, PluginState> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
