//! What observations and actions may be: one of n things, or a box of real numbers.

use std::fmt;

use rand::RngCore;

use crate::{Action, ActionBuffer, Error, Result, random};

/// The set that observations or actions come from.
///
/// As numbers in a buffer, an element of `Discrete { n }` is one f32 with a whole value from 0 to n − 1, and an element
/// of a `Box` is its numbers in row-major order. Discrete *actions* are indices and never become floats.
#[derive(Clone, Debug, PartialEq)]
pub enum Space {
    /// One of the whole numbers from 0 to n − 1.
    Discrete {
        /// How many there are, `>= 1`.
        n: usize,
    },
    /// Real numbers between bounds, which may be infinite and which belong to the box.
    Box {
        /// Lower bounds, one for each element.
        low: Vec<f32>,
        /// Upper bounds, one for each element.
        high: Vec<f32>,
        /// Axes, slowest first; `[D]` for a vector, `[H, W, C]` for an image.
        shape: Vec<usize>,
    },
}

impl Space {
    /// One of `n` things.
    pub const fn discrete(n: usize) -> Self {
        Self::Discrete { n }
    }

    /// A box with the same bounds for every element.
    pub fn boxed(low: f32, high: f32, shape: &[usize]) -> Self {
        let len = shape.iter().product();
        Self::Box { low: vec![low; len], high: vec![high; len], shape: shape.to_vec() }
    }

    /// Vectors with bounds of their own for every element.
    pub fn vector(low: &[f32], high: &[f32]) -> Self {
        Self::Box { low: low.to_vec(), high: high.to_vec(), shape: vec![low.len()] }
    }

    /// All vectors of `len` real numbers.
    pub fn unbounded(len: usize) -> Self {
        Self::boxed(f32::NEG_INFINITY, f32::INFINITY, &[len])
    }

    /// Numbers that an element takes in a buffer: 1, or the product of the shape.
    pub fn size(&self) -> usize {
        match self {
            Self::Discrete { .. } => 1,
            Self::Box { low, .. } => low.len(),
        }
    }

    /// Features that a network sees: a discrete element one-hot, `[n]`; a box as it is.
    pub fn n_features(&self) -> usize {
        match self {
            Self::Discrete { n } => *n,
            Self::Box { low, .. } => low.len(),
        }
    }

    /// Writes what a network sees of an element, `[n_features]`: one-hot or the numbers as they are. A number that no
    /// element has leaves zeros.
    pub fn write_features(&self, element: &[f32], features: &mut [f32]) {
        match (self, element) {
            (Self::Discrete { .. }, [index]) => one_hot(features, *index as usize),
            _ => features.iter_mut().zip(element).for_each(|(feature, x)| *feature = *x),
        }
    }

    /// The axes of an element in a buffer: none for a number out of n.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Discrete { .. } => &[],
            Self::Box { shape, .. } => shape,
        }
    }

    /// Checks that the space has elements and that its parts fit together.
    ///
    /// # Errors
    /// [`Error::Space`] that says what is wrong.
    pub fn validate(&self) -> Result<()> {
        let wrong = |reason: String| Err(Error::Space { space: self.to_string(), reason });
        let (low, high, shape) = match self {
            Self::Discrete { n: 0 } => return wrong("it has no element".into()),
            Self::Discrete { .. } => return Ok(()),
            Self::Box { low, high, shape } => (low, high, shape),
        };
        let len: usize = shape.iter().product();
        if len == 0 {
            return wrong("it has no dimension".into());
        }
        if low.len() != len || high.len() != len {
            return wrong(format!("{} lower and {} upper bounds for {len} elements", low.len(), high.len()));
        }
        let wrong_order = |(low, high): (&f32, &f32)| low > high || low.is_nan() || high.is_nan();
        match low.iter().zip(high).position(wrong_order) {
            Some(i) => wrong(format!("element {i} lies between {} and {}", low[i], high[i])),
            None => Ok(()),
        }
    }

    /// Whether the numbers of a buffer are an element. Never true for one that is not a number.
    pub fn contains(&self, element: &[f32]) -> bool {
        match self {
            Self::Discrete { n } => {
                matches!(element, [x] if *x >= 0.0 && x.fract() == 0.0 && (*x as usize) < *n)
            }
            Self::Box { low, high, .. } => {
                let inside = |((x, low), high): ((&f32, &f32), &f32)| low <= x && x <= high;
                element.len() == low.len() && element.iter().zip(low).zip(high).all(inside)
            }
        }
    }

    /// Checks that an action lies in this space.
    ///
    /// # Errors
    /// [`Error::ActionOutside`] with action and space, or [`Error::ActionKind`].
    pub fn check_action(&self, action: Action<'_>) -> Result<()> {
        let inside = match (self, action) {
            (Self::Discrete { n }, Action::Discrete(index)) => index < *n,
            (Self::Box { .. }, Action::Continuous(values)) => self.contains(values),
            _ => return Err(Error::ActionKind { found: action.kind(), space: self.to_string() }),
        };
        if inside { Ok(()) } else { Err(Error::ActionOutside { action: action.to_string(), space: self.to_string() }) }
    }

    /// Draws `len` actions at random: uniform where the space is bounded, standard normal where it is not.
    pub fn sample_actions(&self, rng: &mut dyn RngCore, len: usize) -> ActionBuffer {
        let mut actions = ActionBuffer::new(self, len);
        match (self, &mut actions) {
            (Self::Box { low, high, .. }, ActionBuffer::Continuous(values)) => {
                let bounds = low.iter().zip(high).cycle();
                values.iter_mut().zip(bounds).for_each(|(value, (&low, &high))| *value = between(rng, low, high));
            }
            (_, ActionBuffer::Discrete(indices)) => {
                indices.iter_mut().for_each(|index| *index = random::below(rng, self.n_features()) as u32);
            }
            (Self::Discrete { .. }, ActionBuffer::Continuous(_)) => {}
        }
        actions
    }
}

/// Uniform between finite bounds, else a standard normal number brought between them.
fn between(rng: &mut dyn RngCore, low: f32, high: f32) -> f32 {
    if low.is_finite() && high.is_finite() {
        random::uniform(rng, low, high)
    } else {
        (random::normal(rng) as f32).max(low).min(high)
    }
}

/// A 1 at `index`, zeros elsewhere.
pub(crate) fn one_hot(features: &mut [f32], index: usize) {
    features.fill(0.0);
    if let Some(feature) = features.get_mut(index) {
        *feature = 1.0;
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discrete { n } => write!(f, "Discrete({n})"),
            Self::Box { low, high, shape } => {
                let uniform = |bounds: &[f32]| bounds.iter().all(|bound| *bound == bounds[0]);
                match (low.first(), high.first()) {
                    (Some(l), Some(h)) if uniform(low) && uniform(high) => write!(f, "Box({shape:?}, from {l} to {h})"),
                    _ if low.len() <= 8 => write!(f, "Box({shape:?}, from {low:?} to {high:?})"),
                    _ => write!(f, "Box({shape:?}, with bounds of their own for the elements)"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env_rng;

    #[test]
    fn a_box_contains_its_bounds_and_nothing_that_is_not_a_number() {
        let space = Space::vector(&[-1.0, 0.0], &[1.0, f32::INFINITY]);
        for (element, inside) in [
            (vec![-1.0, 0.0], true),
            (vec![1.0, 1e30], true),
            (vec![1.0, f32::INFINITY], true),
            (vec![1.001, 0.0], false),
            (vec![f32::NAN, 0.0], false),
            (vec![0.0], false),
            (vec![0.0; 3], false),
        ] {
            assert_eq!(space.contains(&element), inside, "{element:?}");
        }
        assert_eq!((space.size(), space.n_features(), space.shape()), (2, 2, &[2][..]));
    }

    #[test]
    fn discrete_elements_are_whole_numbers_below_n() {
        let space = Space::discrete(3);
        assert!([0.0, 1.0, 2.0].iter().all(|&x| space.contains(&[x])));
        assert!([-1.0, 3.0, 0.5, f32::NAN].iter().all(|&x| !space.contains(&[x])));
        assert_eq!((space.size(), space.n_features(), space.shape()), (1, 3, &[][..]));
    }

    #[test]
    fn features_are_one_hot_or_the_numbers() {
        let mut features = [f32::NAN; 3];
        Space::discrete(3).write_features(&[1.0], &mut features);
        assert_eq!(features, [0.0, 1.0, 0.0]);
        Space::unbounded(3).write_features(&[4.0, 5.0, 6.0], &mut features);
        assert_eq!(features, [4.0, 5.0, 6.0]);
    }

    #[test]
    fn spaces_without_elements_are_refused() {
        let wrong = [
            (Space::discrete(0), "no element"),
            (Space::boxed(0.0, 1.0, &[3, 0]), "no dimension"),
            (Space::vector(&[0.0, 2.0], &[1.0, 1.0]), "element 1 lies between 2 and 1"),
            (Space::vector(&[f32::NAN], &[1.0]), "element 0"),
            (Space::vector(&[0.0], &[1.0, 1.0]), "1 lower and 2 upper bounds for 1 elements"),
        ];
        for (space, reason) in wrong {
            let text = space.validate().unwrap_err().to_string();
            assert!(text.contains(reason), "{text}");
        }
        assert!(Space::unbounded(4).validate().is_ok());
    }

    #[test]
    fn drawn_actions_lie_in_their_space() -> Result<()> {
        let half = Space::vector(&[f32::NEG_INFINITY, -2.0], &[0.0, 3.0]);
        for space in [Space::discrete(4), half, Space::unbounded(2)] {
            let actions = space.sample_actions(&mut env_rng(1, 0, 0), 50);
            assert_eq!(actions.view().len(&space), 50);
            for i in 0..50 {
                space.check_action(actions.view().get(i, space.size()))?;
            }
        }
        Ok(())
    }

    #[test]
    fn errors_show_the_action_and_the_space() {
        let space = Space::boxed(-1.0, 1.0, &[2]);
        let outside = space.check_action(Action::Continuous(&[0.5, 2.0])).unwrap_err();
        assert_eq!(outside.to_string(), "action [0.5, 2.0] lies outside of Box([2], from -1 to 1)");
        let kind = space.check_action(Action::Discrete(1)).unwrap_err();
        assert_eq!(kind.to_string(), "discrete actions do not fit the action space Box([2], from -1 to 1)");
        let outside = Space::discrete(3).check_action(Action::Discrete(3)).unwrap_err();
        assert_eq!(outside.to_string(), "action 3 lies outside of Discrete(3)");
    }
}
