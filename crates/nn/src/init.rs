//! Initialisers: the distributions that fresh weights are drawn from, with their sources.

use rand::{Rng, RngCore};

use crate::{Error, Result};

/// How many inputs and outputs one weight's neighbours have: what keeps the variance of activations (by `input`) and
/// of gradients (by `output`) level from layer to layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fans {
    /// Inputs that each output sums over.
    pub input: usize,
    /// Outputs that each input goes into.
    pub output: usize,
}

impl Fans {
    /// Fans of a weight `[…, in, out]` without its task axis. Axes before the last two are the taps of a kernel, which
    /// count on both sides: a convolution `[KH, KW, Cin, Cout]` has `KH·KW·Cin` inputs and `KH·KW·Cout` outputs.
    #[must_use]
    pub fn of(dims: &[usize]) -> Self {
        match *dims {
            [] => Self { input: 1, output: 1 },
            [n] => Self { input: n, output: n },
            [ref taps @ .., input, output] => {
                let taps: usize = taps.iter().product();
                Self { input: taps * input, output: taps * output }
            }
        }
    }
}

/// A distribution for fresh weights. Below, n is the fan in and m the fan out ([`Fans`]).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Zeros: biases, and β of a normalisation.
    Zeros,
    /// Ones: γ of a normalisation.
    Ones,
    /// One number.
    Constant(f64),
    /// N(0, σ²).
    Normal {
        /// Standard deviation σ, `≥ 0`.
        std: f64,
    },
    /// N(0, σ²), redrawn while beyond 2σ (TensorFlow's `truncated_normal`). Its own standard deviation is 0.8796 σ.
    /// MAML's fully connected nets use σ = 0.01.
    TruncatedNormal {
        /// Standard deviation σ before the truncation, `≥ 0`.
        std: f64,
    },
    /// U(−a, a).
    Uniform {
        /// Half-width a, `≥ 0`.
        bound: f64,
    },
    /// U(−a, a) with `a = √(6/(n + m))`. Glorot & Bengio 2010, eq. 16; TensorFlow's default ("Xavier").
    GlorotUniform,
    /// N(0, `2/(n + m)`). The same variance, from a normal distribution.
    GlorotNormal,
    /// U(−a, a) with `a = √(6/n)`. He, Zhang, Ren & Sun 2015 ("Kaiming"), for layers before a ReLU.
    HeUniform,
    /// N(0, `2/n`). He et al. 2015, eq. 10.
    HeNormal,
    /// U(−a, a) with `a = √(3/n)`. LeCun, Bottou, Orr & Müller 1998, §4.6: unit variance in, unit variance out.
    LeCunUniform,
    /// N(0, `1/n`). The same variance, from a normal distribution.
    LeCunNormal,
    /// U(−a, a) with `a = 1/√n`: what PyTorch's linear and convolution layers draw weights *and* biases from (there it
    /// is written as He's rule with a leaky slope of √5).
    FanInUniform,
    /// A matrix with orthonormal columns or rows, whichever are fewer, times a gain. A kernel counts as the matrix
    /// `[taps·in, out]`. Saxe, McClelland & Ganguli 2014.
    Orthogonal {
        /// Factor on the orthonormal matrix, finite; 1 for linear layers, √2 before a ReLU.
        gain: f64,
    },
}

impl Init {
    /// Checks the numbers.
    ///
    /// # Errors
    /// If one is not finite, or negative where it is a width.
    pub fn validate(self) -> Result<()> {
        let (value, signed) = match self {
            Self::Normal { std } | Self::TruncatedNormal { std } => (std, false),
            Self::Uniform { bound } => (bound, false),
            Self::Constant(value) | Self::Orthogonal { gain: value } => (value, true),
            _ => return Ok(()),
        };
        if value.is_finite() && (signed || value >= 0.0) {
            return Ok(());
        }
        Err(Error::config("init", self, "finite, and not negative where it is a width"))
    }

    /// Values for a weight of shape `dims` (without the task axis) in row-major order. They are `f64` whatever the
    /// model's type, and use no function that differs between platforms.
    ///
    /// # Errors
    /// If [`validate`](Self::validate) does.
    pub fn draw(self, rng: &mut dyn RngCore, dims: &[usize], fans: Fans) -> Result<Vec<f64>> {
        self.validate()?;
        let count = dims.iter().product();
        let (n, m) = (fans.input as f64, fans.output as f64);
        Ok(match self {
            Self::Zeros => vec![0.0; count],
            Self::Ones => vec![1.0; count],
            Self::Constant(value) => vec![value; count],
            Self::Normal { std } => normal(rng, count, std),
            Self::TruncatedNormal { std } => (0..count).map(|_| std * truncated(rng)).collect(),
            Self::Uniform { bound } => uniform(rng, count, bound),
            Self::GlorotUniform => uniform(rng, count, (6.0 / (n + m)).sqrt()),
            Self::GlorotNormal => normal(rng, count, (2.0 / (n + m)).sqrt()),
            Self::HeUniform => uniform(rng, count, (6.0 / n).sqrt()),
            Self::HeNormal => normal(rng, count, (2.0 / n).sqrt()),
            Self::LeCunUniform => uniform(rng, count, (3.0 / n).sqrt()),
            Self::LeCunNormal => normal(rng, count, (1.0 / n).sqrt()),
            Self::FanInUniform => uniform(rng, count, (1.0 / n).sqrt()),
            Self::Orthogonal { gain } => {
                let columns = dims.last().copied().unwrap_or(1);
                orthogonal(rng, count / columns.max(1), columns, gain)
            }
        })
    }
}

fn uniform(rng: &mut dyn RngCore, count: usize, bound: f64) -> Vec<f64> {
    (0..count).map(|_| bound * (2.0 * rng.random::<f64>() - 1.0)).collect()
}

fn normal(rng: &mut dyn RngCore, count: usize, std: f64) -> Vec<f64> {
    (0..count).map(|_| std * standard_normal(rng)).collect()
}

fn truncated(rng: &mut dyn RngCore) -> f64 {
    loop {
        let draw = standard_normal(rng);
        if draw.abs() <= 2.0 {
            return draw;
        }
    }
}

/// Box and Muller's formula in libm's functions: the platform's own may differ in the last bit.
fn standard_normal(rng: &mut dyn RngCore) -> f64 {
    let (u, v) = (1.0 - rng.random::<f64>(), rng.random::<f64>()); // u is in (0, 1]
    (-2.0 * libm::log(u)).sqrt() * libm::cos(std::f64::consts::TAU * v)
}

/// `[rows, columns]` with orthonormal columns, or rows where those are fewer: Gram and Schmidt's process on Gaussian
/// vectors, which is uniform over such matrices (Haar's measure).
fn orthogonal(rng: &mut dyn RngCore, rows: usize, columns: usize, gain: f64) -> Vec<f64> {
    let (long, short) = (rows.max(columns), rows.min(columns));
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(short);
    for _ in 0..short {
        let mut v = normal(rng, long, 1.0);
        // The second round takes away what rounding left of the first.
        for _ in 0..2 {
            for b in &basis {
                let along: f64 = v.iter().zip(b).map(|(x, y)| x * y).sum();
                v.iter_mut().zip(b).for_each(|(x, y)| *x -= along * y);
            }
        }
        let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        v.iter_mut().for_each(|x| *x /= norm);
        basis.push(v);
    }
    let at = |row: usize, column: usize| if rows >= columns { basis[column][row] } else { basis[row][column] };
    (0..rows * columns).map(|i| gain * at(i / columns, i % columns)).collect()
}
