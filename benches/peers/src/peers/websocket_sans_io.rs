//! websocket-sans-io: a framer. It checks nothing that it reads (reserved bits, opcodes, masking direction,
//! fragment order, limits, text) and answers nothing; the driver answers Pings and reassembles messages
//! that span several reads. The driver's masking keys come from the cryptographic generator of `rand`. It
//! has no opening handshake.

use std::any::Any;

use websocket_sans_io::{
    FrameInfo, Opcode, WebsocketFrameDecoder, WebsocketFrameEncoder, WebsocketFrameEvent,
};

use super::is_server;
use crate::Job;
use crate::scene::{Pipe, Scene};

pub struct Peer;

impl super::Peer for Peer {
    fn name(&self) -> &'static str {
        "[websocket-sans-io]"
    }

    fn receive(&self, scene: &Scene) -> Option<Job> {
        let (mut socket, scene) = (Socket::open(scene), scene.clone());
        let mut buffer = vec![0; scene.chunk];
        Some(Box::new(move |messages| {
            let mut done = 0;
            while done < messages {
                done += socket.receive(&mut buffer, |_, payload| scene.message(payload));
            }
            done
        }))
    }

    fn send(&self, scene: &Scene) -> Option<Job> {
        // It does not accept `Bytes`.
        if scene.case.shared {
            return None;
        }
        let (mut socket, mut payloads) = (Socket::open(scene), scene.payloads());
        Some(Box::new(move |messages| {
            for _ in 0..messages {
                socket.send(Opcode::Binary, payloads.next());
            }
            messages
        }))
    }

    fn echo(&self, scene: &Scene) -> Option<Job> {
        let (mut socket, scene) = (Socket::open(scene), scene.clone());
        let mut buffer = vec![0; scene.chunk];
        Some(Box::new(move |messages| {
            let mut done = 0;
            while done < messages {
                done += socket.echo(&mut buffer, &scene);
            }
            done
        }))
    }

    /// The driver's buffer is not part of the connection.
    fn idle(&self, scene: &Scene) -> Option<Box<dyn Any>> {
        let mut socket = Socket::open(scene);
        socket.echo(&mut [0; 4096], scene);
        socket.output = Vec::new();
        Some(Box::new(socket))
    }
}

struct Socket {
    decoder: WebsocketFrameDecoder,
    encoder: WebsocketFrameEncoder,
    server: bool,
    pipe: Pipe,
    /// The parts of a message and of a control frame received so far.
    message: Vec<u8>,
    control: Vec<u8>,
    output: Vec<u8>,
}

impl Socket {
    fn open(scene: &Scene) -> Self {
        Self {
            decoder: WebsocketFrameDecoder::new(),
            encoder: WebsocketFrameEncoder::new(),
            server: is_server(scene),
            pipe: scene.pipe(),
            message: Vec::new(),
            control: Vec::new(),
            output: Vec::new(),
        }
    }

    /// Reads once. A message that is complete in the buffer is borrowed from it.
    #[inline]
    fn receive(&mut self, buffer: &mut [u8], mut message: impl FnMut(&mut Self, &[u8])) -> u64 {
        let (mut at, mut done) = (0, 0);
        let length = self.pipe.read_into(buffer);
        let mut piece = 0..0;
        loop {
            let result = self.decoder.add_data(&mut buffer[at..length]).expect("infallible");
            let start = at;
            at += result.consumed_bytes;
            match result.event {
                None if at == length => {
                    self.message.extend_from_slice(&buffer[piece]);
                    return done;
                }
                None | Some(WebsocketFrameEvent::Start { .. }) => {}
                Some(WebsocketFrameEvent::PayloadChunk { original_opcode }) => {
                    if original_opcode.is_control() {
                        self.control.extend_from_slice(&buffer[start..at]);
                    } else {
                        self.message.extend_from_slice(&buffer[piece]);
                        piece = start..at;
                    }
                }
                Some(WebsocketFrameEvent::End { frame_info, .. }) => match frame_info.opcode {
                    Opcode::Ping => {
                        let payload = std::mem::take(&mut self.control);
                        self.send(Opcode::Pong, &payload);
                        self.control = payload;
                        self.control.clear();
                    }
                    Opcode::Text | Opcode::Binary | Opcode::Continuation if frame_info.fin => {
                        let last = std::mem::take(&mut piece);
                        if self.message.is_empty() {
                            message(self, &buffer[last]);
                        } else {
                            let mut whole = std::mem::take(&mut self.message);
                            whole.extend_from_slice(&buffer[last]);
                            message(self, &whole);
                            whole.clear();
                            self.message = whole;
                        }
                        done += 1;
                    }
                    _ => {}
                },
            }
        }
    }

    #[inline]
    fn send(&mut self, opcode: Opcode, payload: &[u8]) {
        let mask = if self.server { None } else { Some(rand::random()) };
        let payload_length = payload.len() as u64;
        let info = FrameInfo { opcode, payload_length, mask, fin: true, reserved: 0 };
        let header = self.encoder.start_frame(&info);
        if self.server && payload.len() >= 2048 {
            self.pipe.write_both(&header, payload);
            return;
        }
        self.output.clear();
        self.output.extend_from_slice(&header);
        self.output.extend_from_slice(payload);
        self.encoder.transform_frame_payload(&mut self.output[header.len()..]);
        self.pipe.write_from(&self.output);
    }

    #[inline]
    fn echo(&mut self, buffer: &mut [u8], scene: &Scene) -> u64 {
        self.receive(buffer, |socket, payload| {
            scene.message(payload);
            socket.send(Opcode::Binary, payload);
        })
    }
}
