//! Linear systems given by a product: conjugate gradients.

use crate::{Error, NoRecord, Params, Result, Tensor};

/// When conjugate gradients stop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CgConfig {
    /// Most iterations, `≥ 1`. Default 10, as TRPO (Schulman et al. 2015).
    pub iterations: usize,
    /// A task is solved when `‖r‖² ≤ tolerance² ‖b‖²`, `≥ 0`. Default 1e-10.
    pub tolerance: f64,
}

impl Default for CgConfig {
    fn default() -> Self {
        Self { iterations: 10, tolerance: 1e-10 }
    }
}

/// Solves `A x = b` for every task by conjugate gradients (Hestenes & Stiefel 1952), from `x = 0`.
///
/// `apply` computes `A v` for leaves `[M, …]`; A is symmetric positive definite, block-diagonal over tasks. All tasks
/// run in step, each with its own step lengths; one that is solved stays where it is. The result is a constant.
///
/// ```
/// use rekindle_autodiff::{CgConfig, Params, Tensor, conjugate_gradient};
/// let b = Params::new([("x".to_owned(), Tensor::from_vec(vec![2f64, 9.], (1, 2))?)])?;
/// let diagonal = Tensor::from_vec(vec![1f64, 3.], (1, 2))?;
/// let x = conjugate_gradient(|v| v.map(|leaf| leaf.mul(&diagonal)), &b, CgConfig::default())?;
/// assert!(x.sub(&Params::new([("x".to_owned(), Tensor::from_vec(vec![2f64, 3.], (1, 2))?)])?)?.leaves()[0]
///     .to_vec_f64()?.iter().all(|e| e.abs() < 1e-12));
/// # Ok::<(), rekindle_autodiff::Error>(())
/// ```
///
/// # Errors
/// If no iterations are allowed, and those of `apply`.
pub fn conjugate_gradient(apply: impl Fn(&Params) -> Result<Params>, b: &Params, config: CgConfig) -> Result<Params> {
    if config.iterations == 0 {
        return Err(Error::argument("conjugate_gradient", "needs at least one iteration"));
    }
    let b = b.detach();
    let mut x = b.zeros_like()?;
    let (mut r, mut p) = (b.clone(), b.clone());
    let mut rr = r.dot_tasks(&r)?.detach();
    let goal: Vec<f64> = rr.to_vec_f64()?.iter().map(|v| v * config.tolerance.powi(2)).collect();
    for _ in 0..config.iterations {
        let open = || -> Result<bool> { Ok(rr.to_vec_f64()?.iter().zip(&goal).any(|(rr, goal)| rr > goal)) };
        if !open()? {
            break;
        }
        // `apply` may record for its own use; what it answers is a constant here.
        let ap = apply(&p)?.detach();
        let _scope = NoRecord::new();
        let alpha = ratio(&rr, &p.dot_tasks(&ap)?)?;
        x = x.add(&times(&p, &alpha)?)?;
        r = r.sub(&times(&ap, &alpha)?)?;
        let next = r.dot_tasks(&r)?;
        p = r.add(&times(&p, &ratio(&next, &rr)?)?)?;
        rr = next;
    }
    Ok(x)
}

/// `a / b` for each task, zero where `b` is: a solved task takes no more steps.
fn ratio(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let quotients = a.to_vec_f64()?.into_iter().zip(b.to_vec_f64()?).map(|(a, b)| if b == 0.0 { 0.0 } else { a / b });
    let data: Vec<f64> = quotients.collect();
    let n = data.len();
    Tensor::from_vec(data, n)?.to_dtype(a.dtype())?.to_device(a.device())
}

/// Every leaf of task m times `s[m]`.
fn times(params: &Params, s: &Tensor) -> Result<Params> {
    params.map(|leaf| {
        let mut dims = vec![1; leaf.rank()];
        dims[0] = s.elem_count();
        leaf.mul(&s.reshape(dims)?)
    })
}
