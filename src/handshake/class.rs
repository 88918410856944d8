//! Which characters may stand where in a head.

use crate::QUICK;

/// A set of characters.
#[derive(Clone, Copy)]
pub(super) enum Class {
    /// `tchar` (RFC 9110, section 5.6.2).
    Token = 1,
    /// Visible ASCII but `#`: what stands in a request target. Browsers send characters of it
    /// that RFC 3986 wants encoded.
    Target = 2,
    /// Everything but control characters, and the tab: a field's value with the white space
    /// around it (RFC 9110, section 5.5).
    Value = 4,
    /// `reg-name` (RFC 3986, section 3.2.2) without percent-encoding, which no name needs.
    Host = 8,
    /// The alphabet of base64 (RFC 4648, section 4).
    Base64 = 16,
}

const CLASSES: &[u8; 256] = &classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut rest: &mut [u8] = &mut table;
    let mut byte = 0u8;
    while let [first, tail @ ..] = rest {
        *first = classes_of(byte);
        byte = byte.wrapping_add(1);
        rest = tail;
    }
    table
}

const fn classes_of(byte: u8) -> u8 {
    let mut classes = 0;
    if byte.is_ascii_alphanumeric() {
        classes |= Class::Token as u8 | Class::Host as u8 | Class::Base64 as u8;
    }
    if is_one_of(byte, b"+/") {
        classes |= Class::Base64 as u8;
    }
    if is_one_of(byte, b"!#$%&'*+-.^_`|~") {
        classes |= Class::Token as u8;
    }
    if is_one_of(byte, b"-._~!$&'()*+,;=") {
        classes |= Class::Host as u8;
    }
    if byte.is_ascii_graphic() && byte != b'#' {
        classes |= Class::Target as u8;
    }
    if byte == b'\t' || !byte.is_ascii_control() {
        classes |= Class::Value as u8;
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

impl Class {
    pub(super) fn has(self, byte: u8) -> bool {
        CLASSES.get(usize::from(byte)).is_some_and(|bits| bits & self as u8 != 0)
    }

    /// How many bytes at the start of `bytes` are of this class.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(super) fn run(self, bytes: &[u8]) -> usize {
        let mut run = match self {
            _ if !QUICK => 0,
            Self::Value => words(bytes, all_but_printable),
            Self::Token => words(bytes, all_but_letters_and_hyphens),
            Self::Target => words(bytes, all_but_visible),
            // What is short is told faster by the table.
            Self::Host | Self::Base64 => 0,
        };
        while bytes.get(run).is_some_and(|&byte| self.has(byte)) {
            run += 1;
        }
        run
    }

    /// Whether `bytes` is made of this class, and not empty.
    pub(super) fn is_all(self, bytes: &[u8]) -> bool {
        !bytes.is_empty() && self.run(bytes) == bytes.len()
    }
}

/// Each byte of a word 1: times this, a byte is repeated.
const ONES: usize = usize::MAX / 0xff;
/// The topmost bit of each byte.
const TOPS: usize = ONES * 0x80;

/// How many bytes at the start of `bytes` come before the first that `stops` tells, a word at a
/// time: less than a word is left behind them where it tells none.
///
/// Of a word, whose first byte is the lowest, `stops` sets the topmost bit of each byte that is
/// told. Above the first such byte it may be wrong.
fn words(bytes: &[u8], stops: impl Fn(usize) -> usize) -> usize {
    let mut run = 0;
    for word in bytes.as_chunks().0 {
        let stops = stops(usize::from_le_bytes(*word));
        if stops != 0 {
            return run + stops.trailing_zeros() as usize / 8;
        }
        run += word.len();
    }
    run
}

/// Tells everything but visible ASCII and spaces, of which most values are made.
const fn all_but_printable(word: usize) -> usize {
    // The one is for what is below a space, the other for what is above `~`.
    (word.wrapping_sub(ONES * 0x20) | word.wrapping_add(ONES)) & TOPS
}

/// Tells everything but visible ASCII without `#`.
const fn all_but_visible(word: usize) -> usize {
    let number_sign = (word ^ (ONES * b'#' as usize)).wrapping_sub(ONES);
    (word.wrapping_sub(ONES * 0x21) | word.wrapping_add(ONES) | number_sign) & TOPS
}

/// Tells everything but letters and hyphens, of which most names of fields are made.
const fn all_but_letters_and_hyphens(word: usize) -> usize {
    // What is added to bytes below 0x80 sets the topmost bit and carries no further; the others are
    // told in any case.
    let lower = word | (ONES * 0x20);
    let from_a = lower.wrapping_add(ONES * (0x80 - b'a' as usize));
    let behind_z = lower.wrapping_add(ONES * (0x7f - b'z' as usize));
    let not_hyphen = (word ^ (ONES * b'-' as usize)).wrapping_add(ONES * 0x7f);
    ((!from_a | behind_z) & not_hyphen | word) & TOPS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_what_a_byte_at_a_time_finds() {
        for (class, member) in [
            (Class::Value, b'v'),
            (Class::Token, b'-'),
            (Class::Token, b'Z'),
            (Class::Token, b'_'),
            (Class::Target, b'?'),
            (Class::Host, b'.'),
            (Class::Base64, b'/'),
        ] {
            let naive = |bytes: &[u8]| bytes.iter().position(|byte| !class.has(*byte)).unwrap();
            for byte in 0..=255 {
                for at in 0..20 {
                    let mut bytes = [member; 24];
                    bytes[at] = byte;
                    bytes[22] = 0;
                    assert_eq!(class.run(&bytes), naive(&bytes), "{byte:#x} at {at}");
                    bytes[at + 1] = byte.wrapping_add(1);
                    assert_eq!(class.run(&bytes), naive(&bytes), "{byte:#x} at {at}");
                }
            }
        }
    }
}
