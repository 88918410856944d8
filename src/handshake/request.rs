//! A request's head.

use core::str;

use super::class::Class;
use super::field::Fields;
use super::head::{Place, Scanner, place};
use super::list::tokens;
use super::notes::RequestNotes;
use super::uri::{Authority, Target, split_absolute};
use super::{Extensions, HandshakeError, HeadLimits};

/// Parses the head of an HTTP/1.1 request (RFC 9112).
///
/// The caller accumulates what arrives in one buffer of its own and offers the whole of it each
/// time; the parser goes on where it stopped, and never looks again at what it has taken, however the
/// head was cut. It reports what is wrong at the first byte that is, and stays failed.
///
/// One empty line before the request line is ignored, as RFC 9112, section 2.2 asks. Everything
/// else is refused that its grammar doesn't allow, whatever other recipients tolerate.
///
/// ```
/// use websocket_proto::handshake::{HeadLimits, RequestParser};
///
/// let mut parser = RequestParser::new(HeadLimits::DEFAULT);
/// assert!(parser.parse(b"GET /chat HTTP/1.1\r\nHost: exa")?.is_none());
/// let received = b"GET /chat HTTP/1.1\r\nHost: example.com\r\n\r\nand more";
/// let request = parser.parse(received)?.expect("the head is complete");
/// assert_eq!(request.target(), "/chat");
/// assert_eq!(request.field("host"), Some(&b"example.com"[..]));
/// assert_eq!(&received[request.as_bytes().len()..], b"and more");
/// # Ok::<(), websocket_proto::handshake::HandshakeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RequestParser {
    scanner: Scanner,
    state: State,
    line: Line,
    notes: RequestNotes,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Start,
    EmptyLineLf,
    Method,
    Target,
    Version,
    LineCr,
    LineLf,
    Fields,
    Complete,
    Failed(HandshakeError),
}

/// Where the parts of the request line are.
#[derive(Clone, Copy, Debug)]
struct Line {
    method: u32,
    method_end: u32,
    target_end: u32,
    minor_version: u8,
    fields: u32,
}

impl RequestParser {
    /// A parser that has seen nothing.
    #[must_use]
    pub const fn new(limits: HeadLimits) -> Self {
        Self {
            scanner: Scanner::new(limits),
            state: State::Start,
            line: Line { method: 0, method_end: 0, target_end: 0, minor_version: 0, fields: 0 },
            notes: RequestNotes::NOTHING,
        }
    }

    /// Looks at what has arrived since the last call. `received` begins where the head does and
    /// holds all that came; behind the head it may hold more.
    ///
    /// `None` if the head is not complete. Once it is, further calls give it again, without
    /// looking at it again.
    ///
    /// # Errors
    ///
    /// What the head breaks, the same in every call from then on.
    pub fn parse<'a>(
        &mut self,
        received: &'a [u8],
    ) -> Result<Option<RequestHead<'a>>, HandshakeError> {
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

    /// The head that was parsed, out of the bytes in which it was: for a loop that reads until it is
    /// complete, and goes on with it behind. `None` if it is not complete.
    #[must_use]
    pub fn head<'a>(&self, received: &'a [u8]) -> Option<RequestHead<'a>> {
        let State::Complete = self.state else { return None };
        let head = received.get(..self.scanner.at)?;
        Some(RequestHead { head, line: self.line, notes: self.notes })
    }

    fn advance(&mut self, received: &[u8]) -> Result<bool, HandshakeError> {
        let scanner = &mut self.scanner;
        loop {
            self.state = match self.state {
                // RFC 9112, section 2.2: a server should ignore at least one empty line before
                // the request line.
                State::Start => match received.first() {
                    None => return Ok(false),
                    Some(b'\r') => {
                        scanner.next(received)?;
                        State::EmptyLineLf
                    }
                    Some(_) => State::Method,
                },
                State::EmptyLineLf => {
                    if !scanner.lf(received)? {
                        return Ok(false);
                    }
                    self.line.method = place(scanner.at);
                    scanner.begin_unlimited();
                    State::Method
                }
                State::Method => {
                    let Some(byte) = scanner.after(received, Class::Token)? else {
                        return Ok(false);
                    };
                    match (byte, scanner.len()) {
                        (b' ', 1..) => {
                            self.line.method_end = place(scanner.at - 1);
                            scanner.begin_target();
                            State::Target
                        }
                        (b'\n', _) => return Err(HandshakeError::BareLf),
                        _ => return Err(HandshakeError::InvalidMethod),
                    }
                }
                State::Target => {
                    let Some(byte) = scanner.after(received, Class::Target)? else {
                        return Ok(false);
                    };
                    match (byte, scanner.len()) {
                        (b' ', 1..) => {
                            self.line.target_end = place(scanner.at - 1);
                            scanner.begin_unlimited();
                            State::Version
                        }
                        (b'\n', _) => return Err(HandshakeError::BareLf),
                        (b'\r', 1..) => return Err(HandshakeError::InvalidHttpVersion),
                        _ => return Err(HandshakeError::InvalidTarget),
                    }
                }
                // As almost every request has it.
                State::Version if scanner.takes(received, b"HTTP/1.1\r\n") => {
                    self.line.minor_version = 1;
                    self.line.fields = place(scanner.at);
                    State::Fields
                }
                State::Version => {
                    let Some(minor_version) = scanner.minor_version(received)? else {
                        return Ok(false);
                    };
                    self.line.minor_version = minor_version;
                    State::LineCr
                }
                State::LineCr => match scanner.next(received)? {
                    None => return Ok(false),
                    Some(b'\r') => State::LineLf,
                    Some(b'\n') => return Err(HandshakeError::BareLf),
                    Some(_) => return Err(HandshakeError::InvalidHttpVersion),
                },
                State::LineLf => {
                    if !scanner.lf(received)? {
                        return Ok(false);
                    }
                    self.line.fields = place(scanner.at);
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

/// The head of a request, borrowed from where it arrived.
///
/// Nothing of WebSocket is checked yet: [`upgrade`](Self::upgrade) does that.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    head: &'a [u8],
    line: Line,
    pub(super) notes: RequestNotes,
}

impl<'a> RequestHead<'a> {
    /// All of it, with the empty line that ends it. What was received behind it is not HTTP any
    /// more if the request is an upgrade, and a body or the next request if it is not.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.head
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &'a str {
        str::from_utf8(self.method_bytes()).unwrap_or_default()
    }

    /// The request target as sent; see also [`path`](Self::path) and [`query`](Self::query).
    #[must_use]
    pub fn target(&self) -> &'a str {
        str::from_utf8(self.target_bytes()).unwrap_or_default()
    }

    /// The path in the target, not decoded; the target itself where it has none (`*`).
    #[must_use]
    pub fn path(&self) -> &'a str {
        Target::of(self.target()).map_or(self.target(), |target| target.path)
    }

    /// What follows `?` in the target, not decoded.
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        Target::of(self.target())?.query
    }

    /// The authority that the request is for: that of a target in absolute form, otherwise `Host`
    /// (RFC 9112, section 3.2.2). Empty if there is none, or if it is not a host with an optional
    /// port.
    #[must_use]
    pub fn authority(&self) -> &'a str {
        let authority = self.stated_authority();
        match Authority::parse(authority) {
            Ok(_) => str::from_utf8(authority).unwrap_or_default(),
            Err(_) => "",
        }
    }

    /// The same, not checked.
    pub(super) fn stated_authority(&self) -> &'a [u8] {
        if !self.target_bytes().starts_with(b"/")
            && let Some((authority, _)) = split_absolute(self.target_bytes())
        {
            return authority;
        }
        self.notes.host.of(self.head)
    }

    /// The minor version of HTTP/1.
    #[must_use]
    pub const fn minor_version(&self) -> u8 {
        self.line.minor_version
    }

    /// All fields, in their order.
    #[must_use]
    pub fn fields(&self) -> Fields<'a> {
        Fields::of_lines(self.head.get(self.line.fields as usize..).unwrap_or_default())
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

    /// The subprotocols that the client offers, those that it prefers first (RFC 6455, section
    /// 11.3.4).
    pub fn subprotocols(&self) -> impl Iterator<Item = &'a str> + Clone {
        tokens(self.values("sec-websocket-protocol"))
    }

    /// The extensions that the client offers (RFC 6455, section 9.1).
    #[must_use]
    pub fn extensions(&self) -> Extensions<'a> {
        Extensions::new(self.fields())
    }

    pub(super) fn method_bytes(&self) -> &'a [u8] {
        self.part(self.line.method, self.line.method_end)
    }

    pub(super) fn target_bytes(&self) -> &'a [u8] {
        self.part(self.line.method_end + 1, self.line.target_end)
    }

    fn part(&self, start: u32, end: u32) -> &'a [u8] {
        Place { start, end }.of(self.head)
    }
}
