//! The first property: the same bytes lead to the same events, errors and output, however they are
//! cut.

mod support;

use std::num::NonZeroUsize;

use bytes::Buf;
use proptest::prelude::*;
use support::cuts::{Driver, run};
use support::*;
use websocket_proto::{
    Buffers, Config, Connection, Delivery, Event, Limits, Negotiated, ProtocolError, Role, Session,
    Transport,
};

/// What the peer does next.
#[derive(Debug, Clone)]
enum Step {
    Message {
        text: bool,
        fragments: Vec<usize>,
        ping_between: bool,
    },
    /// A fragment that another message follows, or none.
    Unfinished {
        text: bool,
        len: usize,
    },
    Pings {
        count: usize,
        len: usize,
    },
    Pong(usize),
    Close {
        code: u16,
        reason: usize,
    },
    Garbage(Vec<u8>),
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![
        6 => 0_usize..20,
        4 => prop::sample::select(vec![0, 1, 124, 125, 126, 127, 128, 255, 256]),
        1 => prop::sample::select(vec![65534, 65535, 65536, 65537]),
        2 => 0_usize..5000,
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        14 => step_without_pings(),
        4 => (1_usize..70, prop::sample::select(vec![0_usize, 1, 4, 60, 125]))
            .prop_map(|(count, len)| Step::Pings { count, len }),
    ]
}

fn step_without_pings() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (any::<bool>(), prop::collection::vec(length(), 1..4), any::<bool>()).prop_map(
            |(text, fragments, ping_between)| Step::Message { text, fragments, ping_between }
        ),
        1 => (any::<bool>(), length()).prop_map(|(text, len)| Step::Unfinished { text, len }),
        1 => (0_usize..126).prop_map(Step::Pong),
        1 => (prop::sample::select(vec![0_u16, 1, 999, 1000, 1005, 3000]), 0_usize..123)
            .prop_map(|(code, reason)| Step::Close { code, reason }),
        1 => prop::collection::vec(any::<u8>(), 1..20).prop_map(Step::Garbage),
    ]
}

/// Text of exactly `len` bytes with characters of every length, so that cuts fall inside them.
fn sample_text(len: usize) -> String {
    let mut text = String::with_capacity(len);
    for char in "aé漢🎉".chars().cycle() {
        if text.len() + char.len_utf8() > len {
            break;
        }
        text.push(char);
    }
    while text.len() < len {
        text.push('.');
    }
    text
}

/// The peer's bytes. Fragments of text are cut anywhere, inside characters too.
fn stream(role: Role, steps: &[Step]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for step in steps {
        match step {
            Step::Message { text, fragments, ping_between } => {
                let total: usize = fragments.iter().sum();
                let payload = if *text {
                    sample_text(total).into_bytes()
                } else {
                    (0..total).map(|i| (i * 7) as u8).collect()
                };
                let mut rest = &payload[..];
                for (i, len) in fragments.iter().enumerate() {
                    let opcode = match (i, text) {
                        (0, true) => 1,
                        (0, false) => 2,
                        _ => 0,
                    };
                    let fin = if i + 1 == fragments.len() { 0x80 } else { 0 };
                    let (fragment, after) = rest.split_at(*len);
                    bytes.extend(peer_frame(role, fin | opcode, fragment));
                    rest = after;
                    if *ping_between {
                        bytes.extend(peer_frame(role, 0x89, b"between"));
                    }
                }
            }
            Step::Unfinished { text, len } => {
                let payload = sample_text(*len).into_bytes();
                bytes.extend(peer_frame(role, if *text { 1 } else { 2 }, &payload));
            }
            Step::Pings { count, len } => {
                for i in 0..*count {
                    bytes.extend(peer_frame(role, 0x89, &vec![i as u8; *len]));
                }
            }
            Step::Pong(len) => bytes.extend(peer_frame(role, 0x8a, &vec![0; *len])),
            Step::Close { code: 0, .. } => bytes.extend(peer_frame(role, 0x88, b"")),
            Step::Close { code: 1, .. } => bytes.extend(peer_frame(role, 0x88, b"x")),
            Step::Close { code, reason } => {
                bytes.extend(peer_close(role, *code, &sample_text(*reason)));
            }
            Step::Garbage(garbage) => bytes.extend(garbage),
        }
    }
    bytes
}

fn driver() -> impl Strategy<Value = Driver> {
    (
        prop::sample::select(vec![Role::Client, Role::Server]),
        prop::sample::select(vec![Delivery::Messages, Delivery::Messages, Delivery::Chunks]),
        any::<bool>(),
        prop::sample::select(vec![0_usize, 1000, 100_000, 1 << 20]),
        prop::collection::vec(0_usize..20_000, 0..4),
        any::<bool>(),
    )
        .prop_map(|(role, delivery, echo, high_water_mark, drains, eof)| Driver {
            role,
            delivery,
            echo,
            high_water_mark,
            drains,
            eof,
            direct: false,
            lent: false,
        })
}

fn compare(driver: &Driver, bytes: &[u8], cuts: &[usize]) -> Result<(), TestCaseError> {
    let whole = run(driver, bytes, &[]);
    let cut = run(driver, bytes, cuts);
    prop_assert_eq!(&whole.events, &cut.events);
    prop_assert_eq!(&whole, &cut);
    for (direct, lent) in [(true, false), (false, true), (true, true)] {
        let driver = Driver { direct, lent, ..driver.clone() };
        prop_assert_eq!(&whole, &run(&driver, bytes, cuts));
    }
    Ok(())
}

/// What a session makes of a stream that comes in these pieces and ends.
fn run_session(role: Role, limits: &Limits, pieces: &[&[u8]]) -> Record {
    let mut session = Session::new(role);
    let entropy = counting_entropy();
    let key = || {
        let mut key = [0; 4];
        entropy(&mut key).map(|()| key)
    };
    let (mut control, mut reply) = ([0; 125], [0; Session::MAX_REPLY]);
    let (mut events, mut output) = (Vec::new(), Vec::new());
    let mut receive = |session: &mut Session, piece: &[u8]| {
        let mut buffer = piece.to_vec();
        let mut input = &mut buffer[..];
        while let Some(event) = session.receive(&mut input, &mut control, limits) {
            let len = session.reply(&event, key, &mut reply).unwrap();
            output.extend_from_slice(&reply[..len]);
            events.push(event.into_owned());
        }
    };
    for piece in pieces {
        receive(&mut session, piece);
    }
    session.receive_eof();
    receive(&mut session, &[]);
    Record {
        events,
        replies: Vec::new(),
        error: session.error(),
        transport: [session.transport(); 2],
        outcome: session.outcome(),
        output,
    }
}

/// The same of a connection that delivers pieces.
fn run_in_chunks(role: Role, limits: &Limits, pieces: &[&[u8]]) -> Record {
    let config = Config::new().limits(*limits).delivery(Delivery::Chunks);
    let mut connection = connection(role, config);
    let (mut events, mut output) = (Vec::new(), Vec::new());
    for piece in pieces {
        events.extend(receive(&mut connection, piece));
        output.extend(take_output(&mut connection));
    }
    connection.receive_eof();
    events.extend(receive(&mut connection, &[]));
    Record { output, ..Record::of(&mut connection, events) }
}

/// What a driver does next.
#[derive(Debug, Clone)]
enum Call {
    Receive(usize),
    /// To where the next bytes belong, if the connection knows.
    ReceiveDirectly(usize),
    ReceiveNothing,
    Lend,
    GiveBack,
    Write(usize),
}

fn call() -> impl Strategy<Value = Call> {
    let len = || prop_oneof![0_usize..10, 0_usize..5000];
    prop_oneof![
        3 => len().prop_map(Call::Receive),
        3 => len().prop_map(Call::ReceiveDirectly),
        1 => Just(Call::ReceiveNothing),
        2 => Just(Call::Lend),
        2 => Just(Call::GiveBack),
        2 => len().prop_map(Call::Write),
    ]
}

/// An endpoint that sends every message back, in another way each time.
struct Echo {
    connection: Connection,
    buffers: Buffers,
    events: Vec<Event<'static>>,
    written: Vec<u8>,
}

impl Echo {
    fn receive(&mut self, mut input: &mut [u8]) {
        while let Some(event) = self.connection.receive(&mut input) {
            self.handle(event);
        }
    }

    fn handle(&mut self, event: Event<'_>) {
        self.events.push(event.clone().into_owned());
        let Event::Message(mut message) = event else { return };
        match self.events.len() % 3 {
            0 => drop(self.connection.send(&message)),
            1 => drop(self.connection.send(message.clone())),
            _ => {
                if let Ok(mut sending) = self.connection.sending(message.clone()) {
                    let len = sending.chunk().len() / 2;
                    self.written.extend_from_slice(&sending.chunk()[..len]);
                    sending.advance(len);
                }
            }
        }
        self.connection.recycle(&mut message);
    }

    /// Returns how many of `bytes` it read.
    fn call(&mut self, call: &Call, bytes: &mut [u8]) -> usize {
        match *call {
            Call::Receive(len) => {
                let len = len.min(bytes.len());
                self.receive(&mut bytes[..len]);
                return len;
            }
            Call::ReceiveDirectly(len) => {
                let Some(space) = self.connection.payload_space() else { return 0 };
                let len = len.min(bytes.len()).min(space.len());
                space[..len].copy_from_slice(&bytes[..len]);
                if let Some(event) = self.connection.payload_filled(len) {
                    self.handle(event);
                }
                return len;
            }
            Call::ReceiveNothing => self.receive(&mut []),
            Call::Lend => self.connection.lend(&mut self.buffers),
            Call::GiveBack => self.connection.give_back(&mut self.buffers),
            Call::Write(len) => {
                let output = self.connection.output();
                let len = len.min(output.chunk().len());
                self.written.extend_from_slice(&output.chunk()[..len]);
                output.advance(len);
            }
        }
        0
    }

    fn run(role: Role, config: &Config, bytes: &[u8], calls: &[Call]) -> Record {
        let (connection, bytes) = (connection(role, config.clone()), &mut bytes.to_vec()[..]);
        let mut echo =
            Self { connection, buffers: Buffers::new(), events: vec![], written: vec![] };
        let mut read = 0;
        for call in calls {
            read += echo.call(call, &mut bytes[read..]);
        }
        echo.receive(&mut bytes[read..]);
        echo.connection.receive_eof();
        echo.receive(&mut []);
        let rest = take_output(&mut echo.connection);
        let mut record = Record::of(&mut echo.connection, echo.events);
        record.output = [echo.written, rest].concat();
        record
    }
}

proptest! {
    #[test]
    fn any_cut_of_any_prefix_leads_to_the_same_events_errors_and_output(
        driver in driver(),
        steps in prop::collection::vec(step(), 1..8),
        keep in 0.0..1.2_f64,
        cuts in prop::collection::vec(0.0..1.0_f64, 0..40),
    ) {
        let mut bytes = stream(driver.role, &steps);
        bytes.truncate((bytes.len() as f64 * keep) as usize);
        let cuts: Vec<usize> = cuts.iter().map(|at| (at * bytes.len() as f64) as usize).collect();
        compare(&driver, &bytes, &cuts)?;
    }

    #[test]
    fn byte_by_byte_is_the_same_as_whole(
        driver in driver(),
        steps in prop::collection::vec(step(), 1..4),
    ) {
        let mut bytes = stream(driver.role, &steps);
        bytes.truncate(3000);
        let cuts: Vec<usize> = (0..bytes.len()).collect();
        compare(&driver, &bytes, &cuts)?;
    }

    #[test]
    fn a_changed_byte_fails_in_the_same_way_at_any_cut(
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
        compare(&driver, &bytes, &cuts)?;
    }

    #[test]
    fn a_session_does_what_a_connection_that_delivers_pieces_does(
        role in prop::sample::select(vec![Role::Client, Role::Server]),
        steps in prop::collection::vec(step_without_pings(), 1..8),
        change in prop::option::of((0.0..1.0_f64, 1_u8..)),
        cuts in prop::collection::vec(0.0..1.0_f64, 0..40),
    ) {
        let mut bytes = stream(role, &steps);
        let len = bytes.len();
        let place = |at: f64| (at * len as f64) as usize;
        if let Some((at, change)) = change
            && let Some(byte) = bytes.get_mut(place(at))
        {
            *byte ^= change;
        }
        let mut cuts: Vec<usize> = cuts.into_iter().map(place).collect();
        cuts.sort_unstable();
        let (starts, ends) = ([&[0], &cuts[..]].concat(), [&cuts[..], &[len]].concat());
        let pieces: Vec<&[u8]> =
            starts.into_iter().zip(ends).map(|(start, end)| &bytes[start..end]).collect();
        // The limit of messages is not one of pieces.
        let limits = Limits { max_message: u64::MAX, max_frame: 10_000, max_empty_fragments: 1 };
        let session = run_session(role, &limits, &pieces);
        prop_assert_eq!(session, run_in_chunks(role, &limits, &pieces));
    }

    #[test]
    fn calls_in_any_order_lead_to_the_same_events_errors_and_output(
        role in prop::sample::select(vec![Role::Client, Role::Server]),
        fragment_size in prop::sample::select(vec![usize::MAX, 5000, 2048, 100]),
        // Not so many Pings that what was written before decides which are answered.
        steps in prop::collection::vec(step_without_pings(), 1..8),
        calls in prop::collection::vec(call(), 1..200),
    ) {
        let bytes = stream(role, &steps);
        let config = Config::new()
            .high_water_mark(usize::MAX)
            .fragment_size(NonZeroUsize::new(fragment_size).unwrap());
        let plain = Echo::run(role, &config, &bytes, &[]);
        let mixed = Echo::run(role, &config, &bytes, &calls);
        prop_assert_eq!(plain, mixed);
    }
}

/// Every single cut, and every pair of neighbouring cuts, of messages at the lengths where the
/// encoding of the length changes.
#[test]
fn every_single_cut_at_the_boundaries_of_the_length_encoding() {
    for role in [Role::Client, Role::Server] {
        for len in [0, 1, 125, 126, 127, 65535, 65536] {
            for (text, echo) in [(true, true), (false, false)] {
                let steps = [
                    Step::Message { text, fragments: vec![len], ping_between: true },
                    Step::Message { text, fragments: vec![1, len, 0], ping_between: true },
                    Step::Close { code: 1000, reason: 5 },
                ];
                let bytes = stream(role, &steps);
                let driver = Driver {
                    role,
                    delivery: Delivery::Messages,
                    echo,
                    high_water_mark: 1 << 20,
                    drains: vec![],
                    eof: true,
                    direct: false,
                    lent: false,
                };
                let whole = run(&driver, &bytes, &[]);
                assert!(whole.outcome.is_some_and(|outcome| outcome.clean), "{whole:?}");
                let step = if len < 1000 { 1 } else { 997 };
                let near_ends = (0..20).chain(bytes.len().saturating_sub(40)..bytes.len());
                for at in near_ends.chain((0..bytes.len()).step_by(step)) {
                    for lent in [false, true] {
                        let driver = Driver { lent, ..driver.clone() };
                        let cut = run(&driver, &bytes, &[at, at + 1]);
                        assert!(whole == cut, "{role:?}, {len} bytes, cut at {at}: {cut:?}");
                    }
                }
            }
        }
    }
}

/// Wherever the cuts are, a client fails before the first byte for which it might need a key that it
/// does not have.
#[test]
fn a_source_of_entropy_that_fails_is_told_at_the_same_place_at_any_cut() {
    let exchange = [
        peer_frame(Role::Client, 0x89, b"?"),
        peer_frame(Role::Client, 0x81, "é!".as_bytes()),
        peer_frame(Role::Client, 0x82, b"\0\xff"),
    ];
    // More Pings than the keys of one block answer.
    let stream = exchange.concat().repeat(100);
    let run = |cuts: &[usize]| {
        let config = Config::new().entropy(one_block_of_entropy());
        let mut client = Connection::client(config, &Negotiated::default());
        let ends = cuts.iter().copied().chain([stream.len()]);
        let starts = [0].into_iter().chain(cuts.iter().copied());
        let pieces = starts.zip(ends).map(|(start, end)| &stream[start..end]);
        let events = pieces.flat_map(|piece| receive(&mut client, piece)).collect();
        Record::of(&mut client, events)
    };
    let whole = run(&[]);
    assert_eq!(whole.events.last(), Some(&Event::Failed(ProtocolError::Entropy)));
    assert_eq!((whole.transport[1], whole.outcome), (Transport::Abort, unclean(1006)));
    for at in 0..stream.len() {
        assert_eq!(whole, run(&[at]), "cut at {at}");
    }
    assert_eq!(whole, run(&(0..stream.len()).collect::<Vec<_>>()));
}

#[test]
fn a_message_that_is_received_where_room_was_made_for_it_makes_room_for_the_next() {
    for role in [Role::Server, Role::Client] {
        let mut connection = connection(role, Config::new());
        let mut binary_frame = peer_frame(role, 0x82, b"Hello");
        let payload = binary_frame.split_off(binary_frame.len() - 5);
        assert_eq!(receive(&mut connection, &binary_frame), []);
        assert!(connection.payload_space().is_some());
        assert_eq!(receive(&mut connection, &payload), [binary(b"Hello")]);

        let pieces = [peer_frame(role, 0x01, b"a"), peer_frame(role, 0x80, b"b")].concat();
        assert_eq!(receive(&mut connection, &pieces), [text("ab")], "{role:?}");
    }
}
