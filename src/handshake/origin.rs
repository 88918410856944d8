//! The policy on the origins whose pages may connect (RFC 6455, section 10.2).

use core::fmt;

use super::authority::{Authority, default_port, eq_ignore_case, is_same_host, split_scheme};

/// A server's policy on the origins whose pages may connect.
///
/// A browser lets any page open a WebSocket connection to any server, attaches the user's cookies, and
/// sends the origin of the page in `Origin`. The server must therefore check that field. A request
/// without `Origin` does not come from a page in a browser, and passes every policy.
///
/// [`ServerHandshake`](super::ServerHandshake) applies the policy of its
/// [configuration](crate::Config::with_origin_policy), which is [`same`](Self::same) by default, and
/// answers 403 if the policy does not allow the origin.
///
/// ```
/// use websocket_proto::handshake::OriginPolicy;
///
/// let same = OriginPolicy::same();
/// assert!(same.allows_origin(Some(b"https://example.com"), "example.com"));
/// assert!(!same.allows_origin(Some(b"https://evil-example.com"), "example.com"));
///
/// // In a `static`, a malformed entry is a compile error.
/// static POLICY: OriginPolicy<'_> =
///     OriginPolicy::list(&["https://example.com", "https://*.example.com", "http://localhost:*"]);
/// assert!(POLICY.allows_origin(Some(b"https://chat.example.com"), "example.com"));
/// ```
///
/// Only a list without `same` defends against DNS rebinding. In that attack the attacker's domain name
/// resolves to the address of this server, so that both `Origin` and `Host` have the attacker's name.
#[derive(Clone, Copy, Debug)]
pub struct OriginPolicy<'a>(Policy<'a>);

#[derive(Clone, Copy, Debug)]
enum Policy<'a> {
    Any,
    None,
    Same,
    /// `Pattern::parse` accepts every entry.
    List(&'a [&'a str]),
}

impl<'a> OriginPolicy<'a> {
    /// Creates a policy that allows pages of this server: the origin has the host and the port of the
    /// requested authority.
    ///
    /// Host names are compared ignoring case. If the origin or the authority has no port, it has the
    /// default port of the origin's scheme, which must be `http`, `https`, `ws` or `wss`. The scheme
    /// itself is not compared, since a reverse proxy may terminate TLS.
    #[must_use]
    pub const fn same() -> Self {
        Self(Policy::Same)
    }

    /// Creates a policy that allows pages of the listed origins, as [`try_list`](Self::try_list) does.
    ///
    /// # Panics
    ///
    /// If an entry is malformed. In a `static` or `const`, this is a compile error.
    #[must_use]
    #[track_caller]
    pub const fn list(origins: &'a [&'a str]) -> Self {
        assert!(first_malformed(origins).is_none(), "an entry is not an origin");
        Self(Policy::List(origins))
    }

    /// Creates a policy that allows pages of the listed origins.
    ///
    /// The entry `same` matches what [`same`](Self::same) allows, which a list without it does not. Any
    /// other entry has the form in which browsers send an origin: a scheme, `://`, a host, and a port
    /// unless it is the default port, such as `https://example.com:8443`. It has no path. `*.` before a
    /// host matches its subdomains, but not the host itself. `*` as the port matches every port.
    /// Sandboxed pages send `null`; local files send `null` or `file://`.
    ///
    /// # Errors
    ///
    /// The first malformed entry.
    ///
    /// ```
    /// use websocket_proto::handshake::OriginPolicy;
    ///
    /// let policy = OriginPolicy::try_list(&["same", "https://other.example", "file://"])?;
    /// assert!(policy.allows_origin(Some(b"https://example.com"), "example.com"));
    /// assert!(policy.allows_origin(Some(b"https://other.example"), "example.com"));
    ///
    /// let error = OriginPolicy::try_list(&["https://example.com", "example.com"]).unwrap_err();
    /// assert_eq!(error.entry, "example.com");
    /// # Ok::<(), websocket_proto::handshake::InvalidOrigin<'_>>(())
    /// ```
    ///
    /// A [`Config`](crate::Config::with_origin_policy) needs a list that is never freed. A program that
    /// reads the list from a file leaks it, once:
    ///
    /// ```
    /// # #[cfg(feature = "alloc")] {
    /// use websocket_proto::Config;
    /// use websocket_proto::handshake::{InvalidOrigin, OriginPolicy};
    ///
    /// fn config(file: String) -> Result<Config, InvalidOrigin<'static>> {
    ///     let origins: Vec<&'static str> = file.leak().lines().collect();
    ///     Ok(Config::new().with_origin_policy(OriginPolicy::try_list(origins.leak())?))
    /// }
    /// assert!(config("same\nhttps://*.example.com".into()).is_ok());
    /// # }
    /// ```
    pub const fn try_list(origins: &'a [&'a str]) -> Result<Self, InvalidOrigin<'a>> {
        match first_malformed(origins) {
            Some(entry) => Err(InvalidOrigin { entry }),
            None => Ok(Self(Policy::List(origins))),
        }
    }

    /// Creates a policy that allows every page, for servers that do not authenticate with cookies.
    #[must_use]
    pub const fn any() -> Self {
        Self(Policy::Any)
    }

    /// Creates a policy that allows no page.
    #[must_use]
    pub const fn none() -> Self {
        Self(Policy::None)
    }

    /// Returns whether the policy allows a request with the `Origin` `origin`, `None` if it is missing,
    /// and the requested `authority`: that of the request target, `Host` or `:authority`.
    #[must_use]
    pub fn allows_origin(&self, origin: Option<&[u8]>, authority: &str) -> bool {
        match (origin, Authority::parse(authority.as_bytes())) {
            (None, _) => true,
            (Some(origin), Ok(authority)) => self.allows(origin, &authority),
            // The authority is invalid. `same` then allows no origin, since no page has an empty host.
            (Some(origin), Err(_)) => self.allows(origin, &Authority { host: b"", port: None }),
        }
    }

    // Builds without `alloc` inline this: a constant policy removes the code of the others.
    #[cfg_attr(not(feature = "alloc"), inline(always))]
    pub(super) fn allows(&self, origin: &[u8], authority: &Authority<'_>) -> bool {
        match self.0 {
            Policy::Any => true,
            Policy::None => false,
            Policy::Same => is_same(origin, authority),
            Policy::List(patterns) => patterns.iter().any(|pattern| {
                let pattern = Pattern::parse(pattern.as_bytes());
                debug_assert!(pattern.is_some(), "the constructors check the entries");
                pattern.is_some_and(|pattern| pattern.matches(origin, authority))
            }),
        }
    }

    /// Returns the body of a 403 response, which explains to the operator of the server why the origin
    /// was rejected and which setting to change.
    ///
    /// ```
    /// use websocket_proto::handshake::OriginPolicy;
    ///
    /// let text = OriginPolicy::same().explain(b"https://example.com", "10.0.0.7:8080");
    /// assert!(text.to_string().starts_with(
    ///     "The page's Origin \"https://example.com\" is not the requested host \"10.0.0.7:8080\"."
    /// ));
    /// ```
    #[must_use]
    pub fn explain<'r>(
        &self,
        origin: &'r [u8],
        authority: &'r str,
    ) -> impl fmt::Display + use<'a, 'r>
    where
        'a: 'r,
    {
        RejectedOrigin { policy: self.0, origin, authority }
    }
}

impl Default for OriginPolicy<'_> {
    fn default() -> Self {
        Self::same()
    }
}

/// The error of [`OriginPolicy::try_list`]: an entry is not an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidOrigin<'a> {
    /// The entry.
    pub entry: &'a str,
}

impl fmt::Display for InvalidOrigin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not an origin such as https://example.com", self.entry)
    }
}

impl core::error::Error for InvalidOrigin<'_> {}

/// The text that [`OriginPolicy::explain`] returns.
struct RejectedOrigin<'a> {
    policy: Policy<'a>,
    origin: &'a [u8],
    authority: &'a str,
}

impl fmt::Display for RejectedOrigin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (origin, authority) = (self.origin.escape_ascii(), self.authority);
        match self.policy {
            Policy::Any => f.write_str("This server allows every origin."),
            Policy::Same => write!(
                f,
                "The page's Origin \"{origin}\" is not the requested host \"{authority}\".\n\
                If a proxy rewrites Host, make it forward the client's Host, or allow the origin \
                beside \"same\" with OriginPolicy::list in this server's Config::with_origin_policy."
            ),
            Policy::List(_) => write!(
                f,
                "The page's Origin \"{origin}\" (requested host \"{authority}\") is not allowed.\n\
                Allow it with OriginPolicy::list in this server's Config::with_origin_policy."
            ),
            Policy::None => write!(
                f,
                "The page's Origin \"{origin}\" (requested host \"{authority}\") is not allowed: \
                this server's Config::with_origin_policy has OriginPolicy::none."
            ),
        }
    }
}

/// `scheme "://" host [ ":" port ]` (RFC 6454, section 6.2).
#[derive(Clone, Copy)]
struct Origin<'a> {
    scheme: &'a [u8],
    /// Empty only in origins such as `file://`, whose scheme has no default port.
    host: &'a [u8],
    /// The port as sent.
    port: Option<u16>,
    /// The default port of `scheme`, if it is a scheme of web pages.
    default_port: Option<u16>,
}

impl<'a> Origin<'a> {
    const fn parse(text: &'a [u8]) -> Option<Self> {
        let Some((scheme, authority)) = split_scheme(text) else { return None };
        let default_port = default_port(scheme);
        if authority.is_empty() && default_port.is_none() {
            return Some(Self { scheme, host: authority, port: None, default_port });
        }
        match Authority::parse(authority) {
            Ok(Authority { host, port }) => Some(Self { scheme, host, port, default_port }),
            Err(_) => None,
        }
    }

    const fn port(&self) -> Option<u16> {
        match self.port {
            Some(port) => Some(port),
            None => self.default_port,
        }
    }
}

/// An entry of a list.
#[derive(Clone, Copy)]
enum Pattern<'a> {
    Same,
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
        match entry {
            b"same" => return Some(Self::Same),
            b"null" => return Some(Self::Null),
            _ => {}
        }
        let (text, any_port) = match entry {
            [text @ .., b':', b'*'] => (text, true),
            text => (text, false),
        };
        let Some(origin) = Origin::parse(text) else { return None };
        // `*` replaces the port; it cannot follow one.
        if any_port && text.len() > origin.scheme.len() + "://".len() + origin.host.len() {
            return None;
        }
        let host = match origin.host {
            [b'*', b'.', parent @ ..] if !parent.is_empty() => HostPattern::SubdomainsOf(parent),
            host => HostPattern::Exact(host),
        };
        let (HostPattern::Exact(name) | HostPattern::SubdomainsOf(name)) = host;
        if contains_asterisk(name) || (any_port && name.is_empty()) {
            return None;
        }
        let port = if any_port { PortPattern::Any } else { PortPattern::Exact(origin.port()) };
        Some(Self::Origin { scheme: origin.scheme, host, port })
    }

    fn matches(&self, origin: &[u8], authority: &Authority<'_>) -> bool {
        match self {
            Self::Same => is_same(origin, authority),
            Self::Null => origin == b"null",
            Self::Origin { scheme, host, port } => Origin::parse(origin).is_some_and(|origin| {
                let host_matches = match host {
                    HostPattern::Exact(host) => is_same_host(origin.host, host),
                    HostPattern::SubdomainsOf(parent) => is_subdomain(origin.host, parent),
                };
                let port_matches = match port {
                    PortPattern::Exact(port) => origin.port() == *port,
                    PortPattern::Any => true,
                };
                host_matches && port_matches && eq_ignore_case(origin.scheme, scheme)
            }),
        }
    }
}

/// Returns the first malformed entry.
const fn first_malformed<'a>(mut origins: &[&'a str]) -> Option<&'a str> {
    while let [entry, rest @ ..] = origins {
        if Pattern::parse(entry.as_bytes()).is_none() {
            return Some(entry);
        }
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

/// Returns whether `host` is `name "." parent`.
fn is_subdomain(host: &[u8], parent: &[u8]) -> bool {
    let split = host.len().checked_sub(parent.len()).and_then(|at| host.split_at_checked(at));
    split.is_some_and(|(name, end)| matches!(name, [_, .., b'.']) && eq_ignore_case(end, parent))
}

fn is_same(origin: &[u8], authority: &Authority<'_>) -> bool {
    let Some(origin) = Origin::parse(origin) else { return false };
    let Some(default_port) = origin.default_port else { return false };
    origin.port.unwrap_or(default_port) == authority.port.unwrap_or(default_port)
        && is_same_host(origin.host, authority.host)
}
