//! The reasons why a client got no connection.

use std::fmt;
use std::io;
use std::time::Duration;

use websocket_proto::handshake::{UriError, is_temporary_status};

use crate::client::Response;

/// The reason why [`connect`](crate::connect) did not get as far as the server's response, or did not
/// follow a redirect. The text of each one says what to try.
///
/// `address` is the host and the port of the server, or of the proxy.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The text is not a WebSocket URI.
    Uri(UriError),
    /// The URI needs TLS, and the crate was built without the feature `rustls`.
    TlsDisabled,
    /// The crate was built without the features `ring` and `aws-lc-rs`, and the program gives no TLS
    /// configuration.
    NoCryptography,
    /// There are no roots to verify a server with: the operating system has none, and the crate was
    /// built without the feature `webpki-roots`.
    NoRoots,
    /// The name of the host has no address, or the resolver did not answer.
    Resolve {
        /// The name.
        host: Box<str>,
        /// The resolver's error.
        error: io::Error,
    },
    /// No address of the host accepted a TCP connection.
    Tcp {
        /// The peer.
        address: Box<str>,
        /// The first error that occurred.
        error: io::Error,
    },
    /// TLS failed: its handshake, or later the server's check of the client's certificate. The source of
    /// `error` is the error of rustls, if it comes from there.
    Tls {
        /// The peer.
        address: Box<str>,
        /// The error.
        error: io::Error,
    },
    /// The peer does not speak TLS, which the URI asks for.
    PlainServer {
        /// The peer.
        address: Box<str>,
    },
    /// The peer seems to speak TLS, which the URI does not ask for: its first byte is 21, which begins an alert
    /// of TLS and no HTTP response.
    TlsServer,
    /// The peer closed or broke the connection without a response to the opening handshake.
    NoResponse {
        /// The server.
        address: Box<str>,
        /// The error, whose kind is `UnexpectedEof` if the server closed the connection.
        error: io::Error,
    },
    /// A variable of the environment does not name an HTTP proxy. It is read because of
    /// [`with_proxy_from_environment`](crate::ClientBuilder::with_proxy_from_environment).
    ProxyVariable {
        /// The name of the variable.
        name: &'static str,
        /// The part of its value that is invalid.
        error: UriError,
    },
    /// The proxy answered the request for a tunnel with a status code other than 2xx.
    ProxyRejected {
        /// The proxy.
        address: Box<str>,
        /// Its response.
        response: Box<Response>,
    },
    /// The proxy did not answer as an HTTP proxy does.
    Proxy {
        /// The proxy.
        address: Box<str>,
        /// The error of its response.
        error: Box<crate::Error>,
    },
    /// The server redirects more often than
    /// [`with_max_redirects`](crate::ClientBuilder::with_max_redirects) allows.
    TooManyRedirects {
        /// The target of the last redirect.
        location: Box<str>,
    },
    /// The server redirects to something that is not a WebSocket URI.
    RedirectUri(UriError),
    /// The server redirects from `wss` to `ws`, which would disclose messages.
    InsecureRedirect {
        /// The target of the redirect.
        location: Box<str>,
    },
    /// `Timeouts::opening` expired, which bounds all steps together.
    Timeout {
        /// The peer.
        address: Box<str>,
        /// The step in progress.
        step: ConnectStep,
    },
}

/// A step on the way to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectStep {
    /// Resolving the name of the host.
    Resolve,
    /// Connecting to one of its addresses.
    Tcp,
    /// The request to the proxy for a tunnel.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// The opening handshake (RFC 6455, section 4).
    Handshake,
}

impl ConnectError {
    pub(crate) fn is_temporary(&self) -> bool {
        match self {
            Self::Resolve { .. }
            | Self::Tcp { .. }
            | Self::NoResponse { .. }
            | Self::Timeout { .. } => true,
            // Errors of TLS are final, others are those of the transport.
            Self::Tls { error, .. } => error.kind() != io::ErrorKind::InvalidData,
            Self::ProxyRejected { response, .. } => is_temporary_status(response.status),
            Self::Proxy { error, .. } => error.is_temporary(),
            Self::Uri(_)
            | Self::TlsDisabled
            | Self::NoCryptography
            | Self::NoRoots
            | Self::PlainServer { .. }
            | Self::TlsServer
            | Self::ProxyVariable { .. }
            | Self::TooManyRedirects { .. }
            | Self::RedirectUri(_)
            | Self::InsecureRedirect { .. } => false,
        }
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let Self::ProxyRejected { response, .. } = self else { return None };
        response.retry_after()
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri(error) => {
                write!(
                    f,
                    "the URI is invalid: {error}; write ws://host:port/path or wss://host/path"
                )
            }
            Self::TlsDisabled => f.write_str(
                "the URI needs TLS; enable the features `ring` and `native-roots` of \
                 tokio-websocket-proto",
            ),
            Self::NoCryptography => f.write_str(
                "TLS has no cryptography; enable the feature `ring` or `aws-lc-rs` of \
                 tokio-websocket-proto, or give a configuration",
            ),
            Self::NoRoots => f.write_str(
                "there are no root certificates; install those of the operating system \
                 (ca-certificates), or enable the feature `webpki-roots` of tokio-websocket-proto",
            ),
            Self::Resolve { host, error } => {
                write!(
                    f,
                    "the name {host} was not resolved ({error}); check its spelling and the network"
                )
            }
            Self::Tcp { address, error } if error.kind() == io::ErrorKind::ConnectionRefused => {
                write!(
                    f,
                    "{address} refused the connection; check the port, and that the server runs"
                )
            }
            Self::Tcp { address, error } => {
                write!(
                    f,
                    "no TCP connection to {address}: {error}; check the address and the network"
                )
            }
            Self::Tls { address, error } => {
                write!(f, "TLS with {address} failed: {error}{}", tls_advice(error))
            }
            Self::PlainServer { address } => {
                write!(
                    f,
                    "{address} does not speak TLS; check the port, or use ws:// instead of wss://"
                )
            }
            Self::NoResponse { address, error } => write!(
                f,
                "no response from {address}: {error}; check that a WebSocket server runs there, and \
                 that it is not a TLS port"
            ),
            Self::TlsServer => {
                f.write_str("the server seems to speak TLS; use wss:// instead of ws://")
            }
            Self::ProxyVariable { name, error } => {
                // The texts of these errors are for the URI of a server.
                let cause: &dyn fmt::Display = match error {
                    UriError::Scheme => &"the scheme is neither http nor https",
                    UriError::UserInformation => &"the user or password is not percent-encoded",
                    UriError::Path => &"it has a path",
                    error => error,
                };
                write!(
                    f,
                    "the environment variable {name} is not the URI of an HTTP proxy: {cause}; \
                     write http://host:port, or clear it"
                )
            }
            Self::ProxyRejected { address, response } => {
                write!(f, "the proxy {address} rejected the tunnel with ")?;
                response.fmt_status(f)?;
                f.write_str(proxy_advice(response.status))
            }
            Self::Proxy { address, error } => {
                let error: &dyn fmt::Display = match &**error {
                    crate::Error::Handshake(error) => error,
                    crate::Error::Connect(_) => &"it seems to speak TLS, so write https://",
                    error => error,
                };
                write!(
                    f,
                    "{address} did not answer as a proxy does: {error}; check the proxy's URI"
                )
            }
            Self::TooManyRedirects { location } => {
                write!(
                    f,
                    "the server redirects too often, last to {location}; check the URI, or allow \
                     more redirects"
                )
            }
            Self::RedirectUri(error) => {
                write!(
                    f,
                    "the server redirects to an invalid URI: {error}; report it to whoever runs the \
                     server"
                )
            }
            Self::InsecureRedirect { location } => {
                write!(
                    f,
                    "the server redirects to {location}, which is without TLS and is not followed; \
                     ask for a wss:// URI"
                )
            }
            Self::Timeout { address, step } => {
                let (missing, advice) = step.wording();
                write!(f, "{address}: {missing} in time; {advice}")
            }
        }
    }
}

impl ConnectStep {
    const fn wording(self) -> (&'static str, &'static str) {
        match self {
            Self::Resolve => ("the name was not resolved", "check the network's DNS"),
            Self::Tcp => (
                "no answer to a TCP connection",
                "check that the host is up and that no firewall drops the packets",
            ),
            Self::Proxy => ("no answer to CONNECT", "check that an HTTP proxy runs there"),
            Self::Tls => ("the TLS handshake was not complete", "check that the port speaks TLS"),
            Self::Handshake => (
                "no answer to the opening handshake",
                "check that a WebSocket server runs there, and that it is not a TLS port",
            ),
        }
    }
}

fn proxy_advice(status: u16) -> &'static str {
    match status {
        407 => "; give its user and password: http://user:password@host:port",
        403 | 405 => "; it does not allow this host and port, so ask who runs it",
        502..=504 => "; it cannot reach the server",
        _ => "",
    }
}

/// Returns whether an error of a transport is an error of TLS. With TLS 1.3, the alert of a server that
/// rejects the client's certificate arrives during the opening handshake.
pub(crate) fn is_tls_error(error: &io::Error) -> bool {
    #[cfg(feature = "rustls")]
    return error.get_ref().is_some_and(|error| error.is::<tokio_rustls::rustls::Error>());
    #[cfg(not(feature = "rustls"))]
    {
        let _ = error;
        false
    }
}

#[cfg(feature = "rustls")]
fn tls_advice(error: &io::Error) -> &'static str {
    use tokio_rustls::rustls::{AlertDescription, CertificateError as Certificate, Error};

    match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(Error::AlertReceived(AlertDescription::CertificateRequired)) => {
            "; give a client certificate in the TLS configuration"
        }
        Some(Error::InvalidCertificate(error)) => match error {
            Certificate::UnknownIssuer => {
                "; if you trust its issuer, add it to the roots of the TLS configuration"
            }
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                "; use a name that is in the certificate"
            }
            Certificate::Expired
            | Certificate::ExpiredContext { .. }
            | Certificate::NotValidYet
            | Certificate::NotValidYetContext { .. } => "; check the clock of this machine",
            Certificate::UnsupportedSignatureAlgorithmContext { .. }
            | Certificate::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                "; use a certificate that is signed with SHA-256 and a key of ECDSA P-256 or RSA"
            }
            // rustls passes this error of its verifier on without a type of its own.
            Certificate::Other(error) if error.to_string() == "CaUsedAsEndEntity" => {
                "; it is a certificate of an issuer, so create one for the server: openssl req -x509 \
                 -addext basicConstraints=critical,CA:FALSE"
            }
            _ => "",
        },
        Some(_) => "",
        None if error.kind() == io::ErrorKind::UnexpectedEof => "; check that the port speaks TLS",
        None => "",
    }
}

#[cfg(not(feature = "rustls"))]
fn tls_advice(_: &io::Error) -> &'static str {
    ""
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Uri(error) | Self::RedirectUri(error) | Self::ProxyVariable { error, .. } => {
                Some(error)
            }
            Self::Resolve { error, .. }
            | Self::Tcp { error, .. }
            | Self::Tls { error, .. }
            | Self::NoResponse { error, .. } => Some(error),
            Self::Proxy { error, .. } => Some(error),
            Self::TlsDisabled
            | Self::NoCryptography
            | Self::NoRoots
            | Self::PlainServer { .. }
            | Self::TlsServer
            | Self::ProxyRejected { .. }
            | Self::TooManyRedirects { .. }
            | Self::InsecureRedirect { .. }
            | Self::Timeout { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "rustls")]
    #[test]
    fn unsupported_certificate_has_advice() {
        use tokio_rustls::rustls::{CertificateError as Certificate, Error};

        for error in [
            Certificate::UnsupportedSignatureAlgorithmContext {
                signature_algorithm_id: vec![6],
                supported_algorithms: Vec::new(),
            },
            Certificate::UnsupportedSignatureAlgorithmForPublicKeyContext {
                signature_algorithm_id: vec![6],
                public_key_algorithm_id: vec![6],
            },
        ] {
            let error = Error::InvalidCertificate(error);
            let error = io::Error::new(io::ErrorKind::InvalidData, error);
            let text = ConnectError::Tls { address: "example.com".into(), error }.to_string();
            let advice =
                "; use a certificate that is signed with SHA-256 and a key of ECDSA P-256 or RSA";
            assert!(text.ends_with(advice), "{text}");
        }
    }

    // The other errors are tested where they occur, over sockets.
    #[test]
    fn errors_that_depend_on_the_machine_and_the_build_say_what_to_try() {
        let address = || "example.com".into();
        for (error, text) in [
            (
                ConnectError::TlsDisabled,
                "the URI needs TLS; enable the features `ring` and `native-roots` of \
                 tokio-websocket-proto",
            ),
            (
                ConnectError::NoCryptography,
                "TLS has no cryptography; enable the feature `ring` or `aws-lc-rs` of \
                 tokio-websocket-proto, or give a configuration",
            ),
            (
                ConnectError::NoRoots,
                "there are no root certificates; install those of the operating system \
                 (ca-certificates), or enable the feature `webpki-roots` of tokio-websocket-proto",
            ),
            (
                ConnectError::ProxyVariable { name: "ALL_PROXY", error: UriError::Scheme },
                "the environment variable ALL_PROXY is not the URI of an HTTP proxy: the scheme is \
                 neither http nor https; write http://host:port, or clear it",
            ),
            (
                ConnectError::ProxyVariable { name: "http_proxy", error: UriError::Port },
                "the environment variable http_proxy is not the URI of an HTTP proxy: the port is \
                 not a number from 1 to 65535; write http://host:port, or clear it",
            ),
            (
                ConnectError::Timeout { address: address(), step: ConnectStep::Resolve },
                "example.com: the name was not resolved in time; check the network's DNS",
            ),
            (
                ConnectError::Tcp {
                    address: address(),
                    error: io::Error::new(io::ErrorKind::NetworkUnreachable, "no route"),
                },
                "no TCP connection to example.com: no route; check the address and the network",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
