//! Classes of characters, and the search for the end of a run of one class.
//!
//! The speed of the head parser depends on this search, which examines a word at a time.

/// A class of characters in a head.
#[derive(Clone, Copy)]
pub(crate) enum Class {
    /// `tchar` (RFC 9110, section 5.6.2).
    Token = 1,
    /// Characters of a request target: visible ASCII except `#`. The class is wider than in RFC 3986,
    /// because browsers do not percent-encode all characters that it excludes.
    Target = 2,
    /// Characters of a field value and the whitespace around it: the tab, and everything except control
    /// characters (RFC 9110, section 5.5).
    FieldValue = 4,
    /// The alphabet of base64, without padding (RFC 4648, section 4).
    Base64 = 8,
    /// `reg-name` without percent-encoding (RFC 3986, section 3.2.2).
    RegName = 16,
}

impl Class {
    /// Returns whether `byte` belongs to the class.
    #[inline]
    #[allow(clippy::indexing_slicing, reason = "the table has an entry for each byte")]
    pub(crate) const fn has(self, byte: u8) -> bool {
        CLASSES[byte as usize] & self as u8 != 0
    }

    /// Returns the length of the longest prefix of `bytes` that consists of this class.
    // Builds without `alloc` keep one copy of this (code size, benches/size).
    #[cfg_attr(feature = "alloc", inline)]
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn prefix_len(self, bytes: &[u8]) -> usize {
        let mut len = match self {
            Self::FieldValue => words_len(bytes, non_printable),
            Self::Token => words_len(bytes, non_letter_or_hyphen),
            Self::Target => words_len(bytes, non_target),
            // Keys and host names are short, so that the table alone is faster.
            Self::Base64 | Self::RegName => 0,
        };
        while bytes.get(len).is_some_and(|&byte| self.has(byte)) {
            len += 1;
        }
        len
    }

    /// Returns whether `bytes` is not empty and consists of this class.
    pub(crate) fn is_all(self, bytes: &[u8]) -> bool {
        !bytes.is_empty() && bytes.iter().all(|&byte| self.has(byte))
    }
}

/// The classes of each byte, as bits.
const CLASSES: &[u8; 256] = &{
    let mut table = [0; 256];
    let mut rest: &mut [u8] = &mut table;
    let mut byte = 0u8;
    while let [first, tail @ ..] = rest {
        *first = classes_of(byte);
        byte = byte.wrapping_add(1);
        rest = tail;
    }
    table
};

const fn classes_of(byte: u8) -> u8 {
    let mut classes = 0;
    if byte.is_ascii_alphanumeric() {
        classes |= Class::Token as u8 | Class::Base64 as u8 | Class::RegName as u8;
    }
    if is_one_of(byte, b"+/") {
        classes |= Class::Base64 as u8;
    }
    if is_one_of(byte, b"!#$%&'*+-.^_`|~") {
        classes |= Class::Token as u8;
    }
    if is_one_of(byte, b"-._~!$&'()*+,;=") {
        classes |= Class::RegName as u8;
    }
    if byte.is_ascii_graphic() && byte != b'#' {
        classes |= Class::Target as u8;
    }
    if byte == b'\t' || !byte.is_ascii_control() {
        classes |= Class::FieldValue as u8;
    }
    classes
}

const fn is_one_of(byte: u8, mut set: &[u8]) -> bool {
    while let [first, rest @ ..] = set {
        if *first == byte {
            return true;
        }
        set = rest;
    }
    false
}

/// A word whose bytes are all 1.
const ONES: usize = usize::MAX / 0xff;
/// The highest bit of each byte of a word.
const HIGH_BITS: usize = ONES * 0x80;

/// Returns the length of the prefix of `bytes` before the first stop byte. Only whole words are
/// examined: without a stop byte in them, the result is the length of all whole words.
///
/// `stops` sets the highest bit of each stop byte of a little-endian word. Bits above the lowest one
/// that is set may be false positives.
#[inline]
fn words_len(bytes: &[u8], stops: impl Fn(usize) -> usize) -> usize {
    let mut len = 0;
    for word in bytes.as_chunks().0 {
        let stops = stops(usize::from_le_bytes(*word));
        if stops != 0 {
            return len + stops.trailing_zeros() as usize / 8;
        }
        len += word.len();
    }
    len
}

/// Stops at everything except visible ASCII and the space. Most field values have only these.
const fn non_printable(word: usize) -> usize {
    // The subtraction finds bytes below 0x20, the addition finds 0x7f, and both find bytes from 0x80.
    (word.wrapping_sub(ONES * 0x20) | word.wrapping_add(ONES)) & HIGH_BITS
}

/// Stops at everything except visible ASCII without `#`.
const fn non_target(word: usize) -> usize {
    let number_sign = (word ^ (ONES * b'#' as usize)).wrapping_sub(ONES);
    (word.wrapping_sub(ONES * 0x21) | word.wrapping_add(ONES) | number_sign) & HIGH_BITS
}

/// Stops at everything except letters and hyphens. Most field names have only these.
const fn non_letter_or_hyphen(word: usize) -> usize {
    // In a byte below 0x80, an addition can set the highest bit, but does not carry into the next byte.
    // A byte from 0x80 is a stop byte anyway.
    let lower = word | (ONES * 0x20);
    let from_a = lower.wrapping_add(ONES * (0x80 - b'a' as usize));
    let above_z = lower.wrapping_add(ONES * (0x7f - b'z' as usize));
    let not_hyphen = (word ^ (ONES * b'-' as usize)).wrapping_add(ONES * 0x7f);
    ((!from_a | above_z) & not_hyphen | word) & HIGH_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_len_agrees_with_a_bytewise_search() {
        for (class, member) in [
            (Class::FieldValue, b'v'),
            (Class::Token, b'-'),
            (Class::Token, b'Z'),
            (Class::Token, b'_'),
            (Class::Target, b'?'),
            (Class::Base64, b'/'),
            (Class::RegName, b'.'),
        ] {
            let naive = |bytes: &[u8]| bytes.iter().position(|byte| !class.has(*byte)).unwrap();
            for byte in 0..=255 {
                for at in 0..20 {
                    let mut bytes = [member; 24];
                    bytes[at] = byte;
                    bytes[22] = 0;
                    assert_eq!(class.prefix_len(&bytes), naive(&bytes), "{byte:#x} at {at}");
                    bytes[at + 1] = byte.wrapping_add(1);
                    assert_eq!(class.prefix_len(&bytes), naive(&bytes), "{byte:#x} at {at}");
                }
            }
        }
    }
}
