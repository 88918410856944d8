//! Text of errors and URIs; sizes and thread safety of public types.

use websocket_proto::handshake::{AcceptError, InvalidHead, Uri, UriError};

#[test]
fn uri_errors_display_their_cause() {
    for (error, wording) in [
        (UriError::Scheme, "the scheme is none of ws, wss, http and https"),
        (UriError::UserInformation, "the URI has user information"),
        (UriError::Host, "the host is missing or malformed"),
        (UriError::Port, "the port is not a number from 1 to 65535"),
        (UriError::Path, "the path or query has a character that must be percent-encoded"),
        (UriError::Fragment, "the URI has a fragment"),
    ] {
        assert_eq!(error.to_string(), wording);
    }
}

#[test]
fn uris_display_as_written_with_a_path() {
    for (uri, displayed) in [
        ("WSS://Example.com:443/a?b?c", "WSS://Example.com:443/a?b?c"),
        ("https://[::1]:9001", "https://[::1]:9001/"),
        ("ws://h?", "ws://h/?"),
    ] {
        assert_eq!(Uri::parse(uri).unwrap().to_string(), displayed);
    }
}

#[test]
fn accept_errors_display_their_cause() {
    for (error, wording) in [
        (AcceptError::NotReady, "the handshake does not wait for this decision"),
        (AcceptError::Response(InvalidHead::Body), "the status code allows no body"),
        (AcceptError::Entropy, "the source of entropy failed"),
    ] {
        assert_eq!(error.to_string(), wording);
    }
}

#[test]
fn public_types_are_small_send_and_sync() {
    fn size<T: Send + Sync + 'static>() -> usize {
        size_of::<T>()
    }
    use websocket_proto::handshake::*;
    assert!(size::<UriError>() <= 16);
    assert!(size::<AcceptError>() <= 16);
    assert!(size::<Unaccepted<ServerHandshake>>() <= 512);
    assert!(size::<ServerEvent>() <= 16);
    assert!(size::<ClientEvent>() <= 16);
    assert!(size::<ServerHandshake>() <= 512);
    assert!(size::<ClientHandshake>() <= 512);
}
