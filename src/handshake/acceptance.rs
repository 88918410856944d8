//! The response with which a server accepts (RFC 6455, section 4.2.2).

use super::fields::{EXTENSIONS, SUBPROTOCOLS, tokens};
#[cfg(feature = "deflate")]
use super::offer::Choice;
use super::{Field, Fields, HeadBuffer, HeadWriter, InvalidHead, Negotiated};
#[cfg(feature = "deflate")]
use crate::extension::deflate::ParameterText;
#[cfg(feature = "deflate")]
use crate::{Config, DeflateParameters};

/// The server's additions to the response that accepts a handshake: a subprotocol, further fields, and
/// permessage-deflate (feature `deflate`).
///
/// ```
/// use websocket_proto::handshake::{Acceptance, Field};
///
/// let fields = [Field::new("Set-Cookie", "seen=1")];
/// let acceptance = Acceptance::new().with_subprotocol("chat").with_fields(&fields);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Acceptance<'a> {
    subprotocol: Option<&'a str>,
    #[cfg(feature = "deflate")]
    deflate: Choice<Agreement>,
    fields: &'a [Field<'a>],
}

impl<'a> Acceptance<'a> {
    /// Creates an acceptance without a subprotocol or further fields.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            subprotocol: None,
            #[cfg(feature = "deflate")]
            deflate: Choice::Unspecified,
            fields: &[],
        }
    }

    /// Sets the subprotocol, which the client must have offered. `None`, which
    /// [`choose_subprotocol`](super::choose_subprotocol) may return, accepts without a subprotocol.
    #[must_use]
    pub fn with_subprotocol(mut self, subprotocol: impl Into<Option<&'a str>>) -> Self {
        self.subprotocol = subprotocol.into();
        self
    }

    /// Sets further fields. They are written in this order and case.
    #[must_use]
    pub const fn with_fields(mut self, fields: &'a [Field<'a>]) -> Self {
        self.fields = fields;
        self
    }
}

impl<'a> From<&Acceptance<'a>> for Negotiated<'a> {
    fn from(acceptance: &Acceptance<'a>) -> Self {
        let negotiated = Self::new().with_subprotocol(acceptance.subprotocol);
        #[cfg(feature = "deflate")]
        let negotiated = negotiated.with_deflate_parameters(
            acceptance.deflate.parameters().map(|agreement| agreement.parameters),
        );
        negotiated
    }
}

/// # Compression
#[cfg(feature = "deflate")]
impl Acceptance<'_> {
    /// Sets the agreement about permessage-deflate (RFC 7692), which an offer of the client must permit.
    /// `None` declines.
    ///
    /// Without this call, a [`ServerHandshake`](super::ServerHandshake) answers the offers as its
    /// [configuration](crate::Config::with_deflate) says, and a response that is written without a
    /// handshake declines.
    ///
    /// ```
    /// use websocket_proto::handshake::{Acceptance, ExtendedConnect};
    /// use websocket_proto::{Config, Connection, Deflate, Negotiated};
    ///
    /// static CONFIG: Config = Config::new().with_deflate(Deflate::new());
    ///
    /// fn accept(connect: &ExtendedConnect<'_>) -> Connection {
    ///     let agreed = CONFIG.deflate().and_then(|deflate| connect.accept_deflate(&deflate));
    ///     let acceptance = Acceptance::new().with_deflate_parameters(agreed);
    ///     for field in connect.accept(&acceptance).expect("the client offered it") {
    ///         // Give the field to the HTTP/2 stack.
    ///     }
    ///     Connection::server(&CONFIG, &Negotiated::from(&acceptance))
    /// }
    /// ```
    #[must_use]
    pub fn with_deflate_parameters(
        mut self,
        parameters: impl Into<Option<DeflateParameters>>,
    ) -> Self {
        let agreement = |parameters| Agreement { parameters, list: ParameterText::new(parameters) };
        self.deflate = Choice::explicit(parameters.into().map(agreement));
        self
    }

    /// Returns this acceptance, with the answer of the configuration to the offers in the fields of a
    /// request unless this acceptance states one.
    pub(super) fn or_configured(self, config: &Config, request: Fields<'_>) -> Self {
        match (self.deflate, config.deflate) {
            (Choice::Unspecified, Some(deflate)) => {
                self.with_deflate_parameters(deflate.accept_offer(request.values(EXTENSIONS)))
            }
            (Choice::Unspecified | Choice::Off | Choice::On(_), _) => self,
        }
    }
}

impl<'a> Acceptance<'a> {
    pub(super) const fn extra_fields(&self) -> &'a [Field<'a>] {
        self.fields
    }

    /// Checks that the client offered the parameters in the fields of its request.
    // Builds without `alloc` inline this: a constant acceptance removes the code for absent parts.
    #[cfg_attr(not(feature = "alloc"), inline(always))]
    pub(super) fn check(&self, request: Fields<'_>) -> Result<(), InvalidHead> {
        #[cfg(feature = "deflate")]
        if let Choice::On(agreement) = &self.deflate
            && !agreement.parameters.is_offered(request.clone().values(EXTENSIONS))
        {
            return Err(InvalidHead::Deflate);
        }
        // RFC 6455, section 4.2.2, item 4: the client offered the subprotocol.
        let Some(subprotocol) = self.subprotocol else { return Ok(()) };
        let is_offered = tokens(request.values(SUBPROTOCOLS)).any(|offered| offered == subprotocol);
        if is_offered { Ok(()) } else { Err(InvalidHead::Subprotocol) }
    }

    /// Writes the response with `accept` as its `Sec-WebSocket-Accept`. Returns its length in bytes.
    // Builds without `alloc` inline this: a constant acceptance removes the code for absent parts.
    #[cfg_attr(not(feature = "alloc"), inline(always))]
    pub(super) fn write<'b>(
        &self,
        accept: &[u8; 28],
        buffer: impl Into<HeadBuffer<'b>>,
    ) -> Result<usize, InvalidHead> {
        let mut head = HeadWriter::new(buffer);
        head.write(&[
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Accept: ",
            accept,
            b"\r\n",
        ])?;
        if let Some(subprotocol) = self.subprotocol {
            head.field(Field::new("Sec-WebSocket-Protocol", subprotocol))?;
        }
        if let Some(list) = self.extension_list() {
            head.field(Field::new("Sec-WebSocket-Extensions", list))?;
        }
        head.extra_fields(self.fields)?;
        head.finish(b"")
    }

    /// Returns the fields of a response that state the parameters, with lowercase names as in HTTP/2.
    pub(super) fn negotiated_fields(&self) -> impl Iterator<Item = Field<'_>> {
        let subprotocol = self.subprotocol.map(|chosen| Field::new(SUBPROTOCOLS, chosen));
        let extensions = self.extension_list().map(|list| Field::new(EXTENSIONS, list));
        subprotocol.into_iter().chain(extensions)
    }

    fn extension_list(&self) -> Option<&str> {
        #[cfg(feature = "deflate")]
        return self.deflate.parameters().map(|agreement| agreement.list.as_ref());
        #[cfg(not(feature = "deflate"))]
        None
    }
}

/// The parameters of permessage-deflate in a response.
#[cfg(feature = "deflate")]
#[derive(Clone, Copy, Debug)]
struct Agreement {
    parameters: DeflateParameters,
    /// The value of `Sec-WebSocket-Extensions` that states `parameters`.
    list: ParameterText,
}
