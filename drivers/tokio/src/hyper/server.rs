//! Upgrades of requests that a server receives.

use std::fmt;
use std::io;

use ::hyper::ext::Protocol;
use ::hyper::upgrade::OnUpgrade;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use http::{Request, Response, StatusCode, Version};
use websocket_proto::handshake::{
    Acceptance, ExtendedConnect, HandshakeError, InvalidHead, OriginPolicy, Rejection, Upgrade,
    choose_subprotocol,
};
use websocket_proto::{Connection, Input, Negotiated, SharedConfig};

use super::io::{UpgradeKind, UpgradedIo};
use crate::error::Error;
use crate::websocket::WebSocket;

/// A valid request that opens a WebSocket, from an allowed origin, before the server's response.
///
/// ```
/// use http_body_util::Full;
/// use hyper::body::Bytes;
/// use hyper::{Request, Response};
/// use tokio_websocket_proto::DEFAULT_CONFIG;
/// use tokio_websocket_proto::hyper::{ServerUpgrade, UpgradeErrorKind};
///
/// async fn service<B>(mut request: Request<B>) -> Response<Full<Bytes>> {
///     let upgrade = match ServerUpgrade::from_request(&mut request, &DEFAULT_CONFIG) {
///         Ok(upgrade) => upgrade,
///         Err(error) if error.kind == UpgradeErrorKind::PlainHttp => {
///             return Response::new("A page".into());
///         }
///         Err(error) => return error.response(),
///     };
///     let (response, socket) = upgrade.accept();
///     tokio::spawn(async move {
///         let mut socket = socket.await?;
///         while let Some(message) = socket.recv().await? {
///             let message = message.into_owned();
///             socket.feed(message).await?;
///         }
///         Ok::<_, tokio_websocket_proto::Error>(())
///     });
///     response.map(|()| Full::default())
/// }
/// ```
#[derive(Debug)]
pub struct ServerUpgrade {
    on_upgrade: OnUpgrade,
    kind: UpgradeKind,
    config: SharedConfig,
    /// The subprotocols that the client offers.
    offered: Vec<String>,
    subprotocol: Option<String>,
    negotiated: Negotiated<'static>,
    /// The response that accepts, without a subprotocol.
    response: Response<()>,
}

impl ServerUpgrade {
    /// Checks a request, whose origin the policy of `config` must allow. Takes the upgrade out of the
    /// extensions of a valid request.
    ///
    /// If `config` enables permessage-deflate, the response will accept the client's first valid offer.
    ///
    /// # Errors
    ///
    /// The reason not to upgrade, with the response that states it.
    pub fn from_request<B>(
        request: &mut Request<B>,
        config: impl Into<SharedConfig>,
    ) -> Result<Self, UpgradeError> {
        let config = config.into();
        let checked = check(request, config.origin_policy())?;
        let kind = checked.kind();
        let offered = checked.subprotocols();
        let acceptance = Acceptance::new();
        #[cfg(feature = "deflate")]
        let acceptance = match config.deflate() {
            Some(deflate) => acceptance.with_deflate_parameters(checked.accept_deflate(&deflate)),
            None => acceptance,
        };
        let negotiated = Negotiated::from(&acceptance);
        let response = checked.accept_http(&acceptance);
        debug_assert!(response.is_ok(), "the client offered what is accepted");
        let version = request.version();
        let not_upgradable = || UpgradeError { kind: UpgradeErrorKind::NotUpgradable, version };
        let response = response.map_err(|_| not_upgradable())?;
        let on_upgrade = request.extensions_mut().remove::<OnUpgrade>();
        let on_upgrade = on_upgrade.ok_or_else(not_upgradable)?;
        Ok(Self { on_upgrade, kind, config, offered, subprotocol: None, negotiated, response })
    }

    /// Returns the subprotocols that the client offers, in its order of preference.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> + Clone {
        self.offered.iter().map(String::as_str)
    }

    /// Chooses the first subprotocol in `supported` that the client offers, and returns it. If there is
    /// none, the response accepts without a subprotocol.
    pub fn choose_subprotocol(&mut self, supported: &[&str]) -> Option<&str> {
        let chosen = choose_subprotocol(self.subprotocols(), supported);
        self.subprotocol = chosen.map(str::to_owned);
        self.subprotocol()
    }

    /// Returns the subprotocol that was chosen.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Accepts. Returns the response, to which the program may add fields, and a future of the
    /// connection, which completes after hyper has written the response.
    ///
    /// # Errors
    ///
    /// The future returns [`Error::Io`] if hyper does not upgrade the connection: because it failed, or
    /// because an HTTP/1.1 connection is served without `with_upgrades`.
    ///
    /// # Panics
    ///
    /// Never: a subprotocol that the client offers is a token, which is a valid value.
    #[must_use = "hyper must send the response"]
    pub fn accept(
        self,
    ) -> (Response<()>, impl Future<Output = Result<WebSocket<UpgradedIo>, Error>> + Send + use<>)
    {
        let Self { on_upgrade, kind, config, subprotocol, negotiated, mut response, .. } = self;
        if let Some(subprotocol) = &subprotocol {
            let value = HeaderValue::try_from(subprotocol).expect("a subprotocol is a token");
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, value);
        }
        let socket = async move {
            let io = UpgradedIo::once_upgraded(on_upgrade, kind).await?;
            let connection = Connection::server(config, &negotiated);
            let socket = WebSocket::from_parts(io, connection, Input::owned(Vec::new()));
            Ok(socket.with_subprotocol(subprotocol.as_deref()))
        };
        (response, socket)
    }
}

/// The error for a request that is not upgraded. Its text is that of its [kind](UpgradeErrorKind).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpgradeError {
    /// The reason not to upgrade.
    pub kind: UpgradeErrorKind,
    /// The version of HTTP of the request, on which the response depends.
    pub version: Version,
}

/// The reason for which a request is not upgraded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpgradeErrorKind {
    /// The request does not ask for a WebSocket. A server that has a page for it sends the page.
    PlainHttp,
    /// The request breaks a rule.
    Invalid(HandshakeError),
    /// The policy does not allow the origin of the page. The text says which values differ and which
    /// setting to change.
    ForbiddenOrigin(String),
    /// The request has no upgrade of hyper: it did not come from a server of hyper, or the upgrade was
    /// taken before.
    NotUpgradable,
}

impl UpgradeError {
    /// Returns the response. Its body is the text of `Display`.
    ///
    /// The status code is 426 for plain HTTP and other versions of WebSocket, 403 for an origin that is
    /// not allowed, 405 for a method other than GET, 501 for an Extended CONNECT for another protocol,
    /// 500 for [`NotUpgradable`](UpgradeErrorKind::NotUpgradable), and 400 otherwise. HTTP/2 has no 426
    /// and no 405: the status code is 400 instead.
    ///
    /// Over HTTP/1.1, the response closes the connection: a client that expects an upgrade may send frames
    /// after its request, which must not be read as another request.
    #[must_use]
    pub fn response<B: From<String>>(&self) -> Response<B> {
        let is_http2 = self.version == Version::HTTP_2;
        let mut response = match self.kind {
            UpgradeErrorKind::PlainHttp if is_http2 => with_status(StatusCode::BAD_REQUEST),
            UpgradeErrorKind::PlainHttp => Rejection::UpgradeRequired.to_http(),
            UpgradeErrorKind::Invalid(error) => rejected(self.version, error),
            UpgradeErrorKind::ForbiddenOrigin(_) => {
                rejected(self.version, HandshakeError::ForbiddenOrigin)
            }
            UpgradeErrorKind::NotUpgradable => {
                let mut response = with_status(StatusCode::INTERNAL_SERVER_ERROR);
                // RFC 9113, section 8.2.2: HTTP/2 has no Connection.
                if !is_http2 {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(CONNECTION, close);
                }
                response
            }
        };
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, text);
        response.map(|()| self.to_string().into())
    }
}

/// Returns the response to a request that breaks a rule.
fn rejected(version: Version, error: HandshakeError) -> Response<()> {
    match version {
        Version::HTTP_2 => ExtendedConnect::reject_http(error),
        _ => error.rejection().unwrap_or(Rejection::BadRequest).to_http(),
    }
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            UpgradeErrorKind::PlainHttp => f.write_str("This resource is a WebSocket."),
            UpgradeErrorKind::Invalid(error) => error.fmt(f),
            UpgradeErrorKind::ForbiddenOrigin(text) => f.write_str(text),
            UpgradeErrorKind::NotUpgradable => f.write_str("the request has no upgrade of hyper"),
        }
    }
}

impl std::error::Error for UpgradeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            UpgradeErrorKind::Invalid(error) => Some(error),
            UpgradeErrorKind::PlainHttp
            | UpgradeErrorKind::ForbiddenOrigin(_)
            | UpgradeErrorKind::NotUpgradable => None,
        }
    }
}

impl From<UpgradeError> for Error {
    fn from(error: UpgradeError) -> Self {
        match error.kind {
            UpgradeErrorKind::PlainHttp => Self::NotWebSocket,
            UpgradeErrorKind::Invalid(error) => Self::Handshake(error),
            UpgradeErrorKind::ForbiddenOrigin(text) => Self::forbidden_origin(&text),
            UpgradeErrorKind::NotUpgradable => Self::Io(io::Error::other(error)),
        }
    }
}

/// A request that passed the checks of its version of HTTP.
pub(crate) enum Checked<'r> {
    Upgrade(Upgrade<'r>),
    Connect(ExtendedConnect<'r>),
}

/// Checks a request, whose origin `policy` must allow.
pub(crate) fn check<'r, B>(
    request: &'r Request<B>,
    policy: &OriginPolicy<'_>,
) -> Result<Checked<'r>, UpgradeError> {
    let version = request.version();
    let checked = if version == Version::HTTP_2 {
        let protocol = request.extensions().get().map(Protocol::as_str);
        ExtendedConnect::from_http(request, protocol, policy)
            .map(|connect| connect.map(Checked::Connect))
    } else {
        Upgrade::from_http(request, policy).map(|upgrade| upgrade.map(Checked::Upgrade))
    };
    let kind = match checked {
        Ok(Some(checked)) => return Ok(checked),
        Ok(None) => UpgradeErrorKind::PlainHttp,
        Err(HandshakeError::ForbiddenOrigin) => {
            UpgradeErrorKind::ForbiddenOrigin(policy.explain_http(request).to_string())
        }
        Err(error) => UpgradeErrorKind::Invalid(error),
    };
    Err(UpgradeError { kind, version })
}

impl Checked<'_> {
    fn kind(&self) -> UpgradeKind {
        match self {
            Self::Upgrade(_) => UpgradeKind::Http1,
            Self::Connect(_) => UpgradeKind::Http2,
        }
    }

    pub(crate) fn subprotocols(&self) -> Vec<String> {
        match self {
            Self::Upgrade(upgrade) => upgrade.subprotocols().map(str::to_owned).collect(),
            Self::Connect(connect) => connect.subprotocols().map(str::to_owned).collect(),
        }
    }

    #[cfg(feature = "deflate")]
    fn accept_deflate(
        &self,
        deflate: &websocket_proto::Deflate,
    ) -> Option<websocket_proto::DeflateParameters> {
        match self {
            Self::Upgrade(upgrade) => upgrade.accept_deflate(deflate),
            Self::Connect(connect) => connect.accept_deflate(deflate),
        }
    }

    fn accept_http(&self, acceptance: &Acceptance<'_>) -> Result<Response<()>, InvalidHead> {
        match self {
            Self::Upgrade(upgrade) => upgrade.accept_http(acceptance),
            Self::Connect(connect) => connect.accept_http(acceptance),
        }
    }
}

fn with_status(status: StatusCode) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    response
}
