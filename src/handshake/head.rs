//! Parsers of request and response heads, and the heads that they return: what
//! [`http1`](super::http1) scans, and the fields that matter to a handshake.

use core::str;

use super::authority::Authority;
#[cfg(feature = "alloc")]
use super::fields::FieldName;
use super::fields::{HandshakeFields, Span, tokens};
use super::http1::{Scanner, StartLine};
use super::uri::{Target, split_absolute};
use super::{Fields, HandshakeError, HeadLimits};

/// An incremental parser of the head of an HTTP/1.1 request (RFC 9112).
///
/// The caller accumulates the bytes that arrive in a buffer of its own and passes all of them each
/// time. The parser continues where it stopped and looks at each byte once, however the head is cut.
/// An invalid head is reported at its first invalid byte, and from then on.
///
/// One empty line before the request line is ignored (RFC 9112, section 2.2). The grammar has no
/// other exceptions: bare LF, lone CR, line folding and whitespace before a colon are errors.
///
/// ```
/// use websocket_proto::handshake::{HeadLimits, RequestParser};
///
/// let mut parser = RequestParser::new(HeadLimits::DEFAULT);
/// assert!(parser.parse(b"GET /chat HTTP/1.1\r\nHost: exa")?.is_none());
/// let received = b"GET /chat HTTP/1.1\r\nHost: example.com\r\n\r\nbytes after the head";
/// let request = parser.parse(received)?.expect("the head is complete");
/// assert_eq!(request.target(), "/chat");
/// assert_eq!(request.field("host"), Some(&b"example.com"[..]));
/// assert_eq!(&received[request.as_bytes().len()..], b"bytes after the head");
/// # Ok::<(), websocket_proto::handshake::HandshakeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RequestParser(Parser);

impl RequestParser {
    /// A parser that has read nothing.
    #[must_use]
    pub const fn new(limits: HeadLimits) -> Self {
        Self(Parser::request(limits))
    }

    /// Reads what arrived since the last call. `received` starts where the head does and holds all
    /// bytes so far; it may hold more than the head.
    ///
    /// Returns `None` while the head is incomplete. Once it is complete, further calls return it
    /// without scanning it again.
    ///
    /// # Errors
    ///
    /// The rule that the head breaks. Further calls return the same error.
    pub fn parse<'a>(
        &mut self,
        received: &'a [u8],
    ) -> Result<Option<RequestHead<'a>>, HandshakeError> {
        self.0.parse(received)?;
        Ok(self.head(received))
    }

    /// The head that was parsed, borrowed from the bytes that hold it; `None` if it is incomplete.
    #[must_use]
    pub fn head<'a>(&self, received: &'a [u8]) -> Option<RequestHead<'a>> {
        self.0.head(received).map(RequestHead)
    }
}

/// The head of a request, borrowed from the received bytes.
///
/// Its syntax is valid. [`upgrade`](Self::upgrade) checks whether it opens a WebSocket.
///
/// ```
/// use websocket_proto::handshake::{HeadLimits, RequestParser};
///
/// let head = b"GET http://example.com/chat?room=1 HTTP/1.1\r\nHost: example.com\r\n\r\n";
/// let request = RequestParser::new(HeadLimits::DEFAULT).parse(head)?.unwrap();
/// assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
/// assert_eq!(request.authority(), "example.com");
/// # Ok::<(), websocket_proto::handshake::HandshakeError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a>(pub(super) Head<'a>);

impl<'a> RequestHead<'a> {
    /// The whole head, including the empty line that ends it. Bytes received after it are WebSocket
    /// frames if the request is an upgrade, otherwise a body or the next request.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0.bytes
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &'a str {
        text(self.method_bytes())
    }

    /// The request target as sent; see also [`path`](Self::path) and [`query`](Self::query).
    #[must_use]
    pub fn target(&self) -> &'a str {
        text(self.target_bytes())
    }

    /// The path of the target, not decoded. A target without a path (`*`) is returned as it is.
    #[must_use]
    pub fn path(&self) -> &'a str {
        Target::of(self.target()).map_or(self.target(), |target| target.path)
    }

    /// The query of the target, after its `?`, not decoded.
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        Target::of(self.target())?.query
    }

    /// The authority that the request is for: that of a target in absolute form, otherwise `Host`
    /// (RFC 9112, section 3.2.2). Empty if there is none, or if it is not a host with an optional
    /// port.
    #[must_use]
    pub fn authority(&self) -> &'a str {
        let authority = match split_absolute(self.target().as_bytes()) {
            Some((authority, _)) => authority,
            None => self.field("host").unwrap_or_default(),
        };
        match Authority::parse(authority) {
            Ok(_) => text(authority),
            Err(_) => "",
        }
    }

    /// The minor version of HTTP/1.
    #[must_use]
    pub const fn minor_version(&self) -> u8 {
        self.0.line.minor_version
    }

    /// All fields, in the order in which they were sent.
    #[must_use]
    pub fn fields(&self) -> Fields<'a> {
        self.0.fields()
    }

    /// The value of the first field called `name`, ignoring case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.values(name).next()
    }

    /// The values of all fields called `name`, ignoring case.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> + Clone {
        self.fields().values(name)
    }

    /// The subprotocols that the client offers, in its order of preference (RFC 6455, section
    /// 11.3.4).
    pub fn subprotocols(&self) -> impl Iterator<Item = &'a str> + Clone {
        tokens(self.values("sec-websocket-protocol"))
    }

    pub(super) fn handshake_fields(&self) -> HandshakeFields<&'a [u8]> {
        self.0.handshake.resolve(self.0.bytes)
    }

    pub(super) fn method_bytes(&self) -> &'a [u8] {
        self.0.line.method(self.0.bytes)
    }

    pub(super) fn target_bytes(&self) -> &'a [u8] {
        self.0.line.target(self.0.bytes)
    }
}

/// An incremental parser of the head of an HTTP/1.1 response, used as
/// [`RequestParser`] is.
///
/// A status line without a reason phrase may also lack the space before it.
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
pub struct ResponseParser(Parser);

impl ResponseParser {
    /// A parser that has read nothing.
    #[must_use]
    pub const fn new(limits: HeadLimits) -> Self {
        Self(Parser::response(limits))
    }

    /// Reads what arrived since the last call, as [`RequestParser::parse`] does.
    ///
    /// # Errors
    ///
    /// The rule that the head breaks. Further calls return the same error.
    pub fn parse<'a>(
        &mut self,
        received: &'a [u8],
    ) -> Result<Option<ResponseHead<'a>>, HandshakeError> {
        self.0.parse(received)?;
        Ok(self.head(received))
    }

    /// The head that was parsed, borrowed from the bytes that hold it; `None` if it is incomplete.
    #[must_use]
    pub fn head<'a>(&self, received: &'a [u8]) -> Option<ResponseHead<'a>> {
        self.0.head(received).map(ResponseHead)
    }
}

/// The head of a response, borrowed from the received bytes.
///
/// Its syntax is valid. [`ClientRequest::verify`](super::ClientRequest::verify) checks
/// whether it accepts a handshake.
///
/// ```
/// use websocket_proto::handshake::{HeadLimits, ResponseParser};
///
/// let head = b"HTTP/1.1 302 Found\r\nLocation: /v2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n";
/// let response = ResponseParser::new(HeadLimits::DEFAULT).parse(head)?.unwrap();
/// assert_eq!(response.status(), 302);
/// assert_eq!(response.field("location"), Some(&b"/v2"[..]));
/// assert_eq!(response.values("set-cookie").count(), 2);
/// # Ok::<(), websocket_proto::handshake::HandshakeError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a>(pub(super) Head<'a>);

impl<'a> ResponseHead<'a> {
    /// The whole head, including the empty line that ends it.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0.bytes
    }

    /// The minor version of HTTP/1.
    #[must_use]
    pub const fn minor_version(&self) -> u8 {
        self.0.line.minor_version
    }

    /// The status code, 100 to 999.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.0.line.status
    }

    /// The reason phrase, which may be empty and should be ignored (RFC 9112, section 4).
    #[must_use]
    pub fn reason(&self) -> &'a [u8] {
        self.0.line.reason(self.0.bytes)
    }

    /// All fields, in the order in which they were sent.
    #[must_use]
    pub fn fields(&self) -> Fields<'a> {
        self.0.fields()
    }

    /// The value of the first field called `name`, ignoring case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.values(name).next()
    }

    /// The values of all fields called `name`, ignoring case.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> + Clone {
        self.fields().values(name)
    }

    pub(super) fn handshake_fields(&self) -> HandshakeFields<&'a [u8]> {
        self.0.handshake.resolve(self.0.bytes)
    }
}

/// The parser of both kinds of heads.
#[derive(Clone, Debug)]
pub(super) struct Parser {
    scanner: Scanner,
    handshake: HandshakeFields<Span>,
}

/// A complete head of either kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    bytes: &'a [u8],
    line: StartLine,
    handshake: HandshakeFields<Span>,
}

impl Parser {
    pub(super) const fn request(limits: HeadLimits) -> Self {
        Self { scanner: Scanner::request(limits), handshake: HandshakeFields::new() }
    }

    pub(super) const fn response(limits: HeadLimits) -> Self {
        Self { scanner: Scanner::response(limits), handshake: HandshakeFields::new() }
    }

    /// Reads what arrived since the last call. Returns the length of the head once it is complete.
    pub(super) fn parse(&mut self, received: &[u8]) -> Result<Option<usize>, HandshakeError> {
        self.scanner.scan(received, |line| self.handshake.record(received, line))?;
        Ok(self.scanner.complete().map(|(len, _)| len))
    }

    pub(super) fn head<'a>(&self, received: &'a [u8]) -> Option<Head<'a>> {
        let (len, line) = self.scanner.complete()?;
        let bytes = received.get(..len)?;
        Some(Head { bytes, line: *line, handshake: self.handshake })
    }
}

impl<'a> Head<'a> {
    /// The value of the first field of this name.
    #[cfg(feature = "alloc")]
    pub(super) fn first(&self, name: FieldName) -> Option<&'a [u8]> {
        self.handshake.first(name).map(|span| span.of(self.bytes))
    }

    fn fields(&self) -> Fields<'a> {
        Fields::of_lines(self.line.field_lines(self.bytes))
    }
}

/// A part of a head that the scanner has checked to be ASCII.
fn text(part: &[u8]) -> &str {
    str::from_utf8(part).unwrap_or_default()
}
