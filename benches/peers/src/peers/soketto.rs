//! soketto with a `BufReader` and a `BufWriter`, as its documentation advises: complete except for text,
//! which it leaves to the application; the driver validates it with the standard library, as soketto's
//! examples do. Accepts non-minimal lengths. Messages are appended to the driver's `Vec`.

use std::any::Any;

use futures_util::io::{BufReader, BufWriter};
use soketto::connection::{Builder, Mode};
use soketto::handshake::{self, ServerResponse, server::Response};
use soketto::{Data, Receiver, Sender};

use super::{handshakes, is_server};
use crate::Job;
use crate::scene::{Pipe, Scene, run};

pub struct Peer;

impl super::Peer for Peer {
    fn name(&self) -> &'static str {
        "soketto"
    }

    fn receive(&self, scene: &Scene) -> Option<Job> {
        let (mut socket, scene) = (Socket::open(scene, scene.chunk), scene.clone());
        Some(Box::new(move |messages| {
            run(async {
                for _ in 0..messages {
                    socket.receive(&scene).await;
                }
                // Writes the Pongs.
                socket.sender.flush().await.expect("open");
            });
            messages
        }))
    }

    fn send(&self, scene: &Scene) -> Option<Job> {
        // It does not accept `Bytes`.
        if scene.case.shared {
            return None;
        }
        let (mut socket, mut payloads) = (Socket::open(scene, scene.chunk), scene.payloads());
        Some(Box::new(move |messages| {
            run(async {
                for _ in 0..messages {
                    socket.sender.send_binary(payloads.next()).await.expect("open");
                    socket.sender.flush().await.expect("open");
                }
            });
            messages
        }))
    }

    fn echo(&self, scene: &Scene) -> Option<Job> {
        let (mut socket, scene) = (Socket::open(scene, scene.chunk), scene.clone());
        Some(Box::new(move |messages| {
            run(async {
                for _ in 0..messages {
                    socket.echo(&scene).await;
                }
            });
            messages
        }))
    }

    fn accept(&self, scene: &Scene) -> Option<Job> {
        Some(handshakes(scene, async |pipe| {
            let mut server = handshake::Server::new(pipe);
            let key = server.receive_request().await.expect("a request").key();
            let response = Response::Accept { key, protocol: None };
            server.send_response(&response).await.expect("open");
            drop(server.into_builder().finish());
        }))
    }

    fn connect(&self, scene: &Scene) -> Option<Job> {
        Some(handshakes(scene, async |pipe| {
            let mut client = handshake::Client::new(pipe, "example.com", "/chat?room=1");
            let response = client.handshake().await.expect("an answer");
            assert!(matches!(response, ServerResponse::Accepted { .. }));
            drop(client.into_builder().finish());
        }))
    }

    /// With the default buffers of 8 KiB.
    fn idle(&self, scene: &Scene) -> Option<Box<dyn Any>> {
        let mut socket = Socket::open(scene, 8192);
        run(socket.echo(scene));
        Some(Box::new(socket))
    }
}

type Stream = BufReader<BufWriter<Pipe>>;

struct Socket {
    sender: Sender<Stream>,
    receiver: Receiver<Stream>,
    message: Vec<u8>,
}

impl Socket {
    fn open(scene: &Scene, buffer: usize) -> Self {
        let mode = if is_server(scene) { Mode::Server } else { Mode::Client };
        let stream = BufWriter::with_capacity(buffer, scene.pipe());
        let stream = BufReader::with_capacity(buffer, stream);
        let (sender, receiver) = Builder::new(stream, mode).finish();
        Self { sender, receiver, message: Vec::new() }
    }

    #[inline]
    async fn receive(&mut self, scene: &Scene) {
        self.message.clear();
        let data = self.receiver.receive_data(&mut self.message).await.expect("a message");
        if let Data::Text(_) = data {
            str::from_utf8(&self.message).expect("text");
        }
        scene.message(&self.message);
    }

    #[inline]
    async fn echo(&mut self, scene: &Scene) {
        self.receive(scene).await;
        self.sender.send_binary(&self.message).await.expect("open");
        self.sender.flush().await.expect("open");
    }
}
