//! The rival: a route of axum that answers the same and does nothing else.

use std::io::Write as _;

use axum::Router;
use axum::http::header;
use axum::routing::post;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;

/// Serves for ever, on one thread as rollouts-demo does.
pub(crate) fn serve() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let headers = [
            (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        let router = Router::new().route("/color", post(async move || (headers, "\"blue\"")));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        writeln!(
            std::io::stdout(),
            "Started server on {}",
            listener.local_addr()?
        )?;
        loop {
            let (stream, _) = listener.accept().await?;
            let service = TowerToHyperService::new(router.clone());
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    })
}
