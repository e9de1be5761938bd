//! Buffers that start on a cache line, and that each thread keeps between calls.
//!
//! The allocator would give buffers of this size back to the system and ask for them again, page by page, at a cost near
//! that of packing the weights.

#![allow(unsafe_code, reason = "lines are read as the numbers that they are")]

use std::cell::RefCell;

/// The numbers of a cache line.
pub(crate) const LINE: usize = 16;

/// Buffers that a thread keeps: weights both ways, sums for the weights and the values of tiles.
const KEPT: usize = 4;

/// A cache line, so that no vector of a buffer crosses into the next one.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
pub(crate) struct Line(#[allow(dead_code, reason = "read and written through the buffer's pointer")] [f32; LINE]);

thread_local! {
    static POOL: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer, taken from its thread's and given back at the end.
#[derive(Debug)]
pub(crate) struct Scratch(Vec<Line>);

impl Scratch {
    /// At least `len` numbers, whose values are what the last use left.
    pub(crate) fn new(len: usize) -> Self {
        let lines = len.div_ceil(LINE);
        let kept = POOL.with_borrow_mut(|pool| {
            let fits = (0..pool.len()).filter(|&i| pool[i].len() >= lines).min_by_key(|&i| pool[i].len());
            // Where all are too small, the place of one goes to the new one.
            fits.map(|i| pool.swap_remove(i)).or_else(|| pool.pop().and(None))
        });
        Self(kept.unwrap_or_else(|| vec![Line::default(); lines]))
    }

    /// All of it, at least as many numbers as were asked for.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [f32] {
        // SAFETY: lines are nothing but numbers, one behind the other, and were zero when they were made.
        unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr(), self.0.len() * LINE) }
    }

    pub(crate) fn as_ptr(&self) -> *const f32 {
        self.0.as_ptr().cast()
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut f32 {
        self.0.as_mut_ptr().cast()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.0);
        // A thread that ends may have given up its buffers already.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < KEPT {
                pool.push(buffer);
            }
        });
    }
}
