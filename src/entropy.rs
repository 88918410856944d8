//! The source of random bytes.

#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
use alloc::sync::Arc;
use core::fmt;

/// A source of random bytes for a client's masking keys (RFC 6455, section 5.3) and its nonce
/// (section 4.1). A server needs none.
///
/// The bytes must be cryptographically strong: a predictable masking key lets a hostile page choose
/// the bytes on the wire (section 10.3). A connection draws the keys of 16 frames when it is created,
/// and later those of 64 frames in one call.
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

/// The source of entropy of a [`Config`](crate::Config).
#[cfg(feature = "alloc")]
#[derive(Clone)]
pub(crate) enum EntropySource {
    OperatingSystem,
    Static(&'static dyn Entropy),
    #[cfg(target_has_atomic = "ptr")]
    Shared(Arc<dyn Entropy>),
}

#[cfg(feature = "alloc")]
impl EntropySource {
    pub(crate) fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        match self {
            #[cfg(feature = "getrandom")]
            Self::OperatingSystem => getrandom::fill(out).map_err(|_| EntropyError),
            #[cfg(not(feature = "getrandom"))]
            Self::OperatingSystem => Err(EntropyError),
            Self::Static(entropy) => entropy.fill(out),
            #[cfg(target_has_atomic = "ptr")]
            Self::Shared(entropy) => entropy.fill(out),
        }
    }
}

#[cfg(feature = "alloc")]
impl fmt::Debug for EntropySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OperatingSystem => "OperatingSystem",
            Self::Static(_) => "Static",
            #[cfg(target_has_atomic = "ptr")]
            Self::Shared(_) => "Shared",
        })
    }
}
