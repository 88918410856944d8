//! The responses of a server that do not accept (RFC 6455, section 4.2.2).

use super::{Field, HeadBuffer, HeadWriter, InvalidHead};

/// A prepared response that rejects a request.
///
/// It has `Connection: close`: a server must not read bytes after the request as another request.
/// `to_http` (feature `http`) keeps that field for an HTTP/1.1 stack.
///
/// ```
/// use websocket_proto::handshake::Rejection;
///
/// let mut buffer = [0; 256];
/// let rejection = Rejection::Unavailable { retry_after: 30 };
/// let len = rejection.write(&mut buffer, "Restarting")?;
/// assert!(buffer[..len].starts_with(b"HTTP/1.1 503 Service Unavailable\r\n"));
/// assert!(buffer[..len].ends_with(b"\r\n\r\nRestarting"));
/// # Ok::<(), websocket_proto::handshake::InvalidHead>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// 400 Bad Request.
    BadRequest,
    /// 403 Forbidden, mainly for an origin that is not allowed (RFC 6455, section 4.2.2).
    Forbidden,
    /// 404 Not Found, for a resource that does not exist (RFC 6455, section 4.2.2).
    NotFound,
    /// 405 Method Not Allowed, with `Allow: GET`.
    MethodNotAllowed,
    /// 408 Request Timeout.
    RequestTimeout,
    /// 414 URI Too Long.
    UriTooLong,
    /// 426 Upgrade Required, with `Sec-WebSocket-Version: 13` (RFC 6455, section 4.4).
    UpgradeRequired,
    /// 431 Request Header Fields Too Large.
    FieldsTooLarge,
    /// 501 Not Implemented (RFC 9220, section 3).
    NotImplemented,
    /// 503 Service Unavailable, with `Retry-After`.
    Unavailable {
        /// The number of seconds after which the client may try again.
        retry_after: u32,
    },
    /// 505 HTTP Version Not Supported.
    HttpVersionNotSupported,
}

impl Rejection {
    /// Returns the status code.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::UriTooLong => 414,
            Self::UpgradeRequired => 426,
            Self::FieldsTooLarge => 431,
            Self::NotImplemented => 501,
            Self::Unavailable { .. } => 503,
            Self::HttpVersionNotSupported => 505,
        }
    }

    /// Returns the reason phrase.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        reason(self.status())
    }

    /// Writes the response, with `body` as plain text. Returns the length of head and body in bytes.
    ///
    /// In response to HEAD, do not send the last `body.len()` bytes: such a response has no body, but
    /// the `Content-Length` of the response to GET (RFC 9110, section 9.3.2).
    ///
    /// # Errors
    ///
    /// [`InvalidHead::BufferTooSmall`] if the buffer is too small.
    pub fn write<'a>(
        self,
        buffer: impl Into<HeadBuffer<'a>>,
        body: &str,
    ) -> Result<usize, InvalidHead> {
        self.write_for("", buffer, body)
    }

    /// Writes the response to a request with `method`, which is empty if it is unknown.
    #[inline]
    pub(super) fn write_for<'a>(
        self,
        method: &str,
        buffer: impl Into<HeadBuffer<'a>>,
        body: &str,
    ) -> Result<usize, InvalidHead> {
        let mut head = HeadWriter::new(buffer);
        head.write(&[self.lines().as_bytes()])?;
        if let Self::Unavailable { retry_after } = self {
            head.number(usize::try_from(retry_after).unwrap_or(usize::MAX))?;
        }
        head.write(&[b"\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "])?;
        head.number(body.len())?;
        head.write(&[b"\r\n\r\n", sent_body(method, body.as_bytes())])?;
        Ok(head.written())
    }

    /// Returns the fields of [`lines`](Self::lines), in which `Retry-After` is empty.
    #[cfg(feature = "http")]
    pub(super) fn fields(self) -> impl Iterator<Item = Field<'static>> {
        let lines = self.lines().split("\r\n").skip(1);
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| Field::new(name, value))
    }

    /// Returns the status line and the fields that differ between responses, up to the value of
    /// `Retry-After`.
    // Whole literals are smaller than code that assembles them.
    const fn lines(self) -> &'static str {
        match self {
            Self::BadRequest => "HTTP/1.1 400 Bad Request\r\nConnection: close",
            Self::Forbidden => "HTTP/1.1 403 Forbidden\r\nConnection: close",
            Self::NotFound => "HTTP/1.1 404 Not Found\r\nConnection: close",
            Self::MethodNotAllowed => {
                "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nConnection: close"
            }
            Self::RequestTimeout => "HTTP/1.1 408 Request Timeout\r\nConnection: close",
            Self::UriTooLong => "HTTP/1.1 414 URI Too Long\r\nConnection: close",
            // RFC 9110, section 15.5.22: 426 has Upgrade; section 7.8: Connection then lists it.
            Self::UpgradeRequired => {
                "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Version: 13\r\nConnection: close, Upgrade"
            }
            Self::FieldsTooLarge => {
                "HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close"
            }
            Self::NotImplemented => "HTTP/1.1 501 Not Implemented\r\nConnection: close",
            Self::Unavailable { .. } => {
                "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: "
            }
            Self::HttpVersionNotSupported => {
                "HTTP/1.1 505 HTTP Version Not Supported\r\nConnection: close"
            }
        }
    }
}

/// Writes a response that closes the connection: an error page, a redirect, or the response to a
/// plain HTTP request. Returns the length of head and body in bytes.
///
/// `Connection: close` and `Content-Length` are added. If `fields` has `Upgrade`, which a response with
/// status 426 must have, `Connection` also lists it (RFC 9110, section 7.8). `method` is the method of the
/// request. If it is HEAD, the body is omitted, and `Content-Length` is still the length of `body`.
///
/// # Errors
///
/// [`InvalidHead::Status`] if the status code is not from 200 to 999, [`InvalidHead::Body`] if a 204
/// or 304 has a body, the error of an invalid field, or [`InvalidHead::BufferTooSmall`].
///
/// ```
/// use websocket_proto::handshake::{Field, write_response};
///
/// let mut buffer = [0; 256];
/// let fields = [Field::new("Location", "/chat")];
/// let len = write_response(&mut buffer, "GET", 302, &fields, b"")?;
/// assert!(buffer[..len].starts_with(b"HTTP/1.1 302 Found\r\nLocation: /chat\r\n"));
/// # Ok::<(), websocket_proto::handshake::InvalidHead>(())
/// ```
pub fn write_response<'a>(
    buffer: impl Into<HeadBuffer<'a>>,
    method: &str,
    status: u16,
    fields: &[Field<'_>],
    body: &[u8],
) -> Result<usize, InvalidHead> {
    if !(200..=999).contains(&status) {
        return Err(InvalidHead::Status);
    }
    let bodiless = matches!(status, 204 | 304);
    if bodiless && !body.is_empty() {
        return Err(InvalidHead::Body);
    }
    let mut head = HeadWriter::new(buffer);
    head.write(&[b"HTTP/1.1 "])?;
    head.number(status.into())?;
    head.write(&[b" ", reason(status).as_bytes(), b"\r\n"])?;
    let mut connection: &[u8] = b"Connection: close\r\n";
    for field in fields {
        field.check(Field::is_reserved_in_response)?;
        head.field(*field)?;
        if field.has_name("upgrade") {
            connection = b"Connection: close, Upgrade\r\n";
        }
    }
    head.write(&[connection])?;
    // RFC 9110, section 8.6: 204 has no Content-Length, and 304 only that of the corresponding 200.
    if !bodiless {
        head.write(&[b"Content-Length: "])?;
        head.number(body.len())?;
        head.write(&[b"\r\n"])?;
    }
    head.finish(sent_body(method, body))
}

/// Returns the part of `body` that follows the head.
// RFC 9110, section 9.3.2: the response to HEAD has no body. Section 8.6: its Content-Length is that of
// the response to GET.
fn sent_body<'b>(method: &str, body: &'b [u8]) -> &'b [u8] {
    if method == "HEAD" { b"" } else { body }
}

/// Returns the reason phrase of a common status code, and an empty one for others.
pub(super) const fn reason(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        414 => "URI Too Long",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
