//! A complete client: sends a message, prints the reply and closes. `minimal_client [ws://… [MESSAGE]]`

use std::error::Error;
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use websocket_proto::handshake::{ClientEvent, ClientHandshake, ClientRequest, Handshake, Uri};
use websocket_proto::{CloseCode, Config, Event, Input, Io, Timeouts, Transport, Unsent};

/// The longest wait for bytes while no output is queued.
const QUIET: Duration = Duration::from_secs(1);

/// The longest wait for one direction while output is queued: the server may be waiting for the other one.
const BLOCKED: Duration = Duration::from_millis(10);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let argument = |at, default: &str| std::env::args().nth(at).unwrap_or(default.into());
    let (address, message) = (argument(1, "ws://127.0.0.1:9001/"), argument(2, "Hello"));
    let uri = Uri::parse(&address)?;
    if uri.is_secure() {
        return Err("wss:// needs a TLS library".into());
    }
    let mut socket = TcpStream::connect((uri.host(), uri.port()))?;
    socket.set_write_timeout(Some(BLOCKED))?;
    let (start, mut input) = (Instant::now(), Input::owned(vec![0; 64 * 1024]));
    let config = Config::new().with_timeouts(Timeouts::RECOMMENDED);
    let mut handshake = ClientHandshake::new(config, &ClientRequest::new(&uri))?;
    let mut connection = loop {
        handshake.handle_timeout(start.elapsed());
        let written = handshake.output().write_to(&mut socket)?;
        socket.set_read_timeout(Some(wait(written, handshake.poll_timeout(), start.elapsed())))?;
        input.read_from(&mut socket)?;
        match handshake.receive(&mut input) {
            Some(ClientEvent::Accepted) => break handshake.establish()?,
            Some(ClientEvent::Rejected { status }) => return Err(format!("status {status}").into()),
            Some(ClientEvent::Failed(error)) => return Err(error.into()), // also at the timeout
            Some(ClientEvent::BodyEnded(_)) | None => {}
        }
    };
    connection.send(message).map_err(Unsent::into_error)?;
    loop {
        connection.handle_timeout(start.elapsed());
        let written = connection.output().write_to(&mut socket)?;
        match connection.transport() {
            Transport::Open => {}
            Transport::Drain => drop(socket.shutdown(Shutdown::Write)),
            Transport::Close | Transport::Abort => break,
        }
        socket.set_read_timeout(Some(wait(written, connection.poll_timeout(), start.elapsed())))?;
        input.read_from(&mut socket)?;
        while let Some(event) = connection.receive(&mut input) {
            if let Event::Message(message) = event {
                println!("{}", String::from_utf8_lossy(message.as_bytes()));
                if connection.may_send() {
                    connection.close(CloseCode::NORMAL)?;
                }
            }
        }
    }
    match (connection.error(), connection.outcome()) {
        (Some(error), _) => Err(error.into()),
        (None, Some(end)) if !matches!(end.code, CloseCode::NORMAL | CloseCode::NO_STATUS) => {
            Err(format!("the server closed with {}", end.code).into())
        }
        (None, _) => Ok(()),
    }
}

/// Returns how long to wait for bytes: until the report that is `due`. Sockets reject a timeout of 0.
fn wait(written: Io, due: Option<Duration>, now: Duration) -> Duration {
    let longest = if written == Io::Blocked { BLOCKED } else { QUIET };
    due.map_or(longest, |due| due.saturating_sub(now)).clamp(Duration::from_millis(1), longest)
}
