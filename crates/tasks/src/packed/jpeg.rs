//! Packed JPEG files: image k is `jpeg[offset[k] .. offset[k + 1]]`.

use safetensors::Dtype;

use super::Packed;
use crate::resize::area_average;
use crate::{LabelledImages, Result, decode};

impl Packed {
    /// The images of a JPEG pack, decoded to RGB and brought to `[height, width]` by area average: bytes `jpeg`, bounds
    /// `offset [B + 1]` and labels `class [B]`.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) when a tensor is missing, of another type, or the bounds do not fit the
    /// bytes; [`Error::Image`](crate::Error::Image) for an image that does not decode;
    /// [`Error::Shape`](crate::Error::Shape) for a size of 0.
    pub fn jpegs(&self, height: usize, width: usize) -> Result<LabelledImages> {
        let view = self.view("jpeg")?;
        if view.dtype() != Dtype::U8 {
            return Err(self.format(&format!("its tensor `jpeg` is {:?}, not U8", view.dtype())));
        }
        let (offsets, labels, bytes) = (self.integers("offset")?, self.labels("class")?, view.data());
        if offsets.len() != labels.len() + 1 {
            let (bounds, n) = (offsets.len(), labels.len());
            return Err(self.format(&format!("it has {n} labels in `class`, but {bounds} bounds in `offset`")));
        }
        let mut pixels = Vec::with_capacity(labels.len() * height * width * 3);
        for (k, bounds) in offsets.windows(2).enumerate() {
            let jpeg = usize::try_from(bounds[0]).ok().zip(usize::try_from(bounds[1]).ok());
            let jpeg = jpeg.and_then(|(start, end)| bytes.get(start..end)).ok_or_else(|| {
                let (start, end, n) = (bounds[0], bounds[1], bytes.len());
                self.format(&format!("image {k} is said to be the bytes {start} .. {end} of {n}"))
            })?;
            let image = decode::rgb(jpeg, &self.path.join(format!("image {k}")))?;
            if [image.height, image.width] == [height, width] {
                pixels.extend(image.pixels);
            } else {
                pixels.extend(area_average(&image, height, width));
            }
        }
        LabelledImages::new([height, width, 3], pixels, labels)
    }
}
