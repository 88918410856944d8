use tokio::net::{TcpListener, TcpStream};
use tokio_websocket_proto::{Error, accept};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:9001").await?;
    loop {
        let (tcp, _) = listener.accept().await?;
        tokio::spawn(echo(tcp));
    }
}

async fn echo(tcp: TcpStream) -> Result<(), Error> {
    let mut socket = accept(tcp).await?;
    while let Some(message) = socket.recv().await? {
        let message = message.into_owned();
        socket.feed(message).await?;
    }
    Ok(())
}
