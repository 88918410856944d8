//! An echo server for browsers, over HTTP/2 and TLS only: pages of the server's own origin open WebSockets
//! by Extended CONNECT (RFC 8441).
//!
//! `cargo run --example echo_h2 [ADDRESS]` listens on 127.0.0.1:9443, or on ADDRESS (with port 0, the
//! system chooses one), with a self-signed certificate. `GET /` returns the page of the example
//! `echo_server`, which connects back. `/` and `/echo` echo, `/bye` closes immediately, `/abort` aborts at
//! the first message, and other paths are rejected. Messages are compressed. Requests and the ends of
//! connections are printed.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use h2::ext::Protocol;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::uri::{Authority, PathAndQuery};
use http::{Method, Request, Response, StatusCode, Version};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use websocket_proto::handshake::{Acceptance, ExtendedConnect, HandshakeError, choose_subprotocol};
use websocket_proto::{
    CloseCode, CloseFrame, Config, Connection, Deflate, Event, Negotiated, Unsent,
};
use websocket_proto_stacks::{drive, extended_connect};

const DEFLATE: Deflate = Deflate::new();
static CONFIG: Config = Config::new().with_deflate(DEFLATE);
static PAGE: &[u8] = include_bytes!("../../../examples/page.html");
const SUBPROTOCOLS: [&str; 2] = ["chat", "superchat"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9443".into());
    let certified = rcgen::generate_simple_self_signed(["localhost".into(), "127.0.0.1".into()])?;
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der())?;
    let mut tls = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.into()], key)?;
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let tls = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind(address).await?;
    println!("listening on https://{}/", listener.local_addr()?);
    loop {
        let (socket, peer) = listener.accept().await?;
        let tls = tls.clone();
        tokio::spawn(async move {
            if let Err(error) = serve(tls, socket, peer).await {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

/// Serves one HTTP/2 connection.
async fn serve(
    tls: TlsAcceptor,
    socket: TcpStream,
    peer: SocketAddr,
) -> Result<(), Box<dyn Error>> {
    socket.set_nodelay(true)?;
    let socket = tls.accept(socket).await?;
    if socket.get_ref().1.alpn_protocol() != Some(b"h2") {
        return Err("the peer does not speak HTTP/2".into());
    }
    let mut http = h2::server::Builder::new()
        .enable_connect_protocol()
        // Each small message is a DATA frame, and h2 ends the connection when more than a hundred of them
        // are unread. Here the window bounds their number.
        .data_frame_budget(1 << 24)
        .handshake::<_, Bytes>(socket)
        .await?;
    while let Some(stream) = http.accept().await {
        let (request, respond) = stream?;
        tokio::spawn(async move {
            let name = format!("{peer} stream {}", u32::from(respond.stream_id()));
            if let Err(error) = answer(&name, request, respond).await {
                eprintln!("{name}: {error}");
            }
        });
    }
    Ok(())
}

/// Answers one request.
async fn answer(
    name: &str,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    assert_eq!(request.version(), Version::HTTP_2);
    let connect = match extended_connect(&request, CONFIG.origin_policy()) {
        Ok(Some(connect)) => connect,
        Ok(None) => return plain(name, &request, respond),
        Err(HandshakeError::MalformedFields) => {
            respond.send_reset(Reason::PROTOCOL_ERROR);
            return Ok(());
        }
        Err(error) => {
            eprintln!("{name}: {error}");
            return respond.send_response(ExtendedConnect::reject_http(error), true).map(drop);
        }
    };
    println!("connect {name}: {}", describe(&request));
    let path = connect.path();
    if !matches!(path, "/" | "/echo" | "/bye" | "/abort") {
        return reject(StatusCode::NOT_FOUND, respond);
    }
    let chosen = choose_subprotocol(connect.subprotocols(), &SUBPROTOCOLS);
    let deflate = connect.accept_deflate(&DEFLATE);
    let acceptance = Acceptance::new().with_subprotocol(chosen).with_deflate_parameters(deflate);
    let accepted = connect.accept_http(&acceptance).expect("the subprotocol was offered");
    let mut connection = Connection::server(&CONFIG, &Negotiated::from(&acceptance));
    if path == "/bye" {
        let frame = CloseFrame::new(CloseCode(4321), "no more").expect("the reason is short");
        connection.close(frame).expect("the first Close");
    }
    let aborts = path == "/abort";
    let send = respond.send_response(accepted, false)?;
    let receive = request.into_body();
    drive(&mut connection, send, receive, |connection, event| match event {
        Event::Message(_) if aborts => connection.abort(),
        Event::Message(message) if connection.may_send() => {
            connection.send(message).map_err(Unsent::into_error).expect("there is room");
        }
        Event::Close(frame) => {
            let code = frame.as_ref().map_or(CloseCode::NO_STATUS, CloseFrame::code);
            let reason = frame.as_ref().map_or("", CloseFrame::reason);
            println!("{}", format!("closed {name}: {code} {reason}").trim_end());
        }
        Event::Failed(error) => eprintln!("{name}: {error}"),
        _ => {}
    })
    .await?;
    let outcome = connection.outcome().expect("the transport is to be closed");
    let how = if outcome.clean { "clean" } else { "lost" };
    println!("ended {name}: {how}, {}", outcome.code);
    Ok(())
}

/// The fields of a request, pseudo-header fields first.
fn describe<B>(request: &Request<B>) -> String {
    let uri = request.uri();
    let protocol = request.extensions().get::<Protocol>().map_or("", Protocol::as_str);
    let pseudo = [
        (":method", request.method().as_str()),
        (":protocol", protocol),
        (":scheme", uri.scheme_str().unwrap_or_default()),
        (":path", uri.path_and_query().map_or("", PathAndQuery::as_str)),
        (":authority", uri.authority().map_or("", Authority::as_str)),
    ];
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.to_str().unwrap_or("?")));
    let fields = pseudo.into_iter().chain(headers).map(|(name, value)| format!("{name}={value}"));
    fields.collect::<Vec<_>>().join(" | ")
}

/// Answers plain HTTP: the page for `GET /`, an error otherwise.
fn plain(
    name: &str,
    request: &Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    println!("request {name}: {} {}", request.method(), request.uri().path());
    match (request.uri().path(), request.method()) {
        ("/", &Method::GET) => {
            let response = Response::builder()
                .header("content-type", "text/html; charset=utf-8")
                .body(())
                .expect("valid fields");
            respond.send_response(response, false)?.send_data(Bytes::from_static(PAGE), true)
        }
        ("/", _) => reject(StatusCode::METHOD_NOT_ALLOWED, respond),
        _ => reject(StatusCode::NOT_FOUND, respond),
    }
}

fn reject(status: StatusCode, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    respond.send_response(response, true).map(drop)
}
