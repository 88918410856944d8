//! The checks of a client's request (RFC 6455, section 4.2.1), shared by HTTP/1.1, Extended CONNECT
//! and requests that another stack parsed.

use super::authority::Authority;
#[cfg(feature = "deflate")]
use super::fields::EXTENSIONS;
use super::fields::{FieldList, FieldName, HandshakeFields, SUBPROTOCOLS, tokens};
use super::http1::characters::Class;
use super::uri::RequestTarget;
use super::{
    Acceptance, Fields, HandshakeError, HeadBuffer, InvalidHead, OriginPolicy, RequestHead,
    accept_key,
};
#[cfg(feature = "deflate")]
use crate::{Deflate, DeflateParameters};

/// A valid request for an upgrade to WebSocket, from an allowed origin.
///
/// [`RequestHead::upgrade`] creates it, and so does `Upgrade::from_http` (feature `http`).
///
/// ```
/// use websocket_proto::handshake::{
///     Acceptance, InvalidHead, Upgrade, choose_subprotocol,
/// };
///
/// /// Accepts with a subprotocol that both sides support, if there is one.
/// fn accept(upgrade: &Upgrade<'_>, response: &mut [u8]) -> Result<usize, InvalidHead> {
///     let chosen = choose_subprotocol(upgrade.subprotocols(), &["chat.v2", "chat"]);
///     upgrade.accept(&Acceptance::new().with_subprotocol(chosen), response)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Upgrade<'a> {
    fields: FieldList<'a>,
    key: &'a [u8; 24],
}

/// An HTTP/1.1 request line that this crate or another stack parsed.
#[derive(Clone, Copy)]
pub(super) struct RequestLine<'a> {
    pub(super) method: &'a [u8],
    pub(super) target: RequestTarget<'a>,
    pub(super) is_at_least_1_1: bool,
}

impl<'a> RequestHead<'a> {
    /// Checks a request to upgrade to WebSocket (RFC 6455, section 4.2.1), whose origin `policy` must
    /// allow.
    ///
    /// Returns `None` for plain HTTP: a valid request of HTTP/1.0, or one whose `Upgrade` does not
    /// list `websocket`.
    ///
    /// # Errors
    ///
    /// The first rule that the request breaks, rules of HTTP first.
    ///
    /// ```
    /// use websocket_proto::handshake::{Acceptance, HeadLimits, OriginPolicy, RequestParser};
    ///
    /// let head = b"GET / HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n\
    ///     Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    ///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    /// let request = RequestParser::new(HeadLimits::DEFAULT).parse(head)?.unwrap();
    /// let upgrade = request.upgrade(&OriginPolicy::same())?.expect("not plain HTTP");
    /// let mut response = [0; 256];
    /// let len = upgrade.accept(&Acceptance::new(), &mut response).unwrap();
    /// assert_eq!(
    ///     &response[..len],
    ///     b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    ///     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    /// );
    /// # Ok::<(), websocket_proto::handshake::HandshakeError>(())
    /// ```
    // Builds without `alloc` inline this: a constant policy removes the code of the others.
    #[cfg_attr(not(feature = "alloc"), inline(always))]
    pub fn upgrade(
        &self,
        policy: &OriginPolicy<'_>,
    ) -> Result<Option<Upgrade<'a>>, HandshakeError> {
        let line = RequestLine {
            method: self.method_bytes(),
            target: self.request_target(),
            is_at_least_1_1: self.minor_version() >= 1,
        };
        let key = check_upgrade(line, &self.handshake_fields(), policy)?;
        Ok(key.map(|key| Upgrade { fields: FieldList::Borrowed(self.fields()), key }))
    }
}

impl<'a> Upgrade<'a> {
    /// Checks the request line and the fields of an HTTP/1 request that another stack parsed.
    #[cfg(feature = "http")]
    pub(super) fn check(
        line: RequestLine<'_>,
        fields: FieldList<'a>,
        policy: &OriginPolicy<'_>,
    ) -> Result<Option<Self>, HandshakeError> {
        let key = check_upgrade(line, &fields.handshake_fields(), policy)?;
        Ok(key.map(|key| Self { fields, key }))
    }

    /// Returns `Sec-WebSocket-Key` as sent: 22 characters of base64 and `==`.
    #[must_use]
    pub const fn key(&self) -> &'a [u8; 24] {
        self.key
    }

    /// Returns the subprotocols that the client offers, in its order of preference.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> + Clone {
        tokens(self.fields().values(SUBPROTOCOLS))
    }

    /// Answers the client's offers of permessage-deflate (RFC 7692), for
    /// [`Acceptance::with_deflate_parameters`]. Returns the parameters of the response to the first valid
    /// offer, or `None` if there is none.
    ///
    /// ```
    /// use websocket_proto::Deflate;
    /// use websocket_proto::handshake::{Acceptance, InvalidHead, Upgrade};
    ///
    /// fn accept(upgrade: &Upgrade<'_>, response: &mut [u8]) -> Result<usize, InvalidHead> {
    ///     let agreed = upgrade.accept_deflate(&Deflate::new());
    ///     upgrade.accept(&Acceptance::new().with_deflate_parameters(agreed), response)
    /// }
    /// ```
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn accept_deflate(&self, deflate: &Deflate) -> Option<DeflateParameters> {
        deflate.accept_offer(self.fields().values(EXTENSIONS))
    }

    /// Writes the response that accepts, with status 101 and the additions of `acceptance`. Returns
    /// its length in bytes.
    ///
    /// # Errors
    ///
    /// [`InvalidHead::Subprotocol`] or `InvalidHead::Deflate` if the client did not offer what
    /// `acceptance` states, the error of an invalid field, or [`InvalidHead::BufferTooSmall`].
    // Builds without `alloc` inline this: a constant acceptance removes the code for absent parts.
    #[cfg_attr(not(feature = "alloc"), inline(always))]
    pub fn accept<'b>(
        &self,
        acceptance: &Acceptance<'_>,
        buffer: impl Into<HeadBuffer<'b>>,
    ) -> Result<usize, InvalidHead> {
        acceptance.check(self.fields())?;
        acceptance.write(&accept_key(self.key), buffer)
    }

    pub(super) fn fields(&self) -> Fields<'_> {
        self.fields.iter()
    }
}

/// Checks an HTTP/1 request. Returns the key of an upgrade, or `None` for plain HTTP.
// Builds without `alloc` inline this: a constant policy removes the code of the others.
#[cfg_attr(not(feature = "alloc"), inline(always))]
fn check_upgrade<'a>(
    line: RequestLine<'_>,
    fields: &HandshakeFields<&'a [u8]>,
    policy: &OriginPolicy<'_>,
) -> Result<Option<&'a [u8; 24]>, HandshakeError> {
    // RFC 9112, section 3.2: a server must answer 400 to an HTTP/1.1 request without Host, and to any
    // request with several Hosts or an invalid one. Host is empty if the target has no authority.
    let host = match fields.once(FieldName::Host, HandshakeError::RepeatedHost)? {
        None if line.is_at_least_1_1 => return Err(HandshakeError::MissingHost),
        None | Some(b"") => None,
        Some(host) => Some(parse_host(host)?),
    };
    // RFC 9110, section 7.8: a server must ignore Upgrade in an HTTP/1.0 request.
    if !line.is_at_least_1_1 || !fields.lists_websocket {
        return Ok(None);
    }
    // RFC 6455, section 4.2.1, item 1: the method is GET.
    if line.method != b"GET" {
        return Err(HandshakeError::MethodNotGet);
    }
    let invalid = match line.target {
        // RFC 6455, section 4.2.1, item 2: Host has the server's authority.
        RequestTarget::Origin { .. } => HandshakeError::InvalidHost,
        RequestTarget::Absolute { .. } => HandshakeError::InvalidTarget,
        RequestTarget::Other => return Err(HandshakeError::InvalidTarget),
    };
    let authority = match line.target.authority() {
        Some(authority) => Authority::parse(authority).ok(),
        None => host,
    };
    let authority = authority.ok_or(invalid)?;
    // Bytes after the head are frames, so that the request must have no body.
    let length = fields.once(FieldName::ContentLength, HandshakeError::UnexpectedBody)?;
    if length.is_some_and(|length| length != b"0")
        || fields.first(FieldName::TransferEncoding).is_some()
    {
        return Err(HandshakeError::UnexpectedBody);
    }
    // RFC 6455, section 4.2.1, item 4: Connection lists "upgrade".
    if !fields.lists_upgrade {
        return Err(HandshakeError::MissingConnectionUpgrade);
    }
    // RFC 6455, section 4.2.1, items 6 and 5. The version comes first, since a client of another
    // version may send another form of key.
    check_version(fields)?;
    let key = fields.once(FieldName::Key, HandshakeError::RepeatedKey)?;
    let key = valid_key(key.ok_or(HandshakeError::MissingKey)?)?;
    check_offer(fields, &authority, policy)?;
    Ok(Some(key))
}

pub(super) fn check_version(fields: &HandshakeFields<&[u8]>) -> Result<(), HandshakeError> {
    match fields.once(FieldName::Version, HandshakeError::RepeatedVersion)? {
        Some(b"13") => Ok(()),
        Some(_) | None => Err(HandshakeError::UnsupportedVersion),
    }
}

pub(super) fn parse_host(authority: &[u8]) -> Result<Authority<'_>, HandshakeError> {
    Authority::parse(authority).map_err(|_| HandshakeError::InvalidHost)
}

/// Checks the origin, and the syntax of the offered subprotocols and extensions.
// Builds without `alloc` inline this: a constant policy removes the code of the others.
#[cfg_attr(not(feature = "alloc"), inline(always))]
pub(super) fn check_offer(
    fields: &HandshakeFields<&[u8]>,
    authority: &Authority<'_>,
    policy: &OriginPolicy<'_>,
) -> Result<(), HandshakeError> {
    let origin = fields.once(FieldName::Origin, HandshakeError::RepeatedOrigin)?;
    if fields.has_malformed_subprotocols {
        return Err(HandshakeError::InvalidSubprotocols);
    }
    if fields.has_malformed_extensions {
        return Err(HandshakeError::InvalidExtensions);
    }
    match origin {
        Some(origin) if !policy.allows(origin, authority) => Err(HandshakeError::ForbiddenOrigin),
        Some(_) | None => Ok(()),
    }
}

/// Checks that the key has the form of 16 bytes in base64: 22 characters of the alphabet and `==`.
///
/// The last 4 of the 132 bits are unused. They are not checked, since an example in RFC 6455 sets some
/// of them (erratum 3150).
fn valid_key(value: &[u8]) -> Result<&[u8; 24], HandshakeError> {
    let key: &[u8; 24] = value.try_into().map_err(|_| HandshakeError::InvalidKey)?;
    if Class::Base64.prefix_len(key) == 22 && key.ends_with(b"==") {
        Ok(key)
    } else {
        Err(HandshakeError::InvalidKey)
    }
}
