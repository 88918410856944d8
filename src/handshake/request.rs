//! A request's head.

use core::str;

use super::field::Fields;
use super::grammar::State;
use super::head::{Head, Scanner, minor_version};
use super::list::tokens;
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
}

impl RequestParser {
    /// A parser that has seen nothing.
    #[must_use]
    pub const fn new(limits: HeadLimits) -> Self {
        Self { scanner: Scanner::new(limits, State::Request) }
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
        self.scanner.scan(received)?;
        Ok(self.head(received))
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
        self.scanner.head(received).map(|head| RequestHead { head })
    }
}

/// The head of a request, borrowed from where it arrived.
///
/// Nothing of WebSocket is checked yet: [`upgrade`](Self::upgrade) does that.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    pub(super) head: Head<'a>,
}

impl<'a> RequestHead<'a> {
    /// All of it, with the empty line that ends it. What was received behind it is not HTTP any
    /// more if the request is an upgrade, and a body or the next request if it is not.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.head.bytes
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
        self.head.notes.host.of(self.head.bytes)
    }

    /// The minor version of HTTP/1.
    #[must_use]
    pub fn minor_version(&self) -> u8 {
        minor_version(self.head.third())
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
        self.head.first()
    }

    pub(super) fn target_bytes(&self) -> &'a [u8] {
        self.head.second()
    }
}
