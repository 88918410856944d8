//! A response's head.

use core::str;

use super::field::Fields;
use super::grammar::State;
use super::head::{Head, Scanner, minor_version};
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
}

impl ResponseParser {
    /// A parser that has seen nothing.
    #[must_use]
    pub const fn new(limits: HeadLimits) -> Self {
        Self { scanner: Scanner::new(limits, State::Response) }
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
        self.scanner.scan(received)?;
        Ok(self.head(received))
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
        self.scanner.head(received).map(|head| ResponseHead { head })
    }
}

/// The head of a response, borrowed from where it arrived.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    pub(super) head: Head<'a>,
}

impl<'a> ResponseHead<'a> {
    /// All of it, with the empty line that ends it.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.head.bytes
    }

    /// The minor version of HTTP/1.
    #[must_use]
    pub fn minor_version(&self) -> u8 {
        minor_version(self.head.first())
    }

    /// The status, from 100 to 999.
    #[must_use]
    pub fn status(&self) -> u16 {
        let digits = self.head.second().iter();
        digits.fold(0, |status, digit| status * 10 + u16::from(digit - b'0'))
    }

    /// The reason phrase, which may be empty and means nothing (RFC 9112, section 4).
    #[must_use]
    pub fn reason(&self) -> &'a [u8] {
        self.head.third()
    }

    /// All fields, in their order.
    #[must_use]
    pub fn fields(&self) -> Fields<'a> {
        self.head.fields()
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
    pub fn extensions(&self) -> Extensions<'a> {
        Extensions::new(self.fields())
    }
}
