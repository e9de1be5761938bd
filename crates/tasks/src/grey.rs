//! Between colour and grey.

/// Luma of RGB pixels by the weights of ITU-R BT.601, rounded: `[…, 3]` to `[…, 1]`.
pub(crate) fn luma(rgb: &[u8]) -> Vec<u8> {
    let luma = |rgb: &[u8]| {
        let [r, g, b] = [rgb[0], rgb[1], rgb[2]].map(u32::from);
        ((299 * r + 587 * g + 114 * b + 500) / 1000) as u8
    };
    rgb.chunks_exact(3).map(luma).collect()
}

/// Three equal channels of each grey value: `[…, 1]` to `[…, 3]`.
pub(crate) fn repeat(grey: &[u8]) -> Vec<u8> {
    grey.iter().flat_map(|&v| [v; 3]).collect()
}
