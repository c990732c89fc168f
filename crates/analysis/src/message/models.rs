//! What models add to the reason: who objects and why, and whose opinion is
//! missing. What a model says was steered by whoever wrote the logs; it comes
//! after our own words, short, and in one line.

use judge::Judgement;

use super::{MAX_MESSAGE_BYTES, aborted, errors_so_far, finding, one_line, promoted};
use crate::decide::votes::{Objection, Votes};
use crate::opinion::{Missing, MissingKind, View};
use crate::request::Gathered;

/// What a note may take of a message.
const MAX_NOTE_BYTES: usize = 170;

/// What a model's words may take of a message.
const MAX_CAUSE_BYTES: usize = 110;

/// What a model's name may take of a message.
const MAX_NAME_BYTES: usize = 40;

/// The reason of a promotion.
pub(crate) fn promote(judgement: &Judgement, gathered: &Gathered, votes: &Votes<'_>) -> String {
    let text = format!("canary promoted: {}", promoted(judgement, gathered));
    let note = match votes.views().len() {
        0 => silence(votes),
        1 => Some(format!("model {} agrees", name(votes.views()[0].model))),
        all => Some(format!("{} of {all} models agree", votes.of(true).count())),
    };
    let gone = (!votes.views().is_empty()).then(|| gone(votes)).flatten();
    noted(&text, note.into_iter().chain(gone))
}

/// The reason of the judge's abort, with a model's explanation.
pub(crate) fn abort(judgement: &Judgement, votes: &Votes<'_>) -> String {
    let text = format!("canary aborted: {}", aborted(judgement));
    let explained = votes
        .of(false)
        .filter(|vote| !vote.view.root_cause.is_empty())
        .max_by_key(|vote| (!vote.view.cited.is_empty(), vote.view.confidence));
    let note = match (explained, votes.of(true).next()) {
        (Some(vote), _) => Some(format!(
            "{}: {}",
            name(vote.model),
            cause(&vote.view.root_cause)
        )),
        (None, Some(vote)) => Some(format!(
            "model {} would promote, which lifts no gate",
            name(vote.model)
        )),
        (None, None) => silence(votes),
    };
    noted(&text, note)
}

/// The reason of an abort that models asked for.
pub(crate) fn objected(
    judgement: &Judgement,
    votes: &Votes<'_>,
    objection: Objection<'_>,
) -> String {
    let view = objection.vote.view;
    let text = format!(
        "canary aborted: {}: {}, citing {}",
        objectors(votes),
        cause(words(view)),
        finding(objection.finding),
    );
    noted(&text, [judges_word(judgement)])
}

/// The reason why an objection without evidence leaves it open.
pub(crate) fn unfounded(judgement: &Judgement, votes: &Votes<'_>) -> String {
    let surest = votes.of(false).max_by_key(|vote| vote.view.confidence);
    let text = format!(
        "canary inconclusive: {} without citing a finding: {}",
        objectors(votes),
        cause(surest.map_or("", |vote| words(vote.view)))
    );
    noted(&text, [judges_word(judgement)])
}

/// The reason why a tie leaves it open.
pub(crate) fn tied(judgement: &Judgement, votes: &Votes<'_>) -> String {
    let text = format!(
        "canary inconclusive: models are at a tie, {} to promote and {} against, of equal confidence",
        votes.of(true).count(),
        votes.of(false).count()
    );
    noted(&text, [judges_word(judgement)])
}

/// The reason why too little confidence of models leaves it open.
pub(crate) fn doubted(judgement: &Judgement, confidence: u8) -> String {
    let text = format!(
        "canary inconclusive: models agree, and are only {confidence} % sure: minConfidence asks for more"
    );
    noted(&text, [judges_word(judgement)])
}

/// The reason of a promotion that models decided.
pub(crate) fn settled(judgement: &Judgement, votes: &Votes<'_>) -> String {
    let who = match votes.views() {
        [vote] => format!("model {} settles it", name(vote.model)),
        all => format!("all {} models settle it", all.len()),
    };
    one_line(
        &format!(
            "canary promoted: {}; {who}, as the operator allows",
            errors_so_far(&judgement.exposure)
        ),
        MAX_MESSAGE_BYTES,
    )
}

fn judges_word(judgement: &Judgement) -> String {
    let would = match judgement.decision {
        judge::Decision::Promote => "the judge alone would promote",
        _ => "the judge alone could not tell",
    };
    format!("{would}: {}", errors_so_far(&judgement.exposure))
}

/// `model gemini-x objects`, `2 of 3 models object`.
fn objectors(votes: &Votes<'_>) -> String {
    match votes.views() {
        [vote] => format!("model {} objects", name(vote.model)),
        all => format!("{} of {} models object", votes.of(false).count(), all.len()),
    }
}

/// What a model gives as the cause.
fn words(view: &View) -> &str {
    match view.root_cause.as_str() {
        "" => &view.analysis,
        root_cause => root_cause,
    }
}

fn name(model: &str) -> String {
    one_line(model, MAX_NAME_BYTES)
}

fn cause(said: &str) -> String {
    let said = one_line(said, MAX_CAUSE_BYTES);
    match said.trim_end_matches('.') {
        "" => "no cause given".to_owned(),
        said => said.to_owned(),
    }
}

/// That the judge decided alone though models were named, and why.
fn silence(votes: &Votes<'_>) -> Option<String> {
    if !votes.none_came() {
        return None;
    }
    let mut note = gone(votes)?;
    if votes.explained.unread_prompt {
        note.push_str("; extraPrompt was not used");
    }
    Some(note)
}

/// Whose opinion is missing, and why: the first that a person can mend.
fn gone(votes: &Votes<'_>) -> Option<String> {
    let (model, first) = votes
        .missing()
        .min_by_key(|(_, missing)| !matches!(missing.kind, MissingKind::Retired))?;
    let more = match votes.missing().count() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let note = format!("model {}{more} {}: {}", name(model), lack(first), first.why);
    Some(one_line(&note, MAX_NOTE_BYTES - 30))
}

fn lack(missing: &Missing) -> &'static str {
    match missing.kind {
        MissingKind::NotConfigured | MissingKind::BudgetSpent => "not asked",
        _ => "gave no opinion",
    }
}

/// A text with notes, where the notes are never cut off.
fn noted(text: &str, notes: impl IntoIterator<Item = String>) -> String {
    let mut tail = String::new();
    for note in notes {
        tail.push_str("; ");
        tail.push_str(&one_line(&note, MAX_NOTE_BYTES));
    }
    let tail = one_line(&tail, MAX_NOTE_BYTES + 30);
    let room = MAX_MESSAGE_BYTES.saturating_sub(tail.len());
    one_line(text, room) + &tail
}
