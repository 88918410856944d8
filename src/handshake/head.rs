//! The grammar of an HTTP/1.1 head (RFC 9112): what a start line and a field section share.

use super::class::{Class, QUICK};
use super::{HandshakeError, HeadLimits};

/// What a head is limited to in any case, so that places in it are kept in 32 bits.
const MAX_HEAD: usize = u32::MAX as usize;

/// A place in a head, none of which lies beyond `MAX_HEAD`.
pub(super) const fn place(at: usize) -> u32 {
    at as u32
}

/// A part of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Place {
    pub(super) const fn new(start: usize, end: usize) -> Self {
        Self { start: place(start), end: place(end) }
    }

    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(super) fn of(self, head: &[u8]) -> &[u8] {
        head.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// What takes notes of fields as they are passed.
pub(super) trait Notes {
    /// Notes a field, whose value begins `at`, with the white space around it.
    fn note(&mut self, name: &[u8], at: usize, value: &[u8]);
}

/// Walks over a head that grows, and never looks again at what it has taken.
#[derive(Clone, Debug)]
pub(super) struct Scanner {
    limits: HeadLimits,
    /// Bytes taken, each of which was looked at once; those of a field line that is too long, and of
    /// the names of those that arrived whole, twice.
    pub(super) at: usize,
    /// Where the line or part that is being read began.
    start: usize,
    /// Where it must have ended, and what it breaks otherwise.
    limit: usize,
    too_long: HandshakeError,
    /// Where the colon of the field line is.
    colon: usize,
    fields: usize,
    state: FieldState,
}

/// Where in a field section the scanner is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FieldState {
    /// Before a line.
    Start,
    Name,
    Value,
    ValueLf,
    LastLf,
}

impl Scanner {
    pub(super) const fn new(mut limits: HeadLimits) -> Self {
        if limits.max_head > MAX_HEAD {
            limits.max_head = MAX_HEAD;
        }
        Self {
            limits,
            at: 0,
            start: 0,
            limit: limits.max_head,
            too_long: HandshakeError::HeadTooLong,
            colon: 0,
            fields: 0,
            state: FieldState::Start,
        }
    }

    /// Begins a part of the head of which at most `max` bytes are accepted.
    pub(super) fn begin(&mut self, max: usize, too_long: HandshakeError) {
        self.start = self.at;
        self.limit = self.at.saturating_add(max).min(self.limits.max_head);
        self.too_long = too_long;
    }

    /// Begins a part that only the whole head's limit bounds.
    pub(super) fn begin_unlimited(&mut self) {
        self.begin(usize::MAX, HandshakeError::HeadTooLong);
    }

    pub(super) fn begin_target(&mut self) {
        // The space that ends it is no part of it.
        self.begin(self.limits.max_target.saturating_add(1), HandshakeError::TargetTooLong);
    }

    /// Bytes taken since the part began, before the one that was taken last.
    pub(super) fn len(&self) -> usize {
        self.at - self.start - 1
    }

    /// What has arrived of the part and was not taken, as far as the part is accepted.
    fn rest<'a>(&self, head: &'a [u8]) -> &'a [u8] {
        head.get(self.at..head.len().min(self.limit)).unwrap_or_default()
    }

    /// Takes what is of `class` and the byte after it, which it returns; `None` if that has not
    /// arrived.
    pub(super) fn after(
        &mut self,
        head: &[u8],
        class: Class,
    ) -> Result<Option<u8>, HandshakeError> {
        let rest = self.rest(head);
        let run = class.run(rest);
        self.at += run;
        self.take(rest.get(run))
    }

    /// Takes one byte.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(super) fn next(&mut self, head: &[u8]) -> Result<Option<u8>, HandshakeError> {
        self.take(self.rest(head).first())
    }

    fn take(&mut self, next: Option<&u8>) -> Result<Option<u8>, HandshakeError> {
        match next {
            Some(&byte) => {
                self.at += 1;
                Ok(Some(byte))
            }
            None if self.at < self.limit => Ok(None),
            None if self.limit == self.limits.max_head => Err(HandshakeError::HeadTooLong),
            None => Err(self.too_long),
        }
    }

    /// Takes `bytes`, if the part that was begun has arrived so far and is these: the quick way where
    /// they are what almost everyone sends.
    pub(super) fn takes(&mut self, head: &[u8], bytes: &[u8]) -> bool {
        let is_next = QUICK && self.at == self.start && self.rest(head).starts_with(bytes);
        if is_next {
            self.at += bytes.len();
        }
        is_next
    }

    /// Takes `HTTP/1.` and a digit, with which the part began; `None` if more has to arrive.
    pub(super) fn minor_version(&mut self, head: &[u8]) -> Result<Option<u8>, HandshakeError> {
        const START: &[u8] = b"HTTP/1.";
        loop {
            let taken = self.at - self.start;
            let Some(byte) = self.next(head)? else { return Ok(None) };
            match (taken, byte) {
                (7, b'0'..=b'9') => return Ok(Some(byte - b'0')),
                (5, b'0' | b'2'..=b'9') => return Err(HandshakeError::UnsupportedHttpVersion),
                _ if START.get(taken) == Some(&byte) => {}
                _ => return Err(HandshakeError::InvalidHttpVersion),
            }
        }
    }

    /// Takes the LF behind a CR; `false` if it has not arrived.
    pub(super) fn lf(&mut self, head: &[u8]) -> Result<bool, HandshakeError> {
        match self.next(head)? {
            None => Ok(false),
            Some(b'\n') => Ok(true),
            // RFC 9112, section 2.2: a recipient of a bare CR must consider it invalid (or
            // replace it).
            Some(_) => Err(HandshakeError::LoneCr),
        }
    }

    /// Takes field lines and the empty line that ends them; `false` if more has to arrive.
    pub(super) fn fields(
        &mut self,
        head: &[u8],
        notes: &mut impl Notes,
    ) -> Result<bool, HandshakeError> {
        loop {
            if self.state == FieldState::Start {
                self.state = self.whole_lines(head, notes);
            }
            if self.state == FieldState::Name {
                if self.fields == self.limits.max_fields
                    && self.rest(head).first().is_some_and(|&byte| byte != b'\r')
                {
                    return Err(HandshakeError::TooManyFields);
                }
                let Some(byte) = self.after(head, Class::Token)? else { return Ok(false) };
                match (byte, self.len()) {
                    (b':', 1..) => {
                        self.colon = self.at - 1;
                        self.state = FieldState::Value;
                    }
                    (b'\r', 0) => self.state = FieldState::LastLf,
                    (byte, length) => return Err(not_a_name(byte, length)),
                }
            }
            if self.state == FieldState::Value {
                match self.after(head, Class::Value)? {
                    None => return Ok(false),
                    Some(b'\r') => self.state = FieldState::ValueLf,
                    Some(b'\n') => return Err(HandshakeError::BareLf),
                    // RFC 9110, section 5.5: values with CR, LF or NUL are invalid and dangerous;
                    // other control characters are invalid as well.
                    Some(_) => return Err(HandshakeError::InvalidFieldValue),
                }
            }
            if !self.lf(head)? {
                return Ok(false);
            }
            if self.state == FieldState::LastLf {
                return Ok(true);
            }
            let name = Place::new(self.start, self.colon).of(head);
            let value = Place::new(self.colon + 1, self.at - 2).of(head);
            notes.note(name, self.colon + 1, value);
            self.fields += 1;
            self.state = FieldState::Start;
        }
    }

    /// Takes the field lines that have arrived whole, and of the next what is a name and a value, as far
    /// as that is quick; begins the next.
    // A function of its own, so that all that it needs is in registers.
    #[inline(never)]
    fn whole_lines(&mut self, head: &[u8], notes: &mut impl Notes) -> FieldState {
        let head = head.get(..self.limits.max_head).unwrap_or(head);
        let mut lines = head.get(self.at..).unwrap_or_default();
        let (state, taken) = loop {
            if !QUICK || self.fields == self.limits.max_fields {
                break (FieldState::Name, 0);
            }
            // What a name is made of may stand in a value. So the end of a line is found without its
            // colon, and neither waits for the other.
            let run = Class::Value.run(lines);
            let colon = Class::Token.run(lines);
            let Some((name @ [_, ..], [b':', ..])) = lines.split_at_checked(colon) else {
                break (FieldState::Name, colon);
            };
            self.colon = self.at + colon;
            match lines.split_at_checked(run) {
                Some((line, [b'\r', b'\n', rest @ ..]))
                    if run + 2 <= self.limits.max_field_line =>
                {
                    notes.note(name, self.colon + 1, line.get(colon + 1..).unwrap_or_default());
                    self.fields += 1;
                    self.at += run + 2;
                    lines = rest;
                }
                Some(_) | None => break (FieldState::Value, run),
            }
        };
        self.begin(self.limits.max_field_line, HandshakeError::FieldLineTooLong);
        self.at += taken;
        state
    }
}

/// Why `byte`, behind `length` characters of a token, does not make a field's name of them.
#[cold]
fn not_a_name(byte: u8, length: usize) -> HandshakeError {
    match (byte, length) {
        (b'\n', _) => HandshakeError::BareLf,
        (b':', _) => HandshakeError::EmptyFieldName,
        // RFC 9112, section 5.2: a server must reject a line folded so, or replace the folding;
        // section 2.2 says the same of the first line.
        (b' ' | b'\t', 0) => HandshakeError::FoldedLine,
        // RFC 9112, section 5.1: no white space between name and colon: 400.
        (b' ' | b'\t', _) => HandshakeError::SpaceBeforeColon,
        _ => HandshakeError::InvalidFieldName,
    }
}

#[cfg(test)]
mod tests {
    use super::super::notes::RequestNotes;
    use super::*;

    /// What is taken of `lines`, and noted, if they arrive whole or byte by byte.
    fn taken(
        lines: &[u8],
        limits: HeadLimits,
        whole: bool,
    ) -> (Result<bool, HandshakeError>, Option<usize>, RequestNotes) {
        let (mut scanner, mut notes) = (Scanner::new(limits), RequestNotes::NOTHING);
        let mut end = if whole { lines.len() } else { 0 };
        loop {
            let taken = scanner.fields(lines.get(..end).unwrap(), &mut notes);
            if end == lines.len() || taken != Ok(false) {
                return (taken, taken.is_ok().then_some(scanner.at), notes);
            }
            end += 1;
        }
    }

    #[test]
    fn limits_are_inclusive() {
        let default = HeadLimits::DEFAULT;
        let line = HeadLimits { max_field_line: 8, ..default };
        let fields = HeadLimits { max_fields: 2, ..default };
        let head = HeadLimits { max_head: 10, ..default };
        for (lines, limits, expected) in [
            (&b"A: 345\r\nB: 345\r\n\r\n"[..], line, Ok(true)),
            (b"A: 345\r\nB: 3456\r\n\r\n", line, Err(HandshakeError::FieldLineTooLong)),
            (b"Abcdefghi", line, Err(HandshakeError::FieldLineTooLong)),
            (b"A: 1\r\nB: 2\r\n\r\n", fields, Ok(true)),
            (b"A: 1\r\nB: 2\r\nC", fields, Err(HandshakeError::TooManyFields)),
            (b"A: 345\r\n\r\n", head, Ok(true)),
            (b"A: 3456\r\n\r\n", head, Err(HandshakeError::HeadTooLong)),
        ] {
            for whole in [false, true] {
                assert_eq!(taken(lines, limits, whole).0, expected, "{}", lines.escape_ascii());
            }
        }
    }

    #[test]
    fn lines_that_arrive_whole_are_what_they_are_byte_by_byte() {
        let parts: [&[u8]; 9] =
            [b"Host", b":", b" a", b"\r", b"\n", b"\0", b"Key: \xe4\t\r\n", b":\r\n", b"\r\n"];
        let default = HeadLimits::DEFAULT;
        for limits in [
            default,
            HeadLimits { max_field_line: 9, ..default },
            HeadLimits { max_head: 12, ..default },
            HeadLimits { max_fields: 1, ..default },
        ] {
            for chosen in 0..parts.len().pow(5) {
                let of = |place| parts[chosen / parts.len().pow(place) % parts.len()];
                let (mut lines, mut length) = ([0; 50], 0);
                for part in [of(0), of(1), of(2), of(3), of(4)] {
                    lines[length..length + part.len()].copy_from_slice(part);
                    length += part.len();
                }
                let lines = &lines[..length];
                let by_bytes = taken(lines, limits, false);
                assert_eq!(taken(lines, limits, true), by_bytes, "{}", lines.escape_ascii());
            }
        }
    }
}
