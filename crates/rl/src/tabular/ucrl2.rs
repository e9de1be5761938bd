//! UCRL2: plan in the best MDP within confidence bounds.
//!
//! ```text
//! L = ln(2 S A (k + 1) / δ),   slack_r = c √(4 L / n),   slack_p = c √(4 S L / n)           in episode k
//! Q_t(s, a) = μ + slack_r + max { Σ_s' p(s') V_{t+1}(s') : ‖p − P̄(· | s, a)‖₁ <= slack_p }
//! ```
//! Jaksch, Ortner & Auer, *Near-optimal regret bounds for reinforcement learning*, 2010, in the finite-horizon form of
//! TabulaRL. The maximum is reached by extended value iteration: half of the slack goes to the best successor, and the
//! same is taken from the worst ones. c = 1 is the theory's; RL² tunes it, and about 0.3 reproduces its figures.

use rand::RngCore;

use super::model::dot;
use super::{Plan, PlanRule, Posterior};
use crate::{Error, Result};

/// Where extended value iteration starts at every step back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slack {
    /// At the mean transitions: what the equations say.
    #[default]
    Fresh,
    /// At the transitions that the step before left behind, so that slack adds up from the end of the episode to its
    /// start. TabulaRL does so, by changing its estimates in place, and explores more; the published figures of RL² are
    /// only reached with it (1942 in 100 episodes; 1906 without).
    Accumulating,
}

/// Plans optimistically. Published with [`Prior::published_ucrl2`](super::Prior::published_ucrl2).
#[derive(Clone, Debug, PartialEq)]
pub struct Ucrl2 {
    delta: f64,
    scaling: f64,
    slack: Slack,
    transitions: Vec<f64>,
    slacks: Vec<[f64; 2]>,
    order: Vec<usize>,
    fresh: Vec<f64>,
}

impl Ucrl2 {
    /// With a scaling c of the bounds, `>= 0`, and δ = 0.05.
    pub fn new(scaling: f64, slack: Slack) -> Self {
        let (transitions, slacks, order, fresh) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { delta: 0.05, scaling, slack, transitions, slacks, order, fresh }
    }

    /// With another probability δ that the bounds fail, `0 < δ <= 1`.
    pub fn with_delta(self, delta: f64) -> Self {
        Self { delta, ..self }
    }

    /// Mean reward plus its slack, and half of the slack of the transitions, for every row.
    fn bounds(&mut self, posterior: &Posterior, episode: usize) {
        let (sizes, prior) = (posterior.sizes(), posterior.prior());
        let pairs = (sizes.states * sizes.actions) as f64;
        let l = libm::log(2.0 * pairs * (episode as f64 + 1.0) / self.delta);
        let width = |factor: f64, seen: f64| self.scaling * (4.0 * factor * l / seen.max(1.0)).sqrt();
        self.slacks.clear();
        let beliefs = posterior.reward_means().iter().zip(posterior.reward_precisions());
        self.slacks.extend(beliefs.zip(posterior.transition_weights()).map(|((mean, precision), weight)| {
            let reward = width(1.0, precision - prior.reward_precision);
            let transition = width(sizes.states as f64, weight - prior.concentration);
            [mean + reward, 0.5 * transition]
        }));
    }
}

impl PlanRule for Ucrl2 {
    fn validate(&self) -> Result<()> {
        if !(self.scaling >= 0.0 && self.scaling.is_finite()) {
            return Err(Error::agent("scaling", self.scaling, "a finite number of at least 0"));
        }
        if !(self.delta > 0.0 && self.delta <= 1.0) {
            return Err(Error::agent("delta", self.delta, "a probability above 0"));
        }
        Ok(())
    }

    fn plan(&mut self, posterior: &Posterior, episode: usize, plan: &mut Plan, _rng: &mut dyn RngCore) {
        let states = posterior.sizes().states;
        self.bounds(posterior, episode);
        posterior.mean_transitions(&mut self.transitions);
        plan.fill(|_, row, values| {
            if row == 0 {
                self.order.clear();
                self.order.extend(0..states);
                self.order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
            }
            let [reward, slack] = self.slacks[row];
            let estimate = &mut self.transitions[row * states..(row + 1) * states];
            let next = match self.slack {
                Slack::Accumulating => estimate,
                Slack::Fresh => {
                    self.fresh.clear();
                    self.fresh.extend_from_slice(estimate);
                    &mut self.fresh
                }
            };
            reward + best_within(next, slack, &self.order, values)
        });
    }
}

/// The mean of `values` under the best distribution within `slack` of `p`, which is moved there. `order` sorts the values
/// upwards.
fn best_within(p: &mut [f64], slack: f64, order: &[usize], values: &[f64]) -> f64 {
    let best = order[order.len() - 1];
    if p[best] + slack > 1.0 {
        // All of it goes to the best successor; the estimate itself stays as it is, as in TabulaRL.
        return values[best];
    }
    p[best] += slack;
    for &worst in order {
        let excess = p.iter().sum::<f64>() - 1.0;
        if excess <= 0.0 {
            break;
        }
        p[worst] = (p[worst] - excess).max(0.0);
    }
    dot(p, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: 0.2 goes to the best of (1, 0, 3), taken from the worst, which holds 0.1, then from the next.
    #[test]
    fn mass_moves_from_the_worst_successors_to_the_best() {
        let (values, order) = ([1.0, 0.0, 3.0], [1, 0, 2]);
        let mut p = [0.5, 0.1, 0.4];
        let mean = best_within(&mut p, 0.2, &order, &values);
        assert!(p.iter().zip([0.4, 0.0, 0.6]).all(|(p, q)| (p - q).abs() < 1e-12), "{p:?}");
        assert!((mean - 2.2).abs() < 1e-12);
        assert_eq!(best_within(&mut p, 0.5, &order, &values), 3.0);
    }
}
