//! Opening a connection: resolving, TCP, the proxy, TLS, the opening handshake, redirects.

use std::io;

use tokio::net::lookup_host;
use tokio::time::{Instant, timeout_at};
use websocket_proto::handshake::{ClientHandshake, ClientRequest, Field, HandshakeError, Uri};

use crate::builder::ClientBuilder;
use crate::client::Response;
use crate::connect_error::{ConnectError, ConnectStep, is_tls_error};
use crate::error::Error;
use crate::handshake::Exchange;
use crate::proxy::Proxy;
use crate::stream::Stream;
use crate::tcp;
use crate::websocket::WebSocket;

/// Opens a WebSocket connection to a `ws` or `wss` URI, with the default settings of
/// [`ClientBuilder`]. As in browsers, `http` means `ws`, and `https` means `wss`.
///
/// The URI has ASCII characters only: a name beyond ASCII is written in IDNA, and a text in the path or the
/// query, such as `café & bar`, is percent-encoded. The crate `percent-encoding` does that:
/// `utf8_percent_encode(text, NON_ALPHANUMERIC)`.
///
/// All addresses of the host are tried. No proxy is used, whatever the environment says:
/// [`with_proxy_from_environment`](ClientBuilder::with_proxy_from_environment) changes that.
///
/// Everything together takes at most 11 s: 10 s
/// ([`Timeouts::RECOMMENDED`](websocket_proto::Timeouts::RECOMMENDED)), and 1 s of grace for the
/// server's response (see [`manual::time`](websocket_proto::manual::time)).
///
/// # Errors
///
/// Returns [`Error::Connect`] if the URI is invalid or the server is not reached, [`Error::Rejected`] if
/// it answers with a status code other than 101, and [`Error::Handshake`] if its response breaks a
/// rule.
///
/// ```no_run
/// use tokio_websocket_proto::proto::CloseCode;
/// use tokio_websocket_proto::{Error, connect};
///
/// # async fn run() -> Result<(), Error> {
/// let mut socket = connect("wss://example.com/chat").await?;
/// socket.send("Hello").await?;
/// while let Some(message) = socket.recv().await? {
///     println!("{message:?}");
/// }
/// # Ok(())
/// # }
/// ```
pub async fn connect(uri: &str) -> Result<WebSocket<Stream>, Error> {
    Ok(ClientBuilder::new().connect(uri).await?.socket)
}

/// A connection that a client has opened, and the server's response.
#[derive(Debug)]
#[non_exhaustive]
pub struct Connected {
    /// The connection.
    pub socket: WebSocket<Stream>,
    /// The server's response, which accepts the connection.
    pub response: Response,
    /// The URI of the server: the one that the program gave, or the target of the last redirect.
    pub uri: String,
}

impl ClientBuilder {
    /// Opens a WebSocket connection to a `ws` or `wss` URI. See [`connect`].
    ///
    /// # Errors
    ///
    /// Returns the errors of [`connect`], and [`Error::Head`] if a field or a subprotocol is invalid.
    pub async fn connect(&self, uri: &str) -> Result<Connected, Error> {
        let start = Instant::now();
        let mut target = uri.to_owned();
        let mut fields: Vec<Field<'_>> =
            self.fields.iter().map(|(name, value)| Field::new(name, value)).collect();
        let mut redirects = 0;
        loop {
            let uri = Uri::parse(&target)?;
            // Boxed: this future is about 4 KB, which each future that awaits it would contain.
            let response = match Box::pin(self.open(&uri, &fields, start)).await {
                Ok(exchange) => {
                    let response = exchange.response()?;
                    return Ok(Connected { socket: exchange.establish()?, response, uri: target });
                }
                Err(Error::Rejected(response)) => response,
                Err(error) => return Err(error),
            };
            let Some(location) = response.redirect().filter(|_| self.max_redirects > 0) else {
                return Err(Error::Rejected(response));
            };
            let location = uri.resolve(location).map_err(ConnectError::RedirectUri)?;
            let next = Uri::parse(&location).map_err(ConnectError::RedirectUri)?;
            if redirects == self.max_redirects {
                return Err(ConnectError::TooManyRedirects { location: location.into() }.into());
            }
            if uri.is_secure() && !next.is_secure() {
                return Err(ConnectError::InsecureRedirect { location: location.into() }.into());
            }
            if !uri.is_same_origin(&next) {
                fields.retain(|field| !field.is_credential());
            }
            redirects += 1;
            target = location;
        }
    }

    /// Performs an opening handshake with the server of `uri`. Completes when the server has accepted.
    async fn open(
        &self,
        uri: &Uri<'_>,
        fields: &[Field<'_>],
        start: Instant,
    ) -> Result<Exchange<Stream, ClientHandshake>, Error> {
        let subprotocols: Vec<&str> = self.subprotocols.iter().map(String::as_str).collect();
        let request = ClientRequest::new(uri).with_subprotocols(&subprotocols).with_fields(fields);
        // An invalid request is reported before anything is sent.
        let handshake = ClientHandshake::new(self.config.clone(), &request)?;
        check_tls(uri)?;
        let stream = match self.route.proxy(uri)? {
            Some(proxy) => self.open_tunnel(&proxy, uri, start).await?,
            None => self.open_stream(uri, start).await?,
        };
        let stream = self.secure(uri, stream, start).await?;
        let exchange = Exchange::new(stream, handshake).since(start);
        let error = match exchange.perform().await {
            Ok(exchange) => return Ok(exchange),
            Err(Error::Handshake(HandshakeError::Timeout)) => {
                return Err(timeout(uri, ConnectStep::Handshake));
            }
            Err(Error::Handshake(HandshakeError::UnexpectedEof)) => {
                io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection")
            }
            Err(Error::Io(error)) => error,
            Err(error) => return Err(error),
        };
        let address = address(uri).into();
        let error = if is_tls_error(&error) {
            ConnectError::Tls { address, error }
        } else {
            ConnectError::NoResponse { address, error }
        };
        Err(error.into())
    }

    /// Opens a tunnel through a proxy to the host and port of `uri`.
    async fn open_tunnel(
        &self,
        proxy: &Proxy,
        uri: &Uri<'_>,
        start: Instant,
    ) -> Result<Stream, Error> {
        let authorization =
            proxy.credentials.as_ref().map(|value| Field::new("Proxy-Authorization", value));
        let tunnel = ClientHandshake::tunnel(self.config.clone(), uri, authorization.as_slice())?;
        let proxy = &proxy.uri()?;
        check_tls(proxy)?;
        let stream = self.open_stream(proxy, start).await?;
        let stream = self.secure(proxy, stream, start).await?;
        let performed = Exchange::new(stream, tunnel).since(start).perform().await;
        let address = address(proxy).into();
        let exchange = performed.map_err(|error| match error {
            Error::Rejected(response) => ConnectError::ProxyRejected { address, response }.into(),
            Error::Handshake(HandshakeError::Timeout) => timeout(proxy, ConnectStep::Proxy),
            Error::Io(error) if is_tls_error(&error) => ConnectError::Tls { address, error }.into(),
            error => Error::from(ConnectError::Proxy { address, error: error.into() }),
        })?;
        exchange.into_tunnel().ok_or_else(|| {
            let error = io::Error::new(io::ErrorKind::InvalidData, "bytes follow its response");
            let error = Box::new(error.into());
            ConnectError::Proxy { address: self::address(proxy).into(), error }.into()
        })
    }

    /// Opens a TCP connection to the host and port of `uri`.
    async fn open_stream(&self, uri: &Uri<'_>, start: Instant) -> Result<Stream, Error> {
        let resolved = self.within(uri, ConnectStep::Resolve, start, async {
            let addresses = lookup_host((uri.host(), uri.port())).await;
            addresses.map_err(|error| ConnectError::Resolve { host: uri.host().into(), error })
        });
        let addresses = resolved.await?;
        let connected = self.within(uri, ConnectStep::Tcp, start, async {
            let connected = tcp::connect(addresses).await;
            connected.map_err(|error| ConnectError::Tcp { address: address(uri).into(), error })
        });
        Ok(connected.await?.into())
    }

    /// Performs the TLS handshake with the server of `uri`, if its scheme asks for it.
    #[cfg(feature = "rustls")]
    async fn secure(&self, uri: &Uri<'_>, stream: Stream, start: Instant) -> Result<Stream, Error> {
        if !uri.is_secure() {
            return Ok(stream);
        }
        let address = address(uri);
        let secured = crate::tls::connect(self.tls.as_ref(), uri.host(), &address, stream);
        self.within(uri, ConnectStep::Tls, start, secured).await
    }

    #[cfg(not(feature = "rustls"))]
    async fn secure(&self, uri: &Uri<'_>, stream: Stream, _: Instant) -> Result<Stream, Error> {
        check_tls(uri).map(|()| stream)
    }

    /// Performs a step within the remaining time of `Timeouts::opening`.
    async fn within<T>(
        &self,
        uri: &Uri<'_>,
        step: ConnectStep,
        start: Instant,
        performed: impl Future<Output = Result<T, ConnectError>>,
    ) -> Result<T, Error> {
        let opening = self.config.timeouts().opening;
        let performed = match opening.and_then(|opening| start.checked_add(opening)) {
            Some(deadline) => timeout_at(deadline, performed).await,
            None => Ok(performed.await),
        };
        performed.map_err(|_| timeout(uri, step))?.map_err(Error::from)
    }
}

/// Returns an error if the URI needs TLS and the crate was built without it.
fn check_tls(uri: &Uri<'_>) -> Result<(), Error> {
    if uri.is_secure() && cfg!(not(feature = "rustls")) {
        return Err(ConnectError::TlsDisabled.into());
    }
    Ok(())
}

fn timeout(uri: &Uri<'_>, step: ConnectStep) -> Error {
    ConnectError::Timeout { address: address(uri).into(), step }.into()
}

/// Returns the host and the port of `uri`, for errors.
fn address(uri: &Uri<'_>) -> String {
    let (host, port) = (uri.host(), uri.port());
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(all(test, not(feature = "rustls")))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn wss_without_tls_is_an_error() {
        let error = connect("wss://localhost:1/").await.unwrap_err();
        let Error::Connect(error) = error else { panic!("{error:?}") };
        assert!(matches!(*error, ConnectError::TlsDisabled));
        let proxied = ClientBuilder::new().with_proxy(Proxy::parse("https://localhost:1").unwrap());
        let error = proxied.connect("ws://localhost:1/").await.unwrap_err();
        let Error::Connect(error) = error else { panic!("{error:?}") };
        assert!(matches!(*error, ConnectError::TlsDisabled));
    }
}
