//! This crate: a complete endpoint with its limits and checks. Messages are borrowed from the read
//! buffer where they lie in it whole. The masking keys come from the operating system.
//!
//! Driven by the loop of its front page with vectored writes; by the same loop with memory lent for
//! each turn; and by that loop where it also reads to where large binary messages belong.

use std::any::Any;
use std::io::{IoSlice, Write};

use bytes::{Buf, Bytes};
use websocket_proto::handshake::{
    Acceptance, ClientEvent, ClientHandshake, ClientRequest, ServerEvent, ServerHandshake, Uri,
};
use websocket_proto::{Buffers, Config, Connection, Event, Negotiated, Output};

use super::is_server;
use crate::Job;
use crate::scene::{Pipe, Scene};

static CONFIG: Config = Config::new();

/// `LENT`: with memory lent to the connection for each turn. `SPACE`: reading to where payload
/// belongs.
pub struct Peer<const LENT: bool, const SPACE: bool>;

impl<const LENT: bool, const SPACE: bool> super::Peer for Peer<LENT, SPACE> {
    fn name(&self) -> &'static str {
        match (LENT, SPACE) {
            (false, false) => "websocket-proto",
            (true, false) => "websocket-proto+lent",
            (false, true) => "websocket-proto+space",
            (true, true) => "websocket-proto+lent+space",
        }
    }

    fn receive(&self, scene: &Scene) -> Option<Job> {
        let mut socket = Socket::<LENT, SPACE>::open(scene)?;
        Some(Box::new(move |messages| {
            let mut done = 0;
            while done < messages {
                done += socket.turn::<false>();
            }
            done
        }))
    }

    fn send(&self, scene: &Scene) -> Option<Job> {
        if SPACE {
            return None;
        }
        let (mut connection, mut pipe, scene) = (open(scene), scene.pipe(), scene.clone());
        let payloads = scene.case.messages.iter();
        let counted: Vec<Bytes> = payloads.map(|bytes| Bytes::copy_from_slice(bytes)).collect();
        let (mut next, mut buffers) = (0, Buffers::new());
        Some(Box::new(move |messages| {
            for _ in 0..messages {
                if LENT {
                    connection.lend(&mut buffers);
                }
                if scene.case.counted {
                    connection.send(counted[next].clone()).expect("room");
                } else {
                    connection.send(&*scene.case.messages[next]).expect("room");
                }
                write(connection.output(), &mut pipe);
                if LENT {
                    connection.give_back(&mut buffers);
                }
                next = (next + 1) % counted.len();
            }
            messages
        }))
    }

    fn echo(&self, scene: &Scene) -> Option<Job> {
        let mut socket = Socket::<LENT, SPACE>::open(scene)?;
        Some(Box::new(move |messages| {
            let mut done = 0;
            while done < messages {
                done += socket.turn::<true>();
            }
            done
        }))
    }

    fn accept(&self, scene: &Scene) -> Option<Job> {
        // Nothing to lend to.
        if LENT || SPACE {
            return None;
        }
        let scene = scene.clone();
        let mut buffer = vec![0; 4096];
        Some(Box::new(move |handshakes| {
            for _ in 0..handshakes {
                let mut pipe = scene.pipe();
                let mut handshake = ServerHandshake::new(&CONFIG);
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
        if LENT || SPACE {
            return None;
        }
        let scene = scene.clone();
        let mut buffer = vec![0; 4096];
        Some(Box::new(move |handshakes| {
            for _ in 0..handshakes {
                let mut pipe = scene.pipe();
                let uri = Uri::parse("ws://example.com/chat?room=1").expect("a URI");
                let request = ClientRequest::new(&uri);
                let mut handshake = ClientHandshake::new(&CONFIG, &request).expect("a request");
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
        if LENT || SPACE {
            return None;
        }
        let mut socket = Socket::<false, false>::open(scene)?;
        socket.turn::<true>();
        Some(Box::new((socket.connection, socket.pipe)))
    }
}

struct Socket<const LENT: bool, const SPACE: bool> {
    connection: Connection,
    pipe: Pipe,
    scene: Scene,
    buffer: Vec<u8>,
    buffers: Buffers,
}

impl<const LENT: bool, const SPACE: bool> Socket<LENT, SPACE> {
    /// `None` where there is nothing to gain from this way of driving.
    fn open(scene: &Scene) -> Option<Self> {
        if SPACE && (scene.case.text || scene.case.size < 16 << 10) {
            return None;
        }
        Some(Self {
            connection: open(scene),
            pipe: scene.pipe(),
            scene: scene.clone(),
            buffer: vec![0; scene.chunk],
            buffers: Buffers::new(),
        })
    }

    /// One read, and all that follows from it. Returns how many messages came.
    #[inline]
    fn turn<const ECHO: bool>(&mut self) -> u64 {
        let Self { connection, pipe, scene, buffer, buffers } = self;
        let mut done = 0;
        if LENT {
            connection.lend(buffers);
        }
        if SPACE && let Some(space) = connection.payload_space() {
            let length = pipe.read_into(space);
            if let Some(event) = connection.payload_filled(length) {
                done += look::<LENT, ECHO>(connection, scene, &event);
                finish::<LENT, ECHO>(connection, scene, event);
            }
        } else {
            let length = pipe.read_into(buffer);
            let mut input = &mut buffer[..length];
            // To move an event costs more than to receive a small message.
            if scene.case.size < 2048 {
                while let Some(event) = &connection.receive(&mut input) {
                    done += look::<LENT, ECHO>(connection, scene, event);
                }
            }
            while let Some(event) = connection.receive(&mut input) {
                done += look::<LENT, ECHO>(connection, scene, &event);
                finish::<LENT, ECHO>(connection, scene, event);
            }
        }
        write(connection.output(), pipe);
        if LENT {
            connection.give_back(buffers);
        }
        done
    }
}

/// What the application does with an event.
#[inline]
fn look<const LENT: bool, const ECHO: bool>(
    connection: &mut Connection,
    scene: &Scene,
    event: &Event<'_>,
) -> u64 {
    match event {
        Event::Message(message) => {
            scene.message(message.as_bytes());
            if ECHO && (LENT || scene.case.size < 2048) {
                connection.send(message).expect("room");
            }
            1
        }
        Event::Failed(error) => panic!("{error}"),
        // Answered already.
        _ => 0,
    }
}

/// A message that was put together has memory: for the next one, or to be sent as it is.
#[inline]
fn finish<const LENT: bool, const ECHO: bool>(
    connection: &mut Connection,
    scene: &Scene,
    event: Event<'_>,
) {
    if let Event::Message(message) = event {
        if LENT {
            connection.recycle(message);
        } else if ECHO && scene.case.size >= 2048 {
            connection.send(message).expect("room");
        }
    }
}

fn open(scene: &Scene) -> Connection {
    let negotiated = Negotiated::default();
    if is_server(scene) {
        Connection::server(&CONFIG, &negotiated)
    } else {
        Connection::client(&CONFIG, &negotiated)
    }
}

#[inline]
fn write(output: &mut Output, pipe: &mut Pipe) {
    while output.has_remaining() {
        let mut slices = [IoSlice::new(&[]); 8];
        let count = output.chunks_vectored(&mut slices);
        let length = pipe.write_vectored(&slices[..count]).expect("a pipe never fails");
        output.advance(length);
    }
}
