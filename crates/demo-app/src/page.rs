//! The page: its files, as they are in `page/`, and nothing from elsewhere.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Response, header};
use axum::response::IntoResponse as _;
use axum::routing::get;

use crate::app::App;

/// What the page may use: its own files and this server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Path, type and bytes of each file.
const FILES: [(&str, &str, &str); 6] = [
    (
        "/",
        "text/html; charset=utf-8",
        include_str!("../page/index.html"),
    ),
    (
        "/base.css",
        "text/css; charset=utf-8",
        include_str!("../page/base.css"),
    ),
    (
        "/style.css",
        "text/css; charset=utf-8",
        include_str!("../page/style.css"),
    ),
    (
        "/page.js",
        "text/javascript; charset=utf-8",
        include_str!("../page/page.js"),
    ),
    (
        "/field.js",
        "text/javascript; charset=utf-8",
        include_str!("../page/field.js"),
    ),
    (
        "/icon.svg",
        "image/svg+xml",
        include_str!("../page/icon.svg"),
    ),
];

/// The page's routes.
pub fn router() -> Router<Arc<App>> {
    let mut router = Router::new();
    for (path, kind, text) in FILES {
        router = router.route(path, get(async move || file(kind, text)));
    }
    router
}

fn file(kind: &'static str, text: &'static str) -> Response<Body> {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // Another version may answer the next time.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}
