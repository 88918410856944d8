//! The connections of one thread share a pool of buffers; no byte of one connection reaches another.
#![cfg(feature = "alloc")]

mod support;

use std::cell::RefCell;
use std::collections::VecDeque;

use bytes::Bytes;
use support::*;
use websocket_proto::{Config, Connection, Event, Input, PreparedMessage, Role};

/// Number of connections alive at the same time.
const SLOTS: usize = 5;

thread_local! {
    static CONNECTIONS: [RefCell<Option<Slot>>; SLOTS] =
        const { [const { RefCell::new(None) }; SLOTS] };
}

/// A connection. Every payload that it sends or receives consists of the byte `id`.
struct Slot {
    connection: Connection,
    id: u8,
    /// Lengths of the sent messages.
    sent: Vec<usize>,
    written: Vec<u8>,
    /// Bytes from the peer that were not yet received, and the lengths of the messages in them.
    incoming: VecDeque<u8>,
    expected: VecDeque<usize>,
}

/// Owner of a shared payload that sends on another connection when it is dropped.
struct Owner {
    payload: Vec<u8>,
    other: usize,
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.payload
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = CONNECTIONS.try_with(|connections| {
            if let Ok(mut slot) = connections[self.other].try_borrow_mut()
                && let Some(slot) = &mut *slot
            {
                let payload = vec![slot.id; 100];
                slot.connection.send(&payload).unwrap();
                slot.sent.push(payload.len());
            }
        });
    }
}

fn len(random: &mut Random) -> usize {
    let most = [10, 200, 3000, 20_000, 150_000][random.below(5)];
    random.below(most)
}

impl Slot {
    fn new(id: u8, random: &mut Random) -> Self {
        let role = ROLES[random.below(2)];
        Self {
            connection: connection(role, Config::new().with_high_water_mark(usize::MAX)),
            id,
            sent: Vec::new(),
            written: Vec::new(),
            incoming: VecDeque::new(),
            expected: VecDeque::new(),
        }
    }

    fn send(&mut self, random: &mut Random, other: usize) {
        let payload = vec![self.id; len(random)];
        self.sent.push(payload.len());
        match random.below(5) {
            0 => self.connection.send(&payload).unwrap(),
            1 => self.connection.send(payload).unwrap(),
            2 => self.connection.send(Bytes::from(payload)).unwrap(),
            3 => self.connection.send(&PreparedMessage::new(payload)).unwrap(),
            _ => {
                let owner = Owner { payload, other };
                self.connection.send(Bytes::from_owner(owner)).unwrap();
            }
        }
    }

    /// The peer sends a message in fragments with Pings between them.
    fn peer_sends(&mut self, random: &mut Random) {
        let payload = vec![self.id; len(random)];
        let role = self.connection.role();
        let fragments = 1 + random.below(4);
        let size = payload.len().div_ceil(fragments).max(1);
        let mut first = 0x02;
        for piece in payload.chunks(size) {
            self.incoming.extend(peer_frame(role, first, piece));
            self.incoming.extend(peer_frame(role, 0x89, &piece[..piece.len().min(125)]));
            first = 0;
        }
        self.incoming.extend(peer_frame(role, first | 0x80, b""));
        self.expected.push_back(payload.len());
    }

    fn receive(&mut self, len: usize) {
        let len = len.min(self.incoming.len());
        let mut bytes: Vec<u8> = self.incoming.drain(..len).collect();
        let mut input = Input::with_bytes(&mut bytes);
        while let Some(event) = self.connection.receive(&mut input) {
            match event {
                Event::Message(message) => {
                    assert_eq!(Some(message.len()), self.expected.pop_front());
                    assert!(message.as_bytes().iter().all(|byte| *byte == self.id));
                }
                Event::Ping(payload) => assert!(payload.iter().all(|byte| *byte == self.id)),
                event => panic!("{event:?}"),
            }
        }
    }

    fn write(&mut self, len: usize) {
        let output = self.connection.output();
        let len = output.chunk().len().min(len);
        self.written.extend_from_slice(&output.chunk()[..len]);
        output.advance(len);
    }

    /// Asserts that all written bytes are the connection's own and in order.
    fn check(&mut self) {
        let mut sent = self.sent.iter();
        for (first, payload) in whole_frames(&self.written) {
            assert!(payload.iter().all(|byte| *byte == self.id), "a byte of another connection");
            match first {
                0x82 => assert_eq!(Some(&payload.len()), sent.next()),
                first => assert_eq!(first, 0x8a),
            }
        }
        if !self.connection.has_output() {
            assert_eq!(sent.next(), None, "a sent message was not written");
        }
    }
}

/// The complete frames in `bytes`.
fn whole_frames(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut end = 0;
    while let [_, second, rest @ ..] = &bytes[end..] {
        let masked = if second & 0x80 == 0 { 0 } else { 4 };
        let (size, len) = match (second & 0x7f, rest) {
            (126, [a, b, ..]) => (2, usize::from(u16::from_be_bytes([*a, *b]))),
            (127, rest) if rest.len() >= 8 => {
                (8, u64::from_be_bytes(rest[..8].try_into().unwrap()) as usize)
            }
            (126 | 127, _) => break,
            (len, _) => (0, usize::from(len)),
        };
        let frame = 2 + size + masked + len;
        if bytes.len() - end < frame {
            break;
        }
        end += frame;
    }
    parse_frames(&bytes[..end])
}

#[test]
fn bytes_of_one_connection_never_reach_another() {
    let mut id = 0_u8;
    for seed in 1..=20 {
        let mut random = Random(u64::MAX / seed);
        CONNECTIONS.with(|connections| {
            for _ in 0..1000 {
                let index = random.below(SLOTS);
                let mut entry = connections[index].borrow_mut();
                if entry.is_none() {
                    id = id.wrapping_add(1);
                    *entry = Some(Slot::new(id, &mut random));
                }
                let Some(slot) = &mut *entry else { unreachable!() };
                match random.below(16) {
                    0..4 => slot.send(&mut random, (index + 1) % SLOTS),
                    4..6 => slot.peer_sends(&mut random),
                    6..10 => slot.receive(len(&mut random)),
                    10..14 => slot.write(len(&mut random)),
                    14 => {
                        while slot.connection.has_output() {
                            slot.write(usize::MAX);
                        }
                    }
                    _ => {
                        // Dropped with a partly received message and partly written output.
                        slot.check();
                        let dropped = entry.take();
                        drop(entry);
                        drop(dropped);
                    }
                }
            }
            for connection in connections {
                let Some(mut slot) = connection.take() else { continue };
                slot.receive(usize::MAX);
                assert!(slot.expected.is_empty());
                while slot.connection.has_output() {
                    slot.write(usize::MAX);
                }
                slot.check();
            }
        });
    }
}

#[test]
fn payload_destructor_may_use_connections_of_its_thread() {
    for owners in [1, 200] {
        CONNECTIONS.with(|connections| {
            for (id, connection) in connections.iter().enumerate() {
                let mut random = Random(1);
                *connection.borrow_mut() = Some(Slot::new(id as u8, &mut random));
            }
            {
                let mut slot = connections[0].borrow_mut();
                let slot = slot.as_mut().unwrap();
                slot.connection =
                    self::connection(Role::Server, Config::new().with_high_water_mark(usize::MAX));
                for _ in 0..owners {
                    let owner = Owner { payload: vec![0; 5000], other: 1 };
                    slot.connection.send(Bytes::from_owner(owner)).unwrap();
                    slot.sent.push(5000);
                }
                // Half of the owners are dropped by writing, the others with their connection.
                let len = slot.connection.output().len();
                slot.connection.output().advance(len / 2);
            }
            let dropped = connections[0].take();
            drop(dropped);
            let mut other = connections[1].take().unwrap();
            assert_eq!(other.sent.len(), owners);
            let frames = parse_frames(&take_output(&mut other.connection));
            assert!(frames == vec![(0x82, vec![1; 100]); owners]);
        });
    }
}

#[test]
fn a_held_back_pong_stays_in_its_connection_however_its_output_is_cut() {
    let server = || connection(Role::Server, Config::new().with_high_water_mark(usize::MAX));
    // 33 Pongs of 127 bytes are queued, each after a message of 204 bytes. The newest is held back.
    let queue = |server: &mut Connection| {
        for i in 0..40 {
            server.send(&[0xee; 200][..]).unwrap();
            receive(server, &peer_frame(Role::Server, 0x89, &[i; 125]));
        }
        server.output().len()
    };
    let len = queue(&mut server());
    for cut in (0..len).step_by(7) {
        let mut first = server();
        queue(&mut first);
        let mut written = first.output().chunk()[..cut].to_vec();
        first.output().advance(cut);
        written.extend(take_output(&mut first));
        let pongs = parse_frames(&written).into_iter().filter(|frame| frame.0 == 0x8a);
        let pongs: Vec<u8> = pongs.map(|frame| frame.1[0]).collect();
        assert_eq!(pongs, (0..33).chain([39]).collect::<Vec<u8>>(), "{cut}");

        let mut second = server();
        receive(&mut second, &peer_frame(Role::Server, 0x89, b"x"));
        second.close(None).unwrap();
        assert_eq!(take_output(&mut second), b"\x8a\x01x\x88\x00", "{cut}");
    }
}
