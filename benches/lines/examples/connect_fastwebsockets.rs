use bytes::Bytes;
use fastwebsockets::{FragmentCollector, Frame, OpCode, handshake};
use http_body_util::Empty;
use hyper::Request;
use hyper::header::{CONNECTION, HOST, UPGRADE};
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpStream;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let tcp = TcpStream::connect("localhost:9001").await?;
    let request = Request::get("/")
        .header(HOST, "localhost:9001")
        .header(UPGRADE, "websocket")
        .header(CONNECTION, "upgrade")
        .header("Sec-WebSocket-Key", handshake::generate_key())
        .header("Sec-WebSocket-Version", "13")
        .body(Empty::<Bytes>::new())?;
    let (socket, _) = handshake::client(&TokioExecutor::new(), request, tcp).await?;
    let mut socket = FragmentCollector::new(socket);
    socket.write_frame(Frame::text(b"Hello".as_slice().into())).await?;
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => println!("{:?}", &*frame.payload),
            _ => {}
        }
    }
}
