//! The negotiation of permessage-deflate, in both roles and on every way in: the handshake machines,
//! HTTP/1.1 without them, Extended CONNECT, and the types of the crate `http`.

use proptest::prelude::*;
use websocket_proto::handshake::{
    AcceptError, Acceptance, ClientEvent, ClientHandshake, ClientRequest, ExtendedConnect, Field,
    Handshake, HandshakeError, HeadLimits, InvalidHead, OriginPolicy, RequestParser,
    ResponseParser, ServerEvent, ServerHandshake, Unaccepted, accept_key,
};
use websocket_proto::{
    Config, Connection, Deflate, DeflateParameters, Event, Input, Message, Negotiated, Output, Role,
};

pub(crate) use crate::nonce::NONCE;
use crate::nonce::sample_nonce;
pub(crate) use crate::support::written;
use crate::support::{receive, take_output};

pub(crate) const TAKEOVER: Deflate =
    Deflate::new().with_outgoing_context_takeover().with_incoming_context_takeover();
const BOTH_NO_TAKEOVER: &str =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
pub(crate) const EXTENSIONS: &str = "sec-websocket-extensions";

pub(crate) fn client_config(deflate: impl Into<Option<Deflate>>) -> Config {
    let config = match deflate.into() {
        Some(deflate) => Config::new().with_deflate(deflate),
        None => Config::new(),
    };
    config.with_entropy(sample_nonce)
}

/// A request whose `Sec-WebSocket-Extensions` have these values.
pub(crate) fn request(lists: &[&str]) -> String {
    let fields: String =
        lists.iter().map(|list| format!("Sec-WebSocket-Extensions: {list}\r\n")).collect();
    format!(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{fields}\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A response whose `Sec-WebSocket-Extensions` have these values.
pub(crate) fn response(lists: &[&str]) -> String {
    let fields: String =
        lists.iter().map(|list| format!("Sec-WebSocket-Extensions: {list}\r\n")).collect();
    let accept = accept_key(b"dGhlIHNhbXBsZSBub25jZQ==");
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{fields}\
        Sec-WebSocket-Accept: {}\r\n\r\n",
        str::from_utf8(&accept).unwrap()
    )
}

/// Returns the single `Sec-WebSocket-Extensions` of a response.
pub(crate) fn extensions_of(head: &[u8]) -> Option<String> {
    let response = ResponseParser::new(HeadLimits::DEFAULT).parse(head).unwrap().unwrap();
    assert_eq!(response.status(), 101);
    let mut lists = response.fields().values(EXTENSIONS);
    let list = lists.next().map(|list| str::from_utf8(list).unwrap().to_owned());
    assert_eq!(lists.next(), None);
    list
}

pub(crate) fn server_handshake(
    config: Config,
    lists: &[&str],
) -> Result<ServerHandshake, HandshakeError> {
    let mut handshake = ServerHandshake::new(config);
    let mut request = request(lists).into_bytes();
    match handshake.receive(&mut Input::with_bytes(&mut request)) {
        Some(ServerEvent::Upgrade) => Ok(handshake),
        Some(ServerEvent::Failed(error)) => Err(error),
        other => panic!("{other:?}"),
    }
}

/// Negotiates as a server on every way in. Returns the `Sec-WebSocket-Extensions` of the response, which
/// is the same on all of them.
#[track_caller]
fn serve(deflate: Deflate, lists: &[&str]) -> Result<Option<String>, HandshakeError> {
    let accepted = server_handshake(Config::new().with_deflate(deflate), lists).map(|handshake| {
        let mut connection = handshake.accept(&Acceptance::new()).unwrap();
        let list = extensions_of(&written(connection.output()));
        assert_eq!(list, connection.deflate_parameters().map(|agreed| agreed.to_string()));
        list
    });

    let head = request(lists);
    let request = RequestParser::new(HeadLimits::DEFAULT).parse(head.as_bytes()).unwrap().unwrap();
    let without_machine = request.upgrade(&OriginPolicy::same()).map(|upgrade| {
        let upgrade = upgrade.unwrap();
        let agreed = upgrade.accept_deflate(&deflate);
        let acceptance = Acceptance::new().with_deflate_parameters(agreed);
        assert_eq!(Negotiated::from(&acceptance).deflate_parameters(), agreed);
        let mut response = [0; 512];
        let len = upgrade.accept(&acceptance, &mut response).unwrap();
        extensions_of(&response[..len])
    });
    assert_eq!(without_machine, accepted);

    let fields = connect_fields(lists);
    let connect = ExtendedConnect::parse(&fields, &OriginPolicy::same());
    let extended = connect.map(|connect| {
        let connect = connect.unwrap();
        let acceptance =
            Acceptance::new().with_deflate_parameters(connect.accept_deflate(&deflate));
        let mut fields = connect.accept(&acceptance).unwrap();
        assert_eq!(fields.next(), Some(Field::new(":status", "200")));
        let list = fields.next().map(|field| {
            assert_eq!(field.name(), EXTENSIONS);
            field.text().unwrap().to_owned()
        });
        assert_eq!(fields.next(), None);
        list
    });
    assert_eq!(extended, accepted);

    #[cfg(feature = "http")]
    crate::http_types::check_server(deflate, lists, &accepted);
    accepted
}

fn connect_fields<'a>(lists: &[&'a str]) -> Vec<Field<'a>> {
    let lists = lists.iter().map(|list| Field::new(EXTENSIONS, *list));
    [
        Field::new(":method", "CONNECT"),
        Field::new(":protocol", "websocket"),
        Field::new(":scheme", "https"),
        Field::new(":path", "/"),
        Field::new(":authority", "a"),
        Field::new("sec-websocket-version", "13"),
    ]
    .into_iter()
    .chain(lists)
    .collect()
}

/// Verifies a response as a client on every way in. All of them have the same result.
#[track_caller]
fn verify(
    deflate: impl Into<Option<Deflate>>,
    lists: &[&str],
) -> Result<Option<DeflateParameters>, HandshakeError> {
    let deflate = deflate.into();
    let request = ClientRequest::to("a", "/").with_deflate(deflate);
    let head = response(lists);
    let parsed = ResponseParser::new(HeadLimits::DEFAULT).parse(head.as_bytes()).unwrap().unwrap();
    let verified =
        request.verify(NONCE, &parsed).map(|accepted| accepted.unwrap().deflate_parameters());

    let plain = ClientRequest::to("a", "/");
    for (config, request) in [(client_config(deflate), &plain), (client_config(None), &request)] {
        let mut handshake = ClientHandshake::new(config, request).unwrap();
        let mut bytes = head.clone().into_bytes();
        let by_machine = match handshake.receive(&mut Input::with_bytes(&mut bytes)) {
            Some(ClientEvent::Accepted) => {
                let agreed = handshake.negotiated().unwrap().deflate_parameters();
                assert_eq!(handshake.establish().unwrap().deflate_parameters(), agreed);
                Ok(agreed)
            }
            Some(ClientEvent::Failed(error)) => Err(error),
            other => panic!("{other:?}"),
        };
        assert_eq!(by_machine, verified);
    }

    let status = [Field::new(":status", "200")].into_iter();
    let fields = status.chain(lists.iter().map(|list| Field::new(EXTENSIONS, *list)));
    let fields: Vec<Field<'_>> = fields.collect();
    let extended = request.verify_extended_connect(&fields);
    assert_eq!(extended.map(|accepted| accepted.unwrap().deflate_parameters()), verified);

    #[cfg(feature = "http")]
    crate::http_types::check_client(&request, lists, verified);
    verified
}

/// Returns the single `Sec-WebSocket-Extensions` of a request.
pub(crate) fn offered(output: &mut Output) -> Option<String> {
    let head = written(output);
    let request = RequestParser::new(HeadLimits::DEFAULT).parse(&head).unwrap().unwrap();
    let mut lists = request.fields().values(EXTENSIONS);
    let list = lists.next().map(|list| str::from_utf8(list).unwrap().to_owned());
    assert_eq!(lists.next(), None);
    list
}

#[test]
fn server_accepts_the_first_valid_offer() {
    let narrow = TAKEOVER.with_outgoing_window_bits(11).with_incoming_window_bits(10);
    for (deflate, lists, expected) in [
        (TAKEOVER, &["permessage-deflate"][..], "permessage-deflate"),
        (Deflate::new(), &["permessage-deflate"], BOTH_NO_TAKEOVER),
        (
            TAKEOVER,
            &["permessage-deflate; server_no_context_takeover"],
            "permessage-deflate; server_no_context_takeover",
        ),
        (
            TAKEOVER,
            &["permessage-deflate; client_no_context_takeover"],
            "permessage-deflate; client_no_context_takeover",
        ),
        (TAKEOVER, &["permessage-deflate; client_max_window_bits"], "permessage-deflate"),
        (TAKEOVER, &["permessage-deflate; client_max_window_bits=15"], "permessage-deflate"),
        (
            TAKEOVER,
            &["permessage-deflate; client_max_window_bits=9"],
            "permessage-deflate; client_max_window_bits=9",
        ),
        (
            TAKEOVER,
            &["permessage-deflate; client_max_window_bits=8; server_max_window_bits=8"],
            "permessage-deflate; server_max_window_bits=8; client_max_window_bits=8",
        ),
        (
            TAKEOVER,
            &["permessage-deflate; server_max_window_bits=15"],
            "permessage-deflate; server_max_window_bits=15",
        ),
        (
            narrow,
            &["permessage-deflate; client_max_window_bits; server_max_window_bits=15"],
            "permessage-deflate; server_max_window_bits=11; client_max_window_bits=10",
        ),
        (
            narrow,
            &["permessage-deflate; client_max_window_bits=9; server_max_window_bits=10"],
            "permessage-deflate; server_max_window_bits=10; client_max_window_bits=9",
        ),
        // Without the parameter in the offer, only the context of the client can be limited.
        (
            narrow,
            &["permessage-deflate"],
            "permessage-deflate; client_no_context_takeover; server_max_window_bits=11",
        ),
        // Whitespace, quoted values and escapes.
        (
            TAKEOVER,
            &["permessage-deflate ;\tserver_max_window_bits = \"1\\0\""],
            "permessage-deflate; server_max_window_bits=10",
        ),
        // Declined offers before an acceptable one, in one field and in several.
        (
            TAKEOVER,
            &["x-other; a=1, permessage-deflate; unknown, permessage-deflate; \
                server_max_window_bits=12, permessage-deflate"],
            "permessage-deflate; server_max_window_bits=12",
        ),
        (
            TAKEOVER,
            &["permessage-deflate; server_max_window_bits=010", ",x-other,", "permessage-deflate"],
            "permessage-deflate",
        ),
    ] {
        assert_eq!(serve(deflate, lists), Ok(Some(expected.to_owned())), "{lists:?}");
    }
}

#[test]
fn server_declines_invalid_offers() {
    for lists in [&[][..], &["x-webkit-deflate-frame"], &["Permessage-Deflate"]] {
        assert_eq!(serve(TAKEOVER, lists), Ok(None), "{lists:?}");
    }
    for parameters in [
        "unknown",
        "Server_No_Context_Takeover",
        "server_no_context_takeover=1",
        "client_no_context_takeover=\"1\"",
        "client_no_context_takeover=true",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits",
        "server_max_window_bits=1",
        "server_max_window_bits=7",
        "server_max_window_bits=08",
        "server_max_window_bits=09",
        "server_max_window_bits=010",
        "server_max_window_bits=16",
        "server_max_window_bits=100",
        "server_max_window_bits=x",
        "server_max_window_bits=10; server_max_window_bits=10",
        "client_max_window_bits=7",
        "client_max_window_bits=015",
        "client_max_window_bits=16",
        "client_max_window_bits=10.0",
        "client_max_window_bits; client_max_window_bits",
        "client_max_window_bits=10; client_max_window_bits",
    ] {
        let list = format!("permessage-deflate; {parameters}");
        assert_eq!(serve(TAKEOVER, &[&list]), Ok(None), "{list}");
    }
}

#[test]
fn server_refuses_malformed_lists() {
    for lists in [
        &[""][..],
        &[","],
        &["permessage-deflate;"],
        &["permessage-deflate; =1"],
        &["permessage-deflate; server_max_window_bits=\"10"],
        &["permessage-deflate; server_max_window_bits=\"\""],
        &["permessage-deflate", "x y"],
    ] {
        assert_eq!(serve(TAKEOVER, lists), Err(HandshakeError::InvalidExtensions), "{lists:?}");
    }
    assert_eq!(HandshakeError::InvalidExtensions.status(), Some(400));
}

#[test]
fn client_verifies_every_field_of_the_response() {
    use HandshakeError::{InvalidDeflateParameters, InvalidExtensions, UnrequestedExtension};
    let agreed = DeflateParameters::new();
    let narrow = TAKEOVER.with_outgoing_window_bits(11).with_incoming_window_bits(10);
    let parameters = Err(InvalidDeflateParameters);
    for (deflate, lists, expected) in [
        (Some(TAKEOVER), &[][..], Ok(None)),
        (Some(TAKEOVER), &["permessage-deflate"], Ok(Some(agreed))),
        (
            Some(TAKEOVER),
            &["permessage-deflate; server_no_context_takeover"],
            Ok(Some(agreed.with_server_no_context_takeover())),
        ),
        (
            Some(TAKEOVER),
            &["permessage-deflate; client_no_context_takeover"],
            Ok(Some(agreed.with_client_no_context_takeover())),
        ),
        (
            Some(TAKEOVER),
            &["permessage-deflate; server_no_context_takeover; client_no_context_takeover"],
            Ok(Some(agreed.with_server_no_context_takeover().with_client_no_context_takeover())),
        ),
        (
            Some(TAKEOVER),
            &["permessage-deflate;server_max_window_bits=\"8\";client_max_window_bits=\"\\1\\5\""],
            Ok(Some(agreed.with_server_max_window_bits(8).with_client_max_window_bits(15))),
        ),
        (
            Some(narrow),
            &["permessage-deflate; server_max_window_bits=10; client_max_window_bits=11"],
            Ok(Some(agreed.with_server_max_window_bits(10).with_client_max_window_bits(11))),
        ),
        (
            Some(narrow),
            &["permessage-deflate; server_max_window_bits=8"],
            Ok(Some(agreed.with_server_max_window_bits(8))),
        ),
        (Some(narrow), &["permessage-deflate"], parameters),
        (Some(narrow), &["permessage-deflate; server_max_window_bits=11"], parameters),
        (
            Some(narrow),
            &["permessage-deflate; server_max_window_bits=10; client_max_window_bits=12"],
            parameters,
        ),
        (Some(Deflate::new()), &["permessage-deflate"], parameters),
        (Some(TAKEOVER), &["permessage-deflate; client_max_window_bits"], parameters),
        (Some(TAKEOVER), &["permessage-deflate; client_max_window_bits=08"], parameters),
        (Some(TAKEOVER), &["permessage-deflate; client_max_window_bits=16"], parameters),
        (Some(TAKEOVER), &["permessage-deflate; server_max_window_bits"], parameters),
        (Some(TAKEOVER), &["permessage-deflate; server_max_window_bits=7"], parameters),
        (Some(TAKEOVER), &["permessage-deflate; server_max_window_bits=08"], parameters),
        (
            Some(TAKEOVER),
            &["permessage-deflate; server_max_window_bits=9; server_max_window_bits=9"],
            parameters,
        ),
        (Some(TAKEOVER), &["permessage-deflate; server_no_context_takeover=1"], parameters),
        (Some(TAKEOVER), &["permessage-deflate; unknown"], parameters),
        (Some(TAKEOVER), &["x-other"], Err(UnrequestedExtension)),
        (Some(TAKEOVER), &["permessage-deflate, x-other"], Err(UnrequestedExtension)),
        (Some(TAKEOVER), &["permessage-deflate", "x-other"], Err(UnrequestedExtension)),
        (Some(TAKEOVER), &["permessage-deflate, permessage-deflate"], Err(UnrequestedExtension)),
        (Some(TAKEOVER), &["permessage-deflate", "permessage-deflate"], Err(UnrequestedExtension)),
        (Some(TAKEOVER), &[""], Err(InvalidExtensions)),
        (Some(TAKEOVER), &["permessage-deflate;"], Err(InvalidExtensions)),
        (Some(TAKEOVER), &["permessage-deflate", "x y"], Err(InvalidExtensions)),
        (None, &[], Ok(None)),
        (None, &["permessage-deflate"], Err(UnrequestedExtension)),
        (None, &["permessage-deflate;"], Err(UnrequestedExtension)),
    ] {
        assert_eq!(verify(deflate, lists), expected, "{lists:?}");
    }
    assert_eq!(InvalidDeflateParameters.status(), None);
    assert_eq!(
        InvalidDeflateParameters.to_string(),
        "the parameters of permessage-deflate are invalid"
    );
}

#[test]
fn client_offers_its_configuration_unless_the_request_says_so_itself() {
    let plain = ClientRequest::to("a", "/");
    let (offer, other) = (Some("permessage-deflate; client_max_window_bits"), TAKEOVER);
    let both = Some(
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
        client_max_window_bits",
    );
    let narrow = TAKEOVER.with_outgoing_window_bits(9);
    for (config, request, expected) in [
        (client_config(None), plain, None),
        (client_config(other), plain, offer),
        (client_config(narrow), plain.with_deflate(other), offer),
        (client_config(None), plain.with_deflate(other), offer),
        (client_config(narrow), plain, Some("permessage-deflate; client_max_window_bits=9")),
        (client_config(Deflate::new()), plain, both),
        (client_config(other), plain.with_deflate(None), None),
    ] {
        let mut handshake = ClientHandshake::new(config, &request).unwrap();
        assert_eq!(offered(handshake.output()).as_deref(), expected, "{request:?}");
    }
}

#[test]
fn extended_connect_composes_the_offer_in_the_buffer() {
    let longest = Deflate::new().with_outgoing_window_bits(12).with_incoming_window_bits(10);
    let request = ClientRequest::to("a", "/x").with_subprotocols(&["chat"]).with_deflate(longest);
    let list = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
        server_max_window_bits=10; client_max_window_bits=12";
    let mut buffer = vec![0; "/x".len() + "chat".len() + list.len()];
    let fields: Vec<Field<'_>> = request.extended_connect(&mut buffer).unwrap().collect();
    assert!(fields.contains(&Field::new(EXTENSIONS, list)));
    assert!(ExtendedConnect::parse(&fields, &OriginPolicy::same()).unwrap().is_some());
    let len = buffer.len() - 1;
    let short = request.extended_connect(&mut buffer[..len]).map(Iterator::count);
    assert_eq!(short, Err(InvalidHead::BufferTooSmall));
}

#[test]
fn server_refuses_to_write_what_the_client_did_not_offer() {
    let agreed = DeflateParameters::new();
    for (lists, parameters) in [
        (&[][..], agreed),
        (&["x-other"], agreed),
        (&["permessage-deflate; unknown"], agreed),
        (&["permessage-deflate; server_no_context_takeover"], agreed),
        (&["permessage-deflate; server_max_window_bits=10"], agreed),
        (
            &["permessage-deflate; server_max_window_bits=10"],
            agreed.with_server_max_window_bits(11),
        ),
        (&["permessage-deflate"], agreed.with_client_max_window_bits(15)),
        (
            &["permessage-deflate; client_max_window_bits=10"],
            agreed.with_client_max_window_bits(11),
        ),
    ] {
        let acceptance = Acceptance::new().with_deflate_parameters(parameters);
        let handshake = server_handshake(Config::new().with_deflate(TAKEOVER), lists).unwrap();
        let Unaccepted { handshake, error, .. } = handshake.accept(&acceptance).unwrap_err();
        assert_eq!(error, AcceptError::Response(InvalidHead::Deflate), "{lists:?}");
        // The handshake is unchanged, and the application may decline.
        let mut connection =
            handshake.accept(&Acceptance::new().with_deflate_parameters(None)).unwrap();
        assert_eq!(extensions_of(&written(connection.output())), None);
        assert_eq!(connection.deflate_parameters(), None);

        let head = request(lists);
        let head = RequestParser::new(HeadLimits::DEFAULT).parse(head.as_bytes()).unwrap().unwrap();
        let upgrade = head.upgrade(&OriginPolicy::same()).unwrap().unwrap();
        assert_eq!(upgrade.accept(&acceptance, &mut [0; 512]), Err(InvalidHead::Deflate));
        let fields = connect_fields(lists);
        let connect = ExtendedConnect::parse(&fields, &OriginPolicy::same()).unwrap().unwrap();
        assert_eq!(connect.accept(&acceptance).map(Iterator::count), Err(InvalidHead::Deflate));
    }
    assert_eq!(
        InvalidHead::Deflate.to_string(),
        "permessage-deflate was not offered with these parameters"
    );
}

#[test]
fn acceptance_overrides_the_configuration() {
    let lists = ["permessage-deflate; server_max_window_bits=10, permessage-deflate"];
    for (config, acceptance, expected) in [
        (Config::new(), Acceptance::new(), None),
        (
            Config::new(),
            Acceptance::new().with_deflate_parameters(DeflateParameters::new()),
            Some(DeflateParameters::new()),
        ),
        (
            Config::new().with_deflate(TAKEOVER),
            Acceptance::new(),
            Some(DeflateParameters::new().with_server_max_window_bits(10)),
        ),
        // The second offer permits it.
        (
            Config::new().with_deflate(TAKEOVER),
            Acceptance::new().with_deflate_parameters(DeflateParameters::new()),
            Some(DeflateParameters::new()),
        ),
        (
            Config::new().with_deflate(TAKEOVER),
            Acceptance::new().with_deflate_parameters(None),
            None,
        ),
    ] {
        let handshake = server_handshake(config, &lists).unwrap();
        let mut connection = handshake.accept(&acceptance).unwrap();
        assert_eq!(connection.deflate_parameters(), expected);
        let list = extensions_of(&written(connection.output()));
        assert_eq!(list, expected.map(|agreed| agreed.to_string()));
    }
}

/// Performs a handshake between this crate's client and server.
fn connect(client: Config, server: Config) -> (Connection, Connection) {
    let request = ClientRequest::to("a", "/");
    let mut client = ClientHandshake::new(client, &request).unwrap();
    let mut server = ServerHandshake::new(server);
    let mut bytes = written(client.output());
    assert_eq!(server.receive(&mut Input::with_bytes(&mut bytes)), Some(ServerEvent::Upgrade));
    let mut server = server.accept(&Acceptance::new()).unwrap();
    let mut bytes = written(server.output());
    assert_eq!(client.receive(&mut Input::with_bytes(&mut bytes)), Some(ClientEvent::Accepted));
    (client.establish().unwrap(), server)
}

/// Sends a message that compresses well, and returns whether its frame has RSV1.
fn exchange(sender: &mut Connection, receiver: &mut Connection) -> bool {
    let text = "compressible ".repeat(100);
    sender.send(text.as_str()).unwrap();
    let bytes = take_output(sender);
    assert_eq!(receive(receiver, &bytes), [Event::Message(Message::from(text))]);
    bytes[0] & 0x40 != 0
}

#[test]
fn handshakes_end_in_connections_that_compress_if_both_configure_it() {
    for (client, server) in [(false, false), (false, true), (true, false), (true, true)] {
        let deflate = |on: bool| on.then_some(TAKEOVER);
        let (mut client_end, mut server_end) =
            connect(client_config(deflate(client)), client_config(deflate(server)));
        assert_eq!(client_end.deflate_parameters(), server_end.deflate_parameters());
        let is_agreed = client && server;
        assert_eq!(client_end.deflate_parameters().is_some(), is_agreed);
        for _ in 0..2 {
            assert_eq!(exchange(&mut client_end, &mut server_end), is_agreed);
            assert_eq!(exchange(&mut server_end, &mut client_end), is_agreed);
        }
    }
}

#[test]
fn configuration_set_before_accept_negotiates_compression() {
    for (before, after) in [(false, true), (true, false)] {
        let config = |on: bool| match on {
            true => Config::new().with_deflate(Deflate::new()),
            false => Config::new(),
        };
        let request = ClientRequest::to("a", "/");
        let mut client = ClientHandshake::new(client_config(Deflate::new()), &request).unwrap();
        let mut server = ServerHandshake::new(config(before));
        let mut bytes = written(client.output());
        assert_eq!(server.receive(&mut Input::with_bytes(&mut bytes)), Some(ServerEvent::Upgrade));
        server.set_config(config(after));
        let mut server = server.accept(&Acceptance::new()).unwrap();
        let mut bytes = written(server.output());
        assert_eq!(client.receive(&mut Input::with_bytes(&mut bytes)), Some(ClientEvent::Accepted));
        let mut client = client.establish().unwrap();
        assert_eq!(server.deflate_parameters().is_some(), after);
        assert_eq!(server.deflate_parameters(), client.deflate_parameters());
        assert_eq!(exchange(&mut client, &mut server), after);
        assert_eq!(exchange(&mut server, &mut client), after);
    }
}

#[test]
fn adopted_connection_compresses_as_negotiated() {
    let request = ClientRequest::to("a", "/").with_deflate(TAKEOVER);
    let mut buffer = [0; 256];
    let fields: Vec<Field<'_>> = request.extended_connect(&mut buffer).unwrap().collect();
    let stream = ExtendedConnect::parse(&fields, &OriginPolicy::same()).unwrap().unwrap();
    let agreed = stream.accept_deflate(&Deflate::new());
    let acceptance = Acceptance::new().with_deflate_parameters(agreed);
    let answer: Vec<Field<'_>> = stream.accept(&acceptance).unwrap().collect();
    let negotiated = request.verify_extended_connect(&answer).unwrap().unwrap();
    assert_eq!(negotiated, Negotiated::from(&acceptance));

    let config = Config::new().with_deflate(Deflate::new());
    let mut server = Connection::server(config, &Negotiated::from(&acceptance));
    let mut client = Connection::client(client_config(TAKEOVER), &negotiated).unwrap();
    assert!(exchange(&mut client, &mut server));
    assert!(exchange(&mut server, &mut client));
}

/// Parameters of permessage-deflate, often valid, in any notation of the grammar.
fn parameter() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        4 => Just("server_no_context_takeover"),
        4 => Just("client_no_context_takeover"),
        4 => Just("server_max_window_bits"),
        4 => Just("client_max_window_bits"),
        1 => Just("unknown"),
    ];
    let value = prop_oneof![
        2 => Just(String::new()),
        2 => (7_u8..17).prop_map(|bits| format!("={bits}")),
        1 => (7_u8..17).prop_map(|bits| format!(" = \"{bits}\"")),
        1 => "=0?[0-9]{1,2}",
        1 => "=[a-z]{1,3}",
        1 => "=\"(\\\\?[0-9a-z]){1,3}\"",
    ];
    (name, value).prop_map(|(name, value)| format!("{name}{value}"))
}

fn extension(name: &'static str) -> impl Strategy<Value = String> {
    let separator = prop_oneof![Just(";"), Just("; "), Just(" ;\t")];
    prop::collection::vec((separator, parameter()), 0..5).prop_map(move |parameters| {
        let parameters: String =
            parameters.iter().flat_map(|(separator, one)| [*separator, one]).collect();
        format!("{name}{parameters}")
    })
}

/// Well-formed lists, one for each field.
fn lists(
    extension: impl Strategy<Value = String>,
    count: core::ops::Range<usize>,
) -> impl Strategy<Value = Vec<String>> {
    let list = prop::collection::vec(extension, 1..4).prop_map(|list| list.join(", "));
    prop::collection::vec(list, count)
}

fn deflate() -> impl Strategy<Value = Deflate> {
    (9_u8..16, 8_u8..16, any::<bool>(), any::<bool>()).prop_map(
        |(outgoing_bits, incoming_bits, outgoing, incoming)| {
            let mut deflate = Deflate::new()
                .with_outgoing_window_bits(outgoing_bits)
                .with_incoming_window_bits(incoming_bits);
            if outgoing {
                deflate = deflate.with_outgoing_context_takeover();
            }
            if incoming {
                deflate = deflate.with_incoming_context_takeover();
            }
            deflate
        },
    )
}

proptest! {
    #[test]
    fn well_formed_offers_never_fail_a_handshake(
        deflate in deflate(),
        lists in lists(prop_oneof![4 => extension("permessage-deflate"), 1 => extension("x-a")], 0..4),
    ) {
        let lists: Vec<&str> = lists.iter().map(String::as_str).collect();
        prop_assert!(serve(deflate, &lists).is_ok());
    }

    #[test]
    fn client_accepts_the_response_to_its_offer_and_both_settings_apply(
        client in deflate(),
        server in deflate(),
        before in lists(extension("x-before"), 0..3),
        after in lists(extension("x-after"), 0..3),
        shares_field in any::<bool>(),
    ) {
        let mut handshake =
            ClientHandshake::new(client_config(client), &ClientRequest::to("a", "/")).unwrap();
        let offer = offered(handshake.output()).unwrap();
        let mut lists = before;
        match lists.last_mut() {
            Some(last) if shares_field => *last = format!("{last}, {offer}"),
            Some(_) | None => lists.push(offer),
        }
        lists.extend(after);
        let lists: Vec<&str> = lists.iter().map(String::as_str).collect();
        let list = serve(server, &lists).unwrap().expect("the offer is valid");
        let agreed = verify(client, &[&list]).unwrap().expect("the server accepts");
        prop_assert_eq!(agreed.to_string(), list);
        for (sender, outgoing, incoming) in
            [(Role::Client, client, server), (Role::Server, server, client)]
        {
            let bits = outgoing.outgoing_window_bits().min(incoming.incoming_window_bits());
            prop_assert_eq!(agreed.window_bits(sender), bits);
            let has_takeover =
                outgoing.outgoing_context_takeover() && incoming.incoming_context_takeover();
            prop_assert_eq!(agreed.has_context_takeover(sender), has_takeover);
        }
    }
}
