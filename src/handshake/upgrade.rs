//! What makes a request an upgrade (RFC 6455, section 4.2.1), and its acceptance (4.2.2).

use super::extension::{are_offered, is_extension_list};
use super::list::{is_tokens, names};
use super::rejection::reason;
use super::uri::{Authority, Target};
use super::{
    Extensions, Field, HandshakeError, HeadBuffer, HeadError, HeadWriter, RequestHead, accept_key,
};

/// A request that asks for a WebSocket in the right way. Made by [`RequestHead::upgrade`].
#[derive(Clone, Copy, Debug)]
pub struct Upgrade<'a> {
    request: RequestHead<'a>,
    key: [u8; 24],
}

/// What is gathered in one pass over the fields.
#[derive(Default)]
struct Seen<'a> {
    host: Once<'a>,
    origin: Once<'a>,
    version: Once<'a>,
    key: Once<'a>,
    upgrade: bool,
    connection_upgrade: bool,
    body: bool,
    bad_subprotocols: bool,
    bad_extensions: bool,
}

/// The value of a field that may occur once.
#[derive(Clone, Copy, Default)]
enum Once<'a> {
    #[default]
    Missing,
    Present(&'a [u8]),
    Repeated,
}

impl<'a> Once<'a> {
    fn see(&mut self, value: &'a [u8]) {
        *self = match self {
            Self::Missing => Self::Present(value),
            Self::Present(_) | Self::Repeated => Self::Repeated,
        };
    }
}

impl<'a> Seen<'a> {
    fn new(request: &RequestHead<'a>) -> Self {
        let mut seen = Self::default();
        for field in request.fields() {
            let value = field.value();
            // The length tells most of the names apart.
            match field.name_bytes().len() {
                4 if field.is("host") => seen.host.see(value),
                6 if field.is("origin") => seen.origin.see(value),
                7 if field.is("upgrade") => seen.upgrade |= names(value, "websocket"),
                10 if field.is("connection") => seen.connection_upgrade |= names(value, "upgrade"),
                14 if field.is("content-length") => seen.body |= value != b"0",
                17 if field.is("transfer-encoding") => seen.body = true,
                17 if field.is("sec-websocket-key") => seen.key.see(value),
                21 if field.is("sec-websocket-version") => seen.version.see(value),
                22 if field.is("sec-websocket-protocol") => {
                    seen.bad_subprotocols |= !is_tokens(value);
                }
                24 if field.is("sec-websocket-extensions") => {
                    seen.bad_extensions |= !is_extension_list(value);
                }
                _ => {}
            }
        }
        seen
    }
}

impl<'a> RequestHead<'a> {
    /// Checks whether this is a WebSocket upgrade, as RFC 6455, section 4.2.1 wants it.
    ///
    /// `None` for a request that is none, but good HTTP: one of HTTP/1.0, or whose `Upgrade` does
    /// not list `websocket`.
    ///
    /// # Errors
    ///
    /// What the request breaks; the rules of HTTP come first, then those of WebSocket in the order
    /// of the variants of [`HandshakeError`].
    pub fn upgrade(&self) -> Result<Option<Upgrade<'a>>, HandshakeError> {
        let seen = Seen::new(self);
        let host = match seen.host {
            // RFC 9112, section 3.2: a request of HTTP/1.1 without Host, and any request with
            // more than one or with an invalid one, is answered 400.
            Once::Repeated => return Err(HandshakeError::RepeatedHost),
            Once::Missing if self.minor_version() == 0 => b"",
            Once::Missing => return Err(HandshakeError::MissingHost),
            Once::Present(host) => host,
        };
        // An empty Host is that of a target without an authority, which no WebSocket has.
        if !host.is_empty() && !is_authority(host) {
            return Err(HandshakeError::InvalidHost);
        }
        // RFC 9110, section 7.8: Upgrade is ignored in a request of HTTP/1.0.
        if self.minor_version() == 0 || !seen.upgrade {
            return Ok(None);
        }
        if self.method() != "GET" {
            return Err(HandshakeError::MethodNotGet);
        }
        // RFC 6455, section 4.2.1, item 1: a resource name, or an absolute URI that has one.
        let target = Target::of(self.target()).ok_or(HandshakeError::InvalidTarget)?;
        match target.authority {
            Some(authority) if !is_authority(authority.as_bytes()) => {
                return Err(HandshakeError::InvalidTarget);
            }
            // RFC 6455, section 4.2.1, item 2: the server's authority.
            None if host.is_empty() => return Err(HandshakeError::InvalidHost),
            Some(_) | None => {}
        }
        if seen.body {
            return Err(HandshakeError::UnexpectedBody);
        }
        if !seen.connection_upgrade {
            return Err(HandshakeError::MissingConnectionUpgrade);
        }
        // The version decides what else is expected, and is looked at first.
        match seen.version {
            Once::Repeated => return Err(HandshakeError::RepeatedVersion),
            Once::Present(b"13") => {}
            Once::Present(_) | Once::Missing => return Err(HandshakeError::UnsupportedVersion),
        }
        let key = match seen.key {
            Once::Missing => return Err(HandshakeError::MissingKey),
            Once::Repeated => return Err(HandshakeError::RepeatedKey),
            Once::Present(value) => parse_key(value).ok_or(HandshakeError::InvalidKey)?,
        };
        if let Once::Repeated = seen.origin {
            return Err(HandshakeError::RepeatedOrigin);
        }
        if seen.bad_subprotocols {
            return Err(HandshakeError::InvalidSubprotocols);
        }
        if seen.bad_extensions {
            return Err(HandshakeError::InvalidExtensions);
        }
        Ok(Some(Upgrade { request: *self, key }))
    }
}

impl<'a> Upgrade<'a> {
    /// An upgrade that was checked before.
    #[cfg(feature = "alloc")]
    pub(super) const fn checked(request: RequestHead<'a>, key: [u8; 24]) -> Self {
        Self { request, key }
    }

    /// The request.
    #[must_use]
    pub const fn request(&self) -> RequestHead<'a> {
        self.request
    }

    /// `Sec-WebSocket-Key`.
    #[must_use]
    pub const fn key(&self) -> [u8; 24] {
        self.key
    }

    /// Writes the response that accepts: 101 and what was chosen. Returns its length in bytes.
    ///
    /// # Errors
    ///
    /// [`HeadError::Subprotocol`] and [`HeadError::Extensions`] for what the client did not offer,
    /// [`HeadError::ReservedField`], and what [`HeadWriter`] refuses.
    ///
    /// ```
    /// use websocket_proto::handshake::{Acceptance, HeadLimits, RequestParser};
    ///
    /// let head = b"GET / HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n\
    ///     Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    ///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    /// let request = RequestParser::new(HeadLimits::DEFAULT).parse(head)?.unwrap();
    /// let upgrade = request.upgrade()?.unwrap();
    /// let mut response = [0; 256];
    /// let length = upgrade.accept(&Acceptance::new(), &mut response).unwrap();
    /// assert_eq!(
    ///     &response[..length],
    ///     b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    ///     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    /// );
    /// # Ok::<(), websocket_proto::handshake::HandshakeError>(())
    /// ```
    pub fn accept<'b>(
        &self,
        acceptance: &Acceptance<'_>,
        buffer: impl Into<HeadBuffer<'b>>,
    ) -> Result<usize, HeadError> {
        let mut head = HeadWriter::response(buffer, 101, reason(101))?;
        head.field(Field::new("Upgrade", "websocket"))?;
        head.field(Field::new("Connection", "Upgrade"))?;
        head.field(Field::new("Sec-WebSocket-Accept", &accept_key(&self.key)))?;
        if let Some(subprotocol) = acceptance.subprotocol {
            // RFC 6455, section 4.2.2, item 4: one of the values that the client sent.
            if !self.request.subprotocols().any(|offered| offered == subprotocol) {
                return Err(HeadError::Subprotocol);
            }
            head.field(Field::new("Sec-WebSocket-Protocol", subprotocol))?;
        }
        if let Some(extensions) = acceptance.extensions {
            // RFC 6455, section 4.2.2, item 4: none that the client does not list.
            if !is_extension_list(extensions.as_bytes())
                || !are_offered(&Extensions::of(extensions), &self.request.extensions())
            {
                return Err(HeadError::Extensions);
            }
            head.field(Field::new("Sec-WebSocket-Extensions", extensions))?;
        }
        head.extra_fields(acceptance.fields)?;
        head.finish()
    }
}

/// What a server accepts an upgrade with: nothing but the upgrade itself, unless more is said.
///
/// ```
/// use websocket_proto::handshake::{Acceptance, Field};
///
/// let fields = [Field::new("Set-Cookie", "seen=1")];
/// let acceptance = Acceptance::new().subprotocol("chat").fields(&fields);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Acceptance<'a> {
    pub(super) subprotocol: Option<&'a str>,
    pub(super) extensions: Option<&'a str>,
    pub(super) fields: &'a [Field<'a>],
}

impl<'a> Acceptance<'a> {
    /// No subprotocol, no extension, no further field.
    #[must_use]
    pub const fn new() -> Self {
        Self { subprotocol: None, extensions: None, fields: &[] }
    }

    /// The subprotocol, one of those that the client offered.
    #[must_use]
    pub const fn subprotocol(mut self, subprotocol: &'a str) -> Self {
        self.subprotocol = Some(subprotocol);
        self
    }

    /// The extensions with their parameters, as `Sec-WebSocket-Extensions` lists them. Each must
    /// be one that the client offered; whether its parameters answer the offer is the extension's
    /// business.
    #[must_use]
    pub const fn extensions(mut self, extensions: &'a str) -> Self {
        self.extensions = Some(extensions);
        self
    }

    /// Further fields, written in this order and case.
    #[must_use]
    pub const fn fields(mut self, fields: &'a [Field<'a>]) -> Self {
        self.fields = fields;
        self
    }
}

fn is_authority(bytes: &[u8]) -> bool {
    core::str::from_utf8(bytes).is_ok_and(|text| Authority::parse(text).is_ok())
}

/// 22 letters of base64 and `==`: 16 bytes. The 4 bits that 22 letters have too many are not
/// checked, since the RFC's own example has some set (erratum 3150).
fn parse_key(value: &[u8]) -> Option<[u8; 24]> {
    let letters = value.strip_suffix(b"==")?;
    let are_base64 =
        letters.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    if are_base64 { value.try_into().ok() } else { None }
}
