//! Generated inputs, identical on every run, and the workloads that the benchmarks time and whose
//! instructions `instructions` counts.

// Each benchmark uses a part of this module.
#![allow(dead_code)]

pub(crate) mod connection;
pub(crate) mod handshake;

use websocket_proto::frame::{FrameHeader, Opcode, mask};
use websocket_proto::{EntropyError, Role};

/// A nearly free entropy source: drawing entropy is not measured.
pub(crate) static ENTROPY: fn(&mut [u8]) -> Result<(), EntropyError> = |out| {
    out.fill(7);
    Ok(())
};

/// A xorshift generator.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    pub(crate) fn ascii(&mut self, len: usize) -> String {
        (0..len).map(|_| char::from(b' ' + (self.next() % 95) as u8)).collect()
    }

    /// Characters of three bytes, padded to `len` bytes with full stops.
    pub(crate) fn cjk(&mut self, len: usize) -> String {
        let mut text = String::new();
        while text.len() + 3 <= len {
            text.extend(char::from_u32(0x4e00 + (self.next() % 0x5000) as u32));
        }
        while text.len() < len {
            text.push('.');
        }
        text
    }

    /// Objects as a chat or a market sends them, cut to `len` bytes.
    pub(crate) fn json(&mut self, len: usize) -> String {
        const NAMES: [&str; 8] =
            ["mira", "jonas", "wei", "amina", "lukas", "sofia", "kenji", "olu"];
        let mut text = String::new();
        while text.len() < len {
            let mut below = |bound: u64| self.next() % bound;
            text += &format!(
                "{{\"id\":{},\"user\":\"{}\",\"time\":{},\"value\":{}.{:02},\"room\":\"r{}\"}},",
                below(1_000_000),
                NAMES[below(8) as usize],
                1_760_000_000_000 + below(1_000_000_000),
                below(1000),
                below(100),
                below(40),
            );
        }
        text.truncate(len);
        text
    }
}

/// Appends a frame, masked if `receiver` is a server.
pub(crate) fn frame(wire: &mut Vec<u8>, receiver: Role, opcode: Opcode, fin: bool, payload: &[u8]) {
    let key = [0x37, 0xfa, 0x21, wire.len() as u8];
    let mut header = FrameHeader::new(opcode, payload.len() as u64).expect("a legal frame");
    if !fin {
        header = header.without_fin().expect("a data frame");
    }
    if receiver == Role::Server {
        header = header.with_masking_key(key);
    }
    wire.extend_from_slice(&header.encode());
    let start = wire.len();
    wire.extend_from_slice(payload);
    if receiver == Role::Server {
        mask(&mut wire[start..], key, 0);
    }
}

/// Formats a size.
pub(crate) fn named(size: usize) -> String {
    match size {
        0..1024 => format!("{size} B"),
        1024..1_048_576 => format!("{} KiB", size >> 10),
        _ => format!("{} MiB", size >> 20),
    }
}
