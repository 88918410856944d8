//! A listener that answers nobody.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

/// A listener whose backlog is full: the system drops further connections, as a firewall does.
pub(crate) struct FullListener {
    pub(crate) address: SocketAddr,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl FullListener {
    /// Call it with the clock of tokio paused.
    pub(crate) async fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        while let Ok(socket) = timeout(Duration::from_secs(1), TcpStream::connect(address)).await {
            queued.push(socket.unwrap());
        }
        Self { address, _listener: listener, _queued: queued }
    }
}
