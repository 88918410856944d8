//! The chunking property with compressed messages: valid, corrupt and truncated ones cause the same events,
//! errors, transport instructions and output at every cut, equal to those of the naive receiver.

use proptest::prelude::*;
use websocket_proto::{DeflateParameters, Delivery, Role};

use crate::blocks::{Block, Symbol, block, compressed, message};
use crate::cuts::{Driver, compare, compare_every_prefix, offsets};
use crate::support::{ROLES, peer_close, peer_frame, sample_text};

/// A step of the peer.
#[derive(Clone, Debug)]
enum Step {
    Compressed { is_text: bool, blocks: Vec<Block>, fragments: Vec<f64>, ping_between: bool },
    Uncompressed { is_text: bool, len: usize },
    Ping,
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let compressed = any::<bool>().prop_flat_map(|is_text| {
        (
            prop::collection::vec(block(is_text), 0..5),
            prop::collection::vec(0.0..1.0_f64, 0..4),
            any::<bool>(),
        )
            .prop_map(move |(blocks, fragments, ping_between)| Step::Compressed {
                is_text,
                blocks,
                fragments,
                ping_between,
            })
    });
    prop_oneof![
        12 => compressed,
        2 => (any::<bool>(), 0_usize..300)
            .prop_map(|(is_text, len)| Step::Uncompressed { is_text, len }),
        1 => Just(Step::Ping),
        1 => Just(Step::Close),
    ]
}

fn stream(role: Role, steps: &[Step]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for step in steps {
        match step {
            Step::Compressed { is_text, blocks, fragments, ping_between } => {
                let payload = message(blocks);
                let mut ends = offsets(fragments, payload.len());
                ends.sort_unstable();
                ends.push(payload.len());
                let (mut start, count) = (0, ends.len());
                for (i, end) in ends.into_iter().enumerate() {
                    let first = match (i, is_text) {
                        (0, true) => 0x41,
                        (0, false) => 0x42,
                        _ => 0,
                    };
                    let fin = if i + 1 == count { 0x80 } else { 0 };
                    bytes.extend(peer_frame(role, fin | first, &payload[start..end]));
                    start = end;
                    if *ping_between {
                        bytes.extend(peer_frame(role, 0x89, b"between"));
                    }
                }
            }
            Step::Uncompressed { is_text, len } => {
                let first = if *is_text { 0x81 } else { 0x82 };
                bytes.extend(peer_frame(role, first, sample_text(*len).as_bytes()));
            }
            Step::Ping => bytes.extend(peer_frame(role, 0x89, b"?")),
            Step::Close => bytes.extend(peer_close(role, 1000, "")),
        }
    }
    bytes
}

fn agreed() -> impl Strategy<Value = DeflateParameters> {
    (any::<bool>(), 8_u8..16).prop_map(|(has_takeover, bits)| {
        let agreed = DeflateParameters::new()
            .with_server_max_window_bits(bits)
            .with_client_max_window_bits(bits);
        if has_takeover {
            agreed
        } else {
            agreed.with_server_no_context_takeover().with_client_no_context_takeover()
        }
    })
}

fn driver() -> impl Strategy<Value = Driver> {
    (
        prop::sample::select(vec![Role::Client, Role::Server]),
        prop::sample::select(vec![Delivery::Messages, Delivery::Chunks]),
        any::<[bool; 4]>(),
        (agreed(), prop::sample::select(vec![1000_u64, 200_000, 1 << 20])),
        prop::collection::vec(0_usize..20_000, 0..3),
    )
        .prop_map(|(role, delivery, bools, (agreed, max_message), drains)| {
            let [echo, statistics, manual_close, eof] = bools;
            Driver {
                delivery,
                echo,
                high_water_mark: usize::MAX,
                statistics,
                manual_close,
                drains,
                eof,
                max_message,
                deflate: Some(agreed),
                ..Driver::new(role)
            }
        })
}

proptest! {
    #[test]
    fn cutting_any_prefix_of_compressed_messages_changes_nothing(
        driver in driver(),
        steps in prop::collection::vec(step(), 1..6),
        keep in 0.0..1.5_f64,
        cuts in prop::collection::vec(0.0..1.0_f64, 0..20),
    ) {
        let mut bytes = stream(driver.role, &steps);
        bytes.truncate((bytes.len() as f64 * keep) as usize);
        compare(&driver, &bytes, &offsets(&cuts, bytes.len()));
    }

    #[test]
    fn compressed_messages_byte_by_byte_equal_the_whole_stream(
        driver in driver(),
        steps in prop::collection::vec(step(), 1..4),
    ) {
        let mut bytes = stream(driver.role, &steps);
        bytes.truncate(1500);
        let cuts: Vec<usize> = (0..bytes.len()).collect();
        compare(&driver, &bytes, &cuts);
    }

    #[test]
    fn corrupt_compressed_messages_fail_identically_at_any_cut(
        driver in driver(),
        steps in prop::collection::vec(step(), 1..4),
        changes in prop::collection::vec((0.0..1.0_f64, 1_u8..), 1..3),
        size in 1_usize..300,
    ) {
        let mut bytes = stream(driver.role, &steps);
        bytes.truncate(8_000);
        let len = bytes.len();
        for (at, change) in changes {
            if let Some(byte) = bytes.get_mut((at * len as f64) as usize) {
                *byte ^= change;
            }
        }
        let cuts: Vec<usize> = (0..len).step_by(size).collect();
        compare(&driver, &bytes, &cuts);
    }
}

/// Every prefix of short streams, with every single cut.
#[test]
fn every_cut_of_every_prefix_of_compressed_messages_equals_the_naive_receiver() {
    let text = compressed("aé漢🎉".repeat(4).as_bytes());
    let mut corrupt = text.clone();
    corrupt[text.len() / 2] ^= 0x10;
    let invalid_text = compressed(b"valid\xffinvalid");
    let finals = message(&[
        Block::Stored(b"ab".to_vec()),
        Block::Final,
        Block::Fixed(vec![Symbol::Reference { len: 5, distance: 2 }]),
        Block::Final,
    ]);
    for role in ROLES {
        for last in [&text, &corrupt, &invalid_text, &finals, &text[..text.len() - 1].to_vec()] {
            let (start, end) = last.split_at(last.len() / 2);
            let bytes = [
                peer_frame(role, 0xc1, &text),
                peer_frame(role, 0x41, start),
                peer_frame(role, 0x89, b"?"),
                peer_frame(role, 0x00, b""),
                peer_frame(role, 0x80, end),
                peer_frame(role, 0xc2, &[0]),
            ]
            .concat();
            for delivery in [Delivery::Messages, Delivery::Chunks] {
                let deflate = Some(DeflateParameters::new());
                let driver = Driver { delivery, deflate, ..Driver::new(role) };
                compare_every_prefix(&driver, &bytes);
            }
        }
    }
}

/// Output that fills the buffer of a step exactly, or nearly, ends with the last byte of the input.
#[test]
fn output_at_the_length_of_one_step_is_complete_at_any_cut() {
    for role in ROLES {
        for len in [262_143, 262_144, 262_145, 300_000, 300_001, 524_288] {
            let payload = compressed(&vec![b'a'; len]);
            let bytes = [
                peer_frame(role, 0x41, &payload),
                peer_frame(role, 0x89, b"?"),
                peer_frame(role, 0x80, b""),
                peer_frame(role, 0xc1, &payload),
            ]
            .concat();
            for delivery in [Delivery::Messages, Delivery::Chunks] {
                let deflate = Some(DeflateParameters::new());
                let max_message = if len < 300_002 { 300_000 } else { 1 << 20 };
                let driver = Driver { delivery, deflate, max_message, ..Driver::new(role) };
                let near_ends =
                    |at: &usize| at.is_multiple_of(64) || payload.len().abs_diff(*at) < 12;
                let cuts: Vec<usize> = (0..bytes.len()).filter(near_ends).collect();
                compare(&driver, &bytes, &cuts);
            }
        }
    }
}
