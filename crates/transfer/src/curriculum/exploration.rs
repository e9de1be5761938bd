//! From values of tasks to probabilities.

use super::teacher::check_share;
use crate::Result;
use crate::error::positive;

/// How the size of the values, |Q|, becomes probabilities. The size counts, not the sign: a task that the student forgets
/// wants training as much as one that it learns (Matiisen et al. 2017, §2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Exploration {
    /// The largest gets all but a share ε in `[0, 1]`, which goes to all tasks alike; equals share.
    EpsilonGreedy(f64),
    /// `exp(|Q|/τ)`, normalised, with a temperature τ `> 0`.
    Boltzmann(f64),
}

impl Exploration {
    /// Whether its number is in range.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) if not.
    pub fn validate(&self) -> Result<()> {
        match *self {
            Self::EpsilonGreedy(epsilon) => check_share("epsilon", epsilon),
            Self::Boltzmann(tau) => positive("temperature", tau),
        }
    }

    /// Probabilities of tasks from their values.
    pub(super) fn probabilities(self, values: &[f64]) -> Vec<f64> {
        let largest = values.iter().fold(0.0, |most: f64, q| most.max(q.abs()));
        let weight = |q: &f64| match self {
            Self::EpsilonGreedy(_) => f64::from(q.abs() == largest),
            Self::Boltzmann(tau) => libm::exp((q.abs() - largest) / tau),
        };
        let weights: Vec<f64> = values.iter().map(weight).collect();
        let sum: f64 = weights.iter().sum();
        let epsilon = if let Self::EpsilonGreedy(epsilon) = self { epsilon } else { 0.0 };
        weights.iter().map(|w| (1.0 - epsilon) * w / sum + epsilon / values.len() as f64).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_by_hand() {
        let greedy = Exploration::EpsilonGreedy(0.3).probabilities(&[0.1, -0.5, 0.2]);
        assert!(greedy.iter().zip([0.1, 0.8, 0.1]).all(|(p, q)| (p - q).abs() < 1e-12));
        assert_eq!(Exploration::EpsilonGreedy(0.0).probabilities(&[0.0, 0.0]), [0.5, 0.5]);
        let soft = Exploration::Boltzmann(0.5).probabilities(&[0.0, -0.5]);
        assert!((soft[1] / soft[0] - std::f64::consts::E).abs() < 1e-12);
        assert!((soft[0] + soft[1] - 1.0).abs() < 1e-12);
        // Values far above the temperature do not overflow.
        assert_eq!(Exploration::Boltzmann(1e-6).probabilities(&[1e3, 0.0]), [1.0, 0.0]);
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        assert!(Exploration::EpsilonGreedy(1.1).validate().is_err());
        assert!(Exploration::Boltzmann(0.0).validate().is_err());
    }
}
