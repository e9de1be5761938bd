//! Buffers that are kept from call to call, and cut into parts.

#![allow(unsafe_code, reason = "hands out pointers into one buffer")]

use std::cell::RefCell;

thread_local! {
    static KEPT: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Numbers in a line of the caches.
const LINE: usize = 16;

/// A buffer, given back to its thread when dropped.
pub(super) struct Scratch(Vec<f32>);

impl Scratch {
    /// Parts of these sizes, each from the beginning of a line on. They hold any numbers.
    pub(super) fn parts<const N: usize>(sizes: [usize; N]) -> (Self, [*mut f32; N]) {
        let mut buffer = KEPT.take();
        let total: usize = sizes.iter().map(|n| n.next_multiple_of(LINE)).sum();
        if buffer.len() < total + LINE {
            buffer.resize(total + LINE, 0.0);
        }
        let start = buffer.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
        let mut at = buffer.as_mut_ptr().wrapping_add(start);
        let parts = sizes.map(|n| {
            let part = at;
            at = at.wrapping_add(n.next_multiple_of(LINE));
            part
        });
        (Self(buffer), parts)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        KEPT.set(std::mem::take(&mut self.0));
    }
}
