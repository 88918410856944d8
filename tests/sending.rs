//! Streaming, fragments, prepared messages, and what is left to the application.

mod support;

use std::num::NonZeroUsize;

use bytes::{Buf, Bytes};
use support::*;
use websocket_proto::{
    Buffers, Chunk, CloseCode, CloseFrame, Config, Connection, Delivery, Event, Message,
    Negotiated, PreparedMessage, Role, SendReason, Transport,
};

const ROLES: [Role; 2] = [Role::Client, Role::Server];

fn text_piece(text: &str, first: bool, last: bool) -> Chunk<'_> {
    Chunk { payload: text.into(), first, last }
}

fn binary_piece(bytes: &[u8], first: bool, last: bool) -> Chunk<'_> {
    Chunk { payload: bytes.into(), first, last }
}

#[test]
fn a_streamed_message_is_fragments_and_control_frames_pass_between_them() {
    for role in ROLES {
        let mut connection = connection(role, Config::new());
        connection.send_chunk(text_piece("one ", true, false)).unwrap();
        receive(&mut connection, &peer_frame(role, 0x89, b"ping"));
        connection.send_chunk(text_piece("", false, false)).unwrap();
        connection.ping(b"own").unwrap();
        connection.send_chunk(text_piece("two", false, false)).unwrap();
        connection.send_chunk(text_piece("", false, true)).unwrap();
        connection.send("next").unwrap();
        let expected: [(u8, &[u8]); 6] = [
            (0x01, b"one "),
            (0x8a, b"ping"),
            (0x89, b"own"),
            (0x00, b"two"),
            (0x80, b""),
            (0x81, b"next"),
        ];
        let frames = parse_frames(&take_output(&mut connection));
        assert_eq!(frames, expected.map(|(first, payload)| (first, payload.to_vec())));
    }
}

#[test]
fn a_message_begun_leaves_only_its_pieces_and_a_close() {
    for role in ROLES {
        let mut connection = connection(role, Config::new());
        let refused = connection.send_chunk(text_piece("x", false, true)).unwrap_err();
        assert_eq!(refused.reason, SendReason::NotBegun);
        assert_eq!(refused.unsent, text_piece("x", false, true));
        connection.send_chunk(text_piece("begun", true, false)).unwrap();
        assert_eq!(connection.send("x").unwrap_err().reason, SendReason::Unfinished);
        let prepared = PreparedMessage::new("x");
        assert_eq!(connection.send_prepared(&prepared), Err(SendReason::Unfinished));
        for (piece, reason) in [
            (text_piece("x", true, false), SendReason::Unfinished),
            (text_piece("x", true, true), SendReason::Unfinished),
            (binary_piece(b"x", false, true), SendReason::OtherType),
        ] {
            assert_eq!(connection.send_chunk(piece).unwrap_err().reason, reason);
        }
        // The stream is not corrupt: what follows is a Close.
        connection.close(CloseFrame::new(CloseCode::GOING_AWAY, "").unwrap()).unwrap();
        let piece = connection.send_chunk(text_piece("x", false, true));
        assert_eq!(piece.unwrap_err().reason, SendReason::Closed);
        let frames = parse_frames(&take_output(&mut connection));
        assert_eq!(frames, [(0x01, b"begun".to_vec()), (0x88, b"\x03\xe9".to_vec())]);
    }
}

#[test]
fn what_is_delivered_in_pieces_can_be_sent_on_as_it_comes() {
    let mut from = connection(Role::Client, Config::new().delivery(Delivery::Chunks));
    let mut to = connection(Role::Server, Config::new());
    let payload = "Grüße 👋 ".repeat(1000);
    let wire = [
        frame(0x01, &payload.as_bytes()[..3000], None),
        frame(0x80, &payload.as_bytes()[3000..], None),
        frame(0x82, b"whole", None),
    ]
    .concat();
    for piece in wire.chunks(11) {
        let mut buffer = piece.to_vec();
        let mut input = &mut buffer[..];
        while let Some(event) = from.receive(&mut input) {
            let Event::Chunk(chunk) = event else { panic!("{event:?}") };
            to.send_chunk(chunk).unwrap();
        }
    }
    let mut receiver = connection(Role::Client, Config::new());
    let events = receive(&mut receiver, &take_output(&mut to));
    assert_eq!(events, [text(&payload), binary(b"whole")]);
}

#[test]
fn a_stream_of_pieces_takes_constant_memory_and_no_message_limit() {
    let limits = websocket_proto::Limits { max_message: 100, ..Default::default() };
    let mut client =
        connection(Role::Client, Config::new().delivery(Delivery::Chunks).limits(limits));
    let (mut total, mut lasts) = (0, 0);
    for i in 0..1000 {
        let first = if i == 0 { 0x02 } else { 0x00 };
        let fin = if i == 999 { 0x80 } else { 0 };
        for event in receive(&mut client, &frame(first | fin, &[i as u8; 1000], None)) {
            let Event::Chunk(chunk) = event else { panic!("{event:?}") };
            assert_eq!(chunk.first, total == 0);
            total += chunk.payload.as_bytes().len();
            lasts += u32::from(chunk.last);
        }
    }
    assert_eq!((total, lasts), (1_000_000, 1));
}

enum How {
    Owned,
    Borrowed,
    Written,
}

#[test]
fn long_messages_are_sent_in_fragments_of_the_configured_size() {
    let payload: Vec<u8> = (0..10_000).map(|i| i as u8).collect();
    for role in ROLES {
        for size in [1, 999, 5000, 9_999, 10_000] {
            for how in [How::Owned, How::Borrowed, How::Written] {
                let config = Config::new().fragment_size(NonZeroUsize::new(size).unwrap());
                let mut connection = connection(role, config);
                match how {
                    How::Owned => connection.send(payload.clone()).unwrap(),
                    How::Borrowed => connection.send(&payload[..]).unwrap(),
                    How::Written => drop(connection.sending(&payload[..]).unwrap()),
                }
                let frames = parse_frames(&take_output(&mut connection));
                let pieces: Vec<&[u8]> = payload.chunks(size).collect();
                assert_eq!(frames.len(), pieces.len(), "{role:?} {size}");
                for (i, (first, piece)) in frames.iter().enumerate() {
                    let opcode = if i == 0 { 2 } else { 0 };
                    let fin = if i + 1 == pieces.len() { 0x80 } else { 0 };
                    assert_eq!((*first, &piece[..]), (fin | opcode, pieces[i]));
                }
            }
        }
    }
}

#[test]
fn fragments_of_owned_memory_are_not_copied() {
    let config = Config::new().fragment_size(NonZeroUsize::new(4096).unwrap());
    let mut server = connection(Role::Server, config);
    let payload = Bytes::from(vec![1; 10_000]);
    server.send(payload.clone()).unwrap();
    let output = server.output();
    assert_eq!(output.chunk().len(), 4);
    output.advance(4);
    assert_eq!(output.chunk().as_ptr(), payload.as_ptr());
    output.advance(4096 + 4);
    assert_eq!(output.chunk().as_ptr(), payload[4096..].as_ptr());
}

#[test]
fn a_prepared_message_is_the_same_for_every_receiver() {
    for len in [0, 5, 125, 126, 2047, 2048, 70_000] {
        let payload = vec![b'x'; len];
        for message in
            [Message::from(str::from_utf8(&payload).unwrap()), Message::from(&payload[..])]
        {
            let prepared = PreparedMessage::new(&message);
            assert_eq!(prepared.payload(), payload);
            for role in ROLES {
                let mut sender = connection(role, Config::new());
                sender.send_prepared(&prepared).unwrap();
                sender.send_prepared(&prepared).unwrap();
                let mut receiver = connection(
                    if role == Role::Client { Role::Server } else { Role::Client },
                    Config::new(),
                );
                let events = receive(&mut receiver, &take_output(&mut sender));
                let expected = Event::Message(message.clone().into_owned());
                assert_eq!(events, [expected.clone(), expected]);
            }
        }
    }
}

#[test]
fn a_ping_can_be_left_to_the_application() {
    for role in ROLES {
        let mut connection = connection(role, Config::new().manual_pong());
        let events = receive(&mut connection, &peer_frame(role, 0x89, b"ping"));
        assert_eq!(events, [Event::Ping(b"ping".into())]);
        assert_eq!(take_output(&mut connection), b"");
        connection.pong(b"ping").unwrap();
        assert_eq!(parse_frames(&take_output(&mut connection)), [(0x8a, b"ping".to_vec())]);
    }
}

#[test]
fn the_reply_to_a_close_can_be_left_to_the_application() {
    for role in ROLES {
        let mut connection = connection(role, Config::new().manual_close());
        connection.send_chunk(text_piece("half", true, false)).unwrap();
        let input = [peer_close(role, 1001, ""), peer_frame(role, 0x81, b"dropped")].concat();
        assert_eq!(receive(&mut connection, &input).len(), 1);
        assert_eq!(receive(&mut connection, b"dropped"), []);
        assert_eq!(connection.transport(), Transport::Open);
        // What is under way may be finished first (RFC 6455, section 5.5.1).
        connection.send_chunk(text_piece(" done", false, true)).unwrap();
        connection.close(CloseFrame::new(CloseCode(4000), "reply").unwrap()).unwrap();
        let frames = parse_frames(&take_output(&mut connection));
        assert_eq!(frames.len(), 3);
        assert_eq!(frames[2], (0x88, b"\x0f\xa0reply".to_vec()));
        connection.receive_eof();
        assert_eq!(connection.outcome(), clean(1001));
        assert_eq!(connection.transport(), Transport::Close);
    }
}

#[test]
fn a_violation_is_answered_even_where_closes_are_left_to_the_application() {
    let mut server = connection(Role::Server, Config::new().manual_close().manual_pong());
    receive(&mut server, &peer_frame(Role::Server, 0x83, b""));
    assert_eq!(parse_frames(&take_output(&mut server)), [(0x88, b"\x03\xea".to_vec())]);
    assert_eq!(server.transport(), Transport::Drain);
}

#[test]
fn counters_count_both_directions_where_configured() {
    static PLAIN: Config = Config::new();
    assert_eq!(Connection::server(&PLAIN, &Negotiated::default()).counters(), None);
    for role in ROLES {
        let mut connection = connection(role, Config::new().counters());
        let input = [
            peer_frame(role, 0x01, b"frag"),
            peer_frame(role, 0x80, b"ment"),
            peer_frame(role, 0x89, b"ping"),
            peer_frame(role, 0x82, b"whole"),
        ]
        .concat();
        receive(&mut connection, &input);
        connection.send("12345678").unwrap();
        connection.send_chunk(text_piece("ab", true, false)).unwrap();
        connection.send_chunk(text_piece("cd", false, true)).unwrap();
        connection.ping(b"own").unwrap();
        let mut sending = connection.sending(vec![7; 5000]).unwrap();
        let direct = sending.remaining() - 1000;
        sending.advance(direct);
        drop(sending);
        let written = direct + take_output(&mut connection).len();
        let counters = connection.counters().unwrap();
        assert_eq!(counters.received.messages, 2);
        assert_eq!(counters.received.payload_bytes, 13);
        assert_eq!(counters.received.wire_bytes, input.len() as u64);
        assert_eq!(counters.received.pings, 1);
        assert_eq!(counters.sent.messages, 3);
        assert_eq!(counters.sent.payload_bytes, 5012);
        assert_eq!(counters.sent.wire_bytes, written as u64);
        assert_eq!(counters.sent.pings, 1);
        // Without timeouts no clock is needed.
        assert_eq!(connection.poll_timeout(), None);
    }
}

#[test]
fn what_is_not_written_of_shared_bytes_waits_without_a_copy() {
    let mut server = connection(Role::Server, Config::new());
    let payload = Bytes::from(vec![1; 10_000]);
    for message in [Message::from(payload.clone()), Message::from(&payload)] {
        let mut sending = server.sending(message).unwrap();
        sending.advance(4 + 3000);
        drop(sending);
        assert_eq!(server.output().chunk().as_ptr(), payload[3000..].as_ptr());
        assert_eq!(take_output(&mut server), payload[3000..]);
    }
    assert!(payload.is_unique());
}

#[test]
fn a_message_written_from_where_it_is_stands_in_its_place_however_much_is_written() {
    for role in ROLES {
        for len in [0, 5, 1023, 1024, 2047, 2048, 5000, 70_000] {
            let payload: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
            for (step, limit) in [(1, 9), (1000, 4500), (usize::MAX, usize::MAX), (7, 0)] {
                for owned in [false, true] {
                    let mut connection = connection(role, Config::new());
                    connection.send("before").unwrap();
                    let message =
                        if owned { payload.clone().into() } else { Message::from(&payload[..]) };
                    let mut sending = connection.sending(message).unwrap();
                    let mut written = Vec::new();
                    while sending.has_remaining() && written.len() < limit {
                        let len = sending.chunk().len().min(step);
                        written.extend_from_slice(&sending.chunk()[..len]);
                        sending.advance(len);
                    }
                    drop(sending);
                    connection.send("behind").unwrap();
                    written.extend(take_output(&mut connection));
                    let expected = [
                        (0x81, b"before".to_vec()),
                        (0x82, payload.clone()),
                        (0x81, b"behind".to_vec()),
                    ];
                    assert!(parse_frames(&written) == expected, "{role:?} {len} {step} {limit}");
                }
            }
        }
    }
}

#[test]
fn what_is_not_written_of_owned_memory_is_not_copied() {
    let mut server = connection(Role::Server, Config::new());
    let payload = vec![7; 10_000];
    let start = payload.as_ptr();
    let mut sending = server.sending(payload).unwrap();
    sending.advance(4 + 1000);
    assert_eq!(sending.remaining(), 9000);
    drop(sending);
    assert_eq!(server.output().remaining(), 9000);
    assert_eq!(server.output().chunk().as_ptr(), start.wrapping_add(1000));
}

#[test]
fn all_that_can_be_written_at_once_is_the_queue_and_the_message() {
    let mut server = connection(Role::Server, Config::new());
    server.send(vec![1; 3000]).unwrap();
    let payload = [2; 4000];
    let sending = server.sending(&payload[..]).unwrap();
    let mut slices = [std::io::IoSlice::new(&[]); 8];
    let count = sending.chunks_vectored(&mut slices);
    let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
    assert_eq!(bytes.len(), sending.remaining());
    assert_eq!(parse_frames(&bytes), [(0x82, vec![1; 3000]), (0x82, vec![2; 4000])]);
    assert_eq!(slices[count - 1].as_ptr(), payload.as_ptr());
    // Where there is no room for all of them, the first ones.
    assert_eq!(sending.chunks_vectored(&mut slices[..1]), 1);
    assert_eq!(slices[0].len(), 4);
}

#[test]
fn a_message_that_can_not_be_sent_is_given_back_before_any_of_it_is_written() {
    let mut server = connection(Role::Server, Config::new().high_water_mark(10));
    server.send("0123456789").unwrap();
    let refused = server.sending(vec![7; 5000]).unwrap_err();
    assert_eq!(refused.reason, SendReason::Full);
    assert_eq!(refused.unsent, Message::from(vec![7; 5000]));
    take_output(&mut server);
    server.close(None).unwrap();
    assert_eq!(server.sending(vec![7; 5000]).unwrap_err().reason, SendReason::Closed);
    assert_eq!(take_output(&mut server), b"\x88\x00");
}

#[test]
#[should_panic(expected = "past the end of the message")]
fn a_message_can_not_be_written_beyond_its_end() {
    let mut server = connection(Role::Server, Config::new());
    server.sending(vec![7; 5000]).unwrap().advance(5005);
}

#[test]
fn counters_are_the_same_wherever_text_that_is_not_utf_8_is_cut() {
    let frame = peer_frame(Role::Server, 0x81, b"ab\xff");
    for cut in 0..frame.len() {
        let mut server = connection(Role::Server, Config::new().counters());
        receive(&mut server, &frame[..cut]);
        receive(&mut server, &frame[cut..]);
        let received = server.counters().unwrap().received;
        assert_eq!((received.payload_bytes, received.wire_bytes), (2, 9), "cut at {cut}");
    }
}

#[test]
fn a_pong_that_was_held_back_comes_behind_the_message_that_is_written() {
    let mut server = connection(Role::Server, Config::new());
    let ping = peer_frame(Role::Server, 0x89, &[1; 125]);
    receive(&mut server, &ping.repeat(40));
    let mut sending = server.sending(&[7; 5000][..]).unwrap();
    let mut written = Vec::new();
    while sending.has_remaining() {
        let len = sending.chunk().len();
        written.extend_from_slice(sending.chunk());
        sending.advance(len);
    }
    drop(sending);
    let queued = parse_frames(&written);
    assert_eq!(queued.last(), Some(&(0x82, vec![7; 5000])));
    assert_eq!(parse_frames(&take_output(&mut server)), [(0x8a, vec![1; 125])]);
}

#[test]
fn what_waits_around_a_message_that_is_forgotten_is_whole() {
    // Nothing is written; some of what waits before it, and all; the header, and some of the payload.
    for written in [0, 3, 8, 12, 1000] {
        for lends_again in [false, true] {
            let mut server = connection(Role::Server, Config::new());
            let mut buffers = Buffers::new();
            server.lend(&mut buffers);
            server.send("before").unwrap();
            let mut sending = server.sending(&[7; 5000][..]).unwrap();
            sending.advance(written);
            std::mem::forget(sending);
            server.give_back(&mut buffers);
            if lends_again {
                server.lend(&mut buffers);
            }
            server.send("next").unwrap();
            let before = &b"\x81\x06before"[written.min(8)..];
            assert_eq!(take_output(&mut server), [before, b"\x81\x04next"].concat());
        }
    }
}

#[test]
fn a_pong_that_waits_behind_a_message_that_is_forgotten_stays_with_its_connection() {
    let (mut one, mut other) =
        (connection(Role::Server, Config::new()), connection(Role::Server, Config::new()));
    let mut buffers = Buffers::new();
    one.lend(&mut buffers);
    receive(&mut one, &peer_frame(Role::Server, 0x89, b"of the one").repeat(400));
    let queued = one.output().remaining();
    let mut sending = one.sending(&[7; 5000][..]).unwrap();
    sending.advance(queued);
    std::mem::forget(sending);
    one.give_back(&mut buffers);
    other.lend(&mut buffers);
    other.send("of the other").unwrap();
    while other.output().remaining() > 14 {
        other.output().advance(1);
    }
    assert_eq!(take_output(&mut other), b"\x81\x0cof the other");
    assert_eq!(take_output(&mut one), b"\x8a\x0aof the one");
}
