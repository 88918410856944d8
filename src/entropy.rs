//! The source of random bytes.

use core::fmt;

/// A source of random bytes for a client's masking keys (RFC 6455, section 5.3) and its nonce
/// (section 4.1). A server needs none.
///
/// The bytes must be cryptographically strong: a predictable masking key lets a hostile page choose
/// the bytes on the wire (section 10.3). A connection draws the keys of 64 frames in one call.
///
/// A closure of this signature implements the trait:
///
/// ```
/// use websocket_proto::{Entropy, EntropyError};
///
/// let os = |out: &mut [u8]| getrandom::fill(out).map_err(|_| EntropyError);
/// let mut nonce = [0; 16];
/// os.fill(&mut nonce)?;
/// # Ok::<(), EntropyError>(())
/// ```
pub trait Entropy: Send + Sync {
    /// Fills all of `out` with fresh random bytes.
    ///
    /// # Errors
    ///
    /// [`EntropyError`] if the source fails. The crate then discards the contents of `out`.
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError>;
}

impl<F> Entropy for F
where
    F: Fn(&mut [u8]) -> Result<(), EntropyError> + Send + Sync,
{
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        self(out)
    }
}

/// The error of a source of entropy that failed or is not configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntropyError;

impl fmt::Display for EntropyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the source of entropy failed, or none is configured (Config::with_entropy)")
    }
}

impl core::error::Error for EntropyError {}
