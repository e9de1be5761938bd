//! Sequences in which rows begin anew.

use rekindle_autodiff::Tensor;

use crate::{Error, Result};

/// The memory of a sequence `[T, M, B]`, known to be `[M, B, size]` and to have a step to serve.
pub(super) fn fitting(memory: Option<&Tensor>, [t, m, b]: [usize; 3], size: usize) -> Result<&Tensor> {
    memory.filter(|memory| memory.dims() == [m, b, size] && t > 0).ok_or_else(|| {
        let found = memory.map_or(&[][..], Tensor::dims);
        Error::shape("the memory", found, format!("[{m}, {b}, {size}] and T ≥ 1"))
    })
}

/// Steps in a row of which only the first may be where rows begin.
pub(super) struct Segment<'a> {
    pub(super) from: usize,
    pub(super) len: usize,
    /// Rows `[M, B]` that begin here, and so forget what was before.
    pub(super) starts: &'a [bool],
}

/// A sequence of `steps ≥ 1` steps, cut where any of the rows `[M, B]` begins. `starts` is `[T, M, B]`.
pub(super) fn segments(starts: &[bool], steps: usize) -> Vec<Segment<'_>> {
    let rows = starts.len() / steps;
    let at = |t: usize| &starts[t * rows..(t + 1) * rows];
    let mut cuts: Vec<usize> = (0..steps).filter(|&t| t == 0 || at(t).contains(&true)).collect();
    cuts.push(steps);
    cuts.windows(2).map(|cut| Segment { from: cut[0], len: cut[1] - cut[0], starts: at(cut[0]) }).collect()
}

/// The state `[M, B, H]` with zeros in the marked rows `[M, B]`.
pub(super) fn clear(h: &Tensor, starts: &[bool]) -> Result<Tensor> {
    if !starts.contains(&true) {
        return Ok(h.clone());
    }
    if !starts.contains(&false) {
        return Ok(h.zeros_like()?);
    }
    let &[m, b, _] = h.dims() else { return Err(Error::shape("the memory", h.dims(), "[M, B, H]")) };
    let keep: Vec<f32> = starts.iter().map(|&start| f32::from(u8::from(!start))).collect();
    let keep = Tensor::from_vec(keep, (m, b, 1))?.to_dtype(h.dtype())?.to_device(h.device())?;
    Ok(h.mul(&keep)?)
}
