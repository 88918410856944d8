//! Masking keys, drawn ahead.

use alloc::boxed::Box;

use crate::{Config, EntropyError};

/// A client's fresh masking keys (RFC 6455, section 5.3), used in the order in which they were
/// drawn, each once. A server has none.
///
/// Drawing them in blocks saves a call to the source for every frame; drawing them ahead means
/// that a Pong or a Close never has to wait for one.
#[derive(Default)]
pub(super) struct Keys {
    block: Option<Box<Block>>,
}

struct Block {
    keys: [[u8; 4]; Keys::BLOCK],
    /// `keys[used..]` are fresh.
    used: usize,
}

impl Keys {
    const BLOCK: usize = 64;

    /// Fresh keys that a call of the connection begins with at least, while there may be anything to
    /// send. None uses as many: a Pong and a Close are the most.
    const RESERVE: usize = 4;

    /// Whether a call of the connection would not run out of them.
    #[inline]
    pub(super) fn are_enough(&self) -> bool {
        self.block.as_ref().is_some_and(|block| block.used <= Self::BLOCK - Self::RESERVE)
    }

    /// Draws a block.
    #[cold]
    pub(super) fn draw(&mut self, config: &Config) -> Result<(), EntropyError> {
        let block = self.block.get_or_insert_with(|| {
            Box::new(Block { keys: [[0; 4]; Self::BLOCK], used: Self::BLOCK })
        });
        // What is left goes to the front, so that the order of use is that of drawing.
        block.keys.rotate_left(block.used);
        let fresh = Self::BLOCK - block.used;
        block.used = Self::BLOCK;
        let (_, drawn) = block.keys.split_at_mut(fresh);
        config.fill(drawn.as_flattened_mut())?;
        block.used = 0;
        Ok(())
    }

    /// The next key.
    #[inline]
    pub(super) fn take(&mut self) -> Result<[u8; 4], EntropyError> {
        let block = self.block.as_mut().ok_or(EntropyError)?;
        let key = block.keys.get(block.used).ok_or(EntropyError)?;
        block.used += 1;
        Ok(*key)
    }
}
