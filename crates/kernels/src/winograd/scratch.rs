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

/// Calls `f` with this thread's buffer of at least `len` numbers, whose values are what the last call left.
pub(super) fn with_scratch<T>(len: usize, f: impl FnOnce(*mut f32) -> T) -> T {
    thread_local! {
        static SCRATCH: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
    }
    let mut buffer = SCRATCH.take();
    if buffer.len() * LINE < len {
        buffer = lines(len);
    }
    let result = f(buffer.as_mut_ptr().cast());
    SCRATCH.set(buffer);
    result
}
