//! The extensions that a client offers, the verification of the server's choice, and how either role
//! states its own: [`ClientRequest::with_deflate`], and [`Choice`] for requests and acceptances.

#[cfg(feature = "deflate")]
use super::ClientRequest;
use super::fields::HandshakeFields;
use super::{HandshakeError, Negotiated};
#[cfg(feature = "deflate")]
use crate::extension::deflate::{Offer, ParameterText};
#[cfg(feature = "deflate")]
use crate::{Config, Deflate};

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
    pub(super) fn agree<'l>(
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
    pub(super) fn explicit(parameters: Option<T>) -> Self {
        parameters.map_or(Self::Off, Self::On)
    }

    pub(super) fn parameters(&self) -> Option<&T> {
        match self {
            Self::On(parameters) => Some(parameters),
            Self::Unspecified | Self::Off => None,
        }
    }
}
