//! This crate: a complete endpoint with its limits and checks, driven by the loop of its front
//! page with vectored writes. Messages are borrowed from the read buffer. The keys come from the
//! operating system.
//!
//! Another way to drive it is another [`Peer`] in this file, beside this one in `all`.

use std::any::Any;
use std::io::{IoSlice, Write};

use bytes::{Buf, Bytes};
use websocket_proto::handshake::{
    Acceptance, ClientEvent, ClientHandshake, ClientRequest, ServerEvent, ServerHandshake, Uri,
};
use websocket_proto::{Config, Connection, Event, Message, Negotiated, Output};

use super::is_server;
use crate::Job;
use crate::scene::{Pipe, Scene};

static CONFIG: Config = Config::new();

pub struct Peer;

impl super::Peer for Peer {
    fn name(&self) -> &'static str {
        "websocket-proto"
    }

    fn receive(&self, scene: &Scene) -> Option<Job> {
        let (mut connection, mut pipe, scene) = (open(scene), scene.pipe(), scene.clone());
        let mut buffer = vec![0; scene.chunk];
        Some(Box::new(move |messages| {
            let mut done = 0;
            while done < messages {
                let length = pipe.read_into(&mut buffer);
                let mut input = &mut buffer[..length];
                while let Some(event) = connection.receive(&mut input) {
                    match event {
                        Event::Message(message) => {
                            scene.message(message.as_bytes());
                            done += 1;
                        }
                        Event::Failed(error) => panic!("{error}"),
                        // Answered already.
                        _ => {}
                    }
                }
                write(connection.output(), &mut pipe);
            }
            done
        }))
    }

    fn send(&self, scene: &Scene) -> Option<Job> {
        let (mut connection, mut pipe, scene) = (open(scene), scene.pipe(), scene.clone());
        let payloads = scene.case.messages.iter();
        let counted: Vec<Bytes> = payloads.map(|bytes| Bytes::copy_from_slice(bytes)).collect();
        let mut next = 0;
        Some(Box::new(move |messages| {
            for _ in 0..messages {
                let message = if scene.case.counted {
                    Message::from(counted[next].clone())
                } else {
                    Message::from(&*scene.case.messages[next])
                };
                connection.send(message).expect("room");
                write(connection.output(), &mut pipe);
                next = (next + 1) % counted.len();
            }
            messages
        }))
    }

    fn echo(&self, scene: &Scene) -> Option<Job> {
        let (mut connection, mut pipe, scene) = (open(scene), scene.pipe(), scene.clone());
        let mut buffer = vec![0; scene.chunk];
        Some(Box::new(move |messages| {
            let mut done = 0;
            while done < messages {
                done += echo(&mut connection, &mut pipe, &scene, &mut buffer);
            }
            done
        }))
    }

    fn accept(&self, scene: &Scene) -> Option<Job> {
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
        let (mut connection, mut pipe) = (open(scene), scene.pipe());
        echo(&mut connection, &mut pipe, scene, &mut [0; 4096]);
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
fn echo(connection: &mut Connection, pipe: &mut Pipe, scene: &Scene, buffer: &mut [u8]) -> u64 {
    let mut done = 0;
    let length = pipe.read_into(buffer);
    let mut input = &mut buffer[..length];
    while let Some(event) = connection.receive(&mut input) {
        match event {
            Event::Message(message) => {
                scene.message(message.as_bytes());
                connection.send(message).expect("room");
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
