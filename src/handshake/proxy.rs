//! A tunnel through an HTTP proxy: the state machine.

use alloc::vec::Vec;
use core::time::Duration;

use super::exchange::Exchange;
use super::{
    ClientEvent, Field, Handshake, HandshakeError, InvalidHead, ResponseHead, Uri, write_connect,
};
use crate::{Input, Output, SharedConfig, Transport};

/// The request for a tunnel through an HTTP proxy (RFC 6455, section 4.1; RFC 9110, section 9.3.6).
///
/// A client opens the tunnel first. TLS, for `wss`, and the opening handshake with the server follow
/// through the tunnel.
///
/// The calls of [`Handshake`] drive it, and it returns the same events as
/// [`ClientHandshake`](super::ClientHandshake). After [`ClientEvent::Accepted`] the transport leads
/// to the server: unread bytes in the [`Input`] come from the server. If the proxy demands
/// credentials, the event is [`ClientEvent::Refused`] with status 407, and
/// [`response()`](Self::response) has the field `Proxy-Authenticate`.
///
/// ```
/// use websocket_proto::handshake::{
///     ClientEvent, Field, Handshake, ProxyHandshake, Uri, basic_credentials,
/// };
/// use websocket_proto::{Config, Input};
///
/// static CONFIG: Config = Config::new();
/// let credentials = basic_credentials("ednamode", "nocapes!")?;
/// let fields = [Field::new("Proxy-Authorization", &credentials)];
/// let uri = Uri::parse("ws://example.com/chat")?;
/// let mut proxy = ProxyHandshake::new(&CONFIG, &uri, &fields)?;
/// // Write `proxy.output()`, then read:
/// let mut response = *b"HTTP/1.1 200 Connection established\r\n\r\n";
/// let mut input = Input::with_bytes(&mut response);
/// assert_eq!(proxy.receive(&mut input), Some(ClientEvent::Accepted));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ProxyHandshake {
    exchange: Exchange,
}

impl ProxyHandshake {
    /// Creates the request for a tunnel to the host and port of `uri`, and queues it. The transport
    /// was just connected to the proxy.
    ///
    /// # Errors
    ///
    /// The first of `fields` that is invalid.
    pub fn new(
        config: impl Into<SharedConfig>,
        uri: &Uri<'_>,
        fields: &[Field<'_>],
    ) -> Result<Self, InvalidHead> {
        let mut request = Vec::with_capacity(256);
        write_connect(uri, fields, &mut request)?;
        Ok(Self { exchange: Exchange::new(config.into(), request) })
    }

    /// Returns the head of the final response, or `None` until it is complete. It stays readable
    /// after a refusal.
    #[must_use]
    pub fn response(&self) -> Option<ResponseHead<'_>> {
        self.exchange.response()
    }

    /// Returns the received part of the body of a refusal, without its transfer coding. It stays
    /// readable after the end of the body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.exchange.body()
    }
}

impl Handshake for ProxyHandshake {
    type Event = ClientEvent;

    fn receive(&mut self, input: &mut Input<'_>) -> Option<ClientEvent> {
        self.exchange.receive(input, |response| match response.status() {
            // RFC 9110, section 15.2.2: a server switches only to a protocol in the request's Upgrade
            // field, and this request has none.
            101 => Err(HandshakeError::InvalidStatusLine),
            // RFC 9110, section 9.3.6: any 2xx opens the tunnel.
            status => Ok(matches!(status, 200..=299)),
        })
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
