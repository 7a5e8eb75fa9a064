//! Allocations: how often the running thread asked for memory.
//!
//! Decides what counts as asking: an allocation, and a reallocation. Does not know what the memory is for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counted by thread. A program that counts makes it its `#[global_allocator]`.
pub struct Counting;

/// How often this thread has asked for memory so far; always 0 where [`Counting`] is not the allocator.
pub fn so_far() -> u64 {
    ASKED.get()
}

fn count() {
    ASKED.set(ASKED.get() + 1);
}

#[expect(
    unsafe_code,
    reason = "an allocator cannot be written otherwise; each call is handed on to the system's as it came"
)]
// SAFETY: nothing but counting is added, and counting in a constant-initialised cell allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}
