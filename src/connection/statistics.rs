//! Statistics of a connection: messages, bytes and Pings in each direction.

use crate::Fragment;

/// The traffic in one direction of a connection. Counters start at 0 and never wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectionStatistics {
    /// The number of complete messages.
    pub messages: u64,
    /// The number of payload bytes of messages: before compression, if permessage-deflate was agreed.
    pub payload_bytes: u64,
    /// The number of bytes of frames, read from the input or written from the output. The opening handshake
    /// does not count, although a server's response is the beginning of the output.
    pub wire_bytes: u64,
    /// The number of Ping frames.
    pub pings: u64,
}

impl DirectionStatistics {
    pub(super) fn count_payload(&mut self, len: usize, fragment: Fragment) {
        self.payload_bytes += len as u64;
        self.messages += u64::from(fragment.ends());
    }
}

/// The traffic of a connection, as [`Connection::statistics`](crate::Connection::statistics)
/// returns it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// The traffic from this endpoint to the peer. Messages, payload bytes and Pings count when
    /// they are queued, wire bytes when they are written.
    pub sent: DirectionStatistics,
    /// The traffic from the peer to this endpoint.
    pub received: DirectionStatistics,
}

/// The counters of a connection. Its sent wire bytes are not counted: they follow from offsets in the output.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) statistics: Statistics,
    /// The offset in the output after the opening handshake.
    pub(super) handshake_end: u64,
}
