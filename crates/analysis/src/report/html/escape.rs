//! Strangers' text as text: it cannot become markup, a link or a command, nor
//! turn the direction of what stands beside it.

use crate::message::one_line;

/// Text of at most `max_bytes` bytes, before it is escaped, as it may stand
/// between tags and inside a quoted attribute.
pub(super) fn safe(text: &str, max_bytes: usize) -> String {
    let line = one_line(text, max_bytes);
    let mut out = String::with_capacity(line.len() + line.len() / 8);
    for c in line.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Old parsers end attributes with it.
            '`' => out.push_str("&#96;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_becomes_markup() {
        for (text, expected) in [
            ("plain", "plain"),
            (
                "</pre><script>alert(1)</script>",
                "&lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;",
            ),
            ("\" onload=\"x' y`", "&quot; onload=&quot;x&#39; y&#96;"),
            ("&lt;b&gt;", "&amp;lt;b&amp;gt;"),
            ("a\u{202e}b\u{2066}c\u{200f}d", "a b c d"),
            ("a\0b\u{1b}[31mc\r\nd\u{85}e\u{2028}f", "a b [31mc d e f"),
            ("<!--\u{feff}-->", "&lt;!-- --&gt;"),
        ] {
            assert_eq!(safe(text, 1_000), expected, "{text:?}");
        }
    }

    #[test]
    fn it_is_cut_before_it_is_escaped() {
        assert_eq!(safe("<<<<<<<<", 6), "&lt;&lt;&lt;…");
    }
}
