//! Buffers that start on a cache line, and the one that each thread keeps between calls.

use std::cell::Cell;

/// The numbers of a cache line.
pub(super) const LINE: usize = 16;

/// A cache line, so that no vector of a buffer crosses into the next one.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
pub(super) struct Line(#[allow(dead_code, reason = "read and written through the buffer's pointer")] [f32; LINE]);

/// A buffer of at least `len` numbers, zeros.
pub(super) fn lines(len: usize) -> Vec<Line> {
    vec![Line([0.0; LINE]); len.div_ceil(LINE)]
}

thread_local! {
    static KEPT: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

/// This thread's buffer, taken for a call and given back after it.
pub(super) struct Scratch(Vec<Line>);

impl Scratch {
    /// At least `len` numbers, whose values are what the last call left.
    pub(super) fn new(len: usize) -> Self {
        let kept = KEPT.take();
        Self(if kept.len() * LINE < len { lines(len) } else { kept })
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut f32 {
        self.0.as_mut_ptr().cast()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A thread that ends may have given up its buffer already.
        let _ = KEPT.try_with(|kept| kept.set(std::mem::take(&mut self.0)));
    }
}
