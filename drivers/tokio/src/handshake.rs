//! The opening handshake over an asynchronous transport: the exchange, and the side of the server.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};
use websocket_proto::handshake::{
    AcceptError, Acceptance, Field, Handshake, HandshakeError, Rejection, RequestHead, ServerEvent,
    ServerHandshake, Unaccepted,
};
use websocket_proto::{Config, Input, Negotiated, SharedConfig, Timeouts, Transport};

use crate::buffer;
use crate::error::Error;
use crate::timer::{Deadline, READ_TIMEOUT, Timer};
use crate::websocket::WebSocket;

/// The configuration of [`accept`] and [`client`](crate::client): the default one of `websocket-proto` with
/// [`Timeouts::RECOMMENDED`], so that each connection has keepalive and a deadline for each step. They are timers
/// of tokio, which panics in a runtime without
/// [`enable_time`](https://docs.rs/tokio/latest/tokio/runtime/struct.Builder.html#method.enable_time).
///
/// [`default_config`] returns it for changes.
pub static DEFAULT_CONFIG: Config = default_config();

/// Returns the configuration [`DEFAULT_CONFIG`]. A program that needs another one starts from it:
/// [`Config::new`] has no timeouts. With the feature `deflate`,
/// `default_config().with_deflate(proto::Deflate::new())` also offers or accepts compression.
///
/// ```
/// use tokio_websocket_proto::default_config;
/// use tokio_websocket_proto::proto::{Config, Limits};
///
/// static CONFIG: Config =
///     default_config().with_limits(Limits::DEFAULT.with_max_message(1 << 20));
/// ```
#[must_use]
pub const fn default_config() -> Config {
    Config::new().with_timeouts(Timeouts::RECOMMENDED)
}

/// Accepts a WebSocket connection over `io`, on which a client has just connected. For a TCP socket, call
/// [`configure_tcp`](crate::configure_tcp) first.
///
/// Every valid upgrade from the server's own origin is accepted. To see the request first, to
/// configure the connection, or to answer plain HTTP, use [`Incoming`].
///
/// # Errors
///
/// Returns an error if the client's request is not an upgrade to WebSocket, breaks a rule, comes from a page of
/// another origin, or does not arrive in time. The client has then received a response that says so.
pub async fn accept<IO>(io: IO) -> Result<WebSocket<IO>, Error>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    Incoming::receive(io, &DEFAULT_CONFIG).await?.accept(&Acceptance::new()).await
}

/// A request that a client has sent, before the server's decision.
///
/// [`RequestHead::path`] is as the client has sent it, such as `/caf%C3%A9`: decode it before it names a room. The
/// `Path` of axum is decoded.
///
/// ```no_run
/// use tokio::net::TcpListener;
/// use tokio_websocket_proto::proto::handshake::{Acceptance, Rejection};
/// use tokio_websocket_proto::{DEFAULT_CONFIG, Error, Incoming, configure_tcp};
///
/// # async fn serve() -> Result<(), Error> {
/// let listener = TcpListener::bind("127.0.0.1:9001").await?;
/// loop {
///     let (tcp, _) = listener.accept().await?;
///     tokio::spawn(async move {
///         configure_tcp(&tcp)?;
///         let incoming = Incoming::receive(tcp, &DEFAULT_CONFIG).await?;
///         if !incoming.is_upgrade() || incoming.request().path() != "/chat" {
///             return incoming.reject(Rejection::NotFound).await;
///         }
///         let mut socket = incoming.accept(&Acceptance::new()).await?;
///         while let Some(message) = socket.recv().await? {
///             let message = message.into_owned();
///             socket.feed(message).await?;
///         }
///         Ok(())
///     });
/// }
/// # }
/// ```
pub struct Incoming<IO> {
    /// Boxed: a task is as large as the largest future that it ever awaits.
    exchange: Box<Exchange<IO, ServerHandshake>>,
    is_upgrade: bool,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Incoming<IO> {
    /// Receives a request over `io`, on which a client has just connected.
    ///
    /// `config` has the limits, the timeouts, the compression (`proto::Deflate`) and others; start from
    /// [`default_config`]. When the path is known, [`set_config`](Self::set_config) can replace it.
    ///
    /// The configuration's origin policy applies to a request for a WebSocket: a page of another origin is
    /// rejected with 403 before the program sees the request. It does not apply to plain HTTP.
    ///
    /// # Errors
    ///
    /// Returns an error if the request breaks a rule, or does not arrive in time, and
    /// [`Error::ForbiddenOrigin`]. The client has then received a response that says so.
    pub async fn receive(io: IO, config: impl Into<SharedConfig>) -> Result<Self, Error> {
        let config: SharedConfig = config.into();
        let closing = config.timeouts().closing;
        let exchange = Exchange::new(io, ServerHandshake::new(config));
        let mut exchange = Box::new(Exchange { closing, ..exchange });
        let is_upgrade = match exchange.next().await {
            Some(ServerEvent::Upgrade) => true,
            Some(ServerEvent::Http) => false,
            Some(ServerEvent::Failed(error)) => {
                let error = exchange.failure(error);
                exchange.finish().await;
                return Err(match exchange.handshake.explanation() {
                    Some(explanation) => Error::forbidden_origin(explanation),
                    None => error,
                });
            }
            None => return Err(Error::Io(io::ErrorKind::UnexpectedEof.into())),
        };
        Ok(Self { exchange, is_upgrade })
    }

    /// Replaces the configuration of [`receive`](Self::receive): one port may have different limits, delivery,
    /// compression and timeouts for each path.
    ///
    /// The request is not checked again. The limits on its head, the origin policy and [`Timeouts::opening`] are
    /// those of the configuration before. If a path needs a stricter origin policy, call [`RequestHead::upgrade`]
    /// with it, and reject the request if that fails.
    ///
    /// ```
    /// use tokio::net::TcpStream;
    /// use tokio_websocket_proto::proto::handshake::{Acceptance, Rejection};
    /// use tokio_websocket_proto::proto::{Config, Delivery, Limits};
    /// use tokio_websocket_proto::{DEFAULT_CONFIG, Error, Incoming, default_config};
    ///
    /// static CHAT: Config =
    ///     default_config().with_limits(Limits::DEFAULT.with_max_message(64 << 10));
    /// static UPLOAD: Config = default_config()
    ///     .with_limits(Limits::DEFAULT.with_max_message(4 << 30))
    ///     .with_delivery(Delivery::Chunks);
    ///
    /// async fn serve(tcp: TcpStream) -> Result<(), Error> {
    ///     let mut incoming = Incoming::receive(tcp, &DEFAULT_CONFIG).await?;
    ///     match incoming.request().path() {
    ///         "/chat" => incoming.set_config(&CHAT),
    ///         "/upload" => incoming.set_config(&UPLOAD),
    ///         _ => return incoming.reject(Rejection::NotFound).await,
    ///     }
    ///     let mut socket = incoming.accept(&Acceptance::new()).await?;
    ///     while let Some(piece) = socket.recv_chunk().await? {
    ///         println!("{} bytes", piece.payload.len());
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn set_config(&mut self, config: impl Into<SharedConfig>) {
        let config: SharedConfig = config.into();
        self.exchange.closing = config.timeouts().closing;
        self.exchange.handshake.set_config(config);
    }

    /// Accepts the upgrade, and writes the response.
    ///
    /// This completes the opening handshake, whose deadline has ended with the request: if the client does not
    /// read, the connection fails as any other whose output makes no progress, after
    /// [`Timeouts::ping`] and [`Timeouts::pong`] together.
    ///
    /// # Errors
    ///
    /// Returns [`Error::NotWebSocket`] if the request is plain HTTP, to which the response is 426, and
    /// [`Error::Head`] if `acceptance` is invalid: the fault is the program's, and the response is 500.
    pub async fn accept(self, acceptance: &Acceptance<'_>) -> Result<WebSocket<IO>, Error> {
        let (incoming, error) = match self.establish(acceptance) {
            Ok(mut socket) => {
                socket.flush().await?;
                return Ok(*socket);
            }
            Err(unaccepted) => unaccepted,
        };
        match error {
            AcceptError::NotReady => incoming.reject(Rejection::UpgradeRequired).await?,
            AcceptError::Response(_) | AcceptError::Entropy => {
                incoming.respond(500, &[], b"").await?;
            }
        }
        Err(error.into())
    }

    /// Accepts the upgrade without writing the response. Returns the request if that fails.
    // The connection is boxed as the exchange is.
    fn establish(
        mut self,
        acceptance: &Acceptance<'_>,
    ) -> Result<Box<WebSocket<IO>>, (Self, AcceptError)> {
        let Exchange { io, handshake, input, timer, closing, .. } = *self.exchange;
        match handshake.accept(acceptance) {
            Ok(connection) => {
                let subprotocol = Negotiated::from(acceptance).subprotocol();
                let socket = WebSocket::from_parts(io, connection, input);
                Ok(Box::new(socket.with_subprotocol(subprotocol)))
            }
            Err(Unaccepted { handshake, error, .. }) => {
                let exchange = Exchange::new(io, handshake);
                *self.exchange = Exchange { input, timer, closing, ..exchange };
                Err((self, error))
            }
        }
    }

    /// Rejects the request with a prepared response. The body is the reason phrase.
    ///
    /// For another status code, such as 401 with `WWW-Authenticate` or 429 with `Retry-After`, and for any response
    /// that says why, call [`respond`](Self::respond): clients of this crate show its text in their error.
    ///
    /// Completes and closes the transport when the client has ended its stream. [`Timeouts::closing`] bounds the
    /// time to write each 16 KiB, then this wait, and then the flush of what TLS buffers; without it, a client
    /// that keeps its stream open blocks the call for ever.
    ///
    /// # Errors
    ///
    /// Returns none: a prepared response is valid, and a transport that fails here is dropped as it would be
    /// after the response.
    pub async fn reject(mut self, rejection: Rejection) -> Result<(), Error> {
        self.exchange.handshake.reject(rejection)?;
        self.exchange.finish().await;
        Ok(())
    }

    /// Answers the request with a response of the application: a page, a redirect, a demand for
    /// credentials, a rejection that says why. Completes as [`reject`](Self::reject) does.
    ///
    /// ```
    /// # use tokio::net::TcpStream;
    /// # use tokio_websocket_proto::{Error, Incoming};
    /// # use tokio_websocket_proto::proto::handshake::Field;
    /// # async fn answer(incoming: Incoming<TcpStream>) -> Result<(), Error> {
    /// let fields = [Field::new("Content-Type", "text/plain"), Field::new("Retry-After", "60")];
    /// incoming.respond(429, &fields, b"This address has 10 connections already.").await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`Error::Head`] if the response is invalid.
    pub async fn respond(
        mut self,
        status: u16,
        fields: &[Field<'_>],
        body: &[u8],
    ) -> Result<(), Error> {
        self.exchange.handshake.respond(status, fields, body)?;
        self.exchange.finish().await;
        Ok(())
    }
}

impl<IO> Incoming<IO> {
    /// Returns whether the client requests an upgrade to WebSocket. If not, the request is plain HTTP.
    #[must_use]
    pub fn is_upgrade(&self) -> bool {
        self.is_upgrade
    }

    /// Returns the request.
    ///
    /// # Panics
    ///
    /// Never: the request is there until it is answered.
    #[must_use]
    pub fn request(&self) -> RequestHead<'_> {
        self.exchange.handshake.request().expect("the request is not answered")
    }

    /// Returns the transport, for example for the address of the client.
    #[must_use]
    pub fn io(&self) -> &IO {
        &self.exchange.io
    }
}

impl<IO> fmt::Debug for Incoming<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("is_upgrade", &self.is_upgrade).finish_non_exhaustive()
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Exchange<IO, ServerHandshake> {
    /// Writes the response, and ends the transport.
    async fn finish(&mut self) {
        while self.next().await.is_some() {}
        // A client that has ended its stream may still read, and TLS buffers the response meanwhile.
        if self.handshake.transport() == Transport::Close && self.input.is_finished() {
            let shutdown = self.io.shutdown();
            // The transport is dropped, whether it was shut down or not. Boxed: a timer is large.
            match self.closing {
                Some(closing) => drop(Box::pin(timeout(closing, shutdown)).await),
                None => drop(shutdown.await),
            }
        }
    }
}

/// A handshake in progress.
pub(crate) struct Exchange<IO, H> {
    pub(crate) io: IO,
    pub(crate) handshake: H,
    pub(crate) input: Input<'static>,
    timer: Timer,
    /// [`Timeouts::closing`] of a server.
    closing: Option<Duration>,
    is_shut_down: bool,
    /// The error of the transport: of a read, which aborts the handshake, or of a write, which aborts it when no
    /// received byte remains. The first error is kept.
    io_error: Option<io::Error>,
    /// The time at which the wait for received bytes ends, after it has begun. `None` after a read.
    read_by: Option<Deadline>,
    /// Whether the bytes of the first read may begin an alert of TLS: the peer expects TLS. `None` before
    /// that read.
    is_tls_alert: Option<bool>,
}

/// Returns whether the peer's first bytes may be those of an alert of TLS (RFC 8446, section 5.1). The
/// first one is enough, since the handshake fails at it: no text begins with this control character.
fn may_be_tls_alert(first: &[u8]) -> bool {
    matches!(first, [21] | [21, 3, ..])
}

impl<IO, H: Handshake> Exchange<IO, H> {
    pub(crate) fn new(io: IO, handshake: H) -> Self {
        let input = Input::owned(Vec::new());
        let timer = Timer::new(Instant::now());
        Self {
            io,
            handshake,
            input,
            timer,
            closing: None,
            is_shut_down: false,
            io_error: None,
            read_by: None,
            is_tls_alert: None,
        }
    }

    /// Counts the time of the opening handshake from `start`.
    pub(crate) fn since(mut self, start: Instant) -> Self {
        self.timer = Timer::new(start);
        // The deadline runs from `start`.
        self.handshake.handle_timeout(Duration::ZERO);
        self
    }

    /// Returns whether the peer's first bytes look like an alert of TLS.
    pub(crate) fn is_tls_alert(&self) -> bool {
        self.is_tls_alert == Some(true)
    }

    /// Returns the error for a failure of the handshake: that of the transport if it aborted the handshake.
    pub(crate) fn failure(&mut self, error: HandshakeError) -> Error {
        let io_error = self.io_error.take().filter(|_| error == HandshakeError::Aborted);
        io_error.map_or(error.into(), Error::Io)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin, H: Handshake> Exchange<IO, H> {
    /// Returns the next event, or `None` when the transport must be closed.
    pub(crate) async fn next(&mut self) -> Option<H::Event> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<H::Event>> {
        self.timer.tick();
        loop {
            self.handshake.handle_timeout(self.timer.now());
            if (self.input.has_unread() || self.input.is_finished())
                && let Some(event) = self.handshake.receive(&mut self.input)
            {
                return Poll::Ready(Some(event));
            }
            // The peer's bytes are read although the transport accepts none of ours.
            if self.io_error.is_none()
                && let Poll::Ready(Err(error)) = self.poll_write(cx)
            {
                self.io_error = Some(error);
            }
            if matches!(self.handshake.transport(), Transport::Close | Transport::Abort) {
                let event = self.handshake.receive(&mut self.input);
                buffer::release(&mut self.input);
                return Poll::Ready(event);
            }
            if self.io_error.is_some() {
                ready!(self.poll_read_remaining(cx));
                continue;
            }
            if let Some(due) = self.handshake.poll_timeout()
                && (due <= self.timer.now() || self.timer.poll(due, cx).is_ready())
            {
                continue;
            }
            ready!(self.poll_read(cx));
        }
    }

    /// Writes and flushes the output, and ends our stream if the handshake asks for it.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.handshake.transport() == Transport::Abort {
            return Poll::Ready(Ok(()));
        }
        while !self.handshake.output().is_empty() {
            let output = self.handshake.output();
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, output.chunk()))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            output.advance(written);
        }
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        if self.handshake.transport() == Transport::Drain && !self.is_shut_down {
            ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
            self.is_shut_down = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads what has arrived before a failed write: a server often responds before it closes the transport.
    /// Aborts the handshake when nothing remains.
    fn poll_read_remaining(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_read(cx).is_ready() {
            self.read_by = None;
        } else {
            ready!(self.timer.poll_deadline(&mut self.read_by, READ_TIMEOUT, cx));
            self.handshake.abort();
        }
        Poll::Ready(())
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match ready!(buffer::poll_read(&mut self.io, &mut self.input, cx)) {
            Ok(()) => {
                let first = self.input.unread();
                self.is_tls_alert.get_or_insert_with(|| may_be_tls_alert(first));
            }
            Err(error) => {
                self.handshake.abort();
                self.io_error.get_or_insert(error);
            }
        }
        Poll::Ready(())
    }
}
