//! Two-dimensional convolution with a kernel for every task, in the order NHWC.
//!
//! Three bilinear maps close under differentiation, so that every order runs on the same three kernels:
//!
//! | map | from | to | its derivatives |
//! |---|---|---|---|
//! | `conv` | x, w | y | `conv_t(u, w)`, `conv_w(x, u)` |
//! | `conv_t` (transposed) | g, w | x | `conv(u, w)`, `conv_w(u, g)` |
//! | `conv_w` (kernel gradient) | x, g | w | `conv_t(g, u)`, `conv(x, u)` |
//!
//! Like everyone's deep-learning convolution it is a correlation: the kernel is not flipped.

use smallvec::smallvec;

use crate::kernel;
use crate::{Error, Result, Tensor};

/// The sizes of a two-dimensional convolution or pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvGeometry {
    /// Height and width of the kernel.
    pub kernel: (usize, usize),
    /// Step between two windows, in both directions, `≥ 1`.
    pub stride: usize,
    /// Rows and columns of zeros added on every side.
    pub padding: usize,
    /// Height and width of the image.
    pub image: (usize, usize),
}

impl ConvGeometry {
    /// Height and width of the output, `⌊(size + 2·padding − kernel) / stride⌋ + 1`.
    #[must_use]
    pub fn output(&self) -> (usize, usize) {
        let side = |size: usize, k: usize| (size + 2 * self.padding - k) / self.stride + 1;
        (side(self.image.0, self.kernel.0), side(self.image.1, self.kernel.1))
    }

    /// Pixels of the output.
    #[must_use]
    pub fn positions(&self) -> usize {
        self.output().0 * self.output().1
    }

    /// Elements of the kernel in one channel.
    #[must_use]
    pub fn taps(&self) -> usize {
        self.kernel.0 * self.kernel.1
    }

    pub(crate) fn validate(&self, op: &'static str) -> Result<()> {
        let padded = (self.image.0 + 2 * self.padding, self.image.1 + 2 * self.padding);
        if self.stride == 0 || self.taps() == 0 || self.kernel.0 > padded.0 || self.kernel.1 > padded.1 {
            let message = format!("{self:?}: needs stride ≥ 1 and a kernel that fits into the padded image");
            return Err(Error::argument(op, message));
        }
        Ok(())
    }
}

impl Tensor {
    /// Convolution of `x [M, B, H, W, C]` with `w [M or 1, KH, KW, C, O]` to `[M, B, H', W', O]`.
    ///
    /// # Errors
    /// If the shapes do not fit, or if the kernel is larger than the padded image.
    pub fn conv2d(&self, w: &Self, stride: usize, padding: usize) -> Result<Self> {
        let (&[m, b, h, width, c], &[mw, kh, kw, cw, _]) = (self.dims(), w.dims()) else {
            return Err(mismatch(self, w));
        };
        if c != cw || (mw != m && mw != 1 && m != 1) {
            return Err(mismatch(self, w));
        }
        let geometry = ConvGeometry { kernel: (kh, kw), stride, padding, image: (h, width) };
        geometry.validate("conv2d")?;
        let (oh, ow) = geometry.output();
        let o = w.dims()[4];
        if mw == 1 && !kernel::by_task(self.value(), w.value(), geometry) {
            // With a shared kernel the tasks are only more images.
            let x = self.reshape((1, m * b, h, width, c))?;
            return conv(&x, w, geometry)?.reshape((m, b, oh, ow, o));
        }
        let tasks = if m == 1 { mw } else { m };
        conv(&self.broadcast_to((tasks, b, h, width, c))?, &w.broadcast_to((tasks, kh, kw, c, o))?, geometry)
    }
}

fn mismatch(x: &Tensor, w: &Tensor) -> Error {
    let message = format!(
        "x {:?}, kernel {:?}; expected x [M, B, H, W, C] and kernel [M or 1, KH, KW, C, O]",
        x.shape(),
        w.shape()
    );
    Error::shape("conv2d", message)
}

/// A bilinear map with its two derivatives, each from the upstream gradient and the other operand.
pub(super) fn bilinear(
    y: candle_core::Tensor,
    a: &Tensor,
    b: &Tensor,
    by_a: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync + 'static,
    by_b: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync + 'static,
) -> Tensor {
    let held_a = b.is_tracked().then(|| a.clone());
    let held_b = a.is_tracked().then(|| b.clone());
    Tensor::custom(y, &[a, b], move |up| {
        let ga = held_b.as_ref().filter(|_| up.wants(0)).map(|b| by_a(up.grad(), b)).transpose()?;
        let gb = held_a.as_ref().filter(|_| up.wants(1)).map(|a| by_b(up.grad(), a)).transpose()?;
        Ok(smallvec![ga, gb])
    })
}

fn conv(x: &Tensor, w: &Tensor, geometry: ConvGeometry) -> Result<Tensor> {
    let y = kernel::conv(x.value(), w.value(), geometry)?;
    Ok(convolved(y, x, w, geometry))
}

/// The convolution of tensors with equally many tasks, whose value is known.
pub(super) fn convolved(y: candle_core::Tensor, x: &Tensor, w: &Tensor, geometry: ConvGeometry) -> Tensor {
    bilinear(y, x, w, move |u, w| conv_t(u, w, geometry), move |u, x| conv_w(x, u, geometry))
}

fn conv_t(g: &Tensor, w: &Tensor, geometry: ConvGeometry) -> Result<Tensor> {
    let y = kernel::conv_t(g.value(), w.value(), geometry)?;
    Ok(bilinear(y, g, w, move |u, w| conv(u, w, geometry), move |u, g| conv_w(u, g, geometry)))
}

fn conv_w(x: &Tensor, g: &Tensor, geometry: ConvGeometry) -> Result<Tensor> {
    let y = kernel::conv_w(x.value(), g.value(), geometry)?;
    Ok(bilinear(y, x, g, move |u, g| conv_t(g, u, geometry), move |u, x| conv(x, u, geometry)))
}
