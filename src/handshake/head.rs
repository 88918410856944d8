//! The parsers of request and response heads, and the heads that they return.
//!
//! [`http1`](super::http1) scans the bytes; the parsers record the fields that matter to a handshake.

use super::authority::Authority;
use super::fields::{HandshakeFields, SUBPROTOCOLS, Span, tokens};
use super::http1::{Scanner, StartLine, text};
use super::uri::RequestTarget;
use super::{Fields, HandshakeError, HeadLimits};

/// An incremental parser of the head of an HTTP/1.1 request (RFC 9112).
///
/// The caller collects the received bytes in its own buffer and passes all of them in each call. The
/// parser continues where it stopped, and reads each byte once, however the head is split into reads.
/// It reports an error at the first invalid byte.
///
/// The parser ignores one empty line before the request line (RFC 9112, section 2.2). Otherwise it is
/// strict: LF without CR, CR without LF, line folding and whitespace before a colon are errors.
///
/// ```
/// use websocket_proto::handshake::{HeadLimits, RequestParser};
///
/// let mut parser = RequestParser::new(HeadLimits::DEFAULT);
/// assert!(parser.parse(b"GET /chat HTTP/1.1\r\nHost: exa")?.is_none());
/// let received = b"GET /chat HTTP/1.1\r\nHost: example.com\r\n\r\nbytes after the head";
/// let request = parser.parse(received)?.expect("the head is complete");
/// assert_eq!(request.target(), "/chat");
/// assert_eq!(request.fields().value("host"), Some(&b"example.com"[..]));
/// assert_eq!(&received[request.as_bytes().len()..], b"bytes after the head");
/// # Ok::<(), websocket_proto::handshake::HandshakeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RequestParser(Parser);

impl RequestParser {
    /// Creates a parser for one request head.
    #[must_use]
    pub const fn new(limits: HeadLimits) -> Self {
        Self(Parser::request(limits))
    }

    /// Parses the bytes that arrived since the last call. `received` starts with the first byte of the
    /// head and contains all bytes received so far; bytes may follow the head.
    ///
    /// Returns `None` while the head is incomplete. Once it is complete, further calls return it
    /// without scanning it again.
    ///
    /// # Errors
    ///
    /// The first rule that the head breaks. Further calls return the same error.
    pub fn parse<'a>(
        &mut self,
        received: &'a [u8],
    ) -> Result<Option<RequestHead<'a>>, HandshakeError> {
        self.0.parse(received)?;
        Ok(self.0.head(received).map(RequestHead))
    }
}

/// The head of a request, borrowed from the received bytes.
///
/// Its syntax is valid. [`upgrade`](Self::upgrade) checks whether it is an upgrade to WebSocket.
///
/// ```
/// use websocket_proto::handshake::{HeadLimits, RequestParser};
///
/// let head = b"GET http://example.com/chat?room=1 HTTP/1.1\r\nHost: example.com\r\n\r\n";
/// let request = RequestParser::new(HeadLimits::DEFAULT).parse(head)?.unwrap();
/// assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
/// assert_eq!(request.authority(), Some("example.com"));
/// # Ok::<(), websocket_proto::handshake::HandshakeError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a>(pub(super) Head<'a>);

impl<'a> RequestHead<'a> {
    /// Returns the whole head, including the empty line that ends it. The bytes after it are WebSocket
    /// frames if the request is an upgrade, otherwise a body or the next request.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0.bytes
    }

    /// Returns the method.
    #[must_use]
    pub fn method(&self) -> &'a str {
        text(self.method_bytes())
    }

    /// Returns the request target as sent. [`path`](Self::path) and [`query`](Self::query) return its
    /// parts.
    #[must_use]
    pub fn target(&self) -> &'a str {
        text(self.target_bytes())
    }

    /// Returns the path of the target as sent: the crate `percent-encoding` decodes it. If the target
    /// has no path (`*`), returns the target.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.request_target().path_and_query().map_or(self.target(), |target| target.path)
    }

    /// Returns the query of the target as sent, without the `?`: the crate `form_urlencoded` decodes
    /// its names and values.
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        self.request_target().path_and_query()?.query
    }

    /// Returns the requested authority: that of a target in absolute form, otherwise `Host` (RFC 9112,
    /// section 3.2.2). Returns `None` if it is missing or is not a host with an optional port.
    #[must_use]
    pub fn authority(&self) -> Option<&'a str> {
        let authority =
            self.request_target().authority().or_else(|| self.fields().value("host"))?;
        Authority::parse(authority).is_ok().then(|| text(authority))
    }

    /// Returns the minor version of HTTP/1.
    #[must_use]
    pub const fn minor_version(&self) -> u8 {
        self.0.line.minor_version()
    }

    /// Returns all fields, in the order in which they were sent.
    #[must_use]
    pub fn fields(&self) -> Fields<'a> {
        self.0.fields()
    }

    /// Returns the subprotocols that the client offers, in its order of preference (RFC 6455, section
    /// 11.3.4).
    pub fn subprotocols(&self) -> impl Iterator<Item = &'a str> + Clone {
        tokens(self.fields().values(SUBPROTOCOLS))
    }

    pub(super) fn handshake_fields(&self) -> HandshakeFields<&'a [u8]> {
        self.0.handshake.resolve(self.0.bytes)
    }

    pub(super) fn method_bytes(&self) -> &'a [u8] {
        self.0.line.method(self.0.bytes)
    }

    pub(super) fn request_target(&self) -> RequestTarget<'a> {
        RequestTarget::parse(self.target_bytes())
    }

    fn target_bytes(&self) -> &'a [u8] {
        self.0.line.target(self.0.bytes)
    }
}

/// An incremental parser of the head of an HTTP/1.1 response (RFC 9112). Its calls are those of
/// [`RequestParser`].
///
/// If the status line has no reason phrase, the space before the phrase may also be missing.
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
    /// Creates a parser for one response head.
    #[must_use]
    pub const fn new(limits: HeadLimits) -> Self {
        Self(Parser::response(limits))
    }

    /// Parses the bytes that arrived since the last call, as [`RequestParser::parse`] does.
    ///
    /// # Errors
    ///
    /// The first rule that the head breaks. Further calls return the same error.
    pub fn parse<'a>(
        &mut self,
        received: &'a [u8],
    ) -> Result<Option<ResponseHead<'a>>, HandshakeError> {
        self.0.parse(received)?;
        Ok(self.0.head(received).map(ResponseHead))
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
/// assert_eq!(response.fields().value("location"), Some(&b"/v2"[..]));
/// assert_eq!(response.fields().values("set-cookie").count(), 2);
/// # Ok::<(), websocket_proto::handshake::HandshakeError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a>(pub(super) Head<'a>);

impl<'a> ResponseHead<'a> {
    /// Returns the whole head, including the empty line that ends it.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0.bytes
    }

    /// Returns the minor version of HTTP/1.
    #[must_use]
    pub const fn minor_version(&self) -> u8 {
        self.0.line.minor_version()
    }

    /// Returns the status code, 100 to 999.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.0.line.status()
    }

    /// Returns the reason phrase, which may be empty. Programs should ignore it (RFC 9112, section 4).
    #[must_use]
    pub fn reason(&self) -> &'a [u8] {
        self.0.line.reason(self.0.bytes)
    }

    /// Returns all fields, in the order in which they were sent.
    #[must_use]
    pub fn fields(&self) -> Fields<'a> {
        self.0.fields()
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

    /// Parses the bytes that arrived since the last call. Returns the length of the head once it is
    /// complete.
    // Builds without `alloc` keep one copy of this (code size, benches/size).
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(super) fn parse(&mut self, received: &[u8]) -> Result<Option<usize>, HandshakeError> {
        self.scanner.scan(received, |line| self.handshake.record(received, line))?;
        Ok(self.scanner.complete().map(|(len, _)| len))
    }

    /// Returns the length of the longest head that the limits allow.
    #[cfg(feature = "alloc")]
    pub(super) const fn max_head(&self) -> usize {
        self.scanner.max_head()
    }

    pub(super) fn head<'a>(&self, received: &'a [u8]) -> Option<Head<'a>> {
        let (len, line) = self.scanner.complete()?;
        let bytes = received.get(..len)?;
        Some(Head { bytes, line: *line, handshake: self.handshake })
    }
}

impl<'a> Head<'a> {
    fn fields(&self) -> Fields<'a> {
        Fields::of_lines(self.line.field_lines(self.bytes))
    }
}
