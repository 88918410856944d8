//! The driving loop with its steps in every order.
#![cfg(feature = "std")]

mod support;

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};

use support::*;
use websocket_proto::{
    CloseCode, Config, Connection, ConnectionError, Delivery, Event, Input, Role, Transport,
    Violation,
};

/// A step of the driving loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Write,
    FollowTransport,
    Read,
    Receive,
}

/// The 24 orders of the four steps.
fn orders() -> Vec<[Step; 4]> {
    let steps = [Step::Write, Step::FollowTransport, Step::Read, Step::Receive];
    let mut orders = Vec::new();
    for a in steps {
        for b in steps {
            for c in steps {
                for d in steps {
                    let order = [a, b, c, d];
                    if steps.iter().all(|step| order.contains(step)) {
                        orders.push(order);
                    }
                }
            }
        }
    }
    assert_eq!(orders.len(), 24);
    orders
}

/// A socket whose peer sends a script and then ends its stream.
struct Socket {
    script: VecDeque<u8>,
    written: Vec<u8>,
    /// Bytes accepted per turn of the loop, and bytes returned per read.
    budget: usize,
    read_size: usize,
    accepted: usize,
    shut: bool,
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(!self.shut, "write after shutdown of the sending direction");
        let len = bytes.len().min(self.budget - self.accepted);
        if len == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.accepted += len;
        self.written.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(self.read_size).min(self.script.len());
        for (to, from) in buffer.iter_mut().zip(self.script.drain(..len)) {
            *to = from;
        }
        Ok(len)
    }
}

/// The result of a driving loop.
struct Run {
    connection: Connection,
    events: Vec<Event<'static>>,
    written: Vec<u8>,
}

/// Echoes all messages of `script` with the driving loop, its steps in this order.
#[track_caller]
fn run(mut connection: Connection, script: &[u8], budget: usize, order: [Step; 4]) -> Run {
    let mut socket = Socket {
        script: script.iter().copied().collect(),
        written: Vec::new(),
        budget,
        read_size: 5000,
        accepted: 0,
        shut: false,
    };
    let mut storage = vec![0; 64 << 10];
    let mut input = Input::new(&mut storage);
    let mut events = Vec::new();
    for turn in 0.. {
        assert!(turn < 10_000, "the loop spins, with {:?}", connection.transport());
        socket.accepted = 0;
        for step in order {
            match step {
                Step::Write => drop(connection.output().write_to(&mut socket).unwrap()),
                Step::FollowTransport => match connection.transport() {
                    Transport::Open => {}
                    Transport::Drain => socket.shut = true,
                    Transport::Close | Transport::Abort => {
                        return Run { connection, events, written: socket.written };
                    }
                },
                Step::Read => {
                    input.read_from(&mut socket).unwrap();
                }
                Step::Receive => {
                    while connection.has_room()
                        && let Some(event) = connection.receive(&mut input)
                    {
                        events.push(event.clone().into_owned());
                        match event {
                            Event::Message(message) if connection.may_send() => {
                                connection.send(message).unwrap();
                            }
                            Event::Chunk(chunk) if connection.error().is_none() => {
                                connection.send_chunk(chunk).unwrap();
                            }
                            _ => {}
                        }
                    }
                }
            }
        }
    }
    unreachable!()
}

/// Runs every order of the steps in both roles, with a socket that blocks and with one that accepts 20 kB
/// per turn, and with a high-water mark that only large messages or every message reaches.
fn run_all(config: impl Fn() -> Config, script: impl Fn(Role) -> Vec<u8>, check: impl Fn(Run)) {
    for role in ROLES {
        let script = script(role);
        for (mark, budget) in [(100_000, usize::MAX), (100_000, 20_000), (1, 20_000)] {
            for order in orders() {
                println!("{role:?}, mark {mark}, budget {budget}, {order:?}");
                let config = config().with_high_water_mark(mark);
                check(run(connection(role, config), &script, budget, order));
            }
        }
    }
}

/// One message of twice the larger mark and five small ones.
fn messages(role: Role) -> Vec<u8> {
    let mut bytes = peer_frame(role, 0x82, &vec![7; 200_000]);
    for len in 1..=5 {
        bytes.extend(peer_frame(role, 0x81, &b"abcde"[..len]));
    }
    bytes
}

fn lengths_of_messages(written: &[u8]) -> Vec<usize> {
    let data = parse_frames(written).into_iter().filter(|(first, _)| first & 0x0f < 8);
    data.map(|(_, payload)| payload.len()).collect()
}

const LENGTHS: [usize; 6] = [200_000, 1, 2, 3, 4, 5];

#[test]
fn driving_loop_echoes_everything_before_a_close() {
    run_all(
        Config::new,
        |role| [messages(role), peer_close(role, 1000, "")].concat(),
        |run| {
            assert_eq!(lengths_of_messages(&run.written), LENGTHS);
            assert_eq!(outcome(&run.connection), clean(1000));
            assert_eq!(parse_frames(&run.written).last().map(|(first, _)| *first), Some(0x88));
        },
    );
}

#[test]
fn driving_loop_echoes_everything_before_eof() {
    run_all(Config::new, messages, |run| {
        assert_eq!(lengths_of_messages(&run.written), LENGTHS);
        assert_eq!(run.events.last(), Some(&Event::Failed(ConnectionError::UnexpectedEof)));
        assert_eq!(outcome(&run.connection), unclean(1006));
    });
}

#[test]
fn driving_loop_echoes_chunks_in_constant_memory() {
    run_all(
        || Config::new().with_delivery(Delivery::Chunks),
        |role| [messages(role), peer_close(role, 1000, "")].concat(),
        |run| {
            assert_eq!(lengths_of_messages(&run.written).iter().sum::<usize>(), 200_015);
            assert_eq!(outcome(&run.connection), clean(1000));
        },
    );
}

#[test]
fn driving_loop_writes_the_close_after_a_failure() {
    run_all(
        Config::new,
        |role| [messages(role), vec![0xff; 200_000]].concat(),
        |run| {
            assert_eq!(lengths_of_messages(&run.written), LENGTHS);
            let failed = Event::Failed(Violation::ReservedOpcode(15).into());
            assert_eq!(run.events.last(), Some(&failed));
            let close = 1002_u16.to_be_bytes().to_vec();
            assert_eq!(parse_frames(&run.written).last(), Some(&(0x88, close)));
        },
    );
}

/// The application leaves the peer's Close unanswered: EOF sends the reply.
#[test]
fn driving_loop_ends_when_a_manual_close_application_never_replies() {
    run_all(
        || Config::new().with_manual_close(),
        |role| peer_close(role, 4000, ""),
        |run| {
            let close = 4000_u16.to_be_bytes().to_vec();
            assert_eq!(parse_frames(&run.written), [(0x88, close)]);
            assert_eq!(outcome(&run.connection), clean(4000));
        },
    );
}

/// The peer's messages arrive until its own Close.
#[test]
fn driving_loop_receives_everything_after_our_close() {
    for role in ROLES {
        let script = [messages(role), peer_close(role, 1000, "")].concat();
        for order in orders() {
            let mut connection = connection(role, Config::new());
            connection.close(CloseCode::NORMAL).unwrap();
            let run = run(connection, &script, usize::MAX, order);
            let received: Vec<usize> = run
                .events
                .iter()
                .filter_map(|event| match event {
                    Event::Message(message) => Some(message.len()),
                    _ => None,
                })
                .collect();
            assert_eq!(received, LENGTHS);
            assert_eq!(outcome(&run.connection), clean(1000));
        }
    }
}
