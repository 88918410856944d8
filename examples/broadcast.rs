//! A server over blocking sockets that sends on its own initiative: each message of a client goes to all
//! other clients.
//!
//! `cargo run --release --example broadcast -- [ADDRESS]` listens on 127.0.0.1:9001, or on ADDRESS (with port
//! 0, the system chooses one).
//!
//! Each client has one thread, and a queue of messages that other threads fill. The thread empties the queue
//! before each read, and a read waits at most [`DELAY`]: a message to a client that reads is delayed by that
//! time at most. Two threads for each connection avoid the delay, as in the example `shared`.
//!
//! A message is encoded once for all clients. A client that falls [`QUEUE`] messages behind is disconnected.

use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use websocket_proto::handshake::{Acceptance, Handshake, Rejection, ServerEvent, ServerHandshake};
use websocket_proto::{
    CloseCode, CloseFrame, Config, Connection, Event, Input, Message, PreparedMessage, Timeouts,
    Unsent,
};

mod driver;
use driver::Socket;

static CONFIG: Config = Config::new().with_timeouts(Timeouts::RECOMMENDED);

/// The longest time that a read or a write waits.
const DELAY: Duration = Duration::from_millis(50);

/// The number of messages in the queue of a client.
const QUEUE: usize = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(std::env::args().nth(1).unwrap_or("127.0.0.1:9001".into()))?;
    println!("listening on ws://{}/", listener.local_addr()?);
    for socket in listener.incoming() {
        let serve = |socket| serve(socket).unwrap_or_else(|error| eprintln!("{error}"));
        let started = socket.and_then(|socket| thread::Builder::new().spawn(move || serve(socket)));
        if let Err(error) = started {
            // Possibly out of file descriptors or threads: other connections will end.
            eprintln!("{error}");
            thread::sleep(Duration::from_millis(100));
        }
    }
    Ok(())
}

/// Serves one client.
fn serve(socket: TcpStream) -> Result<(), Box<dyn Error>> {
    let mut socket = Socket::new(socket)?;
    let mut input = Input::owned(vec![0; 16 << 10]);
    let Some(mut connection) = open(&mut socket, &mut input)? else { return Ok(()) };
    // A member before the response is written: the client misses no message that is sent after it
    // received the response.
    let membership = Membership::new();
    loop {
        connection.handle_timeout(socket.now());
        while connection.has_room() && connection.may_send() {
            match membership.queue.try_recv() {
                Ok(message) => connection.send(&message).map_err(Unsent::into_error)?,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    connection.close(CloseFrame::new(CloseCode::TRY_AGAIN_LATER, "too slow")?)?;
                }
            }
        }
        connection.output().write_to(socket.until(Some(socket.now() + DELAY)))?;
        if !driver::follow(connection.transport(), &socket) {
            return connection.error().map_or(Ok(()), |error| Err(error.into()));
        }
        input.read_from(socket.until(Some(socket.now() + DELAY)))?;
        // Does not wait for room: two programs that stopped reading would block each other.
        while let Some(event) = connection.receive(&mut input) {
            if let Event::Message(message) = event {
                broadcast(message);
            }
        }
    }
}

/// Performs the opening handshake. Returns `None` if it ends without a connection.
fn open(socket: &mut Socket, input: &mut Input<'_>) -> Result<Option<Connection>, Box<dyn Error>> {
    let mut handshake = ServerHandshake::new(&CONFIG);
    loop {
        let is_open = driver::turn(&mut handshake, socket, input);
        match handshake.receive(input) {
            Some(ServerEvent::Upgrade) => return Ok(Some(handshake.accept(&Acceptance::new())?)),
            Some(ServerEvent::Http) => handshake.reject(Rejection::UpgradeRequired)?,
            // The response to a failure is already queued.
            Some(ServerEvent::Failed(_)) | None if is_open => {}
            Some(ServerEvent::Failed(_)) | None => return Ok(None),
        }
    }
}

/// The queues of all connected clients, with the threads that read them.
static MEMBERS: Mutex<Vec<(ThreadId, SyncSender<PreparedMessage>)>> = Mutex::new(Vec::new());

fn members() -> MutexGuard<'static, Vec<(ThreadId, SyncSender<PreparedMessage>)>> {
    // A panic of another thread leaves the list consistent.
    MEMBERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Queues a message of this thread's client for all other clients. Those whose queue is full are no longer
/// members.
fn broadcast(message: Message<'_>) {
    let (this, message) = (thread::current().id(), PreparedMessage::new(message));
    members().retain(|(thread, queue)| *thread == this || queue.try_send(message.clone()).is_ok());
}

/// Makes the client of this thread a member until it is dropped.
struct Membership {
    queue: Receiver<PreparedMessage>,
}

impl Membership {
    fn new() -> Self {
        let (sender, queue) = mpsc::sync_channel(QUEUE);
        members().push((thread::current().id(), sender));
        Self { queue }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        members().retain(|(thread, _)| *thread != thread::current().id());
    }
}
