//! A complete echo server with one thread per connection. While a connection works, it loses no message; it bounds
//! the memory of each connection and all waiting times.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use websocket_proto::handshake::{Acceptance, Handshake, Rejection, ServerEvent, ServerHandshake};
use websocket_proto::{Config, Event, Input, Io, Timeouts, Transport, Unsent};

static CONFIG: Config = Config::new().with_timeouts(Timeouts::RECOMMENDED);

fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind(std::env::args().nth(1).unwrap_or("127.0.0.1:9001".into()))?;
    println!("listening on ws://{}/", listener.local_addr()?);
    for socket in listener.incoming() {
        let serve = |socket| serve(socket).unwrap_or_else(|error| eprintln!("{error}"));
        let started = socket.and_then(|socket| Builder::new().spawn(move || serve(socket)));
        if let Err(error) = started {
            eprintln!("{error}"); // Possibly out of file descriptors or threads: some will be free later.
            thread::sleep(Duration::from_millis(100));
        }
    }
    Ok(())
}

fn serve(mut socket: TcpStream) -> Result<(), Box<dyn std::error::Error>> {
    socket.set_write_timeout(Some(Duration::from_millis(10)))?;
    let (start, mut input) = (Instant::now(), Input::owned(vec![0; 64 * 1024]));
    let mut handshake = ServerHandshake::new(&CONFIG);
    let mut connection = loop {
        handshake.handle_timeout(start.elapsed());
        let written = handshake.output().write_to(&mut socket)?;
        let true = follow(handshake.transport(), &socket) else { return Ok(()) };
        socket.set_read_timeout(Some(wait(written, handshake.poll_timeout(), start.elapsed())))?;
        input.read_from(&mut socket)?;
        match handshake.receive(&mut input) {
            Some(ServerEvent::Upgrade) => break handshake.accept(&Acceptance::new())?,
            Some(ServerEvent::Http) => handshake.reject(Rejection::UpgradeRequired)?,
            Some(ServerEvent::Failed(_)) | None => {} // The response to a failure is already queued.
        }
    };
    loop {
        connection.handle_timeout(start.elapsed());
        let written = connection.output().write_to(&mut socket)?;
        let true = follow(connection.transport(), &socket) else { return Ok(()) };
        socket.set_read_timeout(Some(wait(written, connection.poll_timeout(), start.elapsed())))?;
        input.read_from(&mut socket)?;
        while connection.has_room()
            && let Some(event) = connection.receive(&mut input)
        {
            if let (Event::Message(message), true) = (event, connection.may_send()) {
                connection.send(message).map_err(Unsent::into_error)?;
            }
        }
    }
}

/// Follows the transport instruction. Returns `false` if the socket is to be closed.
fn follow(transport: Transport, socket: &TcpStream) -> bool {
    if transport == Transport::Drain {
        let _ = socket.shutdown(Shutdown::Write); // Fails if the client is gone, which a read reports too.
    }
    matches!(transport, Transport::Open | Transport::Drain)
}

/// Returns how long to wait for bytes: until the report that is `due`, and at most 1 s. While output is
/// queued, at most 10 ms, as for a write: the client may be waiting for the other direction. Sockets reject 0.
fn wait(written: Io, due: Option<Duration>, now: Duration) -> Duration {
    let longest = Duration::from_millis(if written == Io::Blocked { 10 } else { 1000 });
    due.map_or(longest, |due| due.saturating_sub(now)).clamp(Duration::from_millis(1), longest)
}
