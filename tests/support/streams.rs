//! Generates streams of a peer: mostly valid frames, at and around the length-encoding boundaries. Needs no
//! feature of the crate.
#![allow(dead_code, unreachable_pub)]

use proptest::prelude::*;
use websocket_proto::Role;

use super::frames::{peer_close, peer_frame, sample_text};

/// The next frames of the peer.
#[derive(Debug, Clone)]
pub enum Step {
    Message {
        text: bool,
        fragments: Vec<usize>,
        ping_between: bool,
    },
    /// A first fragment without a last one; another message may follow.
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

pub fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        14 => step_without_pings(),
        4 => (1_usize..70, prop::sample::select(vec![0_usize, 1, 4, 60, 125]))
            .prop_map(|(count, len)| Step::Pings { count, len }),
    ]
}

pub fn step_without_pings() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (any::<bool>(), prop::collection::vec(length(), 1..5), any::<bool>()).prop_map(
            |(text, fragments, ping_between)| Step::Message { text, fragments, ping_between }
        ),
        1 => (any::<bool>(), length()).prop_map(|(text, len)| Step::Unfinished { text, len }),
        1 => (0_usize..126).prop_map(Step::Pong),
        1 => (prop::sample::select(vec![0_u16, 1, 999, 1000, 1005, 3000]), 0_usize..123)
            .prop_map(|(code, reason)| Step::Close { code, reason }),
        1 => prop::collection::vec(any::<u8>(), 1..20).prop_map(Step::Garbage),
    ]
}

/// Encodes the peer's frames. Text is fragmented anywhere, also inside characters.
pub fn stream(role: Role, steps: &[Step]) -> Vec<u8> {
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
