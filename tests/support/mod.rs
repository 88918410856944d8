//! Support for the integration tests: independently encoded frames, reproducible entropy, and shorthands to
//! drive a [`Connection`].
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing)]

pub mod frames;

#[allow(unused_imports)]
pub use frames::{ROLES, frame, parse_frames, peer_close, peer_frame, peer_of, sample_text};

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use websocket_proto::{
    CloseCode, Config, Connection, EntropyError, Event, Input, Message, Negotiated, Outcome,
    Output, Role,
};

/// Reproducible random numbers (splitmix64).
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end.max(1) as u64) as usize
    }
}

/// Counting entropy: runs are reproducible and every key differs.
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

/// An entropy source that fails after its first call.
pub fn one_block_of_entropy() -> impl Fn(&mut [u8]) -> Result<(), EntropyError> + Send + Sync {
    let drawn = AtomicBool::new(false);
    move |out: &mut [u8]| {
        out.fill(7);
        if drawn.swap(true, Relaxed) { Err(EntropyError) } else { Ok(()) }
    }
}

/// A connection in this role with counting entropy.
pub fn connection(role: Role, config: Config) -> Connection {
    negotiated_connection(role, config, &Negotiated::default())
}

/// A connection in this role with counting entropy, after a handshake with this result.
pub fn negotiated_connection(
    role: Role,
    config: Config,
    negotiated: &Negotiated<'_>,
) -> Connection {
    let config = config.with_entropy(counting_entropy());
    match role {
        Role::Server => Connection::server(config, negotiated),
        Role::Client => Connection::client(config, negotiated).unwrap(),
    }
}

/// Removes and returns all pending output of `connection`.
pub fn take_output(connection: &mut Connection) -> Vec<u8> {
    written(connection.output())
}

/// Removes and returns all bytes of `output`.
pub fn written(output: &mut Output) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !output.is_empty() {
        let chunk = output.chunk();
        bytes.extend_from_slice(chunk);
        let len = chunk.len();
        output.advance(len);
    }
    bytes
}

/// Removes all pending output.
pub fn discard_output(connection: &mut Connection) {
    let output = connection.output();
    while !output.is_empty() {
        output.advance(output.len());
    }
}

/// Receives `bytes` in place, drops the events and returns their number.
pub fn count_events(connection: &mut Connection, bytes: &mut [u8]) -> usize {
    let mut input = Input::with_bytes(bytes);
    let mut events = 0;
    while connection.receive(&mut input).is_some() {
        events += 1;
    }
    events
}

/// Receives until the input is consumed, and collects the events.
#[track_caller]
pub fn receive_all(connection: &mut Connection, input: &mut Input<'_>) -> Vec<Event<'static>> {
    let mut events = Vec::new();
    while let Some(event) = connection.receive(input) {
        events.push(event.into_owned());
    }
    assert!(!input.has_unread(), "`None` with unread bytes");
    events
}

/// Receives `bytes` and collects the events.
#[track_caller]
pub fn receive(connection: &mut Connection, bytes: &[u8]) -> Vec<Event<'static>> {
    receive_all(connection, &mut Input::with_bytes(&mut bytes.to_vec()))
}

/// Receives `bytes` followed by EOF, and collects the events.
#[track_caller]
pub fn receive_last(connection: &mut Connection, bytes: &[u8]) -> Vec<Event<'static>> {
    let mut bytes = bytes.to_vec();
    let mut input = Input::with_bytes(&mut bytes);
    input.finish();
    receive_all(connection, &mut input)
}

pub fn text(text: &str) -> Event<'static> {
    Event::Message(Message::from(text).into_owned())
}

pub fn binary(bytes: &[u8]) -> Event<'static> {
    Event::Message(Message::from(bytes).into_owned())
}

/// How the connection ended: whether cleanly, and with which close code.
pub fn outcome(connection: &Connection) -> Option<(bool, u16)> {
    connection.outcome().map(|outcome| (outcome.clean, outcome.code.0))
}

pub fn clean(code: u16) -> Option<(bool, u16)> {
    Some((true, code))
}

pub fn unclean(code: u16) -> Option<(bool, u16)> {
    Some((false, code))
}

/// Asserts that an outcome has this cleanness and this close code.
#[track_caller]
pub fn assert_outcome(outcome: Option<Outcome>, clean: bool, code: u16) {
    let outcome = outcome.map(|outcome| (outcome.clean, outcome.code));
    assert_eq!(outcome, Some((clean, CloseCode(code))));
}
