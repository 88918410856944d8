//! The requests that a client writes, and the checks of their responses (RFC 6455, section 4.1).

#[cfg(feature = "alloc")]
use alloc::string::String;

use super::authority::Authority;
#[cfg(feature = "alloc")]
use super::fields::elements;
use super::fields::{EXTENSIONS, FieldName, HandshakeFields};
use super::http1::characters::Class;
use super::offer::ExtensionOffer;
use super::{
    Field, HandshakeError, HeadBuffer, HeadWriter, InvalidHead, Negotiated, ResponseHead, Uri,
    accept_key, key_from_nonce,
};

/// A client's request to open a WebSocket connection.
///
/// ```
/// use websocket_proto::handshake::{ClientRequest, Field, Uri};
///
/// let fields = [Field::new("Origin", "http://example.com")];
/// let request = ClientRequest::new(&Uri::parse("ws://server.example.com/chat")?)
///     .with_subprotocols(&["chat", "superchat"])
///     .with_fields(&fields);
///
/// let mut head = [0; 512];
/// let len = request.write(b"the sample nonce", &mut head)?;
/// assert_eq!(
///     &head[..len],
///     b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
///     Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
///     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, superchat\r\n\
///     Origin: http://example.com\r\n\r\n"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ClientRequest<'a> {
    is_secure: bool,
    /// Whether `authority` and `target` come from a [`Uri`], and are therefore valid.
    is_from_uri: bool,
    authority: &'a str,
    /// The path, `?` and the query; the last two are empty if there is no query.
    target: [&'a str; 3],
    subprotocols: &'a [&'a str],
    pub(super) extensions: ExtensionOffer,
    fields: &'a [Field<'a>],
}

impl<'a> ClientRequest<'a> {
    /// Creates a request for the resource that `uri` names.
    #[must_use]
    pub fn new(uri: &Uri<'a>) -> Self {
        let (mark, query) = uri.query().map_or(("", ""), |query| ("?", query));
        let request = Self::to(uri.authority(), uri.path());
        let target = [uri.path(), mark, query];
        Self { is_secure: uri.is_secure(), is_from_uri: true, target, ..request }
    }

    /// Creates a request for `target`, a path that starts with `/` and an optional query, at
    /// `authority`, a host with an optional port. Omit the port if it is the default port of the scheme.
    #[must_use]
    pub const fn to(authority: &'a str, target: &'a str) -> Self {
        let target = [target, "", ""];
        Self {
            is_secure: false,
            is_from_uri: false,
            authority,
            target,
            subprotocols: &[],
            extensions: ExtensionOffer::NONE,
            fields: &[],
        }
    }

    /// Sets the scheme to `https`, which Extended CONNECT sends (RFC 8441, section 5).
    /// [`new`](Self::new) has it from its URI.
    #[must_use]
    pub const fn with_https(mut self) -> Self {
        self.is_secure = true;
        self
    }

    /// Sets the subprotocols to offer, in order of preference.
    #[must_use]
    pub const fn with_subprotocols(mut self, subprotocols: &'a [&'a str]) -> Self {
        self.subprotocols = subprotocols;
        self
    }

    /// Sets further fields, such as `Origin`, `Cookie` or `Authorization`. They are written in this
    /// order and case.
    #[must_use]
    pub const fn with_fields(mut self, fields: &'a [Field<'a>]) -> Self {
        self.fields = fields;
        self
    }

    /// Writes the request as an HTTP/1.1 head, and returns its length in bytes.
    ///
    /// `Sec-WebSocket-Key` is `nonce` in base64. Draw 16 fresh random bytes for each connection (RFC 6455,
    /// section 4.1, item 7).
    ///
    /// # Errors
    ///
    /// The first part of the request that is invalid, or [`InvalidHead::BufferTooSmall`].
    pub fn write<'b>(
        &self,
        nonce: &[u8; 16],
        buffer: impl Into<HeadBuffer<'b>>,
    ) -> Result<usize, InvalidHead> {
        self.write_with_key(&key_from_nonce(nonce), buffer)
    }

    /// Writes the request with `key` as its `Sec-WebSocket-Key`. Returns its length in bytes.
    pub(super) fn write_with_key<'b>(
        &self,
        key: &[u8; 24],
        buffer: impl Into<HeadBuffer<'b>>,
    ) -> Result<usize, InvalidHead> {
        self.check()?;
        let [path, mark, query] = self.target.map(str::as_bytes);
        let mut head = HeadWriter::new(buffer);
        head.write(&[
            b"GET ",
            path,
            mark,
            query,
            b" HTTP/1.1\r\nHost: ",
            self.authority.as_bytes(),
            b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ",
            key,
            b"\r\nSec-WebSocket-Version: 13\r\n",
        ])?;
        if !self.subprotocols.is_empty() {
            head.write(&[b"Sec-WebSocket-Protocol: "])?;
            self.subprotocol_list().try_for_each(|part| head.write(&[part.as_bytes()]))?;
            head.write(&[b"\r\n"])?;
        }
        if let Some(list) = self.extensions.list() {
            head.field(Field::new("Sec-WebSocket-Extensions", list.as_ref()))?;
        }
        head.extra_fields(self.fields)?;
        head.finish(b"")
    }

    /// Verifies that `response` accepts this request, which was written with `nonce`.
    ///
    /// Returns `None` if the status code is not 101: the server rejects the request, or the response is
    /// an interim one.
    ///
    /// # Errors
    ///
    /// The first rule of RFC 6455, section 4.1, that a response with status 101 breaks.
    ///
    /// ```
    /// use websocket_proto::handshake::{ClientRequest, HeadLimits, ResponseParser};
    ///
    /// let request = ClientRequest::to("example.com", "/").with_subprotocols(&["chat"]);
    /// let head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    ///     Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    ///     Sec-WebSocket-Protocol: chat\r\n\r\n";
    /// let response = ResponseParser::new(HeadLimits::DEFAULT).parse(head)?.unwrap();
    /// let negotiated = request.verify(b"the sample nonce", &response)?.expect("status 101");
    /// assert_eq!(negotiated.subprotocol(), Some("chat"));
    /// # Ok::<(), websocket_proto::handshake::HandshakeError>(())
    /// ```
    pub fn verify<'r>(
        &self,
        nonce: &[u8; 16],
        response: &ResponseHead<'r>,
    ) -> Result<Option<Negotiated<'r>>, HandshakeError> {
        verify(response, &accept_key(&key_from_nonce(nonce)), &self.extensions, |one| {
            self.offers(one)
        })
    }

    /// Validates the parts of the request that HTTP/1.1 and Extended CONNECT share.
    pub(super) fn check(&self) -> Result<(), InvalidHead> {
        if !self.is_from_uri {
            // RFC 6455, section 3: the resource name starts with a path, and the path with a slash.
            let [target, ..] = self.target;
            if !target.starts_with('/') || !Class::Target.is_all(target.as_bytes()) {
                return Err(InvalidHead::Target);
            }
            Authority::parse(self.authority.as_bytes()).map_err(|_| InvalidHead::Host)?;
        }
        for (index, subprotocol) in self.subprotocols.iter().enumerate() {
            // RFC 6455, section 4.1, item 10: the subprotocols are tokens, and all are unique.
            if !Class::Token.is_all(subprotocol.as_bytes())
                || self.subprotocols.iter().take(index).any(|other| other == subprotocol)
            {
                return Err(InvalidHead::Subprotocol);
            }
        }
        Ok(())
    }

    pub(super) const fn is_secure(&self) -> bool {
        self.is_secure
    }

    pub(super) const fn authority(&self) -> &'a str {
        self.authority
    }

    /// Returns the target in three parts: the path, `?` and the query.
    pub(super) const fn target(&self) -> [&'a str; 3] {
        self.target
    }

    pub(super) const fn extra_fields(&self) -> &'a [Field<'a>] {
        self.fields
    }

    /// Returns the parts of the list of subprotocols, including the separators.
    pub(super) fn subprotocol_list(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let separators = core::iter::once("").chain(core::iter::repeat(", "));
        separators.zip(self.subprotocols).flat_map(|(separator, one)| [separator, *one])
    }

    pub(super) fn offers(&self, subprotocol: &[u8]) -> bool {
        self.subprotocols.iter().any(|offered| offered.as_bytes() == subprotocol)
    }
}

/// The response that a client expects.
#[cfg(feature = "alloc")]
#[derive(Debug)]
pub(super) enum Expected {
    /// An upgrade.
    Upgrade {
        /// The `Sec-WebSocket-Accept` that answers the request's key.
        accept: [u8; 28],
        /// The list of the offered subprotocols.
        subprotocols: String,
        extensions: ExtensionOffer,
    },
    /// A tunnel through a proxy.
    Tunnel,
}

#[cfg(feature = "alloc")]
impl Expected {
    /// Verifies the final response. Returns `None` if it rejects the request.
    pub(super) fn verify<'r>(
        &self,
        response: &ResponseHead<'r>,
    ) -> Result<Option<Negotiated<'r>>, HandshakeError> {
        match (self, response.status()) {
            (Self::Upgrade { accept, subprotocols, extensions }, _) => {
                verify(response, accept, extensions, |subprotocol| {
                    elements(subprotocols.as_bytes()).any(|offered| offered == subprotocol)
                })
            }
            // RFC 9110, section 15.2.2: a server switches only to a protocol in the request's Upgrade
            // field, and this request has none.
            (Self::Tunnel, 101) => Err(HandshakeError::UnexpectedSwitch),
            // RFC 9110, section 9.3.6: any 2xx opens the tunnel.
            (Self::Tunnel, status) => Ok(matches!(status, 200..=299).then_some(Negotiated::new())),
        }
    }
}

/// Verifies `response` against `accept`, the `Sec-WebSocket-Accept` that answers the request's key,
/// and against the extensions and subprotocols that the request offers.
fn verify<'r>(
    response: &ResponseHead<'r>,
    accept: &[u8; 28],
    extensions: &ExtensionOffer,
    is_offered: impl Fn(&[u8]) -> bool,
) -> Result<Option<Negotiated<'r>>, HandshakeError> {
    if response.status() != 101 {
        return Ok(None);
    }
    let fields = response.handshake_fields();
    verify_switch(response.minor_version() >= 1, &fields, accept)?;
    let lists = response.fields().values(EXTENSIONS);
    Negotiated::from_response(&fields, lists, extensions, is_offered).map(Some)
}

/// Verifies the version and the fields of a response with status 101 that do not depend on an offer.
pub(super) fn verify_switch(
    is_at_least_1_1: bool,
    fields: &HandshakeFields<&[u8]>,
    accept: &[u8; 28],
) -> Result<(), HandshakeError> {
    // RFC 9110, section 15.2: a server must not send a 1xx response to an HTTP/1.0 client, and
    // HTTP/1.0 has none.
    if !is_at_least_1_1 {
        return Err(HandshakeError::UnsupportedHttpVersion);
    }
    // RFC 6455, section 4.1, item 2 of the response: the value of Upgrade is "websocket".
    match fields.once(FieldName::Upgrade, HandshakeError::InvalidUpgrade)? {
        Some(value) if value.eq_ignore_ascii_case(b"websocket") => {}
        Some(_) | None => return Err(HandshakeError::InvalidUpgrade),
    }
    // RFC 6455, section 4.1, item 3 of the response: Connection has the token "upgrade".
    if !fields.lists_upgrade {
        return Err(HandshakeError::MissingConnectionUpgrade);
    }
    // RFC 6455, section 4.1, item 4 of the response. The encoded values are compared: the peer's value
    // is never decoded.
    let value = fields.once(FieldName::Accept, HandshakeError::RepeatedAccept)?;
    if value.ok_or(HandshakeError::MissingAccept)? != accept {
        return Err(HandshakeError::WrongAccept);
    }
    Ok(())
}

/// Writes a CONNECT request, which asks a proxy for a tunnel to the host and port of `uri` (RFC 9110,
/// section 9.3.6). Returns its length in bytes.
///
/// If the proxy demands credentials, add `Proxy-Authorization` to `fields`. A response with any 2xx
/// status code accepts.
///
/// # Errors
///
/// The error of an invalid field, or [`InvalidHead::BufferTooSmall`].
pub fn write_connect<'b>(
    uri: &Uri<'_>,
    fields: &[Field<'_>],
    buffer: impl Into<HeadBuffer<'b>>,
) -> Result<usize, InvalidHead> {
    let (host, port) = (uri.bracketed_host().as_bytes(), uri.port().into());
    let mut head = HeadWriter::new(buffer);
    // RFC 9112, section 3.2.3: the authority form always has a port.
    head.write(&[b"CONNECT ", host, b":"])?;
    head.number(port)?;
    head.write(&[b" HTTP/1.1\r\nHost: ", host, b":"])?;
    head.number(port)?;
    head.write(&[b"\r\n"])?;
    head.extra_fields(fields)?;
    head.finish(b"")
}
