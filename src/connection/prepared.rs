//! Messages that are encoded once for many connections.

use bytes::{BufMut, Bytes, BytesMut};

use crate::frame::FrameHeader;
use crate::{Message, MessageType};

/// A message that is encoded once and sent to any number of connections.
///
/// Servers share its memory from 2 KiB on; shorter messages are copied, which is cheaper than counting
/// references. A client masks a copy with its own key. It is always sent as one frame.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedMessage {
    message_type: MessageType,
    payload: Bytes,
    /// The header and `payload`, as a server sends them; `payload` shares its memory.
    frame: Bytes,
}

impl PreparedMessage {
    /// Encodes a message.
    #[must_use]
    pub fn new<'m>(message: impl Into<Message<'m>>) -> Self {
        let message = message.into();
        let message_type = message.message_type();
        let payload = message.as_bytes();
        let header = FrameHeader::new(message_type.opcode(), payload.len() as u64);
        debug_assert!(header.is_some(), "no buffer exceeds 63 bits of length");
        let mut frame = BytesMut::with_capacity(FrameHeader::MAX_LEN + payload.len());
        if let Some(header) = header {
            frame.put_slice(&header.encode());
        }
        let header_len = frame.len();
        frame.put_slice(payload);
        let frame = frame.freeze();
        Self { message_type, payload: frame.slice(header_len..), frame }
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The type of the message.
    #[must_use]
    pub const fn message_type(&self) -> MessageType {
        self.message_type
    }

    pub(super) const fn frame(&self) -> &Bytes {
        &self.frame
    }
}
