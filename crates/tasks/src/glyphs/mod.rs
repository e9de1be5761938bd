//! Glyphs: an endless alphabet of handwritten-like characters that needs no download.
//!
//! A class number seeds a *stroke program* (`program`); every drawing of the class performs that program with a
//! different hand (`hand`) and pen (`raster`). The idea of characters as programs of strokes that start on one
//! another and share parts is that of Lake, Salakhutdinov & Tenenbaum, *Human-level concept learning through
//! probabilistic program induction*, 2015; the grammar and its figures here are our own, tuned so that nearest
//! neighbours in pixels are about as often right as on Omniglot.

mod attributes;
mod hand;
mod program;
mod random;
mod raster;

pub use attributes::AttributeGlyphs;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::dataset::check_example;
use crate::{ClassDataset, Result};

/// A data set of glyphs, `[size, size, 1]` each, ink 1 on paper 0. Nothing is stored: an example is drawn when it is
/// asked for.
///
/// Pixels depend on (seed, class, example) alone, and on no platform's arithmetic: the same everywhere, bit for bit.
/// Drawing takes some ten microseconds; [`InMemory::copy_of`](crate::InMemory::copy_of) makes a copy that reads
/// faster still. Defaults: the numbers of Omniglot, 1623 classes of 20 drawings at 28 × 28.
///
/// ```
/// use rekindle_tasks::{FewShot, FewShotSampler, Glyphs, TaskSampler, batch_rng};
///
/// let sampler = FewShotSampler::new(Glyphs::default(), FewShot::default())?;
/// let tasks = sampler.sample(&mut batch_rng(0, 0), 32)?;
/// assert_eq!(tasks.support.x.dims(), [32, 5, 28, 28, 1]);
/// # Ok::<(), rekindle_tasks::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glyphs {
    /// Number of classes; any number, up to `usize::MAX`.
    pub n_classes: usize,
    /// Drawings per class; any number.
    pub n_examples: usize,
    /// Height and width in pixels; characters become hard to tell apart below about 16.
    pub size: usize,
    /// Which alphabet: another seed gives other characters.
    pub seed: u64,
}

impl Default for Glyphs {
    fn default() -> Self {
        Self { n_classes: 1623, n_examples: 20, size: 28, seed: 0 }
    }
}

impl Glyphs {
    /// The generator of one class (`example` = `None`) or of one of its drawings.
    fn rng(&self, class: usize, example: Option<usize>) -> ChaCha8Rng {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..16].copy_from_slice(&(class as u64).to_le_bytes());
        key[16] = u8::from(example.is_some());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(example.unwrap_or(0) as u64);
        rng
    }
}

impl ClassDataset for Glyphs {
    fn n_classes(&self) -> usize {
        self.n_classes
    }

    fn n_examples(&self, class: usize) -> usize {
        if class < self.n_classes { self.n_examples } else { 0 }
    }

    fn smallest_class(&self) -> usize {
        0
    }

    fn image_shape(&self) -> [usize; 3] {
        [self.size, self.size, 1]
    }

    fn class_name(&self, class: usize) -> String {
        format!("glyph{class:05}")
    }

    fn write_example(&self, class: usize, example: usize, out: &mut [f32]) -> Result<()> {
        check_example(self, class, example, out)?;
        let strokes = program::compose(&mut self.rng(class, None));
        let mut rng = self.rng(class, Some(example));
        let drawing = hand::perform(&strokes, self.size as f32, &mut rng);
        raster::ink(&drawing, self.size, out);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
