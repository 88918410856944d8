//! A client's request, and the check of what answers it (RFC 6455, section 4.1).

use super::class::Class;
use super::extension::{are_offered, is_extension_list};
use super::field::Fields;
use super::known::Known;
use super::notes::Once;
use super::uri::Authority;
use super::{
    Extensions, Field, HandshakeError, HeadBuffer, HeadError, HeadWriter, ResponseHead, Uri,
    accept_key,
};

/// What a client asks for.
///
/// ```
/// use websocket_proto::handshake::{ClientRequest, Field, Uri, key_from_nonce};
///
/// let fields = [Field::new("Origin", "http://example.com")];
/// let request = ClientRequest::new(&Uri::parse("ws://server.example.com/chat")?)
///     .subprotocols(&["chat", "superchat"])
///     .fields(&fields);
///
/// let key = key_from_nonce(b"the sample nonce");
/// let mut head = [0; 512];
/// let length = request.write(key, &mut head)?;
/// assert_eq!(
///     &head[..length],
///     b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
///     Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
///     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, superchat\r\n\
///     Origin: http://example.com\r\n\r\n"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ClientRequest<'a> {
    pub(super) secure: bool,
    /// Whether authority and target are parts of a [`Uri`], which has checked them.
    from_uri: bool,
    pub(super) authority: &'a str,
    /// A path, and perhaps `?` and a query.
    pub(super) target: [&'a str; 3],
    pub(super) subprotocols: &'a [&'a str],
    pub(super) extensions: Option<&'a str>,
    pub(super) fields: &'a [Field<'a>],
}

impl<'a> ClientRequest<'a> {
    /// A request for a URI.
    #[must_use]
    pub fn new(uri: &Uri<'a>) -> Self {
        let (mark, query) = uri.query().map_or(("", ""), |query| ("?", query));
        let request = Self::to(uri.authority(), uri.path());
        let target = [uri.path(), mark, query];
        Self { secure: uri.is_secure(), from_uri: true, target, ..request }
    }

    /// A request to `authority`, a host with a port if that is not the default one, for `target`,
    /// which begins with `/`.
    #[must_use]
    pub const fn to(authority: &'a str, target: &'a str) -> Self {
        Self {
            secure: false,
            from_uri: false,
            authority,
            target: [target, "", ""],
            subprotocols: &[],
            extensions: None,
            fields: &[],
        }
    }

    /// The subprotocols to offer, the preferred ones first.
    #[must_use]
    pub const fn subprotocols(mut self, subprotocols: &'a [&'a str]) -> Self {
        self.subprotocols = subprotocols;
        self
    }

    /// The extensions to offer, with their parameters, as `Sec-WebSocket-Extensions` lists them.
    #[must_use]
    pub const fn extensions(mut self, extensions: &'a str) -> Self {
        self.extensions = Some(extensions);
        self
    }

    /// Further fields, written in this order and case: `Origin`, `Cookie`, `Authorization`.
    #[must_use]
    pub const fn fields(mut self, fields: &'a [Field<'a>]) -> Self {
        self.fields = fields;
        self
    }

    /// Writes the request. `key` comes from a nonce of 16 bytes, drawn afresh for each connection
    /// ([`key_from_nonce`](super::key_from_nonce)). Returns its length in bytes.
    ///
    /// # Errors
    ///
    /// What of it cannot be sent.
    pub fn write<'b>(
        &self,
        key: [u8; 24],
        buffer: impl Into<HeadBuffer<'b>>,
    ) -> Result<usize, HeadError> {
        self.check()?;
        if !Field::new("Sec-WebSocket-Key", &key).has_valid_value() {
            return Err(HeadError::FieldValue);
        }
        let [path, mark, query] = self.target.map(str::as_bytes);
        let lines: [&[u8]; 9] = [
            b"GET ",
            path,
            mark,
            query,
            b" HTTP/1.1\r\nHost: ",
            self.authority.as_bytes(),
            b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ",
            &key,
            b"\r\nSec-WebSocket-Version: 13\r\n",
        ];
        let mut head = HeadWriter::new(buffer);
        head.parts(&lines)?;
        for (index, subprotocol) in self.subprotocols.iter().enumerate() {
            let start: &[u8] = if index == 0 { b"Sec-WebSocket-Protocol: " } else { b", " };
            head.parts(&[start, subprotocol.as_bytes()])?;
        }
        if !self.subprotocols.is_empty() {
            head.parts(&[b"\r\n"])?;
        }
        if let Some(extensions) = self.extensions {
            head.field(Field::new("Sec-WebSocket-Extensions", extensions))?;
        }
        head.extra_fields(self.fields)?;
        head.finish()
    }

    /// Checks what a request offers, in every version of HTTP.
    pub(super) fn check(&self) -> Result<(), HeadError> {
        if !self.from_uri {
            // RFC 6455, section 3: the resource name begins with a path, which begins with a slash.
            let [path, ..] = self.target;
            if !path.starts_with('/')
                || self.target.iter().any(|part| Class::Target.run(part.as_bytes()) < part.len())
            {
                return Err(HeadError::Target);
            }
            Authority::parse(self.authority.as_bytes()).map_err(|_| HeadError::Host)?;
        }
        for (index, subprotocol) in self.subprotocols.iter().enumerate() {
            // RFC 6455, section 4.1, item 10: tokens, and all unique.
            if !Class::Token.is_all(subprotocol.as_bytes())
                || self.subprotocols.iter().take(index).any(|other| other == subprotocol)
            {
                return Err(HeadError::Subprotocol);
            }
        }
        if self.extensions.is_some_and(|list| !is_extension_list(list.as_bytes())) {
            return Err(HeadError::Extensions);
        }
        Ok(())
    }

    /// Checks a response against this request and the key with which it was written: `false` if
    /// the status is not 101, which the caller handles as HTTP has it.
    ///
    /// # Errors
    ///
    /// What a response of 101 breaks of section 4.1.
    pub fn is_accepted(
        &self,
        key: &[u8; 24],
        response: &ResponseHead<'_>,
    ) -> Result<bool, HandshakeError> {
        let is_offered = |subprotocol: &[u8]| self.offers(subprotocol);
        is_accepted(response, &accept_key(key), is_offered, self.extensions)
    }

    /// Whether it offers this subprotocol.
    pub(super) fn offers(&self, subprotocol: &[u8]) -> bool {
        self.subprotocols.iter().any(|offered| offered.as_bytes() == subprotocol)
    }
}

/// Whether `response` accepts a request, to whose key `accept` is the answer.
pub(super) fn is_accepted(
    response: &ResponseHead<'_>,
    accept: &[u8; 28],
    is_offered: impl Fn(&[u8]) -> bool,
    offered_extensions: Option<&str>,
) -> Result<bool, HandshakeError> {
    if response.status() != 101 {
        return Ok(false);
    }
    // RFC 9110, section 15.2: there is no 1xx in HTTP/1.0.
    if response.minor_version() == 0 {
        return Err(HandshakeError::UnsupportedHttpVersion);
    }
    let notes = &response.head.notes;
    // RFC 6455, section 4.1, items 2 and 3 of the response.
    if !notes.upgrade {
        return Err(HandshakeError::MissingUpgrade);
    }
    if !notes.connection_upgrade {
        return Err(HandshakeError::MissingConnectionUpgrade);
    }
    // Item 4. The texts are compared: nothing of the peer's is decoded.
    match notes.accept {
        Once::Missing => return Err(HandshakeError::MissingAccept),
        Once::Repeated => return Err(HandshakeError::RepeatedAccept),
        Once::At(place) if place.of(response.as_bytes()) == accept => {}
        Once::At(_) => return Err(HandshakeError::WrongAccept),
    }
    if notes.lists_a_choice() {
        check_chosen(response.fields(), is_offered, offered_extensions)?;
    }
    Ok(true)
}

/// Checks what the fields of a response choose of what was offered.
pub(super) fn check_chosen(
    response: Fields<'_>,
    is_offered: impl Fn(&[u8]) -> bool,
    offered_extensions: Option<&str>,
) -> Result<(), HandshakeError> {
    let mut subprotocol = false;
    for field in response.clone() {
        match Known::of(field.name_bytes()) {
            // RFC 6455, section 4.1, item 5 of the response.
            Some(Known::Extensions) if offered_extensions.is_none() => {
                return Err(HandshakeError::UnrequestedExtension);
            }
            Some(Known::Extensions) if !is_extension_list(field.value()) => {
                return Err(HandshakeError::InvalidExtensions);
            }
            // Item 6.
            Some(Known::Subprotocols) if subprotocol => {
                return Err(HandshakeError::RepeatedSubprotocol);
            }
            Some(Known::Subprotocols) if !is_offered(field.value()) => {
                return Err(HandshakeError::UnrequestedSubprotocol);
            }
            Some(Known::Subprotocols) => subprotocol = true,
            Some(_) | None => {}
        }
    }
    match offered_extensions {
        Some(offered) if !are_offered(&Extensions::new(response), &Extensions::of(offered)) => {
            Err(HandshakeError::UnrequestedExtension)
        }
        Some(_) | None => Ok(()),
    }
}
