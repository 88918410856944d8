//! This crate: a complete endpoint with its limits and checks. Messages are borrowed from the read
//! buffer where they lie in it whole. The masking keys come from the thread's generator of the crate
//! `rand`, which is seeded by the operating system and can't be foretold.
//!
//! Driven by the loop of its front page, which reads, receives, sends and writes, with vectored writes
//! where messages are long; by the same loop with memory that serves all connections, lent for each
//! turn; by that loop where it also reads to where large binary messages belong; and with memory that
//! the connection keeps, as most peers do.

use std::any::Any;
use std::io::{IoSlice, Write};
use std::sync::LazyLock;

use bytes::{Buf, Bytes};
use rand::RngCore;
use websocket_proto::handshake::{
    Acceptance, ClientEvent, ClientHandshake, ClientRequest, ServerEvent, ServerHandshake, Uri,
};
use websocket_proto::{
    Buffers, Config, Connection, EntropyError, Event, Message, Negotiated, Output,
};

use super::is_server;
use crate::Job;
use crate::scene::{Pipe, Scene};

static CONFIG: LazyLock<Config> = LazyLock::new(|| Config::new().static_entropy(&ENTROPY));
static ENTROPY: fn(&mut [u8]) -> Result<(), EntropyError> = |out| {
    rand::thread_rng().fill_bytes(out);
    Ok(())
};

/// Whose memory a connection uses.
pub mod memory {
    /// What the allocator gives, while something waits.
    pub const NONE: u8 = 0;
    /// Lent for each turn.
    pub const LENT: u8 = 1;
    /// Lent once, for good.
    pub const KEPT: u8 = 2;
}
use memory::{KEPT, LENT, NONE};

/// Bytes of a message from which it is worth to write it from where it is, and to look whether several
/// pieces wait and whether it has memory for the next one.
const LONG_FROM: usize = 512;

/// `SPACE`: reading to where payload belongs, and but little to elsewhere.
pub struct Peer<const MEMORY: u8, const SPACE: bool>;

impl<const MEMORY: u8, const SPACE: bool> super::Peer for Peer<MEMORY, SPACE> {
    fn name(&self) -> &'static str {
        match (MEMORY, SPACE) {
            (NONE, false) => "websocket-proto",
            (NONE, true) => "websocket-proto+space",
            (LENT, false) => "websocket-proto+lent",
            (LENT, true) => "websocket-proto+lent+space",
            (_, false) => "websocket-proto+kept",
            (_, true) => "websocket-proto+kept+space",
        }
    }

    fn receive(&self, scene: &Scene) -> Option<Job> {
        Some(Socket::<MEMORY, SPACE>::open(scene)?.turns::<false>())
    }

    fn send(&self, scene: &Scene) -> Option<Job> {
        if SPACE {
            return None;
        }
        Some(if scene.case.size < LONG_FROM || !is_server(scene) {
            sends::<MEMORY>(scene, |connection, pipe, payload| {
                connection.send(&**payload).expect("room");
                write(connection.output(), pipe);
            })
        } else if scene.case.counted {
            sends::<MEMORY>(scene, |connection, pipe, payload| {
                let sending = connection.sending(payload);
                write_vectored::<2>(&mut sending.expect("room"), pipe);
            })
        } else {
            sends::<MEMORY>(scene, |connection, pipe, payload| {
                let sending = connection.sending(&**payload);
                write_vectored::<2>(&mut sending.expect("room"), pipe);
            })
        })
    }

    fn echo(&self, scene: &Scene) -> Option<Job> {
        Some(Socket::<MEMORY, SPACE>::open(scene)?.turns::<true>())
    }

    fn accept(&self, scene: &Scene) -> Option<Job> {
        // Nothing to lend to.
        if MEMORY != NONE || SPACE {
            return None;
        }
        let scene = scene.clone();
        let mut buffer = vec![0; 4096];
        Some(Box::new(move |handshakes| {
            for _ in 0..handshakes {
                let mut pipe = scene.pipe();
                let mut handshake = ServerHandshake::new(&*CONFIG);
                let length = pipe.read_into(&mut buffer);
                let event = handshake.receive(&mut &mut buffer[..length]);
                assert_eq!(event, Some(ServerEvent::Upgrade));
                let mut established = handshake.accept(&Acceptance::new()).expect("a response");
                write(established.connection.output(), &mut pipe);
            }
            handshakes
        }))
    }

    fn connect(&self, scene: &Scene) -> Option<Job> {
        if MEMORY != NONE || SPACE {
            return None;
        }
        let scene = scene.clone();
        let mut buffer = vec![0; 4096];
        Some(Box::new(move |handshakes| {
            for _ in 0..handshakes {
                let mut pipe = scene.pipe();
                let uri = Uri::parse("ws://example.com/chat?room=1").expect("a URI");
                let request = ClientRequest::new(&uri);
                let mut handshake = ClientHandshake::new(&*CONFIG, &request).expect("a request");
                write(handshake.output(), &mut pipe);
                let length = pipe.read_into(&mut buffer);
                let event = handshake.receive(&mut &mut buffer[..length]);
                assert_eq!(event, Some(ClientEvent::Accepted));
                handshake.establish().expect("a connection");
            }
            handshakes
        }))
    }

    /// The driver's buffer is not the connection's: one serves any number of them.
    fn idle(&self, scene: &Scene) -> Option<Box<dyn Any>> {
        if MEMORY != NONE || SPACE {
            return None;
        }
        let mut socket = Socket::<NONE, false>::open(scene)?;
        socket.turn::<true, false>();
        Some(Box::new((socket.connection, socket.pipe)))
    }
}

struct Socket<const MEMORY: u8, const SPACE: bool> {
    connection: Connection,
    pipe: Pipe,
    scene: Scene,
    buffer: Vec<u8>,
    buffers: Buffers,
}

impl<const MEMORY: u8, const SPACE: bool> Socket<MEMORY, SPACE> {
    /// `None` where there is nothing to gain from this way of driving.
    fn open(scene: &Scene) -> Option<Self> {
        if SPACE && (scene.case.text || scene.case.size < 16 << 10) {
            return None;
        }
        let (mut connection, mut buffers) = (open(scene), Buffers::new());
        if MEMORY == KEPT {
            connection.lend(&mut buffers);
        }
        Some(Self {
            connection,
            pipe: scene.pipe(),
            scene: scene.clone(),
            buffer: vec![0; if SPACE { 512 } else { scene.chunk }],
            buffers,
        })
    }

    /// Takes turns until so many messages came.
    fn turns<const ECHO: bool>(mut self) -> Job {
        if self.scene.case.size < LONG_FROM {
            until_done(move || self.turn::<ECHO, false>())
        } else {
            until_done(move || self.turn::<ECHO, true>())
        }
    }

    /// One read, and all that follows from it. Returns how many messages came.
    #[inline]
    fn turn<const ECHO: bool, const LONG: bool>(&mut self) -> u64 {
        let Self { connection, pipe, scene, buffer, buffers } = self;
        let mut done = 0;
        if MEMORY == LENT {
            connection.lend(buffers);
        }
        if SPACE && let Some(space) = connection.payload_space() {
            let length = pipe.read_into(space);
            if let Some(Event::Message(message)) = &mut connection.payload_filled(length) {
                finish::<ECHO, LONG>(connection, pipe, scene, message, &[]);
                done += 1;
            }
        } else {
            let length = pipe.read_into(buffer);
            let mut input = &mut buffer[..length];
            if MEMORY == NONE {
                // The loop of the front page.
                while let Some(event) = connection.receive(&mut input) {
                    match event {
                        Event::Message(message) => {
                            scene.message(message.as_bytes());
                            if ECHO {
                                connection.send(message).expect("room");
                            }
                            done += 1;
                        }
                        Event::Failed(error) => panic!("{error}"),
                        // Answered already.
                        _ => {}
                    }
                }
            } else {
                // Messages are looked at where they are returned, so that they are not moved.
                while let Some(event) = &mut connection.receive(&mut input) {
                    match event {
                        Event::Message(message) => {
                            finish::<ECHO, LONG>(connection, pipe, scene, message, input);
                            done += 1;
                        }
                        Event::Failed(error) => panic!("{error}"),
                        _ => {}
                    }
                }
            }
        }
        write_apart::<LONG>(connection.output(), pipe);
        if MEMORY == LENT {
            connection.give_back(buffers);
        }
        done
    }
}

fn until_done(mut turn: impl FnMut() -> u64 + 'static) -> Job {
    Box::new(move |messages| {
        let mut done = 0;
        while done < messages {
            done += turn();
        }
        done
    })
}

/// Sends the messages in turn by `send`.
fn sends<const MEMORY: u8>(
    scene: &Scene,
    send: impl Fn(&mut Connection, &mut Pipe, &Bytes) + 'static,
) -> Job {
    let (mut connection, mut pipe, mut buffers) = (open(scene), scene.pipe(), Buffers::new());
    let mut payloads = scene.payloads();
    if MEMORY == KEPT {
        connection.lend(&mut buffers);
    }
    Box::new(move |messages| {
        for _ in 0..messages {
            if MEMORY == LENT {
                connection.lend(&mut buffers);
            }
            send(&mut connection, &mut pipe, payloads.next());
            if MEMORY == LENT {
                connection.give_back(&mut buffers);
            }
        }
        messages
    })
}

/// Sends a message back: from where it is if it is the last one of a read, otherwise with what comes of
/// the `rest`. If it was put together, its memory is for the next one.
#[inline(always)]
fn finish<const ECHO: bool, const LONG: bool>(
    connection: &mut Connection,
    pipe: &mut Pipe,
    scene: &Scene,
    message: &mut Message<'_>,
    rest: &[u8],
) {
    scene.message(message.as_bytes());
    if ECHO && LONG && rest.is_empty() {
        write_vectored::<3>(&mut connection.sending(&*message).expect("room"), pipe);
    } else if ECHO {
        connection.send(&*message).expect("room");
    }
    if LONG {
        connection.recycle(message);
    }
}

fn open(scene: &Scene) -> Connection {
    let negotiated = Negotiated::default();
    if is_server(scene) {
        Connection::server(&*CONFIG, &negotiated)
    } else {
        Connection::client(&*CONFIG, &negotiated)
    }
}

/// Not inlined in the loop that receives, which has better use for the processor's registers. `LONG`:
/// messages may wait where they are.
#[inline(never)]
fn write_apart<const LONG: bool>(output: &mut Output, pipe: &mut Pipe) {
    if !output.has_remaining() {
        return;
    }
    if LONG && output.chunk().len() < output.remaining() {
        write_vectored::<8>(output, pipe);
    } else {
        write(output, pipe);
    }
}

/// Writes what waits, which is something.
#[inline(always)]
fn write(output: &mut impl Buf, pipe: &mut Pipe) {
    loop {
        let chunk = output.chunk();
        let length = chunk.len();
        pipe.write_from(chunk);
        output.advance(length);
        if !output.has_remaining() {
            break;
        }
    }
}

/// The same with so many slices at once.
#[inline(always)]
fn write_vectored<const SLICES: usize>(output: &mut impl Buf, pipe: &mut Pipe) {
    loop {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = output.chunks_vectored(&mut slices);
        let length = pipe.write_vectored(&slices[..count]).expect("a pipe never fails");
        output.advance(length);
        if !output.has_remaining() {
            break;
        }
    }
}
