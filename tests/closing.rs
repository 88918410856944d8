//! How connections end: both closing handshakes, failures, and streams that end or break.

mod support;

use support::*;
use websocket_proto::{
    Chunk, CloseCode, CloseFrame, Config, Connection, Delivery, EntropyError, Event, Limits,
    Negotiated, Opcode, ProtocolError, Role, SendReason, Session, Transport,
};

const ROLES: [Role; 2] = [Role::Client, Role::Server];

fn close_frame(code: u16, reason: &str) -> CloseFrame<'_> {
    CloseFrame::new(CloseCode(code), reason).unwrap()
}

/// The one frame that an endpoint sent.
#[track_caller]
fn sent(connection: &mut Connection) -> (u8, Vec<u8>) {
    let [frame] = parse_frames(&take_output(connection)).try_into().unwrap();
    frame
}

#[test]
fn the_reply_to_a_close_repeats_its_code_without_its_reason() {
    for role in ROLES {
        let mut connection = connection(role, Config::new());
        let events = receive(&mut connection, &peer_close(role, 4001, "done here"));
        assert_eq!(events, [Event::Close(Some(close_frame(4001, "done here")))]);
        // The reply must be written before the transport is touched.
        assert_eq!(connection.transport(), Transport::Open);
        assert_eq!(connection.outcome(), None);
        assert_eq!(sent(&mut connection), (0x88, 4001_u16.to_be_bytes().to_vec()));
        // The server closes TCP first, the client waits for it.
        if role == Role::Server {
            assert_eq!(connection.transport(), Transport::Drain);
            assert_eq!(connection.outcome(), clean(4001));
        } else {
            assert_eq!(connection.transport(), Transport::Open);
            assert_eq!(connection.outcome(), None);
        }
        connection.receive_eof();
        assert_eq!(receive(&mut connection, b""), []);
        assert_eq!(connection.transport(), Transport::Close);
        assert_eq!(connection.outcome(), clean(4001));
        assert_eq!(connection.error(), None);
    }
}

#[test]
fn an_empty_close_is_answered_by_an_empty_one_and_counts_as_1005() {
    for role in ROLES {
        let mut connection = connection(role, Config::new());
        let events = receive(&mut connection, &peer_frame(role, 0x88, b""));
        assert_eq!(events, [Event::Close(None)]);
        assert_eq!(sent(&mut connection), (0x88, vec![]));
        connection.receive_eof();
        assert_eq!(connection.outcome(), clean(1005));
    }
}

#[test]
fn after_our_close_messages_still_arrive_and_nothing_can_be_sent() {
    for role in ROLES {
        let mut connection = connection(role, Config::new());
        connection.close(close_frame(1000, "bye")).unwrap();
        assert_eq!(connection.send("late").map_err(|e| e.reason), Err(SendReason::Closed));
        assert_eq!(connection.ping(b""), Err(SendReason::Closed));
        assert_eq!(connection.close(None), Err(SendReason::Closed));
        assert_eq!(sent(&mut connection), (0x88, b"\x03\xe8bye".to_vec()));
        assert_eq!(connection.transport(), Transport::Open);
        let input = [
            peer_frame(role, 0x81, b"still"),
            peer_frame(role, 0x89, b"here"),
            peer_close(role, 1000, ""),
            peer_frame(role, 0x81, b"dropped"),
        ]
        .concat();
        assert_eq!(
            receive(&mut connection, &input),
            [text("still"), Event::Ping(b"here".into()), Event::Close(Some(close_frame(1000, "")))]
        );
        // Neither a Pong nor a second Close follows ours.
        assert_eq!(take_output(&mut connection), b"");
        connection.receive_eof();
        assert_eq!(connection.outcome(), clean(1000));
    }
}

#[test]
fn simultaneous_closes_end_cleanly_with_one_frame_each_way() {
    let mut client = connection(Role::Client, Config::new());
    let mut server = connection(Role::Server, Config::new());
    client.close(close_frame(1000, "client")).unwrap();
    server.close(close_frame(1001, "server")).unwrap();
    let (from_client, from_server) = (take_output(&mut client), take_output(&mut server));
    assert_eq!(receive(&mut client, &from_server).len(), 1);
    assert_eq!(receive(&mut server, &from_client).len(), 1);
    assert_eq!((take_output(&mut client), take_output(&mut server)), (vec![], vec![]));
    assert_eq!(server.transport(), Transport::Drain);
    assert_eq!(server.outcome(), clean(1000));
    assert_eq!(client.transport(), Transport::Open);
    client.receive_eof();
    assert_eq!(client.outcome(), clean(1001));
    assert_eq!(client.transport(), Transport::Close);
}

#[test]
fn a_violation_sends_its_code_is_told_once_and_ends_reading() {
    for role in ROLES {
        for (bad, error) in [
            (peer_frame(role, 0xf1, b""), ProtocolError::ReservedBits),
            (peer_frame(role, 0x83, b""), ProtocolError::ReservedOpcode(3)),
            (peer_frame(role, 0x80, b"x"), ProtocolError::UnexpectedContinuation),
            (
                [peer_frame(role, 0x01, b"x"), peer_frame(role, 0x82, b"y")].concat(),
                ProtocolError::UnfinishedMessage(Opcode::Binary),
            ),
            (peer_frame(role, 0x81, b"\xff"), ProtocolError::InvalidUtf8),
            // Ends inside a character.
            (
                [peer_frame(role, 0x01, b"x"), peer_frame(role, 0x80, b"\xe2\x82")].concat(),
                ProtocolError::InvalidUtf8,
            ),
            (peer_frame(role, 0x82, &[0; 101]), ProtocolError::FrameTooLong),
            (peer_close(role, 1005, ""), ProtocolError::InvalidCloseCode(1005)),
            (peer_frame(role, 0x88, b"\x03"), ProtocolError::CloseTooShort),
            (peer_frame(role, 0x88, b"\x03\xe8\xff"), ProtocolError::InvalidCloseReason),
        ] {
            let limits = Limits { max_frame: 100, ..Limits::DEFAULT };
            let mut connection = connection(role, Config::new().limits(limits));
            let input = [peer_frame(role, 0x81, b"good"), bad, peer_frame(role, 0x81, b"more")];
            let events = receive(&mut connection, &input.concat());
            assert_eq!(events, [text("good"), Event::Failed(error)]);
            assert_eq!(connection.error(), Some(error));
            assert_eq!(connection.transport(), Transport::Open);
            let code = error.close_code().0.to_be_bytes();
            assert_eq!(sent(&mut connection), (0x88, code.to_vec()), "{error:?}");
            assert_eq!(connection.transport(), Transport::Drain);
            assert_eq!(connection.outcome(), unclean(1006));
            assert_eq!(receive(&mut connection, &peer_close(role, 1000, "")), []);
            assert_eq!(connection.send("no").map_err(|e| e.reason), Err(SendReason::Closed));
            connection.receive_eof();
            assert_eq!(receive(&mut connection, b""), []);
            assert_eq!(connection.transport(), Transport::Close);
            assert_eq!(connection.error(), Some(error));
        }
    }
}

#[test]
fn the_text_before_a_violation_is_no_whole_message_and_comes_with_the_close_queued() {
    for role in ROLES {
        // All of it comes at once: a byte, and an end, that can't stand where they do.
        for (payload, valid) in [(&b"ab\xff"[..], "ab"), (b"ab\xc3", "ab"), (b"\xff", "")] {
            let config = Config::new().delivery(Delivery::Chunks).counters();
            let mut connection = connection(role, config);
            let mut frame = peer_frame(role, 0x81, payload);
            let mut input = &mut frame[..];
            let event = if valid.is_empty() {
                Event::Failed(ProtocolError::InvalidUtf8)
            } else {
                Event::Chunk(Chunk { payload: valid.into(), first: true, last: false })
            };
            assert_eq!(connection.receive(&mut input), Some(event));
            assert_eq!(connection.close(None), Err(SendReason::Closed));
            assert_eq!(sent(&mut connection), (0x88, 1007_u16.to_be_bytes().to_vec()));
            assert_eq!(connection.counters().unwrap().received.messages, 0);
        }
    }
}

#[test]
fn a_close_frame_fails_at_the_byte_that_breaks_it() {
    for role in ROLES {
        let header = if role == Role::Server { 6 } else { 2 };
        for (payload, legal, error) in [
            (&b"\x03\xed and more"[..], 1, ProtocolError::InvalidCloseCode(1005)),
            (b"\x03\xe8ab\xc0 and more", 4, ProtocolError::InvalidCloseReason),
            (b"\x03\xe8a\xe2\x82x and more", 5, ProtocolError::InvalidCloseReason),
            (b"\x03\xe8a\xe2\x82", 4, ProtocolError::InvalidCloseReason),
        ] {
            let frame = peer_frame(role, 0x88, payload);
            let (before, after) = frame.split_at(header + legal);
            for size in [1, 100] {
                let mut connection = connection(role, Config::new());
                for piece in before.chunks(size) {
                    assert_eq!(receive(&mut connection, piece), [], "{payload:x?}");
                }
                let events = receive(&mut connection, &after[..1]);
                assert_eq!(events, [Event::Failed(error)], "{payload:x?}");

                let (mut session, mut control) = (Session::new(role), [0; 125]);
                let mut receive = |piece: &[u8]| {
                    let (mut buffer, limits) = (piece.to_vec(), &Limits::DEFAULT);
                    let event = session.receive(&mut &mut buffer[..], &mut control, limits);
                    event.map(Event::into_owned)
                };
                assert!(before.chunks(size).all(|piece| receive(piece).is_none()), "{payload:x?}");
                assert_eq!(receive(&after[..1]), Some(Event::Failed(error)), "{payload:x?}");
            }
        }
        // One byte can't hold a code: the header says so.
        let mut connection = connection(role, Config::new());
        let frame = peer_frame(role, 0x88, b"x");
        let events = receive(&mut connection, &frame[..2]);
        assert_eq!(events, [Event::Failed(ProtocolError::CloseTooShort)]);
    }
}

#[test]
fn limits_are_inclusive_and_count_anew_for_every_message() {
    for role in ROLES {
        let limits = Limits { max_message: 10, max_frame: 6, max_empty_fragments: 2 };
        let mut connection = connection(role, Config::new().limits(limits));
        let whole = [
            peer_frame(role, 0x02, b""),
            peer_frame(role, 0x00, b"123456"),
            peer_frame(role, 0x00, b""),
            peer_frame(role, 0x80, b"7890"),
        ]
        .concat();
        for _ in 0..3 {
            assert_eq!(receive(&mut connection, &whole), [binary(b"1234567890")]);
        }
        for (frames, error) in [
            (&[(0x82, &b"1234567"[..])][..], ProtocolError::FrameTooLong),
            (&[(0x02, b"123456"), (0x80, b"78901")], ProtocolError::MessageTooLong),
            (
                &[(0x02, b""), (0x00, b"x"), (0x00, b""), (0x00, b"")],
                ProtocolError::TooManyEmptyFragments,
            ),
        ] {
            let mut connection = support::connection(role, Config::new().limits(limits));
            receive(&mut connection, &whole);
            let bytes: Vec<u8> = frames
                .iter()
                .flat_map(|(first, payload)| peer_frame(role, *first, payload))
                .collect();
            assert_eq!(receive(&mut connection, &bytes), [Event::Failed(error)]);
        }
    }
}

#[test]
fn a_message_that_no_memory_holds_is_too_long_whatever_the_limit() {
    let unlimited = Limits { max_message: u64::MAX, ..Limits::DEFAULT };
    for role in ROLES {
        let config = Config::new().limits(unlimited);
        let start = peer_frame(role, 0x02, b"x");
        // Up to the length's last byte.
        let mut rest = peer_frame(role, 0x80, &[0; 1 << 16])[..10].to_vec();
        rest[2..].copy_from_slice(&(isize::MAX as u64 / 2).to_be_bytes());
        let input = [start, rest].concat();
        let mut whole = connection(role, config.clone());
        assert_eq!(receive(&mut whole, &input), [Event::Failed(ProtocolError::MessageTooLong)]);
        let mut pieces = connection(role, config.delivery(Delivery::Chunks));
        assert!(matches!(receive(&mut pieces, &input)[..], [Event::Chunk(_)]));
    }
}

#[test]
fn a_violation_after_our_close_sends_no_second_one() {
    for role in ROLES {
        let mut connection = connection(role, Config::new());
        connection.close(None).unwrap();
        take_output(&mut connection);
        let events = receive(&mut connection, &peer_frame(role, 0x83, b""));
        assert_eq!(events, [Event::Failed(ProtocolError::ReservedOpcode(3))]);
        assert_eq!(take_output(&mut connection), b"");
        assert_eq!(connection.transport(), Transport::Drain);
    }
}

#[test]
fn a_stream_that_ends_before_the_close_is_told_wherever_it_ends() {
    for role in ROLES {
        for (input, close_first) in [
            (vec![], false),
            (peer_frame(role, 0x81, b"cut")[..1].to_vec(), false),
            (peer_frame(role, 0x81, b"cut off")[..7].to_vec(), false),
            (peer_frame(role, 0x01, b"unfinished"), false),
            (peer_frame(role, 0x88, b"\x03\xe8")[..3].to_vec(), false),
            (vec![], true),
        ] {
            let mut connection = connection(role, Config::new());
            connection.send("waits").unwrap();
            if close_first {
                connection.close(None).unwrap();
            }
            assert_eq!(receive(&mut connection, &input), []);
            connection.receive_eof();
            let failed = Event::Failed(ProtocolError::UnexpectedEof);
            assert_eq!(receive(&mut connection, b""), [failed]);
            assert_eq!(receive(&mut connection, b""), []);
            assert_eq!(connection.error(), Some(ProtocolError::UnexpectedEof));
            // The peer may still read: what was sent before is written first.
            assert_eq!(connection.transport(), Transport::Open);
            assert!(!connection.wants_read() && connection.wants_write());
            assert!(!take_output(&mut connection).is_empty());
            assert_eq!(connection.transport(), Transport::Close);
            assert_eq!(connection.outcome(), unclean(1006));
        }
    }
}

#[test]
fn a_broken_transport_aborts_and_is_told_once() {
    for role in ROLES {
        let mut connection = connection(role, Config::new());
        connection.send("lost").unwrap();
        connection.abort();
        assert_eq!(connection.transport(), Transport::Abort);
        assert!(!connection.wants_read() && !connection.wants_write());
        assert_eq!(receive(&mut connection, b"dropped"), [Event::Failed(ProtocolError::Aborted)]);
        assert_eq!(receive(&mut connection, b""), []);
        assert_eq!(connection.outcome(), unclean(1006));
        assert_eq!(connection.close(None), Err(SendReason::Closed));
    }
}

#[test]
fn a_transport_that_breaks_after_both_closes_leaves_the_outcome_clean() {
    for role in ROLES {
        let mut connection = connection(role, Config::new());
        receive(&mut connection, &peer_close(role, 1000, ""));
        take_output(&mut connection);
        connection.abort();
        assert_eq!(receive(&mut connection, b""), []);
        assert_eq!(connection.transport(), Transport::Abort);
        assert_eq!(connection.outcome(), clean(1000));
    }
}

#[test]
fn a_transport_that_breaks_before_our_close_is_written_is_not_closed_cleanly() {
    for role in ROLES {
        let mut connection = connection(role, Config::new());
        connection.send("waits").unwrap();
        receive(&mut connection, &peer_close(role, 1000, ""));
        connection.abort();
        assert_eq!(receive(&mut connection, b""), [Event::Failed(ProtocolError::Aborted)]);
        assert_eq!(connection.transport(), Transport::Abort);
        assert_eq!(connection.outcome(), unclean(1000));
    }
}

#[test]
fn without_entropy_a_client_sends_nothing_and_fails() {
    type Use = fn(&mut Connection) -> Result<(), SendReason>;
    let uses: [Use; 3] = [
        |connection| connection.send("x").map_err(|error| error.reason),
        |connection| connection.ping(b""),
        |connection| connection.close(None),
    ];
    for use_it in uses {
        let config = Config::new().entropy(|_: &mut [u8]| Err(EntropyError));
        let mut client = Connection::client(config, &Negotiated::default());
        assert_eq!(use_it(&mut client), Err(SendReason::Entropy));
        assert_eq!(client.transport(), Transport::Abort);
        assert_eq!(receive(&mut client, b""), [Event::Failed(ProtocolError::Entropy)]);
        assert_eq!(take_output(&mut client), b"");
    }
    // Receiving draws keys ahead, so it fails too rather than leave a Ping unanswered.
    let config = Config::new().entropy(|_: &mut [u8]| Err(EntropyError));
    let mut client = Connection::client(config, &Negotiated::default());
    let events = receive(&mut client, &peer_frame(Role::Client, 0x89, b""));
    assert_eq!(events, [Event::Failed(ProtocolError::Entropy)]);
}

#[test]
fn a_client_that_has_sent_its_close_needs_no_more_entropy() {
    let config = Config::new().entropy(one_block_of_entropy());
    let mut client = Connection::client(config, &Negotiated::default());
    // With its Close fewer keys are left than a call may need.
    for _ in 0..60 {
        client.ping(b"").unwrap();
    }
    client.close(None).unwrap();
    take_output(&mut client);
    let mut stream = peer_frame(Role::Client, 0x89, b"?");
    stream.extend(peer_frame(Role::Client, 0x81, b"Hello"));
    stream.extend(peer_close(Role::Client, 1000, ""));
    let close = Event::Close(Some(close_frame(1000, "")));
    let expected = [Event::Ping(b"?".into()), Event::Message("Hello".into()), close];
    assert_eq!(receive(&mut client, &stream), expected);
    assert_eq!(take_output(&mut client), b"");
    client.receive_eof();
    assert_eq!(client.outcome(), clean(1000));
}

#[test]
fn every_frame_of_a_client_has_a_fresh_key_and_they_are_drawn_in_blocks() {
    let mut client = connection(Role::Client, Config::new());
    let mut keys = Vec::new();
    for i in 0..1000_u32 {
        match i % 3 {
            0 => client.send("message").unwrap(),
            1 => client.ping(b"ping").unwrap(),
            _ => drop(receive(&mut client, &peer_frame(Role::Client, 0x89, b"x"))),
        }
        let bytes = take_output(&mut client);
        keys.push(u32::from_be_bytes(bytes[2..6].try_into().unwrap()));
    }
    // In the order in which they were drawn, none twice, none left out.
    let drawn: Vec<u32> = (1..=1000_u32).map(|n| n.wrapping_mul(0x9e37_79b9)).collect();
    assert_eq!(keys, drawn);
}

#[test]
fn close_frames_are_legal_by_construction() {
    use websocket_proto::CloseFrameError;
    for code in (0..=u16::MAX).map(CloseCode) {
        let legal = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]
            .contains(&code.0)
            || (3000..5000).contains(&code.0);
        let built = CloseFrame::new(code, "").map(|_| ());
        assert_eq!(built, if legal { Ok(()) } else { Err(CloseFrameError::Code(code)) });
        // And exactly those are accepted from the peer.
        let mut client = connection(Role::Client, Config::new());
        let events = receive(&mut client, &peer_close(Role::Client, code.0, ""));
        assert_eq!(matches!(events[..], [Event::Close(Some(_))]), legal, "{code}");
    }
    assert!(CloseFrame::new(CloseCode::NORMAL, &*"x".repeat(123)).is_ok());
    assert_eq!(
        CloseFrame::new(CloseCode::NORMAL, &*"x".repeat(124)),
        Err(CloseFrameError::ReasonTooLong(124))
    );
}
