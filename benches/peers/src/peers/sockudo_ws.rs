//! sockudo-ws by its `Protocol`, without its stream (which costs more): complete but for lengths
//! that are not minimal. Messages come as `Bytes`, split off the read buffer. Masking keys are
//! those of `fastrand`, which are not unpredictable. What is sent is copied into a buffer that
//! stays; from 2 KiB up a server's header is written beside the payload instead, as its `frame`
//! module allows.

use std::any::Any;

use bytes::{Bytes, BytesMut};
use sockudo_ws::frame::{OpCode, encode_frame_header};
use sockudo_ws::handshake::{client_handshake, server_handshake};
use sockudo_ws::protocol::Protocol;
use sockudo_ws::{Message, Role};

use super::is_server;
use crate::Job;
use crate::scene::{Pipe, Scene, run};

pub struct Peer;

impl super::Peer for Peer {
    fn name(&self) -> &'static str {
        "sockudo-ws"
    }

    fn receive(&self, scene: &Scene) -> Option<Job> {
        let (mut socket, scene) = (Socket::open(scene), scene.clone());
        Some(Box::new(move |messages| {
            let mut done = 0;
            while done < messages {
                done += socket.receive(|_, payload| scene.message(&payload));
                socket.flush();
            }
            done
        }))
    }

    fn send(&self, scene: &Scene) -> Option<Job> {
        let (mut socket, mut payloads) = (Socket::open(scene), scene.payloads());
        Some(Box::new(move |messages| {
            for _ in 0..messages {
                // It takes `Bytes` and only looks at them: a borrowed payload need not be copied,
                // and here it is not.
                socket.send(payloads.next().clone());
                socket.flush();
            }
            messages
        }))
    }

    fn echo(&self, scene: &Scene) -> Option<Job> {
        let (mut socket, scene) = (Socket::open(scene), scene.clone());
        Some(Box::new(move |messages| {
            let mut done = 0;
            while done < messages {
                done += socket.echo(&scene);
            }
            done
        }))
    }

    fn accept(&self, scene: &Scene) -> Option<Job> {
        let scene = scene.clone();
        Some(Box::new(move |handshakes| {
            run(async {
                for _ in 0..handshakes {
                    server_handshake(&mut scene.pipe()).await.expect("a request");
                }
            });
            handshakes
        }))
    }

    fn connect(&self, scene: &Scene) -> Option<Job> {
        let scene = scene.clone();
        Some(Box::new(move |handshakes| {
            run(async {
                for _ in 0..handshakes {
                    let mut pipe = scene.pipe();
                    client_handshake(&mut pipe, "example.com", "/chat?room=1", None)
                        .await
                        .expect("an answer");
                }
            });
            handshakes
        }))
    }

    /// Without the driver's buffers, which are empty now. Its stream would hold them.
    fn idle(&self, scene: &Scene) -> Option<Box<dyn Any>> {
        let mut socket = Socket::open(scene);
        socket.echo(scene);
        (socket.input, socket.output, socket.events) = Default::default();
        Some(Box::new(socket))
    }
}

struct Socket {
    protocol: Protocol,
    server: bool,
    pipe: Pipe,
    input: BytesMut,
    events: Vec<Message>,
    output: BytesMut,
}

impl Socket {
    fn open(scene: &Scene) -> Self {
        let server = is_server(scene);
        let role = if server { Role::Server } else { Role::Client };
        Self {
            protocol: Protocol::new(role, 64 << 20, 64 << 20),
            server,
            pipe: scene.pipe(),
            input: BytesMut::new(),
            events: Vec::new(),
            output: BytesMut::new(),
        }
    }

    /// Reads once, and answers Pings.
    #[inline]
    fn receive(&mut self, mut message: impl FnMut(&mut Self, Bytes)) -> u64 {
        self.pipe.read_to(&mut self.input);
        let mut events = std::mem::take(&mut self.events);
        self.protocol.process_into(&mut self.input, &mut events).expect("messages");
        let mut done = 0;
        for event in events.drain(..) {
            match event {
                Message::Text(payload) | Message::Binary(payload) => {
                    message(self, payload);
                    done += 1;
                }
                Message::Ping(payload) => self.protocol.encode_pong(&payload, &mut self.output),
                Message::Pong(_) | Message::Close(_) => {}
            }
        }
        self.events = events;
        done
    }

    #[inline]
    fn send(&mut self, payload: Bytes) {
        if self.server && payload.len() >= 2048 {
            let length = payload.len();
            encode_frame_header(&mut self.output, OpCode::Binary, length, true, None);
            self.pipe.write_both(&self.output, &payload);
            self.output.clear();
        } else {
            let message = Message::Binary(payload);
            self.protocol.encode_message(&message, &mut self.output).expect("open");
        }
    }

    #[inline]
    fn flush(&mut self) {
        if !self.output.is_empty() {
            self.pipe.write_from(&self.output);
            self.output.clear();
        }
    }

    #[inline]
    fn echo(&mut self, scene: &Scene) -> u64 {
        let done = self.receive(|socket, payload| {
            scene.message(&payload);
            socket.send(payload);
        });
        self.flush();
        done
    }
}
