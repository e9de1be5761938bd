//! PNG and JPEG bytes to pixels.

use std::path::Path;

use crate::resize::Bytes;
use crate::{Error, Result};

/// Decodes a PNG or JPEG image to RGB, transparent parts over white.
///
/// `path` stands in the error alone.
pub(crate) fn rgb(bytes: &[u8], path: &Path) -> Result<Bytes> {
    let fail = |reason: String| Error::Image { path: path.to_path_buf(), reason };
    if bytes.is_empty() {
        return Err(fail("the file is empty".into()));
    }
    let image = image::load_from_memory(bytes).map_err(|e| fail(e.to_string()))?.to_rgba8();
    let over_white = |v: u8, alpha: u8| {
        let (v, alpha) = (u32::from(v), u32::from(alpha));
        ((v * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    let pixels =
        image.pixels().flat_map(|&image::Rgba([r, g, b, alpha])| [r, g, b].map(|v| over_white(v, alpha))).collect();
    Ok(Bytes { height: image.height() as usize, width: image.width() as usize, channels: 3, pixels })
}

/// The same in one channel, its luma.
pub(crate) fn grey(bytes: &[u8], path: &Path) -> Result<Bytes> {
    let image = rgb(bytes, path)?;
    Ok(Bytes { channels: 1, pixels: crate::grey::luma(&image.pixels), ..image })
}
