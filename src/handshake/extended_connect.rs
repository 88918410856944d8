//! Extended CONNECT, the opening handshake of HTTP/2 (RFC 8441) and HTTP/3 (RFC 9220), in both roles.
//!
//! Requests and responses are lists of fields that begin with the pseudo-header fields, so that any
//! HTTP/2 or HTTP/3 stack can send and receive them.

use super::authority::{Authority, default_port, is_same_host};
use super::fields::{EXTENSIONS, FieldList, FieldName, SUBPROTOCOLS, tokens};
use super::http1::characters::Class;
use super::http1::text;
use super::http2::{PseudoFields, check_extra, check_regular};
use super::upgrade::{check_offer, check_version, parse_host};
use super::uri::PathAndQuery;
use super::{
    Acceptance, ClientRequest, Field, Fields, HandshakeError, InvalidHead, Negotiated, OriginPolicy,
};
#[cfg(feature = "deflate")]
use crate::{Deflate, DeflateParameters};

/// A valid Extended CONNECT request, from an allowed origin: it opens a WebSocket connection over a
/// stream of HTTP/2 or HTTP/3.
///
/// ```
/// use websocket_proto::handshake::{Acceptance, ExtendedConnect, Field, OriginPolicy};
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
/// let connect = ExtendedConnect::parse(&request, &OriginPolicy::same())?.expect("has :protocol");
/// assert_eq!(connect.path(), "/chat");
///
/// let acceptance = Acceptance::new().with_subprotocol("chat");
/// let response: Vec<Field> = connect.accept(&acceptance).unwrap().collect();
/// assert_eq!(response, [Field::new(":status", "200"), Field::new("sec-websocket-protocol", "chat")]);
/// # Ok::<(), websocket_proto::handshake::HandshakeError>(())
/// ```
///
/// After the response, the stream is the transport of a
/// [`Connection::server`](crate::Connection::server). It carries WebSocket frames, masked by the client
/// as in HTTP/1.1. `END_STREAM` is the end of the stream. To abort the transport, reset the stream with
/// `CANCEL` (HTTP/3: `H3_REQUEST_CANCELLED`).
#[derive(Clone, Debug)]
pub struct ExtendedConnect<'a> {
    fields: FieldList<'a>,
    authority: &'a str,
    /// The path and the query.
    target: &'a str,
}

impl<'a> ExtendedConnect<'a> {
    /// Checks a request, a list of fields, whose origin `policy` must allow.
    ///
    /// Returns `None` for a request without `:protocol`, which is not an Extended CONNECT.
    ///
    /// # Errors
    ///
    /// The first rule that the request breaks. On [`HandshakeError::MalformedFields`], reset the stream
    /// with `PROTOCOL_ERROR` (HTTP/3: `H3_MESSAGE_ERROR`). Respond to all other errors with
    /// [`reject`](Self::reject).
    pub fn parse(
        list: &'a [Field<'a>],
        policy: &OriginPolicy<'_>,
    ) -> Result<Option<Self>, HandshakeError> {
        if !list.iter().any(|field| field.has_name(":protocol")) {
            return Ok(None);
        }
        let mut pseudo = PseudoFields::default();
        let regular = pseudo.split_from(list)?;
        Self::check(pseudo, FieldList::Borrowed(Fields::of_list(regular)), policy).map(Some)
    }

    /// Checks the pseudo-header fields and the other fields of a request.
    pub(super) fn check(
        pseudo: PseudoFields<'a>,
        list: FieldList<'a>,
        policy: &OriginPolicy<'_>,
    ) -> Result<Self, HandshakeError> {
        check_regular(list.iter())?;
        // RFC 8441, section 4: the method is CONNECT, and the request has :scheme and :path.
        let PseudoFields {
            method: Some(b"CONNECT"),
            protocol: Some(protocol),
            scheme: Some(scheme @ (b"http" | b"https")),
            path: Some(path),
            authority,
            status: None,
        } = pseudo
        else {
            return Err(HandshakeError::MalformedFields);
        };
        let fields = list.handshake_fields();
        let host = fields.once(FieldName::Host, HandshakeError::RepeatedHost)?;
        // RFC 9113, section 8.3.1: host and :authority must not differ. One of them is enough.
        let authority = match (authority, host) {
            (Some(authority), Some(host)) if !is_same_authority(authority, host, scheme) => {
                return Err(HandshakeError::MalformedFields);
            }
            (Some(authority), _) | (None, Some(authority)) => authority,
            (None, None) => return Err(HandshakeError::MalformedFields),
        };
        // RFC 9220, section 3: a server answers 501 if it does not support the :protocol.
        if !protocol.eq_ignore_ascii_case(b"websocket") {
            return Err(HandshakeError::UnsupportedProtocol);
        }
        if !path.starts_with(b"/") || !Class::Target.is_all(path) {
            return Err(HandshakeError::InvalidTarget);
        }
        let valid = parse_host(authority)?;
        check_version(&fields)?;
        check_offer(&fields, &valid, policy)?;
        Ok(Self { fields: list, authority: text(authority), target: text(path) })
    }

    /// Returns the path, without percent-decoding.
    #[must_use]
    pub fn path(&self) -> &'a str {
        PathAndQuery::split(self.target).path
    }

    /// Returns the query, without the `?` and without percent-decoding.
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        PathAndQuery::split(self.target).query
    }

    /// Returns the requested authority: `:authority`, or `host` if that is missing.
    #[must_use]
    pub const fn authority(&self) -> &'a str {
        self.authority
    }

    /// Returns the subprotocols that the client offers, in its order of preference.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> + Clone {
        tokens(self.fields.iter().values(SUBPROTOCOLS))
    }

    /// Answers the client's offers of permessage-deflate (RFC 7692), for
    /// [`Acceptance::with_deflate_parameters`]. Returns the parameters of the response to the first valid
    /// offer, or `None` if there is none.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn accept_deflate(&self, deflate: &Deflate) -> Option<DeflateParameters> {
        deflate.accept_offer(self.fields.iter().values(EXTENSIONS))
    }

    /// Returns the fields of the response that accepts, which borrow from `acceptance`.
    ///
    /// # Errors
    ///
    /// The errors of [`Upgrade::accept`](super::Upgrade::accept), and [`InvalidHead::FieldName`] for a
    /// name that is not lowercase (RFC 9113, section 8.2.1).
    pub fn accept<'b>(
        &self,
        acceptance: &'b Acceptance<'b>,
    ) -> Result<impl Iterator<Item = Field<'b>> + use<'b>, InvalidHead> {
        acceptance.check(self.fields.iter())?;
        check_extra(acceptance.extra_fields())?;
        // RFC 8441, section 5: 200 instead of 101, and no Sec-WebSocket-Accept.
        Ok([Field::new(":status", "200")]
            .into_iter()
            .chain(acceptance.negotiated_fields())
            .chain(acceptance.extra_fields().iter().copied()))
    }

    /// Returns the fields of the response that rejects a request because of `error`.
    pub fn reject(error: HandshakeError) -> impl Iterator<Item = Field<'static>> {
        let status = match error.status() {
            Some(403) => "403",
            Some(501) => "501",
            // RFC 9113, section 8.2.2: HTTP/2 and HTTP/3 have no Upgrade, which 426 requires.
            Some(_) | None => "400",
        };
        let version = (error == HandshakeError::UnsupportedVersion)
            .then(|| Field::new("sec-websocket-version", "13"));
        [Field::new(":status", status)].into_iter().chain(version)
    }
}

/// # Extended CONNECT
impl<'a> ClientRequest<'a> {
    /// Returns the fields of this request as an Extended CONNECT, pseudo-header fields first. Three
    /// values are composed in `buffer`: the path with its query, the list of subprotocols, and the list
    /// of extensions, which has at most 132 bytes.
    ///
    /// A client must not send the request before it receives `SETTINGS_ENABLE_CONNECT_PROTOCOL` with
    /// the value 1 (RFC 8441, section 3). The HTTP stack reports that setting.
    ///
    /// # Errors
    ///
    /// The first part of the request that is invalid, [`InvalidHead::FieldName`] for a name that is
    /// not lowercase, or [`InvalidHead::BufferTooSmall`].
    pub fn extended_connect<'b>(
        &self,
        buffer: &'b mut [u8],
    ) -> Result<impl Iterator<Item = Field<'b>> + use<'a, 'b>, InvalidHead>
    where
        'a: 'b,
    {
        self.check()?;
        check_extra(self.extra_fields())?;
        let Joined { joined: path, rest } = join(self.target().into_iter(), buffer)?;
        let Joined { joined: subprotocols, rest } = join(self.subprotocol_list(), rest)?;
        let subprotocols =
            (!subprotocols.is_empty()).then(|| Field::new(SUBPROTOCOLS, subprotocols));
        let extensions = match self.extensions.list() {
            Some(list) => {
                let Joined { joined, .. } = join([list.as_ref()].into_iter(), rest)?;
                Some(Field::new(EXTENSIONS, joined))
            }
            None => None,
        };
        Ok([
            Field::new(":method", "CONNECT"),
            Field::new(":protocol", "websocket"),
            // RFC 8441, section 5: the scheme is https for wss, and http for ws.
            Field::new(":scheme", if self.is_secure() { "https" } else { "http" }),
            Field::new(":path", path),
            Field::new(":authority", self.authority()),
            Field::new("sec-websocket-version", "13"),
        ]
        .into_iter()
        .chain(subprotocols)
        .chain(extensions)
        .chain(self.extra_fields().iter().copied()))
    }

    /// Verifies that the fields of a response accept this request.
    ///
    /// Returns `None` if the status code is not 2xx: the server rejects the request, or the response is
    /// an interim one.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::MalformedFields`] for malformed fields: reset the stream. Other errors report a
    /// choice that the client did not offer (RFC 6455, section 4.1).
    pub fn verify_extended_connect<'r>(
        &self,
        response: &'r [Field<'r>],
    ) -> Result<Option<Negotiated<'r>>, HandshakeError> {
        let mut pseudo = PseudoFields::default();
        let regular = FieldList::Borrowed(Fields::of_list(pseudo.split_from(response)?));
        match pseudo {
            PseudoFields {
                status: Some(status),
                method: None,
                protocol: None,
                scheme: None,
                path: None,
                authority: None,
            } => self.check_extended_response(status, &regular),
            _ => Err(HandshakeError::MalformedFields),
        }
    }

    /// Verifies the status code and the other fields of a response.
    pub(super) fn check_extended_response<'r>(
        &self,
        status: &[u8],
        fields: &FieldList<'r>,
    ) -> Result<Option<Negotiated<'r>>, HandshakeError> {
        check_regular(fields.iter())?;
        match status {
            // RFC 8441, section 5: any 2xx accepts.
            [b'2', b'0'..=b'9', b'0'..=b'9'] => {}
            // RFC 9113, section 8.6: HTTP/2 has no 101.
            b"101" => return Err(HandshakeError::MalformedFields),
            [b'1' | b'3'..=b'9', b'0'..=b'9', b'0'..=b'9'] => return Ok(None),
            _ => return Err(HandshakeError::MalformedFields),
        }
        let lists = fields.iter().values(EXTENSIONS);
        Negotiated::from_response(&fields.handshake_fields(), lists, &self.extensions, |one| {
            self.offers(one)
        })
        .map(Some)
    }
}

/// Returns whether two authorities name the same host and port.
fn is_same_authority(a: &[u8], b: &[u8], scheme: &[u8]) -> bool {
    let port = |authority: Authority<'_>| authority.port.or(default_port(scheme));
    match (Authority::parse(a), Authority::parse(b)) {
        (Ok(a), Ok(b)) => is_same_host(a.host, b.host) && port(a) == port(b),
        _ => a == b,
    }
}

/// The concatenated parts at the start of a buffer, and the remainder of the buffer.
struct Joined<'b> {
    joined: &'b [u8],
    rest: &'b mut [u8],
}

/// Concatenates `parts` at the start of `buffer`.
fn join<'p, 'b>(
    parts: impl Iterator<Item = &'p str>,
    buffer: &'b mut [u8],
) -> Result<Joined<'b>, InvalidHead> {
    let mut len = 0;
    for part in parts {
        let end = len + part.len();
        let out = buffer.get_mut(len..end).ok_or(InvalidHead::BufferTooSmall)?;
        out.copy_from_slice(part.as_bytes());
        len = end;
    }
    let (joined, rest) = buffer.split_at_mut_checked(len).ok_or(InvalidHead::BufferTooSmall)?;
    Ok(Joined { joined, rest })
}
