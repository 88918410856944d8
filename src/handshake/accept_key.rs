//! `Sec-WebSocket-Key` (RFC 6455, section 4.1, item 7) and `Sec-WebSocket-Accept` (section 4.2.2, item
//! 5.4).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1_smol::Sha1;

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Returns the `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key`: the SHA-1 hash of the key
/// as sent and a fixed GUID, in base64 (RFC 6455, section 4.2.2, item 5.4).
///
/// ```
/// use websocket_proto::handshake::accept_key;
///
/// assert_eq!(&accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
#[must_use]
pub fn accept_key(key: &[u8]) -> [u8; 28] {
    let mut sha1 = Sha1::new();
    sha1.update(key);
    sha1.update(GUID);
    encode(&sha1.digest().bytes())
}

/// Returns the `Sec-WebSocket-Key` for a nonce (RFC 6455, section 4.1, item 7).
pub(super) fn key_from_nonce(nonce: &[u8; 16]) -> [u8; 24] {
    encode(nonce)
}

/// Encodes `bytes` in base64. `N` must be the length of the result.
fn encode<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    let written = STANDARD.encode_slice(bytes, &mut out);
    debug_assert_eq!(written, Ok(N), "16 bytes encode to 24 characters, 20 bytes to 28");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_the_nonce_of_section_4_1_as_erratum_3150_corrects_it() {
        let nonce: [u8; 16] = core::array::from_fn(|i| i as u8 + 1);
        assert_eq!(&key_from_nonce(&nonce), b"AQIDBAUGBwgJCgsMDQ4PEA==");
        assert_eq!(&key_from_nonce(b"the sample nonce"), b"dGhlIHNhbXBsZSBub25jZQ==");
    }
}
