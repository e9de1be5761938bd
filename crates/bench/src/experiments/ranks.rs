//! Ranks of learners on a data set, where those that cannot be told apart share one.
//!
//! Triantafillou et al. 2020, §4: the best of the learners that are left, and all whose difference from it is not
//! significant, share the mean of the places that they take.

use rekindle_meta::Evaluation;

/// The rank of each, from 1 for the best. A difference is significant where it is larger than the 95 % interval of two
/// independent means' difference, `√(a² + b²)`.
pub(super) fn ranks(results: &[&Evaluation]) -> Vec<f64> {
    let mut ranks = vec![0.0; results.len()];
    let mut left: Vec<usize> = (0..results.len()).collect();
    left.sort_by(|&a, &b| results[b].mean.total_cmp(&results[a].mean));
    let mut taken = 0;
    while let Some(&best) = left.first() {
        let best = results[best];
        let (ties, rest) = left
            .iter()
            .partition::<Vec<usize>, _>(|&&i| best.mean - results[i].mean <= best.ci95.hypot(results[i].ci95));
        // Places taken + 1 to taken + n.
        let shared = taken as f64 + (ties.len() as f64 + 1.0) / 2.0;
        ties.iter().for_each(|&i| ranks[i] = shared);
        taken += ties.len();
        left = rest;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(mean: f64, ci95: f64) -> Evaluation {
        Evaluation { mean, ci95, scores: Vec::new() }
    }

    /// Places 1 and 2 are shared; the third is worse than the best by more than √(0.03² + 0.04²) = 0.05, although not than the
    /// second; the fourth is alone.
    #[test]
    fn ties_share_the_mean_of_their_places() {
        let results = [found(0.70, 0.04), found(0.80, 0.03), found(0.76, 0.04), found(0.50, 0.01)];
        assert_eq!(ranks(&results.each_ref()), [3.0, 1.5, 1.5, 4.0]);
        assert_eq!(ranks(&[]), Vec::<f64>::new());
    }

    #[test]
    fn equal_results_are_all_in_the_middle() {
        let results = [found(0.5, 0.1), found(0.5, 0.1), found(0.5, 0.1)];
        assert_eq!(ranks(&results.each_ref()), [2.0, 2.0, 2.0]);
    }
}
