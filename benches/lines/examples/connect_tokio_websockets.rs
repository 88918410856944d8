use futures_util::{SinkExt, StreamExt};
use http::Uri;
use tokio_websockets::{ClientBuilder, Error, Message};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let uri = Uri::from_static("ws://localhost:9001/");
    let (mut socket, _) = ClientBuilder::from_uri(uri).connect().await?;
    socket.send(Message::text("Hello")).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            println!("{message:?}");
        }
    }
    Ok(())
}
