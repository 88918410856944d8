//! Halves of a connection, for a task that sends and a task that receives.
//!
//! Both halves drive the connection under a lock that is never held across a wait. The transport
//! wakes both tasks, because the work of one can end the wait of the other: a write of the receiving
//! task makes room in the output, for which the sending task may be waiting.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};

use futures_core::Stream;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite};
use websocket_proto::{
    Chunk, CloseFrame, Connection, Event, Message, Outcome, Outgoing, SendError, Unsent,
};

use crate::engine::{Engine, Reading};
use crate::error::Error;
use crate::websocket::{WebSocket, drain, next_message};

/// The half of a [`WebSocket`] that sends. It is created by [`WebSocket::split`].
///
/// Both halves must be kept: the receiving half answers Pings and watches the timeouts.
pub struct Sender<IO>(Arc<Shared<IO>>);

/// The half of a [`WebSocket`] that receives. It is created by [`WebSocket::split`].
pub struct Receiver<IO> {
    shared: Arc<Shared<IO>>,
    reading: Reading,
}

struct Shared<IO> {
    engine: Mutex<Engine<IO>>,
    wakers: Arc<Wakers>,
    /// Wakes both tasks.
    waker: Waker,
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

/// No call panics while it holds a lock, except in the transport; the state stays consistent.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn split<IO>(engine: Engine<IO>, reading: Reading) -> (Sender<IO>, Receiver<IO>) {
    let wakers = Arc::new(Wakers::default());
    let waker = Waker::from(wakers.clone());
    let shared = Arc::new(Shared { engine: Mutex::new(engine), wakers, waker });
    (Sender(shared.clone()), Receiver { shared, reading })
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Sender<IO> {
    /// Sends a message, as [`WebSocket::send`] does.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`WebSocket::send`].
    pub async fn send<'m>(&mut self, message: impl Into<Outgoing<'m>>) -> Result<(), Error> {
        self.feed(message).await?;
        self.flush().await
    }

    /// Queues a message, as [`WebSocket::feed`] does. The receiving half writes it before it waits
    /// again, and so does [`flush`](Self::flush).
    ///
    /// # Errors
    ///
    /// Returns the errors of [`WebSocket::feed`].
    pub async fn feed<'m>(&mut self, message: impl Into<Outgoing<'m>>) -> Result<(), Error> {
        self.queue(message.into(), |connection, message| connection.send(message)).await
    }

    /// Sends a message without compressing it, as [`WebSocket::send_uncompressed`] does.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`WebSocket::send`].
    #[cfg(feature = "deflate")]
    pub async fn send_uncompressed<'m>(
        &mut self,
        message: impl Into<Outgoing<'m>>,
    ) -> Result<(), Error> {
        self.queue(message.into(), |connection, message| connection.send_uncompressed(message))
            .await?;
        self.flush().await
    }

    /// Queues a message with `send`, and waits only while the output is full.
    async fn queue<'m>(
        &mut self,
        mut message: Outgoing<'m>,
        send: impl Fn(&mut Connection, Outgoing<'m>) -> Result<(), Unsent<Outgoing<'m>>>,
    ) -> Result<(), Error> {
        loop {
            let sent = send(&mut lock(&self.0.engine).connection, message);
            match sent {
                Ok(()) => return Ok(()),
                Err(Unsent { message: unsent, error: SendError::Full, .. }) => message = unsent,
                Err(unsent) => return Err(unsent.into_error().into()),
            }
            self.make_room().await;
        }
    }

    /// Sends one piece of a message, as [`WebSocket::send_chunk`] does.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`WebSocket::send_chunk`].
    pub async fn send_chunk(&mut self, chunk: Chunk<'_>) -> Result<(), Error> {
        let mut chunk = chunk;
        loop {
            let sent = lock(&self.0.engine).connection.send_chunk(chunk);
            match sent {
                Ok(()) => return self.flush().await,
                Err(Unsent { message, error: SendError::Full, .. }) => chunk = message,
                Err(unsent) => return Err(unsent.into_error().into()),
            }
            self.make_room().await;
        }
    }

    /// Sends a Ping, as [`WebSocket::ping`] does.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`WebSocket::ping`].
    pub async fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        loop {
            let sent = lock(&self.0.engine).connection.ping(payload);
            match sent {
                Ok(()) => return self.flush().await,
                Err(SendError::Full) => self.make_room().await,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Writes everything that is queued, and flushes the transport.
    ///
    /// # Errors
    ///
    /// Returns the failure of the transport, if the receiving half has not returned it.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_flush_output(cx)).await
    }

    /// Queues a Close frame and writes it. The receiving half returns the remaining messages of the
    /// peer, and `None` when the closing handshake is complete.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`WebSocket::start_close`] and of [`flush`](Self::flush).
    pub async fn close<'f, F>(&mut self, frame: F) -> Result<(), Error>
    where
        F: TryInto<Option<CloseFrame<'f>>>,
        F::Error: Into<SendError>,
    {
        let closed = lock(&self.0.engine).connection.close(frame);
        match closed {
            Ok(()) | Err(SendError::Closed) => self.flush().await,
            Err(error) => Err(error.into()),
        }
    }

    async fn make_room(&mut self) {
        poll_fn(|cx| {
            let flushed = self.poll_engine(cx);
            if flushed.is_ready() || lock(&self.0.engine).connection.has_room() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Writes. The receiving half is woken if it has to wait for a new deadline or for the end.
    fn poll_engine(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        register(&self.0.wakers.sender, cx);
        let mut engine = lock(&self.0.engine);
        let flushed = engine.poll_flush(None, &mut Context::from_waker(&self.0.waker));
        // The receiving half watches the timers, and reports the end.
        let must_wake = engine.must_arm() || engine.connection.error().is_some();
        drop(engine);
        if must_wake {
            wake(&self.0.wakers.receiver);
        }
        if flushed.is_ready() {
            lock(&self.0.wakers.sender).take();
        }
        flushed
    }

    fn poll_flush_output(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_engine(cx));
        Poll::Ready(match lock(&self.0.engine).connection.error() {
            Some(error) => Err(Error::Connection(error)),
            None => Ok(()),
        })
    }
}

impl<IO> Sender<IO> {
    /// Joins both halves again. Returns them if they belong to different connections.
    ///
    /// # Errors
    ///
    /// Returns both halves.
    pub fn reunite(self, receiver: Receiver<IO>) -> Result<WebSocket<IO>, (Self, Receiver<IO>)> {
        if !Arc::ptr_eq(&self.0, &receiver.shared) {
            return Err((self, receiver));
        }
        let Receiver { shared, reading } = receiver;
        drop(self);
        match Arc::try_unwrap(shared) {
            Ok(shared) => {
                let engine = shared.engine.into_inner().unwrap_or_else(PoisonError::into_inner);
                Ok(WebSocket::join(engine, reading))
            }
            Err(shared) => Err((Self(shared.clone()), Receiver { shared, reading })),
        }
    }

    /// Calls `question` with the state machine.
    pub fn with_connection<T>(&self, question: impl FnOnce(&Connection) -> T) -> T {
        question(&lock(&self.0.engine).connection)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Receiver<IO> {
    /// Receives the next message, as [`WebSocket::recv`] does.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`WebSocket::recv`].
    pub async fn recv(&mut self) -> Result<Option<Message<'_>>, Error> {
        match self.recv_event().await? {
            Some(Event::Message(message)) => Ok(Some(message)),
            Some(Event::Chunk(chunk)) => Ok(Some(chunk.payload)),
            _ => Ok(None),
        }
    }

    /// Receives the next piece of a message, as [`WebSocket::recv_chunk`] does.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`WebSocket::recv_chunk`].
    pub async fn recv_chunk(&mut self) -> Result<Option<Chunk<'_>>, Error> {
        match self.recv_event().await? {
            Some(Event::Chunk(chunk)) => Ok(Some(chunk)),
            Some(Event::Message(message)) => {
                Ok(Some(Chunk::new(message, websocket_proto::Fragment::Whole)))
            }
            _ => Ok(None),
        }
    }

    async fn recv_event(&mut self) -> Result<Option<Event<'_>>, Error> {
        let Self { shared, reading } = self;
        let found = poll_fn(|cx| poll_event(shared, reading, cx)).await;
        {
            let mut engine = lock(&shared.engine);
            if !found {
                return engine.take_error().map_or(Ok(None), Err);
            }
            if let Some(event) = reading.take_kept() {
                return Ok(Some(event));
            }
            match engine.connection.receive(&mut reading.input) {
                Some(event @ Event::Failed(_)) => engine.note(event),
                event => return Ok(event),
            }
        }
        Box::pin(drain(|reading, cx| poll_event(shared, reading, cx))).await;
        lock(&shared.engine).take_error().map_or(Ok(None), Err)
    }
}

fn poll_event<IO: AsyncRead + AsyncWrite + Unpin>(
    shared: &Shared<IO>,
    reading: &mut Reading,
    cx: &mut Context<'_>,
) -> Poll<bool> {
    register(&shared.wakers.receiver, cx);
    let mut engine = lock(&shared.engine);
    let found = engine.poll_event(reading, &mut Context::from_waker(&shared.waker));
    drop(engine);
    // The write may have made room for the sender.
    wake(&shared.wakers.sender);
    if found.is_ready() {
        lock(&shared.wakers.receiver).take();
    }
    found
}

impl<IO> Receiver<IO> {
    /// Calls `question` with the state machine.
    pub fn with_connection<T>(&self, question: impl FnOnce(&Connection) -> T) -> T {
        question(&lock(&self.shared.engine).connection)
    }

    /// Returns how the connection ended, or `None` if it has not ended.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.with_connection(Connection::outcome)
    }

    /// Returns the peer's Close frame, if one with a code has come.
    #[must_use]
    pub fn peer_close(&self) -> Option<CloseFrame<'static>> {
        lock(&self.shared.engine).peer_close().cloned()
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Stream for Receiver<IO> {
    type Item = Result<Message<'static>, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { shared, reading } = self.get_mut();
        while ready!(poll_event(shared, reading, cx)) {
            if let Some(message) = next_message(&mut lock(&shared.engine), reading) {
                return Poll::Ready(Some(Ok(message)));
            }
        }
        Poll::Ready(lock(&shared.engine).take_error().map(Err))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Sink<Message<'static>> for Sender<IO> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = self.get_mut();
        if lock(&this.0.engine).connection.has_room() {
            return Poll::Ready(Ok(()));
        }
        let flushed = this.poll_engine(cx);
        if flushed.is_pending() && !lock(&this.0.engine).connection.has_room() {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, message: Message<'static>) -> Result<(), Error> {
        let sent = lock(&self.0.engine).connection.send(message);
        sent.map_err(|unsent| unsent.into_error().into())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().poll_flush_output(cx)
    }

    /// Queues a Close frame with the code 1000 and writes it.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = self.get_mut();
        let closed = lock(&this.0.engine).connection.close(websocket_proto::CloseCode::NORMAL);
        match closed {
            Ok(()) | Err(SendError::Closed) => this.poll_flush_output(cx),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }
}

impl<IO> fmt::Debug for Sender<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl<IO> fmt::Debug for Receiver<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
