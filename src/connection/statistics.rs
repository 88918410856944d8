//! Statistics of a connection: messages, bytes and Pings of each direction.

use crate::Fragment;

/// Traffic of one direction of a connection. Counters start at 0 and never wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectionStatistics {
    /// Complete messages.
    pub messages: u64,
    /// Payload bytes of data frames.
    pub payload_bytes: u64,
    /// Bytes read from the input or written from the output: frames, and the part of the opening
    /// handshake that the connection's output began with.
    pub wire_bytes: u64,
    /// Ping frames.
    pub pings: u64,
}

impl DirectionStatistics {
    pub(super) fn count_payload(&mut self, len: usize, fragment: Fragment) {
        self.payload_bytes += len as u64;
        self.messages += u64::from(fragment.ends());
    }
}

/// Traffic of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// From this endpoint to the peer. Messages, payload and Pings count when they are queued, wire
    /// bytes when they are written.
    pub sent: DirectionStatistics,
    /// From the peer to this endpoint.
    pub received: DirectionStatistics,
}
