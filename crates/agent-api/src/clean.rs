//! A stranger's text, made fit to be shown: bounded, and without what a
//! terminal, a log or a reader's eye could be tricked by.
//!
//! Not redacted: whoever shows it passes it through the judge's `redact`.

/// Shows that something was cut off.
const ELLIPSIS: char = '…';

/// One line of at most `max_bytes`: runs of white space and of characters that
/// cannot be printed become one space.
#[must_use]
pub fn line(text: &str, max_bytes: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max_bytes));
    for word in text
        .split(|c: char| c.is_whitespace() || is_unprintable(c))
        .filter(|word| !word.is_empty())
    {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
        if out.len() > max_bytes {
            break;
        }
    }
    bounded(out, max_bytes)
}

/// Text of several lines, at most `max_bytes`: line ends stay, as `\n`, and a
/// tab becomes a space; other characters that cannot be printed are taken out.
#[must_use]
pub fn text(text: &str, max_bytes: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max_bytes));
    for c in text.trim().chars() {
        match c {
            '\n' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            c if is_unprintable(c) && !c.is_whitespace() => continue,
            // A carriage return goes with its line feed; alone it overwrites.
            '\r' => continue,
            c if c.is_whitespace() => out.push(' '),
            c => out.push(c),
        }
        if out.len() > max_bytes {
            break;
        }
    }
    bounded(out, max_bytes)
}

/// Cuts between characters, and shows that it did.
fn bounded(mut text: String, max_bytes: usize) -> String {
    if text.len() > max_bytes {
        let room = max_bytes.saturating_sub(ELLIPSIS.len_utf8());
        text.truncate(text.floor_char_boundary(room));
        if max_bytes >= ELLIPSIS.len_utf8() {
            text.push(ELLIPSIS);
        }
    }
    text
}

/// Whether a character is a control, or changes how its neighbours are shown.
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_could_trick_a_reader_is_taken_out() {
        let table = [
            ("plain", "plain", "plain"),
            (" a \t b \r\n c ", "a b c", "a   b \n c"),
            ("a\u{1b}[31mred\u{7}", "a [31mred", "a[31mred"),
            ("user\u{202e}gnp.exe", "user gnp.exe", "usergnp.exe"),
            ("a\u{200b}b\u{feff}", "a b", "ab"),
            ("a\u{2028}b\u{85}c", "a b c", "a\nb c"),
            ("a\rb", "a b", "ab"),
            ("\u{e0041}\u{e0042}", "", ""),
        ];
        for (given, as_line, as_text) in table {
            assert_eq!(line(given, 100), as_line, "{given:?}");
            assert_eq!(text(given, 100), as_text, "{given:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        assert_eq!(line("aéb", 4), "aéb");
        assert_eq!(line("aébcdef", 6), "aé…");
        assert_eq!(text("aébcdef", 6), "aé…");
        assert_eq!(line("abcd", 2), "");
    }

    proptest! {
        #[test]
        fn nothing_unprintable_and_no_byte_too_many(given in ".*", max in 0_usize..40) {
            let (as_line, as_text) = (line(&given, max), text(&given, max));
            prop_assert!(as_line.len() <= max && as_text.len() <= max);
            prop_assert!(!as_line.chars().any(is_unprintable));
            prop_assert!(!as_text.chars().any(|c| is_unprintable(c) && c != '\n'));
        }
    }
}
