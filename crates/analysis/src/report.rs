//! The reason on a page: for a terminal, or for a browser.

mod html;
mod text;
mod words;

pub use html::{Page, html};
pub use text::{policy_text, text};
