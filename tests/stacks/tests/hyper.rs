//! A connection that `hyper` upgraded, with what it had read behind the request.

use std::convert::Infallible;

use bytes::{Buf, Bytes};
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::task::JoinHandle;
use websocket_proto::handshake::{
    Acceptance, ClientEvent, ClientHandshake, ClientRequest, HeadLimits, RequestParser,
    ResponseParser, write_http_request,
};
use websocket_proto::{
    CloseCode, Config, Connection, Event, Message, Negotiated, Outcome, Transport,
};

static CONFIG: Config = Config::new();

/// Accepts an upgrade and adopts what comes of it. `echoes` gets the task that does.
async fn upgrade(
    request: Request<Incoming>,
    echoes: UnboundedSender<JoinHandle<()>>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let mut head = Vec::new();
    write_http_request(&request, &mut head).unwrap();
    let mut parser = RequestParser::new(HeadLimits::DEFAULT);
    let parsed = parser.parse(&head).unwrap().unwrap();
    let Some(upgrade) = parsed.upgrade().unwrap() else {
        return Ok(Response::builder().status(404).body(Empty::new()).unwrap());
    };
    let acceptance = Acceptance::new().subprotocol("chat");
    let mut answer = Vec::new();
    upgrade.accept(&acceptance, &mut answer).unwrap();
    let answer =
        ResponseParser::new(HeadLimits::DEFAULT).parse(&answer).unwrap().unwrap().to_http();
    let negotiated = Negotiated::from(&acceptance);
    let echo = async move { echo(hyper::upgrade::on(request).await.unwrap(), negotiated).await };
    echoes.send(tokio::spawn(echo)).unwrap();
    Ok(answer.unwrap().map(|()| Empty::new()))
}

async fn echo(upgraded: Upgraded, negotiated: Negotiated) {
    let parts = upgraded.downcast::<TokioIo<DuplexStream>>().unwrap();
    let mut socket = parts.io.into_inner();
    let mut connection = Connection::server(&CONFIG, &negotiated);
    // What came right behind the request is the first input.
    assert!(!parts.read_buf.is_empty());
    let mut read = parts.read_buf.to_vec();
    loop {
        let mut input = &mut read[..];
        while let Some(event) = connection.receive(&mut input) {
            if let Event::Message(message) = event {
                connection.send(message).unwrap();
            }
        }
        if !turn(&mut connection, &mut socket, &mut read).await {
            break;
        }
    }
    assert_eq!(connection.outcome(), Some(Outcome { clean: true, code: CloseCode::NO_STATUS }));
}

/// Writes what waits and reads what comes; `false` at the end.
async fn turn(connection: &mut Connection, socket: &mut DuplexStream, read: &mut Vec<u8>) -> bool {
    while connection.output().has_remaining() {
        let length = socket.write(connection.output().chunk()).await.unwrap();
        connection.output().advance(length);
    }
    match connection.transport() {
        Transport::Open => {}
        Transport::Drain => socket.shutdown().await.unwrap(),
        Transport::Close | Transport::Abort => return false,
    }
    read.resize(4096, 0);
    let length = socket.read(read).await.unwrap();
    read.truncate(length);
    if length == 0 {
        connection.receive_eof();
    }
    true
}

#[tokio::test]
async fn an_upgraded_connection_is_adopted_with_its_leftover() {
    let (mut socket, theirs) = tokio::io::duplex(1 << 16);
    let (echoes, mut echoing) = mpsc::unbounded_channel();
    let server = tokio::spawn(async move {
        let http = hyper::server::conn::http1::Builder::new();
        let service = service_fn(|request| upgrade(request, echoes.clone()));
        let serving = http.serve_connection(TokioIo::new(theirs), service);
        serving.with_upgrades().await.unwrap();
    });

    let request = ClientRequest::to("example.com", "/").subprotocols(&["chat"]);
    let mut handshake = ClientHandshake::new(&CONFIG, &request).unwrap();
    // A frame in the same write as the request, which only a test may send so early.
    let output = handshake.output();
    let mut first = output.copy_to_bytes(output.remaining()).to_vec();
    first.extend_from_slice(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    socket.write_all(&first).await.unwrap();

    let mut read = Vec::new();
    let (mut connection, rest) = loop {
        read.resize(4096, 0);
        let length = socket.read(&mut read).await.unwrap();
        let mut input = &mut read[..length];
        match handshake.receive(&mut input) {
            None => {}
            Some(ClientEvent::Accepted) => {
                let established = handshake.establish().unwrap();
                assert_eq!(established.negotiated.subprotocol(), Some("chat"));
                break (established.connection, input.to_vec());
            }
            Some(other) => panic!("{other:?}"),
        }
    };
    read = rest;
    let mut told = 0;
    loop {
        let mut input = &mut read[..];
        while let Some(event) = connection.receive(&mut input) {
            match event {
                Event::Message(message) => {
                    assert_eq!(message, Message::from("Hello"));
                    told += 1;
                    connection.close(None).unwrap();
                }
                Event::Close(_) => {}
                other => panic!("{other:?}"),
            }
        }
        if !turn(&mut connection, &mut socket, &mut read).await {
            break;
        }
    }
    assert_eq!(told, 1);
    drop(socket);
    server.await.unwrap();
    echoing.recv().await.expect("one connection").await.expect("the server's end is clean");
    assert!(echoing.recv().await.is_none(), "and no more than one");
}
