//! Responses that are not 101.

use super::write::decimal;
use super::{Field, HeadBuffer, HeadError, HeadWriter};

/// An answer to a request that is not accepted, ready to be sent.
///
/// Each closes the connection: what a client sent behind its request must not be taken for another
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// 400 Bad Request.
    BadRequest,
    /// 403 Forbidden: the origin, most of all (RFC 6455, section 4.2.2).
    Forbidden,
    /// 404 Not Found: there is no such resource (RFC 6455, section 4.2.2).
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
        /// Seconds after which the client may try again.
        retry_after: u32,
    },
    /// 505 HTTP Version Not Supported.
    HttpVersionNotSupported,
}

impl Rejection {
    /// The status.
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

    /// The reason phrase.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        reason(self.status())
    }

    /// Writes the response, with `body` as plain text. Returns its length in bytes.
    ///
    /// # Errors
    ///
    /// [`HeadError::BufferFull`].
    pub fn write<'a>(
        self,
        buffer: impl Into<HeadBuffer<'a>>,
        body: &str,
    ) -> Result<usize, HeadError> {
        let (mut seconds, mut length) = ([0; 20], [0; 20]);
        let seconds = if let Self::Unavailable { retry_after } = self {
            decimal(usize::try_from(retry_after).unwrap_or(usize::MAX), &mut seconds)
        } else {
            b""
        };
        let mut head = HeadWriter::new(buffer);
        head.parts(&[
            self.lines().as_bytes(),
            seconds,
            b"\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ",
            decimal(body.len(), &mut length),
            b"\r\n\r\n",
            body.as_bytes(),
        ])?;
        Ok(head.written())
    }

    /// The status line and the fields that tell the answers apart, up to where the seconds stand.
    // Whole, and not put together: that would be as much code as all else that writes.
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
            // RFC 9110, section 15.5.22, and with `Upgrade` section 7.8.
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

/// Writes a response that closes the connection: an error page, a redirect, or the answer to a
/// plain HTTP request. Returns its length in bytes.
///
/// `Connection: close` and `Content-Length` are written here. The body is left out, but for its
/// length, if `method`, that of the request, is HEAD.
///
/// # Errors
///
/// [`HeadError::Status`] if that is not from 200 to 999, [`HeadError::Body`] for a body with 204
/// or 304, what [`HeadWriter`] refuses, and [`HeadError::ReservedField`].
///
/// ```
/// use websocket_proto::handshake::{Field, write_response};
///
/// let mut buffer = [0; 256];
/// let length =
///     write_response(&mut buffer, "GET", 302, &[Field::new("Location", "/chat")], b"")?;
/// assert!(buffer[..length].starts_with(b"HTTP/1.1 302 Found\r\nLocation: /chat\r\n"));
/// # Ok::<(), websocket_proto::handshake::HeadError>(())
/// ```
pub fn write_response<'a>(
    buffer: impl Into<HeadBuffer<'a>>,
    method: &str,
    status: u16,
    fields: &[Field<'_>],
    body: &[u8],
) -> Result<usize, HeadError> {
    if status < 200 {
        return Err(HeadError::Status);
    }
    let bodiless = matches!(status, 204 | 304);
    if bodiless && !body.is_empty() {
        return Err(HeadError::Body);
    }
    let mut head = HeadWriter::response(buffer, status, reason(status))?;
    head.extra_fields(fields)?;
    head.parts(&[b"Connection: close\r\n"])?;
    // RFC 9110, section 8.6: no Content-Length with 204, and with 304 only that of the body that
    // 200 would have had.
    if !bodiless {
        content_length(&mut head, body)?;
    }
    // RFC 9110, section 9.3.2: no body answers HEAD.
    head.finish_with_body(if method == "HEAD" { b"" } else { body })
}

fn content_length(head: &mut HeadWriter<'_>, body: &[u8]) -> Result<(), HeadError> {
    head.parts(&[b"Content-Length: ", decimal(body.len(), &mut [0; 20]), b"\r\n"])
}

/// The reason phrase of the statuses that a handshake is likely to meet.
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
