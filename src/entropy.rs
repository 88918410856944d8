//! Where unpredictable bytes come from: the caller.

use core::fmt;

/// A source of unpredictable bytes, for masking keys (RFC 6455, section 5.3) and the client's
/// nonce (section 4.1).
///
/// It must be cryptographically strong: a predictable masking key lets a hostile page put chosen
/// bytes on the wire (section 10.3). Any closure of the right shape is one:
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
    /// Fills `out` with fresh bytes, all or nothing.
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

/// The source of entropy has none to give, or there is no source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntropyError;

impl fmt::Display for EntropyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the source of entropy failed")
    }
}

impl core::error::Error for EntropyError {}

/// The operating system's generator.
#[cfg(feature = "getrandom")]
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

#[cfg(feature = "getrandom")]
impl Entropy for OsEntropy {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        getrandom::fill(out).map_err(|_| EntropyError)
    }
}
