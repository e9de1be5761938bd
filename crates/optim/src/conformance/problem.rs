//! The small smooth problem that transformations are run on.

use candle_core::DType;
use rekindle_autodiff::{Order, Params, Tensor};

use crate::{Result, State, Transform, apply_updates};

/// For each task `L(θ) = Σ ½a(θ−c)² + ¹⁄₁₀(θ−c)⁴ + ¹⁄₂₀(Σθ)²`: uneven curvatures, a curvature that changes, and
/// parameters that pull at each other. Gradients are far from zero at the start.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) start: Params,
    centre: Params,
    curvature: Params,
}

pub(super) const N_TASKS: usize = 3;

impl Problem {
    pub(super) fn new(names: &[String]) -> Result<Self> {
        Ok(Self {
            start: filled(names, |i| 1.0 + 0.5 * wave(i))?,
            centre: filled(names, |i| 0.3 * wave(i + 100))?,
            curvature: filled(names, |i| 1.0 + 0.7 * wave(i + 200))?,
        })
    }

    /// The part of the problem that belongs to the tasks `from .. from + len`, in an element type.
    pub(super) fn part(&self, from: usize, len: usize, dtype: DType) -> Result<Self> {
        let cut = |params: &Params| params.narrow_tasks(from, len)?.to_dtype(dtype);
        Ok(Self { start: cut(&self.start)?, centre: cut(&self.centre)?, curvature: cut(&self.curvature)? })
    }

    /// The same without the pull between parameters, started at the centre in the first element of every leaf, where
    /// gradients are then exactly zero.
    pub(super) fn at_rest(&self) -> Result<Self> {
        let start = self.start.zip(&self.centre, |start, centre| {
            let flat = |t: &Tensor| t.reshape(t.elem_count());
            let (start, rest) = (flat(start)?, flat(centre)?.narrow(0, 0, 1)?);
            let others = start.narrow(0, 1, start.elem_count() - 1)?;
            Tensor::cat(&[&rest, &others], 0)
        })?;
        let start = start.zip(&self.start, |flat, like| flat.reshape(like.shape()))?;
        Ok(Self { start, centre: self.centre.clone(), curvature: self.curvature.clone() })
    }

    /// The loss, summed over tasks; `pull` says whether parameters pull at each other.
    pub(super) fn loss(&self, theta: &Params, pull: bool) -> rekindle_autodiff::Result<Tensor> {
        let away = theta.sub(&self.centre)?;
        let squares = away.map(|d| d.sqr())?;
        let bowl = squares.dot(&self.curvature)?.scale(0.5)?.add(&squares.dot(&squares)?.scale(0.1)?)?;
        if !pull {
            return Ok(bowl);
        }
        let ones = theta.map(|leaf| leaf.ones_like())?;
        bowl.add(&theta.dot_tasks(&ones)?.sqr()?.sum_all()?.scale(0.05)?)
    }

    /// Gradients in closed form and without the pull: elementwise, so that tasks cannot mix in them.
    pub(super) fn plain_grads(&self, theta: &Params) -> Result<Params> {
        let away = theta.sub(&self.centre)?;
        let cubes = away.map(|d| d.sqr()?.mul(d)?.scale(0.4))?;
        Ok(away.zip3(&self.curvature, &cubes, |d, a, cube| d.mul(a)?.add(cube))?)
    }

    /// Parameters and state after so many updates with recorded gradients: an inner loop.
    pub(super) fn unroll(&self, transform: &dyn Transform, start: &Params, steps: usize, pull: bool) -> Result<Params> {
        let (mut theta, mut state) = (start.clone(), transform.init(start)?);
        for _ in 0..steps {
            let grads = theta.grad(&self.loss(&theta, pull)?, Order::Higher)?;
            (theta, state) = step(transform, &theta, &grads, &state)?;
        }
        Ok(theta)
    }

    /// The same on constants: nothing is recorded from step to step.
    pub(super) fn train(&self, transform: &dyn Transform, steps: usize) -> Result<(Params, State)> {
        let (mut theta, mut state) = (self.start.clone(), transform.init(&self.start)?);
        for _ in 0..steps {
            (theta, state) = step(transform, &theta, &self.plain_grads(&theta)?, &state)?;
        }
        Ok((theta, state))
    }
}

/// One update, applied.
pub(super) fn step(
    transform: &dyn Transform,
    theta: &Params,
    grads: &Params,
    state: &State,
) -> Result<(Params, State)> {
    let (updates, state) = transform.update(grads, state, theta)?;
    Ok((apply_updates(theta, &updates)?, state))
}

/// Leaves `[M, 2, 2]` and `[M, 3]` in turn, element i of all of them at `f(i)`.
fn filled(names: &[String], f: impl Fn(usize) -> f64) -> Result<Params> {
    let mut next = 0;
    let leaves = names.iter().enumerate().map(|(k, name)| {
        let dims = if k % 2 == 0 { vec![N_TASKS, 2, 2] } else { vec![N_TASKS, 3] };
        let count = dims.iter().product::<usize>();
        next += count;
        Ok((name.clone(), Tensor::from_vec((next - count..next).map(&f).collect(), dims)?))
    });
    Ok(Params::new(leaves.collect::<Result<Vec<_>>>()?)?)
}

/// Uneven numbers in [−1, 1] without a generator: the golden ratio's multiples never repeat (the Weyl sequence).
fn wave(i: usize) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    2.0 * ((i + 1) as f64 * GOLDEN).fract() - 1.0
}
