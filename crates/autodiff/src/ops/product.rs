//! Batched matrix product.
//!
//! With transposition as an argument the product closes under differentiation: every derivative of a product is a
//! product of the same operands, so every order runs on one kernel, and no operand is ever copied to be transposed.

use candle_core::Tensor as Value;
use smallvec::smallvec;

use crate::kernel;
use crate::offer::Offer;
use crate::tape::{Takes, Upstream};
use crate::{Error, Result, Tensor};

/// Whether an operand of a product is read transposed (its last two axes exchanged).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transpose {
    /// As it is.
    No,
    /// Transposed.
    Yes,
}

impl Transpose {
    fn other(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Yes => Self::No,
        }
    }
}

impl Tensor {
    /// `[…, i, k] @ […, k, j] → […, i, j]`. Leading axes broadcast.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn matmul(&self, rhs: &Self) -> Result<Self> {
        self.product(Transpose::No, rhs, Transpose::No)
    }

    /// As [`matmul`](Self::matmul), with either operand read transposed.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn product(&self, ta: Transpose, rhs: &Self, tb: Transpose) -> Result<Self> {
        let (a, b) = broadcast_lead(self, rhs, (ta, tb))?;
        product_with((&a, ta), (&b, tb), &Epilogue::default())
    }
}

/// What follows a product in the same pass: `Σ_m after(base + α A B)`.
#[derive(Debug)]
pub(crate) struct Epilogue {
    pub(crate) base: Base,
    pub(crate) alpha: f64,
    pub(crate) after: After,
    /// Whether the leading axis is summed, to `[1, …]`; for gradients that are constants.
    pub(crate) sum: bool,
}

/// What a product is added to.
#[derive(Debug)]
pub(crate) enum Base {
    Nothing,
    /// `[M, O]`, the same for every row.
    Bias(Tensor),
    /// Of the output's shape.
    Full(Tensor),
}

/// What happens to `base + α A B`.
#[derive(Clone, Debug)]
pub(crate) enum After {
    Keep,
    Relu,
    /// It counts only where this is positive, and is zero elsewhere.
    Mask(Value),
}

impl Default for Epilogue {
    fn default() -> Self {
        Self { base: Base::Nothing, alpha: 1.0, after: After::Keep, sum: false }
    }
}

impl Epilogue {
    /// The epilogue that makes a gradient what is offered for it, with a factor of its own.
    fn accept(offer: Offer, alpha: f64) -> Self {
        Self {
            base: offer.base.map_or(Base::Nothing, Base::Full),
            alpha: alpha * offer.alpha,
            after: offer.mask.map_or(After::Keep, After::Mask),
            sum: offer.sum_tasks,
        }
    }

    fn base(&self) -> Option<&Tensor> {
        match &self.base {
            Base::Nothing => None,
            Base::Bias(base) | Base::Full(base) => Some(base),
        }
    }
}

/// A product with its epilogue; the operands have equal leading axes.
///
/// With `U` the gradient at the output, masked where the output was: `∂/∂A = α U Bᵀ` and `∂/∂B = α Aᵀ U`, products
/// again, each with the epilogue that is offered for it. So every order of derivative runs on one kernel.
pub(crate) fn product_with(
    (a, ta): (&Tensor, Transpose),
    (b, tb): (&Tensor, Transpose),
    epilogue: &Epilogue,
) -> Result<Tensor> {
    use Transpose::{No, Yes};
    let y = kernel::product(a.value(), ta == Yes, b.value(), tb == Yes, epilogue)?;
    // Each operand is needed only for the gradient of the other one.
    let held = (b.is_tracked().then(|| a.clone()), a.is_tracked().then(|| b.clone()));
    let (alpha, has_bias) = (epilogue.alpha, matches!(epilogue.base, Base::Bias(_)));
    // Where the output passes: a ReLU's own output tells.
    let mask = match &epilogue.after {
        After::Keep => None,
        After::Relu => Some(y.clone()),
        After::Mask(mask) => Some(mask.clone()),
    };
    let takes = mask.clone().map_or(Takes::Plain, Takes::Masked);
    let vjp = move |up: &Upstream<'_>| {
        let u = match &mask {
            Some(mask) if !up.masked() => up.grad().mask_positive(mask)?,
            _ => up.grad().clone(),
        };
        let lhs = match &held.1 {
            Some(b) if up.wants(0) => {
                let epilogue = &Epilogue::accept(up.accept(0), alpha);
                // ∂(A B)/∂A: U Bᵀ, and its transpose where A was read transposed.
                Some(match ta {
                    No => product_with((&u, No), (b, tb.other()), epilogue)?,
                    Yes => product_with((b, tb), (&u, Yes), epilogue)?,
                })
            }
            _ => None,
        };
        let rhs = match &held.0 {
            Some(a) if up.wants(1) => {
                let epilogue = &Epilogue::accept(up.accept(1), alpha);
                // ∂(A B)/∂B: Aᵀ U, and its transpose where B was read transposed.
                Some(match tb {
                    No => product_with((a, ta.other()), (&u, No), epilogue)?,
                    Yes => product_with((&u, Yes), (a, ta), epilogue)?,
                })
            }
            _ => None,
        };
        let base = match up.wants(2) {
            true if has_bias => Some(u.sum_rows(up.accept(2))?),
            true => Some(u),
            false => None,
        };
        Ok(smallvec![lhs, rhs, base])
    };
    match epilogue.base() {
        Some(base) => Ok(Tensor::custom_taking(takes, y, &[a, b, base], vjp)),
        None => Ok(Tensor::custom_taking(takes, y, &[a, b], vjp)),
    }
}

/// The operands with equal leading axes; repeated ones are views without a copy.
fn broadcast_lead(a: &Tensor, b: &Tensor, (ta, tb): (Transpose, Transpose)) -> Result<(Tensor, Tensor)> {
    let mismatch = || {
        let mark = |t| if t == Transpose::Yes { "ᵀ" } else { "" };
        let message = format!("{:?}{} @ {:?}{}", a.shape(), mark(ta), b.shape(), mark(tb));
        Error::shape("matmul", message)
    };
    let (Some((a_lead, a_mat)), Some((b_lead, b_mat))) =
        (a.dims().split_last_chunk::<2>(), b.dims().split_last_chunk::<2>())
    else {
        return Err(mismatch());
    };
    let inner_a = a_mat[usize::from(ta == Transpose::No)];
    let inner_b = b_mat[usize::from(tb == Transpose::Yes)];
    if inner_a != inner_b {
        return Err(mismatch());
    }
    if a_lead == b_lead {
        return Ok((a.clone(), b.clone()));
    }
    let rank = a_lead.len().max(b_lead.len());
    let at = |lead: &[usize], i: usize| (i + lead.len()).checked_sub(rank).map_or(1, |i| lead[i]);
    let mut lead = Vec::with_capacity(rank + 2);
    for i in 0..rank {
        match (at(a_lead, i), at(b_lead, i)) {
            (x, y) if x == y || y == 1 => lead.push(x),
            (1, y) => lead.push(y),
            _ => return Err(mismatch()),
        }
    }
    let raise = |t: &Tensor, mat: &[usize; 2]| t.broadcast_to([&lead[..], mat].concat());
    Ok((raise(a, a_mat)?, raise(b, b_mat)?))
}
