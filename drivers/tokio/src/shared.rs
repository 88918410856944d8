//! The connection that the halves of [`split`](crate::WebSocket::split) share, and the two tasks that wait
//! for a connection.
//!
//! Both halves drive the connection under a lock that is never held across a wait. The transport and the
//! timer wake both tasks, because the work of one can end the wait of the other: a write of the receiving
//! task makes room in the output, for which the sending task may be waiting.

use std::ops::DerefMut;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::engine::Engine;
use crate::error::Error;

/// A connection for two tasks.
pub(crate) struct Shared<IO> {
    engine: Mutex<Engine<IO>>,
    tasks: Tasks,
}

impl<IO> Shared<IO> {
    pub(crate) fn new(engine: Engine<IO>) -> Self {
        Self { engine: Mutex::new(engine), tasks: Tasks::default() }
    }

    pub(crate) fn into_engine(self) -> Engine<IO> {
        self.engine.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn engine(&self) -> MutexGuard<'_, Engine<IO>> {
        lock(&self.engine)
    }

    /// Wakes the task of the receiving half, if it waits.
    pub(crate) fn wake_receiver(&self) {
        wake(&self.tasks.wakers.receiver);
    }

    /// Calls `poll` for the task of the sending half.
    pub(crate) fn poll_sender(
        &self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Engine<IO>, &mut Context<'_>) -> Poll<Result<(), Error>>,
    ) -> Poll<Result<(), Error>> {
        self.tasks.poll_sender(cx, self.engine(), |engine, cx| {
            poll(engine, cx).map_err(|error| engine.error_or(error))
        })
    }

    /// Calls `poll` for the task of the receiving half.
    pub(crate) fn poll_receiver<T>(
        &self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Engine<IO>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.tasks.poll_receiver(cx, self.engine(), poll)
    }
}

/// A task that sends and a task that receives.
pub(crate) struct Tasks {
    wakers: Arc<Wakers>,
    /// Wakes both tasks.
    waker: Waker,
}

impl Tasks {
    /// Calls `poll` for the task that sends.
    pub(crate) fn poll_sender<IO, T>(
        &self,
        cx: &mut Context<'_>,
        mut engine: impl DerefMut<Target = Engine<IO>>,
        mut poll: impl FnMut(&mut Engine<IO>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let shared_cx = &mut Context::from_waker(&self.waker);
        let was_broken = engine.is_broken();
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
        // The task that receives watches the timers, and returns the failure. It registers under the lock of
        // the engine, so if it is not registered here, its next poll finds what this one has changed.
        let must_wake = is_registered(&self.wakers.receiver)
            && (engine.must_arm() || engine.is_broken() && !was_broken);
        drop(engine);
        if must_wake {
            wake(&self.wakers.receiver);
        }
        polled
    }

    /// Calls `poll` for the task that receives.
    pub(crate) fn poll_receiver<IO, T>(
        &self,
        cx: &mut Context<'_>,
        mut engine: impl DerefMut<Target = Engine<IO>>,
        poll: impl FnOnce(&mut Engine<IO>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        register(&self.wakers.receiver, cx);
        let polled = poll(&mut engine, &mut Context::from_waker(&self.waker));
        // The task that sends waits for room, for empty output, for a failed write or for the end of a
        // connection that has failed. After a Close, `has_room` is true.
        let connection = &engine.connection;
        let may_proceed = connection.has_room() || !connection.has_output() || engine.is_broken();
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

impl Default for Tasks {
    fn default() -> Self {
        let wakers = Arc::new(Wakers::default());
        Self { waker: Waker::from(wakers.clone()), wakers }
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

fn is_registered(slot: &Mutex<Option<Waker>>) -> bool {
    lock(slot).is_some()
}

/// A panic leaves the state consistent. Under a lock, only code of others may panic: the transport, the
/// source of entropy, the owner of a `Bytes` that is dropped, and the `question` of a program.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
