//! What the tables of agents share: settings to choose from, and the distance to a published mean.

use rekindle_rl::instances::Summary;

use crate::Estimate;

/// Instances behind every published figure of RL²'s tables.
const PUBLISHED_INSTANCES: f64 = 1000.0;

/// An agent of kind `A` with its hyper-parameter set.
pub(super) struct Setting<A: ?Sized> {
    /// The hyper-parameter, such as `c = 0.2`; empty for agents without one.
    pub(super) name: String,
    /// Makes one.
    pub(super) make: Box<dyn Fn() -> Box<A> + Sync>,
}

/// An agent of a table: the settings to choose from, and what was published for every column.
pub(super) struct Row<A: ?Sized> {
    /// Its name in metrics.
    pub(super) name: &'static str,
    /// At least one.
    pub(super) settings: Vec<Setting<A>>,
    /// Empty for agents that the paper does not have.
    pub(super) published: &'static [f64],
}

/// Index of the setting whose score is largest, the first of equals.
pub(super) fn best(scores: impl IntoIterator<Item = f64>) -> usize {
    let larger = |best: (usize, f64), score: (usize, f64)| if score.1 > best.1 { score } else { best };
    scores.into_iter().enumerate().fold((0, f64::NEG_INFINITY), larger).0
}

/// Standard errors between our mean and a published one, which has the spread that we measure over the paper's number of
/// instances, and was printed with one decimal.
pub(super) fn standard_errors(ours: &Summary, published: f64) -> f64 {
    let theirs = ours.deviation / PUBLISHED_INSTANCES.sqrt();
    let rounding = 0.1 / 12.0_f64.sqrt();
    (ours.mean - published) / ours.standard_error.hypot(theirs).hypot(rounding)
}

/// `78.11 ± 0.26`: mean and standard error.
pub(super) fn cell(ours: &Summary) -> String {
    format!("{:.2} ± {:.2}", ours.mean, ours.standard_error)
}

/// The mean with its 95 % interval.
pub(super) fn estimate(ours: &Summary) -> Estimate {
    Estimate::new(ours.mean, ours.ci95())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// s = 3 over 1000 instances on both sides: a standard error of 0.134 for the difference, 0.137 with the rounding.
    #[test]
    fn distances_count_both_errors() {
        let ours = Summary { mean: 7.0, standard_error: 3.0 / 1000_f64.sqrt(), deviation: 3.0, n: 1000 };
        assert!((standard_errors(&ours, 6.6) - 0.4 / 0.137_24).abs() < 1e-3);
    }

    #[test]
    fn the_first_of_the_best_is_taken() {
        assert_eq!(best([1.0, 3.0, 2.0, 3.0]), 1);
    }
}
