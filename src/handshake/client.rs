//! The client's side of the opening handshake: the state machine.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::exchange::Exchange;
use super::fields::elements;
use super::request::verify;
use super::{
    AcceptError, Accepted, BodyEnd, ClientRequest, Handshake, HandshakeError, InvalidHead,
    Negotiated, ResponseHead, Unaccepted, accept_key, key_from_nonce,
};
use crate::{Connection, EntropyError, Input, Output, SharedConfig, Transport};

/// The events of [`ClientHandshake`] and [`ProxyHandshake`](super::ProxyHandshake).
///
/// ```
/// use websocket_proto::handshake::{BodyEnd, ClientEvent};
///
/// fn describe(event: ClientEvent) -> String {
///     match event {
///         ClientEvent::Accepted => "call `establish`".into(),
///         ClientEvent::Refused { status } => format!("{status}: read `response`, continue"),
///         ClientEvent::BodyEnded(BodyEnd::Complete) => "`body` is complete".into(),
///         ClientEvent::BodyEnded(BodyEnd::Truncated) => "`body` is incomplete".into(),
///         ClientEvent::Failed(error) => error.to_string(),
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// The peer accepts the request. For [`ClientHandshake`]: call
    /// [`establish`](ClientHandshake::establish). For [`ProxyHandshake`](super::ProxyHandshake): the
    /// transport now leads to the server.
    Accepted,
    /// The peer answers with another status code: a redirect, a request for credentials, an error.
    /// [`response()`](ClientHandshake::response) returns the head of the response; its body follows.
    /// To follow a redirect, resolve its `Location` with [`Uri::resolve`](super::Uri::resolve) and
    /// open another transport.
    Refused {
        /// The status code.
        status: u16,
    },
    /// The body of a refusal has ended. [`body()`](ClientHandshake::body) returns it.
    BodyEnded(BodyEnd),
    /// The response is malformed, breaks a rule, or did not arrive completely.
    Failed(HandshakeError),
}

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
/// let mut connection = handshake.establish()?.connection;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ClientHandshake {
    exchange: Exchange,
    offered: Offered,
}

/// The values that the response is checked against.
#[derive(Debug)]
struct Offered {
    accept: [u8; 28],
    /// The offered subprotocols, separated by commas.
    subprotocols: String,
}

impl ClientHandshake {
    /// Creates a handshake for a transport that was just connected, and queues its request.
    ///
    /// The nonce comes from the configured [`Entropy`](crate::Entropy). If that fails, the handshake
    /// fails with [`HandshakeError::Entropy`] and sends nothing.
    ///
    /// # Errors
    ///
    /// The first part of `request` that is invalid.
    pub fn new(
        config: impl Into<SharedConfig>,
        request: &ClientRequest<'_>,
    ) -> Result<Self, InvalidHead> {
        let config = config.into();
        let mut nonce = [0; 16];
        let drawn = config.fill(&mut nonce);
        let key = key_from_nonce(&nonce);
        let mut head = Vec::with_capacity(512);
        request.write(key, &mut head)?;
        let mut exchange = Exchange::new(config, head);
        if let Err(EntropyError) = drawn {
            exchange.fail_later(HandshakeError::Entropy);
        }
        let subprotocols = request.offered_subprotocols().join(",");
        let offered = Offered { accept: accept_key(&key), subprotocols };
        Ok(Self { exchange, offered })
    }
}

/// # The response
impl ClientHandshake {
    /// Returns the connection, after [`ClientEvent::Accepted`]. If you need the fields of the
    /// response, read [`response`](Self::response) first.
    ///
    /// # Errors
    ///
    /// [`AcceptError::NotReady`] before that event; [`AcceptError::Entropy`] if the configured
    /// [`Entropy`](crate::Entropy) fails. The error returns the handshake.
    #[expect(clippy::result_large_err, reason = "the error gives the handshake back")]
    pub fn establish(mut self) -> Result<Accepted, Unaccepted<Self>> {
        let response = self.exchange.response().filter(|_| self.exchange.is_accepted());
        let Some(negotiated) = response.map(|response| Negotiated::from_verified(&response)) else {
            return Err(Unaccepted { handshake: self, error: AcceptError::NotReady });
        };
        let output = core::mem::replace(self.exchange.output(), Output::empty());
        match Connection::client(self.exchange.config.clone(), &negotiated) {
            Ok(connection) => {
                let connection = connection.after_handshake(output, self.exchange.unread_left());
                Ok(Accepted { connection, negotiated })
            }
            Err(EntropyError) => {
                self.exchange.fail_later(HandshakeError::Entropy);
                Err(Unaccepted { handshake: self, error: AcceptError::Entropy })
            }
        }
    }

    /// Returns the head of the final response, or `None` until it is complete. It stays readable
    /// after a refusal.
    #[must_use]
    pub fn response(&self) -> Option<ResponseHead<'_>> {
        self.exchange.response()
    }

    /// Returns the received part of the body of a refusal, without its transfer coding. It has at
    /// most [`HeadLimits::max_body`](super::HeadLimits::max_body) bytes, and stays readable after the
    /// end of the body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.exchange.body()
    }
}

impl Handshake for ClientHandshake {
    type Event = ClientEvent;

    fn receive(&mut self, input: &mut Input<'_>) -> Option<ClientEvent> {
        let Offered { accept, subprotocols } = &self.offered;
        let is_offered =
            |subprotocol: &[u8]| elements(subprotocols.as_bytes()).any(|one| one == subprotocol);
        self.exchange.receive(input, |response| Ok(verify(response, accept, is_offered)?.is_some()))
    }

    fn output(&mut self) -> &mut Output {
        self.exchange.output()
    }

    fn transport(&self) -> Transport {
        self.exchange.transport()
    }

    fn handle_timeout(&mut self, now: Duration) {
        self.exchange.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.exchange.poll_timeout()
    }

    fn abort(&mut self) {
        self.exchange.abort();
    }
}
