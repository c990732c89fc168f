//! The service that the tests call.

use std::sync::Arc;

use go_plugin::gob::{Empty, Value};
use go_plugin::rpc::{Call, Refusal, Service};
use tokio::sync::Semaphore;

/// Answers by method, as each says.
pub struct Scripted {
    /// `Wait` ends when `Release` was called as often.
    released: Semaphore,
}

impl Default for Scripted {
    fn default() -> Self {
        Self {
            released: Semaphore::new(0),
        }
    }
}

/// What one call of `Heavy` says its argument takes, in bytes.
pub const HEAVY_BYTES: usize = 20 << 20;

impl Service for Scripted {
    fn call(self: Arc<Self>, method: &str, argument: &Value<'_>) -> Result<Call, Refusal> {
        let (text, cost) = argument
            .decode_with_cost::<String>()
            .map_err(Refusal::BadArgument)?;
        Ok(match method {
            "Echo" => Call::new(cost, async { Ok(text) }),
            "Wait" => Call::new(cost, async move {
                self.wait().await;
                Ok(text)
            }),
            "Heavy" => Call::new(HEAVY_BYTES, async move {
                self.wait().await;
                Ok(Empty)
            }),
            "Release" => Call::new(cost, async move {
                self.released.add_permits(1);
                Ok(Empty)
            }),
            "Fail" => Call::new::<Empty>(cost, async { Err(text) }),
            "Panic" => Call::new::<Empty>(cost, async { panic!("as it was told") }),
            // Three bytes for one: more than a message holds, from a call that fits.
            "Triple" => Call::new(cost, async move { Ok(text.repeat(3)) }),
            _ => return Err(Refusal::NoMethod),
        })
    }
}

impl Scripted {
    async fn wait(&self) {
        match self.released.acquire().await {
            Ok(permit) => permit.forget(),
            Err(_) => unreachable!("nobody closes the semaphore"),
        }
    }
}
