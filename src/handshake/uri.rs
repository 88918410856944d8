//! `ws` and `wss` URIs (RFC 6455, section 3), and the parts of other URIs that a handshake meets.

use core::fmt;
use core::net::Ipv6Addr;
use core::str;

use super::class::Class;
use super::origin::{default_port, is_same_host};

/// A `ws` or `wss` URI, borrowed from its text.
///
/// ```
/// use websocket_proto::handshake::Uri;
///
/// let uri = Uri::parse("wss://[::1]:9001/chat?room=1")?;
/// assert!(uri.is_secure());
/// assert_eq!((uri.host(), uri.port()), ("::1", 9001));
/// assert_eq!(uri.authority(), "[::1]:9001");
/// assert_eq!((uri.path(), uri.query()), ("/chat", Some("room=1")));
/// # Ok::<(), websocket_proto::handshake::UriError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uri<'a> {
    secure: bool,
    authority: &'a str,
    /// What of the authority is the host.
    host: &'a str,
    port: Option<u16>,
    target: Target<'a>,
}

impl<'a> Uri<'a> {
    /// Takes a URI apart. Characters beyond ASCII have to be encoded: in the host as IDNA has it,
    /// elsewhere by percent signs.
    ///
    /// # Errors
    ///
    /// The part that is not as RFC 6455, section 3 has it. User information is refused: the RFC
    /// has none, and it belongs into an `Authorization` field.
    pub fn parse(uri: &'a str) -> Result<Self, UriError> {
        let (scheme, rest) = split_scheme(uri.as_bytes()).ok_or(UriError::Scheme)?;
        let secure = if scheme.eq_ignore_ascii_case(b"wss") {
            true
        } else if scheme.eq_ignore_ascii_case(b"ws") {
            false
        } else {
            return Err(UriError::Scheme);
        };
        let (authority, target) = split_authority(rest);
        let is_target = target.is_empty() || Class::Target.is_all(target);
        match Authority::parse(authority) {
            Ok(Authority { host, port }) if is_target => {
                let target = Target::split(end_of(uri, target.len()));
                let rest = end_of(uri, rest.len());
                let authority = rest.get(..authority.len()).unwrap_or_default();
                let host = rest.get(..host.len()).unwrap_or_default();
                Ok(Self { secure, authority, host, port, target })
            }
            // Each of these breaks one of the two. RFC 6455, section 3: fragment identifiers are
            // meaningless in a WebSocket URI and must not be used.
            _ if rest.contains(&b'#') => Err(UriError::Fragment),
            _ if authority.contains(&b'@') => Err(UriError::UserInformation),
            Err(error) if is_target => Err(error),
            Ok(_) | Err(_) => Err(UriError::Path),
        }
    }

    /// Whether the connection is made over TLS: `wss`.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host, an IPv6 address without its brackets: what to connect to, and the name that TLS
    /// verifies.
    #[must_use]
    pub fn host(&self) -> &'a str {
        let host = self.host;
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// The port; 80, with TLS 443, if none is given.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(self.default_port())
    }

    /// The host, and the port if it is not the default one: the value of `Host`.
    #[must_use]
    pub fn authority(&self) -> &'a str {
        // RFC 6455, section 4.1, item 4 of the request.
        if self.port() == self.default_port() { self.host } else { self.authority }
    }

    /// The path, `/` if the URI has none.
    #[must_use]
    pub const fn path(&self) -> &'a str {
        self.target.path
    }

    /// What follows `?`.
    #[must_use]
    pub const fn query(&self) -> Option<&'a str> {
        self.target.query
    }

    /// Whether `other` is of the same origin: scheme, host and port (RFC 6454, section 5). For who
    /// follows a redirect: to another origin, no credentials go along
    /// ([`Field::is_credential`](super::Field::is_credential)).
    #[must_use]
    pub fn is_same_origin(&self, other: &Self) -> bool {
        self.secure == other.secure
            && self.port() == other.port()
            && is_same_host(self.host.as_bytes(), other.host.as_bytes())
    }

    /// The host, an IPv6 address in its brackets.
    pub(super) const fn bracketed_host(&self) -> &'a str {
        self.host
    }

    const fn default_port(&self) -> u16 {
        if self.secure { 443 } else { 80 }
    }
}

/// Why a text is not a `ws` or `wss` URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UriError {
    /// The scheme is neither `ws` nor `wss`.
    Scheme,
    /// User information before the host.
    UserInformation,
    /// The host is missing or not one.
    Host,
    /// The port is not a number from 1 to 65535.
    Port,
    /// A character in the path or the query that has to be encoded.
    Path,
    /// A fragment.
    Fragment,
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "the scheme is neither ws nor wss",
            Self::UserInformation => "the URI has user information",
            Self::Host => "the host is invalid",
            Self::Port => "the port is invalid",
            Self::Path => "the path or query has a character that must be encoded",
            Self::Fragment => "the URI has a fragment",
        })
    }
}

impl core::error::Error for UriError {}

/// `host [ ":" port ]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Authority<'a> {
    /// An IPv6 address in its brackets.
    pub(super) host: &'a [u8],
    pub(super) port: Option<u16>,
}

impl<'a> Authority<'a> {
    pub(super) fn parse(text: &'a [u8]) -> Result<Self, UriError> {
        let host_len = if text.starts_with(b"[") {
            let length = text.iter().position(|&byte| byte == b']').ok_or(UriError::Host)? + 1;
            text.get(..length).and_then(ipv6_address).ok_or(UriError::Host)?;
            length
        } else {
            Class::Host.run(text)
        };
        let (host, rest) = text.split_at_checked(host_len).ok_or(UriError::Host)?;
        if host.is_empty() {
            return Err(UriError::Host);
        }
        let port = match rest {
            // RFC 3986, section 3.2.3: an empty port is the default one.
            [] | [b':'] => None,
            [b':', digits @ ..] => Some(parse_port(digits).ok_or(UriError::Port)?),
            _ => return Err(UriError::Host),
        };
        Ok(Self { host, port })
    }
}

/// The address in brackets.
pub(super) fn ipv6_address(host: &[u8]) -> Option<Ipv6Addr> {
    let address = host.strip_prefix(b"[")?.strip_suffix(b"]")?;
    str::from_utf8(address).ok()?.parse().ok()
}

fn parse_port(digits: &[u8]) -> Option<u16> {
    let mut port: u16 = 0;
    for digit in digits {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        port = port.checked_mul(10)?.checked_add(digit.into())?;
    }
    (port > 0).then_some(port)
}

/// The parts of a request target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// The parts of a target in origin form or absolute form (RFC 9112, section 3.2).
    pub(super) fn of(target: &'a str) -> Option<Self> {
        if target.starts_with('/') {
            return Some(Self::split(target));
        }
        let (_, rest) = split_absolute(target.as_bytes())?;
        Some(Self::split(end_of(target, rest.len())))
    }

    fn split(target: &'a str) -> Self {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        Self { path: if path.is_empty() { "/" } else { path }, query }
    }
}

/// The authority of a target in absolute form (RFC 9112, section 3.2.2), and what is behind it.
pub(super) fn split_absolute(target: &[u8]) -> Option<(&[u8], &[u8])> {
    // RFC 6455, section 4.1, item 3: an absolute http or https URI.
    let (scheme, rest) = split_scheme(target)?;
    default_port(scheme).map(|_| split_authority(rest))
}

/// What comes before `://`, and what behind it.
pub(super) fn split_scheme(uri: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = uri.iter().position(|&byte| byte == b':')?;
    let (scheme, rest) = uri.split_at_checked(colon)?;
    Some((scheme, rest.strip_prefix(b"://")?))
}

/// The last bytes of `text`, so many of them.
fn end_of(text: &str, length: usize) -> &str {
    text.get(text.len() - length..).unwrap_or_default()
}

/// What comes before the path or query, and these.
fn split_authority(rest: &[u8]) -> (&[u8], &[u8]) {
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    rest.split_at_checked(end).unwrap_or((rest, b""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        for (uri, secure, host, port, authority, path, query) in [
            ("ws://example.com", false, "example.com", 80, "example.com", "/", None),
            ("WSS://Example.com:443/a", true, "Example.com", 443, "Example.com", "/a", None),
            ("ws://h:443?", false, "h", 443, "h:443", "/", Some("")),
            ("ws://h:/?a?b/c", false, "h", 80, "h", "/", Some("a?b/c")),
            ("ws://[::1]/", false, "::1", 80, "[::1]", "/", None),
            ("wss://[2001:db8::1]:80", true, "2001:db8::1", 80, "[2001:db8::1]:80", "/", None),
            (
                "ws://127.0.0.1:9001?x=1",
                false,
                "127.0.0.1",
                9001,
                "127.0.0.1:9001",
                "/",
                Some("x=1"),
            ),
            ("ws://h/%20|^", false, "h", 80, "h", "/%20|^", None),
        ] {
            let parsed = Uri::parse(uri).unwrap();
            assert_eq!(parsed.is_secure(), secure, "{uri}");
            assert_eq!((parsed.host(), parsed.port()), (host, port), "{uri}");
            assert_eq!(parsed.authority(), authority, "{uri}");
            assert_eq!((parsed.path(), parsed.query()), (path, query), "{uri}");
        }
    }

    #[test]
    fn refusals() {
        for (uri, error) in [
            ("http://h/", UriError::Scheme),
            ("ws:/h/", UriError::Scheme),
            ("h", UriError::Scheme),
            ("ws://h/#", UriError::Fragment),
            ("ws://h#x", UriError::Fragment),
            ("ws://u:p@h/", UriError::UserInformation),
            ("ws://", UriError::Host),
            ("ws:///chat", UriError::Host),
            ("ws://:80/", UriError::Host),
            ("ws://a b/", UriError::Host),
            ("ws://h%41/", UriError::Host),
            ("ws://b\u{fc}cher/", UriError::Host),
            ("ws://::1/", UriError::Host),
            ("ws://[::1/", UriError::Host),
            ("ws://[::1]x/", UriError::Host),
            ("ws://[fe80::1%25eth0]/", UriError::Host),
            ("ws://[127.0.0.1]/", UriError::Host),
            ("ws://h:0/", UriError::Port),
            ("ws://h:65536/", UriError::Port),
            ("ws://h:+80/", UriError::Port),
            ("ws://h:8a/", UriError::Port),
            ("ws://h:80:80/", UriError::Port),
            ("ws://h/a b", UriError::Path),
            ("ws://h/\r\nX: y", UriError::Path),
            ("ws://h/\u{e4}", UriError::Path),
        ] {
            assert_eq!(Uri::parse(uri), Err(error), "{uri}");
        }
    }
}
