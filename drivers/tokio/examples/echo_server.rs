//! An echo server.
//!
//! `cargo run --example echo_server_tokio [ADDRESS]` listens on 127.0.0.1:9001, or on ADDRESS. It accepts
//! programs, and pages of its own origin.

use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_websocket_proto::{Error, accept, configure_tcp};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    let listener = TcpListener::bind(address).await?;
    println!("listening on ws://{}/", listener.local_addr()?);
    loop {
        match listener.accept().await {
            Ok((tcp, peer)) => {
                tokio::spawn(async move {
                    if let Err(error) = echo(tcp).await {
                        eprintln!("{peer}: {error}");
                    }
                });
            }
            // The process may have too many open files. The listener stays usable.
            Err(error) => {
                eprintln!("{error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn echo(tcp: TcpStream) -> Result<(), Error> {
    configure_tcp(&tcp)?;
    let mut socket = accept(tcp).await?;
    while let Some(message) = socket.recv().await? {
        let message = message.into_owned();
        // Replies to the messages of one read leave in one write.
        socket.feed(message).await?;
    }
    Ok(())
}
