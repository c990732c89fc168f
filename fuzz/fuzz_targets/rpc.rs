//! Any bytes on a stream of net/rpc are answered, or end it: what comes back is always whole.
#![no_main]

use std::cell::RefCell;
use std::sync::Arc;

use futures::FutureExt;
use go_plugin::gob::{Empty, Value};
use go_plugin::rpc::{Call, Capacity, Incoming, Refusal, ResponseHeader, Service, serve};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

/// Room for all replies, so that nothing waits on the pipe.
const PIPE_BYTES: usize = 64 << 20;

/// Answers `Control` and `Dispenser`, whose requests are recorded.
struct Echo;

impl Service for Echo {
    fn call(self: Arc<Self>, method: &str, argument: &Value<'_>) -> Result<Call, Refusal> {
        match method {
            "Ping" => {
                let _: bool = argument.decode().map_err(Refusal::BadArgument)?;
                Ok(Call::new(0, async { Ok(Empty) }))
            }
            "Dispense" => {
                let (name, cost) = argument
                    .decode_with_cost::<String>()
                    .map_err(Refusal::BadArgument)?;
                Ok(Call::new(cost, async { Ok(name) }))
            }
            "Quit" => Ok(Call::new::<Empty>(0, async { Err("no".to_owned()) })),
            _ => Err(Refusal::NoMethod),
        }
    }
}

thread_local! {
    static RUNTIME: RefCell<Runtime> = RefCell::new(
        Builder::new_current_thread().build().expect("a runtime"),
    );
}

async fn exchange(bytes: &[u8]) {
    let (client, server) = tokio::io::duplex(PIPE_BYTES);
    let (mut read, mut write) = tokio::io::split(client);
    write.write_all(bytes).await.expect("there is room");
    write.shutdown().await.expect("a pipe");
    let services: [(&'static str, Arc<dyn Service>); 2] =
        [("Control", Arc::new(Echo)), ("Dispenser", Arc::new(Echo))];
    let served = serve(server, &services, &Capacity::default()).await;
    let mut replies = Vec::new();
    read.read_to_end(&mut replies).await.expect("a pipe");
    if served.is_err() {
        return;
    }
    let mut replies = Incoming::new(replies.as_slice());
    let mut next = || {
        let value = replies.value().now_or_never().expect("bytes are there");
        value
            .expect("our own bytes")
            .map(|value| value.decode::<ResponseHeader>().is_ok())
    };
    while let Some(header) = next() {
        assert!(header, "a reply begins with its header");
        assert!(next().is_some(), "a header has a body");
    }
}

fuzz_target!(|bytes: &[u8]| {
    RUNTIME.with_borrow(|runtime| runtime.block_on(exchange(bytes)));
});
