//! The echo servers, each with the loop that its documentation shows.
//!
//! Servers named *feed* queue an echo of each message that has arrived, and flush before they wait.

use std::net::Ipv4Addr;

use futures_util::{Sink, SinkExt, Stream, StreamExt, poll};
use tokio::net::{TcpListener, TcpStream};

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T = ()> = std::result::Result<T, Error>;

pub const NAMES: &[&str] = &[
    "websocket-proto",
    "websocket-proto, send",
    "fastwebsockets",
    "tokio-tungstenite",
    "tokio-tungstenite, feed",
    "tokio-websockets",
    "tokio-websockets, feed",
    "sockudo-ws",
    "sockudo-ws, feed",
];

/// Prints the port and serves until the process is killed.
pub fn serve(name: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.expect("a runtime").block_on(async {
        match name {
            "websocket-proto" => accept(websocket_proto::feed).await,
            "websocket-proto, send" => accept(websocket_proto::send).await,
            "fastwebsockets" => accept(fastwebsockets::upgrade).await,
            "tokio-tungstenite" => accept(tokio_tungstenite::echo).await,
            "tokio-tungstenite, feed" => accept(tokio_tungstenite::feed).await,
            "tokio-websockets" => accept(tokio_websockets::echo).await,
            "tokio-websockets, feed" => accept(tokio_websockets::feed).await,
            "sockudo-ws" => accept(sockudo_ws::echo).await,
            "sockudo-ws, feed" => accept(sockudo_ws::feed).await,
            _ => Err(format!("there is no server {name}").into()),
        }
    });
    result.expect("a server");
}

async fn accept<F>(serve: fn(TcpStream) -> F) -> Result
where
    F: Future<Output = Result> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", listener.local_addr()?.port());
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        tokio::spawn(async move {
            // Connections end when the load generator closes them.
            let _ = serve(socket).await;
        });
    }
}

/// Sends each message before the next one is received.
async fn echo<M, E, S>(mut socket: S, is_data: fn(&M) -> bool) -> Result
where
    S: Stream<Item = std::result::Result<M, E>> + Sink<M, Error = E> + Unpin,
    E: Into<Error>,
{
    while let Some(message) = socket.next().await {
        let message = message.map_err(E::into)?;
        if is_data(&message) {
            socket.send(message).await.map_err(E::into)?;
        }
    }
    Ok(())
}

/// Queues an echo of each message that has arrived, and flushes before it waits for the next one.
async fn feed<M, E, S>(mut socket: S, is_data: fn(&M) -> bool) -> Result
where
    S: Stream<Item = std::result::Result<M, E>> + Sink<M, Error = E> + Unpin,
    E: Into<Error>,
{
    loop {
        let next = match poll!(socket.next()) {
            std::task::Poll::Ready(next) => next,
            std::task::Poll::Pending => {
                socket.flush().await.map_err(E::into)?;
                socket.next().await
            }
        };
        let Some(message) = next else { return Ok(()) };
        let message = message.map_err(E::into)?;
        if is_data(&message) {
            socket.feed(message).await.map_err(E::into)?;
        }
    }
}

mod websocket_proto {
    use super::*;

    pub async fn feed(socket: TcpStream) -> Result {
        let mut socket = tokio_websocket_proto::accept(socket).await?;
        while let Some(message) = socket.recv().await? {
            let message = message.into_owned();
            socket.feed(message).await?;
        }
        Ok(())
    }

    pub async fn send(socket: TcpStream) -> Result {
        let mut socket = tokio_websocket_proto::accept(socket).await?;
        while let Some(message) = socket.recv().await? {
            let message = message.into_owned();
            socket.send(message).await?;
        }
        Ok(())
    }
}

/// It has no way to queue messages: each is written at once.
mod fastwebsockets {
    use ::fastwebsockets::upgrade::{UpgradeFut, upgrade as accept};
    use ::fastwebsockets::{FragmentCollector, OpCode};
    use http_body_util::Empty;
    use hyper::body::{Bytes, Incoming};
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper::{Request, Response};
    use hyper_util::rt::TokioIo;

    use super::*;

    pub async fn upgrade(socket: TcpStream) -> Result {
        let service = service_fn(respond);
        let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
        Ok(connection.with_upgrades().await?)
    }

    async fn respond(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>> {
        let (response, upgraded) = accept(&mut request)?;
        tokio::spawn(async move {
            let _ = tokio::task::unconstrained(echo(upgraded)).await;
        });
        Ok(response)
    }

    async fn echo(upgraded: UpgradeFut) -> Result {
        let mut socket = FragmentCollector::new(upgraded.await?);
        loop {
            let frame = socket.read_frame().await?;
            match frame.opcode {
                OpCode::Close => return Ok(()),
                OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
                OpCode::Continuation | OpCode::Ping | OpCode::Pong => {}
            }
        }
    }
}

mod tokio_tungstenite {
    use ::tokio_tungstenite::accept_async;
    use ::tokio_tungstenite::tungstenite::Message;

    use super::*;

    pub async fn echo(socket: TcpStream) -> Result {
        super::echo(accept_async(socket).await?, is_data).await
    }

    pub async fn feed(socket: TcpStream) -> Result {
        super::feed(accept_async(socket).await?, is_data).await
    }

    fn is_data(message: &Message) -> bool {
        message.is_text() || message.is_binary()
    }
}

mod tokio_websockets {
    use ::tokio_websockets::{Message, ServerBuilder};

    use super::*;

    pub async fn echo(socket: TcpStream) -> Result {
        let (_request, socket) = ServerBuilder::new().accept(socket).await?;
        super::echo(socket, is_data).await
    }

    pub async fn feed(socket: TcpStream) -> Result {
        let (_request, socket) = ServerBuilder::new().accept(socket).await?;
        super::feed(socket, is_data).await
    }

    fn is_data(message: &Message) -> bool {
        message.is_text() || message.is_binary()
    }
}

mod sockudo_ws {
    use ::sockudo_ws::handshake::server_handshake;
    use ::sockudo_ws::{Config, Message, WebSocketStream};

    use super::*;

    pub async fn echo(socket: TcpStream) -> Result {
        super::echo(accept(socket).await?, is_data).await
    }

    pub async fn feed(socket: TcpStream) -> Result {
        super::feed(accept(socket).await?, is_data).await
    }

    async fn accept(mut socket: TcpStream) -> Result<WebSocketStream<TcpStream>> {
        server_handshake(&mut socket).await?;
        Ok(WebSocketStream::server(socket, Config::default()))
    }

    fn is_data(message: &Message) -> bool {
        matches!(message, Message::Text(_) | Message::Binary(_))
    }
}
