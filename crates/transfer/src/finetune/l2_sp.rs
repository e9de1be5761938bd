//! L2-SP: weight decay towards the source.
//!
//! ```text
//! Ω(w) = α/2 ‖w_S − w_S⁰‖² + β/2 ‖w_S̄‖²
//! ```
//! w_S are the parameters that the source has, w_S⁰ their values there, w_S̄ the new ones. Li, Grandvalet & Davoine,
//! *Explicit Inductive Bias for Transfer Learning with Convolutional Networks*, 2018, eq. 3.

use rekindle_autodiff::{Params, Tensor};
use rekindle_optim::{Error as OptimError, Result as OptimResult, State, Transform};

use crate::Result;
use crate::error::not_negative;

/// The gradient of the penalty, added to the gradients: to stand *before* an optimiser in a `Chain`. Both strengths are
/// for validation to choose, as in the paper.
///
/// ```
/// use rekindle_autodiff::{Params, Tensor};
/// use rekindle_optim::{Chain, Sgd};
/// use rekindle_transfer::L2Sp;
///
/// let source = Params::new([("fc1.weight".to_owned(), Tensor::from_vec(vec![1f64, 2.], (1, 1, 2))?)])?;
/// let tuned = Chain::new().then(L2Sp::new(&source, 0.1, 0.01)?).then(Sgd::new(0.1));
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct L2Sp {
    source: Params,
    alpha: f64,
    beta: f64,
}

impl L2Sp {
    /// Towards these values with the strength α; the strength β towards zero is for parameters that the source lacks, a
    /// new head. Both at least 0.
    ///
    /// # Errors
    /// If a strength is negative or not finite.
    pub fn new(source: &Params, alpha: f64, beta: f64) -> Result<Self> {
        for (name, value) in [("alpha", alpha), ("beta", beta)] {
            not_negative(name, value)?;
        }
        Ok(Self { source: source.detach(), alpha, beta })
    }

    /// The penalty Ω of each task, `[M]`.
    ///
    /// # Errors
    /// If a parameter has another shape than the source's, or if there are none.
    pub fn penalty(&self, params: &Params) -> Result<Tensor> {
        let pulls = params.map_named(|name, w| self.pull(name, w))?;
        let half = |name: &str, w: &Tensor| self.away(name, w)?.mul(pulls.get(name)?)?.scale(0.5);
        let terms = params.map_named(half)?;
        Ok(terms.dot_tasks(&terms.map(Tensor::ones_like)?)?)
    }

    /// `w − w⁰`, or `w` where the source has none.
    fn away(&self, name: &str, w: &Tensor) -> rekindle_autodiff::Result<Tensor> {
        match self.source.get(name) {
            Ok(source) => w.sub(source),
            Err(_) => Ok(w.clone()),
        }
    }

    /// The penalty's gradient at one leaf.
    fn pull(&self, name: &str, w: &Tensor) -> rekindle_autodiff::Result<Tensor> {
        let strength = if self.source.contains(name) { self.alpha } else { self.beta };
        self.away(name, w)?.scale(strength)
    }
}

impl Transform for L2Sp {
    fn init(&self, params: &Params) -> OptimResult<State> {
        for (name, source) in self.source.iter() {
            let available = || params.names().collect::<Vec<_>>().join(", ");
            let Ok(w) = params.get(name) else {
                let selection = format!("L2Sp({name:?})");
                return Err(OptimError::Unmatched { selection, available: available() });
            };
            if w.dims().get(1..) != source.dims().get(1..) {
                let (found, expected) = (w.shape().clone(), source.shape().clone());
                return Err(rekindle_autodiff::Error::ParamShape { name: name.to_owned(), found, expected }.into());
            }
        }
        Ok(State::new())
    }

    fn update(&self, grads: &Params, state: &State, params: &Params) -> OptimResult<(Params, State)> {
        grads.check_like(params)?;
        let pulled = grads.map_named(|name, g| g.add(&self.pull(name, params.get(name)?)?))?;
        Ok((pulled, state.advance()))
    }
}
