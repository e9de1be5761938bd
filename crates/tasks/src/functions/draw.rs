//! One function of a class.

use rand::{Rng, RngCore, seq::index};

use super::FunctionClass;
use crate::line::normal;

/// A function that was drawn.
pub(super) enum Function {
    Linear(Vec<f32>),
    /// Node i has the children 2i + 1 and 2i + 2.
    Tree {
        coordinates: Vec<usize>,
        leaves: Vec<f32>,
    },
    /// `(a, w)` of every unit.
    Network(Vec<(f32, Vec<f32>)>),
}

impl Function {
    /// A function of `dims` inputs that looks at the first `active` of them.
    pub(super) fn draw(class: FunctionClass, dims: usize, active: usize, rng: &mut dyn RngCore) -> Self {
        let weights = |rng: &mut dyn RngCore| {
            let mut w: Vec<f32> = (0..active).map(|_| normal(rng)).collect();
            w.resize(dims, 0.0);
            w
        };
        match class {
            FunctionClass::Linear => Self::Linear(weights(rng)),
            FunctionClass::Sparse(nonzero) => {
                let mut w = vec![0.0; dims];
                for coordinate in index::sample(rng, active, nonzero.min(active)) {
                    w[coordinate] = normal(rng);
                }
                Self::Linear(w)
            }
            FunctionClass::Tree(depth) => Self::Tree {
                coordinates: (0..(1 << depth) - 1).map(|_| rng.random_range(0..active)).collect(),
                leaves: (0..1 << depth).map(|_| normal(rng)).collect(),
            },
            FunctionClass::Network(units) => {
                let deviation = (2.0 / units as f32).sqrt();
                Self::Network((0..units).map(|_| (deviation * normal(rng), weights(rng))).collect())
            }
        }
    }

    pub(super) fn at(&self, x: &[f32]) -> f32 {
        let dot = |w: &[f32]| w.iter().zip(x).map(|(w, x)| w * x).sum::<f32>();
        match self {
            Self::Linear(w) => dot(w),
            Self::Tree { coordinates, leaves } => {
                let mut node = 0;
                while let Some(&coordinate) = coordinates.get(node) {
                    node = 2 * node + if x[coordinate] > 0.0 { 2 } else { 1 };
                }
                leaves[node - coordinates.len()]
            }
            Self::Network(units) => units.iter().map(|(a, w)| a * dot(w).max(0.0)).sum(),
        }
    }
}
