//! Tests of `OriginPolicy`, by itself and in a server.

use websocket_proto::Config;
use websocket_proto::handshake::{
    AcceptError, Acceptance, Field, Handshake, HandshakeError, OriginPolicy, Rejection,
    ServerEvent, ServerHandshake, Uri,
};

use crate::driving::receive;
use crate::support::written;

#[track_caller]
fn check(policy: OriginPolicy<'_>, cases: &[(&str, &str, bool)]) {
    for (origin, authority, allowed) in cases {
        assert_eq!(
            policy.allows_origin(Some(origin.as_bytes()), authority),
            *allowed,
            "{origin:?} at {authority:?} with {policy:?}"
        );
    }
    assert!(policy.allows_origin(None, "example.com"), "a request without Origin passes");
}

#[test]
fn same_compares_host_and_port() {
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
        // Similar host names.
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
        // Values that are not the origin of a web page.
        ("null", "example.com", false),
        ("NULL", "null", false),
        ("", "example.com", false),
        ("http://", "example.com", false),
        ("example.com", "example.com", false),
        ("//example.com", "example.com", false),
        ("http:example.com", "example.com", false),
        ("file://", "example.com", false),
        ("file://", "", false),
        ("ftp://example.com", "example.com", false),
        ("chrome-extension://example.com", "example.com", false),
        ("http://example.com http://example.com", "example.com", false),
        ("http://example.com, http://example.com", "example.com", false),
        ("http://*.com", "example.com", false),
        ("http://b\u{fc}cher.example", "b\u{fc}cher.example", false),
        // Invalid authorities.
        ("http://example.com", "", false),
        ("http://example.com", "example.com:0", false),
    ];
    check(OriginPolicy::same(), &cases);
    check(OriginPolicy::default(), &cases);
    assert!(!OriginPolicy::same().allows_origin(Some(b"http://\xff"), "example.com"));
}

#[test]
fn same_accepts_websocket_schemes_in_origins() {
    check(
        OriginPolicy::same(),
        &[
            ("ws://h", "h", true),
            ("wss://h", "h", true),
            ("WSS://h", "h:443", true),
            ("wss://h:443", "h", true),
            ("ws://h", "h:80", true),
            ("ws://h:9001", "h:9001", true),
            ("wss://h", "h:80", false),
            ("ws://h", "h:443", false),
            ("wss://other", "h", false),
        ],
    );
}

#[test]
fn lists_match_hosts_subdomains_and_ports() {
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
            ("wss://example.com", "x", false),
            ("null", "x", false),
            ("file://", "x", false),
            ("", "x", false),
        ],
    );
    check(OriginPolicy::list(&[]), &[("https://example.com", "example.com", false)]);
}

#[test]
fn lists_with_same_also_match_the_pages_of_this_server() {
    let cases = [
        ("https://example.com", "example.com", true),
        ("http://example.com:8080", "example.com:8080", true),
        ("https://other.example", "example.com", true),
        ("http://example.com:8080", "example.com", false),
        ("https://evil-example.com", "example.com", false),
        ("same", "example.com", false),
        ("same", "same", false),
        ("null", "", false),
    ];
    check(OriginPolicy::list(&["same", "https://other.example"]), &cases);
    check(OriginPolicy::list(&["https://other.example", "same"]), &cases);
}

#[test]
fn lists_match_files_sandboxed_pages_and_browser_extensions() {
    check(
        OriginPolicy::list(&["file://"]),
        &[
            ("file://", "x", true),
            ("FILE://", "x", true),
            ("file://h", "x", false),
            ("file:///etc", "x", false),
            ("null", "x", false),
            ("http://", "x", false),
        ],
    );
    check(
        OriginPolicy::list(&["null"]),
        &[("null", "x", true), ("NULL", "x", false), ("http://null", "x", false)],
    );
    check(
        OriginPolicy::list(&["chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb", "wss://h"]),
        &[
            ("chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb", "x", true),
            ("chrome-extension://other", "x", false),
            ("wss://h:443", "x", true),
            ("https://h", "x", false),
        ],
    );
}

#[test]
fn lists_reject_malformed_entries() {
    for entry in [
        "*",
        "",
        "h",
        "example.com",
        "//example.com",
        "https:example.com",
        "https://",
        "ws://:80",
        "https://*",
        "https://*.",
        "https://*:*",
        "https://a.*.example.com",
        "https://*example.com",
        "https://*.*.example.com",
        "https://example.com/",
        "https://h/",
        "https://h?",
        "https://u@h",
        "https://h:0",
        "https://h:65536",
        "https://h:x",
        "https://h:**",
        "https://h:*:*",
        "https://h:8080:*",
        "https://h::*",
        "https://[::g]",
        "https://[::1",
        "https://b\u{fc}cher.example",
        "https://a b",
        "file:///",
        "file://:*",
        "file://:80",
        "://h",
        "NULL",
        "SAME",
        "same:*",
        " https://h",
        "https://h,https://i",
    ] {
        let list = ["https://example.com", entry, "null"];
        let error = OriginPolicy::try_list(&list).unwrap_err();
        assert_eq!(error.entry, entry);
    }
    let error = OriginPolicy::try_list(&["same", "h"]).unwrap_err();
    assert_eq!(error.to_string(), "\"h\" is not an origin such as https://example.com");
}

#[test]
#[should_panic(expected = "an entry is not an origin")]
fn list_panics_on_a_malformed_entry() {
    let _ = OriginPolicy::list(&["https://h/"]);
}

#[test]
fn any_allows_and_none_rejects_every_origin() {
    for origin in ["http://evil.org", "null", "", "x y"] {
        check(OriginPolicy::any(), &[(origin, "example.com", true)]);
        check(OriginPolicy::none(), &[(origin, "example.com", false)]);
    }
    assert!(OriginPolicy::any().allows_origin(Some(b"\xff"), ""));
}

fn request(target: &str, origin: &str) -> Vec<u8> {
    format!(
        "GET {target} HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: {origin}\r\n\r\n"
    )
    .into_bytes()
}

static SAME: Config = Config::new();
static LIST: Config =
    Config::new().with_origin_policy(OriginPolicy::list(&["https://other.example"]));
static NONE: Config = Config::new().with_origin_policy(OriginPolicy::none());

#[test]
fn server_applies_the_policy_of_its_config() {
    let forbidden = ServerEvent::Failed(HandshakeError::ForbiddenOrigin);
    for (config, target, origin, event) in [
        (&SAME, "/", "http://example.com", ServerEvent::Upgrade),
        (&SAME, "/", "wss://example.com", ServerEvent::Upgrade),
        (&SAME, "/", "https://other.example", forbidden),
        // RFC 9112, section 3.2.2: the authority of the target replaces Host.
        (&SAME, "http://other.example/", "http://other.example", ServerEvent::Upgrade),
        (&SAME, "http://other.example/", "http://example.com", forbidden),
        (&LIST, "/", "https://other.example", ServerEvent::Upgrade),
        (&LIST, "/", "http://example.com", forbidden),
        (&NONE, "/", "http://example.com", forbidden),
    ] {
        let mut handshake = ServerHandshake::new(config);
        let event_of = receive(&mut handshake, &request(target, origin)).0;
        assert_eq!(event_of, Some(event), "{target} {origin}");
    }
}

#[test]
fn rejection_names_both_values_and_the_setting() {
    for (config, parts) in [
        (
            &SAME,
            [
                "Origin \"https://chat.example\"",
                "host \"example.com\"",
                "If a proxy rewrites Host",
                "beside \"same\" with OriginPolicy::list",
            ],
        ),
        (
            &LIST,
            [
                "Origin \"https://chat.example\"",
                "host \"example.com\"",
                "Allow it with",
                "OriginPolicy::list",
            ],
        ),
        (
            &NONE,
            [
                "Origin \"https://chat.example\"",
                "host \"example.com\"",
                "Config::with_origin_policy",
                "OriginPolicy::none",
            ],
        ),
    ] {
        let mut handshake = ServerHandshake::new(config);
        receive(&mut handshake, &request("/", "https://chat.example"));
        let answer = written(handshake.output());
        assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(answer.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{answer}");
        for part in parts {
            assert!(body.contains(part), "{part}: {body}");
        }
        assert_eq!(handshake.explanation(), Some(body));
    }
    // Bytes beyond ASCII are escaped.
    let explanation = OriginPolicy::same().explain(b"http://\xff\"", "h").to_string();
    assert!(explanation.contains(r#""http://\xff\"""#), "{explanation}");
}

#[test]
fn rejected_origin_leaves_the_request_to_be_logged_and_no_second_answer() {
    let mut handshake = ServerHandshake::new(&SAME);
    receive(&mut handshake, &request("/chat", "https://chat.example"));
    written(handshake.output());
    assert_eq!(handshake.request().unwrap().path(), "/chat");
    assert_eq!(handshake.reject(Rejection::NotFound), Err(AcceptError::NotReady));
    assert_eq!(handshake.respond(200, &[], b""), Err(AcceptError::NotReady));
    let unaccepted = handshake.accept(&Acceptance::new()).unwrap_err();
    assert_eq!(unaccepted.error, AcceptError::NotReady);
    let unaccepted = unaccepted.handshake.into_request().unwrap_err();
    let mut handshake = unaccepted.handshake;
    assert!(handshake.request().is_some() && handshake.output().is_empty());
    handshake.abort();
    assert!(handshake.request().is_none());
}

#[test]
fn same_origin_compares_tls_host_and_port() {
    for (a, b, same) in [
        ("ws://example.com/a", "ws://EXAMPLE.com:80/b", true),
        ("ws://example.com/a", "http://example.com/b", true),
        ("wss://example.com", "wss://example.com:443", true),
        ("wss://example.com", "https://example.com", true),
        ("ws://[::1]", "ws://[0::1]/", true),
        ("ws://example.com", "wss://example.com", false),
        ("http://example.com", "https://example.com", false),
        ("ws://example.com", "ws://example.com:8080", false),
        ("ws://example.com", "ws://www.example.com", false),
        ("wss://example.com", "ws://example.com:443", false),
    ] {
        let same_origin = Uri::parse(a).unwrap().is_same_origin(&Uri::parse(b).unwrap());
        assert_eq!(same_origin, same, "{a} {b}");
    }
}

#[test]
fn credentials_are_not_sent_to_another_origin() {
    let from = Uri::parse("wss://example.com/a/b").unwrap();
    let fields = [
        Field::new("Cookie", "a"),
        Field::new("AUTHORIZATION", "b"),
        Field::new("proxy-authorization", "c"),
        Field::new("Origin", "d"),
        Field::new("X-Trace", "e"),
    ];
    for (location, kept) in [
        ("c", 5),
        ("https://example.com:443/c", 5),
        ("wss://evil.example/", 2),
        ("//example.com:8443/", 2),
        // Without TLS, the origin is another one.
        ("ws://example.com/a/b", 2),
    ] {
        let target = from.resolve(location.as_bytes()).unwrap();
        let to = Uri::parse(&target).unwrap();
        let may_carry = |field: &&Field<'_>| from.is_same_origin(&to) || !field.is_credential();
        assert_eq!(fields.iter().filter(may_carry).count(), kept, "{location}");
    }
    assert!(Field::new("Cookie2", "a").is_credential());
}
