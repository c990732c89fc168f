//! The reason on a page: for a terminal, or for a browser.

mod text;
mod words;

pub use text::text;
