//! The grammar of an HTTP/1.1 head (RFC 9112): what a start line and a field section share.

use super::{HandshakeError, HeadLimits};

/// Whether there are quick ways, by words, by lines and by whole parts, beside the complete one by bytes.
/// Where there is no allocator, code is dear, and that one does.
const QUICK: bool = cfg!(feature = "alloc");

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
