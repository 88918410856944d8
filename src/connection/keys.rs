//! Masking keys, drawn from the source of entropy in blocks.

use alloc::boxed::Box;

use crate::{Config, EntropyError};

/// A client's fresh masking keys (RFC 6455, section 5.3), each used once, in the order in which they were
/// drawn. A server has none.
///
/// One call to the source draws the keys of 64 frames: a call for every frame would cost more than all
/// other work on a small message.
pub(super) struct Keys {
    block: Option<Box<Block>>,
}

struct Block {
    keys: [[u8; 4]; Keys::BLOCK],
    /// `keys[used..]` are fresh; `used <= keys.len()`.
    used: usize,
}

impl Keys {
    const BLOCK: usize = 64;

    /// The keys of a server.
    pub(super) const fn none() -> Self {
        Self { block: None }
    }

    /// The keys of a client. Fails if the source does.
    pub(super) fn draw(config: &Config) -> Result<Self, EntropyError> {
        let mut block = Box::new(Block { keys: [[0; 4]; Self::BLOCK], used: 0 });
        config.fill(block.keys.as_flattened_mut())?;
        Ok(Self { block: Some(block) })
    }

    /// The next key. Fails if a new block is needed and the source fails, and for a server.
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
        config.fill(self.keys.as_flattened_mut())?;
        self.used = 0;
        Ok(())
    }
}
