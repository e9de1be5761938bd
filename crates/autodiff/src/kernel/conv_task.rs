//! 3×3 convolutions of `f32` images, and the block that starts with one, on kernels of their own, task by task.
//!
//! Each task is a call by itself, also where tasks share their weights: how it is computed, and so its bits, depends on
//! its own sizes only.

use candle_core::{Tensor as Value, WithDType};
use rekindle_kernels::block::{self, BlockShape, Operands, Saved};
use rekindle_kernels::{ConvShape, Level, conv as kernels};
use smallvec::smallvec;

use super::centre::Winners;
use super::view::{Direct, direct, slice, tensor};
use crate::Result;
use crate::ops::{ConvGeometry, FusedGrads};

/// Whether these kernels convolve images of the first value with weights of the second.
pub(crate) fn by_task(x: &Value, w: &Value, g: ConvGeometry) -> bool {
    let fits = g.kernel == (3, 3) && g.padding == 1 && (g.stride == 1 || g.stride == 2);
    fits && matches!(direct(&[x, w]), Direct::F32)
}

/// One task's sizes.
pub(crate) fn task_shape(g: ConvGeometry, images: usize, inputs: usize, outputs: usize) -> ConvShape {
    ConvShape { images, height: g.image.0, width: g.image.1, inputs, outputs, stride: g.stride }
}

pub(super) fn conv(x: &Value, w: &Value, shape: &ConvShape) -> Result<Value> {
    each_task(kernels::conv, x, w, shape, shape.output())
}

pub(super) fn conv_t(u: &Value, w: &Value, shape: &ConvShape) -> Result<Value> {
    each_task(kernels::conv_t, u, w, shape, shape.input())
}

pub(super) fn conv_w(x: &Value, u: &Value, shape: &ConvShape) -> Result<Value> {
    each_task(kernels::conv_w, x, u, shape, shape.weight())
}

/// One of the three forms of the convolution.
type Form = fn(Level, &[f32], &[f32], &ConvShape, &mut Vec<f32>) -> rekindle_kernels::Result<()>;

fn each_task(form: Form, a: &Value, b: &Value, shape: &ConvShape, sizes: [usize; 4]) -> Result<Value> {
    let tasks = a.dim(0)?;
    let (a, b) = (Tasks::new(a)?, Tasks::new(b)?);
    slice!(left: f32 = a.value);
    slice!(right: f32 = b.value);
    let mut out = Vec::with_capacity(tasks * sizes.iter().product::<usize>());
    for task in 0..tasks {
        form(Level::current(), a.of(left, task), b.of(right, task), shape, &mut out)?;
    }
    tensor(out, [&[tasks], &sizes[..]].concat())
}

/// A value whose elements follow each other within each task; a value that all tasks share is there once.
struct Tasks {
    value: Value,
    /// Elements of a task, and from one task to the next.
    len: usize,
    step: usize,
}

impl Tasks {
    fn new(value: &Value) -> Result<Self> {
        let tasks = value.dim(0)?;
        let len = value.elem_count() / tasks.max(1);
        if tasks > 1 && value.stride()[0] == 0 {
            return Ok(Self { value: value.narrow(0, 0, 1)?.contiguous()?, len, step: 0 });
        }
        Ok(Self { value: value.contiguous()?, len, step: len })
    }

    fn of<'a>(&self, elements: &'a [f32], task: usize) -> &'a [f32] {
        &elements[task * self.step..][..self.len]
    }
}

/// What goes into a block: images, weights, γ and β, each with an axis of tasks.
pub(crate) type BlockInputs = [Value; 4];

/// What a block's gradients need besides its inputs and its result.
#[derive(Debug)]
pub(crate) struct BlockSaved {
    shape: BlockShape,
    tasks: Vec<Saved>,
}

impl BlockSaved {
    /// The result of the convolution, where it was kept.
    pub(crate) fn convolved(&self) -> Result<Option<Value>> {
        let parts: Option<Vec<_>> = self.tasks.iter().map(|saved| saved.convolved(&self.shape)).collect();
        parts.map(|parts| self.with_tasks(parts.concat(), self.shape.conv.output())).transpose()
    }

    /// Where the largest elements stood, where the block pools.
    pub(crate) fn winners(&self, geometry: ConvGeometry) -> Result<Option<Winners>> {
        let places = || self.tasks.iter().map(Saved::places).collect::<Vec<_>>().concat();
        let winner = self.shape.pool.then(|| self.with_tasks(places(), self.shape.output())).transpose()?;
        Ok(winner.map(|winner| Winners { winner, geometry }))
    }

    fn with_tasks<T: WithDType>(&self, data: Vec<T>, sizes: [usize; 4]) -> Result<Value> {
        tensor(data, [&[self.tasks.len()], &sizes[..]].concat())
    }
}

/// The block's result `[M, B, H', W', O]`, and what its gradient needs.
pub(crate) fn conv_block(inputs: &BlockInputs, shape: &BlockShape) -> Result<(Value, BlockSaved)> {
    let tasks = inputs[0].dim(0)?;
    let [x, w, gamma, beta] = operands(inputs)?;
    slice!(xs: f32 = x.value);
    slice!(ws: f32 = w.value);
    slice!(gammas: f32 = gamma.value);
    slice!(betas: f32 = beta.value);
    let sizes = shape.output();
    let mut out = Vec::with_capacity(tasks * sizes.iter().product::<usize>());
    let mut saved = Vec::with_capacity(tasks);
    for task in 0..tasks {
        let operands = Operands {
            x: x.of(xs, task),
            w: w.of(ws, task),
            gamma: gamma.of(gammas, task),
            beta: beta.of(betas, task),
        };
        saved.push(block::forward(Level::current(), shape, &operands, &mut out)?);
    }
    Ok((tensor(out, [&[tasks], &sizes[..]].concat())?, BlockSaved { shape: *shape, tasks: saved }))
}

/// The gradients at what went into a block, which answered `out`.
pub(crate) fn conv_block_backward(
    u: &Value,
    inputs: &BlockInputs,
    out: &Value,
    BlockSaved { shape, tasks: saved }: &BlockSaved,
    want_x: bool,
) -> Result<FusedGrads> {
    let tasks = saved.len();
    let [x, w, gamma, beta] = operands(inputs)?;
    let (u, out) = (Tasks::new(u)?, Tasks::new(out)?);
    slice!(xs: f32 = x.value);
    slice!(ws: f32 = w.value);
    slice!(gammas: f32 = gamma.value);
    slice!(betas: f32 = beta.value);
    slice!(us: f32 = u.value);
    slice!(outs: f32 = out.value);
    let mut all: [Vec<f32>; 4] = Default::default();
    for (task, saved) in saved.iter().enumerate() {
        let operands = Operands {
            x: x.of(xs, task),
            w: w.of(ws, task),
            gamma: gamma.of(gammas, task),
            beta: beta.of(betas, task),
        };
        let (out, u) = (out.of(outs, task), u.of(us, task));
        let grads = block::backward(Level::current(), shape, &operands, saved, out, u, want_x)?;
        for (all, of_task) in all.iter_mut().zip([grads.x, grads.w, grads.gamma, grads.beta]) {
            // The only task's gradient is not copied.
            if all.is_empty() { *all = of_task } else { all.extend(of_task) }
        }
    }
    let [dx, dw, dgamma, dbeta] = all;
    let channels = (tasks, shape.conv.outputs);
    Ok(smallvec![
        want_x.then(|| tensor(dx, inputs[0].shape())).transpose()?,
        Some(tensor(dw, inputs[1].shape())?),
        Some(tensor(dgamma, channels)?),
        Some(tensor(dbeta, channels)?),
    ])
}

fn operands([x, w, gamma, beta]: &BlockInputs) -> Result<[Tasks; 4]> {
    Ok([Tasks::new(x)?, Tasks::new(w)?, Tasks::new(gamma)?, Tasks::new(beta)?])
}
