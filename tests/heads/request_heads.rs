//! Tables of valid and invalid request heads. The tests of heads and those of handshakes include this file:
//! `check_request` in the `support` of the former checks the parser, in that of the latter the handshake.
//!
//! `¦` follows the byte at which a head is rejected, unless that is its last byte.

use websocket_proto::handshake::HandshakeError::{self, *};
use websocket_proto::handshake::HeadLimits;

use crate::support::{RequestOutcome, check_request};

/// The status and the error of a rejected head.
type Rejected = (u16, HandshakeError);

/// Removes the mark. Returns the head and the index of the byte before the mark.
pub(crate) fn unmark(head: &str) -> (Vec<u8>, usize) {
    match head.split_once('¦') {
        None => (head.as_bytes().to_vec(), head.len().saturating_sub(1)),
        Some((before, after)) => ([before, after].concat().into_bytes(), before.len() - 1),
    }
}

#[track_caller]
fn check(head: &str, expected: Result<RequestOutcome, Rejected>, limits: HeadLimits) {
    let (bytes, at) = unmark(head);
    let expected = match expected {
        Ok(outcome) => outcome,
        Err((status, error)) => RequestOutcome::Rejected(error, status, at),
    };
    let name = head.escape_debug().to_string();
    check_request(&name, &bytes, expected, limits);
}

/// Request lines, followed by only a `Host` field.
const REQUEST_LINES: &[(&str, Result<(), Rejected>)] = &[
    ("GET / HTTP/1.1", Ok(())),
    ("GET / HTTP/1.0", Ok(())),
    ("GET / HTTP/1.2", Ok(())),
    ("GET / HTTP/1.9", Ok(())),
    ("HEAD / HTTP/1.1", Ok(())),
    ("POST /submit?a=b&c=%20 HTTP/1.1", Ok(())),
    ("OPTIONS * HTTP/1.1", Ok(())),
    ("CONNECT example.com:80 HTTP/1.1", Ok(())),
    ("GET http://example.com/ HTTP/1.1", Ok(())),
    ("get / HTTP/1.1", Ok(())),
    ("M-SEARCH * HTTP/1.1", Ok(())),
    ("!#$%&'*+-.^_`|~09azAZ / HTTP/1.1", Ok(())),
    ("GET /{[|]}^`<>\"\\ HTTP/1.1", Ok(())),
    ("GET x HTTP/1.1", Ok(())),
    ("GET /;:@!$&'()*+,=~-._%zz HTTP/1.1", Ok(())),
    // One empty line before the request line is ignored (RFC 9112, section 2.2).
    ("\r\nGET / HTTP/1.1", Ok(())),
    ("\r\n\r¦\nGET / HTTP/1.1", Err((400, InvalidMethod))),
    ("\rG¦ET / HTTP/1.1", Err((400, LoneCr))),
    ("\n¦GET / HTTP/1.1", Err((400, BareLf))),
    ("\r\n\n¦GET / HTTP/1.1", Err((400, BareLf))),
    // The method.
    (" ¦GET / HTTP/1.1", Err((400, InvalidMethod))),
    ("\t¦GET / HTTP/1.1", Err((400, InvalidMethod))),
    ("G@¦T / HTTP/1.1", Err((400, InvalidMethod))),
    ("G\"¦T / HTTP/1.1", Err((400, InvalidMethod))),
    ("GET:¦ / HTTP/1.1", Err((400, InvalidMethod))),
    ("GET/¦ HTTP/1.1", Err((400, InvalidMethod))),
    ("GET\t¦/ HTTP/1.1", Err((400, InvalidMethod))),
    ("GET\r¦\n", Err((400, InvalidMethod))),
    ("GET\n¦", Err((400, BareLf))),
    ("G\0¦T / HTTP/1.1", Err((400, InvalidMethod))),
    ("G\x7f¦T / HTTP/1.1", Err((400, InvalidMethod))),
    // Other protocols: TLS, RDP and SSH.
    ("\x16¦\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03", Err((400, InvalidMethod))),
    ("\x03¦\0\0\x13\x0e\u{e0}\0\0\0\0\0\x01\0\x08\0\x0b\0\0\0", Err((400, InvalidMethod))),
    ("SSH-2.0-OpenSSH_9.2\r¦", Err((400, InvalidMethod))),
    // The target.
    ("GET  ¦/ HTTP/1.1", Err((400, InvalidTarget))),
    ("GET \t¦/ HTTP/1.1", Err((400, InvalidTarget))),
    ("GET /\t¦ HTTP/1.1", Err((400, InvalidTarget))),
    ("GET /\0¦ HTTP/1.1", Err((400, InvalidTarget))),
    ("GET /#¦fragment HTTP/1.1", Err((400, InvalidTarget))),
    ("GET /\x7f¦ HTTP/1.1", Err((400, InvalidTarget))),
    ("GET \r¦\n", Err((400, InvalidTarget))),
    ("GET /\n¦", Err((400, BareLf))),
    // The version.
    ("GET /\r¦\n", Err((400, InvalidHttpVersion))),
    ("GET / \r¦\n", Err((400, InvalidHttpVersion))),
    ("GET /  ¦HTTP/1.1", Err((400, InvalidHttpVersion))),
    ("GET /a b¦ HTTP/1.1", Err((400, InvalidHttpVersion))),
    ("GET / h¦ttp/1.1", Err((400, InvalidHttpVersion))),
    ("GET / HTTPS¦/1.1", Err((400, InvalidHttpVersion))),
    ("GET / HTTP ¦1.1", Err((400, InvalidHttpVersion))),
    ("GET / HTTP/x¦.1", Err((400, InvalidHttpVersion))),
    ("GET / HTTP/1,¦1", Err((400, InvalidHttpVersion))),
    ("GET / HTTP/1 ¦", Err((400, InvalidHttpVersion))),
    ("GET / HTTP/1.x¦", Err((400, InvalidHttpVersion))),
    ("GET / HTTP/1.10¦", Err((400, InvalidHttpVersion))),
    ("GET / HTTP/1.1 ¦", Err((400, InvalidHttpVersion))),
    ("GET / HTTP/1.1\0¦", Err((400, InvalidHttpVersion))),
    ("GET / HTTP/\r¦\n", Err((400, InvalidHttpVersion))),
    ("GET / HTTP/0¦.9", Err((505, UnsupportedHttpVersion))),
    ("GET / HTTP/2¦.0", Err((505, UnsupportedHttpVersion))),
    ("PRI * HTTP/2¦.0", Err((505, UnsupportedHttpVersion))),
    ("GET / HTTP/3¦", Err((505, UnsupportedHttpVersion))),
    ("GET / HTTP/1.1\n¦", Err((400, BareLf))),
    ("GET / HTTP/1.1\rx¦", Err((400, LoneCr))),
    ("GET / HTTP/1.1\r\r¦\n", Err((400, LoneCr))),
];

#[test]
fn parses_or_rejects_request_lines() {
    for (line, expected) in REQUEST_LINES {
        let head = format!("{line}\r\nHost: example.com\r\n\r\n");
        check(&head, expected.map(|()| RequestOutcome::Http), HeadLimits::DEFAULT);
    }
}

/// Field lines after a request line and `Host`, with their line endings.
const FIELD_LINES: &[(&str, Result<(), Rejected>)] = &[
    ("", Ok(())),
    ("a:b\r\n", Ok(())),
    ("A: b\r\n", Ok(())),
    ("A:\r\n", Ok(())),
    ("A:   \t \r\n", Ok(())),
    ("A: \t b \t \r\n", Ok(())),
    ("A: b c\td: e\r\n", Ok(())),
    ("A: :\r\n", Ok(())),
    ("A: \u{fc}\u{20ac}\u{1f600}\r\n", Ok(())),
    ("!#$%&'*+-.^_`|~09azAZ: x\r\n", Ok(())),
    ("A: \"q\\\"uoted\" (comment) <>{}[]@,;=?/\r\n", Ok(())),
    ("A: x\r\nA: y\r\na: z\r\n", Ok(())),
    // Names that have a meaning in JavaScript objects.
    ("__proto__: x\r\nconstructor: y\r\ntoString: z\r\n", Ok(())),
    // Line endings.
    ("A: b\n¦", Err((400, BareLf))),
    ("A: b\n¦\r\n", Err((400, BareLf))),
    ("A:\n¦", Err((400, BareLf))),
    ("A\n¦", Err((400, BareLf))),
    ("\n¦", Err((400, BareLf))),
    ("A: b\rC¦: d\r\n", Err((400, LoneCr))),
    ("A: b\r\r¦\n", Err((400, LoneCr))),
    ("A: b\r ¦\n", Err((400, LoneCr))),
    ("A: b\r\n\rx¦", Err((400, LoneCr))),
    ("\r\r¦\n", Err((400, LoneCr))),
    ("A: b\r\n ¦folded\r\n", Err((400, FoldedLine))),
    ("A: b\r\n\t¦folded\r\n", Err((400, FoldedLine))),
    ("A: b\r\n ¦\r\n", Err((400, FoldedLine))),
    ("A: b\r\n ¦C: d\r\n", Err((400, FoldedLine))),
    // Names.
    ("A ¦: b\r\n", Err((400, SpaceBeforeColon))),
    ("A\t¦: b\r\n", Err((400, SpaceBeforeColon))),
    ("A ¦b: c\r\n", Err((400, SpaceBeforeColon))),
    (":¦ b\r\n", Err((400, EmptyFieldName))),
    ("A\r¦\n", Err((400, InvalidFieldName))),
    ("A(¦b): c\r\n", Err((400, InvalidFieldName))),
    ("A/¦: b\r\n", Err((400, InvalidFieldName))),
    ("A@¦: b\r\n", Err((400, InvalidFieldName))),
    ("\"¦A\": b\r\n", Err((400, InvalidFieldName))),
    ("{¦: b\r\n", Err((400, InvalidFieldName))),
    ("\0¦: b\r\n", Err((400, InvalidFieldName))),
    ("A\0¦: b\r\n", Err((400, InvalidFieldName))),
    ("A\x7f¦: b\r\n", Err((400, InvalidFieldName))),
    ("A\x0b¦: b\r\n", Err((400, InvalidFieldName))),
    // Values.
    ("A: \0¦\r\n", Err((400, InvalidFieldValue))),
    ("A: b\0¦c\r\n", Err((400, InvalidFieldValue))),
    ("A: b\x01¦\r\n", Err((400, InvalidFieldValue))),
    ("A: b\x08¦\r\n", Err((400, InvalidFieldValue))),
    ("A: b\x0b¦\r\n", Err((400, InvalidFieldValue))),
    ("A: b\x0c¦\r\n", Err((400, InvalidFieldValue))),
    ("A: b\x1b¦[2J\r\n", Err((400, InvalidFieldValue))),
    ("A: b\x1f¦\r\n", Err((400, InvalidFieldValue))),
    ("A: b\x7f¦\r\n", Err((400, InvalidFieldValue))),
    ("A: long enough for eight at a time\x7f¦\r\n", Err((400, InvalidFieldValue))),
];

#[test]
fn parses_or_rejects_field_lines() {
    for (lines, expected) in FIELD_LINES {
        for method in ["GET", "POST"] {
            let head = format!("{method} / HTTP/1.1\r\nHost: example.com\r\n{lines}\r\n");
            check(&head, expected.map(|()| RequestOutcome::Http), HeadLimits::DEFAULT);
        }
    }
}

/// `Host` lines.
const HOSTS: &[(&str, Result<(), Rejected>)] = &[
    ("Host: example.com\r\n", Ok(())),
    ("hOsT:example.com:8080\r\n", Ok(())),
    ("Host: example.com:\r\n", Ok(())),
    ("Host: EXAMPLE.com.\r\n", Ok(())),
    ("Host: 127.0.0.1\r\n", Ok(())),
    ("Host: [::1]\r\n", Ok(())),
    ("Host: [2001:db8::7]:9001\r\n", Ok(())),
    ("Host: under_score.example\r\n", Ok(())),
    ("Host: example.com:65535\r\n", Ok(())),
    ("", Err((400, MissingHost))),
    ("Hostess: example.com\r\n", Err((400, MissingHost))),
    ("Host: a\r\nHost: a\r\n", Err((400, RepeatedHost))),
    ("Host: a\r\nX: y\r\nhost: b\r\n", Err((400, RepeatedHost))),
    ("Host: a, b\r\n", Err((400, InvalidHost))),
    ("Host: a b\r\n", Err((400, InvalidHost))),
    ("Host: user@example.com\r\n", Err((400, InvalidHost))),
    ("Host: http://example.com\r\n", Err((400, InvalidHost))),
    ("Host: example.com/\r\n", Err((400, InvalidHost))),
    ("Host: example.com:port\r\n", Err((400, InvalidHost))),
    ("Host: example.com:0\r\n", Err((400, InvalidHost))),
    ("Host: example.com:65536\r\n", Err((400, InvalidHost))),
    ("Host: example.com:+80\r\n", Err((400, InvalidHost))),
    ("Host: :80\r\n", Err((400, InvalidHost))),
    ("Host: ::1\r\n", Err((400, InvalidHost))),
    ("Host: [::1\r\n", Err((400, InvalidHost))),
    ("Host: [::1]a\r\n", Err((400, InvalidHost))),
    ("Host: [::g]\r\n", Err((400, InvalidHost))),
    ("Host: []\r\n", Err((400, InvalidHost))),
    ("Host: \u{fc}\r\n", Err((400, InvalidHost))),
    ("Host: a\\b\r\n", Err((400, InvalidHost))),
    // RFC 3986, section 3.2.2: a reg-name may be percent-encoded.
    ("Host: a%20b\r\n", Ok(())),
    ("Host: %2Ftmp%2Fapp.sock\r\n", Ok(())),
    ("Host: a%2\r\n", Err((400, InvalidHost))),
    ("Host: a%2g\r\n", Err((400, InvalidHost))),
    ("Host: a!$&'()*+,;=~b\r\n", Ok(())),
];

const UPGRADE: &str = "Upgrade: websocket\r\n";
const CONNECTION: &str = "Connection: Upgrade\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[test]
fn accepts_or_rejects_hosts() {
    for (host, expected) in HOSTS {
        let plain = format!("GET / HTTP/1.1\r\n{host}\r\n");
        check(&plain, expected.map(|()| RequestOutcome::Http), HeadLimits::DEFAULT);
        let upgrade = format!("GET / HTTP/1.1\r\n{UPGRADE}{CONNECTION}{VERSION}{KEY}{host}\r\n");
        check(&upgrade, expected.map(|()| RequestOutcome::Upgrade), HeadLimits::DEFAULT);
    }
    // An empty Host belongs to a target without an authority, which a WebSocket URI always has. HTTP/1.0
    // needs no Host.
    for (head, expected) in [
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", Ok(RequestOutcome::Http)),
        ("GET / HTTP/1.0\r\n\r\n", Ok(RequestOutcome::Http)),
        ("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", Err((400, RepeatedHost))),
        ("GET / HTTP/1.0\r\nHost: a b\r\n\r\n", Err((400, InvalidHost))),
    ] {
        check(head, expected, HeadLimits::DEFAULT);
    }
    let head = format!("GET / HTTP/1.1\r\nHost:\r\n{UPGRADE}{CONNECTION}{VERSION}{KEY}\r\n");
    check(&head, Err((400, InvalidHost)), HeadLimits::DEFAULT);
}

/// Request lines, and fields after `Host: example.com`. `U`, `C`, `V` and `K` abbreviate the four fields of
/// an upgrade.
const UPGRADES: &[(&str, &[&str], Result<RequestOutcome, Rejected>)] = {
    use RequestOutcome::{Http, Upgrade};
    const GET: &str = "GET / HTTP/1.1";
    &[
        (GET, &["U", "C", "V", "K"], Ok(Upgrade)),
        (GET, &["K", "V", "C", "U"], Ok(Upgrade)),
        ("GET / HTTP/1.2", &["U", "C", "V", "K"], Ok(Upgrade)),
        ("GET /chat?room=1 HTTP/1.1", &["U", "C", "V", "K"], Ok(Upgrade)),
        ("GET http://other.example:81/chat HTTP/1.1", &["U", "C", "V", "K"], Ok(Upgrade)),
        ("GET HTTPS://[::1]?x HTTP/1.1", &["U", "C", "V", "K"], Ok(Upgrade)),
        // The list in Upgrade.
        (GET, &["Upgrade: WebSocket", "C", "V", "K"], Ok(Upgrade)),
        (GET, &["UPGRADE: WEBSOCKET", "C", "V", "K"], Ok(Upgrade)),
        (GET, &["Upgrade: h2c, websocket", "C", "V", "K"], Ok(Upgrade)),
        (GET, &["Upgrade: h2c", "Upgrade:websocket ,", "C", "V", "K"], Ok(Upgrade)),
        (GET, &["Upgrade: , ,websocket", "C", "V", "K"], Ok(Upgrade)),
        (GET, &["C", "V", "K"], Ok(Http)),
        (GET, &["Upgrade:", "C", "V", "K"], Ok(Http)),
        (GET, &["Upgrade: h2c", "C", "V", "K"], Ok(Http)),
        (GET, &["Upgrade: websockets", "C", "V", "K"], Ok(Http)),
        (GET, &["Upgrade: websocket/13", "C", "V", "K"], Ok(Http)),
        (GET, &["Upgrade: web socket", "C", "V", "K"], Ok(Http)),
        (GET, &["Upgrade: \"websocket\"", "C", "V", "K"], Ok(Http)),
        (GET, &["Upgrade: websocket;q=1", "C", "V", "K"], Ok(Http)),
        ("GET / HTTP/1.0", &["U", "C", "V", "K"], Ok(Http)),
        ("POST / HTTP/1.0", &["U", "Content-Length: 3"], Ok(Http)),
        ("POST / HTTP/1.1", &["Content-Length: 3"], Ok(Http)),
        ("POST / HTTP/1.1", &["Transfer-Encoding: chunked"], Ok(Http)),
        // The method and the target.
        ("POST / HTTP/1.1", &["U", "C", "V", "K"], Err((405, MethodNotGet))),
        ("HEAD / HTTP/1.1", &["U", "C", "V", "K"], Err((405, MethodNotGet))),
        ("get / HTTP/1.1", &["U", "C", "V", "K"], Err((405, MethodNotGet))),
        ("CONNECT a:1 HTTP/1.1", &["U", "C", "V", "K"], Err((405, MethodNotGet))),
        ("POST / HTTP/1.1", &["U"], Err((405, MethodNotGet))),
        ("GET * HTTP/1.1", &["U", "C", "V", "K"], Err((400, InvalidTarget))),
        ("GET chat HTTP/1.1", &["U", "C", "V", "K"], Err((400, InvalidTarget))),
        ("GET a:80 HTTP/1.1", &["U", "C", "V", "K"], Err((400, InvalidTarget))),
        ("GET ftp://a/ HTTP/1.1", &["U", "C", "V", "K"], Err((400, InvalidTarget))),
        ("GET ws://a/ HTTP/1.1", &["U", "C", "V", "K"], Ok(Upgrade)),
        ("GET wss://a:444/chat?x HTTP/1.1", &["U", "C", "V", "K"], Ok(Upgrade)),
        ("GET https://a HTTP/1.1", &["U", "C", "V", "K"], Ok(Upgrade)),
        ("GET ws://%2Ftmp%2Fapp.sock/ HTTP/1.1", &["U", "C", "V", "K"], Ok(Upgrade)),
        ("GET wss: HTTP/1.1", &["U", "C", "V", "K"], Err((400, InvalidTarget))),
        ("GET ws://a%zz/ HTTP/1.1", &["U", "C", "V", "K"], Err((400, InvalidTarget))),
        ("GET http:/// HTTP/1.1", &["U", "C", "V", "K"], Err((400, InvalidTarget))),
        ("GET http://u@a/ HTTP/1.1", &["U", "C", "V", "K"], Err((400, InvalidTarget))),
        ("GET http://a:x/ HTTP/1.1", &["U", "C", "V", "K"], Err((400, InvalidTarget))),
        // A body.
        (GET, &["U", "C", "V", "K", "Content-Length: 0"], Ok(Upgrade)),
        (GET, &["U", "C", "V", "K", "Content-Length: 1"], Err((400, UnexpectedBody))),
        (GET, &["U", "C", "V", "K", "Content-Length: 00"], Err((400, UnexpectedBody))),
        (GET, &["U", "C", "V", "K", "Content-Length: -0"], Err((400, UnexpectedBody))),
        (GET, &["U", "C", "V", "K", "Content-Length:"], Err((400, UnexpectedBody))),
        (GET, &["Content-Length: 0, 5", "U", "C", "V", "K"], Err((400, UnexpectedBody))),
        (
            GET,
            &["Content-Length: 0", "content-length: 5", "U", "C", "V", "K"],
            Err((400, UnexpectedBody)),
        ),
        (GET, &["U", "C", "V", "K", "Transfer-Encoding: chunked"], Err((400, UnexpectedBody))),
        (GET, &["U", "C", "V", "K", "Transfer-Encoding:"], Err((400, UnexpectedBody))),
        (GET, &["U", "C", "V", "K", "transfer-encoding: identity"], Err((400, UnexpectedBody))),
        // The list in Connection.
        (GET, &["U", "Connection: upgrade", "V", "K"], Ok(Upgrade)),
        (GET, &["U", "Connection: keep-alive, Upgrade", "V", "K"], Ok(Upgrade)),
        (GET, &["U", "Connection: keep-alive", "connection:UPGRADE", "V", "K"], Ok(Upgrade)),
        (GET, &["U", "Connection: ,\tUpGrAdE\t,", "V", "K"], Ok(Upgrade)),
        (GET, &["U", "V", "K"], Err((400, MissingConnectionUpgrade))),
        (GET, &["U"], Err((400, MissingConnectionUpgrade))),
        (GET, &["U", "Connection:", "V", "K"], Err((400, MissingConnectionUpgrade))),
        (GET, &["U", "Connection: close", "V", "K"], Err((400, MissingConnectionUpgrade))),
        (GET, &["U", "Connection: upgraded", "V", "K"], Err((400, MissingConnectionUpgrade))),
        (
            GET,
            &["U", "Connection: keep-alive Upgrade", "V", "K"],
            Err((400, MissingConnectionUpgrade)),
        ),
        // The version.
        (GET, &["U", "C", "sec-websocket-version:13", "K"], Ok(Upgrade)),
        (GET, &["U", "C", "Sec-WebSocket-Version:\t13\t", "K"], Ok(Upgrade)),
        (GET, &["U", "C", "K"], Err((426, UnsupportedVersion))),
        (GET, &["U", "C"], Err((426, UnsupportedVersion))),
        (GET, &["U", "C", "Sec-WebSocket-Version:", "K"], Err((426, UnsupportedVersion))),
        (GET, &["U", "C", "Sec-WebSocket-Version: 0", "K"], Err((426, UnsupportedVersion))),
        (GET, &["U", "C", "Sec-WebSocket-Version: 8", "K"], Err((426, UnsupportedVersion))),
        (GET, &["U", "C", "Sec-WebSocket-Version: 12", "K"], Err((426, UnsupportedVersion))),
        (GET, &["U", "C", "Sec-WebSocket-Version: 25", "K"], Err((426, UnsupportedVersion))),
        (GET, &["U", "C", "Sec-WebSocket-Version: 013", "K"], Err((426, UnsupportedVersion))),
        (GET, &["U", "C", "Sec-WebSocket-Version: 13, 8", "K"], Err((426, UnsupportedVersion))),
        (GET, &["U", "C", "Sec-WebSocket-Version: +13", "K"], Err((426, UnsupportedVersion))),
        (GET, &["U", "C", "V", "V", "K"], Err((400, RepeatedVersion))),
        (GET, &["U", "C", "V", "Sec-WebSocket-Version: 8", "K"], Err((400, RepeatedVersion))),
        // The key.
        (GET, &["U", "C", "V", "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEC=="], Ok(Upgrade)),
        (GET, &["U", "C", "V", "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA=="], Ok(Upgrade)),
        (GET, &["U", "C", "V", "Sec-WebSocket-Key: ++++++++++//////////++=="], Ok(Upgrade)),
        (GET, &["U", "C", "V", "SEC-WEBSOCKET-KEY:  dGhlIHNhbXBsZSBub25jZQ== "], Ok(Upgrade)),
        (GET, &["U", "C", "V"], Err((400, MissingKey))),
        (GET, &["U", "C", "V", "K", "K"], Err((400, RepeatedKey))),
        (GET, &["U", "C", "V", "Sec-WebSocket-Key:"], Err((400, InvalidKey))),
        (GET, &["U", "C", "V", "Sec-WebSocket-Key: =="], Err((400, InvalidKey))),
        (GET, &["U", "C", "V", "Sec-WebSocket-Key: dGhlIHNhbXBsZQ=="], Err((400, InvalidKey))),
        (
            GET,
            &["U", "C", "V", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ="],
            Err((400, InvalidKey)),
        ),
        (
            GET,
            &["U", "C", "V", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA"],
            Err((400, InvalidKey)),
        ),
        (
            GET,
            &["U", "C", "V", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZA==="],
            Err((400, InvalidKey)),
        ),
        (
            GET,
            &["U", "C", "V", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j-_=="],
            Err((400, InvalidKey)),
        ),
        (
            GET,
            &["U", "C", "V", "Sec-WebSocket-Key: dGhlIHNhbXBs ZSBub25j=="],
            Err((400, InvalidKey)),
        ),
        (
            GET,
            &["U", "C", "V", "Sec-WebSocket-Key: \"GhlIHNhbXBsZSBub25jZ\"=="],
            Err((400, InvalidKey)),
        ),
        // The origin: these tests allow any, but at most one.
        (GET, &["U", "C", "V", "K", "Origin: http://example.com"], Ok(Upgrade)),
        (GET, &["U", "C", "V", "K", "Origin: null"], Ok(Upgrade)),
        (GET, &["U", "C", "V", "K", "Origin: a", "origin: b"], Err((400, RepeatedOrigin))),
        // Subprotocols.
        (GET, &["U", "C", "V", "K", "Sec-WebSocket-Protocol: chat, superchat"], Ok(Upgrade)),
        (
            GET,
            &["Sec-WebSocket-Protocol: a,,b ,", "U", "C", "V", "K", "Sec-WebSocket-Protocol: c"],
            Ok(Upgrade),
        ),
        (GET, &["U", "C", "V", "K", "Sec-WebSocket-Protocol:"], Err((400, InvalidSubprotocols))),
        (GET, &["U", "C", "V", "K", "Sec-WebSocket-Protocol: ,"], Err((400, InvalidSubprotocols))),
        (
            GET,
            &["U", "C", "V", "K", "Sec-WebSocket-Protocol:  , ,"],
            Err((400, InvalidSubprotocols)),
        ),
        (
            GET,
            &["U", "C", "V", "K", "Sec-WebSocket-Protocol: chat room"],
            Err((400, InvalidSubprotocols)),
        ),
        (
            GET,
            &["U", "C", "V", "K", "Sec-WebSocket-Protocol: \"chat\""],
            Err((400, InvalidSubprotocols)),
        ),
        (
            GET,
            &["U", "C", "V", "K", "Sec-WebSocket-Protocol: a/b"],
            Err((400, InvalidSubprotocols)),
        ),
        (
            GET,
            &["U", "C", "V", "K", "Sec-WebSocket-Protocol: caf\u{e9}"],
            Err((400, InvalidSubprotocols)),
        ),
        // Extensions.
        (GET, &["U", "C", "V", "K", "Sec-WebSocket-Extensions: foo"], Ok(Upgrade)),
        (GET, &["U", "C", "V", "K", "Sec-WebSocket-Extensions: bar; baz=2"], Ok(Upgrade)),
        (GET, &["U", "C", "V", "K", "Sec-WebSocket-Extensions: foo, bar; baz=2"], Ok(Upgrade)),
        (
            GET,
            &[
                "Sec-WebSocket-Extensions: a; b=\"c\"",
                "U",
                "C",
                "V",
                "K",
                "sec-websocket-extensions: d",
            ],
            Ok(Upgrade),
        ),
        (
            GET,
            &["U", "C", "V", "K", "Sec-WebSocket-Extensions: constructor; __proto__; toString=1"],
            Ok(Upgrade),
        ),
        (GET, &["U", "C", "V", "K", "Sec-WebSocket-Extensions:"], Err((400, InvalidExtensions))),
        (GET, &["U", "C", "V", "K", "Sec-WebSocket-Extensions: a;"], Err((400, InvalidExtensions))),
        (
            GET,
            &["U", "C", "V", "K", "Sec-WebSocket-Extensions: a; b="],
            Err((400, InvalidExtensions)),
        ),
        (
            GET,
            &["U", "C", "V", "K", "Sec-WebSocket-Extensions: a; b=\"c"],
            Err((400, InvalidExtensions)),
        ),
        (
            GET,
            &["U", "C", "V", "K", "Sec-WebSocket-Extensions: a; b=\"c d\""],
            Err((400, InvalidExtensions)),
        ),
        (
            GET,
            &["U", "C", "V", "K", "Sec-WebSocket-Extensions: a b"],
            Err((400, InvalidExtensions)),
        ),
        // Fields that do not affect the upgrade.
        (GET, &["U", "C", "V", "K", "Sec-WebSocket-Origin: http://a"], Ok(Upgrade)),
        (GET, &["U", "C", "V", "K", "Sec-WebSocket-Accept: x"], Ok(Upgrade)),
        (GET, &["U", "C", "V", "K", "Cookie: a=b; c=\"d\"", "Cookie: e"], Ok(Upgrade)),
        (GET, &["U", "C", "V", "K", "Authorization: Basic YTpi"], Ok(Upgrade)),
        (GET, &["U", "C", "V", "K", "Expect: 100-continue"], Ok(Upgrade)),
        // A draft of 2010 (hixie-76), without a version.
        (
            "GET /demo HTTP/1.1",
            &[
                "U",
                "C",
                "Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5",
                "Sec-WebSocket-Key2: 12998 5 Y3 1  .P00",
                "Origin: http://example.com",
            ],
            Err((426, UnsupportedVersion)),
        ),
    ]
};

#[test]
fn recognizes_upgrades_plain_http_and_violations() {
    for (line, fields, expected) in UPGRADES {
        let mut head = format!("{line}\r\nHost: example.com\r\n");
        for field in *fields {
            match *field {
                "U" => head.push_str(UPGRADE),
                "C" => head.push_str(CONNECTION),
                "V" => head.push_str(VERSION),
                "K" => head.push_str(KEY),
                field => head.extend([field, "\r\n"]),
            }
        }
        head.push_str("\r\n");
        check(&head, *expected, HeadLimits::DEFAULT);
    }
}

#[test]
fn limits_are_inclusive() {
    let limits = HeadLimits::DEFAULT
        .with_max_head(200)
        .with_max_field_line(30)
        .with_max_fields(4)
        .with_max_target(8);
    let a = |count| "a".repeat(count);
    // The target: 8 bytes are accepted, a ninth is rejected.
    let head = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
    check(&head("/aaaaaaa"), Ok(RequestOutcome::Http), limits);
    check(&head("/aaaaaaaa¦"), Err((414, TargetTooLong)), limits);
    check(&head("/aaaaaaaa¦aaaaaaaaaa"), Err((414, TargetTooLong)), limits);
    // A field line: 30 bytes including its CRLF. A longer one is rejected at the byte that reaches the limit
    // without ending the line.
    let head = |field: &str| format!("GET / HTTP/1.1\r\nHost: h\r\n{field}\r\n\r\n");
    check(&head(&format!("a: {}", a(25))), Ok(RequestOutcome::Http), limits);
    check(&head(&format!("{}: a", a(25))), Ok(RequestOutcome::Http), limits);
    check(&head(&format!("a: {}\r¦", a(26))), Err((431, FieldLineTooLong)), limits);
    check(&head(&format!("a: {}¦a", a(27))), Err((431, FieldLineTooLong)), limits);
    check(&head(&format!("{}¦a: a", a(30))), Err((431, FieldLineTooLong)), limits);
    // The number of field lines: four.
    check(&head("a: 1\r\nb: 2\r\nc: 3"), Ok(RequestOutcome::Http), limits);
    check(&head("a: 1\r\nb: 2\r\nc: 3\r\nd¦: 4"), Err((431, TooManyFields)), limits);
    check(&head("a: 1\r\nb: 2\r\nc: 3\r\n ¦"), Err((431, TooManyFields)), limits);
    // The whole head: 100 bytes.
    let limits = HeadLimits::DEFAULT.with_max_head(100);
    let head = |length| {
        let start = "GET / HTTP/1.1\r\nHost: h\r\nA: ";
        format!("{start}{}\r\n\r\n", a(length - start.len() - 4))
    };
    check(&head(100), Ok(RequestOutcome::Http), limits);
    let (mut too_long, end) = (head(101), 100);
    too_long.insert(end, '¦');
    check(&too_long, Err((431, HeadTooLong)), limits);
    check(&format!("{}¦", a(100)), Err((431, HeadTooLong)), limits);
    check(&format!("GET /{}¦", a(95)), Err((431, HeadTooLong)), limits);
    check(&a(99), Ok(RequestOutcome::Incomplete), limits);
    check("", Ok(RequestOutcome::Incomplete), limits);
}
