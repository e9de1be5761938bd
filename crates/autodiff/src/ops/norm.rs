//! Normalisation. Statistics are each task's own: nothing mixes across the task axis.

use crate::kernel;
use crate::ops::centre::{scale_centred, squares};
use crate::{Error, Result, Tensor};

/// Which examples of a task the statistics of a batch normalisation are taken from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NormStats {
    /// All examples of the batch. Predicting a whole query set so is *transductive*: each query sees the others.
    #[default]
    Batch,
    /// The first `n` examples only, the support set for example; those after them are normalised one by one with these
    /// statistics. Not transductive: no query sees another.
    FirstRows(usize),
}

impl Tensor {
    /// Batch normalisation of `x [M, B, …, C]` with `gamma`, `beta` `[M or 1, C]`:
    ///
    /// ```text
    /// y = γ (x − μ) / √(σ² + ε) + β
    /// ```
    ///
    /// where μ and σ² (divided by n, not n − 1) are taken for each task and channel over all other axes.
    ///
    /// # Errors
    /// If the shapes do not fit, if there are no examples, or if `FirstRows` asks for none or for more rows than there are.
    pub fn batch_norm(&self, gamma: &Self, beta: &Self, eps: f64, stats: NormStats) -> Result<Self> {
        let &[m, b, .., c] = self.dims() else {
            return Err(Error::shape("batch_norm", format!("needs x [M, B, …, C], but got {:?}", self.shape())));
        };
        let fits = |t: &Self| t.dims() == [m, c] || t.dims() == [1, c];
        if !fits(gamma) || !fits(beta) {
            let message = format!("x {:?}, gamma {:?}, beta {:?}", self.shape(), gamma.shape(), beta.shape());
            return Err(Error::shape("batch_norm", message));
        }
        if self.dims()[1..self.rank() - 1].contains(&0) {
            let message = format!("x {:?} has no examples to take statistics of", self.shape());
            return Err(Error::shape("batch_norm", message));
        }
        let (gamma, beta) = (gamma.broadcast_to((m, c))?, beta.broadcast_to((m, c))?);
        match stats {
            NormStats::Batch => fused(self, &gamma, &beta, eps),
            NormStats::FirstRows(n) if n == 0 || n > b => {
                let message = format!("statistics of the first {n} rows of {b}; needs 1 ≤ rows ≤ {b}");
                Err(Error::argument("batch_norm", message))
            }
            NormStats::FirstRows(n) => composite(self, &gamma, &beta, eps, n),
        }
    }

    /// Layer normalisation over the last axis of `x [M, …, D]`, with `gamma`, `beta` `[M or 1, D]`.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn layer_norm(&self, gamma: &Self, beta: &Self, eps: f64) -> Result<Self> {
        let axis = self.last_axis("layer_norm")?;
        let per_task = |t: &Self| {
            axis > 0 && (t.dims() == [self.dims()[0], self.dims()[axis]] || t.dims() == [1, self.dims()[axis]])
        };
        if self.elem_count() == 0 || gamma.dims() != beta.dims() || !per_task(gamma) {
            return layered(self, gamma, beta, eps);
        }
        let Some((y, saved)) = kernel::layer_norm(self.value(), gamma.value(), beta.value(), eps)? else {
            return layered(self, gamma, beta, eps);
        };
        let (held_x, held_gamma) = (self.value().clone(), gamma.value().clone());
        let backward = move |u: &_, _: &[bool]| kernel::layer_norm_backward(u, &held_x, &held_gamma, &saved);
        let again = move |inputs: &[Self]| layered(&inputs[0], &inputs[1], &inputs[2], eps);
        Ok(Self::fused(y, &[self, gamma, beta], backward, again))
    }

    /// `[M, C]` as `[M, 1, …, 1, C]` of the given rank.
    pub(super) fn along_last(&self, rank: usize) -> Result<Self> {
        let &[m, c] = self.dims() else {
            return Err(Error::shape("norm", format!("gamma and beta are [M, C], but got {:?}", self.shape())));
        };
        let mut dims = vec![1; rank];
        dims[0] = m;
        dims[rank - 1] = c;
        self.reshape(dims)
    }
}

/// Layer normalisation in plain operations.
fn layered(x: &Tensor, gamma: &Tensor, beta: &Tensor, eps: f64) -> Result<Tensor> {
    let axis = x.last_axis("layer_norm")?;
    let centred = x.sub(&x.mean_keepdim(&[axis])?)?;
    let scale = centred.sqr()?.mean_keepdim(&[axis])?.shift(eps)?.sqrt()?.recip()?;
    centred.mul(&scale)?.mul(&gamma.along_last(x.rank())?)?.add(&beta.along_last(x.rank())?)
}

fn fused(x: &Tensor, gamma: &Tensor, beta: &Tensor, eps: f64) -> Result<Tensor> {
    let Some((y, saved)) = kernel::batch_norm(x.value(), gamma.value(), beta.value(), eps)? else {
        return composite(x, gamma, beta, eps, x.dims()[1]);
    };
    let (held_x, held_gamma) = (x.value().clone(), gamma.value().clone());
    let backward = move |u: &_, _: &[bool]| kernel::batch_norm_backward(u, &held_x, &held_gamma, &saved);
    let again = move |inputs: &[Tensor]| closed(&inputs[0], &inputs[1], &inputs[2], eps);
    Ok(Tensor::fused(y, &[x, gamma, beta], backward, again))
}

/// The same in few operations, each of which has its derivatives among them.
fn closed(x: &Tensor, gamma: &Tensor, beta: &Tensor, eps: f64) -> Result<Tensor> {
    let examples: usize = x.dims()[1..x.rank() - 1].iter().product();
    let scale = squares(x)?.affine(1.0 / examples as f64, eps)?.sqrt()?.recip()?.mul(gamma)?;
    scale_centred(&scale, x)?.add(&beta.along_last(x.rank())?)
}

/// The same in plain operations, with the statistics of the first `rows` examples.
fn composite(x: &Tensor, gamma: &Tensor, beta: &Tensor, eps: f64, rows: usize) -> Result<Tensor> {
    let axes: Vec<usize> = (1..x.rank() - 1).collect();
    let reference = x.narrow(1, 0, rows)?;
    let mean = reference.mean_keepdim(&axes)?; // [M, 1, …, C]
    let centred = x.sub(&mean)?;
    let var = centred.narrow(1, 0, rows)?.sqr()?.mean_keepdim(&axes)?;
    let scale = var.shift(eps)?.sqrt()?.recip()?.mul(&gamma.along_last(x.rank())?)?;
    centred.mul(&scale)?.add(&beta.along_last(x.rank())?)
}
