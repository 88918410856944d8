//! Room in the output queue and refusals: `has_room`, `may_send` and `may_send_chunk` agree with `send` and
//! `send_chunk`, and a refused message is returned unchanged.
#![cfg(feature = "alloc")]

mod support;

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use support::*;
use websocket_proto::{
    Chunk, CloseCode, CloseFrame, Config, Connection, Fragment, Message, Outgoing, PreparedMessage,
    Role, SendError, Timeouts, Unsent,
};

fn with_mark(role: Role, mark: usize) -> Connection {
    connection(role, Config::new().with_high_water_mark(mark))
}

#[test]
fn message_of_any_size_is_accepted_below_the_mark() {
    for role in ROLES {
        let mut connection = with_mark(role, 1000);
        connection.send(vec![1; 5000]).unwrap();
        assert!(!connection.has_room());
        assert_eq!(connection.send("no room").unwrap_err().error, SendError::Full);
        assert_eq!(connection.ping(b""), Err(SendError::Full));
        assert_eq!(connection.pong(b""), Err(SendError::Full));
        let chunk = Chunk::new("no room", Fragment::First);
        assert_eq!(connection.send_chunk(chunk).unwrap_err().error, SendError::Full);

        take_output(&mut connection);
        assert!(connection.has_room());
        connection.send(&[1; 900][..]).unwrap();
        assert!(connection.has_room());
        connection.send(&[1; 900][..]).unwrap();
        assert!(!connection.has_room());
        let pending = connection.output().len();
        connection.output().advance(pending - 1000);
        assert!(!connection.has_room(), "room although the mark is reached");
        connection.output().advance(1);
        assert!(connection.has_room());
    }
}

#[test]
fn high_water_mark_of_zero_allows_one_message_at_a_time() {
    for role in ROLES {
        let mut connection = with_mark(role, 0);
        for len in [0, 1, 5000] {
            assert!(connection.has_room());
            connection.send(vec![1; len]).unwrap();
            assert!(!connection.has_room());
            assert_eq!(connection.send("").unwrap_err().error, SendError::Full);
            let pending = connection.output().len();
            connection.output().advance(pending - 1);
            assert!(!connection.has_room());
            connection.output().advance(1);
        }
    }
}

#[test]
fn close_needs_no_room() {
    for role in ROLES {
        let mut connection = with_mark(role, 0);
        connection.send("before").unwrap();
        connection.close(None).unwrap();
        let expected = [(0x81, b"before".to_vec()), (0x88, Vec::new())];
        assert_eq!(parse_frames(&take_output(&mut connection)), expected);
    }
}

#[test]
fn automatic_pongs_need_no_room_and_use_none() {
    for role in ROLES {
        let mut connection = with_mark(role, 1);
        receive(&mut connection, &peer_frame(role, 0x89, &[7; 125]).repeat(50));
        assert!(connection.has_room());
        connection.send("full").unwrap();
        assert!(!connection.has_room());
        receive(&mut connection, &peer_frame(role, 0x89, b"one more"));
    }
}

#[test]
fn keepalive_pings_need_no_room_and_use_none() {
    let timeouts = Timeouts::RECOMMENDED;
    let ping = timeouts.ping.unwrap();
    for role in ROLES {
        // Behind a full output, and in an empty one.
        for is_full in [true, false] {
            let config = Config::new().with_timeouts(timeouts).with_high_water_mark(1);
            let mut connection = connection(role, config);
            connection.handle_timeout(Duration::ZERO);
            if is_full {
                connection.send("full").unwrap();
            }
            connection.handle_timeout(ping);
            assert_eq!(connection.has_room(), !is_full);
            if !is_full {
                connection.send("full").unwrap();
            }
            assert!(!connection.has_room());
            let mut frames = vec![0x81, 0x89];
            if !is_full {
                frames.reverse();
            }
            let written = parse_frames(&take_output(&mut connection));
            assert_eq!(written.into_iter().map(|(first, _)| first).collect::<Vec<_>>(), frames);
            assert!(connection.has_room());
        }
    }
}

#[test]
fn owned_payload_counts_with_its_capacity_until_fully_written() {
    let mut server = with_mark(Role::Server, 10_000);
    let mut payload = Vec::with_capacity(10_000);
    payload.resize(6000, 7);
    server.send(payload).unwrap();
    assert!(!server.has_room());
    server.output().advance(4 + 5999);
    assert!(!server.has_room());
    server.output().advance(1);
    assert!(server.has_room());
}

#[test]
fn has_room_is_true_after_a_close_and_after_a_failure() {
    let ends: [fn(&mut Connection, Role); 5] = [
        |connection, _| connection.close(None).unwrap(),
        |connection, role| drop(receive(connection, &peer_close(role, 1000, ""))),
        |connection, role| drop(receive(connection, &peer_frame(role, 0x83, b""))),
        |connection, _| drop(receive_last(connection, &[])),
        |connection, _| connection.abort(),
    ];
    for role in ROLES {
        for end in ends {
            for in_progress in [false, true] {
                let mut connection = with_mark(role, 10);
                if in_progress {
                    let chunk = Chunk::new(&[1; 100][..], Fragment::First);
                    connection.send_chunk(chunk).unwrap();
                } else {
                    connection.send(&[1; 100][..]).unwrap();
                }
                assert!(!connection.has_room());
                end(&mut connection, role);
                assert!(connection.has_room());
                assert!(!connection.may_send() && !connection.may_send_chunk());
                assert!(connection.is_closing());
                assert_eq!(connection.send("late").unwrap_err().error, SendError::Closed);
                assert_eq!(connection.ping(b""), Err(SendError::Closed));
            }
        }
    }
}

#[test]
fn every_refusal_returns_the_message_unchanged() {
    let prepared = PreparedMessage::new("prepared");
    for role in ROLES {
        for len in [0, 10, 2047, 2048, 100_000] {
            let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let text = sample_text(len);
            let shared = Bytes::from(bytes.clone());
            let messages = || -> Vec<Outgoing<'_>> {
                vec![
                    Outgoing::from(&*text),
                    text.clone().into(),
                    Outgoing::from(&*bytes),
                    bytes.clone().into(),
                    shared.clone().into(),
                    Message::from(text.clone()).into(),
                    Outgoing::from(&prepared),
                ]
            };
            // Refusals by a full queue, after a Close, and while a chunked message is in progress.
            let mut full = with_mark(role, 1);
            full.send("full").unwrap();
            let mut closed = with_mark(role, 1);
            closed.close(None).unwrap();
            let mut in_progress = with_mark(role, 1 << 20);
            in_progress.send_chunk(Chunk::new("begun", Fragment::First)).unwrap();
            for (connection, error) in [
                (&mut full, SendError::Full),
                (&mut closed, SendError::Closed),
                (&mut in_progress, SendError::MessageInProgress),
            ] {
                let pending = connection.output().len();
                for (sent, expected) in messages().into_iter().zip(messages()) {
                    let address = sent.as_bytes().as_ptr();
                    let unsent = connection.send(sent).unwrap_err();
                    assert_eq!(unsent.error, error);
                    assert_eq!(unsent.message, expected);
                    assert_eq!(
                        unsent.message.as_bytes().as_ptr(),
                        address,
                        "the message was copied"
                    );
                    assert_eq!(
                        std::mem::discriminant(&unsent.message),
                        std::mem::discriminant(&expected)
                    );
                }
                assert_eq!(connection.output().len(), pending);
            }
            for payload in [Message::from(&*bytes), bytes.clone().into(), text.clone().into()] {
                for fragment in [Fragment::Whole, Fragment::First, Fragment::Middle, Fragment::Last]
                {
                    let chunk = Chunk { payload: payload.clone(), fragment };
                    let error = if fragment.begins() {
                        SendError::Full
                    } else {
                        SendError::NoMessageInProgress
                    };
                    let expected = Unsent { message: chunk.clone(), error };
                    assert_eq!(full.send_chunk(chunk.clone()), Err(expected));
                    let expected = Unsent { message: chunk.clone(), error: SendError::Closed };
                    assert_eq!(closed.send_chunk(chunk), Err(expected));
                }
            }
        }
    }
}

#[test]
fn chunk_out_of_order_is_returned() {
    for role in ROLES {
        let mut connection = with_mark(role, 1 << 20);
        connection.send_chunk(Chunk::new("begun", Fragment::First)).unwrap();
        for (chunk, error) in [
            (Chunk::new("x", Fragment::First), SendError::MessageInProgress),
            (Chunk::new("x", Fragment::Whole), SendError::MessageInProgress),
            (Chunk::new(b"x", Fragment::Middle), SendError::TypeMismatch),
            (Chunk::new(b"x", Fragment::Last), SendError::TypeMismatch),
            (Chunk::new(vec![1; 5000], Fragment::Last), SendError::TypeMismatch),
        ] {
            let expected = Unsent { message: chunk.clone(), error };
            assert_eq!(connection.send_chunk(chunk), Err(expected));
        }
        connection.send_chunk(Chunk::new("", Fragment::Last)).unwrap();
        let expected = [(0x01, b"begun".to_vec()), (0x80, Vec::new())];
        assert_eq!(parse_frames(&take_output(&mut connection)), expected);
    }
}

#[test]
fn every_text_and_byte_type_can_be_sent() {
    let (string, vec) = (String::from("text"), vec![1_u8, 2]);
    let (text, binary) = (Message::from("text"), Message::from(&vec));
    let prepared = PreparedMessage::new("text");
    for role in ROLES {
        let mut connection = with_mark(role, usize::MAX);
        connection.send("text").unwrap();
        connection.send(string.clone()).unwrap();
        connection.send(&string).unwrap();
        connection.send(Cow::from("text")).unwrap();
        connection.send(text.clone()).unwrap();
        connection.send(&text).unwrap();
        connection.send(&prepared).unwrap();
        connection.send(&[1, 2][..]).unwrap();
        connection.send(vec.clone()).unwrap();
        connection.send(&vec).unwrap();
        connection.send(&[1, 2]).unwrap();
        connection.send(b"\x01\x02").unwrap();
        connection.send(Cow::from(&vec)).unwrap();
        connection.send(Bytes::from_static(&[1, 2])).unwrap();
        connection.send(binary.clone()).unwrap();
        connection.send(&binary).unwrap();
        let texts = vec![(0x81, b"text".to_vec()); 7];
        let binaries = vec![(0x82, vec![1, 2]); 9];
        assert_eq!(parse_frames(&take_output(&mut connection)), [texts, binaries].concat());
    }
}

#[test]
fn close_accepts_a_code_a_frame_or_none() {
    let frame = CloseFrame::new(CloseCode(4000), "reason").unwrap();
    for role in ROLES {
        let closed = |close: &dyn Fn(&mut Connection) -> Result<(), SendError>| {
            let mut connection = with_mark(role, 1);
            close(&mut connection).unwrap();
            assert_eq!(connection.close(None), Err(SendError::Closed));
            let frames = parse_frames(&take_output(&mut connection));
            let [(0x88, payload)] = &frames[..] else { panic!("{frames:?}") };
            payload.clone()
        };
        assert_eq!(closed(&|c| c.close(CloseCode::NORMAL)), [0x03, 0xe8]);
        assert_eq!(closed(&|c| c.close(None)), []);
        assert_eq!(closed(&|c| c.close(frame.clone())), b"\x0f\xa0reason");
        assert_eq!(closed(&|c| c.close(Some(frame.clone()))), b"\x0f\xa0reason");
    }
}

#[test]
fn control_payload_over_125_bytes_is_refused() {
    for role in ROLES {
        let mut connection = with_mark(role, 1000);
        assert_eq!(connection.ping(&[0; 126]), Err(SendError::TooLong));
        assert_eq!(connection.pong(&[0; 126]), Err(SendError::TooLong));
        assert!(!connection.has_output());
        connection.ping(&[0; 125]).unwrap();
        connection.pong(&[0; 125]).unwrap();
    }
}

#[derive(Clone, Debug)]
enum Op {
    Send { len: usize, kind: usize },
    SendChunk { len: usize, fragment: Fragment, text: bool, owned: bool },
    Ping(usize),
    Pong(usize),
    Close,
    PeerPings { count: usize, len: usize },
    PeerClose,
    PeerViolation,
    PeerMessage,
    Abort,
    Eof,
    Write(usize),
    WriteAll,
}

fn op() -> impl Strategy<Value = Op> {
    let len = || prop_oneof![0_usize..10, 100_usize..300, 2000_usize..2100, 5000_usize..5010];
    let fragment = prop::sample::select(vec![
        Fragment::Whole,
        Fragment::First,
        Fragment::Middle,
        Fragment::Middle,
        Fragment::Last,
    ]);
    prop_oneof![
        8 => (len(), 0_usize..6).prop_map(|(len, kind)| Op::Send { len, kind }),
        12 => (len(), fragment, any::<bool>(), any::<bool>()).prop_map(
            |(len, fragment, text, owned)| Op::SendChunk { len, fragment, text, owned }
        ),
        3 => (0_usize..130).prop_map(Op::Ping),
        3 => (0_usize..130).prop_map(Op::Pong),
        1 => Just(Op::Close),
        4 => (1_usize..60, 0_usize..126).prop_map(|(count, len)| Op::PeerPings { count, len }),
        1 => Just(Op::PeerClose),
        1 => Just(Op::PeerViolation),
        3 => Just(Op::PeerMessage),
        1 => Just(Op::Abort),
        1 => Just(Op::Eof),
        8 => (0_usize..6000).prop_map(Op::Write),
        3 => Just(Op::WriteAll),
    ]
}

/// Sends `len` bytes as one of the types that `send` accepts.
fn send(connection: &mut Connection, len: usize, kind: usize) -> Result<(), SendError> {
    let bytes = vec![b'x'; len];
    let text = "x".repeat(len);
    let prepared = PreparedMessage::new(&bytes);
    let message = match kind {
        0 => Outgoing::from(&bytes),
        1 => Outgoing::from(bytes.clone()),
        2 => Outgoing::from(&text),
        3 => Outgoing::from(text.clone()),
        4 => Outgoing::from(Bytes::from(bytes.clone())),
        _ => Outgoing::from(&prepared),
    };
    let expected = message.clone();
    connection.send(message).map_err(|unsent| {
        assert_eq!(unsent.message, expected);
        unsent.error
    })
}

proptest! {
    /// The predicates are right in every state that operations can reach.
    #[test]
    fn predicates_agree_with_the_results_of_sending(
        role in prop::sample::select(ROLES.to_vec()),
        mark in prop_oneof![0_usize..3, 100_usize..10_000],
        max_fragment in prop_oneof![Just(usize::MAX), 1_usize..3000],
        manual_close in any::<bool>(),
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let config = Config::new().with_high_water_mark(mark).with_max_fragment(max_fragment);
        let config = if manual_close { config.with_manual_close() } else { config };
        let mut connection = connection(role, config);
        // The type of the message in progress, and whether a Close or a failure forbids all sending.
        let (mut in_progress, mut closed, mut received_close) = (None, false, false);
        for op in ops {
            let (room, pending) = (connection.has_room(), connection.output().len());
            prop_assert_eq!(connection.may_send(), !closed && in_progress.is_none());
            prop_assert_eq!(connection.may_send_chunk(), !closed && in_progress.is_some());
            prop_assert_eq!(connection.is_closing(), closed || received_close);
            prop_assert!(room || !closed);
            prop_assert!(room || pending > 0);
            match op {
                Op::Send { len, kind } => {
                    let may_send = connection.may_send();
                    let expected = match (closed, may_send, room) {
                        (true, ..) => Err(SendError::Closed),
                        (false, false, _) => Err(SendError::MessageInProgress),
                        (false, true, false) => Err(SendError::Full),
                        (false, true, true) => Ok(()),
                    };
                    prop_assert_eq!(expected.is_ok(), may_send && room);
                    prop_assert_eq!(send(&mut connection, len, kind), expected);
                    prop_assert_eq!(connection.output().len() > pending, expected.is_ok());
                }
                Op::SendChunk { len, fragment, text, owned } => {
                    let content = "x".repeat(len);
                    let payload = match (text, owned) {
                        (true, true) => Message::from(content),
                        (true, false) => Message::from(&content),
                        (false, true) => Message::from(content.into_bytes()),
                        (false, false) => Message::from(content.as_bytes()),
                    };
                    let expected = match (closed, fragment.begins(), in_progress) {
                        (true, ..) => Err(SendError::Closed),
                        (false, true, Some(_)) => Err(SendError::MessageInProgress),
                        (false, false, None) => Err(SendError::NoMessageInProgress),
                        (false, false, Some(other)) if text != other => Err(SendError::TypeMismatch),
                        (false, ..) if !room => Err(SendError::Full),
                        (false, ..) => Ok(()),
                    };
                    if in_progress == Some(text) && fragment == Fragment::Middle {
                        prop_assert_eq!(expected.is_ok(), connection.may_send_chunk() && room);
                    }
                    let chunk = Chunk { payload, fragment };
                    let sent = connection.send_chunk(chunk.clone());
                    prop_assert_eq!(
                        sent,
                        expected.map_err(|error| Unsent { message: chunk.clone(), error })
                    );
                    if expected.is_ok() {
                        in_progress = if fragment.ends() { None } else { Some(text) };
                    }
                }
                Op::Ping(len) | Op::Pong(len) => {
                    let payload = vec![7; len];
                    let sent = if matches!(op, Op::Ping(_)) {
                        connection.ping(&payload)
                    } else {
                        connection.pong(&payload)
                    };
                    if !closed {
                        let expected = match (room, len) {
                            (false, _) => Err(SendError::Full),
                            (true, 126..) => Err(SendError::TooLong),
                            (true, _) => Ok(()),
                        };
                        prop_assert_eq!(sent, expected);
                    }
                }
                Op::Close => {
                    let expected = if closed { Err(SendError::Closed) } else { Ok(()) };
                    prop_assert_eq!(connection.close(CloseCode::NORMAL), expected);
                    closed = true;
                }
                Op::PeerPings { count, len } => {
                    receive(&mut connection, &peer_frame(role, 0x89, &vec![7; len]).repeat(count));
                    prop_assert_eq!(connection.has_room(), room);
                }
                Op::PeerClose => {
                    receive(&mut connection, &peer_close(role, 1000, ""));
                    received_close = true;
                    closed |= !manual_close;
                }
                Op::PeerViolation => {
                    receive(&mut connection, &peer_frame(role, 0x83, b""));
                    closed |= !received_close;
                }
                Op::PeerMessage => {
                    receive(&mut connection, &peer_frame(role, 0x81, b"message"));
                }
                Op::Abort => {
                    connection.abort();
                    closed = true;
                }
                Op::Eof => {
                    receive_last(&mut connection, &[]);
                    closed = true;
                }
                Op::Write(len) => connection.output().advance(len.min(pending)),
                Op::WriteAll => drop(take_output(&mut connection)),
            }
        }
    }
}
