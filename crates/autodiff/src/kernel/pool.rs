//! Max pooling over tiles. Which element of its tile won is stored as one byte an output.

use candle_core::Tensor as Value;

use super::composed;
use super::view::{Real, dispatch, slice, tensor, vectorise};
use crate::Result;
use crate::ops::ConvGeometry;

/// The largest elements `[M, B, H', W', C]` of the tiles, and the number of each within its tile, as `u8`.
pub(crate) fn max_pool(x: &Value, g: ConvGeometry) -> Result<(Value, Value)> {
    dispatch!([x], T => direct::<T>(x, g), composed::max_pool(x, g))
}

fn direct<T: Real>(x: &Value, g: ConvGeometry) -> Result<(Value, Value)> {
    let ((m, b, _, _, c), (oh, ow)) = (x.dims5()?, g.output());
    let x = x.contiguous()?;
    slice!(xs: T = x);
    let mut best = vec![T::ZERO; m * b * oh * ow * c];
    let mut winner = vec![0u8; best.len()];
    vectorise(|| {
        for_tiles(g, c, m * b, |tap, from, to| {
            let (values, best, winner) = (&xs[from..from + c], &mut best[to..to + c], &mut winner[to..to + c]);
            if tap == 0 {
                best.copy_from_slice(values);
                return;
            }
            for ((best, winner), &v) in best.iter_mut().zip(winner).zip(values) {
                // The first of equal elements wins; a NaN wins over everything, so that it shows.
                let wins = v > *best || v.is_nan();
                *best = if wins { v } else { *best };
                *winner = if wins { tap } else { *winner };
            }
        });
    });
    Ok((tensor(best, (m, b, oh, ow, c))?, tensor(winner, (m, b, oh, ow, c))?))
}

/// The elements that won: `[M, B, H, W, C]` to `[M, B, H', W', C]`.
pub(crate) fn pool_take(x: &Value, winner: &Value, g: ConvGeometry) -> Result<Value> {
    dispatch!([x], T => {
        let ((m, b, _, _, c), (oh, ow)) = (x.dims5()?, g.output());
        let x = x.contiguous()?;
        slice!(xs: T = x);
        slice!(winners: u8 = winner);
        let mut out = vec![T::ZERO; m * b * oh * ow * c];
        vectorise(|| for_tiles(g, c, m * b, |tap, from, to| {
            let values = xs[from..from + c].iter().zip(&winners[to..to + c]);
            for (out, (&v, &winner)) in out[to..to + c].iter_mut().zip(values) {
                *out = if winner == tap { v } else { *out };
            }
        }));
        tensor(out, (m, b, oh, ow, c))
    }, composed::pool_take(x, winner, g))
}

/// Values put where their winner stood, zeros elsewhere: `[M, B, H', W', C]` to `[M, B, H, W, C]`.
pub(crate) fn pool_put(u: &Value, winner: &Value, g: ConvGeometry) -> Result<Value> {
    dispatch!([u], T => {
        let (m, b, _, _, c) = u.dims5()?;
        let u = u.contiguous()?;
        slice!(us: T = u);
        slice!(winners: u8 = winner);
        let mut out = vec![T::ZERO; m * b * g.image.0 * g.image.1 * c];
        vectorise(|| for_tiles(g, c, m * b, |tap, to, from| {
            let values = us[from..from + c].iter().zip(&winners[from..from + c]);
            for (out, (&v, &winner)) in out[to..to + c].iter_mut().zip(values) {
                *out = if winner == tap { v } else { T::ZERO };
            }
        }));
        tensor(out, (m, b, g.image.0, g.image.1, c))
    }, composed::pool_put(u, winner, g))
}

/// Calls `f(tap, offset in the image, offset in the output)` for every element of every tile, tile by tile.
#[inline(always)]
fn for_tiles(g: ConvGeometry, c: usize, images: usize, mut f: impl FnMut(u8, usize, usize)) {
    let ((h, w), (oh, ow), k) = (g.image, g.output(), g.stride);
    let mut to = 0;
    for image in 0..images {
        for (oy, ox) in (0..oh).flat_map(|oy| (0..ow).map(move |ox| (oy, ox))) {
            for (tap, (ky, kx)) in (0u8..).zip((0..k).flat_map(|ky| (0..k).map(move |kx| (ky, kx)))) {
                f(tap, ((image * h + oy * k + ky) * w + ox * k + kx) * c, to);
            }
            to += c;
        }
    }
}
