//! A server that sends each message of a client to all other clients.
//!
//! `cargo run --example broadcast_server [ADDRESS]` listens on 127.0.0.1:9003, or on ADDRESS. The example
//! `client` is a client for it.
//!
//! A message is encoded once for all clients. A client that falls 100 messages or 1 MiB behind is disconnected.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_websocket_proto::proto::{CloseCode, PreparedMessage, SendError, Unsent};
use tokio_websocket_proto::{Error, accept, configure_tcp};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9003".into());
    let listener = TcpListener::bind(address).await?;
    println!("listening on ws://{}/", listener.local_addr()?);
    let room = broadcast::Sender::new(100);
    loop {
        let (tcp, peer) = listener.accept().await?;
        let room = room.clone();
        tokio::spawn(async move {
            if let Err(error) = talk(tcp, peer, room).await {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

/// A message and the client that has sent it.
#[derive(Clone)]
struct Post {
    from: SocketAddr,
    message: PreparedMessage,
}

async fn talk(
    tcp: TcpStream,
    peer: SocketAddr,
    room: broadcast::Sender<Post>,
) -> Result<(), Error> {
    configure_tcp(&tcp)?;
    // Before the client knows that it is connected, so that it misses no message after that.
    let mut posts = room.subscribe();
    let mut socket = accept(tcp).await?;
    loop {
        // `recv` and the channel lose nothing when the other branch is taken.
        let post = tokio::select! {
            message = socket.recv() => match message? {
                Some(message) => {
                    // This client is subscribed, so the room is open.
                    let _ = room.send(Post { from: peer, message: PreparedMessage::new(message) });
                    continue;
                }
                None => return Ok(()),
            },
            post = posts.recv() => post,
        };
        match post {
            Ok(post) if post.from == peer => {}
            // The next `recv` writes all messages that are queued at once.
            Ok(post) => match socket.try_feed(&post.message).map_err(Unsent::into_error) {
                Ok(()) => {}
                Err(SendError::Full) => return socket.close(CloseCode::TRY_AGAIN_LATER).await,
                // `recv` completes the closing handshake, or returns the failure.
                Err(_) => {}
            },
            Err(RecvError::Lagged(_)) => return socket.close(CloseCode::TRY_AGAIN_LATER).await,
            Err(RecvError::Closed) => return socket.close(CloseCode::GOING_AWAY).await,
        }
    }
}
