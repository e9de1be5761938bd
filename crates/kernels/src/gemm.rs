//! The door to the `gemm` crate, for `f64` and for large products: strides and lengths are checked here.
//!
//! candle's own product reads `/proc/cpuinfo` at every call while `RAYON_NUM_THREADS` is unset (15.5 µs against 0.04)
//! and is wrong for a transposed left side with a repeated right one; the crate under it has neither fault.

#![allow(unsafe_code, reason = "the gemm crate takes raw pointers; `Matrix::check` proves each of them in bounds")]

/// The element types of the `gemm` crate that we use.
pub trait Float: Copy + 'static {
    /// 1.
    const UNIT: Self;
}

impl Float for f32 {
    const UNIT: Self = 1.0;
}

impl Float for f64 {
    const UNIT: Self = 1.0;
}

/// A strided matrix inside of a slice: element `(i, j)` is `data[start + i·row_stride + j·col_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a, T> {
    /// The slice.
    pub data: &'a [T],
    /// The first element.
    pub start: usize,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// Distance of two rows.
    pub row_stride: usize,
    /// Distance of two columns.
    pub col_stride: usize,
}

impl<'a, T> Matrix<'a, T> {
    /// A matrix in row-major order that fills the slice.
    #[must_use]
    pub fn dense(data: &'a [T], rows: usize, cols: usize) -> Self {
        Self { data, start: 0, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// Rows for columns.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self { rows: self.cols, cols: self.rows, row_stride: self.col_stride, col_stride: self.row_stride, ..self }
    }

    /// Panics if an element lies outside of the slice: a caller's mistake that must not become undefined behaviour.
    fn check(&self) {
        if self.rows > 0 && self.cols > 0 {
            let last = self.start + (self.rows - 1) * self.row_stride + (self.cols - 1) * self.col_stride;
            assert!(last < self.data.len(), "matrix reaches to {last} in a slice of {}", self.data.len());
        }
    }
}

/// `out ← a b` if `accumulate` is false, else `out ← out + a b`; `out` is dense and row-major.
pub fn gemm<T: Float>(a: Matrix<'_, T>, b: Matrix<'_, T>, out: &mut [T], accumulate: bool) {
    assert_eq!(out.len(), a.rows * b.cols, "the output has the size of the product");
    // SAFETY: `out` is exclusively borrowed and has exactly the product's number of elements.
    unsafe { gemm_into(a, b, out.as_mut_ptr(), accumulate) }
}

/// `a b` appended to `out`, whose new elements are not filled with zeros first.
pub fn gemm_extend<T: Float>(a: Matrix<'_, T>, b: Matrix<'_, T>, out: &mut Vec<T>) {
    let (len, more) = (out.len(), a.rows * b.cols);
    out.reserve(more);
    // SAFETY: `reserve` made room for `more` elements behind `len`, and without `accumulate` gemm writes every one of
    // them before they become part of the vector.
    unsafe {
        gemm_into(a, b, out.as_mut_ptr().add(len), false);
        out.set_len(len + more);
    }
}

/// # Safety
/// `out` must be valid for writes of `a.rows · b.cols` elements, and for reads of them where `accumulate` is set.
unsafe fn gemm_into<T: Float>(a: Matrix<'_, T>, b: Matrix<'_, T>, out: *mut T, accumulate: bool) {
    assert_eq!(a.cols, b.rows, "inner sizes of a product");
    a.check();
    b.check();
    let stride = |s: usize| isize::try_from(s).expect("strides are below isize::MAX");
    // SAFETY: the caller vouches for `out`; `check` has proved the furthest element of `a` and `b` in bounds.
    unsafe {
        gemm::gemm(
            a.rows,
            b.cols,
            a.cols,
            out,
            1,
            stride(b.cols),
            accumulate,
            a.data.as_ptr().wrapping_add(a.start),
            stride(a.col_stride),
            stride(a.row_stride),
            b.data.as_ptr().wrapping_add(b.start),
            stride(b.col_stride),
            stride(b.row_stride),
            T::UNIT,
            T::UNIT,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
