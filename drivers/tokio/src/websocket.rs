//! A connection over an asynchronous transport.

use std::fmt;
use std::future::poll_fn;

use tokio::io::{AsyncRead, AsyncWrite};
use websocket_proto::{
    Chunk, CloseFrame, Connection, Input, Message, Outcome, Outgoing, SendError, Unsent,
};

use crate::engine::Engine;
use crate::error::Error;
use crate::reading::Reading;
use crate::shared::Tasks;
use crate::split::{Receiver, Sender, split};

/// A WebSocket connection over `IO`, a tokio transport.
///
/// [`recv`](Self::recv) returns messages, [`send`](Self::send) sends them. It is also a
/// [`Stream`](futures_core::Stream) of owned messages and a [`Sink`](futures_sink::Sink), which two tasks may
/// poll, as after `split` of `StreamExt`. Pings are answered,
/// timeouts are watched and the closing handshake is completed while a future of this type is polled, so
/// keep receiving. Do not use [`Config::with_manual_pong`](websocket_proto::Config::with_manual_pong) or
/// [`Config::with_manual_close`](websocket_proto::Config::with_manual_close): this type does not return Pings
/// and Closes.
///
/// The runtime of tokio needs its timer ([`enable_time`](tokio::runtime::Builder::enable_time)), and for sockets
/// also [`enable_io`](tokio::runtime::Builder::enable_io). Without the timer, tokio panics when a connection with
/// [timeouts](websocket_proto::Timeouts) waits; [`DEFAULT_CONFIG`](crate::DEFAULT_CONFIG) has timeouts.
///
/// The transport is closed when this value is dropped, or both halves are. After a failure or the closing
/// handshake it stays open until then: a program that keeps connections in a list removes those that have ended.
///
/// # Memory
///
/// A connection that waits owns no read buffer. Each thread keeps up to eight, of 128 KiB each, which it lends
/// to the connections with unread bytes. A call that sends and is blocked keeps up to 1 MiB of received messages
/// and one more. [`Config::with_high_water_mark`](websocket_proto::Config::with_high_water_mark) bounds what is
/// queued.
///
/// # Cancellation
///
/// Each future can be dropped at any point. A message is then either queued as a whole or not at all,
/// and no received byte is lost.
///
/// # Failures
///
/// If the peer breaks a rule, exceeds a limit or is idle for too long, the connection fails with a Close
/// frame that names the reason (RFC 6455, section 7.1.7). A call that meets the failure completes after that
/// frame is written and the peer has ended its stream.
/// [`Timeouts::closing`](websocket_proto::Timeouts::closing) bounds this wait; without that timeout it ends
/// when the frame is written and flushed, which a transport that buffers, such as TLS, may delay for 10 seconds.
/// After a broken transport or a dead peer there is nothing to wait for.
///
/// A write may fail because the peer has closed the transport. What the peer sent before that is received
/// first: [`recv`](Self::recv) returns the messages, and [`peer_close`](Self::peer_close) the Close frame. A call
/// that sends receives only as much as it [keeps](Self#memory). If more remains, it returns
/// [`ConnectionError::Aborted`](websocket_proto::ConnectionError::Aborted), and the connection fails when
/// [`recv`](Self::recv) has returned the remaining messages. Until then, each call that flushes returns this error, and what
/// [`feed`](Self::feed) and [`try_feed`](Self::try_feed) queue is lost.
///
/// The first call that waits and completes after the connection has failed returns the failure, but
/// [`recv`](Self::recv) first returns the messages that a blocked call has kept. After the failure, `recv` returns
/// those messages, and then `None`; the calls that send return [`SendError::Closed`].
pub struct WebSocket<IO> {
    pub(crate) engine: Engine<IO>,
    pub(crate) reading: Reading,
    /// The tasks that poll the stream and the sink.
    pub(crate) tasks: Option<Box<Tasks>>,
}

/// # Construction
impl<IO> WebSocket<IO> {
    /// Creates a WebSocket over a transport whose opening handshake is complete.
    ///
    /// `input` has the bytes that were read after the handshake, or is `Input::owned(Vec::new())` if there
    /// are none. [`with_subprotocol`](Self::with_subprotocol) adds the subprotocol.
    #[must_use]
    pub fn from_parts(io: IO, connection: Connection, input: Input<'_>) -> Self {
        Self::new(Engine::new(io, connection), Reading::new(input.into_owned()))
    }

    pub(crate) fn new(engine: Engine<IO>, reading: Reading) -> Self {
        Self { engine, reading, tasks: None }
    }

    /// Sets the subprotocol that the opening handshake has agreed.
    #[must_use]
    pub fn with_subprotocol<'p>(mut self, subprotocol: impl Into<Option<&'p str>>) -> Self {
        self.engine.subprotocol = subprotocol.into().map(|name| Box::new(name.into()));
        self
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
    /// With [`Delivery::Chunks`](websocket_proto::Delivery::Chunks), this call and the
    /// [`Stream`](futures_core::Stream) return each piece as a message: call
    /// [`recv_chunk`](Self::recv_chunk) instead.
    ///
    /// # Errors
    ///
    /// Returns the [failure](Self#failures) of the connection, and then `None`.
    pub async fn recv(&mut self) -> Result<Option<Message<'_>>, Error> {
        Ok(self.recv_chunk().await?.map(|chunk| chunk.payload))
    }

    /// Receives the next piece of a message, with
    /// [`Delivery::Chunks`](websocket_proto::Delivery::Chunks). Returns `None` after the closing
    /// handshake.
    ///
    /// With `Delivery::Messages`, each message is one piece. `Delivery::Chunks` bounds the length of a piece: 256 KiB
    /// if the message is compressed, and otherwise one read, which is at most 128 KiB.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`recv`](Self::recv).
    pub async fn recv_chunk(&mut self) -> Result<Option<Chunk<'_>>, Error> {
        let Self { engine, reading, .. } = self;
        if poll_fn(|cx| engine.poll_event(reading, cx)).await
            && let Some(chunk) = engine.receive(reading)
        {
            return Ok(Some(chunk));
        }
        poll_fn(|cx| engine.poll_end(cx)).await;
        engine.take_error().map_or(Ok(None), Err)
    }
}

/// # Sending
impl<IO: AsyncRead + AsyncWrite + Unpin> WebSocket<IO> {
    /// Sends a message: `&str`, `String`, `&[u8]`, `Vec<u8>`, `Bytes`, [`Message`] or
    /// `&`[`PreparedMessage`](websocket_proto::PreparedMessage). Completes when the transport has
    /// accepted all of it.
    ///
    /// The peer may still not receive it: if the connection breaks, what the transport has accepted may be lost.
    /// WebSocket has no acknowledgement of messages. A program that needs one keeps each message until the
    /// application of the peer answers it.
    ///
    /// To send many messages with few system calls, [`feed`](Self::feed) them.
    ///
    /// # Errors
    ///
    /// - [`SendError::Closed`] after a Close frame was sent or received. A program that also sends on its own
    ///   initiative, such as a chat room, ignores this error and continues to call [`recv`](Self::recv)
    ///   until `None`, which completes the closing handshake.
    /// - [`SendError::MessageInProgress`] inside a message that is sent in pieces.
    /// - The [failure](Self#failures) of the connection.
    pub async fn send<'m>(&mut self, message: impl Into<Outgoing<'m>>) -> Result<(), Error> {
        self.queue(message.into(), |connection, message| connection.send(message)).await?;
        self.flush().await
    }

    /// Queues a message, and waits only while the output is full.
    ///
    /// The next [`recv`](Self::recv) that waits for the transport writes everything that was queued,
    /// and so does [`flush`](Self::flush). While the call waits, it reads as `flush` does. A peer that
    /// does not read blocks it until a timeout fails the connection. A program that must not wait so
    /// long drops the future: `tokio::time::timeout(PATIENCE, socket.feed(message))` loses no message of a
    /// peer that reads, and a message whose future was dropped is not sent in part.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`send`](Self::send).
    pub async fn feed<'m>(&mut self, message: impl Into<Outgoing<'m>>) -> Result<(), Error> {
        self.queue(message.into(), |connection, message| connection.send(message)).await
    }

    /// Queues a message if the output has room, and never waits: for messages that a slow peer may miss, such as
    /// prices, each of which is soon replaced by another.
    ///
    /// Nothing is written between two calls. A burst of more than the output has room for is therefore
    /// refused also if the peer reads. Where no message may be lost, as in a chat, use [`feed`](Self::feed) with
    /// a timeout. Where only the last one counts, `feed` the value of tokio's channel `watch`, which skips those
    /// that were replaced meanwhile.
    ///
    /// The message is written as after [`feed`](Self::feed). The output has room while less than
    /// [`Config::with_high_water_mark`](websocket_proto::Config::with_high_water_mark) is queued, 1 MiB by
    /// default.
    ///
    /// # Errors
    ///
    /// Returns the message with the reason: [`SendError::Full`] without room, and otherwise as
    /// [`send`](Self::send). After a failure the reason is [`SendError::Closed`]; the next call that waits
    /// returns the failure.
    ///
    /// ```
    /// use tokio::net::TcpStream;
    /// use tokio::sync::watch;
    /// use tokio_websocket_proto::proto::{CloseCode, SendError, Unsent};
    /// use tokio_websocket_proto::{Error, WebSocket};
    ///
    /// /// Sends each price that the client is ready for. A client that reads slowly misses some, and may
    /// /// have an old price until the next change.
    /// async fn follow(
    ///     mut client: WebSocket<TcpStream>,
    ///     mut prices: watch::Receiver<String>,
    /// ) -> Result<(), Error> {
    ///     loop {
    ///         tokio::select! {
    ///             message = client.recv() => if message?.is_none() { return Ok(()) },
    ///             changed = prices.changed(), if !client.is_closing() => {
    ///                 if changed.is_err() {
    ///                     return client.close(CloseCode::GOING_AWAY).await;
    ///                 }
    ///                 let price = prices.borrow_and_update().clone();
    ///                 match client.try_feed(price).map_err(Unsent::into_error) {
    ///                     // `recv` writes it, and completes the closing handshake or returns the failure.
    ///                     Ok(()) | Err(SendError::Full | SendError::Closed) => {}
    ///                     Err(error) => return Err(error.into()),
    ///                 }
    ///             }
    ///         }
    ///     }
    /// }
    /// ```
    pub fn try_feed<'m>(
        &mut self,
        message: impl Into<Outgoing<'m>>,
    ) -> Result<(), Unsent<Outgoing<'m>>> {
        self.engine.connection.send(message)
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

    /// Queues a message as [`feed`](Self::feed) does, but never compresses it.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`send`](Self::send).
    #[cfg(feature = "deflate")]
    pub async fn feed_uncompressed<'m>(
        &mut self,
        message: impl Into<Outgoing<'m>>,
    ) -> Result<(), Error> {
        self.queue(message.into(), |connection, message| connection.send_uncompressed(message))
            .await
    }

    /// Queues a message as [`try_feed`](Self::try_feed) does, but never compresses it.
    ///
    /// # Errors
    ///
    /// Returns the message with the errors of [`try_feed`](Self::try_feed).
    #[cfg(feature = "deflate")]
    pub fn try_feed_uncompressed<'m>(
        &mut self,
        message: impl Into<Outgoing<'m>>,
    ) -> Result<(), Unsent<Outgoing<'m>>> {
        self.engine.connection.send_uncompressed(message)
    }

    /// Sends one piece of a message. Completes when the transport has accepted it.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`send`](Self::send), except for `MessageInProgress`, and
    /// [`SendError::NoMessageInProgress`] or [`SendError::TypeMismatch`] for a piece that does not continue the
    /// message in progress.
    pub async fn send_chunk(&mut self, chunk: Chunk<'_>) -> Result<(), Error> {
        self.queue(chunk, |connection, chunk| connection.send_chunk(chunk)).await?;
        self.flush().await
    }

    /// Sends one piece of a message as [`send_chunk`](Self::send_chunk) does. If it is the first piece of its
    /// message, the message is not compressed; the other pieces are sent as the first one was.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`send_chunk`](Self::send_chunk).
    #[cfg(feature = "deflate")]
    pub async fn send_chunk_uncompressed(&mut self, chunk: Chunk<'_>) -> Result<(), Error> {
        self.queue(chunk, |connection, chunk| connection.send_chunk_uncompressed(chunk)).await?;
        self.flush().await
    }

    /// Sends a Ping with at most 125 bytes of payload.
    ///
    /// Keepalive needs no such call: see [`Timeouts`](websocket_proto::Timeouts). The Pong is a sign of life, and
    /// is not reported: [`Connection::rtt`] measures keepalive Pings only. To measure the round-trip time of a busy
    /// connection, send a message that the application of the peer answers.
    ///
    /// # Errors
    ///
    /// Returns [`SendError::TooLong`] for a longer payload, [`SendError::Closed`] after a Close frame was sent
    /// or received, and the [failure](Self#failures) of the connection.
    pub async fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.queue(payload, ping).await?;
        self.flush().await
    }

    /// Writes everything that is queued, and flushes the transport.
    ///
    /// While the transport accepts nothing, the call also reads, and keeps up to 1 MiB of messages and
    /// one more for [`recv`](Self::recv), so that two peers that only send do not block each other.
    ///
    /// Bytes that a TLS library buffers are outside the timeouts while the peer still sends. A peer that
    /// sends and reads nothing then blocks the call until 1 MiB is kept, and from there for `ping` + `pong`;
    /// `tokio::time::timeout` bounds it earlier.
    ///
    /// # Errors
    ///
    /// Returns the [failure](Self#failures) of the connection, and after it [`SendError::Closed`]. What was
    /// queued is lost.
    pub async fn flush(&mut self) -> Result<(), Error> {
        let Self { engine, reading, .. } = self;
        poll_fn(|cx| engine.poll_flush(Some(reading), cx))
            .await
            .map_err(|error| engine.take_error_or(error))
    }

    /// Queues a message with `send`, and waits only while the output is full.
    fn queue<M>(
        &mut self,
        message: M,
        send: impl Fn(&mut Connection, M) -> Result<(), Unsent<M>>,
    ) -> impl Future<Output = Result<(), Error>> {
        let Self { engine, reading, .. } = self;
        let mut message = Some(message);
        poll_fn(move |cx| {
            let queued = engine.poll_queue(&mut message, &send, Some(reading), cx);
            queued.map_err(|error| engine.take_error_or(error))
        })
    }
}

/// # Closing
impl<IO: AsyncRead + AsyncWrite + Unpin> WebSocket<IO> {
    /// Performs the closing handshake (RFC 6455, section 7.1.2): sends a Close frame and completes when
    /// the peer's Close frame has arrived and the transport is closed. Messages that arrive meanwhile are
    /// dropped; after [`start_close`](Self::start_close), [`recv`](Self::recv) returns them.
    ///
    /// `frame` is a [`CloseCode`](websocket_proto::CloseCode), a [`CloseFrame`] or `None`.
    /// [`Timeouts::closing`](websocket_proto::Timeouts::closing) bounds the call; progress of queued output
    /// restarts it. Without that timeout the call waits for the peer. With the default of 10 s, the call takes
    /// up to 11 s if the peer neither reads nor answers. To be rid of a peer at once, drop the `WebSocket`.
    ///
    /// # Errors
    ///
    /// Returns [`SendError::InvalidClose`], [`SendError::Entropy`] if the source of entropy fails, and the
    /// [failure](Self#failures) of the connection: for a peer that does not answer in time,
    /// [`Timeout::Closing`](websocket_proto::Timeout::Closing).
    pub async fn close<'f, F>(&mut self, frame: F) -> Result<(), Error>
    where
        F: TryInto<Option<CloseFrame<'f>>>,
        F::Error: Into<SendError>,
    {
        self.start_close(frame)?;
        while self.recv_chunk().await?.is_some() {}
        Ok(())
    }

    /// Queues a Close frame. [`recv`](Self::recv) then returns the remaining messages of the peer, and
    /// `None` when the closing handshake is complete. The calls that send return [`SendError::Closed`] from
    /// now on.
    ///
    /// Does nothing if the connection is closing already.
    ///
    /// # Errors
    ///
    /// Returns [`SendError::InvalidClose`], or [`SendError::Entropy`] if the source of entropy fails.
    pub fn start_close<'f, F>(&mut self, frame: F) -> Result<(), Error>
    where
        F: TryInto<Option<CloseFrame<'f>>>,
        F::Error: Into<SendError>,
    {
        self.engine.start_close(frame)
    }
}

/// # Questions
impl<IO> WebSocket<IO> {
    /// Returns the state machine: its round-trip time, statistics, parameters and outcome. The
    /// [round-trip time](Connection::rtt) is that of the last keepalive Ping, which is sent only after the peer was
    /// silent for [`Timeouts::ping`](websocket_proto::Timeouts::ping): a busy connection has none.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.engine.connection
    }

    /// Returns the subprotocol that the opening handshake has agreed (RFC 6455, section 1.9), or `None` if
    /// there is none.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.engine.subprotocol.as_ref().map(|name| &***name)
    }

    /// Returns the parameters of permessage-deflate that the opening handshake has agreed (RFC 7692, section
    /// 7.1), or `None` if messages are not compressed: compression was not
    /// [configured](websocket_proto::Config::with_deflate), or the peer does not speak it.
    ///
    /// ```
    /// use tokio::io::duplex;
    /// use tokio_websocket_proto::proto::handshake::{Acceptance, ClientRequest};
    /// use tokio_websocket_proto::proto::{Config, Deflate};
    /// use tokio_websocket_proto::{Error, Incoming, client_with, default_config};
    ///
    /// static CONFIG: Config = default_config().with_deflate(Deflate::new());
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// let (ours, theirs) = duplex(1024);
    /// let server = async { Incoming::receive(theirs, &CONFIG).await?.accept(&Acceptance::new()).await };
    /// let request = ClientRequest::to("localhost", "/");
    /// let (client, server) = tokio::join!(client_with(ours, &request, &CONFIG), server);
    /// let (client, server) = (client?.0, server?);
    /// assert!(client.deflate_parameters().is_some());
    /// assert_eq!(client.deflate_parameters(), server.deflate_parameters());
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate_parameters(&self) -> Option<websocket_proto::DeflateParameters> {
        self.engine.connection.deflate_parameters()
    }

    /// Returns the transport.
    #[must_use]
    pub fn io(&self) -> &IO {
        &self.engine.io
    }

    /// Returns the transport, for example to change an option of it. Do not read from it or write to it:
    /// either end would then find bytes that are no frames.
    #[must_use]
    pub fn io_mut(&mut self) -> &mut IO {
        &mut self.engine.io
    }

    /// Returns the transport, and drops the connection: messages that were not received and output that
    /// was not written are lost.
    #[must_use]
    pub fn into_io(self) -> IO {
        self.engine.io
    }

    /// Returns how the connection ended, or `None` if it has not ended.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.engine.connection.outcome()
    }

    /// Returns whether a Close frame was sent or received, or the connection has failed. The calls that send
    /// then return [`SendError::Closed`] or the failure, and [`recv`](Self::recv) completes the closing handshake.
    ///
    /// A loop that keeps what it could not send for the next connection asks this before it tries again: until
    /// `recv` returns, each attempt would fail at once.
    ///
    /// ```
    /// use tokio::net::TcpStream;
    /// use tokio::sync::mpsc;
    /// use tokio_websocket_proto::proto::{CloseCode, SendError};
    /// use tokio_websocket_proto::{Error, WebSocket};
    ///
    /// /// Sends lines, and closes after the last one. When the connection ends earlier, `unsent` keeps the
    /// /// line that the transport had not accepted.
    /// async fn send_lines(
    ///     socket: &mut WebSocket<TcpStream>,
    ///     lines: &mut mpsc::Receiver<String>,
    ///     unsent: &mut Option<String>,
    /// ) -> Result<(), Error> {
    ///     loop {
    ///         if let Some(line) = &*unsent && !socket.is_closing() {
    ///             match socket.send(line).await {
    ///                 // Accepted by the transport, not received by the peer: see `send`.
    ///                 Ok(()) => *unsent = None,
    ///                 Err(Error::Send(SendError::Closed)) => {}
    ///                 Err(error) => return Err(error),
    ///             }
    ///         }
    ///         tokio::select! {
    ///             message = socket.recv() => if message?.is_none() { return Ok(()) },
    ///             line = lines.recv(), if unsent.is_none() => match line {
    ///                 Some(line) => *unsent = Some(line),
    ///                 // This drops what the peer still sends. To receive it, call `start_close`, and
    ///                 // `recv` until `None`.
    ///                 None => return socket.close(CloseCode::NORMAL).await,
    ///             },
    ///         }
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.engine.connection.is_closing()
    }

    /// Returns the peer's Close frame, if one with a code has arrived.
    #[must_use]
    pub fn peer_close(&self) -> Option<&CloseFrame<'static>> {
        self.engine.peer_close.as_ref()
    }

    /// Splits into a half that sends and a half that receives, for two tasks.
    ///
    /// A future that uses the halves in turn reads nothing while it [waits](Sender#waiting) to send; it needs
    /// no halves. `StreamExt::split(socket)` has halves for such a future, for
    /// [combinators](crate::migration#streams-and-sinks) such as `forward`.
    ///
    /// The sending half starts the closing handshake, and the receiving half completes it: it runs until `None`.
    /// A future that waits for a channel does not learn that the connection has ended, so the end of the receiving
    /// half must end both. Two futures in one `select!` do that, and are polled like two tasks:
    ///
    /// ```
    /// use std::pin::pin;
    ///
    /// use tokio::net::TcpStream;
    /// use tokio::sync::mpsc;
    /// use tokio_websocket_proto::proto::{CloseCode, SendError};
    /// use tokio_websocket_proto::{Error, WebSocket};
    ///
    /// /// Prints messages and sends lines, and closes after the last one.
    /// async fn talk(
    ///     socket: WebSocket<TcpStream>,
    ///     mut lines: mpsc::Receiver<String>,
    /// ) -> Result<(), Error> {
    ///     let (mut sender, mut receiver) = socket.split();
    ///     let mut receiving = pin!(async {
    ///         while let Some(message) = receiver.recv().await? {
    ///             println!("{message:?}");
    ///         }
    ///         Ok(())
    ///     });
    ///     let sending = async {
    ///         while let Some(line) = lines.recv().await {
    ///             sender.send(line).await?;
    ///         }
    ///         sender.start_close(CloseCode::NORMAL)
    ///     };
    ///     tokio::select! {
    ///         // Drops `sending`, which may wait for a line.
    ///         received = &mut receiving => received,
    ///         sent = sending => match sent {
    ///             // If both halves fail, the error of the receiving half is the one with the cause.
    ///             Ok(()) | Err(Error::Send(SendError::Closed) | Error::Connection(_)) => receiving.await,
    ///             Err(error) => Err(error),
    ///         },
    ///     }
    /// }
    /// ```
    ///
    /// In two tasks, the receiving one aborts the sending one when it ends, with an `AbortHandle` of tokio.
    ///
    /// Before the split, ask for the [`subprotocol`](Self::subprotocol), and use the transport
    /// ([`io`](Self::io)): the halves have neither. [`Sender::with_connection`] and [`Receiver::with_connection`]
    /// answer what [`connection`](Self::connection) does, such as `deflate_parameters`,
    /// [`is_closing`](Connection::is_closing) and [`outcome`](Connection::outcome). [`Receiver::peer_close`] returns
    /// the peer's Close frame.
    #[must_use]
    pub fn split(self) -> (Sender<IO>, Receiver<IO>) {
        split(self.engine, self.reading)
    }
}

/// Queues a Ping as [`Engine::poll_queue`] expects it.
pub(crate) fn ping<'p>(
    connection: &mut Connection,
    payload: &'p [u8],
) -> Result<(), Unsent<&'p [u8]>> {
    connection.ping(payload).map_err(|error| Unsent { message: payload, error })
}

impl<IO> fmt::Debug for WebSocket<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("connection", &self.engine.connection)
            .finish_non_exhaustive()
    }
}
