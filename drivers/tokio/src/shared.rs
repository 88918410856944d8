//! The connection that the halves of [`split`](crate::WebSocket::split) share.
//!
//! Both halves drive the connection under a lock that is never held across a wait. The transport
//! wakes both tasks, because the work of one can end the wait of the other: a write of the receiving
//! task makes room in the output, for which the sending task may be waiting.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use websocket_proto::SendError;

use crate::engine::Engine;
use crate::error::Error;

/// A connection for two tasks.
pub(crate) struct Shared<IO> {
    engine: Mutex<Engine<IO>>,
    wakers: Arc<Wakers>,
    /// Wakes both tasks.
    waker: Waker,
}

impl<IO> Shared<IO> {
    pub(crate) fn new(engine: Engine<IO>) -> Self {
        let wakers = Arc::new(Wakers::default());
        let waker = Waker::from(wakers.clone());
        Self { engine: Mutex::new(engine), wakers, waker }
    }

    pub(crate) fn into_engine(self) -> Engine<IO> {
        self.engine.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn engine(&self) -> MutexGuard<'_, Engine<IO>> {
        lock(&self.engine)
    }

    /// Wakes the task of the receiving half, if it waits.
    pub(crate) fn wake_receiver(&self) {
        wake(&self.wakers.receiver);
    }

    /// Calls `poll` for the task of the sending half.
    pub(crate) fn poll_sender(
        &self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Engine<IO>, &mut Context<'_>) -> Poll<Result<(), SendError>>,
    ) -> Poll<Result<(), Error>> {
        let shared_cx = &mut Context::from_waker(&self.waker);
        let mut engine = self.engine();
        let had_failed = engine.has_failed();
        // Most calls do not wait, and need no waker.
        let mut polled = poll(&mut engine, shared_cx);
        if polled.is_pending() {
            register(&self.wakers.sender, cx);
            // An event before the waker was registered has woken nobody.
            polled = poll(&mut engine, shared_cx);
            if polled.is_ready() {
                lock(&self.wakers.sender).take();
            }
        }
        let polled = polled.map_err(|error| engine.error_or(error));
        // The receiving half watches the timers, and returns the failure.
        let must_wake = engine.must_arm() || engine.has_failed() && !had_failed;
        drop(engine);
        if must_wake {
            self.wake_receiver();
        }
        polled
    }

    /// Calls `poll` for the task of the receiving half.
    pub(crate) fn poll_receiver<T>(
        &self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Engine<IO>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        register(&self.wakers.receiver, cx);
        let mut engine = self.engine();
        let polled = poll(&mut engine, &mut Context::from_waker(&self.waker));
        // The sender waits for room, for empty output or for the end of a connection that has failed.
        let connection = &engine.connection;
        let may_proceed = connection.has_room() || !connection.has_output() || engine.has_failed();
        drop(engine);
        if may_proceed {
            wake(&self.wakers.sender);
        }
        if polled.is_ready() {
            lock(&self.wakers.receiver).take();
        }
        polled
    }
}

/// The wakers of the tasks that are waiting.
#[derive(Default)]
struct Wakers {
    sender: Mutex<Option<Waker>>,
    receiver: Mutex<Option<Waker>>,
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        wake(&self.sender);
        wake(&self.receiver);
    }
}

fn wake(slot: &Mutex<Option<Waker>>) {
    let waker = lock(slot).take();
    if let Some(waker) = waker {
        waker.wake();
    }
}

fn register(slot: &Mutex<Option<Waker>>, cx: &Context<'_>) {
    let mut slot = lock(slot);
    if !slot.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
        *slot = Some(cx.waker().clone());
    }
}

/// No call panics while it holds a lock, except in the transport and in the `question` of a program; the
/// state stays consistent.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
