//! A response's head.

use core::str;

use super::class::Class;
use super::field::Fields;
use super::head::Scanner;
use super::notes::ResponseNotes;
use super::{Extensions, HandshakeError, HeadLimits};

/// Parses the head of an HTTP/1.1 response, in the way in which
/// [`RequestParser`](super::RequestParser) parses that of a request.
///
/// ```
/// use websocket_proto::handshake::{HeadLimits, ResponseParser};
///
/// let mut parser = ResponseParser::new(HeadLimits::DEFAULT);
/// let response = parser.parse(b"HTTP/1.1 404 Not Found\r\nServer: x\r\n\r\n")?.unwrap();
/// assert_eq!((response.status(), response.reason()), (404, &b"Not Found"[..]));
/// # Ok::<(), websocket_proto::handshake::HandshakeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ResponseParser {
    scanner: Scanner,
    state: State,
    parts: Parts,
    notes: ResponseNotes,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Version,
    VersionSpace,
    Status { digits: u8 },
    StatusSpace,
    Reason,
    ReasonLf,
    Fields,
    Complete,
    Failed(HandshakeError),
}

/// Where the parts of the status line are.
#[derive(Clone, Copy, Debug)]
struct Parts {
    minor_version: u8,
    status: u16,
    reason: usize,
    reason_end: usize,
    fields: usize,
}

impl ResponseParser {
    /// A parser that has seen nothing.
    #[must_use]
    pub const fn new(limits: HeadLimits) -> Self {
        Self {
            scanner: Scanner::new(limits),
            state: State::Version,
            parts: Parts { minor_version: 0, status: 0, reason: 0, reason_end: 0, fields: 0 },
            notes: ResponseNotes::NOTHING,
        }
    }

    /// Looks at what has arrived since the last call, as
    /// [`RequestParser::parse`](super::RequestParser::parse) does.
    ///
    /// # Errors
    ///
    /// What the head breaks, the same in every call from then on.
    pub fn parse<'a>(
        &mut self,
        received: &'a [u8],
    ) -> Result<Option<ResponseHead<'a>>, HandshakeError> {
        match self.advance(received) {
            Ok(true) => Ok(self.head(received)),
            Ok(false) => Ok(None),
            Err(error) => {
                self.state = State::Failed(error);
                Err(error)
            }
        }
    }

    /// How many bytes were looked at: never more than there are.
    #[must_use]
    pub const fn scanned(&self) -> usize {
        self.scanner.at
    }

    /// The head that was parsed, out of the same bytes, as
    /// [`RequestParser::head`](super::RequestParser::head) gives it.
    #[must_use]
    pub fn head<'a>(&self, received: &'a [u8]) -> Option<ResponseHead<'a>> {
        let State::Complete = self.state else { return None };
        let head = received.get(..self.scanner.at)?;
        let parts = self.parts;
        Some(ResponseHead {
            head,
            minor_version: parts.minor_version,
            status: parts.status,
            reason: head.get(parts.reason..parts.reason_end)?,
            fields: head.get(parts.fields..)?,
            notes: self.notes,
        })
    }

    fn advance(&mut self, received: &[u8]) -> Result<bool, HandshakeError> {
        let scanner = &mut self.scanner;
        loop {
            self.state = match self.state {
                // As every response has it that accepts.
                State::Version if scanner.takes(received, b"HTTP/1.1 101 ") => {
                    (self.parts.minor_version, self.parts.status) = (1, 101);
                    self.parts.reason = scanner.at;
                    State::Reason
                }
                State::Version => {
                    let Some(minor_version) = scanner.minor_version(received)? else {
                        return Ok(false);
                    };
                    self.parts.minor_version = minor_version;
                    State::VersionSpace
                }
                State::VersionSpace => match scanner.next(received)? {
                    None => return Ok(false),
                    Some(b' ') => State::Status { digits: 0 },
                    Some(_) => return Err(HandshakeError::InvalidStatusLine),
                },
                State::Status { digits } => match (digits, scanner.next(received)?) {
                    (_, None) => return Ok(false),
                    // RFC 9110, section 15: the first digit is the class, from 1; what is above
                    // 5 is invalid, but it is the caller who is told the status.
                    (0, Some(digit @ b'1'..=b'9')) | (1 | 2, Some(digit @ b'0'..=b'9')) => {
                        self.parts.status = self.parts.status * 10 + u16::from(digit - b'0');
                        if digits == 2 {
                            State::StatusSpace
                        } else {
                            State::Status { digits: digits + 1 }
                        }
                    }
                    (_, Some(_)) => return Err(HandshakeError::InvalidStatusLine),
                },
                // RFC 9112, section 4: the space is sent even if the reason phrase is absent.
                State::StatusSpace => match scanner.next(received)? {
                    None => return Ok(false),
                    Some(b' ') => {
                        self.parts.reason = scanner.at;
                        State::Reason
                    }
                    Some(_) => return Err(HandshakeError::InvalidStatusLine),
                },
                State::Reason => match scanner.after(received, Class::Value)? {
                    None => return Ok(false),
                    Some(b'\r') => {
                        self.parts.reason_end = scanner.at - 1;
                        State::ReasonLf
                    }
                    Some(b'\n') => return Err(HandshakeError::BareLf),
                    Some(_) => return Err(HandshakeError::InvalidStatusLine),
                },
                State::ReasonLf => {
                    if !scanner.lf(received)? {
                        return Ok(false);
                    }
                    self.parts.fields = scanner.at;
                    State::Fields
                }
                State::Fields => {
                    if !scanner.fields(received, &mut self.notes)? {
                        return Ok(false);
                    }
                    State::Complete
                }
                State::Complete => return Ok(true),
                State::Failed(error) => return Err(error),
            };
        }
    }
}

/// The head of a response, borrowed from where it arrived.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    head: &'a [u8],
    minor_version: u8,
    status: u16,
    reason: &'a [u8],
    fields: &'a [u8],
    pub(super) notes: ResponseNotes,
}

impl<'a> ResponseHead<'a> {
    /// All of it, with the empty line that ends it.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.head
    }

    /// The minor version of HTTP/1.
    #[must_use]
    pub const fn minor_version(&self) -> u8 {
        self.minor_version
    }

    /// The status, from 100 to 999.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase, which may be empty and means nothing (RFC 9112, section 4).
    #[must_use]
    pub const fn reason(&self) -> &'a [u8] {
        self.reason
    }

    /// All fields, in their order.
    #[must_use]
    pub const fn fields(&self) -> Fields<'a> {
        Fields::of_lines(self.fields)
    }

    /// The value of the first field called `name`, in any case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.values(name).next()
    }

    /// The values of all fields called `name`, in any case.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> + Clone {
        self.fields().values(name)
    }

    /// The subprotocol that the server chose, as sent.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&'a str> {
        str::from_utf8(self.field("sec-websocket-protocol")?).ok()
    }

    /// The extensions that the server chose (RFC 6455, section 9.1).
    #[must_use]
    pub const fn extensions(&self) -> Extensions<'a> {
        Extensions::new(self.fields())
    }
}
