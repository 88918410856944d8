//! A client over blocking sockets of the standard library.
//!
//! `cargo run --release --example echo_client -- ws://127.0.0.1:9001/` sends the lines typed,
//! prints what comes back, and closes at the end of its input. It exits with 0 after a normal
//! close, otherwise it says what happened and exits with 1.
//!
//! `--autobahn AGENT ws://HOST:PORT` plays the client of an Autobahn fuzzing server.

use std::error::Error;
use std::io::{self, BufRead, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender};
use std::thread;
use std::time::Duration;

use bytes::Buf;
use websocket_proto::handshake::{ClientEvent, ClientHandshake, ClientRequest, Uri};
use websocket_proto::{
    CloseCode, CloseFrame, Config, Connection, EntropyError, Event, Message, Output, SendError,
    SendReason, Transport,
};

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// How long the server may take to answer our Close, and to end its stream.
const CLOSING: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        [uri] if !uri.starts_with('-') => talk(uri),
        ["--autobahn", agent, uri] => autobahn(agent, uri),
        _ => Err("usage: echo_client ws://HOST[:PORT]/PATH\n       \
                  echo_client --autobahn AGENT ws://HOST:PORT"
            .into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// An open connection with its socket, and the bytes that came right behind the handshake.
struct Opened {
    connection: Connection,
    socket: TcpStream,
    rest: Vec<u8>,
}

/// Connects and completes the opening handshake.
fn open(uri: &str) -> Result<Opened> {
    let uri = Uri::parse(uri)?;
    if uri.is_secure() {
        return Err("wss:// needs a TLS library, which this example does without".into());
    }
    let mut socket = TcpStream::connect((uri.host(), uri.port()))
        .map_err(|error| format!("{}: {error}", uri.authority()))?;
    socket.set_nodelay(true)?;
    let entropy = |out: &mut [u8]| getrandom::fill(out).map_err(|_| EntropyError);
    let config = Arc::new(Config::new().entropy(entropy));
    let mut handshake = ClientHandshake::new(config, &ClientRequest::new(&uri))?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        write_all(handshake.output(), &mut socket)?;
        let length = match handshake.transport() {
            Transport::Open => socket.read(&mut buffer)?,
            Transport::Drain => {
                let _ = socket.shutdown(Shutdown::Write);
                socket.read(&mut buffer)?
            }
            Transport::Close | Transport::Abort => 0,
        };
        if length == 0 {
            handshake.receive_eof();
        }
        let mut input = &mut buffer[..length];
        match handshake.receive(&mut input) {
            None => {}
            Some(ClientEvent::Accepted) => {
                let rest = input.to_vec();
                let established = handshake.establish().ok_or("no connection")?;
                return Ok(Opened { connection: established.connection, socket, rest });
            }
            Some(ClientEvent::Refused { status }) => {
                let body = String::from_utf8_lossy(handshake.body());
                let line = body.lines().next().unwrap_or_default();
                return Err(format!("the server answered with status {status}: {line}").into());
            }
            Some(ClientEvent::Failed(error)) => return Err(error.into()),
        }
    }
}

/// What the threads tell the one that owns the connection.
enum Input {
    Typed(String),
    EndOfTyping,
    Received(Vec<u8>),
    EndOfStream,
    Broken(io::Error),
}

/// Sends lines typed and prints messages, both as they come.
fn talk(uri: &str) -> Result<()> {
    let Opened { mut connection, mut socket, mut rest } = open(uri)?;
    let (sender, inputs) = mpsc::sync_channel(16);
    let reading = socket.try_clone()?;
    let from_socket = sender.clone();
    thread::spawn(move || read_socket(reading, &from_socket));
    let mut typing = Some(sender.clone());
    let mut closed = None;
    let mut input = &mut rest[..];
    let mut received;
    loop {
        while let Some(event) = connection.receive(&mut input) {
            match event {
                Event::Message(Message::Text(text)) => println!("{text}"),
                Event::Message(Message::Binary(bytes)) => println!("[{} bytes]", bytes.len()),
                Event::Close(frame) => closed = Some(frame.map(CloseFrame::into_owned)),
                _ => {}
            }
        }
        write_all(connection.output(), &mut socket)?;
        match connection.transport() {
            Transport::Open => {}
            // Fails if the server is gone, which reading tells too.
            Transport::Drain => drop(socket.shutdown(Shutdown::Write)),
            Transport::Close | Transport::Abort => break,
        }
        if let Some(sender) = typing.take() {
            // Only now, so that what is typed has somewhere to go.
            thread::spawn(move || read_lines(&sender));
        }
        let next = if connection.can_send() {
            inputs.recv()?
        } else {
            match inputs.recv_timeout(CLOSING) {
                Ok(next) => next,
                Err(_) => return Err("the server did not end the connection".into()),
            }
        };
        input = &mut [];
        match next {
            Input::Typed(line) => match connection.send(&*line) {
                Ok(()) | Err(SendError { reason: SendReason::Closed, .. }) => {}
                Err(error) => return Err(error.reason.into()),
            },
            Input::EndOfTyping => {
                // Refused if the server was faster.
                let _ = connection.close(CloseFrame::new(CloseCode::NORMAL, "")?);
            }
            Input::Received(bytes) => {
                received = bytes;
                input = &mut received;
            }
            Input::EndOfStream => connection.receive_eof(),
            Input::Broken(error) => {
                connection.abort();
                if connection.error().is_some() {
                    return Err(error.into());
                }
            }
        }
    }
    if let Some(error) = connection.error() {
        return Err(format!("{error} (close code {})", error.close_code()).into());
    }
    match closed.flatten() {
        Some(frame) if frame.code() == CloseCode::NORMAL => Ok(()),
        Some(frame) => {
            Err(format!("the server closed with {} {}", frame.code(), frame.reason()).into())
        }
        None => Err("the server closed without a code (1005)".into()),
    }
}

fn read_socket(mut socket: TcpStream, inputs: &SyncSender<Input>) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let (input, last) = match socket.read(&mut buffer) {
            Ok(0) => (Input::EndOfStream, true),
            Ok(length) => (Input::Received(buffer[..length].to_vec()), false),
            Err(error) => (Input::Broken(error), true),
        };
        if inputs.send(input).is_err() || last {
            return;
        }
    }
}

fn read_lines(inputs: &SyncSender<Input>) {
    for line in io::stdin().lock().lines().map_while(io::Result::ok) {
        if inputs.send(Input::Typed(line)).is_err() {
            return;
        }
    }
    let _ = inputs.send(Input::EndOfTyping);
}

/// Runs all cases of a fuzzing server and has it write its reports.
fn autobahn(agent: &str, uri: &str) -> Result<()> {
    let uri = uri.trim_end_matches('/');
    let mut count = None;
    echo(&format!("{uri}/getCaseCount"), |message| {
        if let Message::Text(text) = message {
            count = text.parse::<u32>().ok();
        }
    })?;
    for case in 1..=count.ok_or("the server did not tell the number of cases")? {
        echo(&format!("{uri}/runCase?case={case}&agent={agent}"), |_| {})
            .map_err(|error| format!("case {case}: {error}"))?;
    }
    echo(&format!("{uri}/updateReports?agent={agent}"), |_| {})
}

/// Sends every message back until the connection ends, however it does.
fn echo(uri: &str, mut seen: impl FnMut(&Message<'_>)) -> Result<()> {
    let Opened { mut connection, mut socket, rest } = open(uri)?;
    let mut buffer = vec![0; 64 << 10];
    let length = rest.len();
    buffer[..length].copy_from_slice(&rest);
    let mut input = &mut buffer[..length];
    loop {
        while let Some(event) = connection.receive(&mut input) {
            if let Event::Message(message) = event {
                seen(&message);
                let mut unsent = Some(message);
                while let Some(message) = unsent.take() {
                    if let Err(SendError { unsent: message, reason: SendReason::Full }) =
                        connection.send(message)
                    {
                        write_all(connection.output(), &mut socket)?;
                        unsent = Some(message);
                    }
                }
            }
        }
        // A fuzzing server may be gone already.
        if write_all(connection.output(), &mut socket).is_err() {
            connection.abort();
        }
        match connection.transport() {
            Transport::Open => {}
            Transport::Drain => {
                socket.set_read_timeout(Some(CLOSING))?;
                let _ = socket.shutdown(Shutdown::Write);
            }
            Transport::Close | Transport::Abort => return Ok(()),
        }
        let length = match socket.read(&mut buffer) {
            Ok(0) => {
                connection.receive_eof();
                0
            }
            Ok(length) => length,
            Err(_) => {
                connection.abort();
                0
            }
        };
        input = &mut buffer[..length];
    }
}

/// Writes all that waits, header and payload in one call.
fn write_all(output: &mut Output, socket: &mut TcpStream) -> io::Result<()> {
    while output.has_remaining() {
        let mut slices = [IoSlice::new(&[]); 16];
        let count = output.chunks_vectored(&mut slices);
        let length = socket.write_vectored(&slices[..count])?;
        if length == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        output.advance(length);
    }
    Ok(())
}
