//! Colours for the page of text. Pure.
//!
//! The page is the pipeline's, plain; here its lines are told apart by how
//! they begin, which the pipeline fixes: nothing from a log starts a line.

use judge::Decision;

const BOLD: &str = "\u{1b}[1m";
const DIM: &str = "\u{1b}[2m";
const RESET: &str = "\u{1b}[0m";

/// The page in colours: the verdict by what it is, headings bold, samples dim.
pub fn paint(page: &str, decision: Decision) -> String {
    let verdict = match decision {
        Decision::Promote => "\u{1b}[1;32m",
        Decision::Abort => "\u{1b}[1;31m",
        Decision::Inconclusive => "\u{1b}[1;33m",
    };
    let mut out = String::with_capacity(page.len() + 256);
    for (index, line) in page.lines().enumerate() {
        let style = match line {
            "" => "",
            _ if index == 0 => verdict,
            line if line.starts_with("    | ") => DIM,
            line if !line.starts_with(' ') && is_heading(line) => BOLD,
            _ => "",
        };
        if style.is_empty() {
            out.push_str(line);
        } else {
            out.extend([style, line, RESET]);
        }
        out.push('\n');
    }
    out
}

/// A line that says what follows: no digit in it.
fn is_heading(line: &str) -> bool {
    !line.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_colours_are_added() {
        let page = "canary aborted: 2 errors\nconfidence 95 %\n\nFindings\n  x [new error]\n    | a sample\n";
        let painted = paint(page, Decision::Abort);
        assert!(
            painted
                .starts_with("\u{1b}[1;31mcanary aborted: 2 errors\u{1b}[0m\nconfidence 95 %\n\n")
        );
        assert!(painted.contains(
            "\u{1b}[1mFindings\u{1b}[0m\n  x [new error]\n\u{1b}[2m    | a sample\u{1b}[0m\n"
        ));
        let mut plain = painted;
        for code in ["\u{1b}[1;31m", BOLD, DIM, RESET] {
            plain = plain.replace(code, "");
        }
        assert_eq!(plain, page);
    }
}
