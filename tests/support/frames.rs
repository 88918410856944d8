//! Encodes and decodes frames independently of the crate. Needs no feature of the crate.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing)]

use websocket_proto::Role;

pub const ROLES: [Role; 2] = [Role::Client, Role::Server];

/// The other role.
pub fn peer_of(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

/// Encodes a frame with this first byte and a minimal length, masked if there is a key.
pub fn frame(first: u8, payload: &[u8], key: Option<[u8; 4]>) -> Vec<u8> {
    let mask_bit = if key.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    if payload.len() < 126 {
        bytes.push(mask_bit + payload.len() as u8);
    } else if payload.len() < 65536 {
        bytes.push(mask_bit + 126);
        bytes.extend([(payload.len() >> 8) as u8, payload.len() as u8]);
    } else {
        bytes.push(mask_bit + 127);
        bytes.extend((payload.len() as u64).to_be_bytes());
    }
    if let Some(key) = key {
        bytes.extend(key);
        bytes.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]));
    } else {
        bytes.extend(payload);
    }
    bytes
}

/// Encodes a frame as the peer of `role` sends it.
pub fn peer_frame(role: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let key = match role {
        Role::Server => Some([0x37, 0xfa, payload.len() as u8, first]),
        Role::Client => None,
    };
    frame(first, payload, key)
}

/// Encodes a Close frame as the peer of `role` sends it.
pub fn peer_close(role: Role, code: u16, reason: &str) -> Vec<u8> {
    peer_frame(role, 0x88, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}

/// Decodes the output of an endpoint into pairs of first byte and unmasked payload.
#[track_caller]
pub fn parse_frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        let (len, rest) = match second & 0x7f {
            126 => (usize::from(u16::from_be_bytes(rest[..2].try_into().unwrap())), &rest[2..]),
            127 => (u64::from_be_bytes(rest[..8].try_into().unwrap()) as usize, &rest[8..]),
            len => (usize::from(len), rest),
        };
        let (key, rest) = if second & 0x80 == 0 { (&[0; 4][..], rest) } else { rest.split_at(4) };
        let payload = rest[..len].iter().zip(key.iter().cycle()).map(|(a, b)| a ^ b).collect();
        frames.push((*first, payload));
        bytes = &rest[len..];
    }
    assert!(bytes.is_empty(), "the output ends inside a frame: {bytes:x?}");
    frames
}

/// Text of exactly `len` bytes with characters of every encoded length, so that cuts split characters.
pub fn sample_text(len: usize) -> String {
    let mut text = String::with_capacity(len);
    for char in "aé漢🎉".chars().cycle() {
        if text.len() + char.len_utf8() > len {
            break;
        }
        text.push(char);
    }
    while text.len() < len {
        text.push('.');
    }
    text
}

/// The pieces of `bytes` between `cuts`, which may be unordered and repeated.
pub fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = cuts.iter().map(|at| (*at).min(bytes.len())).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let mut start = 0;
    ends.iter().map(|end| &bytes[std::mem::replace(&mut start, *end)..*end]).collect()
}
