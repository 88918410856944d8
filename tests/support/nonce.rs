//! The nonce of the example in RFC 6455, section 1.3.

use websocket_proto::EntropyError;

pub(crate) const NONCE: &[u8; 16] = b"the sample nonce";

/// An entropy source that fills `out` with the nonce, repeated.
pub(crate) fn sample_nonce(out: &mut [u8]) -> Result<(), EntropyError> {
    out.iter_mut().zip(NONCE.iter().cycle()).for_each(|(out, byte)| *out = *byte);
    Ok(())
}
