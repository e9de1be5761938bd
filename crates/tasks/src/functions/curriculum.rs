//! Tasks that become harder in the course of a training.

/// A number that rises in steps: `start + step · ⌊iteration/every⌋`, as long as it is below its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ramp {
    /// At iteration 0.
    pub start: usize,
    /// The largest value.
    pub end: usize,
    /// By how much it rises.
    pub step: usize,
    /// Iterations between two rises; 0 is taken for 1.
    pub every: u64,
}

impl Ramp {
    /// The value at an iteration.
    #[must_use]
    pub fn at(&self, iteration: u64) -> usize {
        let rises = usize::try_from(iteration / self.every.max(1)).unwrap_or(usize::MAX);
        self.start.saturating_add(self.step.saturating_mul(rises)).min(self.end)
    }
}

/// How many coordinates of an input are drawn (the others are zero), and how many support points there are.
///
/// Both are cut off at what the tasks have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Curriculum {
    /// Coordinates that are drawn.
    pub dims: Ramp,
    /// Support points. The paper counts the query point as well: its 11 points are 10 here.
    pub shots: Ramp,
}

impl Curriculum {
    /// Of linear functions in Garg et al. 2022: 5 to 20 coordinates, one more every 2,000 iterations; 11 to 41 points, two
    /// more as often.
    #[must_use]
    pub fn linear() -> Self {
        let every = 2000;
        Self { dims: Ramp { start: 5, end: 20, step: 1, every }, shots: Ramp { start: 10, end: 40, step: 2, every } }
    }

    /// Of trees and networks: 5 to 20 coordinates, 26 to 101 points, five more every 2,000 iterations.
    #[must_use]
    pub fn long() -> Self {
        Self { shots: Ramp { start: 25, end: 100, step: 5, every: 2000 }, ..Self::linear() }
    }
}
