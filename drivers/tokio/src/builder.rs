//! The settings of a client.

use std::fmt;
#[cfg(feature = "rustls")]
use std::sync::Arc;

#[cfg(feature = "rustls")]
use tokio_rustls::rustls::ClientConfig;
use websocket_proto::SharedConfig;
use websocket_proto::handshake::{Uri, UriError, basic_credentials};

use crate::handshake::DEFAULT_CONFIG;

/// The settings of a client's connections. [`connect`](Self::connect) opens any number of them.
///
/// ```no_run
/// use std::time::Duration;
///
/// use tokio_websocket_proto::proto::handshake::bearer_credentials;
/// use tokio_websocket_proto::proto::{Config, Limits, Timeouts};
/// use tokio_websocket_proto::{ClientBuilder, Proxy};
///
/// static CONFIG: Config = Config::new()
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
/// let connected = client.connect("wss://example.com/chat").await?;
/// assert_eq!(connected.subprotocol(), Some("chat.v2"));
/// let mut socket = connected.socket;
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
    pub(crate) proxy: Option<Proxy>,
    #[cfg(feature = "rustls")]
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

impl ClientBuilder {
    /// Creates the default settings: [`DEFAULT_CONFIG`], no fields and subprotocols, no redirects, no
    /// proxy, the default TLS configuration.
    #[must_use]
    pub fn new() -> Self {
        Self {
            fields: Vec::new(),
            subprotocols: Vec::new(),
            config: (&DEFAULT_CONFIG).into(),
            max_redirects: 0,
            proxy: None,
            #[cfg(feature = "rustls")]
            tls: None,
        }
    }

    /// Adds a field to the request, such as `Origin`, `Cookie` or `Authorization`. The functions
    /// [`basic_credentials`] and
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

    /// Sets the configuration: limits, timeouts, compression and others. Start from
    /// [`default_config`](crate::default_config), because `Config::new()` has no timeouts.
    ///
    /// [`Timeouts::opening`](websocket_proto::Timeouts::opening) bounds everything that
    /// [`connect`](Self::connect) does.
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
        self.proxy = Some(proxy);
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
            .field("proxy", &self.proxy)
            .finish_non_exhaustive()
    }
}

/// An HTTP proxy that opens tunnels with `CONNECT` (RFC 9110, section 9.3.6).
#[derive(Clone)]
pub struct Proxy {
    /// The URI, without user information.
    uri: String,
    /// The value of `Proxy-Authorization`.
    pub(crate) credentials: Option<String>,
}

impl Proxy {
    /// Parses the URI of a proxy: `http://host:port`, or `https://host:port` to speak to it with TLS.
    /// The default ports are 80 and 443.
    ///
    /// User and password precede the host: `http://user:password@host:port`. Characters that are not
    /// allowed there are percent-encoded.
    ///
    /// # Errors
    ///
    /// Returns the first part that is invalid.
    ///
    /// ```
    /// use tokio_websocket_proto::Proxy;
    /// use tokio_websocket_proto::proto::handshake::UriError;
    ///
    /// let proxy = Proxy::parse("http://ednamode:no%20capes!@proxy.example:3128")?;
    /// assert_eq!(format!("{proxy:?}"), "Proxy(\"http://proxy.example:3128/\")");
    /// assert_eq!(Proxy::parse("socks5://localhost").unwrap_err(), UriError::Scheme);
    /// # Ok::<(), UriError>(())
    /// ```
    pub fn parse(uri: &str) -> Result<Self, UriError> {
        let (scheme, rest) = uri.split_once("://").ok_or(UriError::Scheme)?;
        if !["http", "https"].iter().any(|http| scheme.eq_ignore_ascii_case(http)) {
            return Err(UriError::Scheme);
        }
        let (credentials, authority) = match rest.rsplit_once('@') {
            Some((user_information, authority)) => {
                (Some(credentials(user_information)?), authority)
            }
            None => (None, rest),
        };
        let uri = [scheme, "://", authority].concat();
        let parsed = Uri::parse(&uri)?;
        if parsed.path() != "/" || parsed.query().is_some() {
            return Err(UriError::Path);
        }
        let uri = parsed.to_string();
        Ok(Self { uri, credentials })
    }

    pub(crate) fn uri(&self) -> Result<Uri<'_>, UriError> {
        Uri::parse(&self.uri)
    }
}

/// Omits the credentials.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proxy").field(&self.uri).finish()
    }
}

/// Returns the value of `Proxy-Authorization` for the user information of a URI (RFC 3986, section
/// 3.2.1).
fn credentials(user_information: &str) -> Result<String, UriError> {
    if user_information.contains(['/', '?', '#']) {
        return Err(UriError::UserInformation);
    }
    let (user, password) = user_information.split_once(':').unwrap_or((user_information, ""));
    let (user, password) = (percent_decode(user)?, percent_decode(password)?);
    basic_credentials(&user, &password).map_err(|_| UriError::UserInformation)
}

fn percent_decode(text: &str) -> Result<String, UriError> {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or(UriError::UserInformation)?;
        // `from_str_radix` would accept a sign.
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(UriError::UserInformation);
        }
        decoded.push(u8::from_str_radix(digits, 16).map_err(|_| UriError::UserInformation)?);
        decoded.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(decoded).map_err(|_| UriError::UserInformation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_has_its_credentials_decoded() {
        for (uri, expected) in [
            ("http://localhost", None),
            ("https://Aladdin:open%20sesame@[::1]:3128/", Some(("Aladdin", "open sesame"))),
            ("HTTP://a@b", Some(("a", ""))),
            ("http://a:b:c%40@d", Some(("a", "b:c@"))),
        ] {
            let expected = expected.map(|(user, word)| basic_credentials(user, word).unwrap());
            assert_eq!(Proxy::parse(uri).unwrap().credentials, expected, "{uri}");
        }
    }

    #[test]
    fn invalid_proxies_are_rejected() {
        for (uri, error) in [
            ("localhost:3128", UriError::Scheme),
            ("socks5://localhost:1080", UriError::Scheme),
            ("ws://localhost", UriError::Scheme),
            ("http://:3128", UriError::Host),
            ("http://localhost:99999", UriError::Port),
            ("http://localhost/path", UriError::Path),
            ("http://localhost?query", UriError::Path),
            ("http://localhost/@example.com", UriError::UserInformation),
            ("http://a%3Ab:c@localhost", UriError::UserInformation),
            ("http://a%2:c@localhost", UriError::UserInformation),
            ("http://a%+1:c@localhost", UriError::UserInformation),
            ("http://a%ff:c@localhost", UriError::UserInformation),
            ("http://a%0a:c@localhost", UriError::UserInformation),
        ] {
            assert_eq!(Proxy::parse(uri).unwrap_err(), error, "{uri}");
        }
    }

    #[test]
    fn debug_output_has_no_secrets() {
        let proxy = Proxy::parse("http://user:secret@localhost").unwrap();
        let builder = ClientBuilder::new().with_field("Cookie", "secret").with_proxy(proxy);
        let text = format!("{builder:?}");
        assert!(text.contains("Cookie") && !text.contains("secret"), "{text}");
    }
}
