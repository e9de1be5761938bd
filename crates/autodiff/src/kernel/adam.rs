//! One step of Adam in a single pass.

use candle_core::Tensor as Value;

use super::view::{Real, dispatch, slice, tensor, vectorise};
use crate::{Error, Result};

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
}

/// Moments below this are set to zero: denormal numbers cost a hundred times a normal one, and carry nothing.
const TINY: f64 = 1e-30;

/// New moments and the update direction `m̂ / (√v̂ + ε)`, from a gradient and the moments, all of one shape.
///
/// Plain values: optimisers use it where nothing is recorded, and tape operations where something is.
///
/// # Errors
/// If the shapes differ.
pub fn adam(g: &Value, m: &Value, v: &Value, step: AdamStep) -> Result<[Value; 3]> {
    if g.shape() != m.shape() || g.shape() != v.shape() {
        let message = format!("gradient {:?}, moments {:?} and {:?}", g.shape(), m.shape(), v.shape());
        return Err(Error::shape("adam", message));
    }
    dispatch!([g, m, v], T => direct::<T>(g, m, v, step), composed(g, m, v, step))
}

fn direct<T: Real>(g: &Value, m: &Value, v: &Value, step: AdamStep) -> Result<[Value; 3]> {
    let (g, m, v) = (g.contiguous()?, m.contiguous()?, v.contiguous()?);
    slice!(g_data: T = g);
    slice!(m_data: T = m);
    slice!(v_data: T = v);
    let (mut first, mut second) = (m_data.to_vec(), v_data.to_vec());
    let mut update = vec![T::ZERO; g_data.len()];
    let (b1, b2) = (T::from_f64(step.beta1), T::from_f64(step.beta2));
    let (c1, c2) = (T::from_f64(1.0 - step.beta1), T::from_f64(1.0 - step.beta2));
    let (k1, k2) = (T::from_f64(1.0 / step.correction1), T::from_f64(1.0 / step.correction2));
    let (eps, tiny) = (T::from_f64(step.eps), T::from_f64(TINY));
    vectorise(|| {
        for (((m, v), u), &g) in first.iter_mut().zip(&mut second).zip(&mut update).zip(g_data) {
            let (new_m, new_v) = (*m * b1 + g * c1, *v * b2 + g * g * c2);
            // Written so that a NaN stays one: it must stop the training, not vanish.
            *m = if new_m < tiny && new_m > T::ZERO - tiny { T::ZERO } else { new_m };
            *v = if new_v < tiny { T::ZERO } else { new_v };
            *u = *m * k1 / ((*v * k2).root() + eps);
        }
    });
    Ok([tensor(first, m.shape())?, tensor(second, m.shape())?, tensor(update, m.shape())?])
}

fn composed(g: &Value, m: &Value, v: &Value, step: AdamStep) -> Result<[Value; 3]> {
    let m = ((m * step.beta1)? + (g * (1.0 - step.beta1))?)?;
    let v = ((v * step.beta2)? + (g.sqr()? * (1.0 - step.beta2))?)?;
    let root = ((&v * (1.0 / step.correction2))?.sqrt()? + step.eps)?;
    let update = ((&m * (1.0 / step.correction1))? / root)?;
    Ok([m, v, update])
}
