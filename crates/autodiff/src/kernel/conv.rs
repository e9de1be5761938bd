//! Convolution as products over windows, for the sizes and types that `conv_task` has no kernel for. The windows of a few
//! images at a time are laid out in a scratch buffer that stays in the second-level cache; they are never stored whole.

use candle_core::Tensor as Value;
use rekindle_kernels::{Matrix, gemm, gemm_extend};

use super::composed;
use super::conv_task::{self, by_task, task_shape};
use super::view::{Real, dispatch, slice, tensor, vectorise};
use crate::Result;
use crate::ops::ConvGeometry;

/// Bytes of scratch for windows: about half of a second-level cache of our time.
const SCRATCH: usize = 1 << 20;

/// The sizes that the loops run over.
struct Sizes {
    tasks: usize,
    images: usize,
    /// Channels of the image.
    c: usize,
    /// Elements of one image, and of all windows of one image.
    image: usize,
    windows: usize,
    /// Windows of an image, and elements of a window.
    positions: usize,
    window: usize,
    /// Images whose windows fit into the scratch buffer.
    group: usize,
}

impl Sizes {
    fn new<T>(tasks: usize, images: usize, c: usize, g: ConvGeometry) -> Self {
        let (positions, window) = (g.positions(), g.taps() * c);
        let windows = positions * window;
        let group = (SCRATCH / (windows * size_of::<T>()).max(1)).clamp(1, images.max(1));
        Self { tasks, images, c, image: g.image.0 * g.image.1 * c, windows, positions, window, group }
    }
}

/// `x [M, B, H, W, C]`, `w [M, KH, KW, C, O]` to `[M, B, H', W', O]`.
pub(crate) fn conv(x: &Value, w: &Value, g: ConvGeometry) -> Result<Value> {
    let ((m, b, _, _, c), o) = (x.dims5()?, w.dims()[4]);
    let (oh, ow) = g.output();
    if x.elem_count() == 0 || w.elem_count() == 0 {
        return zeros((m, b, oh, ow, o), x);
    }
    if by_task(x, w, g) {
        return conv_task::conv(x, w, &task_shape(g, b, c, o));
    }
    dispatch!([x, w], T => {
        let (x, w) = (x.contiguous()?, w.contiguous()?);
        slice!(xs: T = x);
        slice!(ws: T = w);
        let s = Sizes::new::<T>(m, b, c, g);
        let mut scratch = vec![T::ZERO; s.group * s.windows];
        let mut out = Vec::with_capacity(m * b * s.positions * o);
        for task in 0..s.tasks {
            let weight = Matrix::dense(&ws[task * s.window * o..][..s.window * o], s.window, o);
            for images in xs[task * s.images * s.image..][..s.images * s.image].chunks(s.group * s.image) {
                let windows = lay_out(images, &mut scratch, &s, g);
                gemm_extend(Matrix::dense(windows, windows.len() / s.window, s.window), weight, &mut out);
            }
        }
        tensor(out, (m, b, oh, ow, o))
    }, {
        let windows = composed::unfold(x, g)?.reshape((m, b * g.positions(), g.taps() * c))?;
        let w = w.contiguous()?.reshape((m, g.taps() * c, o))?;
        Ok(windows.contiguous()?.matmul(&w)?.reshape((m, b, oh, ow, o))?)
    })
}

/// The gradient of [`conv`] at its input: `g [M, B, H', W', O]`, `w [M, KH, KW, C, O]` to `[M, B, H, W, C]`.
pub(crate) fn conv_t(u: &Value, w: &Value, g: ConvGeometry) -> Result<Value> {
    let ((m, b, _, _, o), c) = (u.dims5()?, w.dims()[3]);
    let shape = (m, b, g.image.0, g.image.1, c);
    if u.elem_count() == 0 || w.elem_count() == 0 {
        return zeros(shape, u);
    }
    if by_task(u, w, g) {
        return conv_task::conv_t(u, w, &task_shape(g, b, c, o));
    }
    dispatch!([u, w], T => {
        let (u, w) = (u.contiguous()?, w.contiguous()?);
        slice!(us: T = u);
        slice!(ws: T = w);
        let s = Sizes::new::<T>(m, b, c, g);
        let mut scratch = vec![T::ZERO; s.group * s.windows];
        let mut out = vec![T::ZERO; m * b * s.image];
        let grads = us.chunks(s.images * s.positions * o).zip(out.chunks_mut(s.images * s.image));
        for (task, (us, out)) in grads.enumerate() {
            let weight = Matrix::dense(&ws[task * s.window * o..][..s.window * o], s.window, o).transposed();
            for (us, out) in us.chunks(s.group * s.positions * o).zip(out.chunks_mut(s.group * s.image)) {
                let rows = us.len() / o;
                let windows = &mut scratch[..rows * s.window];
                gemm(Matrix::dense(us, rows, o), weight, windows, false);
                put_back(windows, out, &s, g);
            }
        }
        tensor(out, shape)
    }, {
        let w = w.contiguous()?.reshape((m, g.taps() * c, o))?.transpose(1, 2)?.contiguous()?;
        let windows = u.contiguous()?.reshape((m, b * g.positions(), o))?.matmul(&w)?;
        composed::fold(&windows.reshape((m, b, g.positions(), g.taps(), c))?, g)
    })
}

/// The gradient of [`conv`] at its kernel: `x [M, B, H, W, C]`, `g [M, B, H', W', O]` to `[M, KH, KW, C, O]`.
pub(crate) fn conv_w(x: &Value, u: &Value, g: ConvGeometry) -> Result<Value> {
    let ((m, b, _, _, c), o) = (x.dims5()?, u.dims()[4]);
    let shape = (m, g.kernel.0, g.kernel.1, c, o);
    if x.elem_count() == 0 || u.elem_count() == 0 {
        return zeros(shape, x);
    }
    if by_task(x, u, g) {
        return conv_task::conv_w(x, u, &task_shape(g, b, c, o));
    }
    dispatch!([x, u], T => {
        let (x, u) = (x.contiguous()?, u.contiguous()?);
        slice!(xs: T = x);
        slice!(us: T = u);
        let s = Sizes::new::<T>(m, b, c, g);
        let mut scratch = vec![T::ZERO; s.group * s.windows];
        let mut out = vec![T::ZERO; m * s.window * o];
        for (task, out) in out.chunks_mut((s.window * o).max(1)).enumerate() {
            let xs = &xs[task * s.images * s.image..][..s.images * s.image];
            let us = &us[task * s.images * s.positions * o..][..s.images * s.positions * o];
            for (images, us) in xs.chunks(s.group * s.image).zip(us.chunks(s.group * s.positions * o)) {
                let windows = lay_out(images, &mut scratch, &s, g);
                let rows = windows.len() / s.window;
                gemm(Matrix::dense(windows, rows, s.window).transposed(), Matrix::dense(us, rows, o), out, true);
            }
        }
        tensor(out, shape)
    }, {
        let windows = composed::unfold(x, g)?.reshape((m, b * g.positions(), g.taps() * c))?;
        let u = u.contiguous()?.reshape((m, b * g.positions(), o))?;
        Ok(windows.transpose(1, 2)?.contiguous()?.matmul(&u)?.reshape(shape)?)
    })
}

/// What an empty sum leaves, on the device of `like`.
fn zeros(shape: (usize, usize, usize, usize, usize), like: &Value) -> Result<Value> {
    Ok(Value::zeros(shape, like.dtype(), like.device())?)
}

/// The windows of images: `[M, B, H, W, C]` to `[M, B, H'·W', KH·KW, C]`.
pub(crate) fn unfold(x: &Value, g: ConvGeometry) -> Result<Value> {
    dispatch!([x], T => {
        let (m, b, _, _, c) = x.dims5()?;
        let x = x.contiguous()?;
        slice!(xs: T = x);
        let s = Sizes::new::<T>(m, b, c, g);
        let mut out = vec![T::ZERO; m * b * s.windows];
        for (image, windows) in xs.chunks_exact(s.image.max(1)).zip(out.chunks_exact_mut(s.windows.max(1))) {
            lay_out(image, windows, &s, g);
        }
        tensor(out, (m, b, s.positions, g.taps(), c))
    }, composed::unfold(x, g))
}

/// Windows added back into their images: `[M, B, H'·W', KH·KW, C]` to `[M, B, H, W, C]`.
pub(crate) fn fold(windows: &Value, g: ConvGeometry) -> Result<Value> {
    dispatch!([windows], T => {
        let (m, b, _, _, c) = windows.dims5()?;
        let windows = windows.contiguous()?;
        slice!(ws: T = windows);
        let s = Sizes::new::<T>(m, b, c, g);
        let mut out = vec![T::ZERO; m * b * s.image];
        for (image, windows) in out.chunks_exact_mut(s.image.max(1)).zip(ws.chunks_exact(s.windows.max(1))) {
            put_back(windows, image, &s, g);
        }
        tensor(out, (m, b, g.image.0, g.image.1, c))
    }, composed::fold(windows, g))
}

/// The range of taps of one window row that lie inside of the image, and the first pixel they read.
fn inside(origin: usize, taps: usize, padding: usize, size: usize) -> (usize, usize, usize) {
    // `origin` counts from the padded border, so pixel = origin + tap − padding.
    let first = padding.saturating_sub(origin).min(taps);
    let last = (size + padding).saturating_sub(origin).min(taps).max(first);
    (first, last, (origin + first).saturating_sub(padding))
}

/// Walks over all rows of all windows: `(offset in the windows, taps outside before, taps inside, offset in the image)`,
/// in elements. The taps of one row follow each other in the image, so that a row is one copy.
#[inline(always)]
fn for_rows(g: ConvGeometry, c: usize, mut f: impl FnMut(usize, usize, usize, usize)) {
    let ((h, w), (kh, kw), (oh, ow)) = (g.image, g.kernel, g.output());
    let row = kw * c;
    let mut at = 0;
    for oy in 0..oh {
        let (y_first, y_last, y) = inside(oy * g.stride, kh, g.padding, h);
        for ox in 0..ow {
            let (x_first, x_last, x) = inside(ox * g.stride, kw, g.padding, w);
            for ky in 0..kh {
                // A window may lie in the padding altogether.
                if ky < y_first || ky >= y_last || x_first == x_last {
                    f(at, row, 0, 0);
                } else {
                    let pixel = (y + ky - y_first) * w + x;
                    f(at, x_first * c, (x_last - x_first) * c, pixel * c);
                }
                at += row;
            }
        }
    }
}

fn lay_out<'a, T: Real>(images: &[T], scratch: &'a mut [T], s: &Sizes, g: ConvGeometry) -> &'a [T] {
    let row = g.kernel.1 * s.c;
    let n = images.len() / s.image.max(1);
    vectorise(|| {
        for (image, windows) in images.chunks_exact(s.image).zip(scratch.chunks_exact_mut(s.windows)) {
            for_rows(g, s.c, |at, before, len, from| {
                let out = &mut windows[at..at + row];
                out[..before].fill(T::ZERO);
                out[before..before + len].copy_from_slice(&image[from..from + len]);
                out[before + len..].fill(T::ZERO);
            });
        }
    });
    &scratch[..n * s.windows]
}

fn put_back<T: Real>(windows: &[T], images: &mut [T], s: &Sizes, g: ConvGeometry) {
    vectorise(|| {
        for (image, windows) in images.chunks_exact_mut(s.image).zip(windows.chunks_exact(s.windows)) {
            for_rows(g, s.c, |at, before, len, to| {
                let row = &windows[at + before..at + before + len];
                for (sum, &v) in image[to..to + len].iter_mut().zip(row) {
                    *sum += v;
                }
            });
        }
    });
}
