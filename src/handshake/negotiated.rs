//! The parameters on which the two sides agree: offered in a request, read from a response, and written
//! in one.

#[cfg(feature = "deflate")]
use super::ClientRequest;
use super::fields::{FieldName, HandshakeFields, tokens};
use super::head::text;
use super::{Acceptance, Field, Fields, HandshakeError, HeadWriter, InvalidHead};
#[cfg(feature = "alloc")]
use crate::extension::Extension;
#[cfg(feature = "deflate")]
use crate::extension::deflate::{Offer, ParameterText};
#[cfg(feature = "deflate")]
use crate::{Config, Deflate, DeflateParameters};

/// The name of the field that lists extensions, in lowercase as in HTTP/2.
pub(super) const EXTENSIONS: &str = "sec-websocket-extensions";
/// The name of the field that lists subprotocols, in lowercase as in HTTP/2.
pub(super) const SUBPROTOCOLS: &str = "sec-websocket-protocol";

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

/// # Compression
#[cfg(feature = "deflate")]
impl ClientRequest<'_> {
    /// Offers permessage-deflate (RFC 7692) with the windows and the context takeover of `deflate`.
    /// `None` offers nothing.
    ///
    /// Without this call, a [`ClientHandshake`](super::ClientHandshake) offers what its
    /// [configuration](crate::Config::with_deflate) says, and a request that is written without a
    /// handshake offers nothing. The level and other settings of the connection always come from its
    /// configuration.
    ///
    /// ```
    /// use websocket_proto::Deflate;
    /// use websocket_proto::handshake::ClientRequest;
    ///
    /// let request = ClientRequest::to("example.com", "/").with_deflate(Deflate::new());
    /// let mut head = Vec::new();
    /// request.write(b"the sample nonce", &mut head)?;
    /// assert!(String::from_utf8(head).unwrap().contains(
    ///     "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
    ///     client_no_context_takeover; client_max_window_bits\r\n"
    /// ));
    /// # Ok::<(), websocket_proto::handshake::InvalidHead>(())
    /// ```
    #[must_use]
    pub fn with_deflate(mut self, deflate: impl Into<Option<Deflate>>) -> Self {
        self.extensions = ExtensionOffer::with_deflate(deflate.into());
        self
    }

    /// Adds the offer of `config` unless this request mentions permessage-deflate, as
    /// [`ClientHandshake`](super::ClientHandshake) does.
    #[must_use]
    pub fn or_configured(mut self, config: &Config) -> Self {
        self.extensions = self.extensions.or_configured(config);
        self
    }
}

/// The extensions that a client offers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ExtensionOffer {
    #[cfg(feature = "deflate")]
    deflate: Choice<Offer>,
}

impl ExtensionOffer {
    pub(super) const NONE: Self = Self {
        #[cfg(feature = "deflate")]
        deflate: Choice::Unspecified,
    };

    #[cfg(feature = "deflate")]
    pub(super) fn with_deflate(deflate: Option<Deflate>) -> Self {
        Self { deflate: Choice::explicit(deflate.map(|deflate| Offer::new(&deflate))) }
    }

    /// Returns this offer, or that of the configuration if this one does not mention
    /// permessage-deflate.
    #[cfg(feature = "deflate")]
    pub(super) fn or_configured(self, config: &Config) -> Self {
        match self.deflate {
            Choice::Unspecified => Self::with_deflate(config.deflate),
            Choice::Off | Choice::On(_) => self,
        }
    }

    /// Returns the value of `Sec-WebSocket-Extensions`, or `None` if nothing is offered.
    pub(super) fn list(&self) -> Option<impl AsRef<str>> {
        #[cfg(feature = "deflate")]
        return self.deflate.parameters().map(ParameterText::new);
        #[cfg(not(feature = "deflate"))]
        None::<&str>
    }

    /// Verifies the lists of extensions in a response.
    #[cfg_attr(not(feature = "deflate"), expect(unused_variables, reason = "nothing is offered"))]
    fn agree<'l>(
        &self,
        response: &HandshakeFields<&[u8]>,
        lists: impl Iterator<Item = &'l [u8]>,
    ) -> Result<Negotiated<'static>, HandshakeError> {
        #[cfg(feature = "deflate")]
        if let Choice::On(offer) = self.deflate {
            if response.has_malformed_extensions {
                return Err(HandshakeError::InvalidExtensions);
            }
            return Ok(Negotiated::new().with_deflate_parameters(offer.verify(lists)?));
        }
        // RFC 6455, section 4.1, item 5 of the response: the client fails the connection if the
        // server chose an extension that was not offered.
        Err(HandshakeError::UnrequestedExtension)
    }
}

/// A choice of the application about permessage-deflate, for one handshake.
#[cfg(feature = "deflate")]
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Choice<T> {
    /// The configuration of the handshake decides. A request or a response that is written without a
    /// handshake does not use the extension.
    #[default]
    Unspecified,
    Off,
    On(T),
}

#[cfg(feature = "deflate")]
impl<T> Choice<T> {
    fn explicit(parameters: Option<T>) -> Self {
        parameters.map_or(Self::Off, Self::On)
    }

    fn parameters(&self) -> Option<&T> {
        match self {
            Self::On(parameters) => Some(parameters),
            Self::Unspecified | Self::Off => None,
        }
    }
}

/// The parameters of permessage-deflate in a response.
#[cfg(feature = "deflate")]
#[derive(Clone, Copy, Debug)]
pub(super) struct Agreement {
    parameters: DeflateParameters,
    /// The value of `Sec-WebSocket-Extensions` that states `parameters`.
    list: ParameterText,
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

impl Acceptance<'_> {
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

    /// Writes the fields of an HTTP/1.1 response that state the parameters.
    // Builds without `alloc` inline this: a constant acceptance removes the code for absent parts.
    #[cfg_attr(not(feature = "alloc"), inline(always))]
    pub(super) fn write_negotiated(&self, head: &mut HeadWriter<'_>) -> Result<(), InvalidHead> {
        if let Some(subprotocol) = self.subprotocol {
            head.field(Field::new("Sec-WebSocket-Protocol", subprotocol))?;
        }
        if let Some(list) = self.extension_list() {
            head.field(Field::new("Sec-WebSocket-Extensions", list))?;
        }
        Ok(())
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

impl<'a> From<&Acceptance<'a>> for Negotiated<'a> {
    fn from(acceptance: &Acceptance<'a>) -> Self {
        Self {
            subprotocol: acceptance.subprotocol,
            #[cfg(feature = "deflate")]
            deflate: acceptance.deflate.parameters().map(|agreement| agreement.parameters),
        }
    }
}
