//! One step of Adam in a single pass (Kingma & Ba 2015, Algorithm 1).
//!
//! ```text
//! m ← β₁ m + (1 − β₁) g
//! v ← β₂ v + (1 − β₂) g²
//! update = s m̂ / (√v̂ + ε),    m̂ = m / (1 − β₁ᵗ),  v̂ = v / (1 − β₂ᵗ)
//! ```
//! One vector after another, with no tile: the time goes into the root and the division. Multiplications and additions
//! are not fused, so every level gives the same bits.

#![allow(unsafe_code, reason = "loads and stores by pointer; see the safety notes")]

use crate::error::check_len;
use crate::level::Kernel;
use crate::simd::Simd;
use crate::{Level, Result};

/// The constants of one step of Adam.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Decay of the first moment, β₁.
    pub beta1: f64,
    /// Decay of the second moment, β₂.
    pub beta2: f64,
    /// The number ε that is added to the root.
    pub eps: f64,
    /// `1 − β₁ᵗ`, the bias of the first moment at step t.
    pub correction1: f64,
    /// `1 − β₂ᵗ`, the bias of the second moment at step t.
    pub correction2: f64,
    /// What the update is multiplied by, s: −η, or 1 for its direction alone.
    pub factor: f64,
}

/// Moments below this are set to zero: denormal numbers cost a hundred times a normal one, and carry nothing.
const TINY: f32 = 1e-30;

/// Takes the moments `m` and `v` one step on with the gradient `g`, and appends the update.
///
/// # Errors
/// If the slices' lengths differ.
pub fn adam(
    level: Level,
    step: AdamStep,
    g: &[f32],
    m: &mut [f32],
    v: &mut [f32],
    update: &mut Vec<f32>,
) -> Result<()> {
    check_len("adam", "the first moment", m.len(), &[g.len()])?;
    check_len("adam", "the second moment", v.len(), &[g.len()])?;
    level.run(Adam { factors: Factors::new(step), g, m, v, update });
    Ok(())
}

/// What the step multiplies by.
#[derive(Clone, Copy)]
struct Factors {
    keep: [f32; 2],
    take: [f32; 2],
    unbias: [f32; 2],
    eps: f32,
    factor: f32,
}

impl Factors {
    fn new(step: AdamStep) -> Self {
        let betas = [step.beta1, step.beta2];
        Self {
            keep: betas.map(|beta| beta as f32),
            take: betas.map(|beta| (1.0 - beta) as f32),
            unbias: [step.correction1, step.correction2].map(|c| (1.0 / c) as f32),
            eps: step.eps as f32,
            factor: step.factor as f32,
        }
    }

    /// The update and the new moments of as many elements as a vector has.
    #[inline(always)]
    fn step<S: Simd>(self, s: S, [g, m, v]: [S::V; 3]) -> [S::V; 3] {
        let Self { keep: [b1, b2], take: [c1, c2], unbias: [k1, k2], eps, factor } = self;
        let (tiny, zero) = (s.splat(TINY), s.splat(0.0));
        let m = s.add(s.mul(m, s.splat(b1)), s.mul(g, s.splat(c1)));
        let v = s.add(s.mul(v, s.splat(b2)), s.mul(s.mul(g, g), s.splat(c2)));
        // A comparison with a NaN is false, and then the NaN is kept.
        let m = s.where_gt(tiny, m, s.where_gt(m, s.splat(-TINY), zero, m), m);
        let v = s.where_gt(tiny, v, zero, v);
        let root = s.add(s.sqrt(s.mul(v, s.splat(k2))), s.splat(eps));
        [s.mul(s.div(s.mul(m, s.splat(k1)), root), s.splat(factor)), m, v]
    }
}

struct Adam<'a> {
    factors: Factors,
    g: &'a [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
    update: &'a mut Vec<f32>,
}

impl Kernel for Adam<'_> {
    type Output = ();

    fn portable(self) {
        let Factors { keep: [b1, b2], take: [c1, c2], unbias: [k1, k2], eps, factor } = self.factors;
        self.update.extend(self.g.iter().zip(self.m).zip(self.v).map(|((&g, m), v)| {
            let (new_m, new_v) = (*m * b1 + g * c1, *v * b2 + g * g * c2);
            // Written so that a NaN stays one: it must stop the training, not vanish.
            *m = if new_m < TINY && new_m > -TINY { 0.0 } else { new_m };
            *v = if new_v < TINY { 0.0 } else { new_v };
            *m * k1 / ((*v * k2).sqrt() + eps) * factor
        }));
    }

    #[inline(always)]
    fn simd<S: Simd>(self, s: S) {
        let (n, len) = (self.g.len(), self.update.len());
        self.update.reserve(n);
        let (whole, rest) = (n - n % S::LANES, n % S::LANES);
        // SAFETY: `g`, `m` and `v` have n numbers, and `update` has room for n more behind its end; all are written.
        unsafe {
            let (g, m, v) = (self.g.as_ptr(), self.m.as_mut_ptr(), self.v.as_mut_ptr());
            let update = self.update.as_mut_ptr().add(len);
            for i in (0..whole).step_by(S::LANES) {
                let [new, next_m, next_v] =
                    self.factors.step(s, [s.load(g.add(i)), s.load(m.add(i)), s.load(v.add(i))]);
                s.store(update.add(i), new);
                s.store(m.add(i), next_m);
                s.store(v.add(i), next_v);
            }
            if rest > 0 {
                let (g, m, v, update) = (g.add(whole), m.add(whole), v.add(whole), update.add(whole));
                let old = [s.load_first(g, rest), s.load_first(m, rest), s.load_first(v, rest)];
                let [new, next_m, next_v] = self.factors.step(s, old);
                s.store_first(update, rest, new);
                s.store_first(m, rest, next_m);
                s.store_first(v, rest, next_v);
            }
            self.update.set_len(len + n);
        }
    }
}
