//! What models say, on the page.

use std::fmt::{self, Write as _};

use super::escape::safe;
use super::{MAX_TEXT_BYTES, count};
use crate::decide::Verdict;
use crate::opinion::{Answer, View};

/// The longest analysis of a model, in bytes.
const MAX_ANALYSIS_BYTES: usize = 2_000;

/// Opinions that the page shows: as many as may vote, and what a file adds.
const MAX_OPINIONS: usize = 20;

/// A section for opinions; nothing where no model was to be asked.
pub(super) fn write(out: &mut String, verdict: &Verdict) -> fmt::Result {
    let explained = &verdict.explained;
    if explained.opinions.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<section>\n<h2>What models say</h2>\n<p class=\"soft\">{}</p>\n<ul>",
        safe(&verdict.voting_rationale(), MAX_TEXT_BYTES)
    )?;
    for opinion in explained.opinions.iter().take(MAX_OPINIONS) {
        let name = safe(&opinion.model, MAX_TEXT_BYTES);
        match &opinion.answer {
            Answer::View(view) => view_item(out, &name, view)?,
            Answer::Missing(missing) => writeln!(
                out,
                "<li><b>{name}</b> gave no opinion: {}</li>",
                safe(&missing.why, MAX_TEXT_BYTES)
            )?,
        }
    }
    let spent = explained.spent;
    writeln!(
        out,
        "</ul>\n<p class=\"soft small\">Models were written to by whoever wrote the logs: their words are no measurement. \
         Asking took {} calls, {} tokens and {} ms.</p>\n</section>",
        spent.calls,
        count(spent.tokens),
        count(spent.took_ms)
    )
}

fn view_item(out: &mut String, name: &str, view: &View) -> fmt::Result {
    let would = if view.promote {
        "would promote"
    } else {
        "objects"
    };
    write!(out, "<li><b>{name}</b> {would}, {} % sure", view.confidence)?;
    if !view.cited.is_empty() {
        write!(
            out,
            ", citing <code>{}</code>",
            safe(&view.cited.join(" "), MAX_TEXT_BYTES)
        )?;
    }
    for (what, said) in [
        ("", &view.analysis),
        ("Cause: ", &view.root_cause),
        ("Mend: ", &view.remediation),
    ] {
        if !said.is_empty() {
            write!(out, "<br>{what}{}", safe(said, MAX_ANALYSIS_BYTES))?;
        }
    }
    out.write_str("</li>\n")
}
