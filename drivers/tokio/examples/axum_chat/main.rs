//! A chat with rooms: a page, and the WebSockets of that page, on one port.
//!
//! `cargo run --example axum_chat --features axum [ADDRESS]` serves http://127.0.0.1:3000/, or ADDRESS.
//! With `-- --tls` it serves HTTPS and HTTP/2 with a self-signed certificate. Ctrl-C closes each connection
//! with 1001 (going away), waits for them, and ends.
//!
//! The page opens `/rooms/ROOM/NAME`, sends texts, and receives `NAME<TAB>TEXT`. Announcements have no
//! name.

mod rooms;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get};
use axum::serve::{Listener, ListenerExt};
use rooms::Rooms;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_websocket_proto::axum::{WebSocket, WebSocketUpgrade};
use tokio_websocket_proto::proto::{CloseCode, Config, Deflate, Limits, SendError};
use tokio_websocket_proto::{Error, configure_tcp, default_config};

static CONFIG: Config = default_config()
    .with_limits(Limits::DEFAULT.with_max_message(4096))
    .with_deflate(Deflate::new());

/// The time for which a member may read too slowly.
const PATIENCE: Duration = Duration::from_secs(10);

/// A member that does not read its messages is disconnected, and may come back.
const TOO_LATE: CloseCode = CloseCode::TRY_AGAIN_LATER;

#[derive(Clone)]
struct Chat {
    rooms: Arc<Rooms>,
    /// Changes when the server is going away.
    leaving: watch::Receiver<()>,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let has_tls = arguments.iter().any(|argument| argument == "--tls");
    arguments.retain(|argument| argument != "--tls");
    let address = arguments.first().map_or("127.0.0.1:3000", String::as_str);
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let interrupt = async { drop(tokio::signal::ctrl_c().await) };
    if has_tls {
        let listener = tls::listen(listener)?;
        println!("listening on https://{address}/");
        serve(listener, interrupt).await
    } else {
        println!("listening on http://{address}/");
        serve(listener.tap_io(|socket| drop(configure_tcp(socket))), interrupt).await
    }
}

/// Serves until `stop` completes, then closes the connections and waits for them.
async fn serve<L, F>(listener: L, stop: F) -> std::io::Result<()>
where
    L: Listener<Addr = SocketAddr>,
    F: Future<Output = ()> + Send + 'static,
{
    let (leave, leaving) = watch::channel(());
    let leave = Arc::new(leave);
    let app = Router::new()
        .route("/", get(async || Html(include_str!("page.html"))))
        .route("/rooms/{room}/{name}", any(open))
        .with_state(Chat { rooms: Arc::default(), leaving });
    let sender = Arc::clone(&leave);
    let stop = async move {
        stop.await;
        sender.send_replace(());
    };
    axum::serve(listener, app).with_graceful_shutdown(stop).await?;
    // axum does not wait for the connections of `on_upgrade`. Each one holds a receiver.
    leave.closed().await;
    Ok(())
}

async fn open(
    State(chat): State<Chat>,
    Path((room, name)): Path<(String, String)>,
    ws: WebSocketUpgrade,
) -> Response {
    if [&room, &name]
        .iter()
        .any(|text| text.chars().count() > 30 || text.contains(char::is_control))
    {
        return (StatusCode::BAD_REQUEST, "A name has at most 30 characters.").into_response();
    }
    ws.config(&CONFIG).on_upgrade(async move |socket| {
        if let Err(error) = converse(socket, chat, &room, &name).await {
            eprintln!("{name} in {room}: {error}");
        }
    })
}

/// Passes messages between a member and a room until one of them ends.
async fn converse(
    mut socket: WebSocket,
    mut chat: Chat,
    room: &str,
    name: &str,
) -> Result<(), Error> {
    let (mut seat, history) = chat.rooms.enter(room, name);
    for message in &history {
        socket.feed(message).await?;
    }
    loop {
        // The room comes before `recv`: it returns what this member says, too, which must leave the channel as
        // fast as it comes. The next `recv` writes everything that was fed.
        tokio::select! {
            biased;
            _ = chat.leaving.changed() => return socket.close(CloseCode::GOING_AWAY).await,
            message = seat.next(), if !socket.is_closing() => match message {
                // A stop interrupts `feed`.
                Ok(message) => tokio::select! {
                    _ = chat.leaving.changed() => return socket.close(CloseCode::GOING_AWAY).await,
                    fed = timeout(PATIENCE, socket.feed(&message)) => match fed {
                        // After a Close, `recv` completes the closing handshake.
                        Ok(Ok(()) | Err(Error::Send(SendError::Closed))) => {}
                        Ok(Err(error)) => return Err(error),
                        Err(_) => return socket.close(TOO_LATE).await,
                    },
                },
                Err(_) => return socket.close(TOO_LATE).await,
            },
            message = socket.recv() => match message? {
                Some(message) => seat.say(message.as_text().unwrap_or("sent binary data")),
                None => return Ok(()),
            },
        }
    }
}
