//! Compressed payloads of a peer, written block by block (RFC 1951), or by another implementation.

use flate2::{Compress, Compression, FlushCompress};
use proptest::prelude::*;

use crate::support::sample_text;

/// A block of a DEFLATE stream.
#[derive(Clone, Debug)]
pub(crate) enum Block {
    /// Bytes that are not compressed.
    Stored(Vec<u8>),
    /// Literals and references in the fixed code.
    Fixed(Vec<Symbol>),
    /// A block with the fixed code, BFINAL set, and no content.
    Final,
    /// Blocks of another compressor, flushed.
    Compressed(Vec<u8>),
}

#[derive(Clone, Debug)]
pub(crate) enum Symbol {
    Literals(Vec<u8>),
    Reference { len: usize, distance: usize },
}

/// Encodes a message as RFC 7692, section 7.2.1, demands.
pub(crate) fn message(blocks: &[Block]) -> Vec<u8> {
    let mut writer = Writer::default();
    for block in blocks {
        match block {
            Block::Stored(bytes) => {
                writer.bits(0, 3);
                writer.align();
                writer.bits(bytes.len(), 16);
                writer.bits(!bytes.len(), 16);
                writer.bytes.extend(bytes);
            }
            Block::Fixed(symbols) => {
                writer.bits(0b010, 3);
                symbols.iter().for_each(|symbol| writer.symbol(symbol));
                writer.code(0, 7);
            }
            Block::Final => {
                writer.bits(0b011, 3);
                writer.code(0, 7);
                writer.align();
            }
            Block::Compressed(bytes) => {
                // The other compressor starts at a byte, after an empty stored block.
                if writer.used > 0 {
                    writer.bits(0, 3);
                    writer.align();
                    writer.bits(0xffff_0000, 32);
                }
                writer.bytes.extend(flushed(bytes));
            }
        }
    }
    // The header of the empty stored block whose other bytes are removed.
    writer.bits(0, 3);
    writer.align();
    writer.bytes
}

/// Compresses with another implementation, and flushes.
pub(crate) fn flushed(bytes: &[u8]) -> Vec<u8> {
    let mut compressed = Vec::with_capacity(bytes.len() * 2 + 1000);
    let mut codec = Compress::new(Compression::default(), false);
    codec.compress_vec(bytes, &mut compressed, FlushCompress::Sync).unwrap();
    assert_eq!(codec.total_in(), bytes.len() as u64);
    assert!(compressed.ends_with(&[0, 0, 0xff, 0xff]));
    compressed
}

/// Compresses a message with another implementation.
pub(crate) fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut compressed = flushed(bytes);
    compressed.truncate(compressed.len() - 4);
    compressed
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    /// The number of bits that are used in the last byte; 0 if all are.
    used: usize,
}

impl Writer {
    fn bits(&mut self, value: usize, count: usize) {
        for i in 0..count {
            if self.used == 0 {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= ((value >> i & 1) as u8) << self.used;
            self.used = (self.used + 1) % 8;
        }
    }

    /// Huffman codes begin with their most significant bit.
    fn code(&mut self, code: usize, count: usize) {
        (0..count).rev().for_each(|i| self.bits(code >> i, 1));
    }

    fn align(&mut self) {
        self.used = 0;
    }

    /// RFC 1951, section 3.2.6.
    fn symbol(&mut self, symbol: &Symbol) {
        match symbol {
            Symbol::Literals(bytes) => {
                for byte in bytes {
                    match byte {
                        0..144 => self.code(0x30 + usize::from(*byte), 8),
                        _ => self.code(0x190 + usize::from(*byte) - 144, 9),
                    }
                }
            }
            Symbol::Reference { len, distance } => {
                self.length(*len);
                let value = distance - 1;
                let extra = value.max(2).ilog2() as usize - 1;
                let code = if value < 4 { value } else { 2 * extra + (value >> extra) };
                self.code(code, 5);
                self.bits(value, if value < 4 { 0 } else { extra });
            }
        }
    }

    fn length(&mut self, len: usize) {
        let (symbol, extra) = match len {
            258 => (285, 0),
            3..11 => (len + 254, 0),
            _ => {
                let extra = (len - 3).ilog2() as usize - 2;
                (4 * extra + 257 + ((len - 3) >> extra), extra)
            }
        };
        match symbol {
            ..280 => self.code(symbol - 256, 7),
            _ => self.code(0xc0 + symbol - 280, 8),
        }
        self.bits(len - 3, extra);
    }
}

/// Blocks of a text message, or of any message.
pub(crate) fn block(is_text: bool) -> impl Strategy<Value = Block> {
    let bytes = move |len: std::ops::Range<usize>| {
        (len, any::<u8>()).prop_map(move |(len, seed)| payload(is_text, len, seed))
    };
    let symbol = prop_oneof![
        3 => bytes(1..20).prop_map(Symbol::Literals),
        2 => (3_usize..259, 1_usize..400)
            .prop_map(|(len, distance)| Symbol::Reference { len, distance }),
        1 => (3_usize..259, 1_usize..32_769)
            .prop_map(|(len, distance)| Symbol::Reference { len, distance }),
    ];
    prop_oneof![
        2 => bytes(0..300).prop_map(Block::Stored),
        3 => prop::collection::vec(symbol, 0..10).prop_map(Block::Fixed),
        1 => Just(Block::Final),
        3 => bytes(0..3000).prop_map(Block::Compressed),
        1 => bytes(0..120_000).prop_map(Block::Compressed),
    ]
}

/// Bytes that compress well, or text of characters of every length.
pub(crate) fn payload(is_text: bool, len: usize, seed: u8) -> Vec<u8> {
    if is_text {
        return sample_text(len).into_bytes();
    }
    let mut state = u32::from(seed) + 1;
    let mut next = || {
        state = state.wrapping_mul(0x9e37_79b9).rotate_left(5) ^ 0x55;
        (state >> 24) as u8
    };
    let period = 1 + usize::from(seed) * 3;
    let first: Vec<u8> = (0..period.min(len)).map(|_| next()).collect();
    first.iter().copied().cycle().take(len).collect()
}
