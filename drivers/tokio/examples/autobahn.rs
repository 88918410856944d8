//! An echo server and a client for the Autobahn test suite.
//!
//! `cargo run --example autobahn -- server [ADDRESS]` echoes on 127.0.0.1:9001, or on ADDRESS, at any path.
//!
//! `cargo run --example autobahn -- client AGENT URI` runs all cases of the fuzzing server at URI under the
//! name AGENT, and has it write its reports.
//!
//! `--deflate` enables compression. `--deflate=takeover` allows context takeover, `--deflate=10` limits the
//! windows to 10 bits, and `--deflate=takeover,10` does both.

use std::error::Error;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_websocket_proto::proto::handshake::{Acceptance, OriginPolicy};
use tokio_websocket_proto::proto::{Config, Deflate, Timeouts};
use tokio_websocket_proto::{ClientBuilder, Incoming, WebSocket, configure_tcp};

type Result<T = (), E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> Result {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    // The suite judges every frame, so no keepalive Pings are sent.
    let mut config = Config::new()
        .with_timeouts(Timeouts::RECOMMENDED.with_ping(None))
        .with_origin_policy(OriginPolicy::any());
    if let Some(at) = arguments.iter().position(|argument| argument.starts_with("--deflate")) {
        config = config.with_deflate(deflate(&arguments.remove(at))?);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["server"] => serve("127.0.0.1:9001", config).await,
        ["server", address] => serve(address, config).await,
        ["client", agent, uri] => run_cases(agent, uri.trim_end_matches('/'), config).await,
        _ => Err("usage: autobahn [--deflate] server [ADDRESS]\n       \
                  autobahn [--deflate] client AGENT URI"
            .into()),
    }
}

fn deflate(option: &str) -> Result<Deflate> {
    let mut deflate = Deflate::new();
    for setting in option.split(['=', ',']).skip(1) {
        deflate = match (setting, setting.parse()) {
            ("takeover", _) => {
                deflate.with_outgoing_context_takeover().with_incoming_context_takeover()
            }
            (_, Ok(bits @ 8..=15)) => {
                deflate.with_outgoing_window_bits(bits).with_incoming_window_bits(bits)
            }
            _ => return Err(format!("{option}: a setting is `takeover`, or 8 to 15 bits").into()),
        };
    }
    Ok(deflate)
}

async fn serve(address: &str, config: Config) -> Result {
    let config = Arc::new(config);
    let listener = TcpListener::bind(address).await?;
    println!("listening on ws://{}/", listener.local_addr()?);
    loop {
        let (tcp, peer) = listener.accept().await?;
        let config = config.clone();
        tokio::spawn(async move {
            if let Err(error) = accept(tcp, config).await {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

async fn accept(tcp: TcpStream, config: Arc<Config>) -> Result {
    configure_tcp(&tcp)?;
    let incoming = Incoming::receive(tcp, config).await?;
    echo(incoming.accept(&Acceptance::new()).await?).await
}

async fn run_cases(agent: &str, uri: &str, config: Config) -> Result {
    let client = ClientBuilder::new().with_config(config);
    let reply = command(&client, &format!("{uri}/getCaseCount")).await?;
    let count: u32 = reply.ok_or("the server did not send the number of cases")?.parse()?;
    for case in 1..=count {
        let uri = format!("{uri}/runCase?case={case}&agent={agent}");
        let socket = client.connect(&uri).await?.socket;
        // Many cases break a rule, so the connection fails. The suite judges how.
        let _ = echo(socket).await;
    }
    command(&client, &format!("{uri}/updateReports?agent={agent}")).await?;
    Ok(())
}

/// Returns the last message of the connection, if there is one.
async fn command(client: &ClientBuilder, uri: &str) -> Result<Option<String>> {
    let mut socket = client.connect(uri).await?.socket;
    let mut reply = None;
    // The suite does not always complete the closing handshake of these connections.
    while let Ok(Some(message)) = socket.recv().await {
        reply = message.as_text().map(str::to_owned);
    }
    Ok(reply)
}

async fn echo<IO: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocket<IO>) -> Result {
    while let Some(message) = socket.recv().await? {
        let message = message.into_owned();
        socket.feed(message).await?;
    }
    Ok(())
}
