//! wtx: complete except for non-minimal lengths. Messages are borrowed from its network buffer, or from the
//! driver's if they are fragmented. It masks payloads in place, so a borrowed payload of a client is copied
//! first. Masking keys come from a xorshift generator and are predictable.

use std::any::Any;

use wtx::collection::Vector;
use wtx::misc::UriRef;
use wtx::rng::{Xorshift64, simple_seed};
use wtx::stream::{StreamReader, StreamWriter};
use wtx::web_socket::{
    Frame, OpCode, WebSocket, WebSocketAcceptor, WebSocketBuffer, WebSocketConnector,
    WebSocketPayloadOrigin,
};

use super::{handshakes, is_server};
use crate::Job;
use crate::scene::{Pipe, Scene, run};

pub struct Peer;

impl super::Peer for Peer {
    fn name(&self) -> &'static str {
        "wtx"
    }

    fn receive(&self, scene: &Scene) -> Option<Job> {
        if is_server(scene) { Some(receive::<false>(scene)) } else { Some(receive::<true>(scene)) }
    }

    fn send(&self, scene: &Scene) -> Option<Job> {
        // It does not accept `Bytes`.
        if scene.case.shared {
            return None;
        }
        if is_server(scene) { Some(send::<false>(scene)) } else { Some(send::<true>(scene)) }
    }

    fn echo(&self, scene: &Scene) -> Option<Job> {
        let (mut socket, scene) = (Socket::<false>::open(scene, scene.chunk), scene.clone());
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
            let acceptor = WebSocketAcceptor::default().no_masking(false);
            acceptor.accept(pipe).await.expect("a request");
        }))
    }

    fn connect(&self, scene: &Scene) -> Option<Job> {
        Some(handshakes(scene, async |pipe| {
            let uri = UriRef::new("ws://example.com/chat?room=1");
            let connector = WebSocketConnector::default().no_masking(false);
            connector.connect(pipe, &uri).await.expect("an answer");
        }))
    }

    fn idle(&self, scene: &Scene) -> Option<Box<dyn Any>> {
        if is_server(scene) {
            let mut socket = Socket::<false>::open(scene, 0);
            run(socket.echo(scene));
            Some(Box::new(socket))
        } else {
            let mut socket = Socket::<true>::open(scene, 0);
            run(socket.echo(scene));
            Some(Box::new(socket))
        }
    }
}

struct Socket<const IS_CLIENT: bool> {
    socket: WebSocket<(), Xorshift64, Pipe, WebSocketBuffer, IS_CLIENT>,
    buffer: Vector<u8>,
    scratch: Vec<u8>,
}

impl<const IS_CLIENT: bool> Socket<IS_CLIENT> {
    fn open(scene: &Scene, buffer: usize) -> Self {
        let random = Xorshift64::from(simple_seed());
        let buffers = WebSocketBuffer::with_capacity(buffer, 0, 0).expect("memory");
        let socket = WebSocket::new((), false, random, scene.pipe(), buffers);
        Self { socket, buffer: Vector::new(), scratch: Vec::new() }
    }

    #[inline]
    async fn receive(&mut self, scene: &Scene) {
        loop {
            let origin = WebSocketPayloadOrigin::Adaptive;
            let frame = self.socket.read_frame(&mut self.buffer, origin).await.expect("a message");
            if let OpCode::Text | OpCode::Binary = frame.op_code() {
                scene.message(frame.payload());
                return;
            }
        }
    }

    #[inline]
    async fn echo(&mut self, scene: &Scene) {
        let origin = WebSocketPayloadOrigin::Adaptive;
        let frame = self.socket.read_frame(&mut self.buffer, origin).await.expect("a message");
        scene.message(frame.payload());
        // The frame borrows from the socket, although not from its sending half, so it is copied.
        self.scratch.clear();
        self.scratch.extend_from_slice(frame.payload());
        self.send().await;
    }

    #[inline]
    async fn send(&mut self) {
        let mut frame = Frame::new_fin(OpCode::Binary, &mut *self.scratch);
        self.socket.write_frame(&mut frame).await.expect("open");
    }
}

fn receive<const IS_CLIENT: bool>(scene: &Scene) -> Job {
    let (mut socket, scene) = (Socket::<IS_CLIENT>::open(scene, scene.chunk), scene.clone());
    Box::new(move |messages| {
        run(async {
            for _ in 0..messages {
                socket.receive(&scene).await;
            }
        });
        messages
    })
}

fn send<const IS_CLIENT: bool>(scene: &Scene) -> Job {
    let (mut socket, scene) = (Socket::<IS_CLIENT>::open(scene, scene.chunk), scene.clone());
    let mut payloads: Vec<_> = scene.case.messages.iter().map(|bytes| bytes.to_vec()).collect();
    let mut next = 0;
    Box::new(move |messages| {
        run(async {
            for _ in 0..messages {
                if IS_CLIENT {
                    socket.scratch.clear();
                    socket.scratch.extend_from_slice(&payloads[next]);
                    socket.send().await;
                } else {
                    // A server's frames are not modified.
                    let mut frame = Frame::new_fin(OpCode::Binary, &mut *payloads[next]);
                    socket.socket.write_frame(&mut frame).await.expect("open");
                }
                next += 1;
                if next == payloads.len() {
                    next = 0;
                }
            }
        });
        messages
    })
}

impl StreamReader for Pipe {
    #[inline]
    async fn read(&mut self, bytes: &mut [u8]) -> wtx::Result<usize> {
        Ok(self.read_into(bytes))
    }
}

impl StreamWriter for Pipe {
    #[inline]
    async fn write_all(&mut self, bytes: &[u8]) -> wtx::Result<()> {
        self.write_from(bytes);
        Ok(())
    }

    #[inline]
    async fn write_all_vectored(&mut self, slices: &[&[u8]]) -> wtx::Result<()> {
        for slice in slices {
            self.write_from(slice);
        }
        Ok(())
    }
}
