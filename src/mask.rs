//! Masking: XOR with a four-byte key, at any offset.

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
#[inline]
pub fn mask(payload: &mut [u8], key: [u8; 4], offset: u64) {
    let key = rotated(key, offset);
    // Short payloads where they are: a call would take longer than they do.
    if payload.len() < SHORT { xor(payload, key) } else { xor_long(payload, key) }
}

/// Bytes from which a loop made for many is worth being called.
const SHORT: usize = 64;

#[inline(never)]
fn xor_long(payload: &mut [u8], key: [u8; 4]) {
    xor(payload, key);
}

#[inline(always)]
fn xor(payload: &mut [u8], key: [u8; 4]) {
    let word = u32::from_ne_bytes(key);
    let (pairs, tail) = payload.as_chunks_mut::<8>();
    for bytes in pairs {
        *bytes = (u64::from_ne_bytes(*bytes) ^ pair(word)).to_ne_bytes();
    }
    let (words, tail) = tail.as_chunks_mut::<4>();
    for bytes in words {
        *bytes = (u32::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(key) {
        *byte ^= key;
    }
}

/// Copies `payload`, which begins at `offset` of its frame, to the start of `out` and masks it on the
/// way, in one pass. `out` is at least as long.
#[cfg(feature = "alloc")]
#[inline]
pub(crate) fn copy_masked(out: &mut [u8], payload: &[u8], key: [u8; 4], offset: u64) {
    let key = rotated(key, offset);
    debug_assert!(payload.len() <= out.len());
    if payload.len() < SHORT {
        copy_xor(out, payload, key);
    } else {
        copy_xor_long(out, payload, key);
    }
}

#[cfg(feature = "alloc")]
#[inline(never)]
fn copy_xor_long(out: &mut [u8], payload: &[u8], key: [u8; 4]) {
    copy_xor(out, payload, key);
}

#[cfg(feature = "alloc")]
#[inline(always)]
fn copy_xor(out: &mut [u8], payload: &[u8], key: [u8; 4]) {
    let word = u32::from_ne_bytes(key);
    let Some(out) = out.get_mut(..payload.len()) else { return };
    let (pairs, tail) = payload.as_chunks::<8>();
    let (out_pairs, out_tail) = out.as_chunks_mut::<8>();
    for (out, bytes) in out_pairs.iter_mut().zip(pairs) {
        *out = (u64::from_ne_bytes(*bytes) ^ pair(word)).to_ne_bytes();
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
#[inline]
fn rotated(key: [u8; 4], offset: u64) -> [u8; 4] {
    // In memory order, so that it holds on either byte order.
    u32::from_le_bytes(key).rotate_right(8 * (offset % 4) as u32).to_le_bytes()
}

/// The key twice.
#[inline]
fn pair(word: u32) -> u64 {
    u64::from(word) << 32 | u64::from(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naive(payload: &mut [u8], key: [u8; 4], offset: u64) {
        for (i, byte) in payload.iter_mut().enumerate() {
            *byte ^= key[((offset + i as u64) % 4) as usize];
        }
    }

    fn bytes<const N: usize>() -> [u8; N] {
        core::array::from_fn(|i| (i * 37 + 11) as u8)
    }

    #[test]
    fn equals_the_naive_loop_at_every_length_start_and_offset() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for start in 0..16 {
            for len in 0..80 {
                for offset in [0, 1, 2, 3, 4, 5, u64::from(u32::MAX) + 2, u64::MAX - 100] {
                    let (mut fast, mut slow) = (bytes::<128>(), bytes::<128>());
                    mask(&mut fast[start..start + len], key, offset);
                    naive(&mut slow[start..start + len], key, offset);
                    assert_eq!(fast, slow, "start {start}, length {len}, offset {offset}");
                }
            }
        }
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn copying_equals_the_naive_loop_at_every_length_and_writes_nothing_behind() {
        let key = [1, 2, 3, 4];
        for len in 0..100 {
            for offset in [0, 1, 2, 3, 1 << 40] {
                let payload = bytes::<100>();
                let mut fast = [0xee; 128];
                let mut slow = [0xee; 128];
                copy_masked(&mut fast, &payload[..len], key, offset);
                slow[..len].copy_from_slice(&payload[..len]);
                naive(&mut slow[..len], key, offset);
                assert_eq!(fast, slow, "length {len}, offset {offset}");
            }
        }
    }
}
