//! A connection in both roles over `h2`.

use bytes::Bytes;
use h2::{client, server};
use http::response::Parts;
use http::{Method, Request, StatusCode};
use tokio::io::DuplexStream;
use tokio::task::{JoinHandle, JoinSet};
use websocket_proto::handshake::{
    Acceptance, ClientRequest, ConnectProtocol, ExtendedConnect, HandshakeError, HeadError,
    Preference, Uri, choose_subprotocol,
};
use websocket_proto::{
    CloseCode, CloseFrame, Config, Connection, Event, Message, Negotiated, Outcome,
};
use websocket_proto_stacks::{drive, request, request_fields, response, response_fields};

static CONFIG: Config = Config::new();

/// Echoes over each Extended CONNECT for `/echo`; refuses what else comes. Panics if one of these
/// connections does not end well.
async fn serve(socket: DuplexStream, enabled: bool) {
    let mut builder = server::Builder::new();
    if enabled {
        builder.enable_connect_protocol();
    }
    let mut http = builder.handshake::<_, Bytes>(socket).await.unwrap();
    let mut streams = JoinSet::new();
    while let Some(stream) = http.accept().await {
        let (request, mut respond) = stream.unwrap();
        streams.spawn(async move {
            let fields = request_fields(&request);
            let connect = match ExtendedConnect::parse(&fields) {
                Ok(Some(connect)) if connect.path() == "/echo" => connect,
                Ok(_) => {
                    let mut not_found = http::Response::new(());
                    *not_found.status_mut() = StatusCode::NOT_FOUND;
                    return drop(respond.send_response(not_found, true).unwrap());
                }
                Err(HandshakeError::MalformedRequest) => {
                    return respond.send_reset(h2::Reason::PROTOCOL_ERROR);
                }
                Err(error) => {
                    let refusal = response(ExtendedConnect::refusal(error));
                    return drop(respond.send_response(refusal, true).unwrap());
                }
            };
            let supported = ["superchat", "chat"];
            let chosen = choose_subprotocol(connect.subprotocols(), &supported, Preference::Client);
            let acceptance = match chosen {
                Some(chosen) => Acceptance::new().subprotocol(chosen),
                None => Acceptance::new(),
            };
            let accepted = response(connect.accept(&acceptance).unwrap());
            let mut connection = Connection::server(&CONFIG, &Negotiated::from(&acceptance));
            let send = respond.send_response(accepted, false).unwrap();
            let receive = request.into_body();
            drive(&mut connection, send, receive, |connection, event| {
                if let Event::Message(message) = event {
                    connection.send(message).unwrap();
                }
            })
            .await
            .unwrap();
            let clean = Outcome { clean: true, code: CloseCode::NORMAL };
            assert_eq!(connection.outcome(), Some(clean));
        });
    }
    while let Some(ended) = streams.join_next().await {
        ended.expect("the server's end is clean");
    }
}

/// A client of such a server, with what its settings say, and the server.
async fn connect(enabled: bool) -> (client::SendRequest<Bytes>, ConnectProtocol, JoinHandle<()>) {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let server = tokio::spawn(serve(theirs, enabled));
    let (http, driver) = client::handshake(ours).await.unwrap();
    tokio::spawn(async move { driver.await.unwrap() });
    let mut http = http.ready().await.unwrap();
    // Only a request tells that the settings have arrived.
    let probe = Request::get("https://example.com/").body(()).unwrap();
    let (answer, _) = http.send_request(probe, true).unwrap();
    assert_eq!(answer.await.unwrap().status(), StatusCode::NOT_FOUND);
    let mut settings = ConnectProtocol::default();
    settings.receive(http.is_extended_connect_protocol_enabled().into()).unwrap();
    (http, settings, server)
}

#[tokio::test]
async fn a_connection_in_both_roles() {
    let (mut http, settings, server) = connect(true).await;
    assert!(settings.is_enabled());
    let uri = Uri::parse("wss://example.com/echo?x=1").unwrap();
    let wanted = ClientRequest::new(&uri).subprotocols(&["chat", "superchat"]);
    let mut buffer = [0; 128];
    let fields = wanted.extended_connect(settings, &mut buffer).unwrap();
    let (answer, send) = http.send_request(request(fields), false).unwrap();
    let answer = answer.await.unwrap();
    let status = answer.status();
    let fields = response_fields(&status, answer.headers());
    assert_eq!(wanted.is_connect_accepted(&fields), Ok(true));
    let negotiated = Negotiated::from_response(&fields);
    assert_eq!(negotiated.subprotocol(), Some("chat"));

    static CLIENT: Config = Config::new();
    let mut connection = Connection::client(&CLIENT, &negotiated);
    // More than the windows of HTTP/2 hold.
    let large = vec![0xa5; 300_000];
    connection.send("Hi").unwrap();
    connection.send(&large[..]).unwrap();
    connection.ping(b"there?").unwrap();
    let mut told = Vec::new();
    drive(&mut connection, send, answer.into_body(), |connection, event| match event {
        Event::Message(Message::Text(text)) => told.push(format!("text {}", &*text)),
        Event::Message(Message::Binary(bytes)) => {
            assert_eq!(&bytes[..], &large[..]);
            told.push(format!("binary {}", bytes.len()));
        }
        Event::Pong(_) => {
            told.push(String::from("pong"));
            connection.close(CloseFrame::new(CloseCode::NORMAL, "done").unwrap()).unwrap();
        }
        Event::Close(_) => told.push(String::from("close")),
        other => panic!("{other:?}"),
    })
    .await
    .unwrap();
    assert_eq!(told, ["text Hi", "binary 300000", "pong", "close"]);
    assert_eq!(connection.outcome(), Some(Outcome { clean: true, code: CloseCode::NORMAL }));
    drop(http);
    server.await.unwrap();
}

/// The answer to a request that is refused.
async fn refused(http: &mut client::SendRequest<Bytes>, request: Request<()>) -> Parts {
    let (answer, _stream) = http.send_request(request, false).unwrap();
    answer.await.unwrap().into_parts().0
}

#[tokio::test]
async fn refusals() {
    let (mut http, settings, server) = connect(true).await;
    let elsewhere = ClientRequest::to("example.com", "/elsewhere");
    let mut buffer = [0; 128];
    let fields = elsewhere.extended_connect(settings, &mut buffer).unwrap();
    let answer = refused(&mut http, request(fields)).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let fields = response_fields(&answer.status, &answer.headers);
    assert_eq!(elsewhere.is_connect_accepted(&fields), Ok(false));

    let other = Request::builder()
        .method(Method::CONNECT)
        .uri("https://example.com/echo")
        .extension(h2::ext::Protocol::from_static("connect-udp"))
        .body(())
        .unwrap();
    assert_eq!(refused(&mut http, other).await.status, StatusCode::NOT_IMPLEMENTED);

    let old = Request::builder()
        .method(Method::CONNECT)
        .uri("https://example.com/echo")
        .header("sec-websocket-version", "8")
        .extension(h2::ext::Protocol::from_static("websocket"))
        .body(())
        .unwrap();
    let answer = refused(&mut http, old).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.headers["sec-websocket-version"], "13");
    drop(http);
    server.await.unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_allow_it() {
    let (http, settings, server) = connect(false).await;
    let wanted = ClientRequest::to("example.com", "/echo");
    let refused = wanted.extended_connect(settings, &mut [0; 64]).map(|_| ());
    assert_eq!(refused, Err(HeadError::NotEnabled));
    drop(http);
    server.await.unwrap();
}
