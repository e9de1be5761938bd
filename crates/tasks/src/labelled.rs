//! Labelled images in memory: plain arrays for supervised training, classes for episodes.

use candle_core::{Device, Tensor};

use crate::dataset::{check_example, check_index};
use crate::resize::{Bytes, area_average};
use crate::{Batch, ClassDataset, Error, Result, grey};

/// Images of one shape, one byte a pixel, each with a class label.
///
/// As arrays they come in the order of their source, `x [1, B, H, W, C]` in `[0, 1]` with `y [1, B]`
/// ([`batch`](Self::batch)). As a [`ClassDataset`], example e of class c is the e-th image with the label c.
///
/// ```
/// use rekindle_tasks::{ClassDataset, LabelledImages};
///
/// // Three images of 2 × 2 grey pixels: two of class 1, one of class 0.
/// let pixels = vec![0, 0, 0, 0, 51, 51, 51, 51, 255, 255, 255, 255];
/// let data = LabelledImages::new([2, 2, 1], pixels, vec![1, 0, 1])?.with_names(["zero", "one"])?;
/// assert_eq!((data.n_classes(), data.n_examples(1)), (2, 2));
/// let batch = data.batch(&[2, 1])?; // x [1, 2, 2, 2, 1]
/// assert_eq!(batch.y.to_vec2::<u32>()?, [[1, 0]]);
/// assert_eq!(data.resized(1, 1)?.color().image_shape(), [1, 1, 3]);
/// # Ok::<(), rekindle_tasks::Error>(())
/// ```
#[derive(Clone)]
pub struct LabelledImages {
    shape: [usize; 3],
    pixels: Vec<u8>,
    labels: Vec<u32>,
    names: Vec<String>,
    /// The images of each class, in order.
    members: Vec<Vec<usize>>,
}

impl LabelledImages {
    /// Images `[H, W, C]` one after another, with one label each. Classes `0 …= max label` are named by their number.
    ///
    /// # Errors
    /// [`Error::Shape`] when `shape` has a 0 or `pixels` are not H·W·C bytes for each label.
    pub fn new(shape: [usize; 3], pixels: Vec<u8>, labels: Vec<u32>) -> Result<Self> {
        let n_pixels: usize = shape.iter().product();
        if n_pixels == 0 {
            return Err(Error::Shape { what: "image", found: shape.to_vec(), expected: "[H, W, C], none of them 0" });
        }
        if pixels.len() != labels.len() * n_pixels {
            let found = vec![pixels.len()];
            return Err(Error::Shape { what: "pixels", found, expected: "H·W·C bytes for each label" });
        }
        let n_classes = labels.iter().max().map_or(0, |&label| label as usize + 1);
        let names: Vec<String> = (0..n_classes).map(|class| class.to_string()).collect();
        Self { shape, pixels, labels, names: Vec::new(), members: Vec::new() }.with_names(names)
    }

    /// The same images with the classes `names`; there may be more names than labels in use.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a label without a name.
    pub fn with_names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Result<Self> {
        self.names = names.into_iter().map(Into::into).collect();
        self.members = vec![Vec::new(); self.names.len()];
        for (image, &label) in self.labels.iter().enumerate() {
            check_index("label", label as usize, self.names.len())?;
            self.members[label as usize].push(image);
        }
        Ok(self)
    }

    /// Number of images.
    pub fn n_images(&self) -> usize {
        self.labels.len()
    }

    /// The label of every image.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The images with the label `class`, as indices; none for a class that does not exist.
    pub fn members(&self, class: usize) -> &[usize] {
        self.members.get(class).map_or(&[], Vec::as_slice)
    }

    /// The listed images: `x [1, B, H, W, C]` f32 in `[0, 1]`, `y [1, B]` u32. The leading 1 is the task axis.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for an image that does not exist.
    pub fn batch(&self, images: &[usize]) -> Result<Batch> {
        images.iter().try_for_each(|&image| check_index("image", image, self.n_images()))?;
        let [h, w, c] = self.shape;
        let x = images.iter().flat_map(|&image| self.bytes(image)).map(|&v| f32::from(v) / 255.0).collect();
        let y = images.iter().map(|&image| self.labels[image]).collect();
        Ok(Batch {
            x: Tensor::from_vec(x, (1, images.len(), h, w, c), &Device::Cpu)?,
            y: Tensor::from_vec(y, (1, images.len()), &Device::Cpu)?,
        })
    }

    /// All images in their order: `x [1, B, H, W, C]`, `y [1, B]`.
    ///
    /// # Errors
    /// [`Error::Candle`] when the tensors cannot be made.
    pub fn all(&self) -> Result<Batch> {
        self.batch(&(0..self.n_images()).collect::<Vec<_>>())
    }

    /// The listed images as a data set of their own, with the same classes.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for an image that does not exist.
    pub fn take(&self, images: &[usize]) -> Result<Self> {
        images.iter().try_for_each(|&image| check_index("image", image, self.n_images()))?;
        let pixels = images.iter().flat_map(|&image| self.bytes(image)).copied().collect();
        let labels = images.iter().map(|&image| self.labels[image]).collect();
        Self::new(self.shape, pixels, labels)?.with_names(self.names.clone())
    }

    /// The same images with other labels; classes are named by their number again.
    pub fn relabelled(&self, label: impl Fn(u32) -> u32) -> Self {
        let labels = self.labels.iter().map(|&old| label(old)).collect();
        Self::new(self.shape, self.pixels.clone(), labels).expect("as many labels as before")
    }

    /// These images and then those of `other`, a part of the same data set.
    ///
    /// # Errors
    /// [`Error::Shape`] when images or numbers of classes differ.
    pub fn concat(&self, other: &Self) -> Result<Self> {
        if self.shape != other.shape {
            let found = other.shape.to_vec();
            return Err(Error::Shape { what: "images of the other part", found, expected: "[H, W, C] as here" });
        }
        if self.names.len() != other.names.len() {
            let found = vec![other.names.len()];
            return Err(Error::Shape { what: "classes of the other part", found, expected: "the classes of this one" });
        }
        let pixels = [self.pixels.as_slice(), &other.pixels].concat();
        Self::new(self.shape, pixels, [self.labels.as_slice(), &other.labels].concat())?.with_names(self.names.clone())
    }

    /// Images brought to `[height, width]` by exact area average; enlarging repeats pixels.
    ///
    /// # Errors
    /// [`Error::Shape`] for a size of 0.
    pub fn resized(&self, height: usize, width: usize) -> Result<Self> {
        let [h, w, channels] = self.shape;
        if [height, width] == [h, w] {
            return Ok(self.clone());
        }
        if height * width == 0 {
            let found = vec![height, width];
            return Err(Error::Shape { what: "the new size", found, expected: "[H, W], none of them 0" });
        }
        let resize = |image| {
            area_average(&Bytes { height: h, width: w, channels, pixels: self.bytes(image).to_vec() }, height, width)
        };
        let pixels = (0..self.n_images()).flat_map(resize).collect();
        Ok(Self { shape: [height, width, channels], pixels, ..self.clone() })
    }

    /// Images in one channel `[H, W, 1]`, by the luma weights of ITU-R BT.601; grey images stay as they are.
    pub fn grey(&self) -> Self {
        match self.shape {
            [h, w, 3] => Self { shape: [h, w, 1], pixels: grey::luma(&self.pixels), ..self.clone() },
            _ => self.clone(),
        }
    }

    /// Images in three channels `[H, W, 3]`, grey repeated; colour images stay as they are.
    pub fn color(&self) -> Self {
        match self.shape {
            [h, w, 1] => Self { shape: [h, w, 3], pixels: grey::repeat(&self.pixels), ..self.clone() },
            _ => self.clone(),
        }
    }

    fn bytes(&self, image: usize) -> &[u8] {
        let n_pixels: usize = self.shape.iter().product();
        &self.pixels[image * n_pixels..][..n_pixels]
    }
}

impl ClassDataset for LabelledImages {
    fn n_classes(&self) -> usize {
        self.names.len()
    }

    fn n_examples(&self, class: usize) -> usize {
        self.members(class).len()
    }

    fn image_shape(&self) -> [usize; 3] {
        self.shape
    }

    fn class_name(&self, class: usize) -> String {
        self.names.get(class).cloned().unwrap_or_default()
    }

    fn write_example(&self, class: usize, example: usize, out: &mut [f32]) -> Result<()> {
        check_example(self, class, example, out)?;
        let bytes = self.bytes(self.members[class][example]);
        out.iter_mut().zip(bytes).for_each(|(out, &v)| *out = f32::from(v) / 255.0);
        Ok(())
    }
}

impl std::fmt::Debug for LabelledImages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LabelledImages")
            .field("shape", &self.shape)
            .field("n_classes", &self.names.len())
            .field("n_images", &self.labels.len())
            .finish()
    }
}
