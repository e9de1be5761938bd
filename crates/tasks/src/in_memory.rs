//! A data set held in memory.

use candle_core::{DType, Tensor};

use crate::dataset::check_example;
use crate::{ClassDataset, Error, Result};

/// Images in one block of memory, classes of any sizes: one byte a pixel (u8, read as v / 255), or f32 as they are.
#[derive(Clone)]
pub struct InMemory {
    shape: [usize; 3],
    names: Vec<String>,
    /// Class c owns images `starts[c] .. starts[c + 1]`.
    starts: Vec<usize>,
    pixels: Pixels,
}

#[derive(Clone)]
enum Pixels {
    Bytes(Vec<u8>),
    Floats(Vec<f32>),
}

impl InMemory {
    /// Classes of u8 images, each given by its name and its images one after another; pixels are read as v / 255.
    ///
    /// # Errors
    /// [`Error::Shape`] when the bytes of a class are not a whole number of `[H, W, C]` images.
    pub fn from_bytes(shape: [usize; 3], classes: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Self> {
        let n_pixels = pixels_per_image(shape)?;
        let (mut names, mut starts, mut pixels) = (Vec::new(), vec![0], Vec::new());
        for (name, bytes) in classes {
            if bytes.len() % n_pixels != 0 {
                let found = vec![bytes.len()];
                return Err(Error::Shape { what: "the bytes of a class", found, expected: "a multiple of H·W·C" });
            }
            names.push(name);
            pixels.extend_from_slice(&bytes);
            starts.push(pixels.len() / n_pixels);
        }
        Ok(Self { shape, names, starts, pixels: Pixels::Bytes(pixels) })
    }

    /// Equally large classes from a tensor `[classes, examples, H, W]` or `[classes, examples, H, W, C]`, u8 (read as
    /// v / 255) or f32 (kept as it is). Classes are named `names`, or `0`, `1`, … when it is `None`.
    ///
    /// # Errors
    /// [`Error::Shape`] for another rank or another number of names, [`Error::DType`] for another type.
    pub fn from_tensor(images: &Tensor, names: Option<Vec<String>>) -> Result<Self> {
        let (n_classes, n_examples, shape) = match *images.dims() {
            [classes, examples, h, w] => (classes, examples, [h, w, 1]),
            [classes, examples, h, w, c] => (classes, examples, [h, w, c]),
            _ => {
                let expected = "[classes, examples, H, W] or [classes, examples, H, W, C]";
                return Err(Error::Shape { what: "images", found: images.dims().to_vec(), expected });
            }
        };
        pixels_per_image(shape)?;
        let names = names.unwrap_or_else(|| (0..n_classes).map(|class| class.to_string()).collect());
        if names.len() != n_classes {
            return Err(Error::Shape { what: "names", found: vec![names.len()], expected: "one name for each class" });
        }
        let flat = images.flatten_all()?;
        let pixels = match images.dtype() {
            DType::U8 => Pixels::Bytes(flat.to_vec1()?),
            DType::F32 => Pixels::Floats(flat.to_vec1()?),
            found => return Err(Error::DType { what: "images", found, expected: "u8 or f32" }),
        };
        Ok(Self { shape, names, starts: (0..=n_classes).map(|class| class * n_examples).collect(), pixels })
    }

    /// A copy of any data set, one byte a pixel (values rounded to v / 255): drawing from it costs no generator,
    /// decoder or disk.
    ///
    /// # Errors
    /// Those of the data set's [`write_example`](ClassDataset::write_example).
    pub fn copy_of(data: &dyn ClassDataset) -> Result<Self> {
        let shape = data.image_shape();
        let mut image = vec![0f32; pixels_per_image(shape)?];
        let mut classes = Vec::with_capacity(data.n_classes());
        for class in 0..data.n_classes() {
            let mut bytes = Vec::with_capacity(data.n_examples(class) * image.len());
            for example in 0..data.n_examples(class) {
                data.write_example(class, example, &mut image)?;
                // `as` saturates, so values outside [0, 1] are clipped.
                bytes.extend(image.iter().map(|v| (v * 255.0 + 0.5) as u8));
            }
            classes.push((data.class_name(class), bytes));
        }
        Self::from_bytes(shape, classes)
    }

    /// All pixels, class after class and image after image; `None` when the data set holds f32.
    pub(crate) fn all_bytes(&self) -> Option<&[u8]> {
        match &self.pixels {
            Pixels::Bytes(bytes) => Some(bytes),
            Pixels::Floats(_) => None,
        }
    }

    fn range(&self, class: usize, example: usize) -> std::ops::Range<usize> {
        let n_pixels: usize = self.shape.iter().product();
        let start = (self.starts[class] + example) * n_pixels;
        start..start + n_pixels
    }
}

impl ClassDataset for InMemory {
    fn n_classes(&self) -> usize {
        self.names.len()
    }

    fn n_examples(&self, class: usize) -> usize {
        if class < self.names.len() { self.starts[class + 1] - self.starts[class] } else { 0 }
    }

    fn image_shape(&self) -> [usize; 3] {
        self.shape
    }

    fn class_name(&self, class: usize) -> String {
        self.names.get(class).cloned().unwrap_or_default()
    }

    fn write_example(&self, class: usize, example: usize, out: &mut [f32]) -> Result<()> {
        check_example(self, class, example, out)?;
        let range = self.range(class, example);
        match &self.pixels {
            Pixels::Bytes(bytes) => bytes[range].iter().zip(out).for_each(|(&v, o)| *o = f32::from(v) / 255.0),
            Pixels::Floats(floats) => out.copy_from_slice(&floats[range]),
        }
        Ok(())
    }
}

impl std::fmt::Debug for InMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let n_images = self.starts.last().copied().unwrap_or(0);
        f.debug_struct("InMemory")
            .field("shape", &self.shape)
            .field("n_classes", &self.names.len())
            .field("n_images", &n_images)
            .finish()
    }
}

fn pixels_per_image(shape: [usize; 3]) -> Result<usize> {
    match shape.iter().product() {
        0 => Err(Error::Shape { what: "image", found: shape.to_vec(), expected: "[H, W, C], none of them 0" }),
        n => Ok(n),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn classes_of_different_sizes_keep_their_images() -> Result<()> {
        let data =
            InMemory::from_bytes([1, 2, 1], [("a".into(), vec![0, 255]), ("b".into(), vec![51, 102, 153, 204])])?;
        assert_eq!((data.n_examples(0), data.n_examples(1), data.n_examples(2)), (1, 2, 0));
        let mut out = [0.0; 2];
        data.write_example(1, 1, &mut out)?;
        assert_eq!(out, [0.6, 0.8]);
        assert!(matches!(
            data.write_example(2, 0, &mut out),
            Err(Error::OutOfRange { what: "class", index: 2, available: 2 })
        ));
        assert!(matches!(data.write_example(0, 1, &mut out), Err(Error::OutOfRange { what: "example", .. })));
        assert!(matches!(data.write_example(0, 0, &mut [0.0; 3]), Err(Error::Shape { .. })));
        Ok(())
    }

    #[test]
    fn tensors_of_wrong_shape_or_type_are_refused() -> Result<()> {
        let tensor = |dims: &[usize], dtype| Tensor::zeros(dims, dtype, &Device::Cpu);
        assert!(matches!(InMemory::from_tensor(&tensor(&[2, 3, 4], DType::U8)?, None), Err(Error::Shape { .. })));
        assert!(matches!(InMemory::from_tensor(&tensor(&[2, 3, 0, 4], DType::U8)?, None), Err(Error::Shape { .. })));
        assert!(matches!(InMemory::from_tensor(&tensor(&[2, 3, 4, 4], DType::F64)?, None), Err(Error::DType { .. })));
        let names = Some(vec!["only one".into()]);
        assert!(matches!(InMemory::from_tensor(&tensor(&[2, 3, 4, 4], DType::U8)?, names), Err(Error::Shape { .. })));
        assert!(matches!(InMemory::from_bytes([2, 2, 1], [("a".into(), vec![0; 7])]), Err(Error::Shape { .. })));
        Ok(())
    }

    #[test]
    fn a_copy_equals_its_source_to_half_a_grey_level() -> Result<()> {
        let images = Tensor::arange(0f32, 24.0, &Device::Cpu)?.affine(1.0 / 24.0, 0.0)?.reshape((2, 3, 2, 2))?;
        let data = InMemory::from_tensor(&images, None)?;
        let copy = InMemory::copy_of(&data)?;
        let (mut a, mut b) = ([0.0; 4], [0.0; 4]);
        for (class, example) in [(0, 0), (0, 2), (1, 1), (1, 2)] {
            data.write_example(class, example, &mut a)?;
            copy.write_example(class, example, &mut b)?;
            assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 0.5 / 255.0 + 1e-6));
        }
        Ok(())
    }
}
