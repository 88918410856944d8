//! One connection shared by a reader thread and several sender threads, over a blocking socket.
//!
//! `cargo run --release --example shared -- ws://127.0.0.1:9001/ [SENDERS [MESSAGES]]` sends MESSAGES
//! (1000) from each of SENDERS (4) threads to an echo server, and checks that all of them come back, in
//! order per thread. It exits with 0 if they do.
//!
//! The connection is behind a lock that no thread holds while it waits for the socket:
//!
//! - A sender waits for room, queues a message, and wakes the writer.
//! - The reader receives events. It never waits for room or for the socket to accept bytes, so that this
//!   program and a peer that does the same cannot deadlock.
//! - The writer, which is the main thread, writes the output, reports the time, and follows the transport
//!   instructions.

use std::error::Error;
use std::io::{ErrorKind, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use websocket_proto::handshake::{ClientEvent, ClientHandshake, ClientRequest, Handshake, Uri};
use websocket_proto::{CloseCode, Config, Connection, Event, Input, SendError, Timeouts, Unsent};

mod driver;
use driver::Socket;

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let result = match arguments.next() {
        Some(uri) => run(&uri, arguments.next().as_deref(), arguments.next().as_deref()),
        None => Err("usage: shared ws://HOST[:PORT]/PATH [SENDERS [MESSAGES]]".into()),
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

fn run(uri: &str, senders: Option<&str>, messages: Option<&str>) -> Result<String> {
    let senders: u32 = senders.unwrap_or("4").parse()?;
    let messages: u32 = messages.unwrap_or("1000").parse()?;
    let uri = Uri::parse(uri)?;
    let mut socket = Socket::connect(&uri)?;
    let mut input = Input::owned(vec![0; 64 << 10]);
    let connection = open(&uri, &mut socket, &mut input)?;
    let stream = socket.stream().try_clone()?;
    // The reader has no deadline: the writer wakes it at the end.
    stream.set_read_timeout(None)?;

    let shared = Shared { connection: Mutex::new(connection), changed: Condvar::new() };
    let checked = thread::scope(|scope| {
        let shared = &shared;
        let checker = Checker { next: vec![0; senders as usize], messages };
        let reader = scope.spawn(move || shared.read(stream, input, checker));
        for sender in 0..senders {
            scope.spawn(move || send_all(shared, sender, messages));
        }
        shared.write(&mut socket);
        reader.join().map_err(|_| "the reader panicked")?
    })?;
    if let Some(error) = shared.lock().error() {
        return Err(error.into());
    }
    match checked.count() {
        count if checked.is_complete() => {
            Ok(format!("{count} messages from {senders} threads came back"))
        }
        count => Err(format!("only {count} messages came back").into()),
    }
}

/// Performs the opening handshake.
fn open(uri: &Uri<'_>, socket: &mut Socket, input: &mut Input<'_>) -> Result<Connection> {
    let config = Config::new().with_timeouts(Timeouts::RECOMMENDED);
    let mut handshake = ClientHandshake::new(config, &ClientRequest::new(uri))?;
    loop {
        let is_open = driver::turn(&mut handshake, socket, input);
        match handshake.receive(input) {
            Some(ClientEvent::Accepted) => return Ok(handshake.establish()?),
            Some(ClientEvent::Rejected { status }) => {
                return Err(format!("the server rejected with status {status}").into());
            }
            Some(ClientEvent::Failed(error)) => return Err(error.into()),
            Some(ClientEvent::BodyEnded(_)) | None if is_open => {}
            Some(ClientEvent::BodyEnded(_)) | None => return Err("the handshake ended".into()),
        }
    }
}

struct Shared {
    connection: Mutex<Connection>,
    /// Notified after every change that a thread may wait for: queued output, room, the end.
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic of another thread leaves the connection consistent.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message as soon as there is room.
    fn send(&self, message: Vec<u8>) -> Result<(), SendError> {
        let mut connection = self.lock();
        while !connection.has_room() {
            connection = self.changed.wait(connection).unwrap_or_else(PoisonError::into_inner);
        }
        let sent = connection.send(message).map_err(Unsent::into_error);
        self.changed.notify_all();
        sent
    }

    /// Receives messages until EOF or until the socket breaks. Closes after all messages have come back.
    fn read(
        &self,
        mut stream: TcpStream,
        mut input: Input<'_>,
        mut checker: Checker,
    ) -> Result<Checker> {
        loop {
            // An event borrows from the input, not from the connection, so the lock is released here.
            let event = self.lock().receive(&mut input);
            match event {
                Some(Event::Message(message)) => {
                    if let Err(error) = checker.check(message.as_bytes()) {
                        self.lock().abort();
                        self.changed.notify_all();
                        return Err(error);
                    }
                }
                Some(_) => {} // Pings and Closes are answered automatically.
                None => {
                    let mut connection = self.lock();
                    if checker.is_complete() && !connection.is_closing() {
                        connection.close(CloseCode::NORMAL)?;
                    }
                    drop(connection);
                    // A Pong or a Close may be pending.
                    self.changed.notify_all();
                    if input.is_finished() {
                        return Ok(checker);
                    }
                    if input.read_from(&mut stream).is_err() {
                        self.lock().abort();
                        input.finish();
                    }
                }
            }
        }
    }

    /// Writes the output and reports the time until the connection ends.
    fn write(&self, socket: &mut Socket) {
        let mut connection = self.lock();
        loop {
            connection.handle_timeout(socket.now());
            if !driver::follow(connection.transport(), socket) {
                break;
            }
            let deadline = connection.poll_timeout();
            if !connection.has_output() {
                let wait = deadline.map_or(Duration::MAX, |due| due.saturating_sub(socket.now()));
                let waited = self.changed.wait_timeout(connection, wait);
                connection = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            // Writes a copy without the lock. The bytes stay queued until they are written.
            let bytes: Vec<u8> =
                connection.output().chunk().iter().take(64 << 10).copied().collect();
            drop(connection);
            let written = socket.until(deadline).write(&bytes);
            connection = self.lock();
            match written {
                Ok(len) => connection.output().advance(len),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    _ => connection.abort(),
                },
            }
            self.changed.notify_all();
        }
        // Wakes the reader, and the senders that wait for room.
        let _ = socket.stream().shutdown(Shutdown::Both);
        self.changed.notify_all();
    }
}

fn send_all(shared: &Shared, sender: u32, messages: u32) {
    for number in 0..messages {
        if let Err(error) = shared.send(message(sender, number)) {
            eprintln!("sender {sender}: {error}");
            return;
        }
    }
}

/// A message distinct from all others: its sender, its number, and a payload derived from both.
fn message(sender: u32, number: u32) -> Vec<u8> {
    let len = if number % 50 == 7 { 200_000 } else { number.wrapping_mul(7919) % 4000 };
    let mut message = [sender.to_be_bytes(), number.to_be_bytes()].concat();
    message.extend((0..len).map(|at| (at ^ number ^ sender) as u8));
    message
}

/// Checks that the messages of each sender come back in order.
struct Checker {
    /// The number of the next message of each sender.
    next: Vec<u32>,
    messages: u32,
}

impl Checker {
    fn check(&mut self, bytes: &[u8]) -> Result<()> {
        let sender = bytes.first_chunk().map_or(u32::MAX, |bytes| u32::from_be_bytes(*bytes));
        let next = self.next.get_mut(sender as usize).ok_or("a message that nobody sent")?;
        if bytes != message(sender, *next) {
            return Err(format!("message {next} of sender {sender} came back changed").into());
        }
        *next += 1;
        Ok(())
    }

    fn count(&self) -> u64 {
        self.next.iter().copied().map(u64::from).sum()
    }

    fn is_complete(&self) -> bool {
        self.next.iter().all(|&next| next == self.messages)
    }
}
