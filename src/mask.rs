//! Masking: XOR with a four-byte key, at any offset.

#[cfg(feature = "simd")]
use fearless_simd::prelude::*;
#[cfg(feature = "simd")]
use fearless_simd::{Level, dispatch, u8x64, u32x16};

use crate::QUICK;

/// From this length on, a loop made for many bytes is worth being called.
const LONG: usize = if QUICK { 64 } else { usize::MAX };

/// From this length on, finding out what the processor has costs less than it gains.
#[cfg(feature = "simd")]
const WIDE: usize = 384;

/// From this length on, writing whole cache lines gains more than the bytes before them cost.
const ALIGNED: usize = 3 << 10;

#[cfg(any(test, feature = "alloc", feature = "simd"))]
const CACHE_LINE: usize = 64;

/// Bytes that most processors mask by a few instructions.
const BLOCK: usize = 32;

/// What is masked by one instruction everywhere.
#[cfg(target_pointer_width = "64")]
type Word = u64;
#[cfg(not(target_pointer_width = "64"))]
type Word = u32;

/// Masks or unmasks `payload` in place (RFC 6455, section 5.3).
///
/// `offset` is where in the frame's payload these bytes begin, so that a payload can be masked in
/// pieces. Masking twice gives back what was there.
///
/// ```
/// let mut payload = *b"Hello";
/// let key = [0x37, 0xfa, 0x21, 0x3d];
/// websocket_proto::mask(&mut payload[..2], key, 0);
/// websocket_proto::mask(&mut payload[2..], key, 2);
/// assert_eq!(payload, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
/// ```
#[cfg_attr(feature = "alloc", inline)]
pub fn mask(payload: &mut [u8], key: [u8; 4], offset: u64) {
    let key = rotated(key, offset);
    if payload.len() < LONG { mask_words(payload, key) } else { mask_long(payload, key) }
}

/// The same, unless the key is zeros, which change nothing.
// Without an allocator called, so that the code is there once.
#[cfg_attr(feature = "alloc", inline)]
#[cfg_attr(not(feature = "alloc"), inline(never))]
pub(crate) fn mask_by(payload: &mut [u8], key: [u8; 4], offset: u64) {
    if key != [0; 4] {
        mask(payload, key, offset);
    }
}

/// Copies `payload`, which begins at `offset` of its frame, to the start of `out` and masks it on the
/// way, in one pass. `out` is at least as long.
#[cfg(feature = "alloc")]
#[inline]
pub(crate) fn copy_masked(out: &mut [u8], payload: &[u8], key: [u8; 4], offset: u64) {
    debug_assert!(payload.len() <= out.len());
    let key = rotated(key, offset);
    let masked = |word: u64, at| word ^ twice(u32::from_ne_bytes(rotated(key, at)));
    if !copy_two_words(out, payload, masked) {
        copy_more(out, payload, key);
    }
}

/// Copies 8 to 16 `bytes` to the start of `out` as two words, the first and the last, each made another
/// by `word`, which is told where in `bytes` it begins. Copies nothing, and says so, if they are fewer or
/// more, or `out` is shorter: for those a call is worth what it takes.
#[cfg(feature = "alloc")]
#[inline(always)]
pub(crate) fn copy_two_words(out: &mut [u8], bytes: &[u8], word: impl Fn(u64, u64) -> u64) -> bool {
    let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) else { return false };
    let Some(out) = out.get_mut(..bytes.len()).filter(|out| out.len() <= 16) else { return false };
    if let Some(to) = out.first_chunk_mut() {
        *to = word(u64::from_ne_bytes(*first), 0).to_ne_bytes();
    }
    let at = out.len() as u64 - 8;
    if let Some(to) = out.last_chunk_mut() {
        *to = word(u64::from_ne_bytes(*last), at).to_ne_bytes();
    }
    true
}

#[cfg(feature = "alloc")]
#[inline(never)]
fn copy_more(out: &mut [u8], payload: &[u8], key: [u8; 4]) {
    if payload.len() < LONG { copy_words(out, payload, key) } else { copy_long(out, payload, key) }
}

#[inline(never)]
fn mask_long(payload: &mut [u8], key: [u8; 4]) {
    #[cfg(feature = "simd")]
    if payload.len() >= WIDE {
        return mask_wide(payload, key);
    }
    let before = if payload.len() < ALIGNED { BLOCK } else { before_block::<BLOCK>(payload) };
    mask_blocks(payload, key, before, masked_block);
}

#[cfg(feature = "alloc")]
#[inline(never)]
fn copy_long(out: &mut [u8], payload: &[u8], key: [u8; 4]) {
    #[cfg(feature = "simd")]
    if payload.len() >= WIDE {
        return copy_wide(out, payload, key);
    }
    let (out_lines, lines, key) = copy_to_line(out, payload, key);
    copy_words(out_lines, lines, key);
}

// `dispatch` compiles the same for each set of instructions that a processor may have, as long as all
// that it calls is inlined.

#[cfg(feature = "simd")]
#[inline(never)]
fn mask_wide(payload: &mut [u8], key: [u8; 4]) {
    dispatch!(Level::new(), vectors => {
        // In here: what comes from outside comes through memory.
        let before = before_block::<CACHE_LINE>(payload);
        mask_blocks(payload, key, before, masked_line(vectors));
    });
}

#[cfg(all(feature = "alloc", feature = "simd"))]
#[inline(never)]
fn copy_wide(out: &mut [u8], payload: &[u8], key: [u8; 4]) {
    let (out_lines, lines, key) = copy_to_line(out, payload, key);
    dispatch!(Level::new(), _vectors => copy_words(out_lines, lines, key));
}

/// Masks whole blocks by `masked`, from `before` on, which is 1 to `N`; and the first and the last `N`
/// bytes, whatever of them stands in a block.
#[inline(always)]
fn mask_blocks<const N: usize>(
    payload: &mut [u8],
    key: [u8; 4],
    before: usize,
    masked: impl Fn(&[u8; N], [u8; 4]) -> [u8; N],
) {
    let (Some(first), Some(last)) = (payload.first_chunk(), payload.last_chunk()) else {
        return mask_words(payload, key);
    };
    // From what was there before, and written when the blocks are.
    let first = masked(first, key);
    let last = masked(last, rotated(key, (payload.len() - N) as u64));
    let blocks_key = rotated(key, before as u64);
    for block in payload.get_mut(before..).unwrap_or_default().as_chunks_mut().0 {
        *block = masked(block, blocks_key);
    }
    if let Some(to) = payload.first_chunk_mut() {
        *to = first;
    }
    if let Some(to) = payload.last_chunk_mut() {
        *to = last;
    }
}

#[inline(always)]
fn masked_block(block: &[u8; BLOCK], key: [u8; 4]) -> [u8; BLOCK] {
    let mut masked = *block;
    mask_words(&mut masked, key);
    masked
}

/// Masks a cache line by the widest vectors: an access that two lines share takes twice the time.
#[cfg(feature = "simd")]
#[inline(always)]
fn masked_line<S: Simd>(vectors: S) -> impl Fn(&[u8; CACHE_LINE], [u8; 4]) -> [u8; CACHE_LINE] {
    #[inline(always)]
    move |line, key| {
        let key: u8x64<S> = u32x16::splat(vectors, u32::from_ne_bytes(key)).bitcast();
        (u8x64::from_slice(vectors, line) ^ key).into()
    }
}

#[cfg(feature = "alloc")]
#[inline(always)]
fn copy_to_line<'o, 'p>(
    out: &'o mut [u8],
    payload: &'p [u8],
    key: [u8; 4],
) -> (&'o mut [u8], &'p [u8], [u8; 4]) {
    if payload.len() < ALIGNED {
        return (out, payload, key);
    }
    let (before, lines) = payload.split_at(before_block::<CACHE_LINE>(out));
    let (out_before, out_lines) = out.split_at_mut(before.len());
    copy_words(out_before, before, key);
    (out_lines, lines, rotated(key, before.len() as u64))
}

/// How many bytes that are written to the start of `out` stand before a place in memory that is a
/// multiple of `N`: 1 to `N`, so that as many blocks follow wherever `out` begins.
#[inline]
fn before_block<const N: usize>(out: &[u8]) -> usize {
    N - out.as_ptr().addr() % N
}

#[inline(always)]
fn mask_words(payload: &mut [u8], key: [u8; 4]) {
    let word = u32::from_ne_bytes(key);
    let (words, tail) = payload.as_chunks_mut();
    for bytes in words {
        *bytes = (Word::from_ne_bytes(*bytes) ^ repeated(word)).to_ne_bytes();
    }
    let (words, tail) = tail.as_chunks_mut::<4>();
    for bytes in words {
        *bytes = (u32::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(key) {
        *byte ^= key;
    }
}

#[cfg(feature = "alloc")]
#[inline(always)]
fn copy_words(out: &mut [u8], payload: &[u8], key: [u8; 4]) {
    let word = u32::from_ne_bytes(key);
    let Some(out) = out.get_mut(..payload.len()) else { return };
    let (words, tail) = payload.as_chunks();
    let (out_words, out_tail) = out.as_chunks_mut();
    for (out, bytes) in out_words.iter_mut().zip(words) {
        *out = (Word::from_ne_bytes(*bytes) ^ repeated(word)).to_ne_bytes();
    }
    let (words, tail) = tail.as_chunks::<4>();
    let (out_words, out_tail) = out_tail.as_chunks_mut::<4>();
    for (out, bytes) in out_words.iter_mut().zip(words) {
        *out = (u32::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (out, (byte, key)) in out_tail.iter_mut().zip(tail.iter().zip(key)) {
        *out = byte ^ key;
    }
}

/// The key as it applies to the byte at `offset`.
#[inline(always)]
fn rotated(key: [u8; 4], offset: u64) -> [u8; 4] {
    // In memory order, so that it holds on either byte order.
    u32::from_le_bytes(key).rotate_right(8 * (offset % 4) as u32).to_le_bytes()
}

/// The key as often as a word has room for it.
#[inline(always)]
fn repeated(key: u32) -> Word {
    twice(key) as Word
}

#[inline(always)]
fn twice(key: u32) -> u64 {
    u64::from(key) << 32 | u64::from(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    const ROOM: usize = ALIGNED + 4 * CACHE_LINE;
    const UNTOUCHED: [u8; ROOM] = [0xee; ROOM];

    fn payload() -> Vec<u8> {
        (0..ROOM).map(|i| (i * 37 + i / 251 + 11) as u8).collect()
    }

    fn naive(payload: &[u8], offset: u64) -> Vec<u8> {
        let key = |i: usize| KEY[((offset % 4) as usize + i) % 4];
        payload.iter().enumerate().map(|(i, byte)| byte ^ key(i)).collect()
    }

    /// Every start in a cache line, with every length that could matter.
    fn places() -> impl Iterator<Item = (usize, usize)> {
        let lengths = (0..=1100).chain(ALIGNED - 2..=ALIGNED + 2 * CACHE_LINE);
        lengths
            .flat_map(|len| (0..=CACHE_LINE).map(move |start| (start, len)))
            .filter(|(start, len)| !cfg!(miri) || (start + len) % 4999 == 0)
    }

    #[track_caller]
    fn check_masking(offsets: &[u64], mask: impl Fn(&mut [u8], u64)) {
        let payload = payload();
        for &offset in offsets {
            let expected = naive(&payload, offset);
            for (start, len) in places() {
                let mut buffer = UNTOUCHED;
                buffer[start..start + len].copy_from_slice(&payload[..len]);
                mask(&mut buffer[start..start + len], offset);
                let (before, rest) = buffer.split_at(start);
                let (masked, behind) = rest.split_at(len);
                let at = (start, len, offset);
                assert!(masked == &expected[..len], "{at:?}");
                assert!(before == &UNTOUCHED[..start], "{at:?}");
                assert!(behind == &UNTOUCHED[start + len..], "{at:?}");
            }
        }
    }

    #[cfg(feature = "alloc")]
    #[track_caller]
    fn check_copying(copy: impl Fn(&mut [u8], &[u8], u64)) {
        let payload = payload();
        for (start, len) in places() {
            let offset = (start + len) as u64 % 7;
            let mut out = UNTOUCHED;
            // Neither's place in a cache line follows from the other's.
            let payload = &payload[(start * 11) % CACHE_LINE..][..len];
            copy(&mut out[start..], payload, offset);
            let (before, rest) = out.split_at(start);
            let (masked, behind) = rest.split_at(len);
            assert!(masked == naive(payload, offset), "{start}, {len}");
            assert!(before == &UNTOUCHED[..start], "{start}, {len}");
            assert!(behind == &UNTOUCHED[start + len..], "{start}, {len}");
        }
    }

    #[test]
    fn equals_the_naive_loop_at_every_length_start_and_offset() {
        let offsets = [0, 1, 2, 3, u64::from(u32::MAX) + 2, u64::MAX - 5000];
        check_masking(&offsets, |payload, offset| mask(payload, KEY, offset));
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn copying_equals_the_naive_loop_at_every_length_and_writes_nothing_behind() {
        check_copying(|out, payload, offset| copy_masked(out, payload, KEY, offset));
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn two_words_copy_8_to_16_bytes_and_nothing_else() {
        let payload = payload();
        for len in 0..=17 {
            let mut out = UNTOUCHED;
            let copied = copy_two_words(&mut out, &payload[..len], |word, _| word);
            assert_eq!(copied, (8..=16).contains(&len));
            let expected = if copied { &payload[..len] } else { &UNTOUCHED[..len] };
            assert_eq!(out[..len], *expected);
            assert_eq!(out[len..], UNTOUCHED[len..]);
        }
        assert!(!copy_two_words(&mut [0; 7], &payload[..8], |word, _| word), "no room");
    }

    /// What this processor can do, and all that it might not.
    #[cfg(feature = "simd")]
    fn levels() -> Vec<Level> {
        use fearless_simd::Simd;

        let best = Level::new();
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        let lesser = [best.as_sse4_2().map(Simd::level), best.as_avx2().map(Simd::level)];
        #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
        let lesser = [];
        lesser.into_iter().flatten().chain([Level::baseline(), best]).collect()
    }

    #[cfg(feature = "simd")]
    #[test]
    fn each_set_of_instructions_masks_as_the_naive_loop_does() {
        for level in levels() {
            check_masking(&[0, 1, 2, 3], |payload, offset| {
                let before = before_block::<CACHE_LINE>(payload);
                dispatch!(level, vectors => {
                    mask_blocks(payload, rotated(KEY, offset), before, masked_line(vectors))
                });
            });
            check_copying(|out, payload, offset| {
                dispatch!(level, _vectors => copy_words(out, payload, rotated(KEY, offset)));
            });
        }
    }
}
