//! An echo server for browsers, over HTTP/2 and TLS and nothing else: WebSockets come by Extended
//! CONNECT (RFC 8441).
//!
//! `cargo run --example echo_h2 [ADDRESS]` listens on 127.0.0.1:9443, or on ADDRESS (port 0 picks
//! one), with a certificate of its own making. `GET /` gives the page of the example `echo_server`,
//! which connects back. `/` and `/echo` echo, `/bye` closes at once, `/abort` aborts at the first
//! message, and no other path is a WebSocket. Each request and each end is printed.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{Method, Request, Response, StatusCode, Version};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use websocket_proto::handshake::{
    Acceptance, ExtendedConnect, HandshakeError, OriginPolicy, Preference, choose_subprotocol,
};
use websocket_proto::{CloseCode, CloseFrame, Config, Connection, Event, Negotiated};
use websocket_proto_stacks::{drive, request_fields, response};

static CONFIG: Config = Config::new();
static PAGE: &[u8] = include_bytes!("../../../examples/page.html");
const SUBPROTOCOLS: [&str; 2] = ["superchat", "chat"];

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

/// Serves one connection of HTTP/2.
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
        // Each small message is a DATA frame of its own, and h2 ends the connection where more than
        // a hundred of those wait to be read. The window bounds them here.
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
    let fields = request_fields(&request);
    let connect = match ExtendedConnect::parse(&fields) {
        Ok(Some(connect)) => connect,
        Ok(None) => return plain(name, &request, respond),
        Err(HandshakeError::MalformedRequest) => {
            respond.send_reset(Reason::PROTOCOL_ERROR);
            return Ok(());
        }
        Err(error) => {
            eprintln!("{name}: {error}");
            return respond
                .send_response(response(ExtendedConnect::refusal(error)), true)
                .map(drop);
        }
    };
    let line: Vec<_> = fields
        .iter()
        .map(|field| format!("{}={}", field.name(), field.text().unwrap_or("?")))
        .collect();
    println!("connect {name}: {}", line.join(" | "));

    let same_origin = OriginPolicy::same();
    if !same_origin.allows_origin(connect.field("origin"), connect.authority()) {
        let refusal = response(ExtendedConnect::refusal(HandshakeError::ForbiddenOrigin));
        return respond.send_response(refusal, true).map(drop);
    }
    let path = connect.path();
    if !matches!(path, "/" | "/echo" | "/bye" | "/abort") {
        return refuse(StatusCode::NOT_FOUND, respond);
    }
    let offered = connect.subprotocols();
    let acceptance = match choose_subprotocol(offered, &SUBPROTOCOLS, Preference::Client) {
        Some(chosen) => Acceptance::new().subprotocol(chosen),
        None => Acceptance::new(),
    };
    let accepted = response(connect.accept(&acceptance).expect("valid and among the offered"));
    let mut connection = Connection::server(&CONFIG, &Negotiated::from(&acceptance));
    if path == "/bye" {
        let code = CloseCode(4321);
        let frame = CloseFrame::new(code, "no more").expect("short enough");
        connection.close(frame).expect("the first");
    }
    let aborts = path == "/abort";
    let send = respond.send_response(accepted, false)?;
    let receive = request.into_body();
    drive(&mut connection, send, receive, |connection, event| match event {
        Event::Message(_) if aborts => connection.abort(),
        // It fails only once the connection is closing: there is nobody to echo to.
        Event::Message(message) => drop(connection.send(message)),
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

/// Plain HTTP: the page, and nothing else.
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
        ("/", _) => refuse(StatusCode::METHOD_NOT_ALLOWED, respond),
        _ => refuse(StatusCode::NOT_FOUND, respond),
    }
}

fn refuse(status: StatusCode, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    respond.send_response(response, true).map(drop)
}
