//! Tables in a document, between markers, so that a command can renew them.

use anyhow::{Context as _, Result};

/// Puts `text` between the markers of a section: `<!-- name -->` and
/// `<!-- /name -->`, each on a line of its own. The rest stays as it is.
///
/// # Errors
/// When the document has no such section.
pub fn renew(document: &str, name: &str, text: &str) -> Result<String> {
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let section = || format!("the document has no section {name}");
    let from = document.find(&open).with_context(section)? + open.len();
    let until = from + document[from..].find(&close).with_context(section)?;
    Ok(format!(
        "{}{}\n{}",
        &document[..from],
        text.trim_end(),
        &document[until..]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let document = "# Title\n<!-- a -->\nold\n<!-- /a -->\nrest\n<!-- b -->\n<!-- /b -->\n";
        let renewed = renew(document, "a", "new\nlines\n\n").unwrap();
        assert_eq!(
            renewed,
            "# Title\n<!-- a -->\nnew\nlines\n<!-- /a -->\nrest\n<!-- b -->\n<!-- /b -->\n"
        );
        assert_eq!(
            renew(&renewed, "a", "new\nlines").unwrap(),
            renewed,
            "twice changes nothing"
        );
        assert!(renew(document, "c", "x").is_err());
    }
}
