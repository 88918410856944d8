//! The read buffers of a thread. A connection owns one only while it has unread bytes.

use std::cell::Cell;

/// The size of a read buffer in bytes.
const LEN: usize = 64 << 10;

/// The number of read buffers that a thread keeps.
const MAX_KEPT: usize = 8;

thread_local! {
    static KEPT: Cell<Vec<Vec<u8>>> = const { Cell::new(Vec::new()) };
}

/// Takes a read buffer of the thread, or allocates one.
pub(crate) fn take() -> Vec<u8> {
    let kept = KEPT.try_with(|cell| {
        let mut kept = cell.take();
        let buffer = kept.pop();
        cell.set(kept);
        buffer
    });
    kept.ok().flatten().unwrap_or_else(|| vec![0; LEN])
}

/// Returns a read buffer to the thread.
pub(crate) fn give(buffer: Vec<u8>) {
    if buffer.len() != LEN {
        return; // The input had no buffer, or one of a handshake.
    }
    // A thread that is ending drops the buffer.
    let _ = KEPT.try_with(|cell| {
        let mut kept = cell.take();
        if kept.len() < MAX_KEPT {
            kept.push(buffer);
        }
        cell.set(kept);
    });
}
