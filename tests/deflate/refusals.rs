//! Compressed messages that fail the connection, and what is delivered before.

use websocket_proto::{
    CloseCode, Config, Connection, ConnectionError, DeflateParameters, Delivery, Event, Fragment,
    Limit, Limits, Role, Violation,
};

use crate::blocks::{Block, Symbol, compressed, message};
use crate::endpoints::{endpoint, json, no_takeover, noise};
use crate::naive::Inflater;
use crate::rfc_examples::HELLO;
use crate::support::{ROLES, connection, parse_frames, peer_frame, receive, take_output};

/// Asserts that the connection fails with `error` and sends its close code, and returns the events before.
#[track_caller]
fn assert_fails(
    mut connection: Connection,
    bytes: &[u8],
    error: impl Into<ConnectionError>,
    code: u16,
) -> Vec<Event<'static>> {
    let error = error.into();
    let mut events = receive(&mut connection, bytes);
    assert_eq!(events.pop(), Some(Event::Failed(error)));
    assert_eq!(error.close_code(), CloseCode(code));
    let sent = parse_frames(&take_output(&mut connection));
    let reason = match (error, connection.config().limits().max_message()) {
        (ConnectionError::Limit(Limit::Message), Some(max)) => {
            format!("message exceeds {max} bytes")
        }
        (ConnectionError::Limit(Limit::CompressedPayload), Some(max)) => {
            format!("compressed message exceeds {} bytes", 16 * max + (64 << 10))
        }
        (ConnectionError::Protocol(Violation::InvalidCompression), _) => {
            "invalid compressed data".into()
        }
        _ => String::new(),
    };
    assert_eq!(sent, [(0x88, [&code.to_be_bytes(), reason.as_bytes()].concat())]);
    events
}

/// Asserts that this payload of a message is not a DEFLATE stream.
#[track_caller]
fn assert_corrupt(payload: &[u8]) {
    assert!(Inflater::receiver(0).message(payload).is_err());
    for role in ROLES {
        let bytes = peer_frame(role, 0xc2, payload);
        let server = endpoint(role, Config::new(), no_takeover());
        let events = assert_fails(server, &bytes, Violation::InvalidCompression, 1007);
        assert_eq!(events, []);
    }
}

#[test]
fn empty_payload_with_rsv1_is_refused() {
    assert_corrupt(b"");
    for role in ROLES {
        let bytes = [peer_frame(role, 0x41, b""), peer_frame(role, 0x80, b"")].concat();
        let end = endpoint(role, Config::new(), no_takeover());
        assert_fails(end, &bytes, Violation::InvalidCompression, 1007);
    }
}

#[test]
fn each_proper_prefix_of_a_compressed_message_is_refused() {
    let stored = compressed(&noise(300));
    let text = json(700);
    for payload in [&HELLO, &stored[..], &compressed(text.as_bytes()), &compressed(&[b'a'; 5000])] {
        for len in 0..payload.len() {
            // The first byte of a stored block is an empty message.
            if payload[..len] != [0x00] {
                assert_corrupt(&payload[..len]);
            }
        }
    }
}

#[test]
fn prefix_of_a_message_in_several_blocks_is_refused_unless_it_is_a_message() {
    let blocks = [
        Block::Stored(b"stored".to_vec()),
        Block::Compressed(json(100).into_bytes()),
        Block::Final,
        Block::Stored(noise(40)),
        Block::Final,
        Block::Fixed(vec![Symbol::Reference { len: 20, distance: 30 }]),
    ];
    let payload = message(&blocks);
    let mut accepted = 0;
    for len in 0..payload.len() {
        match Inflater::receiver(0).message(&payload[..len]) {
            Err(_) => assert_corrupt(&payload[..len]),
            Ok(expected) => {
                accepted += 1;
                let mut server = endpoint(Role::Server, Config::new(), no_takeover());
                let frame = peer_frame(Role::Server, 0xc2, &payload[..len]);
                let events = receive(&mut server, &frame);
                assert_eq!(events, [Event::Message(expected.into())], "{len} bytes");
            }
        }
    }
    assert!(accepted >= 4, "the prefixes at the ends of blocks are messages: {accepted}");
}

/// The header of a dynamic block continues in the bytes that the sender removed, and the block ends without
/// output in the last of them, before its last bit.
#[test]
fn block_that_ends_within_the_last_removed_byte_is_refused() {
    let mut bits = Vec::new();
    let mut number = |value: usize, count| {
        bits.extend((0..count).map(|i| value >> i & 1));
    };
    // RFC 1951, section 3.2.7: not final, dynamic, 279 literals and lengths, 4 distances, 18 code lengths.
    for (value, count) in [(0, 1), (2, 2), (279 - 257, 5), (4 - 1, 5), (18 - 4, 4)] {
        number(value, count);
    }
    // Codes for the lengths: 0 is `0`, 1 is `10`, 2 is `11`.
    for symbol in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1] {
        number([1, 2, 2].get(symbol).copied().unwrap_or(0), 3);
    }
    // A literal and the end of the block, which is `1`, have one bit. Of the other 22 symbols, 6 are here.
    for symbol in 0..279 - 16 {
        let has_one_bit = symbol == 97 || symbol == 256;
        bits.extend_from_slice(if has_one_bit { &[1, 0] } else { &[0] });
    }
    assert!(bits.len().is_multiple_of(8));
    // `00 00` is 16 lengths of 0, `ff` is 4 lengths of 2, and the first bit of `ff` ends the block.
    let byte = |bits: &[usize]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | *bit as u8);
    let payload: Vec<u8> = bits.chunks(8).map(byte).collect();
    assert_corrupt(&payload);
}

#[test]
fn data_after_the_end_of_a_message_is_refused() {
    // The end of the flush that a sender removes.
    assert_corrupt(&[&HELLO[..], &[0x00, 0x00, 0xff, 0xff]].concat());
    // A new block that does not end.
    assert_corrupt(&[&HELLO[..], &[0x00, 0x00, 0xff, 0xff, 0xf2, 0x48]].concat());
    // An incomplete or invalid block after one with BFINAL set.
    assert_corrupt(&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0xf2, 0x48]);
    assert_corrupt(&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0xff]);
}

#[test]
fn invalid_blocks_are_refused() {
    // A reserved block type, and a stored block whose lengths do not match.
    assert_corrupt(&[0x06]);
    assert_corrupt(&[0x00, 0x05, 0x00, 0xfa, 0xfe, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]);
    // A dynamic block without a code for the code lengths.
    assert_corrupt(&[0x04, 0x00, 0x00, 0x00, 0x00, 0x00]);
    // A reference beyond the start.
    assert_corrupt(&message(&[Block::Fixed(vec![Symbol::Reference { len: 3, distance: 1 }])]));
}

#[test]
fn reference_to_the_previous_message_is_refused_without_context_takeover() {
    let second = [0xf2, 0x00, 0x11, 0x00, 0x00];
    for role in ROLES {
        let bytes = [peer_frame(role, 0xc1, &HELLO), peer_frame(role, 0xc1, &second)].concat();
        let end = endpoint(role, Config::new(), no_takeover());
        let events = assert_fails(end, &bytes, Violation::InvalidCompression, 1007);
        assert_eq!(events.len(), 1);
    }
}

#[test]
fn reference_beyond_the_agreed_window_of_previous_messages_is_refused() {
    for bits in 8..=15 {
        let window = 1_usize << bits;
        let agreed = DeflateParameters::new().with_client_max_window_bits(bits);
        let first = peer_frame(Role::Server, 0xc2, &message(&[Block::Stored(noise(40_000))]));
        let refer = |distance| {
            let blocks = [Block::Fixed(vec![Symbol::Reference { len: 3, distance }])];
            [first.clone(), peer_frame(Role::Server, 0xc2, &message(&blocks))].concat()
        };
        let mut server = endpoint(Role::Server, Config::new(), agreed);
        assert_eq!(receive(&mut server, &refer(window)).len(), 2);
        assert_eq!(server.error(), None);
        if bits < 15 {
            let server = endpoint(Role::Server, Config::new(), agreed);
            assert_fails(server, &refer(window + 1), Violation::InvalidCompression, 1007);
        }
    }
}

#[test]
fn reserved_bits_are_refused_wherever_permessage_deflate_does_not_use_them() {
    for role in ROLES {
        // RSV2 and RSV3 on a first frame, RSV1 on a continuation and on control frames.
        for first in [0xa1, 0x91, 0xe1, 0xd1, 0xc8, 0xc9, 0xca, 0x49] {
            let end = endpoint(role, Config::new(), no_takeover());
            let bytes = peer_frame(role, first, &HELLO);
            assert_fails(end, &bytes, Violation::ReservedBits, 1002);
        }
        for begun in [0x42, 0x02] {
            let end = endpoint(role, Config::new(), no_takeover());
            let bytes = [peer_frame(role, begun, &HELLO), peer_frame(role, 0xc0, &HELLO)].concat();
            assert_fails(end, &bytes, Violation::ReservedBits, 1002);
        }
        for first in [0xc1, 0xc2, 0x41] {
            let end = connection(role, Config::new());
            let bytes = peer_frame(role, first, &HELLO);
            assert_fails(end, &bytes, Violation::ReservedBits, 1002);
        }
    }
}

#[test]
fn invalid_text_fails_at_its_first_impossible_byte() {
    let config = |delivery| Config::new().with_delivery(delivery);
    for role in ROLES {
        let payload = compressed("valid é\u{0}".as_bytes());
        let mut stored = message(&[Block::Stored(b"valid \xc3\xa9\xe6\xbc\xff and more".to_vec())]);
        stored.truncate(stored.len() - 1);
        for delivery in [Delivery::Messages, Delivery::Chunks] {
            // The message is not complete.
            let bytes =
                [peer_frame(role, 0xc1, &payload), peer_frame(role, 0x41, &stored)].concat();
            let end = endpoint(role, config(delivery), no_takeover());
            let events = assert_fails(end, &bytes, Violation::InvalidUtf8, 1007);
            assert_eq!(events.len(), if delivery == Delivery::Chunks { 2 } else { 1 });
            if let Some(Event::Chunk(chunk)) = events.last() {
                assert_eq!(chunk.payload.as_bytes(), "valid é".as_bytes());
                assert_eq!(chunk.fragment, Fragment::First);
            }
            // The byte that makes the character impossible is the last one that arrived.
            let fault = stored.len() - " and more".len();
            let end = endpoint(role, config(delivery), no_takeover());
            let bytes = peer_frame(role, 0x41, &stored[..fault]);
            assert_fails(end, &bytes, Violation::InvalidUtf8, 1007);
            let mut end = endpoint(role, config(delivery), no_takeover());
            receive(&mut end, &peer_frame(role, 0x41, &stored[..fault - 1]));
            assert_eq!(end.error(), None);
        }
        // A text message that ends within a character.
        let payload = compressed(b"\xe6\xbc");
        let end = endpoint(role, Config::new(), no_takeover());
        assert_fails(end, &peer_frame(role, 0xc1, &payload), Violation::InvalidUtf8, 1007);
    }
}

#[test]
fn chunks_before_a_corrupt_block_are_delivered() {
    let mut payload = message(&[Block::Stored("漢漢".as_bytes().to_vec())]);
    *payload.last_mut().unwrap() = 0x06;
    for role in ROLES {
        let config = Config::new().with_delivery(Delivery::Chunks);
        let end = endpoint(role, config, no_takeover());
        let bytes = peer_frame(role, 0xc1, &payload);
        let events = assert_fails(end, &bytes, Violation::InvalidCompression, 1007);
        assert_eq!(events, [Event::Chunk(websocket_proto::Chunk::new("漢漢", Fragment::First))]);
    }
}

#[test]
fn message_limit_counts_inflated_bytes_and_is_inclusive() {
    let payload = compressed(&vec![b'a'; 100_000]);
    for role in ROLES {
        for (limit, fits) in [(100_000, true), (99_999, false), (1000, false), (0, false)] {
            let limits = Limits::DEFAULT.with_max_message(limit).with_max_frame(1000);
            let mut end = endpoint(role, Config::new().with_limits(limits), no_takeover());
            let bytes = peer_frame(role, 0xc1, &payload);
            if fits {
                assert_eq!(receive(&mut end, &bytes).len(), 1);
                assert_eq!(end.error(), None);
            } else {
                assert_fails(end, &bytes, Limit::Message, 1009);
            }
        }
    }
}

#[test]
fn compressed_payload_without_output_is_limited_to_a_multiple_of_the_message_limit() {
    const LIMIT: usize = 1000;
    const MAX: usize = 16 * LIMIT + (64 << 10);
    // Blocks that inflate to nothing.
    let payload = |len: usize| [0x00, 0x00, 0x00, 0xff, 0xff].repeat(len / 5 + 1)[..len].to_vec();
    let fragments = |len: usize, piece: usize| {
        let mut bytes = Vec::new();
        for (i, piece) in payload(len).chunks(piece).enumerate() {
            bytes.extend(peer_frame(Role::Server, if i == 0 { 0x42 } else { 0x00 }, piece));
        }
        bytes
    };
    for delivery in [Delivery::Messages, Delivery::Chunks] {
        let limits = Limits::DEFAULT.with_max_message(LIMIT as u64);
        let config = Config::new().with_delivery(delivery).with_limits(limits);
        let server = || endpoint(Role::Server, config.clone(), no_takeover());
        for bytes in [fragments(MAX, MAX), fragments(MAX, 999)] {
            let mut server = server();
            assert_eq!(receive(&mut server, &bytes), []);
            // An empty block ends within the limit, in an empty frame.
            let [.., last] = &receive(&mut server, &peer_frame(Role::Server, 0x80, b""))[..] else {
                panic!("the message ends");
            };
            assert!(!matches!(last, Event::Failed(_)), "{last:?}");
        }
        for bytes in [fragments(MAX + 1, MAX + 1), fragments(MAX + 1, 999), fragments(1 << 20, 7)] {
            for cut in [1, 4096, usize::MAX] {
                let mut server = server();
                let mut read = bytes.chunks(cut).flat_map(|bytes| receive(&mut server, bytes));
                assert_eq!(
                    read.next(),
                    Some(Event::Failed(Limit::CompressedPayload.into())),
                    "{cut}"
                );
                assert_eq!(read.next(), None);
            }
        }
    }
    // Without a limit, chunks take any payload.
    let config = Config::new().with_delivery(Delivery::Chunks);
    let mut server = endpoint(Role::Server, config, no_takeover());
    assert_eq!(receive(&mut server, &fragments(1 << 20, 999)), []);
}

/// The last byte of a piece stays unread while the output buffer is full: it must count once.
#[test]
fn full_output_buffer_at_the_limit_on_compressed_payload_changes_nothing() {
    const OUTPUT: usize = 256 << 10;
    for text in [json(OUTPUT), json(2 * OUTPUT)] {
        let message = compressed(text.as_bytes());
        let max = |limit: usize| 16 * limit + (64 << 10);
        // Empty blocks of 5 bytes fill the payload up to the limit.
        let fits = |limit: &usize| (max(*limit) - message.len()).is_multiple_of(5);
        let limit = (text.len()..).find(fits).expect("one of five");
        let empty = [0x00, 0x00, 0x00, 0xff, 0xff].repeat((max(limit) - message.len()) / 5);
        let payload = [empty, message].concat();
        assert_eq!(payload.len(), max(limit));
        let limits = Limits::DEFAULT.with_max_message(limit as u64);
        let mut server = endpoint(Role::Server, Config::new().with_limits(limits), no_takeover());
        let events = receive(&mut server, &peer_frame(Role::Server, 0xc1, &payload));
        assert!(events == [Event::Message(text.into())], "{limit}: {:?}", server.error());
    }
}
