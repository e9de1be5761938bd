//! TRPO's problem for a policy, with the divergence's Hessian as a chain of first derivatives.
//!
//! ```text
//! θ → θ' (adaptation, if any) → z (what the distribution is made of) → KL(π_old ‖ π_z)
//! F = Jᵀ Dᵀ H D J        J = ∂θ'/∂θ   D = ∂z/∂θ'   H = ∂²KL/∂z²
//! ```
//! Where the policy is the one that acted, the divergence and its gradient in z are zero, so all terms with second
//! derivatives of the two maps are zero, too: this is the whole Hessian, not an approximation (the Gauss–Newton form;
//! Martens, *New Insights and Perspectives on the Natural Gradient Method*, 2020, §8). Through adaptation it spares the
//! third derivatives of the inner loss.

use rekindle_autodiff::{Order, Params, Tensor, partial_vjp};

use super::Objective;
use super::linearised::{Linearised, or_zeros, refs};
use super::part::{Local, Part};
use crate::algorithms::piece::Piece;
use crate::algorithms::step::for_leaves;
use crate::policy::{Categorical, Distribution};
use crate::{Error, Policy, Result};

/// The parameters that act, as a recorded function of those that are improved.
pub type Adaptation<'a> = dyn Fn(&Params) -> Result<Params> + Sync + 'a;

/// One part of TRPO's problem: the experience of some tasks, played by the policy that its own parameters stand for.
pub struct PolicyPart<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// What it played.
    pub pieces: &'a [Piece],
    /// From the parameters that are improved to those that played; `None` where they are the same.
    pub adaptation: Option<Box<Adaptation<'a>>>,
    /// Factor of loss and divergence: the part's share in a mean over several.
    pub share: f64,
}

impl std::fmt::Debug for PolicyPart<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let adapts = self.adaptation.is_some();
        f.debug_struct("PolicyPart")
            .field("policy", self.policy)
            .field("pieces", &self.pieces.len())
            .field("adapts", &adapts)
            .field("share", &self.share)
            .finish_non_exhaustive()
    }
}

impl PolicyPart<'_> {
    /// Loss and divergence as functions of the parameters, one number for each problem.
    ///
    /// # Errors
    /// Those of policy and adaptation.
    pub fn objective(&self, params: &Params) -> Result<Objective> {
        let acting = self.adaptation.as_ref().map(|adapt| adapt(params)).transpose()?;
        let acting = acting.as_ref().unwrap_or(params);
        self.sum(params.n_tasks(), |i| self.pieces[i].distribution(self.policy, acting))
    }

    /// Loss and divergence, summed over the pieces, of each piece's distribution.
    fn sum(&self, n_problems: usize, distribution: impl Fn(usize) -> Result<Distribution>) -> Result<Objective> {
        let mine = |x: Tensor| -> Result<Tensor> { Ok(for_leaves(&x, n_problems)?.scale(self.share)?) };
        let parts = self.pieces.iter().enumerate().map(|(i, piece)| {
            let now = distribution(i)?;
            Ok(Objective { loss: mine(piece.ratio_loss(&now)?)?, kl: mine(piece.kl(&now)?)? })
        });
        let add = |a: Objective, b: Objective| Ok(Objective { loss: a.loss.add(&b.loss)?, kl: a.kl.add(&b.kl)? });
        let none = || Err(Error::setting("pieces", 0, "at least 1"));
        parts.reduce(|a, b| add(a?, b?)).unwrap_or_else(none)
    }
}

impl Part for PolicyPart<'_> {
    fn objective(&self, params: &Params) -> Result<Objective> {
        PolicyPart::objective(self, params)
    }

    fn near(&self, params: &Params) -> Result<Local<'_>> {
        let theta = params.leaf();
        let adapted = self.adaptation.as_ref().map(|adapt| adapt(&theta)).transpose()?;
        // Cut off, so that the two maps are differentiated one after the other.
        let acting = adapted.as_ref().map_or_else(|| theta.clone(), Params::leaf);
        let seen: Vec<Distribution> =
            self.pieces.iter().map(|piece| piece.distribution(self.policy, &acting)).collect::<Result<_>>()?;
        let z: Vec<Tensor> = seen.iter().flat_map(outputs).collect();
        let Objective { loss, kl } = self.sum(params.n_tasks(), |i| free(&seen[i]))?;
        super::check_problems(params, &loss, &kl)?;

        let one = loss.ones_like()?;
        let downhill = or_zeros(partial_vjp(&[(&loss, &one)], &refs(&z), Order::First)?, &z)?;
        let slope = partial_vjp(&[(&kl, &one)], &refs(&z), Order::Higher)?;
        let head = Linearised::new(acting.leaves(), &z, &downhill)?;
        let mut gradient = head.pulled()?;
        let start = match &adapted {
            Some(adapted) => Some(Linearised::new(theta.leaves(), adapted.leaves(), &gradient)?),
            None => None,
        };
        if let Some(start) = &start {
            gradient = start.pulled()?;
        }
        let gradient = theta.with_leaves(gradient)?;
        let curvature = move |v: &Params| {
            let through = start.as_ref().map(|start| start.forward(v.leaves())).transpose()?;
            let moved = head.forward(through.as_deref().unwrap_or(v.leaves()))?;
            let bent = head.back(&bend(&slope, &z, &moved)?)?;
            let leaves = start.as_ref().map_or(Ok(bent.clone()), |start| start.back(&bent))?;
            Ok(theta.with_leaves(leaves)?)
        };
        Ok(Local { loss: loss.to_vec_f64()?, gradient, curvature: Box::new(curvature) })
    }
}

/// `H v`, with the recorded slope of the divergence.
fn bend(slope: &[Option<Tensor>], z: &[Tensor], v: &[Tensor]) -> Result<Vec<Tensor>> {
    let pairs: Vec<_> = slope.iter().zip(v).filter_map(|(slope, v)| Some((slope.as_ref()?, v))).collect();
    or_zeros(partial_vjp(&pairs, &refs(z), Order::First)?, z)
}

/// What a distribution is made of, as far as it depends on parameters.
fn outputs(distribution: &Distribution) -> Vec<Tensor> {
    let all = match distribution {
        Distribution::Categorical(d) => vec![d.log_probs()],
        Distribution::Gaussian(d) => vec![d.mean(), d.log_std()],
    };
    all.into_iter().filter(|x| x.is_tracked()).cloned().collect()
}

/// The same distribution as a function of outputs that may move freely: logarithms of probabilities sum to one only after
/// they have been normalised (again), and only then is the gradient of the divergence zero.
fn free(distribution: &Distribution) -> Result<Distribution> {
    match distribution {
        Distribution::Categorical(d) => Ok(Distribution::Categorical(Categorical::new(d.log_probs())?)),
        Distribution::Gaussian(d) => Ok(Distribution::Gaussian(d.clone())),
    }
}
