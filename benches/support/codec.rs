//! `zlib-rs` driven directly: it makes the compressed traffic, checks what the implementations write, and is
//! the limit of the cases with compression. `benches/deflate.rs` and `benches/peers` use it.

use zlib_rs::{DeflateConfig, DeflateFlush, Inflate, InflateFlush, Method, Strategy};

/// Whether compressed messages refer to those before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    None,
    Kept,
}

/// The end of a flush, which a compressed message omits.
const FLUSH_END: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

pub(crate) struct Compressor {
    codec: zlib_rs::Deflate,
    context: Context,
    output: Vec<u8>,
}

impl Compressor {
    /// The default of zlib.
    pub(crate) const MEMORY_LEVEL: i32 = 8;

    /// Creates a compressor of level 6 and window 15 for messages of at most `size` bytes.
    pub(crate) fn new(context: Context, size: usize, memory_level: i32) -> Self {
        let codec = zlib_rs::Deflate::new_with_config(DeflateConfig {
            level: 6,
            method: Method::Deflated,
            // Negative: without a header of zlib.
            window_bits: -15,
            mem_level: memory_level,
            strategy: Strategy::Default,
        });
        Self { codec, context, output: vec![0; size + size / 8 + 64] }
    }

    /// Returns the memory level that this crate uses for messages of `size` bytes.
    pub(crate) fn tuned_memory_level(context: Context, size: usize) -> i32 {
        match (context, size) {
            (Context::None, 0..=1024) => 4,
            (Context::None, 1025..=4096) => 7,
            (Context::None | Context::Kept, _) => 8,
        }
    }

    pub(crate) fn compress(&mut self, message: &[u8]) -> &[u8] {
        if self.context == Context::None {
            self.codec.reset();
        }
        let (consumed, produced) = (self.codec.total_in(), self.codec.total_out());
        self.codec.compress(message, &mut self.output, DeflateFlush::SyncFlush).expect("valid");
        assert_eq!(self.codec.total_in() - consumed, message.len() as u64);
        let length = (self.codec.total_out() - produced) as usize;
        self.output[..length].strip_suffix(&FLUSH_END).expect("a flush")
    }
}

pub(crate) struct Inflater {
    codec: Inflate,
    context: Context,
    output: Vec<u8>,
}

impl Inflater {
    /// Creates an inflater for messages of at most `size` bytes.
    pub(crate) fn new(context: Context, size: usize) -> Self {
        Self { codec: Inflate::new(false, 15), context, output: vec![0; size + 1] }
    }

    pub(crate) fn inflate(&mut self, payload: &[u8]) -> &[u8] {
        if self.context == Context::None {
            self.codec.reset(false);
        }
        let before = self.codec.total_out();
        self.codec.decompress(payload, &mut self.output, InflateFlush::NoFlush).expect("valid");
        let length = (self.codec.total_out() - before) as usize;
        let rest = &mut self.output[length..];
        self.codec.decompress(&FLUSH_END, rest, InflateFlush::NoFlush).expect("valid");
        let length = (self.codec.total_out() - before) as usize;
        &self.output[..length]
    }
}
