//! A tunnel through an HTTP proxy.

use alloc::vec::Vec;

use super::exchange::Exchange;
use super::{
    ClientEvent, Field, HandshakeError, HeadError, HeadLimits, ResponseHead, Uri, write_connect,
};
use crate::{Output, Transport};

/// A tunnel through a proxy, before TLS and the opening handshake with the server.
///
/// It is driven as [`ClientHandshake`](super::ClientHandshake) is and tells the same events: after
/// [`ClientEvent::Accepted`] the transport leads to the server, and what follows the response in
/// the input came from it. 407 is a [`ClientEvent::Refused`] whose `Proxy-Authenticate` is in
/// [`response`](Self::response).
///
/// ```
/// use websocket_proto::handshake::{
///     ClientEvent, Field, HeadLimits, ProxyHandshake, Uri, basic_credentials,
/// };
///
/// let credentials = basic_credentials("ednamode", "nocapes!")?;
/// let fields = [Field::new("Proxy-Authorization", &credentials)];
/// let uri = Uri::parse("ws://example.com/chat")?;
/// let mut proxy = ProxyHandshake::new(HeadLimits::DEFAULT, &uri, &fields)?;
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
    pub fn new(limits: HeadLimits, uri: &Uri<'_>, fields: &[Field<'_>]) -> Result<Self, HeadError> {
        let mut request = Vec::with_capacity(256);
        write_connect(uri, fields, &mut request)?;
        Ok(Self { exchange: Exchange::new(limits, &request) })
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
