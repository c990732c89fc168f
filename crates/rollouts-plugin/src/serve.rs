//! The plugin side: a [`MetricProvider`] behind Argo's method names.

use std::sync::Arc;

use go_plugin::gob::{self, Decode, Empty, Interface, Registered, Value};
use go_plugin::rpc::{Call, Refusal, Service};
use go_plugin::{Error, Handshake, plugin};

use crate::MetricProvider;
use crate::wire::{
    GarbageCollectArgs, GetMetadataArgs, RpcOutcome, RunArgs, TerminateAndResumeArgs,
};

/// What Argo Rollouts and its metric plugins have agreed on
/// (`metricproviders/plugin/client/client.go`).
pub const HANDSHAKE: Handshake = Handshake {
    cookie_key: "ARGO_ROLLOUTS_RPC_PLUGIN",
    cookie_value: "metricprovider",
    protocol_version: 1,
};

/// The name that the controller dispenses a metric provider under.
pub(crate) const PLUGIN_NAME: &str = "RpcMetricProviderPlugin";

/// Whether the controller (or another host) started this process, and not a human.
pub fn is_started_by_host() -> bool {
    HANDSHAKE.is_started_by_host()
}

/// Serves `provider` to the controller that started this process, until it quits or goes away.
/// Then the process should end: calls that are still under way have nobody to answer to.
///
/// Needs a Tokio runtime with time and I/O; one thread is enough. Writes one line to stdout, at the
/// start; stdout must not be used for anything else. What the process writes to stderr goes to the
/// controller's log, line by line.
///
/// # Errors
/// No host started the process ([`Error::NotStartedByHost`], whose text is for humans), or the
/// connection to it failed.
pub async fn serve(provider: impl MetricProvider) -> Result<plugin::Ended, Error> {
    let invitation = HANDSHAKE.invitation()?;
    let service: Arc<dyn Service> = Arc::new(Methods(provider));
    plugin::serve(&invitation, vec![(PLUGIN_NAME, service)]).await
}

/// Argo's `MetricsRPCServer`.
pub(crate) struct Methods<P>(pub(crate) P);

impl<P: MetricProvider> Service for Methods<P> {
    fn call(self: Arc<Self>, method: &str, argument: &Value<'_>) -> Result<Call, Refusal> {
        Ok(match method {
            "InitPlugin" => {
                nothing(argument)?;
                Call::new(0, async move { Ok(RpcOutcome::from(self.0.init().await)) })
            }
            "Run" => {
                let (args, bytes) = inside::<RunArgs>(argument)?;
                Call::new(
                    bytes,
                    async move { Ok(self.0.run(args.run, args.metric).await) },
                )
            }
            "Resume" => {
                let (args, bytes) = inside::<TerminateAndResumeArgs>(argument)?;
                Call::new(bytes, async move {
                    Ok(self.0.resume(args.run, args.metric, args.measurement).await)
                })
            }
            "Terminate" => {
                let (args, bytes) = inside::<TerminateAndResumeArgs>(argument)?;
                Call::new(bytes, async move {
                    Ok(self
                        .0
                        .terminate(args.run, args.metric, args.measurement)
                        .await)
                })
            }
            "GarbageCollect" => {
                let (args, bytes) = inside::<GarbageCollectArgs>(argument)?;
                Call::new(bytes, async move {
                    let collected = self.0.garbage_collect(args.run, args.metric, args.limit);
                    Ok(RpcOutcome::from(collected.await))
                })
            }
            "Type" => {
                nothing(argument)?;
                Call::new(0, async move { Ok(self.0.provider_type().await) })
            }
            "GetMetadata" => {
                let (args, bytes) = inside::<GetMetadataArgs>(argument)?;
                Call::new(bytes, async move { Ok(self.0.metadata(args.metric).await) })
            }
            _ => return Err(Refusal::NoMethod),
        })
    }
}

/// The argument in its interface value, and the memory that it takes.
fn inside<T: Decode + Registered>(argument: &Value<'_>) -> Result<(T, usize), Refusal> {
    let (Interface(args), bytes) = argument.decode_with_cost().map_err(Refusal::BadArgument)?;
    let args = args.ok_or(Refusal::BadArgument(gob::Error::Invalid { want: T::NAME }))?;
    Ok((args, bytes))
}

/// The nil that stands where a method takes no argument.
fn nothing(argument: &Value<'_>) -> Result<(), Refusal> {
    let Interface::<Empty>(_) = argument.decode().map_err(Refusal::BadArgument)?;
    Ok(())
}
