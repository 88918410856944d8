//! The origins whose pages may connect (RFC 6455, section 10.2).

use core::fmt;

use super::authority::{Authority, default_port, is_same_host, split_scheme};

/// The origins whose pages may open a connection to a server.
///
/// A browser lets every page connect to every server, with the user's cookies, and sends the origin
/// of the page: refusing is the server's part. A request without `Origin` does not come from a
/// browser's page and passes every policy. [`ServerHandshake`](super::ServerHandshake) applies the
/// policy of its [configuration](crate::Config::with_origin_policy), by default [`same`](Self::same),
/// and answers 403.
///
/// ```
/// use websocket_proto::handshake::OriginPolicy;
///
/// let same = OriginPolicy::same();
/// assert!(same.allows_origin(Some(b"https://example.com"), "example.com"));
/// assert!(!same.allows_origin(Some(b"https://evil-example.com"), "example.com"));
///
/// // A malformed entry of a `static` does not compile.
/// static POLICY: OriginPolicy<'_> =
///     OriginPolicy::list(&["https://example.com", "https://*.example.com", "http://localhost:*"]);
/// assert!(POLICY.allows_origin(Some(b"https://chat.example.com"), "example.com"));
/// ```
///
/// Only a list defends against DNS rebinding, where a page under the attacker's name reaches this
/// server's address: the attacker's name is in `Host` as well.
#[derive(Clone, Copy, Debug)]
pub struct OriginPolicy<'a>(Policy<'a>);

#[derive(Clone, Copy, Debug)]
enum Policy<'a> {
    Any,
    None,
    Same,
    /// Every entry is one that `Pattern::parse` accepts.
    List(&'a [&'a str]),
}

impl<'a> OriginPolicy<'a> {
    /// Allows pages of this server: the host and the port of the origin are those of the request.
    ///
    /// Names are compared without regard to case. A port that is not named, on either side, is the
    /// default port of the origin's scheme, which is `http`, `https`, `ws` or `wss`. The scheme
    /// itself is not compared, since a proxy in front of this server may end TLS.
    #[must_use]
    pub const fn same() -> Self {
        Self(Policy::Same)
    }

    /// Allows pages of these origins, as [`try_list`](Self::try_list) does.
    ///
    /// # Panics
    ///
    /// If an entry is malformed; at compile time in a `static` or `const`.
    #[must_use]
    #[track_caller]
    pub const fn list(origins: &'a [&'a str]) -> Self {
        assert!(first_malformed(origins).is_none(), "an entry is not an origin");
        Self(Policy::List(origins))
    }

    /// Allows pages of these origins.
    ///
    /// An entry is written as browsers send an origin: a scheme, `://`, a host, and a port unless
    /// it is the default one, without a path: `https://example.com:8443`. `*.` before a host stands
    /// for its subdomains, but not for the host itself; `*` as the port stands for every port.
    /// Sandboxed pages send `null`, local files `null` or `file://`.
    ///
    /// # Errors
    ///
    /// The first entry that is malformed.
    ///
    /// ```
    /// use websocket_proto::handshake::{InvalidOrigin, OriginPolicy};
    ///
    /// assert!(OriginPolicy::try_list(&["https://example.com", "file://", "null"]).is_ok());
    /// let error = OriginPolicy::try_list(&["https://example.com", "example.com"]).unwrap_err();
    /// assert_eq!(error.index, 1);
    /// ```
    pub const fn try_list(origins: &'a [&'a str]) -> Result<Self, InvalidOrigin> {
        match first_malformed(origins) {
            Some(index) => Err(InvalidOrigin { index }),
            None => Ok(Self(Policy::List(origins))),
        }
    }

    /// Allows every page: for servers that authenticate by other means than cookies.
    #[must_use]
    pub const fn any() -> Self {
        Self(Policy::Any)
    }

    /// Allows no page.
    #[must_use]
    pub const fn none() -> Self {
        Self(Policy::None)
    }

    /// Whether a request may be accepted whose `Origin` is `origin` and whose authority (`Host`,
    /// `:authority`, or that of the request target) is `authority`.
    #[must_use]
    pub fn allows_origin(&self, origin: Option<&[u8]>, authority: &str) -> bool {
        match (origin, Authority::parse(authority.as_bytes())) {
            (None, _) => true,
            (Some(origin), Ok(authority)) => self.allows(origin, &authority),
            // Not the host of any page.
            (Some(origin), Err(_)) => self.allows(origin, &Authority { host: b"", port: None }),
        }
    }

    pub(super) fn allows(&self, origin: &[u8], authority: &Authority<'_>) -> bool {
        match self.0 {
            Policy::Any => true,
            Policy::None => false,
            Policy::Same => is_same(origin, authority),
            Policy::List(patterns) => patterns.iter().any(|pattern| {
                let pattern = Pattern::parse(pattern.as_bytes());
                debug_assert!(pattern.is_some(), "the constructors check the entries");
                pattern.is_some_and(|pattern| pattern.matches(origin))
            }),
        }
    }

    /// Explains to the operator of the server why these values were refused and which setting to
    /// change: the body of a 403.
    ///
    /// ```
    /// use websocket_proto::handshake::OriginPolicy;
    ///
    /// let refusal = OriginPolicy::same().refusal(b"https://example.com", "10.0.0.7:8080");
    /// assert!(refusal.to_string().starts_with(
    ///     "The page's Origin \"https://example.com\" is not the requested host \"10.0.0.7:8080\"."
    /// ));
    /// ```
    #[must_use]
    pub fn refusal<'r>(
        &self,
        origin: &'r [u8],
        authority: &'r str,
    ) -> impl fmt::Display + use<'a, 'r>
    where
        'a: 'r,
    {
        Refusal { policy: self.0, origin, authority }
    }
}

impl Default for OriginPolicy<'_> {
    fn default() -> Self {
        Self::same()
    }
}

/// An entry of [`OriginPolicy::try_list`] is not an origin: a scheme, `://` and a host, without a
/// path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidOrigin {
    /// The index of the entry.
    pub index: usize,
}

impl fmt::Display for InvalidOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {} of the list is not an origin such as https://example.com", self.index)
    }
}

impl core::error::Error for InvalidOrigin {}

/// The text that [`OriginPolicy::refusal`] returns.
struct Refusal<'a> {
    policy: Policy<'a>,
    origin: &'a [u8],
    authority: &'a str,
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (origin, authority) = (self.origin.escape_ascii(), self.authority);
        match self.policy {
            Policy::Same | Policy::Any => write!(
                f,
                "The page's Origin \"{origin}\" is not the requested host \"{authority}\".\n\
                If a proxy rewrites Host, make it forward the client's Host, or allow the origin \
                with OriginPolicy::list in this server's Config::origin_policy."
            ),
            Policy::List(_) => write!(
                f,
                "The page's Origin \"{origin}\" (requested host \"{authority}\") is not allowed.\n\
                Allow it with OriginPolicy::list in this server's Config::origin_policy."
            ),
            Policy::None => write!(
                f,
                "The page's Origin \"{origin}\" (requested host \"{authority}\") is not allowed: \
                this server's Config::origin_policy is OriginPolicy::none."
            ),
        }
    }
}

/// `scheme "://" host [ ":" port ]` (RFC 6454, section 6.2).
#[derive(Clone, Copy)]
struct Origin<'a> {
    scheme: &'a [u8],
    /// Empty in `file://` and its like: only where the scheme has no default port.
    host: &'a [u8],
    port: Option<u16>,
}

impl<'a> Origin<'a> {
    const fn parse(text: &'a [u8]) -> Option<Self> {
        let Some((scheme, authority)) = split_scheme(text) else { return None };
        let default = default_port(scheme);
        if authority.is_empty() && default.is_none() {
            return Some(Self { scheme, host: authority, port: None });
        }
        match Authority::parse(authority) {
            Ok(Authority { host, port: Some(port) }) => {
                Some(Self { scheme, host, port: Some(port) })
            }
            Ok(Authority { host, port: None }) => Some(Self { scheme, host, port: default }),
            Err(_) => None,
        }
    }
}

/// An entry of a list.
#[derive(Clone, Copy)]
enum Pattern<'a> {
    Null,
    Origin { scheme: &'a [u8], host: HostPattern<'a>, port: PortPattern },
}

#[derive(Clone, Copy)]
enum HostPattern<'a> {
    Exact(&'a [u8]),
    SubdomainsOf(&'a [u8]),
}

#[derive(Clone, Copy)]
enum PortPattern {
    Exact(Option<u16>),
    Any,
}

impl<'a> Pattern<'a> {
    const fn parse(entry: &'a [u8]) -> Option<Self> {
        if matches!(entry, b"null") {
            return Some(Self::Null);
        }
        let (origin, any_port) = match entry {
            [origin @ .., b':', b'*'] => (origin, true),
            origin => (origin, false),
        };
        let Some(Origin { scheme, host, port }) = Origin::parse(origin) else { return None };
        // `*` stands in place of the port, not after one.
        if any_port && origin.len() > scheme.len() + "://".len() + host.len() {
            return None;
        }
        let host = match host {
            [b'*', b'.', parent @ ..] if !parent.is_empty() => HostPattern::SubdomainsOf(parent),
            host => HostPattern::Exact(host),
        };
        let (HostPattern::Exact(name) | HostPattern::SubdomainsOf(name)) = host;
        if contains_asterisk(name) || (any_port && name.is_empty()) {
            return None;
        }
        let port = if any_port { PortPattern::Any } else { PortPattern::Exact(port) };
        Some(Self::Origin { scheme, host, port })
    }

    fn matches(&self, origin: &[u8]) -> bool {
        match self {
            Self::Null => origin == b"null",
            Self::Origin { scheme, host, port } => Origin::parse(origin).is_some_and(|origin| {
                let host_matches = match host {
                    HostPattern::Exact(host) => is_same_host(origin.host, host),
                    HostPattern::SubdomainsOf(parent) => is_subdomain(origin.host, parent),
                };
                let port_matches = match port {
                    PortPattern::Exact(port) => origin.port == *port,
                    PortPattern::Any => true,
                };
                host_matches && port_matches && origin.scheme.eq_ignore_ascii_case(scheme)
            }),
        }
    }
}

/// The index of the first entry that is malformed.
const fn first_malformed(mut origins: &[&str]) -> Option<usize> {
    let mut index = 0;
    while let [entry, rest @ ..] = origins {
        if Pattern::parse(entry.as_bytes()).is_none() {
            return Some(index);
        }
        index += 1;
        origins = rest;
    }
    None
}

const fn contains_asterisk(mut text: &[u8]) -> bool {
    while let [byte, rest @ ..] = text {
        if *byte == b'*' {
            return true;
        }
        text = rest;
    }
    false
}

/// Whether `host` is `name "." parent`.
fn is_subdomain(host: &[u8], parent: &[u8]) -> bool {
    let split = host.len().checked_sub(parent.len()).and_then(|at| host.split_at_checked(at));
    split.is_some_and(|(name, end)| {
        matches!(name, [_, .., b'.']) && end.eq_ignore_ascii_case(parent)
    })
}

fn is_same(origin: &[u8], authority: &Authority<'_>) -> bool {
    Origin::parse(origin).is_some_and(|origin| {
        // A scheme without a default port is not the web's.
        default_port(origin.scheme).is_some_and(|default| {
            origin.port == Some(authority.port.unwrap_or(default))
                && is_same_host(origin.host, authority.host)
        })
    })
}
