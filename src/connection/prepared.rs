//! A message encoded once, for many connections.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::frame::FrameHeader;
use crate::{Message, MessageType};

/// A message encoded once, to be sent to any number of connections.
///
/// From 2 KiB on, the servers that send it share its memory; shorter ones are copied, since that
/// takes less. A client masks its copy with a key of its own. It is always sent as one frame.
///
/// ```
/// use bytes::Buf;
/// use websocket_proto::{Config, Connection, Negotiated, PreparedMessage};
///
/// static CONFIG: Config = Config::new();
/// let mut room: Vec<_> =
///     (0..3).map(|_| Connection::server(&CONFIG, &Negotiated::default())).collect();
/// let news = PreparedMessage::new("news");
/// for connection in &mut room {
///     connection.send_prepared(&news)?;
///     assert_eq!(connection.output().chunk(), b"\x81\x04news");
/// }
/// # Ok::<(), websocket_proto::SendReason>(())
/// ```
#[derive(Clone, Debug)]
pub struct PreparedMessage {
    message_type: MessageType,
    /// Header and payload, as a server sends them.
    frame: Bytes,
    payload_start: usize,
}

impl PreparedMessage {
    /// Encodes a message.
    #[must_use]
    pub fn new<'m>(message: impl Into<Message<'m>>) -> Self {
        let message = message.into();
        let payload = message.as_bytes();
        let header = FrameHeader::whole(message.message_type(), payload.len()).encode();
        let mut frame = Vec::with_capacity(header.len() + payload.len());
        frame.extend_from_slice(&header);
        frame.extend_from_slice(payload);
        Self {
            message_type: message.message_type(),
            payload_start: header.len(),
            frame: frame.into(),
        }
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.frame.get(self.payload_start..).unwrap_or_default()
    }

    /// Whether it is text or binary.
    #[must_use]
    pub const fn message_type(&self) -> MessageType {
        self.message_type
    }

    pub(super) const fn frame(&self) -> &Bytes {
        &self.frame
    }
}
