//! Connections with permessage-deflate, and the content of their messages.

use websocket_proto::{Config, Connection, DeflateParameters, Negotiated, Role};

use crate::support::negotiated_connection;

/// A connection in this role, after a handshake with this agreement.
pub(crate) fn endpoint(role: Role, config: Config, agreed: DeflateParameters) -> Connection {
    negotiated_connection(role, config, &Negotiated::default().with_deflate_parameters(agreed))
}

/// The agreement that each message is compressed without context.
pub(crate) fn no_takeover() -> DeflateParameters {
    DeflateParameters::new().with_server_no_context_takeover().with_client_no_context_takeover()
}

/// Text that compresses to less than half.
pub(crate) fn json(len: usize) -> String {
    (0..)
        .map(|i| format!("{{\"id\":{i},\"name\":\"user{}\"}},", i * 7 % 13))
        .flat_map(|s| s.into_bytes())
        .take(len)
        .map(char::from)
        .collect()
}

/// Bytes that no compressor makes smaller.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64 ^ len as u64;
    let bytes = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    });
    bytes.take(len).collect()
}
