//! Backtracking along the natural gradient, each problem on its own.

use rekindle_autodiff::{Params, Tensor};

use super::{TrustRegionConfig, TrustRegionStep};
use crate::Result;

/// Where the search begins and where it looks.
pub(super) struct Direction {
    pub(super) theta: Params,
    pub(super) direction: Params,
    /// Length of the full step of each problem.
    pub(super) full: Vec<f64>,
}

/// Shortens each problem's step until its loss falls and its limit holds. `objective` answers losses and divergences.
pub(super) fn line_search(
    at: &Direction,
    before: &[f64],
    config: &TrustRegionConfig,
    objective: impl Fn(&Params) -> Result<(Vec<f64>, Vec<f64>)>,
) -> Result<TrustRegionStep> {
    let n = before.len();
    let mut fraction = vec![1.0; n];
    let mut accepted = vec![false; n];
    let (mut loss_after, mut kl_after) = (before.to_vec(), vec![0.0; n]);
    for _ in 0..config.max_backtracks {
        let (loss, kl) = objective(&at.moved(&fraction)?)?;
        for (p, (loss, kl)) in loss.into_iter().zip(kl).enumerate() {
            if accepted[p] {
                continue;
            }
            // A number that is none fails both comparisons.
            accepted[p] = loss < before[p] && kl <= config.max_kl;
            match accepted[p] {
                true => (loss_after[p], kl_after[p]) = (loss, kl),
                false => fraction[p] *= config.backtrack,
            }
        }
        if accepted.iter().all(|&done| done) {
            break;
        }
    }
    fraction.iter_mut().zip(&accepted).filter(|(_, done)| !**done).for_each(|(fraction, _)| *fraction = 0.0);
    let params = at.moved(&fraction)?;
    Ok(TrustRegionStep { params, loss_before: before.to_vec(), loss_after, kl: kl_after, fraction })
}

impl Direction {
    /// `θ − fraction · full · d`, problem by problem.
    fn moved(&self, fraction: &[f64]) -> Result<Params> {
        let lengths: Vec<f64> = self.full.iter().zip(fraction).map(|(full, fraction)| -full * fraction).collect();
        let n = lengths.len();
        let lengths = Tensor::from_vec(lengths, n)?;
        Ok(self.theta.zip(&self.direction, |leaf, d| {
            let mut dims = vec![1; leaf.rank()];
            dims[0] = n;
            let lengths = lengths.to_dtype(leaf.dtype())?.to_device(leaf.device())?.reshape(dims)?;
            leaf.add(&d.mul(&lengths)?)
        })?)
    }
}
