//! A tunnel through an HTTP proxy.

use alloc::vec::Vec;
use core::time::Duration;

use super::exchange::Exchange;
use super::{ClientEvent, Field, HandshakeError, HeadError, ResponseHead, Uri, write_connect};
use crate::{Output, SharedConfig, Transport};

/// A tunnel through a proxy, before TLS and the opening handshake with the server.
///
/// It is driven as [`ClientHandshake`](super::ClientHandshake) is and tells the same events: after
/// [`ClientEvent::Accepted`] the transport leads to the server, and what follows the response in
/// the input came from it. 407 is a [`ClientEvent::Refused`] whose `Proxy-Authenticate` is in
/// [`response`](Self::response).
///
/// ```
/// use websocket_proto::handshake::{
///     ClientEvent, Field, ProxyHandshake, Uri, basic_credentials,
/// };
/// use websocket_proto::Config;
///
/// static CONFIG: Config = Config::new();
/// let credentials = basic_credentials("ednamode", "nocapes!")?;
/// let fields = [Field::new("Proxy-Authorization", &credentials)];
/// let uri = Uri::parse("ws://example.com/chat")?;
/// let mut proxy = ProxyHandshake::new(&CONFIG, &uri, &fields)?;
/// // Write `proxy.output()`, then read:
/// let mut response = *b"HTTP/1.1 200 Connection established\r\n\r\n";
/// assert_eq!(proxy.receive(&mut &mut response[..]), Some(ClientEvent::Accepted));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ProxyHandshake {
    exchange: Exchange,
}

impl ProxyHandshake {
    /// A tunnel over a transport that was just connected to the proxy. The request is queued.
    ///
    /// # Errors
    ///
    /// What of the request cannot be sent.
    pub fn new(
        config: impl Into<SharedConfig>,
        uri: &Uri<'_>,
        fields: &[Field<'_>],
    ) -> Result<Self, HeadError> {
        let config = config.into();
        let mut request = Vec::with_capacity(256);
        write_connect(uri, fields, &mut request)?;
        let opening = config.timeouts.opening;
        Ok(Self { exchange: Exchange::new(config.head_limits, opening, request) })
    }

    /// Takes the proxy's response from `input` and nothing behind it. `None` if more has to
    /// arrive.
    pub fn receive(&mut self, input: &mut &mut [u8]) -> Option<ClientEvent> {
        self.exchange.receive(input, |response| match response.status() {
            // A proxy that switches protocols was not asked to.
            101 => Err(HandshakeError::InvalidStatusLine),
            _ => Ok(response.is_tunnel()),
        })
    }

    /// The proxy's direction of the stream has ended.
    pub fn receive_eof(&mut self) {
        self.exchange.receive_eof();
    }

    /// The transport broke: nothing can be read or written any more.
    pub fn abort(&mut self) {
        self.exchange.abort();
    }

    /// Tells the time, as [`Connection::handle_timeout`](crate::Connection::handle_timeout) has it: once for each wake-up, before
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

    /// The response's head, as soon as it is complete.
    #[must_use]
    pub fn response(&self) -> Option<ResponseHead<'_>> {
        self.exchange.response()
    }

    /// What has arrived of the body of a response that refuses.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.exchange.body()
    }

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
