//! The body of a response that rejects the handshake (RFC 9112, sections 6 and 7).

use alloc::vec::Vec;
use core::str;

use super::ResponseHead;
use super::fields::elements;
use crate::Input;

/// How the body of a rejection ended, as [`ClientEvent::BodyEnded`](super::ClientEvent::BodyEnded)
/// reports it.
///
/// ```
/// use websocket_proto::handshake::{BodyEnd, ClientHandshake};
///
/// fn report(handshake: &ClientHandshake, end: BodyEnd) -> String {
///     let body = String::from_utf8_lossy(handshake.body());
///     match end {
///         BodyEnd::Complete => body.into_owned(),
///         BodyEnd::Truncated => format!("{body} (truncated)"),
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyEnd {
    /// The body ended as the head of the response announced.
    Complete,
    /// The body is incomplete: the stream ended, the transport broke, the body exceeded
    /// [`HeadLimits::max_body`](super::HeadLimits::max_body), it did not end within
    /// [`Timeouts::opening`](crate::Timeouts::opening), or its chunks are malformed.
    Truncated,
}

/// The received part of a body, without its transfer coding.
#[derive(Debug)]
pub(super) struct Body {
    /// At most `limit` bytes.
    bytes: Vec<u8>,
    limit: usize,
    framing: Framing,
}

/// How the body ends (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug)]
enum Framing {
    Length { remaining: u64 },
    Chunked(Chunked),
    UntilEof,
}

/// The element of a chunked body to which the next byte belongs (RFC 9112, section 7.1).
#[derive(Clone, Copy, Debug)]
enum Chunked {
    /// The first digit of a chunk size.
    Start,
    /// Another digit of the chunk size, or the byte that ends it.
    Size {
        size: u64,
    },
    /// A chunk extension or the whitespace before it, or the CR after it.
    Extension {
        size: u64,
    },
    SizeLf {
        size: u64,
    },
    Data {
        remaining: u64,
    },
    DataCr,
    DataLf,
    /// The first byte of a trailer field, or the CR of the empty line that ends the body.
    Trailer,
    TrailerField,
    TrailerLf,
    LastLf,
}

impl Body {
    /// Creates an empty body.
    pub(super) const fn empty() -> Self {
        Self { bytes: Vec::new(), limit: 0, framing: Framing::Length { remaining: 0 } }
    }

    /// Creates the body of `response`, before its first byte.
    pub(super) fn new(response: &ResponseHead<'_>, limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, framing: framing(response) }
    }

    /// Returns the received bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns whether only the end of the stream ends the body.
    pub(super) const fn is_until_eof(&self) -> bool {
        matches!(self.framing, Framing::UntilEof)
    }

    /// Returns whether the head announces that there is no body.
    pub(super) const fn is_announced_empty(&self) -> bool {
        matches!(self.framing, Framing::Length { remaining: 0 })
    }

    /// Reads from `input` up to the end of the body. Returns `None` while the body is incomplete.
    pub(super) fn receive(&mut self, input: &mut Input<'_>) -> Option<BodyEnd> {
        let is_finished = input.is_finished();
        let (unread, position) = input.unread_mut();
        let mut rest: &[u8] = unread;
        let end = self.read(&mut rest);
        position.leave_unread(rest.len());
        match (end, self.framing) {
            (Some(end), _) => Some(end),
            (None, Framing::UntilEof) if is_finished => Some(BodyEnd::Complete),
            (None, _) if is_finished => Some(BodyEnd::Truncated),
            (None, _) => None,
        }
    }

    fn read(&mut self, input: &mut &[u8]) -> Option<BodyEnd> {
        loop {
            let max = match self.framing {
                Framing::Length { remaining: 0 } => return Some(BodyEnd::Complete),
                Framing::Length { remaining } | Framing::Chunked(Chunked::Data { remaining }) => {
                    remaining
                }
                Framing::UntilEof => u64::MAX,
                Framing::Chunked(chunked) => {
                    let (byte, rest) = input.split_first()?;
                    *input = rest;
                    match chunked.next(*byte) {
                        Ok(Some(next)) => self.framing = Framing::Chunked(next),
                        Ok(None) => return Some(BodyEnd::Complete),
                        Err(MalformedChunk) => return Some(BodyEnd::Truncated),
                    }
                    continue;
                }
            };
            if input.is_empty() {
                return None;
            }
            let room = self.limit - self.bytes.len();
            let len = input.len().min(usize::try_from(max).unwrap_or(usize::MAX));
            let Some((data, rest)) = input.split_at_checked(len.min(room)) else {
                debug_assert!(false, "`len` is at most the length of the input");
                return Some(BodyEnd::Truncated);
            };
            self.bytes.extend_from_slice(data);
            *input = rest;
            if len > room {
                return Some(BodyEnd::Truncated);
            }
            match &mut self.framing {
                Framing::Length { remaining } => *remaining -= len as u64,
                Framing::Chunked(Chunked::Data { remaining }) if *remaining > len as u64 => {
                    *remaining -= len as u64;
                }
                Framing::Chunked(chunked) => *chunked = Chunked::DataCr,
                Framing::UntilEof => {}
            }
        }
    }
}

/// The error of chunks that break the grammar.
struct MalformedChunk;

impl Chunked {
    /// Returns the state after `byte`, which is not chunk data, or `None` if `byte` ends the body.
    fn next(self, byte: u8) -> Result<Option<Self>, MalformedChunk> {
        let is_text = byte == b'\t' || !byte.is_ascii_control();
        Ok(Some(match (self, byte) {
            (Self::Start, _) => Self::Size { size: hex_digit(byte).ok_or(MalformedChunk)? },
            (Self::Size { size } | Self::Extension { size }, b'\r') => Self::SizeLf { size },
            (Self::Size { size }, b';' | b' ' | b'\t') => Self::Extension { size },
            (Self::Size { size }, _) => {
                let digit = hex_digit(byte).ok_or(MalformedChunk)?;
                Self::Size { size: size.checked_mul(16).ok_or(MalformedChunk)? | digit }
            }
            (Self::Extension { size }, _) if is_text => Self::Extension { size },
            (Self::SizeLf { size: 0 }, b'\n') => Self::Trailer,
            (Self::SizeLf { size }, b'\n') => Self::Data { remaining: size },
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::Start,
            (Self::Trailer, b'\r') => Self::LastLf,
            (Self::TrailerField, b'\r') => Self::TrailerLf,
            (Self::Trailer | Self::TrailerField, _) if is_text => Self::TrailerField,
            (Self::TrailerLf, b'\n') => Self::Trailer,
            (Self::LastLf, b'\n') => return Ok(None),
            (Self::Extension { .. } | Self::SizeLf { .. } | Self::Data { .. }, _)
            | (Self::DataCr | Self::DataLf, _)
            | (Self::Trailer | Self::TrailerField | Self::TrailerLf | Self::LastLf, _) => {
                return Err(MalformedChunk);
            }
        }))
    }
}

fn hex_digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

fn framing(response: &ResponseHead<'_>) -> Framing {
    // RFC 9112, section 6.3, item 1: responses with these status codes have no body.
    if matches!(response.status(), 204 | 304) {
        return Framing::Length { remaining: 0 };
    }
    // RFC 9112, section 6.3, items 3 and 4: Transfer-Encoding overrides Content-Length. If chunked is
    // not the final coding, the end of the stream ends the body.
    let codings = response.fields().values("transfer-encoding");
    if codings.clone().next().is_some() {
        return match codings.flat_map(elements).last() {
            Some(last) if last.eq_ignore_ascii_case(b"chunked") => Framing::Chunked(Chunked::Start),
            Some(_) | None => Framing::UntilEof,
        };
    }
    let mut lengths = response.fields().values("content-length");
    match (lengths.next().and_then(parse_length), lengths.next()) {
        (Some(remaining), None) => Framing::Length { remaining },
        // RFC 9112, section 6.3, item 5, treats an invalid Content-Length as an error. The transport is
        // closed after this response anyway, so that the body is kept for the application.
        (Some(_) | None, _) => Framing::UntilEof,
    }
}

fn parse_length(digits: &[u8]) -> Option<u64> {
    // `parse` would accept a plus sign.
    let digits = digits.first().filter(|first| first.is_ascii_digit()).map(|_| digits)?;
    str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn body(framing: Framing, limit: usize) -> Body {
        Body { bytes: Vec::new(), limit, framing }
    }

    /// Receives `stream` in pieces of `piece` bytes, then the end of the stream. Returns the body, its
    /// end, and the number of bytes read.
    fn read(mut body: Body, stream: &[u8], piece: usize) -> (Vec<u8>, BodyEnd, usize) {
        let mut stream = stream.to_vec();
        let mut read = 0;
        for chunk in stream.chunks_mut(piece) {
            let len = chunk.len();
            let mut input = Input::with_bytes(chunk);
            let end = body.receive(&mut input);
            read += len - input.unread().len();
            if let Some(end) = end {
                return (body.bytes, end, read);
            }
            assert!(!input.has_unread());
        }
        let mut input = Input::with_bytes(&mut []);
        input.finish();
        let end = body.receive(&mut input);
        (body.bytes, end.expect("the stream has ended"), read)
    }

    #[test]
    fn decodes_chunks_at_every_split() {
        for (stream, expected, end) in [
            (&b"0\r\n\r\n"[..], &b""[..], BodyEnd::Complete),
            (b"5\r\nhello\r\n0\r\n\r\n", b"hello", BodyEnd::Complete),
            (b"5;a=\"b\";c\r\nhello\r\n00000\r\nX: y\r\nZ:\r\n\r\n", b"hello", BodyEnd::Complete),
            (b"5 \t;a\r\nhello\r\n0\r\n\r\n", b"hello", BodyEnd::Complete),
            (
                b"00000000000000000000A\r\n0123456789\r\n1\r\n\r\r\n0\r\n\r\n",
                b"0123456789\r",
                BodyEnd::Complete,
            ),
            (b"5\r\nhello\r\n0\r\n", b"hello", BodyEnd::Truncated),
            (b"5\r\nhello", b"hello", BodyEnd::Truncated),
            (b"5\r\nhel", b"hel", BodyEnd::Truncated),
            (b"5", b"", BodyEnd::Truncated),
            (b"", b"", BodyEnd::Truncated),
            (b"\r\n", b"", BodyEnd::Truncated),
            (b"g\r\n", b"", BodyEnd::Truncated),
            (b"-1\r\n", b"", BodyEnd::Truncated),
            (b";a\r\n", b"", BodyEnd::Truncated),
            (b"5\nhello", b"", BodyEnd::Truncated),
            (b"5;a\nhello", b"", BodyEnd::Truncated),
            (b"5\r\nhello0\r\n\r\n", b"hello", BodyEnd::Truncated),
            (b"5\r\nhello\n0\r\n\r\n", b"hello", BodyEnd::Truncated),
            (b"0\r\nX: y\n\r\n", b"", BodyEnd::Truncated),
            (b"0\r\nX: y\r\r\n", b"", BodyEnd::Truncated),
            (b"10000000000000000\r\nx", b"", BodyEnd::Truncated),
            (b"ffffffffffffffff\r\nx", b"x", BodyEnd::Truncated),
        ] {
            for piece in 1..=stream.len().max(1) {
                let (bytes, ended, _) =
                    read(body(Framing::Chunked(Chunked::Start), 64), stream, piece);
                let name = stream.escape_ascii().to_string();
                assert_eq!(bytes, expected, "{name} {piece}");
                assert_eq!(ended, end, "{name} {piece}");
            }
        }
    }

    #[test]
    fn limits_the_bytes_kept() {
        for piece in [1, 3, 100] {
            let limited = |framing| read(body(framing, 5), b"0123456789", piece);
            let cut = (b"01234".to_vec(), BodyEnd::Truncated);
            for framing in [Framing::UntilEof, Framing::Length { remaining: 10 }] {
                let (bytes, end, _) = limited(framing);
                assert_eq!((bytes, end), cut);
            }
            // A body as long as the limit is complete, and bytes after it stay unread.
            let (bytes, end, read) = limited(Framing::Length { remaining: 5 });
            assert_eq!((bytes, end), (b"01234".to_vec(), BodyEnd::Complete));
            assert_eq!(read, 5);
        }
    }
}
