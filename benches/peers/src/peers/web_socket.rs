//! web-socket with a `BufReader`: a framer. It neither validates text nor answers Pings nor reassembles
//! fragments; the driver does the latter two. Accepts non-minimal lengths. Each payload is a new `Box`. It
//! has no opening handshake.

use std::any::Any;

use tokio::io::BufReader;
use web_socket::{DataType, Event, Stream, WebSocket};

use super::is_server;
use crate::Job;
use crate::scene::{Pipe, Scene, run};

pub struct Peer;

impl super::Peer for Peer {
    fn name(&self) -> &'static str {
        "[web-socket]"
    }

    fn receive(&self, scene: &Scene) -> Option<Job> {
        let (mut socket, scene) = (Socket::open(scene), scene.clone());
        Some(Box::new(move |messages| {
            run(async {
                for _ in 0..messages {
                    scene.message(&socket.receive().await);
                }
            });
            messages
        }))
    }

    fn send(&self, scene: &Scene) -> Option<Job> {
        // It does not accept `Bytes`.
        if scene.case.shared {
            return None;
        }
        let (mut socket, mut payloads) = (Socket::open(scene).socket, scene.payloads());
        Some(Box::new(move |messages| {
            run(async {
                for _ in 0..messages {
                    socket.send(&**payloads.next()).await.expect("open");
                }
            });
            messages
        }))
    }

    fn echo(&self, scene: &Scene) -> Option<Job> {
        let (mut socket, scene) = (Socket::open(scene), scene.clone());
        Some(Box::new(move |messages| {
            run(async {
                for _ in 0..messages {
                    socket.echo(&scene).await;
                }
            });
            messages
        }))
    }

    fn idle(&self, scene: &Scene) -> Option<Box<dyn Any>> {
        let mut socket = Socket::open(scene);
        run(socket.echo(scene));
        Some(Box::new(socket))
    }
}

struct Socket {
    socket: WebSocket<BufReader<Pipe>>,
    fragments: Vec<u8>,
}

impl Socket {
    fn open(scene: &Scene) -> Self {
        let stream = BufReader::with_capacity(scene.chunk, scene.pipe());
        let socket =
            if is_server(scene) { WebSocket::server(stream) } else { WebSocket::client(stream) };
        Self { socket, fragments: Vec::new() }
    }

    #[inline]
    async fn receive(&mut self) -> Box<[u8]> {
        loop {
            match self.socket.recv().await.expect("a message") {
                Event::Data { ty: DataType::Complete(_), data } => return data,
                Event::Data { ty: DataType::Stream(stream), data } => {
                    self.fragments.extend_from_slice(&data);
                    if let Stream::End(_) = stream {
                        return std::mem::take(&mut self.fragments).into_boxed_slice();
                    }
                }
                Event::Ping(payload) => self.socket.send_pong(payload).await.expect("open"),
                Event::Pong(_) => {}
                event @ (Event::Error(_) | Event::Close { .. }) => panic!("{event:?}"),
            }
        }
    }

    #[inline]
    async fn echo(&mut self, scene: &Scene) {
        let message = self.receive().await;
        scene.message(&message);
        self.socket.send(&*message).await.expect("open");
    }
}
