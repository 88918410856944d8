//! `Sec-WebSocket-Accept` (RFC 6455, section 4.2.2, item 5.4).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1_smol::Sha1;

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The value of `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key`: the SHA-1 of the key
/// as sent and a fixed GUID, in base64 (RFC 6455, section 4.2.2).
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

/// A nonce as `Sec-WebSocket-Key` (RFC 6455, section 4.1, item 7).
///
/// A client draws the 16 bytes afresh for each connection.
#[must_use]
pub fn key_from_nonce(nonce: &[u8; 16]) -> [u8; 24] {
    encode(nonce)
}

/// `bytes` in base64; `N` is the length that comes out.
fn encode<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    // The one error is a buffer too small: 16 bytes make 24 letters, 20 make 28.
    let _ = STANDARD.encode_slice(bytes, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nonce_of_section_4_1_is_encoded_as_erratum_3150_corrects_it() {
        let nonce: [u8; 16] = core::array::from_fn(|i| i as u8 + 1);
        assert_eq!(&key_from_nonce(&nonce), b"AQIDBAUGBwgJCgsMDQ4PEA==");
    }
}
