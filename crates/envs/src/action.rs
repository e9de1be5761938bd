//! Actions as typed values: an index or some real numbers; one, a batch, and a batch that owns its memory.

use std::fmt;

use crate::{Error, Result, Space};

/// One action.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action<'a> {
    /// Number of the chosen action.
    Discrete(usize),
    /// Real numbers, `[A]`.
    Continuous(&'a [f32]),
}

impl<'a> Action<'a> {
    /// The number of an action out of `n`: what an environment with discrete actions asks for.
    ///
    /// # Errors
    /// [`Error::ActionOutside`] or [`Error::ActionKind`].
    pub fn index(self, n: usize) -> Result<usize> {
        match self {
            Self::Discrete(index) if index < n => Ok(index),
            _ => Err(self.refused(&Space::discrete(n))),
        }
    }

    /// The numbers of an action of `N` elements: what an environment with continuous actions asks for. Bounds are not
    /// looked at; batches check them, and an environment that is stepped by hand clips or does as its equations say.
    ///
    /// # Errors
    /// [`Error::ActionOutside`] or [`Error::ActionKind`].
    pub fn values<const N: usize>(self) -> Result<[f32; N]> {
        match self {
            Self::Continuous(values) => values.try_into().map_err(|_wrong_length| self.refused(&Space::unbounded(N))),
            Self::Discrete(_) => Err(self.refused(&Space::unbounded(N))),
        }
    }

    /// The numbers of a continuous action, `[A]`.
    pub(crate) fn slice(self, space: &Space) -> Result<&'a [f32]> {
        match self {
            Self::Continuous(values) if values.len() == space.size() => Ok(values),
            _ => Err(self.refused(space)),
        }
    }

    fn refused(self, space: &Space) -> Error {
        match (space, self) {
            (Space::Discrete { .. }, Action::Discrete(_)) | (Space::Box { .. }, Action::Continuous(_)) => {
                Error::ActionOutside { action: self.to_string(), space: space.to_string() }
            }
            _ => Error::ActionKind { found: self.kind(), space: space.to_string() },
        }
    }

    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Discrete(_) => "discrete",
            Self::Continuous(_) => "continuous",
        }
    }
}

impl fmt::Display for Action<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discrete(index) => write!(f, "{index}"),
            Self::Continuous(values) => write!(f, "{values:?}"),
        }
    }
}

/// The actions of a batch of environments, borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Actions<'a> {
    /// One index for each environment, `[B]` or `[M, B]`.
    Discrete(&'a [u32]),
    /// `[B, A]` or `[M, B, A]`.
    Continuous(&'a [f32]),
}

impl<'a> Actions<'a> {
    /// How many whole actions of the space there are.
    pub fn len(&self, space: &Space) -> usize {
        match self {
            Self::Discrete(indices) => indices.len(),
            Self::Continuous(values) => values.len() / space.size().max(1),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Discrete(indices) => indices.is_empty(),
            Self::Continuous(values) => values.is_empty(),
        }
    }

    /// The action of row `i`, of `size` numbers if it is continuous. Panics beyond the end, as slices do.
    #[inline]
    pub fn get(&self, i: usize, size: usize) -> Action<'a> {
        match self {
            Self::Discrete(indices) => Action::Discrete(indices[i] as usize),
            Self::Continuous(values) => Action::Continuous(&values[i * size..(i + 1) * size]),
        }
    }

    /// Checks length, kind and values against `n_envs` environments with this action space.
    pub(crate) fn check(&self, n_envs: usize, space: &Space, clock: u64) -> Result<()> {
        let (found, expected) = match (self, space) {
            (Self::Discrete(indices), Space::Discrete { .. }) => (indices.len(), n_envs),
            (Self::Continuous(values), Space::Box { .. }) => (values.len(), n_envs * space.size()),
            (Self::Discrete(_), _) => return Err(Error::ActionKind { found: "discrete", space: space.to_string() }),
            (Self::Continuous(_), _) => {
                return Err(Error::ActionKind { found: "continuous", space: space.to_string() });
            }
        };
        if found != expected {
            return Err(Error::ActionCount { n_envs, space: space.to_string(), expected, found });
        }
        let size = space.size();
        (0..n_envs).try_for_each(|i| space.check_action(self.get(i, size)).map_err(|error| error.at(i, clock)))
    }
}

/// The actions of a batch of environments, owned: what a policy fills at every step.
#[derive(Clone, Debug, PartialEq)]
pub enum ActionBuffer {
    /// One index for each environment, `[B]` or `[M, B]`.
    Discrete(Vec<u32>),
    /// `[B, A]` or `[M, B, A]`.
    Continuous(Vec<f32>),
}

impl ActionBuffer {
    /// The first action of the space, or zeros, for `len` environments.
    pub fn new(space: &Space, len: usize) -> Self {
        match space {
            Space::Discrete { .. } => Self::Discrete(vec![0; len]),
            Space::Box { .. } => Self::Continuous(vec![0.0; len * space.size()]),
        }
    }

    /// The actions as environments take them.
    pub fn view(&self) -> Actions<'_> {
        match self {
            Self::Discrete(indices) => Actions::Discrete(indices),
            Self::Continuous(values) => Actions::Continuous(values),
        }
    }
}
