//! Masking: XOR of a payload with a four-byte masking key (RFC 6455, section 5.3).

#[cfg(feature = "alloc")]
use alloc::vec::Vec;
#[cfg(feature = "simd")]
use fearless_simd::prelude::*;
#[cfg(feature = "simd")]
use fearless_simd::{Level, dispatch, u8x64, u32x16};

/// Minimum length of a payload for the out-of-line bulk loops.
const BULK_MIN: usize = 64;

/// Minimum length for run-time SIMD dispatch to pay off (benchmark `primitives`).
#[cfg(feature = "simd")]
const SIMD_MIN: usize = 384;

/// Minimum length for aligned blocks to pay off when masking in place without SIMD dispatch
/// (benchmark `primitives`).
const ALIGN_MIN: usize = 3 << 10;

/// Minimum length for appending in long blocks to pay off (benchmark `connection`).
#[cfg(feature = "alloc")]
const LONG_MIN: usize = 2 << 10;

/// Length of a long block. Builds without SIMD dispatch gain nothing by more, and may have small stacks.
#[cfg(feature = "alloc")]
const LONG_BLOCK_LEN: usize = if cfg!(feature = "simd") { 1 << 10 } else { 128 };

/// Block length of the loop that masks in place without SIMD dispatch.
const BLOCK_LEN: usize = 32;

#[cfg(any(test, feature = "simd"))]
const CACHE_LINE: usize = 64;

/// The widest integer that every processor of this pointer width masks in one instruction.
#[cfg(target_pointer_width = "64")]
type Word = u64;
#[cfg(not(target_pointer_width = "64"))]
type Word = u32;

/// Masks or unmasks `payload` in place (RFC 6455, section 5.3).
///
/// `offset` is the position in bytes of `payload` within the payload of its frame, so that a
/// payload can be masked in pieces. Masking twice with one key restores the original bytes.
///
/// ```
/// let mut payload = *b"Hello";
/// let key = [0x37, 0xfa, 0x21, 0x3d];
/// websocket_proto::frame::mask(&mut payload[..2], key, 0);
/// websocket_proto::frame::mask(&mut payload[2..], key, 2);
/// assert_eq!(payload, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
/// ```
#[cfg_attr(feature = "alloc", inline)]
pub fn mask(payload: &mut [u8], key: [u8; 4], offset: u64) {
    let key = rotated(key, offset);
    // Builds without an allocator are assumed to be size-constrained and use one general loop.
    if cfg!(feature = "alloc") && payload.len() >= BULK_MIN {
        mask_bulk(payload, key);
    } else {
        mask_words(payload, key);
    }
}

/// Unmasks `payload` in place. A zero key, which stands for an unmasked frame, changes nothing.
// Builds without `alloc` keep one copy of this (code size, benches/size).
#[cfg_attr(feature = "alloc", inline)]
#[cfg_attr(not(feature = "alloc"), inline(never))]
pub(crate) fn unmask(payload: &mut [u8], key: [u8; 4], offset: u64) {
    if key != [0; 4] {
        mask(payload, key, offset);
    }
}

/// Appends the masked (or unmasked) `payload` to `out` in one pass. A zero key changes nothing.
///
/// It reserves exactly the length of `payload`: an `out` with enough capacity is not reallocated.
#[cfg(feature = "alloc")]
pub(crate) fn extend_masked(out: &mut Vec<u8>, payload: &[u8], key: [u8; 4], offset: u64) {
    if key == [0; 4] {
        return out.extend_from_slice(payload);
    }
    let key = rotated(key, offset);
    out.reserve(payload.len());
    match payload.len() {
        BULK_MIN.. => extend_bulk(out, payload, key),
        16.. => extend_blocks::<16>(out, payload, key),
        8.. => extend_blocks::<8>(out, payload, key),
        4.. => extend_blocks::<4>(out, payload, key),
        0..4 => {
            for (byte, key) in payload.iter().zip(key) {
                out.push(byte ^ key);
            }
        }
    }
}

fn mask_bulk(payload: &mut [u8], key: [u8; 4]) {
    #[cfg(feature = "simd")]
    if payload.len() >= SIMD_MIN {
        return mask_simd(payload, key);
    }
    let aligned = payload.len() >= ALIGN_MIN;
    let start = if aligned { distance_to_boundary::<BLOCK_LEN>(payload) } else { BLOCK_LEN };
    mask_blocks(payload, key, start, masked_block::<BLOCK_LEN>);
}

#[cfg(feature = "alloc")]
#[inline(never)]
fn extend_bulk(out: &mut Vec<u8>, payload: &[u8], key: [u8; 4]) {
    #[cfg(feature = "simd")]
    if payload.len() >= SIMD_MIN {
        return extend_simd(out, payload, key);
    }
    extend_vectorized(out, payload, key);
}

// `dispatch!` compiles its block once for each instruction set. That covers the functions called there
// only if they are inlined.

#[cfg(feature = "simd")]
#[inline(never)]
fn mask_simd(payload: &mut [u8], key: [u8; 4]) {
    dispatch!(Level::new(), simd => {
        // Computed inside the dispatched block; a captured value would be spilled to the stack.
        let start = distance_to_boundary::<CACHE_LINE>(payload);
        mask_blocks(payload, key, start, masked_line(simd));
    });
}

#[cfg(feature = "simd")]
#[inline(never)]
fn extend_simd(out: &mut Vec<u8>, payload: &[u8], key: [u8; 4]) {
    dispatch!(Level::new(), _simd => extend_vectorized(out, payload, key));
}

/// Appends a masked `payload` of at least `BULK_MIN` bytes, in blocks that suit its length.
///
/// Each block costs a load and a store of the vector's length, so long payloads have long blocks. The
/// compiler vectorizes the loop within a block, also where it does not inline iterators of `core`, as in
/// builds without fat LTO (benchmark `connection`).
#[cfg(feature = "alloc")]
#[inline(always)]
fn extend_vectorized(out: &mut Vec<u8>, payload: &[u8], key: [u8; 4]) {
    match payload.len() {
        LONG_MIN.. => extend_blocks::<LONG_BLOCK_LEN>(out, payload, key),
        128.. => extend_blocks::<128>(out, payload, key),
        _ => extend_blocks::<64>(out, payload, key),
    }
}

/// Masks the first and the last `N` bytes and, with `masked`, all whole blocks from `start` on.
///
/// `start` is in `1..=N`, so the first block begins within or directly after the first `N` bytes.
#[inline(always)]
fn mask_blocks<const N: usize>(
    payload: &mut [u8],
    key: [u8; 4],
    start: usize,
    masked: impl Fn(&[u8; N], [u8; 4]) -> [u8; N],
) {
    let (Some(first), Some(last)) = (payload.first_chunk(), payload.last_chunk()) else {
        return mask_words(payload, key);
    };
    debug_assert!((1..=N).contains(&start));
    // The blocks may overlap the first and the last `N` bytes. Both are therefore masked from the
    // original bytes now, and stored after the loop.
    let first = masked(first, key);
    let last = masked(last, rotated(key, (payload.len() - N) as u64));
    let blocks_key = rotated(key, start as u64);
    for block in payload.get_mut(start..).unwrap_or_default().as_chunks_mut().0 {
        *block = masked(block, blocks_key);
    }
    if let Some(to) = payload.first_chunk_mut() {
        *to = first;
    }
    if let Some(to) = payload.last_chunk_mut() {
        *to = last;
    }
}

/// Appends a masked `payload` of at least `N` bytes in blocks of `N` bytes. The caller reserves capacity.
///
/// The last block overlaps the one before it unless the length is a multiple of `N`: every copy then
/// has a constant length and compiles to a few instructions.
#[cfg(feature = "alloc")]
#[inline(always)]
fn extend_blocks<const N: usize>(out: &mut Vec<u8>, payload: &[u8], key: [u8; 4]) {
    debug_assert!(payload.len() >= N);
    let Some(last) = payload.last_chunk() else { return };
    let last_offset = payload.len() - N;
    let last_start = out.len() + last_offset;
    let (blocks, tail) = payload.as_chunks();
    // One array for all blocks: builds without optimization keep each in memory.
    let mut masked: [u8; N];
    for block in blocks {
        masked = *block;
        mask_words(&mut masked, key);
        out.extend_from_slice(&masked);
    }
    if !tail.is_empty() {
        masked = *last;
        mask_words(&mut masked, rotated(key, last_offset as u64));
        out.truncate(last_start);
        out.extend_from_slice(&masked);
    }
}

#[inline(always)]
fn masked_block<const N: usize>(block: &[u8; N], key: [u8; 4]) -> [u8; N] {
    let mut masked = *block;
    mask_words(&mut masked, key);
    masked
}

/// Returns a function that masks a cache line with the widest vectors. Callers align the lines: an
/// access that crosses a line boundary is slower (benchmark `primitives`, "at a cache line").
#[cfg(feature = "simd")]
#[inline(always)]
fn masked_line<S: Simd>(simd: S) -> impl Fn(&[u8; CACHE_LINE], [u8; 4]) -> [u8; CACHE_LINE] {
    #[inline(always)]
    move |line, key| {
        let key: u8x64<S> = u32x16::splat(simd, u32::from_ne_bytes(key)).bitcast();
        (u8x64::from_slice(simd, line) ^ key).into()
    }
}

/// Returns the distance from the start of `bytes` to the next `N`-byte boundary, in `1..=N`. It is
/// never 0, so the number of whole blocks after it does not depend on the alignment.
fn distance_to_boundary<const N: usize>(bytes: &[u8]) -> usize {
    N - bytes.as_ptr().addr() % N
}

#[inline(always)]
fn mask_words(payload: &mut [u8], key: [u8; 4]) {
    let key_word = u32::from_ne_bytes(key);
    let (words, tail) = payload.as_chunks_mut();
    for bytes in words {
        *bytes = (Word::from_ne_bytes(*bytes) ^ repeated(key_word)).to_ne_bytes();
    }
    let (words, tail) = tail.as_chunks_mut();
    for bytes in words {
        *bytes = (u32::from_ne_bytes(*bytes) ^ key_word).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(key) {
        *byte ^= key;
    }
}

/// Rotates the key so that its first byte applies to the byte at `offset`.
#[inline(always)]
fn rotated(key: [u8; 4], offset: u64) -> [u8; 4] {
    // Little-endian on every target: a right rotation moves bytes towards the front.
    u32::from_le_bytes(key).rotate_right(8 * (offset % 4) as u32).to_le_bytes()
}

/// Returns a word that consists of copies of the key.
#[inline(always)]
fn repeated(key: u32) -> Word {
    (u64::from(key) << 32 | u64::from(key)) as Word
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    const MAX_LEN: usize = ALIGN_MIN + 2 * CACHE_LINE;
    const BUFFER_LEN: usize = MAX_LEN + 2 * CACHE_LINE;
    const UNTOUCHED: [u8; BUFFER_LEN] = [0xee; BUFFER_LEN];

    fn payload(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 37 + i / 251 + 11) as u8).collect()
    }

    /// RFC 6455, section 5.3: octet i is XORed with octet i modulo 4 of the key.
    fn naive(payload: &[u8], key: [u8; 4], offset: u64) -> Vec<u8> {
        let key_octet = |i: usize| key[((offset % 4) as usize + i) % 4];
        payload.iter().enumerate().map(|(i, byte)| byte ^ key_octet(i)).collect()
    }

    /// All lengths around the thresholds of every loop.
    fn lengths() -> impl Iterator<Item = usize> {
        (0..=1100).chain(2046..=2050).chain(ALIGN_MIN - 2..=MAX_LEN)
    }

    /// All positions relative to a cache line, combined with all lengths.
    fn positions() -> impl Iterator<Item = (usize, usize)> {
        lengths()
            .flat_map(|len| (0..=CACHE_LINE).map(move |start| (start, len)))
            .filter(|(start, len)| !cfg!(miri) || (start + len) % 4999 == 0)
    }

    #[track_caller]
    fn check_mask(offsets: &[u64], mask: impl Fn(&mut [u8], u64)) {
        let payload = payload(MAX_LEN);
        for &offset in offsets {
            let expected = naive(&payload, KEY, offset);
            for (start, len) in positions() {
                let mut buffer = UNTOUCHED;
                buffer[start..start + len].copy_from_slice(&payload[..len]);
                mask(&mut buffer[start..start + len], offset);
                let (before, rest) = buffer.split_at(start);
                let (masked, after) = rest.split_at(len);
                let case = (start, len, offset);
                assert!(masked == &expected[..len], "{case:?}");
                assert!(before == &UNTOUCHED[..start], "{case:?}");
                assert!(after == &UNTOUCHED[start + len..], "{case:?}");
            }
        }
    }

    #[test]
    fn mask_equals_naive_loop_at_every_length_alignment_and_offset() {
        let offsets = [0, 1, 2, 3, u64::from(u32::MAX) + 2, u64::MAX - 5000];
        check_mask(&offsets, |payload, offset| mask(payload, KEY, offset));
    }

    #[test]
    fn mask_in_pieces_equals_mask_of_the_whole() {
        let payload = payload(200);
        let expected = naive(&payload, KEY, 0);
        for cut in 0..=payload.len() {
            let mut masked = payload.clone();
            let (first, second) = masked.split_at_mut(cut);
            mask(first, KEY, 0);
            mask(second, KEY, cut as u64);
            assert_eq!(masked, expected, "cut at {cut}");
        }
    }

    #[test]
    fn unmask_restores_masked_payload_and_ignores_zero_key() {
        for len in [0, 1, 63, 64, 400] {
            let original = payload(len);
            let mut masked = naive(&original, KEY, 5);
            unmask(&mut masked, KEY, 5);
            assert_eq!(masked, original);
            unmask(&mut masked, [0; 4], 5);
            assert_eq!(masked, original);
        }
    }

    #[cfg(feature = "alloc")]
    #[track_caller]
    fn check_extend(min_len: usize, extend: impl Fn(&mut Vec<u8>, &[u8], u64)) {
        let payload = payload(MAX_LEN + CACHE_LINE);
        for (start, len) in positions().filter(|(_, len)| *len >= min_len) {
            let offset = (start + len) as u64 % 7;
            // The source and the destination are aligned independently.
            let payload = &payload[(start * 11) % CACHE_LINE..][..len];
            let mut out = Vec::with_capacity(start + len);
            let capacity = out.capacity();
            out.extend_from_slice(&UNTOUCHED[..start]);
            extend(&mut out, payload, offset);
            let case = (start, len);
            assert!(out[..start] == UNTOUCHED[..start], "{case:?}");
            assert!(out[start..] == naive(payload, KEY, offset), "{case:?}");
            assert_eq!(out.capacity(), capacity, "{case:?}: reallocated");
        }
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn extend_masked_equals_naive_loop_and_stays_within_capacity() {
        check_extend(0, |out, payload, offset| extend_masked(out, payload, KEY, offset));
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn extend_masked_grows_a_full_buffer() {
        for len in [0, 1, 3, 4, 7, 8, 15, 16, 63, 64, 1023, 1024, 1025, 5000] {
            let payload = payload(len);
            let mut out = Vec::from([1, 2, 3]);
            out.shrink_to_fit();
            extend_masked(&mut out, &payload, KEY, 1);
            assert_eq!(out[..3], [1, 2, 3]);
            assert_eq!(out[3..], naive(&payload, KEY, 1), "{len}");
        }
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn extend_masked_copies_with_zero_key() {
        for len in [0, 1, 16, 64, 2000] {
            let mut out = Vec::from([1]);
            extend_masked(&mut out, &payload(len), [0; 4], 3);
            assert_eq!(out[1..], payload(len));
        }
    }

    /// The instruction sets of this processor, down to the baseline.
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
    fn each_instruction_set_equals_naive_loop() {
        for level in levels() {
            check_mask(&[0, 1, 2, 3], |payload, offset| {
                let start = distance_to_boundary::<CACHE_LINE>(payload);
                let key = rotated(KEY, offset);
                dispatch!(level, simd => mask_blocks(payload, key, start, masked_line(simd)));
            });
            check_extend(BULK_MIN, |out, payload, offset| {
                let key = rotated(KEY, offset);
                dispatch!(level, _simd => extend_vectorized(out, payload, key));
            });
        }
    }
}
