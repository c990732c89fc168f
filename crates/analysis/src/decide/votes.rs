//! Opinions, counted.

use judge::Judgement;
use judge::judgement::Finding;

use crate::opinion::{Answer, Explained, Missing, Opinion, Unasked, View};

/// What models say together.
#[derive(Debug)]
pub(crate) struct Votes<'a> {
    judgement: &'a Judgement,
    pub(crate) explained: &'a Explained,
    views: Vec<Vote<'a>>,
}

/// One opinion that counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vote<'a> {
    pub(crate) model: &'a str,
    pub(crate) view: &'a View,
}

/// An objection with its evidence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Objection<'a> {
    pub(crate) vote: Vote<'a>,
    pub(crate) finding: &'a Finding,
}

/// Which side weighs more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Promote,
    Against,
    Tie,
}

impl<'a> Votes<'a> {
    pub(crate) fn new(explained: &'a Explained, judgement: &'a Judgement) -> Self {
        let vote = |opinion: &'a Opinion| {
            Some(Vote {
                model: &opinion.model,
                view: opinion.view()?,
            })
        };
        Self {
            judgement,
            explained,
            views: explained.opinions.iter().filter_map(vote).collect(),
        }
    }

    pub(crate) fn views(&self) -> &[Vote<'a>] {
        &self.views
    }

    /// Those who would promote, or those who would not.
    pub(crate) fn of(&self, promote: bool) -> impl Iterator<Item = Vote<'a>> {
        self.views
            .iter()
            .copied()
            .filter(move |vote| vote.view.promote == promote)
    }

    /// Models that gave no opinion, and why.
    pub(crate) fn missing(&self) -> impl Iterator<Item = (&'a str, &'a Missing)> {
        self.explained
            .opinions
            .iter()
            .filter_map(|opinion| match &opinion.answer {
                Answer::Missing(missing) => Some((opinion.model.as_str(), missing)),
                Answer::View(_) => None,
            })
    }

    /// The sum of confidence, in percent.
    pub(crate) fn weight(&self, promote: bool) -> u64 {
        self.of(promote).map(|vote| confidence(vote.view)).sum()
    }

    /// `None` when no model gave an opinion.
    pub(crate) fn side(&self) -> Option<Side> {
        if self.views.is_empty() {
            return None;
        }
        Some(match self.weight(true).cmp(&self.weight(false)) {
            std::cmp::Ordering::Greater => Side::Promote,
            std::cmp::Ordering::Less => Side::Against,
            std::cmp::Ordering::Equal => Side::Tie,
        })
    }

    /// The truncated mean of the valid, within the range of a verdict's.
    pub(crate) fn mean(&self) -> Option<u8> {
        let all: u64 = self.views.iter().map(|vote| confidence(vote.view)).sum();
        let mean = all.checked_div(u64::try_from(self.views.len()).ok()?)?;
        u8::try_from(mean.clamp(51, 99)).ok()
    }

    /// The surest objection that cites a finding. An id that does not exist is
    /// none, whoever let it through.
    pub(crate) fn evidence(&self) -> Option<Objection<'a>> {
        let cited = |vote: Vote<'a>| {
            let finding = vote.view.cited.iter().find_map(|id| self.finding(id))?;
            Some(Objection { vote, finding })
        };
        self.of(false).filter_map(cited).reduce(|a, b| {
            if confidence(b.vote.view) > confidence(a.vote.view) {
                b
            } else {
                a
            }
        })
    }

    fn finding(&self, id: &str) -> Option<&'a Finding> {
        let all = self.judgement.vetoes.iter().chain(&self.judgement.findings);
        all.into_iter().find(|finding| finding.id == id)
    }

    /// Whether every model that was asked would promote, and is at least so
    /// sure.
    pub(crate) fn all_promote(&self, least: u8) -> bool {
        self.views.len() == self.explained.opinions.len()
            && self
                .views
                .iter()
                .all(|vote| vote.view.promote && vote.view.confidence >= least)
    }

    /// Whether models were to be asked, and none gave an opinion.
    pub(crate) fn none_came(&self) -> bool {
        self.views.is_empty() && !self.explained.opinions.is_empty()
    }

    /// Why no model was asked.
    pub(crate) fn unasked(&self) -> Option<Unasked> {
        self.explained.unasked
    }
}

/// In percent. Opinions may come from a file: what is beyond 100 is 100.
pub(crate) fn confidence(view: &View) -> u64 {
    u64::from(view.confidence.min(100))
}
