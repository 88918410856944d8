//! What makes a request an upgrade (RFC 6455, section 4.2.1), and its acceptance (4.2.2).

use super::class::Class;
use super::extension::{are_offered, is_extension_list};
use super::field::Fields;
use super::list::tokens;
use super::notes::{Listed, Once};
use super::uri::{Authority, split_absolute};
use super::{
    Extensions, Field, HandshakeError, HeadBuffer, HeadError, HeadWriter, RequestHead, accept_key,
};

const SWITCHING_PROTOCOLS: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: ";

/// A request that asks for a WebSocket in the right way. Made by [`RequestHead::upgrade`].
#[derive(Clone, Copy, Debug)]
pub struct Upgrade<'a> {
    request: RequestHead<'a>,
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
        Ok(self.is_upgrade()?.then_some(Upgrade { request: *self }))
    }

    /// The same, without a copy of all this.
    pub(super) fn is_upgrade(&self) -> Result<bool, HandshakeError> {
        let notes = &self.head.notes;
        let is_1_0 = self.minor_version() == 0;
        let host = match notes.host {
            // RFC 9112, section 3.2: a request of HTTP/1.1 without Host, and any request with
            // more than one or with an invalid one, is answered 400.
            Once::Repeated => return Err(HandshakeError::RepeatedHost),
            Once::Missing if is_1_0 => b"",
            Once::Missing => return Err(HandshakeError::MissingHost),
            Once::At(place) => place.of(self.as_bytes()),
        };
        // An empty Host is that of a target without an authority, which no WebSocket has.
        if !host.is_empty() && Authority::parse(host).is_err() {
            return Err(HandshakeError::InvalidHost);
        }
        // RFC 9110, section 7.8: Upgrade is ignored in a request of HTTP/1.0.
        if is_1_0 || !notes.upgrade {
            return Ok(false);
        }
        if self.method_bytes() != b"GET" {
            return Err(HandshakeError::MethodNotGet);
        }
        // RFC 6455, section 4.2.1, item 1: a resource name, or an absolute URI that has one.
        // Item 2: the server's authority, which the URI brings along.
        if self.target_bytes().starts_with(b"/") {
            if host.is_empty() {
                return Err(HandshakeError::InvalidHost);
            }
        } else if split_absolute(self.target_bytes())
            .is_none_or(|(authority, _)| Authority::parse(authority).is_err())
        {
            return Err(HandshakeError::InvalidTarget);
        }
        if notes.body {
            return Err(HandshakeError::UnexpectedBody);
        }
        if !notes.connection_upgrade {
            return Err(HandshakeError::MissingConnectionUpgrade);
        }
        // The version decides what else is expected, and is looked at first.
        match notes.version {
            Once::Repeated => return Err(HandshakeError::RepeatedVersion),
            Once::At(place) if place.of(self.as_bytes()) == b"13" => {}
            Once::At(_) | Once::Missing => return Err(HandshakeError::UnsupportedVersion),
        }
        match notes.key {
            Once::Missing => return Err(HandshakeError::MissingKey),
            Once::Repeated => return Err(HandshakeError::RepeatedKey),
            Once::At(place) if is_key(place.of(self.as_bytes())) => {}
            Once::At(_) => return Err(HandshakeError::InvalidKey),
        }
        if let Once::Repeated = notes.origin {
            return Err(HandshakeError::RepeatedOrigin);
        }
        if notes.subprotocols == Listed::Malformed {
            return Err(HandshakeError::InvalidSubprotocols);
        }
        if notes.extensions == Listed::Malformed {
            return Err(HandshakeError::InvalidExtensions);
        }
        Ok(true)
    }

    /// The value that answers the key of an upgrade.
    pub(super) fn accept_key(&self) -> [u8; 28] {
        accept_key(self.head.notes.key.of(self.as_bytes()))
    }
}

impl<'a> Upgrade<'a> {
    /// The request.
    #[must_use]
    pub const fn request(&self) -> RequestHead<'a> {
        self.request
    }

    /// `Sec-WebSocket-Key`, as sent.
    #[must_use]
    pub fn key(&self) -> &'a [u8] {
        self.request.head.notes.key.of(self.request.as_bytes())
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
        acceptance.check(self.request.fields())?;
        acceptance.write(&self.request.accept_key(), buffer)
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

    /// Writes the response, with the value that answers the key. Returns its length in bytes.
    pub(super) fn write<'b>(
        &self,
        accept: &[u8; 28],
        buffer: impl Into<HeadBuffer<'b>>,
    ) -> Result<usize, HeadError> {
        let lines = [SWITCHING_PROTOCOLS, accept, b"\r\n"];
        let mut head = HeadWriter::new(buffer);
        head.parts(&lines)?;
        if let Some(subprotocol) = self.subprotocol {
            head.field(Field::new("Sec-WebSocket-Protocol", subprotocol))?;
        }
        if let Some(extensions) = self.extensions {
            head.field(Field::new("Sec-WebSocket-Extensions", extensions))?;
        }
        head.extra_fields(self.fields)?;
        head.finish()
    }

    /// Checks what is chosen against the fields of the request.
    pub(super) fn check(&self, request: Fields<'_>) -> Result<(), HeadError> {
        // RFC 6455, section 4.2.2, item 4: one of the subprotocols that the client sent, and no
        // extension that it does not list.
        if let Some(subprotocol) = self.subprotocol {
            let mut offered = tokens(request.clone().values("sec-websocket-protocol"));
            if !offered.any(|offered| offered == subprotocol) {
                return Err(HeadError::Subprotocol);
            }
        }
        let offered = Extensions::new(request);
        match self.extensions {
            Some(list)
                if !is_extension_list(list.as_bytes())
                    || !are_offered(&Extensions::of(list), &offered) =>
            {
                Err(HeadError::Extensions)
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// 22 letters of base64 and `==`: 16 bytes. The 4 bits that 22 letters have too many are not
/// checked, since the RFC's own example has some set (erratum 3150).
fn is_key(value: &[u8]) -> bool {
    value.len() == 24 && Class::Base64.run(value) == 22 && value.ends_with(b"==")
}
