//! sockudo-ws through its `Protocol`, without its stream (which costs more): complete except for
//! non-minimal lengths. Messages are `Bytes` split off the read buffer. Masking keys come from `fastrand`
//! and are predictable. Its `Protocol` copies sent payloads into a buffer that it reuses. Its `frame`
//! module encodes a header alone, to be written beside the payload, without a connection; this is listed as
//! a framer, for a server's payloads of 2 KiB and more.

use std::any::Any;

use bytes::{Bytes, BytesMut};
use sockudo_ws::frame::{OpCode, encode_frame_header};
use sockudo_ws::handshake::{client_handshake, server_handshake};
use sockudo_ws::protocol::{CompressedProtocol, Protocol};
use sockudo_ws::{DeflateConfig, Message, Role};

use super::{handshakes, is_server};
use crate::Job;
use crate::codec::Context;
use crate::scene::{Pipe, Scene};

/// Minimum length of payloads that are written beside their header.
const BESIDE_MIN: usize = 2048;

/// With `FRAMER`, payloads are written beside their header.
pub struct Peer<const FRAMER: bool>;

impl<const FRAMER: bool> Peer<FRAMER> {
    /// Whether the two ways differ in this case.
    fn is_framed(scene: &Scene) -> bool {
        is_server(scene) && scene.case.size >= BESIDE_MIN
    }
}

impl<const FRAMER: bool> super::Peer for Peer<FRAMER> {
    fn name(&self) -> &'static str {
        if FRAMER { "[sockudo-ws]" } else { "sockudo-ws" }
    }

    fn receive(&self, scene: &Scene) -> Option<Job> {
        if FRAMER {
            return None;
        }
        let (mut socket, scene) = (Socket::<FRAMER>::open(scene), scene.clone());
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
        if FRAMER && !Self::is_framed(scene) {
            return None;
        }
        let (mut socket, mut payloads) = (Socket::<FRAMER>::open(scene), scene.payloads());
        Some(Box::new(move |messages| {
            for _ in 0..messages {
                // It takes `Bytes` but only reads them, so a borrowed payload needs no copy.
                socket.send(payloads.next().clone());
                socket.flush();
            }
            messages
        }))
    }

    fn echo(&self, scene: &Scene) -> Option<Job> {
        if FRAMER && !Self::is_framed(scene) {
            return None;
        }
        let (mut socket, scene) = (Socket::<FRAMER>::open(scene), scene.clone());
        Some(Box::new(move |messages| {
            let mut done = 0;
            while done < messages {
                done += socket.echo(&scene);
            }
            done
        }))
    }

    fn accept(&self, scene: &Scene) -> Option<Job> {
        if FRAMER {
            return None;
        }
        Some(handshakes(scene, async |mut pipe| {
            server_handshake(&mut pipe).await.expect("a request");
        }))
    }

    fn connect(&self, scene: &Scene) -> Option<Job> {
        if FRAMER {
            return None;
        }
        Some(handshakes(scene, async |mut pipe| {
            client_handshake(&mut pipe, "example.com", "/chat?room=1", None)
                .await
                .expect("an answer");
        }))
    }

    fn deflates(&self) -> bool {
        !FRAMER
    }

    /// Without the driver's buffers, which are empty now. Its stream would own them.
    fn idle(&self, scene: &Scene) -> Option<Box<dyn Any>> {
        if FRAMER {
            return None;
        }
        let mut socket = Socket::<FRAMER>::open(scene);
        socket.echo(scene);
        (socket.input, socket.output, socket.events) = Default::default();
        Some(Box::new(socket))
    }
}

/// Its state machines.
#[expect(clippy::large_enum_variant, reason = "a box would cost the peer an access to memory")]
enum Machine {
    Plain(Protocol),
    Deflate(CompressedProtocol),
}

impl Machine {
    /// Maximum bytes of a frame and of a message.
    const MAX: usize = 64 << 20;

    fn new(scene: &Scene) -> Self {
        let is_server = is_server(scene);
        let Some(context) = scene.case.deflate else {
            let role = if is_server { Role::Server } else { Role::Client };
            return Self::Plain(Protocol::new(role, Self::MAX, Self::MAX));
        };
        let config = DeflateConfig {
            server_no_context_takeover: context == Context::None,
            client_no_context_takeover: context == Context::None,
            compression_threshold: 0,
            ..DeflateConfig::default()
        };
        let new = if is_server { CompressedProtocol::server } else { CompressedProtocol::client };
        Self::Deflate(new(Self::MAX, Self::MAX, config))
    }

    #[inline]
    fn process(&mut self, input: &mut BytesMut, events: &mut Vec<Message>) {
        match self {
            Self::Plain(protocol) => protocol.process_into(input, events),
            Self::Deflate(protocol) => protocol.process_into(input, events),
        }
        .expect("messages");
    }

    #[inline]
    fn send(&mut self, message: &Message, output: &mut BytesMut) {
        match self {
            Self::Plain(protocol) => protocol.encode_message(message, output),
            Self::Deflate(protocol) => protocol.encode_message(message, output),
        }
        .expect("open");
    }

    #[inline]
    fn pong(&mut self, payload: &[u8], output: &mut BytesMut) {
        match self {
            Self::Plain(protocol) => protocol.encode_pong(payload, output),
            Self::Deflate(protocol) => protocol.encode_pong(payload, output),
        }
    }
}

struct Socket<const FRAMER: bool> {
    protocol: Machine,
    server: bool,
    pipe: Pipe,
    input: BytesMut,
    events: Vec<Message>,
    output: BytesMut,
}

impl<const FRAMER: bool> Socket<FRAMER> {
    fn open(scene: &Scene) -> Self {
        let server = is_server(scene);
        Self {
            protocol: Machine::new(scene),
            server,
            pipe: scene.pipe(),
            input: BytesMut::new(),
            events: Vec::new(),
            output: BytesMut::new(),
        }
    }

    /// Reads once and answers Pings.
    #[inline]
    fn receive(&mut self, mut message: impl FnMut(&mut Self, Bytes)) -> u64 {
        self.pipe.read_to(&mut self.input);
        let mut events = std::mem::take(&mut self.events);
        self.protocol.process(&mut self.input, &mut events);
        let mut done = 0;
        for event in events.drain(..) {
            match event {
                Message::Text(payload) | Message::Binary(payload) => {
                    message(self, payload);
                    done += 1;
                }
                Message::Ping(payload) => self.protocol.pong(&payload, &mut self.output),
                Message::Pong(_) | Message::Close(_) => {}
            }
        }
        self.events = events;
        done
    }

    #[inline]
    fn send(&mut self, payload: Bytes) {
        if FRAMER && self.server && payload.len() >= BESIDE_MIN {
            let length = payload.len();
            encode_frame_header(&mut self.output, OpCode::Binary, length, true, None);
            self.pipe.write_both(&self.output, &payload);
            self.output.clear();
        } else {
            self.protocol.send(&Message::Binary(payload), &mut self.output);
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
