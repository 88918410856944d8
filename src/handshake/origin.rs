//! Which pages may connect (RFC 6455, section 10.2).

use super::RequestHead;
use super::list::is;
use super::notes::Once;
use super::uri::{Authority, ipv6_address, split_scheme};

/// Whose pages may open a connection to a server.
///
/// A browser sends the origin of the page that connects, and lets every page connect anywhere, with
/// the user's cookies: the server is who refuses. A request without `Origin` comes from no browser
/// and passes. [`ServerHandshake`](super::ServerHandshake) applies the policy of its
/// configuration, [`same`](Self::same) by default, and answers 403.
///
/// ```
/// use websocket_proto::handshake::OriginPolicy;
///
/// let same = OriginPolicy::same();
/// assert!(same.allows_origin(Some(b"https://example.com"), "example.com"));
/// assert!(!same.allows_origin(Some(b"https://evil-example.com"), "example.com"));
///
/// let list = OriginPolicy::list(&["https://example.com", "https://*.example.com", "http://localhost:*"]);
/// assert!(list.allows_origin(Some(b"https://www.example.com"), "10.0.0.7:8080"));
/// assert!(list.allows_origin(Some(b"http://localhost:3000"), "10.0.0.7:8080"));
/// ```
///
/// No policy but a list is a defence against DNS rebinding, where a page of the attacker's name
/// reaches the address of this server: its `Host` is the attacker's name as well.
#[derive(Clone, Copy, Debug)]
pub struct OriginPolicy<'a>(Policy<'a>);

#[derive(Clone, Copy, Debug)]
enum Policy<'a> {
    Any,
    None,
    Same,
    SameAs(&'a str),
    List(&'a [&'a str]),
}

impl<'a> OriginPolicy<'a> {
    /// Pages of this server: the host of the origin is that of the request, whatever its case, and
    /// so is the port, where a port that is not named is the default one of the origin's scheme.
    /// The scheme is not compared, since TLS may end at a proxy before this server; it is `http`
    /// or `https`.
    #[must_use]
    pub const fn same() -> Self {
        Self(Policy::Same)
    }

    /// Pages of `authority`, a host with a port if that is not the default one: what
    /// [`same`](Self::same) is behind a proxy that rewrites `Host`.
    #[must_use]
    pub const fn same_as(authority: &'a str) -> Self {
        Self(Policy::SameAs(authority))
    }

    /// Pages of these origins, each a scheme, a host, and a port if that is not the scheme's
    /// default one: `https://example.com:8443`. `*.` before a host stands for all its subdomains,
    /// but not for itself; `*` as the port for any. `null` is what sandboxed pages and files send.
    ///
    /// What is none of these matches nothing.
    #[must_use]
    pub const fn list(origins: &'a [&'a str]) -> Self {
        Self(Policy::List(origins))
    }

    /// Pages of any origin: for servers that know their clients by other means than cookies.
    #[must_use]
    pub const fn any() -> Self {
        Self(Policy::Any)
    }

    /// No page at all.
    #[must_use]
    pub const fn none() -> Self {
        Self(Policy::None)
    }

    /// Whether the request may be accepted. One with several origins is of none.
    #[must_use]
    pub fn allows(&self, request: &RequestHead<'_>) -> bool {
        match (self.0, request.head.notes.origin) {
            (Policy::Any, _) | (_, Once::Missing) => true,
            (_, origin) => {
                self.allows_text(origin.of(request.as_bytes()), request.stated_authority())
            }
        }
    }

    /// Whether a page of `origin`, the value of `Origin`, may connect to `authority`, which is
    /// the one that the request names.
    #[must_use]
    pub fn allows_origin(&self, origin: Option<&[u8]>, authority: &str) -> bool {
        origin.is_none_or(|origin| self.allows_text(origin, authority.as_bytes()))
    }

    fn allows_text(&self, origin: &[u8], authority: &[u8]) -> bool {
        match self.0 {
            Policy::Any => true,
            Policy::None => false,
            Policy::Same => is_same(origin, authority),
            Policy::SameAs(authority) => is_same(origin, authority.as_bytes()),
            Policy::List(patterns) => {
                patterns.iter().any(|pattern| matches(pattern.as_bytes(), origin))
            }
        }
    }
}

impl Default for OriginPolicy<'_> {
    fn default() -> Self {
        Self::same()
    }
}

/// `scheme "://" host [ ":" port ]` (RFC 6454, section 6.2).
struct Origin<'a> {
    scheme: &'a [u8],
    host: &'a [u8],
    port: Option<u16>,
}

impl<'a> Origin<'a> {
    fn parse(text: &'a [u8]) -> Option<Self> {
        let (scheme, authority) = split_scheme(text)?;
        let Authority { host, port } = Authority::parse(authority).ok()?;
        Some(Self { scheme, host, port: port.or(default_port(scheme)) })
    }
}

/// That of `http` or `https`.
pub(super) fn default_port(scheme: &[u8]) -> Option<u16> {
    if is(scheme, b"https") {
        Some(443)
    } else if is(scheme, b"http") {
        Some(80)
    } else {
        None
    }
}

fn is_same(origin: &[u8], authority: &[u8]) -> bool {
    let Some((scheme, origin)) = split_scheme(origin) else { return false };
    let (Some(default), Ok(parsed)) = (default_port(scheme), Authority::parse(authority)) else {
        return false;
    };
    // Most are written alike.
    origin == authority
        || Authority::parse(origin).is_ok_and(|origin| {
            is_same_host(origin.host, parsed.host)
                && origin.port.unwrap_or(default) == parsed.port.unwrap_or(default)
        })
}

fn matches(pattern: &[u8], origin: &[u8]) -> bool {
    if pattern == b"null" || origin == b"null" {
        return pattern == origin;
    }
    let (pattern, any_port) = match pattern.strip_suffix(b":*") {
        Some(pattern) => (pattern, true),
        None => (pattern, false),
    };
    let (Some(pattern), Some(origin)) = (Origin::parse(pattern), Origin::parse(origin)) else {
        return false;
    };
    let host_matches = match pattern.host.strip_prefix(b"*") {
        Some(parent) => is_subdomain(origin.host, parent),
        None => is_same_host(origin.host, pattern.host),
    };
    host_matches
        && origin.scheme.eq_ignore_ascii_case(pattern.scheme)
        && (any_port || origin.port == pattern.port)
}

/// Whether `host` ends in `parent`, which begins with a dot, and has something before it.
fn is_subdomain(host: &[u8], parent: &[u8]) -> bool {
    let Some(at) = host.len().checked_sub(parent.len()).filter(|&at| at > 0) else { return false };
    let end = host.get(at..);
    parent.len() > 1
        && parent.starts_with(b".")
        && end.is_some_and(|end| end.eq_ignore_ascii_case(parent))
}

/// Compares names without case, and IPv6 addresses by what they mean.
pub(super) fn is_same_host(a: &[u8], b: &[u8]) -> bool {
    match (ipv6_address(a), ipv6_address(b)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => a.eq_ignore_ascii_case(b),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_alike_is_the_same_where_it_is_so_by_its_parts() {
        let authorities = [
            "a", "A", "a:80", "a:443", "b", "", ":80", "a b", "a:", "a:0", "[::1]", "[0::1]", "[a]",
        ];
        for scheme in ["http", "HTTPS", "ftp"] {
            for (origin, authority) in authorities.iter().flat_map(|a| authorities.map(|b| (a, b)))
            {
                let origin = [scheme, "://", origin].concat();
                let by_parts = Origin::parse(origin.as_bytes())
                    .zip(Authority::parse(authority.as_bytes()).ok())
                    .zip(default_port(scheme.as_bytes()))
                    .is_some_and(|((origin, authority), default)| {
                        is_same_host(origin.host, authority.host)
                            && origin.port == Some(authority.port.unwrap_or(default))
                    });
                let is_same = is_same(origin.as_bytes(), authority.as_bytes());
                assert_eq!(is_same, by_parts, "{origin} {authority}");
            }
        }
    }
}
