//! A connection in both roles over `h2`.

use bytes::Bytes;
use h2::ext::Protocol;
use h2::{client, server};
use http::{Method, Request, Response, StatusCode};
use tokio::io::DuplexStream;
use tokio::task::{JoinHandle, JoinSet};
use websocket_proto::handshake::{
    Acceptance, ClientRequest, ExtendedConnect, Field, HandshakeError, Uri, choose_subprotocol,
};
use websocket_proto::{CloseCode, CloseFrame, Config, Connection, Event, Message, Negotiated};
use websocket_proto_stacks::{drive, extended_connect};

static CONFIG: Config = Config::new();

/// Echoes over each Extended CONNECT for `/echo` and rejects other requests. Panics if one of these
/// connections does not end cleanly.
async fn serve(socket: DuplexStream) {
    let mut builder = server::Builder::new();
    builder.enable_connect_protocol();
    let mut http = builder.handshake::<_, Bytes>(socket).await.unwrap();
    let mut streams = JoinSet::new();
    while let Some(stream) = http.accept().await {
        let (request, mut respond) = stream.unwrap();
        streams.spawn(async move {
            let connect = match extended_connect(&request, CONFIG.origin_policy()) {
                Ok(Some(connect)) if connect.path() == "/echo" => connect,
                Ok(_) => {
                    let mut not_found = Response::new(());
                    *not_found.status_mut() = StatusCode::NOT_FOUND;
                    return drop(respond.send_response(not_found, true).unwrap());
                }
                Err(HandshakeError::MalformedFields) => {
                    return respond.send_reset(h2::Reason::PROTOCOL_ERROR);
                }
                Err(error) => {
                    let rejection = ExtendedConnect::reject_http(error);
                    return drop(respond.send_response(rejection, true).unwrap());
                }
            };
            let chosen = choose_subprotocol(connect.subprotocols(), &["chat", "other"]);
            let acceptance = Acceptance::new().with_subprotocol(chosen);
            let accepted = connect.accept_http(&acceptance).unwrap();
            let mut connection = Connection::server(&CONFIG, &Negotiated::from(&acceptance));
            let send = respond.send_response(accepted, false).unwrap();
            drive(&mut connection, send, request.into_body(), |connection, event| {
                if let Event::Message(message) = event {
                    connection.send(message).unwrap();
                }
            })
            .await
            .unwrap();
            let outcome = connection.outcome().unwrap();
            assert!(outcome.clean && outcome.code == CloseCode::NORMAL, "{outcome:?}");
        });
    }
    while let Some(ended) = streams.join_next().await {
        ended.expect("the server's end is clean");
    }
}

/// Connects a client to such a server and waits for the server's settings.
async fn connect() -> (client::SendRequest<Bytes>, JoinHandle<()>) {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let server = tokio::spawn(serve(theirs));
    let (http, driver) = client::handshake(ours).await.unwrap();
    tokio::spawn(async move { driver.await.unwrap() });
    let mut http = http.ready().await.unwrap();
    // Only a response proves that the settings have arrived.
    let probe = Request::get("https://example.com/").body(()).unwrap();
    let (answer, _) = http.send_request(probe, true).unwrap();
    assert_eq!(answer.await.unwrap().status(), StatusCode::NOT_FOUND);
    assert!(http.is_extended_connect_protocol_enabled());
    (http, server)
}

/// Converts a request into the types of `h2`.
fn request(request: &ClientRequest<'_>) -> Request<()> {
    let mut request = request.extended_connect_http().unwrap();
    request.extensions_mut().insert(Protocol::from_static("websocket"));
    request
}

#[tokio::test]
async fn both_roles_exchange_messages_over_h2() {
    let (mut http, server) = connect().await;
    let uri = Uri::parse("wss://example.com/echo?x=1").unwrap();
    let fields = [Field::new("origin", "https://example.com")];
    let wanted =
        ClientRequest::new(&uri).with_subprotocols(&["other", "chat"]).with_fields(&fields);
    let (answer, send) = http.send_request(request(&wanted), false).unwrap();
    let answer = answer.await.unwrap();
    let negotiated = wanted.verify_extended_connect_http(&answer).unwrap().unwrap();
    assert_eq!(negotiated.subprotocol(), Some("chat"));

    let mut connection = Connection::client(&CONFIG, &negotiated).unwrap();
    // More than the HTTP/2 windows hold.
    let large = vec![0xa5; 300_000];
    connection.send("Hi").unwrap();
    connection.send(&large).unwrap();
    connection.ping(b"there?").unwrap();
    let mut events = Vec::new();
    drive(&mut connection, send, answer.into_body(), |connection, event| match event {
        Event::Message(Message::Text(text)) => events.push(format!("text {text}")),
        Event::Message(Message::Binary(bytes)) => {
            assert!(bytes == large);
            events.push(format!("binary {}", bytes.len()));
        }
        Event::Pong(_) => {
            events.push(String::from("pong"));
            connection.close(CloseFrame::new(CloseCode::NORMAL, "done").unwrap()).unwrap();
        }
        Event::Close(_) => events.push(String::from("close")),
        other => panic!("{other:?}"),
    })
    .await
    .unwrap();
    assert_eq!(events, ["text Hi", "binary 300000", "pong", "close"]);
    let outcome = connection.outcome().unwrap();
    assert!(outcome.clean && outcome.code == CloseCode::NORMAL, "{outcome:?}");
    drop(http);
    server.await.unwrap();
}

/// Sends a request that must be rejected and returns the response.
async fn rejected(http: &mut client::SendRequest<Bytes>, request: Request<()>) -> Response<()> {
    let (answer, _stream) = http.send_request(request, false).unwrap();
    answer.await.unwrap().map(drop)
}

#[tokio::test]
async fn rejects_other_paths_origins_protocols_and_versions() {
    let (mut http, server) = connect().await;
    let elsewhere = ClientRequest::to("example.com", "/elsewhere");
    let answer = rejected(&mut http, request(&elsewhere)).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(elsewhere.verify_extended_connect_http(&answer), Ok(None));

    let fields = [Field::new("origin", "https://example.org")];
    let other_origin = ClientRequest::to("example.com", "/echo").with_fields(&fields);
    let answer = rejected(&mut http, request(&other_origin)).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);

    let other = Request::builder()
        .method(Method::CONNECT)
        .uri("https://example.com/echo")
        .extension(Protocol::from_static("connect-udp"))
        .body(())
        .unwrap();
    assert_eq!(rejected(&mut http, other).await.status(), StatusCode::NOT_IMPLEMENTED);

    let old = Request::builder()
        .method(Method::CONNECT)
        .uri("https://example.com/echo")
        .header("sec-websocket-version", "8")
        .extension(Protocol::from_static("websocket"))
        .body(())
        .unwrap();
    let answer = rejected(&mut http, old).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(answer.headers()["sec-websocket-version"], "13");
    drop(http);
    server.await.unwrap();
}
