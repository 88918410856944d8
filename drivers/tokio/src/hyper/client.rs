//! Upgrades of requests that a client sends.

use std::future::poll_fn;
use std::io;
use std::pin::pin;

use ::hyper::body::{Body, Buf};
use ::hyper::ext::Protocol;
use ::hyper::upgrade::OnUpgrade;
use http::{Request, Version};
use websocket_proto::handshake::ClientRequest;
use websocket_proto::{Connection, Input, SharedConfig};

use super::io::{UpgradeKind, UpgradedIo};
use crate::client::Response;
use crate::error::Error;
use crate::websocket::WebSocket;

/// A request that a client of hyper sends to open a WebSocket, before the server's response.
///
/// ```no_run
/// use http_body_util::Empty;
/// use hyper::body::Bytes;
/// use hyper::client::conn::http1;
/// use hyper_util::rt::TokioIo;
/// use tokio::net::TcpStream;
/// use tokio_websocket_proto::DEFAULT_CONFIG;
/// use tokio_websocket_proto::hyper::ClientUpgrade;
/// use tokio_websocket_proto::proto::handshake::ClientRequest;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let stream = TcpStream::connect("example.com:80").await?;
/// let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
/// tokio::spawn(connection.with_upgrades());
///
/// let request = ClientRequest::to("example.com", "/chat").with_subprotocols(&["chat"]);
/// let (request, upgrade) = ClientUpgrade::http1::<Empty<Bytes>>(request, &DEFAULT_CONFIG)?;
/// let response = sender.send_request(request).await?;
/// let mut socket = upgrade.complete(response).await?;
/// socket.send("Hello").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ClientUpgrade<'a> {
    request: ClientRequest<'a>,
    config: SharedConfig,
    handshake: Handshake,
}

#[derive(Clone, Copy, Debug)]
enum Handshake {
    /// The Upgrade of HTTP/1.1, with the nonce of the request.
    Upgrade { nonce: [u8; 16] },
    /// The Extended CONNECT of HTTP/2.
    ExtendedConnect,
}

impl<'a> ClientUpgrade<'a> {
    /// Creates the request for an HTTP/1.1 connection, which must be driven with upgrades.
    ///
    /// If `config` enables permessage-deflate, the request offers it, unless
    /// `ClientRequest::with_deflate` was called.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Head`] if `request` is invalid, and [`Error::Entropy`] if the entropy of
    /// `config` fails.
    pub fn http1<B: Default>(
        request: ClientRequest<'a>,
        config: impl Into<SharedConfig>,
    ) -> Result<(Request<B>, Self), Error> {
        let config = config.into();
        let mut nonce = [0; 16];
        config.fill_random(&mut nonce).map_err(|_| Error::Entropy)?;
        let request = configured(request, &config);
        let head = request.to_http(&nonce)?.map(|()| B::default());
        Ok((head, Self { request, config, handshake: Handshake::Upgrade { nonce } }))
    }

    /// Creates the request for an HTTP/2 connection (RFC 8441).
    ///
    /// Send it only after the server's settings have arrived and allow it, because hyper does not check:
    /// `is_extended_connect_protocol_enabled` of hyper's `Connection` then returns `true`. They have
    /// arrived when a first response has. Compression is offered as in [`http1`](Self::http1).
    ///
    /// # Errors
    ///
    /// Returns [`Error::Head`] if `request` is invalid.
    pub fn http2<B: Default>(
        request: ClientRequest<'a>,
        config: impl Into<SharedConfig>,
    ) -> Result<(Request<B>, Self), Error> {
        let config = config.into();
        let request = configured(request, &config);
        let mut head = request.extended_connect_http()?.map(|()| B::default());
        *head.version_mut() = Version::HTTP_2;
        head.extensions_mut().insert(Protocol::from_static("websocket"));
        Ok((head, Self { request, config, handshake: Handshake::ExtendedConnect }))
    }

    /// Verifies the response, and waits until hyper has upgraded.
    ///
    /// # Errors
    ///
    /// - [`Error::Rejected`] if the server does not accept, with the part of the body that arrives within the
    ///   timeout for opening, at most
    ///   [`HeadLimits::max_body`](websocket_proto::handshake::HeadLimits::max_body) bytes.
    /// - [`Error::Handshake`] if the response breaks a rule.
    /// - [`Error::Io`] if hyper does not upgrade the connection: because it failed, or because an
    ///   HTTP/1.1 connection is driven without `with_upgrades`.
    pub async fn complete<B: Body>(
        self,
        mut response: http::Response<B>,
    ) -> Result<WebSocket<UpgradedIo>, Error> {
        let (negotiated, kind) = match &self.handshake {
            Handshake::Upgrade { nonce } => {
                (self.request.verify_http(nonce, &response)?, UpgradeKind::Http1)
            }
            Handshake::ExtendedConnect => {
                (self.request.verify_extended_connect_http(&response)?, UpgradeKind::Http2)
            }
        };
        let Some(negotiated) = negotiated else {
            return Err(Error::Rejected(Box::new(self.rejected(response).await)));
        };
        let subprotocol = negotiated.subprotocol().map(str::to_owned);
        let connection =
            Connection::client(self.config, &negotiated).map_err(|_| Error::Entropy)?;
        let on_upgrade = response.extensions_mut().remove::<OnUpgrade>();
        let on_upgrade =
            on_upgrade.ok_or(io::Error::other("the response has no upgrade of hyper"))?;
        let io = UpgradedIo::once_upgraded(on_upgrade, kind).await?;
        let socket = WebSocket::from_parts(io, connection, Input::owned(Vec::new()));
        Ok(socket.with_subprotocol(subprotocol.as_deref()))
    }

    /// Reads a response that does not accept.
    async fn rejected<B: Body>(&self, response: http::Response<B>) -> Response {
        let fields = response.headers().iter();
        let mut rejected = Response {
            status: response.status().as_u16(),
            fields: fields
                .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_owned()))
                .collect(),
            body: Vec::new(),
        };
        let max_body = self.config.head_limits().max_body;
        let reading = read(response.into_body(), max_body, &mut rejected.body);
        match self.config.timeouts().opening {
            Some(timeout) => tokio::time::timeout(timeout, reading).await.unwrap_or_default(),
            None => reading.await,
        }
        rejected
    }
}

/// Adds the offer of the configuration, unless the request mentions permessage-deflate.
#[cfg_attr(not(feature = "deflate"), expect(unused_variables, reason = "nothing is offered"))]
fn configured<'a>(request: ClientRequest<'a>, config: &SharedConfig) -> ClientRequest<'a> {
    #[cfg(feature = "deflate")]
    return request.or_configured(config);
    #[cfg(not(feature = "deflate"))]
    request
}

/// Reads a body to its end, up to an error or `max` bytes.
async fn read<B: Body>(body: B, max: usize, bytes: &mut Vec<u8>) {
    let mut body = pin!(body);
    while bytes.len() < max
        && let Some(Ok(frame)) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await
    {
        let Ok(mut data) = frame.into_data() else { continue };
        let len = data.remaining().min(max - bytes.len());
        bytes.extend_from_slice(&data.copy_to_bytes(len));
    }
}
