//! The page's files, which the program carries. What it shares with the page
//! of rollouts-demo are links to that one's files.

use axum::body::Body;
use axum::http::Response;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse as _;

/// One file of the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct File {
    /// Where it is served.
    pub(super) path: &'static str,
    kind: &'static str,
    text: &'static str,
}

impl File {
    pub(super) fn answer(self) -> Response<Body> {
        ([(CONTENT_TYPE, self.kind)], self.text).into_response()
    }
}

const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// All of them.
pub(super) const FILES: [File; 6] = [
    File {
        path: "/",
        kind: "text/html; charset=utf-8",
        text: include_str!("../../page/index.html"),
    },
    File {
        path: "/base.css",
        kind: STYLE,
        text: include_str!("../../page/base.css"),
    },
    File {
        path: "/style.css",
        kind: STYLE,
        text: include_str!("../../page/style.css"),
    },
    File {
        path: "/field.js",
        kind: SCRIPT,
        text: include_str!("../../page/field.js"),
    },
    File {
        path: "/page.js",
        kind: SCRIPT,
        text: include_str!("../../page/page.js"),
    },
    File {
        path: "/icon.svg",
        kind: "image/svg+xml",
        text: include_str!("../../page/icon.svg"),
    },
];
