//! Extended CONNECT, the opening handshake of HTTP/2 (RFC 8441) and HTTP/3 (RFC 9220), between
//! lists of fields: any stack that carries these carries a [`Connection`](crate::Connection) over
//! one of its streams.
//!
//! This is the server's side, and what both share.

use core::str;

use super::class::Class;
use super::extension::is_extension_list;
use super::field::Fields;
use super::list::{is_tokens, tokens};
use super::uri::{Authority, Target};
use super::{Acceptance, Extensions, Field, HandshakeError, HeadError};

/// A request that opens a WebSocket over a stream of HTTP/2 or HTTP/3.
///
/// ```
/// use websocket_proto::handshake::{Acceptance, ExtendedConnect, Field};
///
/// let request = [
///     Field::new(":method", "CONNECT"),
///     Field::new(":protocol", "websocket"),
///     Field::new(":scheme", "https"),
///     Field::new(":path", "/chat"),
///     Field::new(":authority", "server.example.com"),
///     Field::new("sec-websocket-protocol", "chat, superchat"),
///     Field::new("sec-websocket-version", "13"),
/// ];
/// let connect = ExtendedConnect::parse(&request)?.expect("it has :protocol");
/// assert_eq!((connect.path(), connect.authority()), ("/chat", "server.example.com"));
///
/// let acceptance = Acceptance::new().subprotocol("chat");
/// let response: Vec<Field> = connect.accept(&acceptance).unwrap().collect();
/// assert_eq!(response, [Field::new(":status", "200"), Field::new("sec-websocket-protocol", "chat")]);
/// # Ok::<(), websocket_proto::handshake::HandshakeError>(())
/// ```
///
/// Then the stream carries frames, masked by the client as ever, and the connection is
/// [`Connection::server`](crate::Connection::server) with
/// [`Negotiated::from`](crate::Negotiated) the acceptance. An orderly end of the stream is
/// `END_STREAM`; where the transport is to be aborted, the stream is reset with `CANCEL`
/// (`H3_REQUEST_CANCELLED`).
#[derive(Clone, Copy, Debug)]
pub struct ExtendedConnect<'a> {
    list: &'a [Field<'a>],
    authority: &'a str,
    path: &'a str,
}

impl<'a> ExtendedConnect<'a> {
    /// Checks the fields of a request, pseudo-header fields included. `None` for a request without
    /// `:protocol`, which is none of ours.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::MalformedRequest`] is a stream error (`PROTOCOL_ERROR`,
    /// `H3_MESSAGE_ERROR`); every other is answered by [`refusal`](Self::refusal).
    pub fn parse(list: &'a [Field<'a>]) -> Result<Option<Self>, HandshakeError> {
        let fields = || Fields::of_list(list);
        let Some(protocol) = fields().values(":protocol").next() else { return Ok(None) };
        check_list(list, &[":method", ":protocol", ":scheme", ":path", ":authority"])?;
        let pseudo = |name| fields().values(name).next().ok_or(HandshakeError::MalformedRequest);
        // RFC 8441, section 4: with :protocol come :scheme, :path and :authority, and the method
        // is CONNECT.
        if pseudo(":method")? != b"CONNECT" || !matches!(pseudo(":scheme")?, b"http" | b"https") {
            return Err(HandshakeError::MalformedRequest);
        }
        let text = |value: &'a [u8]| str::from_utf8(value).unwrap_or_default();
        let (path, authority) = (text(pseudo(":path")?), text(pseudo(":authority")?));
        // RFC 9220, section 3: a protocol that the server does not support is answered 501.
        if !protocol.eq_ignore_ascii_case(b"websocket") {
            return Err(HandshakeError::UnsupportedProtocol);
        }
        if !path.starts_with('/') || !Class::Target.is_all(path.as_bytes()) {
            return Err(HandshakeError::InvalidTarget);
        }
        if Authority::parse(authority.as_bytes()).is_err() {
            return Err(HandshakeError::InvalidHost);
        }
        let mut versions = fields().values("sec-websocket-version");
        match (versions.next(), versions.next()) {
            (Some(_), Some(_)) => return Err(HandshakeError::RepeatedVersion),
            (Some(b"13"), None) => {}
            (Some(_) | None, None) | (None, Some(_)) => {
                return Err(HandshakeError::UnsupportedVersion);
            }
        }
        if fields().values("origin").nth(1).is_some() {
            return Err(HandshakeError::RepeatedOrigin);
        }
        if !fields().values("sec-websocket-protocol").all(is_tokens) {
            return Err(HandshakeError::InvalidSubprotocols);
        }
        if !fields().values("sec-websocket-extensions").all(is_extension_list) {
            return Err(HandshakeError::InvalidExtensions);
        }
        Ok(Some(Self { list, authority, path }))
    }

    /// The path, not decoded.
    #[must_use]
    pub fn path(&self) -> &'a str {
        Target::of(self.path).map_or(self.path, |target| target.path)
    }

    /// What follows `?`, not decoded.
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        Target::of(self.path)?.query
    }

    /// The authority that the request is for. With it
    /// [`OriginPolicy::allows_origin`](super::OriginPolicy::allows_origin) judges the `origin`.
    #[must_use]
    pub const fn authority(&self) -> &'a str {
        self.authority
    }

    /// All fields, in their order.
    #[must_use]
    pub fn fields(&self) -> Fields<'a> {
        Fields::of_list(self.list)
    }

    /// The value of the first field called `name`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.fields().values(name).next()
    }

    /// The subprotocols that the client offers, those that it prefers first.
    pub fn subprotocols(&self) -> impl Iterator<Item = &'a str> + Clone {
        tokens(self.fields().values("sec-websocket-protocol"))
    }

    /// The extensions that the client offers.
    #[must_use]
    pub fn extensions(&self) -> Extensions<'a> {
        Extensions::new(self.fields())
    }

    /// The fields of the response that accepts.
    ///
    /// # Errors
    ///
    /// What [`Upgrade::accept`](super::Upgrade::accept) refuses, and names that are not in small
    /// letters (RFC 9113, section 8.2.1).
    pub fn accept<'b>(
        &self,
        acceptance: &Acceptance<'b>,
    ) -> Result<impl Iterator<Item = Field<'b>> + use<'b>, HeadError> {
        acceptance.check(self.fields())?;
        check_extra(acceptance.fields)?;
        let subprotocol = acceptance.subprotocol.map(|s| Field::new("sec-websocket-protocol", s));
        let extensions = acceptance.extensions.map(|e| Field::new("sec-websocket-extensions", e));
        // RFC 8441, section 5: 200, not 101, and no Sec-WebSocket-Accept.
        Ok([Field::new(":status", "200")]
            .into_iter()
            .chain(subprotocol)
            .chain(extensions)
            .chain(acceptance.fields.iter().copied()))
    }

    /// The fields of the response to a request that breaks a rule.
    pub fn refusal(error: HandshakeError) -> impl Iterator<Item = Field<'static>> {
        let status = match error.status() {
            Some(403) => "403",
            Some(501) => "501",
            // There is no 426: HTTP/2 and HTTP/3 have no Upgrade (RFC 9113, section 8.2.2).
            Some(_) | None => "400",
        };
        let version = (error == HandshakeError::UnsupportedVersion)
            .then(|| Field::new("sec-websocket-version", "13"));
        [Field::new(":status", status)].into_iter().chain(version)
    }
}

/// Checks what RFC 9113, section 8 (RFC 9114, section 4) asks of every list of fields.
pub(super) fn check_list(list: &[Field<'_>], pseudo_names: &[&str]) -> Result<(), HandshakeError> {
    let mut pseudo_seen = 0;
    let mut regular_seen = false;
    for field in list {
        let name = field.name();
        if name.starts_with(':') {
            // Section 8.3: known ones, before all others, each once.
            let Some(index) = pseudo_names.iter().position(|known| *known == name) else {
                return Err(HandshakeError::MalformedRequest);
            };
            let bit = 1u32 << index;
            if regular_seen || pseudo_seen & bit != 0 {
                return Err(HandshakeError::MalformedRequest);
            }
            pseudo_seen |= bit;
        } else {
            regular_seen = true;
            if !is_lowercase_token(name) || is_connection_specific(field) {
                return Err(HandshakeError::MalformedRequest);
            }
        }
        if Class::Value.run(field.value()) < field.value().len() {
            return Err(HandshakeError::MalformedRequest);
        }
    }
    Ok(())
}

/// Checks fields of the caller's.
pub(super) fn check_extra(fields: &[Field<'_>]) -> Result<(), HeadError> {
    for field in fields {
        if !is_lowercase_token(field.name()) {
            return Err(HeadError::FieldName);
        }
        if field.is_reserved() || is_connection_specific(field) {
            return Err(HeadError::ReservedField);
        }
        if !field.has_valid_value() {
            return Err(HeadError::FieldValue);
        }
    }
    Ok(())
}

/// RFC 9113, section 8.2.1.
fn is_lowercase_token(name: &str) -> bool {
    Class::Token.is_all(name.as_bytes()) && !name.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// RFC 9113, section 8.2.2.
fn is_connection_specific(field: &Field<'_>) -> bool {
    let names = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];
    names.iter().any(|name| field.is(name)) || (field.is("te") && field.value() != b"trailers")
}
