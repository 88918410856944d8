//! UTF-8 checked as it arrives, each byte once.

use core::fmt;
use core::str::Utf8Error;

use crate::Text;

/// The text of a message that arrives in pieces (RFC 6455, section 8.1).
///
/// A piece may end inside a character. That character's bytes, three at most, wait here until the
/// next pieces complete it. A byte that can't stand where it does is refused at once, wherever the
/// cuts are.
///
/// ```
/// use websocket_proto::Utf8Validator;
///
/// let mut validator = Utf8Validator::new();
/// assert_eq!(validator.validate(b"caf\xc3"), Ok("caf"));
/// assert!(validator.is_waiting());
/// assert_eq!(validator.missing(), 1);
/// assert_eq!(validator.complete(b"\xa9"), Ok(Some("é".into())));
/// assert_eq!(validator.validate(b"!"), Ok("!"));
/// assert!(!validator.is_waiting());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Utf8Validator {
    waiting: [u8; 3],
    len: u8,
}

/// A byte that can't stand where it does in UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUtf8<'a> {
    /// The text before it in this piece.
    pub valid: &'a str,
}

impl fmt::Display for InvalidUtf8<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not UTF-8 after {} bytes", self.valid.len())
    }
}

impl core::error::Error for InvalidUtf8<'_> {}

impl Utf8Validator {
    /// Nothing waits.
    #[must_use]
    pub const fn new() -> Self {
        Self { waiting: [0; 3], len: 0 }
    }

    /// Whether the pieces so far end inside a character. If so, the next bytes go to
    /// [`complete`](Self::complete); a text that ends here is not UTF-8.
    #[inline]
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        self.len > 0
    }

    /// Checks a piece and returns its whole characters. To be called when nothing waits; with debug
    /// assertions it panics otherwise.
    #[inline]
    pub fn validate<'a>(&mut self, piece: &'a [u8]) -> Result<&'a str, InvalidUtf8<'a>> {
        debug_assert!(!self.is_waiting());
        // The cut character is set apart first, so that what is before it is checked once.
        let (whole, cut) = split_cut_character(piece);
        match from_utf8(whole) {
            Ok(text) if cut.is_empty() => Ok(text),
            Ok(text) if is_start(cut) => {
                for (waiting, byte) in self.waiting.iter_mut().zip(cut) {
                    *waiting = *byte;
                }
                self.len = cut.len() as u8;
                Ok(text)
            }
            Ok(text) => Err(InvalidUtf8 { valid: text }),
            Err(error) => {
                let valid = whole.get(..error.valid_up_to()).unwrap_or_default();
                Err(InvalidUtf8 { valid: str::from_utf8(valid).unwrap_or_default() })
            }
        }
    }

    /// Bytes that the character still needs which waits, 0 if none does.
    #[inline]
    #[must_use]
    pub const fn missing(&self) -> usize {
        match self.len {
            0 => 0,
            len => announced(self.waiting[0]) - len as usize,
        }
    }

    /// Takes the next bytes of the character that waits, and returns it, a text of one character, when
    /// it is complete. Looks at those that are [`missing`](Self::missing), at none beyond.
    pub fn complete(
        &mut self,
        piece: &[u8],
    ) -> Result<Option<Text<'static>>, InvalidUtf8<'static>> {
        let [a, b, c] = self.waiting;
        let (mut utf8, mut len) = ([a, b, c, 0], self.len);
        for byte in piece.iter().take(self.missing()) {
            if let Some(next) = utf8.get_mut(usize::from(len)) {
                *next = *byte;
            }
            len += 1;
        }
        match str::from_utf8(utf8.get(..len.into()).unwrap_or_default()) {
            Ok("") => Ok(None),
            Ok(_) => {
                self.len = 0;
                Ok(Some(Text::character(utf8, len)))
            }
            Err(error) if error.error_len().is_none() => {
                let [a, b, c, _] = utf8;
                (self.waiting, self.len) = ([a, b, c], len);
                Ok(None)
            }
            Err(_) => Err(InvalidUtf8 { valid: "" }),
        }
    }
}

/// Bytes of a character that begins with this one: 1 for what begins none.
// Called, so that the code is there once.
#[inline(never)]
const fn announced(first: u8) -> usize {
    match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        0x00..=0xc1 | 0xf5..=0xff => 1,
    }
}

/// The standard library's check, by the fastest way.
#[inline]
pub(crate) fn from_utf8(bytes: &[u8]) -> Result<&str, Utf8Error> {
    // Below, setting up costs more than it saves.
    #[cfg(feature = "simd")]
    if bytes.len() >= 64 {
        // It does not tell where the error is.
        return simdutf8::basic::from_utf8(bytes).or_else(|_| str::from_utf8(bytes));
    }
    str::from_utf8(bytes)
}

/// Splits off the last character if its first byte announces more bytes than there are.
#[inline]
fn split_cut_character(piece: &[u8]) -> (&[u8], &[u8]) {
    if piece.last().is_none_or(u8::is_ascii) {
        return (piece, &[]);
    }
    for (back, byte) in (1..4).zip(piece.iter().rev()) {
        if let 0x80..=0xbf = byte {
            continue;
        }
        if announced(*byte) > back {
            return piece.split_at_checked(piece.len() - back).unwrap_or((piece, &[]));
        }
        break;
    }
    (piece, &[])
}

/// Whether these bytes can still become a character.
fn is_start(cut: &[u8]) -> bool {
    str::from_utf8(cut).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{string::String, vec::Vec};

    /// What `pieces` give: the text so far, and whether a byte was refused.
    fn run(pieces: &[&[u8]]) -> (String, bool, bool) {
        let mut validator = Utf8Validator::new();
        let mut text = String::new();
        for piece in pieces {
            let mut rest = *piece;
            if validator.is_waiting() {
                let (missing, after) = rest.split_at(validator.missing().min(rest.len()));
                rest = after;
                match validator.complete(missing) {
                    Ok(char) => text.extend(char.as_deref()),
                    Err(_) => return (text, true, false),
                }
            }
            if validator.is_waiting() {
                continue;
            }
            match validator.validate(rest) {
                Ok(valid) => text.push_str(valid),
                Err(error) => {
                    text.push_str(error.valid);
                    return (text, true, false);
                }
            }
        }
        (text, false, validator.is_waiting())
    }

    #[track_caller]
    fn check(bytes: &[u8]) {
        let expected = match str::from_utf8(bytes) {
            Ok(text) => (String::from(text), false, false),
            Err(error) => (
                String::from_utf8(bytes[..error.valid_up_to()].to_vec()).unwrap(),
                error.error_len().is_some(),
                error.error_len().is_none(),
            ),
        };
        assert_eq!(run(&[bytes]), expected, "whole: {bytes:x?}");
        for cut in 0..=bytes.len() {
            assert_eq!(run(&[&bytes[..cut], &bytes[cut..]]), expected, "cut at {cut}: {bytes:x?}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(run(&single), expected, "byte by byte: {bytes:x?}");
    }

    #[test]
    fn every_sequence_of_three_bytes_is_judged_as_the_standard_library_does_at_any_cut() {
        let interesting = [
            0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0,
            0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff,
        ];
        for a in interesting {
            for b in interesting {
                for c in interesting {
                    check(&[a, b, c]);
                    check(&[0xf0, a, b, c]);
                    check(&[a, b, c, 0xf4, 0x8f, 0xbf, 0xbf]);
                }
            }
        }
    }

    #[test]
    fn every_character_survives_every_cut() {
        for char in (0..=0x10ffff).step_by(97).filter_map(char::from_u32) {
            let mut utf8 = [0; 4];
            check(char.encode_utf8(&mut utf8).as_bytes());
        }
    }

    #[test]
    fn long_texts_are_judged_as_the_standard_library_does_wherever_they_go_wrong() {
        let text = "aé漢🎉".repeat(20);
        for at in 0..text.len() {
            for byte in [0xff, 0x80, 0xc0, 0xed, b'a'] {
                let mut bytes = text.as_bytes().to_vec();
                bytes[at] = byte;
                let valid = str::from_utf8(&bytes).map_err(|error| error.valid_up_to());
                let mut validator = Utf8Validator::new();
                let found = validator.validate(&bytes);
                assert_eq!(
                    found.map(str::len).map_err(|error| error.valid.len()),
                    valid.map(str::len)
                );
            }
        }
    }

    #[test]
    fn what_is_beyond_the_character_that_waits_is_not_looked_at() {
        let mut validator = Utf8Validator::new();
        assert_eq!(validator.complete(b"abc"), Ok(None));
        assert_eq!(validator.validate(b"\xc3"), Ok(""));
        assert_eq!(validator.complete(b"\xa9\xff\xff\xff\xff"), Ok(Some("é".into())));
        assert_eq!((validator.missing(), validator.validate(b"!")), (0, Ok("!")));
    }

    #[test]
    fn impossible_bytes_are_refused_at_once() {
        for (bytes, accepted) in [
            (&b"\xf4\x90"[..], 1), // above U+10FFFF
            (b"\xed\xa0", 1),      // a surrogate
            (b"\xc0", 0),          // overlong
            (b"\xe0\x80", 1),      // overlong
            (b"\xce\xba\xe1\xbd\xb9\xed\xa0", 6),
        ] {
            assert!(!run(&[&bytes[..accepted]]).1, "{bytes:x?}");
            assert!(run(&[&bytes[..=accepted]]).1, "{bytes:x?}");
        }
    }
}
