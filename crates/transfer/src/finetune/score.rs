//! How well a model does on labelled data.

use rekindle_autodiff::{NormStats, Params, Tensor};
use rekindle_meta::Loss;
use rekindle_nn::Model;
use rekindle_tasks::Batch;

use crate::{Error, Result};

/// Examples that pass through the model at once: a model with batch normalisation takes its statistics from them.
const CHUNK: usize = 256;

/// The share of right answers in `[0, 1]`, or the mean squared error, for each of M parameter sets, on data `x [M, B, …]`,
/// or `x [1, B, …]` where all are judged on the same.
///
/// # Errors
/// [`Error::Empty`] without examples; those of the model.
pub fn score(model: &dyn Model, params: &Params, data: &Batch, loss: Loss) -> Result<Vec<f64>> {
    data.validate()?;
    let n = data.n_examples()?;
    if n == 0 {
        return Err(Error::Empty { what: "test set" });
    }
    let params = params.detach();
    let mut totals = Vec::new();
    for start in (0..n).step_by(CHUNK) {
        let len = CHUNK.min(n - start);
        let x = Tensor::new(data.x.narrow(1, start, len)?.contiguous()?);
        let outputs = model.forward(&params, &x, NormStats::Batch)?;
        let m = outputs.dim(0)?;
        let y = data.y.narrow(1, start, len)?;
        let shape = [&[m], &y.dims()[1..]].concat();
        let scores = loss.scores(&outputs, &y.broadcast_as(shape)?.contiguous()?)?;
        totals.resize(m, 0.0);
        totals.iter_mut().zip(scores).for_each(|(total, score)| *total += score * len as f64);
    }
    Ok(totals.into_iter().map(|total: f64| total / n as f64).collect())
}
