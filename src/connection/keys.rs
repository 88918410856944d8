//! Masking keys, which are drawn from the entropy source in blocks.

use alloc::boxed::Box;

use crate::{Config, EntropyError};

/// The unused masking keys of a client (RFC 6455, section 5.3). Each is used for one frame, in the
/// order in which they were drawn. A server has none.
///
/// One call to the entropy source draws the keys of 64 frames, the first call those of 16: a system call
/// for each frame would cost more than all other work on a small message.
pub(super) struct Keys {
    block: Option<Box<Block>>,
}

struct Block {
    keys: [[u8; 4]; Keys::BLOCK],
    /// `keys[used..]` are unused; `used <= keys.len()`.
    used: usize,
}

impl Keys {
    const BLOCK: usize = 64;
    /// The keys drawn with the connection, which show that the source works. Many clients send no more
    /// frames, and drawing costs as much as other parts of the opening handshake (`benches/peers`).
    const FIRST: usize = 16;

    /// Creates the empty value of a server.
    pub(super) const fn none() -> Self {
        Self { block: None }
    }

    /// Draws the first keys of a client. Fails if the entropy source fails.
    pub(super) fn draw(config: &Config) -> Result<Self, EntropyError> {
        let used = Self::BLOCK - Self::FIRST;
        let mut block = Box::new(Block { keys: [[0; 4]; Self::BLOCK], used });
        let (_, first) = block.keys.split_at_mut(used);
        config.fill_random(first.as_flattened_mut())?;
        Ok(Self { block: Some(block) })
    }

    /// Returns the next key. Fails for a server, and if a new block is needed and the entropy
    /// source fails.
    pub(super) fn next(&mut self, config: &Config) -> Result<[u8; 4], EntropyError> {
        let block = self.block.as_mut().ok_or(EntropyError)?;
        if block.used >= Self::BLOCK {
            block.refill(config)?;
        }
        let key = block.keys.get(block.used).copied().ok_or(EntropyError)?;
        block.used += 1;
        Ok(key)
    }
}

impl Block {
    #[cold]
    fn refill(&mut self, config: &Config) -> Result<(), EntropyError> {
        config.fill_random(self.keys.as_flattened_mut())?;
        self.used = 0;
        Ok(())
    }
}
