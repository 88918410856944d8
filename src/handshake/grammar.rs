//! The grammar of an HTTP/1.1 head (RFC 9112), as a table of its parts.

use super::HandshakeError;
use super::class::Class;

/// What comes next in a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// A request, before which an empty line may stand.
    Request,
    EmptyLineLf,
    Method,
    Target,
    RequestVersion,
    /// A response, which begins with its version.
    Response,
    Status,
    Reason,
    StartLineLf,
    /// A field line, or the empty line behind them all.
    Name,
    Value,
    ValueLf,
    /// That empty line, since there were as many fields as there may be.
    LastCr,
    LastLf,
    /// No part: a field line was taken, and is to be noted.
    Noted,
    /// No part: the head was taken.
    Complete,
}

/// A place in a head that is kept.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mark {
    /// A request's method, a response's version.
    First,
    /// A request's target, a response's status.
    Second,
    /// A request's version, a response's reason phrase.
    Third,
    /// The field lines.
    Fields,
    /// The value in the last of these.
    Value,
}

/// A part of a head, and the byte that ends it.
pub(super) struct Part {
    pub(super) characters: Characters,
    /// How many of these there are at least.
    pub(super) least: u8,
    pub(super) end: u8,
    pub(super) next: State,
    /// What comes behind the end, if it is to be found again.
    pub(super) mark: Option<Mark>,
    /// What is next if there is a CR instead of all this.
    pub(super) empty: Option<State>,
    /// What else stands there breaks this.
    error: HandshakeError,
    pub(super) limit: Limit,
}

/// What a part adds to that is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// The head alone.
    Head,
    Target,
    FieldLine,
}

/// What a part is made of.
#[derive(Clone, Copy)]
pub(super) enum Characters {
    Of(Class),
    /// In each place one from the lowest to the highest, and as many as there are places.
    Between(&'static [u8], &'static [u8]),
}

const NONE: Characters = Characters::Between(b"", b"");
const TOKEN: Characters = Characters::Of(Class::Token);
const TARGET: Characters = Characters::Of(Class::Target);
const TEXT: Characters = Characters::Of(Class::Value);
const VERSION: Characters = Characters::Between(b"HTTP/1.0", b"HTTP/1.9");
// RFC 9110, section 15: the first digit is the class, from 1; what is above 5 is invalid, but it is
// the caller who is told the status.
const STATUS: Characters = Characters::Between(b"100", b"999");

const METHOD: Part = part(TOKEN, b' ', State::Target)
    .not_empty()
    .mark(Mark::Second)
    .error(HandshakeError::InvalidMethod);

/// In the order of the states that have one.
const PARTS: &[Part] = {
    use HandshakeError as E;
    use State as S;
    &[
        // Request. RFC 9112, section 2.2: a server should ignore at least one empty line before it.
        METHOD.or_empty(S::EmptyLineLf),
        // EmptyLineLf
        part(NONE, b'\n', S::Method).mark(Mark::First),
        // Method
        METHOD,
        // Target
        part(TARGET, b' ', S::RequestVersion)
            .not_empty()
            .mark(Mark::Third)
            .error(E::InvalidTarget)
            .limit(Limit::Target),
        // RequestVersion
        part(VERSION, b'\r', S::StartLineLf).error(E::InvalidHttpVersion),
        // Response
        part(VERSION, b' ', S::Status).mark(Mark::Second).error(E::InvalidHttpVersion),
        // Status. RFC 9112, section 4: the space is sent even if the reason phrase is absent.
        part(STATUS, b' ', S::Reason).mark(Mark::Third).error(E::InvalidStatusLine),
        // Reason
        part(TEXT, b'\r', S::StartLineLf).error(E::InvalidStatusLine),
        // StartLineLf
        part(NONE, b'\n', S::Name).mark(Mark::Fields),
        // Name
        part(TOKEN, b':', S::Value)
            .not_empty()
            .mark(Mark::Value)
            .error(E::InvalidFieldName)
            .limit(Limit::FieldLine)
            .or_empty(S::LastLf),
        // Value. RFC 9110, section 5.5: values with CR, LF or NUL are invalid and dangerous; other
        // control characters are invalid as well.
        part(TEXT, b'\r', S::ValueLf).error(E::InvalidFieldValue).limit(Limit::FieldLine),
        // ValueLf
        part(NONE, b'\n', S::Noted).limit(Limit::FieldLine),
        // LastCr
        part(NONE, b'\r', S::LastLf).error(E::TooManyFields).limit(Limit::FieldLine),
        // LastLf
        part(NONE, b'\n', S::Complete).limit(Limit::FieldLine),
    ]
};

const _: () = assert!(PARTS.len() == State::Noted as usize);

/// A part of which nothing is said yet: the LF that ends a line has nothing else. RFC 9112, section
/// 2.2: a recipient of a bare CR must consider it invalid (or replace it).
const fn part(characters: Characters, end: u8, next: State) -> Part {
    let least = match characters {
        Characters::Of(_) => 0,
        Characters::Between(lowest, _) => lowest.len() as u8,
    };
    let error = HandshakeError::LoneCr;
    Part { characters, least, end, next, mark: None, empty: None, error, limit: Limit::Head }
}

impl Part {
    const fn not_empty(self) -> Self {
        Self { least: 1, ..self }
    }

    const fn mark(self, mark: Mark) -> Self {
        Self { mark: Some(mark), ..self }
    }

    const fn or_empty(self, next: State) -> Self {
        Self { empty: Some(next), ..self }
    }

    const fn error(self, error: HandshakeError) -> Self {
        Self { error, ..self }
    }

    const fn limit(self, limit: Limit) -> Self {
        Self { limit, ..self }
    }
}

impl State {
    /// The part that comes next, if one does.
    pub(super) fn part(self) -> Option<&'static Part> {
        PARTS.get(self as usize)
    }

    /// What almost everyone sends from here on to the end of the start line.
    pub(super) fn usual_end(self) -> Option<&'static [u8]> {
        if self == Self::RequestVersion {
            Some(b"HTTP/1.1\r\n")
        } else if self == Self::Response {
            Some(b"HTTP/1.1 101 Switching Protocols\r\n")
        } else {
            None
        }
    }

    /// Why `byte`, behind `length` characters of its part, may not stand there.
    #[cold]
    pub(super) fn refuse(self, part: &Part, byte: u8, length: usize) -> HandshakeError {
        match (self, byte, length) {
            (Self::LastCr, ..) => HandshakeError::TooManyFields,
            (_, b'\n', _) => HandshakeError::BareLf,
            (Self::Target, b'\r', 1..) => HandshakeError::InvalidHttpVersion,
            (Self::RequestVersion | Self::Response, b'0'..=b'9', 5) => {
                HandshakeError::UnsupportedHttpVersion
            }
            (Self::Name, b':', _) => HandshakeError::EmptyFieldName,
            // RFC 9112, section 5.2: a server must reject a line folded so, or replace the folding;
            // section 2.2 says the same of the first line.
            (Self::Name, b' ' | b'\t', 0) => HandshakeError::FoldedLine,
            // RFC 9112, section 5.1: no white space between name and colon: 400.
            (Self::Name, b' ' | b'\t', _) => HandshakeError::SpaceBeforeColon,
            _ => part.error,
        }
    }
}

impl Characters {
    /// How many bytes at the start of `bytes` may stand behind `length` characters of this part.
    pub(super) fn run(self, length: usize, bytes: &[u8]) -> usize {
        match self {
            Self::Of(class) => class.run(bytes),
            Self::Between(lowest, highest) => {
                let ranges = lowest.iter().zip(highest).skip(length);
                let fits = |&((lowest, highest), byte): &((&u8, &u8), &u8)| {
                    lowest <= byte && byte <= highest
                };
                ranges.zip(bytes).take_while(fits).count()
            }
        }
    }
}
