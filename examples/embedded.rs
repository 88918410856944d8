//! An echo server without an allocator, over the traits of `embedded-io-async`.
//!
//! [`serve`] is what firmware runs. It needs a buffer of 512 bytes for each direction, and any
//! asynchronous socket, such as those of embassy-net. `main` runs it over a socket of the operating
//! system, for one client at a time.
//!
//! A [`Session`] has no timers, so [`serve`] waits for a silent client for ever. Firmware bounds each read
//! and each write with the timeout of its socket (`TcpSocket::set_timeout` of embassy-net), and the whole
//! with a timer; `main` sets timeouts of the socket.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use embedded_io_async::{ErrorType, Read, Write};
use websocket_proto::frame::FrameHeader;
use websocket_proto::handshake::{Acceptance, HeadLimits, OriginPolicy, Rejection, RequestParser};
use websocket_proto::session::{ReplyPending, Session, SessionEvent};
use websocket_proto::{EntropyError, Input, MessageType, Role, Transport};

/// The longest response and read in bytes, and one byte more than the longest request head.
const BUFFER: usize = 512;

/// The longest time that a read or a write of `main` waits.
const SILENCE: Duration = Duration::from_secs(60);

/// Performs the opening handshake, and then echoes messages piece by piece, as they arrive. Returns when
/// all output is written: the traits have no call to end it, so the caller follows [`Transport::Drain`].
async fn serve<S: Read + Write>(socket: &mut S) -> Result<(), S::Error> {
    let mut buffer = [0; BUFFER];
    let mut out = [0; FrameHeader::MAX_LEN + BUFFER];
    let Some(received) = open(socket, &mut buffer, &mut out).await? else { return Ok(()) };
    let mut session = Session::new(Role::Server);
    // The first bytes of the client may have come with its request.
    let mut input = Input::with_unread(&mut buffer, received);
    loop {
        echo(&mut session, &mut input, socket, &mut out).await?;
        if session.transport() != Transport::Open {
            return Ok(());
        }
        let len = socket.read(input.space()).await?;
        input.filled(len);
    }
}

/// Reads and answers the request. Returns the range of the bytes after it, or `None` if it was rejected.
async fn open<S: Read + Write>(
    socket: &mut S,
    buffer: &mut [u8; BUFFER],
    out: &mut [u8],
) -> Result<Option<std::ops::Range<usize>>, S::Error> {
    // A request that fills the buffer is rejected with 431.
    let mut parser = RequestParser::new(HeadLimits::DEFAULT.with_max_head(BUFFER - 1));
    let mut end = 0;
    loop {
        let len = socket.read(&mut buffer[end..]).await?;
        end += len;
        let checked = match parser.parse(&buffer[..end]) {
            Ok(None) if len > 0 => continue,
            Ok(Some(request)) => {
                request.upgrade(&OriginPolicy::same()).map(|upgrade| (request, upgrade))
            }
            // The stream ended.
            Ok(None) => return Ok(None),
            Err(error) => Err(error),
        };
        let (response, accepted) = match checked {
            Ok((request, Some(upgrade))) => {
                let head = request.as_bytes().len();
                (upgrade.accept(&Acceptance::new(), &mut *out), Some(head..end))
            }
            Ok((_, None)) => (Rejection::UpgradeRequired.write(&mut *out, "WebSocket only"), None),
            Err(error) => match error.rejection() {
                Some(rejection) => (rejection.write(&mut *out, rejection.reason()), None),
                None => return Ok(None),
            },
        };
        let response = response.expect("the buffer has room for every response");
        socket.write_all(&out[..response]).await?;
        return Ok(accepted);
    }
}

/// Answers the events of `input` until more bytes are needed.
async fn echo<S: Read + Write>(
    session: &mut Session,
    input: &mut Input<'_>,
    socket: &mut S,
    out: &mut [u8; FrameHeader::MAX_LEN + BUFFER],
) -> Result<(), S::Error> {
    // A server masks nothing.
    let no_key = || Err(EntropyError);
    loop {
        // After any event, also after text: it may be the valid part of a message that is not UTF-8.
        if session.reply_pending() {
            let Ok(len) = session.write_reply(no_key, &mut *out) else { break };
            socket.write_all(&out[..len]).await?;
        }
        let (message_type, payload, fragment) = match session.receive(input) {
            Ok(Some(SessionEvent::Text(text, fragment))) => {
                (MessageType::Text, text.as_bytes(), fragment)
            }
            Ok(Some(SessionEvent::Binary(bytes, fragment))) => {
                (MessageType::Binary, bytes, fragment)
            }
            Ok(Some(_)) => continue,
            Ok(None) => return Ok(()),
            Err(ReplyPending) => break,
        };
        // The payload is copied after the space for its header.
        let end = FrameHeader::MAX_LEN + payload.len();
        out[FrameHeader::MAX_LEN..end].copy_from_slice(payload);
        let len = payload.len() as u64;
        if let Ok(header) = session.data_header(message_type, fragment, len, no_key) {
            let header = header.encode();
            let start = FrameHeader::MAX_LEN - header.len();
            out[start..FrameHeader::MAX_LEN].copy_from_slice(&header);
            socket.write_all(&out[start..end]).await?;
        }
    }
    // Not reached: `out` has room for every reply, and a server needs no key.
    session.abort();
    Ok(())
}

fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind(std::env::args().nth(1).unwrap_or("127.0.0.1:9001".into()))?;
    println!("listening on ws://{}/", listener.local_addr()?);
    for socket in listener.incoming() {
        let served = socket.and_then(|socket| {
            socket.set_read_timeout(Some(SILENCE))?;
            socket.set_write_timeout(Some(SILENCE))?;
            let mut socket = Socket(socket);
            block_on(serve(&mut socket))?;
            drain(&socket.0)
        });
        if let Err(error) = served {
            eprintln!("{error}");
        }
    }
    Ok(())
}

/// Ends the output, and drops all bytes until the client's stream ends: closing a socket with unread bytes
/// could destroy the last output.
fn drain(mut socket: &TcpStream) -> std::io::Result<()> {
    socket.shutdown(Shutdown::Write)?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    while socket.read(&mut [0; BUFFER])? > 0 {}
    Ok(())
}

/// A blocking socket behind the asynchronous traits: its futures are always ready.
struct Socket(TcpStream);

impl ErrorType for Socket {
    type Error = std::io::Error;
}

impl Read for Socket {
    async fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(out)
    }
}

impl Write for Socket {
    async fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    async fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}
