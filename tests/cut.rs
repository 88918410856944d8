//! The chunking property: the same bytes cause the same events, errors, transport instructions and output
//! however they are cut, equal to those of a naive receiver.
#![cfg(feature = "alloc")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "support/cuts.rs"]
mod cuts;
#[path = "support/naive.rs"]
mod naive;
#[path = "support/streams.rs"]
mod streams;
mod support;

use support::frames;

use cuts::{
    Driver, Feed, assert_matches_naive, assert_same, compare, compare_every_prefix, offsets, run,
    seen,
};
use naive::{Seen, join};
use proptest::prelude::*;
use streams::{Step, step, step_without_pings, stream};
use support::frames::pieces;
use support::*;
use websocket_proto::{
    Config, Connection, ConnectionError, Delivery, Event, Input, Negotiated, Next, Outgoing, Role,
    Transport,
};

fn driver() -> impl Strategy<Value = Driver> {
    (
        prop::sample::select(vec![Role::Client, Role::Server]),
        prop::sample::select(vec![Delivery::Messages, Delivery::Messages, Delivery::Chunks]),
        any::<[bool; 4]>(),
        prop::sample::select(vec![0_usize, 1000, 100_000, 1 << 20]),
        prop::collection::vec(0_usize..20_000, 0..4),
    )
        .prop_map(|(role, delivery, [echo, statistics, manual_close, eof], mark, drains)| {
            Driver {
                delivery,
                echo,
                high_water_mark: if delivery == Delivery::Chunks { usize::MAX } else { mark },
                statistics,
                manual_close,
                drains,
                eof,
                ..Driver::new(role)
            }
        })
}

proptest! {
    #[test]
    fn cutting_any_prefix_changes_neither_events_nor_errors_nor_output(
        driver in driver(),
        steps in prop::collection::vec(step(), 1..8),
        keep in 0.0..1.2_f64,
        cuts in prop::collection::vec(0.0..1.0_f64, 0..40),
    ) {
        let mut bytes = stream(driver.role, &steps);
        bytes.truncate((bytes.len() as f64 * keep) as usize);
        compare(&driver, &bytes, &offsets(&cuts, bytes.len()));
    }

    #[test]
    fn byte_by_byte_equals_the_whole_stream(
        driver in driver(),
        steps in prop::collection::vec(step(), 1..4),
    ) {
        let mut bytes = stream(driver.role, &steps);
        bytes.truncate(3000);
        let cuts: Vec<usize> = (0..bytes.len()).collect();
        compare(&driver, &bytes, &cuts);
    }

    #[test]
    fn corrupted_stream_fails_identically_at_any_cut(
        driver in driver(),
        steps in prop::collection::vec(step(), 1..4),
        at in 0.0..1.0_f64,
        change in 1_u8..,
        size in 1_usize..300,
    ) {
        let mut bytes = stream(driver.role, &steps);
        bytes.truncate(20_000);
        let len = bytes.len();
        if let Some(byte) = bytes.get_mut((at * len as f64) as usize) {
            *byte ^= change;
        }
        let cuts: Vec<usize> = (0..len).step_by(size).collect();
        compare(&driver, &bytes, &cuts);
    }

    #[test]
    fn order_of_receiving_sending_and_writing_changes_neither_events_nor_output(
        role in prop::sample::select(vec![Role::Client, Role::Server]),
        max_fragment in prop::sample::select(vec![usize::MAX, 5000, 2048, 100]),
        // No Pings: the output determines which of many Pings are answered.
        steps in prop::collection::vec(step_without_pings(), 1..8),
        calls in prop::collection::vec(call(), 1..200),
    ) {
        let bytes = stream(role, &steps);
        let plain = Echo::run(role, max_fragment, &bytes, &[]);
        let mixed = Echo::run(role, max_fragment, &bytes, &calls);
        prop_assert!(plain == mixed);
    }
}

/// A call of a driver.
#[derive(Debug, Clone)]
enum Call {
    Read(usize),
    Receive(usize),
    Peek,
    Write(usize),
}

fn call() -> impl Strategy<Value = Call> {
    let len = || prop_oneof![0_usize..10, 0_usize..5000];
    prop_oneof![
        3 => len().prop_map(Call::Read),
        3 => (1_usize..4).prop_map(Call::Receive),
        1 => Just(Call::Peek),
        2 => len().prop_map(Call::Write),
    ]
}

/// An endpoint that echoes every message, alternating between owned, shared and borrowed payloads.
struct Echo {
    connection: Connection,
    events: Vec<Seen>,
    written: Vec<u8>,
}

type EchoResult = (Vec<Seen>, Vec<u8>, Transport);

impl Echo {
    fn run(role: Role, max_fragment: usize, bytes: &[u8], calls: &[Call]) -> EchoResult {
        let config = Config::new().with_high_water_mark(usize::MAX).with_max_fragment(max_fragment);
        let mut echo =
            Self { connection: connection(role, config), events: vec![], written: vec![] };
        let mut input = Input::owned(vec![0; bytes.len().max(1)]);
        let mut rest = bytes;
        for call in calls {
            match *call {
                Call::Read(len) => echo.read(&mut input, &mut rest, len),
                Call::Receive(count) => drop((0..count).find(|_| !echo.receive(&mut input))),
                Call::Peek => {
                    let event = echo.connection.next(&mut input).is_event();
                    assert_eq!(echo.receive(&mut input), event);
                }
                Call::Write(len) => {
                    let output = echo.connection.output();
                    let len = len.min(output.chunk().len());
                    echo.written.extend_from_slice(&output.chunk()[..len]);
                    output.advance(len);
                }
            }
        }
        while echo.receive(&mut input) {}
        let len = rest.len();
        echo.read(&mut input, &mut rest, len);
        input.finish();
        while echo.receive(&mut input) {}
        echo.written.extend(take_output(&mut echo.connection));
        (join(echo.events), echo.written, echo.connection.transport())
    }

    fn read(&mut self, input: &mut Input<'_>, rest: &mut &[u8], len: usize) {
        let space = input.space();
        let len = len.min(space.len()).min(rest.len());
        if len > 0 {
            let (read, after) = rest.split_at(len);
            space[..len].copy_from_slice(read);
            input.filled(len);
            *rest = after;
        }
    }

    fn receive(&mut self, input: &mut Input<'_>) -> bool {
        let Some(event) = self.connection.receive(input) else { return false };
        self.events.push(seen(event.clone()));
        if let Event::Message(message) = event {
            let outgoing: Outgoing<'_> = match (self.events.len() % 3, message) {
                (0, message) => message.into_owned().into(),
                (1, message) if message.is_binary() => {
                    bytes::Bytes::from(message.into_bytes()).into()
                }
                (_, message) => message.into(),
            };
            // `send` refuses it only after a failure.
            let _ = self.connection.send(outgoing);
        }
        true
    }
}

/// Every single cut, and every pair of adjacent cuts, for messages at the length-encoding boundaries.
#[test]
fn no_cut_changes_the_result_at_the_length_encoding_boundaries() {
    for role in ROLES {
        for len in [0, 1, 125, 126, 127, 65535, 65536] {
            for (text, echo, delivery) in [
                (true, true, Delivery::Messages),
                (false, false, Delivery::Messages),
                (true, false, Delivery::Chunks),
            ] {
                let steps = [
                    Step::Message { text, fragments: vec![len], ping_between: true },
                    Step::Message { text, fragments: vec![1, len, 0], ping_between: true },
                    Step::Close { code: 1000, reason: 5 },
                ];
                let bytes = stream(role, &steps);
                let driver = Driver { echo, delivery, ..Driver::new(role) };
                let whole = run(&driver, &bytes, &Feed::default());
                assert_matches_naive(&driver, &bytes, &whole);
                assert!(whole.outcome.is_some_and(|outcome| outcome.clean), "{whole:?}");
                let step = if len < 1000 { 1 } else { 997 };
                let near_ends = (0..20).chain(bytes.len().saturating_sub(40)..bytes.len());
                for at in near_ends.chain((0..bytes.len()).step_by(step)) {
                    let peeks = at % 2;
                    let feed = Feed { cuts: vec![at, at + 1], peeks, ..Feed::default() };
                    assert_same(&whole, &run(&driver, &bytes, &feed), &driver, &feed);
                }
            }
        }
    }
}

/// Every prefix of a short stream with one frame of every kind, with every single cut.
#[test]
fn every_cut_of_every_prefix_equals_the_naive_receiver() {
    for role in ROLES {
        let good = [
            peer_frame(role, 0x01, "é".as_bytes()),
            peer_frame(role, 0x00, b"\xe6"),
            peer_frame(role, 0x89, b"?"),
            peer_frame(role, 0x00, b""),
            peer_frame(role, 0x80, b"\xbc\xa2"),
            peer_frame(role, 0x02, b""),
            peer_frame(role, 0x80, b""),
        ]
        .concat();
        for end in [
            peer_close(role, 1000, "é"),
            peer_close(role, 1005, "é"),
            peer_frame(role, 0x88, b""),
            peer_frame(role, 0x81, b"ab\xe2\x82"),
            peer_frame(role, 0x81, b"ab\xe2\x82x"),
            peer_frame(role, 0x83, b"ab"),
            peer_frame(role, 0x82, &[7; 10]),
        ] {
            let bytes = [good.clone(), end, peer_frame(role, 0x81, b"z")].concat();
            for delivery in [Delivery::Messages, Delivery::Chunks] {
                for eof in [false, true] {
                    let driver = Driver { delivery, eof, ..Driver::new(role) };
                    compare_every_prefix(&driver, &bytes);
                }
            }
        }
    }
}

#[test]
fn failing_entropy_source_is_reported_at_the_same_event_at_any_cut() {
    let exchange = [
        peer_frame(Role::Client, 0x89, b"?"),
        peer_frame(Role::Client, 0x81, "é!".as_bytes()),
        peer_frame(Role::Client, 0x82, b"\0\xff"),
    ];
    // The Pings need more keys than a new client has.
    let stream = exchange.concat().repeat(20);
    let run = |cuts: &[usize], peeks: usize| {
        let config = Config::new().with_entropy(one_block_of_entropy());
        let mut client = Connection::client(config, &Negotiated::default()).unwrap();
        let mut events = Vec::new();
        for piece in pieces(&stream, cuts) {
            let mut piece = piece.to_vec();
            let mut input = Input::with_bytes(&mut piece);
            loop {
                let next = (0..peeks).map(|_| client.next(&mut input)).last();
                let Some(event) = client.receive(&mut input) else { break };
                assert!(next.is_none_or(Next::is_event));
                events.push(event.into_owned());
            }
        }
        (events, client.transport(), client.error(), outcome(&client))
    };
    let whole = run(&[], 0);
    assert_eq!(whole.0.last(), Some(&Event::Failed(ConnectionError::Entropy)));
    assert_eq!((whole.1, whole.3), (Transport::Abort, unclean(1006)));
    for at in 0..stream.len() {
        assert_eq!(whole, run(&[at], at % 2), "cut at {at}");
    }
    assert_eq!(whole, run(&(0..stream.len()).collect::<Vec<_>>(), 1));
}
