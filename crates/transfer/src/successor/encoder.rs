//! What a linear function sees of an observation.

use std::collections::HashMap;
use std::fmt::Debug;

use crate::error::positive;
use crate::{Error, Result};

/// Features x(s) of an observation, of which most may be zero. A number that has come once means the same feature for ever.
pub trait Encoder: Debug {
    /// Writes number and value of the features that are not zero.
    ///
    /// # Errors
    /// If the observation is not one that it knows how to read.
    fn encode(&mut self, obs: &[f32], out: &mut Vec<(usize, f64)>) -> Result<()>;
}

/// A table: every observation is a feature of its own, numbered in the order of first sight, so that a space of a million
/// states of which a few thousand are visited takes little memory.
///
/// ```
/// use rekindle_transfer::successor::{Encoder, Table};
/// let (mut table, mut x) = (Table::default(), Vec::new());
/// for obs in [[7.0], [3.0], [7.0]] {
///     table.encode(&obs, &mut x)?;
/// }
/// assert_eq!((x, table.len()), (vec![(0, 1.0), (1, 1.0), (0, 1.0)], 2));
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// From the bits of an observation to its number.
    numbers: HashMap<Vec<u32>, usize>,
}

impl Table {
    /// Observations that have come so far.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }
}

impl Encoder for Table {
    fn encode(&mut self, obs: &[f32], out: &mut Vec<(usize, f64)>) -> Result<()> {
        let bits: Vec<u32> = obs.iter().map(|x| x.to_bits()).collect();
        let next = self.numbers.len();
        out.push((*self.numbers.entry(bits).or_insert(next), 1.0));
        Ok(())
    }
}

/// Gaussians on a square lattice over the first two numbers, the other numbers as they are, and a bias:
///
/// ```text
/// x = ( g_ij(p),  o₂, o₃, …,  1 )            g_ij(p) = exp(−‖p − c_ij‖²/2σ²)
/// x = ( g_ij(p),  o₂ g_ij(p), o₃ g_ij(p), …,  o₂, o₃, …,  1 )          crossed
/// ```
/// Barreto et al. 2017, §B.1, with 10 × 10 Gaussians of σ = 0.1 on [0, 1]². Theirs are not crossed, so that what is gone from
/// one place is missed in all places alike; crossed, it is missed where it was.
///
/// Gaussians below 10⁻³ count as zero.
///
/// ```
/// use rekindle_transfer::successor::{Encoder, RadialBasis};
/// let (mut basis, mut x) = (RadialBasis { side: 2, deviation: 0.5, crossed: false }, Vec::new());
/// basis.encode(&[0.5, 0.5, 0.0, 1.0], &mut x)?;
/// assert_eq!(x.len(), 2 * 2 + 1 + 1); // the third number is zero
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RadialBasis {
    /// Gaussians along each side, `>= 1`. Default 10.
    pub side: usize,
    /// Deviation σ, `> 0`. Default 0.1.
    pub deviation: f64,
    /// Whether there are products of the Gaussians with the other numbers. Default: no, as in the paper.
    pub crossed: bool,
}

/// Gaussians below this count as zero.
const LEAST: f64 = 1e-3;

impl Default for RadialBasis {
    fn default() -> Self {
        Self { side: 10, deviation: 0.1, crossed: false }
    }
}

impl RadialBasis {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn validate(&self) -> Result<()> {
        if self.side == 0 {
            return Err(Error::setting("side", self.side, "at least 1"));
        }
        positive("deviation", self.deviation)
    }

    /// The Gaussians along one axis, `[side]`, in the middles of equal parts of [0, 1].
    fn along(&self, x: f64) -> Vec<f64> {
        let middle = |i: usize| (i as f64 + 0.5) / self.side as f64;
        let gauss = |d: f64| libm::exp(-d * d / (2.0 * self.deviation * self.deviation));
        (0..self.side).map(|i| gauss(x - middle(i))).collect()
    }
}

impl Encoder for RadialBasis {
    fn encode(&mut self, obs: &[f32], out: &mut Vec<(usize, f64)>) -> Result<()> {
        self.validate()?;
        let [x, y, rest @ ..] = obs else {
            return Err(Error::Width {
                what: "an observation for radial basis functions",
                found: obs.len(),
                expected: 2,
            });
        };
        // The Gaussian of a distance is the product of those along the axes.
        let (xs, ys) = (self.along(f64::from(*x)), self.along(f64::from(*y)));
        let (first, n) = (out.len(), self.side * self.side);
        let products = xs.iter().flat_map(|x| ys.iter().map(move |y| x * y)).enumerate();
        out.extend(products.filter(|(_, gauss)| *gauss >= LEAST));
        let (last, mut behind) = (out.len(), n);
        for value in rest {
            if self.crossed && *value != 0.0 {
                for i in first..last {
                    let (feature, gauss) = out[i];
                    out.push((behind + feature, gauss * f64::from(*value)));
                }
            }
            behind += if self.crossed { n } else { 0 };
        }
        let shown = rest.iter().enumerate().filter(|(_, value)| **value != 0.0);
        out.extend(shown.map(|(i, value)| (behind + i, f64::from(*value))));
        out.push((behind + rest.len(), 1.0));
        Ok(())
    }
}
