//! The example `axum_chat` as a program.
#![cfg(unix)]

mod example;

use example::{Program, start};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_websocket_proto::proto::handshake::{ClientRequest, Field};
use tokio_websocket_proto::proto::{CloseCode, Config, Deflate};
use tokio_websocket_proto::{Error, WebSocket, client, client_with};

static CONFIG: Config = Config::new().with_deflate(Deflate::new());

struct Server {
    program: Program,
    address: String,
}

impl Server {
    async fn start() -> Self {
        let mut program = start("axum_chat", &["127.0.0.1:0"]);
        let line = program.line().await;
        let address = line.strip_prefix("listening on http://").and_then(|a| a.strip_suffix('/'));
        Self { address: address.unwrap().to_owned(), program }
    }

    async fn enter(&self, path: &str) -> WebSocket<TcpStream> {
        let io = TcpStream::connect(&self.address).await.unwrap();
        client_with(io, &ClientRequest::to(&self.address, path), &CONFIG).await.unwrap().0
    }
}

async fn expect(socket: &mut WebSocket<TcpStream>, texts: &[&str]) {
    for text in texts {
        assert_eq!(socket.recv().await.unwrap().unwrap(), *text);
    }
}

#[tokio::test]
async fn members_of_a_room_hear_each_other_and_nobody_else() {
    let server = Server::start().await;
    let mut ann = server.enter("/rooms/tea/Ann").await;
    expect(&mut ann, &["\tAnn has come"]).await;
    ann.send("anyone?").await.unwrap();
    expect(&mut ann, &["Ann\tanyone?"]).await;

    let mut ben = server.enter("/rooms/tea/Ben%20B.").await;
    expect(&mut ben, &["\tAnn has come", "Ann\tanyone?", "\tBen B. has come"]).await;
    expect(&mut ann, &["\tBen B. has come"]).await;

    let mut zoe = server.enter("/rooms/caf%C3%A9/Zo%C3%AB").await;
    expect(&mut zoe, &["\tZoë has come"]).await;
    zoe.send("hello").await.unwrap();
    expect(&mut zoe, &["Zoë\thello"]).await;

    let text = "grüße, 世界 👋 ".repeat(100);
    ben.send(text.as_str()).await.unwrap();
    for socket in [&mut ann, &mut ben] {
        assert!(socket.deflate_parameters().is_some());
        expect(socket, &[&format!("Ben B.\t{text}")]).await;
    }
    ben.close(CloseCode::NORMAL).await.unwrap();
    expect(&mut ann, &["\tBen B. has left"]).await;

    server.program.interrupt().await;
    for mut socket in [ann, zoe] {
        assert!(socket.recv().await.unwrap().is_none());
        assert_eq!(socket.peer_close().unwrap().code(), CloseCode::GOING_AWAY);
        assert!(socket.outcome().unwrap().clean);
    }
    server.program.finish().await.unwrap();
}

#[tokio::test]
async fn member_that_talks_without_a_pause_stays() {
    let server = Server::start().await;
    let mut ann = server.enter("/rooms/hall/Ann").await;
    for _ in 0..10_000 {
        ann.feed("Hello").await.unwrap();
    }
    ann.start_close(CloseCode::NORMAL).unwrap();
    while ann.recv().await.unwrap().is_some() {}
    assert_eq!(ann.peer_close().unwrap().code(), CloseCode::NORMAL);
}

#[tokio::test]
async fn history_has_the_last_twenty_messages() {
    let server = Server::start().await;
    let mut ann = server.enter("/rooms/tea/Ann").await;
    for i in 0..100 {
        ann.feed(format!("{i}")).await.unwrap();
    }
    let mut last = String::new();
    while last != "Ann\t99" {
        last = ann.recv().await.unwrap().unwrap().into_text().unwrap();
    }
    let mut ben = server.enter("/rooms/tea/Ben").await;
    for i in 80..100 {
        expect(&mut ben, &[&format!("Ann\t{i}")]).await;
    }
    expect(&mut ben, &["\tBen has come"]).await;
}

#[tokio::test]
async fn page_is_served_and_strangers_are_rejected() {
    let server = Server::start().await;
    let io = TokioIo::new(TcpStream::connect(&server.address).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let request = hyper::Request::get("/").header("host", &server.address);
    let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    let page = response.into_body().collect().await.unwrap().to_bytes();
    assert!(page.starts_with(b"<!doctype html>"));

    let long = format!("/rooms/tea/{}", "x".repeat(31));
    for (path, origin, status) in [
        ("/rooms/tea/Ann", "https://example.org", 403),
        (&long, "", 400),
        ("/rooms/a%09b/c", "", 400),
    ] {
        let fields = [Field::new("Origin", origin)];
        let fields = if origin.is_empty() { &[][..] } else { &fields };
        let request = ClientRequest::to(&server.address, path).with_fields(fields);
        let io = TcpStream::connect(&server.address).await.unwrap();
        let error = client(io, &request).await.unwrap_err();
        let Error::Rejected(response) = error else { panic!("{error}") };
        assert_eq!(response.status, status, "{path}");
    }
}
