//! Bounds on gradients.

use rekindle_autodiff::{Params, Tensor};

use crate::{Error, Result, State, Transform, safe_sqrt, setting};

/// Every element limited to `[−limit, limit]`. A NaN stays one.
#[derive(Clone, Debug)]
pub struct ClipValue {
    /// The largest size of an element, above 0.
    pub limit: f64,
}

impl ClipValue {
    /// With a limit.
    #[must_use]
    pub fn new(limit: f64) -> Self {
        Self { limit }
    }

    /// Whether the limit is in its range.
    ///
    /// # Errors
    /// With the value, if not.
    pub fn validate(&self) -> Result<()> {
        setting::positive("ClipValue", "limit", self.limit)
    }
}

impl Transform for ClipValue {
    fn init(&self, _params: &Params) -> Result<State> {
        self.validate()?;
        Ok(State::new())
    }

    fn update(&self, grads: &Params, state: &State, params: &Params) -> Result<(Params, State)> {
        grads.check_like(params)?;
        Ok((grads.map(|g| g.clamp(-self.limit, self.limit))?, state.advance()))
    }
}

/// What a norm is taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NormScope {
    /// All leaves of one task: M norms, M factors. Tasks do not see each other. With one task this is the norm of
    /// everything.
    #[default]
    PerTask,
    /// All leaves of all tasks: one norm, one factor. A task's update then depends on the other tasks in the batch.
    Everything,
}

/// Gradients scaled down to a norm: `g · c / max(‖g‖, c)`, with `‖g‖ = √Σ g²` over all leaves.
///
/// Pascanu, Mikolov & Bengio, *On the difficulty of training recurrent neural networks*, ICML 2013, Algorithm 1. At or
/// below the bound the gradients stay as they are, to the bit; no small number is added to the norm (PyTorch adds
/// 10⁻⁶). A NaN anywhere makes the whole task NaN. The factor is differentiated too.
#[derive(Clone, Debug)]
pub struct ClipNorm {
    /// The largest norm c, above 0.
    pub max_norm: f64,
    /// One norm a task, or one in all. Default: one a task.
    pub scope: NormScope,
}

impl ClipNorm {
    /// With a largest norm, for each task.
    #[must_use]
    pub fn new(max_norm: f64) -> Self {
        Self { max_norm, scope: NormScope::PerTask }
    }

    /// Whether the norm is in its range.
    ///
    /// # Errors
    /// With the value, if not.
    pub fn validate(&self) -> Result<()> {
        setting::positive("ClipNorm", "max_norm", self.max_norm)
    }

    /// `c / max(‖g‖, c)`: `[M]`, or of rank 0.
    fn factor(&self, grads: &Params) -> Result<Tensor> {
        let squares = match self.scope {
            NormScope::PerTask => grads.dot_tasks(grads)?,
            NormScope::Everything => grads.dot(grads)?,
        };
        let bound = squares.zeros_like()?.shift(self.max_norm)?;
        Ok(bound.div(&safe_sqrt(&squares)?.maximum(&bound)?)?)
    }
}

impl Transform for ClipNorm {
    fn init(&self, _params: &Params) -> Result<State> {
        self.validate()?;
        Ok(State::new())
    }

    fn update(&self, grads: &Params, state: &State, params: &Params) -> Result<(Params, State)> {
        grads.check_like(params)?;
        if grads.is_empty() {
            return Ok((grads.clone(), state.advance()));
        }
        if self.scope == NormScope::PerTask {
            check_tasks(grads)?;
        }
        let factor = self.factor(grads)?;
        let clipped = grads.map(|g| g.mul(&along_first_axis(&factor, g.rank())?))?;
        Ok((clipped, state.advance()))
    }
}

/// `[M]` to `[M, 1, …]`, so that it multiplies leaves of this rank task by task; rank 0 stays.
fn along_first_axis(factor: &Tensor, rank: usize) -> rekindle_autodiff::Result<Tensor> {
    match factor.dims() {
        [] => Ok(factor.clone()),
        [m, ..] => {
            let mut dims = vec![1; rank];
            dims[0] = *m;
            factor.reshape(dims)
        }
    }
}

fn check_tasks(grads: &Params) -> Result<()> {
    let n_tasks = grads.n_tasks();
    let found = |leaf: &Tensor| leaf.dims().first().copied().unwrap_or(0);
    match grads.iter().find(|(_, leaf)| found(leaf) != n_tasks) {
        Some((name, leaf)) => Err(Error::MixedTasks { name: name.to_owned(), found: found(leaf), n_tasks }),
        None => Ok(()),
    }
}
