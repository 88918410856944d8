//! Chunked, fragmented and prepared messages; manual Pongs and Closes; statistics.
#![cfg(feature = "alloc")]

mod support;

use bytes::Bytes;
use support::*;
use websocket_proto::{
    Chunk, CloseCode, CloseFrame, Config, Connection, Delivery, Event, Fragment, Input, Message,
    Negotiated, PreparedMessage, Role, Transport,
};

fn chunk<'a>(payload: impl Into<Message<'a>>, fragment: Fragment) -> Chunk<'a> {
    Chunk::new(payload, fragment)
}

// Messages sent in chunks.

#[test]
fn chunks_are_fragments_with_control_frames_between_them() {
    for role in ROLES {
        let mut connection = connection(role, Config::new());
        connection.send_chunk(chunk("one ", Fragment::First)).unwrap();
        receive(&mut connection, &peer_frame(role, 0x89, b"ping"));
        connection.send_chunk(chunk("", Fragment::Middle)).unwrap();
        connection.ping(b"own").unwrap();
        connection.send_chunk(chunk("two", Fragment::Middle)).unwrap();
        connection.send_chunk(chunk("", Fragment::Last)).unwrap();
        connection.send("next").unwrap();
        connection.send_chunk(chunk("whole", Fragment::Whole)).unwrap();
        let expected: [(u8, &[u8]); 7] = [
            (0x01, b"one "),
            (0x8a, b"ping"),
            (0x89, b"own"),
            (0x00, b"two"),
            (0x80, b""),
            (0x81, b"next"),
            (0x81, b"whole"),
        ];
        let frames = parse_frames(&take_output(&mut connection));
        assert_eq!(frames, expected.map(|(first, payload)| (first, payload.to_vec())));
    }
}

#[test]
fn close_is_accepted_while_a_message_is_in_progress() {
    for role in ROLES {
        let mut connection = connection(role, Config::new());
        connection.send_chunk(chunk("begun", Fragment::First)).unwrap();
        connection.close(CloseCode::INTERNAL_ERROR).unwrap();
        assert!(!connection.may_send_chunk());
        let expected = [(0x01, b"begun".to_vec()), (0x88, vec![0x03, 0xf3])];
        assert_eq!(parse_frames(&take_output(&mut connection)), expected);
    }
}

#[test]
fn chunks_are_relayed_as_they_arrive() {
    let config = || Config::new().with_delivery(Delivery::Chunks);
    let payload = sample_text(10_000);
    for cut in [1, 2, 3, 7, 1000, 20_000] {
        let stream = [
            peer_frame(Role::Server, 0x01, &payload.as_bytes()[..5001]),
            peer_frame(Role::Server, 0x00, &payload.as_bytes()[5001..9000]),
            peer_frame(Role::Server, 0x80, &payload.as_bytes()[9000..]),
            peer_frame(Role::Server, 0x82, b"whole"),
        ]
        .concat();
        let mut from = connection(Role::Server, config());
        let mut to = connection(Role::Server, config());
        let mut relayed = Vec::new();
        for piece in stream.chunks(cut) {
            for event in receive(&mut from, piece) {
                let Event::Chunk(chunk) = event else { panic!("{event:?}") };
                to.send_chunk(chunk).unwrap();
            }
            relayed.extend(take_output(&mut to));
        }
        let mut receiver = connection(Role::Client, Config::new());
        assert_eq!(receive(&mut receiver, &relayed), [text(&payload), binary(b"whole")]);
    }
}

// Fragments.

/// Asserts that `frames` carry `payload` as a binary message in fragments of `size` bytes.
#[track_caller]
fn assert_fragments(frames: &[(u8, Vec<u8>)], payload: &[u8], size: usize) {
    let pieces: Vec<&[u8]> = payload.chunks(size).collect();
    assert_eq!(frames.len(), pieces.len());
    for (i, (first, piece)) in frames.iter().enumerate() {
        let opcode = if i == 0 { 2 } else { 0 };
        let fin = if i + 1 == pieces.len() { 0x80 } else { 0 };
        assert!((*first, &piece[..]) == (fin | opcode, pieces[i]), "fragment {i}");
    }
}

#[test]
fn long_messages_are_fragmented_at_the_configured_size() {
    let payload: Vec<u8> = (0..10_000).map(|i| i as u8).collect();
    for role in ROLES {
        for size in [0, 1, 999, 2048, 5000, 9_999, 10_000] {
            let config = Config::new().with_max_fragment(size);
            let mut connection = connection(role, config);
            let size = size.max(1);
            connection.send(&payload).unwrap();
            assert_fragments(&parse_frames(&take_output(&mut connection)), &payload, size);
            connection.send(payload.clone()).unwrap();
            assert_fragments(&parse_frames(&take_output(&mut connection)), &payload, size);
            connection.send(Bytes::from(payload.clone())).unwrap();
            assert_fragments(&parse_frames(&take_output(&mut connection)), &payload, size);
            // Chunks longer than the configured size are split.
            let (start, end) = payload.split_at(3000);
            for owned in [false, true] {
                let piece = |bytes: &[u8]| Message::from(bytes).into_owned();
                if owned {
                    connection.send_chunk(chunk(piece(start), Fragment::First)).unwrap();
                    connection.send_chunk(chunk(piece(end), Fragment::Last)).unwrap();
                } else {
                    connection.send_chunk(chunk(start, Fragment::First)).unwrap();
                    connection.send_chunk(chunk(end, Fragment::Last)).unwrap();
                }
                let frames = parse_frames(&take_output(&mut connection));
                assert!(frames.iter().all(|frame| frame.1.len() <= size));
                let firsts: Vec<u8> = frames.iter().map(|frame| frame.0).collect();
                assert_eq!(firsts[0], 0x02);
                assert_eq!(firsts[firsts.len() - 1], 0x80);
                assert!(firsts[1..firsts.len() - 1].iter().all(|first| *first == 0));
                let sent: Vec<u8> = frames.into_iter().flat_map(|frame| frame.1).collect();
                assert!(sent == payload);
            }
        }
    }
}

#[test]
fn empty_message_is_one_frame_at_any_fragment_size() {
    for role in ROLES {
        let mut connection = connection(role, Config::new().with_max_fragment(1));
        connection.send("").unwrap();
        connection.send(Vec::new()).unwrap();
        let frames = parse_frames(&take_output(&mut connection));
        assert_eq!(frames, [(0x81, Vec::new()), (0x82, Vec::new())]);
    }
}

#[test]
fn fragments_of_owned_payloads_are_not_copied() {
    let shared = Bytes::from(vec![1; 10_000]);
    let owned = vec![2; 10_000];
    for (address, message) in [
        (shared.as_ptr(), websocket_proto::Outgoing::from(shared.clone())),
        (owned.as_ptr(), owned.into()),
    ] {
        let mut server = connection(Role::Server, Config::new().with_max_fragment(4096));
        server.send(message).unwrap();
        let output = server.output();
        assert_eq!(output.chunk().len(), 4);
        output.advance(4);
        assert_eq!(output.chunk().as_ptr(), address);
        output.advance(4096 + 4);
        assert_eq!(output.chunk().as_ptr(), address.wrapping_add(4096));
    }
}

// Prepared messages.

#[test]
fn prepared_message_is_the_same_for_every_receiver() {
    for len in [0, 5, 125, 126, 2047, 2048, 70_000] {
        let payload = sample_text(len);
        for message in [Message::from(&*payload), Message::from(payload.as_bytes())] {
            let prepared = PreparedMessage::new(&message);
            assert_eq!(prepared.payload(), payload.as_bytes());
            assert_eq!(prepared.message_type(), message.message_type());
            for role in ROLES {
                let mut sender = connection(role, Config::new());
                sender.send(&prepared).unwrap();
                sender.send(&prepared).unwrap();
                let mut receiver = connection(peer_of(role), Config::new());
                let events = receive(&mut receiver, &take_output(&mut sender));
                let expected = Event::Message(message.clone().into_owned());
                assert_eq!(events, [expected.clone(), expected]);
            }
        }
    }
}

#[test]
fn prepared_message_is_never_fragmented() {
    for role in ROLES {
        for len in [0, 100, 2048, 70_000] {
            let mut connection = connection(role, Config::new().with_max_fragment(10));
            let payload = vec![7; len];
            connection.send(&PreparedMessage::new(&payload)).unwrap();
            assert!(parse_frames(&take_output(&mut connection)) == [(0x82, payload)]);
        }
    }
}

#[test]
fn prepared_message_is_masked_with_a_fresh_key_each_time() {
    let prepared = PreparedMessage::new("prepared");
    let mut client = connection(Role::Client, Config::new());
    client.send(&prepared).unwrap();
    let first = take_output(&mut client);
    client.send(&prepared).unwrap();
    assert_ne!(take_output(&mut client), first);
}

// Manual Pongs and Closes.

#[test]
fn with_manual_pong_the_application_answers_pings() {
    for role in ROLES {
        let mut connection = connection(role, Config::new().with_manual_pong());
        let events = receive(&mut connection, &peer_frame(role, 0x89, b"ping"));
        assert_eq!(events, [Event::Ping(b"ping".into())]);
        assert!(!connection.has_output());
        connection.pong(b"ping").unwrap();
        assert_eq!(parse_frames(&take_output(&mut connection)), [(0x8a, b"ping".to_vec())]);
    }
}

#[test]
fn with_manual_close_the_application_replies_to_the_close() {
    for role in ROLES {
        let mut connection = connection(role, Config::new().with_manual_close());
        connection.send_chunk(chunk("half", Fragment::First)).unwrap();
        let input = [peer_close(role, 1001, ""), peer_frame(role, 0x81, b"dropped")].concat();
        assert_eq!(receive(&mut connection, &input).len(), 1);
        assert_eq!(receive(&mut connection, b"dropped"), []);
        assert_eq!(connection.transport(), Transport::Open);
        // RFC 6455, section 5.5.1: the current message may be completed before the reply.
        connection.send_chunk(chunk(" done", Fragment::Last)).unwrap();
        connection.close(CloseFrame::new(CloseCode(4000), "reply").unwrap()).unwrap();
        let frames = parse_frames(&take_output(&mut connection));
        assert_eq!(frames.len(), 3);
        assert_eq!(frames[2], (0x88, b"\x0f\xa0reply".to_vec()));
        receive_last(&mut connection, &[]);
        assert_outcome(connection.outcome(), true, 1001);
        assert_eq!(connection.transport(), Transport::Close);
    }
}

#[test]
fn violation_is_answered_with_manual_close_too() {
    let config = Config::new().with_manual_close().with_manual_pong();
    let mut server = connection(Role::Server, config);
    receive(&mut server, &peer_frame(Role::Server, 0x83, b""));
    assert_eq!(parse_frames(&take_output(&mut server)), [(0x88, b"\x03\xea".to_vec())]);
    assert_eq!(server.transport(), Transport::Drain);
}

// Statistics and the control frame rate.

#[test]
fn statistics_count_both_directions() {
    static PLAIN: Config = Config::new();
    assert_eq!(Connection::server(&PLAIN, &Negotiated::default()).statistics(), None);
    for role in ROLES {
        let mut connection = connection(role, Config::new().with_statistics());
        let input = [
            peer_frame(role, 0x01, b"frag"),
            peer_frame(role, 0x80, b"ment"),
            peer_frame(role, 0x89, b"ping"),
            peer_frame(role, 0x82, b"whole"),
        ]
        .concat();
        receive(&mut connection, &input);
        connection.send("12345678").unwrap();
        connection.send_chunk(chunk("ab", Fragment::First)).unwrap();
        connection.send_chunk(chunk("cd", Fragment::Last)).unwrap();
        connection.ping(b"own").unwrap();
        connection.send(vec![7; 5000]).unwrap();
        connection.send(&PreparedMessage::new("prepared")).unwrap();
        let written = take_output(&mut connection).len();
        let statistics = connection.statistics().unwrap();
        assert_eq!(statistics.received.messages, 2);
        assert_eq!(statistics.received.payload_bytes, 13);
        assert_eq!(statistics.received.wire_bytes, input.len() as u64);
        assert_eq!(statistics.received.pings, 1);
        assert_eq!(statistics.sent.messages, 4);
        assert_eq!(statistics.sent.payload_bytes, 5020);
        assert_eq!(statistics.sent.wire_bytes, written as u64);
        assert_eq!(statistics.sent.pings, 1);
        // No timeout is configured, so no clock is needed.
        assert_eq!(connection.poll_timeout(), None);
    }
}

#[test]
fn statistics_do_not_depend_on_where_invalid_text_is_cut() {
    let frame = peer_frame(Role::Server, 0x81, b"ab\xff");
    for cut in 0..frame.len() {
        let mut server = connection(Role::Server, Config::new().with_statistics());
        receive(&mut server, &frame[..cut]);
        receive(&mut server, &frame[cut..]);
        let received = server.statistics().unwrap().received;
        assert_eq!((received.payload_bytes, received.wire_bytes), (2, 9), "cut at {cut}");
    }
}

#[cfg(target_pointer_width = "64")]
#[test]
fn statistics_do_not_wrap_at_4_gib() {
    const MESSAGE: usize = 64 << 20;
    const COUNT: usize = 65;
    let total = (MESSAGE * COUNT) as u64;
    assert!(total > u64::from(u32::MAX));

    // Written in one go, and the time is never reported.
    let config = Config::new().with_statistics().with_high_water_mark(usize::MAX);
    let mut server = connection(Role::Server, config);
    let prepared = PreparedMessage::new(vec![0; MESSAGE]);
    for _ in 0..COUNT {
        server.send(&prepared).unwrap();
    }
    let len = server.output().len();
    server.output().advance(len);
    let sent = server.statistics().unwrap().sent;
    assert_eq!((sent.messages, sent.payload_bytes), (COUNT as u64, total));
    assert_eq!(sent.wire_bytes, total + 10 * COUNT as u64);

    // A client receives unmasked frames, so the same bytes can be received repeatedly.
    let config = Config::new().with_statistics().with_delivery(Delivery::Chunks);
    let mut client = connection(Role::Client, config);
    let mut header = [&[0x82, 127][..], &total.to_be_bytes()].concat();
    assert!(client.receive(&mut Input::with_bytes(&mut header)).is_none());
    let mut payload = vec![0; MESSAGE];
    for _ in 0..COUNT {
        let mut input = Input::with_bytes(&mut payload);
        while client.receive(&mut input).is_some() {}
    }
    let received = client.statistics().unwrap().received;
    assert_eq!((received.messages, received.payload_bytes), (1, total));
    assert_eq!(received.wire_bytes, total + 10);
}
