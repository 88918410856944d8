//! One loop that drives every handshake machine, and the connection after it.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io::{self, Read};

use bytes::Buf;
use websocket_proto::handshake::Handshake;
use websocket_proto::{Connection, Input, Io, Transport};

/// A peer that sends fixed bytes: each read returns one piece. After the last piece the stream ends if
/// `ends` is set; otherwise the peer is silent.
#[derive(Default)]
pub(crate) struct Peer {
    pub(crate) pieces: VecDeque<Vec<u8>>,
    pub(crate) ends: bool,
    /// The bytes that the handshake sent to this peer.
    pub(crate) received: Vec<u8>,
    /// Whether the driver shut down its direction.
    pub(crate) saw_end: bool,
}

impl Peer {
    pub(crate) fn new<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, ends: bool) -> Self {
        let pieces = pieces.into_iter().map(<[u8]>::to_vec).collect();
        Self { pieces, ends, ..Self::default() }
    }
}

impl Read for Peer {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.pieces.pop_front() {
            Some(piece) => {
                out[..piece.len()].copy_from_slice(&piece);
                Ok(piece.len())
            }
            None if self.ends => Ok(0),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// The loop in the documentation of [`Handshake`]. Returns the next event, `None` if the transport
/// must be closed, or an error if the peer is silent.
pub(crate) fn drive<H: Handshake>(
    handshake: &mut H,
    peer: &mut Peer,
    input: &mut Input<'_>,
) -> io::Result<Option<H::Event>> {
    loop {
        while handshake.output().has_remaining() {
            let len = handshake.output().chunk().len();
            peer.received.extend_from_slice(handshake.output().chunk());
            handshake.output().advance(len);
        }
        match handshake.transport() {
            Transport::Open => {}
            Transport::Drain => peer.saw_end = true,
            Transport::Close | Transport::Abort => return Ok(handshake.receive(input)),
        }
        let filled = input.read_from(peer)?;
        if let Some(event) = handshake.receive(input) {
            return Ok(Some(event));
        }
        if filled == Io::Blocked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
    }
}

/// Receives `bytes` once. Returns the event and the number of bytes that stay unread.
pub(crate) fn receive<H: Handshake>(handshake: &mut H, bytes: &[u8]) -> (Option<H::Event>, usize) {
    let mut bytes = bytes.to_vec();
    let mut input = Input::with_bytes(&mut bytes);
    (handshake.receive(&mut input), input.unread().len())
}

/// Receives `bytes` until no event remains.
pub(crate) fn receive_all<H: Handshake>(handshake: &mut H, bytes: &[u8]) -> Vec<H::Event> {
    let mut bytes = bytes.to_vec();
    let mut input = Input::with_bytes(&mut bytes);
    std::iter::from_fn(|| handshake.receive(&mut input)).collect()
}

/// Receives the end of the stream until no event remains.
pub(crate) fn receive_eof<H: Handshake>(handshake: &mut H) -> Vec<H::Event> {
    let mut input = Input::with_bytes(&mut []);
    input.finish();
    std::iter::from_fn(|| handshake.receive(&mut input)).collect()
}

/// Returns the events of a connection that continues with `input`, as text.
pub(crate) fn connection_events(connection: &mut Connection, input: &mut Input<'_>) -> Vec<String> {
    let mut events = Vec::new();
    while let Some(event) = connection.receive(input) {
        events.push(format!("{event:?}"));
    }
    events
}

/// Returns the events of a connection that continues with the handshake's `input` and then with
/// `pieces`.
pub(crate) fn events_to_the_end(
    connection: &mut Connection,
    input: &mut Input<'_>,
    pieces: impl IntoIterator<Item = Vec<u8>>,
) -> Vec<String> {
    let mut events = connection_events(connection, input);
    for mut piece in pieces {
        events.extend(connection_events(connection, &mut Input::with_bytes(&mut piece)));
    }
    events
}

/// Asserts that the handshake is over: it consumes and drops all input, and `transport()` returns
/// `transport`.
#[track_caller]
pub(crate) fn assert_over<H: Handshake<Event: Debug + PartialEq>>(
    handshake: &mut H,
    transport: Transport,
) {
    assert_eq!(receive(handshake, b"more"), (None, 0));
    assert_eq!(receive_eof(handshake), []);
    assert!(!handshake.output().has_remaining());
    assert_eq!(handshake.poll_timeout(), None);
    assert_eq!(handshake.transport(), transport);
}
