//! The sizes of a 3×3 convolution.

/// The sizes of a 3×3 convolution with one pixel of zeros around the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// How many images.
    pub images: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Channels that go in.
    pub inputs: usize,
    /// Channels that come out.
    pub outputs: usize,
    /// Pixels from one window to the next: 1 here.
    pub stride: usize,
}

impl ConvShape {
    /// `[images, height, width, inputs]`.
    #[must_use]
    pub fn input(&self) -> [usize; 4] {
        [self.images, self.height, self.width, self.inputs]
    }

    /// `[images, height, width, outputs]`.
    #[must_use]
    pub fn output(&self) -> [usize; 4] {
        [self.images, self.height, self.width, self.outputs]
    }

    /// `[3, 3, inputs, outputs]`.
    #[must_use]
    pub fn weight(&self) -> [usize; 4] {
        [3, 3, self.inputs, self.outputs]
    }
}
