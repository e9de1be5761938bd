//! Random changes of training images, after which they still show the same thing.
//!
//! Crop with padding and flip: He et al., *Deep residual learning for image recognition*, 2016, §4.2. Colours: the
//! jitter of torchvision, which Lee et al., *Meta-learning with differentiable convex optimization*, 2019, use for
//! few-shot learning. Differs from it: brightness, contrast and saturation change in this order, not in a random one.

use candle_core::Tensor;
use rand::{Rng, RngCore};

use crate::{Batch, Change, Error, Result, TaskBatch};

/// Which random changes images get, each image its own. Default: crop and flip, for 32 × 32 images.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use rekindle_tasks::{Augment, batch_rng};
///
/// let images = Tensor::zeros((1, 5, 32, 32, 3), DType::F32, &Device::Cpu)?;
/// let changed = Augment::default().apply(&mut batch_rng(0, 0), &images)?;
/// assert_eq!(changed.dims(), images.dims());
/// # Ok::<(), rekindle_tasks::Error>(())
/// ```
///
/// All images of tasks:
///
/// ```
/// use rekindle_tasks::{Augment, FewShot, FewShotSampler, Glyphs, TaskSampler, batch_rng};
///
/// let tasks = FewShotSampler::new(Glyphs::default(), FewShot::default())?;
/// let changed = tasks.then(Augment { flip: false, ..Augment::default() });
/// assert_eq!(changed.sample(&mut batch_rng(0, 0), 2)?.support.x.dims(), [2, 5, 28, 28, 1]);
/// # Ok::<(), rekindle_tasks::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Augment {
    /// Black pixels that are put around an image before a part of its old size is cut out at random; 0: no crop. 4 for
    /// 32 × 32 images (He et al.), 8 for 84 × 84 (Lee et al.).
    pub padding: usize,
    /// Whether every other image, at random, is mirrored left to right.
    pub flip: bool,
    /// Brightness is multiplied by U(1 − b, 1 + b); b in `[0, 1]`, 0.4 in Lee et al.
    pub brightness: f64,
    /// The distance from the mean luma is multiplied by U(1 − c, 1 + c); c in `[0, 1]`, 0.4 in Lee et al.
    pub contrast: f64,
    /// The distance from grey is multiplied by U(1 − s, 1 + s); s in `[0, 1]`, 0.4 in Lee et al. Nothing to grey
    /// images.
    pub saturation: f64,
}

impl Default for Augment {
    fn default() -> Self {
        Self { padding: 4, flip: true, brightness: 0.0, contrast: 0.0, saturation: 0.0 }
    }
}

impl Augment {
    /// Checks the ranges that the fields state.
    ///
    /// # Errors
    /// [`Error::Config`] that names the field.
    pub fn validate(&self) -> Result<()> {
        let widths = [("brightness", self.brightness), ("contrast", self.contrast), ("saturation", self.saturation)];
        for (field, value) in widths {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::Config { field, value: value.to_string(), expected: "in [0, 1]" });
            }
        }
        Ok(())
    }

    /// Changed copies of `images [.., H, W, C]`, f32 in `[0, 1]`, of one or three channels.
    ///
    /// # Errors
    /// [`Error::Config`] from [`validate`](Self::validate), [`Error::Shape`] for other channels or fewer axes,
    /// [`Error::Candle`] for another type.
    pub fn apply(&self, rng: &mut dyn RngCore, images: &Tensor) -> Result<Tensor> {
        self.validate()?;
        let &[.., height, width, channels @ (1 | 3)] = images.dims() else {
            let found = images.dims().to_vec();
            return Err(Error::Shape { what: "images", found, expected: "[.., H, W, 1] or [.., H, W, 3]" });
        };
        let mut pixels = images.flatten_all()?.to_vec1::<f32>()?;
        for image in pixels.chunks_exact_mut((height * width * channels).max(1)) {
            self.crop(rng, image, [height, width, channels]);
            if self.flip && rng.random() {
                mirror(image, width, channels);
            }
            self.jitter(rng, image, channels);
        }
        Ok(Tensor::from_vec(pixels, images.shape(), images.device())?)
    }

    /// Moves the image by up to `padding` pixels along each side; what comes in is black.
    fn crop(&self, rng: &mut dyn RngCore, image: &mut [f32], [height, width, channels]: [usize; 3]) {
        if self.padding == 0 {
            return;
        }
        let whole = image.to_vec();
        let [down, right] = [(); 2].map(|()| rng.random_range(0..=2 * self.padding));
        // The padded image has this one at (padding, padding); the part is cut out at (down, right).
        let source = |at: usize, shift: usize, size: usize| {
            (at + shift).checked_sub(self.padding).filter(|&source| source < size)
        };
        for (i, pixel) in image.chunks_exact_mut(channels).enumerate() {
            match source(i / width, down, height).zip(source(i % width, right, width)) {
                Some((row, column)) => pixel.copy_from_slice(&whole[(row * width + column) * channels..][..channels]),
                None => pixel.fill(0.0),
            }
        }
    }

    fn jitter(&self, rng: &mut dyn RngCore, image: &mut [f32], channels: usize) {
        let mut factor = |width: f64| (1.0 + width * (2.0 * rng.random::<f64>() - 1.0)) as f32;
        if self.brightness > 0.0 {
            let factor = factor(self.brightness);
            image.iter_mut().for_each(|v| *v = (*v * factor).clamp(0.0, 1.0));
        }
        if self.contrast > 0.0 {
            let mean = image.chunks_exact(channels).map(luma).sum::<f32>() / (image.len() / channels) as f32;
            let factor = factor(self.contrast);
            image.iter_mut().for_each(|v| *v = (mean + factor * (*v - mean)).clamp(0.0, 1.0));
        }
        if self.saturation > 0.0 {
            let factor = factor(self.saturation);
            for pixel in image.chunks_exact_mut(channels) {
                let grey = luma(pixel);
                pixel.iter_mut().for_each(|v| *v = (grey + factor * (*v - grey)).clamp(0.0, 1.0));
            }
        }
    }
}

impl Change for Augment {
    /// Changes every image, of the support and of the query set, on its own.
    fn change(&self, TaskBatch { support, query }: TaskBatch, rng: &mut dyn RngCore) -> Result<TaskBatch> {
        let mut changed = |batch: Batch| -> Result<Batch> {
            let &[_, _, _, _, _] = batch.x.dims() else {
                let expected = "images [M, B, H, W, C]";
                return Err(Error::Shape { what: "x", found: batch.x.dims().to_vec(), expected });
            };
            Ok(Batch { x: self.apply(rng, &batch.x)?, y: batch.y })
        };
        Ok(TaskBatch { support: changed(support)?, query: changed(query)? })
    }
}

/// Mirrors an image left to right.
fn mirror(image: &mut [f32], width: usize, channels: usize) {
    for row in image.chunks_exact_mut(width * channels) {
        // Turned around as a whole, a row has its channels in the wrong order; turned within each pixel, they are
        // right.
        row.reverse();
        row.chunks_exact_mut(channels).for_each(<[f32]>::reverse);
    }
}

/// Luma of a pixel by the weights of ITU-R BT.601; a grey value itself.
fn luma(pixel: &[f32]) -> f32 {
    match *pixel {
        [r, g, b] => 0.299 * r + 0.587 * g + 0.114 * b,
        _ => pixel[0],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FewShot, FewShotSampler, Glyphs, Line, TaskSampler, batch_rng};

    /// Without a change to make, the tasks are those of the sampler; with one, images differ and labels stay.
    #[test]
    fn images_change_and_labels_stay() -> Result<()> {
        let tasks = FewShotSampler::new(Glyphs::default(), FewShot { queries: 2, ..FewShot::default() })?;
        let plain = tasks.sample(&mut batch_rng(1, 0), 2)?;
        let with = |augment| tasks.clone().then(augment).sample_at(&mut batch_rng(1, 0), 2, 7);
        let (same, other) =
            (with(Augment { padding: 0, flip: false, ..Augment::default() })?, with(Augment::default())?);
        let values = |batch: &Batch| batch.x.flatten_all()?.to_vec1::<f32>();
        for (of, same, other) in
            [(&plain.support, &same.support, &other.support), (&plain.query, &same.query, &other.query)]
        {
            assert_eq!(values(of)?, values(same)?);
            assert_ne!(values(of)?, values(other)?);
            assert_eq!(of.y.to_vec2::<u32>()?, other.y.to_vec2::<u32>()?);
        }
        Ok(())
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let lines = Line::default().then(Augment::default());
        let message = lines.sample(&mut batch_rng(0, 0), 1).unwrap_err().to_string();
        assert_eq!(message, "x has shape [1, 10, 1], expected images [M, B, H, W, C]");
    }
}
