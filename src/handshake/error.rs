//! What is wrong with a peer's handshake, one variant per rule, and with what a caller wants to
//! say in one.

use core::fmt;

use super::Rejection;

/// Why an opening handshake failed.
///
/// Each variant is one rule. [`status`](Self::status) is the HTTP status with which a server
/// answers it, `None` for what only a client finds and for a transport that is gone.
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
    /// The method is not a token (RFC 9110, section 9.1).
    InvalidMethod,
    /// The request target is empty, has a character that may not stand in one, or is not that of
    /// a WebSocket (RFC 9112, section 3.2).
    InvalidTarget,
    /// The request target exceeds [`HeadLimits::max_target`](super::HeadLimits::max_target).
    TargetTooLong,
    /// The start line does not name an HTTP version where it has to (RFC 9112, section 2.3).
    InvalidHttpVersion,
    /// The head is not one of HTTP/1.1 or a higher minor version.
    UnsupportedHttpVersion,
    /// The status line is malformed (RFC 9112, section 4).
    InvalidStatusLine,
    /// A line ends in LF alone (RFC 9112, section 2.2).
    BareLf,
    /// A CR that LF does not follow (RFC 9112, section 2.2).
    LoneCr,
    /// A field line begins with white space (RFC 9112, section 5.2).
    FoldedLine,
    /// White space between a field's name and its colon (RFC 9112, section 5.1).
    SpaceBeforeColon,
    /// A field without a name (RFC 9110, section 5.1).
    EmptyFieldName,
    /// A field's name is not a token, or no colon follows it (RFC 9110, section 5.1).
    InvalidFieldName,
    /// A control character in a field's value (RFC 9110, section 5.5).
    InvalidFieldValue,
    /// A field line exceeds [`HeadLimits::max_field_line`](super::HeadLimits::max_field_line).
    FieldLineTooLong,
    /// More field lines than [`HeadLimits::max_fields`](super::HeadLimits::max_fields).
    TooManyFields,
    /// The head exceeds [`HeadLimits::max_head`](super::HeadLimits::max_head).
    HeadTooLong,

    /// A request of HTTP/1.1 without `Host` (RFC 9112, section 3.2).
    MissingHost,
    /// More than one `Host` (RFC 9112, section 3.2).
    RepeatedHost,
    /// `Host` is not a host with an optional port (RFC 9112, section 3.2).
    InvalidHost,
    /// An upgrade whose method is not GET (section 4.2.1, item 1).
    MethodNotGet,
    /// An upgrade that announces a body.
    UnexpectedBody,
    /// `Connection` does not list `upgrade` (section 4.2.1, item 4; section 4.1, item 3).
    MissingConnectionUpgrade,
    /// `Sec-WebSocket-Version` is missing or not 13 (section 4.2.2, item 4).
    UnsupportedVersion,
    /// More than one `Sec-WebSocket-Version` (section 11.3.5).
    RepeatedVersion,
    /// No `Sec-WebSocket-Key` (section 4.2.1, item 5).
    MissingKey,
    /// More than one `Sec-WebSocket-Key` (section 11.3.1).
    RepeatedKey,
    /// `Sec-WebSocket-Key` is not 16 bytes in base64 (section 4.2.1, item 5).
    InvalidKey,
    /// More than one `Origin`: whose policy would count? (RFC 6454, section 7.3)
    RepeatedOrigin,
    /// The origin is not one that the server's [`OriginPolicy`](super::OriginPolicy) allows
    /// (section 4.2.2, item 4).
    ForbiddenOrigin,
    /// `Sec-WebSocket-Protocol` is not a list of tokens (section 4.1, item 10).
    InvalidSubprotocols,
    /// `Sec-WebSocket-Extensions` breaks the grammar of section 9.1. Of a response, if any extension
    /// was offered.
    InvalidExtensions,

    /// The `Upgrade` of a response does not list `websocket` (section 4.1, item 2).
    MissingUpgrade,
    /// No `Sec-WebSocket-Accept` (section 4.1, item 4).
    MissingAccept,
    /// More than one `Sec-WebSocket-Accept` (section 11.3.3).
    RepeatedAccept,
    /// `Sec-WebSocket-Accept` does not answer the key (section 4.1, item 4).
    WrongAccept,
    /// An extension that was not offered, or is named twice (section 4.1, item 5). Where none was
    /// offered, whatever `Sec-WebSocket-Extensions` says.
    UnrequestedExtension,
    /// A subprotocol that was not offered (section 4.1, item 6).
    UnrequestedSubprotocol,
    /// More than one `Sec-WebSocket-Protocol` in a response (section 11.3.4).
    RepeatedSubprotocol,

    /// A list of fields that HTTP/2 or HTTP/3 does not allow: a stream error (RFC 9113, section
    /// 8.1.1).
    MalformedRequest,
    /// The `:protocol` of an Extended CONNECT is not `websocket` (RFC 9220, section 3).
    UnsupportedProtocol,
    /// The value of `SETTINGS_ENABLE_CONNECT_PROTOCOL` is not one that it may have: a connection
    /// error (RFC 8441, section 3).
    InvalidSetting,

    /// The peer's stream ended before its head did.
    UnexpectedEof,
    /// The driver reported that the transport broke.
    Aborted,
    /// The source of entropy failed, so that there is no nonce (section 4.1, item 7).
    Entropy,
    /// The handshake took longer than `Timeouts::opening`.
    Timeout,
}

impl HandshakeError {
    /// The answer that a server gives, `None` where there is none to give.
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
            | Self::MalformedRequest => Rejection::BadRequest,
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
            | Self::MissingUpgrade
            | Self::MissingAccept
            | Self::RepeatedAccept
            | Self::WrongAccept
            | Self::UnrequestedExtension
            | Self::UnrequestedSubprotocol
            | Self::RepeatedSubprotocol
            | Self::InvalidSetting
            | Self::UnexpectedEof
            | Self::Aborted
            | Self::Entropy => return None,
        })
    }

    /// The HTTP status of that answer.
    pub const fn status(self) -> Option<u16> {
        match self.rejection() {
            Some(rejection) => Some(rejection.status()),
            None => None,
        }
    }
}

impl HandshakeError {
    pub(crate) const fn wording(self) -> &'static str {
        match self {
            Self::InvalidMethod => "the method is not a token",
            Self::InvalidTarget => "the request target is invalid",
            Self::TargetTooLong => "the request target exceeds the limit",
            Self::InvalidHttpVersion => "the start line has no HTTP version",
            Self::UnsupportedHttpVersion => "the HTTP version is not 1.1",
            Self::InvalidStatusLine => "the status line is malformed",
            Self::BareLf => "a line ends in LF without CR",
            Self::LoneCr => "a CR is not followed by LF",
            Self::FoldedLine => "a field line begins with white space",
            Self::SpaceBeforeColon => "white space stands before a colon",
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
            Self::MissingUpgrade => "Upgrade does not list websocket",
            Self::MissingAccept => "Sec-WebSocket-Accept is missing",
            Self::RepeatedAccept => "Sec-WebSocket-Accept occurs more than once",
            Self::WrongAccept => "Sec-WebSocket-Accept does not answer the key",
            Self::UnrequestedExtension => "an extension was not offered",
            Self::UnrequestedSubprotocol => "the subprotocol was not offered",
            Self::RepeatedSubprotocol => "Sec-WebSocket-Protocol occurs more than once",
            Self::MalformedRequest => "the fields of the request are malformed",
            Self::UnsupportedProtocol => ":protocol is not websocket",
            Self::InvalidSetting => "the setting of Extended CONNECT is invalid",
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

/// Why what a caller wants to say in a head cannot be said. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeadError {
    /// The method is not a token.
    Method,
    /// The request target is empty or has a character that may not stand in one.
    Target,
    /// The host is not one, or its port is not.
    Host,
    /// The status cannot be that of this response.
    Status,
    /// The reason phrase has a control character.
    Reason,
    /// A field's name is not a token.
    FieldName,
    /// A field's value has a control character, or white space at an end.
    FieldValue,
    /// The field is one that the handshake writes itself: `Host`, `Connection`, `Upgrade`,
    /// `Content-Length`, `Transfer-Encoding`, `Sec-WebSocket-*`.
    ReservedField,
    /// The subprotocol is not a token, is offered twice, or was not offered.
    Subprotocol,
    /// The extensions break the grammar of RFC 6455, section 9.1, or were not offered.
    Extensions,
    /// A body where the status allows none.
    Body,
    /// The caller's buffer is too small.
    BufferFull,
    /// The peer's settings do not allow an Extended CONNECT.
    NotEnabled,
    /// There is no request to answer: none has arrived yet, or it was answered.
    NoRequest,
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "the method is not a token",
            Self::Target => "the request target is invalid",
            Self::Host => "the host is invalid",
            Self::Status => "the status is not one for this response",
            Self::Reason => "the reason phrase has a control character",
            Self::FieldName => "a field name is not a token",
            Self::FieldValue => "a field value is invalid",
            Self::ReservedField => "a field is written by the handshake itself",
            Self::Subprotocol => "a subprotocol is invalid, repeated or not offered",
            Self::Extensions => "the extensions are invalid or not offered",
            Self::Body => "the status allows no body",
            Self::BufferFull => "the buffer is too small",
            Self::NotEnabled => "the peer does not allow an Extended CONNECT",
            Self::NoRequest => "no request waits for an answer",
        })
    }
}

impl core::error::Error for HeadError {}
