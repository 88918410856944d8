//! The compressor: payloads into blocks of a DEFLATE stream (RFC 7692, section 7.2.1).

use alloc::borrow::Cow;
use alloc::vec::Vec;

use zlib_rs::{DeflateConfig, DeflateFlush, Method, Strategy};

use super::{Broken, Deflate};

/// The end of each flush: an empty stored block, without its first byte. It is removed from the end of
/// a message.
pub(super) const FLUSH_END: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// An empty message after a flush: the first byte of an empty stored block (RFC 7692, section
/// 7.2.3.6).
pub(crate) const EMPTY: [u8; 1] = [0x00];

const NO_END: Broken = Broken("a flush ends with an empty block");

/// The parameters of a compressor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// 9 to 15.
    window_bits: u8,
    /// 1 to 9.
    level: u8,
    /// 1 to 9.
    memory_level: u8,
}

impl Setting {
    /// Returns the setting for a message of `len` bytes without context; `usize::MAX` if the length is
    /// unknown or the context continues.
    ///
    /// A window of the message and 262 bytes is as good as a longer one: the compressed size is the same
    /// (test `window_that_suits_the_length_compresses_as_well_as_the_longest`). A lower memory level
    /// costs less to clear. The codec takes 147, 220 or 372 KiB.
    ///
    /// The memory level follows from the window, so that a configuration has seven settings, whatever
    /// windows the peers demand: as many as the pool keeps.
    pub(crate) fn new(deflate: &Deflate, window_bits: u8, len: usize) -> Self {
        let window_bits = window_bits.min(match len {
            0..=1024 => 11,
            1025..=4096 => 13,
            _ => 15,
        });
        let memory_level = deflate.memory_level().unwrap_or(match window_bits {
            ..=11 => 4,
            12..=13 => 7,
            14.. => 8,
        });
        Self { window_bits, level: deflate.level(), memory_level }
    }

    pub(super) const fn level(self) -> u8 {
        self.level
    }
}

/// The result of one call of the codec.
struct Flushed {
    /// The number of input bytes that were consumed.
    consumed: usize,
    /// The number of output bytes that were written.
    produced: usize,
    /// Whether the flush has ended. If its output fills the buffer exactly, another call adds an empty block.
    complete: bool,
}

/// A compressor.
pub(crate) struct Compressor {
    codec: zlib_rs::Deflate,
    setting: Setting,
}

impl Compressor {
    pub(crate) fn new(setting: Setting) -> Self {
        debug_assert!((9..=15).contains(&setting.window_bits), "the codec panics");
        let codec = zlib_rs::Deflate::new_with_config(DeflateConfig {
            level: setting.level.into(),
            method: Method::Deflated,
            // Negative: without a header of zlib.
            window_bits: -i32::from(setting.window_bits),
            mem_level: setting.memory_level.into(),
            strategy: Strategy::Default,
        });
        Self { codec, setting }
    }

    /// Returns whether only the level differs from this setting, if anything.
    pub(super) fn suits(&self, setting: Setting) -> bool {
        self.setting == Setting { level: self.setting.level, ..setting }
    }

    /// Returns whether there is no context.
    pub(crate) fn is_empty(&self) -> bool {
        self.codec.total_in() == 0
    }

    /// Forgets the context, and sets the level. Returns whether the codec accepted the level, which it does
    /// before its first input.
    pub(super) fn restart(&mut self, level: u8) -> bool {
        self.codec.reset();
        if self.setting.level != level {
            if self.codec.set_level(level.into()).is_err() {
                return false;
            }
            self.setting.level = level;
        }
        true
    }

    /// Compresses `input` and flushes, so that the peer can inflate all of it. If the message ends with
    /// `input`, the end of the flush is removed (RFC 7692, section 7.2.1). The result is in `scratch` if
    /// it fits there.
    ///
    /// Returns `None` if the result exceeds `max` bytes; the compressor must then be
    /// [restarted](Self::restart).
    ///
    /// `input` must not be empty after another flush: the codec would produce nothing.
    pub(crate) fn compress<'s>(
        &mut self,
        input: &[u8],
        ends: bool,
        scratch: &'s mut [u8],
        max: usize,
    ) -> Result<Option<Cow<'s, [u8]>>, Broken> {
        let removed: &[u8] = if ends { &FLUSH_END } else { &[] };
        let max = max.saturating_add(removed.len());
        let (mut remaining, mut output) = (input, Vec::new());
        loop {
            let Flushed { consumed, produced, complete } = self.flush(remaining, scratch)?;
            remaining = remaining.get(consumed..).ok_or(Broken::OUT_OF_BOUNDS)?;
            if output.len() + produced > max {
                if !complete {
                    self.end_block(scratch)?;
                }
                return Ok(None);
            }
            if complete && output.is_empty() {
                let compressed = scratch.get(..produced).ok_or(Broken::OUT_OF_BOUNDS)?;
                return compressed.strip_suffix(removed).map(Cow::Borrowed).map(Some).ok_or(NO_END);
            }
            output.extend_from_slice(scratch.get(..produced).ok_or(Broken::OUT_OF_BOUNDS)?);
            if complete {
                let len = output.strip_suffix(removed).ok_or(NO_END)?.len();
                output.truncate(len);
                return Ok(Some(Cow::Owned(output)));
            }
        }
    }

    /// Compresses `input` and flushes, as far as the output has room.
    fn flush(&mut self, input: &[u8], output: &mut [u8]) -> Result<Flushed, Broken> {
        let (consumed, produced) = (self.codec.total_in(), self.codec.total_out());
        let status = self.codec.compress(input, output, DeflateFlush::SyncFlush);
        if status.is_err() {
            return Err(Broken("the codec has no invalid states"));
        }
        let consumed = (self.codec.total_in() - consumed) as usize;
        let produced = (self.codec.total_out() - produced) as usize;
        Ok(Flushed { consumed, produced, complete: produced < output.len() })
    }

    /// Ends the block in which the codec is, and drops the output. A reset does not end it: at level 1,
    /// the next message would continue the block.
    fn end_block(&mut self, scratch: &mut [u8]) -> Result<(), Broken> {
        while !self.flush(&[], scratch)?.complete {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that do not shrink, and at their end the first 64 of them: a reference over the longest
    /// distance.
    fn repeated(len: usize) -> Vec<u8> {
        let mut state = 6455_u32;
        let mut payload: Vec<u8> = (0..len - 64)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        payload.extend_from_within(..64);
        payload
    }

    #[test]
    fn window_that_suits_the_length_compresses_as_well_as_the_longest() {
        let deflate = Deflate::new();
        for len in [128, 1024, 1026, 4096, 4098] {
            let payload = repeated(len);
            let suited = Setting::new(&deflate, 15, len);
            let [suited, longest] =
                [suited, Setting { window_bits: 15, ..suited }].map(|setting| {
                    let mut scratch = [0; 8192];
                    let compressed =
                        Compressor::new(setting).compress(&payload, true, &mut scratch, len);
                    compressed.unwrap().expect("a part of the payload is repeated").into_owned()
                });
            assert_eq!(suited, longest, "{len}");
        }
    }
}
