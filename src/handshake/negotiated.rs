//! The parameters on which the two sides agree: read from a response, and written in one.

use core::str;

use super::fields::{FieldName, HandshakeFields, tokens};
use super::{Acceptance, Field, Fields, HandshakeError, HeadWriter, InvalidHead};
#[cfg(feature = "deflate")]
use crate::DeflateParameters;
#[cfg(feature = "alloc")]
use crate::extension::Extension;

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

    /// Returns the subprotocol, or `None` if there is none.
    #[must_use]
    pub const fn subprotocol(&self) -> Option<&'a str> {
        self.subprotocol
    }

    /// Sets the parameters of permessage-deflate.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(mut self, parameters: impl Into<Option<DeflateParameters>>) -> Self {
        self.deflate = parameters.into();
        self
    }

    /// Returns the parameters of permessage-deflate, or `None` if it was not agreed.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub const fn deflate(&self) -> Option<DeflateParameters> {
        self.deflate
    }

    /// Returns the extension that transforms messages.
    #[cfg(feature = "alloc")]
    pub(crate) const fn extension(&self) -> Extension {
        #[cfg(feature = "deflate")]
        if self.deflate.is_some() {
            return Extension::Deflate;
        }
        Extension::None
    }

    /// Reads the parameters from the fields of a response, and verifies that the client offered them.
    pub(super) fn verify(
        response: &HandshakeFields<&'a [u8]>,
        is_offered: impl Fn(&[u8]) -> bool,
    ) -> Result<Self, HandshakeError> {
        // RFC 6455, section 4.1, item 5 of the response: the client fails the connection if the
        // server chose an extension that was not offered. This crate offers no extension.
        if response.first(FieldName::Extensions).is_some() {
            return Err(HandshakeError::UnrequestedExtension);
        }
        // RFC 6455, section 4.1, item 6 of the response: the client offered the subprotocol.
        match response.once(FieldName::Subprotocols, HandshakeError::RepeatedSubprotocol)? {
            None => Ok(Self::new()),
            Some(value) if is_offered(value) => {
                Ok(Self::new().with_subprotocol(str::from_utf8(value).ok()))
            }
            Some(_) => Err(HandshakeError::UnrequestedSubprotocol),
        }
    }

    /// Checks that the client offered these parameters in the fields of its request.
    // Inlined without an allocator, to omit the code for parts that a constant acceptance lacks.
    #[cfg_attr(not(feature = "alloc"), inline(always))]
    pub(super) fn check(&self, request: Fields<'_>) -> Result<(), InvalidHead> {
        // RFC 6455, section 4.2.2, item 4: the client offered the subprotocol.
        let Some(subprotocol) = self.subprotocol else { return Ok(()) };
        let is_offered =
            tokens(request.values("sec-websocket-protocol")).any(|offered| offered == subprotocol);
        if is_offered { Ok(()) } else { Err(InvalidHead::Subprotocol) }
    }

    /// Writes the fields of an HTTP/1.1 response that state these parameters.
    // Inlined without an allocator, to omit the code for parts that a constant acceptance lacks.
    #[cfg_attr(not(feature = "alloc"), inline(always))]
    pub(super) fn write(&self, head: &mut HeadWriter<'_>) -> Result<(), InvalidHead> {
        if let Some(subprotocol) = self.subprotocol {
            head.field(Field::new("Sec-WebSocket-Protocol", subprotocol))?;
        }
        Ok(())
    }

    /// Returns the fields of a response that state these parameters, with lowercase names as in HTTP/2.
    pub(super) fn fields(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        let subprotocol = self.subprotocol;
        subprotocol.map(|chosen| Field::new("sec-websocket-protocol", chosen)).into_iter()
    }
}

impl<'a> From<&Acceptance<'a>> for Negotiated<'a> {
    fn from(acceptance: &Acceptance<'a>) -> Self {
        acceptance.negotiated
    }
}
