use tokio_websocket_proto::{Error, connect};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut socket = connect("ws://localhost:9001/").await?;
    socket.send("Hello").await?;
    while let Some(message) = socket.recv().await? {
        println!("{message:?}");
    }
    Ok(())
}
