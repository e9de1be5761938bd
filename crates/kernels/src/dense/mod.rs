//! Small dense products with a task axis, and what follows them in the same pass.
//!
//! ```text
//! out[m] = after(base[m] + α · A[m] B[m])        or their sum over the tasks m
//! ```
//! `A` and `B` are read by strides, so a transposed operand or one that all tasks share is never copied by the caller.
//! With a base, a factor, a mask and a sum in the epilogue, every derivative of an affine layer is one such product:
//! the layer itself, both of its gradients, a gradient step `p + α ∇p`, and the derivatives of these.
//!
//! Each element of a task is summed in an order that only the inner size and the level decide: one chain of
//! multiply-adds, or one to a lane where there is a single column. The sum over tasks adds their finished values in
//! order. So no result depends on how many tasks run at once.

mod column;
mod line;
mod onto;
mod pack;
mod portable;
mod split;
mod tile;
mod walk;

pub(crate) use onto::{add_product, write_product};
pub(crate) use pack::transposed;

use crate::error::{Error, Result};
use crate::level::{Kernel, Level};
use crate::simd::Simd;

const NAME: &str = "product";

/// A matrix of each task inside of a slice: element `(m, i, j)` is `data[m·task + i·row + j·col]`.
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a> {
    /// The slice, beginning with the first element of the first task.
    pub data: &'a [f32],
    /// Distance of two tasks; 0 where they share one matrix.
    pub task: usize,
    /// Distance of two rows.
    pub row: usize,
    /// Distance of two columns.
    pub col: usize,
}

impl<'a> Operand<'a> {
    /// One matrix whose rows of `cols` elements lie one behind the other.
    pub(crate) fn rows(data: &'a [f32], cols: usize) -> Self {
        Self { data, task: 0, row: cols, col: 1 }
    }

    /// The same matrix with rows and columns exchanged.
    pub(crate) fn transposed(self) -> Self {
        Self { row: self.col, col: self.row, ..self }
    }
}

/// What the product is added to: element `(m, i, j)` is `data[m·task + i·row + j]`, a bias where `row` is 0.
#[derive(Clone, Copy, Debug)]
pub struct Base<'a> {
    /// The slice, beginning with the first element of the first task.
    pub data: &'a [f32],
    /// Distance of two tasks; 0 where they share one.
    pub task: usize,
    /// Distance of two rows; 0 where they share one.
    pub row: usize,
}

/// What happens to an element before it is written.
#[derive(Clone, Copy, Debug)]
pub enum After<'a> {
    /// Nothing.
    Keep,
    /// `max(0, base + α A B)`.
    Relu,
    /// `base + α A B` where the mask (dense, of the output's shape before any sum) is positive, and 0 elsewhere.
    Mask(&'a [f32]),
}

/// One product a task.
#[derive(Clone, Copy, Debug)]
pub struct Product<'a> {
    /// Number of tasks M.
    pub tasks: usize,
    /// Rows of `A` and of the output.
    pub rows: usize,
    /// Columns of `A`, rows of `B`.
    pub inner: usize,
    /// Columns of `B` and of the output.
    pub cols: usize,
    /// Left operand.
    pub a: Operand<'a>,
    /// Right operand.
    pub b: Operand<'a>,
    /// What the product is added to.
    pub base: Option<Base<'a>>,
    /// α.
    pub alpha: f32,
    /// The rest of the epilogue.
    pub after: After<'a>,
    /// Whether the tasks are added up.
    pub sum: bool,
}

/// Appends the product to `out`: `[M, rows, cols]`, or `[rows, cols]` if the tasks are added up.
///
/// # Errors
/// If an operand reaches beyond its slice, or a mask has not the output's size.
pub fn product(level: Level, p: &Product<'_>, out: &mut Vec<f32>) -> Result<()> {
    p.check()?;
    if p.tasks == 0 && p.sum {
        out.resize(out.len() + p.rows * p.cols, 0.0);
        return Ok(());
    }
    if p.tasks * p.rows * p.cols > 0 {
        let p = p.simplified();
        if column::fits(&p) {
            level.run(Column { p, out });
        } else {
            level.run_rows(p.cols, Tiles { p, out });
        }
    }
    Ok(())
}

struct Column<'a, 'o> {
    p: Product<'a>,
    out: &'o mut Vec<f32>,
}

impl Kernel for Column<'_, '_> {
    type Output = ();

    fn portable(self) {
        portable::product(&self.p, self.out);
    }

    #[inline(always)]
    fn simd<S: Simd>(self, simd: S) {
        column::product(simd, &self.p, self.out);
    }
}

struct Tiles<'a, 'o> {
    p: Product<'a>,
    out: &'o mut Vec<f32>,
}

impl Kernel for Tiles<'_, '_> {
    type Output = ();

    fn portable(self) {
        portable::product(&self.p, self.out);
    }

    #[inline(always)]
    fn simd<S: Simd>(self, simd: S) {
        walk::product(simd, &self.p, self.out);
    }
}

impl<'a> Product<'a> {
    /// `A B` of one task, and nothing after it.
    pub(crate) fn plain([rows, inner, cols]: [usize; 3], a: Operand<'a>, b: Operand<'a>) -> Self {
        Self { tasks: 1, rows, inner, cols, a, b, base: None, alpha: 1.0, after: After::Keep, sum: false }
    }

    fn check(&self) -> Result<()> {
        let overflow = || Error::shape(NAME, format!("sizes {:?} overflow", [self.tasks, self.rows, self.cols]));
        let size = [self.tasks, self.rows, self.cols].iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        let size = size.ok_or_else(overflow)?;
        let a = reach(&[(self.tasks, self.a.task), (self.rows, self.a.row), (self.inner, self.a.col)]);
        within("the left operand", self.a.data.len(), a)?;
        let b = reach(&[(self.tasks, self.b.task), (self.inner, self.b.row), (self.cols, self.b.col)]);
        within("the right operand", self.b.data.len(), b)?;
        if let Some(base) = &self.base {
            let end = reach(&[(self.tasks, base.task), (self.rows, base.row), (self.cols, 1)]);
            within("the base", base.data.len(), end)?;
        }
        match self.after {
            After::Mask(mask) if mask.len() != size => {
                Err(Error::shape(NAME, format!("a mask of {} for {size} elements", mask.len())))
            }
            _ => Ok(()),
        }
    }

    /// Whether the sums may start at the base: then nothing is left to do to them but what comes after.
    fn starts_at_base(&self) -> bool {
        self.alpha == 1.0
    }

    /// The same product in the form that runs fastest.
    fn simplified(self) -> Self {
        self.turned().folded()
    }

    /// Tasks that share the right operand are only more rows, if everything else lies as if they were.
    fn folded(self) -> Self {
        let rows = self.rows;
        let follows = |task: usize, row: usize| task == rows * row;
        let base = self.base.is_none_or(|base| follows(base.task, base.row));
        if self.sum || self.tasks < 2 || self.b.task != 0 || !follows(self.a.task, self.a.row) || !base {
            return self;
        }
        Self { tasks: 1, rows: self.tasks * rows, ..self }
    }

    /// A single column lies in memory like a single row, and a row fills vectors.
    fn turned(self) -> Self {
        let base = self.base.is_none_or(|base| base.row == 1);
        if self.cols != 1 || self.rows == 1 || self.a.row != 1 || !base {
            return self;
        }
        let base = self.base.map(|base| Base { row: 0, ..base });
        // Only strides are renamed: element (0, i) of the turned output is (i, 0) of this one.
        Self { rows: 1, cols: self.rows, a: self.b.transposed(), b: self.a.transposed(), base, ..self }
    }
}

/// One past the furthest element of a strided view; `None` if that overflows, 0 if it is empty.
fn reach(axes: &[(usize, usize)]) -> Option<usize> {
    if axes.iter().any(|&(n, _)| n == 0) {
        return Some(0);
    }
    axes.iter().try_fold(1usize, |end, &(n, stride)| end.checked_add((n - 1).checked_mul(stride)?))
}

fn within(name: &str, len: usize, reach: Option<usize>) -> Result<()> {
    match reach {
        Some(end) if end <= len => Ok(()),
        _ => Err(Error::shape(NAME, format!("{name} reaches to element {reach:?} of a slice of {len}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of half the width give the bits of whole ones, so the choice between them is free.
    #[test]
    fn narrow_vectors_give_the_same_bits() {
        let data: Vec<f32> = (0..7 * 41 * 100).map(|i| (i as f32 * 0.37).sin()).collect();
        let short = [(1, 3, 5), (7, 1, 24), (41, 10, 90), (3, 7, 1), (12, 5, 8), (33, 6, 20), (9, 4, 100)];
        // From an inner size of 16 on, rows are paired.
        let paired = [(10, 40, 40), (7, 16, 24), (12, 17, 5), (33, 20, 20), (9, 18, 100)];
        let sizes = short.into_iter().chain(paired);
        for (rows, inner, cols) in sizes {
            for (sum, transposed, level) in [false, true].into_iter().flat_map(|sum| {
                [false, true].into_iter().flat_map(move |t| Level::available().into_iter().map(move |l| (sum, t, l)))
            }) {
                let b = Operand { data: &data[3..], task: inner * cols, row: cols, col: 1 };
                let b = if transposed { Operand { row: 1, col: inner, ..b } } else { b };
                let a = Operand { data: &data, task: rows * inner, row: inner, col: 1 };
                let mask = &data[..7 * rows * cols];
                let p =
                    Product { tasks: 7, sum, after: After::Mask(mask), ..Product::plain([rows, inner, cols], a, b) };
                p.check().expect("the case fits");
                let (mut wide, mut narrow) = (Vec::new(), Vec::new());
                level.run(Tiles { p, out: &mut wide });
                level.run_narrow(Tiles { p, out: &mut narrow });
                assert!(wide.iter().zip(&narrow).all(|(w, n)| w.to_bits() == n.to_bits()), "{} {p:?}", level.name());
            }
        }
    }
}
