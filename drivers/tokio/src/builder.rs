//! The settings of a client.

use std::fmt;
#[cfg(feature = "rustls")]
use std::sync::Arc;

#[cfg(feature = "rustls")]
use tokio_rustls::rustls::ClientConfig;
use websocket_proto::SharedConfig;

use crate::handshake::DEFAULT_CONFIG;
use crate::proxy::{Proxy, Route};

/// The settings of a client's connections. [`connect`](Self::connect) opens any number of them.
///
/// ```no_run
/// use std::time::Duration;
///
/// use tokio_websocket_proto::proto::handshake::bearer_credentials;
/// use tokio_websocket_proto::proto::{Config, Limits, Timeouts};
/// use tokio_websocket_proto::{ClientBuilder, Proxy, default_config};
///
/// static CONFIG: Config = default_config()
///     .with_limits(Limits::DEFAULT.with_max_message(1 << 20))
///     .with_timeouts(Timeouts::RECOMMENDED.with_opening(Some(Duration::from_secs(5))));
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = ClientBuilder::new()
///     .with_config(&CONFIG)
///     .with_field("Authorization", bearer_credentials("mF_9.B5f-4.1JqM")?)
///     .with_subprotocols(["chat.v2", "chat.v1"])
///     .with_proxy(Proxy::parse("http://user:password@proxy.example:3128")?)
///     .with_max_redirects(3);
/// let mut socket = client.connect("wss://example.com/chat").await?.socket;
/// assert_eq!(socket.subprotocol(), Some("chat.v2"));
/// socket.send("Hello").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ClientBuilder {
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) subprotocols: Vec<String>,
    pub(crate) config: SharedConfig,
    pub(crate) max_redirects: u8,
    pub(crate) route: Route,
    #[cfg(feature = "rustls")]
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

impl ClientBuilder {
    /// Creates the default settings: [`DEFAULT_CONFIG`], no fields, no subprotocols, no redirects, no
    /// proxy, the default TLS configuration.
    #[must_use]
    pub fn new() -> Self {
        Self {
            fields: Vec::new(),
            subprotocols: Vec::new(),
            config: (&DEFAULT_CONFIG).into(),
            max_redirects: 0,
            route: Route::Direct,
            #[cfg(feature = "rustls")]
            tls: None,
        }
    }

    /// Adds a field to the request, such as `Origin`, `Cookie` or `Authorization`. The functions
    /// [`basic_credentials`](websocket_proto::handshake::basic_credentials) and
    /// [`bearer_credentials`](websocket_proto::handshake::bearer_credentials) return values of the
    /// last one.
    ///
    /// An invalid name or value is reported by [`connect`](Self::connect).
    #[must_use]
    pub fn with_field(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// Sets the subprotocols to offer, in order of preference (RFC 6455, section 1.9).
    #[must_use]
    pub fn with_subprotocols(
        mut self,
        subprotocols: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.subprotocols = subprotocols.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the configuration: limits, timeouts, compression (`proto::Deflate`) and others. Start from
    /// [`default_config`](crate::default_config), because `Config::new()` has no timeouts.
    ///
    /// [`Timeouts::opening`](websocket_proto::Timeouts::opening) bounds everything that
    /// [`connect`](Self::connect) does. The response has a grace of an eighth of it, at most 1 s.
    #[must_use]
    pub fn with_config(mut self, config: impl Into<SharedConfig>) -> Self {
        self.config = config.into();
        self
    }

    /// Sets how many redirects to follow. The default is 0, as in browsers: the redirect is then
    /// [`Error::Rejected`](crate::Error::Rejected).
    ///
    /// After a redirect to another origin, fields that
    /// [carry credentials](websocket_proto::handshake::Field::is_credential) are sent to no server any
    /// more. A redirect from `wss` to `ws` is never followed. A server can redirect to hosts that only
    /// the client reaches: allow redirects only for servers that you trust.
    #[must_use]
    pub const fn with_max_redirects(mut self, redirects: u8) -> Self {
        self.max_redirects = redirects;
        self
    }

    /// Sets the proxy through which to connect, for `ws` and `wss`.
    #[must_use]
    pub fn with_proxy(mut self, proxy: Proxy) -> Self {
        self.route = Route::Proxy(proxy);
        self
    }

    /// Lets the environment name the proxy, as curl does. Without this call no variable is read.
    ///
    /// For `wss`, the first of `https_proxy`, `HTTPS_PROXY`, `all_proxy` and `ALL_PROXY` that is not
    /// empty is the proxy; for `ws`, the first of `http_proxy`, `all_proxy` and `ALL_PROXY`.
    /// `HTTP_PROXY` is not read, because a CGI server sets it from the request field `Proxy`. Each is a
    /// URI for [`Proxy::parse`], or only a host and a port. Without such a variable, the client connects
    /// directly.
    ///
    /// `no_proxy`, or else `NO_PROXY`, is a list of hosts to which the client connects directly,
    /// separated by commas or spaces:
    ///
    /// - `example.com` or `.example.com`: this host and its subdomains;
    /// - `192.0.2.1` or `2001:db8::1`: this address, if the URI has it in place of a name;
    /// - `192.0.2.0/24` or `2001:db8::/32`: all addresses of a network, likewise;
    /// - `*`: every host.
    ///
    /// [`connect`](Self::connect) reads the variables at each call and after each redirect. It returns
    /// [`ConnectError::ProxyVariable`](crate::ConnectError::ProxyVariable) if the value is not the URI of
    /// an HTTP proxy, for example a SOCKS proxy.
    #[must_use]
    pub fn with_proxy_from_environment(mut self) -> Self {
        self.route = Route::Environment;
        self
    }

    /// Sets the TLS configuration for `wss`, and for a proxy that is spoken to with TLS. Use it for
    /// roots of your own, client certificates or another verifier.
    ///
    /// The default trusts the roots that the crate's features name, and offers `http/1.1` (ALPN). A
    /// configuration that offers other protocols fails where the server chooses HTTP/2.
    #[cfg(feature = "rustls")]
    #[must_use]
    pub fn with_tls(mut self, config: impl Into<Arc<ClientConfig>>) -> Self {
        self.tls = Some(config.into());
        self
    }
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self::new()
    }
}

/// Omits the values of fields, which can be secret.
impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.fields.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("ClientBuilder")
            .field("fields", &names)
            .field("subprotocols", &self.subprotocols)
            .field("max_redirects", &self.max_redirects)
            .field("route", &self.route)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_has_no_secrets() {
        let proxy = Proxy::parse("http://user:secret@localhost").unwrap();
        let builder = ClientBuilder::new().with_field("Cookie", "secret").with_proxy(proxy);
        let text = format!("{builder:?}");
        assert!(text.contains("Cookie") && !text.contains("secret"), "{text}");
    }
}
