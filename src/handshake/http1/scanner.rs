//! An incremental scanner of heads, whose grammar is in RFC 9112:
//!
//! ```text
//! request  = [ CRLF ] method SP request-target SP HTTP-version CRLF fields
//! response = HTTP-version SP status-code [ SP [ reason-phrase ] ] CRLF fields
//! fields   = *( field-name ":" OWS field-value OWS CRLF ) CRLF
//! ```
//!
//! The table [`SYNTAX`] describes each part before the field lines. `next_part` reads one of these parts
//! and the byte that ends it; `fields` reads the field lines. If a byte is missing, they stop there, and
//! the next call of [`Scanner::scan`] continues at that byte. Therefore each byte is read once, and an
//! invalid byte is reported by the call that receives it, however the head is split.
//!
//! The scanner keeps the start line, and passes each complete field line to its caller.

use super::characters::Class;
use super::syntax::{Characters, Part, SYNTAX};
use super::{FieldLine, HeadLimits, StartLine};
use crate::handshake::HandshakeError;

/// The longest head that any limit allows, so that offsets fit in 32 bits.
const MAX_HEAD: usize = u32::MAX as usize;

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
        Self::new(limits, Part::VersionAndStatus)
    }

    const fn new(mut limits: HeadLimits, part: Part) -> Self {
        if limits.max_head > MAX_HEAD {
            limits.max_head = MAX_HEAD;
        }
        let line = StartLine::EMPTY;
        Self { limits, part, at: 0, start: 0, colon: 0, field_count: 0, line, failure: None }
    }

    #[cfg(feature = "alloc")]
    pub(crate) const fn max_head(&self) -> usize {
        self.limits.max_head
    }

    /// Returns the length of the head and its start line, or `None` if the head is incomplete.
    pub(crate) fn complete(&self) -> Option<(usize, &StartLine)> {
        (self.part == Part::Complete).then_some((self.at, &self.line))
    }

    /// Reads the bytes that arrived since the last call, and passes each complete field line to
    /// `on_field`. `received` starts with the first byte of the head. If it is not longer
    /// than in an earlier call, there are no new bytes.
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
        let Some(syntax) = SYNTAX.get(self.part as usize) else {
            return self.fields(received, on_field);
        };
        let received = received.get(..self.limit()).unwrap_or(received);
        let rest = received.get(self.at..).unwrap_or_default();
        self.at += match syntax.characters {
            Characters::Of(class) => class.prefix_len(rest),
            Characters::Pattern(pattern) => self.pattern_len(pattern, rest),
        };
        let byte = *received.get(self.at).ok_or(Stop::MissingByte)?;
        let len = self.at - self.start;
        self.at += 1;
        let next = match (self.part, byte, len) {
            (_, byte, len) if byte == syntax.end && len >= syntax.min => syntax.next,
            // RFC 9112, section 2.2: a server should ignore at least one empty line before the request
            // line.
            (Part::RequestStart, b'\r', 0) => Part::EmptyLineLf,
            // RFC 9112, section 4: a server must send the space after the status code even without a
            // reason phrase. Many servers do not, so that the space is optional here.
            (Part::VersionAndStatus, b'\r', 12) => Part::StartLineLf,
            (_, b'\n', _) => return failed(HandshakeError::BareLf),
            // An HTTP/0.9 request line ends with the target.
            (Part::Target, b'\r', 1..) => return failed(HandshakeError::InvalidHttpVersion),
            // The major version is not 1.
            (Part::RequestVersion | Part::VersionAndStatus, b'0'..=b'9', 5) => {
                return failed(HandshakeError::UnsupportedHttpVersion);
            }
            (Part::VersionAndStatus, _, 9..) => return failed(HandshakeError::InvalidStatusLine),
            _ => return failed(syntax.error),
        };
        self.start = self.at;
        if let Some(start) = self.line.starts.get_mut(next as usize) {
            *start = self.at as u32;
        }
        Ok(next)
    }

    /// Reads the characters of the current part that fit `pattern`. Returns their number.
    fn pattern_len(&mut self, pattern: &[u8], rest: &[u8]) -> usize {
        // Empty for the last LF: its part starts at the CR, so that `at - start > pattern.len()`.
        let pattern = pattern.get(self.at - self.start..).unwrap_or_default();
        let mut len = 0;
        for (byte, expected) in rest.iter().zip(pattern) {
            let lowest = expected & 0x7f;
            let width = if expected.is_ascii() { 0 } else { b'9' - lowest };
            if byte.wrapping_sub(lowest) > width {
                break;
            }
            if width > 0 {
                self.line.digits = self.line.digits * 10 + u16::from(byte - b'0');
            }
            len += 1;
        }
        len
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

    /// Returns the offset at which the current part must have ended.
    // Builds without `alloc` keep one copy of this (code size, benches/size).
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    fn limit(&self) -> usize {
        let max_part = if self.part == Part::Target {
            // The space after the target does not count toward the limit.
            self.limits.max_target.saturating_add(1)
        } else if SYNTAX.get(self.part as usize).is_none() {
            return self.field_line_limit(self.start);
        } else {
            self.limits.max_head
        };
        self.start.saturating_add(max_part).min(self.limits.max_head)
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
    fn fewer_bytes_than_before_are_no_new_bytes() {
        let head = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n";
        for len in 0..head.len() {
            for shorter in 0..len {
                let mut scanner = Scanner::request(HeadLimits::DEFAULT);
                for received in [&head[..len], &head[..shorter]] {
                    scanner.scan(received, |_| {}).unwrap();
                    assert_eq!(scanner.at, len);
                    assert!(scanner.complete().is_none());
                }
                scanner.scan(head, |_| {}).unwrap();
                assert_eq!(scanner.complete().map(|(len, _)| len), Some(head.len()));
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
