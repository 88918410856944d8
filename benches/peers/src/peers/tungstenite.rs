//! tungstenite: complete except for non-minimal lengths. It zeroes its read buffer before each read, so a
//! buffer of about one message suits echoes (its default of 128 KiB costs microseconds there).

use std::any::Any;

use bytes::Bytes;
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::client::Request;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Message, WebSocket, accept_with_config, client::client_with_config};

use super::is_server;
use crate::Job;
use crate::scene::{Pipe, Scene};

pub struct Peer;

impl super::Peer for Peer {
    fn name(&self) -> &'static str {
        "tungstenite"
    }

    fn receive(&self, scene: &Scene) -> Option<Job> {
        let (mut socket, scene) = (open(scene), scene.clone());
        Some(Box::new(move |messages| {
            for _ in 0..messages {
                scene.message(&next(&mut socket).into_data());
            }
            // A pending Pong is written by the next read.
            messages
        }))
    }

    fn send(&self, scene: &Scene) -> Option<Job> {
        let (mut socket, mut payloads) = (open(scene), scene.payloads());
        let shared = scene.case.shared;
        Some(Box::new(move |messages| {
            for _ in 0..messages {
                // It accepts no borrowed payloads, so a borrowed payload is copied.
                let payload = if shared {
                    payloads.next().clone()
                } else {
                    Bytes::copy_from_slice(payloads.next())
                };
                socket.send(Message::Binary(payload)).expect("open");
            }
            messages
        }))
    }

    fn echo(&self, scene: &Scene) -> Option<Job> {
        let (mut socket, scene) = (open(scene), scene.clone());
        Some(Box::new(move |messages| {
            for _ in 0..messages {
                echo(&mut socket, &scene);
            }
            messages
        }))
    }

    fn accept(&self, scene: &Scene) -> Option<Job> {
        let scene = scene.clone();
        Some(Box::new(move |handshakes| {
            for _ in 0..handshakes {
                accept_with_config(scene.pipe(), Some(config(4096))).expect("a request");
            }
            handshakes
        }))
    }

    fn connect(&self, scene: &Scene) -> Option<Job> {
        let scene = scene.clone();
        Some(Box::new(move |handshakes| {
            for _ in 0..handshakes {
                let request: Request =
                    "ws://example.com/chat?room=1".into_client_request().expect("a request");
                client_with_config(request, scene.pipe(), Some(config(4096))).expect("an answer");
            }
            handshakes
        }))
    }

    /// With its defaults, as users get it.
    fn idle(&self, scene: &Scene) -> Option<Box<dyn Any>> {
        let role = if is_server(scene) { Role::Server } else { Role::Client };
        let mut socket = WebSocket::from_raw_socket(scene.pipe(), role, None);
        echo(&mut socket, scene);
        Some(Box::new(socket))
    }
}

fn config(read_buffer: usize) -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(read_buffer).write_buffer_size(0)
}

fn open(scene: &Scene) -> WebSocket<Pipe> {
    let role = if is_server(scene) { Role::Server } else { Role::Client };
    WebSocket::from_raw_socket(scene.pipe(), role, Some(config(scene.chunk)))
}

#[inline]
fn next(socket: &mut WebSocket<Pipe>) -> Message {
    loop {
        let message = socket.read().expect("a message");
        if let Message::Text(_) | Message::Binary(_) = message {
            return message;
        }
    }
}

#[inline]
fn echo(socket: &mut WebSocket<Pipe>, scene: &Scene) {
    let message = next(socket);
    let payload = message.into_data();
    scene.message(&payload);
    socket.send(Message::Binary(payload)).expect("open");
}
