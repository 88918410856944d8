//! The output queue: one ordered stream of whole frames, without copies of large owned payloads and with a
//! bounded number of automatic Pongs.
#![cfg(feature = "alloc")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use support::*;
use websocket_proto::{Config, Connection, Message, PreparedMessage, Role, Timeouts};

const UNLIMITED: Config = Config::new().with_high_water_mark(usize::MAX);

fn server() -> Connection {
    connection(Role::Server, UNLIMITED)
}

/// The first payload byte of every frame that begins with the byte `first`.
fn markers(frames: &[(u8, Vec<u8>)], first: u8) -> Vec<u8> {
    frames.iter().filter(|frame| frame.0 == first).map(|frame| frame.1[0]).collect()
}

// Automatic Pongs (RFC 6455, sections 5.5.2 and 5.5.3).

#[test]
fn each_ping_gets_its_own_pong_up_to_4_kib_then_only_the_newest() {
    for role in ROLES {
        let mut connection = connection(role, UNLIMITED);
        let pong_len = if role == Role::Server { 127 } else { 131 };
        let own = 4096_usize.div_ceil(pong_len);
        let pings: Vec<u8> = (0..200_u8).flat_map(|i| peer_frame(role, 0x89, &[i; 125])).collect();
        assert_eq!(receive(&mut connection, &pings).len(), 200);
        assert_eq!(connection.output().len(), own * pong_len);
        let pongs = markers(&parse_frames(&take_output(&mut connection)), 0x8a);
        let expected: Vec<u8> = (0..own as u8).chain([199]).collect();
        assert_eq!(pongs, expected, "{role:?}");
    }
}

#[test]
fn held_back_pong_is_queued_after_the_last_queued_pong_is_written() {
    let mut server = server();
    let ping = |i: u8| peer_frame(Role::Server, 0x89, &[i; 125]);
    // 33 Pongs of 127 bytes are queued, each after a message of 52 bytes; the newest other Pong is
    // held back.
    for i in 0..40 {
        server.send(&[0xee; 50][..]).unwrap();
        receive(&mut server, &ping(i));
    }
    let all = 40 * 52 + 33 * 127;
    assert_eq!(server.output().len(), all);
    // Partly written Pongs free no room: one Pong is still pending.
    server.output().advance(33 * (52 + 127) - 1);
    receive(&mut server, &ping(40));
    assert_eq!(server.output().len(), 7 * 52 + 1);
    server.output().advance(1);
    assert_eq!(server.output().len(), 7 * 52 + 127);
    // The newest Pong is pending; further Pings get their own Pongs again.
    receive(&mut server, &ping(41));
    let frames = parse_frames(&take_output(&mut server));
    assert_eq!(markers(&frames, 0x8a), [40, 41]);
}

#[test]
fn pongs_are_held_back_from_exactly_4_kib() {
    // Pongs of 64 bytes.
    let ping = peer_frame(Role::Server, 0x89, &[7; 62]);
    for (pings, queued) in [(63, 63), (64, 64), (65, 64), (1000, 64)] {
        let mut server = server();
        receive(&mut server, &ping.repeat(pings));
        assert_eq!(server.output().len(), queued * 64);
        let all = parse_frames(&take_output(&mut server)).len();
        assert_eq!(all, queued + usize::from(pings > 64));
    }
}

#[test]
fn bursts_of_ten_pings_are_always_answered_one_by_one() {
    let mut server = server();
    for _ in 0..100 {
        for len in [0, 1, 125] {
            receive(&mut server, &peer_frame(Role::Server, 0x89, &vec![7; len]).repeat(10));
            server.send("between").unwrap();
            assert_eq!(parse_frames(&take_output(&mut server)).len(), 11);
        }
    }
}

#[test]
fn held_back_pong_precedes_our_close_and_our_reply_to_a_close() {
    for role in ROLES {
        for replies in [false, true] {
            let mut connection = connection(role, UNLIMITED);
            for i in 0..100 {
                receive(&mut connection, &peer_frame(role, 0x89, &[i; 125]));
            }
            if replies {
                receive(&mut connection, &peer_close(role, 1000, ""));
            } else {
                connection.close(None).unwrap();
            }
            let frames = parse_frames(&take_output(&mut connection));
            let [.., pong, close] = &frames[..] else { panic!("{frames:?}") };
            assert_eq!((pong.0, pong.1[0], close.0), (0x8a, 99, 0x88));
        }
    }
}

#[test]
fn pending_pongs_are_bounded_after_any_number_of_written_ones() {
    for role in ROLES {
        let mut connection = connection(role, UNLIMITED);
        let ping = peer_frame(role, 0x89, &[0; 125]);
        connection.send(&[1; 400_000][..]).unwrap();
        for _ in 0..486 {
            let pending = connection.output().len();
            connection.output().advance(pending - 1);
            receive(&mut connection, &ping);
        }
        receive(&mut connection, &ping.repeat(100));
        assert!(connection.output().len() < 4096 + 131, "{:?}", connection.output());
    }
}

#[test]
fn hundred_thousand_pings_between_queued_messages_are_answered() {
    for write in [0, 7] {
        let mut server = server();
        let mut written = Vec::new();
        let mut buffer = Vec::new();
        for i in 0..100_000_u32 {
            server.send(&i.to_be_bytes()).unwrap();
            buffer.clear();
            buffer.extend(peer_frame(Role::Server, 0x89, &i.to_be_bytes()));
            let mut input = websocket_proto::Input::with_bytes(&mut buffer);
            assert!(server.receive(&mut input).is_some());
            let output = server.output();
            let len = output.chunk().len().min(write);
            written.extend_from_slice(&output.chunk()[..len]);
            output.advance(len);
        }
        written.extend(take_output(&mut server));
        let number = |payload: &[u8]| u32::from_be_bytes(payload.try_into().unwrap());
        let (mut messages, mut pongs) = (Vec::new(), Vec::new());
        for (first, payload) in parse_frames(&written) {
            match first {
                0x82 => messages.push(number(&payload)),
                0x8a => pongs.push(number(&payload)),
                _ => panic!("{first:#x}"),
            }
        }
        assert!(messages.into_iter().eq(0..100_000));
        assert!(pongs.is_sorted_by(|a, b| a < b));
        assert_eq!(pongs.last(), Some(&99_999));
        assert!(
            pongs.len() > 682,
            "expected more than 4 KiB of 6-byte Pongs, got {} Pongs",
            pongs.len()
        );
    }
}

// Writing.

#[test]
fn owned_and_shared_payloads_of_a_server_are_queued_without_a_copy() {
    let shared = Bytes::from(vec![7; 5000]);
    let owned = vec![7; 5000];
    let text = "x".repeat(5000);
    for (message, address) in [
        (shared.clone().into(), shared.as_ptr()),
        (websocket_proto::Outgoing::from(owned.clone()), std::ptr::null()),
        (text.clone().into(), std::ptr::null()),
    ] {
        let content = message.as_bytes().to_vec();
        let address = if address.is_null() { message.as_bytes().as_ptr() } else { address };
        let mut server = server();
        server.send("before").unwrap();
        server.send(message).unwrap();
        server.send("after").unwrap();
        let output = server.output();
        assert_eq!(output.chunk()[..8], *b"\x81\x06before");
        output.advance(12);
        assert_eq!(output.chunk().as_ptr(), address);
        assert_eq!(output.chunk(), content);
        // A write may end at any byte.
        output.advance(2000);
        assert_eq!(output.chunk().as_ptr(), address.wrapping_add(2000));
        assert_eq!(output.len(), 3000 + 7);
        output.advance(3000);
        assert_eq!(output.chunk(), b"\x81\x05after");
    }
}

#[test]
fn advance_by_zero_changes_nothing() {
    let mut server = server();
    server.output().advance(0);
    receive(&mut server, &peer_frame(Role::Server, 0x89, b"x"));
    server.output().advance(0);
    assert_eq!(take_output(&mut server), b"\x8a\x01x");
    server.output().advance(0);
    assert!(!server.has_output());
}

#[test]
#[should_panic(expected = "cannot advance past the end of the output")]
fn advance_past_the_end_panics() {
    let mut server = server();
    server.send("x").unwrap();
    server.output().advance(4);
}

/// Queues messages of every kind with Pongs between them, and returns the expected frames.
fn queue_everything(connection: &mut Connection) -> Vec<(u8, Vec<u8>)> {
    let mut expected = Vec::new();
    let role = connection.role();
    for len in [0, 1, 125, 126, 2047, 2048, 65_535, 65_536] {
        let payload: Vec<u8> = (0..len).map(|i| (i * 7 + len) as u8).collect();
        connection.send(&payload).unwrap();
        connection.send(payload.clone()).unwrap();
        receive(connection, &peer_frame(role, 0x89, &payload[..len.min(125)]));
        connection.send(Bytes::from(payload.clone())).unwrap();
        connection.send(&PreparedMessage::new(&payload)).unwrap();
        connection.ping(&payload[..len.min(125)]).unwrap();
        connection.send(sample_text(len)).unwrap();
        expected.extend([
            (0x82, payload.clone()),
            (0x82, payload.clone()),
            (0x8a, payload[..len.min(125)].to_vec()),
            (0x82, payload.clone()),
            (0x82, payload.clone()),
            (0x89, payload[..len.min(125)].to_vec()),
            (0x81, sample_text(len).into_bytes()),
        ]);
    }
    expected
}

#[test]
fn small_writes_drain_all_bytes_in_order() {
    for role in ROLES {
        for step in [1, 13, 4096, usize::MAX] {
            let mut connection = connection(role, UNLIMITED);
            let expected = queue_everything(&mut connection);
            let output = connection.output();
            let mut written = Vec::new();
            while !output.is_empty() {
                let len = output.chunk().len().min(step);
                assert!(len > 0, "empty chunk of a non-empty output");
                written.extend_from_slice(&output.chunk()[..len]);
                output.advance(len);
            }
            assert!(parse_frames(&written) == expected, "{role:?} {step}");
        }
    }
}

#[cfg(feature = "std")]
#[test]
fn partial_vectored_writes_drain_all_bytes_in_order() {
    use std::io::IoSlice;

    for role in ROLES {
        for (count, accepted) in [(1, 1000), (2, 5000), (3, usize::MAX), (64, 3), (64, usize::MAX)]
        {
            let mut connection = connection(role, UNLIMITED);
            let expected = queue_everything(&mut connection);
            let output = connection.output();
            let mut written = Vec::new();
            while !output.is_empty() {
                let mut slices = vec![IoSlice::new(&[]); count];
                let set = output.chunks_vectored(&mut slices);
                assert!(set > 0);
                assert!(slices[..set].iter().all(|slice| !slice.is_empty()));
                let bytes: Vec<u8> = slices[..set]
                    .iter()
                    .flat_map(|slice| slice.iter().copied())
                    .take(accepted)
                    .collect();
                assert!(set == count || bytes.len() == output.len().min(accepted));
                output.advance(bytes.len());
                written.extend(bytes);
            }
            assert!(parse_frames(&written) == expected, "{role:?} {count} {accepted}");
        }
    }
}

#[cfg(feature = "std")]
#[test]
fn header_and_payload_fit_one_vectored_write() {
    use std::io::IoSlice;

    let mut server = server();
    let payload = Bytes::from(vec![7; 5000]);
    server.send("before").unwrap();
    server.send(payload.clone()).unwrap();
    server.send("after").unwrap();
    let output = server.output();
    let mut slices = [IoSlice::new(&[]); 8];
    assert_eq!(output.chunks_vectored(&mut slices), 3);
    assert_eq!(&*slices[0], b"\x81\x06before\x82\x7e\x13\x88");
    assert_eq!(slices[1].as_ptr(), payload.as_ptr());
    assert_eq!(&*slices[2], b"\x81\x05after");
}

#[cfg(feature = "std")]
mod sockets {
    use std::io::{self, ErrorKind, IoSlice, Write};

    use websocket_proto::Io;

    use super::*;

    /// Accepts a few bytes per call, each preceded by an interruption, until it blocks.
    struct Socket {
        written: Vec<u8>,
        step: usize,
        until_blocked: usize,
        interrupts: bool,
    }

    impl Socket {
        fn new(step: usize) -> Self {
            Self { written: Vec::new(), step, until_blocked: 0, interrupts: false }
        }
    }

    impl Write for Socket {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.write_vectored(&[IoSlice::new(bytes)])
        }

        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            self.interrupts = !self.interrupts;
            if self.interrupts {
                return Err(ErrorKind::Interrupted.into());
            }
            if self.until_blocked == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.until_blocked -= 1;
            let before = self.written.len();
            let bytes = slices.iter().flat_map(|slice| slice.iter().copied());
            self.written.extend(bytes.take(self.step));
            Ok(self.written.len() - before)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn write_to_reports_whether_everything_was_written() {
        for role in ROLES {
            for step in [1000, 50_000, usize::MAX] {
                let mut connection = connection(role, UNLIMITED);
                let mut socket = Socket::new(step);
                let expected = queue_everything(&mut connection);
                let output = connection.output();
                let len = output.len();
                assert_eq!(output.write_to(&mut socket).unwrap(), Io::Blocked);
                assert_eq!(output.len(), len);
                loop {
                    socket.until_blocked = 3;
                    match output.write_to(&mut socket).unwrap() {
                        Io::Blocked => assert!(!output.is_empty()),
                        Io::Done => break,
                    }
                }
                assert!(output.is_empty());
                assert_eq!(output.write_to(&mut socket).unwrap(), Io::Done);
                assert!(parse_frames(&socket.written) == expected, "{role:?} {step}");
            }
        }
    }

    #[test]
    fn failed_write_keeps_the_unwritten_bytes() {
        let mut server = server();
        server.send("message").unwrap();
        let mut closed: &mut [u8] = &mut [];
        let error = server.output().write_to(&mut closed).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WriteZero);
        let mut short: &mut [u8] = &mut [0; 4];
        let error = server.output().write_to(&mut short).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WriteZero);
        assert_eq!(take_output(&mut server), b"ssage");
    }
}

// Comparison with a model.

#[derive(Clone, Debug)]
enum Op {
    Send { len: usize, kind: Kind },
    Ping(usize),
    Keepalive,
    PeerPings { count: usize, len: usize },
    Write(usize),
    WriteVectored(usize),
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Borrowed,
    /// A `Vec` with this much spare capacity.
    Owned(usize),
    Shared,
    Prepared,
}

fn op() -> impl Strategy<Value = Op> {
    let len = prop_oneof![0_usize..10, 100_usize..300, 2000_usize..2100, 60_000_usize..70_000];
    let kind = prop_oneof![
        Just(Kind::Borrowed),
        (0_usize..2000).prop_map(Kind::Owned),
        Just(Kind::Shared),
        Just(Kind::Prepared),
    ];
    prop_oneof![
        4 => (len, kind).prop_map(|(len, kind)| Op::Send { len, kind }),
        2 => (0_usize..126).prop_map(Op::Ping),
        1 => Just(Op::Keepalive),
        3 => (1_usize..30, 0_usize..126).prop_map(|(count, len)| Op::PeerPings { count, len }),
        2 => (0_usize..3000).prop_map(Op::Write),
        2 => (0_usize..100_000).prop_map(Op::WriteVectored),
    ]
}

/// The first four slices of a vectored write, concatenated; all bytes if there are fewer slices.
#[cfg(feature = "std")]
fn first_slices(output: &websocket_proto::Output) -> Vec<u8> {
    let mut slices = [std::io::IoSlice::new(&[]); 4];
    let count = output.chunks_vectored(&mut slices);
    let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
    assert!(count == 4 || bytes.len() == output.len());
    bytes
}

/// A frame in the model.
#[derive(Clone, Debug)]
struct Frame {
    first: u8,
    payload: Vec<u8>,
    /// Encoded length in bytes.
    len: usize,
    automatic: bool,
    /// The end of the frame, if it is queued without a copy.
    segment: Option<Segment>,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    len: usize,
    /// Bytes counted against the mark until the last byte is written.
    size: usize,
}

/// The queue as its contract describes it: a list of whole frames.
struct Model {
    role: Role,
    frames: Vec<Frame>,
    written: usize,
    /// Bytes of Pongs queued since all earlier ones were written, and the stream offset of the last one's
    /// end.
    pongs: (usize, usize),
    newest_pong: Option<Frame>,
}

impl Model {
    fn frame(&self, first: u8, payload: Vec<u8>) -> Frame {
        let key = (self.role == Role::Client).then_some([0; 4]);
        let len = frame(first, &payload, key).len();
        Frame { first, payload, len, automatic: first == 0x8a, segment: None }
    }

    fn push_keepalive(&mut self) {
        // The stream offset of a keepalive Ping is its payload.
        let ping = self.frame(0x89, (self.queued() as u32).to_be_bytes().into());
        self.frames.push(Frame { automatic: true, ..ping });
    }

    fn queued(&self) -> usize {
        self.frames.iter().map(|frame| frame.len).sum()
    }

    fn receive_ping(&mut self, payload: Vec<u8>) {
        let pong = self.frame(0x8a, payload);
        if self.pongs.0 < 4096 {
            self.push_pong(pong);
        } else {
            self.newest_pong = Some(pong);
        }
    }

    fn push_pong(&mut self, pong: Frame) {
        self.pongs.0 += pong.len;
        self.frames.push(pong);
        self.pongs.1 = self.queued();
    }

    fn write(&mut self, len: usize) {
        self.written += len;
        if self.pongs.0 > 0 && self.pongs.1 <= self.written {
            self.pongs.0 = 0;
            if let Some(pong) = self.newest_pong.take() {
                self.push_pong(pong);
            }
        }
    }

    /// The bytes that count against the high-water mark.
    fn counted(&self) -> usize {
        let mut end = 0;
        let mut counted = 0;
        for frame in &self.frames {
            end += frame.len;
            let pending = end.saturating_sub(self.written).min(frame.len);
            counted += match frame.segment {
                _ if frame.automatic || pending == 0 => 0,
                None => pending,
                Some(segment) => pending.saturating_sub(segment.len) + segment.size,
            };
        }
        counted
    }
}

/// Sends a message on the connection and in the model.
fn send(connection: &mut Connection, model: &mut Model, payload: Vec<u8>, kind: Kind) {
    let mut frame = model.frame(0x82, payload.clone());
    let is_large = payload.len() >= 2048 && model.role == Role::Server;
    let segment = |len, size| is_large.then_some(Segment { len, size });
    match kind {
        Kind::Borrowed => connection.send(&payload).unwrap(),
        Kind::Owned(excess) => {
            let mut owned = Vec::with_capacity(payload.len() + excess);
            owned.extend_from_slice(&payload);
            frame.segment = segment(payload.len(), owned.capacity());
            connection.send(owned).unwrap();
        }
        Kind::Shared => {
            frame.segment = segment(payload.len(), payload.len());
            connection.send(Bytes::from(payload)).unwrap();
        }
        Kind::Prepared => {
            // The shared bytes include the header.
            frame.segment = segment(frame.len, frame.len);
            connection.send(&PreparedMessage::new(Message::from(payload))).unwrap();
        }
    }
    model.frames.push(frame);
}

proptest! {
    /// Compares with a list of whole frames, whatever the sizes of the writes.
    #[test]
    fn writes_of_any_size_yield_whole_frames_in_order(
        role in prop::sample::select(ROLES.to_vec()),
        mark in prop_oneof![Just(usize::MAX), 1_usize..20, 1_usize..100_000],
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let ping = Duration::from_secs(20);
        // No Pong is awaited, so that the keepalive Pings repeat.
        let config = Config::new().with_timeouts(Timeouts::NONE.with_ping(Some(ping)));
        let mut connection = connection(role, config.with_high_water_mark(mark));
        let mut now = Duration::ZERO;
        connection.handle_timeout(now);
        let mut model = Model {
            role,
            frames: Vec::new(),
            written: 0,
            pongs: (0, 0),
            newest_pong: None,
        };
        let mut written = Vec::new();
        for (number, op) in ops.into_iter().enumerate() {
            let number = number as u8;
            prop_assert_eq!(connection.has_room(), model.counted() < mark);
            match op {
                Op::Send { len, kind } if connection.has_room() => {
                    send(&mut connection, &mut model, vec![number; len], kind);
                }
                Op::Ping(len) if connection.has_room() => {
                    connection.ping(&vec![number; len]).unwrap();
                    model.frames.push(model.frame(0x89, vec![number; len]));
                }
                Op::Send { .. } | Op::Ping(_) => {}
                Op::Keepalive => {
                    now += ping;
                    connection.handle_timeout(now);
                    // No Ping is queued while an earlier one is, or after a sign of life.
                    if connection.output().len() > model.queued() - model.written {
                        model.push_keepalive();
                    }
                }
                Op::PeerPings { count, len } => {
                    for i in 0..count {
                        let payload = vec![i as u8; len];
                        receive(&mut connection, &peer_frame(role, 0x89, &payload));
                        model.receive_ping(payload);
                    }
                }
                Op::Write(max) => {
                    let output = connection.output();
                    let len = output.chunk().len().min(max);
                    written.extend_from_slice(&output.chunk()[..len]);
                    output.advance(len);
                    model.write(len);
                }
                Op::WriteVectored(max) => {
                    let output = connection.output();
                    #[cfg(not(feature = "std"))]
                    let bytes = output.chunk().to_vec();
                    #[cfg(feature = "std")]
                    let bytes = first_slices(output);
                    let len = bytes.len().min(max);
                    written.extend_from_slice(&bytes[..len]);
                    output.advance(len);
                    model.write(len);
                }
            }
            prop_assert_eq!(connection.output().len(), model.queued() - model.written);
        }
        written.extend(take_output(&mut connection));
        model.write(model.queued() - model.written);
        let expected: Vec<(u8, Vec<u8>)> =
            model.frames.into_iter().map(|frame| (frame.first, frame.payload)).collect();
        prop_assert_eq!(parse_frames(&written), expected);
    }
}
