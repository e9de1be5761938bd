//! Windows and pooling from stock candle operations, for devices without a kernel of ours.

use candle_core::{DType, Device, Tensor as Value};

use crate::Result;
use crate::ops::ConvGeometry;

/// `[M, B, H, W, C]` to `[M, B, H'·W', KH·KW, C]`.
pub(crate) fn unfold(x: &Value, g: ConvGeometry) -> Result<Value> {
    let (m, b, _, _, c) = x.dims5()?;
    let padded = pad(&x.contiguous()?, g.padding)?;
    let pixels = padded.dim(2)? * padded.dim(3)?;
    let flat = padded.reshape((m * b, pixels, c))?;
    let windows = flat.index_select(&indices(g, x.device())?, 1)?;
    Ok(windows.reshape((m, b, g.positions(), g.taps(), c))?)
}

/// `[M, B, H'·W', KH·KW, C]` to `[M, B, H, W, C]`.
pub(crate) fn fold(windows: &Value, g: ConvGeometry) -> Result<Value> {
    let (m, b, _, _, c) = windows.dims5()?;
    let (h, w) = (g.image.0 + 2 * g.padding, g.image.1 + 2 * g.padding);
    let flat = windows.contiguous()?.reshape((m * b, g.positions() * g.taps(), c))?;
    let zeros = Value::zeros((m * b, h * w, c), windows.dtype(), windows.device())?;
    let image = zeros.index_add(&indices(g, windows.device())?, &flat, 1)?.reshape((m, b, h, w, c))?;
    Ok(image.narrow(2, g.padding, g.image.0)?.narrow(3, g.padding, g.image.1)?.contiguous()?)
}

fn pad(x: &Value, n: usize) -> Result<Value> {
    if n == 0 { Ok(x.clone()) } else { Ok(x.pad_with_zeros(2, n, n)?.pad_with_zeros(3, n, n)?.contiguous()?) }
}

/// The padded image's pixel under each tap of each window.
fn indices(g: ConvGeometry, device: &Device) -> Result<Value> {
    let ((oh, ow), (kh, kw), width) = (g.output(), g.kernel, g.image.1 + 2 * g.padding);
    let mut ids = Vec::with_capacity(g.positions() * g.taps());
    for (oy, ox) in (0..oh).flat_map(|oy| (0..ow).map(move |ox| (oy, ox))) {
        for (ky, kx) in (0..kh).flat_map(|ky| (0..kw).map(move |kx| (ky, kx))) {
            let pixel = (oy * g.stride + ky) * width + ox * g.stride + kx;
            ids.push(u32::try_from(pixel).expect("an image has fewer than 2³² pixels"));
        }
    }
    let len = ids.len();
    Ok(Value::from_vec(ids, len, device)?)
}

/// The tiles of pooling, `[M, B, H, W, C]` to `[M·B, H', W', k², C]`; what does not fill a tile is left out.
fn tiles(x: &Value, g: ConvGeometry) -> Result<Value> {
    let ((m, b, _, _, c), (oh, ow), k) = (x.dims5()?, g.output(), g.stride);
    let cropped = x.narrow(2, 0, oh * k)?.narrow(3, 0, ow * k)?.contiguous()?;
    let split = cropped.reshape(&[m * b, oh, k, ow, k, c][..])?.permute([0, 1, 3, 2, 4, 5])?;
    Ok(split.contiguous()?.reshape((m * b, oh, ow, k * k, c))?)
}

/// The inverse of [`tiles`], with zeros where the image was cropped.
fn untile(tiles: &Value, m: usize, b: usize, g: ConvGeometry) -> Result<Value> {
    let ((_, oh, ow, _, c), k) = (tiles.dims5()?, g.stride);
    let split = tiles.contiguous()?.reshape(&[m * b, oh, ow, k, k, c][..])?.permute([0, 1, 3, 2, 4, 5])?;
    let image = split.contiguous()?.reshape((m, b, oh * k, ow * k, c))?;
    let image = image.pad_with_zeros(2, 0, g.image.0 - oh * k)?.pad_with_zeros(3, 0, g.image.1 - ow * k)?;
    Ok(image.contiguous()?)
}

/// What `argmax` is to look at: a NaN ranks above every number, so that it shows in the result.
pub(crate) fn nan_on_top(x: &Value) -> Result<Value> {
    Ok(x.ne(x)?.where_cond(&x.ones_like()?.affine(f64::INFINITY, 0.0)?, x)?)
}

/// One where a tile's element has the number of the winner, `[M·B, H', W', k², C]`.
fn winners(winner: &Value, g: ConvGeometry) -> Result<Value> {
    let (m, b, oh, ow, c) = winner.dims5()?;
    let taps = u32::try_from(g.taps()).expect("a window has fewer than 2³² elements");
    let ids = Value::arange(0u32, taps, winner.device())?.reshape((1, 1, 1, g.taps(), 1))?;
    let winner = winner.to_dtype(DType::U32)?.reshape((m * b, oh, ow, 1, c))?;
    Ok(winner.broadcast_eq(&ids)?)
}

/// As the kernel of this name.
pub(crate) fn max_pool(x: &Value, g: ConvGeometry) -> Result<(Value, Value)> {
    let ((m, b, _, _, c), (oh, ow)) = (x.dims5()?, g.output());
    let winner = nan_on_top(&tiles(x, g)?)?.argmax(3)?.to_dtype(DType::U8)?.reshape((m, b, oh, ow, c))?;
    Ok((pool_take(x, &winner, g)?, winner))
}

/// As the kernel of this name.
pub(crate) fn pool_take(x: &Value, winner: &Value, g: ConvGeometry) -> Result<Value> {
    // Chosen, not multiplied by 0 and 1: an infinity beside the winner would leave a NaN.
    let tiles = tiles(x, g)?;
    let chosen = winners(winner, g)?.where_cond(&tiles, &tiles.zeros_like()?)?.sum(3)?;
    Ok(chosen.reshape(winner.shape())?)
}

/// As the kernel of this name.
pub(crate) fn pool_put(u: &Value, winner: &Value, g: ConvGeometry) -> Result<Value> {
    let (m, b, oh, ow, c) = u.dims5()?;
    let u = u.contiguous()?.reshape((m * b, oh, ow, 1, c))?.broadcast_as((m * b, oh, ow, g.taps(), c))?;
    untile(&winners(winner, g)?.where_cond(&u, &u.zeros_like()?)?, m, b, g)
}
