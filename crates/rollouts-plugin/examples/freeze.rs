//! Holds a rollout back until a change freeze ends. In a metric of an AnalysisTemplate:
//! `provider: {plugin: {example/freeze: {until: "2026-12-27T00:00:00Z"}}}`

use std::collections::BTreeMap;

use jiff::Timestamp;
use rollouts_plugin::{AnalysisRun, Measurement, Metric, MetricProvider, Phase, RpcError};

struct Freeze;

/// When the freeze ends, from the metric's configuration.
fn until(metric: &Metric) -> Option<Timestamp> {
    let json = metric.provider.plugin.get("example/freeze")?;
    let config: BTreeMap<String, Timestamp> = serde_json::from_slice(json).ok()?;
    config.get("until").copied()
}

impl MetricProvider for Freeze {
    async fn init(&self) -> Result<(), RpcError> {
        Ok(())
    }

    async fn run(&self, run: AnalysisRun, metric: Metric) -> Measurement {
        let begun = Measurement::started(Timestamp::now());
        self.resume(run, metric, begun).await
    }

    async fn resume(&self, _: AnalysisRun, metric: Metric, begun: Measurement) -> Measurement {
        let now = Timestamp::now();
        match until(&metric) {
            Some(end) if end > now => begun.waiting(end, format!("frozen until {end}")),
            Some(_) => begun.finished(Phase::Successful, now, "not frozen"),
            None => begun.finished(Phase::Error, now, "`until` must be an RFC 3339 time"),
        }
    }

    async fn terminate(&self, _: AnalysisRun, _: Metric, begun: Measurement) -> Measurement {
        begun.finished(Phase::Inconclusive, Timestamp::now(), "ended while frozen")
    }

    async fn garbage_collect(&self, _: AnalysisRun, _: Metric, _: i64) -> Result<(), RpcError> {
        Ok(()) // Nothing is kept outside the measurements.
    }

    async fn provider_type(&self) -> String {
        "Freeze".to_owned()
    }

    async fn metadata(&self, metric: Metric) -> BTreeMap<String, String> {
        let end = until(&metric).map(|end| ("until".to_owned(), end.to_string()));
        end.into_iter().collect()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    rollouts_plugin::serve(Freeze).await?;
    Ok(())
}
