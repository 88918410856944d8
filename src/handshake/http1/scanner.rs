//! An incremental scanner of heads. The methods of [`Scanner`] follow the grammar of RFC 9112 from top
//! to bottom:
//!
//! ```text
//! request  = [ CRLF ] method SP request-target SP HTTP-version CRLF fields
//! response = HTTP-version SP status-code [ SP [ reason-phrase ] ] CRLF fields
//! fields   = *( field-name ":" OWS field-value OWS CRLF ) CRLF
//! ```
//!
//! Each method reads one part and the byte that ends it. If a byte is missing, the method stops there,
//! and the next call of [`Scanner::scan`] continues at that byte. Therefore each byte is read once, and
//! an invalid byte is reported by the call that receives it, however the head is split.
//!
//! The scanner keeps the start line, and passes each complete field line to its caller.

use super::characters::Class;
use super::{FieldLine, HeadLimits, StartLine};
use crate::handshake::HandshakeError;

/// The longest head that any limit allows, so that offsets fit in 32 bits.
const MAX_HEAD: usize = u32::MAX as usize;

const VERSION_PREFIX: &[u8; 7] = b"HTTP/1.";

/// The part of a head that is read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The method, or an empty line before it.
    RequestStart,
    EmptyLineLf,
    Method,
    Target,
    RequestVersion,
    /// The version, with which a response starts.
    ResponseVersion,
    Status,
    Reason,
    StartLineLf,
    /// The name of a field line, or the CR of the empty line after the last one.
    FieldName,
    FieldValue,
    FieldLf,
    EndLf,
    Complete,
}

/// Why a call of [`Scanner::scan`] stops before the head is complete.
enum Stop {
    /// The next byte has not arrived, or it exceeds a limit.
    MissingByte,
    Failed(HandshakeError),
}

type Step<T = Part> = Result<T, Stop>;

const fn failed<T>(error: HandshakeError) -> Step<T> {
    Err(Stop::Failed(error))
}

#[derive(Clone, Debug)]
pub(crate) struct Scanner {
    limits: HeadLimits,
    part: Part,
    /// The number of bytes read.
    at: usize,
    /// The offset of the current part of the start line, or of the current field line; `start <= at`.
    start: usize,
    /// The offset of the colon of the current field line, once its name is read.
    colon: usize,
    /// The number of complete field lines.
    field_count: usize,
    line: StartLine,
    /// The failure, after which nothing more is read.
    failure: Option<HandshakeError>,
}

impl Scanner {
    pub(crate) const fn request(limits: HeadLimits) -> Self {
        Self::new(limits, Part::RequestStart)
    }

    pub(crate) const fn response(limits: HeadLimits) -> Self {
        Self::new(limits, Part::ResponseVersion)
    }

    const fn new(mut limits: HeadLimits, part: Part) -> Self {
        if limits.max_head > MAX_HEAD {
            limits.max_head = MAX_HEAD;
        }
        let line = StartLine::EMPTY;
        Self { limits, part, at: 0, start: 0, colon: 0, field_count: 0, line, failure: None }
    }

    /// Returns the length of the head and its start line, or `None` if the head is incomplete.
    pub(crate) fn complete(&self) -> Option<(usize, &StartLine)> {
        (self.part == Part::Complete).then_some((self.at, &self.line))
    }

    /// Reads the bytes that arrived since the last call, and passes each complete field line to
    /// `on_field`. `received` starts with the first byte of the head.
    pub(crate) fn scan(
        &mut self,
        received: &[u8],
        mut on_field: impl FnMut(FieldLine),
    ) -> Result<(), HandshakeError> {
        if let Some(error) = self.failure {
            return Err(error);
        }
        while self.part != Part::Complete {
            match self.next_part(received, &mut on_field) {
                Ok(part) => self.part = part,
                Err(Stop::MissingByte) if self.at < self.limit() => break,
                Err(Stop::MissingByte) => return Err(self.fail(self.too_long())),
                Err(Stop::Failed(error)) => return Err(self.fail(error)),
            }
        }
        Ok(())
    }

    fn fail(&mut self, error: HandshakeError) -> HandshakeError {
        self.failure = Some(error);
        error
    }

    /// Reads the current part as far as it has arrived, and returns the next part.
    fn next_part(&mut self, received: &[u8], on_field: &mut impl FnMut(FieldLine)) -> Step {
        match self.part {
            Part::RequestStart | Part::Method => self.method(received),
            Part::EmptyLineLf => {
                self.lf(received)?;
                self.line.method = self.begin();
                Ok(Part::Method)
            }
            Part::Target => self.target(received),
            Part::RequestVersion => self.version(received, b'\r', Part::StartLineLf),
            Part::ResponseVersion => self.version(received, b' ', Part::Status),
            Part::Status => self.status(received),
            Part::Reason => self.reason(received),
            Part::StartLineLf => {
                self.lf(received)?;
                self.line.fields = self.begin();
                Ok(Part::FieldName)
            }
            Part::FieldName | Part::FieldValue | Part::FieldLf => self.fields(received, on_field),
            Part::EndLf => self.lf(received).map(|()| Part::Complete),
            Part::Complete => Ok(Part::Complete),
        }
    }

    // RFC 9110, section 9.1: method = token.
    fn method(&mut self, received: &[u8]) -> Step {
        match self.run(received, Class::Token)? {
            b' ' if self.at - self.start > 1 => {
                self.line.target = self.begin();
                Ok(Part::Target)
            }
            // RFC 9112, section 2.2: a server should ignore at least one empty line before the
            // request line.
            b'\r' if self.part == Part::RequestStart && self.at == 1 => Ok(Part::EmptyLineLf),
            b'\n' => failed(HandshakeError::BareLf),
            _ => failed(HandshakeError::InvalidMethod),
        }
    }

    // RFC 9112, section 3.2: request-target. Its form is checked once the head is complete.
    fn target(&mut self, received: &[u8]) -> Step {
        match self.run(received, Class::Target)? {
            b' ' if self.at - self.start > 1 => {
                self.line.version = self.begin();
                Ok(Part::RequestVersion)
            }
            b'\n' => failed(HandshakeError::BareLf),
            // An HTTP/0.9 request line ends with the target.
            b'\r' if self.at - self.start > 1 => failed(HandshakeError::InvalidHttpVersion),
            _ => failed(HandshakeError::InvalidTarget),
        }
    }

    // RFC 9112, section 2.3: HTTP-version = "HTTP/" DIGIT "." DIGIT.
    fn version(&mut self, received: &[u8], end: u8, next: Part) -> Step {
        loop {
            match (self.at - self.start, self.byte(received)?) {
                (index, byte) if VERSION_PREFIX.get(index) == Some(&byte) => {}
                (7, byte @ b'0'..=b'9') => self.line.minor_version = byte - b'0',
                (8, byte) if byte == end => {
                    self.begin();
                    return Ok(next);
                }
                (_, b'\n') => return failed(HandshakeError::BareLf),
                // The major version is not 1.
                (5, b'0'..=b'9') => return failed(HandshakeError::UnsupportedHttpVersion),
                _ => return failed(HandshakeError::InvalidHttpVersion),
            }
        }
    }

    // RFC 9112, section 4: status-code = 3DIGIT. A server must send the space after it even without a
    // reason phrase. Many servers do not, so that the space is optional here.
    fn status(&mut self, received: &[u8]) -> Step {
        loop {
            match (self.at - self.start, self.byte(received)?) {
                (0, byte @ b'1'..=b'9') | (1 | 2, byte @ b'0'..=b'9') => {
                    self.line.status = self.line.status * 10 + u16::from(byte - b'0');
                }
                (3, b' ') => {
                    self.line.reason = self.begin();
                    return Ok(Part::Reason);
                }
                (3, b'\r') => {
                    self.line.reason = (self.at - 1) as u32;
                    return Ok(Part::StartLineLf);
                }
                (_, b'\n') => return failed(HandshakeError::BareLf),
                _ => return failed(HandshakeError::InvalidStatusLine),
            }
        }
    }

    fn reason(&mut self, received: &[u8]) -> Step {
        match self.run(received, Class::FieldValue)? {
            b'\r' => Ok(Part::StartLineLf),
            b'\n' => failed(HandshakeError::BareLf),
            _ => failed(HandshakeError::InvalidStatusLine),
        }
    }

    /// Reads field lines up to the empty line that ends the head. Most bytes of a head are field lines,
    /// so that this is one loop over local variables.
    // RFC 9112, section 5: field-line = field-name ":" OWS field-value OWS.
    fn fields(&mut self, received: &[u8], on_field: &mut impl FnMut(FieldLine)) -> Step {
        let Self { mut part, mut at, mut start, mut colon, mut field_count, .. } = *self;
        let end = loop {
            let limit = self.field_line_limit(start);
            let line = received.get(..limit).unwrap_or(received);
            let rest = line.get(at..).unwrap_or_default();
            // The colon and the characters of a name are also characters of a value. The search for the
            // end of the line therefore does not depend on the position of the colon, and the processor
            // can overlap both searches (benches/handshake.rs).
            let len = Class::FieldValue.prefix_len(rest);
            if part == Part::FieldName {
                if field_count == self.limits.max_fields && !matches!(rest, [] | [b'\r', ..]) {
                    break failed(HandshakeError::TooManyFields);
                }
                colon = at + Class::Token.prefix_len(rest);
                match line.get(colon) {
                    Some(b':') if colon > start => {}
                    Some(b'\r') if colon == start => {
                        at += 1;
                        break Ok(Part::EndLf);
                    }
                    Some(byte) => break failed(invalid_field_name(*byte, colon - start)),
                    None => {
                        at = colon;
                        break Err(Stop::MissingByte);
                    }
                }
                part = Part::FieldValue;
            }
            if part == Part::FieldValue {
                at += len;
                // RFC 9110, section 5.5: CR, LF and NUL within a value are dangerous; other control
                // characters are invalid.
                match rest.get(len) {
                    Some(b'\r') => {}
                    Some(b'\n') => break failed(HandshakeError::BareLf),
                    Some(_) => break failed(HandshakeError::InvalidFieldValue),
                    None => break Err(Stop::MissingByte),
                }
                at += 1;
                part = Part::FieldLf;
            }
            match line.get(at) {
                Some(b'\n') => {}
                Some(_) => break failed(HandshakeError::LoneCr),
                None => break Err(Stop::MissingByte),
            }
            on_field(FieldLine { start, colon, end: at - 1 });
            at += 1;
            start = at;
            field_count += 1;
            part = Part::FieldName;
        };
        (self.part, self.at, self.start) = (part, at, start);
        (self.colon, self.field_count) = (colon, field_count);
        end
    }

    /// Begins the next part, or the next field line, at the next byte. Returns its offset.
    fn begin(&mut self) -> u32 {
        self.start = self.at;
        self.at as u32
    }

    // RFC 9112, section 2.2: a recipient must treat an element with a CR without LF as invalid.
    // Not inlined without an allocator, to keep a single copy.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    fn lf(&mut self, received: &[u8]) -> Step<()> {
        match self.byte(received)? {
            b'\n' => Ok(()),
            _ => failed(HandshakeError::LoneCr),
        }
    }

    /// Reads one byte.
    // Not inlined without an allocator, to keep a single copy.
    #[cfg_attr(feature = "alloc", inline)]
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    fn byte(&mut self, received: &[u8]) -> Step<u8> {
        let head = received.get(..self.limits.max_head).unwrap_or(received);
        let byte = *head.get(self.at).ok_or(Stop::MissingByte)?;
        self.at += 1;
        Ok(byte)
    }

    /// Reads a run of characters of `class` and the byte after it, which it returns.
    // Not inlined, to keep a single copy.
    #[inline(never)]
    fn run(&mut self, received: &[u8], class: Class) -> Step<u8> {
        let received = received.get(..self.limit()).unwrap_or(received);
        self.at += class.prefix_len(received.get(self.at..).unwrap_or_default());
        self.byte(received)
    }

    /// Returns the offset at which the current part must have ended.
    // Not inlined without an allocator, to keep a single copy.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    fn limit(&self) -> usize {
        match self.part {
            // The space after the target does not count toward the limit.
            Part::Target => {
                let limit = self.start.saturating_add(self.limits.max_target).saturating_add(1);
                limit.min(self.limits.max_head)
            }
            Part::FieldName | Part::FieldValue | Part::FieldLf => self.field_line_limit(self.start),
            Part::RequestStart
            | Part::EmptyLineLf
            | Part::Method
            | Part::RequestVersion
            | Part::ResponseVersion
            | Part::Status
            | Part::Reason
            | Part::StartLineLf
            | Part::EndLf
            | Part::Complete => self.limits.max_head,
        }
    }

    /// Returns the offset at which a field line that starts at `start` must have ended.
    fn field_line_limit(&self, start: usize) -> usize {
        start.saturating_add(self.limits.max_field_line).min(self.limits.max_head)
    }

    #[cold]
    fn too_long(&self) -> HandshakeError {
        if self.at >= self.limits.max_head {
            HandshakeError::HeadTooLong
        } else if self.part == Part::Target {
            HandshakeError::TargetTooLong
        } else {
            HandshakeError::FieldLineTooLong
        }
    }
}

/// Returns the error of `byte`, which is invalid after `len` bytes of a field name.
#[cold]
#[inline(never)]
fn invalid_field_name(byte: u8, len: usize) -> HandshakeError {
    match byte {
        b'\n' => HandshakeError::BareLf,
        b':' => HandshakeError::EmptyFieldName,
        // RFC 9112, section 5.2: a server must reject or replace line folding. Section 2.2: a recipient
        // must reject or ignore a line that starts with whitespace after the start line.
        b' ' | b'\t' if len == 0 => HandshakeError::FoldedLine,
        // RFC 9112, section 5.1: a server must reject whitespace between the name and the colon.
        b' ' | b'\t' => HandshakeError::SpaceBeforeColon,
        _ => HandshakeError::InvalidFieldName,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The result of scanning a head in one piece or byte by byte.
    #[derive(Debug, PartialEq, Eq)]
    enum Outcome {
        Scanned { part: Part, at: usize, field_count: usize },
        Failed(HandshakeError),
    }

    fn scan<'a>(mut scanner: Scanner, pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
        let mut fields = 0;
        for received in pieces {
            if let Err(error) = scanner.scan(received, |_| fields += 1) {
                return Outcome::Failed(error);
            }
            // A call reads all received bytes, so that no byte is read twice.
            assert!(scanner.part == Part::Complete || scanner.at == received.len());
        }
        let Scanner { part, at, field_count, .. } = scanner;
        assert_eq!(fields, field_count);
        Outcome::Scanned { part, at, field_count }
    }

    fn whole(limits: HeadLimits, head: &[u8]) -> Outcome {
        scan(Scanner::request(limits), [head].into_iter())
    }

    fn bytewise(limits: HeadLimits, head: &[u8]) -> Outcome {
        scan(Scanner::request(limits), (0..=head.len()).map(|len| &head[..len]))
    }

    #[test]
    fn limits_are_inclusive() {
        const START: &[u8] = b"GET / HTTP/1.1\r\n";
        let default = HeadLimits::DEFAULT;
        let line = default.with_max_field_line(8);
        let fields = default.with_max_fields(2);
        let head = default.with_max_head(START.len() + 10);
        for (lines, limits, expected) in [
            (&b"A: 345\r\nB: 345\r\n\r\n"[..], line, Ok(())),
            (b"A: 345\r\nB: 3456\r\n\r\n", line, Err(HandshakeError::FieldLineTooLong)),
            (b"Abcdefghi", line, Err(HandshakeError::FieldLineTooLong)),
            (b"A: 1\r\nB: 2\r\n\r\n", fields, Ok(())),
            (b"A: 1\r\nB: 2\r\nC", fields, Err(HandshakeError::TooManyFields)),
            (b"A: 345\r\n\r\n", head, Ok(())),
            (b"A: 3456\r\n\r\n", head, Err(HandshakeError::HeadTooLong)),
        ] {
            let bytes = [START, lines].concat();
            for outcome in [whole(limits, &bytes), bytewise(limits, &bytes)] {
                let outcome = match outcome {
                    Outcome::Scanned { part, .. } => Ok(part),
                    Outcome::Failed(error) => Err(error),
                };
                let expected = expected.map(|()| Part::Complete);
                assert_eq!(outcome, expected, "{}", lines.escape_ascii());
            }
        }
    }

    #[test]
    fn every_combination_of_parts_scans_the_same_whole_and_bytewise() {
        let parts: [&[u8]; 9] =
            [b"Host", b":", b" a", b"\r", b"\n", b"\0", b"Key: \xe4\t\r\n", b":\r\n", b"\r\n"];
        const START: &[u8] = b"GET / HTTP/1.1\r\n";
        let default = HeadLimits::DEFAULT;
        for limits in [
            default,
            default.with_max_field_line(9),
            default.with_max_head(START.len() + 12),
            default.with_max_fields(1),
            default.with_max_fields(0).with_max_field_line(1),
        ] {
            for chosen in 0..parts.len().pow(5) {
                let part = |place| parts[chosen / parts.len().pow(place) % parts.len()];
                let head = [START, part(0), part(1), part(2), part(3), part(4)].concat();
                let expected = bytewise(limits, &head);
                assert_eq!(whole(limits, &head), expected, "{}", head.escape_ascii());
            }
        }
    }

    #[test]
    fn reads_each_byte_once() {
        let head = b"\r\nGET /a HTTP/1.1\r\nHost: example.com\r\nB: \xfc\tc\r\n\r\n";
        let mut scanner = Scanner::request(HeadLimits::DEFAULT);
        for len in 0..=head.len() {
            let mut received = head[..len].to_vec();
            received[..len.saturating_sub(1)].fill(0);
            scanner.scan(&received, |_| {}).unwrap();
        }
        assert_eq!(scanner.complete().map(|(len, _)| len), Some(head.len()));
    }
}
