//! When a direct kernel may run, and how it reads candle tensors.

use std::borrow::Cow;
use std::cell::Cell;

use candle_core::{DType, Device, Layout, Shape, Storage, Tensor as Value, WithDType};
use rekindle_kernels::Level;

use crate::{Error, Result};

/// The element types that kernels are written for.
pub(crate) trait Real: WithDType + rekindle_kernels::Float + Copy + Send + Sync {
    const ZERO: Self;
    /// Whether it is not a number.
    fn is_nan(self) -> bool;
    /// `[outer, n, inner] → [outer, inner]`, each sum one addition after another, on a kernel where there is one.
    fn sum_in_order(data: &[Self], sizes: [usize; 3]) -> Result<Option<Vec<Self>>>;
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    #[inline(always)]
    fn is_nan(self) -> bool {
        Self::is_nan(self)
    }
    fn sum_in_order(data: &[Self], sizes: [usize; 3]) -> Result<Option<Vec<Self>>> {
        let mut out = Vec::with_capacity(sizes[0] * sizes[2]);
        rekindle_kernels::sum(Level::current(), data, sizes, &mut out)?;
        Ok(Some(out))
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    #[inline(always)]
    fn is_nan(self) -> bool {
        Self::is_nan(self)
    }
    fn sum_in_order(_: &[Self], _: [usize; 3]) -> Result<Option<Vec<Self>>> {
        Ok(None)
    }
}

thread_local! {
    static COMPOSED: Cell<usize> = const { Cell::new(0) };
}

/// A scope in which this thread runs on stock candle operations, as it would on a GPU, and no direct kernel is used.
///
/// It is the oracle of the kernels, and the way to tell whether one of them is at fault.
#[derive(Debug)]
#[must_use = "direct kernels come back when the scope is dropped"]
pub struct ComposedScope {
    // Scopes count per thread, so a scope must end on the thread that opened it.
    not_send: std::marker::PhantomData<*const ()>,
}

impl ComposedScope {
    /// Opens the scope; it ends when dropped. Scopes nest.
    pub fn new() -> Self {
        COMPOSED.set(COMPOSED.get() + 1);
        Self { not_send: std::marker::PhantomData }
    }
}

impl Default for ComposedScope {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for ComposedScope {
    fn drop(&mut self) {
        COMPOSED.set(COMPOSED.get() - 1);
    }
}

/// The element type with which a direct kernel can run on these tensors, if one can.
pub(crate) enum Direct {
    F32,
    F64,
    No,
}

/// Whether all tensors are on the CPU, of one type that kernels are written for.
pub(crate) fn direct(tensors: &[&Value]) -> Direct {
    let dtype = tensors.first().map(|t| t.dtype());
    let alike = |t: &&Value| matches!(t.device(), Device::Cpu) && Some(t.dtype()) == dtype;
    if COMPOSED.get() > 0 || !tensors.iter().all(alike) {
        return Direct::No;
    }
    match dtype {
        Some(DType::F32) => Direct::F32,
        Some(DType::F64) => Direct::F64,
        _ => Direct::No,
    }
}

/// Runs `$body` with `$t` as the element type of `$tensors` where a direct kernel can run, and `$other` where not.
macro_rules! dispatch {
    ([$($tensor:expr),+], $t:ident => $body:expr, $other:expr) => {
        match $crate::kernel::view::direct(&[$($tensor),+]) {
            $crate::kernel::view::Direct::F32 => { type $t = f32; $body }
            $crate::kernel::view::Direct::F64 => { type $t = f64; $body }
            $crate::kernel::view::Direct::No => $other,
        }
    };
}
pub(crate) use dispatch;

/// All of a CPU storage, whatever the layout.
pub(crate) fn raw<T: WithDType>(storage: &Storage) -> Result<&[T]> {
    match storage {
        Storage::Cpu(storage) => Ok(storage.as_slice::<T>()?),
        _ => Err(Error::argument("kernel", "a direct kernel was given a tensor that is not on the CPU")),
    }
}

/// The elements of a contiguous tensor.
pub(crate) fn elements<'a, T: WithDType>(storage: &'a Storage, layout: &Layout) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        // An empty view may start behind the end of its storage.
        Some((start, end)) if start == end => Ok(&[]),
        Some((start, end)) => Ok(&raw::<T>(storage)?[start..end]),
        None => Err(Error::shape("kernel", format!("needs a contiguous tensor, but got {layout:?}"))),
    }
}

/// Binds `$name` to the elements of the tensor `$tensor`, which must be contiguous, until the end of the block.
macro_rules! slice {
    ($name:ident: $t:ty = $tensor:expr) => {
        let (guard, layout) = $tensor.storage_and_layout();
        let $name = $crate::kernel::view::elements::<$t>(&guard, layout)?;
    };
}
pub(crate) use slice;

/// The tensor itself where all axes but the last `inner` ones can be walked with one stride, a copy otherwise.
pub(super) fn even_lead(x: &Value, inner: usize) -> Result<Cow<'_, Value>> {
    let lead = x.rank() - inner;
    // An axis of size 1 may have any stride; what counts is how its neighbours follow each other.
    let mut axes = x.dims()[..lead].iter().zip(&x.stride()[..lead]).filter(|(n, _)| **n != 1);
    let mut outer = axes.next();
    let even = axes.all(|inner| outer.replace(inner).is_none_or(|(_, stride)| *stride == inner.0 * inner.1));
    if even { Ok(Cow::Borrowed(x)) } else { Ok(Cow::Owned(x.contiguous()?)) }
}

/// As [`even_lead`], with the elements of a row side by side.
pub(super) fn with_rows(x: &Value, inner: usize) -> Result<Cow<'_, Value>> {
    if x.stride().last() == Some(&1) { even_lead(x, inner) } else { Ok(Cow::Owned(x.contiguous()?)) }
}

/// The distance of two tasks in a layout whose first `lead` axes can be walked with one stride.
pub(super) fn task_stride(layout: &Layout, lead: usize) -> usize {
    (0..lead).rev().find(|&axis| layout.dims()[axis] != 1).map_or(0, |axis| layout.stride()[axis])
}

/// A storage from a layout's first element on.
pub(super) fn from_start<'a, T>(data: &'a [T], layout: &Layout) -> &'a [T] {
    // An empty view may start behind the end of its storage.
    data.get(layout.start_offset()..).unwrap_or(&[])
}

/// A new CPU tensor.
pub(crate) fn tensor<T: WithDType>(data: Vec<T>, shape: impl Into<Shape>) -> Result<Value> {
    Ok(Value::from_vec(data, shape.into(), &Device::Cpu)?)
}

/// Runs a loop with the widest vector instructions that the machine has. The loop must give the same bits at every
/// width: elementwise, or with its lanes written out.
#[inline(always)]
pub(crate) fn vectorise<R>(body: impl FnOnce() -> R) -> R {
    struct Op<F>(F);
    impl<R, F: FnOnce() -> R> pulp::NullaryFnOnce for Op<F> {
        type Output = R;
        #[inline(always)]
        fn call(self) -> R {
            (self.0)()
        }
    }
    pulp::Arch::new().dispatch(Op(body))
}
