//! Rows of small captioned images, such as an episode with its predictions.

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

/// Rows of images under a heading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageGrid {
    /// Heading above the rows.
    pub title: String,
    /// The rows, top to bottom.
    pub rows: Vec<ImageRow>,
    /// A line below the rows; may be empty.
    pub caption: String,
}

/// A row of images with a label in front.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageRow {
    /// Label, such as `support`; may be empty.
    pub label: String,
    /// The images, left to right.
    pub images: Vec<Image>,
}

/// An image with a caption.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The image as PNG in base64.
    pub png: String,
    /// Text below the image.
    pub caption: String,
    /// Colour of its frame.
    pub mark: Mark,
}

/// Whether what the caption says is right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// Not judged: no colour.
    #[default]
    Plain,
    /// Green.
    Right,
    /// Red.
    Wrong,
}

impl ImageGrid {
    /// A grid without rows.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), rows: Vec::new(), caption: String::new() }
    }

    /// Adds a row.
    pub fn row(mut self, label: impl Into<String>, images: Vec<Image>) -> Self {
        self.rows.push(ImageRow { label: label.into(), images });
        self
    }

    /// Sets the line below the rows.
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = caption.into();
        self
    }
}

impl Image {
    /// From pixels `[H, W, C]` in row-major order, 0 black to 1 white, C = 1 (grey) or 3 (RGB). Values outside are clipped.
    ///
    /// # Errors
    /// If the length is not `H · W · C`, a size is zero, or `C` is neither 1 nor 3.
    pub fn new(
        pixels: &[f32],
        [height, width, channels]: [usize; 3],
        caption: impl Into<String>,
        mark: Mark,
    ) -> Result<Self> {
        let n = pixels.len();
        ensure!(
            n == height * width * channels && n > 0,
            "{n} values do not make an image of {height} × {width} × {channels}"
        );
        let color = match channels {
            1 => png::ColorType::Grayscale,
            3 => png::ColorType::Rgb,
            _ => bail!("an image has 1 or 3 channels, not {channels}"),
        };
        let (width, height) = (u32::try_from(width)?, u32::try_from(height)?);
        let bytes: Vec<u8> = pixels.iter().map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8).collect();
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(color);
        encoder.write_header()?.write_image_data(&bytes).context("encoding an image as PNG")?;
        Ok(Self { width, height, png: STANDARD.encode(file), caption: caption.into(), mark })
    }

    /// From a tensor `[H, W, C]` on any device; see [`Image::new`].
    ///
    /// # Errors
    /// As [`Image::new`], or if the tensor has another rank.
    pub fn from_tensor(image: &Tensor, caption: impl Into<String>, mark: Mark) -> Result<Self> {
        let (height, width, channels) = image.dims3().context("an image is a tensor [H, W, C]")?;
        let pixels = image.to_dtype(DType::F32)?.to_device(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>()?;
        Self::new(&pixels, [height, width, channels], caption, mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The decoder of the png crate gives the pixels back.
    #[test]
    fn pixels_survive_the_png() -> Result<()> {
        let pixels = Tensor::new(&[[[0.0f32], [0.5], [1.0]], [[2.0], [-1.0], [0.2]]], &Device::Cpu)?;
        let image = Image::from_tensor(&pixels, "a", Mark::Right)?;
        assert_eq!((image.width, image.height), (3, 2));
        let file = std::io::Cursor::new(STANDARD.decode(&image.png)?);
        let mut reader = png::Decoder::new(file).read_info()?;
        let mut bytes = vec![0; 6];
        reader.next_frame(&mut bytes)?;
        assert_eq!(bytes, [0, 128, 255, 255, 0, 51]);
        Ok(())
    }

    #[test]
    fn impossible_shapes_are_refused() {
        assert!(Image::new(&[0.0; 5], [2, 3, 1], "", Mark::Plain).is_err());
        assert!(Image::new(&[], [0, 3, 1], "", Mark::Plain).is_err());
        assert!(Image::new(&[0.0; 8], [2, 2, 2], "", Mark::Plain).is_err());
    }
}
