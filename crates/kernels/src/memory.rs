//! Memory that is written before it is read.

#![allow(unsafe_code, reason = "numbers and memory for numbers have the same layout")]

use std::mem::MaybeUninit;

/// Memory that is written over.
pub(crate) fn as_uninit(numbers: &mut [f32]) -> &mut [MaybeUninit<f32>] {
    // SAFETY: the same layout; this crate writes nothing but numbers through such a slice.
    unsafe { &mut *(std::ptr::from_mut(numbers) as *mut [MaybeUninit<f32>]) }
}

/// Memory filled with zeros.
pub(crate) fn zeroed(memory: &mut [MaybeUninit<f32>]) -> &mut [f32] {
    memory.fill(MaybeUninit::new(0.0));
    // SAFETY: the same layout, and every element is written.
    unsafe { &mut *(std::ptr::from_mut(memory) as *mut [f32]) }
}

/// Appends `len` numbers, all of which `write` must write.
///
/// # Safety
/// `write` must write every element.
pub(crate) unsafe fn append(out: &mut Vec<f32>, len: usize, write: impl FnOnce(&mut [MaybeUninit<f32>])) {
    out.reserve(len);
    write(&mut out.spare_capacity_mut()[..len]);
    // SAFETY: reserved above and written by the caller's word.
    unsafe { out.set_len(out.len() + len) };
}
