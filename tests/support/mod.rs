//! What the integration tests share: an encoder of frames written apart from the crate's, entropy
//! that repeats, and a driver that records all that a connection does.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing)]

pub mod cuts;
pub mod pair;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use bytes::Buf;
use websocket_proto::{
    CloseCode, Config, Connection, EntropyError, Event, Message, Negotiated, Outcome,
    ProtocolError, Role, SendReason, Transport,
};

/// The bytes of a frame, with the length encoding that the RFC demands. A key masks.
pub fn frame(first: u8, payload: &[u8], key: Option<[u8; 4]>) -> Vec<u8> {
    let mask_bit = if key.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    if payload.len() < 126 {
        bytes.push(mask_bit + payload.len() as u8);
    } else if payload.len() < 65536 {
        bytes.push(mask_bit + 126);
        bytes.extend([(payload.len() >> 8) as u8, payload.len() as u8]);
    } else {
        bytes.push(mask_bit + 127);
        bytes.extend((payload.len() as u64).to_be_bytes());
    }
    if let Some(key) = key {
        bytes.extend(key);
        bytes.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]));
    } else {
        bytes.extend(payload);
    }
    bytes
}

/// A frame as the peer of `role` sends it.
pub fn peer_frame(role: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let key = match role {
        Role::Server => Some([0x37, 0xfa, payload.len() as u8, first]),
        Role::Client => None,
    };
    frame(first, payload, key)
}

/// A Close frame as the peer of `role` sends it.
pub fn peer_close(role: Role, code: u16, reason: &str) -> Vec<u8> {
    peer_frame(role, 0x88, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}

/// Entropy that counts, so that runs repeat and every key is another.
pub fn counting_entropy() -> impl Fn(&mut [u8]) -> Result<(), EntropyError> + Send + Sync {
    let next = Mutex::new(0_u32);
    move |out: &mut [u8]| {
        let mut next = next.lock().unwrap();
        for key in out.chunks_mut(4) {
            *next += 1;
            key.copy_from_slice(&next.wrapping_mul(0x9e37_79b9).to_be_bytes()[..key.len()]);
        }
        Ok(())
    }
}

/// A source that fails when the keys of one block are used up.
pub fn one_block_of_entropy() -> impl Fn(&mut [u8]) -> Result<(), EntropyError> + Send + Sync {
    let drawn = AtomicBool::new(false);
    move |out: &mut [u8]| {
        out.fill(7);
        if drawn.swap(true, Relaxed) { Err(EntropyError) } else { Ok(()) }
    }
}

/// A connection in this role, with counting entropy.
pub fn connection(role: Role, config: Config) -> Connection {
    let config = config.entropy(counting_entropy());
    match role {
        Role::Server => Connection::server(config, &Negotiated::default()),
        Role::Client => Connection::client(config, &Negotiated::default()),
    }
}

/// Takes all output.
pub fn take_output(connection: &mut Connection) -> Vec<u8> {
    let output = connection.output();
    let mut bytes = Vec::new();
    while output.has_remaining() {
        bytes.extend_from_slice(output.chunk());
        output.advance(output.chunk().len());
    }
    bytes
}

/// Hands over `input` and collects the events.
#[track_caller]
pub fn receive(connection: &mut Connection, input: &[u8]) -> Vec<Event<'static>> {
    let mut buffer = input.to_vec();
    let mut input = &mut buffer[..];
    let mut events = Vec::new();
    while let Some(event) = connection.receive(&mut input) {
        events.push(event.into_owned());
    }
    assert!(input.is_empty(), "`None` means that the input is used up");
    events
}

/// What a connection did.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub events: Vec<Event<'static>>,
    pub replies: Vec<Result<(), SendReason>>,
    pub error: Option<ProtocolError>,
    /// What to do with the transport before all output is taken, and after.
    pub transport: [Transport; 2],
    pub outcome: Option<Outcome>,
    pub output: Vec<u8>,
}

impl Record {
    pub fn of(connection: &mut Connection, events: Vec<Event<'static>>) -> Self {
        let before = connection.transport();
        let output = take_output(connection);
        Self {
            events,
            replies: Vec::new(),
            error: connection.error(),
            transport: [before, connection.transport()],
            outcome: connection.outcome(),
            output,
        }
    }
}

/// Unmasked frames as `(first byte, payload)`, read from what an endpoint sent.
#[track_caller]
pub fn parse_frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        let (len, rest) = match second & 0x7f {
            126 => (usize::from(u16::from_be_bytes(rest[..2].try_into().unwrap())), &rest[2..]),
            127 => (u64::from_be_bytes(rest[..8].try_into().unwrap()) as usize, &rest[8..]),
            len => (usize::from(len), rest),
        };
        let (key, rest) = if second & 0x80 == 0 { (&[0; 4][..], rest) } else { rest.split_at(4) };
        let payload = rest[..len].iter().zip(key.iter().cycle()).map(|(a, b)| a ^ b).collect();
        frames.push((*first, payload));
        bytes = &rest[len..];
    }
    assert!(bytes.is_empty(), "ends inside a frame: {bytes:x?}");
    frames
}

pub fn text(text: &str) -> Event<'static> {
    Event::Message(Message::from(text).into_owned())
}

pub fn binary(bytes: &[u8]) -> Event<'static> {
    Event::Message(Message::from(bytes).into_owned())
}

pub fn clean(code: u16) -> Option<Outcome> {
    Some(Outcome { clean: true, code: CloseCode(code) })
}

pub fn unclean(code: u16) -> Option<Outcome> {
    Some(Outcome { clean: false, code: CloseCode(code) })
}
