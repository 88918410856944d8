//! yawc: complete except for non-minimal lengths and for Pongs and Closes of any length. Text validation
//! (off by default) and `simdutf8` are enabled, limits are raised to 64 MiB. Accepts messages only as
//! `Bytes` but only reads them. It has no opening handshake of its own that an in-memory stream could
//! drive; it uses hyper's, with a separate task.

use std::any::Any;
use std::future::poll_fn;
use std::pin::Pin;

use futures_util::{Sink, SinkExt};
use yawc::{DeflateOptions, Frame, OpCode, Options, Role, WebSocket};

use super::is_server;
use crate::Job;
use crate::codec::Context;
use crate::scene::{Pipe, Scene, run};

pub struct Peer;

impl super::Peer for Peer {
    fn name(&self) -> &'static str {
        "yawc"
    }

    fn receive(&self, scene: &Scene) -> Option<Job> {
        let (mut socket, scene) = (open(scene, scene.chunk), scene.clone());
        Some(Box::new(move |messages| {
            run(async {
                for _ in 0..messages {
                    scene.message(next(&mut socket).await.payload());
                    if scene.case.fragments > 1 {
                        // yawc writes Pongs before it sends a message, or when no bytes can be read. Here
                        // all bytes can be read at once.
                        poll_fn(|context| Pin::new(&mut socket).poll_ready(context))
                            .await
                            .expect("open");
                        socket.flush().await.expect("open");
                    }
                }
            });
            messages
        }))
    }

    fn send(&self, scene: &Scene) -> Option<Job> {
        let (mut socket, mut payloads) = (open(scene, scene.chunk), scene.payloads());
        Some(Box::new(move |messages| {
            run(async {
                for _ in 0..messages {
                    // It only reads them, so a borrowed payload needs no copy.
                    socket.send(Frame::binary(payloads.next().clone())).await.expect("open");
                }
            });
            messages
        }))
    }

    fn echo(&self, scene: &Scene) -> Option<Job> {
        let (mut socket, scene) = (open(scene, scene.chunk), scene.clone());
        Some(Box::new(move |messages| {
            run(async {
                for _ in 0..messages {
                    echo(&mut socket, &scene).await;
                }
            });
            messages
        }))
    }

    fn deflates(&self) -> bool {
        true
    }

    /// With its defaults, as users get it.
    fn idle(&self, scene: &Scene) -> Option<Box<dyn Any>> {
        let mut socket = open(scene, 8192);
        run(echo(&mut socket, scene));
        Some(Box::new(socket))
    }
}

fn open(scene: &Scene, buffer: usize) -> WebSocket<Pipe> {
    let role = if is_server(scene) { Role::Server } else { Role::Client };
    let mut options = Options::default()
        .with_utf8()
        .with_limits(64 << 20, 64 << 20)
        .with_read_buffer_capacity(buffer)
        .with_write_buffer_capacity(buffer);
    let extensions = scene.case.deflate.map(|context| {
        options.compression = Some(DeflateOptions::default());
        match context {
            Context::None => {
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
            }
            Context::Kept => "permessage-deflate",
        }
    });
    WebSocket::from_stream_with_extensions(scene.pipe(), role, extensions, options)
        .expect("options")
}

#[inline]
async fn next(socket: &mut WebSocket<Pipe>) -> Frame {
    loop {
        let frame = socket.next_frame().await.expect("a message");
        if let OpCode::Text | OpCode::Binary = frame.opcode() {
            return frame;
        }
    }
}

#[inline]
async fn echo(socket: &mut WebSocket<Pipe>, scene: &Scene) {
    let payload = next(socket).await.into_payload();
    scene.message(&payload);
    socket.send(Frame::binary(payload)).await.expect("open");
}
