//! Two connected peers in memory, and a loop that echoes.

#![allow(dead_code, reason = "each test uses a part")]

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, duplex};
use tokio_websocket_proto::proto::handshake::ClientRequest;
use tokio_websocket_proto::{Error, WebSocket, accept, client};

/// Returns a server and a client. The transport holds `capacity` bytes in each direction.
pub(crate) async fn pair(capacity: usize) -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    let (a, b) = duplex(capacity);
    let request = ClientRequest::to("localhost", "/");
    let (server, client) = tokio::join!(accept(a), client(b, &request));
    (server.unwrap(), client.unwrap())
}

pub(crate) async fn echo<IO>(mut socket: WebSocket<IO>) -> Result<(), Error>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = socket.recv().await? {
        let message = message.into_owned();
        socket.feed(message).await?;
    }
    Ok(())
}
