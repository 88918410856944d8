//! Futures that are dropped before they complete.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

/// A future that is dropped after it has waited `polls` times. Its output is then `None`.
///
/// The future has a waker of its own, as in a `select!` of many futures: it is polled only if this waker
/// was woken, and a wake-up that goes to the waker of an earlier future is lost.
pub(crate) struct Cancelled<'f, T> {
    future: FuturesUnordered<Pin<Box<dyn Future<Output = T> + 'f>>>,
    polls: usize,
}

pub(crate) fn cancelled<'f, T>(
    polls: usize,
    future: impl Future<Output = T> + 'f,
) -> Cancelled<'f, T> {
    let future: Pin<Box<dyn Future<Output = T> + 'f>> = Box::pin(future);
    Cancelled { future: FuturesUnordered::from_iter([future]), polls }
}

impl<T> Future for Cancelled<'_, T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = self.get_mut();
        match this.future.poll_next_unpin(cx) {
            Poll::Pending if this.polls == 0 => {
                this.future.clear();
                Poll::Ready(None)
            }
            Poll::Pending => {
                this.polls -= 1;
                Poll::Pending
            }
            ready @ Poll::Ready(_) => ready,
        }
    }
}
