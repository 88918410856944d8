//! Errors: their wording, their status, their size.

use websocket_proto::handshake::{HandshakeError, HeadError, UriError};

#[test]
fn wording_and_status() {
    use HandshakeError::*;
    for (error, status, wording) in [
        (InvalidMethod, Some(400), "the method is not a token"),
        (InvalidTarget, Some(400), "the request target is invalid"),
        (TargetTooLong, Some(414), "the request target exceeds the limit"),
        (InvalidHttpVersion, Some(400), "the start line has no HTTP version"),
        (UnsupportedHttpVersion, Some(505), "the HTTP version is not 1.1"),
        (InvalidStatusLine, None, "the status line is malformed"),
        (BareLf, Some(400), "a line ends in LF without CR"),
        (LoneCr, Some(400), "a CR is not followed by LF"),
        (FoldedLine, Some(400), "a field line begins with white space"),
        (SpaceBeforeColon, Some(400), "white space stands before a colon"),
        (EmptyFieldName, Some(400), "a field has no name"),
        (InvalidFieldName, Some(400), "a field name is not a token"),
        (InvalidFieldValue, Some(400), "a field value has a control character"),
        (FieldLineTooLong, Some(431), "a field line exceeds the limit"),
        (TooManyFields, Some(431), "too many fields"),
        (HeadTooLong, Some(431), "the head exceeds the limit"),
        (MissingHost, Some(400), "Host is missing"),
        (RepeatedHost, Some(400), "Host occurs more than once"),
        (InvalidHost, Some(400), "Host is invalid"),
        (MethodNotGet, Some(405), "the method of an upgrade is not GET"),
        (UnexpectedBody, Some(400), "an upgrade announces a body"),
        (MissingConnectionUpgrade, Some(400), "Connection does not list upgrade"),
        (UnsupportedVersion, Some(426), "Sec-WebSocket-Version is not 13"),
        (RepeatedVersion, Some(400), "Sec-WebSocket-Version occurs more than once"),
        (MissingKey, Some(400), "Sec-WebSocket-Key is missing"),
        (RepeatedKey, Some(400), "Sec-WebSocket-Key occurs more than once"),
        (InvalidKey, Some(400), "Sec-WebSocket-Key is not 16 bytes in base64"),
        (RepeatedOrigin, Some(400), "Origin occurs more than once"),
        (ForbiddenOrigin, Some(403), "the origin is not allowed"),
        (InvalidSubprotocols, Some(400), "Sec-WebSocket-Protocol is not a list of tokens"),
        (InvalidExtensions, Some(400), "Sec-WebSocket-Extensions is malformed"),
        (MissingUpgrade, None, "Upgrade does not list websocket"),
        (MissingAccept, None, "Sec-WebSocket-Accept is missing"),
        (RepeatedAccept, None, "Sec-WebSocket-Accept occurs more than once"),
        (WrongAccept, None, "Sec-WebSocket-Accept does not answer the key"),
        (UnrequestedExtension, None, "an extension was not offered"),
        (UnrequestedSubprotocol, None, "the subprotocol was not offered"),
        (RepeatedSubprotocol, None, "Sec-WebSocket-Protocol occurs more than once"),
        (MalformedRequest, Some(400), "the fields of the request are malformed"),
        (UnsupportedProtocol, Some(501), ":protocol is not websocket"),
        (InvalidSetting, None, "the setting of Extended CONNECT is invalid"),
        (UnexpectedEof, None, "the stream ended before the head did"),
        (Aborted, None, "the transport broke"),
        (Entropy, None, "the source of entropy failed"),
        (Timeout, Some(408), "the opening handshake took too long"),
    ] {
        assert_eq!(error.to_string(), wording);
        assert_eq!(error.status(), status, "{error}");
        assert_eq!(error.rejection().map(|rejection| rejection.status()), status);
    }
    for (error, wording) in [
        (HeadError::Method, "the method is not a token"),
        (HeadError::Target, "the request target is invalid"),
        (HeadError::Host, "the host is invalid"),
        (HeadError::Status, "the status is not one for this response"),
        (HeadError::Reason, "the reason phrase has a control character"),
        (HeadError::FieldName, "a field name is not a token"),
        (HeadError::FieldValue, "a field value is invalid"),
        (HeadError::ReservedField, "a field is written by the handshake itself"),
        (HeadError::Subprotocol, "a subprotocol is invalid, repeated or not offered"),
        (HeadError::Extensions, "the extensions are invalid or not offered"),
        (HeadError::Body, "the status allows no body"),
        (HeadError::BufferFull, "the buffer is too small"),
        (HeadError::NotEnabled, "the peer does not allow an Extended CONNECT"),
        (HeadError::NoRequest, "no request waits for an answer"),
    ] {
        assert_eq!(error.to_string(), wording);
    }
    for (error, wording) in [
        (UriError::Scheme, "the scheme is neither ws nor wss"),
        (UriError::UserInformation, "the URI has user information"),
        (UriError::Host, "the host is invalid"),
        (UriError::Port, "the port is invalid"),
        (UriError::Path, "the path or query has a character that must be encoded"),
        (UriError::Fragment, "the URI has a fragment"),
    ] {
        assert_eq!(error.to_string(), wording);
    }
}

#[test]
fn sizes_and_threads() {
    fn shared<T: Send + Sync + 'static>() -> usize {
        size_of::<T>()
    }
    use websocket_proto::handshake::*;
    assert!(shared::<HandshakeError>() <= 16);
    assert!(shared::<HeadError>() <= 16);
    assert!(shared::<UriError>() <= 16);
    assert!(shared::<ServerEvent>() <= 16);
    assert!(shared::<ClientEvent>() <= 16);
    assert!(shared::<RequestParser>() <= 256);
    assert!(shared::<ResponseParser>() <= 256);
    assert!(shared::<ServerHandshake>() <= 512);
    assert!(shared::<ClientHandshake>() <= 512);
    assert!(shared::<ProxyHandshake>() <= 512);
}
