//! Halves of a connection, for a task that sends and a task that receives.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};
use websocket_proto::{
    Chunk, CloseFrame, Connection, Message, Outcome, Outgoing, SendError, Unsent,
};

use crate::engine::Engine;
use crate::error::Error;
use crate::reading::Reading;
use crate::shared::Shared;
use crate::websocket::{WebSocket, ping};

/// The half of a [`WebSocket`] that sends. It is created by [`WebSocket::split`].
///
/// If it is dropped, the [`Receiver`] continues: it receives messages, answers Pings and a Close frame, and
/// sends nothing else. The transport is closed when both halves are dropped.
///
/// # Failures
///
/// Both halves return a [failure](WebSocket#failures) of the connection, so that both tasks learn of it: each
/// call of this half that waits returns it as [`Error::Connection`], and the receiving half returns it once, with the
/// error of the transport if there is one.
///
/// After a failed write, the calls of this half that wait return
/// [`ConnectionError::Aborted`](websocket_proto::ConnectionError::Aborted) at once. The receiving half first returns
/// all messages that have arrived, and then, after some milliseconds without bytes, the failure. Until then a call that only queues a message, such as
/// [`try_feed`](Self::try_feed), succeeds while the output has room.
///
/// # Waiting
///
/// A call that waits does not read. While the receiving half is polled, it watches the timeouts, and they end a
/// wait for a dead peer. While it is not polled, what the peer sends is unread, and only the output is watched: if
/// the transport accepts no byte for 2 × ([`ping`](websocket_proto::Timeouts::ping) +
/// [`pong`](websocket_proto::Timeouts::pong)) + 1 s, which is 81 s by default, the call returns
/// [`Timeout::Output`](websocket_proto::Timeout::Output), and the connection ends as after a failed write; its
/// state machine, which did not measure it, has [`Aborted`](websocket_proto::ConnectionError::Aborted). While the
/// transport accepts bytes, the call waits. If `ping` or `pong` is `None`, a peer that reads nothing blocks the
/// call without end. After a Close frame, the last flush takes at most
/// [`closing`](websocket_proto::Timeouts::closing), or 10 s without it, and its grace.
///
/// A transport that buffers output, such as TLS, shows progress only when all of it is flushed. Bytes that the
/// receiving half reads then count as progress, too. A peer that sends and reads nothing therefore blocks the call
/// without end; `tokio::time::timeout` bounds it.
///
/// If one future uses the halves in turn and awaits [`send`](Self::send) while the peer does the same, both are
/// blocked and fail after that time, as does `receiver.forward(sender)` of `StreamExt` if the peer reads nothing.
/// There, use the [`WebSocket`], whose calls read and watch all timeouts while they wait, or
/// `StreamExt::split(socket)`, whose halves do, but may lose the
/// [last message](crate::migration#streams-and-sinks) before a Close frame.
pub struct Sender<IO>(pub(crate) Arc<Shared<IO>>);

/// The half of a [`WebSocket`] that receives. It is created by [`WebSocket::split`].
///
/// Keep it, and keep receiving: it alone answers Pings and a Close frame, and watches all timeouts. While it is not
/// polled, the sending half bounds only [its own waits](Sender#waiting). If it is dropped, only [`Sender::send`]
/// and the other calls that flush write: a message that was only queued, by [`Sender::feed`] or
/// [`Sender::try_feed`], and the Close frame of [`Sender::start_close`] leave with the next [`Sender::flush`].
pub struct Receiver<IO> {
    pub(crate) shared: Arc<Shared<IO>>,
    pub(crate) reading: Reading,
}

pub(crate) fn split<IO>(engine: Engine<IO>, reading: Reading) -> (Sender<IO>, Receiver<IO>) {
    let shared = Arc::new(Shared::new(engine));
    (Sender(shared.clone()), Receiver { shared, reading })
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Sender<IO> {
    /// Sends a message, as [`WebSocket::send`] does, but does not read while it [waits](Self#waiting).
    ///
    /// # Errors
    ///
    /// Returns the errors of [`WebSocket::send`].
    pub async fn send<'m>(&mut self, message: impl Into<Outgoing<'m>>) -> Result<(), Error> {
        self.queue(message.into(), |connection, message| connection.send(message)).await?;
        self.flush().await
    }

    /// Queues a message, as [`WebSocket::feed`] does, and wakes the receiving half, which writes it. The call
    /// [waits](Self#waiting) only while the output is full.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`WebSocket::feed`].
    pub async fn feed<'m>(&mut self, message: impl Into<Outgoing<'m>>) -> Result<(), Error> {
        self.queue(message.into(), |connection, message| connection.send(message)).await?;
        self.0.wake_receiver();
        Ok(())
    }

    /// Queues a message if the output has room, as [`WebSocket::try_feed`] does, and wakes the receiving
    /// half, which writes it when its task runs. A burst of more than the output has room for is refused before
    /// that.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`WebSocket::try_feed`].
    ///
    /// ```
    /// use tokio::net::TcpStream;
    /// use tokio_websocket_proto::Sender;
    /// use tokio_websocket_proto::proto::{PreparedMessage, SendError};
    ///
    /// /// Sends a price to all clients. A client that does not read misses it, and one that has left is
    /// /// removed.
    /// fn broadcast(clients: &mut Vec<Sender<TcpStream>>, price: &PreparedMessage) {
    ///     clients.retain_mut(|client| match client.try_feed(price) {
    ///         Ok(()) => true,
    ///         Err(unsent) => unsent.error == SendError::Full,
    ///     });
    /// }
    /// ```
    pub fn try_feed<'m>(
        &mut self,
        message: impl Into<Outgoing<'m>>,
    ) -> Result<(), Unsent<Outgoing<'m>>> {
        self.0.engine().connection.send(message)?;
        self.0.wake_receiver();
        Ok(())
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

    /// Queues a message without compressing it, as [`WebSocket::feed_uncompressed`] does, and wakes the receiving
    /// half, as [`feed`](Self::feed) does.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`WebSocket::feed`].
    #[cfg(feature = "deflate")]
    pub async fn feed_uncompressed<'m>(
        &mut self,
        message: impl Into<Outgoing<'m>>,
    ) -> Result<(), Error> {
        self.queue(message.into(), |connection, message| connection.send_uncompressed(message))
            .await?;
        self.0.wake_receiver();
        Ok(())
    }

    /// Queues a message without compressing it if the output has room, as [`WebSocket::try_feed_uncompressed`]
    /// does, and wakes the receiving half, as [`try_feed`](Self::try_feed) does.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`WebSocket::try_feed`].
    #[cfg(feature = "deflate")]
    pub fn try_feed_uncompressed<'m>(
        &mut self,
        message: impl Into<Outgoing<'m>>,
    ) -> Result<(), Unsent<Outgoing<'m>>> {
        self.0.engine().connection.send_uncompressed(message)?;
        self.0.wake_receiver();
        Ok(())
    }

    /// Sends one piece of a message, as [`WebSocket::send_chunk`] does.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`WebSocket::send_chunk`].
    pub async fn send_chunk(&mut self, chunk: Chunk<'_>) -> Result<(), Error> {
        self.queue(chunk, |connection, chunk| connection.send_chunk(chunk)).await?;
        self.flush().await
    }

    /// Sends one piece of a message without compressing it, as [`WebSocket::send_chunk_uncompressed`] does.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`WebSocket::send_chunk`].
    #[cfg(feature = "deflate")]
    pub async fn send_chunk_uncompressed(&mut self, chunk: Chunk<'_>) -> Result<(), Error> {
        self.queue(chunk, |connection, chunk| connection.send_chunk_uncompressed(chunk)).await?;
        self.flush().await
    }

    /// Sends a Ping, as [`WebSocket::ping`] does.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`WebSocket::ping`].
    pub async fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.queue(payload, ping).await?;
        self.flush().await
    }

    /// Writes everything that is queued, and flushes the transport. The call does not read while it
    /// [waits](Self#waiting).
    ///
    /// # Errors
    ///
    /// Returns the [failure](Self#failures) of the connection.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.0.poll_sender(cx, |engine, cx| engine.poll_flush(None, cx))).await
    }

    /// Queues a Close frame, as [`WebSocket::start_close`] does, and wakes the receiving half, which writes
    /// it, returns the remaining messages of the peer, and then `None`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`WebSocket::start_close`].
    pub fn start_close<'f, F>(&mut self, frame: F) -> Result<(), Error>
    where
        F: TryInto<Option<CloseFrame<'f>>>,
        F::Error: Into<SendError>,
    {
        self.0.engine().start_close(frame)?;
        self.0.wake_receiver();
        Ok(())
    }

    /// Queues a message with `send`, and waits only while the output is full.
    fn queue<M>(
        &mut self,
        message: M,
        send: impl Fn(&mut Connection, M) -> Result<(), Unsent<M>>,
    ) -> impl Future<Output = Result<(), Error>> {
        let mut message = Some(message);
        poll_fn(move |cx| {
            self.0.poll_sender(cx, |engine, cx| engine.poll_queue(&mut message, &send, None, cx))
        })
    }
}

impl<IO> Sender<IO> {
    /// Joins both halves again.
    ///
    /// # Errors
    ///
    /// Returns both halves if they belong to different connections.
    pub fn reunite(self, receiver: Receiver<IO>) -> Result<WebSocket<IO>, (Self, Receiver<IO>)> {
        if !Arc::ptr_eq(&self.0, &receiver.shared) {
            return Err((self, receiver));
        }
        let Receiver { shared, reading } = receiver;
        drop(self);
        match Arc::try_unwrap(shared) {
            Ok(shared) => Ok(WebSocket::new(shared.into_engine(), reading)),
            Err(shared) => Err((Self(shared.clone()), Receiver { shared, reading })),
        }
    }

    /// Calls `question` with the state machine. Meanwhile the connection is locked: `question` must not use
    /// the halves.
    pub fn with_connection<T>(&self, question: impl FnOnce(&Connection) -> T) -> T {
        question(&self.0.engine().connection)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Receiver<IO> {
    /// Receives the next message, as [`WebSocket::recv`] does.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`WebSocket::recv`].
    pub async fn recv(&mut self) -> Result<Option<Message<'_>>, Error> {
        Ok(self.recv_chunk().await?.map(|chunk| chunk.payload))
    }

    /// Receives the next piece of a message, as [`WebSocket::recv_chunk`] does.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`WebSocket::recv_chunk`].
    pub async fn recv_chunk(&mut self) -> Result<Option<Chunk<'_>>, Error> {
        let Self { shared, reading } = self;
        let poll = |cx: &mut Context<'_>| {
            // Most messages are read already, and need no waker.
            if shared.engine().has_event(reading) {
                return Poll::Ready(true);
            }
            shared.poll_receiver(cx, |engine, cx| engine.poll_event(reading, cx))
        };
        if poll_fn(poll).await
            && let Some(chunk) = shared.engine().receive(reading)
        {
            return Ok(Some(chunk));
        }
        poll_fn(|cx| shared.poll_receiver(cx, Engine::poll_end)).await;
        shared.engine().take_error().map_or(Ok(None), Err)
    }
}

impl<IO> Receiver<IO> {
    /// Calls `question` with the state machine. Meanwhile the connection is locked: `question` must not use
    /// the halves.
    pub fn with_connection<T>(&self, question: impl FnOnce(&Connection) -> T) -> T {
        question(&self.shared.engine().connection)
    }

    /// Returns how the connection ended, or `None` if it has not ended.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.with_connection(Connection::outcome)
    }

    /// Returns the peer's Close frame, if one with a code has arrived.
    #[must_use]
    pub fn peer_close(&self) -> Option<CloseFrame<'static>> {
        self.shared.engine().peer_close.clone()
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
