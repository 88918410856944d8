//! Errors of the opening handshake: [`HandshakeError`] for faults of the peer, the transport or the
//! source of entropy, [`InvalidHead`] for mistakes of the caller.

use core::fmt;

use super::Rejection;

/// The reason why an opening handshake failed: the peer broke a rule, its head did not arrive, or the
/// transport or the source of entropy failed.
///
/// A server responds with the [`rejection`](Self::rejection), if there is one; a client closes the
/// transport. Section numbers without an RFC refer to RFC 6455.
///
/// ```
/// use websocket_proto::handshake::HandshakeError;
///
/// let error = HandshakeError::UnsupportedVersion;
/// assert_eq!(error.status(), Some(426));
/// assert_eq!(error.to_string(), "Sec-WebSocket-Version is not 13");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The client sent a method that is not a token (RFC 9110, section 9.1). Often such a client does
    /// not speak HTTP but another protocol, for example TLS.
    InvalidMethod,
    /// The client sent a request target that is empty, has an invalid character, or, in an upgrade, is
    /// neither a path nor an absolute `http`, `https`, `ws` or `wss` URI (RFC 9112, section 3.2).
    InvalidTarget,
    /// The client sent a request target longer than
    /// [`HeadLimits::max_target`](super::HeadLimits::max_target). Raise the limit if such requests are
    /// legitimate.
    TargetTooLong,
    /// The peer sent a start line with a missing or malformed HTTP version (RFC 9112, section 2.3).
    InvalidHttpVersion,
    /// The peer sent a head whose major HTTP version is not 1, or a server sent 101 with HTTP/1.0,
    /// which has no such status code.
    UnsupportedHttpVersion,
    /// The server sent a malformed status line (RFC 9112, section 4).
    InvalidStatusLine,
    /// The peer sent an LF without a CR before it (RFC 9112, section 2.2).
    BareLf,
    /// The peer sent a CR without an LF after it (RFC 9112, section 2.2).
    LoneCr,
    /// The peer sent a line that starts with whitespace: obsolete line folding (RFC 9112, section
    /// 5.2).
    FoldedLine,
    /// The peer sent whitespace between a field name and its colon (RFC 9112, section 5.1).
    SpaceBeforeColon,
    /// The peer sent a field line that starts with a colon (RFC 9110, section 5.1).
    EmptyFieldName,
    /// The peer sent a field name that is not a token, or has no colon (RFC 9110, section 5.1).
    InvalidFieldName,
    /// The peer sent a field value with a control character (RFC 9110, section 5.5).
    InvalidFieldValue,
    /// The peer sent a field line longer than
    /// [`HeadLimits::max_field_line`](super::HeadLimits::max_field_line). Raise the limit if cookies
    /// or tokens are that long.
    FieldLineTooLong,
    /// The peer sent more field lines than [`HeadLimits::max_fields`](super::HeadLimits::max_fields).
    TooManyFields,
    /// The peer sent a head longer than [`HeadLimits::max_head`](super::HeadLimits::max_head).
    HeadTooLong,

    /// The client sent an HTTP/1.1 request without `Host` (RFC 9112, section 3.2).
    MissingHost,
    /// The client sent `Host` more than once (RFC 9112, section 3.2).
    RepeatedHost,
    /// The client sent a `Host` or `:authority` that is not a host with an optional port (RFC 9112,
    /// section 3.2).
    InvalidHost,
    /// The client requested an upgrade with a method other than GET (section 4.2.1, item 1).
    MethodNotGet,
    /// The client requested an upgrade and announced a body.
    UnexpectedBody,
    /// The peer sent no `Connection` that lists `upgrade` (section 4.2.1, item 4; section 4.1, item 3
    /// of the response). Often a reverse proxy removed it: configure that proxy to forward upgrades.
    MissingConnectionUpgrade,
    /// The client sent no `Sec-WebSocket-Version`, or a version other than 13 (section 4.2.2, item 4).
    UnsupportedVersion,
    /// The client sent `Sec-WebSocket-Version` more than once (section 11.3.5).
    RepeatedVersion,
    /// The client sent no `Sec-WebSocket-Key` (section 4.2.1, item 5).
    MissingKey,
    /// The client sent `Sec-WebSocket-Key` more than once (section 11.3.1).
    RepeatedKey,
    /// The client sent a `Sec-WebSocket-Key` that is not 16 bytes in base64 (section 4.2.1, item 5).
    InvalidKey,
    /// The client sent `Origin` more than once (RFC 6454, section 7.3).
    RepeatedOrigin,
    /// The server's [`OriginPolicy`](super::OriginPolicy) does not allow the origin of the client's
    /// page (section 4.2.2, item 4). Change the policy if the page is legitimate.
    /// [`OriginPolicy::explain`](super::OriginPolicy::explain) returns a text that says which values
    /// differ, for the body of the response; [`ServerHandshake`](super::ServerHandshake) sends it.
    ForbiddenOrigin,
    /// The client sent a `Sec-WebSocket-Protocol` that is not a list of tokens (section 4.1, item 10).
    InvalidSubprotocols,
    /// The peer sent a `Sec-WebSocket-Extensions` that breaks the grammar of section 9.1.
    InvalidExtensions,

    /// The server sent 101, but no `Upgrade`, a repeated one, or a value other than `websocket`
    /// (section 4.1, item 2 of the response).
    InvalidUpgrade,
    /// The server sent 101 without `Sec-WebSocket-Accept` (section 4.1, item 4 of the response).
    MissingAccept,
    /// The server sent `Sec-WebSocket-Accept` more than once (section 11.3.3).
    RepeatedAccept,
    /// The server sent a `Sec-WebSocket-Accept` that does not answer the key of the request (section
    /// 4.1, item 4 of the response). Often a cache sent the response.
    WrongAccept,
    /// The server chose an extension that was not offered (section 4.1, item 5 of the response).
    UnrequestedExtension,
    /// The server chose permessage-deflate with a parameter that is unknown, repeated, invalid or
    /// missing, or that the offer does not permit (RFC 7692, section 7.1).
    #[cfg(feature = "deflate")]
    InvalidDeflateParameters,
    /// The server chose a subprotocol that was not offered (section 4.1, item 6 of the response).
    UnrequestedSubprotocol,
    /// The server sent `Sec-WebSocket-Protocol` more than once (section 11.3.4).
    RepeatedSubprotocol,
    /// The proxy answered the request for a tunnel with 101 (RFC 9110, section 15.2.2).
    UnexpectedSwitch,

    /// The peer sent a list of fields that is malformed in HTTP/2 and HTTP/3 (RFC 9113, section 8.1.1;
    /// RFC 9114, section 4.1.2). Reset the stream with `PROTOCOL_ERROR` or `H3_MESSAGE_ERROR`.
    MalformedFields,
    /// The client sent an Extended CONNECT whose `:protocol` is not `websocket` (RFC 9220, section 3).
    UnsupportedProtocol,

    /// The peer's stream ended before its head was complete.
    UnexpectedEof,
    /// The driver reported that the transport broke.
    Aborted,
    /// The configured [`Entropy`](crate::Entropy) failed, so that a client has no nonce (section 4.1,
    /// item 7) or no masking keys (section 5.3).
    Entropy,
    /// The peer's head was not complete within `Timeouts::opening`.
    Timeout,
}

impl HandshakeError {
    /// Returns the response of an HTTP/1.1 server. Returns `None` for errors that only a client meets,
    /// and if the stream has ended or the transport broke. In HTTP/2 and HTTP/3, reset the stream on
    /// [`MalformedFields`](Self::MalformedFields) instead.
    #[must_use]
    pub const fn rejection(self) -> Option<Rejection> {
        Some(match self {
            Self::InvalidMethod
            | Self::InvalidTarget
            | Self::InvalidHttpVersion
            | Self::BareLf
            | Self::LoneCr
            | Self::FoldedLine
            | Self::SpaceBeforeColon
            | Self::EmptyFieldName
            | Self::InvalidFieldName
            | Self::InvalidFieldValue
            | Self::MissingHost
            | Self::RepeatedHost
            | Self::InvalidHost
            | Self::UnexpectedBody
            | Self::MissingConnectionUpgrade
            | Self::RepeatedVersion
            | Self::MissingKey
            | Self::RepeatedKey
            | Self::InvalidKey
            | Self::RepeatedOrigin
            | Self::InvalidSubprotocols
            | Self::InvalidExtensions
            | Self::MalformedFields => Rejection::BadRequest,
            Self::ForbiddenOrigin => Rejection::Forbidden,
            Self::UnsupportedProtocol => Rejection::NotImplemented,
            Self::MethodNotGet => Rejection::MethodNotAllowed,
            Self::Timeout => Rejection::RequestTimeout,
            Self::TargetTooLong => Rejection::UriTooLong,
            Self::UnsupportedVersion => Rejection::UpgradeRequired,
            Self::FieldLineTooLong | Self::TooManyFields | Self::HeadTooLong => {
                Rejection::FieldsTooLarge
            }
            Self::UnsupportedHttpVersion => Rejection::HttpVersionNotSupported,
            Self::InvalidStatusLine
            | Self::InvalidUpgrade
            | Self::MissingAccept
            | Self::RepeatedAccept
            | Self::WrongAccept
            | Self::UnrequestedExtension
            | Self::UnrequestedSubprotocol
            | Self::RepeatedSubprotocol
            | Self::UnexpectedSwitch
            | Self::UnexpectedEof
            | Self::Aborted
            | Self::Entropy => return None,
            #[cfg(feature = "deflate")]
            Self::InvalidDeflateParameters => return None,
        })
    }

    /// Returns the status code of the [`rejection`](Self::rejection).
    #[must_use]
    pub const fn status(self) -> Option<u16> {
        match self.rejection() {
            Some(rejection) => Some(rejection.status()),
            None => None,
        }
    }

    /// Returns the text of `Display`, which is also the body of a rejection.
    pub(crate) const fn wording(self) -> &'static str {
        match self {
            Self::InvalidMethod => "the method is not a token",
            Self::InvalidTarget => "the request target is invalid",
            Self::TargetTooLong => "the request target exceeds the limit",
            Self::InvalidHttpVersion => "the start line has no HTTP version",
            Self::UnsupportedHttpVersion => "the HTTP version is not supported",
            Self::InvalidStatusLine => "the status line is malformed",
            Self::BareLf => "a line ends in LF without CR",
            Self::LoneCr => "a CR is not followed by LF",
            Self::FoldedLine => "a line starts with whitespace",
            Self::SpaceBeforeColon => "whitespace precedes a colon",
            Self::EmptyFieldName => "a field has no name",
            Self::InvalidFieldName => "a field name is not a token",
            Self::InvalidFieldValue => "a field value has a control character",
            Self::FieldLineTooLong => "a field line exceeds the limit",
            Self::TooManyFields => "too many fields",
            Self::HeadTooLong => "the head exceeds the limit",
            Self::MissingHost => "Host is missing",
            Self::RepeatedHost => "Host occurs more than once",
            Self::InvalidHost => "Host is invalid",
            Self::MethodNotGet => "the method of an upgrade is not GET",
            Self::UnexpectedBody => "an upgrade announces a body",
            Self::MissingConnectionUpgrade => "Connection does not list upgrade",
            Self::UnsupportedVersion => "Sec-WebSocket-Version is not 13",
            Self::RepeatedVersion => "Sec-WebSocket-Version occurs more than once",
            Self::MissingKey => "Sec-WebSocket-Key is missing",
            Self::RepeatedKey => "Sec-WebSocket-Key occurs more than once",
            Self::InvalidKey => "Sec-WebSocket-Key is not 16 bytes in base64",
            Self::RepeatedOrigin => "Origin occurs more than once",
            Self::ForbiddenOrigin => "the origin is not allowed",
            Self::InvalidSubprotocols => "Sec-WebSocket-Protocol is not a list of tokens",
            Self::InvalidExtensions => "Sec-WebSocket-Extensions is malformed",
            Self::InvalidUpgrade => "Upgrade is not websocket",
            Self::MissingAccept => "Sec-WebSocket-Accept is missing",
            Self::RepeatedAccept => "Sec-WebSocket-Accept occurs more than once",
            Self::WrongAccept => "Sec-WebSocket-Accept does not answer the key",
            Self::UnrequestedExtension => "an extension was not offered",
            #[cfg(feature = "deflate")]
            Self::InvalidDeflateParameters => "the parameters of permessage-deflate are invalid",
            Self::UnrequestedSubprotocol => "the subprotocol was not offered",
            Self::RepeatedSubprotocol => "Sec-WebSocket-Protocol occurs more than once",
            Self::UnexpectedSwitch => "the proxy switched to another protocol",
            Self::MalformedFields => "the list of fields is malformed",
            Self::UnsupportedProtocol => ":protocol is not websocket",
            Self::UnexpectedEof => "the stream ended before the head did",
            Self::Aborted => "the transport broke",
            Self::Entropy => "the source of entropy failed",
            Self::Timeout => "the opening handshake took too long",
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wording())
    }
}

impl core::error::Error for HandshakeError {}

/// The reason why a head was not written: a part would be invalid, or the buffer is too small.
///
/// ```
/// use websocket_proto::handshake::{Field, InvalidHead, write_response};
///
/// let injected = [Field::new("Location", "/\r\nSet-Cookie: a=1")];
/// let written = write_response(&mut [0; 256], "GET", 302, &injected, b"");
/// assert_eq!(written, Err(InvalidHead::FieldValue));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidHead {
    /// The request target is empty, does not start with `/`, or has a character that must be
    /// percent-encoded. In `ClientHandshake::from_http` (feature `http`), the URI is not an absolute
    /// `ws`, `wss`, `http` or `https` URI that [`Uri::parse`](super::Uri::parse) accepts.
    Target,
    /// The authority is not a host with an optional port.
    Host,
    /// The status code does not suit the call: to accept, it must be 101; in other responses, 200 to
    /// 999.
    Status,
    /// A field name is not a token, or, in HTTP/2 and HTTP/3, not lowercase.
    FieldName,
    /// A field value has a control character, or whitespace at its start or end. Encode or trim it.
    FieldValue,
    /// The handshake writes this field itself. Omit it, or use its setter. In requests and in responses
    /// that accept, these are `Host`, `Connection`, `Upgrade`, `Content-Length`, `Transfer-Encoding` and
    /// `Sec-WebSocket-*`; in other responses, `Connection`, `Content-Length` and `Transfer-Encoding`. In
    /// HTTP/2 and HTTP/3, all connection-specific fields are forbidden.
    ReservedField,
    /// A subprotocol to offer is not a token or occurs twice, or the client did not offer the
    /// subprotocol to accept.
    Subprotocol,
    /// The client did not offer permessage-deflate, or its offers do not permit the parameters to
    /// accept (RFC 7692, section 7.1). Accept those that
    /// [`Upgrade::accept_deflate`](super::Upgrade::accept_deflate) returns.
    #[cfg(feature = "deflate")]
    Deflate,
    /// The status code allows no body (RFC 9110, section 6.4.1).
    Body,
    /// The head does not fit in the caller's buffer: pass a larger one. Or, with the feature `http`, a
    /// `HeaderMap` cannot store so many fields.
    BufferTooSmall,
}

impl fmt::Display for InvalidHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Target => "the request target is invalid",
            Self::Host => "the host is invalid",
            Self::Status => "the status code does not fit this response",
            Self::FieldName => "a field name is not a token, or not lowercase",
            Self::FieldValue => "a field value is invalid",
            Self::ReservedField => "a field is written by the handshake itself",
            Self::Subprotocol => "a subprotocol is invalid, repeated or not offered",
            #[cfg(feature = "deflate")]
            Self::Deflate => "permessage-deflate was not offered with these parameters",
            Self::Body => "the status code allows no body",
            Self::BufferTooSmall => "the buffer is too small",
        })
    }
}

impl core::error::Error for InvalidHead {}
