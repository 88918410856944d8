//! The read buffers of a thread. A connection owns one only while it has unread bytes.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};
use websocket_proto::Input;

/// The size of a read buffer in bytes: a message of 64 KiB is often whole in it. `benches/sockets` compares
/// sizes.
const LEN: usize = 128 << 10;

/// The number of read buffers that a thread keeps.
const MAX_POOLED: usize = 8;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Reads once into `input`, which owns a buffer only from a successful read until its bytes are consumed
/// and the next read finds none.
///
/// Call it when no byte is unread. After the end of the stream it is always pending.
pub(crate) fn poll_read(
    mut io: impl AsyncRead + Unpin,
    input: &mut Input<'static>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    debug_assert!(!input.has_unread(), "unread bytes are consumed before the next read");
    if input.is_finished() {
        return Poll::Pending;
    }
    // The buffer of a handshake, or one that held only the bytes left of it, makes small reads.
    if input.space().len() != LEN {
        let _ = input.replace_storage(take());
    }
    let mut space = ReadBuf::new(input.space());
    match Pin::new(&mut io).poll_read(cx, &mut space) {
        Poll::Ready(Ok(())) => {
            let len = space.filled().len();
            input.filled(len);
            Poll::Ready(Ok(()))
        }
        // The stream of TLS ended without its alert. A Close frame marks the end of a WebSocket
        // connection, and peers often omit the alert after it.
        Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            input.finish();
            Poll::Ready(Ok(()))
        }
        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        Poll::Pending => {
            release(input);
            Poll::Pending
        }
    }
}

/// Returns the buffer of `input` to the thread, unless bytes are unread.
pub(crate) fn release(input: &mut Input<'static>) {
    if let Ok(storage) = input.replace_storage(Vec::new()) {
        give(storage);
    }
}

/// Takes a read buffer of the thread, or allocates one.
fn take() -> Vec<u8> {
    let pooled = POOL.try_with(|pool| pool.borrow_mut().pop());
    pooled.ok().flatten().unwrap_or_else(|| vec![0; LEN])
}

/// Returns a read buffer to the thread.
fn give(buffer: Vec<u8>) {
    if buffer.len() != LEN {
        return; // The input had no buffer, or one of a handshake.
    }
    // A thread that is ending drops the buffer.
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if pool.len() < MAX_POOLED {
            pool.push(buffer);
        }
    });
}
