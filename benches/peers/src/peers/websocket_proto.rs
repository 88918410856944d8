//! This crate: a complete endpoint with its limits and checks. Messages are borrowed from the read
//! buffer where they lie in it whole. The masking keys come from the operating system.
//!
//! Driven by the loop of its front page with vectored writes, and by the same loop with memory
//! lent for each turn.

use std::any::Any;
use std::io::{IoSlice, Write};

use bytes::{Buf, Bytes};
use websocket_proto::handshake::{
    Acceptance, ClientEvent, ClientHandshake, ClientRequest, ServerEvent, ServerHandshake, Uri,
};
use websocket_proto::{Buffers, Config, Connection, Event, Message, Negotiated, Output};

use super::is_server;
use crate::Job;
use crate::scene::{Pipe, Scene};

static CONFIG: Config = Config::new();

/// `LENT`: with memory lent to the connection for each turn.
pub struct Peer<const LENT: bool>;

impl<const LENT: bool> super::Peer for Peer<LENT> {
    fn name(&self) -> &'static str {
        if LENT { "websocket-proto+lent" } else { "websocket-proto" }
    }

    fn receive(&self, scene: &Scene) -> Option<Job> {
        let (mut connection, mut pipe, scene) = (open(scene), scene.pipe(), scene.clone());
        let (mut buffer, mut buffers) = (vec![0; scene.chunk], Buffers::new());
        Some(Box::new(move |messages| {
            let mut done = 0;
            while done < messages {
                if LENT {
                    connection.lend(&mut buffers);
                }
                let length = pipe.read_into(&mut buffer);
                let mut input = &mut buffer[..length];
                while let Some(event) = connection.receive(&mut input) {
                    match event {
                        Event::Message(message) => {
                            scene.message(message.as_bytes());
                            done += 1;
                            if LENT {
                                connection.recycle(message);
                            }
                        }
                        Event::Failed(error) => panic!("{error}"),
                        // Answered already.
                        _ => {}
                    }
                }
                write(connection.output(), &mut pipe);
                if LENT {
                    connection.give_back(&mut buffers);
                }
            }
            done
        }))
    }

    fn send(&self, scene: &Scene) -> Option<Job> {
        let (mut connection, mut pipe, scene) = (open(scene), scene.pipe(), scene.clone());
        let payloads = scene.case.messages.iter();
        let counted: Vec<Bytes> = payloads.map(|bytes| Bytes::copy_from_slice(bytes)).collect();
        let (mut next, mut buffers) = (0, Buffers::new());
        Some(Box::new(move |messages| {
            for _ in 0..messages {
                if LENT {
                    connection.lend(&mut buffers);
                }
                let message = if scene.case.counted {
                    Message::from(counted[next].clone())
                } else {
                    Message::from(&*scene.case.messages[next])
                };
                connection.send(message).expect("room");
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
        let (mut connection, mut pipe, scene) = (open(scene), scene.pipe(), scene.clone());
        let (mut buffer, mut buffers) = (vec![0; scene.chunk], Buffers::new());
        Some(Box::new(move |messages| {
            let mut done = 0;
            while done < messages {
                if LENT {
                    connection.lend(&mut buffers);
                    done += echo::<true>(&mut connection, &mut pipe, &scene, &mut buffer);
                    connection.give_back(&mut buffers);
                } else {
                    done += echo::<false>(&mut connection, &mut pipe, &scene, &mut buffer);
                }
            }
            done
        }))
    }

    fn accept(&self, scene: &Scene) -> Option<Job> {
        // Nothing to lend to.
        if LENT {
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
        if LENT {
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
        if LENT {
            return None;
        }
        let (mut connection, mut pipe) = (open(scene), scene.pipe());
        echo::<false>(&mut connection, &mut pipe, scene, &mut [0; 4096]);
        Some(Box::new((connection, pipe)))
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

/// Reads once, sends back what that completes, and writes it.
#[inline]
fn echo<const LENT: bool>(
    connection: &mut Connection,
    pipe: &mut Pipe,
    scene: &Scene,
    buffer: &mut [u8],
) -> u64 {
    let mut done = 0;
    let length = pipe.read_into(buffer);
    let mut input = &mut buffer[..length];
    while let Some(event) = connection.receive(&mut input) {
        match event {
            Event::Message(message) => {
                scene.message(message.as_bytes());
                if LENT {
                    connection.send(&message).expect("room");
                    connection.recycle(message);
                } else {
                    connection.send(message).expect("room");
                }
                done += 1;
            }
            Event::Failed(error) => panic!("{error}"),
            _ => {}
        }
    }
    write(connection.output(), pipe);
    done
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
