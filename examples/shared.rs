//! One connection shared by a thread that reads and several that write, over blocking sockets of
//! the standard library.
//!
//! `cargo run --release --example shared -- ws://127.0.0.1:9001/ [WRITERS [MESSAGES]]` sends
//! MESSAGES (1000) from each of WRITERS (4) threads to an echo server, checks that all come back,
//! in the order in which each thread sent them, and says so. It exits with 0 if they do.
//!
//! A connection is a value like any other, and the lock around it is the driver's. Two locks do:
//!
//! - `connection` guards the state machine. It is held for a call or two, never while the system
//!   is called, so nobody waits long for it.
//! - `writing` guards the socket's outgoing direction: who holds it takes bytes from the output
//!   and writes them, so that they leave in their order. It is taken first, if both are.
//!
//! The reader never writes. It would wait for a server that waits for it to read; what has to be
//! written for it (a Pong, a Close) is the task of the main thread, which also keeps the time.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Buf;
use websocket_proto::handshake::{ClientEvent, ClientHandshake, ClientRequest, Uri};
use websocket_proto::{
    CloseCode, CloseFrame, Config, Connection, EntropyError, Event, Message, SendError, SendReason,
    Timeouts, Transport,
};

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let result = match arguments.next() {
        Some(uri) => run(&uri, arguments.next().as_deref(), arguments.next().as_deref()),
        None => Err("usage: shared ws://HOST[:PORT]/PATH [WRITERS [MESSAGES]]".into()),
    };
    match result {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(uri: &str, writers: Option<&str>, messages: Option<&str>) -> Result<String> {
    let writers: u32 = writers.unwrap_or("4").parse()?;
    let messages: u32 = messages.unwrap_or("1000").parse()?;
    let (connection, socket, rest) = open(uri)?;
    let reading = socket.try_clone()?;
    let shared = Shared {
        connection: Mutex::new(connection),
        writing: Mutex::new(socket),
        news: Condvar::new(),
        start: Instant::now(),
    };
    let echoed = thread::scope(|scope| {
        let shared = &shared;
        let reader = scope.spawn(move || read(shared, reading, rest, writers, messages));
        for writer in 0..writers {
            scope.spawn(move || write(shared, writer, messages));
        }
        shared.attend();
        reader.join().map_err(|_| "the reader panicked")?
    })?;
    match shared.connection().error() {
        Some(error) => Err(error.into()),
        None if echoed < u64::from(writers) * u64::from(messages) => {
            Err(format!("only {echoed} messages came back").into())
        }
        None => Ok(format!("{echoed} messages from {writers} threads came back")),
    }
}

/// What the threads share.
struct Shared {
    connection: Mutex<Connection>,
    writing: Mutex<TcpStream>,
    /// Notified when the main thread has something to do.
    news: Condvar,
    /// Where the clock begins.
    start: Instant,
}

impl Shared {
    /// The connection, for a call or two. The time is told first, whichever thread it is.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        let mut connection = lock(&self.connection);
        connection.handle_timeout(self.start.elapsed());
        connection
    }

    /// Queues a message and writes it. If there is no room, what waits is written first.
    fn send(&self, message: Vec<u8>) -> Result<(), SendReason> {
        let mut message = Message::from(message);
        loop {
            // A statement of its own, so that the lock is released before anything is written.
            let sent = self.connection().send(message);
            self.flush();
            match sent {
                Ok(()) => return Ok(()),
                Err(SendError { unsent, reason: SendReason::Full }) => message = unsent,
                Err(error) => return Err(error.reason),
            }
        }
    }

    /// Writes all that waits, whoever queued it, then does with the transport what is to be done.
    fn flush(&self) -> Transport {
        let mut socket = lock(&self.writing);
        let mut bytes = [0; 16 << 10];
        loop {
            // Copied out of the output: what is borrowed from it would keep the lock.
            let length = {
                let mut connection = self.connection();
                let length = connection.output().remaining().min(bytes.len());
                connection.output().copy_to_slice(&mut bytes[..length]);
                length
            };
            if length == 0 {
                break;
            }
            if socket.write_all(&bytes[..length]).is_err() {
                self.connection().abort();
                break;
            }
        }
        // All that was taken is written, and nobody else writes: only now the question is right.
        let transport = self.connection().transport();
        let _ = match transport {
            Transport::Open => Ok(()),
            Transport::Drain => socket.shutdown(Shutdown::Write),
            // Also wakes the reader.
            Transport::Close | Transport::Abort => socket.shutdown(Shutdown::Both),
        };
        transport
    }

    /// Keeps the time and writes what nobody else does, until the connection is over.
    fn attend(&self) {
        loop {
            let transport = self.flush();
            if matches!(transport, Transport::Close | Transport::Abort) {
                return;
            }
            let connection = self.connection();
            if connection.wants_write() || connection.transport() != transport {
                continue;
            }
            let deadline = connection.poll_timeout().unwrap_or(Duration::MAX);
            let left = deadline.saturating_sub(self.start.elapsed());
            drop(self.news.wait_timeout(connection, left));
        }
    }
}

/// Locks. What another thread panicked over is still a connection.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends the messages of one writer.
fn write(shared: &Shared, writer: u32, messages: u32) {
    for number in 0..messages {
        if let Err(reason) = shared.send(message(writer, number)) {
            eprintln!("writer {writer}: {reason}");
            return;
        }
    }
}

/// Receives and checks what comes back, and closes when all has. Returns how many messages came.
fn read(
    shared: &Shared,
    mut socket: TcpStream,
    mut rest: Vec<u8>,
    writers: u32,
    messages: u32,
) -> Result<u64> {
    let mut next = vec![0; writers as usize];
    let mut echoed = 0;
    let mut buffer = vec![0; 64 << 10];
    let mut input = &mut rest[..];
    loop {
        loop {
            // An event borrows from the buffer, not from the connection: the lock is released.
            let event = shared.connection().receive(&mut input);
            let Some(event) = event else { break };
            if let Event::Message(message) = event {
                if let Err(error) = check(message.as_bytes(), &mut next) {
                    shared.connection().abort();
                    shared.news.notify_all();
                    return Err(error);
                }
                echoed += 1;
            }
        }
        if next.iter().all(|&next| next == messages) {
            // Refused from the second time on.
            let _ = shared.connection().close(CloseFrame::new(CloseCode::NORMAL, "")?);
        }
        let transport = shared.connection().transport();
        shared.news.notify_all();
        if matches!(transport, Transport::Close | Transport::Abort) {
            return Ok(echoed);
        }
        let length = match socket.read(&mut buffer) {
            Ok(0) => {
                shared.connection().receive_eof();
                0
            }
            Ok(length) => length,
            Err(_) => {
                shared.connection().abort();
                0
            }
        };
        input = &mut buffer[..length];
    }
}

/// A message of which every byte can be told: who sends it, its number, and some more.
fn message(writer: u32, number: u32) -> Vec<u8> {
    let length = if number % 50 == 7 { 200_000 } else { number.wrapping_mul(7919) % 4000 };
    let mut message = [writer.to_be_bytes(), number.to_be_bytes()].concat();
    message.extend((0..length).map(|at| (at ^ number ^ writer) as u8));
    message
}

/// Whether this is the next message of its writer.
fn check(bytes: &[u8], next: &mut [u32]) -> Result<()> {
    let writer = bytes.first_chunk().map_or(u32::MAX, |bytes| u32::from_be_bytes(*bytes));
    let number = next.get_mut(writer as usize).ok_or("a message that nobody sent")?;
    if bytes != message(writer, *number) {
        return Err(format!("message {number} of writer {writer} came back as another").into());
    }
    *number += 1;
    Ok(())
}

/// Connects and completes the opening handshake. Returns also what came right behind it.
fn open(uri: &str) -> Result<(Connection, TcpStream, Vec<u8>)> {
    let uri = Uri::parse(uri)?;
    if uri.is_secure() {
        return Err("wss:// needs a TLS library, which this example does without".into());
    }
    let mut socket = TcpStream::connect((uri.host(), uri.port()))?;
    socket.set_nodelay(true)?;
    // A server that does not answer the handshake, or later takes nothing.
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    socket.set_write_timeout(Some(Duration::from_secs(20)))?;
    let entropy = |out: &mut [u8]| getrandom::fill(out).map_err(|_| EntropyError);
    let config = Config::new().entropy(entropy).timeouts(Timeouts::MIDDLEBOXES);
    let mut handshake = ClientHandshake::new(config, &ClientRequest::new(&uri))?;
    let mut buffer = vec![0; 16 << 10];
    loop {
        while handshake.wants_write() {
            let written = socket.write(handshake.output().chunk())?;
            handshake.output().advance(written);
        }
        let length = socket.read(&mut buffer)?;
        if length == 0 {
            handshake.receive_eof();
        }
        let mut input = &mut buffer[..length];
        match handshake.receive(&mut input) {
            None => {}
            Some(ClientEvent::Accepted) => {
                let rest = input.to_vec();
                let established = handshake.establish().ok_or("no connection")?;
                // From here on the connection has its deadlines.
                socket.set_read_timeout(None)?;
                return Ok((established.connection, socket, rest));
            }
            Some(ClientEvent::Refused { status }) => {
                return Err(format!("the server answered with status {status}").into());
            }
            Some(ClientEvent::Failed(error)) => return Err(error.into()),
        }
    }
}
