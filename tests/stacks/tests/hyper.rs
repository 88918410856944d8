//! A connection over a stream that `hyper` upgraded, including the bytes that `hyper` read after the
//! request.

use std::convert::Infallible;

use bytes::{Buf, Bytes};
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;
use websocket_proto::handshake::{
    Acceptance, ClientEvent, ClientHandshake, ClientRequest, Field, Handshake, HandshakeError,
    Rejection, Upgrade,
};
use websocket_proto::{
    CloseCode, Config, Connection, Event, Input, Message, Negotiated, Transport,
};

static CONFIG: Config = Config::new();

/// Accepts an upgrade and adopts the connection. `echoes` receives the task that echoes.
async fn upgrade(
    request: Request<Incoming>,
    echoes: UnboundedSender<JoinHandle<()>>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let acceptance = Acceptance::new().with_subprotocol("chat");
    let answer = match Upgrade::from_http(&request, CONFIG.origin_policy()) {
        Ok(Some(upgrade)) => upgrade.accept_http(&acceptance).unwrap(),
        Ok(None) => return Ok(Rejection::UpgradeRequired.to_http().map(|()| Empty::new())),
        Err(error) => {
            let rejection = error.rejection().unwrap_or(Rejection::BadRequest);
            return Ok(rejection.to_http().map(|()| Empty::new()));
        }
    };
    let negotiated = Negotiated::from(&acceptance);
    let echo = async move { echo(hyper::upgrade::on(request).await.unwrap(), negotiated).await };
    echoes.send(tokio::spawn(echo)).unwrap();
    Ok(answer.map(|()| Empty::new()))
}

async fn echo(upgraded: Upgraded, negotiated: Negotiated<'static>) {
    let parts = upgraded.downcast::<TokioIo<DuplexStream>>().unwrap();
    let mut socket = parts.io.into_inner();
    let mut connection = Connection::server(&CONFIG, &negotiated);
    // The bytes that followed the request are the first input.
    assert!(!parts.read_buf.is_empty());
    let mut leftover = parts.read_buf.to_vec();
    let mut input = Input::with_bytes(&mut leftover).into_owned();
    loop {
        while connection.has_room()
            && let Some(event) = connection.receive(&mut input)
        {
            if let Event::Message(message) = event {
                connection.send(message).unwrap();
            }
        }
        if !turn(&mut connection, &mut socket, &mut input).await {
            break;
        }
    }
    let outcome = connection.outcome().unwrap();
    assert!(outcome.clean && outcome.code == CloseCode::NO_STATUS, "{outcome:?}");
}

/// Writes the output and reads once. Returns `false` once the transport is closed.
async fn turn(
    connection: &mut Connection,
    socket: &mut DuplexStream,
    input: &mut Input<'_>,
) -> bool {
    socket.write_all_buf(connection.output()).await.unwrap();
    match connection.transport() {
        Transport::Open => {}
        Transport::Drain => socket.shutdown().await.unwrap(),
        Transport::Close | Transport::Abort => return false,
    }
    if !input.has_unread() && !input.is_finished() {
        let len = socket.read(input.space()).await.unwrap();
        input.filled(len);
    }
    true
}

/// Starts a server over one end of a pipe. The receiver gets the tasks that echo.
fn serve() -> (DuplexStream, JoinHandle<()>, UnboundedReceiver<JoinHandle<()>>) {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (echoes, echoing) = mpsc::unbounded_channel();
    let server = tokio::spawn(async move {
        let http = hyper::server::conn::http1::Builder::new();
        let service = service_fn(|request| upgrade(request, echoes.clone()));
        let serving = http.serve_connection(TokioIo::new(theirs), service);
        serving.with_upgrades().await.unwrap();
    });
    (ours, server, echoing)
}

#[tokio::test]
async fn upgraded_connection_receives_the_bytes_after_the_request() {
    let (mut socket, server, mut echoing) = serve();
    let fields = [Field::new("Origin", "http://example.com")];
    let request =
        ClientRequest::to("example.com", "/").with_subprotocols(&["chat"]).with_fields(&fields);
    let mut handshake = ClientHandshake::new(&CONFIG, &request).unwrap();
    // A frame in the same write as the request; a real client may not send one so early.
    let len = handshake.output().len();
    let mut first = handshake.output().copy_to_bytes(len).to_vec();
    first.extend_from_slice(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    socket.write_all(&first).await.unwrap();

    let mut input = Input::owned(vec![0; 4096]);
    let mut connection = loop {
        let len = socket.read(input.space()).await.unwrap();
        input.filled(len);
        match handshake.receive(&mut input) {
            None => assert!(!input.is_finished()),
            Some(ClientEvent::Accepted) => {
                let negotiated = handshake.negotiated().unwrap();
                assert_eq!(negotiated.subprotocol(), Some("chat"));
                break handshake.establish().unwrap();
            }
            Some(other) => panic!("{other:?}"),
        }
    };
    let mut messages = Vec::new();
    loop {
        while let Some(event) = connection.receive(&mut input) {
            match event {
                Event::Message(message) => {
                    messages.push(message.into_owned());
                    connection.close(None).unwrap();
                }
                Event::Close(_) => {}
                other => panic!("{other:?}"),
            }
        }
        if !turn(&mut connection, &mut socket, &mut input).await {
            break;
        }
    }
    assert_eq!(messages, [Message::from("Hello")]);
    drop(socket);
    server.await.unwrap();
    echoing.recv().await.expect("one connection").await.expect("the server's end is clean");
    assert!(echoing.recv().await.is_none(), "unexpected second connection");
}

#[tokio::test]
async fn cross_origin_request_is_rejected() {
    let (mut socket, server, mut echoing) = serve();
    let fields = [Field::new("Origin", "http://example.org")];
    let request =
        ClientRequest::to("example.com", "/").with_subprotocols(&["chat"]).with_fields(&fields);
    let mut handshake = ClientHandshake::new(&CONFIG, &request).unwrap();
    socket.write_all_buf(handshake.output()).await.unwrap();
    let mut input = Input::owned(vec![0; 4096]);
    let len = socket.read(input.space()).await.unwrap();
    input.filled(len);
    let status = HandshakeError::ForbiddenOrigin.status().unwrap();
    assert_eq!(handshake.receive(&mut input), Some(ClientEvent::Rejected { status }));
    drop(socket);
    server.await.unwrap();
    assert!(echoing.recv().await.is_none(), "unexpected connection");
}
