//! Pooling of images `[M, B, H, W, C]`, and the windows it runs over.

use candle_core::{DType, Tensor as Value};

use crate::kernel;
use crate::ops::ConvGeometry;
use crate::{Error, Result, Tensor};

impl Tensor {
    /// The windows of an image: `[M, B, H, W, C]` to `[M, B, H'·W', KH·KW, C]`, zeros where a window hangs over.
    ///
    /// # Errors
    /// If the tensor is no batch of images, or if the window does not fit.
    pub fn unfold(&self, kernel: (usize, usize), stride: usize, padding: usize) -> Result<Self> {
        let geometry = self.windows("unfold", kernel, stride, padding)?;
        unfold(self, geometry)
    }

    /// The largest element of each `size × size` window, `stride` apart. Rows and columns that do not fill a window are
    /// left out. In a tie the first element of the window (in row-major order) has the whole gradient, as in PyTorch.
    ///
    /// # Errors
    /// If the tensor is no batch of images, or if the window does not fit.
    pub fn max_pool2d(&self, size: usize, stride: usize) -> Result<Self> {
        let geometry = self.windows("max_pool2d", (size, size), stride, 0)?;
        if self.elem_count() == 0 {
            // candle has no largest element of nothing; an empty batch has no windows that could tell the two apart.
            return self.avg_pool2d(size, stride);
        }
        if size == stride && size <= 15 {
            return max_pool_tiles(self, geometry);
        }
        let [m, b, _, _, c] = *self.dims() else { unreachable!("`windows` checked the rank") };
        let (oh, ow) = geometry.output();
        let windows = unfold(self, geometry)?; // [M, B, H'·W', k², C]
        let best = kernel::nan_on_top(&windows.value().contiguous()?)?.argmax_keepdim(3)?;
        windows.gather(3, &best)?.reshape((m, b, oh, ow, c))
    }

    /// The mean of each `size × size` window, `stride` apart. Rows and columns that do not fill a window are left out.
    ///
    /// # Errors
    /// If the tensor is no batch of images, or if the window does not fit.
    pub fn avg_pool2d(&self, size: usize, stride: usize) -> Result<Self> {
        let geometry = self.windows("avg_pool2d", (size, size), stride, 0)?;
        let [m, b, _, _, c] = *self.dims() else { unreachable!("`windows` checked the rank") };
        let (oh, ow) = geometry.output();
        unfold(self, geometry)?.mean(&[3])?.reshape((m, b, oh, ow, c))
    }

    /// Each pixel repeated `factor × factor` times (nearest neighbour).
    ///
    /// # Errors
    /// If the tensor is no batch of images.
    pub fn upsample_nearest2d(&self, factor: usize) -> Result<Self> {
        let &[m, b, h, w, c] = self.dims() else { return Err(self.not_images("upsample_nearest2d")) };
        let raised = self.reshape((m * b, h, 1, w, c))?.broadcast_to((m * b, h, factor, w, c))?;
        let raised = raised.reshape((m * b, h * factor, w, 1, c))?;
        let raised = raised.broadcast_to((m * b, h * factor, w, factor, c))?;
        raised.reshape((m, b, h * factor, w * factor, c))
    }

    fn windows(&self, op: &'static str, k: (usize, usize), stride: usize, padding: usize) -> Result<ConvGeometry> {
        let &[_, _, h, w, _] = self.dims() else { return Err(self.not_images(op)) };
        let geometry = ConvGeometry { kernel: k, stride, padding, image: (h, w) };
        geometry.validate(op)?;
        Ok(geometry)
    }

    fn not_images(&self, op: &'static str) -> Error {
        Error::shape(op, format!("needs images [M, B, H, W, C], but the shape is {:?}", self.shape()))
    }
}

fn unfold(x: &Tensor, geometry: ConvGeometry) -> Result<Tensor> {
    let y = kernel::unfold(x.value(), geometry)?;
    Ok(Tensor::unary(y, x, move |up| fold(up.grad(), geometry)))
}

/// The adjoint of [`unfold`]: windows added back into the image.
fn fold(x: &Tensor, geometry: ConvGeometry) -> Result<Tensor> {
    let y = kernel::fold(x.value(), geometry)?;
    Ok(Tensor::unary(y, x, move |up| unfold(up.grad(), geometry)))
}

/// Windows that tile the image: which element won is one byte an output, and taking and putting are adjoint.
fn max_pool_tiles(x: &Tensor, geometry: ConvGeometry) -> Result<Tensor> {
    let (y, winner) = kernel::max_pool(x.value(), geometry)?;
    debug_assert_eq!(winner.dtype(), DType::U8);
    Ok(Tensor::unary(y, x, move |up| pool_put(up.grad(), &winner, geometry)))
}

fn pool_put(u: &Tensor, winner: &Value, geometry: ConvGeometry) -> Result<Tensor> {
    let held = winner.clone();
    let y = kernel::pool_put(u.value(), winner, geometry)?;
    Ok(Tensor::unary(y, u, move |up| pool_take(up.grad(), &held, geometry)))
}

fn pool_take(x: &Tensor, winner: &Value, geometry: ConvGeometry) -> Result<Tensor> {
    let held = winner.clone();
    let y = kernel::pool_take(x.value(), winner, geometry)?;
    Ok(Tensor::unary(y, x, move |up| pool_put(up.grad(), &held, geometry)))
}
