//! Batched matrix product.
//!
//! With transposition as an argument the product closes under differentiation: every derivative of a product is a
//! product of the same operands, so every order runs on one kernel, and no operand is ever copied to be transposed.

use smallvec::smallvec;

use crate::kernel;
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
        let y = kernel::product(a.value(), ta == Transpose::Yes, b.value(), tb == Transpose::Yes)?;
        // Each operand is needed only for the gradient of the other one.
        let held = (b.is_tracked().then(|| a.clone()), a.is_tracked().then(|| b.clone()));
        Ok(Self::custom(y, &[&a, &b], move |up| {
            let u = up.grad();
            let lhs = match &held.1 {
                // ∂(A B)/∂A: U Bᵀ, and its transpose where A was read transposed.
                Some(b) if up.wants(0) => Some(match ta {
                    Transpose::No => u.product(Transpose::No, b, tb.other())?,
                    Transpose::Yes => b.product(tb, u, Transpose::Yes)?,
                }),
                _ => None,
            };
            let rhs = match &held.0 {
                // ∂(A B)/∂B: Aᵀ U, and its transpose where B was read transposed.
                Some(a) if up.wants(1) => Some(match tb {
                    Transpose::No => a.product(ta.other(), u, Transpose::No)?,
                    Transpose::Yes => u.product(Transpose::Yes, a, ta)?,
                }),
                _ => None,
            };
            Ok(smallvec![lhs, rhs])
        }))
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
