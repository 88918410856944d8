//! Errors of the heads: wording, status and size.

use websocket_proto::handshake::{HandshakeError, InvalidHead};

#[test]
fn every_error_has_its_wording_and_status() {
    use HandshakeError::*;
    for (error, status, wording) in [
        (InvalidMethod, Some(400), "the method is not a token"),
        (InvalidTarget, Some(400), "the request target is invalid"),
        (TargetTooLong, Some(414), "the request target exceeds the limit"),
        (InvalidHttpVersion, Some(400), "the start line has no HTTP version"),
        (UnsupportedHttpVersion, Some(505), "the HTTP version is not supported"),
        (InvalidStatusLine, None, "the status line is malformed"),
        (BareLf, Some(400), "a line ends in LF without CR"),
        (LoneCr, Some(400), "a CR is not followed by LF"),
        (FoldedLine, Some(400), "a line starts with whitespace"),
        (SpaceBeforeColon, Some(400), "whitespace precedes a colon"),
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
        (InvalidUpgrade, None, "Upgrade is not websocket"),
        (MissingAccept, None, "Sec-WebSocket-Accept is missing"),
        (RepeatedAccept, None, "Sec-WebSocket-Accept occurs more than once"),
        (WrongAccept, None, "Sec-WebSocket-Accept does not answer the key"),
        (UnrequestedExtension, None, "an extension was not offered"),
        (UnrequestedSubprotocol, None, "the subprotocol was not offered"),
        (RepeatedSubprotocol, None, "Sec-WebSocket-Protocol occurs more than once"),
        (UnexpectedSwitch, None, "the proxy switched to another protocol"),
        (MalformedFields, Some(400), "the list of fields is malformed"),
        (UnsupportedProtocol, Some(501), ":protocol is not websocket"),
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
        (InvalidHead::Target, "the request target is invalid"),
        (InvalidHead::Host, "the host is invalid"),
        (InvalidHead::Status, "the status code does not fit this response"),
        (InvalidHead::FieldName, "a field name is not a token, or not lowercase"),
        (InvalidHead::FieldValue, "a field value is invalid"),
        (InvalidHead::ReservedField, "a field is written by the handshake itself"),
        (InvalidHead::Subprotocol, "a subprotocol is invalid, repeated or not offered"),
        (InvalidHead::Body, "the status code allows no body"),
        (InvalidHead::BufferTooSmall, "the buffer is too small"),
    ] {
        assert_eq!(error.to_string(), wording);
    }
}

#[test]
fn errors_and_heads_are_small_and_thread_safe() {
    fn shared<T: Send + Sync + 'static>() -> usize {
        size_of::<T>()
    }
    use websocket_proto::handshake::*;
    assert!(shared::<HandshakeError>() <= 16);
    assert!(shared::<InvalidHead>() <= 16);
    assert!(shared::<RequestParser>() <= 256);
    assert!(shared::<ResponseParser>() <= 256);
    assert!(shared::<RequestHead<'static>>() <= 176);
    assert!(shared::<Upgrade<'static>>() <= 64);
    assert!(shared::<ExtendedConnect<'static>>() <= 64);
    assert!(shared::<ClientRequest<'static>>() <= 128);
}
