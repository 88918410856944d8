//! Errors and machines: wording, sizes, threads.

use websocket_proto::handshake::{AcceptError, InvalidHead, UriError};

#[test]
fn wording_of_uri_errors() {
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
fn wording_of_accept_errors() {
    for (error, wording) in [
        (AcceptError::NotReady, "the handshake has nothing to accept"),
        (AcceptError::Response(InvalidHead::Body), "the status code allows no body"),
        (AcceptError::Entropy, "the source of entropy failed"),
    ] {
        assert_eq!(error.to_string(), wording);
    }
}

#[test]
fn machines_are_small_and_pass_between_threads() {
    fn shared<T: Send + Sync + 'static>() -> usize {
        size_of::<T>()
    }
    use websocket_proto::handshake::*;
    assert!(shared::<UriError>() <= 16);
    assert!(shared::<AcceptError>() <= 16);
    assert!(shared::<Unaccepted<ServerHandshake>>() <= 512);
    assert!(shared::<ServerEvent>() <= 16);
    assert!(shared::<ClientEvent>() <= 16);
    assert!(shared::<ServerHandshake>() <= 512);
    assert!(shared::<ClientHandshake>() <= 512);
    assert!(shared::<ProxyHandshake>() <= 512);
}
