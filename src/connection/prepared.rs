//! Messages that are encoded once and sent to many connections.

#[cfg(feature = "deflate")]
use alloc::{borrow::Cow, boxed::Box, sync::Arc};
#[cfg(feature = "deflate")]
use std::sync::OnceLock;

use bytes::{BufMut, Bytes, BytesMut};

#[cfg(feature = "deflate")]
use crate::extension::deflate::{Broken, Setting, pool};
use crate::frame::{FrameHeader, ReservedBits};
use crate::{Message, MessageType};

/// A message that is encoded once and sent to any number of connections.
///
/// Server connections share the encoded frame if it has at least 2 KiB. A shorter frame is
/// copied, which is cheaper than reference counting (benchmark `connection`). A client copies the
/// payload and masks it with its own key. The message is always sent in one frame. If
/// permessage-deflate was agreed, it is compressed without context, once for each setting of the
/// connections: window, level, and memory level. Clones share the payload and the encoded frames.
///
/// ```
/// use websocket_proto::{Config, Connection, Negotiated, PreparedMessage};
///
/// static CONFIG: Config = Config::new();
/// let mut room: Vec<_> =
///     (0..3).map(|_| Connection::server(&CONFIG, &Negotiated::default())).collect();
/// let news = PreparedMessage::new("news");
/// for connection in &mut room {
///     connection.send(&news)?;
///     assert_eq!(connection.output().chunk(), b"\x81\x04news");
/// }
/// # Ok::<(), websocket_proto::SendError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PreparedMessage {
    message_type: MessageType,
    encoded: Encoded,
    #[cfg(feature = "deflate")]
    compressed: Arc<OnceLock<Box<Compressed>>>,
}

/// An encoding of a message.
#[derive(Clone, Debug)]
pub(super) struct Encoded {
    /// The frame of a server: the header and the payload.
    frame: Bytes,
    /// The payload in `frame`.
    payload: Bytes,
}

/// A compressed encoding, and the list of those with other settings.
#[cfg(feature = "deflate")]
#[derive(Debug)]
struct Compressed {
    setting: Setting,
    /// `None` if it is not smaller.
    encoded: Result<Option<Encoded>, Broken>,
    next: OnceLock<Box<Self>>,
}

impl Encoded {
    fn new(message_type: MessageType, reserved_bits: ReservedBits, payload: &[u8]) -> Self {
        let header = FrameHeader::new(message_type.opcode(), payload.len() as u64);
        debug_assert!(header.is_some(), "no buffer exceeds 63 bits of length");
        let mut frame = BytesMut::with_capacity(FrameHeader::MAX_LEN + payload.len());
        if let Some(header) = header {
            frame.put_slice(&header.with_reserved_bits(reserved_bits).encode());
        }
        let header_len = frame.len();
        frame.put_slice(payload);
        let frame = frame.freeze();
        Self { payload: frame.slice(header_len..), frame }
    }

    pub(super) const fn frame(&self) -> &Bytes {
        &self.frame
    }

    pub(super) fn payload(&self) -> &[u8] {
        &self.payload
    }
}

impl PreparedMessage {
    /// Encodes a message.
    #[must_use]
    pub fn new<'m>(message: impl Into<Message<'m>>) -> Self {
        let message = message.into();
        let message_type = message.message_type();
        Self {
            message_type,
            encoded: Encoded::new(message_type, ReservedBits::NONE, message.as_bytes()),
            #[cfg(feature = "deflate")]
            compressed: Arc::default(),
        }
    }

    /// Returns the payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.encoded.payload()
    }

    /// Returns the type of the message.
    #[must_use]
    pub const fn message_type(&self) -> MessageType {
        self.message_type
    }

    pub(super) const fn encoded(&self) -> &Encoded {
        &self.encoded
    }

    /// Returns the compressed encoding with this setting, or `None` if it is not smaller. The first call
    /// for a setting compresses the message, without context.
    #[cfg(feature = "deflate")]
    pub(super) fn compressed(&self, setting: Setting) -> Result<Option<&Encoded>, Broken> {
        let mut next = &*self.compressed;
        loop {
            let compressed = next.get_or_init(|| Box::new(self.compress(setting)));
            if compressed.setting == setting {
                return compressed.encoded.as_ref().map(Option::as_ref).map_err(|broken| *broken);
            }
            next = &compressed.next;
        }
    }

    #[cfg(feature = "deflate")]
    fn compress(&self, setting: Setting) -> Compressed {
        let (mut compressor, mut scratch) = (pool::take_compressor(setting), pool::take_scratch());
        let max = self.payload().len() - 1;
        let compressed = compressor.compress(self.payload(), true, &mut scratch, max);
        let encode =
            |payload: Cow<'_, [u8]>| Encoded::new(self.message_type, ReservedBits::RSV1, &payload);
        let encoded = compressed.map(|compressed| compressed.map(encode));
        pool::give_scratch(scratch);
        if encoded.is_ok() {
            pool::give_compressor(compressor);
        }
        Compressed { setting, encoded, next: OnceLock::new() }
    }
}

impl PartialEq for PreparedMessage {
    fn eq(&self, other: &Self) -> bool {
        self.encoded.frame == other.encoded.frame
    }
}

impl Eq for PreparedMessage {}
