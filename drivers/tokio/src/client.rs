//! The opening handshake of a client over a transport that is connected.

use std::fmt;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use websocket_proto::SharedConfig;
use websocket_proto::handshake::{
    ClientEvent, ClientHandshake, ClientRequest, Field, HandshakeError, ResponseHead,
};

use crate::connect_error::ConnectError;
use crate::error::Error;
use crate::handshake::{DEFAULT_CONFIG, Exchange};
use crate::websocket::WebSocket;

/// Opens a WebSocket connection over `io`, a transport that is connected to a server.
///
/// # Errors
///
/// Returns [`Error::Head`] if `request` is invalid, [`Error::Rejected`] if the server answers with a
/// status code other than 101, and an error if its response breaks a rule or does not arrive in time.
///
/// ```no_run
/// use tokio::net::TcpStream;
/// use tokio_websocket_proto::proto::handshake::ClientRequest;
/// use tokio_websocket_proto::{client, configure_tcp};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let tcp = TcpStream::connect("127.0.0.1:9001").await?;
/// configure_tcp(&tcp)?;
/// let mut socket = client(tcp, &ClientRequest::to("127.0.0.1:9001", "/chat")).await?;
/// socket.send("Hello").await?;
/// # Ok(())
/// # }
/// ```
pub async fn client<IO>(io: IO, request: &ClientRequest<'_>) -> Result<WebSocket<IO>, Error>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let (socket, _) = client_with(io, request, &DEFAULT_CONFIG).await?;
    Ok(socket)
}

/// Opens a WebSocket connection as [`client`] does, with a configuration. Returns the server's response, too.
///
/// # Errors
///
/// Returns the errors of [`client`].
pub async fn client_with<IO>(
    io: IO,
    request: &ClientRequest<'_>,
    config: impl Into<SharedConfig>,
) -> Result<(WebSocket<IO>, Response), Error>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let exchange = Exchange::new(io, ClientHandshake::new(config, request)?);
    let exchange = exchange.perform().await?;
    let response = exchange.response()?;
    Ok((exchange.establish()?, response))
}

/// The bytes of a body that `Debug` shows at most, and the characters that the text of an error shows.
const MAX_SHOWN_BODY: usize = 200;

/// The response of a server: one that accepts the handshake, a redirect, a demand for credentials, an
/// error page.
///
/// Its `Debug` output is text, with at most 200 bytes of the body.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The fields, in order.
    pub fields: Vec<(String, Vec<u8>)>,
    /// The received part of the body, at most
    /// [`HeadLimits::max_body`](websocket_proto::handshake::HeadLimits::max_body) bytes.
    pub body: Vec<u8>,
}

impl Response {
    fn of(head: &ResponseHead<'_>) -> Self {
        let fields = head.fields();
        Self {
            status: head.status(),
            fields: fields
                .map(|field| (field.name().to_owned(), field.value().to_owned()))
                .collect(),
            body: Vec::new(),
        }
    }

    /// Returns the text of the first field with this name, ignoring case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let (_, value) = fields.find(|(other, _)| other.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// Returns the first line of a body that is text.
    pub(crate) fn text(&self) -> Option<&str> {
        let line = self.body.trim_ascii_start().split(|byte| *byte == b'\n').next();
        let line = std::str::from_utf8(line.unwrap_or_default().trim_ascii_end());
        // HTML and XML are for browsers.
        line.ok().filter(|line| !line.is_empty() && !line.starts_with('<'))
    }

    /// Formats the status code, and the [text](Self::text): at most 200 characters, with the control
    /// characters replaced.
    pub(crate) fn fmt_status(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status)?;
        let Some(line) = self.text() else { return Ok(()) };
        let printable = |character: char| match character.is_control() {
            true => char::REPLACEMENT_CHARACTER,
            false => character,
        };
        let shown: String = line.chars().map(printable).take(MAX_SHOWN_BODY).collect();
        let ellipsis = if line.chars().nth(MAX_SHOWN_BODY).is_some() { "…" } else { "" };
        write!(f, " ({shown}{ellipsis})")
    }

    /// Returns the seconds of `Retry-After` (RFC 9110, section 10.2.3).
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let seconds = self.field("retry-after")?;
        // `parse` would accept a plus sign.
        let digits =
            seconds.starts_with(|first: char| first.is_ascii_digit()).then_some(seconds)?;
        digits.parse().ok().map(|seconds: u32| Duration::from_secs(seconds.into()))
    }

    /// Returns the target of a redirect (RFC 9110, section 15.4).
    pub(crate) fn redirect(&self) -> Option<&[u8]> {
        if !matches!(self.status, 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        let mut fields = self.fields.iter();
        let (_, value) = fields.find(|(name, _)| name.eq_ignore_ascii_case("location"))?;
        Some(value)
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<Field<'_>> =
            self.fields.iter().map(|(name, value)| Field::new(name, value)).collect();
        let (shown, ellipsis) = match self.body.split_at_checked(MAX_SHOWN_BODY) {
            Some((shown, rest)) if !rest.is_empty() => (shown, "…"),
            Some(_) | None => (&*self.body, ""),
        };
        let body = String::from_utf8_lossy(shown) + ellipsis;
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("fields", &fields)
            .field("body", &body)
            .finish()
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Exchange<IO, ClientHandshake> {
    /// Performs the handshake. Completes when the peer has accepted.
    pub(crate) async fn perform(mut self) -> Result<Self, Error> {
        let mut response = None;
        loop {
            match self.next().await {
                Some(ClientEvent::Accepted) => return Ok(self),
                Some(ClientEvent::Rejected { .. }) => response = Some(self.response()?),
                Some(ClientEvent::BodyEnded(_)) | None => break,
                Some(ClientEvent::Failed(_)) if self.is_tls_alert() => {
                    return Err(ConnectError::TlsServer.into());
                }
                Some(ClientEvent::Failed(error)) => return Err(self.failure(error)),
            }
        }
        let mut response = response.ok_or(HandshakeError::UnexpectedEof)?;
        response.body = self.handshake.body().to_vec();
        Err(Error::Rejected(Box::new(response)))
    }

    /// Returns the response, after its head was received.
    pub(crate) fn response(&self) -> Result<Response, Error> {
        let response = self.handshake.response();
        Ok(response.map(|head| Response::of(&head)).ok_or(HandshakeError::UnexpectedEof)?)
    }

    /// Returns the connection, after the server has accepted.
    pub(crate) fn establish(self) -> Result<WebSocket<IO>, Error> {
        let negotiated = self.handshake.negotiated();
        let subprotocol =
            negotiated.and_then(|negotiated| negotiated.subprotocol()).map(str::to_owned);
        let connection = self.handshake.establish().map_err(|unaccepted| unaccepted.error)?;
        let socket = WebSocket::from_parts(self.io, connection, self.input);
        Ok(socket.with_subprotocol(subprotocol.as_deref()))
    }

    /// Returns the transport, which leads to the server after the proxy has accepted. Returns `None` if
    /// bytes followed the proxy's response: a server sends none before the client does.
    pub(crate) fn into_tunnel(self) -> Option<IO> {
        (!self.input.has_unread()).then_some(self.io)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn debug(body: &[u8]) -> String {
        let fields = vec![("WWW-Authenticate".to_owned(), b"Basic realm=\xFF".to_vec())];
        let response = Response { status: 401, fields, body: body.to_vec() };
        format!("{:?}", Error::Rejected(Box::new(response)))
    }

    #[test]
    fn text_of_a_rejection_has_the_first_line_of_a_text() {
        let at_most = "ä".repeat(MAX_SHOWN_BODY);
        let longer = [&*at_most, "b"].concat();
        for (body, shown) in [
            (&b""[..], String::new()),
            (b" \r\n", String::new()),
            (b"who are you?", " (who are you?)".to_owned()),
            (b"\r\nwho are you?\r\nGo.", " (who are you?)".to_owned()),
            (b"{\"error\":\x1b[2J\t1}", " ({\"error\":\u{FFFD}[2J\u{FFFD}1})".to_owned()),
            (b"<!DOCTYPE html>", String::new()),
            (b"\x1f\x8b\x08\xff", String::new()),
            (at_most.as_bytes(), format!(" ({at_most})")),
            (longer.as_bytes(), format!(" ({at_most}…)")),
        ] {
            let response =
                |status| Box::new(Response { status, fields: vec![], body: body.to_vec() });
            assert_eq!(
                Error::Rejected(response(418)).to_string(),
                format!("the server answered with status 418{shown}")
            );
            let address = "proxy:3128".into();
            assert_eq!(
                ConnectError::ProxyRejected { address, response: response(403) }.to_string(),
                format!(
                    "the proxy proxy:3128 rejected the tunnel with status 403{shown}; it does not allow \
                     this host and port, so ask who runs it"
                )
            );
        }
    }

    #[test]
    fn debug_output_of_a_rejection_is_text() {
        let start = r#"Rejected(Response { status: 401, fields: [WWW-Authenticate: Basic realm=\xff], body: ""#;
        assert_eq!(debug(b"who are you?\xFF"), [start, "who are you?\u{FFFD}\" })"].concat());
        let at_most = "x".repeat(MAX_SHOWN_BODY);
        assert_eq!(debug(at_most.as_bytes()), [start, &at_most, "\" })"].concat());
        assert_eq!(debug(&[b'x'; 10_000]), [start, &at_most, "…\" })"].concat());
    }
}
