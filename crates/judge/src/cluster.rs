//! Which texts are one template: those that differ only where many different
//! words have been seen.
//!
//! A place with many different words is a variable; a place with two or three
//! (`started`, `stopped`) tells events apart. So nothing is decided when a text
//! is first seen, as in Drain (He et al., "Drain: An Online Log Parsing Approach
//! with Fixed Depth Tree", ICWS 2017), but once the words of a place are known,
//! as in IPLoM (Makanju et al., "Clustering event logs using iterative
//! partitioning", KDD 2009): from the same set of texts comes the same set of
//! templates, in whatever order the lines were written.

use std::collections::BTreeMap;

use crate::likeness::{self, Mark, Marks};

/// Different words that make a place a variable.
const VARIABLE_WORDS: usize = 4;
/// The same for the first chunk of a text: it is most often the one that tells
/// events apart.
const VARIABLE_FIRST_WORDS: usize = 16;
/// Clusters that a text is compared with: the comparison is of all with all.
const MAX_CANDIDATES: usize = 128;

/// Groups `texts`, which have equally many chunks each: what is to become one
/// template. Each text is in one group. `texts` come in canonical order.
pub(crate) fn groups(texts: &[Marks], error: bool) -> Vec<Vec<usize>> {
    let mut clusters: Vec<Vec<usize>> = Vec::new();
    for (index, marks) in texts.iter().enumerate() {
        let best = clusters
            .iter_mut()
            .rev()
            .take(MAX_CANDIDATES)
            .filter_map(|cluster| {
                if !likeness::may_be_like(&texts[cluster[0]], marks, error) {
                    return None;
                }
                let likeness = likeness::compare(&texts[cluster[0]], marks);
                let enough = if error {
                    likeness.same_words > 0 && likeness.mismatches <= 1
                } else {
                    likeness.similarity >= likeness::MIN_SIMILARITY
                };
                let like = enough || likeness.mismatches == 0 && likeness.same_words > 0;
                // Similarities are fractions of small integers.
                like.then_some(((likeness.similarity * 1e6) as u64, cluster))
            })
            .max_by_key(|(similarity, _)| *similarity);
        match best {
            Some((_, cluster)) => cluster.push(index),
            None => clusters.push(vec![index]),
        }
    }
    let mut settled = Vec::new();
    while let Some(cluster) = clusters.pop() {
        match telling_place(texts, &cluster) {
            None => settled.push(cluster),
            Some(place) => clusters.extend(split(texts, &cluster, place)),
        }
    }
    settled
}

/// The place whose few different words tell the texts of a cluster apart: the
/// one with the fewest, the first of several. `None` when all that differs is
/// variable.
fn telling_place(texts: &[Marks], cluster: &[usize]) -> Option<usize> {
    let (first, others) = cluster.split_first()?;
    let first = &texts[*first];
    let mut words: Vec<Mark> = Vec::new();
    (0..first.len())
        .filter_map(|place| {
            // Most places have one word; a set is only built where they differ.
            let any = first[place];
            if others.iter().all(|other| texts[*other][place].matches(any)) {
                return None;
            }
            words.clear();
            words.extend(cluster.iter().map(|index| texts[*index][place]));
            words.sort_unstable();
            words.dedup();
            let variable = words.len() >= enough_words(place)
                || words.iter().any(|word| word.is_all_variable());
            (!variable).then_some((words.len(), place))
        })
        .min()
        .map(|(_, place)| place)
}

fn enough_words(place: usize) -> usize {
    if place == 0 {
        VARIABLE_FIRST_WORDS
    } else {
        VARIABLE_WORDS
    }
}

fn split(texts: &[Marks], cluster: &[usize], place: usize) -> Vec<Vec<usize>> {
    let mut parts: BTreeMap<Mark, Vec<usize>> = BTreeMap::new();
    for index in cluster {
        parts.entry(texts[*index][place]).or_default().push(*index);
    }
    parts.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grouped(texts: &[&str], error: bool) -> Vec<Vec<usize>> {
        let marks: Vec<Marks> = texts.iter().map(|text| likeness::marks(text)).collect();
        let mut groups = groups(&marks, error);
        groups.sort();
        groups
    }

    #[test]
    fn a_place_of_many_words_is_a_variable_one_of_few_is_not() {
        let states = ["task is queued now", "task is running now"];
        assert_eq!(grouped(&states, false), [vec![0], vec![1]]);
        let users = [
            "login of bob was fine",
            "login of eve was fine",
            "login of joe was fine",
            "login of sue was fine",
        ];
        assert_eq!(grouped(&users, false), [vec![0, 1, 2, 3]]);
        assert_eq!(grouped(&users[..3], false).len(), 3);
    }

    #[test]
    fn a_variable_takes_words_in() {
        assert_eq!(
            grouped(&["login of <*> was fine", "login of bob was fine"], true),
            [vec![0, 1]]
        );
    }

    #[test]
    fn errors_that_differ_in_two_places_stay_apart() {
        let texts = [
            "ERROR a failed in b here",
            "ERROR c failed in d here",
            "ERROR e failed in f here",
            "ERROR g failed in h here",
        ];
        assert_eq!(grouped(&texts, true).len(), 4);
    }
}
