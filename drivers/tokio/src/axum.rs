//! An extractor that opens WebSockets in [axum](https://docs.rs/axum) 0.8, over HTTP/1.1 and HTTP/2.
//!
//! ```no_run
//! use axum::Router;
//! use axum::response::Response;
//! use axum::routing::any;
//! use axum::serve::ListenerExt;
//! use tokio_websocket_proto::axum::{WebSocket, WebSocketUpgrade};
//! use tokio_websocket_proto::{Error, configure_tcp};
//!
//! async fn handler(ws: WebSocketUpgrade) -> Response {
//!     ws.on_upgrade(|socket| async move {
//!         if let Err(error) = echo(socket).await {
//!             eprintln!("{error}");
//!         }
//!     })
//! }
//!
//! async fn echo(mut socket: WebSocket) -> Result<(), Error> {
//!     while let Some(message) = socket.recv().await? {
//!         let message = message.into_owned();
//!         socket.feed(message).await?;
//!     }
//!     Ok(())
//! }
//!
//! # async fn run() -> std::io::Result<()> {
//! // `any`, since HTTP/1.1 opens a WebSocket with GET, and HTTP/2 with CONNECT.
//! let app: Router = Router::new().route("/echo", any(handler));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//! let listener = listener.tap_io(|tcp| drop(configure_tcp(tcp))); // no delay for short messages
//! axum::serve(listener, app).await
//! # }
//! ```

use std::fmt;

use ::hyper::ext::Protocol;
use ::hyper::upgrade::OnUpgrade;
use axum_core::body::Body;
use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::Request;
use http::request::Parts;
use websocket_proto::handshake::{OriginPolicy, choose_subprotocol};
use websocket_proto::{Config, SharedConfig};

use crate::error::Error;
use crate::handshake::DEFAULT_CONFIG;
use crate::hyper::{ServerUpgrade, UpgradeError, UpgradeErrorKind, UpgradedIo, check};

/// A connection that [`WebSocketUpgrade`] opened.
pub type WebSocket = crate::WebSocket<UpgradedIo>;

/// Extracts a request that opens a WebSocket. Any other request is rejected with an [`UpgradeError`].
///
/// The [module](self) has an example. Route it with `any`: over HTTP/2 the method is CONNECT.
///
/// # Configuration
///
/// Without [`config`](Self::config) a connection has [`DEFAULT_CONFIG`]: messages up to 64 MiB,
/// keepalive, and pages of the same origin only. An application that changes limits, enables compression
/// or allows other origins keeps its configuration in a `static`:
///
/// ```
/// use axum::response::Response;
/// use tokio_websocket_proto::axum::WebSocketUpgrade;
/// use tokio_websocket_proto::proto::handshake::OriginPolicy;
/// use tokio_websocket_proto::proto::{Config, Limits};
/// use tokio_websocket_proto::default_config;
///
/// static CONFIG: Config = default_config()
///     .with_limits(Limits::DEFAULT.with_max_message(64 << 10))
///     .with_origin_policy(OriginPolicy::list(&["https://example.com"]));
///
/// async fn handler(ws: WebSocketUpgrade) -> Response {
///     ws.config(&CONFIG).protocols(["chat.v2", "chat"]).on_upgrade(|mut socket| async move {
///         let _ = socket.send("Hello").await;
///     })
/// }
/// ```
#[must_use = "a WebSocket is opened by `on_upgrade`"]
pub struct WebSocketUpgrade {
    /// The head of the request, with the upgrade in its extensions.
    request: Request<()>,
    /// The subprotocols that the client offers.
    offered: Vec<String>,
    selected: Option<String>,
    config: SharedConfig,
    on_failed: Box<dyn FnOnce(Error) + Send>,
}

impl<S: Sync> FromRequestParts<S> for WebSocketUpgrade {
    type Rejection = UpgradeError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, UpgradeError> {
        let mut request = Request::new(());
        request.method_mut().clone_from(&parts.method);
        request.uri_mut().clone_from(&parts.uri);
        *request.version_mut() = parts.version;
        request.headers_mut().clone_from(&parts.headers);
        if let Some(protocol) = parts.extensions.get::<Protocol>() {
            request.extensions_mut().insert(protocol.clone());
        }
        // `on_upgrade` applies the policy of the configuration that it then has.
        let offered = check(&request, &OriginPolicy::any())?.subprotocols();
        let on_upgrade = parts.extensions.remove::<OnUpgrade>();
        let kind = UpgradeErrorKind::NotUpgradable;
        let on_upgrade = on_upgrade.ok_or(UpgradeError { kind, version: parts.version })?;
        request.extensions_mut().insert(on_upgrade);
        Ok(Self {
            request,
            offered,
            selected: None,
            config: (&DEFAULT_CONFIG).into(),
            on_failed: Box::new(drop),
        })
    }
}

impl WebSocketUpgrade {
    /// Sets the configuration of the connection: limits, timeouts, compression (`proto::Deflate`), and the
    /// policy on origins. Call it before [`origin_policy`](Self::origin_policy) and
    /// [`max_message_size`](Self::max_message_size), which change it.
    pub fn config(mut self, config: impl Into<SharedConfig>) -> Self {
        self.config = config.into();
        self
    }

    /// Sets the origins whose pages may connect. The default is the server's own origin.
    ///
    /// This copies the configuration for this connection; [`config`](Self::config) shares one.
    pub fn origin_policy(self, policy: OriginPolicy<'static>) -> Self {
        let config = Config::clone(&self.config).with_origin_policy(policy);
        self.config(config)
    }

    /// Sets the maximum size of a received message in bytes. The default is 64 MiB.
    ///
    /// This copies the configuration for this connection; [`config`](Self::config) shares one.
    pub fn max_message_size(self, bytes: u64) -> Self {
        let limits = self.config.limits().with_max_message(bytes);
        let config = Config::clone(&self.config).with_limits(limits);
        self.config(config)
    }

    /// Selects the first of these subprotocols that the client offers. If it offers none of them, the
    /// connection is opened without a subprotocol; [`selected_protocol`](Self::selected_protocol) is
    /// then `None`.
    pub fn protocols<I>(mut self, supported: I) -> Self
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let supported: Vec<I::Item> = supported.into_iter().collect();
        let supported: Vec<&str> = supported.iter().map(AsRef::as_ref).collect();
        let selected = choose_subprotocol(self.requested_protocols(), &supported);
        self.selected = selected.map(str::to_owned);
        self
    }

    /// Returns the subprotocols that the client offers, in its order of preference.
    pub fn requested_protocols(&self) -> impl Iterator<Item = &str> + Clone {
        self.offered.iter().map(String::as_str)
    }

    /// Returns the subprotocol that [`protocols`](Self::protocols) selected.
    #[must_use]
    pub fn selected_protocol(&self) -> Option<&str> {
        self.selected.as_deref()
    }

    /// Sets what is called if [`on_upgrade`](Self::on_upgrade) opens no connection: because the policy does
    /// not allow the origin ([`Error::ForbiddenOrigin`], whose text says why), or because the connection is
    /// not upgraded after the response, for example when the client has gone. The default does nothing:
    ///
    /// ```
    /// # use axum::response::Response;
    /// # use tokio_websocket_proto::axum::WebSocketUpgrade;
    /// async fn handler(ws: WebSocketUpgrade) -> Response {
    ///     ws.on_failed_upgrade(|error| eprintln!("{error}")).on_upgrade(|mut socket| async move {
    ///         let _ = socket.send("Hello").await;
    ///     })
    /// }
    /// ```
    pub fn on_failed_upgrade(mut self, callback: impl FnOnce(Error) + Send + 'static) -> Self {
        self.on_failed = Box::new(callback);
        self
    }

    /// Returns the response that accepts, and calls `callback` with the connection in a task of its own.
    /// If the policy does not allow the origin, returns the response 403, drops `callback`, and calls what
    /// [`on_failed_upgrade`](Self::on_failed_upgrade) has set.
    ///
    /// `with_graceful_shutdown` of `axum::serve` does not wait for this task: the program closes the
    /// connections and waits for them. A `tokio::sync::watch` channel does both: a change of its value tells
    /// each task to close, and `Sender::closed` completes when all tasks have dropped their receivers.
    #[must_use = "the response opens the WebSocket"]
    pub fn on_upgrade<C, F>(mut self, callback: C) -> Response
    where
        C: FnOnce(WebSocket) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let mut upgrade = match ServerUpgrade::from_request(&mut self.request, self.config) {
            Ok(upgrade) => upgrade,
            Err(error) => {
                let response = error.response();
                (self.on_failed)(error.into());
                return response;
            }
        };
        if let Some(selected) = &self.selected {
            upgrade.choose_subprotocol(&[selected]);
        }
        let (response, socket) = upgrade.accept();
        tokio::spawn(async move {
            match socket.await {
                Ok(socket) => callback(socket).await,
                Err(error) => (self.on_failed)(error),
            }
        });
        response.map(|()| Body::empty())
    }
}

impl fmt::Debug for WebSocketUpgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketUpgrade")
            .field("offered", &self.offered)
            .field("selected", &self.selected)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl IntoResponse for UpgradeError {
    fn into_response(self) -> Response {
        self.response()
    }
}
