//! A pool of queues for each thread, shared by all connections that are used on that thread.
//!
//! An output takes a queue from the pool when it has bytes to store, and returns the cleared queue
//! when no bytes are pending. An idle connection therefore owns no heap memory for its output, and a
//! busy one does not allocate. Without `std`, and on a thread that is ending, queues come from the
//! allocator and return to it.
//!
//! # Bounds
//!
//! The pool of a thread keeps one front queue with a buffer of at most 96 KiB, and at most 63 other
//! queues with buffers of at most 16 KiB each. A queue without its buffer has at most 5 KiB. The total
//! is less than 1.5 MiB for each thread that uses connections. A thread frees its pool when it ends.
//!
//! # No borrow is held while a value is dropped
//!
//! Dropping a value may run user code that uses this pool again, such as the destructor of the
//! owner of a [`Bytes`](bytes::Bytes). Queues are therefore returned empty, slots are `Cell`s that
//! are accessed with `take` and `replace` only, and a surplus queue is dropped after the access to
//! the pool has ended.

use alloc::boxed::Box;
#[cfg(feature = "std")]
use core::cell::Cell;

use super::queue::Queue;

/// Maximum capacity in bytes of the front queue: replies to a read of 64 KiB, grown by half.
#[cfg(feature = "std")]
const FRONT_CAPACITY: usize = 96 << 10;

/// Maximum capacity in bytes of each other queue.
#[cfg(feature = "std")]
const OTHER_CAPACITY: usize = 16 << 10;

/// Maximum number of queues besides the front one.
#[cfg(feature = "std")]
const OTHERS: usize = 63;

/// Takes a clear queue from the pool, or creates one.
#[inline]
pub(super) fn take_queue() -> Box<Queue> {
    #[cfg(feature = "std")]
    if let Ok(Some(queue)) = POOL.try_with(|pool| pool.front.take()) {
        return queue;
    }
    take_other_queue()
}

#[cold]
fn take_other_queue() -> Box<Queue> {
    #[cfg(feature = "std")]
    if let Ok(Some(queue)) = POOL.try_with(|pool| pool.pop()) {
        return queue;
    }
    Box::default()
}

/// Returns a queue to the pool. It must be clear.
#[inline]
pub(super) fn give_queue(queue: Box<Queue>) {
    debug_assert!(queue.is_clear(), "a queue must be empty before it is pooled");
    #[cfg(feature = "std")]
    {
        let mut queue = queue;
        queue.free_above(FRONT_CAPACITY);
        let displaced = POOL.try_with(|pool| pool.front.replace(Some(queue)));
        if let Ok(Some(displaced)) = displaced {
            give_other_queue(displaced);
        }
    }
    #[cfg(not(feature = "std"))]
    drop(queue);
}

#[cfg(feature = "std")]
#[cold]
fn give_other_queue(mut queue: Box<Queue>) {
    queue.free_above(OTHER_CAPACITY);
    // A surplus queue is dropped here, after the access to the pool has ended.
    drop(POOL.try_with(|pool| pool.push(queue)));
}

#[cfg(feature = "std")]
std::thread_local! {
    static POOL: Pool = const { Pool::new() };
}

/// The pool of one thread: the front queue, which most calls take and return, and a stack of others.
#[cfg(feature = "std")]
struct Pool {
    front: Cell<Option<Box<Queue>>>,
    /// `others[..len]` are `Some`, the others are `None`.
    others: [Cell<Option<Box<Queue>>>; OTHERS],
    /// `len <= OTHERS`.
    len: Cell<usize>,
}

#[cfg(feature = "std")]
impl Pool {
    const fn new() -> Self {
        Self {
            front: Cell::new(None),
            others: [const { Cell::new(None) }; OTHERS],
            len: Cell::new(0),
        }
    }

    fn pop(&self) -> Option<Box<Queue>> {
        let last = self.len.get().checked_sub(1)?;
        self.len.set(last);
        self.others.get(last)?.take()
    }

    /// Adds the queue, or returns it if the stack is full.
    fn push(&self, queue: Box<Queue>) -> Option<Box<Queue>> {
        let len = self.len.get();
        let Some(slot) = self.others.get(len) else { return Some(queue) };
        self.len.set(len + 1);
        slot.replace(Some(queue))
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn with_capacity(capacity: usize) -> Box<Queue> {
        Box::new(Queue::with_buffer(Vec::with_capacity(capacity)))
    }

    /// Empties the pool and returns the capacities of the buffers that it kept.
    fn drain() -> Vec<usize> {
        POOL.with(|pool| {
            let others = core::iter::from_fn(|| pool.pop());
            pool.front.take().into_iter().chain(others).map(|q| q.capacity()).collect()
        })
    }

    #[test]
    fn takes_the_queue_that_was_returned_last() {
        drain();
        give_queue(with_capacity(100));
        give_queue(with_capacity(200));
        assert_eq!(take_queue().capacity(), 200);
        assert_eq!(take_queue().capacity(), 100);
        assert_eq!(take_queue().capacity(), 0);
    }

    #[test]
    fn keeps_a_bounded_number_of_queues() {
        drain();
        for _ in 0..1000 {
            give_queue(with_capacity(OTHER_CAPACITY));
        }
        assert_eq!(drain(), [OTHER_CAPACITY; OTHERS + 1]);
    }

    #[test]
    fn keeps_a_large_buffer_only_in_front() {
        drain();
        for _ in 0..3 {
            give_queue(with_capacity(FRONT_CAPACITY));
        }
        assert_eq!(drain(), [FRONT_CAPACITY, 0, 0]);
        give_queue(with_capacity(FRONT_CAPACITY + 1));
        assert_eq!(drain(), [0]);
    }

    #[test]
    fn holds_less_than_its_documented_bound() {
        let without_buffer = size_of::<Queue>() + Queue::MAX_POOLED_SIZE;
        assert!(without_buffer <= 5 << 10, "{without_buffer}");
        let bound = FRONT_CAPACITY + OTHERS * OTHER_CAPACITY + (OTHERS + 1) * without_buffer;
        assert!(bound + size_of::<Pool>() < 3 << 19, "{bound}");
    }

    #[test]
    fn falls_back_to_the_allocator_while_the_thread_ends() {
        struct UsesThePool;
        impl Drop for UsesThePool {
            fn drop(&mut self) {
                let queue = take_queue();
                give_queue(queue);
            }
        }
        std::thread_local!(static LAST: UsesThePool = const { UsesThePool });
        for pool_first in [true, false] {
            let thread = std::thread::spawn(move || {
                if pool_first {
                    give_queue(with_capacity(100));
                    LAST.with(|_| ());
                } else {
                    LAST.with(|_| ());
                    give_queue(with_capacity(100));
                }
            });
            thread.join().unwrap();
        }
    }
}
