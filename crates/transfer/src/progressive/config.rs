//! The shape of a progressive network.

use rekindle_nn::Activation;

use crate::{Error, Result};

/// A hidden layer, the same in every column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnLayer {
    /// A convolution of images.
    Conv {
        /// Height and width of the kernel, `≥ 1`.
        kernel: usize,
        /// Step between two windows, `≥ 1`.
        stride: usize,
        /// Rows and columns of zeros on every side.
        padding: usize,
        /// Feature maps, `≥ 1`.
        channels: usize,
    },
    /// A dense layer; no convolution may follow.
    Dense {
        /// Units, `≥ 1`.
        units: usize,
    },
}

/// Shape of a [`Progressive`](crate::Progressive) network.
#[derive(Clone, Debug)]
pub struct ProgressiveConfig {
    /// Shape of an input after `[M, B]`: `[D]` or `[H, W, C]`.
    pub input: Vec<usize>,
    /// Hidden layers from the bottom, at least one.
    pub layers: Vec<ColumnLayer>,
    /// Outputs of every column, in the order of the tasks; each `≥ 1`.
    pub outputs: Vec<usize>,
    /// After every hidden layer and within the adapters. Default: ReLU, the paper's.
    pub activation: Activation,
    /// First value of the scalars α on the activations of earlier columns. The paper draws it from {1, 0.1, 0.01}.
    /// Default 0.1.
    pub alpha: f64,
}

impl Default for ProgressiveConfig {
    /// The paper's net for Atari: 84×84 images in four channels; 12 feature maps of 8×8 with stride 4, of 4×4 with
    /// stride 2 and of 3×3 (the paper has 3×4); 256 units. One column with 18 outputs.
    fn default() -> Self {
        let conv = |kernel, stride| ColumnLayer::Conv { kernel, stride, padding: 0, channels: 12 };
        Self {
            input: vec![84, 84, 4],
            layers: vec![conv(8, 4), conv(4, 2), conv(3, 1), ColumnLayer::Dense { units: 256 }],
            outputs: vec![18],
            activation: Activation::Relu,
            alpha: 0.1,
        }
    }
}

/// The shape of one example's activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Flat(usize),
    Image(usize, usize, usize),
}

impl Size {
    pub(super) fn count(self) -> usize {
        match self {
            Self::Flat(n) => n,
            Self::Image(h, w, c) => h * w * c,
        }
    }
}

impl ProgressiveConfig {
    /// Checks the fields.
    ///
    /// # Errors
    /// With the field and its value.
    pub fn validate(&self) -> Result<()> {
        if self.layers.is_empty() {
            return Err(Error::setting("layers", "[]", "at least one hidden layer"));
        }
        if self.outputs.is_empty() || self.outputs.contains(&0) {
            return Err(Error::setting(
                "outputs",
                format!("{:?}", self.outputs),
                "at least one column, at least 1 each",
            ));
        }
        if !self.alpha.is_finite() {
            return Err(Error::setting("alpha", self.alpha, "a finite number"));
        }
        self.sizes().map(drop)
    }

    /// The sizes of the input and of every hidden layer.
    pub(super) fn sizes(&self) -> Result<Vec<Size>> {
        let first = match *self.input {
            [d] if d > 0 => Size::Flat(d),
            [h, w, c] if h * w * c > 0 => Size::Image(h, w, c),
            _ => return Err(Error::setting("input", format!("{:?}", self.input), "[D] or [H, W, C], none of them 0")),
        };
        let mut sizes = vec![first];
        for layer in &self.layers {
            let below = sizes[sizes.len() - 1];
            let next = layer.after(below).ok_or_else(|| {
                let value = format!("{layer:?} on {below:?}");
                Error::setting(
                    "layers",
                    value,
                    "sizes of at least 1, a kernel that fits, and convolutions on images only",
                )
            })?;
            sizes.push(next);
        }
        Ok(sizes)
    }
}

impl ColumnLayer {
    fn after(self, below: Size) -> Option<Size> {
        match (self, below) {
            (Self::Dense { units }, _) => (units > 0).then_some(Size::Flat(units)),
            (Self::Conv { kernel, stride, padding, channels }, Size::Image(h, w, _)) => {
                let side = |size: usize| {
                    let room = (size + 2 * padding).checked_sub(kernel)?;
                    (stride > 0 && kernel > 0).then(|| room / stride + 1)
                };
                (channels > 0).then_some(Size::Image(side(h)?, side(w)?, channels))
            }
            (Self::Conv { .. }, Size::Flat(_)) => None,
        }
    }
}
