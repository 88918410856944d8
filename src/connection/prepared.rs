//! Messages that are encoded once and sent to many connections.

use bytes::{BufMut, Bytes, BytesMut};

use crate::frame::FrameHeader;
use crate::{Message, MessageType};

/// A message that is encoded once and sent to any number of connections.
///
/// Server connections share the encoded frame if it has at least 2 KiB. A shorter frame is
/// copied, which is cheaper than reference counting (benchmark `connection`). A client copies the
/// payload and masks it with its own key. The message is always sent in one frame.
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
    /// The encoded frame of a server: the header and the payload. `payload` is a slice of it.
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

    /// Returns the payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Returns the type of the message.
    #[must_use]
    pub const fn message_type(&self) -> MessageType {
        self.message_type
    }

    pub(super) const fn frame(&self) -> &Bytes {
        &self.frame
    }
}
