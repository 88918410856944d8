//! embedded-websocket through its `WebSocket` and without its `Framer` (which cannot continue when a read
//! splits a header): a framer with a little of the protocol. It does not check reserved bits, the masking
//! direction, minimal lengths, the length of control frames, whether a new message interrupts another, or
//! Close codes, and has no limits. The driver validates whole text messages with the standard library, as
//! its `Framer` does, and answers Pings. Payloads are copied out of the read buffer as they are unmasked.
//! The masking keys come from the cryptographic generator of `rand`.

use std::any::Any;

use embedded_websocket::{
    Client, EmptyRng, Error, Server, WebSocket, WebSocketClient, WebSocketOptions,
    WebSocketReceiveMessageType as Received, WebSocketSendMessageType as Sent, WebSocketServer,
    WebSocketState, WebSocketType, read_http_header,
};
use rand::RngCore;
use rand::rngs::ThreadRng;

use super::is_server;
use crate::Job;
use crate::scene::{Pipe, Scene};

pub struct Peer;

impl super::Peer for Peer {
    fn name(&self) -> &'static str {
        "[embedded-websocket]"
    }

    fn receive(&self, scene: &Scene) -> Option<Job> {
        // It never finishes a non-final fragment that a read splits.
        if scene.case.fragments > 1 {
            return None;
        }
        if is_server(scene) {
            Some(receive(server(scene), scene))
        } else {
            Some(receive(client(scene), scene))
        }
    }

    fn send(&self, scene: &Scene) -> Option<Job> {
        // It does not accept `Bytes`.
        if scene.case.shared {
            return None;
        }
        if is_server(scene) {
            Some(send(server(scene), scene))
        } else {
            Some(send(client(scene), scene))
        }
    }

    fn echo(&self, scene: &Scene) -> Option<Job> {
        let (mut socket, scene) = (server(scene), scene.clone());
        Some(Box::new(move |messages| {
            for _ in 0..messages {
                socket.echo(&scene);
            }
            messages
        }))
    }

    /// Accepts any method and version. The head is parsed with httparse, as its documentation advises.
    fn accept(&self, scene: &Scene) -> Option<Job> {
        let scene = scene.clone();
        let (mut buffer, mut output) = (vec![0; 4096], vec![0; 1024]);
        Some(Box::new(move |handshakes| {
            for _ in 0..handshakes {
                let mut pipe = scene.pipe();
                let length = pipe.read_into(&mut buffer);
                let mut headers = [httparse::EMPTY_HEADER; 16];
                let mut request = httparse::Request::new(&mut headers);
                assert!(request.parse(&buffer[..length]).expect("a request").is_complete());
                let headers = request.headers.iter().map(|field| (field.name, field.value));
                let context = read_http_header(headers).expect("a request").expect("an upgrade");
                let mut server = WebSocketServer::new_server();
                let length = server
                    .server_accept(&context.sec_websocket_key, None, &mut output)
                    .expect("an answer");
                pipe.write_from(&output[..length]);
            }
            handshakes
        }))
    }

    fn connect(&self, scene: &Scene) -> Option<Job> {
        let scene = scene.clone();
        let (mut buffer, mut output) = (vec![0; 4096], vec![0; 1024]);
        Some(Box::new(move |handshakes| {
            for _ in 0..handshakes {
                let mut pipe = scene.pipe();
                let mut client = WebSocketClient::new_client(rand::thread_rng());
                let options = WebSocketOptions {
                    path: "/chat?room=1",
                    host: "example.com",
                    origin: "http://example.com",
                    sub_protocols: None,
                    additional_headers: None,
                };
                let (length, key) = client.client_connect(&options, &mut output).expect("room");
                pipe.write_from(&output[..length]);
                let length = pipe.read_into(&mut buffer);
                client.client_accept(&key, &buffer[..length]).expect("an answer");
            }
            handshakes
        }))
    }

    /// The driver's buffers are not part of the connection.
    fn idle(&self, scene: &Scene) -> Option<Box<dyn Any>> {
        if is_server(scene) {
            let mut socket = server(scene);
            socket.echo(scene);
            Some(Box::new((socket.protocol, socket.pipe)))
        } else {
            let mut socket = client(scene);
            socket.echo(scene);
            Some(Box::new((socket.protocol, socket.pipe)))
        }
    }
}

struct Socket<R: RngCore, T: WebSocketType> {
    protocol: WebSocket<R, T>,
    pipe: Pipe,
    /// `input[start..end]` is read but not consumed.
    input: Vec<u8>,
    start: usize,
    end: usize,
    message: Vec<u8>,
    output: Vec<u8>,
}

fn server(scene: &Scene) -> Socket<EmptyRng, Server> {
    Socket::open(WebSocketServer::new_server(), scene)
}

fn client(scene: &Scene) -> Socket<ThreadRng, Client> {
    Socket::open(WebSocketClient::new_client(rand::thread_rng()), scene)
}

impl<R: RngCore, T: WebSocketType> Socket<R, T> {
    fn open(mut protocol: WebSocket<R, T>, scene: &Scene) -> Self {
        protocol.state = WebSocketState::Open;
        Self {
            protocol,
            pipe: scene.pipe(),
            input: vec![0; scene.chunk + 14],
            start: 0,
            end: 0,
            message: vec![0; scene.case.size + 125],
            output: vec![0; scene.case.size.max(125) + 14],
        }
    }

    #[inline]
    fn receive(&mut self) -> usize {
        let mut length = 0;
        loop {
            if self.start == self.end {
                (self.start, self.end) = (0, 0);
            }
            let input = &self.input[self.start..self.end];
            let read = if input.is_empty() {
                Err(Error::ReadFrameIncomplete)
            } else {
                self.protocol.read(input, &mut self.message[length..])
            };
            let read = match read {
                Ok(read) => read,
                Err(Error::ReadFrameIncomplete) => {
                    self.input.copy_within(self.start..self.end, 0);
                    (self.start, self.end) = (0, self.end - self.start);
                    self.end += self.pipe.read_into(&mut self.input[self.end..]);
                    continue;
                }
                Err(error) => panic!("{error:?}"),
            };
            self.start += read.len_from;
            match read.message_type {
                Received::Text | Received::Binary => {
                    length += read.len_to;
                    if read.end_of_message {
                        if let Received::Text = read.message_type {
                            str::from_utf8(&self.message[..length]).expect("text");
                        }
                        return length;
                    }
                }
                // A control frame can also arrive in parts.
                Received::Ping if read.end_of_message => {
                    let payload = &self.message[length..length + read.len_to];
                    let written = self.protocol.write(Sent::Pong, true, payload, &mut self.output);
                    self.pipe.write_from(&self.output[..written.expect("open")]);
                }
                Received::Ping | Received::Pong => {}
                Received::CloseCompleted | Received::CloseMustReply => panic!("closed"),
            }
        }
    }

    #[inline]
    fn send(&mut self, payload: &[u8]) {
        let written = self.protocol.write(Sent::Binary, true, payload, &mut self.output);
        self.pipe.write_from(&self.output[..written.expect("open")]);
    }

    #[inline]
    fn echo(&mut self, scene: &Scene) {
        let length = self.receive();
        let message = std::mem::take(&mut self.message);
        scene.message(&message[..length]);
        self.send(&message[..length]);
        self.message = message;
    }
}

fn receive<R: RngCore + 'static, T: WebSocketType + 'static>(
    mut socket: Socket<R, T>,
    scene: &Scene,
) -> Job {
    let scene = scene.clone();
    Box::new(move |messages| {
        for _ in 0..messages {
            let length = socket.receive();
            scene.message(&socket.message[..length]);
        }
        messages
    })
}

fn send<R: RngCore + 'static, T: WebSocketType + 'static>(
    mut socket: Socket<R, T>,
    scene: &Scene,
) -> Job {
    let mut payloads = scene.payloads();
    Box::new(move |messages| {
        for _ in 0..messages {
            socket.send(payloads.next());
        }
        messages
    })
}
