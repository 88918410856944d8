//! A server that sends each message of a client to all other clients.
//!
//! `cargo run --example broadcast_server [ADDRESS]` listens on 127.0.0.1:9003, or on ADDRESS. The example
//! `client` is a client for it. Ctrl-C closes each connection with 1001 (going away), waits until all have
//! closed, and ends.
//!
//! A message is encoded once for all clients. A client that falls 100 messages behind, or for which
//! 1 MiB is queued for 10 seconds, is disconnected (1013).

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_websocket_proto::proto::{CloseCode, PreparedMessage, SendError};
use tokio_websocket_proto::{Error, accept, configure_tcp};

/// The time for which a client may read too slowly.
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), Error> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9003".into());
    let listener = TcpListener::bind(address).await?;
    println!("listening on ws://{}/", listener.local_addr()?);
    let posts = broadcast::Sender::new(100);
    let (stop, stopping) = watch::channel(());
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    loop {
        let accepted = tokio::select! {
            biased; // Until `interrupt` is polled once, Ctrl-C ends the process.
            _ = &mut interrupt => break,
            accepted = listener.accept() => accepted,
        };
        let (tcp, peer) = match accepted {
            Ok(accepted) => accepted,
            // The process may have too many open files. The listener stays usable.
            Err(error) => {
                eprintln!("{error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let room = Room { posts: posts.clone(), stopping: stopping.clone() };
        tokio::spawn(async move {
            if let Err(error) = talk(tcp, peer, room).await {
                eprintln!("{peer}: {error}");
            }
        });
    }
    drop((listener, stopping));
    stop.send_replace(());
    // The task of each client holds a receiver until it ends.
    stop.closed().await;
    Ok(())
}

/// The channels of the task of a client.
struct Room {
    posts: broadcast::Sender<Post>,
    /// Changes when the server stops.
    stopping: watch::Receiver<()>,
}

/// A message and the client that has sent it.
#[derive(Clone)]
struct Post {
    from: SocketAddr,
    message: PreparedMessage,
}

async fn talk(tcp: TcpStream, peer: SocketAddr, mut room: Room) -> Result<(), Error> {
    configure_tcp(&tcp)?;
    // Before the client knows that it is connected, so that it misses no message after that.
    let mut posts = room.posts.subscribe();
    let mut socket = accept(tcp).await?;
    loop {
        // A branch that is not taken loses nothing. Posts come before `recv`: what this client sends is a post,
        // too, and must leave the channel as fast as it comes.
        tokio::select! {
            biased;
            _ = room.stopping.changed() => return socket.close(CloseCode::GOING_AWAY).await,
            post = posts.recv(), if !socket.is_closing() => match post {
                Ok(post) if post.from == peer => {}
                // The next `recv` writes all messages that are queued at once. A stop interrupts `feed`.
                Ok(post) => tokio::select! {
                    _ = room.stopping.changed() => return socket.close(CloseCode::GOING_AWAY).await,
                    fed = timeout(PATIENCE, socket.feed(&post.message)) => match fed {
                        // After a Close, `recv` completes the closing handshake.
                        Ok(Ok(()) | Err(Error::Send(SendError::Closed))) => {}
                        Ok(Err(error)) => return Err(error),
                        Err(_) => return socket.close(CloseCode::TRY_AGAIN_LATER).await,
                    },
                },
                Err(RecvError::Lagged(_) | RecvError::Closed) => {
                    return socket.close(CloseCode::TRY_AGAIN_LATER).await;
                }
            },
            message = socket.recv() => match message? {
                Some(message) => {
                    // This client is subscribed, so the channel is open.
                    let _ = room.posts.send(Post { from: peer, message: PreparedMessage::new(message) });
                }
                None => return Ok(()),
            },
        }
    }
}
