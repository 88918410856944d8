//! The client's side of the opening handshake.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::exchange::Exchange;
use super::list::elements;
use super::offer::is_accepted;
use super::{
    ClientRequest, Established, HandshakeError, HeadError, Negotiated, ResponseHead, accept_key,
    key_from_nonce,
};
use crate::{Connection, Output, Role, SharedConfig, Transport};

/// What [`ClientHandshake::receive`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// The server accepts. Now take the connection from [`ClientHandshake::establish`].
    Accepted,
    /// The server answers something else: a redirect, a demand for credentials, an error. Its
    /// fields and body are in [`ClientHandshake::response`] and [`ClientHandshake::body`].
    Refused {
        /// The status.
        status: u16,
    },
    /// The response breaks a rule, or will never be complete.
    Failed(HandshakeError),
}

/// The client's side of the opening handshake (RFC 6455, section 4.1).
///
/// It is driven as a [`Connection`] is. It takes the response and leaves what follows in the
/// caller's input, for the connection. Interim responses before it are skipped (RFC 9110, section
/// 15.2).
///
/// ```
/// use websocket_proto::handshake::{ClientEvent, ClientHandshake, ClientRequest, Uri};
/// use websocket_proto::{Config, EntropyError};
///
/// # let entropy = |out: &mut [u8]| { out.copy_from_slice(b"the sample nonce"); Ok::<_, EntropyError>(()) };
/// let request = ClientRequest::new(&Uri::parse("ws://example.com/chat")?);
/// let mut handshake = ClientHandshake::new(Config::new().entropy(entropy), &request)?;
/// // Write `handshake.output()`, then read:
/// let mut response = *b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
///     Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
/// let mut input = &mut response[..];
/// match handshake.receive(&mut input) {
///     None => { /* read on, as `transport()` says */ }
///     Some(ClientEvent::Accepted) => { let connection = handshake.establish(); }
///     Some(ClientEvent::Refused { status }) => println!("{status}"),
///     Some(ClientEvent::Failed(error)) => println!("{error}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ClientHandshake {
    config: SharedConfig,
    exchange: Exchange,
    offered: Offered,
}

/// What the response is checked against.
#[derive(Debug)]
struct Offered {
    accept: [u8; 28],
    /// Separated by commas.
    subprotocols: String,
    extensions: Option<String>,
}

impl ClientHandshake {
    /// A handshake for a transport that was just connected. The request is queued.
    ///
    /// The nonce is drawn from the configuration's entropy; if that fails, so does the handshake.
    ///
    /// # Errors
    ///
    /// What of `request` cannot be sent.
    pub fn new(
        config: impl Into<SharedConfig>,
        request: &ClientRequest<'_>,
    ) -> Result<Self, HeadError> {
        let config = config.into();
        let mut nonce = [0; 16];
        let drawn = config.fill(&mut nonce);
        let key = key_from_nonce(&nonce);
        let mut head = Vec::with_capacity(512);
        request.write(key, &mut head)?;
        let mut exchange = Exchange::new(config.head_limits, config.timeouts.opening, head);
        if drawn.is_err() {
            exchange.fail(HandshakeError::Entropy);
        }
        let offered = Offered {
            accept: accept_key(&key),
            subprotocols: request.subprotocols.join(","),
            extensions: request.extensions.map(String::from),
        };
        Ok(Self { config, exchange, offered })
    }
}

/// # Input
impl ClientHandshake {
    /// Takes the response from `input` and nothing behind it. `None` if more has to arrive.
    ///
    /// Of a response that refuses, the body is taken too, as far as
    /// [`HeadLimits::max_body`](super::HeadLimits::max_body) allows: up to its `Content-Length`,
    /// otherwise to the end of the stream.
    pub fn receive(&mut self, input: &mut &mut [u8]) -> Option<ClientEvent> {
        let Offered { accept, subprotocols, extensions } = &self.offered;
        let is_offered =
            |subprotocol: &[u8]| elements(subprotocols.as_bytes()).any(|one| one == subprotocol);
        self.exchange.receive(input, |response| {
            is_accepted(response, accept, is_offered, extensions.as_deref())
        })
    }

    /// The server's direction of the stream has ended.
    pub fn receive_eof(&mut self) {
        self.exchange.receive_eof();
    }

    /// The transport broke: nothing can be read or written any more.
    pub fn abort(&mut self) {
        self.exchange.abort();
    }

    /// Tells the time, as [`Connection::handle_timeout`] has it: once for each wake-up, before
    /// [`receive`](Self::receive). A response that takes longer than
    /// [`Timeouts::opening`](crate::Timeouts::opening) fails the handshake.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.exchange.handle_timeout(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called at the latest, `None` if time
    /// changes nothing. Before the first call that is at once.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.exchange.poll_timeout()
    }
}

/// # The result
impl ClientHandshake {
    /// The connection, once the server has accepted. This handshake is over then and does nothing
    /// any more, but [`response`](Self::response) stays readable.
    pub fn establish(&mut self) -> Option<Established> {
        let accepted = self.exchange.take()?;
        let negotiated = Negotiated::chosen_by(&self.exchange.response()?);
        let (config, output) = (self.config.clone(), accepted.output);
        let mut connection = Connection::with_output(Role::Client, config, &negotiated, output);
        if accepted.eof {
            connection.receive_eof();
        }
        Some(Established { connection, negotiated })
    }

    /// The response's head, as soon as it is complete.
    #[must_use]
    pub fn response(&self) -> Option<ResponseHead<'_>> {
        self.exchange.response()
    }

    /// What has arrived of the body of a response that refuses, as sent: with its chunks, if it
    /// has a `Transfer-Encoding`.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.exchange.body()
    }
}

/// # Output and the transport
impl ClientHandshake {
    /// What waits to be written.
    pub fn output(&mut self) -> &mut Output {
        self.exchange.output()
    }

    /// What is to be done with the transport.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.exchange.transport()
    }

    /// Whether anything is to be read.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        self.exchange.wants_read()
    }

    /// Whether output waits.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.exchange.wants_write()
    }
}
