//! The block of convolutional nets for few-shot learning as one operation: convolution, batch normalisation, where
//! wanted 2×2 max pooling, ReLU.

use std::sync::Arc;

use rekindle_kernels::ConvShape;
use rekindle_kernels::block::BlockShape;

use crate::kernel;
use crate::ops::ConvGeometry;
use crate::ops::centre::{scale_centred, squares, take_centred};
use crate::ops::conv::convolved;
use crate::ops::fused::FusedGrads;
use crate::{Error, NormStats, Result, Tensor};

/// What a [`Tensor::conv_block`] does besides its weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvBlock {
    /// Step between two windows of the convolution, `≥ 1`.
    pub stride: usize,
    /// Rows and columns of zeros added on every side.
    pub padding: usize,
    /// ε of the normalisation, `> 0`.
    pub eps: f64,
    /// What the normalisation's statistics are taken of.
    pub stats: NormStats,
    /// Whether 2×2 max pooling follows. It leaves an odd last row or column out.
    pub pool: bool,
}

impl Tensor {
    /// `relu(pool(batch_norm(conv2d(x, w), γ, β)))` of `x [M or 1, B, H, W, C]` with `w [M or 1, KH, KW, C, O]` and `gamma`,
    /// `beta` `[M or 1, O]`: `[M, B, H', W', O]`, halved where it pools.
    ///
    /// For `f32` images on the CPU, 3×3 kernels, padding 1, stride 1 or 2, and statistics of the whole batch it is one
    /// kernel, which keeps a quarter of what the four operations would, and has a gradient of its own. Pooling before the
    /// ReLU gives the same as after it.
    ///
    /// # Errors
    /// As [`conv2d`](Self::conv2d), [`batch_norm`](Self::batch_norm) and [`max_pool2d`](Self::max_pool2d).
    pub fn conv_block(&self, w: &Self, gamma: &Self, beta: &Self, block: ConvBlock) -> Result<Self> {
        let inputs = [self, w, gamma, beta];
        let dims = |t: &Self| t.dims().first().copied();
        let Some(tasks) = inputs.iter().filter_map(|t| dims(t)).find(|&m| m != 1).or(dims(self)) else {
            return Err(Error::shape("conv_block", format!("needs x [M, B, H, W, C], but got {:?}", self.shape())));
        };
        match shape_of_kernel(inputs, tasks, block) {
            Some(shape) => fused(inputs, tasks, block, shape),
            None => composite(inputs, tasks, block),
        }
    }
}

/// The sizes for the kernel, where there is one and the shapes fit.
fn shape_of_kernel([x, w, gamma, beta]: [&Tensor; 4], tasks: usize, block: ConvBlock) -> Option<BlockShape> {
    let (&[mx, b, height, width, c], &[mw, kh, kw, cw, o]) = (x.dims(), w.dims()) else { return None };
    let g = ConvGeometry { kernel: (kh, kw), stride: block.stride, padding: block.padding, image: (height, width) };
    let fits = |t: &Tensor| t.dims() == [tasks, o] || t.dims() == [1, o];
    let of_tasks = [mx, mw].iter().all(|&m| m == tasks || m == 1);
    let conv = kernel::task_shape(g, b, c, o);
    let shape = BlockShape { conv, pool: block.pool, eps: block.eps as f32 };
    let alike = [w, gamma, beta].iter().all(|t| kernel::by_task(x.value(), t.value(), g));
    let fits = of_tasks && c == cw && fits(gamma) && fits(beta) && alike && block.stats == NormStats::Batch;
    (fits && c > 0 && tasks > 0 && !shape.output().contains(&0)).then_some(shape)
}

fn fused([x, w, gamma, beta]: [&Tensor; 4], tasks: usize, block: ConvBlock, shape: BlockShape) -> Result<Tensor> {
    let repeated = |t: &Tensor| t.broadcast_to([&[tasks], &t.dims()[1..]].concat());
    let inputs = [repeated(x)?, repeated(w)?, repeated(gamma)?, repeated(beta)?];
    let values = inputs.each_ref().map(|t| t.value().clone());
    let (y, saved) = kernel::conv_block(&values, &shape)?;
    let (out, saved) = (y.clone(), Arc::new(saved));
    let saved_too = Arc::clone(&saved);
    let backward = move |u: &_, wanted: &[bool]| -> Result<FusedGrads> {
        kernel::conv_block_backward(u, &values, &out, &saved, wanted[0])
    };
    let again = move |inputs: &[Tensor]| {
        let [x, w, gamma, beta] = inputs else { unreachable!("a block has four inputs") };
        closed([x, w, gamma, beta], block, shape, &saved_too)
    };
    Ok(Tensor::fused(y, &inputs.each_ref(), backward, again))
}

/// The same in operations that close under differentiation, with what is known already: what is to be recorded starts
/// from the convolution's result, and only the winners of the pooling are normalised.
fn closed(
    [x, w, gamma, beta]: [&Tensor; 4],
    block: ConvBlock,
    shape: BlockShape,
    saved: &kernel::BlockSaved,
) -> Result<Tensor> {
    let ConvShape { height, width, .. } = shape.conv;
    let [images, rows, columns, _] = shape.conv.output();
    let conv = ConvGeometry { kernel: (3, 3), stride: block.stride, padding: block.padding, image: (height, width) };
    let pool = ConvGeometry { kernel: (2, 2), stride: 2, padding: 0, image: (rows, columns) };
    let y = match saved.convolved()? {
        Some(y) => convolved(y, x, w, conv),
        None => x.conv2d(w, block.stride, block.padding)?,
    };
    let pixels = (images * rows * columns) as f64;
    let scale = squares(&y)?.affine(1.0 / pixels, block.eps)?.sqrt()?.recip()?.mul(gamma)?;
    let z = match saved.winners(pool)? {
        Some(at) => take_centred(&scale, &y, &Arc::new(at))?,
        None => scale_centred(&scale, &y)?,
    };
    z.add(&beta.along_last(z.rank())?)?.relu()
}

/// The same in operations of their own.
fn composite([x, w, gamma, beta]: [&Tensor; 4], tasks: usize, block: ConvBlock) -> Result<Tensor> {
    let y = x.conv2d(w, block.stride, block.padding)?;
    let dims = [&[tasks], &y.dims()[1..]].concat();
    let y = y.broadcast_to(dims)?.batch_norm(gamma, beta, block.eps, block.stats)?;
    if block.pool { y.max_pool2d(2, 2)?.relu() } else { y.relu() }
}
