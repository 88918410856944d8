//! permessage-deflate (RFC 7692): messages compressed with DEFLATE.
//!
//! `negotiation.rs` agrees on the parameters in the opening handshake, and `parameters.rs` reads and
//! writes them. `inflater.rs` and `compressor.rs` inflate and compress payloads with the codecs of
//! `zlib-rs`, and `pool.rs` shares the codecs among the connections of a thread.
//! `connection/inflate.rs` and `connection/compress.rs` connect them to messages and frames.

mod compressor;
mod inflater;
mod negotiation;
mod parameters;
pub(crate) mod pool;

use compressor::FLUSH_END;
pub(crate) use compressor::{Compressor, EMPTY, Setting};
pub(crate) use inflater::{Inflater, Progress, Window};
pub(crate) use negotiation::Offer;
pub use parameters::DeflateParameters;
pub(crate) use parameters::ParameterText;

/// This invariant of the crate does not hold. The caller fails the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) &'static str);

impl Broken {
    pub(crate) const OUT_OF_BOUNDS: Self = Self("the codec stays within its input and its output");
}

/// The configuration of permessage-deflate (RFC 7692), for
/// [`Config::with_deflate`](crate::Config::with_deflate).
///
/// "Outgoing" is the direction of the messages that this endpoint sends, "incoming" the direction of
/// those that it receives. The page [`manual::deflate`](crate::manual::deflate) explains when
/// compression pays, what it costs, and what it can reveal about secrets.
///
/// | setting | default |
/// |---|---|
/// | windows | 15 bits (32 KiB) in each direction |
/// | context takeover | none in either direction |
/// | level | 6 |
/// | memory level | by the window, which follows the length of the message |
/// | shortest compressed message | 128 bytes |
///
/// ```
/// use websocket_proto::{Config, Deflate};
///
/// static CONFIG: Config = Config::new().with_deflate(Deflate::new().with_level(3));
/// assert_eq!(CONFIG.deflate().unwrap().min_len(), 128);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    /// 9 to 15.
    outgoing_window_bits: u8,
    /// 8 to 15.
    incoming_window_bits: u8,
    outgoing_context_takeover: bool,
    incoming_context_takeover: bool,
    /// 1 to 9.
    level: u8,
    /// 1 to 9, or `None` if it follows the window.
    memory_level: Option<u8>,
    /// At least 1.
    min_len: usize,
}

impl Deflate {
    /// Creates the default configuration.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            outgoing_window_bits: 15,
            incoming_window_bits: 15,
            outgoing_context_takeover: false,
            incoming_context_takeover: false,
            level: 6,
            memory_level: None,
            min_len: 128,
        }
    }

    /// Sets the maximum LZ77 window of outgoing messages, as the logarithm to base 2 of its bytes.
    ///
    /// Values below 9 count as 9, and values above 15 as 15. If the peer demands a window of 8 bits,
    /// which the codec cannot produce, messages are sent uncompressed.
    #[must_use]
    pub const fn with_outgoing_window_bits(mut self, bits: u8) -> Self {
        self.outgoing_window_bits = clamp(bits, 9, 15);
        self
    }

    /// Sets the maximum LZ77 window of incoming messages, as the logarithm to base 2 of its bytes.
    ///
    /// Values below 8 count as 8, and values above 15 as 15. Prefer 9 to 8: many peers cannot produce a window
    /// of 8 bits, and fail the handshake or send their messages uncompressed. The window bounds the memory that
    /// [context takeover](Self::with_incoming_context_takeover) keeps. A server whose client does not
    /// accept a window below 15 bits allows it no context takeover instead. A client asks for a
    /// window below 15 bits with `server_max_window_bits`; a server that does not support this parameter
    /// declines the offer, the only one, and nothing is compressed.
    #[must_use]
    pub const fn with_incoming_window_bits(mut self, bits: u8) -> Self {
        self.incoming_window_bits = clamp(bits, 8, 15);
        self
    }

    /// Keeps the compressor between outgoing messages, if the peer agrees: a message can then refer
    /// to those before it, which makes short messages much smaller (RFC 7692, section 7.1.1).
    ///
    /// A connection then owns a compressor from its first compressed message on: 372 KiB by default, 135 to
    /// 484 KiB with other [windows](Self::with_outgoing_window_bits) and
    /// [memory levels](Self::with_memory_level).
    ///
    /// A compressed [`PreparedMessage`](crate::PreparedMessage) refers to no other message, and the next
    /// message to none before it: with prepared messages alone, leave this off. A message that does not become
    /// smaller also ends the context; [`send_uncompressed`](crate::Connection::send_uncompressed) keeps it.
    #[must_use]
    pub const fn with_outgoing_context_takeover(mut self) -> Self {
        self.outgoing_context_takeover = true;
        self
    }

    /// Allows the peer to refer to its previous messages (RFC 7692, section 7.1.1).
    ///
    /// A connection then keeps the last bytes of the messages that it received, at most 32 KiB (the
    /// [window](Self::with_incoming_window_bits)).
    #[must_use]
    pub const fn with_incoming_context_takeover(mut self) -> Self {
        self.incoming_context_takeover = true;
        self
    }

    /// Sets the compression level, from 1 (fast) to 9 (slow). Other values are clamped. The manual has a
    /// [table](crate::manual::deflate#the-level) of times and sizes.
    #[must_use]
    pub const fn with_level(mut self, level: u8) -> Self {
        self.level = clamp(level, 1, 9);
        self
    }

    /// Sets the memory level of the compressor, from 1 to 9. Other values are clamped.
    ///
    /// The default follows the window: 4 up to 11 bits, 7 up to 13 bits, and 8 above. Without context, the
    /// window follows the message, whatever the memory level: it has at most 11 bits up to 1 KiB, 13 bits up
    /// to 4 KiB, and 15 bits above and for pieces.
    #[must_use]
    pub const fn with_memory_level(mut self, level: u8) -> Self {
        self.memory_level = Some(clamp(level, 1, 9));
        self
    }

    /// Sets the length in bytes from which messages are compressed. Shorter ones are sent
    /// uncompressed. 0 counts as 1: an empty message would grow.
    ///
    /// Without context, JSON of 64 bytes and more shrinks: by 16 % at the default of 128 bytes, and by 66 %
    /// at 1 KiB. With context, it shrinks to a third at 32 bytes, and to a quarter at 128 bytes: with
    /// [outgoing context takeover](Self::with_outgoing_context_takeover), lower this minimum.
    ///
    /// It does not apply to messages that are sent [piece by piece](crate::Connection::send_chunk), except a
    /// single piece that is the whole message.
    #[must_use]
    pub const fn with_min_len(mut self, bytes: usize) -> Self {
        self.min_len = if bytes == 0 { 1 } else { bytes };
        self
    }

    /// Returns the maximum window of outgoing messages in bits.
    #[must_use]
    pub const fn outgoing_window_bits(&self) -> u8 {
        self.outgoing_window_bits
    }

    /// Returns the maximum window of incoming messages in bits.
    #[must_use]
    pub const fn incoming_window_bits(&self) -> u8 {
        self.incoming_window_bits
    }

    /// Returns whether the compressor is kept between outgoing messages.
    #[must_use]
    pub const fn outgoing_context_takeover(&self) -> bool {
        self.outgoing_context_takeover
    }

    /// Returns whether the peer may refer to its previous messages.
    #[must_use]
    pub const fn incoming_context_takeover(&self) -> bool {
        self.incoming_context_takeover
    }

    /// Returns the compression level.
    #[must_use]
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// Returns the memory level, or `None` if it follows the window.
    #[must_use]
    pub const fn memory_level(&self) -> Option<u8> {
        self.memory_level
    }

    /// Returns the length in bytes from which messages are compressed.
    #[must_use]
    pub const fn min_len(&self) -> usize {
        self.min_len
    }
}

impl Default for Deflate {
    fn default() -> Self {
        Self::new()
    }
}

const fn clamp(value: u8, min: u8, max: u8) -> u8 {
    if value < min {
        min
    } else if value > max {
        max
    } else {
        value
    }
}
