//! Extended CONNECT (RFC 8441) over lists of fields.

use websocket_proto::handshake::HandshakeError::{self, *};
use websocket_proto::handshake::{
    Acceptance, ClientRequest, ExtendedConnect, Field, InvalidHead, OriginPolicy, Uri,
};

/// The request of the example in RFC 8441, section 5.1.
const REQUEST: [(&str, &str); 8] = [
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "https"),
    (":path", "/chat"),
    (":authority", "server.example.com"),
    ("sec-websocket-protocol", "chat, superchat"),
    ("sec-websocket-extensions", "permessage-deflate"),
    ("sec-websocket-version", "13"),
];

fn list<'a>(fields: &[(&'a str, &'a str)]) -> Vec<Field<'a>> {
    fields.iter().map(|(name, value)| Field::new(name, *value)).collect()
}

fn replaced<'a>(name: &str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    REQUEST.map(|(n, v)| if n == name { (n, value) } else { (n, v) }).to_vec()
}

fn without(name: &str) -> Vec<(&'static str, &'static str)> {
    REQUEST.into_iter().filter(|(n, _)| *n != name).collect()
}

fn with<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    [&REQUEST[..], &[(name, value)]].concat()
}

/// Asserts the authority of a valid request, or the error of an invalid one.
#[track_caller]
fn check(fields: &[(&str, &str)], expected: Result<&str, HandshakeError>) {
    let list = list(fields);
    let outcome = ExtendedConnect::parse(&list, &OriginPolicy::any());
    let outcome = outcome.map(|connect| connect.expect("it has :protocol").authority().to_owned());
    assert_eq!(outcome, expected.map(String::from), "{fields:?}");
}

#[test]
fn both_roles_handle_the_example_of_rfc_8441() {
    let fields = [Field::new("origin", "http://www.example.com")];
    let request = ClientRequest::new(&Uri::parse("wss://server.example.com/chat").unwrap())
        .with_subprotocols(&["chat", "superchat"])
        .with_fields(&fields);
    let mut buffer = [0; 64];
    let sent: Vec<Field<'_>> = request.extended_connect(&mut buffer).unwrap().collect();
    let mut expected = list(&without("sec-websocket-extensions"));
    expected.push(fields[0]);
    let mut sorted = [sent.clone(), expected.clone()];
    sorted.iter_mut().for_each(|list| list.sort_by_key(|field| field.name().to_owned()));
    assert_eq!(sorted[0], sorted[1]);

    let connect = ExtendedConnect::parse(&sent, &OriginPolicy::any()).unwrap().unwrap();
    assert_eq!((connect.path(), connect.query()), ("/chat", None));
    assert_eq!(connect.subprotocols().collect::<Vec<_>>(), ["chat", "superchat"]);

    let acceptance = Acceptance::new().with_subprotocol("chat");
    let response: Vec<Field<'_>> = connect.accept(&acceptance).unwrap().collect();
    assert_eq!(response, list(&[(":status", "200"), ("sec-websocket-protocol", "chat")]));
    let negotiated = request.verify_extended_connect(&response).unwrap().unwrap();
    assert_eq!(negotiated.subprotocol(), Some("chat"));
}

#[test]
fn origin_policy_applies_to_extended_connect() {
    for (origin, policy, expected) in [
        ("https://server.example.com", OriginPolicy::same(), Ok(true)),
        ("http://www.example.com", OriginPolicy::same(), Err(ForbiddenOrigin)),
        ("null", OriginPolicy::same(), Err(ForbiddenOrigin)),
        ("http://www.example.com", OriginPolicy::any(), Ok(true)),
        ("https://server.example.com", OriginPolicy::none(), Err(ForbiddenOrigin)),
    ] {
        let fields = list(&with("origin", origin));
        let outcome = ExtendedConnect::parse(&fields, &policy).map(|connect| connect.is_some());
        assert_eq!(outcome, expected, "{origin}");
    }
    // Without `:authority`, `Host` is the authority.
    let fields = [without(":authority"), vec![("host", "a"), ("origin", "https://a")]].concat();
    let fields = list(&fields);
    assert!(ExtendedConnect::parse(&fields, &OriginPolicy::same()).unwrap().is_some());
}

#[test]
fn client_writes_only_valid_requests() {
    let uri = Uri::parse("ws://[::1]:9001?a=b").unwrap();
    let request = ClientRequest::new(&uri);
    let mut buffer = [0; 8];
    let sent = request.extended_connect(&mut buffer).unwrap();
    let sent: Vec<_> = sent.map(|field| format!("{field:?}")).collect();
    assert_eq!(
        sent,
        [
            ":method: CONNECT",
            ":protocol: websocket",
            ":scheme: http",
            ":path: /?a=b",
            ":authority: [::1]:9001",
            "sec-websocket-version: 13",
        ]
    );
    for (request, scheme) in [
        (ClientRequest::to("a", "/"), ":scheme: http"),
        (ClientRequest::to("a", "/").with_https(), ":scheme: https"),
        (ClientRequest::new(&Uri::parse("wss://a/").unwrap()), ":scheme: https"),
    ] {
        let mut sent = request.extended_connect(&mut buffer).unwrap();
        assert!(sent.any(|field| format!("{field:?}") == scheme), "{request:?}");
    }
    let upper = [Field::new("Origin", "a")];
    let te = [Field::new("te", "gzip")];
    let crlf = [Field::new("origin", "a\r\nb")];
    let padded = [Field::new("origin", " a")];
    let pseudo = [Field::new(":path", "/")];
    let host = [Field::new("host", "a")];
    for (request, error) in [
        (request.with_fields(&upper), InvalidHead::FieldName),
        (request.with_fields(&te), InvalidHead::ReservedField),
        (request.with_fields(&crlf), InvalidHead::FieldValue),
        (request.with_fields(&padded), InvalidHead::FieldValue),
        (request.with_fields(&pseudo), InvalidHead::FieldName),
        (request.with_fields(&host), InvalidHead::ReservedField),
        (request.with_subprotocols(&["a b"]), InvalidHead::Subprotocol),
        (request.with_subprotocols(&["a-long-subprotocol"]), InvalidHead::BufferTooSmall),
        (ClientRequest::to("a", "x"), InvalidHead::Target),
        (ClientRequest::to("a b", "/"), InvalidHead::Host),
        (ClientRequest::to("a", "/a b"), InvalidHead::Target),
    ] {
        let rejected = request.extended_connect(&mut [0; 16]).map(|_| ());
        assert_eq!(rejected, Err(error), "{request:?}");
    }
}

#[test]
fn server_rejects_requests_that_break_a_rule() {
    for (fields, error) in [
        (replaced(":method", "GET"), MalformedFields),
        (replaced(":scheme", "wss"), MalformedFields),
        (replaced(":protocol", "connect-udp"), UnsupportedProtocol),
        (replaced(":path", "chat"), InvalidTarget),
        (replaced(":path", ""), InvalidTarget),
        (replaced(":path", "/a b"), InvalidTarget),
        (replaced(":authority", "a b"), InvalidHost),
        (replaced(":authority", ""), InvalidHost),
        (replaced("sec-websocket-version", "8"), UnsupportedVersion),
        (replaced("sec-websocket-protocol", "a b"), InvalidSubprotocols),
        (replaced("sec-websocket-extensions", "a;"), InvalidExtensions),
        (without(":method"), MalformedFields),
        (without(":scheme"), MalformedFields),
        (without(":path"), MalformedFields),
        (without(":authority"), MalformedFields),
        (without("sec-websocket-version"), UnsupportedVersion),
        (with("sec-websocket-version", "13"), RepeatedVersion),
        (with(":path", "/"), MalformedFields),
        (with(":status", "200"), MalformedFields),
        (with("Origin", "a"), MalformedFields),
        (with("connection", "upgrade"), MalformedFields),
        (with("upgrade", "websocket"), MalformedFields),
        (with("transfer-encoding", "chunked"), MalformedFields),
        (with("te", "gzip"), MalformedFields),
        (with("a b", "c"), MalformedFields),
        (with("", "c"), MalformedFields),
        (with("a", "b\r\nc"), MalformedFields),
        (with("a", "b\0"), MalformedFields),
        ([&[(":path", "/")], &REQUEST[..]].concat(), MalformedFields),
        ([&[(":status", "200")], &REQUEST[..]].concat(), MalformedFields),
        ([&[(":unknown", "x")], &REQUEST[..]].concat(), MalformedFields),
        ([&[("a", "b")], &REQUEST[..]].concat(), MalformedFields),
        ([&REQUEST[..], &[("origin", "a"), ("origin", "b")]].concat(), RepeatedOrigin),
    ] {
        check(&fields, Err(error));
    }
    for (name, value) in
        [("sec-websocket-key", "x"), ("te", "trailers"), ("cookie", "a=b"), ("x", "\u{fc}")]
    {
        check(&with(name, value), Ok("server.example.com"));
    }
}

// RFC 9113, section 8.2.1.
#[test]
fn server_rejects_values_with_surrounding_whitespace() {
    for (name, value) in REQUEST.into_iter().chain([("x", "a")]) {
        for padded in
            [format!(" {value}"), format!("{value} "), format!("\t{value}"), format!("{value}\t")]
        {
            let fields = if name == "x" { with("x", &padded) } else { replaced(name, &padded) };
            check(&fields, Err(MalformedFields));
        }
    }
    // An empty value has no surrounding whitespace.
    check(&with("x", ""), Ok("server.example.com"));
}

// RFC 9113, section 8.3.1.
#[test]
fn host_must_match_authority_and_may_replace_it() {
    for (host, expected) in [
        ("server.example.com", Ok("server.example.com")),
        ("SERVER.example.com", Ok("server.example.com")),
        ("server.example.com:443", Ok("server.example.com")),
        ("server.example.com:80", Err(MalformedFields)),
        ("other.example.com", Err(MalformedFields)),
        ("", Err(MalformedFields)),
    ] {
        check(&with("host", host), expected);
    }
    let alone = |host| [without(":authority"), vec![("host", host)]].concat();
    check(&alone("other.example.com:81"), Ok("other.example.com:81"));
    check(&alone("%2Ftmp%2Fapp.sock"), Ok("%2Ftmp%2Fapp.sock"));
    check(&alone("a b"), Err(InvalidHost));
    check(&alone(""), Err(InvalidHost));
    check(&[alone("a"), vec![("host", "a")]].concat(), Err(RepeatedHost));
}

#[test]
fn other_requests_are_not_extended_connect() {
    for fields in [without(":protocol"), vec![(":method", "GET"), (":path", " /")], vec![]] {
        let fields = list(&fields);
        assert!(ExtendedConnect::parse(&fields, &OriginPolicy::none()).unwrap().is_none());
    }
}

#[test]
fn rejections_use_statuses_valid_in_http_2() {
    for (error, rejection) in [
        (UnsupportedProtocol, vec![(":status", "501")]),
        (UnsupportedVersion, vec![(":status", "400"), ("sec-websocket-version", "13")]),
        (ForbiddenOrigin, vec![(":status", "403")]),
        (InvalidTarget, vec![(":status", "400")]),
    ] {
        assert_eq!(ExtendedConnect::reject(error).collect::<Vec<_>>(), list(&rejection));
    }
}

#[test]
fn server_writes_only_valid_responses() {
    let fields = list(&REQUEST);
    let connect = ExtendedConnect::parse(&fields, &OriginPolicy::same()).unwrap().unwrap();
    let upper = [Field::new("Set-Cookie", "a")];
    let reserved = [Field::new("sec-websocket-accept", "a")];
    let extensions = [Field::new("sec-websocket-extensions", "permessage-deflate")];
    let crlf = [Field::new("set-cookie", "a\nb")];
    let padded = [Field::new("set-cookie", "a ")];
    for (acceptance, error) in [
        (Acceptance::new().with_subprotocol("soap"), InvalidHead::Subprotocol),
        (Acceptance::new().with_fields(&upper), InvalidHead::FieldName),
        (Acceptance::new().with_fields(&reserved), InvalidHead::ReservedField),
        (Acceptance::new().with_fields(&extensions), InvalidHead::ReservedField),
        (Acceptance::new().with_fields(&crlf), InvalidHead::FieldValue),
        (Acceptance::new().with_fields(&padded), InvalidHead::FieldValue),
    ] {
        assert_eq!(connect.accept(&acceptance).map(|_| ()).unwrap_err(), error);
    }
}

#[test]
fn client_verifies_responses() {
    let request = ClientRequest::to("example.com", "/").with_subprotocols(&["chat"]);
    let status = (":status", "200");
    for (fields, expected) in [
        (vec![status], Ok(true)),
        (vec![(":status", "204")], Ok(true)),
        (vec![(":status", "299"), ("sec-websocket-protocol", "chat")], Ok(true)),
        (vec![(":status", "404")], Ok(false)),
        (vec![(":status", "103"), ("link", "a")], Ok(false)),
        (vec![(":status", "302"), ("location", "/")], Ok(false)),
        (vec![(":status", "101")], Err(MalformedFields)),
        (vec![(":status", "20")], Err(MalformedFields)),
        (vec![(":status", "2000")], Err(MalformedFields)),
        (vec![(":status", "099")], Err(MalformedFields)),
        (vec![], Err(MalformedFields)),
        (vec![status, status], Err(MalformedFields)),
        (vec![status, (":path", "/")], Err(MalformedFields)),
        (vec![status, ("connection", "upgrade")], Err(MalformedFields)),
        (vec![status, ("X", "a")], Err(MalformedFields)),
        // RFC 9113, section 8.2.1: no whitespace around values.
        (vec![(":status", " 200")], Err(MalformedFields)),
        (vec![status, ("x", "a ")], Err(MalformedFields)),
        (vec![status, ("sec-websocket-protocol", "\tchat")], Err(MalformedFields)),
        (vec![status, ("sec-websocket-protocol", "soap")], Err(UnrequestedSubprotocol)),
        (
            vec![status, ("sec-websocket-protocol", "chat"), ("sec-websocket-protocol", "chat")],
            Err(RepeatedSubprotocol),
        ),
        (vec![status, ("sec-websocket-extensions", "foo")], Err(UnrequestedExtension)),
        (vec![status, ("sec-websocket-extensions", "")], Err(UnrequestedExtension)),
    ] {
        let fields = list(&fields);
        let outcome =
            request.verify_extended_connect(&fields).map(|negotiated| negotiated.is_some());
        assert_eq!(outcome, expected, "{fields:?}");
    }
}
