//! The limits for received messages: inclusive, for each message, and for chunks only if they are set.
#![cfg(feature = "alloc")]

mod support;

use support::*;
use websocket_proto::{Config, ConnectionError, Delivery, Event, Limit, Limits, Role};

#[test]
fn limits_are_inclusive_and_apply_to_each_message() {
    for role in ROLES {
        let limits =
            Limits::DEFAULT.with_max_message(10).with_max_frame(6).with_max_empty_fragments(2);
        let mut connection = connection(role, Config::new().with_limits(limits));
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
        for (frames, limit, reason) in [
            (&[(0x82, &b"1234567"[..])][..], Limit::Frame, "frame exceeds 6 bytes"),
            (&[(0x02, b"123456"), (0x80, b"78901")], Limit::Message, "message exceeds 10 bytes"),
            (&[(0x02, b""), (0x00, b"x"), (0x00, b""), (0x00, b"")], Limit::EmptyFragments, ""),
        ] {
            let mut connection = support::connection(role, Config::new().with_limits(limits));
            receive(&mut connection, &whole);
            let bytes: Vec<u8> = frames
                .iter()
                .flat_map(|(first, payload)| peer_frame(role, *first, payload))
                .collect();
            assert_eq!(receive(&mut connection, &bytes), [Event::Failed(limit.into())]);
            // The peer learns the limit that it exceeded.
            let code = ConnectionError::from(limit).close_code().0.to_be_bytes();
            let close = (0x88, [&code, reason.as_bytes()].concat());
            assert_eq!(parse_frames(&take_output(&mut connection)), [close]);
        }
    }
}

#[test]
fn extreme_limits_are_inclusive() {
    for (max, len, accepted) in
        [(0, 0, true), (0, 1, false), (1, 1, true), (1, 2, false), (u64::MAX, 2, true)]
    {
        for limits in [Limits::DEFAULT.with_max_message(max), Limits::DEFAULT.with_max_frame(max)] {
            let mut server = connection(Role::Server, Config::new().with_limits(limits));
            let events = receive(&mut server, &peer_frame(Role::Server, 0x82, &vec![1; len]));
            assert_eq!(matches!(events[..], [Event::Message(_)]), accepted, "{limits:?} {len}");
        }
    }
}

#[test]
fn message_larger_than_the_address_space_exceeds_any_limit() {
    let unlimited = Limits::DEFAULT.with_max_message(u64::MAX);
    for role in ROLES {
        let config = Config::new().with_limits(unlimited);
        let start = peer_frame(role, 0x02, b"x");
        // A header up to and including its length field.
        let mut header = peer_frame(role, 0x80, &[0; 1 << 16])[..10].to_vec();
        header[2..].copy_from_slice(&(isize::MAX as u64 / 2).to_be_bytes());
        let input = [start, header].concat();
        let mut messages = connection(role, config.clone());
        assert_eq!(receive(&mut messages, &input), [Event::Failed(Limit::Message.into())]);
        let mut chunks = connection(role, config.with_delivery(Delivery::Chunks));
        assert!(matches!(receive(&mut chunks, &input)[..], [Event::Chunk(_)]));
    }
}

#[test]
fn default_message_limit_does_not_apply_to_chunks() {
    for role in ROLES {
        let config = Config::new();
        // A header that announces one byte more than the default limit of a whole message.
        let mut header = peer_frame(role, 0x82, &[0; 1 << 16])[..10].to_vec();
        header[2..].copy_from_slice(&((64_u64 << 20) + 1).to_be_bytes());
        let mut messages = connection(role, config.clone());
        assert_eq!(receive(&mut messages, &header), [Event::Failed(Limit::Message.into())]);
        let mut chunks = connection(role, config.with_delivery(Delivery::Chunks));
        assert_eq!(receive(&mut chunks, &header), []);
    }
}

#[test]
fn chunks_have_no_message_limit_unless_configured() {
    for (limits, limited) in
        [(Limits::DEFAULT, false), (Limits::DEFAULT.with_max_message(100_000), true)]
    {
        let config = Config::new().with_delivery(Delivery::Chunks).with_limits(limits);
        let mut client = connection(Role::Client, config);
        let (mut total, mut ends) = (0, 0);
        for i in 0..100_u32 {
            let first = if i == 0 { 0x02 } else { 0x00 };
            let fin = if i == 99 { 0x80 } else { 0 };
            for event in receive(&mut client, &frame(first | fin, &vec![i as u8; 1 << 20], None)) {
                match event {
                    Event::Chunk(chunk) => {
                        assert_eq!(chunk.fragment.begins(), total == 0);
                        total += chunk.payload.len();
                        ends += u32::from(chunk.fragment.ends());
                    }
                    event => assert_eq!(event, Event::Failed(Limit::Message.into())),
                }
            }
        }
        let expected = if limited { (0, 0) } else { (100 << 20, 1) };
        assert_eq!((total, ends), expected);
        assert_eq!(client.error().is_some(), limited);
    }
}

#[test]
fn uncompressed_chunk_is_no_longer_than_one_read_or_one_character() {
    let text = "a€😀ß".repeat(100);
    for role in ROLES {
        let (first, last) = text.as_bytes().split_at(500);
        let frames = [peer_frame(role, 0x01, first), peer_frame(role, 0x80, last)].concat();
        for read_len in [1, 2, 3, 4, 5, 7, 100, 300, frames.len()] {
            let mut connection = connection(role, Config::new().with_delivery(Delivery::Chunks));
            let mut received = String::new();
            for read in frames.chunks(read_len) {
                for event in receive(&mut connection, read) {
                    let Event::Chunk(chunk) = event else { panic!("{event:?}") };
                    let piece = chunk.payload.as_text().unwrap();
                    let is_character = piece.chars().count() == 1;
                    assert!(piece.len() <= read_len || is_character, "{piece} of {read_len} bytes");
                    assert!(piece.len() <= last.len(), "a chunk is of one frame");
                    received.push_str(piece);
                }
            }
            assert_eq!(received, text);
        }
    }
}
