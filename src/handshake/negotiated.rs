//! The parameters on which the two sides agreed.

use super::HandshakeError;
use super::fields::{FieldName, HandshakeFields};
use super::http1::text;
use super::offer::ExtensionOffer;
#[cfg(feature = "deflate")]
use crate::DeflateParameters;
#[cfg(feature = "alloc")]
use crate::frame::ReservedBits;

/// The parameters on which the two sides agreed in the opening handshake.
///
/// To adopt a connection that another HTTP stack upgraded, name the subprotocol that the stack
/// accepted, if any, and pass the bytes that it read after the request:
///
#[cfg_attr(feature = "alloc", doc = "```")]
#[cfg_attr(not(feature = "alloc"), doc = "```ignore")]
/// use websocket_proto::{Config, Connection, Event, Input, Negotiated};
///
/// static CONFIG: Config = Config::new();
/// let negotiated = Negotiated::new().with_subprotocol("chat");
/// let mut connection = Connection::server(&CONFIG, &negotiated);
/// let mut leftover = *b"\x81\x82\0\0\0\0Hi";
/// let mut input = Input::with_bytes(&mut leftover);
/// assert!(matches!(connection.receive(&mut input), Some(Event::Message(_))));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Negotiated<'a> {
    subprotocol: Option<&'a str>,
    #[cfg(feature = "deflate")]
    deflate: Option<DeflateParameters>,
}

impl<'a> Negotiated<'a> {
    /// Creates parameters without a subprotocol.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            subprotocol: None,
            #[cfg(feature = "deflate")]
            deflate: None,
        }
    }

    /// Sets the subprotocol.
    #[must_use]
    pub fn with_subprotocol(mut self, subprotocol: impl Into<Option<&'a str>>) -> Self {
        self.subprotocol = subprotocol.into();
        self
    }

    /// Returns these parameters without the subprotocol, which is borrowed.
    #[cfg(feature = "alloc")]
    pub(super) const fn without_subprotocol(&self) -> Negotiated<'static> {
        Negotiated {
            subprotocol: None,
            #[cfg(feature = "deflate")]
            deflate: self.deflate,
        }
    }

    /// Returns the subprotocol, or `None` if there is none.
    #[must_use]
    pub const fn subprotocol(&self) -> Option<&'a str> {
        self.subprotocol
    }

    /// Sets the parameters of permessage-deflate. A connection whose configuration has no deflate then
    /// uses [`Deflate::new`](crate::Deflate::new).
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate_parameters(
        mut self,
        parameters: impl Into<Option<DeflateParameters>>,
    ) -> Self {
        self.deflate = parameters.into();
        self
    }

    /// Returns the parameters of permessage-deflate, or `None` if it was not agreed.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub const fn deflate_parameters(&self) -> Option<DeflateParameters> {
        self.deflate
    }

    /// Returns the reserved bits that the peer may set on the first frame of a message.
    #[cfg(feature = "alloc")]
    pub(crate) const fn reserved_bits(&self) -> ReservedBits {
        // RFC 7692, section 6: RSV1 marks a compressed message.
        #[cfg(feature = "deflate")]
        if self.deflate.is_some() {
            return ReservedBits::RSV1;
        }
        ReservedBits::NONE
    }

    /// Reads the parameters from the fields of a response, and verifies that the client offered them.
    /// `lists` are the values of all `Sec-WebSocket-Extensions`.
    pub(super) fn from_response<'l>(
        response: &HandshakeFields<&'a [u8]>,
        lists: impl Iterator<Item = &'l [u8]>,
        extensions: &ExtensionOffer,
        is_offered: impl Fn(&[u8]) -> bool,
    ) -> Result<Self, HandshakeError> {
        let negotiated = match response.first(FieldName::Extensions) {
            None => Self::new(),
            Some(_) => extensions.agree(response, lists)?,
        };
        // RFC 6455, section 4.1, item 6 of the response: the client offered the subprotocol.
        match response.once(FieldName::Subprotocols, HandshakeError::RepeatedSubprotocol)? {
            None => Ok(negotiated),
            Some(value) if is_offered(value) => Ok(negotiated.with_subprotocol(text(value))),
            Some(_) => Err(HandshakeError::UnrequestedSubprotocol),
        }
    }
}
