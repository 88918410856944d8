//! The examples of RFC 7692, section 7.2.3, and valid payloads that few compressors make.

use websocket_proto::{Config, DeflateParameters, Delivery, Event, Message, Role};

use crate::blocks::{Block, Symbol, message};
use crate::endpoints::endpoint;
use crate::naive::Inflater;
use crate::support::{ROLES, binary, peer_frame, receive, text};

/// The example of section 7.2.3.1.
pub(crate) const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

/// Asserts the events of these frames, and that the independent inflater agrees with each message.
#[track_caller]
fn assert_received(frames: &[(u8, &[u8])], expected: &[&str]) {
    for role in ROLES {
        let mut connection = endpoint(role, Config::new(), DeflateParameters::new());
        let bytes: Vec<u8> =
            frames.iter().flat_map(|(first, payload)| peer_frame(role, *first, payload)).collect();
        let events = receive(&mut connection, &bytes);
        assert_eq!(events, expected.iter().map(|one| text(one)).collect::<Vec<_>>());
    }
    let (mut inflater, mut payload, mut found) = (Inflater::strict(15, true), vec![], vec![]);
    for (first, part) in frames {
        payload.extend_from_slice(part);
        if first & 0x80 != 0 {
            found.push(String::from_utf8(inflater.message(&payload).unwrap()).unwrap());
            payload.clear();
        }
    }
    assert_eq!(found, expected);
}

#[test]
fn section_7_2_3_1_one_compressed_block() {
    assert_received(&[(0xc1, &HELLO)], &["Hello"]);
    assert_received(&[(0x41, &HELLO[..3]), (0x80, &HELLO[3..])], &["Hello"]);
}

#[test]
fn section_7_2_3_2_messages_share_the_window() {
    let second = [0xf2, 0x00, 0x11, 0x00, 0x00];
    assert_received(&[(0xc1, &HELLO), (0xc1, &second)], &["Hello", "Hello"]);
}

#[test]
fn section_7_2_3_3_block_without_compression() {
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    assert_received(&[(0xc1, &stored)], &["Hello"]);
}

#[test]
fn section_7_2_3_4_block_with_bfinal() {
    assert_received(&[(0xc1, &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00])], &["Hello"]);
}

#[test]
fn section_7_2_3_5_two_blocks_in_one_message() {
    let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    assert_received(&[(0xc1, &two)], &["Hello"]);
    for cut in 0..two.len() {
        assert_received(&[(0x41, &two[..cut]), (0x80, &two[cut..])], &["Hello"]);
    }
}

#[test]
fn section_7_2_3_6_empty_message() {
    assert_received(&[(0xc1, &[0x00]), (0xc1, &[0x02, 0x00])], &["", ""]);
}

#[test]
fn empty_final_block_may_be_the_one_whose_end_was_removed() {
    // An empty stored block with BFINAL set is `01 00 00 ff ff`.
    assert_received(&[(0xc1, &[0x01]), (0xc1, &HELLO)], &["", "Hello"]);
    let last = [&HELLO[..], &[0x00, 0x00, 0xff, 0xff, 0x01]].concat();
    assert_received(&[(0xc1, &last), (0xc1, &last)], &["Hello", "Hello"]);
}

#[test]
fn message_may_end_with_a_final_block() {
    assert_received(
        &[(0xc1, &[0x03, 0x00]), (0xc1, &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00])],
        &["", "Hello"],
    );
}

#[test]
fn later_blocks_and_messages_refer_to_what_is_before_a_final_block() {
    let reference = |distance| Block::Fixed(vec![Symbol::Reference { len: 5, distance }]);
    let first = message(&[
        Block::Stored(b"Hello".to_vec()),
        Block::Final,
        reference(5),
        Block::Final,
        Block::Final,
        Block::Fixed(vec![Symbol::Literals(b"!".to_vec())]),
        Block::Final,
    ]);
    let second = message(&[Block::Final, reference(11)]);
    assert_received(&[(0xc1, &first), (0xc1, &second)], &["HelloHello!", "Hello"]);
}

#[test]
fn whole_window_of_a_message_stays_after_a_final_block() {
    // 32 KiB in two streams, and a reference to the first byte.
    let first: Vec<u8> = (0..20_000_u32).map(|i| (i % 251) as u8).collect();
    let second = vec![7; 32_768 - 20_000];
    let blocks = [
        Block::Stored(first.clone()),
        Block::Final,
        Block::Stored(second.clone()),
        Block::Final,
        Block::Fixed(vec![Symbol::Reference { len: 10, distance: 32_768 }]),
    ];
    let expected = [&first[..], &second, &first[..10]].concat();
    for delivery in [Delivery::Messages, Delivery::Chunks] {
        let agreed = DeflateParameters::new().with_client_no_context_takeover();
        let config = Config::new().with_delivery(delivery);
        let mut server = endpoint(Role::Server, config, agreed);
        let events = receive(&mut server, &peer_frame(Role::Server, 0xc2, &message(&blocks)));
        let bytes: Vec<u8> = events
            .iter()
            .flat_map(|event| match event {
                Event::Message(message) => message.as_bytes().to_vec(),
                Event::Chunk(chunk) => chunk.payload.as_bytes().to_vec(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(bytes == expected);
    }
}

#[test]
fn uncompressed_messages_stay_outside_the_window() {
    for role in ROLES {
        let mut connection = endpoint(role, Config::new(), DeflateParameters::new());
        let second = [0xf2, 0x00, 0x11, 0x00, 0x00];
        let bytes = [
            peer_frame(role, 0xc1, &HELLO),
            peer_frame(role, 0x82, b"not compressed"),
            peer_frame(role, 0xc1, &second),
        ]
        .concat();
        let events = receive(&mut connection, &bytes);
        assert_eq!(events, [text("Hello"), binary(b"not compressed"), text("Hello")]);
    }
}

#[test]
fn messages_alternate_between_compressed_and_uncompressed() {
    for role in ROLES {
        let mut connection = endpoint(role, Config::new(), DeflateParameters::new());
        for _ in 0..3 {
            let events = receive(&mut connection, &peer_frame(role, 0xc2, &HELLO));
            assert_eq!(events, [binary(b"Hello")]);
            let events = receive(&mut connection, &peer_frame(role, 0x81, b"Hello"));
            assert_eq!(events, [Event::Message(Message::from("Hello"))]);
        }
    }
}
