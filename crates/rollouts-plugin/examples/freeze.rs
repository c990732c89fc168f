//! Holds a rollout back until a change freeze ends.
//!
//! ```yaml
//! provider:
//!   plugin:
//!     example/freeze: {until: "2026-12-27T00:00:00Z"}
//! ```
use std::collections::BTreeMap;

use jiff::Timestamp;
use rollouts_plugin::{AnalysisRun, Measurement, Metric, MetricProvider, Phase, RpcError};

struct Freeze;

/// When the freeze ends, from the metric's configuration.
fn until(metric: &Metric) -> anyhow::Result<Timestamp> {
    let json = metric.provider.plugin.get("example/freeze");
    let config: BTreeMap<String, Timestamp> =
        serde_json::from_slice(json.map_or(&[], Vec::as_slice))?;
    config
        .get("until")
        .copied()
        .ok_or_else(|| anyhow::anyhow!("`until` is missing"))
}

impl MetricProvider for Freeze {
    async fn init(&self) -> Result<(), RpcError> {
        Ok(())
    }
    async fn run(&self, run: AnalysisRun, metric: Metric) -> Measurement {
        let started_at = Some(Timestamp::now());
        self.resume(
            run,
            metric,
            Measurement {
                started_at,
                ..Measurement::default()
            },
        )
        .await
    }
    async fn resume(&self, _: AnalysisRun, metric: Metric, begun: Measurement) -> Measurement {
        let now = Timestamp::now();
        let (phase, message, resume_at) = match until(&metric) {
            Ok(end) if end > now => (Phase::Running, format!("frozen until {end}"), Some(end)),
            Ok(_) => (Phase::Successful, String::new(), None),
            Err(error) => (Phase::Error, format!("bad configuration: {error}"), None),
        };
        let finished_at = phase.is_completed().then_some(now);
        Measurement {
            phase,
            message,
            resume_at,
            finished_at,
            ..begun
        }
    }
    async fn terminate(&self, _: AnalysisRun, _: Metric, begun: Measurement) -> Measurement {
        let (phase, finished_at) = (Phase::Inconclusive, Some(Timestamp::now()));
        Measurement {
            phase,
            finished_at,
            resume_at: None,
            ..begun
        }
    }
    async fn garbage_collect(&self, _: AnalysisRun, _: Metric, _: i64) -> Result<(), RpcError> {
        Ok(())
    }
    async fn provider_type(&self) -> String {
        "Freeze".to_owned()
    }
    async fn metadata(&self, metric: Metric) -> BTreeMap<String, String> {
        until(&metric)
            .map(|end| ("until".to_owned(), end.to_string()))
            .into_iter()
            .collect()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    rollouts_plugin::serve(Freeze).await?;
    Ok(())
}
