//! The parts of a head, and the syntax of those before the field lines.
//!
//! ```text
//!   request:   RequestStart ─── SP ───▶ Target ─ SP ─▶ RequestVersion ─ CR ─▶ StartLineLf ─▶ FieldName
//!               │ CR                       ▲
//!               └──▶ EmptyLineLf ─▶ Method ─ SP
//!
//!   response:  VersionAndStatus ─ SP ─▶ Reason ─ CR ─▶ StartLineLf ─▶ FieldName
//!               └──────────────── CR ──────────────────────▲
//!
//!   fields:    FieldName ─ ":" ─▶ FieldValue ─ CR ─▶ FieldLf ─▶ FieldName
//!               └── CR ──▶ EndLf ─▶ Complete
//! ```
//!
//! The order of [`Part`] is that of two tables: first the parts whose offsets a
//! [`StartLine`](super::StartLine) keeps, then the other parts with a [`Syntax`], then the parts of a
//! field line.

use super::characters::Class;
use crate::handshake::HandshakeError;

/// The part of a head that is read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Method,
    Target,
    RequestVersion,
    Reason,
    StartLineLf,
    /// The method, or an empty line before it.
    RequestStart,
    EmptyLineLf,
    /// The start of a response.
    VersionAndStatus,
    EndLf,
    /// The name of a field line, or the CR of the empty line after the last one.
    FieldName,
    FieldValue,
    FieldLf,
    Complete,
}

/// The syntax of a part that is not in a field line.
pub(super) struct Syntax {
    pub(super) characters: Characters,
    /// The minimum number of characters.
    pub(super) min: usize,
    /// The byte after the characters.
    pub(super) end: u8,
    pub(super) next: Part,
    /// The error of any other byte.
    pub(super) error: HandshakeError,
}

/// The characters of a part.
pub(super) enum Characters {
    /// Characters of a class.
    Of(Class),
    /// One character for each byte of a pattern. `b'0' | 0x80` (0xb0) matches any digit, `b'1' | 0x80`
    /// (0xb1) any digit from 1, and every other byte matches itself.
    Pattern(&'static [u8]),
}

/// The syntax of all parts before [`Part::FieldName`], in the order of [`Part`].
pub(super) const SYNTAX: &[Syntax; Part::FieldName as usize] = {
    use Characters::{Of, Pattern};
    use HandshakeError as Error;

    const fn part(
        characters: Characters,
        min: usize,
        end: u8,
        next: Part,
        error: HandshakeError,
    ) -> Syntax {
        Syntax { characters, min, end, next, error }
    }
    // RFC 9112, section 2.2: a recipient must treat an element with a CR without LF as invalid.
    const fn lf(next: Part) -> Syntax {
        part(Pattern(b""), 0, b'\n', next, Error::LoneCr)
    }
    // RFC 9110, section 9.1: method = token.
    const METHOD: Syntax = part(Of(Class::Token), 1, b' ', Part::Target, Error::InvalidMethod);
    // RFC 9112, section 2.3: HTTP-version = "HTTP/" DIGIT "." DIGIT.
    const VERSION: Characters = Pattern(b"HTTP/1.\xb0");
    // RFC 9112, section 4: status-code = 3DIGIT.
    const VERSION_AND_STATUS: Characters = Pattern(b"HTTP/1.\xb0 \xb1\xb0\xb0");
    &[
        METHOD,
        // RFC 9112, section 3.2: request-target. Its form is checked once the head is complete.
        part(Of(Class::Target), 1, b' ', Part::RequestVersion, Error::InvalidTarget),
        part(VERSION, 8, b'\r', Part::StartLineLf, Error::InvalidHttpVersion),
        // RFC 9112, section 4: reason-phrase.
        part(Of(Class::FieldValue), 0, b'\r', Part::StartLineLf, Error::InvalidStatusLine),
        lf(Part::FieldName), // StartLineLf
        METHOD,              // RequestStart
        lf(Part::Method),    // EmptyLineLf
        part(VERSION_AND_STATUS, 12, b' ', Part::Reason, Error::InvalidHttpVersion),
        lf(Part::Complete), // EndLf
    ]
};
