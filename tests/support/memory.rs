//! A global allocator that counts allocations and bytes per thread, for tests that include this file.
#![allow(dead_code, unreachable_pub)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};

/// The counts are per thread, since tests run concurrently.
struct Counting;

/// Allocations of at least this size are watched; see [`touched`].
const WATCHED: usize = 4096;

/// The byte that fills watched allocations.
const FILL: u8 = 0xa5;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    pub static HELD: Cell<isize> = const { Cell::new(0) };
    pub static PEAK: Cell<isize> = const { Cell::new(0) };
    /// Counts beyond the end of the thread, in which its thread-local values are dropped.
    static ACCOUNT: Cell<Option<&'static AtomicIsize>> = const { Cell::new(None) };
    static WATCHING: Cell<bool> = const { Cell::new(false) };
    /// Address and size of each watched allocation.
    static BLOCKS: [Cell<(usize, usize)>; 16] = const { [const { Cell::new((0, 0)) }; 16] };
}

fn count(bytes: isize) {
    let _ = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
    if let Ok(Some(account)) = ACCOUNT.try_with(Cell::get) {
        account.fetch_add(bytes, Relaxed);
    }
    if bytes > 0 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
    }
}

fn is_watching() -> bool {
    WATCHING.try_with(Cell::get).unwrap_or(false)
}

/// Replaces the entry of a watched allocation. Address 0 marks a free entry.
fn replace_block(old: usize, new: (usize, usize)) {
    let _ = BLOCKS.try_with(|blocks| {
        if let Some(entry) = blocks.iter().find(|entry| entry.get().0 == old) {
            entry.set(new);
        }
    });
}

// SAFETY: every call is passed to the system's allocator unchanged. Memory is filled before it is returned.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        let pointer = unsafe { System.alloc(layout) };
        if is_watching() && layout.size() >= WATCHED && !pointer.is_null() {
            unsafe { pointer.write_bytes(FILL, layout.size()) };
            replace_block(0, (pointer as usize, layout.size()));
        }
        pointer
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        if is_watching() && layout.size() >= WATCHED {
            replace_block(pointer as usize, (0, 0));
        }
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        let moved = unsafe { System.realloc(pointer, layout, size) };
        if is_watching() && !moved.is_null() {
            if size > layout.size() && size >= WATCHED {
                unsafe { moved.add(layout.size()).write_bytes(FILL, size - layout.size()) };
            }
            let old = if layout.size() >= WATCHED { pointer as usize } else { 0 };
            let new = if size >= WATCHED { (moved as usize, size) } else { (0, 0) };
            replace_block(old, new);
        }
        moved
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs `work`. Returns the number of its allocations, the bytes still held afterwards, and the peak of the
/// bytes held.
pub fn measure(work: impl FnOnce()) -> (usize, isize, isize) {
    let (count, held) = (COUNT.get(), HELD.get());
    PEAK.set(held);
    work();
    (COUNT.get() - count, HELD.get() - held, PEAK.get() - held)
}

/// The heap bytes that `value` owns. It is dropped on a new thread: the buffers that it returns to that
/// thread's pool are freed with the thread, and the pool of this thread is not counted.
pub fn heap_of(value: impl Send + 'static) -> usize {
    let freed: &'static AtomicIsize = Box::leak(Box::new(AtomicIsize::new(0)));
    let mut value = Some(value);
    let thread = std::thread::spawn(move || {
        ACCOUNT.set(Some(freed));
        drop(value.take());
    });
    thread.join().unwrap();
    usize::try_from(-freed.load(Relaxed)).unwrap()
}

/// Runs `work` while large allocations are watched.
pub fn watch(work: impl FnOnce()) {
    WATCHING.set(true);
    work();
    WATCHING.set(false);
    BLOCKS.with(|blocks| blocks.iter().for_each(|entry| entry.set((0, 0))));
}

/// The bytes of all written pages in live watched allocations. A page that contains only the fill byte does
/// not count.
pub fn touched() -> usize {
    BLOCKS.with(|blocks| {
        let pages = blocks.iter().map(|entry| {
            let (address, size) = entry.get();
            if address == 0 {
                return 0;
            }
            // SAFETY: the allocation is live and was filled when it was returned.
            let bytes = unsafe { std::slice::from_raw_parts(address as *const u8, size) };
            let is_touched = |page: &&[u8]| page.iter().any(|byte| *byte != FILL);
            bytes.chunks(4096).filter(is_touched).map(<[u8]>::len).sum()
        });
        pages.sum()
    })
}
