//! Counts allocations and resident memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);
static BLOCKS: AtomicUsize = AtomicUsize::new(0);
static HELD: AtomicUsize = AtomicUsize::new(0);

/// Load and store instead of an atomic addition, which would cost more: only one thread measures.
#[inline]
fn add(counter: &AtomicUsize, value: usize) {
    counter.store(counter.load(Relaxed).wrapping_add(value), Relaxed);
}

// SAFETY: every call is passed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(&COUNT, 1);
        add(&BLOCKS, 1);
        add(&HELD, layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(&COUNT, 1);
        add(&BLOCKS, 1);
        add(&HELD, layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        add(&BLOCKS, 1_usize.wrapping_neg());
        add(&HELD, layout.size().wrapping_neg());
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(&COUNT, 1);
        add(&HELD, size.wrapping_sub(layout.size()));
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Allocations and reallocations so far.
pub fn allocations() -> usize {
    COUNT.load(Relaxed)
}

/// Bytes and blocks currently allocated.
pub fn held() -> (usize, usize) {
    (HELD.load(Relaxed), BLOCKS.load(Relaxed))
}

/// Resident bytes of this process, or 0 if unknown.
pub fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    4096 * pages.unwrap_or(0)
}

/// Returns free memory to the system, so that later growth of the resident memory is measured completely.
pub fn trim() {
    // SAFETY: `malloc_trim` has no preconditions.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}
