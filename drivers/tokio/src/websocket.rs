//! A connection over an asynchronous transport.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite};
use websocket_proto::{
    Chunk, CloseFrame, Connection, Event, Input, Message, Outcome, Outgoing, SendError, Unsent,
};

use crate::engine::{Engine, Reading};
use crate::error::Error;
use crate::split::{Receiver, Sender, split};

/// A WebSocket connection over `IO`, a tokio transport.
///
/// [`recv`](Self::recv) returns messages, [`send`](Self::send) sends them. It is also a [`Stream`] of
/// owned messages and a [`Sink`]. Pings are answered, timeouts are watched and the closing handshake is
/// completed while a future of this type is polled, so keep receiving.
///
/// # Cancellation
///
/// Each future can be dropped at any point. A message is then either queued as a whole or not at all,
/// and no received byte is lost.
pub struct WebSocket<IO> {
    engine: Engine<IO>,
    reading: Reading,
}

/// # Construction
impl<IO> WebSocket<IO> {
    /// Creates a WebSocket over a transport whose opening handshake is complete.
    ///
    /// `input` has the bytes that were read after the handshake.
    #[must_use]
    pub fn from_parts(io: IO, connection: Connection, input: Input<'_>) -> Self {
        Self { engine: Engine::new(io, connection), reading: Reading::new(input.into_owned()) }
    }

    pub(crate) fn join(engine: Engine<IO>, reading: Reading) -> Self {
        Self { engine, reading }
    }
}

/// # Receiving
impl<IO: AsyncRead + AsyncWrite + Unpin> WebSocket<IO> {
    /// Receives the next message. Returns `None` after the closing handshake.
    ///
    /// The message borrows from the read buffer if it arrived whole, so that it is not copied.
    /// [`Message::into_owned`] detaches it. Before it waits for the transport, the call writes
    /// everything that is queued.
    ///
    /// # Errors
    ///
    /// Returns the failure of the connection or of the transport once, and then `None`. The Close frame
    /// that names a failure is written before; [`Timeouts::closing`](websocket_proto::Timeouts::closing)
    /// bounds how long the call then waits for the peer.
    pub async fn recv(&mut self) -> Result<Option<Message<'_>>, Error> {
        match self.recv_event().await? {
            Some(Event::Message(message)) => Ok(Some(message)),
            Some(Event::Chunk(chunk)) => Ok(Some(chunk.payload)),
            _ => Ok(None),
        }
    }

    /// Receives the next piece of a message, with
    /// [`Delivery::Chunks`](websocket_proto::Delivery::Chunks). Returns `None` after the closing
    /// handshake.
    ///
    /// With `Delivery::Messages`, each message is one piece.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`recv`](Self::recv).
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
        let (engine, reading) = (&mut self.engine, &mut self.reading);
        if !poll_fn(|cx| engine.poll_event(reading, cx)).await {
            return engine.take_error().map_or(Ok(None), Err);
        }
        if let Some(event) = reading.take_kept() {
            return Ok(Some(event));
        }
        match engine.connection.receive(&mut reading.input) {
            Some(event @ Event::Failed(_)) => engine.note(event),
            event => return Ok(event),
        }
        // Boxed, so that the future of `recv` stays small.
        Box::pin(drain(|reading, cx| engine.poll_event(reading, cx))).await;
        engine.take_error().map_or(Ok(None), Err)
    }
}

/// # Sending
impl<IO: AsyncRead + AsyncWrite + Unpin> WebSocket<IO> {
    /// Sends a message: `&str`, `String`, `&[u8]`, `Vec<u8>`, `Bytes`, [`Message`] or
    /// `&`[`PreparedMessage`](websocket_proto::PreparedMessage). Completes when the transport has
    /// accepted all of it.
    ///
    /// To send many messages with few system calls, [`feed`](Self::feed) them.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Send`] if the connection is closing or inside a message that is sent in pieces,
    /// and the failure of the transport.
    pub async fn send<'m>(&mut self, message: impl Into<Outgoing<'m>>) -> Result<(), Error> {
        self.feed(message).await?;
        self.flush().await
    }

    /// Queues a message, and waits only while the output is full.
    ///
    /// The next [`recv`](Self::recv) that waits for the transport writes everything that was queued,
    /// and so does [`flush`](Self::flush). While the call waits, it reads as `flush` does. A peer that
    /// does not read blocks it until a timeout fails the connection: a program that must not wait so
    /// long drops the future, for example with `tokio::time::timeout`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`send`](Self::send). After a Close was sent or received, the error is
    /// [`SendError::Closed`]: a program that also sends on its own initiative, such as a chat room,
    /// ignores it and continues to call `recv` until `None`, which completes the closing handshake.
    pub async fn feed<'m>(&mut self, message: impl Into<Outgoing<'m>>) -> Result<(), Error> {
        self.queue(message.into(), |connection, message| connection.send(message)).await
    }

    /// Sends a message as [`send`](Self::send) does, but never compresses it: for secrets beside text
    /// that an attacker chose, and for payloads that are compressed already.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`send`](Self::send).
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
            match send(&mut self.engine.connection, message) {
                Ok(()) => return Ok(()),
                Err(Unsent { message: unsent, error: SendError::Full, .. }) => message = unsent,
                Err(unsent) => return Err(self.send_error(unsent.into_error())),
            }
            self.make_room().await;
        }
    }

    /// Sends one piece of a message. Completes when the transport has accepted it.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`send`](Self::send).
    pub async fn send_chunk(&mut self, chunk: Chunk<'_>) -> Result<(), Error> {
        let mut chunk = chunk;
        loop {
            match self.engine.connection.send_chunk(chunk) {
                Ok(()) => return self.flush().await,
                Err(Unsent { message, error: SendError::Full, .. }) => chunk = message,
                Err(unsent) => return Err(self.send_error(unsent.into_error())),
            }
            self.make_room().await;
        }
    }

    /// Sends a Ping with at most 125 bytes of payload.
    ///
    /// Keepalive needs no such call: see [`Timeouts`](websocket_proto::Timeouts).
    ///
    /// # Errors
    ///
    /// Returns the errors of [`send`](Self::send).
    pub async fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        while let Err(error) = self.engine.connection.ping(payload) {
            match error {
                SendError::Full => self.make_room().await,
                error => return Err(self.send_error(error)),
            }
        }
        self.flush().await
    }

    /// Writes everything that is queued, and flushes the transport.
    ///
    /// While the transport accepts nothing, the call also reads, and keeps up to 1 MiB of messages and
    /// one more for [`recv`](Self::recv), so that two peers that only send do not block each other.
    ///
    /// # Errors
    ///
    /// Returns the failure of the transport or of the connection.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_flush_output(cx)).await
    }

    /// Waits until the output has room.
    async fn make_room(&mut self) {
        let (engine, reading) = (&mut self.engine, &mut self.reading);
        poll_fn(|cx| {
            if engine.poll_flush(Some(reading), cx).is_ready() || engine.connection.has_room() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    fn poll_flush_output(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.engine.poll_flush(Some(&mut self.reading), cx));
        Poll::Ready(self.engine.take_error().map_or(Ok(()), Err))
    }

    fn send_error(&mut self, error: SendError) -> Error {
        self.engine.take_error().unwrap_or(Error::Send(error))
    }
}

/// # Closing
impl<IO: AsyncRead + AsyncWrite + Unpin> WebSocket<IO> {
    /// Performs the closing handshake (RFC 6455, section 7.1.2): sends a Close frame and completes when
    /// the peer's Close frame has come and the transport is closed. Messages that arrive meanwhile are
    /// dropped; [`start_close`](Self::start_close) keeps them.
    ///
    /// `frame` is a [`CloseCode`](websocket_proto::CloseCode), a [`CloseFrame`] or `None`.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Send`] for an invalid frame, and the failure of the connection.
    pub async fn close<'f, F>(&mut self, frame: F) -> Result<(), Error>
    where
        F: TryInto<Option<CloseFrame<'f>>>,
        F::Error: Into<SendError>,
    {
        self.start_close(frame)?;
        while self.recv_event().await?.is_some() {}
        Ok(())
    }

    /// Queues a Close frame. [`recv`](Self::recv) then returns the remaining messages of the peer, and
    /// `None` when the closing handshake is complete.
    ///
    /// Does nothing if the connection is closing already.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Send`] for an invalid frame.
    pub fn start_close<'f, F>(&mut self, frame: F) -> Result<(), Error>
    where
        F: TryInto<Option<CloseFrame<'f>>>,
        F::Error: Into<SendError>,
    {
        match self.engine.connection.close(frame) {
            Ok(()) | Err(SendError::Closed) => Ok(()),
            Err(error) => Err(Error::Send(error)),
        }
    }
}

/// # Questions
impl<IO> WebSocket<IO> {
    /// Returns the state machine: its round-trip time, statistics, parameters and outcome.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.engine.connection
    }

    /// Returns the transport.
    #[must_use]
    pub fn io(&self) -> &IO {
        self.engine.io()
    }

    /// Returns how the connection ended, or `None` if it has not ended.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.engine.connection.outcome()
    }

    /// Returns the peer's Close frame, if one with a code has come.
    #[must_use]
    pub fn peer_close(&self) -> Option<&CloseFrame<'static>> {
        self.engine.peer_close()
    }

    /// Splits into a half that sends and a half that receives, for two tasks.
    #[must_use]
    pub fn split(self) -> (Sender<IO>, Receiver<IO>) {
        split(self.engine, self.reading)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Stream for WebSocket<IO> {
    type Item = Result<Message<'static>, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        while ready!(this.engine.poll_event(&mut this.reading, cx)) {
            if let Some(message) = next_message(&mut this.engine, &mut this.reading) {
                return Poll::Ready(Some(Ok(message)));
            }
        }
        Poll::Ready(this.engine.take_error().map(Err))
    }
}

/// Polls a connection that has failed until it has ended.
///
/// The result of `recv` borrows from its own input, so another one is used here: a failed connection drops
/// what it receives.
pub(crate) async fn drain(
    mut poll_event: impl FnMut(&mut Reading, &mut Context<'_>) -> Poll<bool>,
) {
    let mut reading = Reading::new(Input::owned(Vec::new()));
    while poll_fn(|cx| poll_event(&mut reading, cx)).await {}
}

/// Returns the message that `poll_event` has found, owned, or `None` after a failure.
pub(crate) fn next_message<IO>(
    engine: &mut Engine<IO>,
    reading: &mut Reading,
) -> Option<Message<'static>> {
    let event = match reading.take_kept() {
        Some(event) => event,
        None => engine.connection.receive(&mut reading.input).map(Event::into_owned)?,
    };
    match event {
        Event::Message(message) => Some(message),
        Event::Chunk(chunk) => Some(chunk.payload),
        event => {
            engine.note(event);
            None
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Sink<Message<'static>> for WebSocket<IO> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = self.get_mut();
        if !this.engine.connection.has_room() {
            let flushed = this.engine.poll_flush(Some(&mut this.reading), cx);
            if flushed.is_pending() && !this.engine.connection.has_room() {
                return Poll::Pending;
            }
        }
        Poll::Ready(this.engine.take_error().map_or(Ok(()), Err))
    }

    fn start_send(self: Pin<&mut Self>, message: Message<'static>) -> Result<(), Error> {
        let this = self.get_mut();
        let sent = this.engine.connection.send(message).map_err(Unsent::into_error);
        sent.map_err(|error| this.send_error(error))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().poll_flush_output(cx)
    }

    /// Performs the closing handshake with the code 1000, as [`close`](WebSocket::close) does.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = self.get_mut();
        this.start_close(websocket_proto::CloseCode::NORMAL)?;
        while ready!(this.engine.poll_event(&mut this.reading, cx)) {
            // A message is dropped, and a failure is noted.
            let _ = next_message(&mut this.engine, &mut this.reading);
        }
        Poll::Ready(this.engine.take_error().map_or(Ok(()), Err))
    }
}

impl<IO> fmt::Debug for WebSocket<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("connection", &self.engine.connection)
            .finish_non_exhaustive()
    }
}
