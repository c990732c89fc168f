//! How like two template texts are, and what they have in common.

use crate::mask::VARIABLE;
use crate::scan::in_word;

/// Share of the words that must be the same for two texts to be alike.
pub(crate) const MIN_SIMILARITY: f64 = 0.6;

/// A chunk of a text (what stands between two spaces) as numbers, to be
/// compared fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Mark {
    /// Hash of the chunk; digits count as one.
    hash: u32,
    /// Hash of what stands before the variable that the chunk is, or would be:
    /// its key (`user=`), its opening bracket.
    head: u32,
    /// The chunk is a variable behind its head.
    variable: bool,
    /// The chunk has a word in it: numbers and brackets are alike in all lines
    /// of one logger.
    word: bool,
}

/// A text's chunks.
pub(crate) type Marks = Box<[Mark]>;

/// Hash of no bytes.
const EMPTY: u32 = 0x811c_9dc5;

fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(EMPTY, |hash, byte| {
        let byte = if byte.is_ascii_digit() { b'0' } else { *byte };
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

pub(crate) fn marks(text: &str) -> Marks {
    let mut marks: Marks = text.split(' ').map(mark).collect();
    // The keys of a JSON event are alike in all events of one logger.
    if text.ends_with('}')
        && let Some(at) = text.rfind(" {")
    {
        let keys = text[at + 1..].split(' ').count();
        let from = marks.len() - keys;
        for mark in &mut marks[from..] {
            mark.word = false;
        }
    }
    marks
}

fn mark(chunk: &str) -> Mark {
    let bytes = chunk.as_bytes();
    let head = head(chunk);
    let word = bytes
        .iter()
        .any(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80);
    Mark {
        hash: hash(bytes),
        head: hash(&bytes[..head]),
        variable: chunk[head..].starts_with(VARIABLE),
        word,
    }
}

/// Length of a chunk's head: up to a variable, or up to and with the signs that
/// open a value.
fn head(chunk: &str) -> usize {
    let variable = chunk.find(VARIABLE);
    let opens = |byte: &u8| matches!(byte, b'=' | b':' | b'(' | b'[' | b'{' | b'"' | b'\'' | b'<');
    let bytes = chunk.as_bytes();
    let Some(first) = bytes.iter().position(opens) else {
        return variable.unwrap_or(0);
    };
    if variable.is_some_and(|variable| variable <= first) {
        return variable.unwrap_or(0);
    }
    let more = bytes[first..].iter().position(|byte| !opens(byte));
    let end = more.map_or(bytes.len(), |more| first + more);
    variable.map_or(end, |variable| variable.min(end))
}

impl Mark {
    /// Whether the chunk is nothing but a variable.
    pub(crate) fn is_all_variable(self) -> bool {
        self.variable && self.head == EMPTY
    }

    /// Whether two chunks are one, as far as variables are known.
    pub(crate) fn matches(self, other: Self) -> bool {
        self.hash == other.hash
            || self.is_all_variable()
            || other.is_all_variable()
            || (self.variable || other.variable) && self.head == other.head
    }
}

/// How like two texts of equally many chunks are.
pub(crate) struct Likeness {
    /// Share of the chunks with words that are the same.
    pub similarity: f64,
    /// Chunks that differ, where neither is a variable.
    pub mismatches: usize,
    /// Chunks with words that are the same.
    pub same_words: usize,
}

pub(crate) fn compare(a: &[Mark], b: &[Mark]) -> Likeness {
    let (mut same, mut mismatches, mut words) = (0_usize, 0, 0_usize);
    for (a, b) in a.iter().zip(b) {
        if a.hash == b.hash {
            let word = usize::from(a.word && !a.is_all_variable());
            words += word;
            same += word;
        } else {
            words += 1;
            mismatches += usize::from(!a.matches(*b));
        }
    }
    let similarity = if words == 0 {
        0.0
    } else {
        same as f64 / words as f64
    };
    Likeness {
        similarity,
        mismatches,
        same_words: same,
    }
}

/// Whether two texts of equally many chunks may be alike: most are not, and
/// that shows in their first chunks.
pub(crate) fn may_be_like(a: &[Mark], b: &[Mark], error: bool) -> bool {
    // Of at most all chunks, a share of MIN_SIMILARITY is the same.
    let most = if error {
        1
    } else {
        (a.len() as f64 * (1.0 - MIN_SIMILARITY)).ceil() as usize
    };
    let mut mismatches = 0;
    for (a, b) in a.iter().zip(b) {
        mismatches += usize::from(!a.matches(*b));
        if mismatches > most {
            return false;
        }
    }
    true
}

/// Whether two texts of equally many chunks are one template. At ERROR and
/// above only where they differ in nothing but variables.
pub(crate) fn is_like(a: &[Mark], b: &[Mark], error: bool) -> bool {
    let likeness = compare(a, b);
    likeness.mismatches == 0 && likeness.same_words > 0
        || !error && likeness.similarity >= MIN_SIMILARITY
}

/// The template of two texts of equally many chunks: [`VARIABLE`] where they
/// differ; keys and signs that both have stay.
pub(crate) fn merged(a: &str, b: &str) -> String {
    let mut text = String::with_capacity(a.len().max(b.len()));
    for (index, (a, b)) in a.split(' ').zip(b.split(' ')).enumerate() {
        if index > 0 {
            text.push(' ');
        }
        if a == b {
            text.push_str(a);
        } else {
            merge_chunk(a, b, &mut text);
        }
    }
    text
}

/// Word by word where the signs between them are the same, else what is between
/// the signs that both begin and end with.
fn merge_chunk(a: &str, b: &str, text: &mut String) {
    if pieces(a).count() == pieces(b).count()
        && pieces(a)
            .zip(pieces(b))
            .all(|(a, b)| a == b || is_value(a) && is_value(b))
    {
        for (a, b) in pieces(a).zip(pieces(b)) {
            text.push_str(if a == b { a } else { VARIABLE });
        }
        return;
    }
    let head = head(a).min(head(b));
    let head = if a.get(..head) == b.get(..head) {
        head
    } else {
        0
    };
    let closes = |byte: &&u8| {
        matches!(
            byte,
            b',' | b'.' | b';' | b':' | b')' | b']' | b'}' | b'"' | b'\''
        )
    };
    let tail = a.as_bytes()[head..]
        .iter()
        .rev()
        .zip(b.as_bytes()[head..].iter().rev())
        .take_while(|(a, b)| a == b && closes(a))
        .count();
    text.push_str(&a[..head]);
    text.push_str(VARIABLE);
    text.push_str(&a[a.len() - tail..]);
}

fn is_value(piece: &str) -> bool {
    piece == VARIABLE || piece.bytes().next().is_some_and(in_word)
}

/// The words, variables and signs of a chunk.
fn pieces(chunk: &str) -> impl Iterator<Item = &str> {
    let mut rest = chunk;
    std::iter::from_fn(move || {
        let first = *rest.as_bytes().first()?;
        let len = if rest.starts_with(VARIABLE) {
            VARIABLE.len()
        } else if in_word(first) {
            let end = rest.bytes().position(|byte| !in_word(byte));
            end.unwrap_or(rest.len())
        } else {
            1
        };
        let (piece, others) = rest.split_at(len);
        rest = others;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_what_differs_and_keeps_what_is_around_it() {
        let cases: &[(&str, &str, &str)] = &[
            (
                "open store alpha now",
                "open store beta now",
                "open store <*> now",
            ),
            ("user=bob, next", "user=eve, next", "user=<*>, next"),
            ("at 'a/b' (x)", "at 'c' (x)", "at '<*>' (x)"),
            ("from <*> (a.b.c)", "from <*> ()", "from <*> (<*>)"),
            (
                "Session: <*> started.",
                "Session: x started.",
                "Session: <*> started.",
            ),
            ("eth1 up", "eth2 up", "<*> up"),
            ("é a", "è a", "<*> a"),
        ];
        for (a, b, text) in cases {
            assert_eq!(merged(a, b), *text, "{a} / {b}");
            assert_eq!(merged(b, a), *text, "{b} / {a}");
        }
    }

    #[test]
    fn what_is_alike_may_be() {
        let texts = [
            "a b c d e",
            "a b c d x",
            "a b c y x",
            "a b z y x",
            "a <*> <*> d e",
        ];
        for a in texts.map(marks) {
            for b in texts.map(marks) {
                let likeness = compare(&a, &b);
                if likeness.similarity >= MIN_SIMILARITY || likeness.mismatches == 0 {
                    assert!(may_be_like(&a, &b, false));
                }
                if likeness.mismatches <= 1 {
                    assert!(may_be_like(&a, &b, true));
                }
            }
        }
    }

    #[test]
    fn keys_of_json_make_no_two_messages_alike() {
        let (a, b) = (
            marks("INFO bye {host pid time v}"),
            marks("INFO ready {host pid time v}"),
        );
        assert!(compare(&a, &b).similarity < MIN_SIMILARITY);
    }

    #[test]
    fn a_variable_is_like_any_word_behind_the_same_head() {
        let like = |a, b| is_like(&marks(a), &marks(b), true);
        assert!(like("ERROR no store <*>", "ERROR no store alpha"));
        assert!(like("ERROR no store '<*>'", "ERROR no store 'alpha'"));
        assert!(like("ERROR store=<*>", "ERROR store=alpha"));
        assert!(!like("ERROR store=<*>", "ERROR shop=alpha"));
        assert!(!like("ERROR no store alpha", "ERROR no store beta"));
        assert!(like("ERROR worker1 died", "ERROR worker2 died"));
    }
}
