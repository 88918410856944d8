//! Extended CONNECT between lists of fields.

use websocket_proto::Negotiated;
use websocket_proto::handshake::HandshakeError::{self, *};
use websocket_proto::handshake::{
    Acceptance, ClientRequest, ConnectProtocol, ExtendedConnect, Field, HeadError, OriginPolicy,
    Uri,
};

/// The request of RFC 8441, section 5.1.
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

fn enabled() -> ConnectProtocol {
    let mut settings = ConnectProtocol::default();
    settings.receive(1).unwrap();
    settings
}

#[test]
fn the_example_of_rfc_8441() {
    let fields = [Field::new("origin", "http://www.example.com")];
    let request = ClientRequest::new(&Uri::parse("wss://server.example.com/chat").unwrap())
        .subprotocols(&["chat", "superchat"])
        .extensions("permessage-deflate")
        .fields(&fields);
    let mut buffer = [0; 64];
    let sent: Vec<Field<'_>> = request.extended_connect(enabled(), &mut buffer).unwrap().collect();
    let mut expected = list(&REQUEST);
    expected.push(fields[0]);
    let mut sorted = [sent.clone(), expected.clone()];
    sorted.iter_mut().for_each(|list| list.sort_by_key(|field| field.name().to_owned()));
    assert_eq!(sorted[0], sorted[1]);

    let connect = ExtendedConnect::parse(&sent).unwrap().unwrap();
    assert_eq!((connect.path(), connect.query()), ("/chat", None));
    assert_eq!(connect.subprotocols().collect::<Vec<_>>(), ["chat", "superchat"]);
    assert_eq!(connect.extensions().next().unwrap().name(), "permessage-deflate");
    let origin = connect.field("origin");
    assert!(!OriginPolicy::same().allows_origin(origin, connect.authority()));

    let acceptance = Acceptance::new().subprotocol("chat");
    let response: Vec<Field<'_>> = connect.accept(&acceptance).unwrap().collect();
    assert_eq!(response, list(&[(":status", "200"), ("sec-websocket-protocol", "chat")]));
    assert_eq!(request.is_connect_accepted(&response), Ok(true));
    // Both sides have agreed on the same.
    let negotiated = Negotiated::from(&acceptance);
    assert_eq!(negotiated.subprotocol(), Some("chat"));
    assert_eq!(Negotiated::from_response(&response), negotiated);
}

#[test]
fn requests_of_clients() {
    let uri = Uri::parse("ws://[::1]:9001?a=b").unwrap();
    let request = ClientRequest::new(&uri);
    let sent: Vec<_> = request
        .extended_connect(enabled(), &mut [0; 8])
        .unwrap()
        .collect::<Vec<_>>()
        .iter()
        .map(|field| format!("{field:?}"))
        .collect();
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
    let upper = [Field::new("Origin", "a")];
    let te = [Field::new("te", "gzip")];
    let crlf = [Field::new("origin", "a\r\nb")];
    let pseudo = [Field::new(":path", "/")];
    for (request, error) in [
        (request.fields(&upper), HeadError::FieldName),
        (request.fields(&te), HeadError::ReservedField),
        (request.fields(&crlf), HeadError::FieldValue),
        (request.fields(&pseudo), HeadError::FieldName),
        (request.subprotocols(&["a b"]), HeadError::Subprotocol),
        (request.subprotocols(&["a-long-subprotocol"]), HeadError::BufferFull),
        (ClientRequest::to("a", "x"), HeadError::Target),
        (ClientRequest::to("a b", "/"), HeadError::Host),
        (ClientRequest::to("a", "/a b"), HeadError::Target),
    ] {
        let refused = request.extended_connect(enabled(), &mut [0; 16]).map(|_| ());
        assert_eq!(refused, Err(error), "{request:?}");
    }
}

#[test]
fn the_rule_of_the_setting() {
    let request = ClientRequest::to("example.com", "/");
    let mut settings = ConnectProtocol::default();
    let refused = request.extended_connect(settings, &mut [0; 8]).map(|_| ()).unwrap_err();
    assert_eq!(refused, HeadError::NotEnabled);
    assert_eq!(settings.receive(0), Ok(()));
    assert_eq!(settings.receive(2), Err(InvalidSetting));
    assert!(!settings.is_enabled());
    assert_eq!(settings.receive(1), Ok(()));
    assert_eq!(settings.receive(1), Ok(()));
    assert_eq!(settings.receive(0), Err(InvalidSetting));
    assert_eq!(settings.receive(u64::MAX), Err(InvalidSetting));
    assert!(settings.is_enabled());
    assert_eq!(ConnectProtocol::SETTING, 8);
}

#[test]
fn requests_that_servers_refuse() {
    let replaced = |name: &str, value: &'static str| {
        let fields = REQUEST.map(|(n, v)| if n == name { (n, value) } else { (n, v) });
        fields.to_vec()
    };
    let without = |name: &str| {
        let fields = REQUEST.into_iter().filter(|(n, _)| *n != name);
        fields.collect::<Vec<_>>()
    };
    let with = |name: &'static str, value: &'static str| [&REQUEST[..], &[(name, value)]].concat();
    let cases: Vec<(Vec<(&str, &str)>, HandshakeError)> = vec![
        (replaced(":method", "GET"), MalformedRequest),
        (replaced(":scheme", "wss"), MalformedRequest),
        (replaced(":protocol", "connect-udp"), UnsupportedProtocol),
        (replaced(":path", "chat"), InvalidTarget),
        (replaced(":path", ""), InvalidTarget),
        (replaced(":path", "/a b"), InvalidTarget),
        (replaced(":authority", "a b"), InvalidHost),
        (replaced(":authority", ""), InvalidHost),
        (replaced("sec-websocket-version", "8"), UnsupportedVersion),
        (replaced("sec-websocket-protocol", "a b"), InvalidSubprotocols),
        (replaced("sec-websocket-extensions", "a;"), InvalidExtensions),
        (without(":method"), MalformedRequest),
        (without(":scheme"), MalformedRequest),
        (without(":path"), MalformedRequest),
        (without(":authority"), MalformedRequest),
        (without("sec-websocket-version"), UnsupportedVersion),
        (with("sec-websocket-version", "13"), RepeatedVersion),
        (with(":path", "/"), MalformedRequest),
        (with(":status", "200"), MalformedRequest),
        (with("Origin", "a"), MalformedRequest),
        (with("connection", "upgrade"), MalformedRequest),
        (with("upgrade", "websocket"), MalformedRequest),
        (with("transfer-encoding", "chunked"), MalformedRequest),
        (with("te", "gzip"), MalformedRequest),
        (with("a b", "c"), MalformedRequest),
        (with("", "c"), MalformedRequest),
        (with("a", "b\r\nc"), MalformedRequest),
        (with("a", "b\0"), MalformedRequest),
        ([&[(":path", "/")], &REQUEST[..]].concat(), MalformedRequest),
    ];
    for (fields, error) in cases {
        let fields = list(&fields);
        assert_eq!(ExtendedConnect::parse(&fields).unwrap_err(), error, "{fields:?}");
    }
    let mut two_origins = list(&REQUEST);
    two_origins.extend([Field::new("origin", "a"), Field::new("origin", "b")]);
    assert_eq!(ExtendedConnect::parse(&two_origins).unwrap_err(), RepeatedOrigin);
    // Neither a key nor what is unknown disturbs.
    for (name, value) in
        [("sec-websocket-key", "x"), ("te", "trailers"), ("cookie", "a=b"), ("x", "\u{fc}")]
    {
        let fields = list(&with(name, value));
        assert!(ExtendedConnect::parse(&fields).unwrap().is_some(), "{name}");
    }
    // An ordinary request is none of ours, even an ordinary CONNECT.
    let fields = list(&without(":protocol"));
    assert!(ExtendedConnect::parse(&fields).unwrap().is_none());

    for (error, refusal) in [
        (UnsupportedProtocol, vec![(":status", "501")]),
        (UnsupportedVersion, vec![(":status", "400"), ("sec-websocket-version", "13")]),
        (ForbiddenOrigin, vec![(":status", "403")]),
        (InvalidTarget, vec![(":status", "400")]),
    ] {
        assert_eq!(ExtendedConnect::refusal(error).collect::<Vec<_>>(), list(&refusal));
    }
}

#[test]
fn acceptances_that_cannot_be_sent() {
    let fields = list(&REQUEST);
    let connect = ExtendedConnect::parse(&fields).unwrap().unwrap();
    let upper = [Field::new("Set-Cookie", "a")];
    let reserved = [Field::new("sec-websocket-accept", "a")];
    let crlf = [Field::new("set-cookie", "a\nb")];
    for (acceptance, error) in [
        (Acceptance::new().subprotocol("soap"), HeadError::Subprotocol),
        (Acceptance::new().extensions("mux"), HeadError::Extensions),
        (Acceptance::new().fields(&upper), HeadError::FieldName),
        (Acceptance::new().fields(&reserved), HeadError::ReservedField),
        (Acceptance::new().fields(&crlf), HeadError::FieldValue),
    ] {
        assert_eq!(connect.accept(&acceptance).map(|_| ()).unwrap_err(), error);
    }
}

#[test]
fn responses() {
    let request = ClientRequest::to("example.com", "/").subprotocols(&["chat"]).extensions("foo");
    let status = (":status", "200");
    for (fields, expected) in [
        (vec![status], Ok(true)),
        (vec![(":status", "204")], Ok(true)),
        (vec![(":status", "299"), ("sec-websocket-protocol", "chat")], Ok(true)),
        (vec![status, ("sec-websocket-extensions", "foo; a")], Ok(true)),
        (vec![(":status", "404")], Ok(false)),
        (vec![(":status", "302"), ("location", "/")], Ok(false)),
        (vec![(":status", "101")], Err(InvalidStatusLine)),
        (vec![(":status", "20")], Err(InvalidStatusLine)),
        (vec![(":status", "2000")], Err(InvalidStatusLine)),
        (vec![], Err(InvalidStatusLine)),
        (vec![status, status], Err(InvalidStatusLine)),
        (vec![status, ("connection", "upgrade")], Err(InvalidStatusLine)),
        (vec![status, ("sec-websocket-protocol", "soap")], Err(UnrequestedSubprotocol)),
        (
            vec![status, ("sec-websocket-protocol", "chat"), ("sec-websocket-protocol", "chat")],
            Err(RepeatedSubprotocol),
        ),
        (vec![status, ("sec-websocket-extensions", "bar")], Err(UnrequestedExtension)),
        (vec![status, ("sec-websocket-extensions", "foo;")], Err(InvalidExtensions)),
    ] {
        assert_eq!(request.is_connect_accepted(&list(&fields)), expected, "{fields:?}");
    }
}
