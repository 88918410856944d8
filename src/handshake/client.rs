//! The client's side of the opening handshake: the state machine.
//!
//! ```text
//!                     ┌──▶ Accepted
//!   Reading ── head ──┤
//!     │               └──▶ Body ── end of the body, limit, malformed chunk, timeout, EOF ──▶ Closed
//!     └── failure ──▶ Closed or Aborted
//!
//!   Accepted ── failure ──▶ Aborted
//!   Body, Closed ── the transport broke ──▶ Aborted
//! ```
//!
//! A failure leads to `Aborted` if the transport broke, the response took too long, or the source of
//! entropy failed: [`Transport::Abort`] instead of [`Transport::Close`].

use core::mem;
use core::time::Duration;

use super::body::Body;
use super::fields::SUBPROTOCOLS;
use super::final_response::FinalResponse;
use super::request::Expected;
use super::{
    AcceptError, BodyEnd, ClientEvent, ClientRequest, Field, Handshake, HandshakeError,
    InvalidHead, Negotiated, ResponseHead, Unaccepted, Uri, accept_key, key_from_nonce,
    write_connect,
};
use crate::clock::StepTimer;
use crate::{Connection, EntropyError, Input, Output, SharedConfig, Transport};

/// The client's side of the opening handshake (RFC 6455, section 4.1).
///
/// The calls of [`Handshake`] drive it; the documentation of that trait has the loop. The handshake
/// skips interim responses (RFC 9110, section 15.2), reads the final response, and leaves bytes after
/// it in the [`Input`] for the connection.
///
/// ```
/// use websocket_proto::handshake::{ClientEvent, ClientHandshake, ClientRequest, Handshake, Uri};
/// use websocket_proto::{Config, EntropyError, Input};
///
/// # let entropy = |out: &mut [u8]| { out.iter_mut().zip(b"the sample nonce".iter().cycle()).for_each(|(out, byte)| *out = *byte); Ok::<_, EntropyError>(()) };
/// let request = ClientRequest::new(&Uri::parse("ws://example.com/chat")?);
/// let mut handshake = ClientHandshake::new(Config::new().with_entropy(entropy), &request)?;
/// // Write `handshake.output()`, then read:
/// let mut response = *b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
///     Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
/// let mut input = Input::with_bytes(&mut response);
/// assert_eq!(handshake.receive(&mut input), Some(ClientEvent::Accepted));
/// let mut connection = handshake.establish()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ClientHandshake {
    config: SharedConfig,
    expected: Expected,
    response: FinalResponse,
    output: Output,
    state: State,
    /// The body of a rejection.
    body: Body,
    /// An event that was not caused by input and that `receive` has not returned yet.
    unreported: Option<ClientEvent>,
    timer: StepTimer,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The head of the final response is incomplete.
    Reading,
    /// The response accepts the request, with these parameters and its subprotocol.
    Accepted(Negotiated<'static>),
    Body,
    Closed,
    Aborted,
}

impl ClientHandshake {
    /// Creates a handshake for a transport that was just connected, and queues its request.
    ///
    /// The nonce comes from the configured [`Entropy`](crate::Entropy). If that fails, the handshake
    /// fails with [`HandshakeError::Entropy`] and sends nothing.
    ///
    /// If `config` enables permessage-deflate (feature `deflate`), the request offers it, unless
    /// `ClientRequest::with_deflate` was called.
    ///
    /// # Errors
    ///
    /// The first part of `request` that is invalid.
    pub fn new(
        config: impl Into<SharedConfig>,
        request: &ClientRequest<'_>,
    ) -> Result<Self, InvalidHead> {
        let config = config.into();
        #[cfg(feature = "deflate")]
        let request = &request.or_configured(&config);
        let mut nonce = [0; 16];
        // `receive` reports a failure of the source. Invalid parts of the request come first: they are
        // the caller's mistake.
        let drawn = config.fill_random(&mut nonce);
        let key = key_from_nonce(&nonce);
        let output = Output::with_head(|buffer| request.write_with_key(&key, buffer))?;
        let expected = Expected::Upgrade {
            accept: accept_key(&key),
            subprotocols: request.subprotocol_list().collect(),
            extensions: request.extensions,
        };
        let mut handshake = Self::requesting(config, output, expected);
        if let Err(EntropyError) = drawn {
            handshake.fail_later(HandshakeError::Entropy);
        }
        Ok(handshake)
    }

    /// Creates the request to an HTTP proxy for a tunnel to the host and port of `uri` (RFC 6455,
    /// section 4.1; RFC 9110, section 9.3.6), and queues it. The transport was just connected to the
    /// proxy.
    ///
    /// After [`ClientEvent::Accepted`] the transport leads to the server: unread bytes in the
    /// [`Input`] come from the server. TLS, for `wss`, and the opening handshake with the server
    /// follow through the tunnel. If the proxy demands credentials, the event is
    /// [`ClientEvent::Rejected`] with status 407, and [`response()`](Self::response) has the field
    /// `Proxy-Authenticate`.
    ///
    /// # Errors
    ///
    /// The first of `fields` that is invalid.
    ///
    /// ```
    /// use websocket_proto::handshake::{
    ///     ClientEvent, ClientHandshake, Field, Handshake, Uri, basic_credentials,
    /// };
    /// use websocket_proto::{Config, Input};
    ///
    /// static CONFIG: Config = Config::new();
    /// let credentials = basic_credentials("ednamode", "nocapes!")?;
    /// let fields = [Field::new("Proxy-Authorization", &credentials)];
    /// let uri = Uri::parse("ws://example.com/chat")?;
    /// let mut tunnel = ClientHandshake::tunnel(&CONFIG, &uri, &fields)?;
    /// // Write `tunnel.output()`, then read:
    /// let mut response = *b"HTTP/1.1 200 Connection established\r\n\r\n";
    /// let mut input = Input::with_bytes(&mut response);
    /// assert_eq!(tunnel.receive(&mut input), Some(ClientEvent::Accepted));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tunnel(
        config: impl Into<SharedConfig>,
        uri: &Uri<'_>,
        fields: &[Field<'_>],
    ) -> Result<Self, InvalidHead> {
        let output = Output::with_head(|buffer| write_connect(uri, fields, buffer))?;
        Ok(Self::requesting(config.into(), output, Expected::Tunnel))
    }

    fn requesting(config: SharedConfig, output: Output, expected: Expected) -> Self {
        Self {
            expected,
            response: FinalResponse::new(config.head_limits),
            output,
            state: State::Reading,
            body: Body::empty(),
            unreported: None,
            timer: StepTimer::new(config.timeouts.opening),
            config,
        }
    }
}

/// # The response
impl ClientHandshake {
    /// Returns the connection, after [`ClientEvent::Accepted`]. To know the subprotocol or the fields
    /// of the response, call [`negotiated`](Self::negotiated) or [`response`](Self::response) first.
    ///
    /// # Errors
    ///
    /// [`AcceptError::NotReady`] before that event, and for a [`tunnel`](Self::tunnel);
    /// [`AcceptError::Entropy`] if the configured [`Entropy`](crate::Entropy) fails. The error returns
    /// the handshake.
    #[expect(clippy::result_large_err, reason = "the error gives the handshake back")]
    pub fn establish(mut self) -> Result<Connection, Unaccepted<Self>> {
        let Some(negotiated) = self.negotiated_parameters() else {
            return Err(Unaccepted { handshake: self, error: AcceptError::NotReady });
        };
        match Connection::client(self.config.clone(), &negotiated) {
            Ok(connection) => {
                let output = mem::replace(&mut self.output, Output::empty());
                Ok(connection.after_handshake(output, self.response.unread_left()))
            }
            Err(EntropyError) => {
                self.fail_later(HandshakeError::Entropy);
                Err(Unaccepted { handshake: self, error: AcceptError::Entropy })
            }
        }
    }

    /// Returns the parameters on which both sides agreed, after [`ClientEvent::Accepted`]. Returns
    /// `None` before that event, and for a [`tunnel`](Self::tunnel).
    #[must_use]
    pub fn negotiated(&self) -> Option<Negotiated<'_>> {
        let negotiated = self.negotiated_parameters()?;
        let subprotocol = self.response()?.fields().text(SUBPROTOCOLS);
        Some(negotiated.with_subprotocol(subprotocol))
    }

    /// Returns the head of the final response, or `None` until it is complete. It stays readable
    /// after a rejection, and after a failure: it then shows which rule of the handshake it breaks.
    #[must_use]
    pub fn response(&self) -> Option<ResponseHead<'_>> {
        self.response.head()
    }

    /// Returns the received part of the body of a rejection, without its transfer coding. It has at
    /// most [`HeadLimits::max_body`](super::HeadLimits::max_body) bytes, and stays readable after the
    /// end of the body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.body.bytes()
    }
}

impl Handshake for ClientHandshake {
    type Event = ClientEvent;

    fn receive(&mut self, input: &mut Input<'_>) -> Option<ClientEvent> {
        if let Some(event) = self.unreported.take() {
            return Some(event);
        }
        match self.state {
            State::Reading => self.read_response(input).unwrap_or_else(|error| {
                input.discard_unread();
                self.fail(error);
                Some(ClientEvent::Failed(error))
            }),
            State::Body => {
                let end = self.body.receive(input)?;
                self.state = State::Closed;
                Some(ClientEvent::BodyEnded(end))
            }
            State::Accepted(_) => None,
            State::Closed | State::Aborted => {
                input.discard_unread();
                None
            }
        }
    }

    fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    fn transport(&self) -> Transport {
        match self.state {
            State::Reading | State::Accepted(_) => Transport::Open,
            // Only the end of the server's stream ends this body; the server may wait for the end of
            // ours.
            State::Body if self.output.is_empty() && self.body.is_until_eof() => Transport::Drain,
            State::Body => Transport::Open,
            State::Closed => Transport::Close,
            State::Aborted => Transport::Abort,
        }
    }

    fn handle_timeout(&mut self, now: Duration) {
        match self.state {
            State::Reading if self.timer.handle_timeout(now) => {
                self.fail_later(HandshakeError::Timeout);
            }
            State::Body if self.timer.handle_timeout(now) => self.truncate_body(State::Closed),
            State::Reading | State::Body => {}
            State::Accepted(_) | State::Closed | State::Aborted => {}
        }
    }

    fn poll_timeout(&self) -> Option<Duration> {
        match self.state {
            State::Reading | State::Body => self.timer.poll_timeout(),
            State::Accepted(_) | State::Closed | State::Aborted => None,
        }
    }

    fn abort(&mut self) {
        match self.state {
            State::Reading | State::Accepted(_) => self.fail_later(HandshakeError::Aborted),
            State::Body => self.truncate_body(State::Aborted),
            // The output is empty after a failure, but not after a rejection without a body.
            State::Closed | State::Aborted => {
                self.output = Output::empty();
                self.state = State::Aborted;
            }
        }
    }
}

impl ClientHandshake {
    /// Returns the parameters of the connection without the subprotocol, once the server has accepted an
    /// upgrade.
    const fn negotiated_parameters(&self) -> Option<Negotiated<'static>> {
        let (State::Accepted(negotiated), Expected::Upgrade { .. }) = (self.state, &self.expected)
        else {
            return None;
        };
        Some(negotiated)
    }

    /// Reads the head of the final response.
    fn read_response(
        &mut self,
        input: &mut Input<'_>,
    ) -> Result<Option<ClientEvent>, HandshakeError> {
        self.response.receive(input)?;
        let Some(response) = self.response.head() else { return Ok(None) };
        if let Some(negotiated) = self.expected.verify(&response)? {
            self.state = State::Accepted(negotiated.without_subprotocol());
            return Ok(Some(ClientEvent::Accepted));
        }
        let rejected = ClientEvent::Rejected { status: response.status() };
        self.body = Body::new(&response, self.config.head_limits.max_body);
        self.state = State::Body;
        // No byte will come to end an empty body: the driver must not wait for one.
        if self.body.is_announced_empty() {
            self.state = State::Closed;
            self.unreported = Some(ClientEvent::BodyEnded(BodyEnd::Complete));
        }
        Ok(Some(rejected))
    }

    /// Fails the handshake. The caller reports `error`.
    fn fail(&mut self, error: HandshakeError) {
        self.output = Output::empty();
        let is_unusable = matches!(
            error,
            HandshakeError::Aborted | HandshakeError::Entropy | HandshakeError::Timeout
        );
        self.state = if is_unusable { State::Aborted } else { State::Closed };
    }

    /// Fails the handshake. The next `receive` reports `error`.
    fn fail_later(&mut self, error: HandshakeError) {
        self.fail(error);
        self.unreported = Some(ClientEvent::Failed(error));
    }

    fn truncate_body(&mut self, state: State) {
        self.output = Output::empty();
        self.state = state;
        self.unreported = Some(ClientEvent::BodyEnded(BodyEnd::Truncated));
    }
}
