//! Keys that there are none of, and what was meant by them.

/// A warning about a key that there is none of, in the map at `path`. The name
/// is the template's text, so it is shown only as far as a key can go.
pub(super) fn unknown(path: &str, name: &str, known: &[&str]) -> String {
    /// Longest key name that is shown.
    const SHOWN_CHARS: usize = 40;
    let shown: String = name
        .chars()
        .take(SHOWN_CHARS)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    let nearest = known
        .iter()
        .map(|key| (distance(&name.to_lowercase(), &key.to_lowercase()), key))
        .min();
    match nearest {
        // A third of the key wrong is another word, not a slip.
        Some((distance, key)) if distance <= key.len() / 3 => {
            format!("unknown key `{path}{shown}` is ignored: did you mean `{path}{key}`?")
        }
        _ => format!("unknown key `{path}{shown}` is ignored"),
    }
}

/// Levenshtein's edit distance, in characters; long names are not compared to
/// their end.
fn distance(a: &str, b: &str) -> usize {
    /// No key of ours is longer, so what follows only adds to the distance.
    const COMPARED_CHARS: usize = 32;
    let b: Vec<char> = b.chars().take(COMPARED_CHARS).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(COMPARED_CHARS).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let change = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
