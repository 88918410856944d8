//! The errors of the driver.

use std::fmt;
use std::io;
use std::time::Duration;

use websocket_proto::handshake::{
    AcceptError, HandshakeError, InvalidHead, UriError, is_temporary_status,
};
use websocket_proto::{CloseFrameError, ConnectionError, SendError, Unsent};

use crate::client::Response;
use crate::connect_error::ConnectError;

/// The error of a connection or of its opening handshake.
///
/// Its text has advice: print it with `{}`. A `main` that returns the error prints its `Debug` form, which names
/// only the variants.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A client did not reach its server.
    Connect(Box<ConnectError>),
    /// Reading from or writing to the transport failed.
    Io(io::Error),
    /// The connection failed: the peer broke a rule, exceeded a limit, did not answer in time or ended its
    /// stream without a Close frame. The sending half of a split connection also returns a failed transport
    /// as this error, and so does a call that sends while received messages are left; a call that receives
    /// returns it as [`Io`](Self::Io).
    ///
    /// The value of a limit that was exceeded is in the configuration:
    /// [`socket.connection().config().limits()`](websocket_proto::Connection::config).
    Connection(ConnectionError),
    /// The message or frame cannot be sent.
    Send(SendError),
    /// The opening handshake failed.
    Handshake(HandshakeError),
    /// The server's origin policy does not allow the page of the client, which has received 403. The text
    /// has the values of `Origin` and of the requested host, and the setting to change.
    // Boxed once more, so that errors stay small.
    ForbiddenOrigin(Box<String>),
    /// The server answered with a status code other than 101: a redirect, a demand for credentials, a
    /// page. The text of this error has the first line of a body that is text, at most 200 characters.
    Rejected(Box<Response>),
    /// The client's request is not an upgrade to WebSocket.
    NotWebSocket,
    /// The source of entropy failed.
    Entropy,
    /// The request or the response that the program wanted to send is invalid.
    Head(InvalidHead),
}

impl Error {
    /// Returns whether the same call may succeed later: the network, the peer or a server on the way
    /// failed, was too slow or was overloaded.
    ///
    /// If the server's Close frame arrived before the failure, its code decides:
    /// [`peer_close`](crate::WebSocket::peer_close) and [`CloseCode::is_temporary`](websocket_proto::CloseCode::is_temporary).
    ///
    /// A client that reconnects waits for a random and growing time (RFC 6455, section 7.2.3), and as
    /// long as [`retry_after`](Self::retry_after) says; the example `client` shows it.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Io(_) => true,
            Self::Connect(error) => error.is_temporary(),
            Self::Rejected(response) => is_temporary_status(response.status),
            Self::Handshake(error) => error.is_temporary(),
            Self::Connection(error) => error.is_temporary(),
            Self::Send(_)
            | Self::ForbiddenOrigin(_)
            | Self::NotWebSocket
            | Self::Entropy
            | Self::Head(_) => false,
        }
    }

    /// Returns the time for which the server or the proxy that rejected a client asks it to wait: the
    /// seconds in the field `Retry-After` (RFC 9110, section 10.2.3), at most `u32::MAX`.
    ///
    /// Returns `None` if there is no such field, and for one with a date, which takes a calendar to
    /// read: [`Response::field`] returns its text.
    ///
    /// All clients that were rejected may have the same value, so add a random time to it:
    ///
    /// ```
    /// use std::time::Duration;
    /// use tokio_websocket_proto::Error;
    ///
    /// /// Returns the time to wait after `error`, where `random` is between 0 and 1.
    /// fn delay(error: &Error, random: f64) -> Duration {
    ///     error.retry_after().unwrap_or_default() + Duration::from_secs(5).mul_f64(0.5 + random / 2.0)
    /// }
    /// ```
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rejected(response) => response.retry_after(),
            Self::Connect(error) => error.retry_after(),
            Self::Io(_)
            | Self::Connection(_)
            | Self::Send(_)
            | Self::Handshake(_)
            | Self::ForbiddenOrigin(_)
            | Self::NotWebSocket
            | Self::Entropy
            | Self::Head(_) => None,
        }
    }
}

impl Error {
    /// Creates the error for an origin that is not allowed. `explanation` may have several lines; the
    /// error, which is for a log, has one.
    pub(crate) fn forbidden_origin(explanation: &str) -> Self {
        Self::ForbiddenOrigin(Box::new(explanation.replace('\n', " ")))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            // Only calls that send return it: the I/O error exists once, and is left to a call that receives.
            Self::Connection(ConnectionError::Aborted) => {
                write!(f, "{}; the calls that receive return the error", ConnectionError::Aborted)
            }
            Self::Connection(error) => error.fmt(f),
            Self::Send(error) => error.fmt(f),
            Self::Handshake(error) => {
                write!(f, "the opening handshake failed: {error}{}", handshake_advice(*error))
            }
            Self::Rejected(response) => {
                f.write_str("the server answered with ")?;
                response.fmt_status(f)?;
                match response.redirect() {
                    Some(location) => {
                        let location = String::from_utf8_lossy(location);
                        write!(f, "; it redirects to {location}, so use that, or allow redirects")
                    }
                    None => f.write_str(rejection_advice(response)),
                }
            }
            Self::ForbiddenOrigin(text) => f.write_str(text),
            Self::NotWebSocket => f.write_str("the request is not an upgrade to WebSocket"),
            Self::Entropy => f.write_str("the source of entropy failed"),
            Self::Head(error) => error.fmt(f),
        }
    }
}

fn handshake_advice(error: HandshakeError) -> &'static str {
    match error {
        HandshakeError::InvalidStatusLine | HandshakeError::InvalidHttpVersion => {
            "; the peer may speak another protocol than HTTP"
        }
        HandshakeError::InvalidMethod => "; the client may speak another protocol, such as TLS",
        HandshakeError::InvalidUpgrade | HandshakeError::MissingConnectionUpgrade => {
            "; a proxy on the way may not forward upgrades"
        }
        HandshakeError::MissingAccept | HandshakeError::WrongAccept => {
            "; a cache or a server of another protocol may have answered"
        }
        // The text of these errors is also the body of a response, where the setting tells nobody anything.
        HandshakeError::TargetTooLong => "; HeadLimits::with_max_target sets it",
        HandshakeError::FieldLineTooLong => "; HeadLimits::with_max_field_line sets it",
        HandshakeError::TooManyFields => "; HeadLimits::with_max_fields sets how many are allowed",
        HandshakeError::HeadTooLong => "; HeadLimits::with_max_head sets it",
        _ => "",
    }
}

fn rejection_advice(response: &Response) -> &'static str {
    // Web servers answer plain HTTP on a TLS port with such a page.
    let mentions_https = response.body.windows(5).any(|text| text == b"HTTPS");
    match response.status {
        200..=299 => "; it serves a page there, so check the path and the port",
        400 if mentions_https => "; the port may expect TLS, so try wss:// instead of ws://",
        // The server's own text is better advice, unless it repeats the status.
        401 | 403 if response.text().is_some_and(|text| !is_reason_phrase(text)) => "",
        401 => "; it demands credentials, perhaps in the field Authorization",
        403 => "; it may reject the credentials or the field Origin",
        404 => "; check the path",
        429 | 502..=504 => "; try again later",
        _ => "",
    }
}

/// Returns whether `text` is the reason phrase of 401 or 403, perhaps after the status code.
fn is_reason_phrase(text: &str) -> bool {
    let phrase = text.trim_start_matches(|character: char| !character.is_alphabetic());
    ["Unauthorized", "Forbidden"].iter().any(|known| phrase.eq_ignore_ascii_case(known))
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect(error) => Some(error),
            Self::Io(error) => Some(error),
            Self::Connection(error) => Some(error),
            Self::Send(error) => Some(error),
            Self::Handshake(error) => Some(error),
            Self::Rejected(_) | Self::ForbiddenOrigin(_) | Self::NotWebSocket | Self::Entropy => {
                None
            }
            Self::Head(error) => Some(error),
        }
    }
}

macro_rules! impl_from {
    ($($source:ty: $variant:ident,)*) => {
        $(impl From<$source> for Error {
            fn from(error: $source) -> Self {
                Self::$variant(error)
            }
        })*
    };
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        Self::Connect(Box::new(error))
    }
}

impl From<UriError> for Error {
    fn from(error: UriError) -> Self {
        ConnectError::Uri(error).into()
    }
}

impl<M> From<Unsent<M>> for Error {
    fn from(unsent: Unsent<M>) -> Self {
        Self::Send(unsent.error)
    }
}

impl From<CloseFrameError> for Error {
    fn from(error: CloseFrameError) -> Self {
        Self::Send(error.into())
    }
}

impl From<AcceptError> for Error {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::NotReady => Self::NotWebSocket,
            AcceptError::Response(error) => Self::Head(error),
            AcceptError::Entropy => Self::Entropy,
        }
    }
}

impl_from! {
    io::Error: Io,
    ConnectionError: Connection,
    SendError: Send,
    HandshakeError: Handshake,
    InvalidHead: Head,
}

#[cfg(test)]
mod tests {
    use websocket_proto::Limit;

    use super::*;

    fn rejected(status: u16) -> Error {
        Error::Rejected(Box::new(Response { status, fields: Vec::new(), body: Vec::new() }))
    }

    #[test]
    fn failures_are_temporary_and_rejections_are_not() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        for error in [
            refused().into(),
            rejected(503),
            rejected(429),
            HandshakeError::UnexpectedEof.into(),
            ConnectionError::UnexpectedEof.into(),
            ConnectError::Tcp { address: "example.com".into(), error: refused() }.into(),
        ] {
            assert!(error.is_temporary(), "{error}");
        }
        for error in [
            rejected(401),
            rejected(302),
            HandshakeError::WrongAccept.into(),
            UriError::Host.into(),
            SendError::Closed.into(),
            ConnectError::TlsServer.into(),
            Error::Entropy,
        ] {
            assert!(!error.is_temporary(), "{error}");
        }
    }

    #[test]
    fn retry_after_is_a_number_of_seconds() {
        let response = |value: &str| {
            let fields = vec![("retry-after".to_owned(), value.into())];
            Box::new(Response { status: 503, fields, body: Vec::new() })
        };
        for (value, seconds) in [
            ("0", Some(0)),
            ("120", Some(120)),
            ("4294967295", Some(u32::MAX)),
            ("4294967296", None),
            ("", None),
            ("+1", None),
            ("-1", None),
            ("1.5", None),
            ("Fri, 31 Dec 1999 23:59:59 GMT", None),
        ] {
            let expected = seconds.map(|seconds| Duration::from_secs(seconds.into()));
            let error = Error::Rejected(response(value));
            assert_eq!(error.retry_after(), expected, "{value}");
            let address = "example.com".into();
            let proxied = ConnectError::ProxyRejected { address, response: response(value) };
            assert_eq!(Error::from(proxied).retry_after(), expected, "{value}");
        }
        assert_eq!(rejected(503).retry_after(), None);
        assert_eq!(Error::from(ConnectError::TlsServer).retry_after(), None);
    }

    #[test]
    fn error_of_each_limit_names_its_setting() {
        for (error, setting) in [
            (HandshakeError::TargetTooLong.into(), "HeadLimits::with_max_target"),
            (HandshakeError::FieldLineTooLong.into(), "HeadLimits::with_max_field_line"),
            (HandshakeError::TooManyFields.into(), "HeadLimits::with_max_fields"),
            (HandshakeError::HeadTooLong.into(), "HeadLimits::with_max_head"),
            (ConnectionError::from(Limit::Frame).into(), "Limits::with_max_frame"),
            (ConnectionError::from(Limit::Message).into(), "Limits::with_max_message"),
            (ConnectionError::from(Limit::CompressedPayload).into(), "Limits::with_max_message"),
            (
                ConnectionError::from(Limit::EmptyFragments).into(),
                "Limits::with_max_empty_fragments",
            ),
            (ConnectionError::from(Limit::ControlFrames).into(), "Config::with_control_rate"),
        ] {
            let text = Error::to_string(&error);
            assert!(text.split(' ').any(|word| word == setting), "{setting}: {text}");
        }
    }

    #[test]
    fn results_of_receiving_stay_small() {
        assert!(size_of::<Error>() <= 16, "{}", size_of::<Error>());
    }
}
