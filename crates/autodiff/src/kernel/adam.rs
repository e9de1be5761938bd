//! One step of Adam in a single pass.

use candle_core::Tensor as Value;
pub use rekindle_kernels::AdamStep;
use rekindle_kernels::Level;

use super::view::{Direct, direct, slice, tensor};
use crate::{Error, Result};

/// Moments below this are set to zero: denormal numbers cost a hundred times a normal one, and carry nothing.
const TINY: f64 = 1e-30;

/// New moments and the update `s m̂ / (√v̂ + ε)`, from a gradient and the moments, all of one shape.
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
    match direct(&[g, m, v]) {
        Direct::F32 => {
            let (g, m, v) = (g.contiguous()?, m.contiguous()?, v.contiguous()?);
            slice!(g_data: f32 = g);
            slice!(m_data: f32 = m);
            slice!(v_data: f32 = v);
            let (mut first, mut second, mut update) = (m_data.to_vec(), v_data.to_vec(), Vec::new());
            rekindle_kernels::adam(Level::current(), step, g_data, &mut first, &mut second, &mut update)?;
            Ok([tensor(first, m.shape())?, tensor(second, m.shape())?, tensor(update, m.shape())?])
        }
        Direct::F64 => one_pass(g, m, v, step),
        Direct::No => composed(g, m, v, step),
    }
}

fn one_pass(g: &Value, m: &Value, v: &Value, step: AdamStep) -> Result<[Value; 3]> {
    let (g, m, v) = (g.contiguous()?, m.contiguous()?, v.contiguous()?);
    slice!(g_data: f64 = g);
    slice!(m_data: f64 = m);
    slice!(v_data: f64 = v);
    let (mut first, mut second) = (m_data.to_vec(), v_data.to_vec());
    let (c1, c2) = (1.0 - step.beta1, 1.0 - step.beta2);
    let (k1, k2) = (1.0 / step.correction1, 1.0 / step.correction2);
    let moments = first.iter_mut().zip(&mut second).zip(g_data);
    let update = moments.map(|((m, v), &g)| {
        let (new_m, new_v) = (*m * step.beta1 + g * c1, *v * step.beta2 + g * g * c2);
        // Written so that a NaN stays one: it must stop the training, not vanish.
        *m = if new_m < TINY && new_m > -TINY { 0.0 } else { new_m };
        *v = if new_v < TINY { 0.0 } else { new_v };
        *m * k1 / ((*v * k2).sqrt() + step.eps) * step.factor
    });
    let update: Vec<f64> = update.collect();
    Ok([tensor(first, m.shape())?, tensor(second, m.shape())?, tensor(update, m.shape())?])
}

fn composed(g: &Value, m: &Value, v: &Value, step: AdamStep) -> Result<[Value; 3]> {
    let m = ((m * step.beta1)? + (g * (1.0 - step.beta1))?)?;
    let v = ((v * step.beta2)? + (g.sqr()? * (1.0 - step.beta2))?)?;
    let root = ((&v * (1.0 / step.correction2))?.sqrt()? + step.eps)?;
    let update = (((&m * (1.0 / step.correction1))? / root)? * step.factor)?;
    Ok([m, v, update])
}
