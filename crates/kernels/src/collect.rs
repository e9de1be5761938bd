//! Elementwise loops into new memory that is not filled with zeros first.
//!
//! A plain loop over slices of one length, which a compiler widens to whatever instructions its caller is compiled for;
//! `collect` and `extend` count their elements one by one, and stay narrow.

#![allow(unsafe_code, reason = "counts elements that a safe loop has just written")]

/// `f` of every element.
#[inline(always)]
pub fn map<T: Copy>(x: &[T], f: impl Fn(T) -> T) -> Vec<T> {
    let mut out = Vec::with_capacity(x.len());
    for (y, &x) in out.spare_capacity_mut().iter_mut().zip(x) {
        y.write(f(x));
    }
    // SAFETY: the capacity is at least `x.len()`, so the loop has written that many elements.
    unsafe { out.set_len(x.len()) };
    out
}

/// `f` of every pair of elements; the longer side's rest is left out.
#[inline(always)]
pub fn zip<T: Copy>(a: &[T], b: &[T], f: impl Fn(T, T) -> T) -> Vec<T> {
    let n = a.len().min(b.len());
    let mut out = Vec::with_capacity(n);
    for ((y, &a), &b) in out.spare_capacity_mut().iter_mut().zip(&a[..n]).zip(&b[..n]) {
        y.write(f(a, b));
    }
    // SAFETY: the capacity is at least `n`, so the loop has written that many elements.
    unsafe { out.set_len(n) };
    out
}
