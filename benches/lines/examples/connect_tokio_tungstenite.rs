use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::{Error, Message};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (mut socket, _) = connect_async("ws://localhost:9001/").await?;
    socket.send(Message::text("Hello")).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            println!("{message:?}");
        }
    }
    Ok(())
}
