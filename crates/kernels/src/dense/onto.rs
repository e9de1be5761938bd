//! One task's product into memory that is already there: what a computation in groups asks for.

#![allow(unsafe_code, reason = "writes by pointer; `Product::check` has proved every element in bounds")]

use std::mem::MaybeUninit;

use super::{Product, portable, walk};
use crate::Level;
use crate::level::Kernel;
use crate::memory::as_uninit;
use crate::simd::Simd;

/// Writes the product of a single task, whose right operand lies along its rows: every element of `out`.
pub(crate) fn write_product(level: Level, p: Product<'_>, out: &mut [MaybeUninit<f32>]) {
    run(level, p, out, false);
}

/// Adds such a product to `out`.
pub(crate) fn add_product(level: Level, p: Product<'_>, out: &mut [f32]) {
    run(level, p, as_uninit(out), true);
}

fn run(level: Level, p: Product<'_>, out: &mut [MaybeUninit<f32>], add: bool) {
    assert!(p.tasks == 1 && p.b.col == 1 && out.len() == p.rows * p.cols, "{p:?} onto {} numbers", out.len());
    p.check().expect("operands are made for the product");
    if !out.is_empty() {
        level.run_rows(p.cols, Onto { p, out, add });
    }
}

struct Onto<'a, 'o> {
    p: Product<'a>,
    out: &'o mut [MaybeUninit<f32>],
    add: bool,
}

impl Kernel for Onto<'_, '_> {
    type Output = ();

    fn portable(self) {
        let mut product = Vec::with_capacity(self.out.len());
        portable::product(&self.p, &mut product);
        for (to, product) in self.out.iter_mut().zip(product) {
            // SAFETY: whoever adds has come with numbers.
            let before = if self.add { unsafe { to.assume_init() } } else { 0.0 };
            to.write(before + product);
        }
    }

    #[inline(always)]
    fn simd<S: Simd>(self, simd: S) {
        // SAFETY: `run` has checked the operands and the size of `out`.
        unsafe { walk::single(simd, &self.p, self.out.as_mut_ptr().cast(), self.add) };
    }
}
