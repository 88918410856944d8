//! The head of a request or a response (RFC 9112): the walk over it as it arrives.

use super::class::Class;
use super::field::Fields;
use super::grammar::{Limit, Mark, State};
use super::notes::Notes;
use super::{HandshakeError, HeadLimits};
use crate::QUICK;

/// What a head is limited to in any case, so that places in it are kept in 32 bits.
const MAX_HEAD: usize = u32::MAX as usize;

/// A place in a head, none of which lies beyond `MAX_HEAD`.
const fn place(at: usize) -> u32 {
    at as u32
}

/// A part of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    start: u32,
    end: u32,
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

/// Where the places are that are kept.
#[derive(Clone, Copy, Debug)]
struct Marks([u32; 5]);

impl Marks {
    fn get(&self, mark: Mark) -> u32 {
        self.0.get(mark as usize).copied().unwrap_or_default()
    }

    fn set(&mut self, mark: Mark, at: usize) {
        if let Some(mark) = self.0.get_mut(mark as usize) {
            *mark = place(at);
        }
    }
}

/// A head that is complete.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    /// All of it, with the empty line that ends it.
    pub(super) bytes: &'a [u8],
    marks: Marks,
    pub(super) notes: Notes,
}

impl<'a> Head<'a> {
    /// A request's method, a response's version.
    pub(super) fn first(&self) -> &'a [u8] {
        self.part(Mark::First, Mark::Second, 1)
    }

    /// A request's target, a response's status.
    pub(super) fn second(&self) -> &'a [u8] {
        self.part(Mark::Second, Mark::Third, 1)
    }

    /// A request's version, a response's reason phrase.
    pub(super) fn third(&self) -> &'a [u8] {
        self.part(Mark::Third, Mark::Fields, 2)
    }

    /// What is between two marks, without the bytes that end it.
    fn part(&self, from: Mark, to: Mark, end: u32) -> &'a [u8] {
        Place { start: self.marks.get(from), end: self.marks.get(to) - end }.of(self.bytes)
    }

    pub(super) fn fields(&self) -> Fields<'a> {
        let start = self.marks.get(Mark::Fields) as usize;
        Fields::of_lines(self.bytes.get(start..).unwrap_or_default())
    }
}

/// The minor version that a version of HTTP/1 ends in.
pub(super) fn minor_version(version: &[u8]) -> u8 {
    version.last().map_or(0, |digit| digit - b'0')
}

/// Walks over a head that grows, and never looks again at what it has taken.
#[derive(Clone, Debug)]
pub(super) struct Scanner {
    limits: HeadLimits,
    /// Bytes taken, each of which was looked at once; twice those of a field line that is too long, of
    /// the names of those that arrived whole, and of an end of the start line that is not the usual one.
    pub(super) at: usize,
    /// Where the part of the start line, or the field line, began that is being read.
    start: usize,
    /// Fields taken.
    fields: usize,
    marks: Marks,
    notes: Notes,
    state: State,
    /// After an error nothing more is taken.
    verdict: Result<(), HandshakeError>,
}

impl Scanner {
    /// At the start of what `state` says.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(super) const fn new(mut limits: HeadLimits, state: State) -> Self {
        if limits.max_head > MAX_HEAD {
            limits.max_head = MAX_HEAD;
        }
        let (marks, notes) = (Marks([0; 5]), Notes::NOTHING);
        Self { limits, at: 0, start: 0, fields: 0, marks, notes, state, verdict: Ok(()) }
    }

    /// The head at the start of `received`, out of which it was taken; `None` if it is not complete.
    pub(super) fn head<'a>(&self, received: &'a [u8]) -> Option<Head<'a>> {
        if self.state != State::Complete {
            return None;
        }
        Some(Head { bytes: received.get(..self.at)?, marks: self.marks, notes: self.notes })
    }

    /// Takes what has arrived of a head since the last call.
    pub(super) fn scan(&mut self, received: &[u8]) -> Result<(), HandshakeError> {
        if self.verdict.is_ok() {
            self.verdict = self.advance(received);
        }
        self.verdict
    }

    fn advance(&mut self, received: &[u8]) -> Result<(), HandshakeError> {
        loop {
            if QUICK && self.at == self.start {
                self.quickly(received);
            }
            if self.state == State::Name && self.fields == self.limits.max_fields {
                self.state = State::LastCr;
            }
            if !self.part(received)? {
                return Ok(());
            }
            if self.state == State::Noted {
                let at = self.marks.get(Mark::Value) as usize;
                let name = Place::new(self.start, at - 1).of(received);
                let value = Place::new(at, self.at - 2).of(received);
                self.notes.note(name, at, value);
                self.fields += 1;
                self.start = self.at;
                self.state = State::Name;
            }
        }
    }

    /// Takes the part that is next, with the byte that ends it; `false` if that has not arrived, and
    /// if there is none.
    fn part(&mut self, received: &[u8]) -> Result<bool, HandshakeError> {
        let Some(part) = self.state.part() else { return Ok(false) };
        let (max, too_long) = match part.limit {
            Limit::Head => (usize::MAX, HandshakeError::HeadTooLong),
            // The space that ends it is no part of it.
            Limit::Target => {
                (self.limits.max_target.saturating_add(1), HandshakeError::TargetTooLong)
            }
            Limit::FieldLine => (self.limits.max_field_line, HandshakeError::FieldLineTooLong),
        };
        let limit = self.start.saturating_add(max).min(self.limits.max_head);
        let rest = received.get(self.at..received.len().min(limit)).unwrap_or_default();
        let run = part.characters.run(self.at - self.start, rest);
        self.at += run;
        let Some(&byte) = rest.get(run) else {
            if self.at < limit {
                return Ok(false);
            }
            let is_head = limit == self.limits.max_head;
            return Err(if is_head { HandshakeError::HeadTooLong } else { too_long });
        };
        let length = self.at - self.start;
        self.at += 1;
        self.state = match part.empty {
            Some(next) if byte == b'\r' && length == 0 => next,
            _ if byte == part.end && length >= part.least.into() => {
                if let Some(mark) = part.mark {
                    self.marks.set(mark, self.at);
                }
                part.next
            }
            _ => return Err(self.state.refuse(part, byte, length)),
        };
        // A field line is limited as a whole.
        if part.limit != Limit::FieldLine {
            self.start = self.at;
        }
        Ok(true)
    }

    /// Takes what almost everyone sends, as far as it has arrived, quicker than part by part: the end of
    /// the start line, and field lines.
    fn quickly(&mut self, received: &[u8]) {
        let head = received.get(..self.limits.max_head).unwrap_or(received);
        let mut rest = head.get(self.at..).unwrap_or_default();
        if let Some(end) = self.state.usual_end()
            && let Some(behind) = rest.strip_prefix(end)
        {
            if self.state == State::Response {
                self.marks.set(Mark::Second, b"HTTP/1.1 ".len());
                self.marks.set(Mark::Third, b"HTTP/1.1 101 ".len());
            }
            self.at += end.len();
            self.marks.set(Mark::Fields, self.at);
            self.state = State::Name;
            rest = behind;
        }
        if self.state == State::Name {
            self.whole_lines(rest);
        }
    }

    /// Takes the field lines that have arrived whole, and of the next what is a name and a value, as far
    /// as that is quick; begins the next.
    // A function of its own, so that all that it needs is in registers.
    #[inline(never)]
    fn whole_lines(&mut self, mut lines: &[u8]) {
        let taken = loop {
            match lines {
                [b'\r', b'\n', ..] if self.limits.max_field_line >= 2 => {
                    self.state = State::Complete;
                    break 2;
                }
                _ if self.fields == self.limits.max_fields => break 0,
                _ => {}
            }
            // What a name is made of may stand in a value. So the end of a line is found without its
            // colon, and neither waits for the other.
            let run = Class::Value.run(lines);
            let colon = Class::Token.run(lines);
            let Some((name @ [_, ..], [b':', ..])) = lines.split_at_checked(colon) else {
                break colon;
            };
            let value = self.at + colon + 1;
            match lines.split_at_checked(run) {
                Some((line, [b'\r', b'\n', rest @ ..]))
                    if run + 2 <= self.limits.max_field_line =>
                {
                    self.notes.note(name, value, line.get(colon + 1..).unwrap_or_default());
                    self.fields += 1;
                    self.at += run + 2;
                    lines = rest;
                }
                Some(_) | None => {
                    self.marks.set(Mark::Value, value);
                    self.state = State::Value;
                    break run;
                }
            }
        };
        self.start = self.at;
        self.at += taken.min(self.limits.max_field_line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is taken of `lines`, and noted, if they arrive whole or byte by byte.
    fn taken(
        lines: &[u8],
        limits: HeadLimits,
        whole: bool,
    ) -> (Result<bool, HandshakeError>, Option<usize>, Notes) {
        let mut scanner = Scanner::new(limits, State::Name);
        let mut end = if whole { lines.len() } else { 0 };
        loop {
            let taken = scanner.scan(&lines[..end]).map(|()| scanner.state == State::Complete);
            if end == lines.len() || taken != Ok(false) {
                return (taken, taken.is_ok().then_some(scanner.at), scanner.notes);
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
            HeadLimits { max_fields: 0, max_field_line: 1, ..default },
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
