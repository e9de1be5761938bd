//! Which classes may meet in one episode.

use crate::{ClassDataset, Error, Result};

/// The classes of a split, by the way in which episodes draw from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClassPool {
    /// Any classes: the number of ways is drawn, then so many classes.
    Any(Vec<usize>),
    /// Groups, as Omniglot's alphabets: a group is drawn, then the number of ways, then so many classes of the group.
    Groups(Vec<Vec<usize>>),
    /// Inner nodes of a hierarchy, as ImageNet's in WordNet, each with the classes below it: a node is drawn, and all
    /// of its classes are taken.
    Spans(Vec<Vec<usize>>),
}

impl ClassPool {
    /// All classes of a data set.
    pub fn all(data: &dyn ClassDataset) -> Self {
        Self::Any((0..data.n_classes()).collect())
    }

    /// The classes, each once, in rising order.
    pub fn classes(&self) -> Vec<usize> {
        let mut classes = match self {
            Self::Any(classes) => classes.clone(),
            Self::Groups(groups) | Self::Spans(groups) => groups.concat(),
        };
        classes.sort_unstable();
        classes.dedup();
        classes
    }

    /// The same pool over other class numbers.
    ///
    /// # Errors
    /// Those of `number`.
    pub(super) fn renumbered(&self, number: impl Fn(usize) -> Result<usize>) -> Result<Self> {
        let list = |classes: &Vec<usize>| classes.iter().map(|&class| number(class)).collect::<Result<Vec<_>>>();
        let lists = |groups: &Vec<Vec<usize>>| groups.iter().map(list).collect::<Result<Vec<_>>>();
        Ok(match self {
            Self::Any(classes) => Self::Any(list(classes)?),
            Self::Groups(groups) => Self::Groups(lists(groups)?),
            Self::Spans(spans) => Self::Spans(lists(spans)?),
        })
    }

    /// Leaves what an episode of at least `min_ways` can be drawn from: of inner nodes those with `min_ways` to
    /// `max_span` classes.
    ///
    /// # Errors
    /// [`Error::TooFewClasses`] when nothing is left, or a group is smaller than an episode.
    pub(super) fn eligible(&self, min_ways: usize, max_span: usize) -> Result<Self> {
        let too_few = |available| Err(Error::TooFewClasses { ways: min_ways, available });
        match self {
            Self::Any(classes) if classes.len() < min_ways => too_few(classes.len()),
            Self::Any(_) => Ok(self.clone()),
            Self::Groups(groups) => match groups.iter().map(Vec::len).min() {
                Some(smallest) if smallest >= min_ways => Ok(self.clone()),
                smallest => too_few(smallest.unwrap_or(0)),
            },
            Self::Spans(spans) => {
                let fits = |span: &&Vec<usize>| (min_ways..=max_span).contains(&span.len());
                let eligible: Vec<Vec<usize>> = spans.iter().filter(fits).cloned().collect();
                if eligible.is_empty() {
                    return too_few(spans.iter().map(Vec::len).max().unwrap_or(0));
                }
                Ok(Self::Spans(eligible))
            }
        }
    }
}
