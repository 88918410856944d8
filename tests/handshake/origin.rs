//! `OriginPolicy`: a table of origins.

use websocket_proto::Config;
use websocket_proto::handshake::{HandshakeError, OriginPolicy, ServerEvent, ServerHandshake, Uri};

use crate::support::taken;

#[track_caller]
fn check(policy: OriginPolicy<'_>, cases: &[(&str, &str, bool)]) {
    for (origin, authority, allowed) in cases {
        assert_eq!(
            policy.allows_origin(Some(origin.as_bytes()), authority),
            *allowed,
            "{origin:?} at {authority:?} with {policy:?}"
        );
    }
    assert!(policy.allows_origin(None, "example.com"), "no browser, no page");
}

#[test]
fn same_origin() {
    let cases = [
        ("http://example.com", "example.com", true),
        ("https://example.com", "example.com", true),
        ("HTTP://EXAMPLE.com", "example.COM", true),
        ("http://example.com", "example.com:80", true),
        ("http://example.com:80", "example.com", true),
        ("https://example.com", "example.com:443", true),
        ("https://example.com:443", "example.com", true),
        ("http://example.com:8080", "example.com:8080", true),
        ("http://127.0.0.1:9001", "127.0.0.1:9001", true),
        ("http://[::1]:9001", "[::1]:9001", true),
        ("http://[::1]", "[0:0::0:1]", true),
        ("http://localhost", "localhost", true),
        // Ports.
        ("http://example.com", "example.com:8080", false),
        ("http://example.com:8080", "example.com", false),
        ("http://example.com", "example.com:443", false),
        ("https://example.com", "example.com:80", false),
        ("http://example.com:8080", "example.com:8081", false),
        // Look-alikes.
        ("http://evil-example.com", "example.com", false),
        ("http://example.com.evil.org", "example.com", false),
        ("http://www.example.com", "example.com", false),
        ("http://example.com", "www.example.com", false),
        ("http://example.co", "example.com", false),
        ("http://example.com@evil.org", "example.com", false),
        ("http://example.com:80@evil.org", "example.com", false),
        ("http://evil.org/example.com", "example.com", false),
        ("http://evil.org#example.com", "example.com", false),
        ("http://evil.org?example.com", "example.com", false),
        ("http://example.com/", "example.com", false),
        ("http://127.0.0.1", "localhost", false),
        ("http://127.0.0.2", "127.0.0.1", false),
        ("http://127.0.0.1.evil.org", "127.0.0.1", false),
        ("http://2130706433", "127.0.0.1", false),
        ("http://[::1]", "127.0.0.1", false),
        ("http://[::2]", "[::1]", false),
        ("http://::1", "[::1]", false),
        // What is no origin of a page.
        ("null", "example.com", false),
        ("NULL", "null", false),
        ("", "example.com", false),
        ("http://", "example.com", false),
        ("example.com", "example.com", false),
        ("//example.com", "example.com", false),
        ("http:example.com", "example.com", false),
        ("file://", "example.com", false),
        ("ftp://example.com", "example.com", false),
        ("chrome-extension://example.com", "example.com", false),
        ("http://example.com http://example.com", "example.com", false),
        ("http://example.com, http://example.com", "example.com", false),
        ("http://*.com", "example.com", false),
        ("http://b\u{fc}cher.example", "b\u{fc}cher.example", false),
        // What is no authority.
        ("http://example.com", "", false),
        ("http://example.com", "example.com:0", false),
    ];
    check(OriginPolicy::same(), &cases);
    check(OriginPolicy::default(), &cases);
    for (origin, authority, allowed) in cases {
        check(OriginPolicy::same_as(authority), &[(origin, "10.0.0.7:8080", allowed)]);
    }
    assert!(!OriginPolicy::same().allows_origin(Some(b"http://\xff"), "example.com"));
}

#[test]
fn lists() {
    let policy = OriginPolicy::list(&[
        "https://example.com",
        "https://*.example.com",
        "http://localhost:*",
        "https://[2001:db8::1]:8443",
        "app://bundle",
        "http://*.dev.example:*",
    ]);
    check(
        policy,
        &[
            ("https://example.com", "x", true),
            ("https://EXAMPLE.com:443", "x", true),
            ("https://www.example.com", "x", true),
            ("https://a.b.example.com", "x", true),
            ("http://localhost", "x", true),
            ("http://localhost:3000", "x", true),
            ("https://[2001:DB8:0::1]:8443", "x", true),
            ("app://bundle", "x", true),
            ("http://a.dev.example:1", "x", true),
            ("http://example.com", "example.com", false),
            ("https://example.com:8443", "x", false),
            ("https://www.example.com:8443", "x", false),
            ("https://.example.com", "x", false),
            ("https://evil-example.com", "x", false),
            ("https://example.com.evil.org", "x", false),
            ("https://localhost:3000", "x", false),
            ("http://localhost.evil.org", "x", false),
            ("http://dev.example:1", "x", false),
            ("https://[2001:db8::2]:8443", "x", false),
            ("https://[2001:db8::1]", "x", false),
            ("app://other", "x", false),
            ("null", "x", false),
            ("", "x", false),
        ],
    );
    check(OriginPolicy::list(&["null"]), &[("null", "x", true), ("http://null", "x", false)]);
    // What is no origin matches nothing.
    for pattern in [
        "*",
        "",
        "example.com",
        "https://",
        "https://*",
        "https://*.",
        "https://*:*",
        "https://example.com/",
    ] {
        check(
            OriginPolicy::list(&[pattern]),
            &[("https://example.com", "x", false), ("https://a.b", "x", false), ("", "x", false)],
        );
    }
    check(OriginPolicy::list(&[]), &[("https://example.com", "example.com", false)]);
}

#[test]
fn any_and_none() {
    for origin in ["http://evil.org", "null", "", "x y"] {
        check(OriginPolicy::any(), &[(origin, "example.com", true)]);
        check(OriginPolicy::none(), &[(origin, "example.com", false)]);
    }
    assert!(OriginPolicy::any().allows_origin(Some(b"\xff"), ""));
}

#[test]
fn a_server_refuses_the_pages_of_others_unless_it_is_told_otherwise() {
    static SAME: Config = Config::new();
    static LIST: Config =
        Config::new().origin_policy(OriginPolicy::list(&["https://other.example"]));
    for (config, origin, event) in [
        (&SAME, "http://example.com", ServerEvent::Upgrade),
        (&SAME, "https://other.example", ServerEvent::Failed(HandshakeError::ForbiddenOrigin)),
        (&LIST, "https://other.example", ServerEvent::Upgrade),
        (&LIST, "http://example.com", ServerEvent::Failed(HandshakeError::ForbiddenOrigin)),
    ] {
        let mut request = format!(
            "GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Origin: {origin}\r\n\r\n"
        )
        .into_bytes();
        let mut handshake = ServerHandshake::new(config);
        assert_eq!(handshake.receive(&mut &mut request[..]), Some(event), "{origin}");
        if event != ServerEvent::Upgrade {
            assert!(taken(handshake.output()).starts_with("HTTP/1.1 403 Forbidden\r\n"));
        }
    }
}

#[test]
fn the_origins_of_uris() {
    for (a, b, same) in [
        ("ws://example.com/a", "ws://EXAMPLE.com:80/b", true),
        ("wss://example.com", "wss://example.com:443", true),
        ("ws://[::1]", "ws://[0::1]/", true),
        ("ws://example.com", "wss://example.com", false),
        ("ws://example.com", "ws://example.com:8080", false),
        ("ws://example.com", "ws://www.example.com", false),
        ("wss://example.com", "ws://example.com:443", false),
    ] {
        let same_origin = Uri::parse(a).unwrap().is_same_origin(&Uri::parse(b).unwrap());
        assert_eq!(same_origin, same, "{a} {b}");
    }
}
