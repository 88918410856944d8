//! Incremental UTF-8 validation, for programs that use [`frame`](crate::frame) without a
//! [`Session`](crate::session::Session).

use core::fmt;
use core::str::Utf8Error;

/// A validator of UTF-8 text that arrives in pieces (RFC 6455, section 8.1).
///
/// A piece may end inside a character. The validator then stores the partial character, at most
/// three bytes, until the next pieces complete it. An invalid byte is reported immediately, no
/// matter how the text is split.
///
/// ```
/// use websocket_proto::utf8::Utf8Validator;
///
/// let mut validator = Utf8Validator::new();
/// assert_eq!(validator.push(b"caf\xc3")?.text, "caf");
/// assert!(validator.has_partial_char());
///
/// let valid = validator.push(b"\xa9!")?;
/// assert_eq!((valid.completed, valid.text), (Some('é'), "!"));
/// assert!(!validator.has_partial_char());
/// # Ok::<(), websocket_proto::utf8::InvalidUtf8<'_>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Utf8Validator {
    /// The partial character is `partial[..len]`, and `len <= 3`. It is a proper prefix of a
    /// character.
    partial: [u8; 3],
    len: u8,
}

/// The complete characters of a piece, as [`Utf8Validator::push`] returns them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ValidUtf8<'a> {
    /// The character that began in an earlier piece and ends in this one. It precedes `text`.
    pub completed: Option<char>,
    /// The characters that begin and end in this piece.
    pub text: &'a str,
}

/// The error of a piece that contains an invalid byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidUtf8<'a> {
    /// The characters of the piece before the invalid byte.
    pub valid: ValidUtf8<'a>,
}

impl fmt::Display for InvalidUtf8<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text is not UTF-8")
    }
}

impl core::error::Error for InvalidUtf8<'_> {}

impl Utf8Validator {
    /// Creates a validator for a text that begins with the next piece.
    #[must_use]
    pub const fn new() -> Self {
        Self { partial: [0; 3], len: 0 }
    }

    /// Returns whether the pieces so far end inside a character. A text that ends here is invalid.
    #[must_use]
    pub const fn has_partial_char(&self) -> bool {
        self.len > 0
    }

    /// Validates the next piece of the text and returns its complete characters. A partial character
    /// at its end is stored.
    ///
    /// # Errors
    ///
    /// [`InvalidUtf8`] if the piece contains an invalid byte. The text is then invalid, whatever
    /// follows; do not push further pieces.
    pub fn push<'a>(&mut self, piece: &'a [u8]) -> Result<ValidUtf8<'a>, InvalidUtf8<'a>> {
        let (first, remaining) =
            piece.split_at_checked(self.needed()).unwrap_or((piece, Default::default()));
        let Ok(completed) = self.complete_partial(first) else {
            return Err(InvalidUtf8 { valid: ValidUtf8::default() });
        };
        if self.has_partial_char() {
            return Ok(ValidUtf8::default());
        }
        let completed = completed.and_then(|character| character.text().chars().next());
        match self.validate(remaining) {
            Ok(text) => Ok(ValidUtf8 { completed, text }),
            Err(InvalidByte { valid: text }) => {
                Err(InvalidUtf8 { valid: ValidUtf8 { completed, text } })
            }
        }
    }
}

/// A piece contains an invalid byte, after the text `valid`.
pub(crate) struct InvalidByte<'a> {
    pub(crate) valid: &'a str,
}

impl Utf8Validator {
    /// Returns the number of bytes missing from the partial character, or 0 if there is none.
    pub(crate) const fn needed(&self) -> usize {
        match self.len {
            0 => 0,
            len => sequence_len(self.partial[0]) - len as usize,
        }
    }

    /// Validates a piece at a character boundary and returns its complete characters. A partial
    /// character at its end is stored.
    #[inline]
    pub(crate) fn validate<'a>(&mut self, piece: &'a [u8]) -> Result<&'a str, InvalidByte<'a>> {
        debug_assert!(!self.has_partial_char(), "`complete_partial` comes first");
        // The partial character is split off first, so that the bytes before it are checked once.
        let (whole, partial) = split_partial_char(piece);
        match from_utf8(whole) {
            Ok(text) if partial.is_empty() => Ok(text),
            Ok(text) if is_char_prefix(partial) => {
                self.store(partial);
                Ok(text)
            }
            Ok(text) => Err(InvalidByte { valid: text }),
            Err(error) => {
                let valid = whole.get(..error.valid_up_to());
                let valid = valid.and_then(|valid| str::from_utf8(valid).ok());
                debug_assert!(valid.is_some(), "the bytes before the error are UTF-8");
                Err(InvalidByte { valid: valid.unwrap_or_default() })
            }
        }
    }

    /// Adds bytes, at most [`needed`](Self::needed), to the partial character, and returns the
    /// character when it is complete. Does nothing without a partial character.
    pub(crate) fn complete_partial(
        &mut self,
        bytes: &[u8],
    ) -> Result<Option<Character>, InvalidByte<'static>> {
        debug_assert!(bytes.len() <= self.needed());
        let mut buffer = [0; 4];
        let sequence = self.append_to_partial(bytes, &mut buffer);
        match str::from_utf8(sequence) {
            Ok("") => Ok(None),
            Ok(_) => {
                self.len = 0;
                Ok(Some(Character(buffer)))
            }
            Err(error) if error.error_len().is_none() => {
                self.store(sequence);
                Ok(None)
            }
            Err(_) => Err(InvalidByte { valid: "" }),
        }
    }

    /// Moves the bytes of the partial character to the start of `out`, and returns their number, at
    /// most 3.
    #[cfg(feature = "deflate")]
    pub(crate) fn take_partial(&mut self, out: &mut [u8]) -> usize {
        let len = usize::from(core::mem::take(&mut self.len));
        for (to, byte) in out.iter_mut().zip(self.partial.iter().take(len)) {
            *to = *byte;
        }
        len
    }

    /// Returns whether validating the next piece would yield a complete character or an error. If
    /// not, the whole piece would be stored in the partial character.
    ///
    /// `first_bytes` is the beginning of the piece, unmasked: the whole piece, or at least 4 bytes.
    /// Bytes after the fourth are not read.
    #[cfg(any(test, feature = "alloc"))]
    pub(crate) fn yields_text(&self, first_bytes: &[u8]) -> bool {
        let mut buffer = [0; 4];
        // No character is longer than the buffer.
        match str::from_utf8(self.append_to_partial(first_bytes, &mut buffer)) {
            Ok(text) => !text.is_empty(),
            Err(error) => error.valid_up_to() > 0 || error.error_len().is_some(),
        }
    }

    /// Writes the partial character and then `bytes` to `buffer` until it is full, and returns the
    /// written part.
    fn append_to_partial<'b>(&self, bytes: &[u8], buffer: &'b mut [u8; 4]) -> &'b [u8] {
        let partial = self.partial.iter().take(self.len.into());
        let mut len = 0;
        for (to, from) in buffer.iter_mut().zip(partial.chain(bytes)) {
            *to = *from;
            len += 1;
        }
        buffer.get(..len).unwrap_or_default()
    }

    /// Stores a partial character. It is a proper prefix of a character and so has at most 3 bytes.
    fn store(&mut self, partial: &[u8]) {
        debug_assert!(partial.len() <= self.partial.len());
        for (to, from) in self.partial.iter_mut().zip(partial) {
            *to = *from;
        }
        self.len = partial.len() as u8;
    }
}

/// The UTF-8 encoding of a character, followed by zeros.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Character([u8; 4]);

impl Character {
    /// No character.
    pub(crate) const NONE: Self = Self([0; 4]);

    pub(crate) fn text(&self) -> &str {
        let Self(bytes @ [first, ..]) = self;
        let text = bytes.get(..sequence_len(*first)).and_then(|text| str::from_utf8(text).ok());
        debug_assert!(text.is_some(), "`complete_partial` validated the bytes");
        text.unwrap_or_default()
    }
}

/// Validates `bytes` as [`str::from_utf8`] does, with SIMD where it pays off.
#[inline]
pub(crate) fn from_utf8(bytes: &[u8]) -> Result<&str, Utf8Error> {
    // Below 64 bytes, `simdutf8` is slower than the standard library.
    #[cfg(feature = "simd")]
    if bytes.len() >= 64 {
        // `simdutf8::basic` does not locate the error; the standard library does.
        return simdutf8::basic::from_utf8(bytes).or_else(|_| str::from_utf8(bytes));
    }
    str::from_utf8(bytes)
}

/// Returns the sequence length announced by a lead byte; 1 for ASCII and for invalid lead bytes.
// Not inlined, to keep a single copy.
#[inline(never)]
pub(crate) const fn sequence_len(first: u8) -> usize {
    match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        0x00..=0xc1 | 0xf5..=0xff => 1,
    }
}

/// Splits off the last character if its lead byte announces more bytes than the piece contains.
fn split_partial_char(piece: &[u8]) -> (&[u8], &[u8]) {
    if piece.last().is_none_or(u8::is_ascii) {
        return (piece, &[]);
    }
    for (len, byte) in (1..4).zip(piece.iter().rev()) {
        if let 0x80..=0xbf = byte {
            continue;
        }
        if sequence_len(*byte) > len {
            return piece.split_at_checked(piece.len() - len).unwrap_or((piece, &[]));
        }
        break;
    }
    (piece, &[])
}

/// Returns whether `bytes` is a proper prefix of one character.
fn is_char_prefix(bytes: &[u8]) -> bool {
    str::from_utf8(bytes)
        .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::{String, ToString};
    use std::vec;
    use std::vec::Vec;

    /// The boundaries of every byte class of UTF-8: ASCII, continuation bytes and the ranges that
    /// some lead bytes require, invalid bytes, and lead bytes of each length.
    const BOUNDARY_BYTES: [u8; 25] = [
        0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1,
        0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff,
    ];

    #[derive(Debug, PartialEq)]
    enum End {
        Whole,
        Partial,
        Invalid,
    }

    /// Validates the pieces. Returns the text that they yield and how it ends.
    fn run(pieces: &[&[u8]]) -> (String, End) {
        let mut validator = Utf8Validator::new();
        let mut text = String::new();
        for piece in pieces {
            let pushed = validator.push(piece);
            let valid = pushed.unwrap_or_else(|error| error.valid);
            text.extend(valid.completed);
            text.push_str(valid.text);
            if pushed.is_err() {
                return (text, End::Invalid);
            }
        }
        (text, if validator.has_partial_char() { End::Partial } else { End::Whole })
    }

    /// Compares the validator with the standard library at every cut.
    #[track_caller]
    fn check(bytes: &[u8]) {
        let expected = match str::from_utf8(bytes) {
            Ok(text) => (text.to_string(), End::Whole),
            Err(error) => (
                str::from_utf8(&bytes[..error.valid_up_to()]).unwrap().to_string(),
                if error.error_len().is_some() { End::Invalid } else { End::Partial },
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
    fn equals_standard_library_at_every_cut_of_short_sequences() {
        for a in BOUNDARY_BYTES {
            for b in BOUNDARY_BYTES {
                for c in BOUNDARY_BYTES {
                    check(&[a, b, c]);
                    check(&[0xf0, a, b, c]);
                    check(&[a, b, c, 0xf4, 0x8f, 0xbf, 0xbf]);
                }
            }
        }
    }

    #[test]
    fn equals_standard_library_at_every_cut_of_a_character() {
        for char in (0..=0x10ffff).step_by(97).filter_map(char::from_u32) {
            check(char.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    #[test]
    fn locates_invalid_bytes_anywhere_in_long_text() {
        let text = "aé漢🎉".repeat(20);
        for position in 0..text.len() {
            for byte in [0xff, 0x80, 0xc0, 0xed, b'a'] {
                let mut bytes = text.as_bytes().to_vec();
                bytes[position] = byte;
                let expected = str::from_utf8(&bytes).map(str::len);
                let mut validator = Utf8Validator::new();
                let found = validator.push(&bytes).map(|valid| valid.text.len());
                assert_eq!(
                    found.map_err(|error| error.valid.text.len()),
                    expected.map_err(|error| error.valid_up_to())
                );
                assert_eq!(from_utf8(&bytes).map(str::len), expected);
            }
        }
    }

    const fn valid(completed: Option<char>, text: &str) -> ValidUtf8<'_> {
        ValidUtf8 { completed, text }
    }

    #[test]
    fn push_completes_a_partial_character_and_validates_the_bytes_after_it() {
        let mut validator = Utf8Validator::new();
        assert_eq!(validator.push(b"a\xf0"), Ok(valid(None, "a")));
        for (needed, byte) in [(3, 0x9f), (2, 0x8e)] {
            assert_eq!(validator.needed(), needed);
            assert_eq!(validator.push(&[byte]), Ok(valid(None, "")));
        }
        assert_eq!(validator.push(b""), Ok(valid(None, "")));
        assert_eq!(validator.needed(), 1);
        assert_eq!(validator.push(b"\x89bc\xc3"), Ok(valid(Some('🎉'), "bc")));
        assert_eq!(validator.push(b"\xa9"), Ok(valid(Some('é'), "")));
        assert!(!validator.has_partial_char());
    }

    #[test]
    fn error_has_the_characters_of_the_piece_before_the_invalid_byte() {
        let mut validator = Utf8Validator::new();
        assert_eq!(validator.push(b"\xc3"), Ok(valid(None, "")));
        let error = validator.push(b"\xa9abc\xff").unwrap_err();
        assert_eq!(error.valid, valid(Some('é'), "abc"));
        assert_eq!(error.to_string(), "the text is not UTF-8");
        let mut validator = Utf8Validator::new();
        assert_eq!(validator.push(b"a\xc3"), Ok(valid(None, "a")));
        assert_eq!(validator.push(b"bc").unwrap_err().valid, valid(None, ""));
    }

    #[test]
    fn reports_an_invalid_byte_at_once() {
        for (bytes, valid_len) in [
            (&b"\xf4\x90"[..], 1), // above U+10FFFF
            (b"\xed\xa0", 1),      // a surrogate
            (b"\xc0", 0),          // overlong
            (b"\xe0\x80", 1),      // overlong
            (b"\xce\xba\xe1\xbd\xb9\xed\xa0", 6),
        ] {
            assert_ne!(run(&[&bytes[..valid_len]]).1, End::Invalid, "{bytes:x?}");
            assert_eq!(run(&[&bytes[..=valid_len]]).1, End::Invalid, "{bytes:x?}");
        }
    }

    /// Returns whether a clone of the validator yields text or an error for `piece`.
    fn yields_text_naive(validator: &Utf8Validator, piece: &[u8]) -> bool {
        validator.clone().push(piece) != Ok(ValidUtf8::default())
    }

    /// Returns the empty validator, and one validator for each partial character of boundary bytes.
    fn validators() -> Vec<Utf8Validator> {
        let mut all = vec![Utf8Validator::new()];
        for a in BOUNDARY_BYTES {
            for b in BOUNDARY_BYTES {
                for piece in [&[a][..], &[a, b], &[a, b, 0x80], &[a, b, 0xbf]] {
                    let mut validator = Utf8Validator::new();
                    if validator.push(piece) == Ok(ValidUtf8::default()) {
                        all.push(validator);
                    }
                }
            }
        }
        all.sort_by_key(|validator| (validator.partial, validator.len));
        all.dedup_by_key(|validator| (validator.partial, validator.len));
        all
    }

    #[test]
    fn yields_text_agrees_with_the_validator_for_every_short_piece() {
        let validators = validators();
        assert!(!validators[0].has_partial_char());
        assert!(validators.iter().any(|validator| validator.needed() == 3));
        assert!(validators.iter().any(|validator| validator.needed() == 2));
        assert!(validators.iter().any(|validator| validator.len == 3));
        let check = |validators: &[Utf8Validator], piece: &[u8]| {
            for validator in validators {
                let expected = yields_text_naive(validator, piece);
                assert_eq!(validator.yields_text(piece), expected, "{validator:?}, {piece:x?}");
            }
        };
        check(&validators, &[]);
        for a in BOUNDARY_BYTES {
            check(&validators, &[a]);
            for b in BOUNDARY_BYTES {
                check(&validators, &[a, b]);
                for c in BOUNDARY_BYTES {
                    check(&validators, &[a, b, c]);
                    for d in BOUNDARY_BYTES {
                        check(&validators[..1], &[a, b, c, d]);
                    }
                    // A partial character needs at most 3 bytes: one fourth byte of each kind
                    // suffices.
                    for d in [b'a', 0x80, 0xc3, 0xff] {
                        check(&validators[1..], &[a, b, c, d]);
                    }
                }
            }
        }
    }

    #[test]
    fn yields_text_reads_at_most_four_bytes() {
        let validator = Utf8Validator::new();
        for piece in [&b"\xf0\x9f\x8e\x89\xff"[..], b"abcd\xff", b"\xf0\x9f\x8e\x41\xff"] {
            assert!(validator.yields_text(piece));
        }
    }
}
