//! Messages through a connection, driven by the loop of the crate's front page.

use std::hint::black_box;
use std::io::{self, IoSlice, Write};

use websocket_proto::frame::Opcode;
use websocket_proto::{
    Connection, Event, Input, Negotiated, Outgoing, Output, Role, SharedConfig, Unsent,
};

use super::frame;

/// Bytes per read where several messages, or parts of one, fit in a read.
pub(crate) const READ: usize = 16 << 10;

/// Bytes per read where each message is to be complete in the input.
pub(crate) const READ_WHOLE: usize = 256 << 10;

pub(crate) fn open(role: Role, config: impl Into<SharedConfig>) -> Connection {
    let negotiated = Negotiated::default();
    match role {
        Role::Server => Connection::server(config, &negotiated),
        Role::Client => Connection::client(config, &negotiated).expect("entropy"),
    }
}

/// Returns `count` messages of one frame each.
pub(crate) fn messages(receiver: Role, opcode: Opcode, payload: &[u8], count: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    for _ in 0..count {
        frame(&mut wire, receiver, opcode, true, payload);
    }
    wire
}

/// Returns a message to a server in fragments of 1 KiB with a Ping between any two fragments.
pub(crate) fn fragments(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    let count = payload.chunks(1024).count();
    for (i, piece) in payload.chunks(1024).enumerate() {
        let opcode = if i == 0 { opcode } else { Opcode::Continuation };
        frame(&mut wire, Role::Server, opcode, i + 1 == count, piece);
        if i + 1 < count {
            frame(&mut wire, Role::Server, Opcode::Ping, true, b"are you there?");
        }
    }
    wire
}

/// Reads `bytes` once and receives all events. Returns the number of whole messages.
#[inline(always)]
pub(crate) fn receive(
    connection: &mut Connection,
    input: &mut Input<'_>,
    mut bytes: &[u8],
) -> usize {
    let mut received = 0;
    input.read_from(&mut bytes).expect("a slice");
    while connection.has_room()
        && let Some(event) = connection.receive(input)
    {
        match event {
            Event::Message(message) => {
                black_box(message.as_bytes());
                received += 1;
            }
            Event::Chunk(chunk) => drop(black_box(chunk)),
            Event::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
    write(connection.output());
    received
}

/// Sends a message and writes it. Returns the number of bytes written.
#[inline(always)]
pub(crate) fn send<'m>(connection: &mut Connection, message: impl Into<Outgoing<'m>>) -> usize {
    connection.send(black_box(message)).map_err(Unsent::into_error).expect("room");
    let len = connection.output().len();
    write(connection.output());
    len
}

/// Reads `bytes` once and echoes each message.
#[inline(always)]
pub(crate) fn echo(connection: &mut Connection, input: &mut Input<'_>, mut bytes: &[u8]) {
    input.read_from(&mut bytes).expect("a slice");
    while connection.has_room()
        && let Some(event) = connection.receive(input)
    {
        let Event::Message(message) = event else { panic!("{event:?}") };
        connection.send(message).map_err(Unsent::into_error).expect("room");
    }
    write(connection.output());
}

pub(crate) fn write(output: &mut Output) {
    output.write_to(&mut Sink).expect("a sink");
}

/// A socket that accepts every write and copies nothing.
struct Sink;

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(black_box(bytes).len())
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(slices.iter().map(|slice| black_box(slice).len()).sum())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
