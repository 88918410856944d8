//! Tables of valid and invalid response heads.

use websocket_proto::handshake::HandshakeError::{self, *};
use websocket_proto::handshake::{ClientRequest, HeadLimits, ResponseParser};

use crate::request_heads::unmark;
use crate::support::{ResponseOutcome, check_response};

#[track_caller]
fn check(head: &str, expected: Result<ResponseOutcome, HandshakeError>, limits: HeadLimits) {
    let (bytes, at) = unmark(head);
    let expected = expected.unwrap_or_else(|error| ResponseOutcome::Failed(error, at));
    let request = ClientRequest::to("example.com", "/").with_subprotocols(&["chat", "superchat"]);
    let name = head.escape_debug().to_string();
    check_response(&name, &request, &bytes, expected, limits);
}

/// Status lines, followed by one field.
const STATUS_LINES: &[(&str, Result<ResponseOutcome, HandshakeError>)] = {
    use ResponseOutcome::Rejected;
    &[
        ("HTTP/1.1 200 OK", Ok(Rejected(200))),
        ("HTTP/1.0 404 Not Found", Ok(Rejected(404))),
        ("HTTP/1.1 404 ", Ok(Rejected(404))),
        ("HTTP/1.1 302  two\tspaces ", Ok(Rejected(302))),
        ("HTTP/1.1 500 \u{fc}bel", Ok(Rejected(500))),
        ("HTTP/1.7 599 x", Ok(Rejected(599))),
        ("HTTP/1.1 999 Go away", Ok(Rejected(999))),
        ("HTTP/1.1 301 Moved Permanently", Ok(Rejected(301))),
        ("HTTP/1.1 401 Unauthorized", Ok(Rejected(401))),
        ("HTTP/1.1 407 Proxy Authentication Required", Ok(Rejected(407))),
        ("HTTP/1.1 426 Upgrade Required", Ok(Rejected(426))),
        ("HTTP/1.1 204 No Content", Ok(Rejected(204))),
        ("HTTP/2¦ 200 OK", Err(UnsupportedHttpVersion)),
        ("HTTP/0¦.9 200 OK", Err(UnsupportedHttpVersion)),
        ("\r¦\nHTTP/1.1 200 OK", Err(InvalidHttpVersion)),
        ("h¦ttp/1.1 200 OK", Err(InvalidHttpVersion)),
        ("S¦SH-2.0-OpenSSH_9.2", Err(InvalidHttpVersion)),
        (" ¦HTTP/1.1 200 OK", Err(InvalidHttpVersion)),
        ("\x16¦\x03\x01", Err(InvalidHttpVersion)),
        ("HTTP/1.a¦ 200 OK", Err(InvalidHttpVersion)),
        ("HTTP/1.1\t¦200 OK", Err(InvalidHttpVersion)),
        ("HTTP/1.11¦ 200 OK", Err(InvalidHttpVersion)),
        ("HTTP/1.1  ¦200 OK", Err(InvalidStatusLine)),
        ("HTTP/1.1 0¦99 x", Err(InvalidStatusLine)),
        ("HTTP/1.1 20 ¦OK", Err(InvalidStatusLine)),
        ("HTTP/1.1 2000¦ OK", Err(InvalidStatusLine)),
        ("HTTP/1.1 2x¦0 OK", Err(InvalidStatusLine)),
        ("HTTP/1.1 -¦20 OK", Err(InvalidStatusLine)),
        // A status line without a reason phrase may lack the space before it.
        ("HTTP/1.1 200", Ok(Rejected(200))),
        ("HTTP/1.1 200\rx¦", Err(LoneCr)),
        ("HTTP/1.1 200\n¦", Err(BareLf)),
        ("HTTP/1.1 20\r¦\n", Err(InvalidStatusLine)),
        ("HTTP/1.1 200\t¦OK", Err(InvalidStatusLine)),
        ("HTTP/1.1 200 O\0¦K", Err(InvalidStatusLine)),
        ("HTTP/1.1 200 O\x7f¦K", Err(InvalidStatusLine)),
        ("HTTP/1.1 200 OK\n¦", Err(BareLf)),
        ("HTTP/1.1 200 OK\rx¦", Err(LoneCr)),
    ]
};

#[test]
fn parses_or_rejects_status_lines() {
    for (line, expected) in STATUS_LINES {
        check(&format!("{line}\r\nServer: x\r\n\r\n"), *expected, HeadLimits::DEFAULT);
    }
}

/// One invalid field line for each rule. Requests and responses share the grammar.
const FIELD_LINES: &[(&str, HandshakeError)] = &[
    ("A: b\n¦", BareLf),
    ("A: b\rc¦", LoneCr),
    ("A: b\r\n ¦c", FoldedLine),
    ("A ¦: b\r\n", SpaceBeforeColon),
    (":¦ b\r\n", EmptyFieldName),
    ("A(¦: b\r\n", InvalidFieldName),
    ("A: \0¦\r\n", InvalidFieldValue),
];

#[test]
fn rejects_invalid_field_lines() {
    for status in ["101 Switching Protocols", "200 OK"] {
        for (lines, error) in FIELD_LINES {
            let head = format!("HTTP/1.1 {status}\r\n{lines}\r\n");
            check(&head, Err(*error), HeadLimits::DEFAULT);
        }
    }
}

/// The fields of a 101 response. `U`, `C` and `A` abbreviate the required ones.
const ANSWERS: &[(&[&str], Result<ResponseOutcome, HandshakeError>)] = {
    use ResponseOutcome::Accepted;
    &[
        (&["U", "C", "A"], Ok(Accepted)),
        (&["A", "C", "U"], Ok(Accepted)),
        (&["Upgrade: WebSocket", "C", "A"], Ok(Accepted)),
        (&["upgrade:WEBSOCKET", "C", "A"], Ok(Accepted)),
        // RFC 6455, section 4.1: the value of Upgrade is exactly `websocket`.
        (&["Upgrade: h2c, websocket", "C", "A"], Err(InvalidUpgrade)),
        (&["Upgrade: websocket, h2c", "C", "A"], Err(InvalidUpgrade)),
        (&["Upgrade: websocket,", "C", "A"], Err(InvalidUpgrade)),
        (&["U", "U", "C", "A"], Err(InvalidUpgrade)),
        (&["Upgrade: foo", "U", "C", "A"], Err(InvalidUpgrade)),
        (&["Upgrade: \t websocket ", "C", "A"], Ok(Accepted)),
        (&["C", "A"], Err(InvalidUpgrade)),
        (&["Upgrade:", "C", "A"], Err(InvalidUpgrade)),
        (&["Upgrade: h2c", "C", "A"], Err(InvalidUpgrade)),
        (&["Upgrade: websockets", "C", "A"], Err(InvalidUpgrade)),
        (&["U", "Connection: keep-alive, upgrade", "A"], Ok(Accepted)),
        (&["U", "Connection: keep-alive", "connection: UPGRADE", "A"], Ok(Accepted)),
        (&["U", "A"], Err(MissingConnectionUpgrade)),
        (&["U", "Connection: close", "A"], Err(MissingConnectionUpgrade)),
        (&["U", "Connection: Upgrade!", "A"], Err(MissingConnectionUpgrade)),
        (&["U", "C", "SEC-WEBSOCKET-ACCEPT:\ts3pPLMBiTxaQ9kYGzzhZRbK+xOo= \t"], Ok(Accepted)),
        (&["U", "C"], Err(MissingAccept)),
        (&["U", "C", "A", "A"], Err(RepeatedAccept)),
        (&["U", "C", "Sec-WebSocket-Accept:"], Err(WrongAccept)),
        (&["U", "C", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo"], Err(WrongAccept)),
        (&["U", "C", "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo="], Err(WrongAccept)),
        (&["U", "C", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=="], Err(WrongAccept)),
        (&["U", "C", "Sec-WebSocket-Accept: HSmrc0sMlYUkAGmm5OPpG2HaGWk="], Err(WrongAccept)),
        (&["U", "C", "Sec-WebSocket-Accept: \u{1f600}\u{1f600}=%%%%"], Err(WrongAccept)),
        (&["U", "C", "Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ=="], Err(WrongAccept)),
        (&["U", "C", "A", "Sec-WebSocket-Protocol: chat"], Ok(Accepted)),
        (&["U", "C", "A", "Sec-WebSocket-Protocol: superchat"], Ok(Accepted)),
        (&["U", "C", "A", "Sec-WebSocket-Protocol: Chat"], Err(UnrequestedSubprotocol)),
        (&["U", "C", "A", "Sec-WebSocket-Protocol: other"], Err(UnrequestedSubprotocol)),
        (&["U", "C", "A", "Sec-WebSocket-Protocol: chat, superchat"], Err(UnrequestedSubprotocol)),
        (&["U", "C", "A", "Sec-WebSocket-Protocol: chat,superchat"], Err(UnrequestedSubprotocol)),
        (&["U", "C", "A", "Sec-WebSocket-Protocol:"], Err(UnrequestedSubprotocol)),
        (
            &["U", "C", "A", "Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: chat"],
            Err(RepeatedSubprotocol),
        ),
        // The request offers no extension.
        (&["U", "C", "A", "Sec-WebSocket-Extensions: foo"], Err(UnrequestedExtension)),
        (
            &["U", "C", "A", "Sec-WebSocket-Extensions: bar; baz=1, foo; x=\"y\""],
            Err(UnrequestedExtension),
        ),
        (
            &["Sec-WebSocket-Extensions: foo", "U", "C", "A", "Sec-WebSocket-Extensions: bar"],
            Err(UnrequestedExtension),
        ),
        (&["U", "C", "A", "Sec-WebSocket-Extensions: baz"], Err(UnrequestedExtension)),
        (&["U", "C", "A", "Sec-WebSocket-Extensions: foo, foo"], Err(UnrequestedExtension)),
        (
            &["U", "C", "A", "Sec-WebSocket-Extensions: foo", "Sec-WebSocket-Extensions: foo"],
            Err(UnrequestedExtension),
        ),
        (&["U", "C", "A", "Sec-WebSocket-Extensions: foo;"], Err(UnrequestedExtension)),
        (&["U", "C", "A", "Sec-WebSocket-Extensions:"], Err(UnrequestedExtension)),
        (&["U", "C", "A", "Sec-WebSocket-Extensions: foo; a=\""], Err(UnrequestedExtension)),
        // Fields of old drafts, and fields that do not affect the handshake.
        (
            &[
                "U",
                "C",
                "A",
                "Sec-WebSocket-Origin: http://example.com",
                "Sec-WebSocket-Location: ws://example.com/",
            ],
            Ok(Accepted),
        ),
        (&["U", "C", "A", "Set-Cookie: a=b", "Server: x", "Date: y", "Via: 1.1 z"], Ok(Accepted)),
        (&["U", "C", "A", "Sec-WebSocket-Version: 13"], Ok(Accepted)),
        (&["U", "C", "A", "Content-Length: 0"], Ok(Accepted)),
    ]
};

/// The head of a 101 response with these fields.
fn answer(fields: &[&str]) -> String {
    let lines: String = fields
        .iter()
        .map(|field| match *field {
            "U" => "Upgrade: websocket\r\n".into(),
            "C" => "Connection: Upgrade\r\n".into(),
            "A" => "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n".into(),
            field => format!("{field}\r\n"),
        })
        .collect();
    format!("HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n")
}

#[test]
fn client_verifies_the_fields_of_a_101() {
    for (fields, expected) in ANSWERS {
        let head = answer(fields);
        check(&head, *expected, HeadLimits::DEFAULT);
        // HTTP/1.0 defines no 101.
        let old = head.replacen("HTTP/1.1", "HTTP/1.0", 1);
        check(&old, Err(UnsupportedHttpVersion), HeadLimits::DEFAULT);
    }
}

// RFC 9112, section 4: the reason phrase may be absent; many servers omit the space before it as well.
#[test]
fn accepts_101_without_reason_phrase() {
    for line in ["HTTP/1.1 101", "HTTP/1.1 101 "] {
        let head = answer(&["U", "C", "A"]);
        let head = head.replacen("HTTP/1.1 101 Switching Protocols", line, 1);
        check(&head, Ok(ResponseOutcome::Accepted), HeadLimits::DEFAULT);
        let mut parser = ResponseParser::new(HeadLimits::DEFAULT);
        let response = parser.parse(head.as_bytes()).unwrap().unwrap();
        assert_eq!((response.status(), response.reason()), (101, &b""[..]), "{line}");
    }
}

#[test]
fn limits_are_inclusive() {
    let limits = HeadLimits::DEFAULT.with_max_head(60).with_max_field_line(20).with_max_fields(2);
    let head = |rest: &str| format!("HTTP/1.1 200 OK\r\n{rest}\r\n");
    check(&head("A: 1\r\nB: 2\r\n"), Ok(ResponseOutcome::Rejected(200)), limits);
    check(&head("A: 1\r\nB: 2\r\nC¦: 3\r\n"), Err(TooManyFields), limits);
    check(&head("A: 345678901234567\r\n"), Ok(ResponseOutcome::Rejected(200)), limits);
    check(&head("A: 3456789012345678\r¦\n"), Err(FieldLineTooLong), limits);
    check(&format!("HTTP/1.1 200 {}¦", "x".repeat(47)), Err(HeadTooLong), limits);
    check(&format!("HTTP/1.1 200 {}", "x".repeat(46)), Ok(ResponseOutcome::Incomplete), limits);
}
