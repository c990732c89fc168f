//! Text that fits its place, and errors with their causes.

use std::error::Error;

/// Longest chain of causes that is written out.
const MAX_CAUSES: usize = 8;

/// Cuts to `max_bytes` at most, between characters.
pub fn cut(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}

/// Cuts to `max_bytes` at most and shows that something is missing.
pub fn shorten(text: &str, max_bytes: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= max_bytes {
        text.to_owned()
    } else {
        format!("{}{MARK}", cut(text, max_bytes.saturating_sub(MARK.len())))
    }
}

/// An error with its causes: `failed to list pods: connection refused`.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let mut text = error.to_string();
    for cause in causes.take(MAX_CAUSES).map(ToString::to_string) {
        // Many crates repeat the cause in their own text.
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(cut("aéb", 2), "a");
        assert_eq!(shorten("aébcdef", 6), "aé…");
        assert_eq!(shorten("abc", 3), "abc");
        assert_eq!(shorten("abcd", 0), "…");
    }

    #[test]
    fn a_chain_says_each_cause_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("inner")]
        struct Inner;
        #[derive(Debug, thiserror::Error)]
        #[error("outer: inner")]
        struct Repeats(#[source] Inner);
        #[derive(Debug, thiserror::Error)]
        #[error("failed to ask")]
        struct Outer(#[source] Repeats);
        assert_eq!(chain(&Outer(Repeats(Inner))), "failed to ask: outer: inner");
    }

    #[test]
    fn a_chain_has_an_end() {
        #[derive(Debug, thiserror::Error)]
        #[error("cause {0}")]
        struct Nested(usize, #[source] Option<Box<Nested>>);
        let mut error = Nested(0, None);
        for depth in 1..100 {
            error = Nested(depth, Some(Box::new(error)));
        }
        assert_eq!(chain(&error).matches("cause").count(), 1 + MAX_CAUSES);
    }
}
